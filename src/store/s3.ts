/**
 * A store in a bucket of an S3-compatible storage. Two publishers lose nothing
 * to each other because a condition is part of each write: an object is created
 * only where there is none (If-None-Match: *) and replaced only while it has
 * the expected ETag (If-Match). Storages exist that ignore these conditions and
 * overwrite; so the first thing is to find out, and such a storage is refused
 * unless its user says that nobody else writes. Then a look before each write
 * stands in, and a turn for each object within this process.
 *
 * Twins. S3 reads a "+" in the path of an address as a space, and go sends "+"
 * as it is: it would never find v2.0.0+incompatible. So each object with "+"
 * has a second one whose key has a space in its place. The first one decides
 * every race. The twin is written after it and removed before it; who comes
 * upon an object whose writer was killed in between writes the twin. Listings
 * do not show twins.
 *
 * Doubt. A write whose answer was lost may have been carried out; made again,
 * it meets its own result. If the object has our very bytes, which its ETag
 * tells (an MD5 wherever storages do not encrypt with keys of the user), the
 * write was done, whoever did it. Where the ETag does not tell, the answers
 * 'exists' and 'conflict' are right, too: who gets them reads and compares.
 *
 * This file is long because twins and doubt are part of each method.
 */

import { compareUtf8 } from '../module/dirhash.ts'
import { FatalError, type Problem, problem } from '../problem.ts'
import { cacheControl, contentType, isImmutable, mutableFor } from '../render/headers.ts'
import {
  type Answer,
  Bucket,
  type BucketOptions,
  type Call,
  isAbsent,
  storeFailed,
  type Traffic,
} from './bucket.ts'
import { type Environment, loadAccess } from './credentials.ts'
import { inTurn } from './directory.ts'
import { hideTwins, parseListing, quoteTag, twinOf } from './listing.ts'
import { type Payload, payloadOf, withPayload } from './payload.ts'
import { pause, resolveRetries } from './retry.ts'
import {
  type CreateOptions,
  checkStorePath,
  type ListedFile,
  type Replacement,
  type Store,
  type StoredFile,
  type Written,
} from './store.ts'
import { shownTarget } from './target.ts'

/** Where a site is: s3://bucket/prefix. */
export interface S3Target {
  readonly bucket: string
  /** Without a "/" at either end; "" for the whole bucket. */
  readonly prefix: string
}

export interface S3Options extends BucketOptions {
  /** The environment that says who we are and where the storage is; see credentials.ts. */
  readonly env: Environment
  /** Whether caches between the bucket and its readers may keep what they read. @default 'private' */
  readonly access?: 'private' | 'public'
  /**
   * Who else may write meanwhile. 'single': nobody, which has to be so for storages without conditional writes.
   * 'none': nothing is written at all, so that the right to read is enough. @default 'many'
   */
  readonly writers?: 'many' | 'single' | 'none'
  /** Is asked before anything is written, the probe included. What it throws ends it. @default nobody */
  readonly before?: (store: Store) => Promise<void>
}

/**
 * Reads a target as people write it. Returns a problem where it is none, which shows no credentials.
 *
 * @example parseS3Target('s3://modules/go') // { bucket: 'modules', prefix: 'go' }
 */
export function parseS3Target(text: string): S3Target | Problem {
  const refuse = (reason: string): Problem =>
    problem(
      'usage',
      {},
      `${JSON.stringify(shownTarget(text))} is not a bucket: ${reason}.`,
      'Write s3://bucket or s3://bucket/prefix.',
    )
  // Anywhere, and not only before the first "/": secret keys hold "/", too.
  if (text.includes('@')) {
    const message = 'Credentials do not belong in a target: they are taken from the environment.'
    return problem('usage', {}, message, 'Write s3://bucket or s3://bucket/prefix, without "@".')
  }
  const [, bucket, path = ''] = /^s3:\/\/([^/]*)(?:\/(.*))?$/s.exec(text) ?? []
  if (bucket === undefined) return refuse('it does not begin with "s3://"')
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) || bucket.includes('..')) {
    return refuse('the name of a bucket is 3 to 63 lower-case letters, digits, "-" and "."')
  }
  const prefix = path.replace(/\/$/, '')
  if (prefix === '') return { bucket, prefix }
  if (/[?#%+\s]/.test(prefix))
    return refuse('the prefix holds a character that means something else in an address')
  try {
    checkStorePath(prefix)
  } catch {
    return refuse('the prefix has an empty element, or one that is "." or ".."')
  }
  return { bucket, prefix }
}

/**
 * Opens a bucket as a store. Throws a FatalError where there are no credentials, the bucket does not answer, or its
 * storage has no conditional writes although many may write.
 *
 * @example const store = await openS3Store({ bucket: 'modules', prefix: '' }, { env: process.env, access: 'public' })
 */
export async function openS3Store(target: S3Target, options: S3Options): Promise<S3Store> {
  const store = new S3Store(
    target,
    new Bucket(target.bucket, await loadAccess(options.env, options), options),
    options,
  )
  const { writers = 'many' } = options
  await options.before?.(store)
  if (writers !== 'many') await store.check()
  else if ((await store.probe()) === 'unconditional') {
    throw new FatalError(
      problem(
        'store-unconditional',
        {},
        `The storage of s3://${target.bucket} overwrites an object that was only to be created.`,
      ),
    )
  }
  return store
}

/** What an object is, without its bytes. */
export interface ObjectFacts {
  readonly tag: string
  /** In bytes; undefined where the storage does not say. */
  readonly size: number | undefined
}

export interface OpenedObject extends ObjectFacts {
  readonly chunks: AsyncIterable<Uint8Array>
}

type Outcome = { readonly result: 'done'; readonly tag: string } | { readonly result: 'refused' }

/** Above this size a look at whether an object is there costs less than to send its bytes for nothing. */
const largeBytes = 16 * 1024 * 1024

export class S3Store implements Store {
  /** "s3://bucket/prefix" */
  readonly url: string
  readonly #bucket: Bucket
  readonly #prefix: string
  readonly #access: 'private' | 'public'
  readonly #writers: 'many' | 'single' | 'none'
  readonly #retries: { readonly tries: number; readonly backoffMs: number }
  /** What was read with tags that are no hash of it, as storages give that encrypt: path and tag → its hash. */
  readonly #read = new Map<string, string>()
  #files = 0
  #bytes = 0

  constructor({ bucket, prefix }: S3Target, requests: Bucket, options: Omit<S3Options, 'env'>) {
    this.url = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`
    this.#bucket = requests
    this.#prefix = prefix === '' ? '' : `${prefix}/`
    this.#access = options.access ?? 'private'
    this.#writers = options.writers ?? 'many'
    this.#retries = resolveRetries(options)
  }

  /** What this store has written: the files of the site, and not their twins. */
  get written(): Written {
    return { files: this.#files, bytes: this.#bytes }
  }

  /** What went over the network since the store was opened, the probe included. */
  get traffic(): Traffic {
    return this.#bucket.traffic
  }

  async get(path: string): Promise<StoredFile | undefined> {
    const call: Call = { method: 'GET', key: this.#key(path) }
    const answer = await this.#bucket.send(call)
    if (isAbsent(answer)) return undefined
    this.#bucket.check(call, answer, 200)
    const tag = tagOf(call, answer)
    this.#remember(path, tag, payloadOf(answer.body))
    return { body: answer.body, tag }
  }

  async tag(path: string): Promise<string | undefined> {
    return (await this.#find(this.#key(path)))?.tag
  }

  async stream(path: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    return (await this.#bucket.stream(this.#key(path)))?.chunks
  }

  /** Opens a file with what is known of it before it is read. Returns undefined where there is none. */
  async open(path: string): Promise<OpenedObject | undefined> {
    const key = this.#key(path)
    const opened = await this.#bucket.stream(key)
    return opened && { ...factsOf({ method: 'GET', key }, opened.head), chunks: opened.chunks }
  }

  /** Returns what is known of a file without reading it; undefined where there is none. */
  async head(path: string): Promise<ObjectFacts | undefined> {
    return this.#find(this.#key(path))
  }

  async create(
    path: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    options: CreateOptions = {},
  ): Promise<'created' | 'exists'> {
    const key = this.#writable(path)
    const { signal } = options
    return withPayload(body, signal, async (payload) => {
      signal?.throwIfAborted()
      const isThere = payload.size > largeBytes && (await this.#find(key)) !== undefined
      const headers = this.#headers(path, 'created')
      const { result } = isThere
        ? { result: 'refused' as const }
        : await this.#put({ key, payload, headers, expected: undefined, signal })
      if (result === 'done') this.#count(payload)
      if (hasTwin(key)) {
        if (result === 'done') await this.#createTwin(key, payload, headers, signal)
        else await this.#mendTwin(path, signal)
      }
      return result === 'done' ? 'created' : 'exists'
    })
  }

  async replace(path: string, body: Uint8Array, expected: string | undefined): Promise<Replacement> {
    const key = this.#writable(path)
    // Of another store, or nobody's: no file here has it.
    if (expected !== undefined && !isTag(expected)) return { result: 'conflict' }
    const payload = payloadOf(body)
    if (expected !== undefined && this.#holds(path, expected, payload)) {
      if (hasTwin(key)) await this.#followTwin(path, payload, expected, 'look')
      return { result: 'unchanged', tag: expected }
    }
    const headers = this.#headers(path, 'replaced')
    const outcome = await this.#put({ key, payload, headers, expected })
    if (outcome.result !== 'done') return { result: 'conflict' }
    this.#count(payload)
    this.#remember(path, outcome.tag, payload)
    if (hasTwin(key)) await this.#followTwin(path, payload, outcome.tag, 'write')
    return { result: 'replaced', tag: outcome.tag }
  }

  /**
   * Removes a file. With an expected tag the storage checks it as it removes, where it can; where it cannot, the
   * moment between our look and the removal is open, in which another's replacement could be removed.
   */
  async remove(path: string, expected?: string): Promise<'removed' | 'conflict'> {
    const key = this.#writable(path)
    if (expected !== undefined) {
      const found = await this.#find(key)
      if (found !== undefined && found.tag !== expected) return 'conflict'
    }
    if (hasTwin(key)) await this.#delete(twinOf(key))
    if ((await this.#delete(key, expected)) === 'removed') return 'removed'
    // Another has replaced it meanwhile, and may have written the twin before we removed that.
    if (hasTwin(key)) await this.#mendTwin(path)
    return 'conflict'
  }

  async *list(directory: string): AsyncGenerator<ListedFile, void, undefined> {
    if (directory !== '') checkStorePath(directory)
    yield* hideTwins(this.#listInOrder(directory))
  }

  /** Asks for an empty part of the list, so that a wrong bucket, region or key is told before any work is done. */
  async check(): Promise<void> {
    await this.#page({ 'max-keys': '1', prefix: `${this.#prefix}-/none/` })
  }

  /**
   * Finds out whether the storage honours conditional writes, by a file that every site has, and always with the same
   * content: whoever is killed here leaves nothing that does not belong there.
   */
  async probe(): Promise<'conditional' | 'unconditional'> {
    const key = this.#key(probeFile)
    const payload = payloadOf(new Uint8Array())
    const put = async (
      condition: Readonly<Record<string, string>>,
      ...expected: number[]
    ): Promise<number> => {
      const call: Call = {
        method: 'PUT',
        key,
        payload,
        headers: { ...this.#headers(probeFile, 'replaced'), ...condition },
      }
      const answer = await this.#bucket.send(call)
      // 501: "a header you provided implies functionality that is not implemented".
      this.#bucket.check(call, answer, ...expected, 501)
      return answer.status
    }
    const created = { 'if-none-match': '*' }
    const first = await put(created, 200, 412, 409)
    const again = first === 200 ? await put(created, 200, 412, 409) : first
    const stale = isRefusal(again) ? await put({ 'if-match': noTag }, 200, 412, 409) : again
    return isRefusal(stale) ? 'conditional' : 'unconditional'
  }

  #key(path: string): string {
    checkStorePath(path)
    return `${this.#prefix}${path}`
  }

  #writable(path: string): string {
    if (this.#writers === 'none') throw new Error(`${this.url} was opened for reading.`)
    return this.#key(path)
  }

  #count({ size }: Payload): void {
    this.#files += 1
    this.#bytes += size
  }

  #headers(path: string, how: 'created' | 'replaced'): Readonly<Record<string, string>> {
    // What is replaced is no file that stays, whatever its name.
    const isKept = how === 'created' || !isImmutable(path)
    const lifetime = isKept ? cacheControl(path, this.#access) : mutableFor(this.#access)
    return { 'content-type': contentType(path), 'cache-control': lifetime }
  }

  #remember(path: string, tag: string, payload: Payload): void {
    if (tag !== `"${payload.md5}"`) this.#read.set(`${path}\n${tag}`, payload.sha256)
  }

  /** Tells whether a file with this tag is known to have these bytes. */
  #holds(path: string, tag: string, { md5, sha256 }: Payload): boolean {
    return tag === `"${md5}"` || this.#read.get(`${path}\n${tag}`) === sha256
  }

  async #find(key: string, signal?: AbortSignal): Promise<ObjectFacts | undefined> {
    const call: Call = { method: 'HEAD', key, signal }
    const answer = await this.#bucket.send(call)
    if (answer.status === 404) return undefined
    this.#bucket.check(call, answer, 200)
    return factsOf(call, answer)
  }

  /** Puts an object that has the expected tag, or where there is none. */
  async #put(put: Put): Promise<Outcome> {
    if (this.#writers === 'many') return this.#putIf(put)
    return inTurn(`${this.#bucket.name}/${put.key}`, async () => {
      const found = await this.#find(put.key, put.signal)
      return found?.tag === put.expected ? this.#putAlways(put) : { result: 'refused' }
    })
  }

  async #putAlways({ key, payload, headers, signal }: Omit<Put, 'expected'>): Promise<Outcome> {
    const call: Call = { method: 'PUT', key, payload, headers, signal }
    const answer = await this.#bucket.send(call)
    this.#bucket.check(call, answer, 200)
    return { result: 'done', tag: await this.#tagOfPut(call, answer) }
  }

  async #putIf({ key, payload, headers, expected, signal }: Put): Promise<Outcome> {
    const condition = expected === undefined ? { 'if-none-match': '*' } : { 'if-match': expected }
    const call: Call = { method: 'PUT', key, payload, headers: { ...headers, ...condition }, signal }
    const { tries, backoffMs } = this.#retries
    let isRepeated = false
    for (let count = 1; ; count++) {
      const answer = await this.#bucket.send(call)
      isRepeated ||= answer.isRepeated
      if (answer.status === 200) return { result: 'done', tag: await this.#tagOfPut(call, answer) }
      if (answer.status === 409 && count < tries) {
        await pause(count, backoffMs, signal)
        continue
      }
      const isGone = answer.status === 404 && expected !== undefined && isAbsent(answer)
      if (!isRefusal(answer.status) && !isGone) throw this.#bucket.failure(call, answer)
      if (answer.status === 412 && !isRepeated) return { result: 'refused' }
      const found = await this.#find(key, signal)
      // Of a create whose answer was lost; or of a replacement, which another may have made as well: it is done.
      if (isRepeated && found?.tag === `"${payload.md5}"`) return { result: 'done', tag: found.tag }
      if (found !== undefined || expected !== undefined || answer.status === 412) return { result: 'refused' }
      // Nobody writes any more, and nothing is there: a file is where a directory should be, or the reverse.
      throw this.#bucket.failure(call, answer)
    }
  }

  async #tagOfPut(call: Call, answer: Answer): Promise<string> {
    if (answer.headers.has('etag')) return tagOf(call, answer)
    const found = await this.#find(call.key, call.signal ?? undefined)
    if (found === undefined) throw storeFailed(`PUT ${call.key} in ${this.url}: what was put is not there.`)
    return found.tag
  }

  async #delete(key: string, expected?: string): Promise<'removed' | 'conflict'> {
    const isConditional = expected !== undefined && this.#writers === 'many'
    const call: Call = { method: 'DELETE', key }
    const condition = isConditional ? { headers: { 'if-match': expected } } : {}
    const answer = await this.#bucket.send({ ...call, ...condition })
    if (isConditional && isRefusal(answer.status)) {
      // Some say so of what is gone already, which may be our own work.
      return (await this.#find(key)) === undefined ? 'removed' : 'conflict'
    }
    if (isConditional && answer.status === 501) return this.#delete(key)
    if (!isAbsent(answer)) this.#bucket.check(call, answer, 200, 204)
    return 'removed'
  }

  /** Writes the twin of an object that we have just created. */
  async #createTwin(
    key: string,
    payload: Payload,
    headers: Put['headers'],
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#put({ key: twinOf(key), payload, headers, expected: undefined, signal })
  }

  /** Writes the twin of an object of another's if it is not there. */
  async #mendTwin(path: string, signal?: AbortSignal): Promise<void> {
    const key = this.#key(path)
    if ((await this.#find(twinOf(key), signal)) !== undefined) return
    const opened = await this.#bucket.stream(key)
    if (opened === undefined) return
    await withPayload(opened.chunks, signal, (payload) =>
      this.#createTwin(key, payload, this.#headers(path, isImmutable(path) ? 'created' : 'replaced'), signal),
    )
  }

  /**
   * Makes the twin what the object is. Of two who replace an object the one who was first may write its twin last;
   * so each looks afterwards whether the object still is what it has written, and otherwise writes again.
   */
  async #followTwin(path: string, payload: Payload, tag: string, how: 'look' | 'write'): Promise<void> {
    const key = this.#key(path)
    if (how === 'look') {
      const twin = await this.#find(twinOf(key))
      const isHash = tag === `"${payload.md5}"`
      if (twin !== undefined && (!isHash || twin.tag === tag)) return
    }
    let body = payload
    let current = tag
    for (;;) {
      await this.#putAlways({ key: twinOf(key), payload: body, headers: this.#headers(path, 'replaced') })
      const found = await this.#find(key)
      if (found?.tag === current) return
      const read = await this.get(path)
      if (read === undefined) {
        await this.#delete(twinOf(key))
        return
      }
      body = payloadOf(read.body)
      current = read.tag
    }
  }

  async *#listInOrder(directory: string): AsyncGenerator<ListedFile, void, undefined> {
    const files = this.#listAll(directory)
    if (this.#writers === 'single') {
      // Of the storages without conditional writes some have no order of bytes either.
      const all: ListedFile[] = []
      for await (const file of files) all.push(file)
      yield* all.sort((a, b) => compareUtf8(a.path, b.path))
      return
    }
    let last: string | undefined
    for await (const file of files) {
      if (last !== undefined && compareUtf8(file.path, last) <= 0) {
        throw storeFailed(
          `The list of ${this.url} is not in order: ${file.path} comes after ${last}.`,
          orderHint,
        )
      }
      last = file.path
      yield file
    }
  }

  async *#listAll(directory: string): AsyncGenerator<ListedFile, void, undefined> {
    const prefix = `${this.#prefix}${directory === '' ? '' : `${directory}/`}`
    let next: string | undefined
    do {
      const token = next === undefined ? {} : { 'continuation-token': next }
      const page = await this.#page({ 'max-keys': '1000', ...(prefix === '' ? {} : { prefix }), ...token })
      for (const { key, tag } of page.objects) {
        // Programs that show a bucket as folders make objects for them, which are no files of a site.
        if (!key.endsWith('/')) yield { path: key.slice(this.#prefix.length), tag }
      }
      next = page.next
    } while (next !== undefined)
  }

  async #page(
    query: Readonly<Record<string, string>>,
  ): Promise<NonNullable<ReturnType<typeof parseListing>>> {
    const call: Call = { method: 'GET', key: '', query: { 'list-type': '2', ...query } }
    const answer = await this.#bucket.send(call)
    this.#bucket.check(call, answer, 200)
    const page = parseListing(new TextDecoder().decode(answer.body))
    if (page === undefined) throw storeFailed(`The list of ${this.url} cannot be understood.`)
    return page
  }
}

interface Put {
  readonly key: string
  readonly payload: Payload
  readonly headers: Readonly<Record<string, string>>
  /** Absent: there must be no such object. */
  readonly expected: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** What tells GitHub Pages to serve files as they are: empty, in every site (index-site.ts). */
const probeFile = '.nojekyll'
/** What no file has. */
const noTag = `"${'0'.repeat(32)}"`

const orderHint = 'Use a bucket whose lists are in the order of keys, which "directory buckets" are not.'

function hasTwin(key: string): boolean {
  return key.includes('+')
}

/**
 * 412 says that a condition did not hold; 409 that someone is writing, or that something else is in the way, which
 * versitygw also says of directories that come and go.
 */
function isRefusal(status: number): boolean {
  return status === 412 || status === 409
}

function factsOf(call: Call, answer: Answer): ObjectFacts {
  const length = answer.headers.get('content-length')
  return { tag: tagOf(call, answer), size: length === null ? undefined : Number(length) }
}

function tagOf(call: Call, { headers }: Answer): string {
  const tag = headers.get('etag')
  if (tag === null || tag === '') throw storeFailed(`${call.method} ${call.key}: the storage gives no ETag.`)
  return quoteTag(tag)
}

/** Tells whether a text is an ETag, as all of ours are. */
function isTag(text: string): boolean {
  return /^(?:W\/)?"[\x21\x23-\x7e]*"$/.test(text)
}
