/**
 * What is live is where a build may start from, instead of the output
 * directory: on a host where a deployment replaces the whole site, a job
 * without a cache would otherwise drop every version that it does not make.
 *
 *   index     live/check.ts    -/manifest.jsonl names the shards
 *   shards    here             each as it is named, by its sha256
 *   records   live/check.ts    of each module, as the shard says
 *   versions  here             .zip and .mod by their hashes, .info by what it says;
 *                              what the output directory has already is not fetched
 *   restore   restore.ts       only then is anything written
 *
 * Everything lies in a temporary directory until all of it is there and
 * verified. Whatever fails before leaves the output as it was.
 */

import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, realpath, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Settings } from './config/schema.ts'
import { eachOf } from './each.ts'
import type { FlowOptions } from './events.ts'
import {
  checkInfo,
  checkRecord,
  checkShard,
  type IndexLine,
  isPage,
  pageInstead,
  parseIndex,
} from './live/check.ts'
import { type LiveSource, openSource } from './live/source.ts'
import { parseShard, type Shard, shardPath } from './manifest.ts'
import type { ModulePath, ModuleRecord, PublishedVersion } from './model.ts'
import { goModH1 } from './module/dirhash.ts'
import { FatalError, type ProblemPlace, problem } from './problem.ts'
import { parseRecord, takeDown } from './record.ts'
import { recordFile, versionFile } from './render/paths.ts'
import { type FetchedFiles, type LiveRepository, restoreSite } from './restore.ts'
import type { Site } from './site.ts'
import { type DirectoryStore, openDirectoryStore, outputError } from './store/directory.ts'
import type { Store, StoredFile } from './store/store.ts'
import { withTemporary } from './temporary.ts'

export interface LiveOptions {
  /** An address, a directory or a bucket: "https://…", "s3://…". */
  readonly source: string
  /** What must be there: a site, or, the very first time, nothing. @default 'site' */
  readonly expect?: 'site' | 'nothing'
}

/** A live site, verified. */
export interface LiveSite {
  /** The shards as they are live. Absent where nothing is. */
  readonly record?: Pick<Store, 'get' | 'list'>
  /** Makes the output what is live, as far as it is not. */
  restore(site: Site): Promise<void>
}

interface LiveFlowOptions extends FlowOptions {
  /** Credentials are read from it. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Lends what is live, all of it. Throws a FatalError where any of it cannot be had as it is named. */
export async function withLive<T>(
  settings: Settings,
  live: LiveOptions,
  options: LiveFlowOptions,
  use: (site: LiveSite) => Promise<T>,
): Promise<T> {
  const output = await openDirectoryStore(settings.output)
  return withScratch(options, async (scratch, signal, stop) => {
    const source = await openSource(live.source, { env: options.env, signal })
    await checkApart(source, output)
    const index = await readIndex(source, live.expect ?? 'site')
    // Nothing is live: the output directory is all there is.
    if (index === undefined) return use({ restore: async () => {} })
    const shards = await fetchShards(source, index.lines, stop)
    const repositories = await fetchRepositories({ ...options, source, output, scratch, stop }, shards)
    return use({
      record: recordOf(shards),
      restore: (site) => restoreSite(output, site, repositories, options),
    })
  })
}

/** Returns the shards as a store that holds nothing else. */
function recordOf(shards: readonly LiveShard[]): Pick<Store, 'get' | 'list'> {
  const files = new Map<string, StoredFile>()
  for (const { shard, body } of shards) files.set(shardPath(shard.root), { body, tag: '' })
  return {
    get: async (path) => files.get(path),
    list: async function* () {
      for (const path of files.keys()) yield { path }
    },
  }
}

/** Lends a store with no more of what is live than a plan needs: what was published. */
export async function withLiveRecord<T>(
  live: LiveOptions,
  options: LiveFlowOptions,
  use: (store: DirectoryStore | undefined) => Promise<T>,
): Promise<T> {
  return withScratch(options, async (scratch, signal, stop) => {
    const source = await openSource(live.source, { env: options.env, signal })
    const index = await readIndex(source, live.expect ?? 'site')
    if (index === undefined) return use(undefined)
    const shards = await fetchShards(source, index.lines, stop)
    for (const { shard, body } of shards) {
      const file = join(scratch, shardPath(shard.root))
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, body)
    }
    await writeFile(join(scratch, '-/manifest.jsonl'), index.body)
    return use(await openDirectoryStore(scratch))
  })
}

/** Runs a step of a work for each item, until one fails. */
type Stop = <T>(items: readonly T[], work: (item: T) => Promise<void>) => Promise<void>

const filesAtOnce = 16

async function withScratch<T>(
  { signal: outer }: FlowOptions,
  use: (scratch: string, signal: AbortSignal, stop: Stop) => Promise<T>,
): Promise<T> {
  const failed = new AbortController()
  const onAbort = () => failed.abort(outer?.reason)
  if (outer?.aborted === true) onAbort()
  outer?.addEventListener('abort', onAbort)
  const stop: Stop = (items, work) =>
    eachOf(items, filesAtOnce, async (item) => {
      failed.signal.throwIfAborted()
      try {
        await work(item)
      } catch (error) {
        // What others are still waiting for is no longer needed.
        failed.abort(error)
        throw failed.signal.reason
      }
    })
  try {
    return await withTemporary((scratch) => use(scratch, failed.signal, stop), 'modpress-live-')
  } finally {
    outer?.removeEventListener('abort', onAbort)
  }
}

/** What would be read and written at once could be lost. */
async function checkApart({ name }: LiveSource, output: DirectoryStore): Promise<void> {
  if ((await realpath(name).catch(() => undefined)) !== output.root) return
  const message = `--live ${name} is the output directory itself.`
  throw new FatalError(
    problem('usage', {}, message, 'Leave --live out: a build starts from the output directory.'),
  )
}

// ---- The manifest ----

const indexFile = '-/manifest.jsonl'
const mebibyte = 2 ** 20
const limits = {
  index: 64 * mebibyte,
  shard: 512 * mebibyte,
  record: 256 * mebibyte,
  mod: 16 * mebibyte,
  info: mebibyte,
}

async function readIndex(
  source: LiveSource,
  expect: 'site' | 'nothing',
): Promise<{ readonly lines: readonly IndexLine[]; readonly body: Uint8Array } | undefined> {
  const body = await readWhole(source, indexFile, limits.index)
  const name = `${source.name}/${indexFile}`
  if (body === undefined) {
    if (expect === 'nothing') return undefined
    throw new FatalError(problem('live-missing', {}, `${name} is not there.`))
  }
  const lines = parseIndex(body)
  if (typeof lines === 'string') throw damaged(source, indexFile, lines)
  if (expect === 'site') return { lines, body }
  throw new FatalError(
    problem('live-exists', {}, `With --new nothing may be live yet, and ${name} is there.`),
  )
}

interface LiveShard {
  readonly shard: Shard
  /** Its file. */
  readonly body: Uint8Array
}

async function fetchShards(
  source: LiveSource,
  lines: readonly IndexLine[],
  stop: Stop,
): Promise<LiveShard[]> {
  const shards = new Map<string, LiveShard>()
  await stop(lines, async (line) => {
    shards.set(line.root, await fetchShard(source, line))
  })
  return lines.flatMap(({ root }) => shards.get(root) ?? [])
}

async function fetchShard(source: LiveSource, { root, sha256 }: IndexLine): Promise<LiveShard> {
  const path = shardPath(root)
  const place = { repository: root }
  const body = (await readWhole(source, path, limits.shard)) ?? missing(source, path, place)
  const found = sha256Of(body)
  if (found !== sha256) {
    const reason = isPage(body) ? pageInstead : `has the sha256 ${found}, and ${indexFile} names ${sha256}`
    throw damaged(source, path, reason, place)
  }
  const shard = parseShard(Buffer.from(body).toString('utf8'))
  if (shard === 'newer') {
    throw new FatalError(
      problem('site-newer', place, `${source.name}/${path} was written by a newer modpress.`),
    )
  }
  const fault = shard === undefined ? 'is damaged' : checkShard(shard, root)
  if (shard === undefined || fault !== undefined) throw damaged(source, path, fault ?? 'is damaged', place)
  return { shard, body }
}

// ---- Files ----

interface Work extends LiveFlowOptions {
  readonly source: LiveSource
  readonly output: DirectoryStore
  readonly scratch: string
  readonly stop: Stop
}

/** A file that is named: a version's, or a module's record. */
interface Named {
  readonly root: ModulePath
  fetch(): Promise<void>
}

async function fetchRepositories(work: Work, shards: readonly LiveShard[]): Promise<LiveRepository[]> {
  const repositories = shards.map(({ shard, body }) => ({
    shard,
    body,
    records: new Map<string, ModuleRecord>(),
    files: new Map<string, string>(),
  }))
  const named = repositories.flatMap(({ shard, records, files }): Named[] => {
    const versions = [...shard.versions.values()]
    const modules = [...new Set([...versions, ...shard.withdrawn.values()].map(({ path }) => path))]
    const { root } = shard
    return [
      ...modules.map((path) => ({ root, fetch: () => fetchRecord(work, shard, path, records) })),
      ...versions.flatMap((version) =>
        [fetchZip, fetchGoMod, fetchInfo].map((fetch) => ({
          root,
          fetch: () => fetch(work, root, version, files),
        })),
      ),
    ]
  })
  const progress = new Progress(work, named)
  await work.stop(named, async (each) => {
    await each.fetch()
    progress.count(each)
  })
  return repositories.map(({ records, ...rest }) => ({
    ...rest,
    records: [...records.values()].sort((a, b) => (a.path < b.path ? -1 : 1)),
  }))
}

async function fetchRecord(
  { source }: Work,
  shard: Shard,
  module: ModulePath,
  records: Map<string, ModuleRecord>,
): Promise<void> {
  const path = recordFile(module)
  const place = { repository: shard.root, module }
  const body = await readWhole(source, path, limits.record)
  // Whoever was stopped in between has not written it yet, and has said so.
  if (body === undefined && shard.state === 'unsettled') return
  if (body === undefined) missing(source, path, place)
  const record = parseRecord(body)
  const fault = record === undefined ? 'is damaged' : checkRecord(record, module, shard)
  if (record === undefined || fault !== undefined) {
    throw damaged(source, path, isPage(body) ? pageInstead : (fault ?? 'is damaged'), place)
  }
  records.set(module, shard.state === 'unsettled' ? takeDown(record, shard) : record)
}

type Fetch = (work: Work, root: ModulePath, version: PublishedVersion, files: FetchedFiles) => Promise<void>

const fetchZip: Fetch = async ({ source, output, scratch }, root, version, files) => {
  const path = versionFile(version.path, version.version, 'zip')
  const { sha256, size } = version
  const there = await output.stream(path)
  if (there !== undefined && (await copyTo(undefined, there, size)) === sha256) return
  const file = scratchFile(scratch, files, path)
  const found = await source.read(path, (body) => writing(file, (handle) => copyTo(handle, body, size)))
  const place = placeOf(root, version)
  if (found === undefined) missing(source, path, place)
  if (found === sha256) return
  if (found === 'page') throw damaged(source, path, pageInstead, place)
  const reason = found === 'larger' ? `is larger than ${size} bytes` : `has the sha256 ${found}`
  throw damaged(source, path, `${reason}, and the manifest says ${sha256}`, place)
}

/** Hashes bytes, and writes them where there is a file. More than the limit is not worth having. */
async function copyTo(
  handle: FileHandle | undefined,
  body: AsyncIterable<Uint8Array>,
  limitBytes: number,
): Promise<string> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of body) {
    if (size === 0 && isPage(chunk)) return 'page'
    size += chunk.byteLength
    if (size > limitBytes) return 'larger'
    hash.update(chunk)
    await handle?.writeFile(chunk)
  }
  return hash.digest('hex')
}

const fetchGoMod: Fetch = async (work, root, version, files) => {
  const path = versionFile(version.path, version.version, 'mod')
  const check = (body: Uint8Array) => {
    const h1 = goModH1(body)
    return h1 === version.goModH1 ? undefined : `has the hash ${h1}, and the manifest says ${version.goModH1}`
  }
  await fetchSmall(work, path, limits.mod, check, files, placeOf(root, version))
}

const fetchInfo: Fetch = async (work, root, version, files) => {
  const path = versionFile(version.path, version.version, 'info')
  const check = (body: Uint8Array) => checkInfo(body, version)
  await fetchSmall(work, path, limits.info, check, files, placeOf(root, version))
}

async function fetchSmall(
  { source, output, scratch }: Work,
  path: string,
  limitBytes: number,
  check: (body: Uint8Array) => string | undefined,
  files: FetchedFiles,
  place: ProblemPlace,
): Promise<void> {
  const there = await output.get(path)
  if (there !== undefined && check(there.body) === undefined) return
  const body = (await readWhole(source, path, limitBytes)) ?? missing(source, path, place)
  const fault = check(body)
  if (fault !== undefined) throw damaged(source, path, isPage(body) ? pageInstead : fault, place)
  await writing(scratchFile(scratch, files, path), (handle) => handle.writeFile(body))
}

function scratchFile(scratch: string, files: FetchedFiles, path: string): string {
  const name = createHash('sha256').update(path).digest('hex')
  const file = join(scratch, name)
  files.set(path, file)
  return file
}

/** Writes a temporary file, from its beginning. */
async function writing<T>(file: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  try {
    const handle = await open(file, 'w')
    try {
      return await use(handle)
    } finally {
      await handle.close()
    }
  } catch (cause) {
    throw outputError(cause, 'written', file)
  }
}

async function readWhole(
  source: LiveSource,
  path: string,
  limitBytes: number,
): Promise<Uint8Array | undefined> {
  const body = await source.read(path, async (chunks) => {
    const parts: Uint8Array[] = []
    let size = 0
    for await (const chunk of chunks) {
      size += chunk.byteLength
      if (size > limitBytes) return 'larger'
      parts.push(chunk)
    }
    return Buffer.concat(parts)
  })
  if (body === 'larger') throw damaged(source, path, `is larger than ${limitBytes} bytes`)
  return body
}

class Progress {
  readonly #tell: NonNullable<FlowOptions['onEvent']>
  readonly #totals = new Map<string, number>()
  readonly #done = new Map<string, number>()
  #whole = 0

  constructor({ onEvent }: FlowOptions, named: readonly Named[]) {
    this.#tell = onEvent ?? (() => {})
    for (const { root } of named) this.#totals.set(root, (this.#totals.get(root) ?? 0) + 1)
  }

  count({ root }: Named): void {
    const total = this.#totals.get(root) ?? 0
    const done = (this.#done.get(root) ?? 0) + 1
    this.#done.set(root, done)
    this.#tell({ type: 'progress', step: 'restore', repository: root, done, total })
    if (done < total) return
    this.#whole += 1
    this.#tell({ type: 'progress', step: 'restore', done: this.#whole, total: this.#totals.size })
  }
}

// ---- Problems ----

function placeOf(root: ModulePath, { path, version }: PublishedVersion): ProblemPlace {
  return { repository: root, module: path, version }
}

function damaged(source: LiveSource, path: string, reason: string, place: ProblemPlace = {}): FatalError {
  return new FatalError(problem('live-damaged', place, `${source.name}/${path} ${reason}.`))
}

function missing(source: LiveSource, path: string, place: ProblemPlace): never {
  throw damaged(source, path, 'is named by what is live, and is not there', place)
}

function sha256Of(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex')
}
