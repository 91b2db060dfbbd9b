/**
 * Merging joins what two publishers have found of one repository at the same
 * time. Both started from the same shard, or from an older one: what only one
 * of them has changed since is taken from that one, and what both have changed
 * is decided so that nothing published is lost and both orders give the same.
 *
 * Pure. See product.md, "Order of writing": shards merge by union.
 */

import { tagPrefix } from './enumerate/tags.ts'
import {
  problemKey,
  type RecordedProblem,
  type RecordedRef,
  refusalKey,
  type Shard,
  versionKey,
} from './manifest.ts'
import type { PublishedVersion, RefFacts } from './model.ts'

/** Returns the shard that has what is in both. `base` is what `ours` started from. */
export function mergeShards(base: Shard, theirs: Shard, ours: Shard): Shard {
  const withdrawn = new Map([...ours.withdrawn, ...theirs.withdrawn])
  // Nothing published goes away because someone does not know of it.
  const versions = new Map([...ours.versions, ...theirs.versions])
  for (const [key, version] of mergeMaps(base.versions, theirs.versions, ours.versions, chooseVersion))
    versions.set(key, version)
  for (const key of withdrawn.keys()) versions.delete(key)
  const clone = theirs.clone ?? ours.clone
  const defaultHead = theirs.defaultHead === base.defaultHead ? ours.defaultHead : theirs.defaultHead
  const refusals = mergeLists(base.refusals, theirs.refusals, ours.refusals, refusalKey)
  return {
    root: ours.root,
    ...(clone === undefined ? {} : { clone }),
    settings: ours.settings,
    state: 'unsettled',
    ...(defaultHead === undefined ? {} : { defaultHead }),
    refs: mergeMaps(base.refs, theirs.refs, ours.refs, chooseRef),
    versions,
    withdrawn,
    refusals: refusals.filter(({ path, version }) => !versions.has(versionKey(path, version))),
    problems: mergeLists(base.problems, theirs.problems, ours.problems, keyOfProblem),
  }
}

/** Takes each entry from the one that has changed it; where both have, `choose` decides. */
function mergeMaps<T>(
  base: ReadonlyMap<string, T>,
  theirs: ReadonlyMap<string, T>,
  ours: ReadonlyMap<string, T>,
  choose: (theirs: T, ours: T) => T,
): Map<string, T> {
  const merged = new Map<string, T>()
  for (const key of new Set([...theirs.keys(), ...ours.keys()])) {
    const [old, their, our] = [base.get(key), theirs.get(key), ours.get(key)]
    const value = pick(old, their, our, choose)
    if (value !== undefined) merged.set(key, value)
  }
  return merged
}

function pick<T>(
  base: T | undefined,
  theirs: T | undefined,
  ours: T | undefined,
  choose: (theirs: T, ours: T) => T,
): T | undefined {
  if (isSame(theirs, ours) || isSame(ours, base)) return theirs
  if (isSame(theirs, base)) return ours
  return theirs !== undefined && ours !== undefined ? choose(theirs, ours) : (theirs ?? ours)
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}

/** The first line of a version stays, as do its files; only what was accepted since is added. */
function chooseVersion(theirs: PublishedVersion, ours: PublishedVersion): PublishedVersion {
  const accepted = [...new Set([...(theirs.accepted ?? []), ...(ours.accepted ?? [])])].sort()
  return accepted.length === 0 ? theirs : { ...theirs, accepted }
}

/** The first facts of a tag stay. Of a head the later ones are those of the newer commit. */
function chooseRef(theirs: RecordedRef, ours: RecordedRef): RecordedRef {
  if (ours.facts.ref.startsWith(tagPrefix)) {
    const { commit, tree, oid } = ours.facts
    const isMoved = theirs.seen === undefined && theirs.facts.oid !== oid
    const seen = { oid, ...(commit && { commit }), ...(tree && { tree }) }
    return isMoved && theirs.facts.commit !== commit ? { ...theirs, seen } : theirs
  }
  return isLater(theirs.facts, ours.facts) ? theirs : ours
}

/** Tells which of two facts about a head counts: that of the later commit, and then of the greater id. */
export function isLater(one: RefFacts, other: RefFacts): boolean {
  const [time, otherTime] = [one.time ?? 0, other.time ?? 0]
  return time === otherTime ? one.oid > other.oid : time > otherTime
}

/** What both have, or one of them has found. What one of them no longer found is gone. */
function mergeLists<T>(
  base: readonly T[],
  theirs: readonly T[],
  ours: readonly T[],
  keyOf: (item: T) => string,
): T[] {
  const mapOf = (items: readonly T[]) => new Map(items.map((item) => [keyOf(item), item]))
  return [...mergeMaps(mapOf(base), mapOf(theirs), mapOf(ours), (their) => their).values()]
}

function keyOfProblem({ stage, problem }: RecordedProblem): string {
  return `${stage}\n${problemKey(problem)}`
}
