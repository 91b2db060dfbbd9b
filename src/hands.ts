/**
 * Hands are threads that do what takes time and no decisions: reading,
 * checking and deflating blobs, and hashing and writing files. This thread has
 * the head: it knows which versions there are, and puts their zips together.
 * Nothing of the result depends on how many hands there are, or on which of
 * them did what.
 *
 * They are started as soon as there may be much work, and take their share from
 * the moment they are there; until then this thread does all by itself, so that
 * a small build is over before it has waited for anyone.
 */

import { Worker } from 'node:worker_threads'
import { chunkBytes } from './archive.ts'
import { type Batch, type BlobReader, type OtherReaders, readerHere } from './batches.ts'
import type { BlobsOptions } from './blobs.ts'
import { Room } from './each.ts'
import { postponeOptimizing } from './engine.ts'
import type { GitRepository } from './git/repository.ts'
import {
  type Answer,
  type Created,
  errorOf,
  type NewFile,
  type TextFile,
  type Untold,
} from './hand-messages.ts'
import { ZipMemory } from './zip-memory.ts'

/** A zip to be created. */
export interface NewZip {
  readonly path: string
  readonly bytes: number
  readonly fill: (body: Buffer) => void
}

/** Yields the content of a large file in chunks, each of which lies alone in a piece of the memory that it is given. */
export type LargeContent = (memory: () => Buffer) => AsyncIterable<Uint8Array>

/** Nothing is gained by more: this thread could not give them enough to do. */
const mostHands = 8

/** A repository whose blobs hands can read. */
export interface ReadByHands {
  readonly reader: BlobReader
  close(): Promise<void>
}

export interface HandsOptions {
  /** How much memory zips may take that are being written. @default 16 MiB */
  readonly roomBytes?: number
}

/** Shares out the memory for contents, in MiB: one part for what is read, up to four for what is kept, one for zips. */
export function shareMemory(
  memory: number,
): Required<HandsOptions & Pick<BlobsOptions, 'budgetBytes' | 'keepBytes'>> {
  const part = Math.floor((memory * 2 ** 20) / 8)
  return { budgetBytes: part, keepBytes: part, roomBytes: part }
}

export class Hands {
  readonly #wanted: number
  #hands: Hand[] = []
  #repositories = 0
  readonly #zips: ZipMemory
  readonly #streaming = new Room(streamsAtOnce)
  #streams = 0
  /** The memory of chunks that is not in use. */
  readonly #chunks: ArrayBuffer[] = []

  /** `jobs` is how much is done at a time, by this thread and by others. With one, this thread stays alone. */
  constructor(jobs: number, options: HandsOptions = {}) {
    this.#wanted = Math.min(Math.max(jobs - 1, 0), mostHands)
    this.#zips = new ZipMemory(options.roomBytes ?? 16 * 2 ** 20)
  }

  /** Prepares for so many new refs of a repository: starts the threads where they are more than a few. */
  expect(refs: number): void {
    if (refs > fewRefs) this.start()
  }

  /** Starts the threads, if they are not there yet. It does not wait for them. */
  start(): void {
    if (this.#hands.length > 0) return
    this.#hands = Array.from({ length: this.#wanted }, () => new Hand(() => this.#beReady()))
  }

  /** What the engine is told must come after the last of them has loaded its program. */
  #beReady(): void {
    if (this.#hands.length > 0 && this.#hands.every((hand) => hand.isReady)) void postponeOptimizing()
  }

  /** Lets them read the blobs of a repository, besides this thread. */
  open(repository: Pick<GitRepository, 'read' | 'readUpTo' | 'source'>): ReadByHands {
    const here = readerHere(repository)
    const { source } = repository
    if (source === undefined || this.#wanted === 0) return { reader: here, close: async () => {} }
    const number = ++this.#repositories
    const opened = new Set<Hand>()
    const hands = this
    let asked = 0
    const count = (blobs: number) => {
      asked += blobs
      if (asked > fewBlobs) hands.start()
    }
    const others: OtherReaders = {
      get count() {
        return hands.#hands.filter((hand) => hand.isReady).length
      },
      get leastLoad() {
        return hands.#leastBusy()?.load ?? 0
      },
      read: async (oids, largeBytes, bytes) => {
        count(oids.length)
        const hand = hands.#leastBusy()
        if (hand === undefined) return here.read(oids, largeBytes)
        if (!opened.has(hand)) {
          opened.add(hand)
          hand.tell({ kind: 'open', repository: number, source })
        }
        const load = bytes + oids.length * blobLoad
        const { blobs = [] } = await hand.ask({ kind: 'read', repository: number, oids, largeBytes }, load)
        return blobs.map((each) => ('kind' in each ? errorOf(each) : each)) as Batch
      },
    }
    const read: BlobReader['read'] = (oids, largeBytes) => {
      count(oids.length)
      return here.read(oids, largeBytes)
    }
    const reader: BlobReader = { read, others }
    const close = async () => {
      await Promise.all([...opened].map((hand) => hand.ask({ kind: 'close', repository: number }, 0)))
    }
    return { reader, close }
  }

  /** Whether one of them is there by now, and has not enough to do already. */
  get canCreate(): boolean {
    const hand = this.#leastBusy()
    return hand !== undefined && hand.load < mostLoad
  }

  /**
   * Creates files one after the other below a directory, as its store does, up to the first that is there already.
   * Only for who has seen that they can. The zip comes first; `fill` writes it into memory with whatever in it.
   */
  async create(root: string, zip: NewZip, others: readonly NewFile[]): Promise<Created> {
    const { memory, giveBack } = await this.#zips.lend(zip.bytes)
    let back: ArrayBuffer | undefined
    try {
      const hand = this.#leastBusy()
      if (hand === undefined) throw new Error('There is nobody who could create the files.')
      const body = Buffer.from(memory, 0, zip.bytes)
      zip.fill(body)
      // A part of a buffer would take all of it along.
      const own = others.map(({ path, body }) => ({ path, body: new Uint8Array(body) }))
      const task = { kind: 'create', root, files: [{ path: zip.path, body }, ...own] } as const
      const answer = await hand.ask(task, zip.bytes / zipLoadRatio + 3 * fileLoad, [memory])
      back = answer.buffer
      return answer.created ?? { sha256: '', outcomes: [] }
    } finally {
      giveBack(back)
    }
  }

  /**
   * Creates a file of many bytes below a directory, as its store does. Only for who has seen that they can. This thread
   * makes a chunk while the one before is hashed and written. Throws what making them throws.
   */
  async createLarge(root: string, path: string, content: LargeContent): Promise<Created & { size: number }> {
    const release = await this.#streaming.take(1)
    try {
      const hand = this.#leastBusy()
      if (hand === undefined) throw new Error('There is nobody who could create the file.')
      return await this.#stream(hand, root, path, content)
    } finally {
      release()
    }
  }

  async #stream(
    hand: Hand,
    root: string,
    path: string,
    content: LargeContent,
  ): Promise<Created & { size: number }> {
    const stream = ++this.#streams
    const answer = hand.ask({ kind: 'stream', stream, root, path }, fileLoad)
    let isOver = false
    const end = () => {
      isOver = true
    }
    const over = answer.then(end, end)
    const ahead = new Room(chunksAhead)
    const send = async (chunk: Uint8Array) => {
      const done = await ahead.take(1)
      const load = chunk.length / zipLoadRatio
      hand
        .ask({ kind: 'chunk', stream, chunk }, load, [chunk.buffer as ArrayBuffer])
        .then(
          ({ buffer }) => {
            if (buffer !== undefined && this.#chunks.length < mostChunks) this.#chunks.push(buffer)
          },
          () => {}, // what is wrong, `answer` says
        )
        .finally(done)
    }
    const memory = () => Buffer.from(this.#chunks.pop() ?? new ArrayBuffer(chunkBytes))
    let size = 0
    let isWhole = false
    try {
      for await (const chunk of content(memory)) {
        // There is such a file, or it cannot be written.
        if (isOver) break
        size += chunk.length
        await send(chunk)
      }
      isWhole = true
    } finally {
      hand.tell({ kind: 'end-stream', stream, isWhole })
      await over
    }
    const { created = { sha256: '', outcomes: [] } } = await answer
    return { ...created, size }
  }

  /** Writes files below a directory, as `putFile` does. Only for who has seen that they can. */
  async put(root: string, files: readonly TextFile[]): Promise<void> {
    const hand = this.#leastBusy()
    if (hand === undefined) throw new Error('There is nobody who could write the files.')
    await hand.ask({ kind: 'put', root, files }, files.length * fileLoad)
  }

  /** Tells them to give no file its name any more. */
  stop(): void {
    for (const hand of this.#hands) hand.tell({ kind: 'stop' })
  }

  /** Lets them go. What they were asked for must be done. */
  end(): void {
    for (const hand of this.#hands) hand.tell({ kind: 'end' })
    this.#hands = []
  }

  #leastBusy(): Hand | undefined {
    return this.#hands
      .filter((hand) => hand.isReady)
      .reduce<Hand | undefined>(
        (best, hand) => (best === undefined || hand.load < best.load ? hand : best),
        undefined,
      )
  }
}

/** So many new refs are mostly pressed before a thread would have started. */
const fewRefs = 8
/** With more than this, help is worth its start. */
const fewBlobs = 200

/**
 * With so much before it a file is written sooner by this thread. It is more than it looks: what is done in the
 * meantime is not seen before this thread is done with what it is at.
 */
const mostLoad = 4 * 2 ** 20

/** Of large files so many are made at a time, one of which may wait for its contents; of each so many chunks are on their way. */
const streamsAtOnce = 2
const chunksAhead = 4
const mostChunks = streamsAtOnce * (chunksAhead + 2)

// What is done takes as long as deflating so many bytes: reading a blob besides, writing a file, and hashing and
// writing a zip, of which the bytes count a sixth.
const blobLoad = 2 * 2 ** 10
const fileLoad = 8 * 2 ** 10
const zipLoadRatio = 6

/** One thread. */
class Hand {
  readonly #worker: Worker
  readonly #waiting = new Map<
    number,
    { resolve(answer: Answer): void; reject(error: unknown): void; load: number }
  >()
  #asked = 0
  #failure: Error | undefined
  readonly #onReady: () => void
  isReady = false

  constructor(onReady: () => void) {
    this.#onReady = onReady
    this.#worker = startWorker()
    this.#worker.unref()
    this.#worker.on('message', (answer: Answer) => this.#take(answer))
    this.#worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))))
    this.#worker.on('exit', () => this.#fail(new Error('A thread has ended before its work.')))
  }

  /** What it still has to do, in bytes of content to be deflated. */
  load = 0

  tell(task: Untold): void {
    this.#worker.postMessage({ id: 0, ...task })
  }

  ask(task: Untold, load: number, transfer: readonly ArrayBuffer[] = []): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure)
      const id = ++this.#asked
      // While someone waits for an answer, the process does.
      if (this.#waiting.size === 0) this.#worker.ref()
      this.#waiting.set(id, { resolve, reject, load })
      this.load += load
      this.#worker.postMessage({ id, ...task }, transfer)
    })
  }

  #take(answer: Answer): void {
    if (answer.id === 0) {
      this.isReady = true
      this.#onReady()
      return
    }
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    this.load -= waiting?.load ?? 0
    if (this.#waiting.size === 0) this.#worker.unref()
    if (answer.failure === undefined) waiting?.resolve(answer)
    else waiting?.reject(errorOf(answer.failure))
  }

  #fail(error: Error): void {
    this.isReady = false
    this.#failure ??= error
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}

function startWorker(): Worker {
  const resourceLimits = { maxYoungGenerationSizeMb: 4 }
  if (!import.meta.url.endsWith('.ts')) {
    return new Worker(new URL('./hand.js', import.meta.url), { resourceLimits })
  }
  // Where the sources themselves run, a thread does not know how to load them.
  const url = JSON.stringify(new URL('./hand.ts', import.meta.url))
  const load = `import('tsx/esm/api').then(({ register }) => { register(); return import(${url}) })`
  return new Worker(load, { eval: true, resourceLimits })
}
