/**
 * Whatever a server answers in place of what it must, verify tells of it: each
 * kind of answer at each kind of file, and none of them known to the product.
 */

import type { ServerResponse } from 'node:http'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { basic, type LiveServer, startLiveServer } from '../support/liveserver.ts'
import { makeRepository } from '../support/repo.ts'
import { goodSite, runVerify } from '../support/verifyfaults.ts'
import { buildVerifySite } from '../support/verifysite.ts'

/** One file of each kind, no two of which depend on one another. */
const files = {
  list: /^go\.example\.com\/log\/@v\/list$/,
  latest: /^git\.example\.com\/~me\/home\/@latest$/,
  info: /^github\.com\/acme\/!tool\/@v\/v1\.0\.0\.info$/,
  mod: /^github\.com\/acme\/!tool\/@v\/v2\.0\.0\+incompatible\.mod$/,
  zip: /^go\.example\.com\/log\/@v\/v1\.1\.0\.zip$/,
  query: /^go\.example\.com\/log\/@v\/main\.info$/,
  page: /^log\?go-get=1$/,
  record: /^-\/modules\/go\.example\.com\/log\/sub\/deep\.json$/,
  'a missing list': /^example\.com\/modpress-verify-\w+\/@v\/list$/,
  'a missing @latest': /^github\.com\/acme\/modpress-verify-\w+\/@latest$/,
  'a missing .info': /^go\.example\.com\/modpress-verify-\w+\/@v\/v1\.0\.0\.info$/,
  'a missing version': /\/@v\/v999\.999\.999\.zip$/,
  'a missing page': /^modpress-verify-\w+\/a\/b\/c\?go-get=1$/,
} as const

const page = '<!doctype html><html><head><title>Sign in</title></head><body>Please</body></html>'
const html = { 'Content-Type': 'text/html' }

/** What a server may do with a request. */
const answers: Readonly<Record<string, (response: ServerResponse) => unknown>> = {
  '400': (response) => response.writeHead(400).end('bad'),
  '401 with a page': (response) => response.writeHead(401, html).end(page),
  '402 nobody expects': (response) => response.writeHead(402).end(),
  '403 XML': (response) =>
    response
      .writeHead(403, { 'Content-Type': 'application/xml' })
      .end('<Error><Code>AccessDenied</Code></Error>'),
  '418 of a firewall': (response) => response.writeHead(418, html).end('<h1>Blocked</h1>'),
  '451': (response) => response.writeHead(451).end(),
  '500': (response) => response.writeHead(500).end(),
  '503 with a page': (response) => response.writeHead(503, { ...html, 'Retry-After': '0' }).end(page),
  '200 and a page': (response) => response.writeHead(200, html).end(page),
  '200 and a page as JSON': (response) =>
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(page),
  '200 and an error as JSON': (response) => response.writeHead(200).end('{"error":{"code":404}}'),
  '200 and an error as YAML': (response) => response.writeHead(200).end('error: not found\n'),
  '200 and null': (response) => response.writeHead(200).end('null'),
  '200 and nothing': (response) => response.writeHead(200).end(),
  '200 and zeros': (response) => response.writeHead(200).end(Buffer.alloc(5000)),
  '203 of a proxy': (response) => response.writeHead(203).end('v1.0.0\n'),
  '204': (response) => response.writeHead(204).end(),
  '206': (response) => response.writeHead(206, { 'Content-Range': 'bytes 0-1/9' }).end('v1'),
  '300 of choices': (response) => response.writeHead(300).end('choose'),
  '304 out of a cache': (response) => response.writeHead(304).end(),
  'a redirect to a login': (response) => response.writeHead(302, { Location: '/login?next=x' }).end(),
  'a redirect to a login that cannot be reached': (response) =>
    response.writeHead(302, { Location: 'https://127.0.0.1:1/login?token=canary' }).end(),
  'a redirect to the front page': (response) => response.writeHead(301, { Location: '/' }).end(),
  'a redirect to nowhere': (response) => response.writeHead(302).end(),
  'a redirect without an end': (response) => response.writeHead(307, { Location: response.req.url }).end(),
  'a redirect to another scheme': (response) =>
    response.writeHead(302, { Location: 'ftp://example.com/' }).end(),
  'a connection that breaks': (response) => response.destroy(),
  'half an answer': (response) => {
    response.writeHead(200, { 'Content-Length': '9000' }).write('half', () => response.destroy())
  },
  'brotli that nobody asked for': (response) =>
    response.writeHead(200, { 'Content-Encoding': 'br' }).end(brotliCompressSync(page)),
  'gzip that is none': (response) => response.writeHead(200, { 'Content-Encoding': 'gzip' }).end('no gzip'),
  'gzip that ends early': (response) =>
    response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync('x'.repeat(9000)).subarray(0, 30)),
}

let server: LiveServer

beforeAll(async () => {
  server = await startLiveServer(await goodSite())
})
afterAll(() => server.close())

describe('a server that answers otherwise than it must', () => {
  test.for(Object.entries(answers))('%s', async ([, answer]) => {
    const faulty = new Set<string>()
    server.fault = (path, response) => {
      if (path.startsWith('login')) {
        response.writeHead(200, html).end(page)
        return true
      }
      const found = Object.entries(files).find(([, pattern]) => pattern.test(path))
      if (found === undefined) return false
      faulty.add(found[0])
      answer(response)
      return true
    }
    const [exit, problems] = await runVerify([server.url], { failOn: 'error' })
    expect(exit).toBe(1)
    expect([...faulty].sort()).toEqual(Object.keys(files).sort())
    const errors = problems.filter(({ severity }) => severity === 'error').map(({ message }) => message)
    for (const [kind, pattern] of Object.entries(files)) {
      if (kind.startsWith('a missing')) continue
      const isTold = errors.some((message) => {
        const [, asked = ''] = /^GET http:\/\/[^/]+\/(\S+)/.exec(message) ?? []
        return pattern.test(`${decodeURIComponent(asked)}${kind === 'page' ? '?go-get=1' : ''}`)
      })
      expect(isTold, `${kind}: ${errors.join('\n')}`).toBe(true)
    }
    // What is not there is told of once for all requests that are answered so, one of them in full.
    const codes = problems.filter(({ code }) => code.startsWith('missing-'))
    const names = codes.map(({ message }) => message).join('\n')
    expect(names).toContain('modpress-verify-')
    const others = codes.reduce(
      (sum, { message }) => sum + 1 + (message.split('The same goes for ')[1]?.split(', ').length ?? 0),
      0,
    )
    expect(others).toBeGreaterThanOrEqual(5)
  })

  test.for([
    ['Cache-Control', 'max-age=60'],
    ['Cache-Control', 'public, s-maxage=60, max-age=0'],
    ['Cache-Control', 'immutable, max-age=31536000'],
    ['Age', '7'],
    ['X-Cache', 'HIT'],
    ['CF-Cache-Status', 'HIT'],
    ['Cache-Status', 'edge; hit; ttl=30'],
    ['Expires', new Date(Date.now() + 3_600_000).toUTCString()],
    ['CDN-Cache-Control', 'max-age=60'],
    ['Cloudflare-CDN-Cache-Control', 'public, max-age=60'],
    ['Surrogate-Control', 'max-age=60'],
    ['X-Accel-Expires', '60'],
  ])('a 404 that may be kept: %s: %s', async ([name = '', value = '']) => {
    server.fault = (path, response) => {
      if (!path.includes('modpress-verify')) return false
      // What is said to caches of a CDN stands before what is said to all.
      const forAll = name === 'Expires' ? {} : { 'Cache-Control': 'no-store' }
      response.writeHead(404, { ...forAll, [name]: value }).end()
      return true
    }
    const [, problems] = await runVerify([server.url])
    const found = problems.find(({ code }) => code === 'missing-cached')
    if (/Control|Expires/.test(name)) expect(found?.message).toContain(`${name}: `)
    else expect(found).toBeDefined()
  })

  test('a cache in front that keeps a 404 and does not say so is seen when it is asked again', async () => {
    const kept = new Set<string>()
    server.fault = (path, response) => {
      if (!path.includes('modpress-verify')) return false
      response.writeHead(404, kept.has(path) ? { Age: '1' } : {}).end()
      kept.add(path)
      return true
    }
    const [, problems] = await runVerify([server.url])
    expect(problems.map(({ code }) => code)).toContain('missing-cached')
  })

  test('what is sent is not shown, wherever a server repeats it', async () => {
    server.password = 'reader:canary-password'
    server.fault = (path, response, request) => {
      if (!path.includes('modpress-verify')) return false
      const { authorization = '' } = request.headers
      const plain = Buffer.from(authorization.slice(6), 'base64').toString()
      if (path.includes('latest')) response.writeHead(302, { Location: `/${plain}?${plain}` }).end()
      else
        response
          .writeHead(403, { 'Content-Type': 'text/plain' })
          .end(`${authorization} ${plain} canary-password`)
      return true
    }
    const [, problems] = await runVerify([server.url], { env: { MODPRESS_AUTH: server.password } })
    server.password = undefined
    expect(problems.map(({ code }) => code)).toContain('missing-forbidden')
    expect(JSON.stringify(problems)).not.toMatch(/canary|cmVhZGVy/)
  })

  test.for([['ftp://example.com/'], ['http://']])(
    'a redirect to %s is told of as one',
    async ([location = '']) => {
      server.fault = (path, response) => {
        if (!/tool\/@v\/v1\.0\.0\.zip$|v999\.999\.999\.mod$/.test(path)) return false
        response.writeHead(301, { Location: location }).end()
        return true
      }
      const [, problems] = await runVerify([server.url], { failOn: 'error' })
      const codes = problems.filter(({ severity }) => severity === 'error').map(({ code }) => code)
      expect(codes).toEqual(['file-redirected', 'missing-redirected'])
    },
  )

  test('a byte order mark hides the first version of a list from go', async () => {
    server.fault = (path, response) => {
      if (!/log\/@v\/list$/.test(path)) return false
      response.writeHead(200).end('\uFEFFv1.0.0\r\n\tv1.1.0 2020-09-13T12:26:40Z\n\nv1.2.0-RC1')
      return true
    }
    const [, problems] = await runVerify([server.url], { failOn: 'error' })
    const told = problems.filter(({ code }) => code.startsWith('list-')).map(({ message }) => message)
    expect(told).toEqual([expect.stringContaining('It lacks v1.0.0.')])
  })

  test('letter case that does not count is all that is told of it', async () => {
    server.fault = (_path, _response, request) => {
      if (request.url?.includes('/@V/')) request.url = request.url.toLowerCase()
      return false
    }
    const [, problems] = await runVerify([server.url])
    expect(problems.map(({ code }) => code)).toEqual(['case-folded', 'private-but-readable'])
  })

  test.for([
    [/^-\/site\.json$/, '-/site.json'],
    [/^-\/manifest\.jsonl$/, '-/manifest.jsonl'],
    [/\.atom$/, '-/feed.atom'],
    [/^$/, '/ answers 200'],
    [/^index\.html$/, 'index.html'],
    [/^github\.com\/acme\/Tool$/, 'acme/Tool answers 200'],
    [/\/list$/, '@v/list'],
    [/@latest$/, '@latest'],
    [/modules\/.*\.json$/, 'tool.json'],
    [/\.info$/, '.info'],
    [/\.mod$/, '.mod'],
    [/\.zip$/, '.zip'],
  ] as const)('a private site of which anyone can read %s', async ([open, told]) => {
    server.fault = (path, response, request) => {
      if (open.test(path) || request.headers.authorization === basic('reader:canary')) return false
      response.writeHead(401, { 'Content-Type': 'text/html' }).end(page)
      return true
    }
    const [, problems] = await runVerify([server.url], { env: { MODPRESS_AUTH: 'reader:canary' }, sample: 1 })
    const found = problems.filter(({ code }) => ['private-but-readable', 'login-page'].includes(code))
    expect(found).toEqual([expect.objectContaining({ code: 'private-but-readable', severity: 'note' })])
    expect(found[0]?.message).toContain(told)
  })

  test('pages whose names look like files of the proxy are pages', async () => {
    const repositories = ['gopkg.in/yaml.v3', 'example.com/list', 'example.com/go.zip'].map((root) => {
      const repository = makeRepository()
      repository.commit({ 'go.mod': `module ${root}\n`, 'a.go': 'package a\n' })
      repository.git('tag', root.endsWith('v3') ? 'v3.0.0' : 'v1.0.0')
      return { root, dir: repository.dir }
    })
    for (const each of repositories) {
      const named = await startLiveServer(await buildVerifySite({ repositories: [each] }))
      const [, problems] = await runVerify([named.url])
      await named.close()
      expect(problems.map(({ code }) => code)).toEqual(['private-but-readable'])
    }
  })

  test('an error in JSON for those without credentials is no file of a private site', async () => {
    server.fault = (_path, response, request) => {
      if (request.headers.authorization !== undefined) return false
      response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"error":"unauthorized"}')
      return true
    }
    const [, problems] = await runVerify([server.url], { env: { MODPRESS_AUTH: 'reader:canary' } })
    expect(problems.map(({ code }) => code)).toEqual(['login-page'])
  })

  test('a host that asks for a password and takes any is no guard', async () => {
    server.fault = (_path, response, request) => {
      if (request.headers.authorization !== undefined) return false
      response.writeHead(401).end()
      return true
    }
    const [, problems] = await runVerify([server.url], { env: { MODPRESS_AUTH: 'reader:canary' } })
    const found = problems.find(({ code }) => code === 'private-but-readable')
    expect(found?.message).toContain(
      '-/site.json answers 200 (application/json) with a user and a password that',
    )
  })

  test('a file that is missing for everyone guards nothing', async () => {
    server.fault = (path, response) => {
      if (!/home\/@latest$/.test(path)) return false
      response.writeHead(404).end()
      return true
    }
    const [, problems] = await runVerify([server.url])
    expect(problems.map(({ code }) => code)).toEqual(['file-missing', 'private-but-readable'])
  })

  test('what passes is asked for again', async () => {
    const asked = new Set<string>()
    server.fault = (path, response) => {
      if (asked.has(path)) return false
      asked.add(path)
      response.writeHead(503, { 'Retry-After': '0' }).end()
      return true
    }
    const [exit, problems] = await runVerify([server.url])
    expect([exit, problems.map(({ code }) => code)]).toEqual([0, ['private-but-readable']])
  })
})
