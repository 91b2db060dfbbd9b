/**
 * The suite that object storages of other people pass: many publishers at
 * once, crashes, and a process that is killed at each of its requests. What
 * comes of it is what one build of everything gives, byte for byte.
 */

import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { build, index } from '../../src/build.ts'
import { loadSettings } from '../../src/config/load.ts'
import type { RepositoryConfig, Settings } from '../../src/config/schema.ts'
import { publish, publishInto } from '../../src/publish.ts'
import { openS3Store } from '../../src/store/s3.ts'
import type { Store } from '../../src/store/store.ts'
import { cliFile, runCli, startCli } from './cli.ts'
import { faultyStore, findDangling, Killed, seededRandom } from './faultystore.ts'
import { makeDirectory, makeRepository } from './repo.ts'
import { startS3Proxy } from './s3proxy.ts'
import { missingServer, type S3Server, type S3ServerKind, startS3Server } from './s3server.ts'
import { makeSample, type Sample } from './sample.ts'
import { filesBelow } from './site.ts'

export interface SuiteOptions {
  /** How many races there are: more take longer, and each has a seed of its own. */
  readonly rounds: number
  /** A process is killed at each request, or at each n-th one where another server has them all. @default 1 */
  readonly killEvery?: number
}

/**
 * Declares the suite. The sites have no address: the files that only an address
 * brings are a part of the index as others are, and each is a request more.
 */
export function testPublishing(
  kind: Exclude<S3ServerKind, 's3rver'>,
  { rounds, killEvery = 1 }: SuiteOptions,
): void {
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
    const config = { repositories: [sample.repository] }
    writeFileSync(join(cwd, 'modpress.config.json'), JSON.stringify(config))
    const env = { ...server.env, AWS_ENDPOINT_URL_S3: proxy.url }
    try {
      const counted = await runCli(['publish', `s3://${server.bucket}/kill/0`], { cwd, env })
      expect(counted.status, counted.stderr).toBe(0)
      const all = proxy.requests.length
      expect(all).toBeGreaterThan(40)
      for (let at = 1; at <= all; at += killEvery) {
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
}

function mustBeKilled(error: unknown): void {
  if (!(error instanceof Killed)) throw error
}

export function makeSamples(count: number): Sample[] {
  const dir = makeDirectory()
  return Array.from({ length: count }, (_, at) => makeSample(join(dir, String(at)), `go.example.org/${at}`))
}

export interface Small {
  readonly repository: RepositoryConfig
  release(files: Readonly<Record<string, string>>, tag: string): void
}

/** Makes a repository of one module with two versions. */
export function makeSmall(root: string): Small {
  const made = makeRepository()
  const release: Small['release'] = (files, tag) => {
    made.commit(files)
    made.git('tag', tag)
  }
  release({ 'go.mod': `module ${root}\n`, 'a.go': 'package one\n' }, 'v1.0.0')
  release({ 'a.go': 'package one // more\n' }, 'v1.1.0')
  return { repository: { root, dir: made.dir }, release }
}

export async function settingsOf(
  samples: readonly { readonly repository: RepositoryConfig }[],
): Promise<Settings> {
  const config = { repositories: samples.map(({ repository }) => repository) }
  return loadSettings({ cwd: makeDirectory(), env: {}, config })
}

export async function readStore(store: Store): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for await (const { path } of store.list('')) {
    files.set(path, Buffer.from((await store.get(path))?.body ?? []).toString('latin1'))
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)))
}

export function readSite(dir: string): Map<string, string> {
  return new Map(filesBelow(dir).map((path) => [path, readFileSync(join(dir, path), 'latin1')]))
}
