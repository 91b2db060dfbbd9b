/**
 * Imagining a tag that is not there yet, so that `plan --as v1.4.0` can tell
 * before it is pushed whether go would accept it.
 */

import { isProblem } from './enumerate/locate.ts'
import { tagPrefix } from './enumerate/tags.ts'
import { findRevision } from './git/commits.ts'
import { locateRepository } from './git/location.ts'
import { readRefs } from './git/refs.ts'
import { type WantedReader, withRepository } from './git/repository.ts'
import type { Ref, Repository } from './model.ts'
import { FatalError, problem } from './problem.ts'

export interface Imagined {
  readonly repository: Repository
  readonly ref: Ref
}

/** Returns the tag as it would be. Throws a FatalError where there is not one repository, or no such revision. */
export async function imagineTag(
  repositories: readonly Repository[],
  reader: WantedReader,
  { tag, revision = 'HEAD' }: { readonly tag: string; readonly revision?: string },
): Promise<Imagined> {
  const [repository, another] = repositories
  if (repository === undefined || another !== undefined) {
    const message = `--as is about one repository, and the configuration has ${repositories.length}.`
    throw new FatalError(problem('usage', {}, message, 'Run it inside the clone, without a configuration.'))
  }
  const place = { repository: repository.root }
  const location = await locateRepository(repository.dir, place)
  if (isProblem(location)) throw new FatalError(location)
  const listing = await readRefs(location, place)
  const oid =
    revision === 'HEAD'
      ? listing.checkedOut
      : await withRepository(location, reader, (git) => findRevision(revision, listing, git))
  if (oid === undefined) {
    const message = `There is no commit ${revision} in ${repository.dir}.`
    const hint =
      'Name HEAD, a branch, a tag, or 7 and more digits of the id of a commit that one of them reaches.'
    throw new FatalError(problem('commit-unknown', place, message, hint))
  }
  if (listing.tags.some((each) => each.name === tagPrefix + tag)) {
    throw new FatalError(
      problem('usage', place, `The tag ${tag} exists already.`, 'Choose a name that is not taken.'),
    )
  }
  return { repository, ref: { name: tagPrefix + tag, oid } }
}
