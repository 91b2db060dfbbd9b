/**
 * How often a server is asked again, and how long is waited in between: longer
 * each time, and by chance, so that many who were refused together do not come
 * back together.
 */

import { setTimeout } from 'node:timers/promises'

export interface RetryOptions {
  /** How often a request is made in all. @default 6 */
  readonly tries?: number
  /** The longest wait after the first try; it doubles with each. @default 400 */
  readonly backoffMs?: number
}

const longestMs = 20_000

/** Returns the options with their defaults. */
export function resolveRetries({ tries = 6, backoffMs = 400 }: RetryOptions): Required<RetryOptions> {
  return { tries, backoffMs }
}

/** Waits after a try, of which the first is 1: any time up to the bound. */
export async function pause(attempt: number, backoffMs: number, signal?: AbortSignal): Promise<void> {
  const boundMs = Math.min(backoffMs * 2 ** (attempt - 1), longestMs)
  try {
    await setTimeout(Math.random() * boundMs, undefined, signal === undefined ? {} : { signal })
  } catch (cause) {
    signal?.throwIfAborted()
    throw cause
  }
}
