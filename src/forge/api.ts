/**
 * Asks the API of a forge for a list, page by page, to its end. A part of a
 * list is never taken for all of it: what is not in the list counts as gone.
 *
 * The address of a request is always our own. Of what a server names as its
 * next page only the query is taken, and redirects are followed on the same
 * server only, so that a token can go nowhere else, whatever an answer says.
 *
 * A server that is out of order is asked again. One that wants to be left
 * alone for a while is waited for, if that is not long.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf } from '../live/http.ts'
import { pause } from '../store/retry.ts'
import type { Item } from './listed.ts'

/** Says why a forge could not be asked, and what to do. Shows neither tokens nor what the server says. */
export class ForgeError extends Error {
  override readonly name = 'ForgeError'
  /** The status of the answer, if there was one to go by. */
  readonly status: number | undefined
  readonly hint: string | undefined

  constructor(message: string, { status, hint }: { readonly status?: number; readonly hint?: string } = {}) {
    super(message)
    this.status = status
    this.hint = hint
  }
}

export interface ApiOptions {
  readonly headers: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  /** How long a server may take for an answer. @default 60 000 */
  readonly timeoutMs?: number
  /** The longest wait that a server may ask for. @default 60 000 */
  readonly patienceMs?: number
}

const tries = 4
const backoffMs = 500
const mostWaits = 5
const mostPages = 2000
const mostBytes = 64 * 2 ** 20

/** Returns all items of a list. Throws a ForgeError where any of it cannot be had. */
export async function readList(list: URL, options: ApiOptions): Promise<readonly Item[]> {
  const items: Item[] = []
  const asked = new Set<string>()
  for (let url: URL | undefined = list; url !== undefined; ) {
    if (asked.has(url.href) || asked.size === mostPages) {
      throw new ForgeError('its list has no end: a page leads back to one that was read before')
    }
    asked.add(url.href)
    const { body, headers } = await read(url, options)
    if (!Array.isArray(body) || !body.every(isItem)) throw notUnderstood()
    items.push(...body)
    url = nextPage(url, headers, { total: items.length, ofPage: body.length })
  }
  return items
}

/** Returns one object. Throws a ForgeError where it cannot be had. */
export async function readObject(url: URL, options: ApiOptions): Promise<Item> {
  const { body } = await read(url, options)
  if (!isItem(body)) throw notUnderstood()
  return body
}

function isItem(value: unknown): value is Item {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Its host may be one that only the server itself knows, or somebody else's: the query is all that counts. */
function nextPage(
  url: URL,
  headers: Headers,
  count: { readonly total: number; readonly ofPage: number },
): URL | undefined {
  const next = new URL(url)
  const [, link] = /<([^>]*)>\s*;[^,<]*\brel="?next"?/i.exec(headers.get('link') ?? '') ?? []
  if (link !== undefined) {
    if (!URL.canParse(link, url.href)) throw notUnderstood()
    for (const [key, value] of new URL(link, url).searchParams) next.searchParams.set(key, value)
    return next
  }
  const page = headers.get('x-next-page')?.trim()
  if (page) {
    next.searchParams.set('page', page)
    return next
  }
  const all = Number(headers.get('x-total-count') ?? 0)
  if (headers.has('link') || count.ofPage === 0 || count.total >= all) return undefined
  next.searchParams.set('page', String(Number(url.searchParams.get('page') ?? 1) + 1))
  return next
}

interface Answer {
  readonly body: unknown
  readonly headers: Headers
}

/** Asks until there is an answer that says something. */
async function read(url: URL, options: ApiOptions): Promise<Answer> {
  const { signal, patienceMs = 60_000 } = options
  let waits = 0
  for (let attempt = 1; ; ) {
    signal?.throwIfAborted()
    const outcome = await readOnce(url, options)
    signal?.throwIfAborted()
    if ('body' in outcome) return outcome
    if (outcome.waitMs !== undefined) {
      if (outcome.waitMs > patienceMs || ++waits > mostWaits) throw tooMany(outcome.waitMs)
      await sleep(outcome.waitMs, undefined, signal && { signal }).catch(() => {})
    } else {
      if (attempt === tries) throw new ForgeError(`${outcome.fault}, ${tries} times`)
      await pause(attempt++, backoffMs, signal)
    }
  }
}

/** What may pass: something went wrong, or the server wants to be asked later. */
interface Fault {
  readonly fault: string
  readonly waitMs?: number
}

async function readOnce(url: URL, options: ApiOptions): Promise<Answer | Fault> {
  const timeout = AbortSignal.timeout(options.timeoutMs ?? 60_000)
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal])
  let response: Response
  let text: string
  try {
    response = await request(url, options.headers, signal)
    text = await textOf(response)
  } catch (cause) {
    if (cause instanceof ForgeError) throw cause
    return { fault: timeout.aborted ? 'it does not answer' : `the connection fails${codeOf(cause)}` }
  }
  const { status, headers } = response
  if (status === 200) {
    try {
      return { body: JSON.parse(text), headers }
    } catch {
      throw notUnderstood()
    }
  }
  const fault = `it answers ${status}`
  if (isLimit(response, text)) return { fault, waitMs: waitOf(headers) }
  if (status === 408 || status >= 500) return { fault }
  throw new ForgeError(fault, { status })
}

const mostHops = 5

/** Sends a request. A name that has changed is redirected, on the same server. */
async function request(
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Response> {
  let current = url
  for (let hop = 0; hop <= mostHops; hop++) {
    const sent = { 'User-Agent': 'modpress', ...headers }
    const response = await fetch(current, { headers: sent, redirect: 'manual', signal })
    const location = response.headers.get('location')
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response
    await response.body?.cancel()
    const next = URL.canParse(location, current.href) ? new URL(location, current) : undefined
    if (next === undefined || next.origin !== url.origin) {
      const { status } = response
      const hint = 'Correct "url", or sign in: a redirect elsewhere mostly leads to a login page.'
      throw new ForgeError('it redirects to another server, which is not followed', { status, hint })
    }
    next.username = ''
    next.password = ''
    current = next
  }
  throw new ForgeError(`it redirects more than ${mostHops} times`)
}

async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  // The types do not know that it can be iterated.
  for await (const chunk of (body ?? []) as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength
    if (size > mostBytes) throw new ForgeError('its answer is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** GitHub says 403 as well as 429, and does not always say for how long. */
function isLimit({ status, headers }: Response, text: string): boolean {
  if (status === 429) return true
  if (status !== 403) return false
  return (
    headers.get('x-ratelimit-remaining') === '0' || headers.has('retry-after') || /rate limit/i.test(text)
  )
}

const usualWaitMs = 60_000

/** How long a server wants to be left alone. */
function waitOf(headers: Headers): number {
  const after = headers.get('retry-after')
  if (after !== null) {
    const ms = /^\d+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - Date.now()
    if (!Number.isNaN(ms)) return Math.max(ms, 0)
  }
  const of = (name: string) => headers.get(`x-ratelimit-${name}`) ?? headers.get(`ratelimit-${name}`)
  const reset = Number(of('reset') ?? Number.NaN)
  // What is left may be another limit's, whose end says nothing of this one.
  if (of('remaining') !== '0' || Number.isNaN(reset)) return usualWaitMs
  // A second more: their clock is not ours.
  return Math.max(reset * 1000 - Date.now(), 0) + 1000
}

function tooMany(waitMs: number): ForgeError {
  const time = new Date(Date.now() + waitMs).toISOString().replace(/\.\d+Z$/, 'Z')
  const minutes = Math.ceil(waitMs / 60_000)
  const message = `it has been asked too often, and wants to be left alone until ${time}, in ${minutes} min`
  return new ForgeError(message, {
    status: 429,
    hint: 'Run again later. With a token more is allowed: set MODPRESS_TOKEN_<HOST>.',
  })
}

function notUnderstood(): ForgeError {
  const hint = 'Correct "url" in the configuration: a login page or another server may be there.'
  return new ForgeError('its answer is no list of repositories', { status: 200, hint })
}
