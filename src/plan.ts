/**
 * Planning compares what a repository has with what was published: what is
 * published is kept, whatever became of its tag; what is new is added.
 *
 * Pure. See product.md, "What it writes", and trust 2.2.
 */

import type { RefChanges } from './changes.ts'
import { tagPrefix } from './enumerate/tags.ts'
import type { Enumeration } from './enumerate.ts'
import { type RecordedRef, type Shard, versionKey } from './manifest.ts'
import type { ModuleVersion, Oid, PublishedVersion, RefFacts } from './model.ts'
import { prereleaseOf, sortVersions } from './module/version.ts'
import { type Problem, type ProblemPlace, problem } from './problem.ts'

/**
 * Returns what to record of the tags: what was opened now, and what is known.
 * A tag from which a version was published keeps the facts of that time, and
 * where it points now is noted beside them.
 */
export function mergeTags(
  opened: readonly RefFacts[],
  changes: RefChanges,
  shard: Shard,
  scope: 'complete' | 'partial',
): Map<string, RecordedRef> {
  const published = new Set([...shard.versions.values()].map((version) => version.ref))
  const merged = new Map<string, RecordedRef>()
  for (const name of changes.known) {
    const recorded = shard.refs.get(name)
    if (recorded !== undefined && name.startsWith(tagPrefix)) merged.set(name, recorded)
  }
  for (const facts of opened) {
    if (!facts.ref.startsWith(tagPrefix)) continue
    const before = shard.refs.get(facts.ref)
    merged.set(
      facts.ref,
      before !== undefined && published.has(facts.ref) ? keepFirst(before, facts) : { facts },
    )
  }
  for (const [name, recorded] of shard.refs) {
    if (!name.startsWith(tagPrefix) || merged.has(name)) continue
    if (published.has(name)) merged.set(name, scope === 'complete' ? { ...recorded, gone: true } : recorded)
    else if (scope === 'partial') merged.set(name, recorded)
  }
  return merged
}

function keepFirst(before: RecordedRef, now: RefFacts): RecordedRef {
  if (before.facts.commit === now.commit && now.commit !== undefined)
    return { facts: { ...before.facts, oid: now.oid } }
  if (before.facts.oid === now.oid) return { facts: before.facts }
  const { oid, commit, tree } = now
  return { facts: before.facts, seen: { oid, ...(commit && { commit }), ...(tree && { tree }) } }
}

/** What is to be done for a repository. */
export interface Plan {
  /** In the order of module and version, so that neighbours share what they are packed from. */
  readonly add: readonly ModuleVersion[]
  readonly keep: readonly PublishedVersion[]
  /** What is wrong with published versions now. */
  readonly problems: readonly Problem[]
}

/** Returns what to add and what to keep. `refs` are the tags as they are to be recorded. */
export async function planRepository(
  enumeration: Enumeration,
  shard: Shard,
  refs: ReadonlyMap<string, RecordedRef>,
): Promise<Plan> {
  const add = enumeration.modules.flatMap(({ versions }) => {
    const fresh = versions.filter((each) => !shard.versions.has(versionKey(each.path, each.version)))
    const byVersion = new Map(fresh.map((each) => [each.version as string, each]))
    return sortVersions([...byVersion.keys()]).flatMap((version) => byVersion.get(version) ?? [])
  })
  const keep = [...shard.versions.values()]
  const problems: Problem[] = []
  for (const version of keep) {
    const recorded = version.ref === undefined ? undefined : refs.get(version.ref)
    const now = recorded?.seen ?? recorded?.facts
    if (recorded?.gone) problems.push(describeDeleted(shard, version))
    else if (now !== undefined && version.commit !== undefined && now.commit !== version.commit)
      problems.push(await describeMoved(shard, version, version.commit, now))
  }
  return { add, keep, problems }
}

function placeOf({ root }: Shard, { path, version, ref }: PublishedVersion): ProblemPlace {
  return { repository: root, ...(ref === undefined ? {} : { ref }), module: path, version }
}

function describeDeleted(shard: Shard, version: PublishedVersion): Problem {
  return problem('tag-deleted', placeOf(shard, version), `The tag ${shortName(version.ref ?? '')} is gone.`)
}

/** Describes that the tag of a version is no longer at the commit from which it was published. */
async function describeMoved(
  shard: Shard,
  version: PublishedVersion,
  from: Oid,
  now: NonNullable<RecordedRef['seen']>,
): Promise<Problem> {
  const place = placeOf(shard, version)
  const to = now.commit ?? now.oid
  const isSame = now.tree !== undefined && now.tree === version.tree
  const message = `The tag moved from ${from} to ${to}`
  const moved = isSame
    ? problem('tag-moved-same-tree', place, `${message}, which has the same files.`)
    : problem('tag-moved', place, `${message}. The first files stay.`, await describeRemedy(shard, version))
  const isAccepted = version.accepted?.includes(to) === true
  return isAccepted ? { ...moved, severity: 'note' } : moved
}

async function describeRemedy(shard: Shard, version: PublishedVersion): Promise<string> {
  const key = versionKey(version.path, version.version)
  const remedy = `release ${await nextTag(shard, version)} with "retract ${version.version}" in its go.mod`
  return `Move the tag back, or ${remedy}; to live with it, pass --accept-moved ${key}.`
}

function shortName(ref: string): string {
  return ref.slice(tagPrefix.length)
}

/** Suggests the tag after the highest release of a version's module. What it takes is loaded only then: tags rarely move. */
async function nextTag(shard: Shard, { path, version, codeDir = '' }: PublishedVersion): Promise<string> {
  const { default: nextVersion } = await import('semver/functions/inc.js')
  const releases = [...shard.versions.values()]
    .filter((each) => each.path === path && prereleaseOf(each.version) === '')
    .map((each) => each.version)
  const highest = sortVersions([...releases, version]).at(-1) ?? version
  const next = nextVersion(highest.replace(/\+incompatible$/, ''), 'patch')
  return next === null ? 'the next version' : `${codeDir === '' ? '' : `${codeDir}/`}v${next}`
}
