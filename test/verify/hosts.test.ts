/**
 * Hosts as they are when all is well: nothing is found. Those that cannot be
 * had on this machine are stubs that do what the hosts' documentation says.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { siteHandler } from '../../src/serve.ts'
import { openS3Store } from '../../src/store/s3.ts'
import { runCli } from '../support/cli.ts'
import { basic, startLiveServer } from '../support/liveserver.ts'
import { makeDirectory } from '../support/repo.ts'
import { missingServer, startS3Server } from '../support/s3server.ts'
import { filesBelow } from '../support/site.ts'
import { makeCertificate } from '../support/tls.ts'
import { copySite, goodSite, runVerify } from '../support/verifyfaults.ts'
import { buildVerifySite } from '../support/verifysite.ts'

const immutable = /\/@v\/v[^/]+\.(?:info|mod|zip)$/

/** What a host does with a path of the site, decoded: the file, or what it answers in its place. */
type Host = (
  site: string,
  files: ReadonlySet<string>,
) => (path: string, request: IncomingMessage, response: ServerResponse) => void

function send(
  response: ServerResponse,
  file: string,
  headers: Readonly<Record<string, string>>,
  status = 200,
): void {
  response.writeHead(status, headers).end(readFileSync(file))
}

const type = (path: string) =>
  path.endsWith('.html') ? 'text/html; charset=utf-8' : 'application/octet-stream'

/** Directories redirect to themselves with a "/", as most hosts do. */
function pagesHost(
  headers: (path: string) => Readonly<Record<string, string>>,
  options: { readonly status: 301 | 302 | 308; readonly missing: Readonly<Record<string, string>> },
): Host {
  return (site, files) => (path, _request, response) => {
    const html = `${path.replace(/\/$/, '')}/index.html`.replace(/^\//, '')
    const file = files.has(path) ? path : files.has(`${path}.html`) ? `${path}.html` : undefined
    if (file !== undefined) send(response, join(site, file), { 'Content-Type': type(file), ...headers(file) })
    else if (!files.has(html))
      send(response, join(site, '404.html'), { 'Content-Type': type('.html'), ...options.missing }, 404)
    else if (path === '' || path.endsWith('/'))
      send(response, join(site, html), { 'Content-Type': type(html), ...headers(html) })
    else response.writeHead(options.status, { Location: `/${path}/` }).end()
  }
}

const hosts: Readonly<Record<string, Host>> = {
  'GitHub Pages': pagesHost(
    () => ({
      Server: 'GitHub.com',
      'Cache-Control': 'max-age=600',
      Age: '0',
      Via: '1.1 varnish',
      'X-Cache': 'HIT',
    }),
    {
      status: 301,
      missing: { Server: 'GitHub.com', Age: '0', Via: '1.1 varnish', 'X-Cache': 'HIT' },
    },
  ),
  'GitLab Pages': pagesHost(() => ({ 'Cache-Control': 'max-age=600' }), { status: 302, missing: {} }),
  'Cloudflare Pages': pagesHost(
    (path) => ({
      Server: 'cloudflare',
      'Cache-Control': immutable.test(path)
        ? 'public, max-age=31536000, immutable'
        : 'public, max-age=0, must-revalidate',
      'CF-Cache-Status': 'HIT',
    }),
    { status: 308, missing: { Server: 'cloudflare', 'Cache-Control': 'no-store' } },
  ),
  Netlify: pagesHost(
    (path) => ({
      Server: 'Netlify',
      Age: '3',
      'Cache-Status': '"Netlify Edge"; hit',
      'Cache-Control': immutable.test(path)
        ? 'public,max-age=31536000,immutable'
        : 'public,max-age=0,must-revalidate',
    }),
    { status: 301, missing: { Server: 'Netlify', 'Cache-Control': 'public,max-age=0,must-revalidate' } },
  ),
  // With a function that rewrites directories and "+", and the right to list.
  CloudFront: (site, files) => (path, _request, response) => {
    const shared = { Via: '1.1 abc.cloudfront.net (CloudFront)', Server: 'AmazonS3' }
    const file = [path, `${path}/index.html`.replace(/^\//, '')].find((each) => files.has(each))
    const control = immutable.test(path) ? 'public, max-age=31536000, immutable' : 'public, max-age=60'
    if (file === undefined) {
      response.writeHead(404, {
        ...shared,
        'X-Cache': 'Error from cloudfront',
        'Content-Type': 'application/xml',
      })
      response.end('<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>')
    } else
      send(response, join(site, file), {
        ...shared,
        'X-Cache': 'Hit from cloudfront',
        Age: '12',
        'Cache-Control': control,
      })
  },
  // Debian's types, text compressed, and a 404 without a lifetime.
  nginx: (site, files) => (path, request, response) => {
    const file = [path, `${path}/index.html`.replace(/^\//, '')].find((each) => files.has(each))
    if (file === undefined) {
      response.writeHead(404, { Server: 'nginx/1.22.1', 'Content-Type': 'text/plain' }).end('not found\n')
      return
    }
    const body = readFileSync(join(site, file))
    const isText = file.endsWith('.html') || file.endsWith('list')
    const isZipped = isText && request.headers['accept-encoding'] === 'gzip'
    response.writeHead(200, {
      Server: 'nginx/1.22.1',
      'Content-Type': file.endsWith('.mod')
        ? 'application/xml-dtd'
        : file.endsWith('.html')
          ? 'text/html'
          : 'text/plain',
      'Cache-Control': immutable.test(file) ? 'public, max-age=31536000, immutable' : 'public, max-age=60',
      ...(isZipped ? { 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' } : {}),
    })
    response.end(isZipped ? gzipSync(body) : body)
  },
}

let publicSite: string

beforeAll(async () => {
  publicSite = await buildVerifySite({ access: 'public' })
})

async function serve(
  listener: RequestListener,
): Promise<{ readonly url: string; close(): Promise<unknown> }> {
  const server = createServer(listener)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections()
      return new Promise((done) => server.close(done))
    },
  }
}

describe('nothing is found', () => {
  test.for(Object.entries(hosts))('%s', async ([, host]) => {
    const answer = host(publicSite, new Set(filesBelow(publicSite)))
    const server = await serve((request, response) => {
      const [path = ''] = (request.url ?? '').slice(1).split('?')
      answer(decodeURIComponent(path), request, response)
    })
    try {
      expect(await runVerify([server.url])).toEqual([0, []])
    } finally {
      await server.close()
    }
  })

  test('modpress serve, of a site that anyone may read', async () => {
    const server = await serve(siteHandler(publicSite))
    expect(await runVerify([server.url])).toEqual([0, []])
    await server.close()
  })

  test('an address with a path, and a redirect of all files to a store elsewhere', async () => {
    const inner = siteHandler(publicSite)
    const server = await serve((request, response) => {
      const { url = '' } = request
      const store = /^\/store\/[0-9a-f]+\?key=(.*)$/.exec(url)
      if (store !== null) {
        request.url = `/${decodeURIComponent(store[1] ?? '')}`
        inner(request, response)
      } else if (/^\/go\/.*\.zip$/.test(url)) {
        response
          .writeHead(307, {
            Location: `/store/0a?key=${encodeURIComponent(decodeURIComponent(url.slice(4)))}`,
          })
          .end()
      } else if (url.startsWith('/go/')) {
        request.url = url.slice(3)
        inner(request, response)
      } else response.writeHead(404).end()
    })
    expect(await runVerify([`${server.url}/go/`])).toEqual([0, []])
    await server.close()
  })

  test('GitLab Pages with access control, by a token', async () => {
    const site = await buildVerifySite({ host: 'gitlab-pages' })
    const answer = pagesHost(() => ({}), { status: 302, missing: {} })(site, new Set(filesBelow(site)))
    const server = await serve((request, response) => {
      const [path = ''] = (request.url ?? '').slice(1).split('?')
      if (path === 'users/sign_in')
        response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>Sign in')
      else if (request.headers.authorization === 'Bearer canary')
        answer(decodeURIComponent(path), request, response)
      else response.writeHead(302, { Location: '/users/sign_in' }).end()
    })
    expect(await runVerify([server.url], { env: { MODPRESS_AUTH: 'Bearer canary' } })).toEqual([0, []])
    await server.close()
  })

  test('a directory', async () => {
    expect(await runVerify([await goodSite()])).toEqual([0, []])
  })

  test('a private site behind a password, over TLS, as a command of its own', async () => {
    const { keyFile, certificateFile } = makeCertificate(makeDirectory(), ['localhost'], 90)
    const inner = siteHandler(await goodSite())
    const server = createTlsServer(
      { key: readFileSync(keyFile), cert: readFileSync(certificateFile) },
      (request, response) => {
        if (request.headers.authorization !== basic('reader:canary')) {
          response
            .writeHead(401, { 'Content-Type': 'text/plain', 'WWW-Authenticate': 'Basic realm="go"' })
            .end('401\n')
          return
        }
        const { setHeader } = response
        response.setHeader = ((name: string, value: string) =>
          setHeader.call(
            response,
            name,
            name === 'Cache-Control' ? value.replace('public', 'private') : value,
          )) as typeof setHeader
        inner(request, response)
      },
    )
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const { port } = server.address() as AddressInfo
    const netrc = join(makeDirectory(), 'netrc')
    writeFileSync(netrc, `machine localhost:${port} login reader password canary\n`)
    const env = { NETRC: netrc, NODE_EXTRA_CA_CERTS: certificateFile }
    const run = await runCli(['verify', `https://localhost:${port}`, '--fail-on', 'warning'], {
      cwd: makeDirectory(),
      env,
    })
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
    expect(run).toEqual({
      status: 0,
      stdout: `verified https://localhost:${port}: 8 versions, 4 modules, 3 repositories\n0 errors, 0 warnings\n`,
      stderr: '',
    })
  })

  test.skipIf(missingServer('gofakes3') !== undefined)('a bucket, by its API and over http', async () => {
    const bucketSite = await buildVerifySite({ access: 'public', host: 's3' })
    const server = await startS3Server('gofakes3')
    const { env, url, bucket } = server
    try {
      const store = await openS3Store({ bucket, prefix: '' }, { env, access: 'public' })
      for (const path of filesBelow(bucketSite))
        await store.create(path, readFileSync(join(bucketSite, path)))
      expect(await runVerify([`s3://${bucket}`], { env })).toEqual([0, []])
      // What S3 alone does not do, is known of it by the name of the host.
      expect(await runVerify([`${url}/${bucket}`], { env: {} })).toEqual([0, []])
      await store.remove('github.com/acme/!tool/@v/v2.0.0+incompatible.mod')
      await store.create('github.com/acme/!tool/@v/v2.0.0+incompatible.mod', Buffer.from('module other\n'))
      await store.remove('github.com/acme/!tool/@v/v2.0.0 incompatible.zip')
      const [exit, problems] = await runVerify([`s3://${bucket}`], { env })
      expect([exit, problems.map(({ code }) => code)]).toEqual([1, ['mod-altered', 'plus-misread']])
    } finally {
      await server.close()
    }
  })
})

describe('several targets', () => {
  test('a mirror that is the same', async () => {
    expect(await runVerify([await goodSite(), await copySite()])).toEqual([0, []])
  })

  test('one that does not answer is told of, and the others are verified', async () => {
    const server = await startLiveServer(publicSite)
    const { url } = server
    await server.close()
    const [exit, problems] = await runVerify([publicSite, url])
    expect([exit, problems.map(({ code }) => code)]).toEqual([1, ['site-unreachable']])
  })
})
