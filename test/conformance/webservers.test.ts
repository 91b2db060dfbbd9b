/**
 * nginx, Caddy and Apache with the configurations that modpress writes for
 * them, over TLS and with passwords: each file has the type and the lifetime
 * of the one table, each error is what go can use, and the real go fetches
 * through them, alone and in a chain in which nothing private gets further.
 */

import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { Agent } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { renderHostFiles } from '../../src/hosts/files.ts'
import { cacheControl, contentType } from '../../src/render/headers.ts'
import { siteHandler } from '../../src/serve.ts'
import { makeModule, makeSecond, workInChain } from '../support/chain.ts'
import { createGo, type Go } from '../support/gorun.ts'
import { errorAnswers, type Hosted, makeHosted } from '../support/hosted.ts'
import { filesBelow } from '../support/site.ts'
import { makeCertificate } from '../support/tls.ts'
import {
  type Answer,
  ask,
  checkWebServer,
  missingParts,
  partsOf,
  startWebServer,
  type WebServer,
  type WebSite,
  webServerNames,
} from '../support/webserver.ts'

const user = 'reader'
/** Of go's .netrc, words have no spaces. */
const password = 'pa$$w"o\\rd:1'
const good = `${user}:${password}`

const dir = mkdtempSync(join(tmpdir(), 'webservers-'))
// A server that is started as root reads as somebody else.
chmodSync(dir, 0o755)
const agent = new Agent({ keepAlive: true, maxSockets: 4 })
const gos: Go[] = []
let hosted: Hosted
let certificate: ReturnType<typeof makeCertificate>
let ca: Buffer
/** A proxy of public modules, the next one in a chain. */
let second: { readonly server: Server; readonly port: number; readonly requests: string[] }

beforeAll(async () => {
  certificate = makeCertificate(join(dir, 'tls'), ['localhost'])
  chmodSync(certificate.keyFile, 0o644)
  ca = readFileSync(certificate.certificateFile)
  mkdirSync(join(dir, 'hosted'))
  hosted = await makeHosted(join(dir, 'hosted'), { host: 'apache', gatekeeper: true })
  mkdirSync(join(hosted.site, '-/tmp'), { recursive: true })
  writeFileSync(join(hosted.site, '-/tmp/half'), 'half a file')
  second = await startSecond()
})

afterAll(async () => {
  agent.destroy()
  second?.server.close()
  await Promise.all(gos.map((go) => go.close()))
  rmSync(dir, { recursive: true, force: true })
})

async function startSecond(): Promise<typeof second> {
  const requests: string[] = []
  const handle = siteHandler(await makeSecond(join(dir, 'public')))
  const started = createServer((request, response) => {
    requests.push(request.url ?? '')
    handle(request, response)
  })
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve))
  return { server: started, port: (started.address() as AddressInfo).port, requests }
}

/** What the servers are given, but for the host's name as modpress has it. */
const siteOf = { url: 'https://go.example.com', prefix: 'go.example.com', prefixes: ['github.com/Acme'] }

const documented = readFileSync(new URL('../../docs/hosting.md', import.meta.url), 'utf8')

function webSite(
  name: (typeof webServerNames)[number],
  at: string,
  more: Partial<(typeof variants)[0]> = {},
  base = '',
): WebSite {
  const { access = 'private', gatekeeper = true } = more
  const url = `${siteOf.url}${base}`
  const [file] = renderHostFiles({ ...siteOf, url, host: name, access, gatekeeper })
  return {
    dir: join(dir, at),
    configuration: String(file?.body),
    root: hosted.site,
    ...certificate,
    users: { [user]: password },
  }
}

const variants = (['private', 'public'] as const).flatMap((access) =>
  [true, false].map((gatekeeper) => ({ access, gatekeeper })),
)

describe.for(webServerNames)('%s', (name) => {
  const missing = missingParts('go', 'git', ...partsOf(name))

  describe.skipIf(missing !== undefined)('with what modpress writes for it', () => {
    let server: WebServer

    beforeAll(async () => {
      server = await startWebServer(name, webSite(name, name))
    })
    afterAll(() => server?.close())

    const get = (path: string, auth: string | undefined = good, method = 'GET'): Promise<Answer> =>
      ask(`${server.url}${path}`, {
        ca,
        agent,
        method,
        auth: auth ?? null,
      })

    test.for(variants)('takes its configuration: %o', (variant) => {
      expect(checkWebServer(name, webSite(name, `${name}-check`, variant, '/go.d/x+y'))).toBe('')
    })

    test('takes three hundred prefixes', () => {
      const prefixes = Array.from({ length: 300 }, (_, each) => `github.com/organisation-number-${each}`)
      const [file] = renderHostFiles({ ...siteOf, prefixes, host: name, access: 'private', gatekeeper: true })
      const site = { ...webSite(name, `${name}-many`), configuration: String(file?.body) }
      expect(checkWebServer(name, site)).toBe('')
    })

    test('serves every file with the type and the lifetime of the table', async () => {
      const files = filesBelow(hosted.site).filter((path) => !path.startsWith('-/tmp/'))
      expect(files.length).toBeGreaterThan(60)
      const said: Record<string, unknown> = {}
      const wanted: Record<string, unknown> = {}
      for (const path of files) {
        const address = `/${path
          .split('/')
          .map((each) => encodeURIComponent(each).replaceAll('!', '%21').replaceAll('%2B', '+'))
          .join('/')}`
        const { status, headers, body } = await get(address)
        const isSame = body.equals(readFileSync(join(hosted.site, path)))
        said[path] = [
          status,
          headers['content-type'],
          headers['cache-control'],
          headers['content-language'],
          headers['content-encoding'],
          isSame,
        ]
        wanted[path] = [200, contentType(path), cacheControl(path, 'private'), undefined, undefined, true]
      }
      expect(said).toEqual(wanted)
    })

    test('answers a page at once, with or without "/" and a query', async () => {
      const body = readFileSync(join(hosted.site, 'github.com/Acme/sample/index.html'))
      for (const path of ['', '/', '?go-get=1', '/?go-get=1', '/index.html']) {
        const answer = await get(`/github.com/Acme/sample${path}`)
        expect([path, answer.status, answer.body.equals(body)]).toEqual([path, 200, true])
      }
    })

    test('takes "!" and "+" encoded and as they are, and HEAD', async () => {
      for (const path of [
        '/github.com/!acme/!legacy/@v/v2.0.0+incompatible.zip',
        '/github.com/%21acme/%21legacy/%40v/v2.0.0%2Bincompatible.zip',
      ]) {
        const [whole, head] = [await get(path), await get(path, good, 'HEAD')]
        expect([whole.status, head.status, head.body.length]).toEqual([200, 200, 0])
        expect(head.headers['content-length']).toBe(String(whole.body.length))
      }
    })

    test.for([undefined, 'reader:wrong', 'other:x', ':', `${user}:`])(
      'refuses %s, whatever is asked',
      async (auth) => {
        for (const path of [
          '/',
          '/github.com/!acme/sample/@v/list',
          '/github.com/!acme/nowhere/@v/list',
          '/github.com/!acme/nowhere/@v/v1.0.0.info',
          '/github.com/!acme/sample/@v/v1.0.0.info',
          '/nowhere/@latest',
          '/nowhere',
        ]) {
          const { status, headers, body } = await get(path, auth ?? '')
          expect([path, status, headers['content-type']]).toEqual([path, 401, 'text/plain; charset=utf-8'])
          expect(headers['www-authenticate']).toContain('Basic')
          expect(headers['cache-control'] ?? 'no-store').toBe('no-store')
          expect(body.toString()).toContain('asks for a user and a password')
        }
      },
    )

    test.for(errorAnswers)('answers %s with %d', async ([path, status, says]) => {
      const { status: answered, headers, body } = await get(path)
      expect(answered).toBe(status)
      if (says === 'html') {
        expect(headers['content-type']).toBe('text/html; charset=utf-8')
        expect(body).toEqual(readFileSync(join(hosted.site, '404.html')))
      } else {
        expect(headers['content-type']).toBe('text/plain; charset=utf-8')
        expect(body.toString()).toContain(says)
        if (says === '') expect(body).toHaveLength(0)
      }
      if (status !== 200) expect(headers['cache-control'] ?? 'no-store').toBe('no-store')
    })

    test('serves a public site whose address has a path', async () => {
      const { configuration, ...rest } = webSite(name, `${name}-below`, { access: 'public' }, '/site')
      const below = await startWebServer(name, { ...rest, configuration, root: join(dir, 'hosted') })
      try {
        const said = []
        for (const path of [
          '/site/github.com/!acme/sample/@v/v1.0.0.info',
          '/site/github.com/Acme/sample?go-get=1',
          '/site/github.com/!acme/secret/@v/list',
          '/site/github.com/!acme/secret/@v/v1.0.0.mod',
          '/site/example.net/x/@latest',
          '/site/nowhere',
          '/github.com/!acme/secret/@v/list',
        ]) {
          const { status, headers } = await ask(`${below.url}${path}`, { ca })
          said.push([status, headers['content-type'], headers['cache-control'] ?? 'no-store'])
        }
        const [text, html] = ['text/plain; charset=utf-8', 'text/html; charset=utf-8']
        expect(said).toEqual([
          [200, 'application/json', 'public, max-age=31536000, immutable'],
          [200, html, 'public, max-age=60'],
          [200, text, 'public, max-age=60'],
          [403, text, 'no-store'],
          [404, text, 'no-store'],
          [404, html, 'no-store'],
          [404, text, 'no-store'],
        ])
      } finally {
        await below.close()
      }
    })

    describe('as the real go sees it', () => {
      /** Opens a go with what .netrc says of the server. */
      const openGo = async (proxy: string, machine = server.host, secret = password): Promise<Go> => {
        const at = mkdtempSync(join(dir, 'go-'))
        const netrc = join(at, 'netrc')
        writeFileSync(netrc, `machine ${machine}\nlogin ${user}\npassword ${secret}\n`)
        const { certificateFile } = certificate
        const go = await createGo({
          proxy,
          env: { GOAUTH: 'netrc', NETRC: netrc, SSL_CERT_FILE: certificateFile, SSL_CERT_DIR: at },
        })
        gos.push(go)
        return go
      }

      test('every version is fetched with .netrc', async () => {
        const go = await openGo(server.url)
        const downloads = await go.download(hosted.versions)
        expect(downloads.map(({ query, error, zip }) => [query, error, zip !== undefined])).toEqual(
          hosted.versions.map((query) => [query, undefined, true]),
        )
        const [latest] = await go.latest(['github.com/Acme/sample'])
        expect(latest?.version).toBe('v1.3.1')
      })

      test.for([
        ['a wrong password', () => [server.host, 'wrong']],
        ['no line for the port', () => ['localhost', password]],
      ] as const)('%s stops it, and it says why', async ([, of]) => {
        const [machine, secret] = of()
        second.requests.length = 0
        const go = await openGo(`${server.url},http://127.0.0.1:${second.port}`, machine, secret)
        const { status, stderr } = await go.run(['list', '-m', '-versions', 'github.com/acme/billing'])
        expect(status).toBe(1)
        expect(stderr).toContain('/@v/list: 401 Unauthorized\n\tserver response: this registry asks')
        expect(documented).toContain(stderr.replaceAll(server.url, siteOf.url))
        expect(second.requests).toEqual([])
      })

      test('in a chain nothing private reaches the second proxy', async () => {
        const go = await openGo(`${server.url},http://127.0.0.1:${second.port}`)
        second.requests.length = 0
        await workInChain(go)
        for (const query of ['github.com/acme/secret/pkg', 'github.com/acme/billing@v9.0.0']) {
          const { stderr } = await go.run(['get', query], { cwd: makeModule(go, []) })
          expect(documented).toContain(stderr.replaceAll(server.url, siteOf.url))
        }
        expect(second.requests).toContain('/example.net/public/@v/v1.3.1.zip')
        expect(second.requests.filter((path) => !path.startsWith('/example.net/'))).toEqual([])
      })
    })
  })
})
