/**
 * A store that ends its user's life at a chosen request, or lets requests take
 * a while that a seed decides: what crashes and races are made of. All else is
 * the real store below it.
 */

import { setTimeout } from 'node:timers/promises'
import type { Store } from '../../src/store/store.ts'

/** What the user of a store sees from the moment of its death on. */
export class Killed extends Error {
  override readonly name = 'Killed'
}

export interface FaultyOptions {
  /** The request, from 1 on, that is the last one that is carried out. @default none */
  readonly killAt?: number
  /** How long a request takes, in milliseconds. @default not at all */
  readonly delay?: () => number
}

export interface FaultyStore extends Store {
  /** How many requests there were. */
  readonly requests: number
}

/** Returns a store that does as it is told until it does nothing any more. */
export function faultyStore(inner: Store, options: FaultyOptions = {}): FaultyStore {
  let requests = 0
  let isDead = false
  async function request<T>(carryOut: () => Promise<T>): Promise<T> {
    if (isDead) throw new Killed(`The process was killed at request ${options.killAt}.`)
    if (++requests === options.killAt) isDead = true
    const ms = options.delay?.() ?? 0
    if (ms > 0) await setTimeout(ms)
    const result = await carryOut()
    if (isDead) throw new Killed(`Killed after request ${requests}.`)
    return result
  }
  return {
    get requests() {
      return requests
    },
    get written() {
      return inner.written
    },
    get: (path) => request(() => inner.get(path)),
    tag: (path) => request(() => inner.tag(path)),
    stream: (path) => request(() => inner.stream(path)),
    create: (path, body, create) => request(() => inner.create(path, body, create)),
    replace: (path, body, expected) => request(() => inner.replace(path, body, expected)),
    remove: (path, expected) => request(() => inner.remove(path, expected)),
    async *list(directory) {
      await request(async () => {})
      yield* inner.list(directory)
    },
  }
}

/** Returns numbers from 0 to 1 that the seed decides (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * Reads a site as go and people do, and returns what is named there without
 * its content: in lists, in @latest and other answers, in records.
 */
export async function findDangling(store: Store): Promise<string[]> {
  const paths = new Set<string>()
  for await (const { path } of store.list('')) paths.add(path)
  const dangling: string[] = []
  const want = (by: string, module: string, version: string) => {
    const escaped = version.replace(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`)
    for (const kind of ['zip', 'mod', 'info']) {
      const path = `${module}/@v/${escaped}.${kind}`
      if (!paths.has(path)) dangling.push(`${by} names ${path}`)
    }
  }
  const textOf = async (path: string) => Buffer.from((await store.get(path))?.body ?? []).toString()
  for (const path of paths) {
    const [module = ''] = path.split(/\/@(?:v\/|latest$)/)
    if (path.endsWith('/@v/list')) {
      for (const version of (await textOf(path)).split('\n').filter(Boolean)) want(path, module, version)
    } else if (path.endsWith('/@latest') || path.endsWith('.info')) {
      const text = await textOf(path)
      if (text.trim() !== '') want(path, module, (JSON.parse(text) as { Version: string }).Version)
    } else if (path.startsWith('-/modules/')) {
      const escaped = path.slice('-/modules/'.length, -'.json'.length)
      const record = JSON.parse(await textOf(path)) as { versions: { version: string }[] }
      for (const { version } of record.versions) want(path, escaped, version)
    }
  }
  return dangling
}
