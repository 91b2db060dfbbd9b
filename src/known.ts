/**
 * What is known of a repository's refs: facts of what is new are read now, of
 * all else they are in the shard. Histories are walked only for commits that a
 * pseudo-version may be made of.
 */

import { pathOfTag } from './enumerate/candidates.ts'
import {
  commitPrefix,
  headPrefix,
  isVersionName,
  looksLikeVersion,
  tagPrefix,
  versionTag,
} from './enumerate/tags.ts'
import type { FlowOptions } from './events.ts'
import { findCommits, placeOfCommit } from './git/commits.ts'
import { type FactsReader, isBaseTag, isVersionTag } from './git/facts.ts'
import type { GitRepository } from './git/repository.ts'
import type { RecordedRef, Shard } from './manifest.ts'
import { isLater } from './merge.ts'
import type { RefFacts, Repository } from './model.ts'
import { mergeTags } from './plan.ts'
import { type Problem, type ProblemCode, problem } from './problem.ts'
import type { OpenedSurvey, Survey } from './survey.ts'

/** The facts that enumeration goes by, and that the shard will hold. */
export interface KnownFacts {
  readonly tags: ReadonlyMap<string, RecordedRef>
  readonly heads: readonly RefFacts[]
  readonly commits: readonly RefFacts[]
  readonly problems: readonly Problem[]
}

/** Reads the facts of what is new in a repository, and joins them with what is recorded. */
export async function readFacts(
  survey: Survey,
  opened: OpenedSurvey,
  reader: FactsReader,
  repository: GitRepository,
  options: FlowOptions,
): Promise<KnownFacts> {
  const { changes, location } = opened
  const { shard } = survey
  const { root, branches } = survey.repository
  const facts: RefFacts[] = []
  do {
    const progress = { repository: root, done: facts.length, total: changes.open.length }
    options.onEvent?.({ type: 'progress', step: 'read', ...progress })
    const some = changes.open.slice(facts.length, facts.length + refsAtOnce)
    const reading = Promise.all(some.map((ref) => reader.read(ref, depthOf(ref.name, branches))))
    // Meanwhile git can walk the histories of the heads: a job with one new tag would wait for nothing else at the end.
    // A process is started slowly, so that git is asked for the tags before.
    if (facts.length === 0) setImmediate(() => expectHistories(survey, opened, repository))
    facts.push(...(await reading))
  } while (facts.length < changes.open.length)
  const tags = mergeTags(facts, changes, shard, location.isShallow ? 'partial' : 'complete')
  const { commits, problems } = await findCommits(survey.repository, opened, shard, repository, reader)

  const allTags = [...tags.values()].map((recorded) => recorded.facts)
  const hasNewBase = facts.some((each) => isBaseTag(each.ref)) || tags.size < countTags(shard)
  const needsWalk = (each: RefFacts) =>
    !location.isShallow && (each.merged === undefined || hasNewBase) && each.failed === undefined
  const heads = opened.heads.flatMap((ref) => {
    const recorded = shard.refs.get(ref.name)?.facts
    const found = facts.find((each) => each.ref === ref.name) ?? recorded
    if (found === undefined) return []
    // A clone of yesterday takes nothing back. What comes from the repository's own address is what is there now.
    const mayBeStale = opened.isShared && survey.repository.address === undefined
    if (!mayBeStale || recorded?.time === undefined || found.time === undefined) return found
    return isLater(recorded, found) ? recorded : found
  })
  const recordedHeads = location.isShallow
    ? [...shard.refs.values()]
        .map((recorded) => recorded.facts)
        .filter((each) => each.ref.startsWith(headPrefix))
    : []
  const queried = allTags.filter(needsHistory)
  if (location.isShallow) {
    // Without its history nobody can tell the pseudo-version of a commit: it is as if the tag had not been seen.
    for (const { ref, merged } of queried) {
      const recorded = shard.refs.get(ref)
      if (merged === undefined && recorded?.facts.merged !== undefined) tags.set(ref, recorded)
      else if (merged === undefined) tags.delete(ref)
    }
  }
  const walked = [...queried, ...heads, ...commits].filter(needsWalk)
  const merged = new Map((await reader.addMerged(walked, allTags)).map((each) => [each.ref, each]))
  const complete = (each: RefFacts): RefFacts => merged.get(each.ref) ?? each
  for (const { ref } of queried) {
    const recorded = tags.get(ref)
    if (recorded !== undefined) tags.set(ref, { ...recorded, facts: complete(recorded.facts) })
  }
  return { tags, heads: [...heads, ...recordedHeads].map(complete), commits: commits.map(complete), problems }
}

/** Says which histories will be walked, where there are any. */
function expectHistories(
  { repository: { branches } }: Survey,
  { changes, heads, location }: OpenedSurvey,
  repository: GitRepository,
): void {
  const isWalked = changes.open.some(({ name }) => isBaseTag(name) || name.startsWith(headPrefix))
  if (location.isShallow || !isWalked) return
  const asked = changes.open.filter(({ name }) => isAsked(name, branches))
  repository.expectAncestors?.([...new Set([...asked, ...heads].map(({ oid }) => oid))])
}

/** So many keep git busy, and do not hold much in memory. */
const refsAtOnce = 500

function depthOf(ref: string, branches: readonly string[]): 'tag' | 'all' | 'none' {
  if (isVersionTag(ref)) return 'tag'
  // A tag with the name of a configured branch is what go takes instead of the branch.
  if (branches.includes(ref.slice(tagPrefix.length))) return 'all'
  return ref.startsWith(headPrefix) || looksLikeVersion(lastOf(ref)) ? 'all' : 'none'
}

/** A tag that is no version, and that someone may ask for, can be answered with a pseudo-version. */
function needsHistory(facts: RefFacts): boolean {
  return facts.mods !== undefined && !isVersionName(lastOf(facts.ref))
}

/** Tells whether a tag will need its history, by its name alone. */
function isAsked(ref: string, branches: readonly string[]): boolean {
  return ref.startsWith(tagPrefix) && !isVersionName(lastOf(ref)) && depthOf(ref, branches) !== 'none'
}

function lastOf(ref: string): string {
  return ref.slice(ref.lastIndexOf('/') + 1)
}

function countTags(shard: Shard): number {
  return [...shard.refs.keys()].filter((name) => name.startsWith(tagPrefix)).length
}

/** Returns what the shard is to say of refs and configured revisions. */
export function recordRefs(facts: KnownFacts): Map<string, RecordedRef> {
  const others = [...facts.heads, ...facts.commits]
  return new Map([...facts.tags, ...others.map((each) => [each.ref, { facts: each }] as const)])
}

/** The problems of refs that could not be used. Tags of no version say nothing. */
export function failedRefs(repository: Repository, facts: KnownFacts): Problem[] {
  const all = [
    ...[...facts.tags.values()].map((recorded) => recorded.facts),
    ...facts.heads,
    ...facts.commits,
  ]
  return all.flatMap(({ ref, oid, failed }) => {
    const rest = ref.slice(ref.lastIndexOf('/') + 1)
    const isSilent = ref.startsWith(tagPrefix) && !looksLikeVersion(rest)
    if (failed === undefined || isSilent) return []
    if (ref.startsWith(commitPrefix)) {
      const place = placeOfCommit(repository, ref.slice(commitPrefix.length))
      return [problem(failed.code as ProblemCode, place, failed.message)]
    }
    const place = { repository: repository.root, ref }
    const module = ref.startsWith(tagPrefix) ? pathOfTag(repository, versionTag({ ref, oid })) : undefined
    const version = module === undefined ? {} : { module, version: rest }
    return [problem(failed.code as ProblemCode, { ...place, ...version }, failed.message)]
  })
}
