/**
 * Whether a site is as it should be, so that there is nothing to do. This is
 * what a run with nothing new consists of: it reads the refs and the shard of
 * each repository and two files of the site, each of them once. Nothing here
 * may cost more than the comparison itself.
 */

import { createHash } from 'node:crypto'
import { isRepairable } from './changes.ts'
import { ownVersion, readAssets } from './config/package.ts'
import type { Settings } from './config/schema.ts'
import { commitPrefix } from './enumerate/tags.ts'
import type { Fault } from './faults.ts'
import { distinctProblems, formatManifestIndex, problemKey, shardPath } from './manifest.ts'
import { unescapePath } from './module/escape.ts'
import type { Problem } from './problem.ts'
import type { Store } from './store/store.ts'
import { hashShard, type Run, type Survey } from './survey.ts'

/** Tells whether there is nothing to do for a repository, so that its shard says it all. */
export async function isCurrent(
  survey: Survey,
  git: Settings['git'],
  acceptMoved: readonly string[] = [],
): Promise<boolean> {
  const { shard, opened, problems } = survey
  const recorded = shard.problems.filter((each) => each.stage === 'open').map((each) => each.problem)
  const isSaid = isSameList(recorded, distinctProblems(problems))
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

/** What is wrong with the clone, as far as something was refused for it. */
function listFaults({ shard, opened }: Survey): readonly Fault[] {
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
  const hashes = surveys.flatMap(({ repository: { root }, sha256 }) =>
    sha256 === undefined ? [] : [[shardPath(root), sha256] as const],
  )
  const [index, siteFile] = await Promise.all([store.get('-/manifest.jsonl'), store.get('-/site.json')])
  const isSame = (file: typeof index, text: string) =>
    file !== undefined && Buffer.from(text).equals(file.body)
  return (
    isSame(siteFile, describeSite(site.settings)) &&
    isSame(index, await describeManifest(store, new Map(hashes)))
  )
}

const manifestDirectory = '-/manifest'

/** Returns `-/manifest.jsonl` as it should be, from the shards that are there. `known` are the hashes of those that were read. */
export async function describeManifest(
  store: Store,
  known: ReadonlyMap<string, string> = new Map(),
): Promise<string> {
  const shards: Parameters<typeof formatManifestIndex>[0][number][] = []
  for await (const { path } of store.list(manifestDirectory)) {
    const root = unescapePath(path.slice(manifestDirectory.length + 1).replace(/\.jsonl$/, ''))
    const sha256 = known.get(path) ?? hashShard(await store.get(path))
    if (root !== undefined && sha256 !== undefined) shards.push({ root, sha256 })
  }
  return formatManifestIndex(shards)
}

/** The name of this format of the site, for readers of other releases. */
const siteFormat = 1

/** Returns `-/site.json`: what readers of the site need to know, and what the front page was made by. */
export function describeSite(settings: Settings): string {
  const { url, access } = settings
  const assets = readAssets()
  const digest = createHash('sha256')
  for (const { name, body } of assets) digest.update(`${name} ${body.length}\n`).update(body)
  const site = {
    format: siteFormat,
    url,
    access,
    modpress: ownVersion(),
    assets: digest.digest('hex').slice(0, 16),
  }
  return `${JSON.stringify(site)}\n`
}
