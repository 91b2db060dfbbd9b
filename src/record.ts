/**
 * Reads the record of a module, `-/modules/<path>.json`. It is derived: one
 * that is damaged is as good as none, and is made again with its repository.
 *
 * Pure.
 */

import { byVersion, type Shard } from './manifest.ts'
import type { ModuleRecord, Version } from './model.ts'
import { buildOf, prereleaseOf } from './module/version.ts'
import { formatTime } from './render/proxy.ts'

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

/**
 * Returns the record as it is after the versions of the shard's tombstones were taken down, where whoever did that was
 * stopped before it was written: nothing in it names one of them.
 */
export function takeDown(record: ModuleRecord, shard: Shard): ModuleRecord {
  const tombstones = [...shard.withdrawn.values()].filter(({ path }) => path === record.path).sort(byVersion)
  if (tombstones.length === 0) return record
  const down = new Set<string>(tombstones.map(({ version }) => version))
  const { latest: before, packages, withdrawn: _, ...rest } = record
  const versions = record.versions.filter(({ version }) => !down.has(version))
  const list = record.list.filter((version) => !down.has(version))
  const latest = before === undefined || !down.has(before) ? before : nextLatest({ ...rest, versions, list })
  return {
    ...rest,
    list,
    ...(latest === undefined ? {} : { latest }),
    queries: Object.fromEntries(Object.entries(record.queries).filter(([, version]) => !down.has(version))),
    versions,
    withdrawn: tombstones.map(({ version, reason, time }) => ({ version, reason, time: formatTime(time) })),
    packages: versions.length === 0 ? [] : packages,
  }
}

/** The highest release that is not retracted, as far as that can be told without the repository. */
function nextLatest({ list, versions }: Pick<ModuleRecord, 'list' | 'versions'>): Version | undefined {
  const retracted = new Set(versions.flatMap((each) => (each.retracted === undefined ? [] : [each.version])))
  const fit = list.filter((version) => !retracted.has(version))
  const releases = fit.filter((version) => prereleaseOf(version) === '')
  return (
    releases.findLast((version) => buildOf(version) === '') ?? releases.at(-1) ?? fit.at(-1) ?? list.at(-1)
  )
}
