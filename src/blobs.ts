/**
 * Each blob of a repository once: read, hashed and deflated for the first
 * version that needs it, and kept deflated while neighbouring versions still
 * use it. Versions share most of their files, so that this is where the time
 * of a build goes, or does not go (speed 3 and 8).
 *
 * Memory is bounded: what is being read and deflated at once by a budget, what
 * is kept by being dropped when the last versions did not use it, and large
 * blobs never are in memory whole, but deflated into a temporary file.
 */

import { createHash, type Hash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { ObjectError } from './git/object.ts'
import type { GitRepository } from './git/repository.ts'
import type { Oid } from './model.ts'

/** A blob as it goes into zips. */
export interface Blob {
  /** Of the content, in bytes. */
  readonly size: number
  readonly crc32: number
  /** Of the content, in lower-case hexadecimal. */
  readonly sha256: string
  readonly method: 'deflate' | 'store'
  readonly compressedSize: number
  readonly data: Uint8Array | (() => AsyncIterable<Uint8Array>)
}

const deflate = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.deflateRaw)
/** The level is part of the bytes of every zip that was published: it never changes. */
const level = 6

/** Up to this size the way to another thread and back costs more than deflating does. */
const smallBytes = 16 * 2 ** 10

export interface BlobsOptions {
  /** Larger blobs are deflated into a file. @default 4 MiB */
  readonly largeBytes?: number
  /** How much content may be in memory undeflated at a time. @default 48 MiB */
  readonly budgetBytes?: number
  /** After how many versions without use a blob is dropped. @default 8 */
  readonly keepVersions?: number
}

interface Entry {
  readonly blob: Promise<Blob>
  lastUse: number
}

export class Blobs {
  readonly #repository: GitRepository
  readonly #entries = new Map<string, Entry>()
  readonly #budget: Budget
  readonly #largeBytes: number
  readonly #keepVersions: number
  #spool: Promise<string> | undefined
  #spooled = 0
  #clock = 0

  constructor(repository: GitRepository, options: BlobsOptions = {}) {
    this.#repository = repository
    this.#budget = new Budget(options.budgetBytes ?? 48 * 2 ** 20)
    this.#largeBytes = options.largeBytes ?? 4 * 2 ** 20
    this.#keepVersions = options.keepVersions ?? 8
  }

  /** Starts the next version: what the last ones did not use is dropped. */
  nextVersion(): void {
    this.#clock++
    if (this.#clock % this.#keepVersions !== 0) return
    for (const [key, entry] of this.#entries) {
      if (entry.lastUse < this.#clock - this.#keepVersions) this.#entries.delete(key)
    }
  }

  /** Returns a blob of the repository, whose size is known from `stat`. Throws ObjectError. */
  load(oid: Oid, size: number): Promise<Blob> {
    return this.#once(oid, () =>
      size > this.#largeBytes
        ? this.#budget.lend(this.#largeBytes, () => this.#loadLarge(oid))
        : this.#loadSmall(oid, size),
    )
  }

  /** Returns a blob with content that is not stored so in the repository. `key` stands for the content. */
  convert(key: string, content: Uint8Array): Promise<Blob> {
    return this.#once(key, () => this.#budget.lend(content.length, () => compress(content)))
  }

  /** Removes what large blobs left in the temporary directory. */
  async close(): Promise<void> {
    this.#entries.clear()
    if (this.#spool !== undefined) await rm(await this.#spool, { recursive: true, force: true })
  }

  #once(key: string, make: () => Promise<Blob>): Promise<Blob> {
    const known = this.#entries.get(key)
    if (known !== undefined) {
      known.lastUse = this.#clock
      return known.blob
    }
    const blob = make()
    blob.catch(() => {}) // whoever asked is told; a version that failed for another reason does not ask
    this.#entries.set(key, { blob, lastUse: this.#clock })
    return blob
  }

  #loadSmall(oid: Oid, size: number): Promise<Blob> {
    return this.#budget.lend(size, async () => {
      const { type, content } = await this.#repository.read(oid)
      if (type !== 'blob') throw new ObjectError(oid, 'corrupt', `${oid} should be a file, and is a ${type}.`)
      return compress(content)
    })
  }

  async #loadLarge(oid: Oid): Promise<Blob> {
    this.#spool ??= mkdtemp(join(tmpdir(), 'modpress-'))
    const file = join(await this.#spool, String(this.#spooled++))
    const hash = createHash('sha256')
    let [size, crc32, compressedSize] = [0, 0, 0]
    const repository = this.#repository
    async function* content(): AsyncGenerator<Uint8Array> {
      for await (const chunk of repository.stream(oid)) {
        hash.update(chunk)
        crc32 = zlib.crc32(chunk, crc32)
        size += chunk.length
        yield chunk
      }
    }
    async function* measure(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const chunk of chunks) {
        compressedSize += chunk.length
        yield chunk
      }
    }
    await pipeline(content, zlib.createDeflateRaw({ level }), measure, createWriteStream(file))
    const data = () => createReadStream(file, { highWaterMark: 2 ** 18 })
    return { size, crc32, sha256: finish(hash), method: 'deflate', compressedSize, data }
  }
}

async function compress(content: Uint8Array): Promise<Blob> {
  const sha256 = finish(createHash('sha256').update(content))
  const crc32 = zlib.crc32(content)
  const isSmall = content.length <= smallBytes
  const deflated = isSmall ? zlib.deflateRawSync(content, { level }) : await deflate(content, { level })
  const isSmaller = deflated.length < content.length
  // A copy: what is kept must not hold on to the buffer that git's output was read into.
  const data = isSmaller ? deflated : Uint8Array.from(content)
  const method = isSmaller ? 'deflate' : 'store'
  return { size: content.length, crc32, sha256, method, compressedSize: data.length, data }
}

function finish(hash: Hash): string {
  return hash.digest('hex')
}

/** Lends out a number of bytes. Who wants more than is there waits for his turn; one may always go. */
class Budget {
  #free: number
  readonly #all: number
  readonly #waiting: { readonly bytes: number; readonly start: () => void }[] = []

  constructor(bytes: number) {
    this.#all = bytes
    this.#free = bytes
  }

  async lend<T>(wanted: number, use: () => Promise<T>): Promise<T> {
    const bytes = Math.min(wanted, this.#all)
    if (this.#waiting.length > 0 || bytes > this.#free) {
      await new Promise<void>((start) => this.#waiting.push({ bytes, start }))
    } else {
      this.#free -= bytes
    }
    try {
      return await use()
    } finally {
      this.#free += bytes
      for (
        let next = this.#waiting[0];
        next !== undefined && next.bytes <= this.#free;
        next = this.#waiting[0]
      ) {
        this.#waiting.shift()
        this.#free -= next.bytes
        next.start()
      }
    }
  }
}
