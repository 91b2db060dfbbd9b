/**
 * Where a site can be published to: a bucket, or a directory such as a mounted
 * share. A directory has one writer at a time, whom its lock tells; a bucket
 * has as many as there are.
 */

import { resolve } from 'node:path'
import type { Settings } from './config/schema.ts'
import { FatalError } from './problem.ts'
import { openDirectoryStore } from './store/directory.ts'
import { withLock } from './store/lock.ts'
import type { Store } from './store/store.ts'

export interface TargetOptions {
  /** Credentials are read from it. @default the process's */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** 'single' is for a store that does not honour conditions. @default 'many' */
  readonly writers?: 'many' | 'single'
  readonly signal?: AbortSignal
}

/**
 * Opens a target, "s3://bucket/prefix" or a directory, lends it to `use`, and closes it. Throws a FatalError where it
 * cannot be written.
 */
export async function withTarget<T>(
  target: string,
  { access }: Pick<Settings, 'access'>,
  options: TargetOptions,
  use: (store: Store, signal?: AbortSignal) => Promise<T>,
): Promise<T> {
  const { env = process.env, writers = 'many', signal } = options
  if (!target.startsWith('s3:')) return withDirectory(resolve(target), signal, use)
  // Loaded when needed: a build into a directory never does.
  const { openS3Store, parseS3Target } = await import('./store/s3.ts')
  const place = parseS3Target(target)
  if ('code' in place) throw new FatalError(place)
  const store = await openS3Store(place, { env, access, writers, ...(signal && { signal }) })
  return use(store, signal)
}

async function withDirectory<T>(
  path: string,
  signal: AbortSignal | undefined,
  use: (store: Store, signal?: AbortSignal) => Promise<T>,
): Promise<T> {
  const store = await openDirectoryStore(path)
  return withLock(path, async (lost) => {
    try {
      await store.clean()
      return await use(store, signal === undefined ? lost : AbortSignal.any([signal, lost]))
    } finally {
      await store.close()
    }
  })
}
