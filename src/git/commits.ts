/**
 * The configured revisions: ids of commits and pseudo-versions that consumers
 * hold. Each must be reachable from a branch or a tag, as go demands.
 */

import { commitPrefix, headPrefix, tagPrefix } from '../enumerate/tags.ts'
import type { Shard } from '../manifest.ts'
import type { Oid, RefFacts, Repository } from '../model.ts'
import { isPseudoVersion, pseudoRevision } from '../module/pseudo.ts'
import { type Problem, type ProblemPlace, problem } from '../problem.ts'
import type { FactsReader } from './facts.ts'
import type { GitLocation } from './location.ts'
import { ObjectError } from './object.ts'
import type { RefListing } from './refs.ts'
import type { GitRepository } from './repository.ts'

interface Found {
  readonly commits: readonly RefFacts[]
  readonly problems: readonly Problem[]
}

/** Returns the facts of the configured revisions; those that are recorded are not looked up again. */
export async function findCommits(
  repository: Repository,
  opened: { readonly location: GitLocation; readonly listing: RefListing },
  shard: Shard,
  git: GitRepository,
  reader: FactsReader,
): Promise<Found> {
  const problems: Problem[] = []
  const commits: RefFacts[] = []
  for (const text of repository.commits) {
    const recorded = shard.refs.get(commitPrefix + text)?.facts
    if (recorded !== undefined && recorded.failed === undefined) commits.push(recorded)
    // History is cut off in a shallow clone: what is reachable cannot be told.
    if (recorded?.commit !== undefined || opened.location.isShallow) continue
    const oid = await findRevision(revisionOf(text), opened.listing, git)
    if (oid === undefined) {
      const message = `No branch or tag reaches a commit ${revisionOf(text)}, which "commits" asks for.`
      problems.push(problem('commit-unknown', placeOfCommit(repository, text), message))
      continue
    }
    commits.push(await reader.read({ name: commitPrefix + text, oid }, 'all'))
  }
  return { commits, problems }
}

/** Returns what a configured revision is about: the version that a consumer holds, or else the revision itself. */
export function placeOfCommit({ root }: Repository, text: string): ProblemPlace {
  const at = text.indexOf('@')
  if (at < 0) return { repository: root, ref: text }
  return { repository: root, module: text.slice(0, at), version: text.slice(at + 1) }
}

function revisionOf(text: string): string {
  const name = text.slice(text.indexOf('@') + 1)
  return isPseudoVersion(name) ? pseudoRevision(name) : name
}

/** Returns the commit that a tag, a branch or 7 and more digits of an id name, if a ref reaches it. */
export async function findRevision(
  revision: string,
  listing: RefListing,
  git: GitRepository,
): Promise<Oid | undefined> {
  const named = [
    ...listing.tags.filter((ref) => ref.name === tagPrefix + revision),
    ...listing.heads.filter((ref) => ref.name === headPrefix + revision),
  ]
  const [first] = named
  if (first !== undefined) return first.oid
  if (!/^[0-9a-f]{7,64}$/.test(revision)) return undefined
  for (const tip of [...listing.heads, ...listing.tags]) {
    try {
      const found = await git.findAncestor(tip.oid, revision)
      if (found !== undefined) return found
    } catch (error) {
      if (!(error instanceof ObjectError)) throw error // a broken tip reaches nothing
    }
  }
  return undefined
}
