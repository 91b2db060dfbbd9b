/**
 * Chunks that arrive from elsewhere, one after the other, for one who reads
 * them. Who puts one in is told when it is done with, so that he can send the
 * next, or use its memory again.
 *
 * Pure.
 */

interface Arrived {
  readonly chunk: Uint8Array
  readonly done: () => void
}

export class Inbox {
  /** The first of them is what is being read. */
  readonly #arrived: Arrived[] = []
  #state: 'open' | 'whole' | 'broken' | 'closed' = 'open'
  #wake: () => void = () => {}

  /** Waits until the chunk is done with, or nobody wants it. */
  async put(chunk: Uint8Array): Promise<void> {
    if (this.#state === 'closed') return
    await new Promise<void>((done) => {
      this.#arrived.push({ chunk, done })
      this.#wake()
    })
  }

  /** Says that nothing more comes: that these were all, or that whoever reads is to fail. */
  end(isWhole: boolean): void {
    if (this.#state === 'open') this.#state = isWhole ? 'whole' : 'broken'
    this.#wake()
  }

  /** Says that nothing more is read. */
  close(): void {
    this.#state = 'closed'
    for (const { done } of this.#arrived.splice(0)) done()
  }

  /** Yields the chunks, each of which is done with when the next is asked for. Throws where what comes is broken off. */
  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const [first] = this.#arrived
      if (first !== undefined) {
        yield first.chunk
        this.#arrived.shift()
        first.done()
      } else if (this.#state === 'open') {
        await new Promise<void>((wake) => {
          this.#wake = wake
        })
      } else if (this.#state === 'whole') return
      else throw new Error('What was to come has been broken off.')
    }
  }
}
