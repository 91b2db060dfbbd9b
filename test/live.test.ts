/**
 * A build that starts from what is live, over http from a server of its own
 * and from a directory: it holds all that is live, adds what is new, and does
 * nothing at all where anything is not as it is named.
 */

import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { build as buildSite, index as indexSite } from '../src/build.ts'
import { loadSettings } from '../src/config/load.ts'
import type { RepositoryConfig } from '../src/config/schema.ts'
import { FatalError } from '../src/problem.ts'
import { openDirectoryStore } from '../src/store/directory.ts'
import { cliFile, parseLines, runCli } from './support/cli.ts'
import { findDangling } from './support/faultystore.ts'
import { hashTree, touchedTimes } from './support/hash.ts'
import { basic, type Fault, type LiveServer, startLiveServer } from './support/liveserver.ts'
import { makeDirectory, runGit } from './support/repo.ts'
import { makeSample, type Sample } from './support/sample.ts'
import { filesBelow } from './support/site.ts'

const one = 'go.example.org/one'
const two = 'example.com/Two'
const url = 'https://go.example.org'

let stage: string
let samples: { readonly one: Sample; readonly two: Sample }
/** A site of both repositories. */
let site: string
let live: LiveServer

beforeAll(async () => {
  cliFile()
  stage = makeDirectory()
  samples = { one: makeSample(join(stage, 'one'), one), two: makeSample(join(stage, 'two'), two) }
  site = join(stage, 'site')
  expect(await build(both(), ['--output', site])).toMatchObject({ status: 0 })
  live = await startLiveServer(site)
})

afterEach(() => {
  live.fault = undefined
  live.password = undefined
  live.requests.length = 0
})

afterAll(() => live.close())

function both(): RepositoryConfig[] {
  return [samples.one.repository, samples.two.repository]
}

interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

async function build(
  repositories: readonly RepositoryConfig[],
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  command = 'build',
): Promise<Outcome> {
  const cwd = makeDirectory()
  writeFileSync(join(cwd, 'modpress.config.json'), JSON.stringify({ url, repositories }))
  return runCli([command, ...args], { cwd, env })
}

/** Builds into a directory, and returns its name too. */
async function buildLive(
  repositories: readonly RepositoryConfig[],
  from: string,
  output: string = join(makeDirectory(), 'out'),
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome & { readonly output: string }> {
  return { output, ...(await build(repositories, ['--live', from, '--output', output], env)) }
}

/** A repository of the same commits, to go on from. */
function cloneOf({ dir, repository }: Sample): Pick<Sample, 'repository' | 'release' | 'git'> {
  const copy = join(makeDirectory(), 'clone')
  cpSync(dir, copy, { recursive: true })
  const git = (...args: readonly string[]) => runGit(copy, '', args).toString().trim()
  return {
    repository: { ...repository, dir: copy },
    git,
    release: (files, ...tags) => {
      for (const [name, content] of Object.entries(files)) writeFileSync(join(copy, name), content)
      git('add', '--all')
      git('commit', '--quiet', '--message', tags.join(' '))
      for (const tag of tags) git('tag', tag)
    },
  }
}

/** Builds in this process, and returns what ended it. */
async function failLive(from: string, output: string): Promise<FatalError> {
  const config = { url, repositories: both() }
  const settings = await loadSettings({ cwd: stage, env: {}, config, output })
  const error = await buildSite(settings, { env: { HOME: stage }, live: { source: from } }).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof FatalError) return error
  throw new Error('The build came to its end.', { cause: error })
}

function copyOf(directory: string): string {
  const copy = join(makeDirectory(), 'site')
  cpSync(directory, copy, { recursive: true })
  return copy
}

function isAsked(path: string): boolean {
  return live.requests.some((request) => request.path === path)
}

describe('into an empty directory', () => {
  test.for(['an address', 'an address with a path and a slash', 'a directory'])(
    'from %s, gives the bytes of the site itself',
    async (kind) => {
      const below = join(makeDirectory(), 'top')
      mkdirSync(below)
      cpSync(site, join(below, 'go'), { recursive: true })
      const other = kind.includes('path') ? await startLiveServer(below) : live
      const from = kind === 'a directory' ? site : kind.includes('path') ? `${other.url}/go/` : live.url
      const { status, stdout, stderr, output } = await buildLive(both(), from)
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      expect(stdout).toMatch(/^0 added, 18 kept, 2 refused; 0 errors, 0 warnings \(4 known\)\n$/)
      expect(filesBelow(output)).toEqual(filesBelow(site))
      expect(hashTree(output)).toBe(hashTree(site))
      if (other !== live) await other.close()
    },
  )

  test('adds what is new, as a build into the directory does', async () => {
    const clone = cloneOf(samples.one)
    clone.release({ 'a.go': 'package sample // three\n' }, 'v2.1.0')
    const repositories = [clone.repository, samples.two.repository]
    const known = copyOf(site)
    expect(await build(repositories, ['--output', known])).toMatchObject({ status: 0 })
    const { status, stdout, output } = await buildLive(repositories, live.url)
    expect(status).toBe(0)
    expect(stdout).toContain(`added  ${one}/v2@v2.1.0\n`)
    expect(stdout).toMatch(/^3 added, 18 kept/m)
    expect(hashTree(output)).toBe(hashTree(known))
  })

  test('keeps a root that is not configured, with all its files', async () => {
    const { status, output } = await buildLive([samples.one.repository], live.url)
    expect(status).toBe(0)
    expect(filesBelow(output)).toEqual(filesBelow(site))
    expect(hashTree(output)).toBe(hashTree(site))
  })

  test('keeps a version whose tag and repository are gone', async () => {
    const gone = { ...samples.two.repository, dir: join(stage, 'nowhere') }
    const { status, output } = await buildLive([samples.one.repository, gone], live.url)
    expect(status).toBe(1)
    const published = (directory: string) => filesBelow(directory).filter((path) => path.includes('@'))
    expect(published(output)).toEqual(published(site))
  })

  test('finds a tag that has moved since it was published', async () => {
    const clone = cloneOf(samples.one)
    clone.git('tag', '--force', 'v1.1.0', 'main')
    const { status, stdout, stderr, output } = await buildLive([clone.repository], live.url)
    expect(status).toBe(1)
    expect(stdout).toMatch(/^0 added/m)
    expect(stderr).toContain('(tag-moved)')
    const zip = 'go.example.org/one/@v/v1.1.0.zip'
    expect(readFileSync(join(output, zip))).toEqual(readFileSync(join(site, zip)))
  })

  test('a root that is not live is new', async () => {
    const third = makeSample(join(makeDirectory(), 'three'), 'example.com/three')
    const { status, stdout, output } = await buildLive([third.repository], live.url)
    expect(status).toBe(0)
    expect(stdout).toMatch(/^9 added, 0 kept/m)
    expect(filesBelow(output)).toEqual(expect.arrayContaining(filesBelow(site)))
    expect(readFileSync(join(output, '-/manifest.jsonl'), 'utf8').split('\n')).toHaveLength(4)
  })

  test('takes compressed answers and temporary failures for what they are', async () => {
    const failed = new Set<string>()
    live.fault = (path, response) => {
      if (path.startsWith('-/') && !failed.has(path)) {
        failed.add(path)
        response.writeHead(path.endsWith('.json') ? 429 : 503, { 'Retry-After': '0' }).end()
        return true
      }
      if (!path.endsWith('.mod')) return false
      const body = gzipSync(readFileSync(join(site, path)))
      response.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Length': body.length }).end(body)
      return true
    }
    const { status, output } = await buildLive(both(), live.url)
    expect(status).toBe(0)
    expect(failed.size).toBeGreaterThan(4)
    expect(hashTree(output)).toBe(hashTree(site))
  })
})

describe('a withdrawal that was killed after its tombstone', () => {
  const gone = `${one}/@v/v1.3.1`
  const tombstone = `{"withdrawn":"${one}","version":"v1.3.1","reason":"a key","time":1800000000}`

  /** What lies on the host then: the tombstone, and all else as it was, or all but the files. */
  async function killedSite(files: 'there' | 'gone'): Promise<string> {
    const killed = copyOf(site)
    const path = join(killed, `-/manifest/${one}.jsonl`)
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
    const kept = lines.filter((line) => !line.startsWith(`{"path":"${one}","version":"v1.3.1"`))
    expect(kept).toHaveLength(lines.length - 1)
    const text = [...kept, tombstone].join('\n').replace('"state":"settled"', '"state":"unsettled"')
    writeFileSync(path, `${text}\n`)
    if (files === 'gone') for (const kind of ['info', 'mod', 'zip']) rmSync(join(killed, `${gone}.${kind}`))
    await indexSite(await loadSettings({ cwd: stage, env: {}, config: { url, repositories: both() } }), {
      target: killed,
    })
    return killed
  }

  test.for(['there', 'gone'] as const)('is finished by a build, its files still %s', async (files) => {
    const from = await killedSite(files)
    const outputs = [undefined, copyOf(site)]
    const hashes = new Set<string>()
    for (const output of outputs) {
      const done = await buildLive(both(), from, output)
      expect(done.status).toBe(0)
      expect(filesBelow(done.output).filter((path) => path.startsWith(`${gone}.`))).toEqual([])
      expect(readFileSync(join(done.output, `${one}/@v/list`), 'utf8')).toBe('v1.0.0\nv1.1.0\nv1.2.0\n\n')
      expect(readFileSync(join(done.output, `${one}/@latest`), 'utf8')).toContain('"Version":"v1.2.0"')
      expect(readFileSync(join(done.output, `-/manifest/${one}.jsonl`), 'utf8')).toContain('"settled"')
      hashes.add(hashTree(done.output))
    }
    expect(hashes.size).toBe(1)
  })

  test('names nothing that is gone, also where the repository is not configured', async () => {
    const { status, output } = await buildLive([samples.two.repository], await killedSite('gone'))
    expect(status).toBe(0)
    expect(await findDangling(await openDirectoryStore(output))).toEqual([])
    expect(readFileSync(join(output, `${one}/@v/list`), 'utf8')).toBe('v1.0.0\nv1.1.0\nv1.2.0\n\n')
    expect(readFileSync(join(output, `${one}/@latest`), 'utf8')).toContain('"Version":"v1.2.0"')
    expect(readFileSync(join(output, `-/manifest/${one}.jsonl`), 'utf8')).toContain('"unsettled"')
  })
})

describe('into a directory of an earlier run', () => {
  test('fetches no version again that is right', async () => {
    const output = copyOf(site)
    const before = hashTree(output)
    expect(await buildLive(both(), live.url, output)).toMatchObject({ status: 0 })
    expect(live.requests.filter(({ path }) => /@v\//.test(path))).toEqual([])
    expect(hashTree(output)).toBe(before)
  })

  test('mends what is not', async () => {
    const output = copyOf(site)
    appendFileSync(join(output, 'go.example.org/one/@v/v1.0.0.zip'), 'x')
    writeFileSync(join(output, 'go.example.org/one/@v/v1.1.0.mod'), 'module example.com/other\n')
    writeFileSync(join(output, 'go.example.org/one/@v/v1.2.0.info'), '{}')
    writeFileSync(join(output, 'go.example.org/one/@v/list'), 'v9.9.9\n')
    rmSync(join(output, 'one'), { recursive: true })
    expect(await buildLive(both(), live.url, output)).toMatchObject({ status: 0 })
    expect(
      live.requests
        .filter(({ path }) => /@v\//.test(path))
        .map(({ path }) => path)
        .sort(),
    ).toEqual([
      'go.example.org/one/@v/v1.0.0.zip',
      'go.example.org/one/@v/v1.1.0.mod',
      'go.example.org/one/@v/v1.2.0.info',
    ])
    expect(hashTree(output)).toBe(hashTree(site))
  })

  test('removes what was never deployed, and leaves what is not modpress’s', async () => {
    const output = copyOf(site)
    const clone = cloneOf(samples.one)
    clone.release({ 'a.go': 'package sample // three\n' }, 'v2.1.0')
    const third = makeSample(join(makeDirectory(), 'three'), 'example.com/three')
    const repositories = [clone.repository, samples.two.repository, third.repository]
    expect(await build(repositories, ['--output', output])).toMatchObject({ status: 0 })
    expect(hashTree(output)).not.toBe(hashTree(site))
    writeFileSync(join(output, 'CNAME'), 'go.example.org\n')
    expect(await buildLive(both(), live.url, output)).toMatchObject({ status: 0 })
    expect(readFileSync(join(output, 'CNAME'), 'utf8')).toBe('go.example.org\n')
    rmSync(join(output, 'CNAME'))
    expect(filesBelow(output)).toEqual(filesBelow(site))
    expect(hashTree(output)).toBe(hashTree(site))
  })

  test('which is the live one itself, is a mistake', async () => {
    const output = copyOf(site)
    const before = hashTree(output)
    const { status, stderr } = await buildLive(both(), output, output)
    expect({ status, before }).toEqual({ status: 2, before: hashTree(output) })
    expect(stderr).toContain('is the output directory itself')
  })
})

describe('the very first time', () => {
  test('needs --new, which is for that time only', async () => {
    const empty = await startLiveServer(makeDirectory())
    const output = join(makeDirectory(), 'out')
    const args = ['--output', output, '--live', empty.url]
    const without = await build(both(), args)
    expect(without.status).toBe(2)
    expect(without.stderr).toMatch(/\(live-missing\)\n {2}hint: .*--new/)
    expect(existsSync(output)).toBe(false)
    expect(await build(both(), [...args, '--new'])).toMatchObject({ status: 0, stderr: expect.anything() })
    expect(hashTree(output)).toBe(hashTree(site))
    await empty.close()

    const second = join(makeDirectory(), 'out')
    const { status, stderr } = await build(both(), ['--output', second, '--live', live.url, '--new'])
    expect(status).toBe(2)
    expect(stderr).toContain('(live-exists)')
    expect(existsSync(second)).toBe(false)
  })

  test.for([401, 403, 500])('is not what an answer of %d means', async (code) => {
    live.fault = (_, response) => Boolean(response.writeHead(code).end())
    const output = join(makeDirectory(), 'out')
    const { status, stderr } = await build(both(), ['--output', output, '--live', live.url, '--new'])
    expect(status).toBe(2)
    expect(stderr).toContain('(live-unreachable)')
    expect(existsSync(output)).toBe(false)
  })
})

const index = '-/manifest.jsonl'
const shard = '-/manifest/go.example.org/one.jsonl'
const record = '-/modules/example.com/!two.json'
const zip = 'go.example.org/one/v2/@v/v2.0.0.zip'
const mod = 'example.com/!two/@v/v1.3.1.mod'
const info = 'example.com/!two/sub/@v/v0.1.0.info'
const files = [index, shard, record, zip, mod, info]

/** Answers with other bytes. */
function serving(response: ServerResponse, body: string | Uint8Array, type = 'text/plain'): true {
  response.writeHead(200, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) }).end(body)
  return true
}

function cut(path: string, response: ServerResponse): true {
  const body = readFileSync(join(site, path))
  response.writeHead(200, { 'Content-Length': body.length })
  response.write(body.subarray(0, body.length / 2), () => response.destroy())
  return true
}

/** Ends in time, as far as anyone can tell. */
function cutUnseen(path: string, response: ServerResponse): true {
  const body = readFileSync(join(site, path))
  response.writeHead(200)
  response.end(body.subarray(0, body.length / 2))
  return true
}

type Answer = (path: string, response: ServerResponse) => true

const answers: Readonly<Record<string, Answer>> = {
  '401': (_, response) => Boolean(response.writeHead(401).end()) as true,
  '403': (_, response) => Boolean(response.writeHead(403).end()) as true,
  '404': (_, response) => Boolean(response.writeHead(404).end()) as true,
  '410': (_, response) => Boolean(response.writeHead(410).end()) as true,
  '500': (_, response) => Boolean(response.writeHead(500).end()) as true,
  '204': (_, response) => Boolean(response.writeHead(204).end()) as true,
  'a cut': cut,
  'a cut that ends in order': cutUnseen,
  'a connection that breaks': (_, response) => Boolean(response.destroy()) as true,
  'an HTML page': (_, response) => serving(response, '<!doctype html><title>Sign in</title>', 'text/html'),
  'nothing at all': (_, response) => serving(response, ''),
  'other bytes': (path, response) =>
    serving(
      response,
      readFileSync(join(site, path)).map((byte, at) => (at === 20 ? byte ^ 1 : byte)),
    ),
}

describe('nothing is written, and the exit status is 2,', () => {
  test.concurrent.for(files)('where %s is answered wrongly', async (file) => {
    const cached = copyOf(site)
    rmSync(join(cached, file))
    appendFileSync(join(cached, '404.html'), 'x')
    const before = touchedTimes(cached)
    const cases = Object.entries(answers).map(async ([name, answer]) => {
      const server = await startLiveServer(site)
      server.fault = (path, response) => path === file && answer(path, response)
      const fresh = join(makeDirectory(), 'deep', 'out')
      for (const output of [fresh, cached]) {
        const { exitCode, problem } = await failLive(server.url, output)
        expect(exitCode, name).toBe(2)
        expect(problem.code, name).toMatch(/^live-(?:missing|damaged|unreachable)$/)
        expect(problem.message, name).toContain(`${server.url}/${file}`)
        if (name === 'an HTML page') expect(problem.message).toContain('HTML page')
      }
      expect(existsSync(join(fresh, '..')), name).toBe(false)
      await server.close()
    })
    await Promise.all(cases)
    expect(touchedTimes(cached)).toEqual(before)
  })

  test.for(['401', '404', '500', 'a cut'])('where the command meets %s', async (name) => {
    live.fault = (path, response) => path === index && answers[name]?.(path, response) === true
    const { status, stdout, stderr, output } = await buildLive(both(), live.url)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^error: .*\((?:live-missing|live-unreachable)\)\n {2}hint: .*\n$/)
    expect(existsSync(output)).toBe(false)
  })

  test('where a shard is older than the index that names it, or the index than the shard', async () => {
    const clone = cloneOf(samples.one)
    clone.release({ 'a.go': 'package sample // three\n' }, 'v2.1.0')
    const newer = copyOf(site)
    const repositories = [clone.repository, samples.two.repository]
    expect(await build(repositories, ['--output', newer])).toMatchObject({ status: 0 })
    for (const file of [index, shard, '-/modules/go.example.org/one/v2.json']) {
      live.fault = (path, response) => path === file && serving(response, readFileSync(join(newer, path)))
      const { status, stderr, output } = await buildLive(repositories, live.url)
      expect({ file, status }).toEqual({ file, status: 2 })
      expect(stderr).toContain('(live-damaged)')
      expect(existsSync(output)).toBe(false)
    }
  })

  test('where the manifest would lead out of the site', async () => {
    const bad = copyOf(site)
    for (const line of [
      '{"root":"../../x","shard":"-/manifest/../../x.jsonl","sha256":"00"}',
      '{}',
      'x',
      '[]',
    ]) {
      writeFileSync(join(bad, index), `${line}\n`)
      const { status, stderr } = await buildLive(both(), bad)
      expect({ line, status }).toEqual({ line, status: 2 })
      expect(stderr).toContain('(live-damaged)')
    }
  })

  test('where nobody answers', async () => {
    const closed = await startLiveServer(site)
    await closed.close()
    const { status, stderr, output } = await buildLive(both(), closed.url)
    expect(status).toBe(2)
    expect(stderr).toMatch(/the connection failed: ECONNREFUSED, 4 times.*\(live-unreachable\)/)
    expect(existsSync(output)).toBe(false)
  })

  test('and nothing stays in the temporary directory', async () => {
    const temporary = makeDirectory()
    const env = { TMPDIR: temporary, TEMP: temporary, TMP: temporary }
    expect(await buildLive(both(), live.url, undefined, env)).toMatchObject({ status: 0 })
    live.fault = (path, response) => path === zip && Boolean(response.writeHead(403).end())
    expect(await buildLive(both(), live.url, undefined, env)).toMatchObject({ status: 2 })
    expect(readdirSync(temporary)).toEqual([])
    expect(tmpdir()).not.toBe(temporary)
  })
})

describe('credentials', () => {
  const secret = 'canary+pa:ss'
  const password = `ann:${secret}`
  function netrc(machine: string): Record<string, string> {
    const file = join(makeDirectory(), 'netrc')
    writeFileSync(
      file,
      `machine other.example.com login x password y\nmachine ${machine}\nlogin ann\npassword ${secret}\n`,
    )
    return { NETRC: file }
  }

  /** Every form in which the secret could be shown. */
  const traces = [
    'canary',
    encodeURIComponent(secret),
    basic(password).slice(6),
    basic(password).slice(10, 30),
  ]

  function expectNoTrace({ stdout, stderr }: Outcome, ...directories: readonly string[]): void {
    const texts = [stdout, stderr]
    for (const directory of directories) {
      for (const file of filesBelow(directory))
        texts.push(file, readFileSync(join(directory, file), 'latin1'))
    }
    for (const trace of traces) expect(texts.filter((text) => text.includes(trace))).toEqual([])
  }

  /** How credentials are given: in the address, and in the environment. */
  const ways: Readonly<Record<string, (server: LiveServer) => readonly [string, Record<string, string>]>> = {
    'in the address': (server) => [server.url.replace('//', `//ann:${encodeURIComponent(secret)}@`), {}],
    'by MODPRESS_AUTH': (server) => [server.url, { MODPRESS_AUTH: password }],
    'by MODPRESS_AUTH, as a header': (server) => [server.url, { MODPRESS_AUTH: basic(password) }],
    'by .netrc, with the port': (server) => [server.url, netrc(`127.0.0.1:${server.port}`)],
  }

  test.for(Object.entries(ways))('%s are sent and never shown', async ([, give]) => {
    live.password = password
    const [from, env] = give(live)
    const good = await buildLive(both(), from, undefined, { ...env, MODPRESS_DEBUG: '1' })
    expect(good).toMatchObject({ status: 0, stderr: '' })
    expect(hashTree(good.output)).toBe(hashTree(site))
    expectNoTrace(good, good.output)
    const runs = ['401', '500', 'a cut', 'an HTML page', 'other bytes'].map(async (name) => {
      const server = await startLiveServer(site)
      server.password = password
      server.fault = (path, response) => path === shard && answers[name]?.(path, response) === true
      const [address, given] = give(server)
      const summary = join(makeDirectory(), 'summary')
      const args = ['--json', '--live', address, '--output', join(makeDirectory(), 'out')]
      const debug = { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summary, MODPRESS_DEBUG: '1' }
      const bad = await build(both(), args, { ...given, ...debug })
      expect(bad.status).toBe(2)
      expect(parseLines(bad.stdout).at(-1)).toMatchObject({ type: 'report', exit: 2 })
      expectNoTrace(bad)
      await server.close()
    })
    await Promise.all(runs)
  })

  test.for([
    ['nobody', {}],
    ['a machine without its port', 'netrc'],
    ['a wrong password', { MODPRESS_AUTH: 'ann:canary' }],
  ] as const)('of %s are refused by the host', async ([, given]) => {
    live.password = password
    const env = given === 'netrc' ? netrc('127.0.0.1') : given
    const outcome = await buildLive(both(), live.url, undefined, env)
    expect(outcome.status).toBe(2)
    expect(outcome.stderr).toMatch(/answers 401\. \(live-unreachable\)\n {2}hint: .*MODPRESS_AUTH/)
    expectNoTrace(outcome)
  })

  test('do not follow a redirect to another host, nor are they shown when it refuses', async () => {
    const other = await startLiveServer(site)
    live.password = password
    const redirect: Fault = (path, response) => {
      if (path === index) return false
      const location = `http://canary:canary@127.0.0.1:${other.port}/${path}?token=canary`
      return Boolean(response.writeHead(302, { Location: location }).end())
    }
    live.fault = redirect
    const good = await buildLive(both(), live.url, undefined, { MODPRESS_AUTH: password })
    expect(good).toMatchObject({ status: 0, stderr: '' })
    expect(hashTree(good.output)).toBe(hashTree(site))
    expect(other.requests.length).toBeGreaterThan(10)
    expect(other.requests.filter(({ authorization }) => authorization !== undefined)).toEqual([])
    other.password = 'someone:else'
    const bad = await buildLive(both(), live.url, undefined, { MODPRESS_AUTH: password })
    expect(bad.status).toBe(2)
    expectNoTrace(bad)
    await other.close()
  })

  test('stay where the redirect stays', async () => {
    live.password = password
    live.fault = (path, response, { url: target = '' }) => {
      if (target.includes('?')) return false
      return Boolean(response.writeHead(307, { Location: `/${path}?moved` }).end())
    }
    expect(await buildLive(both(), live.url, undefined, { MODPRESS_AUTH: password })).toMatchObject({
      status: 0,
    })
  })

  test.for(['ftp://127.0.0.1/canary', 'file:///canary', 'javascript:canary', 'http://', undefined])(
    'and nothing else go to %s',
    async (location) => {
      const headers = location === undefined ? {} : { Location: location }
      live.fault = (_, response) => Boolean(response.writeHead(302, headers).end())
      const outcome = await buildLive(both(), live.url)
      expect(outcome.status).toBe(2)
      expect(outcome.stderr).toMatch(/redirects to .*\(live-unreachable\)/)
      expectNoTrace(outcome)
    },
  )

  test('a loop of redirects comes to an end', async () => {
    live.fault = (path, response) => Boolean(response.writeHead(301, { Location: `/${path}` }).end())
    const { status, stderr } = await buildLive(both(), live.url)
    expect(status).toBe(2)
    expect(stderr).toContain('redirects more than 5 times')
  })
})

describe('what is no place of a site', () => {
  test.for([
    ['', {}, 'is empty'],
    ['ftp://go.example.com', {}, 'is neither an address'],
    ['https://ann:canary@', {}, 'is not a valid address'],
    ['https://go.example.com/?token=canary', {}, 'has a query'],
    ['http://ann:canary@go.example.com', {}, 'not sent over http'],
    ['http://go.example.com', { MODPRESS_AUTH: 'Bearer canary' }, 'not sent over http'],
    ['https://go.example.com', { MODPRESS_AUTH: 'canary' }, 'neither USER:PASSWORD'],
    ['https://go.example.com', { MODPRESS_AUTH: 'ann:ca\nnary' }, 'control character'],
  ] as const)('%s with %j', async ([from, env, message]) => {
    const { status, stdout, stderr, output } = await buildLive(both(), from, undefined, env)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain(message)
    expect(stderr).toContain('(usage)')
    expect(stderr).not.toContain('canary')
    expect(existsSync(output)).toBe(false)
  })
})

describe('plan --live', () => {
  test('says what a build would do, and reads the manifest alone', async () => {
    const clone = cloneOf(samples.one)
    clone.release({ 'a.go': 'package sample // three\n' }, 'v2.1.0')
    const output = join(makeDirectory(), 'out')
    const args = ['--live', live.url, '--output', output]
    const { status, stdout } = await build([clone.repository], args, {}, 'plan')
    expect(status).toBe(0)
    expect(stdout).toContain(`add     ${one}/v2@v2.1.0\n`)
    expect(stdout).toMatch(/^3 to add, 9 to keep/m)
    expect(existsSync(output)).toBe(false)
    expect(live.requests.map(({ path }) => path).sort()).toEqual(
      [index, '-/manifest/example.com/!two.jsonl', shard].sort(),
    )
    live.fault = (path, response) => path === shard && Boolean(response.writeHead(404).end())
    expect(await build([clone.repository], args, {}, 'plan')).toMatchObject({ status: 2 })
    expect(isAsked(zip)).toBe(false)
  })
})
