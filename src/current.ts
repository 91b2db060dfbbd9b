/**
 * Whether a site is as it should be, so that there is nothing to do. This is
 * what a run with nothing new consists of: it reads the refs and the shard of
 * each repository and two files of the site, each of them once. Nothing here
 * may cost more than the comparison itself.
 */

import { createHash } from 'node:crypto'
import { ownVersion, readAssets } from './config/package.ts'
import type { Settings, SiteKey } from './config/schema.ts'
import { eachOf } from './each.ts'
import { commitPrefix } from './enumerate/tags.ts'
import type { Fault } from './faults.ts'
import {
  distinctProblems,
  formatManifestIndex,
  manifestDirectory,
  openProblems,
  problemKey,
  rootOfShard,
  shardPath,
} from './manifest.ts'
import { hostNames, type ModulePath } from './model.ts'
import { FatalError, isRepairable, type Problem, problem } from './problem.ts'
import type { Store, StoredFile } from './store/store.ts'
import { md5Of, md5OfTag, parseShardHashes, type ShardHashes, shardHashesFile } from './summary.ts'
import { hashShard, type Run, type Survey } from './survey.ts'

/** Tells whether there is nothing to do for a repository, so that its shard says it all. */
export async function isCurrent(
  survey: Survey,
  git: Settings['git'],
  acceptMoved: readonly string[] = [],
): Promise<boolean> {
  const { shard, opened, problems } = survey
  const isSaid = isSameList(openProblems(shard), distinctProblems(problems))
  if (survey.shardState !== 'whole' || shard.state !== 'settled' || !isSaid) return false
  if (acceptMoved.some((key) => shard.versions.has(key))) return false
  if (opened === undefined) return true
  const { open, known, broken } = opened.changes
  if (open.length > broken.length || survey.settings !== shard.settings) return false
  const standing = new Set(broken.map(({ ref }) => ref))
  for (const name of shard.refs.keys()) {
    if (known.has(name) || !name.startsWith('refs/') || standing.has(name)) continue
    if (shard.refs.get(name)?.gone === undefined && !opened.location.isShallow) return false
  }
  const faults = listFaults(survey)
  if (faults.length === 0) return true
  const { areStanding } = await import('./faults.ts')
  return areStanding(faults, opened, git)
}

/** Returns what is wrong with the clone, as far as something was refused for it. */
export function listFaults({ shard, opened }: Survey): readonly Fault[] {
  const refused = shard.refusals.map((each) => each.problem).filter(isRepairable)
  const broken = (opened?.changes.broken ?? []).flatMap(({ failed }) => failed ?? [])
  const failed: Fault[] = []
  for (const name of shard.refs.keys()) {
    // In a shallow clone revisions are not looked for.
    if (!name.startsWith(commitPrefix) || opened?.location.isShallow !== false) continue
    failed.push(...[shard.refs.get(name)?.facts.failed ?? []].flat())
  }
  return [...refused, ...broken, ...failed.filter(isRepairable)]
}

function isSameList(a: readonly Problem[], b: readonly Problem[]): boolean {
  const sorted = (list: readonly Problem[]) =>
    list.map((each) => `${problemKey(each)}\n${each.message}`).sort()
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))
}

/** Tells whether what spans modules is that of the shards, by the two files that are written last. */
export async function isIndexed({ store, site }: Run, surveys: readonly Survey[]): Promise<boolean> {
  const known = surveys.flatMap(({ repository: { root }, sha256 }) =>
    sha256 === undefined ? [] : [[shardPath(root), sha256] as const],
  )
  const [index, siteFile] = await Promise.all([store.get('-/manifest.jsonl'), store.get('-/site.json')])
  const isSame = (file: typeof index, text: string) =>
    file !== undefined && Buffer.from(text).equals(file.body)
  if (siteFile !== undefined && isNewerSite(siteFile)) throw newerFile('-/site.json')
  const { settings } = site
  if (!isSame(siteFile, describeSite(settings))) return false
  const described = await describeManifest(store, {
    known: new Map(known),
    hashes: () => readShardHashes(store),
  })
  return isSame(index, described.index)
}

/** Reads what the last index knew of shards: nothing where another release wrote it. */
async function readShardHashes(store: Store): Promise<ShardHashes> {
  const file = await store.get(shardHashesFile)
  const hashes = file === undefined ? undefined : parseShardHashes(file.body)
  return hashes === undefined || hashes === 'newer' ? new Map() : hashes
}

/** What a site says of itself, as far as it does. */
export type SiteFacts = Partial<Pick<Settings, 'url' | SiteKey>>

/**
 * Returns what a site says of itself; undefined where it is not there, or damaged. Throws a FatalError where a newer
 * modpress wrote the site: nothing of it is to be written then.
 */
export async function checkSiteFormat(store: Store): Promise<SiteFacts | undefined> {
  const file = await store.get('-/site.json')
  if (file === undefined) return undefined
  if (isNewerSite(file)) throw newerFile('-/site.json')
  return parseSiteFacts(file.body)
}

/** Reads `-/site.json`. Returns undefined where it is damaged. */
export function parseSiteFacts(body: Uint8Array): SiteFacts | undefined {
  try {
    const site = Object(JSON.parse(Buffer.from(body).toString('utf8'))) as Record<string, unknown>
    const { url, access, host = 'generic', gatekeeper = false, prefixes = [] } = site
    const name = hostNames.find((each) => each === host)
    return {
      ...(typeof url === 'string' ? { url } : {}),
      ...(access === 'private' || access === 'public' ? { access } : {}),
      ...(name === undefined ? {} : { host: name }),
      ...(typeof gatekeeper === 'boolean' ? { gatekeeper } : {}),
      ...(isTexts(prefixes) ? { prefixes } : {}),
    }
  } catch {
    return undefined
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

/** Returns what is thrown instead of writing over a file of a newer modpress. */
export function newerFile(path: string): FatalError {
  return new FatalError(problem('site-newer', {}, `${path} was written by a newer modpress.`))
}

interface KnownShards {
  /** The sha256 of shards that were read, by their paths. @default of none */
  readonly known?: ReadonlyMap<string, string>
  /** Reads what the last index knew, for shards whose md5 the store lists. */
  readonly hashes: () => Promise<ShardHashes>
}

/** Returns `-/manifest.jsonl` as it should be, from the shards that are there, and the hashes of those not known. */
export async function describeManifest(
  store: Store,
  { known = new Map(), hashes }: KnownShards,
): Promise<{ readonly index: string; readonly hashes: ShardHashes }> {
  const shards: { readonly root: ModulePath; readonly sha256: string }[] = []
  const unknown: { readonly path: string; readonly root: ModulePath; readonly md5: string | undefined }[] = []
  for await (const { path, tag } of store.list(manifestDirectory)) {
    const root = rootOfShard(path)
    const sha256 = known.get(path)
    if (root === undefined) continue
    if (sha256 !== undefined) shards.push({ root, sha256 })
    else unknown.push({ path, root, md5: md5OfTag(tag) })
  }
  const before = unknown.some(({ md5 }) => md5 !== undefined) ? await hashes() : new Map()
  const found = new Map<string, { readonly md5: string; readonly sha256: string }>()
  await eachOf(unknown, shardsAtOnce, async ({ path, root, md5 }) => {
    const last = before.get(path)
    const isSame = last !== undefined && last.md5 === md5
    const hashed = isSame ? last : await hashFile(store, path)
    if (hashed === undefined) return
    found.set(path, hashed)
    shards.push({ root, sha256: hashed.sha256 })
  })
  return { index: formatManifestIndex(shards), hashes: found }
}

/** A bucket answers slowly, and many at once. */
const shardsAtOnce = 32

async function hashFile(
  store: Store,
  path: string,
): Promise<{ readonly md5: string; readonly sha256: string } | undefined> {
  const file = await store.get(path)
  return file && { md5: md5Of(file.body), sha256: hashShard(file) }
}

/** The name of this format of the site, for readers of other releases. */
const siteFormat = 1

/** Tells whether a newer modpress wrote `-/site.json`, so that what spans modules is its business. */
export function isNewerSite({ body }: StoredFile): boolean {
  try {
    const { format } = JSON.parse(Buffer.from(body).toString('utf8')) as { readonly format?: unknown }
    return typeof format === 'number' && format > siteFormat
  } catch {
    return false
  }
}

/** Returns `-/site.json`: what readers of the site need to know, and what the front page was made by. */
export function describeSite(settings: Settings): string {
  const { url, access, host, gatekeeper, prefixes } = settings
  const assets = readAssets()
  const digest = createHash('sha256')
  for (const { name, body } of assets) digest.update(`${name} ${body.length}\n`).update(body)
  const site = {
    format: siteFormat,
    url,
    access,
    ...(host === 'generic' ? {} : { host }),
    ...(gatekeeper ? { gatekeeper } : {}),
    ...(prefixes.length === 0 ? {} : { prefixes }),
    modpress: ownVersion(),
    assets: digest.digest('hex').slice(0, 16),
  }
  return `${JSON.stringify(site)}\n`
}
