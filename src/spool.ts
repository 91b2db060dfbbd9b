/**
 * What would be too much in memory lies in temporary files until it is
 * dropped: what is large in a file of its own, and the many small pieces of
 * bytes in one for all of them, since making a file, opening and closing it
 * costs many times what is in it.
 */

import { closeSync, createReadStream, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FatalError, problem } from './problem.ts'
import { makeTemporary, removeTemporary } from './temporary.ts'

/** A file of its own. */
export interface SpooledFile {
  readonly bytes: number
  readonly read: () => AsyncIterable<Uint8Array>
  /** Nobody may be reading it then, nor read it later. */
  readonly remove: () => void
}

export class Spool {
  #dir: string | undefined
  #pieces: PieceFile | undefined
  #files = 0
  #bytes = 0

  /** How many bytes are kept in files. */
  get bytes(): number {
    return this.#bytes + (this.#pieces?.usedBytes ?? 0)
  }

  /** Writes a file. Throws what `content` throws, and a FatalError where the temporary directory cannot be written. */
  async write(content: AsyncIterable<Uint8Array>): Promise<SpooledFile> {
    let bytes = 0
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const chunk of content) {
        bytes += chunk.length
        yield chunk
      }
    }
    const file = this.#nextFile()
    try {
      await writeFile(file, counted())
    } catch (error) {
      rmSync(file, { force: true })
      throw faultOf(error)
    }
    this.#bytes += bytes
    // Each read takes that much memory, however small the file.
    const highWaterMark = Math.min(Math.max(bytes, 1), chunkBytes)
    return {
      bytes,
      read: () => createReadStream(file, { highWaterMark }),
      remove: () => {
        rmSync(file, { force: true })
        this.#bytes -= bytes
      },
    }
  }

  /** Writes a piece. Throws a FatalError where the temporary directory cannot be written. */
  put(data: Uint8Array): SpooledPiece {
    this.#pieces ??= new PieceFile(this.#nextFile())
    return this.#pieces.put(data)
  }

  /** Removes all files. */
  close(): void {
    this.#pieces?.close()
    this.#pieces = undefined
    if (this.#dir !== undefined) removeTemporary(this.#dir)
    this.#dir = undefined
    this.#bytes = 0
  }

  #nextFile(): string {
    this.#dir ??= guard(() => makeTemporary())
    return join(this.#dir, String(this.#files++))
  }
}

const chunkBytes = 2 ** 18

/**
 * A file of pieces, one behind the other. Where more is left of removed ones than there is of others, these move up: the
 * file is never much more than twice as large as what is in it, and no byte is moved more often than others are removed.
 *
 * Its calls end in the page cache, where a trip through the thread pool would cost several times as much.
 */
class PieceFile {
  usedBytes = 0
  readonly #descriptor: number
  /** In the order of the file. */
  readonly #pieces = new Set<SpooledPiece>()
  #endBytes = 0
  /** Whether pieces were being moved when something failed: nobody knows where they are. */
  #isBroken = false

  constructor(file: string) {
    this.#descriptor = guard(() => openSync(file, 'wx+', 0o600))
  }

  put(data: Uint8Array): SpooledPiece {
    const piece = new SpooledPiece(this, this.#endBytes, data.length)
    this.#write(data, piece.at)
    this.#pieces.add(piece)
    this.#endBytes += piece.bytes
    this.usedBytes += piece.bytes
    return piece
  }

  read(piece: SpooledPiece): Uint8Array {
    if (this.#isBroken || !this.#pieces.has(piece))
      throw new Error('A piece is read that is lost or removed.')
    return this.#readAt(piece)
  }

  #readAt({ at, bytes }: SpooledPiece): Uint8Array {
    const data = Buffer.allocUnsafe(bytes)
    for (let done = 0; done < bytes; ) {
      const read = readSync(this.#descriptor, data, done, bytes - done, at + done)
      if (read === 0) throw new Error(`A file of pieces ended after ${at + done} bytes.`)
      done += read
    }
    return data
  }

  remove(piece: SpooledPiece): void {
    if (!this.#pieces.delete(piece)) return
    this.usedBytes -= piece.bytes
    if (this.#endBytes > 2 * this.usedBytes + leastUnusedBytes) this.#moveUp()
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  #moveUp(): void {
    let end = 0
    this.#isBroken = true
    for (const piece of this.#pieces) {
      this.#write(this.#readAt(piece), end)
      piece.at = end
      end += piece.bytes
    }
    guard(() => ftruncateSync(this.#descriptor, end))
    this.#endBytes = end
    this.#isBroken = false
  }

  #write(data: Uint8Array, at: number): void {
    for (let done = 0; done < data.length; )
      done += guard(() => writeSync(this.#descriptor, data, done, data.length - done, at + done))
  }
}

/** A piece of the file. There may be hundreds of thousands: it holds nothing but where it lies. */
export class SpooledPiece {
  readonly bytes: number
  /** Where it begins, for now. */
  at: number
  readonly #file: PieceFile

  constructor(file: PieceFile, at: number, bytes: number) {
    this.#file = file
    this.at = at
    this.bytes = bytes
  }

  /** Reads it at once, into memory of its own. */
  read(): Uint8Array {
    return this.#file.read(this)
  }

  /** Nobody may read it later. */
  remove(): void {
    this.#file.remove(this)
  }
}

/** For less it is not worth moving anything. */
const leastUnusedBytes = 16 * 2 ** 20

function guard<T>(use: () => T): T {
  try {
    return use()
  } catch (error) {
    throw faultOf(error)
  }
}

/** What the system refuses is no mistake of ours; any other error stays what it is. */
function faultOf(cause: unknown): unknown {
  if (!(cause instanceof Error && 'syscall' in cause && 'code' in cause)) return cause
  const message = `The temporary directory ${tmpdir()} cannot be written: ${cause.code}.`
  const hint = 'Make room there for large files, or name another directory by TMPDIR.'
  return new FatalError(problem('output-unwritable', {}, message, hint), { cause })
}
