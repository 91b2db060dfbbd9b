/**
 * Zips are read from the end, so that they have to be on this machine: in a
 * directory they are; out of a bucket they are fetched for as long as that takes.
 */

import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { withTemporary } from '../temporary.ts'
import type { Store } from './store.ts'

/**
 * Lends a file of a store as one on this machine. Where it is not there, what `use` throws for a missing file is thrown.
 */
export async function withLocalFile<T>(
  store: Store,
  path: string,
  use: (file: string) => Promise<T>,
): Promise<T> {
  if (store.localPath !== undefined) return use(store.localPath(path))
  return withTemporary(async (dir) => {
    const file = join(dir, 'file')
    const content = await store.stream(path)
    if (content !== undefined) await pipeline(content, createWriteStream(file))
    return use(file)
  })
}
