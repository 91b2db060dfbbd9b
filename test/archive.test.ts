import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  createWriteStream,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { crc32, deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ZipFile } from 'yazl'
import {
  ArchiveError,
  archiveSize,
  chunkBytes,
  hashArchive,
  readArchive,
  writeArchive,
  type ZipPiece,
} from '../src/archive.ts'
import { compareUtf8, emptyH1, hash1 } from '../src/module/dirhash.ts'

const hasPython = has('python3', '--version')

type Files = Readonly<Record<string, Uint8Array>>

const names = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((name) => !/[\0\n]/.test(name))
const contents = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.nat({ max: 300_000 }).map((length) => new Uint8Array(length).fill(65)),
)
const files: fc.Arbitrary<Files> = fc.dictionary(names, contents, { maxKeys: 12, noNullPrototype: true })

describe('writeArchive', () => {
  test('what is written is read back, however the data arrives', async () => {
    const path = join(temporary(), 'a.zip')
    const kinds = fc.infiniteStream(fc.constantFrom('deflate', 'store', 'streamed' as const))
    await fc.assert(
      fc.asyncProperty(files, kinds, async (content, kind) => {
        const pieces = Object.entries(content).map(([name, data]) => piece(name, data, kind.next().value))
        const bytes = await collect(writeArchive(pieces))
        expect(archiveSize(pieces)).toBe(bytes.length)
        expect((await collect(writeArchive(Readable.from(pieces)))).equals(bytes)).toBe(true)

        writeFileSync(path, bytes)
        const archive = await readArchive(path)
        expect(archive.size).toBe(bytes.length)
        expect(archive.entries).toEqual(
          pieces.map(({ data: _, ...header }) => ({ ...header, offset: expect.any(Number) })),
        )
        for (const entry of archive.entries) {
          expect(Buffer.compare(await archive.read(entry), content[entry.name] ?? Buffer.alloc(0))).toBe(0)
        }
        expect(await hashArchive(path)).toMatchObject({
          h1: h1Of(content),
          sha256: sha256(bytes),
          size: bytes.length,
        })
      }),
      { numRuns: 60 },
    )
  })

  test('the layout is fixed: no descriptor, no attributes, one time, and a flag for names beyond ASCII', async () => {
    const bytes = await collect(
      writeArchive([piece('m@v1.0.0/a', text('a')), piece('m@v1.0.0/é', text('b'), 'store')]),
    )
    const ascii = bytes.subarray(0)
    const second = bytes.subarray(bytes.indexOf('PK\x03\x04', 4, 'latin1'))
    const [first, last] = [bytes.indexOf('PK\x01\x02'), bytes.lastIndexOf('PK\x01\x02')].map((at) =>
      bytes.subarray(at),
    )
    expect(ascii.readUInt16LE(4)).toBe(20)
    expect([ascii.readUInt16LE(6), second.readUInt16LE(6)]).toEqual([0, 0x800])
    expect([ascii.readUInt16LE(8), second.readUInt16LE(8)]).toEqual([8, 0])
    expect([first?.readUInt16LE(8), last?.readUInt16LE(8)]).toEqual([0, 0x800])
    for (const [header, at] of [
      [ascii, 10],
      [first, 12],
      [last, 12],
    ] as const) {
      expect(header?.readUInt16LE(at)).toBe(0) // 00:00:00
      expect(header?.readUInt16LE(at + 2)).toBe(0x21) // 1980-01-01
    }
    for (const header of [first, last]) {
      expect(header?.readUInt16LE(4)).toBe(20)
      expect(header?.readUInt32LE(38)).toBe(0)
    }
  })

  test('a module without files is the empty zip', async () => {
    const path = await zipFile([])
    expect(readFileSync(path)).toHaveLength(22)
    expect((await readArchive(path)).entries).toEqual([])
    expect((await hashArchive(path)).h1).toBe(emptyH1)
  })

  test('small pieces come together in chunks, and large ones are divided', async () => {
    const large = piece('b', incompressible(700_000), 'store')
    const small = Array.from({ length: 5000 }, (_, index) => piece(`a${index}`, incompressible(500), 'store'))
    const chunks: Uint8Array[] = []
    for await (const chunk of writeArchive([...small, large])) chunks.push(chunk)
    expect(chunks.length).toBeLessThan(12)
    expect(Math.max(...chunks.map((chunk) => chunk.length))).toBeLessThanOrEqual(chunkBytes)
  })

  test('each chunk is alone in the memory that it is given, which may be taken away', async () => {
    const name = 'x'.repeat(60_000) // headers leave a gap at the end of a chunk
    const pieces = [
      ...Array.from({ length: 40 }, (_, index) =>
        piece(`${name}${index}`, incompressible(index * 997), 'store'),
      ),
      piece('large', incompressible(3_000_000), 'store'),
      piece('last', incompressible(10), 'streamed'),
    ]
    const bytes = await collect(writeArchive(pieces))
    const given: ArrayBuffer[] = []
    const taken: Buffer[] = []
    const memory = () => {
      const buffer = new ArrayBuffer(chunkBytes)
      given.push(buffer)
      return Buffer.from(buffer)
    }
    for await (const chunk of writeArchive(pieces, memory)) {
      expect(chunk.byteOffset).toBe(0)
      expect(chunk.buffer).toBe(given[taken.length])
      taken.push(Buffer.from(structuredClone(chunk, { transfer: [chunk.buffer as ArrayBuffer] })))
    }
    expect(taken).toHaveLength(given.length)
    expect(Buffer.concat(taken).equals(bytes)).toBe(true)
  })

  test('a chunk is not touched after it was yielded', async () => {
    const pieces = Array.from({ length: 20 }, (_, index) =>
      piece(`a${index}`, incompressible(90_000), 'store'),
    )
    const copies: Buffer[] = []
    const chunks: Uint8Array[] = []
    for await (const chunk of writeArchive(pieces)) {
      chunks.push(chunk)
      copies.push(Buffer.from(chunk))
    }
    expect(Buffer.concat(chunks).equals(Buffer.concat(copies))).toBe(true)
  })

  test.for([
    ['a piece with fewer bytes than it declares', { compressedSize: 9 }],
    ['a stored piece of two sizes', { size: 9 }],
    ['a negative size', { size: -1, compressedSize: -1 }],
    ['a name of nothing', { name: '' }],
    ['a name that is too long', { name: 'é'.repeat(33_000) }],
  ] as const)('%s is a mistake of the caller', async ([, change]) => {
    const wrong = { ...piece('a', text('text'), 'store'), ...change }
    await expect(collect(writeArchive([wrong]))).rejects.toThrow()
  })

  test('the error of a piece that is kept elsewhere arrives', async () => {
    const lost = new Error('the spool file is gone')
    const data = (): AsyncIterable<Uint8Array> => Readable.from([text('a')]).map(() => Promise.reject(lost))
    await expect(collect(writeArchive([{ ...piece('a', text('a')), data }]))).rejects.toThrow(lost.message)
  })
})

describe('beyond the first format', () => {
  test.for([65_534, 65_535, 65_536])('%i files', async (count) => {
    const empty = { crc32: 0, size: 0, method: 'store', compressedSize: 0, data: new Uint8Array(0) } as const
    const pieces = Array.from({ length: count }, (_, index) => ({ ...empty, name: `m@v1.0.0/${index}` }))
    const path = await zipFile(pieces)
    const bytes = readFileSync(path)
    expect(bytes.length).toBe(archiveSize(pieces))
    expect(bytes.includes('PK\x06\x06')).toBe(count > 65_534)
    const { entries } = await readArchive(path)
    expect(entries).toHaveLength(count)
    expect(entries.at(-1)?.name).toBe(`m@v1.0.0/${count - 1}`)
    if (hasPython)
      expect(python('print(len(zipfile.ZipFile(sys.argv[1]).infolist()))', path)).toBe(`${count}\n`)
  })

  test('a file of 4 GiB, and one behind it', async () => {
    const block = new Uint8Array(64 * 1024 * 1024)
    const size = block.length * 65
    const zeros: ZipPiece = {
      name: 'm@v1.0.0/zeros',
      crc32: 0,
      size,
      method: 'store',
      compressedSize: size,
      data: () => Readable.from(Array.from({ length: 65 }, () => block)),
    }
    const after = piece('m@v1.0.0/zz', text('after'))
    const path = join(temporary(), 'large.zip')
    const descriptor = openSync(path, 'w')
    let at = 0
    for await (const chunk of writeArchive([zeros, after])) {
      // The zeros become a hole of the file.
      if (chunk.length !== block.length) writeSync(descriptor, chunk, 0, chunk.length, at)
      at += chunk.length
    }
    closeSync(descriptor)
    expect(at).toBe(archiveSize([zeros, after]))
    const archive = await readArchive(path)
    expect(archive.entries.map((entry) => [entry.name, entry.size, entry.compressedSize])).toEqual([
      [zeros.name, size, size],
      [after.name, after.size, after.compressedSize],
    ])
    const [, last] = archive.entries
    if (last === undefined) throw new Error('There are two entries.')
    expect(last.offset).toBeGreaterThan(2 ** 32)
    expect(await archive.read(last)).toEqual(Buffer.from('after'))
    await expect(hashArchive(path)).rejects.toThrow('larger than the 500 MiB')
    if (hasPython) {
      const code =
        'z = zipfile.ZipFile(sys.argv[1]); print([i.file_size for i in z.infolist()], z.read("m@v1.0.0/zz"))'
      expect(python(code, path)).toBe(`[${size}, 5] b'after'\n`)
    }
  })
})

describe('other programs', () => {
  const content: Files = {
    'm@v1.0.0/LICENSE': text('Free.'.repeat(100)),
    'm@v1.0.0/a.go': text('package m\n'),
    'm@v1.0.0/empty': new Uint8Array(0),
    'm@v1.0.0/go.mod': text('module m\n'),
    'm@v1.0.0/random': incompressible(3_000_000),
    'm@v1.0.0/zeros': new Uint8Array(3_000_000),
    'm@v1.0.0/é/漢字.txt': text('e'),
  }

  test.runIf(hasPython)('Python reads what is written', async () => {
    const path = await zipFile(piecesOf(content))
    const code = `
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
for i in z.infolist():
    assert i.date_time == (1980, 1, 1, 0, 0, 0) and i.external_attr == 0 and not i.is_dir()
    print(hashlib.sha256(z.read(i)).hexdigest() + "  " + i.filename)`
    expect(python(code, path)).toBe(sumsOf(content))
  })

  test.runIf(has('unzip', '-v'))('unzip finds no fault', async () => {
    const path = await zipFile(piecesOf(content))
    expect(execFileSync('unzip', ['-tq', path], { encoding: 'utf8' })).toContain('No errors detected')
  })

  test.runIf(has('go', 'version'))('go reads what is written', async () => {
    const path = await zipFile(piecesOf(content))
    const program = join(temporary(), 'main.go')
    writeFileSync(program, goReader)
    const environment = {
      ...process.env,
      GOFLAGS: '',
      GOTOOLCHAIN: 'local',
      GO111MODULE: 'off',
      GOWORK: 'off',
    }
    const options = { encoding: 'utf8', env: environment, cwd: temporary() } as const
    expect(execFileSync('go', ['run', program, path], options)).toBe(sumsOf(content))
  })

  test.for(['plain', 'zip64'] as const)('what yazl writes is read: %s', async (form) => {
    const zip = new ZipFile()
    for (const [index, [name, data]] of Object.entries(content).entries()) {
      const forceZip64Format = form === 'zip64'
      const options = { compress: index % 2 === 0, forceZip64Format }
      // A stream's sizes are known only after its data, in a descriptor.
      if (index % 3 === 0) zip.addReadStream(Readable.from([Buffer.from(data)]), name, options)
      else zip.addBuffer(Buffer.from(data), name, options)
    }
    zip.end({
      forceZip64Format: form === 'zip64',
      comment: 'Made by yazl.',
    })
    const path = join(temporary(), 'yazl.zip')
    await pipeline(zip.outputStream, createWriteStream(path))

    const archive = await readArchive(path)
    const read = await Promise.all(
      archive.entries.map(async (entry) => [entry.name, await archive.read(entry)] as const),
    )
    expect(sumsOf(Object.fromEntries(read))).toBe(sumsOf(content))
    expect(await hashArchive(path)).toEqual({
      h1: h1Of(content),
      sha256: sha256(readFileSync(path)),
      size: archive.size,
      goMod: Buffer.from('module m\n'),
    })
  })

  test('yazl and writeArchive agree on names, sizes and checksums', async () => {
    const zip = new ZipFile()
    for (const [name, data] of Object.entries(content))
      zip.addBuffer(Buffer.from(data), name, { compressionLevel: 6 })
    zip.end()
    const path = join(temporary(), 'yazl.zip')
    await pipeline(zip.outputStream, createWriteStream(path))
    const theirs = (await readArchive(path)).entries
    const ours = (await readArchive(await zipFile(piecesOf(content)))).entries
    expect(ours.map(({ offset: _, ...entry }) => entry)).toEqual(
      theirs.map(({ offset: _, ...entry }) => entry),
    )
  })
})

describe('hashArchive', () => {
  test('what looks like an end inside the comment is none', async () => {
    const path = await zipFile([piece('m@v1/a', text('a'))])
    const { h1 } = await hashArchive(path)
    const comment = Buffer.from('PK\x05\x06'.padEnd(60_000, '-'))
    const bytes = readFileSync(path)
    bytes.writeUInt16LE(comment.length, bytes.length - 2)
    writeFileSync(path, Buffer.concat([bytes, comment]))
    expect((await hashArchive(path)).h1).toBe(h1)
  })

  test.for([
    ['example.com/m@v1.0.0/go.mod', 'module m'],
    ['m@v2.0.0+incompatible/go.mod', 'module m'],
    ['example.com/m@v1.0.0/sub/go.mod', undefined],
    ['example.com/m@v1.0.0/GO.MOD', undefined],
    ['go.mod', undefined],
  ] as const)('%s', async ([name, want]) => {
    const { goMod } = await hashArchive(await zipFile([piece(name, text('module m'))]))
    expect(goMod === undefined ? undefined : Buffer.from(goMod).toString()).toBe(want)
  })

  test('what would inflate to more than go takes is not inflated', async () => {
    const small = piece('m@v1.0.0/a', text('a'))
    const path = await zipFile([{ ...small, method: 'deflate', size: 500 * 2 ** 20 + 1 }])
    await expect(hashArchive(path)).rejects.toThrow('holds more than the 500 MiB')
  })

  test('a file that is not there is the error of the system', async () => {
    await expect(hashArchive(join(temporary(), 'none.zip'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('a damaged zip', () => {
  const small = piecesOf({ 'm@v1/a': text('a'.repeat(50)) })

  test('is refused wherever it is cut off', async () => {
    const path = await zipFile([...small, piece('m@v1/b', text('b'), 'store')])
    const whole = readFileSync(path)
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length))
      await expect(readArchive(path)).rejects.toThrow(ArchiveError)
    }
    writeFileSync(path, Buffer.concat([whole, Buffer.from('x')]))
    await expect(readArchive(path)).rejects.toThrow(ArchiveError)
  })

  test('with one wrong bit is refused, or its files are as they were', async () => {
    const path = await zipFile(small)
    const whole = readFileSync(path)
    const { h1 } = await hashArchive(path)
    let refused = 0
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const flipped = Buffer.from(whole)
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      writeFileSync(path, flipped)
      try {
        expect(await hashArchive(path)).toMatchObject({ h1, sha256: sha256(flipped) })
      } catch (error) {
        expect(error).toBeInstanceOf(ArchiveError)
        refused++
      }
    }
    // What is left are times, attributes, versions, and local fields that repeat the directory.
    expect(refused).toBeGreaterThan(whole.length * 8 * 0.6)
  })

  test.for([
    ['a wrong checksum', { crc32: 1 }],
    ['more than it declares', { size: 49 }],
    ['less than it declares', { size: 51 }],
    ['nothing declared, but something there', { size: 0, crc32: 0 }],
  ] as const)('has %s', async ([, change]) => {
    for (const length of [50, 5_000_000]) {
      const honest = piece('m@v1/a', new Uint8Array(length).fill(7))
      const size = 'size' in change ? { size: change.size === 0 ? 0 : length + change.size - 50 } : {}
      const path = await zipFile([{ ...honest, ...change, ...size }])
      const archive = await readArchive(path)
      const [entry] = archive.entries
      if (entry === undefined) throw new Error('There is one entry.')
      await expect(archive.read(entry)).rejects.toThrow(`${path} holds m@v1/a damaged.`)
      await expect(hashArchive(path)).rejects.toThrow(ArchiveError)
    }
  })

  test('of 200 MB that declares little is refused without being inflated', async () => {
    const data = deflateRawSync(new Uint8Array(200_000_000))
    const bomb: ZipPiece = {
      name: 'm@v1/a',
      crc32: 0,
      size: 10_000_000,
      method: 'deflate',
      compressedSize: data.length,
      data,
    }
    await expect(hashArchive(await zipFile([bomb]))).rejects.toThrow('holds m@v1/a damaged')
    await expect(hashArchive(await zipFile([{ ...bomb, size: 10 }]))).rejects.toThrow('holds m@v1/a damaged')
  })

  test.for([
    ['cut off inside deflated data', (data: Uint8Array) => data.subarray(0, data.length - 3)],
    ['other bytes for deflated data', (data: Uint8Array) => data.map(() => 0xff)],
  ] as const)('has %s', async ([, change]) => {
    for (const length of [5_000, 5_000_000]) {
      const honest = piece('m@v1/a', incompressible(length))
      const data = change(honest.data instanceof Uint8Array ? honest.data : new Uint8Array(0))
      const path = await zipFile([{ ...honest, data, compressedSize: data.length }])
      await expect(hashArchive(path)).rejects.toThrow('holds m@v1/a damaged')
    }
  })

  test.for([
    ['the same name twice', /holds m@v1\/a twice/, (bytes: Buffer) => replaceAll(bytes, 'm@v1/b', 'm@v1/a')],
    ['a name that is no UTF-8', /name/, (bytes: Buffer) => replaceAll(bytes, 'm@v1/b', 'm@v1/\xff')],
    ['a newline in a name', /name/, (bytes: Buffer) => replaceAll(bytes, 'm@v1/b', 'm@v1/\n')],
    ['another name in the local header', /damaged/, (bytes: Buffer) => bytes.fill('c', 35, 36)],
    ['an encrypted file', /form that go does not read/, (bytes: Buffer) => directoryField(bytes, 8, 1)],
    ['an unknown method', /form that go does not read/, (bytes: Buffer) => directoryField(bytes, 10, 12)],
    ['two files in one place', /one place/, (bytes: Buffer) => directoryField(bytes, 42, 40)],
    ['a file beyond the end', /one place/, (bytes: Buffer) => directoryField(bytes, 42, 60_000)],
    ['another count', /central directory/, (bytes: Buffer) => endField(bytes, [8, 10], 1)],
    ['a second disk', /several/, (bytes: Buffer) => endField(bytes, [4], 1)],
    ['a directory elsewhere', /central directory/, (bytes: Buffer) => endField(bytes, [16], 1)],
    [
      'something before it',
      /central directory/,
      (bytes: Buffer) => Buffer.concat([Buffer.from('#!'), bytes]),
    ],
  ] as const)('has %s', async ([, message, change]) => {
    const path = await zipFile([piece('m@v1/a', text('a')), piece('m@v1/b', text('b'))])
    writeFileSync(path, change(readFileSync(path)))
    await expect(hashArchive(path)).rejects.toThrow(ArchiveError)
    await expect(hashArchive(path)).rejects.toThrow(message)
  })
})

const goReader = `package main

import (
	"archive/zip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
)

func main() {
	z, err := zip.OpenReader(os.Args[1])
	if err != nil {
		panic(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			panic(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%x  %s\\n", sha256.Sum256(b), f.Name)
	}
}
`

function piece(
  name: string,
  content: Uint8Array,
  kind: 'deflate' | 'store' | 'streamed' = 'deflate',
): ZipPiece {
  const data = kind === 'store' ? content : deflateRawSync(content, { level: 6 })
  return {
    name,
    crc32: crc32(content),
    size: content.length,
    method: kind === 'store' ? 'store' : 'deflate',
    compressedSize: data.length,
    data: kind === 'streamed' ? () => Readable.from([data.subarray(0, 3), data.subarray(3)]) : data,
  }
}

function piecesOf(content: Files): ZipPiece[] {
  return Object.entries(content).map(([name, data]) => piece(name, data))
}

async function zipFile(pieces: Iterable<ZipPiece>): Promise<string> {
  const path = join(temporary(), 'a.zip')
  writeFileSync(path, await collect(writeArchive(pieces)))
  return path
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

function h1Of(content: Files): string {
  return hash1(Object.entries(content).map(([name, data]) => ({ name, sha256: sha256(data) })))
}

function sumsOf(content: Files): string {
  const sorted = Object.entries(content).sort(([a], [b]) => compareUtf8(a, b))
  return sorted.map(([name, data]) => `${sha256(data)}  ${name}\n`).join('')
}

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

/** Returns bytes that look random, always the same. */
function incompressible(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = 1
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}

function replaceAll(bytes: Buffer, from: string, to: string): Buffer {
  return Buffer.from(bytes.toString('latin1').replaceAll(from, to), 'latin1')
}

/** Changes a field of the second file's entry in the central directory. */
function directoryField(bytes: Buffer, field: number, value: number): Buffer {
  bytes.writeUInt16LE(value, bytes.lastIndexOf('PK\x01\x02') + field)
  return bytes
}

function endField(bytes: Buffer, fields: readonly number[], value: number): Buffer {
  for (const field of fields) bytes.writeUInt16LE(value, bytes.length - 22 + field)
  return bytes
}

function has(program: string, argument: string): boolean {
  try {
    execFileSync(program, [argument], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function python(code: string, path: string): string {
  const imports = 'import hashlib, sys, zipfile\nsys.stdout.reconfigure(encoding="utf-8")\n'
  return execFileSync('python3', ['-c', `${imports}${code}`, path], { encoding: 'utf8' })
}

function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'modpress-archive-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
