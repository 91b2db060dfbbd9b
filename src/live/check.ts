/**
 * Checks what is read of a live site, before anything is made of it: that the
 * index names shards, that a shard names versions, and that what has no hash
 * of its own says the same as the shard. A host that answers with something
 * else, or with an older file than the others, is told apart here.
 *
 * A check returns what is wrong, to follow the name of the file, or undefined.
 *
 * Pure.
 */

import { type Shard, shardPath, versionKey } from '../manifest.ts'
import type { ModulePath, ModuleRecord, PublishedVersion } from '../model.ts'
import { escapeVersion } from '../module/escape.ts'
import { checkImportPath, parseModulePath } from '../module/path.ts'
import { canonicalVersion } from '../module/version.ts'
import { formatTime } from '../render/proxy.ts'

/** A line of the index of the manifest. */
export interface IndexLine {
  readonly root: ModulePath
  readonly sha256: string
}

/** Reads the index of the manifest, strictly. Returns what is wrong where it is none. */
export function parseIndex(body: Uint8Array): IndexLine[] | string {
  if (isPage(body)) return pageInstead
  const text = textOf(body)
  if (text === '') return 'names no repository'
  if (!text.endsWith('\n')) return 'is cut'
  const lines = new Map<string, IndexLine>()
  for (const row of text.slice(0, -1).split('\n')) {
    const { root, shard, sha256 } = parseObject(row)
    const path = typeof root === 'string' ? parseModulePath(root) : undefined
    const isLine = path !== undefined && shard === shardPath(path) && isSha256(sha256)
    if (!isLine) return 'is no index of a manifest'
    if (lines.has(path)) return `names ${path} twice`
    lines.set(path, { root: path, sha256 })
  }
  return [...lines.values()]
}

/** Tells what is wrong with a shard that was parsed: its paths become names of files. */
export function checkShard(shard: Shard, root: ModulePath): string | undefined {
  if (shard.root !== root) return `is the record of another repository than ${root}`
  for (const [key, { path, version, h1, goModH1, sha256, size, time }] of shard.versions) {
    const isNamed = parseModulePath(path) !== undefined && canonicalVersion(version) === version
    const isHashed = isSha256(sha256) && [h1, goModH1].every((hash) => /^h1:[\w+/]{43}=$/.test(hash))
    const isMeasured = Number.isSafeInteger(size) && size > 0 && Number.isSafeInteger(time)
    if (!isNamed || !isHashed || !isMeasured || key !== versionKey(path, version)) {
      return 'has a version that cannot be one'
    }
  }
  return undefined
}

/** Reads a version's .info: returns what is wrong where it does not say what the shard says. */
export function checkInfo(body: Uint8Array, version: PublishedVersion): string | undefined {
  if (isPage(body)) return pageInstead
  const { Version, Time, Origin } = parseObject(textOf(body))
  if (Version !== version.version || typeof Time !== 'string') return `is not that of ${version.version}`
  if (Date.parse(Time) !== version.time * 1000)
    return `has the time ${safe(Time)}, not ${formatTime(version.time)}`
  const commit = (Origin as { readonly Hash?: unknown } | undefined)?.Hash
  const isSame = version.commit === undefined || commit === undefined || commit === version.commit
  return isSame ? undefined : `has another commit than ${version.commit}`
}

/**
 * Tells what is wrong with the record of a module: another module's, or from
 * another time than the shard. While the work that a shard tells of is not
 * done, its records may lack versions.
 */
export function checkRecord(record: ModuleRecord, path: ModulePath, shard: Shard): string | undefined {
  if (record.path !== path) return `is not the record of ${path}`
  const { list, latest, queries = {}, versions, packages, repository } = record
  if (repository?.root !== shard.root)
    return `is the record of a module of another repository than ${shard.root}`
  const known = new Set<string>()
  for (const { version, h1, goModH1, size } of versions) {
    known.add(version)
    if (shard.state === 'unsettled' && shard.withdrawn.has(versionKey(path, version))) continue
    const published = shard.versions.get(versionKey(path, version))
    const isSame = published?.h1 === h1 && published.goModH1 === goModH1 && published.size === size
    if (!isSame) return `is of another time than the manifest: ${safe(version)} differs`
  }
  const down = new Set(record.withdrawn?.map(({ version }) => version))
  for (const { path: module, version } of shard.withdrawn.values()) {
    if (module !== path || down.has(version) || shard.state !== 'settled') continue
    return `is of another time than the manifest: ${safe(version)} was withdrawn`
  }
  const published = [...shard.versions.values()].filter((version) => version.path === path)
  const missing = published.find(({ version }) => !known.has(version))
  if (missing !== undefined && shard.state === 'settled') {
    return `is of another time than the manifest: ${missing.version} is missing`
  }
  const named = [...(list ?? []), ...(latest === undefined ? [] : [latest]), ...Object.values(queries)]
  const isNamed = Array.isArray(list) && named.every((version) => known.has(version))
  const isAnswerable = Object.keys(queries).every((name) => escapeVersion(name) !== undefined)
  const isInside = packages.every(
    (each) => checkImportPath(each) === undefined && (each === path || each.startsWith(`${path}/`)),
  )
  return isNamed && isAnswerable && isInside ? undefined : 'is damaged'
}

/** Tells whether an answer is a page, where a file of another kind was asked for. */
export function isPage(body: Uint8Array): boolean {
  return /^\uFEFF?\s*<[!?a-z]/i.test(textOf(body.subarray(0, 256)))
}

export const pageInstead =
  'is answered with an HTML page: a login, or what the host shows for whatever it does not have'

function isSha256(text: unknown): text is string {
  return typeof text === 'string' && /^[0-9a-f]{64}$/.test(text)
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text)) as Readonly<Record<string, unknown>>
  } catch {
    return {}
  }
}

function textOf(body: Uint8Array): string {
  return new TextDecoder().decode(body)
}

/** A text of the host's, as far as it may be what it should be. */
function safe(text: string): string {
  return /^[\w.:+-]{1,60}$/.test(text) ? text : 'something else'
}
