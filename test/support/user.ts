/**
 * Runs a part of a test as a user who may not do everything, since tests often
 * run as the superuser, for whom no directory is closed.
 */

import { chmodSync, chownSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const nobody = 65_534

/** Runs `use` as an ordinary user, to whom these directories then belong with all that is in them. */
export async function asOrdinaryUser<T>(directories: readonly string[], use: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0 || process.seteuid === undefined) return use()
  for (const directory of directories) {
    const inside = readdirSync(directory, { recursive: true }).map((name) => join(directory, String(name)))
    for (const path of [directory, ...inside]) chownSync(path, nobody, nobody)
    chmodSync(directory, 0o755)
  }
  process.seteuid(nobody)
  try {
    return await use()
  } finally {
    process.seteuid(0)
  }
}
