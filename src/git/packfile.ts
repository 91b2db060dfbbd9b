/**
 * Packs, read by position: where objects are in them, and what they hold.
 *
 * isomorphic-git reads a whole pack into memory, resolves a chain of deltas
 * from its beginning for every object, tells no size but by reading the whole
 * object, takes back a whole pack for one damaged byte and every pack for one
 * damaged index, and follows a delta that leads back to itself for ever. So
 * packs are read here. The operating system keeps their bytes at hand; what is
 * kept here is what deltas were built upon, up to a number of bytes.
 *
 * Nothing is believed: sizes are checked against what is there before memory
 * is taken for them, and who asks compares each object with its id. An object
 * of which a byte is damaged is lost, with those that build upon it; the
 * others are still read, as git does.
 *
 * @see https://git-scm.com/docs/pack-format
 */

import { readSync } from 'node:fs'
import { type FileHandle, open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Oid } from '../model.ts'
import { applyDelta, parseDeltaHead } from './delta.ts'
import { bestRatio, headBytes, inflateFile, inflateHead, inflateWhole } from './inflate.ts'
import { type ObjectStat, type ObjectType, RepositoryError } from './object.ts'
import { PackIndex } from './packindex.ts'

/** An object of a pack. The content may be kept and given again: it is never to be written to. */
export interface PackedObject {
  readonly type: ObjectType
  readonly content: Buffer
}

/** The packs of a repository, which share what they keep in memory. */
export class Packs {
  readonly #dir: string
  readonly #bases: Bases
  /** The names of indexes that were looked at, those that were passed over included. */
  readonly #seen = new Set<string>()
  #packs: readonly Pack[] = []
  #updating: Promise<boolean> | undefined

  private constructor(dir: string, cacheBytes: number) {
    this.#dir = dir
    this.#bases = new Bases(cacheBytes)
  }

  /**
   * Opens the packs of a directory. An index that is damaged or has lost its pack is passed
   * over, as git does. At most `cacheBytes` are kept of objects. Throws RepositoryError.
   */
  static async open(dir: string, cacheBytes: number): Promise<Packs> {
    const packs = new Packs(dir, cacheBytes)
    try {
      await packs.update()
      return packs
    } catch (error) {
      await packs.close()
      throw error
    }
  }

  /** Opens the packs that are new since, as git does when it misses an object. Tells whether there are any. */
  update(): Promise<boolean> {
    this.#updating ??= this.#update().finally(() => {
      this.#updating = undefined
    })
    return this.#updating
  }

  async #update(): Promise<boolean> {
    const names = (await readdirOrNothing(this.#dir)).filter((name) => name.endsWith('.idx')).sort()
    let isNew = false
    for (const name of names) {
      if (this.#seen.has(name)) continue
      this.#seen.add(name)
      const pack = await openPack(this.#dir, name, this.#seen.size, this.#bases)
      if (pack === undefined) continue
      this.#packs = [...this.#packs, pack]
      isNew = true
    }
    return isNew
  }

  /** Yields the places where the object is said to be: more than one where packs overlap. */
  *find(oid: Oid): Generator<PackPlace> {
    const bytes = Buffer.from(oid, 'hex')
    for (const pack of this.#packs) {
      const offset = pack.find(bytes)
      if (offset === undefined) continue
      // What is asked for next is likely to be in the same pack.
      if (pack !== this.#packs[0]) this.#packs = [pack, ...this.#packs.filter((each) => each !== pack)]
      yield { pack, offset }
    }
  }

  async close(): Promise<void> {
    this.#bases.clear()
    const packs = this.#packs
    this.#packs = []
    for (const pack of packs) await pack.close()
  }
}

/** Where an object lies: in which pack and how many bytes from its beginning. */
export interface PackPlace {
  readonly pack: Pack
  readonly offset: number
}

/** Opens one pack, if it and its index are there and whole enough to be read. */
async function openPack(dir: string, name: string, number: number, bases: Bases): Promise<Pack | undefined> {
  const path = join(dir, name.replace(/idx$/, 'pack'))
  const bytes = await readFile(join(dir, name)).catch(() => undefined)
  const index = bytes && PackIndex.parse(bytes)
  if (index === undefined) return undefined
  if (index === 'old') throw new RepositoryError('needs-git', `The index of ${path} has an old format.`)
  try {
    const file = await open(path)
    return new Pack(name, { index, file, size: (await file.stat()).size, number, bases })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    // One that is there and cannot be read holds nothing that can: each of its objects is damaged.
    return new Pack(name, { index, file: undefined, size: 0, number, bases })
  }
}

const packTypes: Readonly<Record<number, ObjectType>> = { 1: 'commit', 2: 'tree', 3: 'blob', 4: 'tag' }
const offsetDelta = 6
const idDelta = 7

interface PackParts {
  readonly index: PackIndex
  readonly file: FileHandle | undefined
  readonly size: number
  readonly number: number
  readonly bases: Bases
}

/** A pack and its index (version 2). */
export class Pack {
  /** The file name of the index. */
  readonly name: string
  readonly #index: PackIndex
  readonly #file: FileHandle | undefined
  /** Where the objects end and the checksum begins. */
  readonly #end: number
  readonly #bases: Bases
  readonly #firstKey: number
  readonly #window = Buffer.allocUnsafeSlow(windowBytes)
  #windowStart = 0
  #windowEnd = 0

  constructor(name: string, { index, file, size, number, bases }: PackParts) {
    this.name = name
    this.#index = index
    this.#file = file
    this.#end = size - 20
    this.#bases = bases
    this.#firstKey = number * maximumPackBytes
  }

  async close(): Promise<void> {
    await this.#file?.close()
  }

  /** Returns where the object begins in the pack, if it is there. */
  find(oid: Buffer): number | undefined {
    return this.#index.find(oid)
  }

  /** Returns the type and size of the object at the offset, from its header and those of the objects it builds upon. */
  stat(offset: number): ObjectStat | undefined {
    const chain = this.#chainOf(offset)
    if (chain === undefined) return undefined
    const { ground, deltas } = chain
    const [last] = deltas
    if (last === undefined) return { type: ground.type, size: sizeOf(ground) }
    const head = inflateHead(this.#bytesAt(last.dataAt, headBytes))
    const size = head && parseDeltaHead(head)?.size
    return size === undefined ? undefined : { type: ground.type, size }
  }

  /** Returns the object at the offset, or undefined where it is damaged. Its content is not compared with an id. */
  read(offset: number): PackedObject | undefined {
    const chain = this.#chainOf(offset)
    let object = chain && this.#readGround(chain.ground)
    // One after the other, so that never more than one delta is in memory.
    for (const entry of chain?.deltas.toReversed() ?? []) {
      const delta = object && this.#inflate(entry)
      const content = object && delta && applyDelta(object.content, delta)
      object = object && content && this.#keep(entry.offset, { type: object.type, content })
    }
    return object
  }

  #readGround(ground: Ground): PackedObject | undefined {
    if ('content' in ground) return ground
    const content = this.#inflate(ground)
    return content && this.#keep(ground.offset, { type: ground.type, content })
  }

  /**
   * Returns the object in pieces, straight from the file, and its type and size; undefined where
   * it is a delta, which can only be read whole. The pieces end early or late where it is damaged.
   */
  stream(offset: number): (ObjectStat & { readonly pieces: AsyncIterable<Buffer> }) | undefined {
    const entry = this.#entryAt(offset)
    if (entry === undefined || 'base' in entry || this.#file === undefined) return undefined
    const { dataAt, type, size } = entry
    return { type, size, pieces: inflateFile(this.#file, dataAt, this.#end) }
  }

  #keep(offset: number, object: PackedObject): PackedObject {
    return this.#bases.keep(this.#firstKey + offset, object)
  }

  /** Follows deltas to what they build upon: an object that is kept, or the first that is no delta. */
  #chainOf(offset: number): Chain | undefined {
    const deltas: DeltaEntry[] = []
    let at = offset
    // Offsets lead backwards only, but ids may lead in a circle.
    while (deltas.length <= maximumChain) {
      const ground = this.#bases.get(this.#firstKey + at) ?? this.#entryAt(at)
      if (ground === undefined) return undefined
      if (!('base' in ground)) return { deltas, ground }
      deltas.push(ground)
      at = ground.base
    }
    return undefined
  }

  #entryAt(offset: number): WholeEntry | DeltaEntry | undefined {
    if (offset < packHeader || offset >= this.#end) return undefined
    const bytes = this.#bytesAt(offset, longestHead)
    let at = 0
    let byte = bytes[at++] ?? 0
    const kind = (byte >> 4) & 7
    let size = byte & 15
    for (let scale = 16; byte & 0x80; scale *= 128) {
      if (at >= bytes.length || scale > 2 ** 46) return undefined
      byte = bytes[at++] ?? 0
      size += (byte & 0x7f) * scale
    }
    if (kind === idDelta) {
      // A pack is whole in itself: the bases of its deltas are in it.
      const base = at + 20 <= bytes.length ? this.find(bytes.subarray(at, at + 20)) : undefined
      return base === undefined ? undefined : { offset, size, base, dataAt: offset + at + 20 }
    }
    if (kind === offsetDelta) {
      byte = bytes[at++] ?? 0
      let distance = byte & 0x7f
      while (byte & 0x80) {
        if (at >= bytes.length) return undefined
        byte = bytes[at++] ?? 0
        distance = (distance + 1) * 128 + (byte & 0x7f)
      }
      const base = offset - distance
      return distance > 0 && base > 0 ? { offset, size, base, dataAt: offset + at } : undefined
    }
    const type = packTypes[kind]
    return type && { offset, size, type, dataAt: offset + at }
  }

  #inflate({ size, dataAt }: PackEntry): Buffer | undefined {
    // For what cannot be there, no memory is taken.
    if (size > (this.#end - dataAt) * bestRatio) return undefined
    // No encoder makes more of it than this.
    return inflateWhole(this.#bytesAt(dataAt, Math.ceil(size * 1.25) + 512), size)
  }

  /**
   * Returns bytes of the pack, fewer where it ends, and only until the next call. Reading what the
   * operating system has at hand costs less than the way to another thread and back.
   */
  #bytesAt(at: number, wanted: number): Buffer {
    const length = Math.max(0, Math.min(wanted, this.#end - at))
    if (length > windowBytes) {
      if (length > maximumReadBytes) return Buffer.alloc(0)
      const bytes = Buffer.allocUnsafe(length)
      return bytes.subarray(0, this.#readFile(bytes, at))
    }
    if (at < this.#windowStart || at + length > this.#windowEnd) {
      this.#windowStart = at
      this.#windowEnd = at // in case that the next line throws
      this.#windowEnd = at + this.#readFile(this.#window, at)
    }
    const start = at - this.#windowStart
    return this.#window.subarray(start, Math.min(start + length, this.#windowEnd - this.#windowStart))
  }

  #readFile(target: Buffer, at: number): number {
    if (this.#file === undefined) return 0
    try {
      return readSync(this.#file.fd, target, 0, target.length, at)
    } catch {
      return 0
    }
  }
}

interface PackEntry {
  readonly offset: number
  /** Of what is deflated: the content, or the delta. */
  readonly size: number
  readonly dataAt: number
}

interface WholeEntry extends PackEntry {
  readonly type: ObjectType
}

interface DeltaEntry extends PackEntry {
  /** Where the object begins that the delta changes. */
  readonly base: number
}

/** What deltas begin upon: an object that is kept, or one that is whole in the pack. */
type Ground = PackedObject | WholeEntry

/** How a pack builds an object. The last delta comes first. */
interface Chain {
  readonly deltas: readonly DeltaEntry[]
  readonly ground: Ground
}

function sizeOf(ground: Ground): number {
  return 'content' in ground ? ground.content.length : ground.size
}

/** Objects that deltas may build upon. What was used longest ago is dropped. */
class Bases {
  readonly #limitBytes: number
  readonly #objects = new Map<number, PackedObject>()
  #bytes = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
  }

  get(key: number): PackedObject | undefined {
    const object = this.#objects.get(key)
    if (object === undefined) return undefined
    this.#objects.delete(key)
    this.#objects.set(key, object)
    return object
  }

  /** Keeps an object, unless it is so large that it would drive out the others. Returns it. */
  keep(key: number, object: PackedObject): PackedObject {
    if (object.content.length > this.#limitBytes / 8) return object
    const kept = withOwnMemory(object)
    this.#objects.set(key, kept)
    this.#bytes += costOf(kept)
    for (const [oldKey, old] of this.#objects) {
      if (this.#bytes <= this.#limitBytes) break
      this.#objects.delete(oldKey)
      this.#bytes -= costOf(old)
    }
    return kept
  }

  clear(): void {
    this.#objects.clear()
    this.#bytes = 0
  }
}

// Small buffers come out of a pool: kept as they are, each would keep 8 KiB.
function withOwnMemory(object: PackedObject): PackedObject {
  const { type, content } = object
  if (content.buffer.byteLength <= content.length + 1) return object
  const copy = Buffer.allocUnsafeSlow(content.length)
  content.copy(copy)
  return { type, content: copy }
}

function costOf({ content }: PackedObject): number {
  return content.length + overheadBytes
}

/** What an object costs beside its content. */
const overheadBytes = 400

const packHeader = 12
/** git makes no longer ones. */
const maximumChain = 4096
/** So that the place of an object is one number, in which pack ever it lies. */
const maximumPackBytes = 2 ** 41
/** More is not read at once on any platform. */
const maximumReadBytes = 2 ** 31 - 1
/** As much as is read at a time: headers and small objects that are neighbours come together. */
const windowBytes = 8 * 2 ** 10
/** A size and an offset of ten bytes each, or an id. */
const longestHead = 32

async function readdirOrNothing(dir: string): Promise<readonly string[]> {
  return readdir(dir).catch(() => [])
}
