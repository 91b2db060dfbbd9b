import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import zlib from 'node:zlib'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Blob, Blobs, type BlobsOptions } from '../src/blobs.ts'
import { locateRepository } from '../src/git/location.ts'
import { openNative } from '../src/git/native.ts'
import type { GitRepository, OpenRepository } from '../src/git/repository.ts'
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
    read: async (oid) => {
      begin('reads', oid)
      await wait(1)
      return git.read(oid).finally(() => now.reads--)
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
  if (typeof data !== 'function') return Buffer.from(data)
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

function contentOf(index: number, size = 1000): Buffer {
  return Buffer.from(`${index} `.repeat(size)).subarray(0, size)
}

function write(content: Uint8Array): Oid {
  return raw.blob(content) as Oid
}

describe('a blob', () => {
  test('is what it says, in memory or in a file, read or converted', async () => {
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.array(fc.constantFrom('a', 'bc\n'), { maxLength: 200 }).map((parts) => Buffer.from(parts.join(''))),
    )
    await use({ largeBytes: 100 }, async (blobs) => {
      await fc.assert(
        fc.asyncProperty(content, async (bytes) => {
          await expectBlob(await blobs.load(write(bytes), bytes.length), bytes)
          await expectBlob(await blobs.convert(`key ${Buffer.from(bytes).toString('hex')}`, bytes), bytes)
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
      expect((await blobs.load(write(Buffer.from(text)), text.length)).method).toBe(method)
    })
  })

  test('is read and deflated once, however often and in however many versions it is used', async () => {
    const [one, other] = [contentOf(1), contentOf(2)].map(write) as [Oid, Oid]
    await use({ keepVersions: 2 }, async (blobs, { reads }) => {
      const all = await Promise.all([one, other, one, one].map((oid) => blobs.load(oid, 1000)))
      expect(all[2]).toBe(all[0])
      for (let version = 0; version < 10; version++) {
        blobs.nextVersion()
        expect(await blobs.load(one, 1000)).toBe(all[0])
      }
      expect(reads).toEqual([one, other])
    })
  })

  test('is dropped when the last versions did not use it', async () => {
    const [used, unused] = [contentOf(3), contentOf(4)].map(write) as [Oid, Oid]
    await use({ keepVersions: 3 }, async (blobs, { reads }) => {
      await Promise.all([used, unused].map((oid) => blobs.load(oid, 1000)))
      for (let version = 0; version < 12; version++) {
        blobs.nextVersion()
        await blobs.load(used, 1000)
      }
      await blobs.load(unused, 1000)
      expect(reads).toEqual([used, unused, unused])
    })
  })

  test('that is missing, damaged or none says so to each who asks', async () => {
    const tree = raw.files({ a: 'a' }) as Oid
    await use({ largeBytes: 100 }, async (blobs) => {
      const missing = '1'.repeat(40) as Oid
      for (const size of [0, 1000]) {
        const oid = size === 0 ? missing : (missing.replaceAll('1', '2') as Oid)
        await expect(blobs.load(oid, size)).rejects.toMatchObject({ name: 'ObjectError' })
        await expect(blobs.load(oid, size)).rejects.toMatchObject({ name: 'ObjectError' })
      }
      await expect(blobs.load(tree, 10)).rejects.toMatchObject({ code: 'object-corrupt' })
    })
  })
})

describe('the budget', () => {
  test('bounds what is read at a time', async () => {
    const oids = Array.from({ length: 30 }, (_, index) => write(contentOf(100 + index)))
    await use({ budgetBytes: 3500 }, async (blobs, { reads, most }) => {
      const all = await Promise.all(oids.map((oid) => blobs.load(oid, 1000)))
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
      const all = await Promise.all(oids.map((oid, index) => blobs.load(oid, index % 3 === 0 ? 9000 : 500)))
      expect(all).toHaveLength(8)
      expect(most.reads).toBe(2)
    })
  })

  test('bounds how many large blobs are read at a time', async () => {
    const oids = Array.from({ length: 6 }, (_, index) => write(contentOf(300 + index, 5000)))
    await use({ largeBytes: 1000, budgetBytes: 2500 }, async (blobs, { most }) => {
      const all = await Promise.all(oids.map((oid) => blobs.load(oid, 5000)))
      for (const [index, blob] of all.entries()) await expectBlob(blob, contentOf(300 + index, 5000))
      expect(most).toEqual({ reads: 0, streams: 2 })
    })
  })

  test('comes back when reading fails', async () => {
    const good = write(contentOf(400))
    await use({ budgetBytes: 1000 }, async (blobs) => {
      const bad = ['3', '4', '5'].map((digit) => blobs.load(digit.repeat(40) as Oid, 1000))
      const results = await Promise.allSettled([...bad, blobs.load(good, 1000)])
      expect(results.map((each) => each.status)).toEqual(['rejected', 'rejected', 'rejected', 'fulfilled'])
    })
  })
})

describe('a large blob', () => {
  test('lies in the temporary directory until all is done, and can be read again and again', async () => {
    const temporary = makeDirectory()
    vi.stubEnv('TMPDIR', temporary)
    const content = contentOf(500, 5000)
    const oid = write(content)
    await use({ largeBytes: 4999 }, async (blobs) => {
      await blobs.load(write(contentOf(501, 4999)), 4999)
      expect(readdirSync(temporary)).toEqual([])
      const blob = await blobs.load(oid, 5000)
      expect(typeof blob.data).toBe('function')
      expect(blob.method).toBe('deflate')
      expect(readdirSync(temporary)).toHaveLength(1)
      await expectBlob(blob, content)
      await expectBlob(blob, content)
    })
    expect(readdirSync(temporary)).toEqual([])
  })
})
