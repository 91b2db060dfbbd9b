import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  isPseudoVersion,
  makePseudoVersion,
  pseudoBase,
  pseudoRevision,
  pseudoTime,
} from '../../src/module/pseudo.ts'
import { compareVersions } from '../../src/module/version.ts'

const time = 1_700_000_000
const tail = '20231114221320-abcdef123456'

describe('pseudo-versions', () => {
  test.for([
    ['', '', `v0.0.0-${tail}`],
    ['v1', '', `v1.0.0-${tail}`],
    ['v2', '', `v2.0.0-${tail}`],
    ['v2', 'bad', `v2.0.0-${tail}`],
    ['', 'v1.2.3', `v1.2.4-0.${tail}`],
    ['', 'v1.2.9', `v1.2.10-0.${tail}`],
    ['', 'v1.2.99', `v1.2.100-0.${tail}`],
    ['', 'v1.2.99999999999999999999', `v1.2.100000000000000000000-0.${tail}`],
    ['', 'v0.1.0-alpha', `v0.1.0-alpha.0.${tail}`],
    ['', 'v1.2.3-pre', `v1.2.3-pre.0.${tail}`],
    ['', 'v2.0.0+incompatible', `v2.0.1-0.${tail}+incompatible`],
    ['', 'v2.0.0-rc.1+incompatible', `v2.0.0-rc.1.0.${tail}+incompatible`],
  ] as const)('major "%s" after "%s" is %s', ([major, older, want]) => {
    const version = makePseudoVersion(major, older, time, 'abcdef123456')
    expect(version).toBe(want)
    expect(isPseudoVersion(version)).toBe(true)
    expect(pseudoBase(version)).toBe(older === 'bad' ? '' : older)
    expect(pseudoTime(version)).toBe(time)
    expect(pseudoRevision(version)).toBe('abcdef123456')
  })

  test.for([
    'v1.0.0',
    `v1.2.3-${tail}`,
    'v1.0.4-20191109021931-daa7c04131f5',
    'v0.0.0-2019110902193-daa7c04131f5',
    `0.0.0-${tail}`,
    `v1.2.3-0.${tail}-x`,
    `v01.0.0-${tail}`,
  ])('%s is none', (version) => {
    expect(isPseudoVersion(version)).toBe(false)
    expect(pseudoBase(version)).toBeUndefined()
    expect(pseudoTime(version)).toBeUndefined()
    expect(pseudoRevision(version)).toBe('')
  })

  test('that contradict themselves have no base', () => {
    expect(pseudoBase(`v1.0.0-0.${tail}`)).toBeUndefined()
    expect(pseudoBase(`v2.0.0-${tail}+incompatible`)).toBeUndefined()
  })

  test.for([
    '20230230000000',
    '20231301000000',
    '20231114240000',
    '20231114006000',
    '20231114000060',
    '00000000000000',
  ])('the digits %s are no time', (digits) => {
    const version = `v0.0.0-${digits}-abcdef123456`
    expect(isPseudoVersion(version)).toBe(true)
    expect(pseudoTime(version)).toBeUndefined()
  })

  test('hold the times from year 1 to 9999', () => {
    expect(pseudoTime('v0.0.0-00010101000000-000000000000')).toBe(-62_135_596_800)
    expect(pseudoTime('v0.0.0-99991231235959-000000000000')).toBe(253_402_300_799)
    expect(() => makePseudoVersion('', '', Number.NaN, '')).toThrow('no time')
  })

  test('keep what they are made of, and sort between their base and what may follow it', () => {
    const base = fc
      .tuple(fc.nat(), fc.nat(), fc.nat(), fc.constantFrom('', '-rc', '-rc.1', '-0', '-a-b.0'))
      .map(([major, minor, patch, pre]) => `v${major}.${minor}.${patch}${pre}`)
    fc.assert(
      fc.property(
        base,
        fc.integer({ min: 0, max: 4e9 }),
        fc.stringMatching(/^[0-9a-f]{12}$/),
        (older, at, rev) => {
          const version = makePseudoVersion('', older, at, rev)
          expect(pseudoBase(version)).toBe(older)
          expect(pseudoTime(version)).toBe(at)
          expect(pseudoRevision(version)).toBe(rev)
          expect(compareVersions(older, version)).toBe(-1)
          const [, head = '', patch = ''] = /^(v[0-9]+\.[0-9]+\.)([0-9]+)/.exec(older) ?? []
          expect(compareVersions(version, `${head}${BigInt(patch) + 1n}`)).toBe(-1)
        },
      ),
    )
  })
})
