/**
 * Pseudo-versions: names for commits that carry no tag. They hold the time
 * and the id of the commit, and before these the tagged version that they
 * follow, so that they sort just behind it:
 *
 *     vX.0.0-yyyymmddhhmmss-abcdef123456              after no version
 *     vX.Y.(Z+1)-0.yyyymmddhhmmss-abcdef123456        after vX.Y.Z
 *     vX.Y.Z-pre.0.yyyymmddhhmmss-abcdef123456        after vX.Y.Z-pre
 *
 * The latter two may end in "+incompatible", as the version before them does.
 *
 * Pure.
 *
 * @see golang.org/x/mod/module pseudo.go
 */

import type { Version } from '../model.ts'
import { buildOf, canonicalSemver, isSemver, prereleaseOf } from './version.ts'

const pseudoPattern =
  /^v[0-9]+\.(0\.0-|[0-9]+\.[0-9]+-([^+]*\.)?0\.)[0-9]{14}-[A-Za-z0-9]+(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$/

/**
 * Tells whether a version has the shape of a pseudo-version, as module.IsPseudoVersion does.
 *
 * @example isPseudoVersion('v0.0.0-20191109021931-daa7c04131f5') // true
 */
export function isPseudoVersion(version: string): boolean {
  return isSemver(version) && pseudoPattern.test(version)
}

/**
 * Returns the pseudo-version of a commit as module.PseudoVersion does.
 * `major` ("v2", or "" for v0) counts only where `older`, the version that it follows, is "".
 * `rev12` is the beginning of the commit's id, 12 digits long.
 *
 * @example makePseudoVersion('', 'v1.2.9', 1700000000, 'abcdef123456') // "v1.2.10-0.20231114221320-abcdef123456"
 */
export function makePseudoVersion(major: string, older: string, timeSeconds: number, rev12: string): Version {
  const segment = `${formatTime(timeSeconds)}-${rev12}`
  const base = canonicalSemver(older)
  if (base === '') return `${major || 'v0'}.0.0-${segment}` as Version
  const build = buildOf(older)
  if (prereleaseOf(base) !== '') return `${base}.0.${segment}${build}` as Version
  const patchAt = base.lastIndexOf('.') + 1
  const patch = BigInt(base.slice(patchAt)) + 1n
  return `${base.slice(0, patchAt)}${patch}-0.${segment}${build}` as Version
}

/**
 * Returns the version that a pseudo-version follows as module.PseudoVersionBase does, "" where it follows none,
 * and undefined where it is no pseudo-version or contradicts itself.
 *
 * @example pseudoBase('v1.2.10-0.20231114221320-abcdef123456') // "v1.2.9"
 */
export function pseudoBase(version: string): string | undefined {
  const parsed = parse(version)
  if (parsed === undefined) return undefined
  const { base, build } = parsed
  const prerelease = prereleaseOf(base)
  // "vX.0.0-" says that there is no version before, and a build that there is one.
  if (prerelease === '') return build === '' ? '' : undefined
  if (prerelease !== '-0') return `${base.slice(0, -'.0'.length)}${build}`
  const next = base.slice(0, -'-0'.length)
  const patchAt = next.lastIndexOf('.') + 1
  const patch = BigInt(next.slice(patchAt)) - 1n
  return patch < 0n ? undefined : `${next.slice(0, patchAt)}${patch}${build}`
}

/**
 * Returns the time in a pseudo-version, in seconds since 1970 UTC, as module.PseudoVersionTime does,
 * or undefined where it is no pseudo-version or its digits are no time.
 *
 * @example pseudoTime('v0.0.0-20231114221320-abcdef123456') // 1700000000
 */
export function pseudoTime(version: string): number | undefined {
  const digits = parse(version)?.timestamp
  if (digits === undefined) return undefined
  const iso = digits.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6Z')
  const seconds = Date.parse(iso) / 1000
  // Date.parse takes 30 February for 1 March.
  return Number.isNaN(seconds) || formatTime(seconds) !== digits ? undefined : seconds
}

/**
 * Returns the commit's id in a pseudo-version as module.PseudoVersionRev does, "" where it is no pseudo-version.
 *
 * @example pseudoRevision('v0.0.0-20231114221320-abcdef123456') // "abcdef123456"
 */
export function pseudoRevision(version: string): string {
  return parse(version)?.revision ?? ''
}

interface Parsed {
  /** "vX.0.0", "vX.Y.(Z+1)-0" or "vX.Y.Z-pre.0". */
  readonly base: string
  readonly timestamp: string
  readonly revision: string
  readonly build: string
}

function parse(version: string): Parsed | undefined {
  if (!isPseudoVersion(version)) return undefined
  const build = buildOf(version)
  const match = /^(.*)[-.]([0-9]{14})-([A-Za-z0-9]+)$/.exec(version.slice(0, version.length - build.length))
  if (match === null) return undefined
  const [, base = '', timestamp = '', revision = ''] = match
  return { base, timestamp, revision, build }
}

function formatTime(seconds: number): string {
  const date = new Date(seconds * 1000)
  if (Number.isNaN(date.getTime())) throw new Error(`${seconds} is no time.`)
  const rest = [
    date.getUTCMonth() + 1,
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds(),
  ]
  const year = String(date.getUTCFullYear()).padStart(4, '0')
  return year + rest.map((part) => String(part).padStart(2, '0')).join('')
}
