/**
 * What would be too much in memory lies in temporary files until it is dropped.
 */

import { createReadStream, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FatalError, problem } from './problem.ts'
import { makeTemporary, removeTemporary } from './temporary.ts'

/** One of the files. */
export interface SpooledFile {
  readonly bytes: number
  readonly read: () => AsyncIterable<Uint8Array>
  /** Nobody may be reading it then, nor read it later. */
  readonly remove: () => void
}

export class Spool {
  #dir: string | undefined
  #files = 0
  #bytes = 0

  /** How many bytes its files hold. */
  get bytes(): number {
    return this.#bytes
  }

  /** Writes a file. Throws what `content` throws, and a FatalError where the temporary directory cannot be written. */
  async write(content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<SpooledFile> {
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

  /** Removes all files. */
  close(): void {
    if (this.#dir !== undefined) removeTemporary(this.#dir)
    this.#dir = undefined
    this.#bytes = 0
  }

  #nextFile(): string {
    try {
      this.#dir ??= makeTemporary()
    } catch (error) {
      throw faultOf(error)
    }
    return join(this.#dir, String(this.#files++))
  }
}

const chunkBytes = 2 ** 18

/** What the system refuses is no mistake of ours; any other error stays what it is. */
function faultOf(cause: unknown): unknown {
  if (!(cause instanceof Error && 'syscall' in cause && 'code' in cause)) return cause
  const message = `The temporary directory ${tmpdir()} cannot be written: ${cause.code}.`
  const hint = 'Make room there for large files, or name another directory by TMPDIR.'
  return new FatalError(problem('output-unwritable', {}, message, hint), { cause })
}
