/**
 * Publishing presses what a target lacks, and puts it there, beside others who
 * do the same. Needs no earlier build: the target is the state.
 *
 *   survey   survey.ts    refs and the shard that the target has of each repository
 *   press    press.ts     new versions are packed and created: zip, .mod, .info
 *   commit                the shard gets their lines, by put-if-unchanged, marked unsettled
 *   derive   derive.ts    lists, @latest, pages, while the shard is the one they are made from (store/guard.ts)
 *   settle                the very same shard is marked settled; if it has changed, all is derived again
 *   index    index-site.ts  what spans modules, unless it is left to one job
 *
 * Nothing of this waits for others, and whoever is killed leaves an unsettled
 * shard that the next one finishes.
 *
 * @see product.md, "Order of writing", and docs/design/publishing.md
 */

import { setTimeout } from 'node:timers/promises'
import { discover } from './build.ts'
import type { Settings } from './config/schema.ts'
import { isCurrent } from './current.ts'
import { deriveRepository } from './derive.ts'
import { eachOf } from './each.ts'
import type { FlowOptions } from './events.ts'
import { Hands } from './hands.ts'
import { indexManifest, indexSite } from './index-site.ts'
import { formatShard, type Shard, shardPath, versionKey } from './manifest.ts'
import { mergeShards } from './merge.ts'
import type { PublishedVersion } from './model.ts'
import { hidePlacesIn } from './places.ts'
import { enumerateShard, type Pressed, pressRepository, shareMemory } from './press.ts'
import { FatalError, problem } from './problem.ts'
import { versionFile } from './render/paths.ts'
import { acceptMoved, originOf, recover } from './renew.ts'
import { type FailOn, type Report, Reporter } from './report.ts'
import { findRoots } from './roots.ts'
import type { Site } from './site.ts'
import { guardStore, ShardChanged } from './store/guard.ts'
import type { Store } from './store/store.ts'
import { type Run, readShard, type Survey, surveyAll } from './survey.ts'
import { siteSink } from './write.ts'

export interface PublishOptions extends FlowOptions {
  /** Tokens for cloning are read from it. @default the process's */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Whether what spans modules is derived too. @default 'write' */
  readonly index?: 'write' | 'leave'
  /** Moved tags to accept, as "module@version". @default none */
  readonly acceptMoved?: readonly string[]
  /** Which problems make the run fail. @default 'new' */
  readonly failOn?: FailOn
  /** How often the work on a shard is done anew because others were faster. @default 50 */
  readonly attempts?: number
}

/** Publishes what a store lacks of the repositories of the settings. Throws a FatalError where nothing can be done. */
export async function publishInto(
  store: Store,
  settings: Settings,
  options: PublishOptions = {},
): Promise<Report> {
  const reporter = new Reporter('publish', settings, options)
  const found = await discover(settings, store, options)
  const roots = await findRoots(store, found.site.roots)
  const run: Run = { ...found, site: { ...found.site, roots }, isShared: true }
  const surveys = await surveyAll(run)
  const tell = options.onEvent ?? (() => {})
  const hands = new Hands(settings.jobs, shareMemory(settings.memory))
  options.signal?.addEventListener('abort', () => hands.stop())
  try {
    let done = 0
    await eachOf(surveys, repositoriesAtOnce, async (survey) => {
      options.signal?.throwIfAborted()
      const pressed = await publishRepository(run, survey, hands, options)
      reporter.tell(pressed.survey.shard, pressed.shard, pressed.added, pressed.survey)
      tell({ type: 'progress', step: 'derive', done: ++done, total: surveys.length })
    })
    options.signal?.throwIfAborted()
    if (options.index !== 'leave') {
      tell({ type: 'progress', step: 'index' })
      reporter.notice(await indexSite(store, settings))
      await indexManifest(store)
    }
  } finally {
    hands.end()
  }
  return reporter.finish()
}

/** A bucket answers slowly, and several at once. Memory is shared out among them. */
const repositoriesAtOnce = 4

async function publishRepository(
  run: Run,
  found: Survey,
  hands: Hands,
  options: PublishOptions,
): Promise<Pressed> {
  const { store, site } = run
  const { settings } = site
  const accepted = options.acceptMoved ?? []
  const survey = await recover(store, site, found)
  if (await isCurrent(survey, settings.git, accepted)) return { survey, shard: survey.shard, added: [] }
  const memory = settings.memory / repositoriesAtOnce
  const { roomBytes } = shareMemory(memory)
  const origin = originOf(settings, survey.repository)
  const { signal } = options
  const sink = siteSink(store, { hands, roomBytes, ...(origin && { origin }), ...(signal && { signal }) })
  const press = { ...options, reader: settings.git, hands }
  const part = { ...site, settings: { ...settings, memory } }
  const done = acceptMoved(await pressRepository(survey, part, sink, press), accepted)
  // What was read while the run was being stopped is not to be believed: the terminal stops git, too.
  signal?.throwIfAborted()
  const pressed = { ...done, shard: hidePlacesIn(settings, done.shard) }
  if (pressed.enumeration === undefined) return pressed
  options.onEvent?.({ type: 'progress', step: 'derive', repository: survey.repository.root })
  const shard = await commitAndDerive(store, site, pressed, options)
  options.onEvent?.({
    type: 'progress',
    step: 'derive',
    repository: survey.repository.root,
    done: 1,
    total: 1,
  })
  return { ...pressed, shard, added: pressed.added.filter((each) => shard.versions.has(keyOf(each))) }
}

// ---- The shard, and what follows from it ----

/** A shard as it is on the target. */
interface Placed {
  readonly shard: Shard
  /** Absent where there is none. */
  readonly tag?: string
}

/** Records what was pressed, derives what follows, and settles it. Returns the shard as it is then. */
async function commitAndDerive(
  store: Store,
  site: Site,
  pressed: Pressed,
  options: PublishOptions,
): Promise<Shard> {
  const { survey, added } = pressed
  const { repository } = survey
  const path = shardPath(repository.root)
  let placed: Placed = await commit(store, pressed, options)
  for (let attempt = 0; ; attempt++) {
    await pause(attempt, repository.root, options)
    const { shard, tag } = placed
    // Others have recorded what we wrote, and all that follows from it is there.
    if (attempt > 0 && shard.state === 'settled') return shard
    await removeWithdrawn(store, shard, added)
    if (tag === undefined) throw new Error(`${path} is gone.`)
    try {
      const view = { survey, shard, added, enumeration: enumerateShard(repository, shard, site) }
      const mode = shard.settings === survey.settings ? 'changed' : 'all'
      await deriveRepository(guardStore(store, path, tag), site, view, mode)
      const settled: Shard = { ...shard, settings: survey.settings, state: 'settled' }
      const { result } = await store.replace(path, Buffer.from(formatShard(settled)), tag)
      if (result !== 'conflict') return settled
    } catch (error) {
      if (!(error instanceof ShardChanged)) throw error
    }
    // Nothing is merged: it holds our lines already, and is taken as it is.
    placed = await readShard(store, repository)
  }
}

/**
 * Puts the lines of what was pressed into the shard, marked unsettled. The hash of the settings stays that of the
 * derived files that are there, so that whoever finishes the work knows what they were made from.
 */
async function commit(store: Store, pressed: Pressed, options: PublishOptions): Promise<Placed> {
  const { survey, shard: ours } = pressed
  const { repository } = survey
  for (let attempt = 0; ; attempt++) {
    await pause(attempt, repository.root, options)
    const now = await readShard(store, repository)
    const isAsRead = now.tag === survey.tag || now.shardState !== 'whole'
    const merged = isAsRead ? ours : mergeShards(survey.shard, now.shard, ours)
    const shard: Shard = { ...merged, settings: now.shard.settings, state: 'unsettled' }
    const body = Buffer.from(formatShard(shard))
    const put = await store.replace(shardPath(repository.root), body, now.tag)
    if (put.result !== 'conflict') return { shard, tag: put.tag }
  }
}

/** A version that was taken down while it was being written leaves no file. */
async function removeWithdrawn(
  store: Store,
  { withdrawn }: Shard,
  added: readonly PublishedVersion[],
): Promise<void> {
  for (const each of added) {
    if (withdrawn.has(keyOf(each))) await removeVersion(store, each)
  }
}

/** Removes the files of a version: what names the others first. */
export async function removeVersion(
  store: Store,
  { path, version }: Pick<PublishedVersion, 'path' | 'version'>,
): Promise<void> {
  for (const kind of ['info', 'mod', 'zip'] as const) await store.remove(versionFile(path, version, kind))
}

function keyOf({ path, version }: PublishedVersion): string {
  return versionKey(path, version)
}

/** Waits before the next attempt, longer each time and never as long as another. */
async function pause(
  attempt: number,
  root: string,
  { attempts = 50, signal }: PublishOptions,
): Promise<void> {
  signal?.throwIfAborted()
  if (attempt === 0) return
  if (attempt >= attempts) {
    const message = `Others change the record of ${root} all the time.`
    throw new FatalError(problem('publish-raced', { repository: root }, message), { exitCode: 75 })
  }
  const ms = Math.random() * Math.min(1000, 20 * 2 ** attempt)
  await setTimeout(ms, undefined, signal === undefined ? {} : { signal })
}
