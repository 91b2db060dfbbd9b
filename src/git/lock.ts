/**
 * A lock between processes: a file that only one can create. Its holder
 * touches it now and then; a lock that nobody touches any more, or whose
 * holder is dead, is taken over.
 */

import { randomBytes } from 'node:crypto'
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'

export interface LockOptions {
  readonly signal?: AbortSignal
  /** How often a holder touches its lock. @default 10000 */
  readonly renewMs?: number
  /** When a lock that is not touched counts as left behind. @default 60000 */
  readonly staleMs?: number
}

/** Waits for the lock, lets `use` run, and gives it back whatever happens. */
export async function withLock<T>(file: string, options: LockOptions, use: () => Promise<T>): Promise<T> {
  const { signal, renewMs = 10_000, staleMs = 60_000 } = options
  const mark = JSON.stringify({ pid: process.pid, host: hostname(), nonce: randomBytes(8).toString('hex') })
  while (!(await create(file, mark))) {
    signal?.throwIfAborted()
    if (!(await removeStale(file, staleMs)))
      await delay(100 + Math.random() * 100, undefined, signal && { signal })
  }
  const timer = setInterval(() => {
    const now = new Date()
    utimes(file, now, now).catch(() => {})
  }, renewMs)
  timer.unref()
  try {
    return await use()
  } finally {
    clearInterval(timer)
    if ((await readLock(file)) === mark) await rm(file, { force: true })
  }
}

async function create(file: string, mark: string): Promise<boolean> {
  try {
    await writeFile(file, mark, { flag: 'wx' })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

/** Removes a lock that was left behind. Of two who try, the one that finds another lock in its hand puts it back. */
async function removeStale(file: string, staleMs: number): Promise<boolean> {
  const mark = await readLock(file)
  if (mark === undefined) return true
  if (!(await isStale(file, mark, staleMs))) return false
  const aside = `${file}.${randomBytes(8).toString('hex')}`
  try {
    await rename(file, aside)
    if ((await readLock(aside)) !== mark) await link(aside, file).catch(() => {})
    await rm(aside, { force: true })
  } catch {
    // Another process was faster.
  }
  return true
}

async function isStale(file: string, mark: string, staleMs: number): Promise<boolean> {
  const holder = parseMark(mark)
  if (holder?.host === hostname() && !isAlive(holder.pid)) return true
  // A living process with this number may be another one: in containers each run has the same few.
  const found = await stat(file).catch(() => undefined)
  return found !== undefined && Date.now() - found.mtimeMs > staleMs
}

function parseMark(mark: string): { readonly pid: number; readonly host: string } | undefined {
  try {
    const { pid, host } = JSON.parse(mark) as { pid?: unknown; host?: unknown }
    return typeof pid === 'number' && typeof host === 'string' ? { pid, host } : undefined
  } catch {
    return undefined // Its writer has created the file and not written into it yet.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

async function readLock(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(() => undefined)
}
