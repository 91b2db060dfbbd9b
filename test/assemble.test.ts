import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { archiveSize, writeArchive } from '../src/archive.ts'
import { assembleArchive, assembledBytes, layOutArchive } from '../src/assemble.ts'
import { type Blob, compress } from '../src/compress.ts'

interface Content {
  readonly paths: readonly string[]
  readonly blobs: readonly Blob[]
}

const prefix = 'example.com/r@v1.0.0/'

function describeFiles(paths: readonly string[]) {
  return paths.map((path) => ({ path, pathBytes: Buffer.byteLength(path) }))
}

async function written({ paths, blobs }: Content): Promise<Buffer> {
  const pieces = paths.flatMap((path, index) => {
    const blob = blobs[index]
    return blob === undefined ? [] : [{ name: prefix + path, ...blob }]
  })
  const chunks: Uint8Array[] = []
  for await (const chunk of writeArchive(pieces)) chunks.push(chunk)
  const zip = Buffer.concat(chunks)
  expect(archiveSize(pieces)).toBe(zip.length)
  return zip
}

describe('assembleArchive', () => {
  test('gives the bytes that writeArchive gives, into memory with whatever in it', async () => {
    const path = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat({ max: 5000 }).map((length) => new Uint8Array(length).fill(65)),
    )
    const input = fc.dictionary(path, content, { maxKeys: 12, noNullPrototype: true })
    await fc.assert(
      fc.asyncProperty(input, async (files) => {
        const paths = Object.keys(files)
        const blobs = Object.values(files).map(compress)
        const described = describeFiles(paths)
        const layout = layOutArchive(prefix, described, blobs) ?? { bytes: 0, directoryAt: 0 }
        const zip = Buffer.alloc(layout.bytes, 0xa5)
        assembleArchive(zip, layout, prefix, described, blobs)
        expect(zip.equals(await written({ paths, blobs }))).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  test('is not for what is large, has very many files, or lies elsewhere', () => {
    const empty = compress(new Uint8Array())
    const far: Blob = { ...empty, data: async function* () {} }
    const large: Blob = { ...empty, compressedSize: assembledBytes, data: new Uint8Array(assembledBytes) }
    const sizeOf = (count: number, blob: Blob) => {
      const paths = Array.from({ length: count }, (_, index) => String(index))
      const blobs = paths.map(() => blob)
      return layOutArchive(prefix, describeFiles(paths), blobs)?.bytes
    }
    expect(sizeOf(65_534, empty)).toBeGreaterThan(0)
    expect(sizeOf(65_535, empty)).toBeUndefined()
    expect(sizeOf(1, far)).toBeUndefined()
    expect(sizeOf(1, large)).toBeUndefined()
  })

  test('refuses memory of another size', () => {
    expect(() => assembleArchive(Buffer.alloc(23), { bytes: 22, directoryAt: 0 }, prefix, [], [])).toThrow(
      'does not have the size',
    )
  })
})
