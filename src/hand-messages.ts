/**
 * What this thread and its hands tell each other: tasks and answers. Errors
 * lose their class on the way between threads; here they are described, and
 * made again on the other side.
 */

import type { LargeBlob } from './batches.ts'
import type { Blob } from './compress.ts'
import { ObjectError, RepositoryError } from './git/object.ts'
import type { ObjectSource } from './git/repository.ts'
import type { Oid } from './model.ts'
import { FatalError, type Problem, type ProblemCode } from './problem.ts'

/** A file to be created. */
export interface NewFile {
  readonly path: string
  readonly body: Uint8Array
}

/** A file to be written whatever was there. */
export interface TextFile {
  readonly path: string
  readonly text: string
}

/** What became of files that were to be created, up to the first that was there already. */
export interface Created {
  /** Of the first file's content, in lower-case hexadecimal. */
  readonly sha256: string
  readonly outcomes: readonly ('created' | 'exists')[]
}

/** What a hand is told. */
export type Task = { readonly id: number } & (
  | { readonly kind: 'open'; readonly repository: number; readonly source: ObjectSource }
  | {
      readonly kind: 'read'
      readonly repository: number
      readonly oids: readonly Oid[]
      readonly largeBytes: number
    }
  | { readonly kind: 'close'; readonly repository: number }
  | { readonly kind: 'create'; readonly root: string; readonly files: readonly NewFile[] }
  | { readonly kind: 'put'; readonly root: string; readonly files: readonly TextFile[] }
  // A file that comes in chunks, then each of them, and whether these were all of it.
  | { readonly kind: 'stream'; readonly stream: number; readonly root: string; readonly path: string }
  | { readonly kind: 'chunk'; readonly stream: number; readonly chunk: Uint8Array }
  | { readonly kind: 'end-stream'; readonly stream: number; readonly isWhole: boolean }
  | { readonly kind: 'stop' | 'end' }
)

/** A task without its id. Each kind keeps its own fields. */
export type Untold = Task extends infer Each ? (Each extends Task ? Omit<Each, 'id'> : never) : never

/** An error, as it goes from thread to thread. */
export type Failure =
  | {
      readonly kind: 'object'
      readonly oid: Oid
      readonly fault: ObjectError['kind']
      readonly message: string
    }
  | { readonly kind: 'repository'; readonly code: ProblemCode; readonly message: string }
  | { readonly kind: 'fatal'; readonly problem: Problem; readonly exitCode: 2 | 75; readonly message: string }
  | { readonly kind: 'other'; readonly message: string }

/** What a hand answers. The id 0 says that it is there. */
export interface Answer {
  readonly id: number
  readonly blobs?: readonly (Blob | LargeBlob | Failure)[]
  readonly created?: Created
  /** The memory of the first file, or of a chunk, which goes back. */
  readonly buffer?: ArrayBuffer
  readonly failure?: Failure
}

/** Describes an error for another thread. */
export function describeError(error: unknown): Failure {
  if (error instanceof ObjectError) {
    return { kind: 'object', oid: error.oid, fault: error.kind, message: error.message }
  }
  if (error instanceof FatalError) {
    return { kind: 'fatal', problem: error.problem, exitCode: error.exitCode, message: error.message }
  }
  if (error instanceof RepositoryError) {
    return { kind: 'repository', code: error.code, message: error.message }
  }
  return { kind: 'other', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }
}

/** Returns the error that was described. */
export function errorOf(failure: Failure): Error {
  switch (failure.kind) {
    case 'object':
      return new ObjectError(failure.oid, failure.fault, failure.message)
    case 'repository':
      return new RepositoryError(failure.code, failure.message)
    case 'fatal':
      return new FatalError(failure.problem, { exitCode: failure.exitCode })
    case 'other':
      return new Error(failure.message)
  }
}
