/**
 * Serves the bare repositories of a directory over loopback http, by git's own
 * `http-backend`. It can ask for a user and a password, and notes who asked.
 */

import { spawn } from 'node:child_process'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface GitServer {
  /** "http://127.0.0.1:PORT" */
  readonly url: string
  readonly port: number
  /** "METHOD path user:password" of each request, or "-" where nobody was named. */
  readonly requests: string[]
  /** What is asked for; undefined lets everyone in. */
  password: { readonly user?: string; readonly password: string } | undefined
  /** Where requests are sent to instead, with their path. */
  redirect: string | undefined
  /** Whether requests are left without an answer. */
  isSilent: boolean
  close(): Promise<void>
}

export async function startGitServer(root: string): Promise<GitServer> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    const credentials = readBasic(request.headers.authorization)
    requests.push(`${request.method} ${request.url} ${credentials ?? '-'}`)
    if (handle.isSilent) return
    if (handle.redirect !== undefined) {
      response.writeHead(301, { location: `${handle.redirect}${request.url}` }).end()
      return
    }
    if (handle.password !== undefined && !isAllowed(credentials, handle.password)) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end('Who are you?')
      return
    }
    serve(root, request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const handle: GitServer = {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    password: undefined,
    redirect: undefined,
    isSilent: false,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
  return handle
}

function readBasic(header: string | undefined): string | undefined {
  const [, encoded] = /^Basic (.+)$/.exec(header ?? '') ?? []
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString()
}

function isAllowed(
  given: string | undefined,
  { user, password }: { user?: string; password: string },
): boolean {
  if (given === undefined) return false
  return user === undefined ? given.endsWith(`:${password}`) : given === `${user}:${password}`
}

function serve(root: string, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, search } = new URL(request.url ?? '/', 'http://localhost')
  const header = (name: string) => String(request.headers[name] ?? '')
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'] ?? '',
      GIT_CONFIG_NOSYSTEM: '1',
      HOME: root,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      REQUEST_METHOD: request.method ?? 'GET',
      PATH_INFO: decodeURIComponent(pathname),
      QUERY_STRING: search.slice(1),
      CONTENT_TYPE: header('content-type'),
      CONTENT_LENGTH: header('content-length'),
      HTTP_CONTENT_ENCODING: header('content-encoding'),
      GIT_PROTOCOL: header('git-protocol'),
      REMOTE_ADDR: '127.0.0.1',
    },
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stdin.on('error', () => {})
  request.pipe(child.stdin)
  child.on('close', () => {
    const output = Buffer.concat(chunks)
    const end = output.indexOf('\r\n\r\n')
    const headers = output.subarray(0, end).toString().split('\r\n')
    const fields = headers.map((line) => line.split(/: (.*)/s) as [string, string])
    const status = fields.find(([name]) => name === 'Status')?.[1]
    for (const [name, value] of fields) if (name !== 'Status') response.setHeader(name, value)
    response.writeHead(Number(status?.slice(0, 3) ?? 200)).end(output.subarray(end + 4))
  })
}
