/**
 * Works on many things at a time, but not on all of them. The others go on
 * where one fails, so that nothing is still being written when the first
 * failure is told.
 *
 * Pure.
 */

/** Runs `work` over all items, `limit` at a time, in their order of starting. Throws the first failure, after all. */
export async function eachOf<T>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const queue = items.entries()
  const workers = Array.from({ length: Math.max(1, limit) }, async () => {
    for (const [index, item] of queue) await work(item, index)
  })
  const results = await Promise.allSettled(workers)
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

/** Lends out a bounded amount. Who wants more than is there waits for his turn; whoever wants too much gets all of it. */
export class Room {
  readonly #all: number
  #free: number
  readonly #waiting: { readonly amount: number; readonly start: () => void }[] = []

  constructor(amount: number) {
    this.#all = amount
    this.#free = amount
  }

  /** Waits for room, and returns the function that gives it back. */
  async take(wanted: number): Promise<() => void> {
    const amount = Math.min(wanted, this.#all)
    if (this.#waiting.length > 0 || amount > this.#free) {
      await new Promise<void>((start) => this.#waiting.push({ amount, start }))
    } else {
      this.#free -= amount
    }
    return () => {
      this.#free += amount
      for (
        let next = this.#waiting[0];
        next !== undefined && next.amount <= this.#free;
        next = this.#waiting[0]
      ) {
        this.#waiting.shift()
        this.#free -= next.amount
        next.start()
      }
    }
  }
}
