import { createHash, randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import zlib from 'node:zlib'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { Blobs, type BlobsOptions } from '../src/blobs.ts'
import type { Blob } from '../src/compress.ts'
import { locateRepository } from '../src/git/location.ts'
import { openNative } from '../src/git/native.ts'
import { ObjectError } from '../src/git/object.ts'
import { type GitRepository, type OpenRepository, readUpTo } from '../src/git/repository.ts'
import type { Oid } from '../src/model.ts'
import { createRepository, type RawRepository } from './support/gitobjects.ts'
import { makeDirectory } from './support/repo.ts'

let raw: RawRepository
let git: OpenRepository
beforeAll(async () => {
  raw = createRepository(makeDirectory())
  const location = await locateRepository(raw.dir)
  if ('code' in location) throw new Error(location.message)
  git = await openNative(location)
})
afterAll(() => git.close())
afterEach(() => {
  vi.unstubAllEnvs()
})

/** The repository, with a count of what is read of it, and how much at once. */
function watch(): { repository: GitRepository; reads: Oid[]; most: { reads: number; streams: number } } {
  const reads: Oid[] = []
  const now = { reads: 0, streams: 0 }
  const most = { reads: 0, streams: 0 }
  const begin = (kind: 'reads' | 'streams', oid: Oid) => {
    reads.push(oid)
    now[kind]++
    most[kind] = Math.max(most[kind], now[kind])
  }
  const repository: GitRepository = {
    ...git,
    readUpTo: async (oid, limitBytes) => {
      begin('reads', oid)
      await wait(1)
      return readUpTo(git, oid, limitBytes).finally(() => now.reads--)
    },
    stream: async function* (oid) {
      begin('streams', oid)
      await wait(1)
      yield* git.stream(oid)
      now.streams--
    },
  }
  return { repository, reads, most }
}

async function use<T>(
  options: BlobsOptions,
  work: (blobs: Blobs, watched: ReturnType<typeof watch>) => Promise<T>,
): Promise<T> {
  const watched = watch()
  const blobs = new Blobs(watched.repository, options)
  try {
    return await work(blobs, watched)
  } finally {
    await blobs.close()
  }
}

async function dataOf({ data }: Blob): Promise<Buffer> {
  if (typeof data !== 'function') return Buffer.from(data instanceof Uint8Array ? data : data.read())
  const chunks: Uint8Array[] = []
  for await (const chunk of data()) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function expectBlob(blob: Blob, content: Uint8Array): Promise<void> {
  const data = await dataOf(blob)
  expect(blob).toMatchObject({
    size: content.length,
    crc32: zlib.crc32(content),
    sha256: createHash('sha256').update(content).digest('hex'),
    compressedSize: data.length,
  })
  const back = blob.method === 'store' ? data : zlib.inflateRawSync(data)
  expect(back.equals(content)).toBe(true)
}

/** How it is found out what size they have: without reading them, or by that. */
type First = 'measure' | 'begin'

/** Loads blobs by their ids, as packing does. */
async function load(blobs: Blobs, oids: readonly Oid[], first: First = 'measure'): Promise<readonly Blob[]> {
  const slots = oids.map((oid) => blobs.slot(oid))
  await blobs[first](slots)
  return blobs.load(slots)
}

async function loadOne(blobs: Blobs, oid: Oid, first: First = 'measure'): Promise<Blob> {
  const [blob] = await load(blobs, [oid], first)
  if (blob === undefined) throw new Error('There is no blob.')
  return blob
}

function contentOf(index: number, size = 1000): Buffer {
  return Buffer.from(`${index} `.repeat(size)).subarray(0, size)
}

function write(content: Uint8Array): Oid {
  return raw.blob(content) as Oid
}

describe.for(['measure', 'begin'] as const)('a blob, after %s', (first) => {
  test('is what it says, in memory or in a file, read or converted', async () => {
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.array(fc.constantFrom('a', 'bc\n'), { maxLength: 200 }).map((parts) => Buffer.from(parts.join(''))),
    )
    await use({ largeBytes: 100 }, async (blobs) => {
      await fc.assert(
        fc.asyncProperty(content, async (bytes) => {
          const oid = write(bytes)
          await expectBlob(await loadOne(blobs, oid, first), bytes)
          const slot = blobs.converted(oid, `key ${Buffer.from(bytes).toString('hex')}`, bytes)
          for (const blob of await blobs.load([slot])) await expectBlob(blob, bytes)
        }),
        { numRuns: 40 },
      )
    })
  })

  test.for([
    ['nothing', '', 'store'],
    ['what does not get smaller', 'x', 'store'],
    ['what does', 'x'.repeat(100), 'deflate'],
  ] as const)('of %s', async ([, text, method]) => {
    await use({}, async (blobs) => {
      expect((await loadOne(blobs, write(Buffer.from(text)), first)).method).toBe(method)
    })
  })

  test('is read and deflated once, however often and in however many versions it is used', async () => {
    const [one, other] = [contentOf(1), contentOf(2)].map(write) as [Oid, Oid]
    await use({ keepBytes: 1 }, async (blobs, { reads }) => {
      const all = await load(blobs, [one, other, one, one], first)
      expect(all[2]).toBe(all[0])
      for (let version = 0; version < 100; version++) {
        blobs.startVersion()
        expect(await loadOne(blobs, one, first)).toBe(all[0])
      }
      expect(reads).toEqual([one, other])
    })
  })

  test('is dropped when much is kept and the last versions did not use it', async () => {
    const [used, unused] = [randomBytes(1000), randomBytes(1000)].map(write) as [Oid, Oid]
    for (const [keepBytes, want] of [
      [1500, [used, unused, unused]],
      [2 ** 20, [used, unused]],
    ] as const) {
      await use({ keepBytes }, async (blobs, { reads }) => {
        await load(blobs, [used, unused], first)
        for (let version = 0; version < 100; version++) {
          blobs.startVersion()
          await loadOne(blobs, used, first)
        }
        await loadOne(blobs, unused, first)
        expect(reads).toEqual(want)
      })
    }
  })

  test('that is missing, damaged or none says so to each who asks', async () => {
    const tree = raw.files({ a: 'a' }) as Oid
    await use({ largeBytes: 100 }, async (blobs) => {
      const missing = '1'.repeat(40) as Oid
      for (let time = 0; time < 2; time++)
        await expect(loadOne(blobs, missing, first)).rejects.toMatchObject({ name: 'ObjectError' })
      await expect(loadOne(blobs, tree, first)).rejects.toMatchObject({ code: 'object-corrupt' })
    })
  })
})

describe('what is begun', () => {
  test('is read once, by whichever versions and at what time', async () => {
    const oids = Array.from({ length: 20 }, (_, index) => write(contentOf(600 + index)))
    await use({}, async (blobs, { reads }) => {
      const [some, all] = await Promise.all([
        load(blobs, oids.slice(0, 12), 'begin'),
        load(blobs, oids, 'begin'),
      ])
      expect(all.slice(0, 12)).toEqual(some)
      expect(reads).toEqual(oids)
    })
  })

  test('is not read again by a version that asks for sizes', async () => {
    const oids = [write(contentOf(650)), write(contentOf(651, 3000)), '7'.repeat(40) as Oid]
    await use({ largeBytes: 2000 }, async (blobs, { reads }) => {
      const slots = oids.map((oid) => blobs.slot(oid))
      const begun = blobs.begin(slots)
      await blobs.measure(slots)
      const loading = slots.map((slot) => blobs.load([slot]))
      const [small, large, missing] = await Promise.allSettled(loading)
      await begun
      expect(small).toMatchObject({ status: 'fulfilled', value: [{ size: 1000 }] })
      expect(large).toMatchObject({ status: 'fulfilled', value: [{ size: 3000 }] })
      expect(missing).toMatchObject({ status: 'rejected', reason: { code: 'object-missing' } })
      expect(reads.filter((oid) => oid === oids[0])).toHaveLength(1)
    })
  })

  test('is not taken further where it is large: its size is all that is known then', async () => {
    const [small, large] = [contentOf(700, 900), contentOf(701, 5_000_000)]
    const oids = [small, large].map(write)
    await use({ largeBytes: 1000 }, async (blobs, { most }) => {
      const slots = oids.map((oid) => blobs.slot(oid))
      await blobs.begin(slots)
      expect(slots.map(({ size }) => size)).toEqual([900, 5_000_000])
      expect(most.streams).toBe(0)
      const [one, other] = await blobs.load(slots)
      if (one === undefined || other === undefined) throw new Error('There is no blob.')
      await expectBlob(one, small)
      await expectBlob(other, large)
      expect(most.streams).toBe(1)
    })
  })

  test('has no size where it is missing, and costs the others nothing', async () => {
    const good = write(contentOf(710))
    await use({}, async (blobs) => {
      const slots = [good, '6'.repeat(40) as Oid].map((oid) => blobs.slot(oid))
      await blobs.begin(slots)
      expect(slots.map(({ size }) => size)).toEqual([1000, undefined])
      expect(await loadOne(blobs, good, 'begin')).toMatchObject({ size: 1000 })
      await expect(blobs.load(slots)).rejects.toMatchObject({ code: 'object-missing' })
    })
  })

  test('is refused where it can be read only later, as nothing has counted its size', async () => {
    const content = contentOf(720, 5000)
    const oid = write(content)
    for (const first of ['begin', 'measure'] as const) {
      await use({ largeBytes: 1000 }, async (blobs, { repository }) => {
        const slot = blobs.slot(oid)
        const { stat, readUpTo } = repository
        const gone = new ObjectError(oid, 'missing', 'gone for now')
        repository.stat = async () => [undefined]
        repository.readUpTo = async () => Promise.reject(gone)
        await blobs[first]([slot])
        Object.assign(repository, { stat, readUpTo })
        await expect(blobs.load([slot])).rejects.toMatchObject({ code: 'object-missing' })
      })
    }
  })

  test('stays within the budget where much is large', async () => {
    const oids = Array.from({ length: 40 }, (_, index) => write(contentOf(800 + index, 50_000)))
    await use({ budgetBytes: 100_000 }, async (blobs, { most }) => {
      await load(blobs, oids, 'begin')
      // The first few are taken for as small as most files of source code are.
      expect(most.reads).toBeLessThan(13)
    })
  })
})

describe('the budget', () => {
  test('bounds what is read at a time', async () => {
    const oids = Array.from({ length: 30 }, (_, index) => write(contentOf(100 + index)))
    await use({ budgetBytes: 3500 }, async (blobs, { reads, most }) => {
      const all = await load(blobs, oids)
      for (const [index, blob] of all.entries()) await expectBlob(blob, contentOf(100 + index))
      expect(reads).toEqual(oids) // who asked first goes first
      expect(most.reads).toBe(3)
    })
  })

  test('lets go a single blob that is larger, and alone', async () => {
    const oids = Array.from({ length: 8 }, (_, index) =>
      write(contentOf(200 + index, index % 3 === 0 ? 9000 : 500)),
    )
    await use({ budgetBytes: 1000 }, async (blobs, { most }) => {
      const all = await load(blobs, oids)
      expect(all).toHaveLength(8)
      expect(most.reads).toBe(2)
    })
  })

  test('bounds how many large blobs are read at a time', async () => {
    const oids = Array.from({ length: 6 }, (_, index) => write(contentOf(300 + index, 5000)))
    await use({ largeBytes: 1000, budgetBytes: 2500 }, async (blobs, { most }) => {
      const all = await load(blobs, oids)
      for (const [index, blob] of all.entries()) await expectBlob(blob, contentOf(300 + index, 5000))
      expect(most).toEqual({ reads: 0, streams: 2 })
    })
  })

  test('comes back when reading fails', async () => {
    const good = write(contentOf(400))
    await use({ budgetBytes: 1000 }, async (blobs) => {
      const bad = ['3', '4', '5'].map((digit) => loadOne(blobs, digit.repeat(40) as Oid))
      const results = await Promise.allSettled([...bad, loadOne(blobs, good)])
      expect(results.map((each) => each.status)).toEqual(['rejected', 'rejected', 'rejected', 'fulfilled'])
    })
  })
})

describe('an interrupt', () => {
  test('refuses what waits, ends what is large, and leaves nothing in the temporary directory', async () => {
    const temporary = makeDirectory()
    vi.stubEnv('TMPDIR', temporary)
    const stop = new AbortController()
    const oids = Array.from({ length: 40 }, (_, index) => write(contentOf(2000 + index, 5000)))
    await use({ largeBytes: 1000, budgetBytes: 1, signal: stop.signal }, async (blobs, { reads }) => {
      const slots = oids.map((oid) => blobs.slot(oid))
      await blobs.measure(slots)
      const loading = blobs.load(slots)
      await vi.waitFor(() => expect(reads.length).toBeGreaterThan(2))
      stop.abort(new Error('enough'))
      await expect(loading).rejects.toThrow('enough')
      await expect(blobs.load(slots.slice(-1))).rejects.toThrow('enough')
      await expect(blobs.begin([blobs.slot(write(contentOf(2100)))])).rejects.toThrow('enough')
      expect(reads.length).toBeLessThan(10)
    })
    expect(readdirSync(temporary)).toEqual([])
  })
})

describe('a large blob', () => {
  test('is dropped when many are, but for those of versions at work', async () => {
    const temporary = makeDirectory()
    vi.stubEnv('TMPDIR', temporary)
    const files = () => readdirSync(temporary).flatMap((dir) => readdirSync(join(temporary, dir)))
    const contents = Array.from({ length: 40 }, () => randomBytes(3000))
    const oids = contents.map(write)
    await use({ largeBytes: 1000, keepBytes: 2000 }, async (blobs, { reads }) => {
      const kept = await (async () => {
        blobs.startVersion()
        return loadOne(blobs, oids[0] as Oid)
      })()
      for (const oid of oids.slice(1)) {
        const end = blobs.startVersion()
        await loadOne(blobs, oids[1] as Oid)
        await loadOne(blobs, oid)
        end()
      }
      // The first version still is at work, so that all of those after it may be what it uses, too.
      expect(files()).toHaveLength(40)
      await expectBlob(kept, contents[0] as Buffer)
      expect(reads).toHaveLength(40)
    })
    await use({ largeBytes: 1000, keepBytes: 2000 }, async (blobs, { reads }) => {
      for (const oid of oids.slice(1)) {
        const end = blobs.startVersion()
        await loadOne(blobs, oids[1] as Oid)
        await loadOne(blobs, oid)
        end()
        expect(files().length).toBeLessThan(8)
      }
      // What each of them uses stays, and what was dropped is read again.
      expect(reads).toHaveLength(39)
      await expectBlob(await loadOne(blobs, oids[2] as Oid), contents[2] as Buffer)
      expect(reads).toHaveLength(40)
    })
  })

  test('lies in the temporary directory until all is done, and can be read again and again', async () => {
    const temporary = makeDirectory()
    vi.stubEnv('TMPDIR', temporary)
    const content = contentOf(500, 5000)
    const oid = write(content)
    await use({ largeBytes: 4999 }, async (blobs) => {
      await loadOne(blobs, write(contentOf(501, 4999)))
      expect(readdirSync(temporary)).toEqual([])
      const blob = await loadOne(blobs, oid)
      expect(typeof blob.data).toBe('function')
      expect(blob.method).toBe('deflate')
      expect(readdirSync(temporary)).toHaveLength(1)
      await expectBlob(blob, content)
      await expectBlob(blob, content)
    })
    expect(readdirSync(temporary)).toEqual([])
  })
})

test('a temporary directory that cannot be written ends the work, and is named', async () => {
  const temporary = join(makeDirectory(), 'gone')
  vi.stubEnv('TMPDIR', temporary)
  const large = write(contentOf(502, 5000))
  await use({ largeBytes: 4999 }, async (blobs) => {
    await expect(loadOne(blobs, large)).rejects.toMatchObject({
      name: 'FatalError',
      exitCode: 2,
      problem: {
        code: 'output-unwritable',
        message: expect.stringContaining(`${temporary} cannot be written: ENOENT`),
      },
    })
  })
})

describe('what would be too much in memory', () => {
  test('lies in the temporary directory too', async () => {
    const temporary = makeDirectory()
    vi.stubEnv('TMPDIR', temporary)
    const contents = Array.from({ length: 12 }, () => randomBytes(1000))
    await use({ keepBytes: 1000 }, async (blobs) => {
      const all = await load(blobs, contents.map(write))
      // Each takes half a KiB more than it has, of four times as much as may be kept.
      expect(all.filter(({ data }) => data instanceof Uint8Array)).toHaveLength(2)
      for (const [index, blob] of all.entries()) await expectBlob(blob, contents[index] ?? Buffer.alloc(0))
    })
    expect(readdirSync(temporary)).toEqual([])
  })
})

describe('of a module with very many files', () => {
  const contents = Array.from({ length: 10_000 }, (_, index) => Buffer.from(`file ${index}`))
  const missing = '1'.repeat(40) as Oid
  const slotsIn = (blobs: Blobs) =>
    contents.map((content, index) => blobs.converted(missing, `key ${index}`, content))

  test('all blobs are read, and are at their places', async () => {
    await use({ keepBytes: 10_000 }, async (blobs) => {
      const slots = slotsIn(blobs)
      const all = await blobs.load(slots)
      expect(all).toHaveLength(contents.length)
      for (const index of [0, 4095, 4096, 8191, 8192, 9999])
        await expectBlob(all[index] as Blob, contents[index] as Buffer)
      expect(new Set(all.map(({ sha256 }) => sha256)).size).toBe(contents.length)
      expect(await blobs.load(slots)).toEqual(all)
    })
  })

  test.for([0, 5000, 9999])(
    'the one that cannot be read, at %d, is told when those begun are done',
    async (at) => {
      const stored = Array.from({ length: 300 }, (_, index) => write(contentOf(1000 + index, 10)))
      await use({}, async (blobs, { reads }) => {
        const slots = [...slotsIn(blobs)]
        for (const [index, oid] of stored.entries()) slots[7800 + index] = blobs.slot(oid)
        slots[at] = blobs.slot(missing)
        await blobs.measure(slots)
        await expect(blobs.load(slots)).rejects.toMatchObject({ name: 'ObjectError', oid: missing })
        expect(blobs.readShare).toBe(1)
        expect(reads).toHaveLength(301)
      })
    },
  )
})
