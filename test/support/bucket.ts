/**
 * A directory that answers as a bucket does: its tags are ETags, and a list has
 * them. It counts what is asked of it, and can be held up in between.
 */

import { hash } from 'node:crypto'
import type { Store } from '../../src/store/store.ts'

/** What was asked of a bucket, as "method path". */
export type Requests = string[]

export interface BucketOptions {
  /** What the list tells of a file: the md5 of its bytes, or something else, as of an encrypted bucket. @default 'md5' */
  readonly tags?: 'md5' | 'other'
  /** Is waited for before each request. @default nothing */
  readonly before?: (request: string) => Promise<void>
}

export interface Bucket extends Store {
  readonly requests: Requests
  /** Returns the requests of these methods, and forgets all. */
  take(...methods: readonly string[]): string[]
}

/** Returns a store with the files of another one. A page of a list, of 1,000 files, is a request. */
export function asBucket(store: Store, options: BucketOptions = {}): Bucket {
  const requests: Requests = []
  const etag = (body: Uint8Array) =>
    options.tags === 'other' ? `"${hash('sha1', body, 'hex').slice(0, 32)}"` : `"${hash('md5', body, 'hex')}"`
  const ask = async (method: string, path: string) => {
    requests.push(`${method} ${path}`)
    await options.before?.(`${method} ${path}`)
  }
  const current = async (path: string) => {
    const file = await store.get(path)
    return file && { body: file.body, tag: etag(file.body), inner: file.tag }
  }
  return {
    requests,
    take(...methods) {
      const taken = requests.filter((request) => methods.includes(request.split(' ')[0] ?? ''))
      requests.length = 0
      return taken.sort()
    },
    get written() {
      return store.written
    },
    async get(path) {
      await ask('get', path)
      const file = await current(path)
      return file && { body: file.body, tag: file.tag }
    },
    async tag(path) {
      await ask('tag', path)
      return (await current(path))?.tag
    },
    async stream(path) {
      await ask('stream', path)
      return store.stream(path)
    },
    async create(path, body, createOptions) {
      await ask('create', path)
      return store.create(path, body, createOptions)
    },
    async replace(path, body, expected) {
      await ask('replace', path)
      const file = await current(path)
      if (file?.tag !== expected) return { result: 'conflict' }
      const { result } = await store.replace(path, body, file?.inner)
      return result === 'conflict' ? { result } : { result, tag: etag(body) }
    },
    async remove(path, expected) {
      await ask('remove', path)
      const file = await current(path)
      if (file === undefined) return 'removed'
      if (expected !== undefined && file.tag !== expected) return 'conflict'
      return store.remove(path, file.inner)
    },
    async *list(directory) {
      let count = 0
      await ask('list', directory)
      for await (const { path } of store.list(directory)) {
        if (++count % 1000 === 0) await ask('list', directory)
        const tag = (await current(path))?.tag
        if (tag !== undefined) yield { path, tag }
      }
    },
  }
}
