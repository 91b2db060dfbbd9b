/**
 * Blobs are read in batches, by this thread (readerHere) or by another
 * (hands.ts): whoever reads them checks, hashes and deflates them, too.
 */

import { type Blob, compress } from './compress.ts'
import { ObjectError } from './git/object.ts'
import type { GitRepository } from './git/repository.ts'
import type { Oid } from './model.ts'

/** What becomes of a batch: for each id, in their order, the blob, the size of a larger one, or why it cannot be read. */
export type Batch = readonly (Blob | LargeBlob | ObjectError)[]

/** A blob that is too large to be read at once. */
export interface LargeBlob {
  /** In bytes. */
  readonly size: number
  readonly data?: undefined
}

/** Who reads blobs: this thread, and others where there are any. */
export interface BlobReader {
  /** Reads by this thread what has at most so many bytes. */
  read(oids: readonly Oid[], largeBytes: number): Promise<Batch>
  /** @default nobody */
  readonly others?: OtherReaders
}

/** Other threads that read. */
export interface OtherReaders {
  /** How many are there by now. */
  readonly count: number
  /** How much the one with the least to do still has to do, in bytes of content to be deflated. */
  readonly leastLoad: number
  /** Lets that one read what has at most `largeBytes`; all of them together have some `bytes`. */
  read(oids: readonly Oid[], largeBytes: number, bytes: number): Promise<Batch>
}

/** Reads by this thread. */
export function readerHere(repository: SomeReader): BlobReader {
  return { read: (oids, large) => Promise.all(oids.map((oid) => readBlob(repository, oid, large))) }
}

type SomeReader = Pick<GitRepository, 'read' | 'readUpTo'>

async function readBlob(
  repository: SomeReader,
  oid: Oid,
  largeBytes: number,
): Promise<Blob | LargeBlob | ObjectError> {
  try {
    const found = await (repository.readUpTo?.(oid, largeBytes) ?? repository.read(oid))
    if (found.type !== 'blob')
      return new ObjectError(oid, 'corrupt', `${oid} should be a file, and is a ${found.type}.`)
    return 'content' in found ? compress(found.content) : { size: found.size }
  } catch (error) {
    if (error instanceof ObjectError) return error
    throw error
  }
}
