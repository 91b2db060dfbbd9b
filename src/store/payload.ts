/**
 * A body that is about to be sent: an object storage wants its length and its
 * hash before the first byte, and a request that failed is made again. What is
 * large and comes as a stream waits in a file of the system's temporary
 * directory, which has lost its name before anything is written to it: however
 * the run ends, nothing of it stays.
 */

import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { withTemporary } from '../temporary.ts'

export interface Payload {
  /** In bytes. */
  readonly size: number
  /** Of all bytes, in hexadecimal digits. */
  readonly md5: string
  readonly sha256: string
  /** Can be read as often as it takes. */
  readonly body: Uint8Array | (() => AsyncIterable<Uint8Array>)
}

/** Up to this size a stream is kept in memory. */
const memoryBytes = 4 * 1024 * 1024
const chunkBytes = 256 * 1024

/** Reads a body, lends it for as long as `use` takes, and returns what that returns. */
export async function withPayload<T>(
  body: Uint8Array | AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
  use: (payload: Payload) => Promise<T>,
): Promise<T> {
  if (body instanceof Uint8Array) return use(payloadOf(body))
  const md5 = createHash('md5')
  const sha256 = createHash('sha256')
  const chunks: Uint8Array[] = []
  let size = 0
  let spool: FileHandle | undefined
  try {
    for await (const chunk of body) {
      signal?.throwIfAborted()
      md5.update(chunk)
      sha256.update(chunk)
      size += chunk.byteLength
      if (spool === undefined && size > memoryBytes) {
        spool = await openNameless()
        for (const kept of chunks.splice(0)) await spool.appendFile(kept)
      }
      // What yields a chunk may write to it again.
      if (spool === undefined) chunks.push(Uint8Array.from(chunk))
      else await spool.appendFile(chunk)
    }
    const hashes = { size, md5: md5.digest('hex'), sha256: sha256.digest('hex') }
    const file = spool
    return await use({
      ...hashes,
      body: file === undefined ? Buffer.concat(chunks) : () => readPieces(file, size),
    })
  } finally {
    await spool?.close()
  }
}

/** Returns bytes with what a storage wants to know of them. */
export function payloadOf(body: Uint8Array): Payload {
  return {
    size: body.byteLength,
    md5: createHash('md5').update(body).digest('hex'),
    sha256: createHash('sha256').update(body).digest('hex'),
    body,
  }
}

function openNameless(): Promise<FileHandle> {
  return withTemporary((dir) => open(join(dir, 'body'), 'wx+', 0o600))
}

async function* readPieces(file: FileHandle, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let offset = 0; offset < size; ) {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafeSlow(chunkBytes), 0, chunkBytes, offset)
    if (bytesRead === 0) throw new Error(`A spooled body ended after ${offset} of ${size} bytes.`)
    offset += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}
