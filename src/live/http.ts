/**
 * A live site over http. Each answer is a 200 with the whole file, a 404, or
 * the end of the run: what is between them, such as a login page, a cache that
 * is out of order or a connection that breaks, is tried again or reported, and
 * never taken for "there is nothing".
 *
 * Redirects are followed here and not by fetch, so that credentials stay with
 * the host that they are for, and nothing goes from https to http. Of what a
 * server says only its status is shown: the rest may repeat what was sent.
 */

import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { FatalError, problem } from '../problem.ts'
import type { LiveSource } from './source.ts'

export interface HttpSourceOptions {
  /** The header of that name. @default nobody is named */
  readonly authorization?: string
  /** @default never */
  readonly signal?: AbortSignal
  /** How long to wait before the second attempt; each later one waits twice as long. @default 500 */
  readonly retryMs?: number
  /** How long a server may be silent. @default 60 000 */
  readonly idleMs?: number
}

const attempts = 4
const limitHops = 5
const longestWaitMs = 30_000

/** Returns the site at an address as a source. */
export function httpSource(url: URL, options: HttpSourceOptions = {}): LiveSource {
  const { signal, retryMs = 500 } = options
  const base = new URL(url)
  base.username = ''
  base.password = ''
  base.pathname = base.pathname.replace(/\/*$/, '/')
  const name = base.href.replace(/\/$/, '')
  // Each request that is under way listens.
  if (signal !== undefined) setMaxListeners(0, signal)
  return {
    name,
    read: async (path, use) => {
      for (let attempt = 1; ; attempt++) {
        signal?.throwIfAborted()
        try {
          return await readOnce(base, path, use, options)
        } catch (error) {
          signal?.throwIfAborted()
          if (!(error instanceof Fault)) throw error
          if (attempt === attempts) throw unreachable(`${name}/${path}`, `${error.message}, ${attempt} times`)
          const wait = Math.min(error.waitMs ?? retryMs * 2 ** (attempt - 1), longestWaitMs)
          // Many that failed together do not come again together.
          await sleep(wait * (0.75 + Math.random() / 2), undefined, signal && { signal }).catch(() => {})
        }
      }
    },
  }
}

/** What may pass: the next attempt may succeed. The message is what happened. */
class Fault extends Error {
  override readonly name = 'Fault'
  readonly waitMs: number | undefined

  constructor(message: string, waitMs?: number) {
    super(message)
    this.waitMs = waitMs
  }
}

async function readOnce<T>(
  base: URL,
  path: string,
  use: (body: AsyncIterable<Uint8Array>) => Promise<T>,
  options: HttpSourceOptions,
): Promise<T | undefined> {
  const watch = new Watch(options.idleMs ?? 60_000, options.signal)
  try {
    const response = await request(base, path, watch, options.authorization)
    if (response.status === 200) return await use(bodyOf(response, watch))
    await response.body?.cancel().catch(() => {})
    if (response.status === 404 || response.status === 410) return undefined
    throw describeStatus(shown(base, path), response)
  } finally {
    watch.end()
  }
}

function describeStatus(name: string, { status, headers }: Response): Error {
  const message = `the server answers ${status}`
  if (status === 429 || status === 408 || status >= 500)
    return new Fault(message, waitOf(headers.get('retry-after')))
  if (status === 401 || status === 403) {
    const hint =
      'Give credentials by MODPRESS_AUTH or .netrc; some hosts also say 403 for a file that is not there.'
    return unreachable(name, message, hint)
  }
  return unreachable(name, message)
}

/** Returns a Retry-After that is in seconds, in milliseconds. A date is left to our own patience. */
export function waitOf(text: string | null | undefined): number | undefined {
  return /^\d{1,6}$/.test(text ?? '') ? Number(text) * 1000 : undefined
}

/** Sends a request and follows its redirects. */
async function request(
  base: URL,
  path: string,
  watch: Watch,
  authorization: string | undefined,
): Promise<Response> {
  let url = new URL(encodePath(path), base)
  for (let hop = 0; hop <= limitHops; hop++) {
    const isOwn = url.host === base.host
    const headers = {
      // A cache is asked to ask: what is served there may be older than what is deployed.
      'Cache-Control': 'no-cache',
      'User-Agent': 'modpress',
      ...(authorization !== undefined && isOwn ? { Authorization: authorization } : {}),
    }
    const response = await watch.during(fetch(url, { headers, redirect: 'manual', signal: watch.signal }))
    if (![301, 302, 303, 307, 308].includes(response.status)) return response
    await response.body?.cancel().catch(() => {})
    url = followed(shown(base, path), url, response.headers.get('location'))
  }
  throw unreachable(shown(base, path), `the server redirects more than ${limitHops} times`)
}

function followed(name: string, from: URL, location: string | null): URL {
  if (location === null || !URL.canParse(location, from.href)) {
    throw unreachable(name, 'the server redirects to no address')
  }
  const next = new URL(location, from)
  const isSafe = next.protocol === 'https:' || (next.protocol === 'http:' && from.protocol === 'http:')
  if (!isSafe) throw unreachable(name, `the server redirects to ${next.protocol}, which is not followed`)
  // A user in there is the server's idea, and none of ours.
  next.username = ''
  next.password = ''
  return next
}

/** Yields the bytes of an answer, and tells where they are not all. */
async function* bodyOf({ body, headers }: Response, watch: Watch): AsyncGenerator<Uint8Array> {
  const length = headers.get('content-encoding') === null ? headers.get('content-length') : null
  let size = 0
  if (body !== null) {
    const reader = body.getReader()
    try {
      for (;;) {
        const { done, value } = await watch.during(reader.read())
        if (done) break
        size += value.byteLength
        yield value
      }
    } finally {
      await reader.cancel().catch(() => {})
    }
  }
  if (length !== null && Number(length) !== size) throw new Fault(`it ends after ${size} of ${length} bytes`)
}

/** Stops a request when the server is silent for too long, or when the run is stopped. */
class Watch {
  readonly #stop = new AbortController()
  readonly #outer: AbortSignal | undefined
  readonly #idleMs: number
  #timer: NodeJS.Timeout | undefined
  #isIdle = false
  readonly #onAbort = () => this.#stop.abort(this.#outer?.reason)

  constructor(idleMs: number, outer: AbortSignal | undefined) {
    this.#idleMs = idleMs
    this.#outer = outer
    outer?.addEventListener('abort', this.#onAbort)
  }

  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** Waits for an answer. What fails is a fault, in words that are ours. */
  async during<T>(answer: Promise<T>): Promise<T> {
    this.#timer = setTimeout(() => {
      this.#isIdle = true
      this.#stop.abort()
    }, this.#idleMs)
    try {
      return await answer
    } catch (cause) {
      if (this.#isIdle) throw new Fault(`the server was silent for ${Math.ceil(this.#idleMs / 1000)} s`)
      throw new Fault(`the connection failed${codeOf(cause)}`)
    } finally {
      clearTimeout(this.#timer)
    }
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#outer?.removeEventListener('abort', this.#onAbort)
  }
}

/** Returns the code of what fetch wraps, to be put after a text. Its own text may hold addresses. */
export function codeOf(cause: unknown): string {
  for (let error = cause; error instanceof Error; error = error.cause) {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
    if (/^[A-Z][A-Z0-9_]+$/.test(code)) return `: ${code}`
  }
  return ''
}

/** Every host takes the escaped form. Of "+" some take no other; of "@" all take both, and people can read it. */
function encodePath(path: string): string {
  return path
    .split('/')
    .map((element) => encodeURIComponent(element).replaceAll('%40', '@'))
    .join('/')
}

function shown(base: URL, path: string): string {
  return `${base.href}${path}`
}

function unreachable(name: string, what: string, hint?: string): FatalError {
  return new FatalError(problem('live-unreachable', {}, `${name} cannot be read: ${what}.`, hint))
}
