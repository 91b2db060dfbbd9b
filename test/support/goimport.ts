/**
 * A loopback server that is, for the go command, every host of the internet.
 *
 * Where a module path is no code host that go knows by name, go fetches
 * "https://PATH?go-get=1" and reads the go-import tag there. With HTTPS_PROXY
 * and HTTP_PROXY at this server, and GOINSECURE=*, no name is ever resolved:
 *
 * 1. go sends "CONNECT example.com:443", which is refused here;
 * 2. because of GOINSECURE it tries "GET http://example.com/PATH?go-get=1"
 *    through the same proxy, and that is answered with the tag of the longest
 *    root that the path lies under, or with 404.
 *
 * Go's proxy settings never apply to loopback addresses, so that a GOPROXY at
 * 127.0.0.1 is still asked directly. A host of `sites` is forwarded to another
 * loopback server: so go can be shown pages that a real site has.
 */

import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ImportRoot {
  /** The import path that the repository stands for: the tag's first field. */
  readonly root: string
  /** What git clones: the tag's third field. */
  readonly clone: string
  /** The tag's fourth field. */
  readonly subdir?: string
}

export interface ImportServer {
  /** "http://127.0.0.1:PORT", for HTTP_PROXY and HTTPS_PROXY. */
  readonly url: string
  /** What was asked, as "example.com/path", in order. */
  readonly requests: readonly string[]
  /** Adds roots. A later one replaces an earlier one of the same path. */
  add(roots: readonly ImportRoot[]): void
  /** Forwards a host's requests to another server, such as "http://127.0.0.1:8080". */
  forward(host: string, to: string): void
  close(): Promise<void>
}

/** Starts the server on a free loopback port. */
export async function startImportServer(): Promise<ImportServer> {
  const roots = new Map<string, ImportRoot>()
  const sites = new Map<string, string>()
  const requests: string[] = []

  const server = createServer((request, response) => {
    const address = parseAddress(request)
    if (address === undefined) return answer(response, 400, 'This server is a proxy for plain http only.\n')
    requests.push(`${address.host}${address.pathname}`)
    const site = sites.get(address.host)
    if (site !== undefined) return pass(`${site}${address.pathname}${address.search}`, response)
    const root = findRoot(roots, decodeURIComponent(`${address.host}${address.pathname}`))
    if (root === undefined) return answer(response, 404, 'There is no such module.\n')
    answer(response, 200, renderTag(root))
  })
  server.on('connect', (_request, socket) => {
    socket.on('error', () => {})
    socket.end('HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    add: (more) => {
      for (const root of more) roots.set(root.root, root)
    },
    forward: (host, to) => {
      sites.set(host, to)
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function parseAddress(request: IncomingMessage): URL | undefined {
  return URL.canParse(request.url ?? '') ? new URL(request.url ?? '') : undefined
}

function findRoot(roots: ReadonlyMap<string, ImportRoot>, path: string): ImportRoot | undefined {
  for (let prefix = path.replace(/\/$/, ''); prefix !== ''; prefix = cutLast(prefix)) {
    const root = roots.get(prefix)
    if (root !== undefined) return root
  }
  return undefined
}

function cutLast(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

function renderTag({ root, clone, subdir }: ImportRoot): string {
  const fields = [root, 'git', clone, ...(subdir ? [subdir] : [])].join(' ')
  return `<!DOCTYPE html><html><head><meta name="go-import" content="${fields}"></head></html>\n`
}

function answer(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8' }).end(body)
}

function pass(address: string, response: ServerResponse): void {
  get(address, (upstream) => {
    response.writeHead(upstream.statusCode ?? 502, upstream.headers)
    upstream.pipe(response)
  }).on('error', () => answer(response, 502, 'The site does not answer.\n'))
}
