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
import { createGo, type Go } from '../support/gorun.ts'
import { type Hosted, makeHosted } from '../support/hosted.ts'
import { buildSite } from '../support/judge.ts'
import { makeSample } from '../support/sample.ts'
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
  const at = join(dir, 'public')
  await buildSite(at, [makeSample(join(at, 'sample'), 'example.net/public').repository])
  const requests: string[] = []
  const handle = siteHandler(join(at, 'site'))
  const started = createServer((request, response) => {
    requests.push(request.url ?? '')
    handle(request, response)
  })
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve))
  return { server: started, port: (started.address() as AddressInfo).port, requests }
}

/** What the servers are given, but for the host's name as modpress has it. */
const siteOf = { url: 'https://go.example.com', prefix: 'go.example.com', prefixes: ['github.com/Acme'] }

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

    test.for([
      // Of all others, what is missing is missing.
      ['/nowhere', 404, 'html'],
      ['/github.com/', 404, 'html'],
      ['/github.com/acmecorp/x', 404, 'html'],
      ['/github.com/acmecorp/x/@v/list', 404, 'not found'],
      ['/github.com/!acme!corp/x/@v/list', 404, 'not found'],
      ['/github.com/@v/list', 404, 'not found'],
      ['/github.com/acmecorp/x/@v/v1.0.0.info', 404, 'not found'],
      ['/github.com/acmecorp/x/@latest', 404, 'not found'],
      ['/example.com/github.com/!acme/x/@v/list', 404, 'not found'],
      ['/sumdb/sum.golang.org/supported', 404, 'not found'],
      ['/sumdb/sum.golang.org/lookup/github.com/!acme/x@v1.0.0', 404, 'not found'],
      ['/-/tmp/half', 404, 'html'],
      ['/-/lock', 404, 'html'],
      // Below the own prefix.
      ['/github.com/!acme/@v/list', 200, ''],
      ['/github.com/!acme/x/@v/list', 200, ''],
      ['/github.com/%21acme/x/y/v2/@v/list', 200, ''],
      ['/github.com/acme/x/@v/list', 200, ''],
      ['/github.com/!a!c!m!e/!x/@v/list', 200, ''],
      ['/github.com/!acme/x/@latest', 404, 'not found'],
      ['/github.com/!acme/x/@v/v1.0.0.info', 403, 'no other one is asked'],
      ['/github.com/!acme/x/@v/main.info', 403, 'no other one is asked'],
      ['/github.com/%21acme/x/@v/v1.0.0.mod', 403, 'no other one is asked'],
      ['/github.com/%21acme/x/@v/v2.0.0+incompatible.zip', 403, 'no other one is asked'],
      ['/github.com/!acme/sample/@v/v9.0.0.info', 403, 'no other one is asked'],
      ['/github.com/!acme/x', 404, 'html'],
      ['/github.com/!acme/x?go-get=1', 404, 'html'],
    ] as const)('answers %s with %d', async ([path, status, says]) => {
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
        const { status, stderr } = await go.run(['list', '-m', 'github.com/Acme/sample@v1.0.0'])
        const address = `${server.url}/github.com/%21acme/sample/@v/v1.0.0.info`
        expect(status).toBe(1)
        expect(stderr).toContain(
          `reading ${address}: 401 Unauthorized\n\tserver response: this registry asks`,
        )
        expect(stderr).toContain('asks for a user and a password')
        expect(second.requests).toEqual([])
      })

      test('in a chain nothing private reaches the second proxy', async () => {
        const go = await openGo(`${server.url},http://127.0.0.1:${second.port}`)
        const work = (imports: readonly string[]) => {
          const cwd = mkdtempSync(join(dir, 'work-'))
          writeFileSync(join(cwd, 'go.mod'), 'module example.org/work\n\ngo 1.24\n')
          const lines = imports.map((path) => `import _ "${path}"\n`)
          writeFileSync(join(cwd, 'main.go'), `package main\n\n${lines.join('')}\nfunc main() {}\n`)
          return cwd
        }
        second.requests.length = 0
        const both = work([
          'github.com/Acme/sample/pkg',
          'example.net/public/pkg',
          'github.com/Acme/sample/sub',
        ])
        const tidied = await go.run(['mod', 'tidy'], { cwd: both })
        expect(tidied).toMatchObject({ status: 0 })
        const goMod = readFileSync(join(both, 'go.mod'), 'utf8')
        expect(goMod).toContain('example.net/public v1.3.1')
        expect(goMod).toContain('github.com/Acme/sample v1.3.1')
        expect(goMod).toContain('github.com/Acme/sample/sub v0.1.0')

        const none = 'no matching versions for query'
        const forbidden = '403 Forbidden\n\tserver response: this registry has no such version'
        for (const [says, ...args] of [
          [undefined, 'get', 'github.com/Acme/sample/v2/pkg@latest'],
          [undefined, 'get', 'github.com/Acme/Legacy@v2.0.0+incompatible'],
          [undefined, 'get', '-u', './...'],
          [undefined, 'list', '-m', '-u', 'all'],
          [undefined, 'list', '-m', '-versions', 'github.com/Acme/secret'],
          [none, 'get', 'github.com/Acme/secret/deep/pkg'],
          [none, 'get', 'github.com/acme/secret@latest'],
          [forbidden, 'get', 'github.com/Acme/secret@v1.0.0'],
          [forbidden, 'get', 'github.com/Acme/sample@v9.0.0'],
          [forbidden, 'get', 'github.com/Acme/sample@nowhere'],
          [forbidden, 'mod', 'download', 'github.com/Acme/secret@v1.0.0'],
        ] as const) {
          const { status, stderr } = await go.run(args, { cwd: both })
          expect([args, status, says === undefined || stderr.includes(says)]).toEqual([
            args,
            says === undefined ? 0 : 1,
            true,
          ])
        }
        const lost = await go.run(['mod', 'tidy'], { cwd: work(['github.com/Acme/secret/pkg']) })
        expect(lost).toMatchObject({ status: 1, stderr: expect.stringContaining(none) })

        expect(second.requests).toContain('/example.net/public/@v/v1.3.1.zip')
        expect(second.requests.filter((path) => !path.startsWith('/example.net/'))).toEqual([])
      })
    })
  })
})
