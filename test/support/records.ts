/**
 * Records of modules, made up: what an index is made from.
 */

import type { ModulePath, ModuleRecord, Version } from '../../src/model.ts'

/** Returns the record of a module with these versions, the last of which is the latest. A day lies between two versions. */
export function recordOf(
  path: string,
  versions: readonly string[] = ['v1.0.0'],
  more: Partial<ModuleRecord> = {},
  day = 0,
): ModuleRecord {
  const latest = versions.at(-1)
  return {
    path: path as ModulePath,
    repository: { root: path as ModulePath, clone: `https://git.${path}.git`, subdir: '' },
    list: versions as readonly Version[],
    ...(latest === undefined ? {} : { latest: latest as Version }),
    queries: {},
    versions: versions.map((version, index) => ({
      version: version as Version,
      time: `${new Date((day + index) * 86_400_000).toISOString().slice(0, 19)}Z`,
      h1: 'h1:x=',
      goModH1: 'h1:y=',
      size: 22,
    })),
    packages: [path],
    ...more,
  }
}

/** Returns the bytes of a record's file. */
export function recordBytes(record: ModuleRecord): Buffer {
  return Buffer.from(`${JSON.stringify(record)}\n`)
}
