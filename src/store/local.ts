/**
 * A file of a store as a file of this machine, for what reads at positions, as
 * zips are read: where it lies, or a copy that is removed again.
 */

import { createWriteStream, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { isAbsent, outputError } from './directory.ts'
import type { Store } from './store.ts'

/**
 * Lends a file of a store under a local path for as long as `use` takes, and returns what that returns. Returns
 * undefined, and does not call it, where the file is not there.
 *
 * @example const hashes = await withLocalFile(store, 'example.com/m/@v/v1.0.0.zip', hashArchive)
 */
export async function withLocalFile<T>(
  store: Store,
  path: string,
  use: (file: string) => Promise<T>,
): Promise<T | undefined> {
  const place = store.localPath?.(path)
  if (place !== undefined) return isFile(place) ? use(place) : undefined
  const body = await store.stream(path)
  if (body === undefined) return undefined
  const dir = await mkdtemp(join(tmpdir(), 'modpress-'))
  try {
    const copy = join(dir, 'file')
    await pipeline(body, createWriteStream(copy, { flags: 'wx', mode: 0o600 }))
    return await use(copy)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
  } catch (cause) {
    if (isAbsent(cause)) return false
    throw outputError(cause, 'read', path)
  }
}
