/**
 * Withdrawing takes a published version down, for a secret that has leaked
 * into it. What is left is a tombstone: the version can never be published
 * again, and its page says why.
 *
 * The tombstone is recorded first, then everything is written anew that named
 * the version, and only then are its files removed: no reader is ever told a
 * name whose content is gone.
 *
 * @see product.md, "Order of writing"
 */

import { adoptSite } from './adopt.ts'
import type { Settings } from './config/schema.ts'
import { describeRepository } from './copy.ts'
import { indexManifest, indexSite } from './index-site.ts'
import { type Shard, type Tombstone, versionKey } from './manifest.ts'
import type { ModulePath, Version } from './model.ts'
import { checkImportPath } from './module/path.ts'
import { canonicalVersion } from './module/version.ts'
import { FatalError, problem } from './problem.ts'
import { versionFile } from './render/paths.ts'
import { findRoots } from './roots.ts'
import { commit, finish, type SettleOptions } from './settle.ts'
import type { Store } from './store/store.ts'
import { readShard } from './survey.ts'
import { type TargetOptions, withTarget } from './targets.ts'

export interface WithdrawOptions extends SettleOptions {
  /** Why, for those who find the version gone. */
  readonly reason: string
  /** When, in seconds since 1970 UTC. */
  readonly time: number
  /** Whether what spans modules is derived too. @default 'write' */
  readonly index?: 'write' | 'leave'
}

/** Takes a version of a target down. Throws a FatalError where there is no such version. */
export async function withdraw(
  settings: Settings,
  target: string,
  { module, version }: { readonly module: string; readonly version: string },
  options: WithdrawOptions & TargetOptions,
): Promise<Tombstone> {
  return withTarget(target, settings, options, (store, signal) =>
    withdrawFrom(store, settings, module, version, { ...options, ...(signal && { signal }) }),
  )
}

/** Takes a version down, and returns its tombstone. Throws a FatalError where there is no such version. */
export async function withdrawFrom(
  store: Store,
  given: Settings,
  module: string,
  version: string,
  options: WithdrawOptions,
): Promise<Tombstone> {
  const { reason, time } = options
  const settings = await adoptSite(store, given, 'follow')
  const key = versionKey(module, version)
  const before = await findOwner(store, module, version)
  const { root } = before
  const roots = await findRoots(store, [root])
  const tombstone = { path: module as ModulePath, version: version as Version, reason, time }
  const repository = await describeRepository(store, before)
  const placed = await commit(store, { root }, options, ({ shard }) => bury(shard, key, tombstone))
  const { shard } = placed
  const survey = { repository, shard, shardState: 'whole', settings: shard.settings, problems: [] } as const
  const writeIndex = async () => {
    if (options.index !== 'leave') await indexSite(store, settings)
  }
  await finish(store, { settings, roots }, { survey, shard, added: [] }, placed, {
    ...options,
    beforeRemoval: writeIndex,
  })
  if (options.index !== 'leave') await indexManifest(store)
  return shard.withdrawn.get(key) ?? tombstone
}

/** The first tombstone stays: whoever takes a version down once more finishes that work. */
function bury(shard: Shard, key: string, tombstone: Tombstone): Shard {
  const versions = new Map(shard.versions)
  versions.delete(key)
  const withdrawn = new Map([[key, tombstone], ...shard.withdrawn])
  return { ...shard, versions, withdrawn }
}

/**
 * Returns the shard that has the version: of the longest root that is a prefix of the module path. A version without
 * a line, whose publisher was killed before he could write it, belongs to that of the longest root that there is.
 */
async function findOwner(store: Store, module: string, version: string): Promise<Shard> {
  const key = versionKey(module, version)
  const elements = module.split('/')
  let longest: Shard | undefined
  for (let count = elements.length; count > 0; count--) {
    const root = elements.slice(0, count).join('/') as ModulePath
    if (checkImportPath(root) !== undefined) continue
    const { shard, shardState } = await readShard(store, { root })
    if (shardState !== 'whole') continue
    if (shard.versions.has(key) || shard.withdrawn.has(key)) return shard
    longest ??= shard
  }
  if (longest !== undefined && (await hasFiles(store, module as ModulePath, version))) return longest
  throw unknown(key)
}

async function hasFiles(store: Store, module: ModulePath, version: string): Promise<boolean> {
  if (canonicalVersion(version) !== version) return false
  for (const kind of ['zip', 'mod', 'info'] as const) {
    if ((await store.tag(versionFile(module, version, kind))) !== undefined) return true
  }
  return false
}

function unknown(key: string): FatalError {
  const hint = 'Name it as MODULE@VERSION, as the list of the module has it.'
  return new FatalError(problem('usage', {}, `The site has no version ${key}.`, hint))
}
