/**
 * Inflates what git has deflated: whole, only its beginning, or piece by piece.
 *
 * How large the content is stands beside it, in places that anyone may have
 * written. It is a limit for what is inflated, and never a reason to take more
 * memory than the compressed bytes can fill.
 */

import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { constants, createInflate, inflateSync } from 'node:zlib'

/** Returns the content if it has exactly this size, and undefined otherwise. What follows its end is not looked at. */
export function inflateWhole(bytes: Uint8Array, size: number): Buffer | undefined {
  try {
    // One byte more than there is, so that the end is found in the first round.
    const chunkSize = Math.max(size + 1, constants.Z_MIN_CHUNK)
    const content = inflateSync(bytes, { chunkSize, maxOutputLength: Math.max(size, 1) })
    return content.length === size ? content : undefined
  } catch {
    return undefined
  }
}

/** Deflate makes this many bytes of one at best. */
export const bestRatio = 1032

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

/** Yields what the compressed bytes of a file give, from `start` to where they say that they end. */
export async function* inflateFile(file: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  const inflate = createInflate({ chunkSize: pieceBytes })
  const source = Readable.from(readPieces(file, start, end))
  source.once('error', (error) => inflate.destroy(error))
  source.pipe(inflate)
  try {
    yield* inflate as AsyncIterable<Buffer>
  } finally {
    source.destroy()
    inflate.destroy()
  }
}

// A stream of the file's own would close it, which others still read.
async function* readPieces(file: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  for (let at = start; at < end; ) {
    const length = Math.min(pieceBytes, end - at)
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, at)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
    at += bytesRead
  }
}

const pieceBytes = 256 * 2 ** 10
