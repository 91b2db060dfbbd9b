/**
 * What the names of tags and branches say: which directory and version a tag
 * names, which names a consumer can ask a proxy for, and which look like a
 * version and are none.
 *
 * Pure. Rules: protocol 1.2 and 2.5.
 */

import type { Oid, RefFacts } from '../model.ts'
import { escapeVersion } from '../module/escape.ts'
import { isPseudoVersion } from '../module/pseudo.ts'
import { buildOf, canonicalSemver, isSemver } from '../module/version.ts'
import { isRepairable } from '../problem.ts'

export const tagPrefix = 'refs/tags/'
export const headPrefix = 'refs/heads/'
/** The prefix of the names under which configured revisions are recorded. */
export const commitPrefix = 'commit:'

/** A tag whose last element is a version of some kind. */
export interface VersionTag {
  /** The name without "refs/tags/". */
  readonly short: string
  /** The directory before the version, "" for the top. */
  readonly dir: string
  /** The last element of the name. */
  readonly rest: string
  readonly facts: RefFacts
}

/** The tags of a repository, by what enumeration asks for. */
export interface TagIndex {
  readonly byDir: ReadonlyMap<string, readonly VersionTag[]>
  /** The directories for which there is a version tag that can be read. */
  readonly versionDirs: ReadonlySet<string>
  readonly byCommit: ReadonlyMap<Oid, readonly string[]>
  readonly byName: ReadonlyMap<string, VersionTag>
  /** Of each directory a tag that may be read in another run, and be the base of a pseudo-version then. */
  readonly unreadBases: ReadonlyMap<string, string>
}

/** Indexes the tags that point to a commit. */
export function indexTags(tags: readonly RefFacts[]): TagIndex {
  const byDir = new Map<string, VersionTag[]>()
  const versionDirs = new Set<string>()
  const byCommit = new Map<Oid, string[]>()
  const byName = new Map<string, VersionTag>()
  const unreadBases = new Map<string, string>()
  for (const facts of tags) {
    const tag = versionTag(facts)
    byName.set(tag.short, tag)
    if (facts.commit !== undefined) push(byCommit, facts.commit, tag.short)
    push(byDir, tag.dir, tag)
    const isReadable = facts.failed === undefined && facts.commit !== undefined && facts.mods !== undefined
    if (isReadable && isVersionName(tag.rest)) versionDirs.add(tag.dir)
    if (!isRepairable(facts.failed) || !isBaseName(tag.rest)) continue
    const other = unreadBases.get(tag.dir)
    if (other === undefined || tag.short < other) unreadBases.set(tag.dir, tag.short)
  }
  return { byDir, versionDirs, byCommit, byName, unreadBases }
}

/** Takes the name of a tag apart. */
export function versionTag(facts: RefFacts): VersionTag {
  const short = facts.ref.slice(tagPrefix.length)
  const slash = short.lastIndexOf('/')
  return { short, dir: short.slice(0, Math.max(slash, 0)), rest: short.slice(slash + 1), facts }
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}

/** Tells whether go lists a tag that ends so: canonical, and not shaped like a pseudo-version. */
export function isVersionName(rest: string): boolean {
  return rest !== '' && rest === canonicalSemver(rest) && !isPseudoVersion(rest)
}

/**
 * Tells whether a tag can be the base of a pseudo-version: its canonical form
 * begins it, so that build metadata may follow and short forms are out.
 */
export function isBaseName(rest: string): boolean {
  const canonical = canonicalSemver(rest)
  return canonical !== '' && rest.startsWith(canonical) && !isPseudoVersion(rest)
}

/** Tells whether the name begins as versions do, so that a person may take it for one. */
export function looksLikeVersion(rest: string): boolean {
  return /^[vV]?\d+\.\d/.test(rest) || /^[vV]\d+$/.test(rest)
}

/**
 * Tells whether the go command asks a proxy for a revision of this name as it
 * stands: versions, prefixes of versions and the names of queries never reach
 * one, nor do names that cannot be escaped.
 */
export function isQueryName(name: string): boolean {
  if (['latest', 'upgrade', 'patch', 'none'].includes(name)) return false
  if (/^[<>]/.test(name) || name.includes('/')) return false
  if (isSemver(name))
    return name !== canonicalSemver(name) && isBaseName(name) && buildOf(name) !== '+incompatible'
  return escapeVersion(name) !== undefined
}
