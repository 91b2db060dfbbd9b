/**
 * Where a site is that is verified: at an address, in a directory or in a
 * bucket. Each is asked for files by their names and answers in the same form.
 * What HTTP alone has, such as types, lifetimes and redirects, only an address
 * answers with.
 */

import { createHash } from 'node:crypto'
import { open, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { FatalError, problem } from '../problem.ts'
import { codeOf, openDirectoryStore } from '../store/directory.ts'
import type { Store } from '../store/store.ts'
import { shownTarget } from '../store/target.ts'
import { withTemporary } from '../temporary.ts'
import type { Answer } from './answer.ts'
import { type ClientOptions, HttpClient, type Question } from './http.ts'

/** A body in a file, as it was served. */
export interface Fetched {
  readonly answer: Answer
  readonly file: string
  /** Of the whole body, in lower-case hexadecimal. */
  readonly sha256: string
}

export interface Place {
  /** As it may be shown: no user, no password. */
  readonly name: string
  readonly kind: 'address' | 'bucket' | 'directory'
  /** The client of an address; undefined for files that are read without HTTP. */
  readonly http?: HttpClient
  read(path: string, question?: Partial<Question>): Promise<Answer>
  /** Lends a file that may be large, on this machine. */
  withFile<T>(path: string, limitBytes: number, use: (fetched: Fetched) => Promise<T>): Promise<T>
  close(): void
}

/** What is read into memory. Records of repositories with many thousand versions are the largest. */
const limitBytes = 512 * 2 ** 20

/** Opens a target: an address, a directory or a bucket. Throws a FatalError where it is none of them. */
export async function openPlace(
  target: string,
  options: ClientOptions & { readonly cwd: string },
): Promise<Place> {
  const hint = 'Write an address, https://…, a bucket, s3://…, or the path of a directory.'
  const usage = (message: string) => new FatalError(problem('usage', {}, message, hint))
  // A variable that is not set must not mean the current directory.
  if (target.trim() === '') throw usage('The target is empty.')
  if (/^s3:/i.test(target)) return openBucket(target, options)
  const [, scheme] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(target) ?? []
  if (scheme === undefined) return openDirectory(resolve(options.cwd, target))
  const isAddress = /^https?$/i.test(scheme) && URL.canParse(target) && !/[?#]/.test(target)
  if (!isAddress) throw usage(`${JSON.stringify(shownTarget(target))} is no address of a site.`)
  const http = await HttpClient.open(new URL(target), options)
  return {
    name: http.base.href.replace(/\/$/, ''),
    kind: 'address',
    http,
    read: (path, question = {}) => http.ask(path, { limitBytes, ...question }),
    withFile: (path, limit, use) =>
      withScratch(async (file) => {
        const handle = await open(file, 'w+')
        try {
          const answer = await http.ask(path, { limitBytes: limit, file: handle })
          return await use({
            answer,
            file,
            sha256: await hashFile(handle.createReadStream({ start: 0, autoClose: false })),
          })
        } finally {
          await handle.close()
        }
      }),
    close: () => http.close(),
  }
}

async function openBucket(target: string, { env, signal }: ClientOptions): Promise<Place> {
  const { openS3Store, parseS3Target } = await import('../store/s3.ts')
  const place = parseS3Target(target)
  if ('code' in place) throw new FatalError(place)
  const store = await openS3Store(place, {
    env,
    access: 'private',
    writers: 'none',
    ...(signal && { signal }),
  })
  return storePlace(store, shownTarget(target), 'bucket')
}

async function openDirectory(root: string): Promise<Place> {
  const stats = await stat(root).catch(() => undefined)
  if (!stats?.isDirectory()) {
    const message = stats === undefined ? `${root} is not there.` : `${root} is not a directory.`
    throw new FatalError(problem('site-missing', {}, message))
  }
  return storePlace(await openDirectoryStore(root), root, 'directory')
}

function storePlace(store: Store, name: string, kind: 'bucket' | 'directory'): Place {
  const answer = (path: string, body: Uint8Array | undefined, size = body?.byteLength ?? 0): Answer => ({
    request: `${name}/${path}`,
    path,
    status: body === undefined ? 404 : 200,
    hops: [],
    headers: {},
    body: body ?? new Uint8Array(),
    size,
    words: '',
  })
  const failed = (path: string, error: unknown): Answer => {
    if (!(error instanceof FatalError)) throw error
    const message = `cannot be read: ${error.message.replace(/\.$/, '')}`
    return { ...answer(path, undefined), status: 0, failure: { kind: 'connection', message } }
  }
  return {
    name,
    kind,
    read: (path) =>
      store.get(path).then(
        (file) => answer(path, file?.body),
        (error: unknown) => failed(path, error),
      ),
    withFile: async (path, _limit, use) => {
      const local = store.localPath?.(path)
      if (local !== undefined) {
        const found = await hashLocal(local)
        if (found === 'absent') return use({ answer: answer(path, undefined), file: local, sha256: '' })
        if (typeof found === 'string') {
          const failure = { kind: 'connection', message: `cannot be read: ${found}` } as const
          return use({ answer: { ...answer(path, undefined), status: 0, failure }, file: local, sha256: '' })
        }
        return use({ answer: answer(path, found.head, found.size), file: local, sha256: found.sha256 })
      }
      return withScratch(async (file) => {
        const fetched = await fetchInto(store, path, file).catch((error: unknown) => ({
          failed: failed(path, error),
        }))
        if ('failed' in fetched) return use({ answer: fetched.failed, file, sha256: '' })
        return use({ answer: answer(path, fetched.head, fetched.size), file, sha256: fetched.sha256 })
      })
    },
    close: () => {},
  }
}

/** Reads a file on this machine once. Returns 'absent', or the code of why it cannot be read. */
async function hashLocal(
  file: string,
): Promise<{ readonly head: Uint8Array; readonly size: number; readonly sha256: string } | string> {
  try {
    const handle = await open(file)
    try {
      const { size } = await handle.stat()
      const head = Buffer.alloc(Math.min(size, 1024))
      await handle.read(head, 0, head.length, 0)
      const sha256 = await hashFile(handle.createReadStream({ start: 0, autoClose: false }))
      return { head, size, sha256 }
    } finally {
      await handle.close()
    }
  } catch (error) {
    const code = codeOf(error) ?? 'unknown'
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'absent' : code
  }
}

async function fetchInto(
  store: Store,
  path: string,
  file: string,
): Promise<{ readonly head: Uint8Array | undefined; readonly size: number; readonly sha256: string }> {
  const handle = await open(file, 'w')
  const hash = createHash('sha256')
  let head: Uint8Array | undefined
  let size = 0
  try {
    const chunks = await store.stream(path)
    if (chunks !== undefined) head = new Uint8Array()
    for await (const chunk of chunks ?? []) {
      if (size === 0) head = chunk
      size += chunk.byteLength
      hash.update(chunk)
      await handle.writeFile(chunk)
    }
  } finally {
    await handle.close()
  }
  return { head, size, sha256: hash.digest('hex') }
}

function withScratch<T>(use: (file: string) => Promise<T>): Promise<T> {
  return withTemporary((dir) => use(join(dir, 'file')), 'modpress-verify-')
}

async function hashFile(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}
