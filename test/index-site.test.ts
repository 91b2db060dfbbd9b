import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { loadSettings } from '../src/config/load.ts'
import type { Settings } from '../src/config/schema.ts'
import { isIndexed } from '../src/current.ts'
import { type IndexLimits, indexManifest, indexSite } from '../src/index-site.ts'
import { emptyShard, formatShard, shardPath } from '../src/manifest.ts'
import type { ModulePath, Version } from '../src/model.ts'
import { FatalError } from '../src/problem.ts'
import { recordFile } from '../src/render/paths.ts'
import { type DirectoryStore, openDirectoryStore } from '../src/store/directory.ts'
import { putFile, type Store } from '../src/store/store.ts'
import { hashShard, type Run, type Survey } from '../src/survey.ts'
import { asBucket } from './support/bucket.ts'
import { hashTree } from './support/hash.ts'
import { recordBytes, recordOf } from './support/records.ts'
import { makeDirectory } from './support/repo.ts'
import { filesBelow } from './support/site.ts'

const settings: Settings = await loadSettings({
  cwd: makeDirectory(),
  env: {},
  config: { url: 'https://go.example.com', repositories: [{ root: 'go.example.com/r', dir: 'r' }] },
})

let dir: string
let store: DirectoryStore

beforeEach(async () => {
  dir = makeDirectory()
  store = await openDirectoryStore(dir)
  return () => rmSync(dir, { recursive: true })
})

const pathOf = (number: number) => `go.example.com/m${String(number).padStart(4, '0')}`

async function putRecord(target: Store, path: string, versions = ['v1.0.0'], day = 0): Promise<void> {
  await putFile(target, recordFile(path as ModulePath), recordBytes(recordOf(path, versions, {}, day)))
}

async function putRecords(target: Store, count: number): Promise<void> {
  for (let number = 0; number < count; number++) await putRecord(target, pathOf(number), ['v1.0.0'], number)
}

async function textOf(path: string): Promise<string> {
  return Buffer.from((await store.get(path))?.body ?? '').toString('utf8')
}

/** Returns the hash of what one index makes of these modules from nothing. */
async function fresh(modules: ReadonlyMap<string, readonly string[]>, limits: IndexLimits): Promise<string> {
  const site = makeDirectory()
  const target = await openDirectoryStore(site)
  for (const [path, versions] of modules) await putRecord(target, path, [...versions])
  await indexSite(target, settings, limits)
  await target.close()
  const hash = hashTree(site)
  rmSync(site, { recursive: true })
  return hash
}

describe('an index of a bucket with 2,000 modules', () => {
  test('reads and writes for one that has changed, and not for the others', {
    timeout: 120_000,
  }, async () => {
    await putRecords(store, 2000)
    const bucket = asBucket(store)
    await indexSite(bucket, settings)
    expect(bucket.take('get').filter((each) => each.includes('/modules/'))).toHaveLength(2000)

    // Nothing has changed: lists and the index are read, and nothing is written.
    const before = store.written
    await indexSite(bucket, settings)
    const { requests } = bucket
    expect(requests.filter((each) => each.startsWith('list'))).toHaveLength(7)
    expect(requests.filter((each) => each.startsWith('tag')).length).toBeLessThan(10)
    const gets = bucket.take('get')
    expect(gets).toEqual(['get -/site.json', ...shardsOf().map((path) => `get ${path}`)].sort())
    expect(store.written).toEqual(before)

    // One has a new version.
    const path = pathOf(1234)
    await putRecord(store, path, ['v1.0.0', 'v1.1.0'], 5000)
    await indexSite(bucket, settings)
    const requested = [...bucket.requests]
    expect(bucket.take('get').filter((each) => each.includes('/modules/'))).toEqual([
      `get ${recordFile(path as ModulePath)}`,
    ])
    const digit = createHash('sha256').update(path).digest('hex').charAt(0)
    const written = requested.filter((each) => /^(?:replace|create|remove)/.test(each))
    // What is of one stage is put at once; pages are put after what they lead to.
    expect(written.slice(0, 2).sort()).toEqual(['replace -/feed.atom', `replace -/index/${digit}.jsonl`])
    expect(written.slice(2)).toEqual(['replace -/all/go.example.com,m1/index.html', 'replace index.html'])
    expect(await textOf('-/feed.atom')).toContain(`${path}@v1.1.0`)

    function shardsOf(): string[] {
      return filesBelow(join(dir, '-/index')).map((name) => `-/index/${name}`)
    }
  })
})

describe('an index', () => {
  test('of a directory has the same bytes as of a bucket, whatever the tags of the bucket are', async () => {
    const hashes = await Promise.all(
      (['md5', 'other', undefined] as const).map(async (tags) => {
        const site = makeDirectory()
        const target = await openDirectoryStore(site)
        const view = tags === undefined ? target : asBucket(target, { tags })
        for (const versions of [['v1.0.0'], ['v1.0.0', 'v1.2.0']]) {
          for (let number = 0; number < 20; number++) await putRecord(target, pathOf(number), versions)
          await indexSite(view, settings, { modulesOfPage: 7 })
          await indexManifest(view)
        }
        await target.close()
        return hashTree(site)
      }),
    )
    expect(new Set(hashes).size).toBe(1)
  })

  test('has after any changes the bytes that a fresh one has', async () => {
    const names = ['a', 'b', 'c', 'd', 'e'].flatMap((a) => ['a', 'B', 'c'].map((b) => `example.com/${a}${b}`))
    const versions = ['v1.0.0', 'v1.1.0', 'v2.0.0+incompatible']
    const anyChange = fc.record({
      path: fc.constantFrom(...names),
      versions: fc.option(fc.subarray(versions), { nil: undefined }),
    })
    const limits = { fewModules: 4, modulesOfPage: 3 }
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(anyChange, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom('md5', 'other', undefined),
        async (rounds, tags) => {
          const site = makeDirectory()
          const target = await openDirectoryStore(site)
          const view = tags === undefined ? target : asBucket(target, { tags })
          const modules = new Map<string, readonly string[]>()
          for (const round of rounds) {
            for (const { path, versions } of round) {
              if (versions === undefined) {
                modules.delete(path)
                await target.remove(recordFile(path as ModulePath))
              } else {
                modules.set(path, versions)
                await putRecord(target, path, versions)
              }
            }
            await indexSite(view, settings, limits)
          }
          await target.close()
          expect(hashTree(site)).toBe(await fresh(modules, limits))
          rmSync(site, { recursive: true })
        },
      ),
      { numRuns: 40 },
    )
  })

  test('that is damaged is made anew', async () => {
    await putRecords(store, 30)
    await indexSite(store, settings)
    const want = hashTree(dir)
    const shards = filesBelow(join(dir, '-/index'))
    const [first = '', second = '', third = ''] = shards
    await putFile(store, `-/index/${first}`, '{"format":1}\n{"path":"go.example.com/m0001"}\n')
    await putFile(store, `-/index/${second}`, 'not JSON')
    await putFile(store, `-/index/${third}`, '{"format":0}\n')
    await putFile(store, '-/index/abc.jsonl', '{"format":1}\n')
    await store.remove('index.html')
    await store.remove('-/feed.atom')
    await indexSite(asBucket(store), settings)
    await store.close()
    expect(hashTree(dir)).toBe(want)
  })

  test('tells each time of a record that is damaged, and lacks the module', async () => {
    await putRecords(store, 3)
    await indexSite(store, settings)
    await putFile(store, recordFile(pathOf(1) as ModulePath), '{"path":1}')
    await putFile(store, '-/modules/example.com/other.json', recordBytes(recordOf('example.com/x')))
    const bucket = asBucket(store)
    for (let run = 0; run < 2; run++) {
      const problems = await indexSite(bucket, settings)
      expect(problems.map(({ code, ref }) => `${code} ${ref}`)).toEqual([
        'site-damaged -/modules/example.com/other.json',
        'site-damaged -/modules/go.example.com/m0001.json',
      ])
    }
    expect(await textOf('index.html')).not.toMatch(/m0001|example\.com\/x/)
  })

  test.for(['-/index/a.jsonl', '-/index/0123.jsonl', '-/site.json', '-/index/manifest.jsonl'])(
    'leaves a site alone in which %s has a newer format',
    async (path) => {
      await putRecords(store, 3)
      await indexSite(store, settings)
      await indexManifest(store)
      await putFile(store, path, '{"format":2,"what":"nobody knows yet"}\n')
      await putRecord(store, pathOf(7))
      await store.close()
      const before = hashTree(dir)
      const run = path.endsWith('manifest.jsonl') ? indexManifest(store) : indexSite(store, settings)
      await expect(run).rejects.toThrow(FatalError)
      await expect(run).rejects.toMatchObject({ problem: { code: 'site-newer' }, exitCode: 2 })
      expect(hashTree(dir)).toBe(before)
    },
  )
})

describe('indexes that race', () => {
  /** Answers as slowly as a bucket, and never in the same order. */
  const slowly = async () => setTimeout(Math.random() * 4)

  test('lose no module, and then one index changes nothing', { timeout: 120_000 }, async () => {
    const paths = Array.from({ length: 12 }, (_, number) => pathOf(number * 7))
    const limits = { fewModules: 6, modulesOfPage: 5 }
    for (let round = 0; round < 5; round++) {
      const site = makeDirectory()
      const target = await openDirectoryStore(site)
      await Promise.all(
        paths.map(async (path, index) => {
          const bucket = asBucket(target, { before: slowly })
          await setTimeout(index * 5)
          await putRecord(bucket, path)
          await indexSite(bucket, settings, limits)
        }),
      )
      await target.close()
      const want = await fresh(new Map(paths.map((path) => [path, ['v1.0.0']])), limits)
      expect(hashTree(site)).toBe(want)
      await indexSite(target, settings, limits)
      await target.close()
      expect(hashTree(site)).toBe(want)
      rmSync(site, { recursive: true })
    }
  })

  test('begin again where another has written a file in between', async () => {
    await putRecords(store, 3)
    await indexSite(store, settings)
    let isFirst = true
    const bucket = asBucket(store, {
      before: async (request) => {
        if (request !== 'replace index.html' || !isFirst) return
        isFirst = false
        await putRecord(store, pathOf(9))
        await indexSite(store, settings)
      },
    })
    await putRecord(store, pathOf(8))
    await indexSite(bucket, settings)
    expect(await textOf('index.html')).toMatch(/m0008.*m0009/s)
    expect(bucket.requests.filter((each) => each === 'list -/modules')).toHaveLength(2)
  })

  test('do not bring back a version that was taken down in between', async () => {
    const path = recordFile(pathOf(1) as ModulePath)
    await putRecord(store, pathOf(1))
    await indexSite(store, settings)
    await putRecord(store, pathOf(1), ['v1.0.0', 'v1.1.0'])
    let isFirst = true
    const bucket = asBucket(store, {
      before: async (request) => {
        // It has listed v1.1.0. Until it tells of it, another takes it down, and finds the front page as it should be.
        if (request !== 'replace index.html' || !isFirst) return
        isFirst = false
        const withdrawn = [{ version: 'v1.1.0' as Version, reason: 'a secret', time: '2024-01-01T00:00:00Z' }]
        await putFile(store, path, recordBytes(recordOf(pathOf(1), ['v1.0.0'], { withdrawn })))
        await indexSite(store, settings)
      },
    })
    await indexSite(bucket, settings)
    for (const file of ['index.html', '-/feed.atom']) {
      expect(await textOf(file)).not.toMatch(/v1\.1\.0(?! \(withdrawn\)|\/)/)
      expect(await textOf(file)).toContain('<!-- withdrawn: 1 -->')
    }
  })

  test('never leave a page that leads to a page that is not there, wherever one ends', async () => {
    const limits = { modulesOfPage: 4 }
    const broken = new Error('no more')
    for (let last = 1; ; last++) {
      const site = makeDirectory()
      const target = await openDirectoryStore(site)
      await putRecords(target, 3)
      await indexSite(target, settings, limits)
      // The pages of groups come, and go again.
      for (const change of ['more', 'less'] as const) {
        for (let number = 3; number < 14; number++) {
          const path = `go.example.com/${'xyz'.charAt(number % 3)}${number}`
          if (change === 'more') await putRecord(target, path)
          else await target.remove(recordFile(path as ModulePath))
        }
        let writes = 0
        const bucket = asBucket(target, {
          before: async (request) => {
            if (/^(?:replace|remove)/.test(request) && ++writes > last) throw broken
          },
        })
        const ending = await indexSite(bucket, settings, limits).catch((error: unknown) => error)
        expect([broken, undefined]).toContain(Array.isArray(ending) ? undefined : ending)
        await checkLinks(target)
        await indexSite(target, settings, limits)
        if (change === 'less' && ending !== broken) {
          expect(last).toBeGreaterThan(10)
          return
        }
      }
      rmSync(site, { recursive: true })
    }

    async function checkLinks(target: Store): Promise<void> {
      for await (const { path } of target.list('')) {
        if (path !== 'index.html' && !path.startsWith('-/all/')) continue
        const page = Buffer.from((await target.get(path))?.body ?? '').toString('utf8')
        for (const [, link = ''] of page.matchAll(/href="([^"]*)"/g)) {
          const to = decodeURIComponent(new URL(link, `https://host/${path}`).pathname).slice(1)
          if (!to.startsWith('-/all/')) continue
          expect(await target.tag(`${to}index.html`), `${path} leads to ${to}`).toBeDefined()
        }
      }
    }
  })
})

describe('the index of the manifest', () => {
  const putShard = async (target: Store, root: string, settingsHash = '') => {
    const shard = { ...emptyShard(root as ModulePath), settings: settingsHash }
    await putFile(target, shardPath(root as ModulePath), formatShard(shard))
  }

  test('of a bucket is made from the shards that have changed', async () => {
    for (let number = 0; number < 50; number++) await putShard(store, pathOf(number))
    const bucket = asBucket(store)
    await indexManifest(bucket)
    expect(bucket.take('get').filter((each) => each.includes('/manifest/'))).toHaveLength(50)
    await putShard(store, pathOf(7), 'other')
    await indexManifest(bucket)
    expect(bucket.take('get')).toEqual([
      'get -/index/manifest.jsonl',
      'get -/manifest.jsonl',
      'get -/manifest/go.example.com/m0007.jsonl',
    ])
    await indexManifest(bucket)
    expect(bucket.take('replace', 'get')).toEqual(['get -/index/manifest.jsonl', 'get -/manifest.jsonl'])
    const index = await textOf('-/manifest.jsonl')
    await store.remove('-/index/manifest.jsonl')
    await store.remove('-/manifest.jsonl')
    await indexManifest(store)
    expect(await textOf('-/manifest.jsonl')).toBe(index)
  })

  test('is known to be right by reading two files, and of shards of others what a list tells', async () => {
    for (let number = 0; number < 5; number++) await putShard(store, pathOf(number))
    await indexSite(store, settings)
    await indexManifest(store)
    const bucket = asBucket(store)
    const surveys = await Promise.all(
      [0, 1, 2, 3, 4].map(async (number) => {
        const root = pathOf(number) as ModulePath
        const file = await store.get(shardPath(root))
        return { repository: { root }, sha256: file && hashShard(file) } as Survey
      }),
    )
    const run = {
      store: bucket,
      site: { settings, roots: [] },
      repositories: [],
      absent: [],
    } as unknown as Run
    const two = ['get -/manifest.jsonl', 'get -/site.json']
    expect(await isIndexed(run, surveys)).toBe(true)
    expect(bucket.take('get')).toEqual(two)
    expect(await isIndexed(run, surveys.slice(0, 2))).toBe(true)
    expect(bucket.take('get')).toEqual(['get -/index/manifest.jsonl', ...two])
    expect(await isIndexed({ ...run, store } as Run, surveys.slice(0, 2))).toBe(true)

    await putShard(store, pathOf(4), 'other')
    expect(await isIndexed(run, surveys.slice(0, 2))).toBe(false)
    expect(bucket.take('get')).toEqual([
      'get -/index/manifest.jsonl',
      'get -/manifest.jsonl',
      'get -/manifest/go.example.com/m0004.jsonl',
      'get -/site.json',
    ])
    await putShard(store, pathOf(4))
    expect(await isIndexed(run, surveys)).toBe(true)
    await putFile(store, '-/index/manifest.jsonl', '{"format":2}\n')
    expect(await isIndexed(run, surveys.slice(0, 2))).toBe(true)
    await putFile(store, '-/site.json', '{"format":2}\n')
    await expect(isIndexed(run, surveys)).rejects.toMatchObject({ problem: { code: 'site-newer' } })
  })
})
