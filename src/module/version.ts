/**
 * Semantic versions by Go's rules: a "v" in front, short forms such as "v1.2",
 * numbers of any length, and an order in which prereleases are members like
 * all others. npm's semver differs in each of these, so it is not used here.
 *
 * Pure.
 *
 * @see golang.org/x/mod/semver
 * @see golang.org/x/mod/module CanonicalVersion, MatchPathMajor
 */

import { compareUtf8 } from './dirhash.ts'

interface Parsed {
  readonly major: string
  readonly minor: string
  readonly patch: string
  /** With its hyphen; "" where there is none. */
  readonly prerelease: string
  /** With its plus sign; "" where there is none. */
  readonly build: string
}

const semverPattern = (() => {
  const number = '(0|[1-9][0-9]*)'
  const identifier = '(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)'
  const prerelease = `(-${identifier}(?:\\.${identifier})*)?`
  const build = '(\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?'
  return new RegExp(`^v${number}(?:\\.${number}(?:\\.${number}${prerelease}${build})?)?$`)
})()

/**
 * Tells whether a string is a semantic version as semver.IsValid does. The short forms "v1" and "v1.2" are.
 *
 * @example isSemver('1.2.3') // false: there is no "v"
 */
export function isSemver(version: string): boolean {
  return parse(version) !== undefined
}

/**
 * Returns the form vMAJOR.MINOR.PATCH[-PRERELEASE] as semver.Canonical does, or "" for what is no version.
 * The build goes, even "+incompatible".
 *
 * @example canonicalSemver('v1.2') // "v1.2.0"
 */
export function canonicalSemver(version: string): string {
  const parsed = parse(version)
  return parsed === undefined ? '' : canonicalOf(parsed)
}

/**
 * Returns the canonical form as module.CanonicalVersion does: "+incompatible" stays, any other build goes.
 *
 * @example canonicalVersion('v2.0.0+incompatible') // "v2.0.0+incompatible"
 */
export function canonicalVersion(version: string): string {
  const parsed = parse(version)
  if (parsed === undefined) return ''
  return canonicalOf(parsed) + (parsed.build === '+incompatible' ? parsed.build : '')
}

/**
 * Returns the major version with its "v" as semver.Major does, or "" for what is no version.
 *
 * @example majorOf('v2.1.0') // "v2"
 */
export function majorOf(version: string): string {
  const parsed = parse(version)
  return parsed === undefined ? '' : `v${parsed.major}`
}

/**
 * Returns the prerelease with its hyphen as semver.Prerelease does, or "" where there is none.
 *
 * @example prereleaseOf('v2.1.0-pre+meta') // "-pre"
 */
export function prereleaseOf(version: string): string {
  return parse(version)?.prerelease ?? ''
}

/**
 * Returns the build with its plus sign as semver.Build does, or "" where there is none.
 *
 * @example buildOf('v2.0.0+incompatible') // "+incompatible"
 */
export function buildOf(version: string): string {
  return parse(version)?.build ?? ''
}

/**
 * Compares by precedence as semver.Compare does. Builds do not count.
 * What is no version is less than any version and equal to its like.
 *
 * @example compareVersions('v1.0.0-rc.1', 'v1.0.0') // -1
 */
export function compareVersions(a: string, b: string): -1 | 0 | 1 {
  return compareParsed(parse(a), parse(b))
}

/**
 * Returns a new list in the order of semver.Sort: by precedence, and where that is equal by the string.
 *
 * @example sortVersions(['v1.10.0', 'v1.9.0']) // ["v1.9.0", "v1.10.0"]
 */
export function sortVersions<V extends string>(list: Iterable<V>): V[] {
  return Array.from(list, (version) => ({ version, parsed: parse(version) }))
    .sort((a, b) => compareParsed(a.parsed, b.parsed) || compareUtf8(a.version, b.version))
    .map(({ version }) => version)
}

/**
 * Tells whether a version may belong to a path with this major suffix ("", "/v2", ".v1") as module.MatchPathMajor does.
 * Without a suffix these are v0, v1 and "+incompatible"; gopkg.in's ".v1" takes "v0.0.0-…" too, for an old bug's sake.
 *
 * @example matchesPathMajor('v2.1.0', '/v2') // true
 */
export function matchesPathMajor(version: string, pathMajor: string): boolean {
  const suffix = pathMajor.startsWith('.v') ? pathMajor.replace(/-unstable$/, '') : pathMajor
  if (suffix === '.v1' && version.startsWith('v0.0.0-')) return true
  const major = majorOf(version)
  if (suffix === '') return major === 'v0' || major === 'v1' || buildOf(version) === '+incompatible'
  return (suffix.startsWith('/') || suffix.startsWith('.')) && suffix.slice(1) === major
}

type Test = (version: string) => boolean

const comparators: Readonly<Record<string, (order: -1 | 0 | 1) => boolean>> = {
  '': (order) => order === 0,
  '=': (order) => order === 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
}

/**
 * Returns the test that a range of versions stands for, or undefined where the text is no range.
 * A range is made of comparisons such as ">=v1.2"; a space means "and", "||" means "or". The order is Go's:
 * prereleases are ordinary members of it ("<v2" takes v2.0.0-rc.1), and "+incompatible" does not count.
 *
 * @example parseVersionRange('>=v1.2 <v2 || v3.0.1')?.('v1.9.0') // true
 */
export function parseVersionRange(text: string): ((version: string) => boolean) | undefined {
  const alternatives: Test[] = []
  for (const part of text.split('||')) {
    const test = parseComparisons(part)
    if (test === undefined) return undefined
    alternatives.push(test)
  }
  return (version) => alternatives.some((test) => test(version))
}

function parseComparisons(text: string): Test | undefined {
  const words = text
    .replaceAll(/([<>=])\s+/g, '$1')
    .split(/\s+/)
    .filter((word) => word !== '')
  const tests: ((parsed: Parsed) => boolean)[] = []
  for (const word of words) {
    const [, operator = '', operand = ''] = /^([<>=]*)(.*)$/.exec(word) ?? []
    const holds = Object.hasOwn(comparators, operator) ? comparators[operator] : undefined
    const bound = parse(operand)
    if (holds === undefined || bound === undefined) return undefined
    tests.push((parsed) => holds(compareParsed(parsed, bound)))
  }
  if (tests.length === 0) return undefined
  return (version) => {
    const parsed = parse(version)
    return parsed !== undefined && tests.every((test) => test(parsed))
  }
}

/** Versions are compared again and again: what was parsed last is remembered. */
const parsedVersions = new Map<string, Parsed | undefined>()
const rememberedVersions = 10_000

function parse(version: string): Parsed | undefined {
  const known = parsedVersions.get(version)
  if (known !== undefined || parsedVersions.has(version)) return known
  if (parsedVersions.size >= rememberedVersions) parsedVersions.clear()
  const parsed = parseAfresh(version)
  parsedVersions.set(version, parsed)
  return parsed
}

function parseAfresh(version: string): Parsed | undefined {
  const match = semverPattern.exec(version)
  if (match === null) return undefined
  const [, major = '', minor = '0', patch = '0', prerelease = '', build = ''] = match
  return { major, minor, patch, prerelease, build }
}

function canonicalOf({ major, minor, patch, prerelease }: Parsed): string {
  return `v${major}.${minor}.${patch}${prerelease}`
}

function compareParsed(a: Parsed | undefined, b: Parsed | undefined): -1 | 0 | 1 {
  if (a === undefined) return b === undefined ? 0 : -1
  if (b === undefined) return 1
  return (
    compareNumbers(a.major, b.major) ||
    compareNumbers(a.minor, b.minor) ||
    compareNumbers(a.patch, b.patch) ||
    comparePrereleases(a.prerelease, b.prerelease)
  )
}

/** Compares decimal strings without leading zeros, of any length. */
function compareNumbers(a: string, b: string): -1 | 0 | 1 {
  if (a === b) return 0
  if (a.length !== b.length) return a.length < b.length ? -1 : 1
  return a < b ? -1 : 1
}

function comparePrereleases(a: string, b: string): -1 | 0 | 1 {
  if (a === b) return 0
  if (a === '') return 1
  if (b === '') return -1
  const right = b.slice(1).split('.')
  for (const [index, left] of a.slice(1).split('.').entries()) {
    const other = right[index]
    if (other === undefined) return 1
    if (left === other) continue
    const isNumber = /^[0-9]+$/.test(left)
    if (isNumber !== /^[0-9]+$/.test(other)) return isNumber ? -1 : 1
    if (isNumber) return compareNumbers(left, other)
    return left < other ? -1 : 1
  }
  return -1
}
