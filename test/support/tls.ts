/**
 * A network of a few hosts that speak https, for the go command: it asks for
 * "https://go.example.com/…" and reaches a handler in this process.
 *
 * HTTPS_PROXY leads to a proxy on a loopback port. It joins "CONNECT
 * go.example.com:443" with an https server of the same process, and refuses
 * and notes every other host, so that no name is resolved and nothing leaves
 * the machine. The server's certificate is its own authority, and SSL_CERT_FILE
 * says so to go: no check is turned off.
 */

import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer as createProxy, type RequestListener } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join } from 'node:path'

export interface TlsNetwork {
  /** What the go command must have in its environment to be on this network. */
  readonly env: Readonly<Record<string, string>>
  /** What the hosts were asked, as "GET go.example.com/path?query", in order. */
  readonly requests: string[]
  /** What else was asked: hosts that are not there, and whatever came without TLS. */
  readonly strays: string[]
  close(): Promise<void>
}

/**
 * Starts the network, of hosts by their names, with ":PORT" where it is not 443. Certificate and key are written into
 * `dir`. Needs the openssl command.
 */
export async function startTlsNetwork(
  dir: string,
  hosts: Readonly<Record<string, RequestListener>>,
): Promise<TlsNetwork> {
  const requests: string[] = []
  const strays: string[] = []
  const sockets = new Set<Socket>()
  const { keyFile, certificateFile } = makeCertificate(dir, [
    ...new Set(Object.keys(hosts).map((host) => host.replace(/:\d+$/, ''))),
  ])

  const server = createServer(
    { key: readFileSync(keyFile), cert: readFileSync(certificateFile) },
    (request, response) => {
      const { host = '' } = request.headers
      requests.push(`${request.method} ${host}${request.url}`)
      const handle = hosts[host]
      if (handle === undefined) response.writeHead(421).end()
      else handle(request, response)
    },
  )
  const port = await listen(server)

  const proxy = createProxy((request, response) => {
    strays.push(`${request.method} ${request.url}`)
    response.writeHead(502, { Connection: 'close' }).end('This proxy knows only https.\n')
  })
  proxy.on('connect', (request, client: Socket, head) => {
    client.on('error', () => client.destroy())
    const host = request.url?.replace(/:443$/, '') ?? ''
    if (hosts[host] === undefined) {
      strays.push(`CONNECT ${request.url}`)
      client.end('HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n')
      return
    }
    const upstream = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      upstream.write(head)
      upstream.pipe(client).pipe(upstream)
    })
    upstream.on('error', () => client.destroy())
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    }
  })
  const address = `http://127.0.0.1:${await listen(proxy)}`

  return {
    env: { HTTPS_PROXY: address, HTTP_PROXY: address, SSL_CERT_FILE: certificateFile, SSL_CERT_DIR: dir },
    requests,
    strays,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await Promise.all(
        [server, proxy].map(
          (each) =>
            new Promise<void>((resolve) => {
              each.close(() => resolve())
              each.closeAllConnections()
            }),
        ),
      )
    },
  }
}

/** Returns a handler for a site whose address has a path: what is not below it is another site's, and not there. */
export function mountAt(path: string, handle: RequestListener): RequestListener {
  return (request, response) => {
    const { url = '' } = request
    const isBelow = url === path || url.startsWith(`${path}/`) || url.startsWith(`${path}?`)
    if (!isBelow) {
      response.writeHead(404, { 'Content-Type': 'text/plain; charset=utf-8' }).end('Another site.\n')
      return
    }
    const rest = url.slice(path.length)
    request.url = rest.startsWith('/') ? rest : `/${rest}`
    handle(request, response)
  }
}

async function listen(
  server: ReturnType<typeof createServer> | ReturnType<typeof createProxy>,
): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

/** Makes a certificate for the hosts, signed by its own key. The machine's openssl.cnf is not read. */
export function makeCertificate(
  dir: string,
  hosts: readonly string[],
  days = 2,
): { keyFile: string; certificateFile: string } {
  mkdirSync(dir, { recursive: true })
  const at = (name: string): string => join(dir, name)
  writeFileSync(
    at('request.cnf'),
    `[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = ${hosts[0] ?? 'test'}
[extensions]
basicConstraints = critical, CA:TRUE
subjectAltName = ${hosts.map((host) => `DNS:${host}`).join(', ')}
`,
  )
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-config', at('request.cnf'), '-nodes', '-days', String(days), '-sha256'],
      ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
      ...['-keyout', at('key.pem'), '-out', at('certificate.pem')],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  return { keyFile: at('key.pem'), certificateFile: at('certificate.pem') }
}
