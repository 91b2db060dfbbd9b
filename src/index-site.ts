/**
 * Indexing writes what spans modules: the index of the modules, the feed, the
 * front page and the page for what is missing, the assets, and the index of
 * the manifest.
 *
 * It is derived from the records of the modules and from nothing else, but it
 * does not read all of them: a record whose md5 is the one that the store lists
 * has its line in the index already (summary.ts).
 *
 * Many may do this at the same time. All files are put so: first the tags of
 * what is there are read, then the modules are listed, and what is made of them
 * is put where the tag is still that. Whoever comes too late starts again, so
 * that the last one to write a file has listed the modules of all before him.
 *
 * Pages are written after what they lead to, and what they no longer lead to is
 * removed after them. Where the facts of the site and the index of the
 * manifest, which are written last, are as they should be, so is all else, and
 * nothing is done (current.ts).
 */

import { readAssets } from './config/package.ts'
import type { Settings } from './config/schema.ts'
import { describeManifest, describeSite, isNewerSite, newerFile } from './current.ts'
import { eachOf } from './each.ts'
import { hostDirectory, hostTopFiles, renderHostFiles } from './hosts/files.ts'
import type { ModulePath, SiteFile } from './model.ts'
import { unescapePath } from './module/escape.ts'
import { hostedSite } from './prefixes.ts'
import { FatalError, type Problem, problem } from './problem.ts'
import { parseRecord } from './record.ts'
import { feedFile, findNewestVersions, renderFeed } from './render/feed.ts'
import { groupsDirectory, modulesOfPage, renderFront } from './render/front.ts'
import { renderPrefixMeta, renderRootMeta } from './render/meta.ts'
import { renderMissingPage } from './render/pages.ts'
import { recordFile, setupDirectory } from './render/paths.ts'
import { renderSetupFiles } from './setup/files.ts'
import type { Store } from './store/store.ts'
import {
  compareTexts,
  countWithdrawals,
  formatIndexShards,
  formatShardHashes,
  indexDirectory,
  isIndexShard,
  type ModuleSummary,
  md5Of,
  md5OfTag,
  parseIndexShard,
  parseShardHashes,
  shardHashesFile,
  summarizeModule,
} from './summary.ts'

/** How much is in one file. Tests have reason to change it. */
export interface IndexLimits {
  /** Up to so many modules the index has 16 shards, above it 256. @default 2048 */
  readonly fewModules?: number
  /** So many modules are on one page. @default 1000 */
  readonly modulesOfPage?: number
}

/** Tells whether the index of the manifest names a root: whether its shard was there once. */
export async function isNamed(store: Store, root: ModulePath): Promise<boolean> {
  const file = await store.get('-/manifest.jsonl')
  return file !== undefined && Buffer.from(file.body).includes(`"root":${JSON.stringify(root)},`)
}

/**
 * Writes the front page and all that belongs to the site as a whole, but for
 * the index of the manifest. Returns what is wrong with the records of modules.
 * Throws a FatalError where a newer modpress has written the site.
 */
export async function indexSite(
  store: Store,
  settings: Settings,
  limits: IndexLimits = {},
): Promise<readonly Problem[]> {
  /** What is known of modules, by their paths; it stays so when all is begun again. */
  const known = new Map<string, ModuleSummary>()
  return untilPut(async () => {
    const seen = await readIndex(store, known)
    const { modules, problems } = await readModules(store, known)
    const stages = renderSite(modules, settings, limits)
    const kept = new Set(stages.flatMap((files) => files.map(({ path }) => path)))
    const stale = [...seen.keys()].filter((path) => isDerived(path) && !kept.has(path))
    const last = stages.pop() ?? []
    for (const files of stages)
      await eachOf(files, requestsAtOnce, ({ path, body }) => putSeen(store, path, body, seen.get(path)))
    await eachOf(stale, requestsAtOnce, (path) => removeSeen(store, path, seen.get(path)))
    await eachOf(last, requestsAtOnce, ({ path, body }) => putSeen(store, path, body, seen.get(path)))
    return problems
  })
}

/** Writes the index of the manifest, once all shards are settled. */
export async function indexManifest(store: Store): Promise<void> {
  await untilPut(async () => {
    const [index, known] = await Promise.all([store.get('-/manifest.jsonl'), store.get(shardHashesFile)])
    const hashes = known === undefined ? new Map() : parseShardHashes(known.body)
    if (hashes === 'newer') throw newerFile(shardHashesFile)
    const described = await describeManifest(store, { hashes: async () => hashes })
    await putSeen(store, shardHashesFile, formatShardHashes(described.hashes), known)
    await putSeen(store, '-/manifest.jsonl', described.index, index)
  })
}

/** A bucket answers slowly, and many at once. */
const requestsAtOnce = 32

// ---- Reading ----

/** What a file was before anything was made. */
interface Seen {
  readonly tag?: string
  readonly body?: Uint8Array
}

/** Finds out what is there of all that is derived here, and what the index says of the modules. */
async function readIndex(store: Store, known: Map<string, ModuleSummary>): Promise<Map<string, Seen>> {
  const seen = new Map<string, Seen>()
  const listed: { path: string; tag?: string }[] = topFiles().map((path) => ({ path }))
  for (const directory of [indexDirectory, groupsDirectory, hostDirectory, setupDirectory]) {
    for await (const file of store.list(directory)) if (isDerived(file.path)) listed.push(file)
  }
  await eachOf(listed, requestsAtOnce, async ({ path, tag }) => {
    if (!isIndexShard(path) && path !== siteFile) {
      const current = tag ?? (await store.tag(path))
      if (current !== undefined) seen.set(path, { tag: current })
      return
    }
    const file = await store.get(path)
    if (file === undefined) return
    seen.set(path, file)
    if (path === siteFile && isNewerSite(file)) throw newerFile(path)
    if (path === siteFile) return
    const lines = parseIndexShard(file.body)
    if (lines === 'newer') throw newerFile(path)
    for (const line of lines) known.set(line.path, line)
  })
  return seen
}

const siteFile = '-/site.json'

function topFiles(): string[] {
  const assets = readAssets().map(({ name }) => `-/${name}`)
  return [...assets, ...hostTopFiles, '.nojekyll', '404.html', feedFile, 'index.html', siteFile]
}

/** Tells whether a path is that of a file that is removed where it is not written. */
function isDerived(path: string): boolean {
  if (isIndexShard(path) || hostTopFiles.includes(path)) return true
  return [groupsDirectory, hostDirectory, setupDirectory].some((directory) =>
    path.startsWith(`${directory}/`),
  )
}

/** Returns all modules in the order of their paths, and what is wrong with their records. */
async function readModules(
  store: Store,
  known: Map<string, ModuleSummary>,
): Promise<{ readonly modules: ModuleSummary[]; readonly problems: Problem[] }> {
  const listed: { path: string; tag?: string }[] = []
  for await (const file of store.list('-/modules')) listed.push(file)
  const modules: ModuleSummary[] = []
  const problems: Problem[] = []
  const read = async (path: string, tag: string | undefined) => {
    const module = unescapePath(path.slice('-/modules/'.length).replace(/\.json$/, ''))
    const line = module && known.get(module)
    if (line !== undefined && line.md5 === md5OfTag(tag)) return line
    const file = await store.get(path)
    // Whoever has removed it since makes the index anew.
    if (file === undefined) return undefined
    const md5 = md5Of(file.body)
    if (line?.md5 === md5) return line
    const record = parseRecord(file.body)
    return record !== undefined && recordFile(record.path) === path
      ? summarizeModule(record, md5)
      : problem('site-damaged', { ref: path }, `The record ${path} of the site is damaged.`)
  }
  await eachOf(listed, requestsAtOnce, async ({ path, tag }) => {
    const found = await read(path, tag)
    if (found === undefined) return
    if ('code' in found) problems.push(found)
    else {
      modules.push(found)
      known.set(found.path, found)
    }
  })
  modules.sort((a, b) => compareTexts(a.path, b.path))
  problems.sort((a, b) => compareTexts(a.message, b.message))
  return { modules, problems }
}

// ---- Writing ----

/** Returns what is to be written, in the order in which it must be: the files of one stage in any order. */
function renderSite(
  modules: readonly ModuleSummary[],
  settings: Settings,
  limits: IndexLimits,
): SiteFile[][] {
  const { url, prefix } = settings
  const own = modules.find(({ repository }) => repository.root === prefix)
  const hostMeta = url === undefined || prefix === undefined ? undefined : renderPrefixMeta(prefix, url)
  const frontMeta =
    own === undefined
      ? hostMeta
      : renderRootMeta({ ...own.repository, ...(url === undefined ? {} : { url }) })
  const newest = findNewestVersions(modules)
  const limit = limits.modulesOfPage ?? modulesOfPage
  const there = newest.filter(({ withdrawn }) => withdrawn === undefined)
  const { front, groups } = renderFront(modules, there, settings, frontMeta, limit)
  const depths = [...new Set(groups.map(({ depth }) => depth))].sort((a, b) => b - a)
  const shards = formatIndexShards(modules, limits.fewModules)
  const roots = new Set(modules.map(({ repository }) => repository.root))
  const hosted = hostedSite(settings, roots)
  return [
    [
      ...readAssets().map(({ name, body }) => ({ path: `-/${name}`, body })),
      { path: '.nojekyll', body: '' },
      { path: '404.html', body: renderMissingPage(settings, hostMeta) },
      ...renderHostFiles(hosted),
      ...renderSetupFiles(hosted),
    ],
    [
      ...[...shards].map(([path, body]) => ({ path, body })),
      { path: feedFile, body: renderFeed(newest, settings, countWithdrawals(modules)) },
    ],
    ...depths.map((depth) => groups.filter((group) => group.depth === depth)),
    [{ path: 'index.html', body: front }],
    [{ path: siteFile, body: describeSite(settings) }],
  ]
}

/** Thrown where someone else has written a file since its tag was read. */
class Overtaken extends Error {
  override readonly name = 'Overtaken'
}

/** Puts a file that was seen, unless it is as it should be. */
async function putSeen(
  store: Store,
  path: string,
  body: string | Uint8Array,
  seen: Seen | undefined,
): Promise<void> {
  const bytes = Buffer.from(body)
  if (seen?.body !== undefined ? bytes.equals(seen.body) : md5OfTag(seen?.tag) === md5Of(bytes)) return
  const { result } = await store.replace(path, bytes, seen?.tag)
  if (result === 'conflict') throw new Overtaken(path)
}

async function removeSeen(store: Store, path: string, seen: Seen | undefined): Promise<void> {
  if ((await store.remove(path, seen?.tag)) === 'conflict') throw new Overtaken(path)
}

const mostAttempts = 100

/** Makes something and puts it, again and again until nobody else was faster. */
async function untilPut<T>(make: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await make()
    } catch (error) {
      if (!(error instanceof Overtaken)) throw error
      if (attempt === mostAttempts) {
        const message = `Others write ${error.message} all the time.`
        throw new FatalError(problem('publish-raced', {}, message), { exitCode: 75, cause: error })
      }
    }
    // Loaded where it is needed, which it hardly ever is.
    const { setTimeout } = await import('node:timers/promises')
    await setTimeout(Math.random() * Math.min(1000, 10 * 2 ** attempt))
  }
}
