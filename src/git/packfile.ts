/**
 * Packs: where objects are in them, and what their headers say.
 *
 * isomorphic-git tells no size but by reading the whole object, takes back a
 * whole pack for one damaged byte and every pack for one damaged index, and
 * follows a delta that leads back to itself for ever. So indexes are checked
 * here before it sees them, headers are read here, and chains of deltas are
 * followed to their end before they are resolved.
 *
 * @see https://git-scm.com/docs/pack-format
 */

import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { constants, inflateSync } from 'node:zlib'
import type { Oid } from '../model.ts'
import { type ObjectStat, type ObjectType, RepositoryError } from './object.ts'

/**
 * Returns the packs of a directory, in the order of their names. An index that is damaged
 * or has lost its pack is passed over, as git does. Throws RepositoryError.
 */
export async function openPacks(dir: string): Promise<readonly Pack[]> {
  const names = (await readdirOrNothing(dir)).filter((name) => name.endsWith('.idx')).sort()
  const packs: Pack[] = []
  for (const name of names) {
    const path = join(dir, name.replace(/idx$/, 'pack'))
    const size = await sizeOf(path)
    if (size === undefined) continue
    if (size > maximumPackBytes) throw needsGit(`${path} is larger than 2 GiB`)
    const index = await readFile(join(dir, name)).catch(() => undefined)
    if (index === undefined || index.length < indexTables + 40) continue
    if (isOldIndex(index)) throw needsGit(`The index of ${path} has an old format`)
    const count = index.readUInt32BE(indexTables - 4)
    const isWhole = index.length >= indexTables + 28 * count + 40
    if (isWhole && index.readUInt32BE(0) === 0xff744f63 && index.readUInt32BE(4) === 2) {
      packs.push(new Pack(name, path, index, count))
    }
  }
  return packs
}

/** Where an object lies: in which pack and how many bytes from its beginning. */
export interface PackPlace {
  readonly pack: Pack
  readonly offset: number
}

/** Returns the first pack that has the object, in the order in which isomorphic-git asks them. */
export function findInPacks(packs: readonly Pack[], oid: Oid): PackPlace | undefined {
  const bytes = Buffer.from(oid, 'hex')
  for (const pack of packs) {
    const offset = pack.find(bytes)
    if (offset !== undefined) return { pack, offset }
  }
  return undefined
}

const packTypes: Readonly<Record<number, ObjectType>> = { 1: 'commit', 2: 'tree', 3: 'blob', 4: 'tag' }
const offsetDelta = 6
const idDelta = 7

/** A pack and its index (version 2): where objects are, and what their headers say. */
export class Pack {
  /** The file name, which ends in ".idx". */
  readonly name: string
  readonly #path: string
  readonly #index: Buffer
  readonly #count: number
  #bytes: Buffer | undefined
  #loading: Promise<void> | undefined

  constructor(name: string, path: string, index: Buffer, count: number) {
    this.name = name
    this.#path = path
    this.#index = index
    this.#count = count
  }

  /** Reads the pack into memory, where isomorphic-git finds it too. */
  load(): Promise<void> {
    this.#loading ??= this.#load()
    return this.#loading
  }

  forget(): void {
    this.#bytes = undefined
    this.#loading = undefined
  }

  /** The index and the pack as isomorphic-git is shown them: with the checksum that the pack really has. */
  get shown(): { readonly index: Uint8Array; readonly bytes: Uint8Array } {
    return { index: this.#index, bytes: this.#bytes ?? new Uint8Array() }
  }

  /** Returns where the object begins in the pack, if it is there. */
  find(oid: Buffer): number | undefined {
    const first = oid[0] ?? 0
    let low = first === 0 ? 0 : this.#index.readUInt32BE(indexHeader + 4 * (first - 1))
    let high = Math.min(this.#index.readUInt32BE(indexHeader + 4 * first), this.#count)
    while (low < high) {
      const middle = (low + high) >>> 1
      const at = indexTables + 20 * middle
      const order = oid.compare(this.#index, at, at + 20)
      if (order === 0) return this.#index.readUInt32BE(indexTables + 24 * this.#count + 4 * middle)
      if (order < 0) high = middle
      else low = middle + 1
    }
    return undefined
  }

  /** Returns the type and size of the object at the offset, from its header and those of the objects it builds upon. */
  stat(offset: number): ObjectStat | undefined {
    const entry = this.#readEntry(offset)
    if (entry === undefined) return undefined
    const size = entry.base === undefined ? entry.size : this.#deltaSize(entry.dataAt)
    let step: PackEntry | undefined = entry
    for (let depth = 0; depth < maximumChain && step !== undefined && size !== undefined; depth++) {
      if (step.base === undefined) return step.type && { type: step.type, size }
      // A pack is whole in itself: the bases of its deltas are in it.
      const base: number | undefined = typeof step.base === 'number' ? step.base : this.find(step.base)
      step = base === undefined ? undefined : this.#readEntry(base)
    }
    return undefined
  }

  async #load(): Promise<void> {
    // One that cannot be read holds nothing that can: each of its objects is then damaged.
    const bytes = await readFile(this.#path).catch(() => Buffer.alloc(0))
    if (bytes.length >= 20) {
      const checksum = createHash('sha1').update(bytes.subarray(0, -20)).digest()
      checksum.copy(bytes, bytes.length - 20)
      checksum.copy(this.#index, this.#index.length - 40)
    }
    this.#bytes = bytes
  }

  #readEntry(offset: number): PackEntry | undefined {
    const bytes = this.#bytes
    if (bytes === undefined) return undefined
    const end = bytes.length - 20
    let at = offset
    let byte = bytes[at++] ?? 0
    const kind = (byte >> 4) & 7
    let size = byte & 15
    for (let scale = 16; byte & 0x80 && at < end; scale *= 128) {
      byte = bytes[at++] ?? 0
      size += (byte & 0x7f) * scale
    }
    if (at >= end) return undefined
    if (kind === idDelta) {
      return { size, base: bytes.subarray(at, at + 20), dataAt: at + 20 }
    }
    if (kind === offsetDelta) {
      byte = bytes[at++] ?? 0
      let distance = byte & 0x7f
      while (byte & 0x80 && at < end) {
        byte = bytes[at++] ?? 0
        distance = (distance + 1) * 128 + (byte & 0x7f)
      }
      return distance > 0 && distance < offset ? { size, base: offset - distance, dataAt: at } : undefined
    }
    const type = packTypes[kind]
    return type && { size, type, dataAt: at }
  }

  // A delta begins with the sizes of its base and of its result.
  #deltaSize(dataAt: number): number | undefined {
    const head = inflateHead(this.#bytes?.subarray(dataAt, dataAt + headBytes) ?? new Uint8Array())
    let at = 0
    let size: number | undefined
    for (let turn = 0; turn < 2; turn++) {
      size = 0
      for (let scale = 1; ; scale *= 128) {
        const byte = head?.[at++]
        if (byte === undefined) return undefined
        size += (byte & 0x7f) * scale
        if (byte < 0x80) break
      }
    }
    return size
  }
}

interface PackEntry {
  readonly size: number
  readonly type?: ObjectType
  /** The object that a delta changes: an offset in the same pack, or the bytes of an id. */
  readonly base?: number | Buffer
  readonly dataAt: number
}

const indexHeader = 8
const indexTables = indexHeader + 4 * 256
const maximumChain = 4096
const maximumPackBytes = 2 ** 31 - 1

// Version 1 has no header: the table of 256 counts comes first, and 24 bytes an object follow.
function isOldIndex(index: Buffer): boolean {
  return index.length === 1024 + 24 * index.readUInt32BE(1020) + 40
}

function needsGit(what: string): RepositoryError {
  return new RepositoryError('needs-git', `${what}.`)
}

/** Compressed bytes that surely give the first ones of the content: the largest Huffman table takes below 300. */
export const headBytes = 512

/** Returns as much as the first compressed bytes give, however much would follow. */
export function inflateHead(bytes: Uint8Array): Buffer | undefined {
  try {
    return inflateSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH })
  } catch {
    return undefined
  }
}

async function readdirOrNothing(dir: string): Promise<readonly string[]> {
  return readdir(dir).catch(() => [])
}

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    (found) => (found.isFile() ? found.size : undefined),
    () => undefined,
  )
}
