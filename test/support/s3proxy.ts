/**
 * Stands between a publisher and its object storage, counts the requests, and
 * can end the publisher's life when one of them has been carried out. Host and
 * signature go through as they are.
 */

import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface S3Proxy {
  readonly url: string
  /** "METHOD path" of all requests so far. */
  readonly requests: string[]
  /** Called once, in the place of the answer to the request of this number, from 1 on. */
  at?: { readonly request: number; readonly act: () => void }
  close(): Promise<void>
}

export async function startS3Proxy(target: string): Promise<S3Proxy> {
  const { hostname, port } = new URL(target)
  const server = createServer((message, response) => forward(message, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy: S3Proxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }

  function forward(message: IncomingMessage, response: ServerResponse): void {
    const number = proxy.requests.push(`${message.method} ${message.url}`)
    const { method, url: path, headers } = message
    const onward = request({ hostname, port, method, path, headers }, (answer) => {
      if (proxy.at?.request === number) {
        answer.resume().on('end', () => {
          proxy.at?.act()
          response.destroy()
        })
        return
      }
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    message.pipe(onward)
  }
  return proxy
}
