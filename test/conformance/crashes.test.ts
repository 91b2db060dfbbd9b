/**
 * Publishers that are killed at every single request, alone and beside others,
 * and what is left of it: nothing is lost, and whoever comes next finishes it.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { build, index } from '../../src/build.ts'
import { loadSettings } from '../../src/config/load.ts'
import type { Settings } from '../../src/config/schema.ts'
import { publishInto } from '../../src/publish.ts'
import { openDirectoryStore } from '../../src/store/directory.ts'
import type { Store } from '../../src/store/store.ts'
import { withdrawFrom } from '../../src/withdraw.ts'
import {
  type FaultyOptions,
  faultyStore,
  findDangling,
  Killed,
  seededRandom,
} from '../support/faultystore.ts'
import { makeDirectory } from '../support/repo.ts'
import { makeSample, type Sample } from '../support/sample.ts'
import { filesBelow } from '../support/site.ts'

const root = 'go.example.org/one'
let sample: Sample
let settings: Settings
let whole: ReadonlyMap<string, string>

beforeAll(async () => {
  sample = makeSample(join(makeDirectory(), 'one'), root)
  settings = await settingsOf(sample)
  await build(settings)
  whole = readSite(settings.output)
})

test('what is missing is found', async () => {
  const store = await publishedStore()
  expect(await findDangling(store)).toEqual([])
  await store.remove(`${root}/@v/v1.3.1.mod`)
  expect(await findDangling(store)).toEqual([
    `-/modules/${root}.json names ${root}/@v/v1.3.1.mod`,
    `${root}/@latest names ${root}/@v/v1.3.1.mod`,
    `${root}/@v/list names ${root}/@v/v1.3.1.mod`,
    `${root}/@v/v1.3.1.info names ${root}/@v/v1.3.1.mod`,
  ])
})

describe('a publisher that is killed', () => {
  test('after any request leaves what the next one finishes', async () => {
    const { requests } = await publishWith(await emptyStore(), {})
    expect(requests).toBeGreaterThan(60)
    for (let killAt = 1; killAt <= requests; killAt++) {
      const store = await emptyStore()
      await publishWith(store, { killAt })
      expect([killAt, await findDangling(store)]).toEqual([killAt, []])
      await publishInto(store, settings)
      expect([killAt, differences(store.root)]).toEqual([killAt, []])
    }
  })

  test('beside another one loses nothing, wherever it dies', async () => {
    const random = seededRandom(5)
    for (let round = 0; round < 40; round++) {
      const store = await emptyStore()
      const delay = () => random() * 3
      await Promise.all([
        publishWith(store, { killAt: 1 + Math.floor(random() * 120), delay }),
        publishWith(store, { delay }),
      ])
      expect([round, await findDangling(store)]).toEqual([round, []])
      await index({ ...settings, output: store.root })
      expect([round, differences(store.root)]).toEqual([round, []])
    }
  })

  test('while it withdraws leaves a version that is there, or one that is gone for good', async () => {
    const version = 'v1.2.0'
    const reason = { reason: 'x', time: 1, index: 'leave' } as const
    const take = async (store: Store) => {
      await withdrawFrom(store, settings, root, version, reason)
    }
    const counted = faultyStore(await publishedStore())
    await take(counted)
    expect(counted.requests).toBeGreaterThan(20)
    for (let killAt = 1; killAt <= counted.requests; killAt++) {
      const store = await publishedStore()
      await take(faultyStore(store, { killAt })).catch(mustBeKilled)
      expect([killAt, await findDangling(store)]).toEqual([killAt, []])
      const shard = readFileSync(join(store.root, '-/manifest', `${root}.jsonl`), 'utf8')
      const isDown = shard.includes(`{"withdrawn":"${root}"`)
      await publishInto(store, settings, { index: 'leave' })
      const files = filesBelow(store.root).filter((path) => path.startsWith(`${root}/@v/${version}.`))
      expect([killAt, files.length]).toEqual([killAt, isDown ? 0 : 3])
      expect([killAt, await findDangling(store)]).toEqual([killAt, []])
    }
  })
})

async function publishWith(store: Store, options: FaultyOptions): Promise<{ readonly requests: number }> {
  const faulty = faultyStore(store, options)
  await publishInto(faulty, settings).catch(mustBeKilled)
  return faulty
}

function mustBeKilled(error: unknown): void {
  if (!(error instanceof Killed)) throw error
}

async function emptyStore() {
  return openDirectoryStore(join(makeDirectory(), 'site'))
}

async function publishedStore() {
  const store = await emptyStore()
  await publishInto(store, settings, { from: settings.output })
  return store
}

function differences(site: string): string[] {
  const found = readSite(site)
  const paths = new Set([...whole.keys(), ...found.keys()])
  return [...paths].filter((path) => whole.get(path) !== found.get(path)).sort()
}

function readSite(dir: string): Map<string, string> {
  return new Map(filesBelow(dir).map((path) => [path, readFileSync(join(dir, path), 'latin1')]))
}

async function settingsOf({ repository }: Sample): Promise<Settings> {
  const config = { url: 'https://go.example.com', repositories: [repository] }
  return loadSettings({ cwd: makeDirectory(), env: {}, config })
}
