/**
 * The index of the modules: `-/index/<xx>.jsonl`, a line a module with what the
 * front page, the feed and a search need of it. It is there so that who derives
 * what spans modules reads the records that have changed, and not all of them:
 * a line has the md5 of the record that it was made from, which is what a
 * bucket lists as the ETag of a file that was put in one piece.
 *
 * A module's line is in the shard of the first digits of the sha256 of its
 * path, so that a new version rewrites about a hundred lines, and so that
 * anyone can tell where a module is. How many digits there are follows from the
 * number of modules alone: the same modules have the same files.
 *
 * The shards are also what a search page is to read: paths, deprecations and
 * repositories are in them, and nothing else needs to be fetched.
 *
 * Pure. See docs/design/index-shards.md.
 */

import { hash } from 'node:crypto'
import type { ModulePath, ModuleRecord, RepositoryMeta, Version } from './model.ts'
import { compareVersions } from './module/version.ts'

/** The format of the shards that this release writes. An older one is made anew, a newer one is left alone. */
export const indexFormat = 1

/** What is known of a module without its record. */
export interface ModuleSummary {
  readonly path: ModulePath
  /** Of the bytes of the module's record, in lower-case hexadecimal. */
  readonly md5: string
  readonly repository: RepositoryMeta
  readonly latest?: Version
  /** When `latest` was committed. */
  readonly time?: string
  readonly deprecated?: string
  /** How many versions are published. */
  readonly versions: number
  /** How many versions were taken down. Absent where none was. */
  readonly withdrawals?: number
  /** The listed versions that were committed last, and those that were taken down, newest first; never more than a few. */
  readonly newest: readonly NewVersion[]
}

export interface NewVersion {
  readonly version: Version
  readonly time: string
  readonly retracted?: true
  /** Why it was taken down, and `time` is when. */
  readonly withdrawn?: string
}

/** So many versions of one module can be in the feed at a time: those who tag a hundred at once do not fill it. */
const newestVersions = 10

/** What people say at length is on the pages. */
const textLength = 200

/** Returns the line of a module, from its record and the md5 of its record's bytes. */
export function summarizeModule(record: ModuleRecord, md5: string): ModuleSummary {
  const { path, repository, latest, deprecated, versions, withdrawn } = record
  const time = versions.find(({ version }) => version === latest)?.time
  return {
    path,
    md5,
    repository,
    ...(latest === undefined ? {} : { latest }),
    ...(time === undefined ? {} : { time }),
    ...(deprecated === undefined ? {} : { deprecated: shorten(deprecated) }),
    versions: versions.length,
    ...(withdrawn === undefined ? {} : { withdrawals: withdrawn.length }),
    newest: findNewest(record),
  }
}

function findNewest({ list, versions, withdrawn = [] }: ModuleRecord): NewVersion[] {
  const listed = new Set(list)
  const there = versions
    .filter(({ version }) => listed.has(version))
    .map(({ version, time, retracted }) => ({
      version,
      time,
      ...(retracted === undefined ? {} : { retracted: true as const }),
    }))
  const gone = withdrawn.map(({ version, time, reason }) => ({ version, time, withdrawn: shorten(reason) }))
  return [...there, ...gone]
    .sort((a, b) => compareTexts(b.time, a.time) || compareVersions(b.version, a.version))
    .slice(0, newestVersions)
}

function shorten(text: string): string {
  const characters = [...text]
  return characters.length <= textLength ? text : `${characters.slice(0, textLength - 1).join('')}…`
}

/** Returns how many versions of these modules were taken down. */
export function countWithdrawals(modules: readonly Pick<ModuleSummary, 'withdrawals'>[]): number {
  return modules.reduce((sum, { withdrawals = 0 }) => sum + withdrawals, 0)
}

// ---- Shards ----

/** From so many modules on, shards have names of two digits: 256 of them instead of 16, and never more. */
const fewModules = 2048

/** Returns the files of the index, by their paths: the same for the same modules, in any order. */
export function formatIndexShards(
  modules: readonly ModuleSummary[],
  few: number = fewModules,
): Map<string, string> {
  const digits = modules.length <= few ? 1 : 2
  const shards = new Map<string, ModuleSummary[]>()
  for (const module of [...modules].sort((a, b) => compareTexts(a.path, b.path))) {
    const path = `${indexDirectory}/${hash('sha256', module.path, 'hex').slice(0, digits)}.jsonl`
    const shard = shards.get(path)
    if (shard === undefined) shards.set(path, [module])
    else shard.push(module)
  }
  const head = { format: indexFormat }
  return new Map(
    [...shards]
      .sort(([a], [b]) => compareTexts(a, b))
      .map(([path, lines]) => [path, formatLines(head, lines)]),
  )
}

/** Where the shards are. */
export const indexDirectory = '-/index'

/** Tells whether a path is that of a shard: of any number of digits, since another release may have written it. */
export function isIndexShard(path: string): boolean {
  return /^-\/index\/[0-9a-f]+\.jsonl$/.test(path)
}

/** Returns the modules of a shard. "newer" where a newer modpress wrote it; none where it is older, or damaged. */
export function parseIndexShard(body: Uint8Array): readonly ModuleSummary[] | 'newer' {
  const lines = parseLines(body)
  if (lines === 'newer') return lines
  return lines.every(isSummary) ? (lines as unknown as ModuleSummary[]) : []
}

function isSummary(line: Json): boolean {
  const { path, md5, repository, versions, newest } = line
  return (
    typeof path === 'string' &&
    typeof md5 === 'string' &&
    typeof repository === 'object' &&
    typeof versions === 'number' &&
    Array.isArray(newest)
  )
}

// ---- What is known of the shards of the manifest ----

/** The hashes of a shard of the manifest, by its path: whoever sees the md5 in a list knows the sha256. */
export type ShardHashes = ReadonlyMap<string, { readonly md5: string; readonly sha256: string }>

export const shardHashesFile = '-/index/manifest.jsonl'

/** Returns the bytes of `-/index/manifest.jsonl`. */
export function formatShardHashes(hashes: ShardHashes): string {
  const lines = [...hashes].sort(([a], [b]) => compareTexts(a, b))
  return formatLines(
    { format: indexFormat },
    lines.map(([shard, { md5, sha256 }]) => ({ shard, md5, sha256 })),
  )
}

/** Reads it. "newer" where a newer modpress wrote it; nothing is known where it is older, or damaged. */
export function parseShardHashes(body: Uint8Array): ShardHashes | 'newer' {
  const lines = parseLines(body)
  if (lines === 'newer') return lines
  const hashes = new Map<string, { readonly md5: string; readonly sha256: string }>()
  for (const { shard, md5, sha256 } of lines) {
    if (typeof shard === 'string' && typeof md5 === 'string' && typeof sha256 === 'string')
      hashes.set(shard, { md5, sha256 })
  }
  return hashes
}

// ---- Lines and tags ----

/** Returns the md5 that a store's tag holds, as far as it looks like one; undefined where it is of another kind. */
export function md5OfTag(tag: string | undefined): string | undefined {
  return /^"?([0-9a-f]{32})"?$/.exec(tag ?? '')?.[1]
}

/** Returns the md5 of bytes as a bucket does. Nobody is to be kept from anything by it. */
export function md5Of(body: Uint8Array): string {
  return hash('md5', body, 'hex')
}

type Json = Readonly<Record<string, unknown>>

function formatLines(head: object, lines: readonly object[]): string {
  return [head, ...lines].map((line) => `${JSON.stringify(line)}\n`).join('')
}

function parseLines(body: Uint8Array): Json[] | 'newer' {
  const [first = '', ...rest] = new TextDecoder().decode(body).split('\n')
  try {
    const { format } = JSON.parse(first) as Json
    if (typeof format === 'number' && format > indexFormat) return 'newer'
    if (format !== indexFormat || rest.pop() !== '') return []
    return rest.map((line) => JSON.parse(line) as Json)
  } catch {
    return []
  }
}

/** Compares texts by their code units, for any `sort`. */
export function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
