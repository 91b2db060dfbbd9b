/**
 * Whether what is wrong with a clone is still wrong: objects that were missing
 * or damaged, and what takes git to do. A version that was refused for such a
 * fault is worth another try only once the fault is gone, and to look for that
 * costs a question or two, where the try costs a look at the whole repository.
 *
 * What cannot be told for certain counts as gone, so that nothing that was
 * mended is ever missed.
 */

import type { Settings } from './config/schema.ts'
import { ObjectError, RepositoryError, unreadableObject } from './git/object.ts'
import { type GitRepository, readUpTo, withRepository } from './git/repository.ts'
import type { OpenedSurvey } from './survey.ts'

/** What something was refused for, as it is recorded. */
export interface Fault {
  readonly code: string
  readonly message: string
}

/** Tells whether all these faults are as they were recorded. */
export async function areStanding(
  faults: readonly Fault[],
  { location, listing }: Pick<OpenedSurvey, 'location' | 'listing'>,
  git: Settings['git'],
): Promise<boolean> {
  const isForGit = (fault: Fault) => fault.code === 'needs-git'
  const objects = faults.filter((fault) => !isForGit(fault)).map(({ message }) => unreadableObject(message))
  const known = objects.filter((each) => each !== undefined)
  if (known.length < objects.length) return false
  // To be believed that something is not there, a reader must find what is.
  const [witness] = [...listing.heads, ...listing.tags]
  if (witness === undefined) return false
  const of = (kind: 'missing' | 'corrupt') =>
    new Set(known.flatMap((each) => (each.kind === kind ? each.oid : [])))
  const check = async (repository: GitRepository): Promise<boolean> => {
    const stats = await repository.stat([...of('missing'), witness.oid])
    if (stats.at(-1) === undefined || stats.slice(0, -1).some((found) => found !== undefined)) return false
    if (repository.reader === 'native' && faults.some(isForGit)) return false
    for (const oid of of('corrupt')) if (!(await isDamaged(repository, oid))) return false
    return true
  }
  try {
    return await withRepository(location, git, check)
  } catch (error) {
    if (error instanceof RepositoryError) return false
    throw error
  }
}

/** Of larger objects only the attempt itself tells: they are not read whole. */
const limitBytes = 32 * 2 ** 20

async function isDamaged(
  repository: GitRepository,
  oid: Parameters<GitRepository['read']>[0],
): Promise<boolean> {
  try {
    await readUpTo(repository, oid, limitBytes)
    return false
  } catch (error) {
    if (error instanceof ObjectError) return error.kind === 'corrupt'
    throw error
  }
}
