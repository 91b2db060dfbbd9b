/**
 * Each blob of a repository once: read, hashed and deflated for the first
 * version that needs it, and kept deflated while neighbouring versions still
 * use it. Versions share most of their files, so that this is where the time
 * of a build goes, or does not go (speed 3 and 8).
 *
 * Blobs are read in batches, by this thread or by others (hands.ts). Memory is
 * bounded: what is being read and deflated at once by a budget; when much is
 * kept, what the last versions did not use is dropped, and what is too much
 * even so lies in temporary files. Large blobs never are in memory whole, but
 * are deflated into such a file by and by; files go as soon as they are many.
 */

import { createHash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import zlib from 'node:zlib'
import { type BlobReader, type LargeBlob, type OtherReaders, readerHere } from './batches.ts'
import { type Blob, compress, deflateLevel } from './compress.ts'
import { ObjectError } from './git/object.ts'
import type { GitRepository } from './git/repository.ts'
import type { Oid } from './model.ts'
import { Spool, type SpooledFile, type SpooledPiece } from './spool.ts'

export interface BlobsOptions {
  /** Who reads small blobs. @default this thread, from the repository */
  readonly reader?: BlobReader
  /** Larger blobs are deflated into a file. @default 4 MiB */
  readonly largeBytes?: number
  /** How much content may be in memory undeflated at a time. @default 16 MiB */
  readonly budgetBytes?: number
  /**
   * From how many deflated bytes on blobs are dropped that are not in use, each with half a KiB for what is known of it.
   * Four times as many never are in memory, and from as many on files are dropped. @default 16 MiB
   */
  readonly keepBytes?: number
  /** Ends what is being read, and refuses what is still to be read. */
  readonly signal?: AbortSignal
}

/** A blob of the repository, as far as it is known. All files that hold it share it. */
export interface Slot {
  readonly oid: Oid
  /** Of the content, in bytes; undefined where it is missing or damaged, and before it was measured. */
  readonly size: number | undefined
  /** Whether another content stands in the place of the blob's own. */
  readonly isConverted: boolean
}

class OwnSlot implements Slot {
  readonly key: string
  readonly oid: Oid
  size: number | undefined
  readonly isConverted: boolean
  isMeasured = false
  /** What is read of it to find out its size. It is undefined where it cannot be read. */
  begun: Promise<Blob | LargeBlob | undefined> | undefined
  /** A content that stands in the place of the blob's own. */
  readonly content: Uint8Array | undefined
  blob: Blob | Promise<Blob> | undefined
  lastUse = 0

  constructor(key: string, oid: Oid, content?: Uint8Array) {
    this.key = key
    this.oid = oid
    this.content = content
    this.isConverted = content !== undefined
    if (content === undefined) return
    this.size = content.length
    this.isMeasured = true
  }
}

interface Waiting {
  readonly slot: OwnSlot
  /** What it takes of the budget. */
  readonly bytes: number
  readonly resolve: (blob: Blob | LargeBlob) => void
  readonly reject: (error: unknown) => void
}

/** What so many versions did not use is dropped. They are as many as are worked on at a time. */
export const recentVersions = 32

/** Temporary files that so many versions did not use are dropped, as one of them may be as large as a thousand blobs in memory. */
const recentWithFiles = 4

/** Batches are this large: the way to another thread is then nothing beside the work, and all soon have some. */
const batchBlobs = 64
const batchBytes = 256 * 2 ** 10

/** A blob of which not even the size is known is read at once only up to here: many of them may be read together. */
const unmeasuredBytes = 256 * 2 ** 10

/** So much a file of source code has, more or less. It counts as much as so many files that were read. */
const firstGuessBytes = 8 * 2 ** 10
const firstGuessBlobs = 8

/**
 * Others are given work ahead, for as long as this thread may be busy with something else: half of what waits, but
 * some milliseconds in any case, and not so much that at the end this thread would wait for them.
 */
const leastAheadBytes = 512 * 2 ** 10
const mostAheadBytes = 2 * 2 ** 20

/** So many blobs of a version are asked for before those before them are read: all have some to read meanwhile. */
const partBlobs = 4096

export class Blobs {
  readonly #repository: GitRepository
  readonly #reader: BlobReader
  readonly #slots = new Map<string, OwnSlot>()
  readonly #largeBytes: number
  readonly #budgetBytes: number
  readonly #keepBytes: number
  #queue: Waiting[] = []
  #queuedBytes = 0
  /** Of all that was read so far. */
  #readBytes = 0
  #readBlobs = 0
  /** How many batches this thread reads, and what those of all may hold in memory. */
  #running = 0
  #usedBytes = 0
  readonly #signal: AbortSignal | undefined
  readonly #spool = new Spool()
  /** Where the bytes of those slots lie that are not in memory. */
  readonly #inFiles = new Map<OwnSlot, SpooledFile | SpooledPiece>()
  /** How many deflated bytes the slots hold in memory. */
  #keptBytes = 0
  /** How many versions were started, and which of them are not ended, the oldest first. */
  #clock = 0
  readonly #atWork = new Set<number>()
  #lastDrop = 0
  /** How many blobs were asked for since there was nothing to read, and how many of them are not read. */
  #asked = 0
  #unread = 0
  /** Is called when some were read. @default nobody */
  onRead: (() => void) | undefined

  constructor(repository: GitRepository, options: BlobsOptions = {}) {
    this.#repository = repository
    this.#reader = options.reader ?? readerHere(repository)
    this.#budgetBytes = options.budgetBytes ?? 16 * 2 ** 20
    this.#largeBytes = options.largeBytes ?? 4 * 2 ** 20
    this.#keepBytes = options.keepBytes ?? 16 * 2 ** 20
    this.#signal = options.signal
    this.#signal?.addEventListener('abort', this.#refuse)
  }

  /** Starts the next version, and returns the function that ends it. Where much is kept, what is not in use is dropped. */
  startVersion(): () => void {
    const version = ++this.#clock
    this.#dropBlobs()
    this.#dropFiles(version)
    this.#atWork.add(version)
    return () => this.#atWork.delete(version)
  }

  #dropBlobs(): void {
    if (this.#keptBytes < this.#keepBytes || this.#clock < this.#lastDrop + recentVersions) return
    this.#lastDrop = this.#clock
    const oldest = this.#clock - recentVersions
    for (const [key, slot] of this.#slots) {
      const { blob, lastUse, begun } = slot
      if (lastUse >= oldest || blob instanceof Promise || begun !== undefined || this.#inFiles.has(slot))
        continue
      if (blob?.data instanceof Uint8Array) this.#keptBytes -= bytesInMemory(blob.data)
      slot.blob = undefined
      // Lists of files may hold the slot for longer than its bytes are worth keeping.
      if (lastUse < oldest - 4 * recentVersions) this.#slots.delete(key)
    }
  }

  /** Versions at work read files when it is their turn: theirs stay. */
  #dropFiles(version: number): void {
    if (this.#spool.bytes + this.#inFiles.size * knownBytes <= 4 * this.#keepBytes) return
    const [first = version] = this.#atWork
    const oldest = Math.min(first, this.#clock - recentWithFiles)
    for (const [slot, file] of this.#inFiles) {
      if (slot.lastUse >= oldest) continue
      slot.blob = undefined
      this.#inFiles.delete(slot)
      file.remove()
    }
  }

  /** Returns the slot of a blob. Nothing is read for that. */
  slot(oid: Oid): Slot {
    return this.#slot(oid, () => new OwnSlot(oid, oid))
  }

  /** Returns the slot of a content that is not stored so in the repository. `key` stands for the content. */
  converted(oid: Oid, key: string, content: Uint8Array): Slot {
    return this.#slot(key, () => new OwnSlot(key, oid, content))
  }

  #slot(key: string, make: () => OwnSlot): OwnSlot {
    const slot = this.#slots.get(key) ?? make()
    slot.lastUse = this.#clock
    this.#slots.set(key, slot)
    return slot
  }

  /** Finds out the sizes of blobs by reading what is not large: of most modules all is needed, and git asked once. */
  async begin(slots: readonly Slot[]): Promise<void> {
    if (this.#repository.readUpTo === undefined) return this.measure(slots)
    await this.#awaitEach(slots as readonly OwnSlot[], (slot) => {
      if (slot.isMeasured) return undefined
      slot.begun ??= this.#begin(slot)
      return slot.begun
    })
  }

  /** Finds out the sizes of blobs, without reading them. */
  async measure(slots: readonly Slot[]): Promise<void> {
    const fresh = new Set((slots as readonly OwnSlot[]).filter((slot) => !slot.isMeasured))
    if (fresh.size === 0) return
    const list = [...fresh]
    const stats = await this.#repository.stat(list.map(({ oid }) => oid))
    for (const [index, slot] of list.entries()) {
      slot.size = stats[index]?.size
      slot.isMeasured = true
    }
  }

  /**
   * Returns the blobs of measured slots, in their order. Throws the ObjectError of the first that cannot be read,
   * once all are done with.
   */
  async load(slots: readonly Slot[]): Promise<readonly Blob[]> {
    const blobs: Blob[] = new Array(slots.length)
    await this.#awaitEach(slots as readonly OwnSlot[], (slot, index) => {
      slot.blob ??= slot.begun === undefined ? this.#read(slot) : this.#readAfter(slot, slot.begun)
      if (!(slot.blob instanceof Promise)) {
        blobs[index] = slot.blob
        return undefined
      }
      return slot.blob.then((blob) => {
        blobs[index] = blob
      })
    })
    return blobs
  }

  /**
   * Starts for each slot what there is to wait for, if anything, and waits for all of it. Throws the first failure, once
   * all that was started is done with. The files of a large module take their turn, two parts of them at a time: what
   * waits takes more memory than what is read.
   */
  async #awaitEach(
    slots: readonly OwnSlot[],
    start: (slot: OwnSlot, index: number) => Promise<unknown> | undefined,
  ): Promise<void> {
    let before: Promise<readonly PromiseSettledResult<unknown>[]> = Promise.resolve([])
    let failed: PromiseRejectedResult | undefined
    for (let index = 0; index < slots.length && failed === undefined; ) {
      const part: Promise<unknown>[] = []
      for (; index < slots.length && part.length < partBlobs; index++) {
        const slot = slots[index] as OwnSlot
        slot.lastUse = this.#clock
        const pending = start(slot, index)
        if (pending !== undefined) part.push(pending)
      }
      this.#pump()
      const now = Promise.allSettled(part)
      failed = failureIn(await before)
      before = now
    }
    const last = await before
    failed ??= failureIn(last)
    if (failed !== undefined) throw failed.reason
  }

  /** Which part is read of all that was asked for since there was nothing to read. */
  get readShare(): number {
    return this.#asked === 0 ? 0 : 1 - this.#unread / this.#asked
  }

  /** Removes what large blobs left in the temporary directory. */
  close(): void {
    this.#signal?.removeEventListener('abort', this.#refuse)
    this.#slots.clear()
    this.#inFiles.clear()
    this.#spool.close()
  }

  /** Tells all who wait that nothing more is read. */
  readonly #refuse = (): void => {
    for (const { reject } of this.#queue) reject(this.#signal?.reason)
    this.#unread -= this.#queue.length
    this.#queuedBytes = 0
    this.#queue = []
  }

  /** What cannot be read has no size: whoever loads it is told why. */
  async #begin(slot: OwnSlot): Promise<Blob | LargeBlob | undefined> {
    const found = await this.#enqueue(slot).catch((error) => {
      if (error instanceof ObjectError) return undefined
      throw error
    })
    slot.begun = undefined
    slot.size = found?.size
    slot.isMeasured = true
    if (found?.data !== undefined) slot.blob = found
    return found
  }

  #read(slot: OwnSlot): Promise<Blob> {
    const blob = this.#enqueue(slot).then((found) => {
      if (slot.size !== undefined && found.data !== undefined) return found
      // What had no size at first was not counted in anything that bounds a module.
      throw new ObjectError(slot.oid, 'missing', `${slot.oid} could be read at the second attempt only.`)
    })
    blob.then(
      (value) => {
        if (slot.blob === blob) slot.blob = value
      },
      () => {}, // whoever asked is told; a version that failed for another reason does not ask
    )
    return blob
  }

  /** Another version has begun with it, while this one was asking for its size. */
  async #readAfter(slot: OwnSlot, begun: NonNullable<OwnSlot['begun']>): Promise<Blob> {
    const found = await begun
    if (found?.data !== undefined) return found
    const blob = this.#read(slot)
    this.#pump()
    return blob
  }

  #enqueue(slot: OwnSlot): Promise<Blob | LargeBlob> {
    if (this.#signal?.aborted) return Promise.reject(this.#signal.reason)
    if (!this.#slots.has(slot.key)) this.#slots.set(slot.key, slot)
    const bytes = Math.min(slot.isMeasured ? (slot.size ?? 0) : this.#usualBytes, this.#largeBytes)
    this.#queuedBytes += bytes
    if (this.#unread === 0) this.#asked = 0
    this.#asked++
    this.#unread++
    return new Promise((resolve, reject) => {
      this.#queue.push({ slot, bytes, resolve, reject })
    })
  }

  /** Hands out the queue in batches, as far as there is someone to read them and the budget goes. */
  #pump(): void {
    while (this.#queue.length > 0) {
      const reader = this.#whoReads()
      const batch = reader === undefined ? [] : this.#takeBatch()
      if (reader === undefined || batch.length === 0) return
      const bytes = batch.reduce((sum, each) => sum + each.bytes, 0)
      const isHere = reader === 'here'
      if (isHere) this.#running++
      this.#usedBytes += bytes
      this.#run(batch, bytes, reader)
        .catch((error) => {
          for (const { reject } of batch) reject(this.#signal?.aborted ? this.#signal.reason : error)
        })
        .finally(() => {
          if (isHere) this.#running--
          this.#usedBytes -= bytes
          this.#unread -= batch.length
          this.onRead?.()
          this.#pump()
        })
    }
  }

  /** Returns who is to read the next batch; or undefined where all have enough to do. */
  #whoReads(): OtherReaders | 'here' | undefined {
    const { others } = this.#reader
    if (others === undefined || others.count === 0) return this.#running < lanesAlone ? 'here' : undefined
    const share = this.#queuedBytes / (2 * others.count)
    const ahead = Math.min(Math.max(share, leastAheadBytes), mostAheadBytes)
    if (others.leastLoad < ahead) return others
    return this.#running === 0 ? 'here' : undefined
  }

  /** Takes as many as are a batch and the budget allows. One may always go. */
  #takeBatch(): Waiting[] {
    let [bytes, count] = [0, 0]
    const isMeasured = this.#queue[0]?.slot.isMeasured
    for (const { slot, bytes: cost } of this.#queue) {
      if (slot.isMeasured !== isMeasured) break
      if (this.#usedBytes + bytes + cost > this.#budgetBytes && this.#usedBytes + count > 0) break
      const isAlone = slot.content !== undefined || this.#isLarge(slot)
      if (count > 0 && (isAlone || count === batchBlobs || bytes + cost > batchBytes)) break
      count++
      bytes += cost
      if (isAlone) break
    }
    this.#queuedBytes -= bytes
    return this.#queue.splice(0, count)
  }

  /** What a blob has of which nothing is known yet: as much as those before it. */
  get #usualBytes(): number {
    const bytes = this.#readBytes + firstGuessBlobs * firstGuessBytes
    return Math.ceil(bytes / (this.#readBlobs + firstGuessBlobs))
  }

  #isLarge({ size = 0 }: OwnSlot): boolean {
    return size > this.#largeBytes
  }

  async #run(batch: readonly Waiting[], bytes: number, reader: OtherReaders | 'here'): Promise<void> {
    const [first] = batch
    if (first === undefined) return
    const { slot } = first
    if (slot.content !== undefined) {
      first.resolve(this.#keep(slot, compress(slot.content)))
    } else if (this.#isLarge(slot)) {
      first.resolve(await this.#readLarge(slot))
    } else {
      const oids = batch.map(({ slot: { oid } }) => oid)
      const large = slot.isMeasured ? this.#largeBytes : Math.min(this.#largeBytes, unmeasuredBytes)
      const results = await (reader === 'here'
        ? this.#reader.read(oids, large)
        : reader.read(oids, large, bytes))
      for (const [index, { slot, resolve, reject }] of batch.entries()) {
        const result = results[index] ?? new Error('A blob of a batch was not read.')
        if (result instanceof Error) reject(result)
        else {
          this.#readBlobs++
          this.#readBytes += Math.min(result.size, large)
          resolve(result.data === undefined ? result : this.#keep(slot, result))
        }
      }
    }
  }

  /** Counts what is in memory; what would be too much goes into a file. */
  #keep(slot: OwnSlot, blob: Blob): Blob {
    const { data } = blob
    if (!(data instanceof Uint8Array)) return blob
    const bytes = bytesInMemory(data)
    if (this.#keptBytes + bytes <= 4 * this.#keepBytes) {
      this.#keptBytes += bytes
      return blob
    }
    const piece = this.#spool.put(data)
    this.#inFiles.set(slot, piece)
    return { ...blob, data: piece }
  }

  async #readLarge(slot: OwnSlot): Promise<Blob> {
    const hash = createHash('sha256')
    let [size, crc32] = [0, 0]
    const repository = this.#repository
    async function* content(): AsyncGenerator<Uint8Array> {
      for await (const chunk of repository.stream(slot.oid)) {
        hash.update(chunk)
        crc32 = zlib.crc32(chunk, crc32)
        size += chunk.length
        yield chunk
      }
    }
    const deflate = zlib.createDeflateRaw({ level: deflateLevel })
    const write = (chunks: AsyncIterable<Uint8Array>) => this.#spool.write(chunks)
    const file = await pipeline(content, deflate, write, { ...(this.#signal && { signal: this.#signal }) })
    this.#inFiles.set(slot, file)
    const sha256 = hash.digest('hex')
    return { size, crc32, sha256, method: 'deflate', compressedSize: file.bytes, data: file.read }
  }
}

/** A thread that is alone asks for the next batch while it works on one. */
const lanesAlone = 2

/** What is known of a blob takes memory, too, and of small files as much as what is in them. */
const knownBytes = 512

function bytesInMemory(data: Uint8Array): number {
  return data.length + knownBytes
}

function failureIn(results: readonly PromiseSettledResult<unknown>[]): PromiseRejectedResult | undefined {
  return results.find((result) => result.status === 'rejected')
}
