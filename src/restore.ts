/**
 * Restoring makes the output directory what is live, with files that were
 * fetched and verified (live.ts) or are there already. What follows from them,
 * lists, @latest, answers and pages, is derived again from the records of the
 * modules and not fetched: a host may serve an older one from its cache.
 *
 * The order is that of a build: version files, the shard as unsettled, what
 * follows from it, and last the shard as it is live. What the output has
 * beyond that was never deployed, and is removed: the result does not depend
 * on what a run before has left. Files that are not modpress's stay.
 */

import { createReadStream } from 'node:fs'
import { readFile, rm, stat } from 'node:fs/promises'
import { answersOf, deriveRecorded, pagesOf } from './derive.ts'
import { eachOf } from './each.ts'
import type { FlowOptions } from './events.ts'
import { formatShard, type Shard, shardPath } from './manifest.ts'
import type { ModuleRecord, PublishedVersion } from './model.ts'
import { parseRecord } from './record.ts'
import { recordFile, versionFile } from './render/paths.ts'
import type { Site } from './site.ts'
import type { DirectoryStore } from './store/directory.ts'
import { withLock } from './store/lock.ts'
import { putFile } from './store/store.ts'

/** Temporary files by their paths in the site; what the output has already is not among them. */
export type FetchedFiles = Map<string, string>

/** A repository as it is live, verified. */
export interface LiveRepository {
  readonly shard: Shard
  /** The file of the shard. */
  readonly body: Uint8Array
  /** Of each module, in the order of their paths. */
  readonly records: readonly ModuleRecord[]
  readonly files: FetchedFiles
}

/** Makes the output what is live, as the only one that writes it. */
export async function restoreSite(
  store: DirectoryStore,
  site: Site,
  repositories: readonly LiveRepository[],
  options: FlowOptions,
): Promise<void> {
  const roots = [...new Set([...site.roots, ...repositories.map(({ shard }) => shard.root)])]
  const whole = { ...site, roots }
  await withLock(site.settings.output, async (lost) => {
    try {
      await store.clean()
      const leftovers = await findLeftovers(store, whole, repositories)
      for (const repository of repositories) {
        lost.throwIfAborted()
        options.signal?.throwIfAborted()
        // Everything was fetched, which is what "restore" counts. Now it is written.
        options.onEvent?.({ type: 'progress', step: 'derive', repository: repository.shard.root })
        await restoreRepository(store, whole, repository)
      }
      for (const path of leftovers) await store.remove(path)
    } finally {
      await store.close()
    }
  })
}

const versionsAtOnce = 8

async function restoreRepository(
  store: DirectoryStore,
  site: Site,
  { shard, body, records, files }: LiveRepository,
): Promise<void> {
  const versions = [...shard.versions.values()]
  await eachOf(versions, versionsAtOnce, (version) => restoreVersion(store, version, files))
  const path = shardPath(shard.root)
  const before = await store.get(path)
  if (before === undefined || !Buffer.from(body).equals(before.body)) {
    await putFile(store, path, formatShard({ ...shard, state: 'unsettled' }))
  }
  await deriveRecorded(store, site, records)
  await putFile(store, path, body)
}

/** Larger zips are not held in memory. */
const largeBytes = 32 * 2 ** 20

async function restoreVersion(
  store: DirectoryStore,
  version: PublishedVersion,
  files: FetchedFiles,
): Promise<void> {
  const fetched = filesOf(version).flatMap((path) => {
    const file = files.get(path)
    return file === undefined ? [] : [{ path, file }]
  })
  if (fetched.length === 0) return
  // What is there in their place is not what is live.
  for (const { path } of [...fetched].reverse()) await store.remove(path)
  const small: { readonly path: string; readonly body: Uint8Array }[] = []
  for (const { path, file } of fetched) {
    if ((await stat(file)).size > largeBytes) await store.create(path, createReadStream(file))
    else small.push({ path, body: await readFile(file) })
  }
  await store.createInOrder(small)
  for (const { file } of fetched) await rm(file)
}

/** The files of a version, in the order in which they are written. */
function filesOf({ path, version }: Pick<PublishedVersion, 'path' | 'version'>): string[] {
  return (['zip', 'mod', 'info'] as const).map((kind) => versionFile(path, version, kind))
}

// ---- What is not live ----

/** Finds the files of modpress that are in the output and not live, in an order in which they may be removed. */
async function findLeftovers(
  store: DirectoryStore,
  site: Site,
  repositories: readonly LiveRepository[],
): Promise<string[]> {
  const wanted = new Set<string>()
  for (const { shard, records } of repositories) {
    wanted.add(shardPath(shard.root))
    for (const version of shard.versions.values()) for (const path of filesOf(version)) wanted.add(path)
    for (const record of records) wanted.add(recordFile(record.path))
    for (const { path } of pagesOf(site, records)) wanted.add(path)
    for (const path of answersOf(records)) wanted.add(path)
  }
  const found: string[] = []
  const before = new Map<string, ModuleRecord[]>()
  for await (const { path } of store.list('')) {
    if (isOwn(path)) found.push(path)
    const file = path.startsWith('-/modules/') ? await store.get(path) : undefined
    const record = file === undefined ? undefined : parseRecord(file.body)
    if (record === undefined) continue
    const { root } = record.repository
    before.set(root, [...(before.get(root) ?? []), record])
  }
  for (const [root, records] of before) {
    const known = { ...site, roots: [...site.roots, root] }
    found.push(...pagesOf(known, records).map(({ path }) => path))
  }
  // What names others goes before them.
  const rank = (path: string) =>
    ['list', '@latest', '.info', '.mod', '.zip'].findIndex((end) => path.endsWith(end))
  return [...new Set(found)].filter((path) => !wanted.has(path)).sort((a, b) => rank(a) - rank(b))
}

/** Tells files of proxies and records by their names. Whatever else is there may be the user's. */
function isOwn(path: string): boolean {
  return (
    /(?:^|\/)@(?:v\/(?:list|[^/]+\.(?:info|mod|zip))|latest)$/.test(path) ||
    /^-\/(?:manifest|modules)\//.test(path)
  )
}
