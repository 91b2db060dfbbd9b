import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  buildOf,
  canonicalSemver,
  canonicalVersion,
  compareVersions,
  isSemver,
  majorOf,
  matchesPathMajor,
  parseVersionRange,
  prereleaseOf,
  sortVersions,
} from '../../src/module/version.ts'

/** Valid versions in ascending order, and their canonical forms where those differ. */
const ascending = [
  ['v1.0.0-alpha', ''],
  ['v1.0.0-alpha.1', ''],
  ['v1.0.0-alpha.beta', ''],
  ['v1.0.0-beta', ''],
  ['v1.0.0-beta.2', ''],
  ['v1.0.0-beta.11', ''],
  ['v1.0.0-rc.1', ''],
  ['v1', 'v1.0.0'],
  ['v1.2.0-99999999999999999998', ''],
  ['v1.2.0-99999999999999999999', ''],
  ['v1.2.0-Beta', ''],
  ['v1.2.0-alpha', ''],
  ['v1.2', 'v1.2.0'],
  ['v1.2.3-456.789', ''],
  ['v1.2.3-pre+meta', 'v1.2.3-pre'],
  ['v1.2.3+meta', 'v1.2.3'],
  ['v2.0.0+incompatible', 'v2.0.0'],
  ['v99999999999999999999.0.0', ''],
  ['v100000000000000000000.0.0', ''],
] as const

const parts = fc.constantFrom('0', '1', '2', '10', '18446744073709551616')
const identifier = fc.constantFrom('0', '1', '9', '10', 'a', 'B', 'rc', '-', '99999999999999999999')
const versions = fc
  .tuple(parts, parts, parts, fc.array(identifier, { maxLength: 3 }), fc.boolean())
  .map(([major, minor, patch, pre, isIncompatible]) => {
    const prerelease = pre.length === 0 ? '' : `-${pre.join('.')}`
    return `v${major}.${minor}.${patch}${prerelease}${isIncompatible ? '+incompatible' : ''}`
  })

describe('versions', () => {
  test.for([
    '',
    'v',
    '1.2.3',
    'V1.2.3',
    'v01.2.3',
    'v1.02.3',
    'v1.2.03',
    'v1.2.3.4',
    'v1-pre',
    'v1.2+meta',
    'v1.2.3-',
    'v1.2.3-01',
    'v1.2.3-a..b',
    'v1.2.3+',
    'v1.2.3\n',
    'v1.2.3-é',
  ])('%j is none', (version) => {
    expect(isSemver(version)).toBe(false)
    expect(canonicalSemver(version)).toBe('')
    expect(canonicalVersion(version)).toBe('')
    expect(majorOf(version)).toBe('')
    expect(prereleaseOf(version)).toBe('')
    expect(buildOf(version)).toBe('')
    expect(compareVersions(version, 'v0.0.0-0')).toBe(-1)
    expect(compareVersions(version, 'bad')).toBe(0)
  })

  test.for(ascending)('%s has the canonical form "%s"', ([version, canonical]) => {
    expect(isSemver(version)).toBe(true)
    expect(canonicalSemver(version)).toBe(canonical || version)
  })

  test('are made of major, prerelease and build', () => {
    const version = 'v2.1.0-pre.1+meta.2'
    expect([majorOf(version), prereleaseOf(version), buildOf(version)]).toEqual(['v2', '-pre.1', '+meta.2'])
  })

  test('keep only "+incompatible" in the canonical form of a module version', () => {
    expect(canonicalVersion('v2+incompatible')).toBe('')
    expect(canonicalVersion('v2.0.0+incompatible')).toBe('v2.0.0+incompatible')
    expect(canonicalVersion('v2.0.0+meta')).toBe('v2.0.0')
  })

  test('have one order, in which numbers may be of any length', () => {
    for (const [index, [a]] of ascending.entries()) {
      for (const [other, [b]] of ascending.entries()) {
        expect(compareVersions(a, b), `${a} ${b}`).toBe(Math.sign(index - other))
      }
    }
  })

  test('are sorted whatever their order was, equals by the string, and the list stays as it was', () => {
    fc.assert(
      fc.property(fc.array(versions), fc.infiniteStream(fc.nat()), (list, seeds) => {
        const before = [...list]
        const sorted = sortVersions(list)
        expect(list).toEqual(before)
        const shuffled = list
          .map((version) => ({ version, key: seeds.next().value }))
          .sort((a, b) => Number(a.key) - Number(b.key))
        expect(sortVersions(shuffled.map(({ version }) => version))).toEqual(sorted)
        for (const [index, version] of sorted.slice(1).entries()) {
          const order = compareVersions(sorted[index] ?? '', version)
          expect(order < 0 || (order === 0 && (sorted[index] ?? '') <= version)).toBe(true)
        }
      }),
    )
  })

  test('compare as a total order that builds do not touch', () => {
    fc.assert(
      fc.property(versions, versions, versions, (a, b, c) => {
        expect(compareVersions(a, b) + compareVersions(b, a)).toBe(0)
        expect(compareVersions(a, canonicalSemver(a))).toBe(0)
        if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) {
          expect(compareVersions(a, c)).toBeLessThanOrEqual(0)
        }
      }),
    )
  })

  test('are read in linear time', () => {
    const long = '1'.repeat(200_000)
    expect(isSemver(`v1.2.3-${long}`)).toBe(true)
    expect(isSemver(`v1.2.3-${'a.'.repeat(100_000)}!`)).toBe(false)
    expect(compareVersions(`v${long}0.0.0`, `v${long}.0.0`)).toBe(1)
  })
})

describe('matchesPathMajor', () => {
  test.for([
    ['v0.1.0', '', true],
    ['v1.0.0', '', true],
    ['v2.0.0', '', false],
    ['v2.0.0+incompatible', '', true],
    ['v2.0.0', '/v2', true],
    ['v1.0.0', '/v2', false],
    ['v3.0.0', '/v2', false],
    ['v1.0.0', '.v1', true],
    ['v0.0.0-20161208181325-20d25e280405', '.v1', true],
    ['v0.0.0-20161208181325-20d25e280405', '.v1-unstable', true],
    ['v0.0.0-20161208181325-20d25e280405', '.v2', false],
    ['v2.0.0', '.v2-unstable', true],
    ['v2.0.0', 'v2', false],
    ['bad', '/v2', false],
  ] as const)('%s with "%s": %s', ([version, pathMajor, want]) => {
    expect(matchesPathMajor(version, pathMajor)).toBe(want)
  })
})

describe('parseVersionRange', () => {
  test.for([
    ['v1.2.3', ['v1.2.3', 'v1.2.3+incompatible'], ['v1.2.4', 'v1.2.3-rc.1']],
    ['=v2.0.0+incompatible', ['v2.0.0', 'v2.0.0+incompatible'], ['v2.0.1']],
    ['v1', ['v1.0.0'], ['v1.0.1']],
    ['>=v1.2', ['v1.2.0', 'v9.0.0'], ['v1.2.0-rc.1', 'v1.1.9', 'latest']],
    ['>v1 <=v2', ['v1.0.1', 'v2.0.0-rc.1', 'v2.0.0'], ['v1.0.0', 'v2.0.1']],
    ['  >= v1.1   < v1.3 ', ['v1.1.0', 'v1.3.0-0'], ['v1.3.0']],
    ['<v1 || >=v3 <v4 || v2.5.0', ['v0.9.0', 'v2.5.0', 'v3.7.0'], ['v1.0.0', 'v2.5.1', 'v4.0.0', 'bad']],
  ] as const)('%s', ([text, inside, outside]) => {
    const test = parseVersionRange(text)
    expect(inside.filter((version) => test?.(version))).toEqual(inside)
    expect(outside.filter((version) => test?.(version))).toEqual([])
  })

  test.for([
    '',
    ' ',
    '||',
    'v1 ||',
    '1.2.3',
    '^v1.2.3',
    '~v1',
    'v1.x',
    '*',
    '>=',
    '=>v1',
    '==v1',
    '>v1<v2',
    'v1 - v2',
  ])('%j is no range', (text) => {
    expect(parseVersionRange(text)).toBeUndefined()
  })
})
