/**
 * Judges what a host says of a file beside its bytes: how long it may be kept,
 * by whom, how it is encoded, and of which type it is. Every answer is judged,
 * of files and of what is not there.
 *
 * Go itself keeps nothing and looks at no type. What stands between it and the
 * host does: a list that is kept for a day hides a version for a day, and a 404
 * that is kept hides one that was just published.
 *
 * Pure.
 */

import type { HostName } from '../model.ts'
import type { ProblemCode } from '../problem.ts'
import { isImmutable } from '../render/headers.ts'
import { type Answer, isDocument } from './answer.ts'

export interface HeaderContext {
  readonly host: HostName
  /** Whether the site is private, and asks for credentials. */
  readonly isGuarded: boolean
}

interface HeaderFault {
  readonly code: ProblemCode
  /** What the headers say, to follow the request. */
  readonly message: string
}

/** Longer than this a file that changes should not be kept. */
const longSeconds = 3600

/** What a deployment there takes out of the host's own caches. */
const purging: ReadonlySet<HostName> = new Set(['github-pages', 'gitlab-pages', 'cloudflare', 'netlify'])

/** Returns what is wrong with the headers of an answer. */
export function judgeHeaders(answer: Answer, context: HeaderContext): HeaderFault[] {
  const { status, failure } = answer
  if (failure !== undefined) return []
  if (status >= 400) return judgeMissing(answer, context)
  return status === 200 ? [...judgeLifetime(answer, context), ...judgeForm(answer)] : []
}

/** Tells whether an answer came out of a cache that it passed, as far as its headers tell. */
export function isFromCache({ headers }: Answer): boolean {
  const marks = ['x-cache', 'x-cache-status', 'x-proxy-cache', 'cf-cache-status', 'cache-status']
  return Number(headers['age'] ?? 0) > 0 || marks.some((name) => /\bhit\b/i.test(headers[name] ?? ''))
}

function judgeMissing(answer: Answer, { host }: HeaderContext): HeaderFault[] {
  const { headers, status } = answer
  const lifetime = lifetimeOf(headers)
  const message =
    lifetime > 0
      ? `answers ${status} and may be kept for ${lifetime} s (${shownLifetime(headers)})`
      : `answers ${status} out of a cache${headers['age'] === undefined ? '' : `, in which it was for ${headers['age'].replaceAll(/\D/g, '')} s`}`
  const isKept = lifetime > 0 || (!purging.has(host) && isFromCache(answer))
  return isKept ? [{ code: 'missing-cached', message }] : []
}

function judgeLifetime({ path, headers }: Answer, context: HeaderContext): HeaderFault[] {
  const faults: HeaderFault[] = []
  const control = headers['cache-control']?.toLowerCase() ?? ''
  const lifetime = lifetimeOf(headers)
  const isFixed = isImmutable(path)
  if (!isFixed && (/\bimmutable\b/.test(control) || lifetime > longSeconds)) {
    faults.push({
      code: 'cached-long',
      message: `may be kept for ${lifetime} s (${shownLifetime(headers)}), and it changes`,
    })
  }
  const isAnswer = /@v\/list$|@latest$/.test(path)
  const isBehindCache =
    context.host === 'cloudfront' || ['via', 'age', 'x-cache'].some((name) => name in headers)
  if (isAnswer && isBehindCache && control === '' && headers['expires'] === undefined) {
    faults.push({
      code: 'lifetime-missing',
      message: 'has no Cache-Control, and a cache on the way decides how long it keeps it',
    })
  }
  const isShared = /\bpublic\b|\bs-maxage=[1-9]/.test(control) || lifetimeInCdn(headers) > 0
  if (context.isGuarded && isShared) {
    faults.push({
      code: 'private-cached',
      message: `may be kept by caches that others read (${shownLifetime(headers)})`,
    })
  }
  return faults
}

function judgeForm({ path, headers, body }: Answer): HeaderFault[] {
  const faults: HeaderFault[] = []
  const type = headers['content-type']?.toLowerCase() ?? ''
  const encoding = headers['content-encoding']?.toLowerCase() ?? ''
  if (path.endsWith('.zip') && !['', 'identity'].includes(encoding)) {
    faults.push({
      code: 'zip-encoded',
      message: 'is sent with a Content-Encoding, although a zip cannot be made smaller',
    })
  }
  if (!['', 'identity', 'gzip', 'x-gzip'].includes(encoding)) {
    const message = 'is sent with a Content-Encoding that nobody asked for, and that go does not undo'
    faults.push({ code: 'encoding-wrong', message })
  }
  const isProxyFile = /(?:^|\/)@(?:v\/|latest$)/.test(path)
  // A page in its place is told of as that.
  if (isProxyFile && type.startsWith('text/html') && !isDocument(body, 'json')) {
    faults.push({
      code: 'type-misleading',
      message: 'is served as text/html, which browsers run and hosts rewrite',
    })
  }
  return faults
}

/** Headers that are for the caches of a CDN alone, which then look at no other. */
const cdnHeaders = ['CDN-Cache-Control', 'Cloudflare-CDN-Cache-Control', 'Surrogate-Control']

/** Returns for how many seconds an answer may be kept: the longest of all caches that have a time of their own. */
function lifetimeOf(headers: Answer['headers']): number {
  return Math.max(lifetimeForAll(headers), lifetimeInCdn(headers), Number(headers['x-accel-expires']) || 0)
}

function lifetimeInCdn(headers: Answer['headers']): number {
  return Math.max(...cdnHeaders.map((name) => secondsOf(headers[name.toLowerCase()]) ?? 0))
}

function lifetimeForAll(headers: Answer['headers']): number {
  const stated = secondsOf(headers['cache-control'])
  if (stated !== undefined) return stated
  const expires = Date.parse(headers['expires'] ?? '')
  const date = Date.parse(headers['date'] ?? '')
  return Number.isNaN(expires) || Number.isNaN(date) ? 0 : Math.max(0, Math.round((expires - date) / 1000))
}

/** Reads a value such as that of Cache-Control; undefined where it has no lifetime in it. */
function secondsOf(value = ''): number | undefined {
  const control = value.toLowerCase()
  if (/\bno-store\b|\bno-cache\b/.test(control)) return 0
  const seconds = (name: string) => {
    const [, digits] = new RegExp(`(?:^|[\\s,])${name}\\s*=\\s*"?(\\d+)`).exec(control) ?? []
    return digits === undefined ? undefined : Number(digits)
  }
  const stated = [seconds('max-age'), seconds('s-maxage')].filter((each) => each !== undefined)
  return stated.length > 0 ? Math.max(...stated) : undefined
}

function shownLifetime(headers: Answer['headers']): string {
  const said = ['Cache-Control', ...cdnHeaders, 'X-Accel-Expires', 'Expires'].flatMap((name) => {
    const value = headers[name.toLowerCase()]
    return value === undefined ? [] : [`${name}: ${value.replaceAll(/[^\w=,:;" -]/g, '').slice(0, 80)}`]
  })
  return said.join('; ')
}
