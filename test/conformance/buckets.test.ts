/**
 * Publishing into the object storages of other people: many at once, killed at
 * every request, and read by go meanwhile. What comes of it is what one build
 * of everything gives, byte for byte.
 */

import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { build, index } from '../../src/build.ts'
import { loadSettings } from '../../src/config/load.ts'
import type { RepositoryConfig, Settings } from '../../src/config/schema.ts'
import { publish, publishInto } from '../../src/publish.ts'
import { openS3Store } from '../../src/store/s3.ts'
import type { Store } from '../../src/store/store.ts'
import { cliFile, runCli, startCli } from '../support/cli.ts'
import { faultyStore, findDangling, Killed, seededRandom } from '../support/faultystore.ts'
import { createGo } from '../support/gorun.ts'
import { makeDirectory, makeRepository } from '../support/repo.ts'
import { startS3Proxy } from '../support/s3proxy.ts'
import { missingServer, type S3Server, startS3Server } from '../support/s3server.ts'
import { startS3Stub } from '../support/s3stub.ts'
import { makeSample, type Sample } from '../support/sample.ts'
import { filesBelow } from '../support/site.ts'

const url = 'https://go.example.com'

describe.each(['gofakes3', 'versitygw'] as const)('%s', (kind) => {
  const isMissing = missingServer(kind) !== undefined
  let server: S3Server

  beforeAll(async () => {
    if (!isMissing) server = await startS3Server(kind)
  })
  afterAll(() => server?.close())

  const open = (prefix: string): Promise<Store> =>
    openS3Store({ bucket: server.bucket, prefix }, { env: server.env, access: 'private', backoffMs: 20 })

  test.skipIf(isMissing)('eight at once, with their own and with common modules, lose nothing', async () => {
    const samples = makeSamples(3)
    const whole = await settingsOf(samples)
    await build(whole)
    const target = `s3://${server.bucket}/eight`
    const parts = [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2], [2, 1, 0]]
    await Promise.all(
      parts.map(async (part) => {
        const settings = await settingsOf(part.map((at) => samples[at] as Sample))
        const { exit } = await publish(settings, [target], {
          env: server.env,
          index: 'leave',
          failOn: 'never',
        })
        expect(exit).toBe(0)
      }),
    )
    await index(whole, { target, env: server.env })
    expect(await readStore(await open('eight'))).toEqual(readSite(whole.output))
  })

  test.skipIf(isMissing)('races with crashes lose nothing, whatever the seed', async () => {
    const samples = [makeSmall('go.example.org/one'), makeSmall('go.example.org/two')]
    const whole = await settingsOf(samples)
    await build(whole)
    const want = readSite(whole.output)
    const first = await settingsOf(samples.slice(0, 1))
    const rounds = 100
    for (let seed = 1; seed <= rounds; seed++) {
      const random = seededRandom(seed)
      const store = await open(`race/${seed}`)
      const racers = [whole, first, whole, first].map(async (settings) => {
        // One request in thirty is the last of somebody.
        const killAt = 1 + Math.floor(random() * 90)
        const delay = () => (random() < 0.2 ? random() * 4 : 0)
        const faulty = faultyStore(store, { killAt, delay })
        await publishInto(faulty, settings, { index: 'leave' }).catch(mustBeKilled)
      })
      await Promise.all(racers)
      expect([seed, await findDangling(store)]).toEqual([seed, []])
      await publishInto(store, whole)
      expect([seed, await readStore(store)]).toEqual([seed, want])
    }
  })

  test.skipIf(isMissing)('a process that is killed at any request is finished by the next', async () => {
    cliFile()
    const sample = makeSmall('go.example.org/one')
    const whole = await settingsOf([sample])
    await build(whole)
    const want = readSite(whole.output)
    const proxy = await startS3Proxy(server.url)
    const cwd = makeDirectory()
    const config = { url, repositories: [sample.repository] }
    writeFileSync(join(cwd, 'modpress.config.json'), JSON.stringify(config))
    const env = { ...server.env, AWS_ENDPOINT_URL_S3: proxy.url }
    try {
      const counted = await runCli(['publish', `s3://${server.bucket}/kill/0`], { cwd, env })
      expect(counted).toMatchObject({ status: 0, stderr: '' })
      const all = proxy.requests.length
      expect(all).toBeGreaterThan(40)
      for (let at = 1; at <= all; at++) {
        const prefix = `kill/${at}`
        const target = `s3://${server.bucket}/${prefix}`
        const child = startCli(['publish', target], { cwd, env })
        const ended = once(child, 'close')
        proxy.at = { request: proxy.requests.length + at, act: () => child.kill('SIGKILL') }
        await ended
        delete proxy.at
        const store = await open(prefix)
        expect([at, await findDangling(store)]).toEqual([at, []])
        await publish(whole, [target], { env: server.env })
        expect([at, await readStore(store)]).toEqual([at, want])
      }
    } finally {
      await proxy.close()
    }
  })
})

describe('gofakes3', () => {
  const isMissing = missingServer('gofakes3') !== undefined

  test.skipIf(isMissing)('go reads while publishers write, and finds all that it is told', async () => {
    const server = await startS3Server('gofakes3')
    try {
      const root = 'go.example.org/one'
      const sample = makeSmall(root)
      const target = `s3://${server.bucket}/read`
      const settings = await settingsOf([sample])
      const options = { env: server.env, index: 'leave' } as const
      await publish(settings, [target], options)
      let isDone = false
      const writing = (async () => {
        for (let round = 0; round < 12; round++) {
          sample.release({ 'a.go': `package one // ${round}\n` }, `v1.${round + 2}.0`)
          await Promise.all([publish(settings, [target], options), publish(settings, [target], options)])
        }
        isDone = true
      })()
      const go = await createGo({ proxy: `${server.url}/${server.bucket}/read` })
      let reads = 0
      while (!isDone) {
        go.clean()
        const [listed] = await go.versions([root])
        const versions = listed?.versions ?? []
        expect(versions.length).toBeGreaterThan(1)
        const found = await go.download([`${root}@${versions.at(-1)}`, `${root}@latest`])
        expect(found.map(({ error }) => error)).toEqual([undefined, undefined])
        reads++
      }
      await writing
      await go.close()
      expect(reads).toBeGreaterThan(2)
    } finally {
      await server.close()
    }
  })
})

describe('a store without conditional writes', () => {
  test('is refused, and used by a single writer who says so', async () => {
    const server = await startS3Server('s3rver')
    try {
      const whole = await settingsOf(makeSamples(2))
      await build(whole)
      const target = `s3://${server.bucket}/single`
      const refused = publish(whole, [target], { env: server.env })
      await expect(refused).rejects.toMatchObject({ problem: { code: 'store-unconditional' }, exitCode: 2 })
      const options = { env: server.env, writers: 'single', failOn: 'never' } as const
      const { counts } = await publish(whole, [target], options)
      expect(counts.added).toBe(18)
      expect((await publish(whole, [target], options)).counts).toMatchObject({ added: 0, kept: 18 })
      const place = { bucket: server.bucket, prefix: 'single' }
      const store = await openS3Store(place, { env: server.env, access: 'private', writers: 'single' })
      expect(await readStore(store)).toEqual(readSite(whole.output))
    } finally {
      await server.close()
    }
  })
})

test('one new version costs the same in a registry of 100 versions and of 10,000', async () => {
  const costs: object[] = []
  for (const repositories of [10, 1000]) {
    const stub = await startS3Stub()
    try {
      const sample = makeSmall('go.example.org/new')
      const settings = await settingsOf([sample])
      const store = await openS3Store(
        { bucket: stub.bucket, prefix: '' },
        { env: stub.env, access: 'private' },
      )
      await publishInto(store, settings, { index: 'leave' })
      await fillRegistry(stub.objects, repositories)
      sample.release({ 'a.go': 'package one // new\n' }, 'v1.2.0')
      const job = await openS3Store({ bucket: stub.bucket, prefix: '' }, { env: stub.env, access: 'private' })
      const { counts } = await publishInto(job, settings, { index: 'leave' })
      expect(counts).toMatchObject({ added: 1, kept: 2 })
      costs.push(job.traffic)
    } finally {
      await stub.close()
    }
  }
  expect(costs[1]).toEqual(costs[0])
  console.log('One new version costs', costs[0])
})

/** Puts the files of so many other repositories, of ten versions each, into a bucket. */
async function fillRegistry(
  objects: Map<string, { readonly body: Buffer; readonly tag: string; readonly headers: object }>,
  repositories: number,
): Promise<void> {
  const [some] = objects.values()
  const put = (key: string, text: string) =>
    objects.set(key, { ...(some ?? { headers: {}, tag: '"0"' }), body: Buffer.from(text) })
  for (let at = 0; at < repositories; at++) {
    const path = `go.example.org/other${at}`
    put(`-/manifest/${path}.jsonl`, '{}\n')
    put(`-/modules/${path}.json`, '{}\n')
    for (let minor = 0; minor < 10; minor++) {
      for (const kind of ['zip', 'mod', 'info']) put(`${path}/@v/v1.${minor}.0.${kind}`, 'x')
    }
  }
}

function mustBeKilled(error: unknown): void {
  if (!(error instanceof Killed)) throw error
}

function makeSamples(count: number): Sample[] {
  const dir = makeDirectory()
  return Array.from({ length: count }, (_, at) => makeSample(join(dir, String(at)), `go.example.org/${at}`))
}

interface Small {
  readonly repository: RepositoryConfig
  release(files: Readonly<Record<string, string>>, tag: string): void
}

/** A repository of one module with two versions. */
function makeSmall(root: string): Small {
  const made = makeRepository()
  const release: Small['release'] = (files, tag) => {
    made.commit(files)
    made.git('tag', tag)
  }
  release({ 'go.mod': `module ${root}\n`, 'a.go': 'package one\n' }, 'v1.0.0')
  release({ 'a.go': 'package one // more\n' }, 'v1.1.0')
  return { repository: { root, dir: made.dir }, release }
}

async function settingsOf(samples: readonly { readonly repository: RepositoryConfig }[]): Promise<Settings> {
  const config = { url, repositories: samples.map(({ repository }) => repository) }
  return loadSettings({ cwd: makeDirectory(), env: {}, config })
}

async function readStore(store: Store): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for await (const { path } of store.list('')) {
    files.set(path, Buffer.from((await store.get(path))?.body ?? []).toString('latin1'))
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function readSite(dir: string): Map<string, string> {
  return new Map(filesBelow(dir).map((path) => [path, readFileSync(join(dir, path), 'latin1')]))
}
