/**
 * A site as it is live, on a loopback port: served by the handler of
 * `modpress serve`, with faults and a password where a test wants them. It
 * notes who asked for what.
 */

import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { siteHandler } from '../../src/serve.ts'

/** Answers in place of the site, and tells so; or leaves the request to it. */
export type Fault = (path: string, response: ServerResponse, request: IncomingMessage) => boolean

export interface LiveServer {
  /** "http://127.0.0.1:PORT" */
  readonly url: string
  readonly port: number
  /** What was asked for, and with which Authorization. */
  readonly requests: { readonly path: string; readonly authorization?: string }[]
  fault: Fault | undefined
  /** "user:password", which everybody must give; undefined lets everyone in. */
  password: string | undefined
  close(): Promise<void>
}

export async function startLiveServer(site: string): Promise<LiveServer> {
  const serve = siteHandler(site)
  const listener: RequestListener = (request, response) => {
    const path = decodeURIComponent(request.url ?? '').slice(1)
    const { authorization } = request.headers
    server.requests.push({ path, ...(authorization === undefined ? {} : { authorization }) })
    if (server.password !== undefined && authorization !== basic(server.password)) {
      // A server may repeat what it was sent. Nobody else should.
      response.writeHead(401, { 'Content-Type': 'text/plain' }).end(`You sent: ${authorization}`)
      return
    }
    if (server.fault?.(path, response, request) !== true) serve(request, response)
  }
  const inner = createServer(listener)
  await new Promise<void>((done) => inner.listen(0, '127.0.0.1', done))
  const { port } = inner.address() as AddressInfo
  const server: LiveServer = {
    url: `http://127.0.0.1:${port}`,
    port,
    requests: [],
    fault: undefined,
    password: undefined,
    close: () =>
      new Promise((done) => {
        inner.closeAllConnections()
        inner.close(() => done())
      }),
  }
  return server
}

export function basic(credentials: string): string {
  return `Basic ${Buffer.from(credentials).toString('base64')}`
}
