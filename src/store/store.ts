/**
 * A store holds the files of a site: a directory, or a bucket that a static
 * host serves. The interface has what both can do atomically, and no more:
 * create a file that was not there, and replace one that nobody has changed
 * since it was read. Both are needed so that two publishers lose nothing:
 * version files are only ever created, everything else is read, made anew,
 * and replaced, again if another was faster.
 *
 * A path is relative, with "/" between its elements, and is the name as a file
 * system holds it: escaped as Go escapes modules, not escaped for a URL.
 */

import { hash } from 'node:crypto'

/** A file as it was when it was read. */
export interface StoredFile {
  readonly body: Uint8Array
  /** Stands for this state of the file, as an ETag does. Opaque: it has a meaning only for its own store. */
  readonly tag: string
}

const hashes = new WeakMap<Uint8Array, string>()

/** Returns the SHA-256 of what was read, in hexadecimal. Shards are asked for it more than once, and may be large. */
export function hashBody(body: Uint8Array): string {
  const known = hashes.get(body)
  if (known !== undefined) return known
  const made = hash('sha256', body, 'hex')
  hashes.set(body, made)
  return made
}

/** What became of a replacement. 'unchanged': the file held these very bytes already, and nothing was written. */
export type Replacement =
  | { readonly result: 'replaced' | 'unchanged'; readonly tag: string }
  | { readonly result: 'conflict' }

/** A file of a list. */
export interface ListedFile {
  readonly path: string
  /** Absent where telling it would mean to read the file. */
  readonly tag?: string
}

/** How much a store has written, for reports. */
export interface Written {
  readonly files: number
  readonly bytes: number
}

export interface CreateOptions {
  /** Stops a streaming create between two chunks; nothing of the file stays. @default never */
  readonly signal?: AbortSignal
}

/** Where the files of a site are kept. All methods may throw; a path that `checkStorePath` refuses always does. */
export interface Store {
  /** What this store has written since it was opened. */
  readonly written: Written
  /** Reads a file whole. Returns undefined where there is none. */
  get(path: string): Promise<StoredFile | undefined>
  /** Returns the tag of a file, of which no more is read than that takes; undefined where there is none. */
  tag(path: string): Promise<string | undefined>
  /** Reads a file piece by piece. Returns undefined where there is none. */
  stream(path: string): Promise<AsyncIterable<Uint8Array> | undefined>
  /**
   * Creates a file, and only where there is none: of two who create the same one, exactly one does. Where there
   * is one already the body may be left unread. No reader ever sees a part of it.
   */
  create(
    path: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    options?: CreateOptions,
  ): Promise<'created' | 'exists'>
  /** Replaces a file if it still has the expected tag; `undefined` expects that there is none. */
  replace(path: string, body: Uint8Array, expected: string | undefined): Promise<Replacement>
  /**
   * Writes a file whatever was there, unless it has these very bytes already. Absent where that takes no less than to read
   * and to replace it.
   */
  put?(path: string, body: Uint8Array): Promise<void>
  /** Removes a file, if there is one, and if it still has the expected tag. @default whatever its tag is */
  remove(path: string, expected?: string): Promise<'removed' | 'conflict'>
  /** Lists the files below a directory, recursively, in the order of the bytes of their paths. "" is the whole site. */
  list(directory: string): AsyncIterable<ListedFile>
  /** Returns where a file lies on this machine, there or not. Only directories have this: zips are read in place. */
  localPath?(path: string): string
}

/** Throws where a path could leave the store or names no file. That is a mistake of ours, never of the input. */
export function checkStorePath(path: string): void {
  if (unfit.test(path)) throw new Error(`${JSON.stringify(path)} is not a path in a store.`)
}

const encoder = new TextEncoder()

/** An element that is empty, "." or "..", or holds what separates elements on Windows or ends a name. */
const unfit = /(?:^|\/)\.{0,2}(?:\/|$)|[\\\0]/

/** Writes a file whatever was there, unless it has these very bytes already. */
export async function putFile(store: Store, path: string, body: Uint8Array | string): Promise<void> {
  const bytes = typeof body === 'string' ? encoder.encode(body) : body
  if (store.put !== undefined) return store.put(path, bytes)
  for (;;) {
    const before = await store.get(path)
    const { result } = await store.replace(path, bytes, before?.tag)
    if (result !== 'conflict') return
  }
}
