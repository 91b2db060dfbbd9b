/**
 * Joining is what becomes of a target's shard when versions are taken from a
 * site that was built before. That site was built from the repository and says
 * how it is: its refs, its default branch, what it refuses and what is wrong.
 * What is published stays published: versions and tombstones are those of both,
 * and the target's line of a version is the first one.
 *
 * Pure. See product.md, "Order of writing": shards merge by union.
 */

import { headPrefix, tagPrefix } from './enumerate/tags.ts'
import {
  emptyShard,
  problemKey,
  type RecordedProblem,
  type RecordedRef,
  refusalKey,
  type Shard,
  versionKey,
} from './manifest.ts'
import { isLater, mergeShards } from './merge.ts'
import { planRepository } from './plan.ts'
import type { Problem } from './problem.ts'

/** Returns the shard that a target has after it was given what is in the source. */
export async function joinShards(target: Shard, source: Shard): Promise<Shard> {
  const union = mergeShards(emptyShard(source.root), target, source)
  const { versions } = union
  const stays = keptRefs(target, source, versions)
  const refs = new Map(stays)
  for (const [name, ref] of source.refs) refs.set(name, joinRef(target, name, ref))
  const { defaultHead: _, ...rest } = union
  const defaultHead = source.defaultHead ?? target.defaultHead
  const commits = new Set<string | undefined>([...stays.values()].map(({ facts }) => facts.commit))
  const refusals = new Map([
    ...target.refusals.flatMap((each) =>
      commits.has(each.commit) ? [[refusalKey(each), each] as const] : [],
    ),
    ...source.refusals.map((each) => [refusalKey(each), each] as const),
  ])
  const joined: Shard = {
    ...rest,
    ...(defaultHead === undefined ? {} : { defaultHead }),
    refs,
    refusals: [...refusals.values()].filter((each) => !versions.has(versionKey(each.path, each.version))),
  }
  return { ...joined, problems: await joinProblems(target, source, joined, stays) }
}

type Refs = ReadonlyMap<string, RecordedRef>

/**
 * Returns the target's refs that stay though the source has none of that name: the tags, where the target has versions
 * that the source lacks, and the heads, where the source was built from a clone that knows of none.
 */
function keptRefs(target: Shard, source: Shard, versions: Shard['versions']): Refs {
  const hasMore = [...versions.keys()].some((key) => !source.versions.has(key))
  const isKept = (name: string) =>
    (hasMore && name.startsWith(tagPrefix)) ||
    (source.defaultHead === undefined && name.startsWith(headPrefix))
  return new Map([...target.refs].filter(([name]) => !source.refs.has(name) && isKept(name)))
}

/** The facts stay from which the target's version was published. Of a head the later ones are those of the newer commit. */
function joinRef(target: Shard, name: string, ours: RecordedRef): RecordedRef {
  const theirs = target.refs.get(name)
  if (theirs === undefined) return ours
  if (name.startsWith(headPrefix)) return isLater(theirs.facts, ours.facts) ? theirs : ours
  const isPublished = [...target.versions.values()].some(({ ref }) => ref === name)
  if (!isPublished || theirs.facts.commit === ours.facts.commit) return ours
  const { oid, commit, tree } = ours.seen ?? ours.facts
  const isBack = commit === theirs.facts.commit
  return {
    facts: theirs.facts,
    ...(isBack ? {} : { seen: { oid, ...(commit && { commit }), ...(tree && { tree }) } }),
    ...(ours.gone && { gone: ours.gone }),
  }
}

/**
 * The problems are those of the source, and of what it does not know. Whether a tag has moved depends on the line of its
 * version, and whether that is lived with, too: this is found out anew.
 */
async function joinProblems(
  target: Shard,
  source: Shard,
  joined: Shard,
  stays: Refs,
): Promise<RecordedProblem[]> {
  const tags = new Map([...joined.refs].filter(([name]) => name.startsWith(tagPrefix)))
  const { problems } = await planRepository({ modules: [], problems: [] }, joined, tags)
  const ofTags = new Map(problems.map((each) => [problemKey(each), each]))
  const more = target.problems.filter(({ problem: { ref } }) => ref !== undefined && stays.has(ref))
  const joint = new Map<string, RecordedProblem>()
  for (const { stage, problem } of [...source.problems, ...more]) {
    const key = problemKey(problem)
    const now = isOfTag(problem) ? ofTags.get(key) : problem
    ofTags.delete(key)
    if (now !== undefined) joint.set(`${key}\n${now.message}`, { stage, problem: now })
  }
  return [
    ...joint.values(),
    ...[...ofTags.values()].map((each) => ({ stage: 'press' as const, problem: each })),
  ]
}

function isOfTag({ code }: Problem): boolean {
  return code.startsWith('tag-moved') || code === 'tag-deleted'
}
