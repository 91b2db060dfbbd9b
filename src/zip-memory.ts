/**
 * Memory that zips are put together in, one after the other. Thousands of them
 * in new memory each would have the system clear all of it first, and be much
 * before it is collected.
 *
 * What zips take at a time is bounded; who wants more waits. A piece of memory
 * is somewhat larger than the first zip in it, since the next version mostly
 * has a larger one: what of it was never written takes no memory.
 */

import { Room } from './each.ts'

/** A piece of memory, for as long as it is not given back. */
export interface Lent {
  /** As large as was asked for, or larger. Its bytes are whatever was there before. */
  readonly memory: ArrayBuffer
  /** Gives it back: the same memory, under whatever name it is known by now, or nothing where it is lost. */
  giveBack(memory: ArrayBuffer | undefined): void
}

export class ZipMemory {
  readonly #roomBytes: number
  readonly #room: Room
  /** What is not lent, in the order of the sizes. */
  readonly #free: ArrayBuffer[] = []
  #freeBytes = 0
  #lentBytes = 0

  /** Zips take at most so many bytes at a time. */
  constructor(roomBytes: number) {
    this.#roomBytes = roomBytes
    this.#room = new Room(roomBytes)
  }

  /** Waits until there is room for so many bytes. */
  async lend(bytes: number): Promise<Lent> {
    const release = await this.#room.take(bytes)
    const memory = this.#take(bytes)
    // Sent to another thread, it has no size here any more.
    const { byteLength } = memory
    this.#lentBytes += byteLength
    const giveBack = (again: ArrayBuffer | undefined) => {
      this.#lentBytes -= byteLength
      if (again !== undefined) this.#keep(again)
      release()
    }
    return { memory, giveBack }
  }

  #take(bytes: number): ArrayBuffer {
    const index = this.#free.findIndex(({ byteLength }) => byteLength >= bytes)
    const best = this.#free[index]
    if (best === undefined || best.byteLength > mostRatio * bytes) return new ArrayBuffer(sizeFor(bytes))
    this.#free.splice(index, 1)
    this.#freeBytes -= best.byteLength
    return best
  }

  /** Keeps the largest, which fit most zips: for half of the room, and a few large ones where it is not lent. */
  #keep(memory: ArrayBuffer): void {
    const index = this.#free.findIndex(({ byteLength }) => byteLength >= memory.byteLength)
    this.#free.splice(index < 0 ? this.#free.length : index, 0, memory)
    this.#freeBytes += memory.byteLength
    while (this.#isTooMuch) this.#freeBytes -= this.#free.shift()?.byteLength ?? 0
  }

  /** Half of the room is always kept. More is only as long as all there is, lent or not, is not half as much again. */
  get #isTooMuch(): boolean {
    if (this.#freeBytes <= this.#roomBytes / 2) return false
    return this.#free.length > fewPieces || this.#freeBytes + this.#lentBytes > 1.5 * this.#roomBytes
  }
}

/** So many pieces are kept even where they are more than half of the room. */
const fewPieces = 4

/** A small zip does not take the memory of a large one. */
const mostRatio = 8

/** An eighth more than what is asked for, in steps of 64 KiB. */
function sizeFor(bytes: number): number {
  const step = 2 ** 16
  return Math.ceil((bytes * 9) / 8 / step) * step
}
