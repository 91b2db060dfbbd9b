import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { crc32, deflateRawSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { hashArchive, writeArchive, type ZipPiece } from '../src/archive.ts'
import { FatalError } from '../src/problem.ts'
import { type SiteServer, serveSite, siteHandler } from '../src/serve.ts'
import { createGo } from './support/gorun.ts'

const site: Readonly<Record<string, string>> = {
  'index.html': '<p>front</p>',
  '404.html': '<p>missing</p>',
  'assets/style.css': 'p {}',
  '-/site.json': '{}',
  '-/manifest/example.com.jsonl': '{}\n',
  '-/lock': '{}',
  '-/lock.1': '',
  '-/tmp/1-0-1': 'half',
  '-/setup/shell': 'export GOPROXY',
  'example.com/!big/m/index.html': '<p>big</p>',
  'example.com/!big/m/@latest': '{"Version":"v1.0.0"}',
  'example.com/!big/m/@v/list': 'v1.0.0\n',
  'example.com/!big/m/@v/v1.0.0.info': '{"Version":"v1.0.0"}',
  'example.com/!big/m/@v/v1.0.0.mod': 'module example.com/Big/m\n',
  'example.com/!big/m/@v/v1.0.0.zip': 'PK',
  'example.com/!big/m/@v/v2.0.0+incompatible.info': '{"Version":"v2.0.0+incompatible"}',
  'example.com/!big/m/@v/v2.0.0+incompatible.mod': 'module example.com/Big/m\n',
  'example.com/!big/m/@v/main.info': '{"Version":"v1.0.0"}',
  'example.com/!big/m@v1.0.0/index.html': '<p>version</p>',
  'sumdb/go.example.com/supported': '',
  'sumdb/go.example.com/latest': 'go.sum database tree\n',
  'sumdb/go.example.com/lookup/example.com/!big/m@v1.0.0': '0\n',
  'sumdb/go.example.com/tile/8/0/000.p/1': 'x',
  'empty/keep.txt': '',
  'ünïcode/漢字.txt': 'u',
}

const immutable = 'private, max-age=31536000, immutable'
const minute = 'private, max-age=60'

describe('what is there', () => {
  test.for([
    ['/', 'index.html', 'text/html; charset=utf-8', minute],
    ['/?q=1', 'index.html', 'text/html; charset=utf-8', minute],
    ['/index.html', 'index.html', 'text/html; charset=utf-8', minute],
    ['/assets/style.css', 'assets/style.css', 'text/css; charset=utf-8', minute],
    ['/-/site.json', '-/site.json', 'application/json', minute],
    ['/-/setup/shell', '-/setup/shell', 'text/plain; charset=utf-8', minute],
    ['/-/manifest/example.com.jsonl', '-/manifest/example.com.jsonl', 'application/jsonl', minute],
    ['/example.com/!big/m', 'example.com/!big/m/index.html', 'text/html; charset=utf-8', minute],
    ['/example.com/!big/m/', 'example.com/!big/m/index.html', 'text/html; charset=utf-8', minute],
    ['/example.com/%21big/m?go-get=1', 'example.com/!big/m/index.html', 'text/html; charset=utf-8', minute],
    [
      '/example.com/!big/m@v1.0.0',
      'example.com/!big/m@v1.0.0/index.html',
      'text/html; charset=utf-8',
      minute,
    ],
    ['/example.com/%21big/m/%40latest', 'example.com/!big/m/@latest', 'application/json', minute],
    ['/example.com/%21big/m/@v/list', 'example.com/!big/m/@v/list', 'text/plain; charset=utf-8', minute],
    ['/example.com/!big/m/@v/main.info', 'example.com/!big/m/@v/main.info', 'application/json', minute],
    [
      '/example.com/!big/m/@v/v1.0.0.info',
      'example.com/!big/m/@v/v1.0.0.info',
      'application/json',
      immutable,
    ],
    [
      '/example.com/!big/m/@v/v1.0.0.mod',
      'example.com/!big/m/@v/v1.0.0.mod',
      'text/plain; charset=utf-8',
      immutable,
    ],
    ['/example.com/!big/m/@v/v1.0.0.zip', 'example.com/!big/m/@v/v1.0.0.zip', 'application/zip', immutable],
    [
      '/example.com/!big/m/@v/v2.0.0+incompatible.info',
      'example.com/!big/m/@v/v2.0.0+incompatible.info',
      'application/json',
      immutable,
    ],
    [
      '/example.com/%21big/m/%40v/v2.0.0%2Bincompatible.mod',
      'example.com/!big/m/@v/v2.0.0+incompatible.mod',
      'text/plain; charset=utf-8',
      immutable,
    ],
    [
      '/sumdb/go.example.com/supported',
      'sumdb/go.example.com/supported',
      'text/plain; charset=utf-8',
      minute,
    ],
    ['/sumdb/go.example.com/latest', 'sumdb/go.example.com/latest', 'text/plain; charset=utf-8', minute],
    [
      '/sumdb/go.example.com/lookup/example.com/!big/m@v1.0.0',
      'sumdb/go.example.com/lookup/example.com/!big/m@v1.0.0',
      'text/plain; charset=utf-8',
      immutable,
    ],
    [
      '/sumdb/go.example.com/tile/8/0/000.p/1',
      'sumdb/go.example.com/tile/8/0/000.p/1',
      'application/octet-stream',
      immutable,
    ],
    ['/%C3%BCn%C3%AFcode/%E6%BC%A2%E5%AD%97.txt', 'ünïcode/漢字.txt', 'text/plain; charset=utf-8', minute],
  ] as const)('GET %s', async ([path, file, type, cache]) => {
    const server = await serve()
    const answer = await ask(server, path)
    expect(answer).toMatchObject({ status: 200, body: site[file] })
    expect(answer.headers).toMatchObject({
      'content-type': type,
      'cache-control': cache,
      'content-length': String(Buffer.byteLength(site[file] ?? '')),
      'x-content-type-options': 'nosniff',
    })
    const head = await ask(server, path, { method: 'HEAD' })
    expect(head).toMatchObject({ status: 200, body: '' })
    expect({ ...head.headers, date: '' }).toEqual({ ...answer.headers, date: '' })
  })

  test('a public site says that caches of others may keep it', async () => {
    const server = await serve()
    writeFileSync(join(server.root, '-/site.json'), '{"access":"public"}')
    const answers = [await ask(server, '/'), await ask(server, '/example.com/!big/m/@v/v1.0.0.mod')]
    expect(answers.map(({ headers }) => headers['cache-control'])).toEqual([
      'public, max-age=60',
      'public, max-age=31536000, immutable',
    ])
  })

  test('a browser that has the file already gets no second copy', async () => {
    const server = await serve()
    const { headers } = await ask(server, '/assets/style.css')
    const tag = String(headers.etag)
    for (const value of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
      const again = await ask(server, '/assets/style.css', { headers: { 'If-None-Match': value } })
      expect(again).toMatchObject({ status: 304, body: '' })
      expect(again.headers).toMatchObject({ etag: tag, 'cache-control': minute })
    }
    expect(await ask(server, '/assets/style.css', { headers: { 'If-None-Match': '"other"' } })).toMatchObject(
      {
        status: 200,
      },
    )
    writeFileSync(join(server.root, 'assets/style.css'), 'p { color: red }')
    expect(await ask(server, '/assets/style.css', { headers: { 'If-None-Match': tag } })).toMatchObject({
      status: 200,
      body: 'p { color: red }',
    })
  })

  test('a large file arrives whole, and a reader that goes away does no harm', async () => {
    const server = await serve()
    const large = join(server.root, 'example.com/!big/m/@v/v1.0.0.zip')
    truncateSync(large, 50_000_000)
    const response = await fetch(`${server.url}/example.com/!big/m/@v/v1.0.0.zip`)
    expect((await response.arrayBuffer()).byteLength).toBe(50_000_000)

    const socket = connect(server.port, '127.0.0.1')
    socket.write('GET /example.com/!big/m/@v/v1.0.0.zip HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(socket, 'data')
    socket.destroy()
    expect((await ask(server, '/')).status).toBe(200)
  })

  test('a site that is built again meanwhile is served as it is then', async () => {
    const server = await serve()
    expect((await ask(server, '/new.txt')).status).toBe(404)
    rmSync(server.root, { recursive: true })
    expect(await ask(server, '/')).toMatchObject({ status: 404, body: 'not found: \n' })
    write(server.root, { 'new.txt': 'new' })
    expect(await ask(server, '/new.txt')).toMatchObject({ status: 200, body: 'new' })
  })
})

describe('what is not there', () => {
  test.for([
    '/missing',
    '/missing/index.html',
    '/empty',
    '/empty/',
    '/assets/style.css/',
    '/assets/style.css/x',
    '/%252e%252e/',
    '/-/lock',
    '/-/lock.1',
    '/-/tmp/1-0-1',
    '/-/tmp',
    '/%2D/%6Cock',
    '//index.html',
    '/assets//style.css',
    '/example.com//@v/',
    '/outside.txt',
    '/outside/secret.txt',
    '/loop',
    `/${'x'.repeat(300)}`,
    `/${'x/'.repeat(3000)}`,
  ])('%s is a page with status 404', async (path) => {
    const server = await serve()
    const answer = await ask(server, path)
    if (path.includes('/@v/'))
      expect(answer).toMatchObject({ status: 404, body: 'not found: example.com//@v/\n' })
    else expect(answer).toMatchObject({ status: 404, body: '<p>missing</p>' })
    expect(answer.headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
    expect(answer.headers.etag).toBeUndefined()
  })

  test.for(['/example.com/x/@v/list', '/example.com/!big/m/@v/v9.9.9.info', '/example.com/x/@latest'])(
    '%s is told to go in words',
    async (path) => {
      const server = await serve()
      const answer = await ask(server, path)
      expect(answer).toMatchObject({ status: 404, body: `not found: ${path.slice(1)}\n` })
      expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8')
      expect(await ask(server, path, { method: 'HEAD' })).toMatchObject({ status: 404, body: '' })
    },
  )

  test.for([
    '/../secret.txt',
    '/assets/../../secret.txt',
    '/%2e%2e/secret.txt',
    '/assets/%2e%2e%2f%2e%2e%2fsecret.txt',
    '/..',
    '/./index.html',
    '/assets%5c..%5cindex.html',
    '/index.html%00',
    '/%',
    '/%zz',
    '/%ff',
    'http://127.0.0.1/index.html',
    '*',
  ])('%s is a bad request', async (path) => {
    const answer = await ask(await serve(), path)
    expect(answer).toMatchObject({ status: 400, body: 'bad path\n' })
  })

  test.for(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('%s is not allowed', async (method) => {
    const answer = await ask(await serve(), '/', { method })
    expect(answer.status).toBe(405)
    expect(answer.headers.allow).toBe('GET, HEAD')
  })

  test('a pipe in the place of a file is not waited for', async () => {
    const server = await serve()
    rmSync(join(server.root, 'index.html'))
    execFileSync('mkfifo', [join(server.root, 'index.html')])
    expect((await ask(server, '/')).status).toBe(404)
  })
})

describe('serveSite', () => {
  test('the url names the port, and nothing listens after close', async () => {
    const server = await serve()
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`)
    const open = connect(server.port, '127.0.0.1')
    await once(open, 'connect')
    await server.close()
    await expect(fetch(server.url)).rejects.toThrow()
  })

  test('a port that is taken, or a site that is not there, ends the run', async () => {
    const { port, root } = await serve()
    const taken = await serveSite(root, { port }).catch((cause: unknown) => cause)
    expect(taken).toBeInstanceOf(FatalError)
    expect(String(taken)).toContain(`port ${port}`)
    await expect(serveSite(join(root, 'none'), { port: 0 })).rejects.toThrow('There is no site in')
    await expect(serveSite(join(root, 'index.html'), { port: 0 })).rejects.toThrow(FatalError)
  })

  test("the handler works in a server of one's own", async () => {
    const root = makeSite()
    const server = createServer(siteHandler(root)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.close()
    })
    const { port } = server.address() as AddressInfo
    expect(await (await fetch(`http://127.0.0.1:${port}/-/site.json`)).json()).toEqual({})
  })

  test.runIf(hasGo())('go downloads from it, with capital letters and +incompatible', async () => {
    const root = temporary()
    const h1s = new Map<string, string>()
    for (const version of ['v1.0.0', 'v1.1.0', 'v2.0.0+incompatible']) {
      const at = `example.com/!big/m/@v/${version}`
      const goMod = 'module example.com/Big/m\n'
      const prefix = `example.com/Big/m@${version}`
      const files = version.startsWith('v2') ? {} : { [`${prefix}/go.mod`]: goMod }
      const pieces = Object.entries({ ...files, [`${prefix}/m.go`]: 'package m\n' }).map(pieceOf)
      const chunks: Uint8Array[] = []
      for await (const chunk of writeArchive(pieces)) chunks.push(chunk)
      write(root, {
        [`${at}.info`]: JSON.stringify({ Version: version, Time: '2020-01-01T00:00:00Z' }),
        [`${at}.mod`]: goMod,
        [`${at}.zip`]: Buffer.concat(chunks),
      })
      h1s.set(version, (await hashArchive(join(root, `${at}.zip`))).h1)
    }
    write(root, {
      'example.com/!big/m/@v/list': 'v1.0.0\nv1.1.0\nv2.0.0+incompatible\n',
      'example.com/!big/m/@v/main.info': JSON.stringify({ Version: 'v1.0.0', Time: '2020-01-01T00:00:00Z' }),
    })
    const server = await serve(root)
    const go = await createGo({ proxy: server.url })
    onTestFinished(() => go.close())
    const versions = [...h1s.keys()]
    const downloads = await go.download(versions.map((version) => `example.com/Big/m@${version}`))
    expect(downloads.map((download) => [download.version, download.error])).toEqual(
      versions.map((version) => [version, undefined]),
    )
    expect(downloads.map((download) => download.sum)).toEqual([...h1s.values()])
    const [{ version } = {}] = await go.query(['example.com/Big/m@main'])
    expect(version).toBe('v1.0.0')
    const [missing] = await go.download(['example.com/Big/other@v1.0.0'])
    expect(missing?.error).toContain('not found: example.com/!big/other/@v/v1.0.0.info')
  })
})

interface TestServer extends SiteServer {
  readonly root: string
}

async function serve(root: string = makeSite()): Promise<TestServer> {
  const server = await serveSite(root, { port: 0 })
  onTestFinished(() => server.close().catch(() => undefined))
  return { ...server, root }
}

function makeSite(): string {
  const dir = temporary()
  const root = join(dir, 'site')
  write(root, site)
  write(dir, { 'secret.txt': 'secret' })
  symlinkSync('../secret.txt', join(root, 'outside.txt'))
  symlinkSync('..', join(root, 'outside'))
  symlinkSync('loop', join(root, 'loop'))
  return root
}

function write(root: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [path, body] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), body)
  }
}

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Asks for a path as it is. `fetch` would resolve its dots. */
async function ask(
  server: TestServer,
  path: string,
  options: { readonly method?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Answer> {
  const sent = request({ ...options, host: '127.0.0.1', port: server.port, path, agent: false })
  sent.end()
  const [response] = await once(sent, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() }
}

function pieceOf([name, content]: readonly [string, string]): ZipPiece {
  const data = deflateRawSync(content)
  const size = Buffer.byteLength(content)
  return { name, crc32: crc32(content), size, method: 'deflate', compressedSize: data.length, data }
}

function hasGo(): boolean {
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'modpress-serve-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
