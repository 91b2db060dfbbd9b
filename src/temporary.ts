/**
 * Temporary directories. Each goes when its user is done with it, and what is
 * left of them with the process, also where it is told to end at once.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const left = new Set<string>()
let isWatched = false

/** Makes a directory whose name begins with `name`, and returns its path. Throws the fault of the file system. */
export function makeTemporary(name = 'modpress-'): string {
  // All of it ends in the page cache: trips through the thread pool would take several times as long.
  const dir = mkdtempSync(join(tmpdir(), name))
  left.add(dir)
  if (!isWatched) process.once('exit', removeAll)
  isWatched = true
  return dir
}

function removeAll(): void {
  for (const dir of left) {
    try {
      removeTemporary(dir)
    } catch {
      // The process has ended with what it was asked for; a directory that stays is nobody's fault.
    }
  }
}

/** Removes one with all that is in it. */
export function removeTemporary(dir: string): void {
  rmSync(dir, { recursive: true, force: true })
  left.delete(dir)
}

/** Lends one. */
export async function withTemporary<T>(use: (dir: string) => Promise<T>, name?: string): Promise<T> {
  const dir = makeTemporary(name)
  try {
    return await use(dir)
  } finally {
    removeTemporary(dir)
  }
}
