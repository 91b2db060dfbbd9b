/**
 * Module zips. They are assembled from pieces that are deflated already, since
 * neighbouring versions share almost all of their files, and written in one
 * pass: the sizes are known, so nothing is patched afterwards and no data
 * descriptor is needed. They are read back by their central directory, and
 * what does not agree with itself is refused.
 *
 * The bytes follow from the pieces alone: fixed time, no attributes, no
 * comment. What go asks of a container is little (methods 0 and 8, no
 * directory entries, flag 0x800 for names beyond ASCII); its h1 hash is over
 * names and contents only.
 *
 * Where 16 or 32 bits do not suffice a field is all ones, and a "zip64" record
 * beside it has the number in 64 bits.
 *
 * This file is long because writing and reading are two views of one layout.
 *
 * @see https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */

import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { crc32, createInflateRaw, inflateRawSync } from 'node:zlib'
import type { BlobData } from './compress.ts'
import { type HashedFile, hash1 } from './module/dirhash.ts'

/** A file of a zip, as it will lie in it. */
export interface ZipPiece {
  readonly name: string
  readonly crc32: number
  /** Of the file itself, in bytes. */
  readonly size: number
  readonly method: 'deflate' | 'store'
  /** Of `data`, in bytes. */
  readonly compressedSize: number
  readonly data: BlobData
}

/**
 * Yields the bytes of a zip in chunks of some hundred KiB, in the order of the pieces. Each lies at the beginning of
 * memory of `chunkBytes` that was given for it alone, and is not touched again: it is whoever's who takes the chunk.
 */
export async function* writeArchive(
  pieces: Iterable<ZipPiece> | AsyncIterable<ZipPiece>,
  memory: () => Buffer = () => Buffer.allocUnsafeSlow(chunkBytes),
): AsyncGenerator<Uint8Array, void, undefined> {
  const output = new Chunks(memory)
  const directory = new Chunks(() => Buffer.allocUnsafeSlow(chunkBytes / 4))
  let count = 0
  let offset = 0
  for await (const piece of pieces) {
    checkPiece(piece)
    putLocalHeader(output, piece)
    putDirectoryHeader(directory, piece, offset)
    count += 1
    offset = output.size + piece.compressedSize
    const { data } = piece
    if (typeof data !== 'function') output.put(data instanceof Uint8Array ? data : data.read())
    else {
      for await (const chunk of data()) {
        output.put(chunk)
        if (output.hasFull) yield* output.takeFull()
      }
    }
    if (output.size !== offset) throw new Error(`${piece.name} has not as many bytes as it declares.`)
    if (output.hasFull) yield* output.takeFull()
  }
  const end = { count, offset, size: directory.size }
  for (const chunk of directory.takeAll()) output.put(chunk)
  putEnd(output, end)
  yield* output.takeAll()
}

/** Returns the size of the zip that `writeArchive` makes of these pieces, in bytes. */
export function archiveSize(pieces: Iterable<Omit<ZipPiece, 'data'>>): number {
  let count = 0
  let offset = 0
  let size = 0
  for (const piece of pieces) {
    const name = Buffer.byteLength(piece.name)
    count += 1
    size += directoryHeaderBytes + name + directoryExtraBytes(piece, offset)
    offset += localHeaderBytes + name + (isLarge(piece) ? 20 : 0) + piece.compressedSize
  }
  return (
    offset + size + (isLargeEnd({ count, offset, size }) ? largeEndBytes + largeLocatorBytes : 0) + endBytes
  )
}

/** A file of a zip on disk, as the central directory describes it. */
export interface ArchiveEntry {
  readonly name: string
  readonly size: number
  readonly compressedSize: number
  readonly crc32: number
  readonly method: 'deflate' | 'store'
  /** Where the local header begins. */
  readonly offset: number
}

/** A zip on disk. Nothing is kept open, so that there is nothing to close. */
export interface Archive {
  /** In the order of the central directory. */
  readonly entries: readonly ArchiveEntry[]
  /** Of the zip itself, in bytes. */
  readonly size: number
  /** Reads the content of an entry, and throws an `ArchiveError` unless its size and checksum are as declared. */
  read(entry: ArchiveEntry): Promise<Uint8Array>
}

/** What `hashArchive` finds. */
export interface ArchiveHashes {
  /** The hash of the zip's files that go.sum holds. */
  readonly h1: string
  /** Of the zip itself, in lower-case hexadecimal. */
  readonly sha256: string
  /** Of the zip itself, in bytes. */
  readonly size: number
  /** The content of the module's go.mod, where the zip has one that go would read. */
  readonly goMod?: Uint8Array
}

/** Says that a zip is damaged, or is none that go would accept. The message names the file. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError'
}

/** Reads the directory of a zip. Throws an `ArchiveError` where it does not agree with itself. */
export async function readArchive(path: string): Promise<Archive> {
  return withFile(path, async (file) => {
    const end = await readEnd(file)
    const entries = await readDirectory(file, end)
    const read = (entry: ArchiveEntry): Promise<Uint8Array> =>
      withFile(path, (reopened) => join(contentOf(reopened, entry, end)))
    return { entries, size: file.size, read }
  })
}

/** Hashes a zip and its files, which are inflated one after the other and, but for go.mod, never held whole. */
export async function hashArchive(path: string): Promise<ArchiveHashes> {
  return withFile(path, async (file) => {
    if (file.size > maxTotalBytes) throw file.fault('is larger than the 500 MiB that go accepts')
    const end = await readEnd(file)
    const entries = await readDirectory(file, end)
    const total = entries.reduce((sum, entry) => sum + entry.size, 0)
    if (total > maxTotalBytes) throw file.fault('holds more than the 500 MiB that go accepts')
    const files: HashedFile[] = []
    let goMod: Uint8Array | undefined
    for (const entry of entries) {
      const hash = createHash('sha256')
      const kept: Uint8Array[] = []
      const isGoMod = goModName.test(entry.name) && entry.size <= maxGoModBytes
      for await (const chunk of contentOf(file, entry, end)) {
        hash.update(chunk)
        if (isGoMod) kept.push(chunk)
      }
      if (isGoMod) goMod = Buffer.concat(kept)
      files.push({ name: entry.name, sha256: hash.digest('hex') })
    }
    const whole = createHash('sha256')
    for await (const chunk of file.chunks(0, file.size)) whole.update(chunk)
    const hashes = { h1: hash1(files), sha256: whole.digest('hex'), size: file.size }
    return goMod === undefined ? hashes : { ...hashes, goMod }
  })
}

export const localHeaderBytes = 30
export const directoryHeaderBytes = 46
export const endBytes = 22
const largeEndBytes = 56
const largeLocatorBytes = 20
const localSignature = 0x04034b50
const directorySignature = 0x02014b50
const endSignature = 0x06054b50
const largeEndSignature = 0x06064b50
const largeLocatorSignature = 0x07064b50
const max16 = 0xffff
const max32 = 0xffff_ffff
const deflateMethod = 8
const storeMethod = 0
const utf8Flag = 0x800
/** 1980-01-01 00:00, the first moment that the format knows. Bits: year - 1980, month, day; hour, minute, seconds / 2. */
export const dosDate: number = (1 << 5) | 1
export const dosTime = 0
export const chunkBytes: number = 512 * 1024

interface End {
  readonly count: number
  /** Where the central directory begins. */
  readonly offset: number
  readonly size: number
}

type Header = Omit<ZipPiece, 'data'>

/** Collects bytes into chunks, each in memory that it is given. What has been taken is not touched again. */
class Chunks {
  size = 0
  readonly #memory: () => Buffer
  #full: Uint8Array[] = []
  #buffer: Buffer = Buffer.alloc(0)
  #used = 0

  /** A piece of the memory must have room for a header with its name. */
  constructor(memory: () => Buffer) {
    this.#memory = memory
  }

  get hasFull(): boolean {
    return this.#full.length > 0
  }

  put(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.byteLength; ) {
      if (this.#used === this.#buffer.length) this.#renew()
      const part = Math.min(bytes.byteLength - done, this.#buffer.length - this.#used)
      this.#buffer.set(part === bytes.byteLength ? bytes : bytes.subarray(done, done + part), this.#used)
      this.#used += part
      this.size += part
      done += part
    }
  }

  /** Lets a function write a header in place: its fields to the buffer, from the position on. */
  putHeader(bytes: number, fill: (buffer: Buffer, at: number) => void): void {
    if (this.#buffer.length - this.#used < bytes) this.#renew()
    fill(this.#buffer, this.#used)
    this.#used += bytes
    this.size += bytes
  }

  takeFull(): Uint8Array[] {
    const full = this.#full
    this.#full = []
    return full
  }

  takeAll(): Uint8Array[] {
    this.#seal()
    return this.takeFull()
  }

  #renew(): void {
    this.#seal()
    this.#buffer = this.#memory()
  }

  #seal(): void {
    if (this.#used > 0) this.#full.push(this.#buffer.subarray(0, this.#used))
    this.#buffer = Buffer.alloc(0)
    this.#used = 0
  }
}

function checkPiece(piece: ZipPiece): void {
  const sizes = [piece.size, piece.compressedSize]
  if (!sizes.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw new Error(`${piece.name} has no valid size.`)
  }
  if (piece.method === 'store' && piece.size !== piece.compressedSize) {
    throw new Error(`${piece.name} is stored, but its sizes differ.`)
  }
  if (piece.name === '' || Buffer.byteLength(piece.name) > max16) {
    throw new Error(`The name of ${piece.name.slice(0, 100) || 'a file'} cannot be written in a zip.`)
  }
}

function putLocalHeader(output: Chunks, piece: Header): void {
  const nameBytes = Buffer.byteLength(piece.name)
  const large = isLarge(piece)
  output.putHeader(localHeaderBytes + nameBytes + (large ? 20 : 0), (buffer, at) => {
    buffer.writeUInt32LE(localSignature, at)
    putCommon(buffer, at + 4, piece, nameBytes, large ? 20 : 0, large ? 45 : 20)
    const extra = at + localHeaderBytes + buffer.write(piece.name, at + localHeaderBytes)
    if (large) putExtra(buffer, extra, [piece.size, piece.compressedSize])
  })
}

function putDirectoryHeader(directory: Chunks, piece: Header, offset: number): void {
  const nameBytes = Buffer.byteLength(piece.name)
  const extraBytes = directoryExtraBytes(piece, offset)
  const version = extraBytes > 0 ? 45 : 20
  directory.putHeader(directoryHeaderBytes + nameBytes + extraBytes, (buffer, at) => {
    buffer.writeUInt32LE(directorySignature, at)
    buffer.writeUInt16LE(version, at + 4) // made by: the upper byte 0 says that attributes are none of Unix
    putCommon(buffer, at + 6, piece, nameBytes, extraBytes, version)
    buffer.fill(0, at + 32, at + 42) // comment, disk, attributes
    buffer.writeUInt32LE(Math.min(offset, max32), at + 42)
    const extra = at + directoryHeaderBytes + buffer.write(piece.name, at + directoryHeaderBytes)
    if (extraBytes > 0) {
      const sizes = isLarge(piece) ? [piece.size, piece.compressedSize] : []
      putExtra(buffer, extra, offset >= max32 ? [...sizes, offset] : sizes)
    }
  })
}

/** Writes the 26 bytes that both headers of a file have in common. */
function putCommon(
  buffer: Buffer,
  at: number,
  piece: Header,
  nameBytes: number,
  extraBytes: number,
  version: number,
): void {
  const large = isLarge(piece)
  buffer.writeUInt16LE(version, at)
  // UTF-8 takes as many bytes as UTF-16 has units only where all are ASCII.
  buffer.writeUInt16LE(nameBytes === piece.name.length ? 0 : utf8Flag, at + 2)
  buffer.writeUInt16LE(piece.method === 'deflate' ? deflateMethod : storeMethod, at + 4)
  buffer.writeUInt16LE(dosTime, at + 6)
  buffer.writeUInt16LE(dosDate, at + 8)
  buffer.writeUInt32LE(piece.crc32, at + 10)
  buffer.writeUInt32LE(large ? max32 : piece.compressedSize, at + 14)
  buffer.writeUInt32LE(large ? max32 : piece.size, at + 18)
  buffer.writeUInt16LE(nameBytes, at + 22)
  buffer.writeUInt16LE(extraBytes, at + 24)
}

/** Writes a zip64 field: the numbers whose places in the header are all ones, in their order. */
function putExtra(buffer: Buffer, at: number, numbers: readonly number[]): void {
  buffer.writeUInt16LE(1, at)
  buffer.writeUInt16LE(8 * numbers.length, at + 2)
  for (const [index, number] of numbers.entries()) {
    buffer.writeBigUInt64LE(BigInt(number), at + 4 + 8 * index)
  }
}

function putEnd(output: Chunks, { count, offset, size }: End): void {
  if (isLargeEnd({ count, offset, size })) {
    const end = output.size
    output.putHeader(largeEndBytes + largeLocatorBytes, (buffer, at) => {
      buffer.fill(0, at, at + largeEndBytes + largeLocatorBytes)
      buffer.writeUInt32LE(largeEndSignature, at)
      buffer.writeUInt32LE(largeEndBytes - 12, at + 4)
      buffer.writeUInt16LE(45, at + 12)
      buffer.writeUInt16LE(45, at + 14)
      buffer.writeBigUInt64LE(BigInt(count), at + 24)
      buffer.writeBigUInt64LE(BigInt(count), at + 32)
      buffer.writeBigUInt64LE(BigInt(size), at + 40)
      buffer.writeBigUInt64LE(BigInt(offset), at + 48)
      buffer.writeUInt32LE(largeLocatorSignature, at + largeEndBytes)
      buffer.writeBigUInt64LE(BigInt(end), at + largeEndBytes + 8)
      buffer.writeUInt32LE(1, at + largeEndBytes + 16)
    })
  }
  output.putHeader(endBytes, (buffer, at) => {
    buffer.fill(0, at, at + endBytes)
    buffer.writeUInt32LE(endSignature, at)
    buffer.writeUInt16LE(Math.min(count, max16), at + 8)
    buffer.writeUInt16LE(Math.min(count, max16), at + 10)
    buffer.writeUInt32LE(Math.min(size, max32), at + 12)
    buffer.writeUInt32LE(Math.min(offset, max32), at + 16)
  })
}

function isLarge(piece: Header): boolean {
  return piece.size >= max32 || piece.compressedSize >= max32
}

function isLargeEnd({ count, offset, size }: End): boolean {
  return count >= max16 || offset >= max32 || size >= max32
}

function directoryExtraBytes(piece: Header, offset: number): number {
  const numbers = (isLarge(piece) ? 2 : 0) + (offset >= max32 ? 1 : 0)
  return numbers === 0 ? 0 : 4 + 8 * numbers
}

/** The module's own go.mod. A module path has no "@", and a version no slash. */
const goModName = /^[^@]+@[^/@]+\/go\.mod$/
const maxGoModBytes = 16 * 1024 * 1024
const maxTotalBytes = 500 * 1024 * 1024
const windowBytes = 1024 * 1024
/** Up to this size an entry is inflated at once. */
const smallBytes = windowBytes
/** Encrypted, patched, strongly encrypted, directory encrypted. */
const refusedFlags = 0x2061
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** An open zip file of which a window is in memory. */
class ZipFile {
  readonly size: number
  readonly #path: string
  readonly #handle: FileHandle
  #window: Buffer = Buffer.alloc(0)
  #windowAt = 0

  constructor(path: string, handle: FileHandle, size: number) {
    this.#path = path
    this.#handle = handle
    this.size = size
  }

  fault(what: string): ArchiveError {
    return new ArchiveError(`${this.#path} ${what}.`)
  }

  /** Reads bytes, which stay as they are when others are read. */
  async bytes(at: number, length: number): Promise<Buffer> {
    if (at < 0 || at + length > this.size) throw this.fault('is cut off, or no zip at all')
    const from = at - this.#windowAt
    if (from >= 0 && from + length <= this.#window.length) return this.#window.subarray(from, from + length)
    const window = Buffer.allocUnsafeSlow(Math.min(Math.max(length, windowBytes), this.size - at))
    for (let done = 0; done < window.length; ) {
      const { bytesRead } = await this.#handle.read(window, done, window.length - done, at + done)
      if (bytesRead === 0) throw this.fault('became shorter while it was read')
      done += bytesRead
    }
    this.#window = window
    this.#windowAt = at
    return window.subarray(0, length)
  }

  async *chunks(at: number, length: number): AsyncGenerator<Buffer, void, undefined> {
    for (let done = 0; done < length; done += windowBytes) {
      yield await this.bytes(at + done, Math.min(windowBytes, length - done))
    }
  }
}

async function withFile<T>(path: string, use: (file: ZipFile) => Promise<T>): Promise<T> {
  const handle = await open(path)
  try {
    const { size } = await handle.stat()
    return await use(new ZipFile(path, handle, size))
  } finally {
    await handle.close()
  }
}

async function join(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  const [first] = all
  return first !== undefined && all.length === 1 ? first : Buffer.concat(all)
}

async function readEnd(file: ZipFile): Promise<End> {
  const tailBytes = Math.min(file.size, endBytes + max16)
  const tailAt = file.size - tailBytes
  const tail = await file.bytes(tailAt, tailBytes)
  for (let at = tailBytes - endBytes; at >= 0; at--) {
    // The record ends with a comment of any content, but of a length that must lead to the end of the file.
    if (tail.readUInt32LE(at) !== endSignature) continue
    if (at + endBytes + tail.readUInt16LE(at + 20) !== tailBytes) continue
    const end = {
      count: tail.readUInt16LE(at + 10),
      size: tail.readUInt32LE(at + 12),
      offset: tail.readUInt32LE(at + 16),
    }
    const large = await readLargeEnd(file, tailAt + at)
    const isOneDisk = tail.readUInt32LE(at + 4) === 0 && tail.readUInt16LE(at + 8) === end.count
    if (!isOneDisk && large === undefined) throw file.fault('is one part of a zip of several')
    const { directoryEnd, ...found } = large ?? { ...end, directoryEnd: tailAt + at }
    if (found.offset + found.size !== directoryEnd || found.count * directoryHeaderBytes > found.size) {
      throw file.fault('has no central directory where its end says')
    }
    return found
  }
  throw file.fault('is cut off, or no zip at all')
}

/** Reads the zip64 end, if there is one before the ordinary end. */
async function readLargeEnd(
  file: ZipFile,
  endAt: number,
): Promise<(End & { readonly directoryEnd: number }) | undefined> {
  const locatorAt = endAt - largeLocatorBytes
  if (locatorAt < largeEndBytes) return undefined
  const locator = await file.bytes(locatorAt, largeLocatorBytes)
  if (locator.readUInt32LE(0) !== largeLocatorSignature) return undefined
  const at = number64(file, locator, 8)
  const record = await file.bytes(at, largeEndBytes)
  if (
    record.readUInt32LE(0) !== largeEndSignature ||
    at + 12 + number64(file, record, 4) !== locatorAt ||
    record.readBigUInt64LE(16) !== 0n
  ) {
    throw file.fault('has a damaged zip64 end')
  }
  return {
    count: number64(file, record, 32),
    size: number64(file, record, 40),
    offset: number64(file, record, 48),
    directoryEnd: at,
  }
}

async function readDirectory(file: ZipFile, end: End): Promise<readonly ArchiveEntry[]> {
  const entries: ArchiveEntry[] = []
  const names = new Set<string>()
  let at = end.offset
  for (let index = 0; index < end.count; index++) {
    const header = await file.bytes(at, directoryHeaderBytes)
    if (header.readUInt32LE(0) !== directorySignature) throw file.fault('has a damaged central directory')
    const nameBytes = header.readUInt16LE(28)
    const extraBytes = header.readUInt16LE(30)
    const rest = await file.bytes(at + directoryHeaderBytes, nameBytes + extraBytes)
    const entry = readEntry(file, header, rest.subarray(0, nameBytes), rest.subarray(nameBytes))
    if (names.has(entry.name)) throw file.fault(`holds ${entry.name} twice`)
    names.add(entry.name)
    entries.push(entry)
    at += directoryHeaderBytes + nameBytes + extraBytes + header.readUInt16LE(32)
  }
  if (at !== end.offset + end.size) throw file.fault('has a damaged central directory')
  checkOverlap(file, entries, end)
  return entries
}

function readEntry(file: ZipFile, header: Buffer, nameBytes: Buffer, extra: Buffer): ArchiveEntry {
  const name = nameOf(nameBytes)
  if (name === undefined) throw file.fault('holds a name that no module zip can hold')
  const flags = header.readUInt16LE(8)
  const method = methodOf(header.readUInt16LE(10))
  if (method === undefined || (flags & refusedFlags) !== 0) {
    throw file.fault(`holds ${name} in a form that go does not read`)
  }
  // The zip64 field has just those of the numbers, in this order, that the header has no room for.
  const large = largeField(extra)
  let used = 0
  const numberAt = (at: number): number => {
    const number = header.readUInt32LE(at)
    if (number !== max32) return number
    used += 8
    if (large === undefined || large.length < used) throw file.fault(`has damaged zip64 sizes of ${name}`)
    return number64(file, large, used - 8)
  }
  const size = numberAt(24)
  const compressedSize = numberAt(20)
  const offset = numberAt(42)
  if (method === 'store' && size !== compressedSize) throw file.fault(`has damaged sizes of ${name}`)
  return { name, size, compressedSize, crc32: header.readUInt32LE(16), method, offset }
}

/** Entries over one another are what makes a small zip inflate to an endless one. */
function checkOverlap(file: ZipFile, entries: readonly ArchiveEntry[], end: End): void {
  const sorted = [...entries].sort((a, b) => a.offset - b.offset)
  for (const [index, { name, offset, compressedSize }] of sorted.entries()) {
    const limit = sorted[index + 1]?.offset ?? end.offset
    if (offset + localHeaderBytes + Buffer.byteLength(name) + compressedSize > limit) {
      throw file.fault(`has ${name} and something else in one place`)
    }
  }
}

/** Yields the content of an entry. Throws at its end at the latest if that is not what the directory declares. */
async function* contentOf(
  file: ZipFile,
  entry: ArchiveEntry,
  end: End,
): AsyncGenerator<Uint8Array, void, undefined> {
  const damaged = (): ArchiveError => file.fault(`holds ${entry.name} damaged`)
  const header = await file.bytes(entry.offset, localHeaderBytes)
  if (header.readUInt32LE(0) !== localSignature || methodOf(header.readUInt16LE(8)) !== entry.method) {
    throw damaged()
  }
  const nameBytes = header.readUInt16LE(26)
  const nameAt = entry.offset + localHeaderBytes
  if (nameOf(await file.bytes(nameAt, nameBytes)) !== entry.name) throw damaged()
  const at = nameAt + nameBytes + header.readUInt16LE(28)
  if (at + entry.compressedSize > end.offset) throw damaged()

  let size = 0
  let checksum = 0
  try {
    for await (const chunk of inflated(file, entry, at)) {
      size += chunk.byteLength
      if (size > entry.size) throw damaged()
      checksum = crc32(chunk, checksum)
      yield chunk
    }
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    throw code.startsWith('Z_') || code === 'ERR_BUFFER_TOO_LARGE' ? damaged() : cause
  }
  if (size !== entry.size || checksum !== entry.crc32) throw damaged()
}

async function* inflated(
  file: ZipFile,
  { method, size, compressedSize }: ArchiveEntry,
  at: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (method === 'store') {
    yield* file.chunks(at, compressedSize)
  } else if (size <= smallBytes && compressedSize <= smallBytes) {
    const data = await file.bytes(at, compressedSize)
    yield inflateRawSync(data, { maxOutputLength: Math.max(size, 1), chunkSize: Math.max(size + 1, 64) })
  } else {
    const inflate = createInflateRaw({ chunkSize: 128 * 1024 })
    // A failure reaches the loop below through the stream itself.
    pipeline(Readable.from(file.chunks(at, compressedSize)), inflate).catch(() => undefined)
    yield* inflate
  }
}

function nameOf(bytes: Buffer): string | undefined {
  try {
    const name = utf8.decode(bytes)
    return name === '' || /[\0\n]/.test(name) ? undefined : name
  } catch {
    return undefined
  }
}

function methodOf(number: number): ZipPiece['method'] | undefined {
  if (number === deflateMethod) return 'deflate'
  return number === storeMethod ? 'store' : undefined
}

function largeField(extra: Buffer): Buffer | undefined {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) === 1) return extra.subarray(at + 4, at + 4 + extra.readUInt16LE(at + 2))
  }
  return undefined
}

function number64(file: ZipFile, buffer: Buffer, at: number): number {
  const number = Number(buffer.readBigUInt64LE(at))
  if (!Number.isSafeInteger(number)) throw file.fault('declares sizes beyond all bounds')
  return number
}
