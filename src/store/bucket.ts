/**
 * A bucket of an S3-compatible storage as requests for single objects: they
 * are addressed, signed, made again where that may help, counted, and their
 * failures told. What the answers mean for a site is the store's affair
 * (s3.ts).
 *
 * - Keys are encoded as RFC 3986 has it, "!'()*+" included: a raw "+" is read
 *   as a space by some, and as a wrong signature by others.
 * - An endpoint of one's own is asked with the bucket in the path, AWS with the
 *   bucket in the host's name, as it wants it, except where dots in the name
 *   would not fit its certificate.
 * - The hash of a body is signed, so that the storage refuses a damaged one.
 * - A failure names the method, the object, the status and the storage's code;
 *   neither headers nor signatures, nor the text of an answer, which can hold
 *   what was signed.
 *
 * This file is long because one request is followed to its end: sent, watched,
 * made again, read on, explained.
 */

import { setMaxListeners } from 'node:events'
import { AwsV4Signer } from 'aws4fetch'
import { FatalError, problem } from '../problem.ts'
import type { Access, Credentials } from './credentials.ts'
import { codeOf } from './directory.ts'
import { findElement } from './listing.ts'
import type { Payload } from './payload.ts'
import { pause, type RetryOptions, resolveRetries } from './retry.ts'

/** What went over the network, failed requests included; of bodies, not of headers. */
export interface Traffic {
  readonly requests: number
  readonly sentBytes: number
  readonly receivedBytes: number
}

export interface BucketOptions extends RetryOptions {
  /**
   * How long a storage may take to answer, and between two pieces of an answer. A body that is sent has longer by what
   * 50 KB a second take. @default 60 000
   */
  readonly timeoutMs?: number
  /** Stops everything. @default never */
  readonly signal?: AbortSignal
}

export interface Call {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE'
  /** "" is the bucket itself. */
  readonly key: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly payload?: Payload
  readonly signal?: AbortSignal | undefined
}

interface Head {
  readonly status: number
  readonly headers: Headers
}

export interface Answer extends Head {
  readonly body: Uint8Array
  /** Whether an earlier try may have been carried out, although its answer did not arrive. */
  readonly isRepeated: boolean
}

/** An answer whose body is read piece by piece. Where the status is not 2xx, the body has been read. */
export interface StreamedAnswer extends Answer {
  readonly chunks: AsyncIterable<Uint8Array>
}

/** The connection failed, or took too long: worth another try. */
class NetworkFailure extends Error {}

export class Bucket {
  readonly name: string
  readonly #access: Access
  readonly #base: string
  readonly #retries: Required<RetryOptions>
  readonly #timeoutMs: number
  readonly #signal: AbortSignal | undefined
  /** Of aws4fetch: the signing keys of the day. */
  readonly #signingKeys = new Map<string, ArrayBuffer>()
  #requests = 0
  #sentBytes = 0
  #receivedBytes = 0

  constructor(name: string, access: Access, options: BucketOptions = {}) {
    this.name = name
    this.#access = access
    this.#base = addressOf(name, access)
    this.#retries = resolveRetries(options)
    this.#timeoutMs = options.timeoutMs ?? 60_000
    this.#signal = options.signal
    // Each request listens, and there are as many at once as there is to write.
    if (options.signal !== undefined) setMaxListeners(0, options.signal)
  }

  get traffic(): Traffic {
    return { requests: this.#requests, sentBytes: this.#sentBytes, receivedBytes: this.#receivedBytes }
  }

  /** Makes a request and reads the answer whole. Throws a FatalError where no try is answered. */
  send(call: Call): Promise<Answer> {
    return this.#retried(call, async (credentials) => {
      const { chunks, ...answer } = await this.#attempt(call, credentials)
      return { ...answer, body: await readAll(chunks) }
    })
  }

  /** Makes a request whose answer is read piece by piece. Only its beginning is retried. */
  open(call: Call): Promise<StreamedAnswer> {
    return this.#retried(call, async (credentials) => {
      const answer = await this.#attempt(call, credentials)
      const isOk = answer.status >= 200 && answer.status < 300
      return { ...answer, body: isOk ? new Uint8Array() : await readAll(answer.chunks) }
    })
  }

  /** Reads an object piece by piece, and goes on where the connection was cut. Undefined where there is none. */
  async stream(
    key: string,
  ): Promise<{ readonly head: StreamedAnswer; readonly chunks: AsyncIterable<Uint8Array> } | undefined> {
    const head = await this.open({ method: 'GET', key })
    if (isAbsent(head)) return undefined
    this.check({ method: 'GET', key }, head, 200)
    return { head, chunks: this.#resumed(key, head) }
  }

  /** Throws unless an answer has one of the expected statuses. */
  check(
    call: Call,
    answer: Pick<Answer, 'status' | 'headers' | 'body'>,
    ...expected: readonly number[]
  ): void {
    if (!expected.includes(answer.status)) throw this.failure(call, answer)
  }

  /** Returns the failure that an answer means. */
  failure(call: Call, { status, headers, body }: Pick<Answer, 'status' | 'headers' | 'body'>): FatalError {
    const text = new TextDecoder().decode(body)
    const code = findElement(text, 'Code')
      ?.replaceAll(/[^\w.-]/g, '')
      .slice(0, 60)
    const message = `${this.#describe(call)}: ${status}${code === undefined ? '' : ` ${code}`}.`
    const region = headers.get('x-amz-bucket-region') ?? findElement(text, 'Region')
    const isElsewhere = [301, 307, 308].includes(status) || (status === 400 && region !== null)
    if (isElsewhere && region !== null && region !== undefined) {
      const where = region.replaceAll(/[^\w-]/g, '')
      const hint = `Set AWS_REGION=${where}.`
      return storeFailed(`${message.slice(0, -1)}: the bucket is in the region ${where}.`, hint)
    }
    return storeFailed(message, hintOf(status, code))
  }

  #describe({ method, key }: Call): string {
    return `${method} ${key === '' ? '' : `${key} `}in s3://${this.name}`
  }

  async #retried<T extends Head>(
    call: Call,
    attempt: (credentials: Credentials) => Promise<T>,
  ): Promise<T & { readonly isRepeated: boolean }> {
    const { tries, backoffMs } = this.#retries
    const signal = call.signal ?? this.#signal
    let isRepeated = false
    let rejected: Credentials | undefined
    for (let count = 1; ; count++) {
      signal?.throwIfAborted()
      this.#signal?.throwIfAborted()
      const credentials = await this.#access.credentials(rejected)
      try {
        const answer = await attempt(credentials)
        const isExpired =
          isTokenExpired(answer) && credentials.expiresMs !== undefined && rejected === undefined
        if (isExpired) rejected = credentials
        if (!isExpired && (!isBusy(answer.status) || count >= tries)) return { ...answer, isRepeated }
      } catch (cause) {
        if (!(cause instanceof NetworkFailure)) throw cause
        if (count >= tries) throw this.#unreachable(call, cause)
      }
      isRepeated = true
      await pause(count, backoffMs, signal)
    }
  }

  #unreachable(call: Call, { message }: NetworkFailure): FatalError {
    return storeFailed(
      `${this.#describe(call)}: ${new URL(this.#base).host} ${message}.`,
      'Check AWS_ENDPOINT_URL_S3, AWS_REGION and the network, and run it again.',
    )
  }

  /** Makes a request once. */
  async #attempt(
    call: Call,
    credentials: Credentials,
  ): Promise<Head & { readonly chunks: AsyncIterable<Uint8Array> }> {
    const { method, payload } = call
    const { url, headers } = await this.#sign(call, credentials)
    const watch = new Watch([this.#signal, call.signal])
    this.#requests += 1
    watch.start(this.#timeoutMs + (payload?.size ?? 0) / 50)
    let response: Response
    try {
      response = await fetch(url, {
        method,
        headers,
        signal: watch.signal,
        ...(typeof payload?.body === 'function' ? unrepeatable : { redirect: 'manual' }),
        ...(payload === undefined ? {} : { body: this.#bodyOf(payload), duplex: 'half' }),
      })
    } catch (cause) {
      watch.stop()
      throw watch.explain(cause)
    }
    return { status: response.status, headers: response.headers, chunks: this.#receive(response, watch) }
  }

  async #sign(
    { method, key, query = {}, headers = {}, payload }: Call,
    { accessKeyId, secretAccessKey, sessionToken }: Credentials,
  ): Promise<{ readonly url: string; readonly headers: Headers }> {
    const search = Object.entries(query).map(([name, value]) => `${name}=${encodeRfc3986(value)}`)
    const url = `${this.#base}/${encodeKey(key)}${search.length === 0 ? '' : `?${search.join('&')}`}`
    const signed = await new AwsV4Signer({
      method,
      url,
      headers: { ...headers, 'x-amz-content-sha256': payload?.sha256 ?? emptySha256 },
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      service: 's3',
      region: this.#access.region,
      cache: this.#signingKeys,
    }).sign()
    // Not signed, since some proxies write them anew. Compressed on the way, an object could have another ETag.
    signed.headers.set('accept-encoding', 'identity')
    // Fetch knows the length of bytes by itself. A stream without this would be sent in chunks, which S3 refuses.
    if (typeof payload?.body === 'function') signed.headers.set('content-length', String(payload.size))
    return { url, headers: signed.headers }
  }

  #bodyOf({ body }: Payload): Uint8Array<ArrayBuffer> | AsyncIterable<Uint8Array> {
    if (body instanceof Uint8Array) {
      this.#sentBytes += body.byteLength
      return body as Uint8Array<ArrayBuffer>
    }
    const count = (bytes: number): void => {
      this.#sentBytes += bytes
    }
    return (async function* counted() {
      for await (const chunk of body()) {
        count(chunk.byteLength)
        yield chunk
      }
    })()
  }

  async *#receive(response: Response, watch: Watch): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
        this.#receivedBytes += chunk.byteLength
        watch.stop()
        yield chunk
        watch.start(this.#timeoutMs)
      }
    } catch (cause) {
      throw watch.explain(cause)
    } finally {
      watch.stop()
    }
  }

  async *#resumed(key: string, first: StreamedAnswer): AsyncGenerator<Uint8Array, void, undefined> {
    const { tries, backoffMs } = this.#retries
    let answer = first
    let offset = 0
    for (let count = 1; ; count++) {
      // A storage that knows no ranges begins again.
      let skip = answer.status === 206 ? 0 : offset
      try {
        for await (const chunk of answer.chunks) {
          const rest = chunk.subarray(Math.min(skip, chunk.byteLength))
          skip -= chunk.byteLength - rest.byteLength
          if (rest.byteLength === 0) continue
          offset += rest.byteLength
          count = 1
          yield rest
        }
        return
      } catch (cause) {
        if (!(cause instanceof NetworkFailure)) throw cause
        if (count >= tries) throw this.#unreachable({ method: 'GET', key }, cause)
      }
      await pause(count, backoffMs, this.#signal)
      const tag = first.headers.get('etag')
      const range = { range: `bytes=${offset}-`, ...(tag === null ? {} : { 'if-match': tag }) }
      answer = await this.open({ method: 'GET', key, headers: range })
      this.check({ method: 'GET', key }, answer, 200, 206)
    }
  }
}

/** Tells whether an answer says that there is no such object. A bucket that is not there is no such answer. */
export function isAbsent({ status, body }: Pick<Answer, 'status' | 'body'>): boolean {
  return status === 404 && !new TextDecoder().decode(body).includes('<Code>NoSuchBucket</Code>')
}

/** Makes a failure of the storage. */
export function storeFailed(message: string, hint?: string): FatalError {
  return new FatalError(problem('store-failed', {}, message, hint))
}

/** Stops a request that takes too long, or that someone wants to stop. */
class Watch {
  readonly #abort = new AbortController()
  readonly #outer: readonly AbortSignal[]
  #timer: NodeJS.Timeout | undefined
  #timeoutMs = 0
  #isLate = false

  constructor(outer: readonly (AbortSignal | undefined)[]) {
    this.#outer = outer.filter((signal) => signal !== undefined)
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  start(timeoutMs: number): void {
    this.#timeoutMs = timeoutMs
    this.#timer = setTimeout(() => {
      this.#isLate = true
      this.#abort.abort()
    }, timeoutMs)
    for (const signal of this.#outer) {
      if (signal.aborted) this.#abort.abort()
      else signal.addEventListener('abort', this.#stopAll, { once: true })
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
    for (const signal of this.#outer) signal.removeEventListener('abort', this.#stopAll)
  }

  readonly #stopAll = (): void => this.#abort.abort()

  /** Returns what a failure is: someone's wish, one of the network, or another. */
  explain(cause: unknown): unknown {
    for (const signal of this.#outer) if (signal.aborted) return signal.reason
    if (this.#isLate)
      return new NetworkFailure(`did not answer within ${Math.ceil(this.#timeoutMs / 1000)} s`)
    // Whatever fetch cannot do is a TypeError; one that has a cause is not our mistake.
    if (!(cause instanceof TypeError) || cause.cause === undefined) return cause
    const reason = cause.cause
    return new NetworkFailure(`cannot be reached (${codeOf(reason) ?? (reason as Error).message})`)
  }
}

/**
 * A request that fetch itself will never make again, because of a redirect or a browser's window. Of any other it
 * keeps the whole body: 800 MB took 900 MB of memory.
 */
const unrepeatable: RequestInit & { readonly window: null } = { redirect: 'error', window: null }

const emptySha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

function addressOf(bucket: string, { endpoint, region }: Access): string {
  if (endpoint !== undefined) return `${endpoint}/${bucket}`
  const host = `s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`
  return bucket.includes('.') ? `https://${host}/${bucket}` : `https://${bucket}.${host}`
}

function encodeKey(key: string): string {
  return key.split('/').map(encodeRfc3986).join('/')
}

function encodeRfc3986(text: string): string {
  const hex = (character: string): string => `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, hex)
}

function isBusy(status: number): boolean {
  return [429, 500, 502, 503, 504].includes(status)
}

function isTokenExpired({ status, body }: Head & { readonly body?: Uint8Array }): boolean {
  if (status !== 400 && status !== 403) return false
  // The answer to a HEAD has no body: what is expired may be any refusal.
  const text = body === undefined ? '' : new TextDecoder().decode(body)
  return text === '' ? status === 400 : /<Code>(?:ExpiredToken|TokenRefreshRequired)<\/Code>/.test(text)
}

function hintOf(status: number, code: string | undefined): string | undefined {
  switch (code) {
    case 'NoSuchBucket':
      return 'Create the bucket, or correct its name.'
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
    case 'InvalidToken':
    case 'ExpiredToken':
      return 'Check the credentials: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, or the profile.'
    case 'RequestTimeTooSkewed':
      return "Set this machine's clock."
    default:
  }
  if (status === 401 || status === 403) {
    return 'Allow s3:ListBucket on the bucket (without it a missing object is a 403, too), and s3:GetObject, s3:PutObject and s3:DeleteObject on its objects.'
  }
  return isBusy(status) ? 'The storage is too busy or at fault: run it again later.' : undefined
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const read: Uint8Array[] = []
  for await (const chunk of chunks) read.push(chunk)
  return read.length === 1 && read[0] !== undefined ? read[0] : Buffer.concat(read)
}
