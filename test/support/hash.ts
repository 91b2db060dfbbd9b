/**
 * What a directory holds, in one hash, and what has been touched in it.
 */

import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { filesBelow } from './site.ts'

/** Returns a hash of the names and contents of all files below a directory. */
export function hashTree(dir: string): string {
  const hash = createHash('sha256')
  for (const file of filesBelow(dir)) hash.update(`${file}\0`).update(readFileSync(join(dir, file)))
  return hash.digest('hex')
}

/** Returns when each file and directory was last changed, in nanoseconds, with its inode. */
export function touchedTimes(dir: string): Record<string, string> {
  const names = readdirSync(dir, { recursive: true }).map(String).sort()
  return Object.fromEntries(
    ['', ...names].map((name) => {
      const { mtimeNs, ctimeNs, ino } = lstatSync(join(dir, name), { bigint: true })
      return [name, `${mtimeNs} ${ctimeNs} ${ino}`]
    }),
  )
}
