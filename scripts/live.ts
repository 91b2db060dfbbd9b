/**
 * Proves a real bucket or host of the user's, in a few minutes:
 *
 *     npm run live -- s3://BUCKET[/PREFIX]             a bucket, by the credentials of the environment
 *     npm run live -- s3://BUCKET[/PREFIX] https://…   and the host that serves it
 *     npm run live -- https://…                        a registry as it is; nothing is written
 *
 * In a bucket all is done below a new name, "modpress-live-…", which is removed
 * at the end: four jobs publish samples at once, a tag moves, a version is
 * withdrawn, everything is read back, and the real go fetches each version and
 * must get what it gets from the repositories themselves. Of a registry as it
 * is, go fetches some versions, whose hashes must be those of the manifest.
 *
 * The command line is the real one. What is not as it should be is named, and
 * the exit status is 1.
 */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseIndex } from '../src/live/check.ts'
import { type LiveSource, openSource } from '../src/live/source.ts'
import { parseShard, shardPath } from '../src/manifest.ts'
import type { PublishedVersion } from '../src/model.ts'
import { compareVersions } from '../src/module/version.ts'
import { FatalError } from '../src/problem.ts'
import { openS3Store, parseS3Target } from '../src/store/s3.ts'
import type { Store } from '../src/store/store.ts'
import { createGo } from '../test/support/gorun.ts'
import { askAll, askOfRepositories, compareAnswers, plannedVersions } from './answers.ts'
import { describeMissing, findMissing } from './parts.ts'
import { makeSamples, moveTag, samplePrefix, samples } from './samples.ts'
import { createShow, indent, modpress, startModpress } from './show.ts'

const usage = `Usage: npm run live -- s3://BUCKET[/PREFIX] [https://ADDRESS]
       npm run live -- https://ADDRESS
`

/** So many versions are fetched by go: the newest of as many modules. */
const fetchedVersions = 20

const show = createShow()
const { title, expect, fail, failures } = show
const start = performance.now()
const work = mkdtempSync(join(tmpdir(), 'modpress-live-'))
const repos = join(work, 'repos')
/** The network is the user's own, and so are the credentials that go finds. */
const userNetwork = {
  HTTP_PROXY: process.env['HTTP_PROXY'] ?? '',
  HTTPS_PROXY: process.env['HTTPS_PROXY'] ?? '',
  NETRC: process.env['NETRC'] ?? join(homedir(), '.netrc'),
  GOAUTH: 'netrc',
  SSL_CERT_FILE: process.env['SSL_CERT_FILE'] ?? '',
  SSL_CERT_DIR: process.env['SSL_CERT_DIR'] ?? '',
  GOINSECURE: '',
}

const [target, address, ...more] = process.argv.slice(2)
try {
  const missing = findMissing('git', 'go')
  for (const part of missing) console.error(describeMissing(part))
  const isBucket = target?.startsWith('s3://') === true
  const isAddress = target !== undefined && /^https?:\/\//.test(target) && address === undefined
  if (missing.length > 0 || more.length > 0 || !(isBucket || isAddress)) {
    console.error(usage)
    process.exitCode = 2
  } else {
    if (isBucket) await proveBucket(target, address)
    else await proveRegistry(target)
    finish()
  }
} catch (error) {
  if (!(error instanceof FatalError)) throw error
  console.error(`${error.problem.message}\n${error.problem.hint}`)
  process.exitCode = 2
} finally {
  rmSync(work, { recursive: true, force: true })
}

function finish(): void {
  const seconds = ((performance.now() - start) / 1000).toFixed(0)
  if (failures.length === 0) {
    console.log(`\nAll of it is as it should be, in ${seconds} s.`)
    return
  }
  console.log(`\nNOT as it should be, after ${seconds} s:\n${failures.map((each) => `  ${each}\n`).join('')}`)
  process.exitCode = 1
}

// ---- A bucket ----

async function proveBucket(bucket: string, host: string | undefined): Promise<void> {
  const name = `modpress-live-${randomBytes(4).toString('hex')}`
  const place = `${bucket.replace(/\/$/, '')}/${name}`
  const site = `${host?.replace(/\/$/, '') ?? `https://${samplePrefix}`}/${name}`
  const store = await openBucket(place)
  makeSamples(repos)
  writeConfigs(site)
  try {
    await publishSamples(place)
    const direct = await createGo()
    const fromGit = await askOfRepositories(direct, repos)
    await direct.close()

    title('2. What is there is read back')
    await verify(place)
    if (host !== undefined) await verify(site)

    title('3. The real go reads the bucket, through "modpress serve"')
    await withLoopback(place, async (proxy) => {
      const go = await createGo({ proxy })
      compareAnswers(show, fromGit, await askAll(go))
      await go.close()
    })
    if (host !== undefined) {
      title('4. The real go reads the host')
      const go = await createGo({ proxy: site, env: userNetwork })
      compareAnswers(show, fromGit, await askAll(go))
      const [unknown] = await go.query([`${samplePrefix}/unknown@latest`])
      expect(
        /\b(404|410)\b|no matching versions/.test(unknown?.error ?? ''),
        'What is not there is a 404, so that go asks the next proxy.',
      )
      await go.close()
    }
    await moveAndWithdraw(place)
  } finally {
    title('Cleaning up')
    console.log(`   ${await removeAll(store)} files below ${place} are removed.`)
  }
}

function writeConfigs(url: string): void {
  mkdirSync(work, { recursive: true })
  const entry = (name: string) => `  - { root: ${samplePrefix}/${name}, dir: repos/${name} }\n`
  const head = `url: ${url}\naccess: private\nrepositories:\n`
  for (const { name } of samples) writeFileSync(join(work, `${name}.yaml`), head + entry(name))
  const all = samples.map(({ name }) => entry(name)).join('')
  writeFileSync(join(work, 'modpress.config.yaml'), head + all)
}

async function publishSamples(place: string): Promise<void> {
  title('1. Jobs publish at once, each its own repository')
  const jobs = await Promise.all(
    samples.map(({ name }) => run('publish', place, '--no-index', '--config', `${name}.yaml`)),
  )
  for (const [index, job] of jobs.entries()) {
    const { name } = samples[index] ?? { name: '' }
    expect(job.status === 0, `The job of ${name} has published.`)
    if (job.status !== 0) console.log(indent(job.output))
  }
  const indexed = await run('index', place)
  expect(indexed.status === 0, 'What spans modules is derived.')
  const again = await run('publish', place)
  const kept = Object.values(plannedVersions).flat().length
  expect(
    again.status === 0 && again.output.includes(`0 added, ${kept} kept`),
    `Nobody has lost anything: all ${kept} versions are there, and a run with nothing new adds none.`,
  )
  if (again.status !== 0) console.log(indent(again.output))
}

async function moveAndWithdraw(place: string): Promise<void> {
  title('5. A tag moves, and a version is withdrawn')
  moveTag(repos)
  const moved = await run('publish', place)
  expect(moved.status === 1 && moved.output.includes('(tag-moved)'), 'The moved tag is refused.')
  const name = `${samplePrefix}/greet@v1.0.0`
  const withdrawn = await run('withdraw', name, place, '--reason', 'To try it.')
  expect(withdrawn.status === 0, `${name} is withdrawn.`)
  const again = await run('publish', place)
  expect(
    again.status === 0 && again.output.includes('0 added'),
    'It does not come back, although its tag is there.',
  )
  await withLoopback(place, async (proxy) => {
    const go = await createGo({ proxy })
    const [gone, there] = await go.download([name, `${samplePrefix}/greet@v1.1.1`])
    expect(
      gone?.error !== undefined && there?.sum !== undefined,
      'Go no longer finds it, and finds the next one.',
    )
    await go.close()
  })
  await verify(place)
}

/** Serves a bucket on this machine while a function runs. */
async function withLoopback(place: string, use: (proxy: string) => Promise<void>): Promise<void> {
  const child = startModpress(['serve', place, '--port', '0'], { cwd: work, env: process.env })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const ended = once(child, 'close')
  try {
    const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), ended.then(() => [''])])
    const [, proxy] = /^GOPROXY=(\S+)$/.exec(String(line)) ?? []
    if (proxy === undefined) fail(`"modpress serve ${place}" does not serve: ${errors.trim()}`)
    else await use(proxy)
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}

/** Opens the bucket, which also finds out whether its writers can lose nothing to each other. */
async function openBucket(place: string): Promise<Store> {
  const parsed = parseS3Target(place)
  if ('code' in parsed) throw new FatalError(parsed)
  return openS3Store(parsed, { env: process.env })
}

async function removeAll(store: Store): Promise<number> {
  let count = 0
  for await (const { path } of store.list('')) {
    await store.remove(path)
    count += 1
  }
  return count
}

// ---- A registry as it is ----

async function proveRegistry(url: string): Promise<void> {
  title('1. What is there is read back')
  await verify(url)

  title('2. The real go fetches from it')
  const source = await openSource(url, { env: process.env })
  const newest = await findNewest(source)
  const go = await createGo({ proxy: source.name, env: userNetwork })
  const queries = newest.map(({ path, version }) => `${path}@${version}`)
  for (const [index, { sum, goModSum, error }] of (await go.download(queries)).entries()) {
    const want = newest[index]
    const isSame = sum === want?.h1 && goModSum === want?.goModH1
    expect(
      isSame,
      `${queries[index]} has the hashes of the manifest${error === undefined ? '.' : `: ${error}`}`,
    )
  }
  await go.close()
}

/** Returns the newest versions of the first modules of the manifest. */
async function findNewest(source: LiveSource): Promise<PublishedVersion[]> {
  const index = parseIndex((await readWhole(source, '-/manifest.jsonl')) ?? new Uint8Array())
  if (typeof index === 'string') throw new Error(`${source.name}/-/manifest.jsonl ${index}.`)
  const newest = new Map<string, PublishedVersion>()
  for (const { root } of index) {
    if (newest.size >= fetchedVersions) break
    const body = await readWhole(source, shardPath(root))
    const shard = body === undefined ? undefined : parseShard(Buffer.from(body).toString('utf8'))
    if (shard === undefined || shard === 'newer') {
      fail(`The record of ${root} cannot be read.`)
      continue
    }
    for (const version of shard.versions.values()) {
      const other = newest.get(version.path)
      if (other === undefined || compareVersions(other.version, version.version) < 0)
        newest.set(version.path, version)
    }
  }
  return [...newest.values()].slice(0, fetchedVersions)
}

async function readWhole(source: LiveSource, path: string): Promise<Uint8Array | undefined> {
  return source.read(path, async (chunks) => {
    const parts: Uint8Array[] = []
    for await (const chunk of chunks) parts.push(chunk)
    return Buffer.concat(parts)
  })
}

// ---- Both ----

async function verify(place: string): Promise<void> {
  const { status, output } = await run('verify', place)
  expect(status === 0, `"modpress verify ${place}" finds nothing wrong.`)
  if (status !== 0) console.log(indent(output))
}

/** Runs the command line with the user's own environment: the credentials are there. */
function run(...args: readonly string[]) {
  return modpress(args, { cwd: work, env: process.env }, 'quiet')
}
