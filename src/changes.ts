/**
 * Which refs of a repository are to be opened: those that are new or have
 * changed. The others are known from the manifest.
 *
 * Facts that failed for what is wrong with the clone, not with the commit, are
 * looked at again when there is anything to do, or when what they lack is there
 * by now (faults.ts).
 *
 * Pure. See product.md, "What it writes", and trust 2.2.
 */

import { isVersionName, looksLikeVersion, tagPrefix } from './enumerate/tags.ts'
import { isRecordedSo, type Shard } from './manifest.ts'
import type { Ref, RefFacts } from './model.ts'
import { isRepairable } from './problem.ts'

/** What has to be opened of a repository, and what need not be. */
export interface RefChanges {
  /** New, changed, or broken. */
  readonly open: readonly Ref[]
  /** The names of those that are recorded already, and still as they were. */
  readonly known: ReadonlySet<string>
  /** The facts of those to open that are as they were and failed for what is wrong with the clone. */
  readonly broken: readonly RefFacts[]
}

/** Compares the refs of a repository with those of its shard. */
export function diffRefs(refs: readonly Ref[], shard: Shard, branches: readonly string[] = []): RefChanges {
  const open: Ref[] = []
  const known = new Set<string>()
  const broken: RefFacts[] = []
  for (const ref of refs) {
    if (isRecordedSo(shard, ref)) {
      known.add(ref.name)
      continue
    }
    const recorded = shard.refs.get(ref.name)
    const isSame = recorded !== undefined && (recorded.seen?.oid ?? recorded.facts.oid) === ref.oid
    // A tag with the name of a branch that is configured by now is asked for more than before.
    const isShort = recorded?.facts.mods === undefined && branches.includes(ref.name.slice(tagPrefix.length))
    const isStanding = isSame && recorded.gone === undefined && !isShort
    if (isStanding && !isRepairable(recorded.facts.failed)) {
      known.add(ref.name)
    } else {
      open.push(ref)
      if (isStanding) broken.push(recorded.facts)
    }
  }
  return { open, known, broken }
}

/** Tells whether a tag can matter: to a version, to a query, or to the tag lint. */
export function isRelevantTag(name: string): boolean {
  const short = name.slice(tagPrefix.length)
  const rest = short.slice(short.lastIndexOf('/') + 1)
  return rest === short || isVersionName(rest) || looksLikeVersion(rest)
}
