/** A clock that goes only when it is told to. */

import type { Clock } from '../../src/cli/progress.ts'

export class FakeClock implements Clock {
  #nowMs = 5000
  readonly #timers = new Set<{ readonly ms: number; dueMs: number; readonly tick: () => void }>()

  now(): number {
    return this.#nowMs
  }

  every(ms: number, tick: () => void): () => void {
    const timer = { ms, dueMs: this.#nowMs + ms, tick }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** How many timers go. */
  get timers(): number {
    return this.#timers.size
  }

  /** Lets time pass, and timers tick meanwhile. */
  pass(ms: number): void {
    const endMs = this.#nowMs + ms
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.dueMs - b.dueMs)
      if (next === undefined || next.dueMs > endMs) break
      this.#nowMs = next.dueMs
      next.dueMs += next.ms
      next.tick()
    }
    this.#nowMs = endMs
  }
}
