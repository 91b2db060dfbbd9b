/**
 * Settling brings the shard of a repository on a shared store up to date, and
 * all that follows from it, beside others who do the same.
 *
 *   commit    the shard gets new lines, by put-if-unchanged, marked unsettled
 *   derive    lists, @latest, pages: each only while the shard is the one that it is made from (store/guard.ts)
 *   remove    the files of versions that were taken down
 *   settle    the very same shard is marked settled; if it has changed, all is derived again from what it is
 *
 * Nothing of this waits for others, and whoever is killed leaves an unsettled
 * shard, whose work the next one does.
 *
 * @see product.md, "Order of writing", and docs/design/publishing.md
 */

import { setTimeout } from 'node:timers/promises'
import { deriveRepository } from './derive.ts'
import type { FlowOptions } from './events.ts'
import { formatShard, type Shard, shardPath } from './manifest.ts'
import { mergeShards } from './merge.ts'
import type { Repository } from './model.ts'
import { enumerateShard, type Pressed } from './press.ts'
import { FatalError, problem } from './problem.ts'
import { versionFile } from './render/paths.ts'
import type { Site } from './site.ts'
import { guardStore, ShardChanged } from './store/guard.ts'
import type { Store } from './store/store.ts'
import { readShard } from './survey.ts'

export interface SettleOptions extends FlowOptions {
  /** How often the work is done anew because others were faster. @default 50 */
  readonly attempts?: number
  /** What is to be done before the files of versions are removed that were taken down. @default nothing */
  readonly beforeRemoval?: () => Promise<void>
}

/** Records what was pressed, derives what follows, and settles it. Returns the shard as it is then. */
export async function settleShard(
  store: Store,
  site: Site,
  pressed: Pressed,
  options: SettleOptions,
): Promise<Shard> {
  const { survey, shard: ours } = pressed
  const placed = await commit(store, survey.repository, options, (now) =>
    now.tag === survey.tag || now.shardState !== 'whole' ? ours : mergeShards(survey.shard, now.shard, ours),
  )
  return finish(store, site, pressed, placed, options)
}

/**
 * Records the problems of a repository that could not be gone through, so that the next run knows them. Nothing else of
 * its shard changes, and where somebody else changes it just now, nothing at all.
 */
export async function recordProblems(store: Store, { survey, shard }: Pressed): Promise<Shard> {
  if (shard === survey.shard || survey.shardState !== 'whole' || survey.tag === undefined) return shard
  await store.replace(shardPath(shard.root), Buffer.from(formatShard(shard)), survey.tag)
  return shard
}

type Read = Awaited<ReturnType<typeof readShard>>

/** A shard as it is on the store. */
type Placed = Pick<Read, 'shard' | 'tag'>

/**
 * Puts a shard that is made of the one that is there, marked unsettled. The hash of the settings stays where the derived
 * files that are there were made with the same; else there is none, so that whoever finishes the work makes all anew.
 */
export async function commit(
  store: Store,
  { root }: Pick<Repository, 'root'>,
  options: SettleOptions,
  change: (now: Read) => Shard,
): Promise<Placed> {
  for (let attempt = 0; ; attempt++) {
    await pause(attempt, root, options)
    const now = await readShard(store, { root })
    const changed = change(now)
    const settings = changed.settings === now.shard.settings ? changed.settings : ''
    const shard: Shard = { ...changed, settings, state: 'unsettled' }
    const put = await store.replace(shardPath(root), Buffer.from(formatShard(shard)), now.tag)
    if (put.result !== 'conflict') return { shard, tag: put.tag }
  }
}

/** Derives what follows from a shard, and settles it. */
export async function finish(
  store: Store,
  site: Site,
  pressed: Pressed,
  committed: Placed,
  options: SettleOptions,
): Promise<Shard> {
  const { survey, added } = pressed
  const { repository } = survey
  const path = shardPath(repository.root)
  let placed = committed
  for (let attempt = 0; ; attempt++) {
    await pause(attempt, repository.root, options)
    const { shard, tag } = placed
    // Others have recorded what was committed, and all that follows from it is there.
    if (attempt > 0 && shard.state === 'settled') return shard
    if (tag === undefined) throw new Error(`${path} is gone.`)
    try {
      const view = { survey, shard, added, enumeration: enumerateShard(repository, shard, site) }
      const mode = shard.settings === survey.settings ? 'changed' : 'all'
      await deriveRepository(guardStore(store, path, tag), site, view, mode)
      if (shard.withdrawn.size > 0) await options.beforeRemoval?.()
      await removeWithdrawn(store, shard)
      const settled: Shard = { ...shard, settings: survey.settings, state: 'settled' }
      const { result } = await store.replace(path, Buffer.from(formatShard(settled)), tag)
      if (result !== 'conflict') return settled
    } catch (error) {
      if (!(error instanceof ShardChanged)) throw error
    }
    // Nothing is merged: it holds what was committed already, and is taken as it is.
    placed = await readShard(store, repository)
  }
}

/**
 * Removes the files of versions that were taken down: what names the others first. They are gone already, unless
 * someone was writing them just then, and was killed.
 */
export async function removeWithdrawn(store: Store, { withdrawn }: Shard): Promise<void> {
  for (const { path, version } of withdrawn.values()) {
    for (const kind of ['info', 'mod', 'zip'] as const) await store.remove(versionFile(path, version, kind))
  }
}

/** Waits before the next attempt, longer each time and never as long as another. */
async function pause(attempt: number, root: string, { attempts = 50, signal }: SettleOptions): Promise<void> {
  signal?.throwIfAborted()
  if (attempt === 0) return
  if (attempt >= attempts) {
    const message = `Others change the record of ${root} all the time.`
    throw new FatalError(problem('publish-raced', { repository: root }, message), { exitCode: 75 })
  }
  const ms = Math.random() * Math.min(1000, 20 * 2 ** attempt)
  await setTimeout(ms, undefined, signal === undefined ? {} : { signal })
}
