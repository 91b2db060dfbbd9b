/**
 * Who can read a site, and how safely: a private one must not be read by those
 * who have no credentials, and a certificate must not run out.
 */

import { lookup } from 'node:dns/promises'
import { type Answer, describeAnswer, isDocument, kindOf } from './answer.ts'
import type { Findings } from './findings.ts'
import { type HttpClient, isPrivateAddress } from './http.ts'
import type { SiteDescription } from './site.ts'

export interface AccessOptions {
  /** Files that are there, of each kind that a host may guard by itself. */
  readonly files: readonly string[]
  /** Returns the addresses of a host. @default as the system resolves it */
  readonly resolve?: ((host: string) => Promise<readonly string[]>) | undefined
}

/**
 * Asks as nobody for files of a private site, and once with credentials that are made up. Returns whether the site asks
 * for credentials.
 */
export async function verifyAccess(
  http: HttpClient,
  findings: Findings,
  { access, host }: SiteDescription,
  { files, resolve = resolveHost }: AccessOptions,
): Promise<boolean> {
  if (access !== 'private') return false
  let isGuarded = false
  let asksForPassword: string | undefined
  const severity = (await isPublicHost(http, resolve)) ? 'error' : 'note'
  for (const file of files) {
    const answer = await http.ask(file, { as: 'nobody', limitBytes: 2 ** 20 })
    const isRead = kindOf(answer) === 'file' || answer.failure?.kind === 'large'
    const isPage = isRead && !(isFileOf(file, answer.body) && (await isReadAlike(http, file, answer)))
    if (isRead && !isPage) {
      const message = `${describeAnswer({ ...answer, words: '' })} without credentials, and the site is private.`
      findings.once('private-but-readable', message, file, { severity })
      continue
    }
    // What is missing is told of elsewhere, and guards nothing.
    if (kindOf(answer) === 'absent') continue
    isGuarded = true
    if (answer.status === 401) asksForPassword ??= file
    // GitLab Pages can do nothing else; consumers give it a token with each request.
    if (host === 'gitlab-pages' || (!isPage && answer.status !== 200)) continue
    findings.once('login-page', `${describeAnswer(answer)} without credentials, where 401 is due.`, file)
  }
  if (asksForPassword === undefined) return isGuarded
  const answer = await http.ask(asksForPassword, { as: 'stranger', limitBytes: 2 ** 20 })
  if (kindOf(answer) === 'file' && isFileOf(asksForPassword, answer.body)) {
    const message = `${describeAnswer({ ...answer, words: '' })} with a user and a password that nobody has, and the site is private.`
    findings.once('private-but-readable', message, asksForPassword, { severity })
  }
  return isGuarded
}

/** Tells whether a content may be that of a file, and is no login in its place. */
function isFileOf(file: string, body: Uint8Array): boolean {
  // A page may be called like a file: gopkg.in/yaml.v3.
  if (!/(?:^|\/)@(?:v\/|latest$)|^-\/.*\.jsonl?$/.test(file)) {
    const text = new TextDecoder().decode(body)
    return /^\uFEFF?\s*</.test(text) && !/<input[^>]*type=["']?password/i.test(text)
  }
  return !isDocument(
    body,
    /\.(?:jsonl?|info)$|@latest$/.test(file) ? 'json' : file.endsWith('.zip') ? 'zip' : 'text',
  )
}

/** Tells whether an answer in JSON is what those with credentials get, and no error in its place. */
async function isReadAlike(http: HttpClient, file: string, { body }: Answer): Promise<boolean> {
  if (!http.hasCredentials || !/\.(?:jsonl?|info)$|@latest$/.test(file)) return true
  const own = await http.ask(file, { limitBytes: 2 ** 20 })
  // Of what is too large each has as much as had come by then.
  const length = Math.min(own.body.byteLength, body.byteLength)
  return Buffer.from(own.body.subarray(0, length)).equals(body.subarray(0, length))
}

async function isPublicHost(
  { base, peer }: HttpClient,
  resolve: NonNullable<AccessOptions['resolve']>,
): Promise<boolean> {
  const host = base.hostname.replace(/^\[|\]$/g, '')
  if (/^[\d.]+$|:/.test(host)) return !isPrivateAddress(host)
  const addresses = await resolve(host).catch(() => (peer.address === undefined ? [] : [peer.address]))
  return addresses.some((address) => !isPrivateAddress(address))
}

async function resolveHost(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address)
}

const dayMs = 24 * 3600 * 1000
const daysLeft = 14

/** Tells of a connection that is not safe, or soon is not. */
export async function verifyConnection(
  http: HttpClient,
  findings: Findings,
  { nowMs, resolve = resolveHost }: { readonly nowMs: number; readonly resolve?: AccessOptions['resolve'] },
): Promise<void> {
  const { base, peer } = http
  if (base.protocol === 'http:' && (await isPublicHost(http, resolve))) {
    const message = `${base.origin} is read over plain http: answers can be changed on the way, and go sends no credentials.`
    findings.once('http-plain', message)
  }
  const end = peer.certificateEnd
  if (end === undefined || end.getTime() - nowMs > daysLeft * dayMs) return
  findings.once(
    'certificate-expiring',
    `The certificate of ${base.host} expires on ${end.toISOString().slice(0, 10)}.`,
  )
}
