/**
 * Serves a site over http as a careful static host would, so that what works
 * here works when it is published: the go command and a browser see the same
 * paths, statuses and types.
 *
 * A path is decoded once, so that "%21" and "!" are one file, as are "%2B" and
 * "+". A directory answers with its index.html. What is missing is a 404, in
 * plain text where the go command asks, since it shows the text to its user.
 *
 * The site is a directory or a bucket (serve/), and read afresh for each
 * request: it may be built again meanwhile.
 */

import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { isLoopback } from './config/address.ts'
import { FatalError, problem } from './problem.ts'
import { contentType, immutableFor, isImmutable, mutableFor, plainText } from './render/headers.ts'
import { directoryFiles, type ServedFile, type ServedFiles } from './serve/files.ts'
import { codeOf } from './store/directory.ts'

export interface ServeOptions {
  /** 0 is any free port. */
  readonly port: number
  /** The name or address to listen on. @default '127.0.0.1' */
  readonly host?: string
  /** Credentials for a bucket are read from it. @default the process's */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Stops requests to a bucket. The server itself is closed. @default never */
  readonly signal?: AbortSignal
}

/** A server at work. */
export interface SiteServer {
  /** What GOPROXY is set to. */
  readonly url: string
  readonly port: number
  /** What is served, without credentials. */
  readonly site: string
  close(): Promise<void>
}

/**
 * Serves a site until it is closed: a directory, or a bucket as "s3://bucket/prefix". Throws a FatalError where there
 * is no site, or the port is not free.
 */
export async function serveSite(site: string, options: ServeOptions): Promise<SiteServer> {
  const { host = '127.0.0.1', env = process.env, signal } = options
  if (!/^s3:/i.test(site)) {
    const root = resolve(site)
    await checkDirectory(root)
    return listen(filesHandler(directoryFiles(root)), root, host, options.port)
  }
  // Loaded when needed: a directory never does.
  const { openBucketFiles } = await import('./serve/bucket.ts')
  const files = await openBucketFiles(site, { env, ...(signal && { signal }) })
  const handle = filesHandler(files)
  return listen(isLoopback(inAddress(host)) ? onlyLoopback(handle) : handle, files.name, host, options.port)
}

async function checkDirectory(root: string): Promise<void> {
  const stats = await stat(root).catch(() => undefined)
  if (stats?.isDirectory()) return
  throw new FatalError(
    problem('usage', {}, `There is no site in ${root}.`, 'Build it first: modpress build.'),
  )
}

async function listen(
  handle: RequestListener,
  site: string,
  host: string,
  wanted: number,
): Promise<SiteServer> {
  const server = createServer(handle)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `The server cannot listen on ${host}, port ${wanted}: ${cause.message}.`
      reject(new FatalError(problem('usage', {}, message, 'Use --port 0 for a free port.'), { cause }))
    })
    server.listen(wanted, host, resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${inAddress(host)}:${port}`,
    port,
    site,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((cause) => (cause === undefined ? resolve() : reject(cause)))
        server.closeAllConnections()
      }),
  }
}

function inAddress(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/**
 * Answers only who asks for this machine. A page of anybody's, open in a browser here, could otherwise let its own name
 * lead to this address, and read what only the user may.
 */
function onlyLoopback(handle: RequestListener): RequestListener {
  return (request, response) => {
    const { host = '' } = request.headers
    if (isLoopback(host.replace(/:\d+$/, ''))) handle(request, response)
    else sendText(request, response, 421, 'this server answers for 127.0.0.1 and localhost only')
  }
}

/** Returns a request handler for node:http and node:https, for the site in a directory. */
export function siteHandler(root: string): (request: IncomingMessage, response: ServerResponse) => void {
  return filesHandler(directoryFiles(root))
}

function filesHandler(files: ServedFiles): RequestListener {
  return (request, response) => {
    respond(files, request, response).catch((cause: unknown) => {
      // The reader went away, or the file failed under way: only a cut connection can still say so.
      if (response.headersSent || response.destroyed) response.destroy()
      else if (codeOf(cause) === 'ENOENT') sendText(request, response, 404, 'not found')
      else if (cause instanceof FatalError) sendText(request, response, 502, cause.problem.message)
      else sendText(request, response, 500, `the file cannot be read: ${codeOf(cause) ?? 'unknown error'}`)
    })
  }
}

async function respond(
  files: ServedFiles,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD')
    sendText(request, response, 405, `method ${request.method} not allowed`)
    return
  }
  const path = parsePath(request.url ?? '')
  if (path === undefined) {
    sendText(request, response, 400, 'bad path')
    return
  }
  const file = await files.find(path, wantedBy(request))
  if (file !== undefined) await sendFile(request, response, file, 200)
  else await sendMissing(files, request, response, path)
}

/** Who has a file already may not need its content. */
function wantedBy({ method, headers }: IncomingMessage): 'content' | 'facts' {
  return method === 'HEAD' || headers['if-none-match'] !== undefined ? 'facts' : 'content'
}

/** Returns the path of a request target, decoded and without its first "/", or undefined where it is malformed. */
function parsePath(target: string): string | undefined {
  const [encoded = ''] = target.split('?', 1)
  if (!encoded.startsWith('/')) return undefined
  try {
    const path = decodeURIComponent(encoded).slice(1)
    const isUnsafe = path.split('/').some((element) => element === '..' || element === '.')
    return isUnsafe || /[\0\\]/.test(path) ? undefined : path
  } catch {
    return undefined
  }
}

async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  file: ServedFile,
  status: 200 | 404,
): Promise<void> {
  const { path, size, tag } = file
  try {
    response.setHeader('Cache-Control', status === 200 ? cacheControl(path) : noStore)
    response.setHeader('X-Content-Type-Options', 'nosniff')
    if (status === 200) response.setHeader('ETag', tag)
    if (status === 200 && hasTag(request.headers['if-none-match'], tag)) {
      response.writeHead(304).end()
      return
    }
    const body = request.method === 'HEAD' ? undefined : await file.read()
    response.writeHead(status, {
      'Content-Type': contentType(path),
      ...(size === undefined ? {} : { 'Content-Length': size }),
    })
    if (body === undefined) response.end()
    else await pipeline(body instanceof Readable ? body : Readable.from(body), response)
  } finally {
    await file.close()
  }
}

async function sendMissing(
  files: ServedFiles,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): Promise<void> {
  const isForGo = path.includes('/@v/') || path.endsWith('/@latest')
  const page = isForGo ? undefined : await files.find('404.html', wantedBy(request))
  if (page === undefined) sendText(request, response, 404, `not found: ${path}`)
  else await sendFile(request, response, page, 404)
}

function sendText(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
  const body = Buffer.from(`${text}\n`)
  response.writeHead(status, {
    'Content-Type': plainText,
    'Content-Length': body.length,
    'Cache-Control': noStore,
    'X-Content-Type-Options': 'nosniff',
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** A stale 404 hides a version that was published meanwhile. */
const noStore = 'no-store'

function cacheControl(path: string): string {
  if (isImmutable(path)) return immutableFor('public')
  return /(?:^|\/)@(?:v\/[^/]+|latest)$/.test(path) ? mutableFor('public') : 'no-cache'
}

function hasTag(header: string | undefined, tag: string): boolean {
  const tags = header?.split(',').map((part) => part.trim().replace(/^W\//, ''))
  return tags !== undefined && (tags.includes(tag) || tags.includes('*'))
}
