/**
 * "modpress serve s3://…": a bucket of other people's server, closed to all who
 * do not sign, is read by the real go through a server on this machine.
 */

import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { loadSettings } from '../src/config/load.ts'
import { FatalError } from '../src/problem.ts'
import { publish } from '../src/publish.ts'
import { type SiteServer, serveSite } from '../src/serve.ts'
import { parseLines, startCli } from './support/cli.ts'
import { createGo, missingTools } from './support/gorun.ts'
import { makeDirectory, makeRepository } from './support/repo.ts'
import { missingServer, type S3Server, startS3Server } from './support/s3server.ts'
import { makeSample } from './support/sample.ts'

const missing = missingServer('gofakes3')

describe.skipIf(missing !== undefined)('a site in a bucket', () => {
  let bucket: S3Server
  let server: SiteServer
  let target = ''

  beforeAll(async () => {
    bucket = await startS3Server('gofakes3')
    target = `s3://${bucket.bucket}/go/registry`
    const dir = makeDirectory()
    const sample = makeSample(join(dir, 'sample'))
    const before = makeRepository()
    before.commit({ 'old.go': 'package old\n' })
    before.git('tag', 'v2.0.0')
    const old = { root: 'go.example.org/old', dir: before.dir }
    const settings = await loadSettings({
      cwd: dir,
      env: {},
      config: { url: 'https://go.example.org', repositories: [sample.repository, old] },
    })
    await publish(settings, [target], { env: bucket.env })
    server = await serveSite(target, { port: 0, env: bucket.env })
  })
  afterAll(async () => {
    await server?.close()
    await bucket?.close()
  })

  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${server.url}${path}`, init)
    const { status, headers } = response
    return { status, type: headers.get('content-type'), headers, body: await response.text() }
  }

  test('is what a directory would be: files, pages, types, and texts for what is missing', async () => {
    const base = '/go.example.org/sample/@v'
    expect(await ask(`${base}/list`)).toMatchObject({ status: 200, type: 'text/plain; charset=utf-8' })
    expect(await ask(`${base}/v1.0.0.zip`, { method: 'HEAD' })).toMatchObject({
      status: 200,
      type: 'application/zip',
      body: '',
    })
    const { headers } = await ask(`${base}/v1.0.0.info`)
    expect(headers.get('cache-control')).toContain('immutable')
    const tag = headers.get('etag') ?? ''
    expect(await ask(`${base}/v1.0.0.info`, { headers: { 'If-None-Match': tag } })).toMatchObject({
      status: 304,
    })
    for (const page of ['/', '/sample/', '/sample', '/-/setup/']) {
      expect(await ask(page)).toMatchObject({ status: 200, type: 'text/html; charset=utf-8' })
    }
    expect(await ask(`${base}/v9.9.9.info`)).toMatchObject({
      status: 404,
      body: 'not found: go.example.org/sample/@v/v9.9.9.info\n',
    })
    expect(await ask('/nothing')).toMatchObject({ status: 404, type: 'text/html; charset=utf-8' })
    expect(await ask('/-/lock')).toMatchObject({ status: 404 })
    expect(await ask('//-/site.json')).toMatchObject({ status: 404 })
    expect(await ask('/', { method: 'PUT' })).toMatchObject({ status: 405 })
  })

  test('go reads it, "+incompatible" included', async (context) => {
    const without = missingTools('go')
    context.skip(without !== undefined, without)
    const go = await createGo({ proxy: server.url })
    onTestFinished(() => go.close())
    const listed = await go.versions(['go.example.org/sample', 'go.example.org/old'])
    const queries = listed.flatMap(({ module, versions }) =>
      versions.map((version) => `${module}@${version}`),
    )
    expect(queries).toContain('go.example.org/old@v2.0.0+incompatible')
    const downloads = await go.download([...queries, 'go.example.org/sample/sub@v0.1.0'])
    expect(downloads.map(({ error }) => error)).toEqual(downloads.map(() => undefined))
  })

  test('answers nobody who came here by another name than that of this machine', async () => {
    const { port } = server
    const statusFor = (host: string) =>
      new Promise((done, fail) => {
        request({ port, host: '127.0.0.1', path: '/-/site.json', headers: { host } }, (response) => {
          response.resume()
          done(response.statusCode)
        })
          .on('error', fail)
          .end()
      })
    expect(await statusFor(`localhost:${port}`)).toBe(200)
    expect(await statusFor(`127.0.0.1:${port}`)).toBe(200)
    expect(await statusFor(`evil.example.net:${port}`)).toBe(421)
    expect(await statusFor('127.0.0.1.example.net')).toBe(421)
  })

  test('credentials that do not fit, a bucket and a site that are not there end it, and no secret is shown', async () => {
    const refused = async (site: string, env: Readonly<Record<string, string>>) =>
      serveSite(site, { port: 0, env }).catch((cause: unknown) => cause)
    const empty = await refused(`s3://${bucket.bucket}/typo`, bucket.env)
    expect(empty).toBeInstanceOf(FatalError)
    expect(String(empty)).toContain(`There is no site in s3://${bucket.bucket}/typo.`)
    const none = await refused(target, { AWS_ENDPOINT_URL_S3: bucket.url, AWS_EC2_METADATA_DISABLED: 'true' })
    expect(none).toMatchObject({ exitCode: 2 })
    const user = await refused(`s3://KEY:CANARY@${bucket.bucket}`, bucket.env)
    expect(user).toBeInstanceOf(FatalError)
    expect(String(user)).not.toContain('CANARY')
  })

  test('a refusal of the storage is told as 502, without what was signed', async () => {
    const storage = createServer(({ method, url = '' }, response) => {
      if (url.includes('list-type')) response.end('<ListBucketResult></ListBucketResult>')
      else if (method === 'HEAD') response.writeHead(200, { etag: '"1"' }).end()
      else
        response
          .writeHead(403)
          .end('<Error><Code>AccessDenied</Code><StringToSign>CANARY</StringToSign></Error>')
    }).listen(0, '127.0.0.1')
    await once(storage, 'listening')
    onTestFinished(() => {
      storage.closeAllConnections()
      storage.close()
    })
    const { port } = storage.address() as AddressInfo
    const env = { ...bucket.env, AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}` }
    const site = await serveSite('s3://modules', { port: 0, env })
    onTestFinished(() => site.close())
    const response = await fetch(`${site.url}/example.org/x/@v/list`)
    expect(response.status).toBe(502)
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(await response.text()).toBe('GET example.org/x/@v/list in s3://modules: 403 AccessDenied.\n')
  })

  const run = (...args: readonly string[]) => {
    const child = startCli(['serve', target, '--port', '0', ...args], { env: bucket.env })
    onTestFinished(() => void child.kill('SIGKILL'))
    return child
  }

  test('the command says what GOPROXY is', async () => {
    const [line] = parseLines(await firstLine(run('--json').stdout))
    const proxy = String(line?.['url'])
    expect(proxy).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect((await fetch(`${proxy}/go.example.org/sample/@latest`)).status).toBe(200)
  })

  test('the command says who can read it where it does not listen on this machine alone', async (context) => {
    context.skip(
      networkInterfaces()['lo']?.some(({ family }) => family === 'IPv6') !== true,
      'There is no IPv6.',
    )
    // It is this machine all the same, by a name that does not say so.
    expect(await firstLine(run('--host', '::ffff:127.0.0.1').stderr)).toContain(
      'can read all of the site, without credentials',
    )
  })
})

/** Reads until a line is there. */
async function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const chunk of stream) {
    text += String(chunk)
    if (text.includes('\n')) return text.slice(0, text.indexOf('\n') + 1)
  }
  throw new Error(`There is no line: ${text}`)
}
