/**
 * Asks a site as the go command does, and keeps what came back: paths with "!"
 * as "%21" and with "+" as it is, gzip undone and no other encoding, ten
 * redirects, none of them from https to http, credentials for the own host
 * alone. What may pass is asked for again; what stays is the answer, whatever
 * it is: nothing here throws for what a server says.
 *
 * A body is held only up to a limit. Larger ones go into a file.
 *
 * @see cmd/go/internal/web, http.go; cmd/go/internal/modfetch, proxy.go
 */

import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { FileHandle } from 'node:fs/promises'
import { readFile } from 'node:fs/promises'
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { rootCertificates, type TLSSocket } from 'node:tls'
import { createGunzip } from 'node:zlib'
import { isLoopback } from '../config/address.ts'
import { authorizationFor } from '../live/credentials.ts'
import { waitOf } from '../live/http.ts'
import { type Answer, type Failure, firstWords, type Hop } from './answer.ts'

export interface ClientOptions {
  /** Credentials and SSL_CERT_FILE are read from it. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal
  /** How long to wait before the second attempt; each later one waits twice as long. @default 500 */
  readonly retryMs?: number
  /** How long a server may be silent. @default 30 000 */
  readonly idleMs?: number
}

/** How a path is written: as go does; as it is; or with all that may be encoded encoded. */
export type PathForm = 'go' | 'raw' | 'encoded'

export interface Question {
  /** @default 'go' */
  readonly form?: PathForm
  /** Who asks: the owner of the credentials, where there are some; nobody; or a stranger, who makes some up. @default 'own' */
  readonly as?: 'own' | 'nobody' | 'stranger'
  /** @default none */
  readonly query?: string
  /** More is not read. */
  readonly limitBytes: number
  /** Where the body goes; undefined keeps it in memory. */
  readonly file?: FileHandle
}

/** What is known of the server beside its answers. */
export interface Peer {
  /** The address of the last connection. */
  address?: string
  /** Until when its certificate is good; absent without TLS. */
  certificateEnd?: Date
}

const attempts = 3
const limitHops = 10
const longestWaitMs = 20_000
export const requestsAtOnce = 16

export class HttpClient {
  /** With a "/" at its end, without user. */
  readonly base: URL
  readonly peer: Peer = {}
  readonly #authorization: string | undefined
  readonly #stranger =
    `Basic ${Buffer.from(`modpress-verify:${randomBytes(12).toString('hex')}`).toString('base64')}`
  readonly #secrets: readonly string[]
  readonly #options: ClientOptions
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets: requestsAtOnce })
  readonly #https: HttpsAgent
  #requests = 0

  private constructor(
    url: URL,
    authorization: string | undefined,
    ca: string[] | undefined,
    options: ClientOptions,
  ) {
    this.base = new URL(url)
    this.base.username = ''
    this.base.password = ''
    this.base.pathname = this.base.pathname.replace(/\/*$/, '/')
    this.#authorization = authorization
    this.#secrets = secretsOf(authorization)
    this.#https = new HttpsAgent({ keepAlive: true, maxSockets: requestsAtOnce, ...(ca && { ca }) })
    this.#options = options
    // Each request that is under way listens.
    if (options.signal !== undefined) setMaxListeners(0, options.signal)
  }

  /** Opens a client for the site at an address. Throws a FatalError where credentials would be sent over plain http. */
  static async open(url: URL, options: ClientOptions): Promise<HttpClient> {
    const authorization = await authorizationFor(url, options.env)
    return new HttpClient(url, authorization, await readAuthorities(options.env), options)
  }

  get hasCredentials(): boolean {
    return this.#authorization !== undefined
  }

  /** How many requests were made. */
  get requests(): number {
    return this.#requests
  }

  close(): void {
    this.#http.destroy()
    this.#https.destroy()
  }

  /** Asks for a path of the site, and again where the failure may pass. */
  async ask(path: string, question: Question): Promise<Answer> {
    const { signal, retryMs = 500 } = this.#options
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted()
      const answer = await this.#askOnce(path, question)
      signal?.throwIfAborted()
      if (attempt === attempts || !mayPass(answer)) return answer
      const wait = waitOf(answer.headers['retry-after']) ?? retryMs * 2 ** (attempt - 1)
      await sleep(Math.min(wait, longestWaitMs), undefined, signal && { signal }).catch(() => {})
    }
  }

  async #askOnce(path: string, question: Question): Promise<Answer> {
    const target = `${this.base.pathname}${encodePath(path, question.form ?? 'go')}`
    const start = { request: `GET ${this.base.origin}${target}`, path }
    const hops: Hop[] = []
    let url = this.base
    let where = `${target}${question.query === undefined ? '' : `?${question.query}`}`
    for (;;) {
      const response = await this.#send(url, where, question)
      if ('kind' in response) return { ...start, ...emptyAnswer, hops, failure: response }
      const { statusCode = 0, headers } = response
      const location = headers.location
      const isRedirect = [301, 302, 303, 307, 308].includes(statusCode) && location !== undefined
      if (!isRedirect) return { ...start, hops, ...(await this.#readAnswer(response, question)) }
      response.resume()
      const next = this.#follow(new URL(where, url.origin), location, hops, statusCode)
      if ('kind' in next) return { ...start, ...emptyAnswer, hops, failure: next }
      url = next
      where = `${next.pathname}${next.search}`
    }
  }

  #follow(from: URL, location: string, hops: Hop[], status: number): URL | Failure {
    if (!URL.canParse(location, from.href)) return redirect(`is redirected (${status}) to no address`)
    const next = new URL(location, from)
    const isSafe = next.protocol === 'https:' || (next.protocol === 'http:' && from.protocol === 'http:')
    if (!isSafe) {
      const to = next.protocol === 'http:' ? 'plain http, which go does not follow' : 'no web address'
      return redirect(`is redirected (${status}) from ${from.protocol.slice(0, -1)} to ${to}`)
    }
    if (hops.length === limitHops) return redirect(`is redirected more than ${limitHops} times`)
    hops.push({ status, to: this.#shown(`${next.origin}${next.pathname}`) })
    return next
  }

  #send(url: URL, path: string, { as = 'own' }: Question): Promise<IncomingMessage | Failure> {
    const { signal, idleMs = 30_000 } = this.#options
    const isHere = url.host === this.base.host && url.protocol === this.base.protocol
    const authorization = { own: this.#authorization, nobody: undefined, stranger: this.#stranger }[as]
    const headers = {
      'Accept-Encoding': 'gzip',
      // Firewalls that let no go command through are found out by its name.
      'User-Agent': 'Go-http-client/1.1 (modpress verify)',
      ...(isHere && authorization !== undefined ? { Authorization: authorization } : {}),
    }
    const isSecure = url.protocol === 'https:'
    const place = { protocol: url.protocol, hostname: url.hostname.replace(/^\[|\]$/g, ''), port: url.port }
    const agent = isSecure ? this.#https : this.#http
    this.#requests += 1
    return new Promise((done) => {
      const request = (isSecure ? requestHttps : requestHttp)(
        { ...place, path, headers, agent, ...(signal && { signal }) },
        (response) => {
          this.#remember(response, url.host === this.base.host)
          done(response)
        },
      )
      request.setTimeout(idleMs, () => {
        request.destroy(new Error(`is not answered within ${Math.ceil(idleMs / 1000)} s`))
      })
      request.on('error', (error) => done(failureOf(error)))
      request.end()
    })
  }

  #remember({ socket }: IncomingMessage, isHere: boolean): void {
    if (!isHere) return
    if (socket.remoteAddress !== undefined) this.peer.address = socket.remoteAddress
    const end =
      'getPeerCertificate' in socket ? (socket as TLSSocket).getPeerCertificate().valid_to : undefined
    if (end !== undefined) this.peer.certificateEnd = new Date(end)
  }

  async #readAnswer(
    response: IncomingMessage,
    { limitBytes, file }: Question,
  ): Promise<Omit<Answer, 'request' | 'path' | 'hops'>> {
    const headers: Record<string, string> = {}
    for (const [name, value] of Object.entries(response.headers)) headers[name] = String(value)
    const head: Uint8Array[] = []
    let size = 0
    let failure: Failure | undefined
    const encoding = headers['content-encoding']?.toLowerCase()
    try {
      for await (const chunk of decoded(response, encoding)) {
        size += chunk.byteLength
        if (size > limitBytes) {
          failure = { kind: 'large', message: `answers with more than ${limitBytes} bytes` }
          break
        }
        if (file === undefined || size === chunk.byteLength) head.push(chunk)
        await file?.writeFile(chunk)
      }
      if (failure !== undefined) response.destroy()
    } catch (error) {
      this.#options.signal?.throwIfAborted()
      failure = cutOf(error, headers, size)
    }
    const body = head.length === 1 && head[0] !== undefined ? head[0] : Buffer.concat(head)
    const words = firstWords(body, this.#secrets)
    return { status: response.statusCode ?? 0, headers, body, size, words, ...(failure && { failure }) }
  }

  #shown(text: string): string {
    return this.#secrets.reduce((shown, secret) => shown.replaceAll(secret, '…'), text)
  }
}

const emptyAnswer = { status: 0, headers: {}, body: new Uint8Array(), size: 0, words: '' }

function redirect(message: string): Failure {
  return { kind: 'redirect', message }
}

/** Returns a path as it is sent. */
function encodePath(path: string, form: PathForm): string {
  if (form === 'raw') return path
  // Names of a proxy hold no other character that url.PathEscape encodes.
  if (form === 'go') return path.replaceAll('!', '%21').replaceAll(' ', '%20')
  const encode = (text: string) => encodeURIComponent(text).replaceAll('!', '%21').replaceAll('~', '%7E')
  return path.split('/').map(encode).join('/')
}

/** What was sent, in the forms in which a server may repeat it. */
function secretsOf(authorization: string | undefined): string[] {
  if (authorization === undefined) return []
  const [, value = ''] = authorization.split(' ')
  const plain = Buffer.from(value, 'base64').toString('utf8')
  const password = plain.slice(plain.indexOf(':') + 1)
  return [authorization, value, plain, password].filter((text) => text.length > 3)
}

/** Returns the authorities that go takes instead of the system's, beside those of Node. */
async function readAuthorities(env: ClientOptions['env']): Promise<string[] | undefined> {
  const files = [env['SSL_CERT_FILE'], env['NODE_EXTRA_CA_CERTS']].filter((file) => file)
  const texts = await Promise.all(files.map((file) => readFile(file ?? '', 'utf8').catch(() => '')))
  return env['SSL_CERT_FILE'] ? [...rootCertificates, ...texts.filter((text) => text !== '')] : undefined
}

/** Go asks for gzip, and undoes that; another encoding it takes for the content. */
function decoded(response: IncomingMessage, encoding: string | undefined): AsyncIterable<Uint8Array> {
  if (encoding !== 'gzip' && encoding !== 'x-gzip') return response
  const gunzip = createGunzip()
  response.on('error', (error) => gunzip.destroy(error))
  return response.pipe(gunzip)
}

function mayPass({ status, failure, hops }: Answer): boolean {
  // Whether the place of a redirect answers says nothing of the site.
  if (failure?.kind === 'connection') return hops.length === 0
  if (failure !== undefined) return failure.kind === 'cut'
  return status === 429 || status === 408 || (status >= 500 && status !== 501)
}

const certificateFaults: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by an authority that this machine does not trust',
  UNABLE_TO_GET_ISSUER_CERT: 'the certificate of its authority is missing',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the certificate of its authority is missing',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'the server does not send the certificates between its own and the authority',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
}

function failureOf(error: Error): Failure {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const fault = certificateFaults[code]
  if (fault !== undefined) return { kind: 'certificate', message: `fails: ${fault} (${code})` }
  if (/^(?:CERT_|ERR_TLS|ERR_SSL|EPROTO)/.test(code)) {
    return { kind: 'certificate', message: `fails: there is no TLS with this server (${code})` }
  }
  if (error.message.startsWith('is not answered')) return { kind: 'connection', message: error.message }
  const reason = /^[A-Z][A-Z0-9_]+$/.test(code) ? ` (${code})` : ''
  return { kind: 'connection', message: `fails: the connection was refused or broke${reason}` }
}

function cutOf(error: unknown, headers: Readonly<Record<string, string>>, size: number): Failure {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code.startsWith('Z_')) {
    return { kind: 'encoding', message: 'says that it is gzip, and cannot be inflated' }
  }
  const length = headers['content-length']
  const isPlain = headers['content-encoding'] === undefined && /^\d+$/.test(length ?? '')
  return { kind: 'cut', message: `ends after ${size}${isPlain ? ` of ${length}` : ''} bytes` }
}

/** Tells whether requests to an address stay where only a company or a machine can see them. */
export function isPrivateAddress(address: string): boolean {
  const plain = address
    .toLowerCase()
    .replace(/^::ffff:/, '')
    .replace(/%.*$/, '')
  if (isLoopback(plain) || plain === '::1') return true
  const [a = 0, b = 0] = plain.split('.').map(Number)
  if (/^\d+(?:\.\d+){3}$/.test(plain)) {
    const isShared = a === 100 && b >= 64 && b < 128
    return (
      a === 10 ||
      (a === 172 && b >= 16 && b < 32) ||
      (a === 192 && b === 168) ||
      (a === 169 && b === 254) ||
      isShared
    )
  }
  return /^f[cd]|^fe[89ab]/.test(plain)
}
