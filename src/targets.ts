/**
 * Where a site can be published to: a bucket, or a directory such as a mounted
 * share. A directory has one writer at a time, whom its lock tells; a bucket
 * has as many as there are.
 *
 * A slip must not make a site where nobody looks for one: what is neither a
 * bucket nor a directory is refused, and so is, for all that works on a site,
 * a target that holds none.
 */

import { resolve } from 'node:path'
import type { Settings } from './config/schema.ts'
import { manifestDirectory } from './manifest.ts'
import { FatalError, type Problem, problem } from './problem.ts'
import { openDirectoryStore } from './store/directory.ts'
import { withLock } from './store/lock.ts'
import type { S3Target } from './store/s3.ts'
import type { Store } from './store/store.ts'
import { shownTarget } from './store/target.ts'

export interface TargetOptions {
  /** Credentials are read from it. @default the process's */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** 'single' is for a store that does not honour conditions. @default 'many' */
  readonly writers?: 'many' | 'single'
  /** What has to be there: a site, or 'anything', and nothing just as well. @default 'site' */
  readonly expect?: 'site' | 'anything'
  readonly signal?: AbortSignal
}

/**
 * Opens a target, "s3://bucket/prefix" or a directory, lends it to `use`, and closes it. Throws a FatalError where it
 * cannot be written, or has no site where one is expected; then nothing is written there.
 */
export async function withTarget<T>(
  target: string,
  { access }: Pick<Settings, 'access'>,
  options: TargetOptions,
  use: (store: Store, signal?: AbortSignal) => Promise<T>,
): Promise<T> {
  const { env = process.env, writers = 'many', expect = 'site', signal } = options
  const place = await readTarget(target)
  if (typeof place !== 'string' && 'code' in place) throw new FatalError(place)
  const before = async (store: Store) => {
    if (expect === 'site' && !(await hasSite(store))) throw new FatalError(missing(target))
  }
  if (typeof place === 'string') return withDirectory(place, before, signal, use)
  const { openS3Store } = await import('./store/s3.ts')
  const store = await openS3Store(place, { env, access, writers, before, ...(signal && { signal }) })
  return use(store, signal)
}

/** Returns what is wrong with a target as it is written. */
export async function checkTarget(target: string): Promise<Problem | undefined> {
  const place = await readTarget(target)
  return typeof place !== 'string' && 'code' in place ? place : undefined
}

/** Returns the bucket that a target names, or the path of its directory. */
async function readTarget(target: string): Promise<S3Target | string | Problem> {
  const hint = 'Write s3://bucket or s3://bucket/prefix, or the path of a directory.'
  // A variable that is not set must not mean the current directory.
  if (target.trim() === '') return problem('usage', {}, 'The target is empty.', hint)
  if (/^s3:/i.test(target)) {
    // Loaded when needed: a build into a directory never does.
    const { parseS3Target } = await import('./store/s3.ts')
    return parseS3Target(target)
  }
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(target)) return resolve(target)
  const shown = JSON.stringify(shownTarget(target))
  return problem('usage', {}, `${shown} is neither a bucket, s3://, nor a directory.`, hint)
}

/** Tells whether modpress has written here, if only a part. */
async function hasSite(store: Store): Promise<boolean> {
  if ((await store.get('-/site.json')) !== undefined) return true
  for await (const _ of store.list(manifestDirectory)) return true
  return false
}

function missing(target: string): Problem {
  const hint = 'Name a bucket or a directory that was built or published to before; look for a slip in it.'
  return problem('usage', {}, `There is no site in ${shownTarget(target)}.`, hint)
}

async function withDirectory<T>(
  path: string,
  before: (store: Store) => Promise<void>,
  signal: AbortSignal | undefined,
  use: (store: Store, signal?: AbortSignal) => Promise<T>,
): Promise<T> {
  const store = await openDirectoryStore(path)
  // The lock would make the directory.
  await before(store)
  return withLock(path, async (lost) => {
    try {
      await store.clean()
      return await use(store, signal === undefined ? lost : AbortSignal.any([signal, lost]))
    } finally {
      await store.close()
    }
  })
}
