/**
 * Where a live site is read from: an address, a directory or a bucket. It is
 * only read, file by file, by names that the site itself tells: a static host
 * has no listing.
 */

import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { FatalError, problem } from '../problem.ts'
import { openDirectoryStore } from '../store/directory.ts'
import type { Store } from '../store/store.ts'
import { authorizationFor } from './credentials.ts'
import { httpSource } from './http.ts'

export interface LiveSource {
  /** What may be shown of it: no user, no password. */
  readonly name: string
  /**
   * Reads a file: returns what `use` makes of its bytes, or undefined where the file is not there. After a fault under
   * way `use` is called again, with all bytes from the first on. Throws a FatalError where no answer can be had.
   */
  read<T>(path: string, use: (body: AsyncIterable<Uint8Array>) => Promise<T>): Promise<T | undefined>
}

export interface SourceOptions {
  /** Credentials are read from it. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal
}

/** Opens what `--live` names. A directory is relative to the current one. */
export async function openSource(text: string, options: SourceOptions): Promise<LiveSource> {
  const [, scheme] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text) ?? []
  // Also what was meant as one: it may hold credentials, which must not be shown as the name of a directory.
  if (/^s3:/i.test(text)) return openBucketSource(text, options)
  if (scheme === undefined) return openDirectorySource(text)
  switch (scheme.toLowerCase()) {
    case 'http':
    case 'https':
      return openHttpSource(text, options)
    default:
      throw usage('--live is neither an address, http or https, nor a directory, nor a bucket, s3.')
  }
}

async function openDirectorySource(text: string): Promise<LiveSource> {
  // A variable that is not set must not mean the current directory.
  if (text === '') throw usage('--live is empty.')
  const root = resolve(text)
  const stats = await stat(root).catch(() => undefined)
  if (stats?.isDirectory() === false) throw unreachable(`${root} is not a directory.`)
  return storeSource(await openDirectoryStore(root), root)
}

async function openBucketSource(text: string, { env, signal }: SourceOptions): Promise<LiveSource> {
  const { openS3Store, parseS3Target } = await import('../store/s3.ts')
  const place = parseS3Target(text)
  if ('code' in place) throw new FatalError(place)
  const options = { env, access: 'private', writers: 'none', ...(signal && { signal }) } as const
  return storeSource(await openS3Store(place, options), text)
}

async function openHttpSource(text: string, { env, signal }: SourceOptions): Promise<LiveSource> {
  // What is wrong with it is not shown: it may hold a password.
  if (!URL.canParse(text)) throw usage('--live is not a valid address.')
  const url = new URL(text)
  if (url.search !== '' || url.hash !== '') throw usage('--live has a query or a fragment.')
  const authorization = await authorizationFor(url, env)
  return httpSource(url, {
    ...(authorization === undefined ? {} : { authorization }),
    ...(signal === undefined ? {} : { signal }),
  })
}

/** Returns a store as a source. */
export function storeSource(store: Pick<Store, 'stream'>, name: string): LiveSource {
  return {
    name,
    read: async (path, use) => {
      const body = await readable(store.stream(path))
      return body === undefined ? undefined : use(chunksOf(body))
    },
  }
}

async function* chunksOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await readable(chunks.next())
      if (next.done) return
      yield next.value
    }
  } finally {
    await chunks.return?.()
  }
}

/** To a store its files are the output; here they are what is live. */
async function readable<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (cause) {
    const isSystem = cause instanceof Error && 'code' in cause && 'syscall' in cause
    if (!isSystem && !(cause instanceof FatalError)) throw cause
    throw unreachable(sentence(cause.message), cause)
  }
}

function unreachable(message: string, cause?: unknown): FatalError {
  return new FatalError(problem('live-unreachable', {}, message), cause === undefined ? {} : { cause })
}

function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`
}

function usage(message: string, hint = 'See modpress build --help.'): FatalError {
  return new FatalError(problem('usage', {}, message, hint))
}
