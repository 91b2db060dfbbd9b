/**
 * How far the versions of one repository are packed, told as events: with each
 * version that is begun, and within the last ones, of which a single one may
 * take as long as a thousand others, by what is read of their contents.
 */

import type { Blobs } from './blobs.ts'
import type { FlowOptions } from './events.ts'
import type { ModulePath } from './model.ts'

export class PackProgress {
  readonly #repository: ModulePath
  readonly #total: number
  readonly #blobs: Blobs
  readonly #onEvent: FlowOptions['onEvent']
  #started = 0
  #done = 0
  /** How many versions the work done on those at work comes to. */
  #begun = 0
  #last = ''
  #toldMs = 0

  constructor(repository: ModulePath, total: number, blobs: Blobs, onEvent: FlowOptions['onEvent']) {
    this.#repository = repository
    this.#total = total
    this.#blobs = blobs
    this.#onEvent = onEvent
    if (onEvent !== undefined) blobs.onRead = () => this.#read()
  }

  /** A version is begun; `name` is what is shown. */
  start(name: string): void {
    this.#started++
    this.#last = name
    this.#tell(name)
  }

  /** One of those that were begun is done. */
  end(): void {
    this.#done++
    this.#begun = Math.max(0, this.#begun - 1)
  }

  /** All are done. */
  finish(): void {
    this.#blobs.onRead = undefined
    this.#begun = 0
    this.#tell()
  }

  #read(): void {
    // Of versions that come later it is not known what they will need.
    if (this.#started < this.#total || performance.now() - this.#toldMs < tellMs) return
    const share = readingShare * this.#blobs.readShare
    this.#begun = Math.max(this.#begun, (this.#total - this.#done) * share)
    this.#tell(this.#last)
  }

  #tell(message?: string): void {
    this.#toldMs = performance.now()
    this.#onEvent?.({
      type: 'progress',
      step: 'pack',
      repository: this.#repository,
      done: this.#done,
      total: this.#total,
      ...(this.#begun > 0 && { begun: this.#begun }),
      ...(message && { message }),
    })
  }
}

/** Within a version this often is often enough. */
const tellMs = 100
/** After reading there is still the zip to be written. */
const readingShare = 0.9
