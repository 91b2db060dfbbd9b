/**
 * Serves a site over http as a careful static host would, so that what works
 * here works when it is published: the go command and a browser see the same
 * paths, statuses and types.
 *
 * A path is decoded once, so that "%21" and "!" are one file, as are "%2B" and
 * "+". A directory answers with its index.html. What is missing is a 404, in
 * plain text where the go command asks, since it shows the text to its user.
 *
 * The site is read afresh for each request: it may be built again meanwhile.
 */

import { open, readFile, realpath, stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, join, posix, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { parseSiteFacts } from './current.ts'
import { FatalError, problem } from './problem.ts'
import { cacheControl, contentType, notKept, plainText } from './render/headers.ts'
import { codeOf, isPrivatePath } from './store/directory.ts'

export interface ServeOptions {
  /** 0 is any free port. */
  readonly port: number
  /** The name or address to listen on. @default '127.0.0.1' */
  readonly host?: string
}

/** A server at work. */
export interface SiteServer {
  /** What GOPROXY is set to. */
  readonly url: string
  readonly port: number
  close(): Promise<void>
}

/** Serves a site until it is closed. Throws a FatalError where there is no site, or the port is not free. */
export async function serveSite(root: string, options: ServeOptions): Promise<SiteServer> {
  const stats = await stat(root).catch(() => undefined)
  if (!stats?.isDirectory()) {
    throw new FatalError(
      problem('usage', {}, `There is no site in ${root}.`, 'Build it first: modpress build.'),
    )
  }
  const host = options.host ?? '127.0.0.1'
  const server = createServer(siteHandler(root))
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `The server cannot listen on ${host}, port ${options.port}: ${cause.message}.`
      reject(new FatalError(problem('usage', {}, message, 'Use --port 0 for a free port.'), { cause }))
    })
    server.listen(options.port, host, resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((cause) => (cause === undefined ? resolve() : reject(cause)))
        server.closeAllConnections()
      }),
  }
}

/** Returns a request handler for node:http and node:https. */
export function siteHandler(root: string): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    respond(root, request, response).catch((cause: unknown) => {
      // The reader went away, or the file failed under way: only a cut connection can still say so.
      if (response.headersSent || response.destroyed) response.destroy()
      else if (codeOf(cause) === 'ENOENT') sendText(request, response, 404, 'not found')
      else sendText(request, response, 500, `the file cannot be read: ${codeOf(cause) ?? 'unknown error'}`)
    })
  }
}

async function respond(root: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
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
  const file = await findFile(root, path)
  if (file !== undefined)
    await sendFile(request, response, file, 200, cacheControl(file.path, await readAccess(root)))
  else await sendMissing(root, request, response, path)
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

interface FoundFile {
  /** Within the site. */
  readonly path: string
  /** On the disk, all links followed. */
  readonly file: string
}

/** Finds a file of the site, or the index of a directory. What leads out of the site is not there. */
async function findFile(root: string, path: string): Promise<FoundFile | undefined> {
  if (path.startsWith('/') || path.includes('//') || isPrivatePath(path)) return undefined
  try {
    const site = await realpath(root)
    const file = await realpath(join(site, path))
    const inside = file === site || file.startsWith(site.endsWith(sep) ? site : `${site}${sep}`)
    if (!inside) return undefined
    const stats = await stat(file)
    if (stats.isFile()) return { path, file }
    if (!stats.isDirectory() || basename(path) === 'index.html') return undefined
    return await findFile(root, posix.join(path, 'index.html'))
  } catch (cause) {
    const code = codeOf(cause) ?? ''
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP'].includes(code)) return undefined
    throw cause
  }
}

async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  { path, file }: FoundFile,
  status: 200 | 404,
  lifetime: string,
): Promise<void> {
  const handle = await open(file)
  try {
    const { size, mtimeMs } = await handle.stat()
    const tag = `"${size.toString(36)}-${Math.round(mtimeMs * 1000).toString(36)}"`
    response.setHeader('Cache-Control', lifetime)
    response.setHeader('X-Content-Type-Options', 'nosniff')
    if (status === 200) response.setHeader('ETag', tag)
    if (status === 200 && hasTag(request.headers['if-none-match'], tag)) {
      response.writeHead(304).end()
      return
    }
    response.writeHead(status, { 'Content-Type': contentType(path), 'Content-Length': size })
    if (request.method === 'HEAD' || size === 0) response.end()
    else await pipeline(handle.createReadStream({ end: size - 1, autoClose: false }), response)
  } finally {
    await handle.close()
  }
}

async function sendMissing(
  root: string,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): Promise<void> {
  const isForGo = path.includes('/@v/') || path.endsWith('/@latest')
  const page = isForGo ? undefined : await findFile(root, '404.html')
  if (page === undefined) sendText(request, response, 404, `not found: ${path}`)
  else await sendFile(request, response, page, 404, notKept)
}

function sendText(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
  const body = Buffer.from(`${text}\n`)
  response.writeHead(status, {
    'Content-Type': plainText,
    'Content-Length': body.length,
    'Cache-Control': notKept,
    'X-Content-Type-Options': 'nosniff',
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** Returns who may read the site, as it says itself. */
async function readAccess(root: string): Promise<'public' | 'private'> {
  const body = await readFile(join(root, '-/site.json')).catch(() => undefined)
  return (body && parseSiteFacts(body)?.access) ?? 'private'
}

function hasTag(header: string | undefined, tag: string): boolean {
  const tags = header?.split(',').map((part) => part.trim().replace(/^W\//, ''))
  return tags !== undefined && (tags.includes(tag) || tags.includes('*'))
}
