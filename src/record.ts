/**
 * Reads the record of a module, `-/modules/<path>.json`. It is derived: one
 * that is damaged is as good as none, and is made again with its repository.
 *
 * Pure.
 */

import type { ModuleRecord } from './model.ts'

/** Returns the record; undefined where the bytes are damaged. */
export function parseRecord(body: Uint8Array): ModuleRecord | undefined {
  try {
    const record = JSON.parse(new TextDecoder().decode(body)) as Partial<ModuleRecord> | null
    const isWhole =
      typeof record?.path === 'string' && Array.isArray(record.versions) && Array.isArray(record.packages)
    return isWhole ? (record as ModuleRecord) : undefined
  } catch {
    return undefined
  }
}
