/**
 * A deployment with one thing wrong with it, for each code of verify: the site
 * is a good one (verifysite.ts), and the server in front of it is at fault.
 *
 * The file is long because it is a table: a row is a code.
 */

import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer as createPlainServer } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { FatalError, type Problem } from '../../src/problem.ts'
import { siteHandler } from '../../src/serve.ts'
import { type VerifyOptions, verify } from '../../src/verify.ts'
import { type Fault, startLiveServer } from './liveserver.ts'
import { makeDirectory } from './repo.ts'
import type { Ended, Ending, Row } from './scenarios.ts'
import { makeCertificate } from './tls.ts'
import { buildVerifySite } from './verifysite.ts'

/** The codes of the table. */
export type VerifyCode =
  | 'site-missing'
  | 'site-unreachable'
  | 'site-unreadable'
  | 'certificate-invalid'
  | 'certificate-expiring'
  | 'http-plain'
  | 'site-redirected'
  | 'missing-forbidden'
  | 'missing-unauthorized'
  | 'missing-answered'
  | 'missing-redirected'
  | 'missing-failing'
  | 'missing-cached'
  | 'gatekeeper-open'
  | 'file-missing'
  | 'file-forbidden'
  | 'file-redirected'
  | 'file-unreadable'
  | 'file-replaced'
  | 'file-cut'
  | 'plus-misread'
  | 'bang-misread'
  | 'name-encoding'
  | 'case-folded'
  | 'encoding-wrong'
  | 'zip-encoded'
  | 'zip-altered'
  | 'zip-repacked'
  | 'mod-altered'
  | 'info-altered'
  | 'list-stale'
  | 'list-extra'
  | 'answer-stale'
  | 'withdrawn-served'
  | 'page-unresolvable'
  | 'pages-unindexed'
  | 'record-damaged'
  | 'record-stale'
  | 'site-unsettled'
  | 'cached-long'
  | 'lifetime-missing'
  | 'private-cached'
  | 'type-misleading'
  | 'private-but-readable'
  | 'login-page'
  | 'consumer-goproxy'
  | 'consumer-bypass'
  | 'consumer-sumdb'
  | 'consumer-flags'
  | 'consumer-insecure'
  | 'consumer-netrc'
  | 'mirror-lags'
  | 'mirror-differs'
  | 'sum-differs'
  | 'sum-missing'

export interface VerifyFault extends Row {
  /** The status at --fail-on warning, or 2. */
  readonly exit: 0 | 1 | 2
  /** What the server answers in place of the site; or a run of its own. */
  readonly fault?: Fault
  readonly password?: string
  readonly options?: VerifyOptions
  readonly run?: () => Promise<readonly [exit: 0 | 1 | 2, problems: readonly Problem[]]>
}

let built: Promise<string> | undefined

/** The good site, which nobody changes. */
export function goodSite(): Promise<string> {
  built ??= buildVerifySite()
  return built
}

/** Returns a copy that a test may change. */
export async function copySite(): Promise<string> {
  const copy = join(makeDirectory(), 'site')
  cpSync(await goodSite(), copy, { recursive: true })
  return copy
}

/** Runs verify to its end, as people do in a job that wants no warning. */
export async function runVerify(
  targets: readonly string[],
  options: VerifyOptions = {},
): Promise<readonly [exit: 0 | 1 | 2, problems: readonly Problem[]]> {
  try {
    const all: VerifyOptions = { retryMs: 1, env: {}, failOn: 'warning', ...options }
    const { exit, problems } = await verify({ accept: [] }, targets, all)
    return [exit, problems]
  } catch (error) {
    if (error instanceof FatalError) return [2, [error.problem]]
    throw error
  }
}

/** Brings about a fault, and returns what is said of it, the same in every run. */
async function runVerifyFault(code: VerifyCode, row: VerifyFault): Promise<Ended> {
  const [exit, problems] = await (row.run?.() ?? withServer(row))
  const found = problems.find((each) => each.code === code)
  if (found === undefined) throw new Error(`${code} was not found, but ${JSON.stringify(problems)}`)
  const message = found.message
    .replaceAll(/(127\.0\.0\.1|localhost):\d+/g, '$1')
    .replaceAll(/modpress-verify-[0-9a-f]+/g, 'modpress-verify-0')
    .replaceAll(/\/\S*modpress-test-[^/\s]+/g, '/tmp')
    .replaceAll(/expires on [\d-]+/g, 'expires on 2026-01-01')
  const { subject } = found
  return { exit, problem: { ...found, subject: subject.replace(/:\d+$/, ''), message } }
}

async function withServer({
  fault,
  password,
  options,
}: VerifyFault): Promise<readonly [exit: 0 | 1 | 2, problems: readonly Problem[]]> {
  const server = await startLiveServer(await goodSite())
  server.fault = fault
  server.password = password
  const env = password === undefined ? {} : { MODPRESS_AUTH: password }
  try {
    return await runVerify([server.url], { env, ...options })
  } finally {
    await server.close()
  }
}

// ---- What servers do ----

/** Answers requests whose path fits. */
export function answering(
  path: RegExp,
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = '',
): Fault {
  return (asked, response) => {
    if (!path.test(asked)) return false
    response.writeHead(status, headers).end(body)
    return true
  }
}

/** Answers as the site does, with other headers. */
function withHeaders(path: RegExp, headers: Readonly<Record<string, string>>): Fault {
  return (asked, response) => {
    if (!path.test(asked)) return false
    const { writeHead } = response
    response.writeHead = ((status: number, own: Record<string, string> = {}) => {
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
      return writeHead.call(response, status, own)
    }) as typeof writeHead
    return false
  }
}

/** Takes a request for another one, as a server that decodes less or more. */
function reading(change: (url: string) => string): Fault {
  return (_path, _response, request) => {
    request.url = change(request.url ?? '')
    return false
  }
}

const missing = /modpress-verify|v999/
const html = { 'Content-Type': 'text/html; charset=utf-8' }
const json = { 'Content-Type': 'application/json' }
const xml = { 'Content-Type': 'application/xml' }
const page = '<!DOCTYPE html><html><head><title>App</title></head><body>Welcome</body></html>'

/** The site says that it is where the server is, so that consumers are those of this machine. */
const hereFault: Fault = (path, response, request) => {
  if (path !== '-/site.json') return false
  const url = `http://${request.headers.host}`
  response.writeHead(200, json).end(JSON.stringify({ format: 1, url, access: 'private' }))
  return true
}

function consumer(env: Readonly<Record<string, string>>): Pick<VerifyFault, 'fault' | 'options'> {
  const { PATH = '' } = process.env
  const home = makeDirectory()
  return { fault: hereFault, options: { env: { PATH, HOME: home, GOENV: 'off', GOFLAGS: '', ...env } } }
}

async function withTls(trusted: boolean): Promise<readonly [exit: 0 | 1 | 2, problems: readonly Problem[]]> {
  const { keyFile, certificateFile } = makeCertificate(makeDirectory(), ['localhost'])
  const key = { key: readFileSync(keyFile), cert: readFileSync(certificateFile) }
  const server = createServer(key, siteHandler(await goodSite()))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  try {
    return await runVerify([`https://localhost:${port}`], {
      env: trusted ? { SSL_CERT_FILE: certificateFile } : {},
    })
  } finally {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  }
}

const tool = 'github.com/acme/!tool/@v/v1.0.0'
const h1 = `h1:${'A'.repeat(43)}=`

/** Changes a copy of the site, and verifies it beside the good one or alone. */
async function withCopy(
  change: (site: string) => void,
  kind: 'mirror' | 'alone' = 'alone',
  options: VerifyOptions = {},
): Promise<readonly [exit: 0 | 1 | 2, problems: readonly Problem[]]> {
  const copy = await copySite()
  change(copy)
  return runVerify(kind === 'mirror' ? [await goodSite(), copy] : [copy], options)
}

function edit(site: string, path: string, change: (text: string) => string): void {
  const file = join(site, path)
  writeFileSync(file, change(readFileSync(file, 'latin1')), 'latin1')
}

const logShard = '-/manifest/go.example.com/log.jsonl'

const verifyFaults: Readonly<Record<VerifyCode, VerifyFault>> = {
  'site-missing': {
    point: 'An address below which nothing is.',
    because: 'must act',
    says: ['-/site.json answers 404 (text/plain): "nothing"'],
    exit: 2,
    fault: answering(/^-\//, 404, { 'Content-Type': 'text/plain' }, 'nothing'),
  },
  'site-unreachable': {
    point: 'Nobody listens on the port.',
    because: 'must act',
    says: ['GET http://127.0.0.1', 'ECONNREFUSED'],
    exit: 2,
    run: async () => {
      const server = createPlainServer()
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
      const { port } = server.address() as AddressInfo
      await new Promise((done) => server.close(done))
      return runVerify([`http://127.0.0.1:${port}`])
    },
  },
  'site-unreadable': {
    point: 'A single sign-on in front of all of the site.',
    because: 'must act',
    says: ['(302) to http://127.0.0.1/login', 'answers 200 (text/html): "App Welcome"'],
    exit: 2,
    fault: (path, response) => {
      if (path.startsWith('login')) response.writeHead(200, html).end(page)
      else response.writeHead(302, { Location: `/login?to=${path}` }).end()
      return true
    },
  },
  'certificate-invalid': {
    point: 'A certificate that nobody vouches for.',
    because: 'must act',
    says: ['signed by itself', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    exit: 2,
    run: () => withTls(false),
  },
  'certificate-expiring': {
    point: 'A certificate for two days.',
    because: 'suspicious',
    says: ['localhost', 'expires on'],
    exit: 1,
    run: () => withTls(true),
  },
  'http-plain': {
    point: 'Plain http at a host whose address is public.',
    because: 'suspicious',
    says: ['plain http'],
    exit: 1,
    run: () => atPublicHost(),
  },
  'site-redirected': {
    point: 'The address leads to another one.',
    because: 'suspicious',
    says: ['redirects'],
    exit: 1,
    fault: (_path, response, request) => {
      const { url = '' } = request
      if (url.startsWith('/to/')) request.url = url.slice(3)
      else response.writeHead(301, { Location: `/to${url}` }).end()
      return !url.startsWith('/to/')
    },
  },
  'missing-forbidden': {
    point: 'S3 without the right to list.',
    because: 'must act',
    says: ['403 (application/xml): "AccessDenied"', '404 is due', '/@v/list', 'The same goes for'],
    exit: 1,
    fault: answering(missing, 403, xml, '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'),
  },
  'missing-unauthorized': {
    point: 'Only what is not there asks for credentials.',
    because: 'must act',
    says: ['answers 401'],
    exit: 1,
    fault: answering(missing, 401),
  },
  'missing-answered': {
    point: 'A front page for everything that is not there.',
    because: 'must act',
    says: ['answers 200 (text/html): "App Welcome"', '404 is due'],
    exit: 1,
    fault: answering(missing, 200, html, page),
  },
  'missing-redirected': {
    point: 'A login for what is not there.',
    because: 'must act',
    says: ['is redirected (302) to http://127.0.0.1/sso and answers 200'],
    exit: 1,
    fault: (path, response) => {
      if (path.startsWith('sso')) response.writeHead(200, html).end(page)
      else if (missing.test(path)) response.writeHead(302, { Location: '/sso?token=canary' }).end()
      else return false
      return true
    },
  },
  'missing-failing': {
    point: 'The server falls over what is not there.',
    because: 'must act',
    says: ['answers 500'],
    exit: 1,
    fault: answering(missing, 500),
  },
  'missing-cached': {
    point: 'A cache in front that keeps what is not there for a minute.',
    because: 'suspicious',
    says: ['Cache-Control: public, max-age=60', 'for 60 s'],
    exit: 1,
    fault: answering(missing, 404, { 'Cache-Control': 'public, max-age=60' }),
  },
  'gatekeeper-open': {
    point: 'A gatekeeper that the host does not have.',
    because: 'suspicious',
    says: ['answers 404', 'an empty list is due'],
    exit: 1,
    fault: answering(
      /^-\/site\.json$/,
      200,
      json,
      JSON.stringify({
        format: 1,
        url: 'https://go.example.com',
        access: 'public',
        host: 'nginx',
        gatekeeper: true,
      }),
    ),
  },
  'file-missing': {
    point: 'A .mod was not deployed.',
    because: 'must act',
    says: [/%21tool\/@v\/v1\.0\.0\.mod answers 404/],
    exit: 1,
    fault: answering(/v1\.0\.0\.mod$/, 404),
  },
  'file-forbidden': {
    point: 'A .mod that the server may not read.',
    because: 'must act',
    says: ['v1.0.0.mod answers 403'],
    exit: 1,
    fault: answering(/v1\.0\.0\.mod$/, 403),
  },
  'file-redirected': {
    point: 'A redirect that loses the path.',
    because: 'must act',
    says: ['v1.0.0.mod is redirected (301) to http://127.0.0.1/ and answers 200'],
    exit: 1,
    fault: answering(/v1\.0\.0\.mod$/, 301, { Location: '/' }),
  },
  'file-unreadable': {
    point: 'A part of a file, where all of it was asked for.',
    because: 'must act',
    says: ['v1.0.0.mod answers 206'],
    exit: 1,
    fault: answering(/v1\.0\.0\.mod$/, 206, {}, 'module'),
  },
  'file-replaced': {
    point: 'An error as JSON, with the status 200.',
    because: 'must act',
    says: ['v1.0.0.zip answers 200 (application/json)', 'error'],
    exit: 1,
    fault: answering(/v1\.0\.0\.zip$/, 200, json, '{"error":"not found"}'),
  },
  'file-cut': {
    point: 'A connection that ends before the zip does.',
    because: 'must act',
    says: ['v1.0.0.zip ends after 4 of 4000 bytes'],
    exit: 1,
    fault: (path, response) => {
      if (!/v1\.0\.0\.zip$/.test(path)) return false
      response.writeHead(200, { 'Content-Length': '4000' }).write('PK\u0003\u0004', () => response.destroy())
      return true
    },
  },
  'plus-misread': {
    point: 'S3, which reads "+" as a space.',
    because: 'must act',
    says: ['v2.0.0+incompatible.info answers 404', '"+" as "%2B"'],
    exit: 1,
    fault: reading((url) => url.replaceAll('+', '%20')),
  },
  'bang-misread': {
    point: 'A host that looks for "%21" as it is.',
    because: 'must act',
    says: ['%21tool', '"!" as it is'],
    exit: 1,
    fault: reading((url) => url.replaceAll('%21', '%2521')),
  },
  'name-encoding': {
    point: 'A host that looks for "%40" as it is.',
    because: 'suspicious',
    says: ['%40v', 'answers 404'],
    exit: 1,
    fault: reading((url) => url.replaceAll('%40', '%2540')),
  },
  'case-folded': {
    point: 'A host whose disk knows no letter case.',
    because: 'suspicious',
    says: ['letter case does not count'],
    exit: 1,
    fault: reading((url) => (/[A-Z]/.test(url) ? url.toLowerCase() : url)),
  },
  'encoding-wrong': {
    point: 'A compression that nobody asked for.',
    because: 'must act',
    says: ['v1.0.0.mod answers 200', 'has the hash'],
    exit: 1,
    fault: answering(/v1\.0\.0\.mod$/, 200, { 'Content-Encoding': 'br' }, 'what only br undoes'),
  },
  'zip-encoded': {
    point: 'A zip that is compressed once more.',
    because: 'informs',
    says: ['v1.0.0.zip', 'Content-Encoding'],
    exit: 0,
    run: async () => {
      const server = await startLiveServer(await goodSite())
      const zip = readFileSync(join(await goodSite(), `${tool}.zip`))
      server.fault = answering(
        /!tool\/@v\/v1\.0\.0\.zip$/,
        200,
        { 'Content-Encoding': 'gzip' },
        gzipSync(zip),
      )
      try {
        return await runVerify([server.url])
      } finally {
        await server.close()
      }
    },
  },
  'zip-altered': {
    point: 'A zip of another version.',
    because: 'must act',
    says: ['v1.0.0.zip', 'It has the hash h1:', 'and the manifest says h1:'],
    exit: 1,
    run: () =>
      withCopy((site) =>
        cpSync(
          join(site, 'go.example.com/log/@v/v1.1.0.zip'),
          join(site, 'go.example.com/log/@v/v1.0.0.zip'),
        ),
      ),
  },
  'zip-repacked': {
    point: 'A zip with a comment at its end.',
    because: 'informs',
    says: ['v1.0.0.zip', 'the right h1', 'sha256'],
    exit: 0,
    run: () => withCopy((site) => edit(site, `${tool}.zip`, (text) => `${text.slice(0, -2)}\u0001\u0000!`)),
  },
  'mod-altered': {
    point: 'Line ends that were changed on the way.',
    because: 'must act',
    says: ['v1.0.0.mod', 'has the hash h1:'],
    exit: 1,
    run: () => withCopy((site) => edit(site, `${tool}.mod`, (text) => text.replaceAll('\n', '\r\n'))),
  },
  'info-altered': {
    point: 'A time of another deployment.',
    because: 'must act',
    says: ['v1.0.0.info', 'has the time 2001-01-01T00:00:00Z'],
    exit: 1,
    run: () =>
      withCopy((site) =>
        edit(site, `${tool}.info`, (text) => text.replace(/"Time":"[^"]+"/, '"Time":"2001-01-01T00:00:00Z"')),
      ),
  },
  'list-stale': {
    point: 'A list from before the last version.',
    because: 'must act',
    says: ['/@v/list answers 200', 'lacks v1.2.0-RC1'],
    exit: 1,
    fault: answering(/log\/@v\/list$/, 200, {}, 'v1.0.0\nv1.1.0\n'),
  },
  'list-extra': {
    point: 'A list with a version whose files were taken away.',
    because: 'must act',
    says: ['names v9.0.0, of which nothing is published'],
    exit: 1,
    fault: answering(/log\/@v\/list$/, 200, {}, 'v1.0.0\nv1.1.0\nv1.2.0-RC1\nv9.0.0\n'),
  },
  'answer-stale': {
    point: 'The answer to @latest is the last but one.',
    because: 'must act',
    says: ['/@latest', 'says v1.0.0, and @latest is v1.1.0'],
    exit: 1,
    fault: answering(/log\/@latest$/, 200, json, '{"Version":"v1.0.0","Time":"2023-01-01T00:00:00Z"}'),
  },
  'withdrawn-served': {
    point: 'A deployment that took no file away.',
    because: 'must act',
    says: ['v1.1.0.info is there', 'v1.1.0 was withdrawn'],
    exit: 1,
    run: () =>
      withCopy((site) =>
        edit(site, logShard, (text) => {
          const line = /^\{"path":"go.example.com\/log","version":"v1.1.0".*\n/m
          const tombstone = { withdrawn: 'go.example.com/log', version: 'v1.1.0', reason: 'a key', time: 1 }
          return `${text.replace(line, '')}${JSON.stringify(tombstone)}\n`
        }),
      ),
  },
  'page-unresolvable': {
    point: 'HTML without its quotes.',
    because: 'must act',
    says: ['cannot be read by go'],
    exit: 1,
    fault: answering(
      /^log\?/,
      200,
      html,
      '<head><link href=/x.css><meta name="go-import" content="a mod b"></head>',
    ),
  },
  'pages-unindexed': {
    point: 'A host without an index.',
    because: 'suspicious',
    says: ['answers 404', 'index.html there is a page'],
    exit: 1,
    fault: (path, response) => {
      if (!/(?:^|\/)[^./]*(?:\?.*)?$/.test(path) || path.endsWith('/list')) return false
      response.writeHead(404).end()
      return true
    },
  },
  'record-damaged': {
    point: 'The record of a module is empty.',
    because: 'must act',
    says: ['log.json', 'is no record of a module'],
    exit: 1,
    fault: answering(/-\/modules\/.*log\.json$/, 200, json),
  },
  'record-stale': {
    point: 'A shard from before the index of the manifest.',
    because: 'suspicious',
    says: ['are of different times'],
    exit: 1,
    run: () =>
      withCopy((site) =>
        edit(site, logShard, (text) => text.replace(/"settings":"[^"]+"/, '"settings":"other"')),
      ),
  },
  'site-unsettled': {
    point: 'A publisher was stopped.',
    because: 'informs',
    says: ['go.example.com/log'],
    exit: 1,
    run: () =>
      withCopy((site) =>
        edit(site, logShard, (text) => text.replace('"state":"settled"', '"state":"unsettled"')),
      ),
  },
  'cached-long': {
    point: 'All files alike are kept for a year.',
    because: 'suspicious',
    says: ['31536000 s', 'immutable', 'it changes'],
    exit: 1,
    fault: withHeaders(/list$/, { 'Cache-Control': 'public, max-age=31536000, immutable' }),
  },
  'lifetime-missing': {
    point: 'A cache on the way, and nothing that tells it how long.',
    because: 'suspicious',
    says: ['has no Cache-Control'],
    exit: 1,
    fault: answering(/home\/@v\/list$/, 200, { Via: '1.1 cache' }, 'v0.1.0\n'),
  },
  'private-cached': {
    point: 'A password, and leave for all caches.',
    because: 'suspicious',
    says: ['Cache-Control: public, max-age='],
    exit: 1,
    password: 'reader:canary',
    fault: withHeaders(/\/@v\/list$/, { 'Cache-Control': 'public, max-age=60' }),
  },
  'type-misleading': {
    point: 'A list as HTML.',
    because: 'informs',
    says: ['/@v/list', 'text/html'],
    exit: 0,
    fault: answering(/home\/@v\/list$/, 200, html, 'v0.1.0\n'),
  },
  'private-but-readable': {
    point: 'A private site at a host whose address is public.',
    because: 'must act',
    says: ['answers 200 (text/html) without credentials', '-/manifest.jsonl', '-/site.json'],
    exit: 1,
    run: () => atPublicHost(),
  },
  'login-page': {
    point: 'A login page for those without credentials.',
    because: 'suspicious',
    says: ['answers 200 (text/html): "App Welcome" without credentials'],
    exit: 1,
    options: { env: { MODPRESS_AUTH: 'reader:canary' } },
    fault: (_path, response, request) => {
      if (request.headers.authorization !== undefined) return false
      response.writeHead(200, html).end(page)
      return true
    },
  },
  'consumer-goproxy': {
    point: 'A machine on which nothing is set.',
    because: 'informs',
    says: ['GOPROXY', 'The same goes for github.com/acme'],
    exit: 1,
    ...consumer({ GOPROXY: 'https://proxy.example.com', GOPRIVATE: '' }),
  },
  'consumer-bypass': {
    point: 'GOPRIVATE for modules on another host than the site.',
    because: 'suspicious',
    says: ['GOPRIVATE=github.com/acme'],
    exit: 1,
    ...consumer({ GOPRIVATE: 'github.com/acme' }),
  },
  'consumer-sumdb': {
    point: 'A private module that the public checksum database is asked for.',
    because: 'suspicious',
    says: ['GONOSUMDB', 'github.com/acme'],
    exit: 1,
    ...consumer({ GOPRIVATE: 'github.com/acme', GONOSUMDB: 'example.org', GONOPROXY: 'github.com' }),
  },
  'consumer-flags': {
    point: 'Everything is taken from vendor.',
    because: 'suspicious',
    says: ['-mod=vendor'],
    exit: 1,
    ...consumer({ GOFLAGS: '-mod=vendor' }),
  },
  'consumer-insecure': {
    point: 'No check of TLS.',
    because: 'suspicious',
    says: ['GOINSECURE=*'],
    exit: 1,
    ...consumer({ GOINSECURE: '*' }),
  },
  'consumer-netrc': {
    point: 'A .netrc without the port.',
    because: 'suspicious',
    says: ['.netrc names 127.0.0.1, and go looks for 127.0.0.1'],
    exit: 1,
    password: 'reader:canary',
    get options() {
      const file = join(makeDirectory(), 'netrc')
      writeFileSync(file, 'machine 127.0.0.1 login reader password canary\n')
      const { options } = consumer({})
      return { env: { ...options?.env, NETRC: file, MODPRESS_AUTH: 'reader:canary' } }
    },
    fault: hereFault,
  },
  'mirror-lags': {
    point: 'A mirror from before the last version.',
    because: 'suspicious',
    says: ['lacks v1.1.0'],
    exit: 1,
    run: () =>
      withCopy(
        (site) =>
          edit(site, logShard, (text) =>
            text.replace(/^\{"path":"go.example.com\/log","version":"v1.1.0".*\n/m, ''),
          ),
        'mirror',
      ),
  },
  'mirror-differs': {
    point: 'A mirror that was built from a tag that had moved.',
    because: 'must act',
    says: [`has the hash ${h1}`],
    exit: 1,
    run: () =>
      withCopy(
        (site) =>
          edit(site, logShard, (text) => text.replace(/("version":"v1.1.0".*"h1":")[^"]+/, `$1${h1}`)),
        'mirror',
      ),
  },
  'sum-differs': {
    point: 'A consumer whose go.sum is from before a tag was moved.',
    because: 'must act',
    says: [`app/go.sum has ${h1} for the module`, 'the site serves h1:'],
    exit: 1,
    options: { goSums: new Map([['app/go.sum', `go.example.com/log v1.1.0 ${h1}\n`]]) },
  },
  'sum-missing': {
    point: 'A consumer that holds a commit which is not published.',
    because: 'must act',
    says: ['app/go.sum has go.example.com/log@v1.1.1-0.20260101000000-abcdefabcdef'],
    exit: 1,
    options: {
      goSums: new Map([['app/go.sum', `go.example.com/log v1.1.1-0.20260101000000-abcdefabcdef ${h1}\n`]]),
    },
  },
}

/** The same as scenarios of the catalogue. */
export const verifyScenarios: Readonly<Record<VerifyCode, Ending>> = mapRows((code, row) => ({
  ...row,
  run: () => runVerifyFault(code, row),
}))

function mapRows(make: (code: VerifyCode, row: VerifyFault) => Ending): Record<VerifyCode, Ending> {
  const rows = Object.entries(verifyFaults) as [VerifyCode, VerifyFault][]
  return Object.fromEntries(rows.map(([code, row]) => [code, make(code, row)])) as Record<VerifyCode, Ending>
}

async function atPublicHost(): Promise<readonly [exit: 0 | 1 | 2, problems: readonly Problem[]]> {
  const server = await startLiveServer(await goodSite())
  try {
    return await runVerify([`http://localhost:${server.port}`], { resolve: async () => ['203.0.113.7'] })
  } finally {
    await server.close()
  }
}
