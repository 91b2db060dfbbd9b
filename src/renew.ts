/**
 * Renewing brings a site up to date, where build.ts has found something to do:
 * what is new is pressed and written, what follows from it is derived, and at
 * last the shards say that all of this is done.
 *
 * The order of writing is a safety property (product.md): version files first,
 * then what names them, and only then that the work is done. A run that ends
 * anywhere leaves a site that is whole, and the next run finishes it.
 */

import { adoptSite } from './adopt.ts'
import type { Settings } from './config/schema.ts'
import { isCurrent } from './current.ts'
import { deriveRepository } from './derive.ts'
import type { Early } from './early.ts'
import type { FlowOptions } from './events.ts'
import { Hands, shareMemory } from './hands.ts'
import { hasLimits } from './hosts/limits.ts'
import { indexManifest, indexSite, isNamed } from './index-site.ts'
import { formatShard, shardPath, versionKey } from './manifest.ts'
import type { Repository } from './model.ts'
import { hidePlacesIn } from './places.ts'
import { type Pressed, pressRepository } from './press.ts'
import { type Problem, problem } from './problem.ts'
import { rebuildShard } from './rebuild.ts'
import type { OriginSettings } from './render/proxy.ts'
import type { Site } from './site.ts'
import type { DirectoryStore } from './store/directory.ts'
import { withLock } from './store/lock.ts'
import { putFile, type Store } from './store/store.ts'
import { type Run, type Survey, surveyAll } from './survey.ts'
import { planSink, siteSink } from './write.ts'

export { imagineTag } from './imagine.ts'

export interface RenewOptions extends FlowOptions {
  readonly index: 'write' | 'leave'
  readonly acceptMoved: readonly string[]
}

/** What a run has made of a site. */
export interface Renewed {
  readonly pressed: readonly Pressed[]
  /** What is wrong with the site itself. */
  readonly damaged: readonly Problem[]
}

/**
 * Does what there is to do for all repositories of a run, as the only one that writes the site, with the help of what
 * was started early. Who has started that lets go of it.
 */
export async function renewSite(
  run: Run,
  store: DirectoryStore,
  early: Early,
  options: RenewOptions,
): Promise<Renewed> {
  const { site } = run
  const { settings } = site
  return withLock(settings.output, async (lost) => {
    const signal = options.signal === undefined ? lost : AbortSignal.any([lost, options.signal])
    signal.addEventListener('abort', () => early.hands.stop())
    const tell = options.onEvent ?? (() => {})
    try {
      await store.clean()
      const pressed: Pressed[] = []
      const surveys = await surveyAll(run)
      for (const survey of surveys) {
        signal.throwIfAborted()
        const { root } = survey.repository
        pressed.push(await renewRepository(run, survey, early, { ...options, signal }))
        tell({ type: 'progress', step: 'derive', repository: root, done: 1, total: 1 })
        tell({ type: 'progress', step: 'derive', done: pressed.length, total: surveys.length })
      }
      signal.throwIfAborted()
      tell({ type: 'progress', step: 'index' })
      const damaged = options.index === 'leave' ? [] : await indexSite(store, settings)
      for (const each of pressed) await settle(store, each)
      if (options.index !== 'leave') await indexManifest(store)
      return { pressed, damaged }
    } finally {
      await store.close()
    }
  })
}

/** Derives what spans modules from the site as it is. Returns what is wrong with it. */
export async function renewIndex(store: Store, given: Settings): Promise<readonly Problem[]> {
  const settings = await adoptSite(store, given, 'lead')
  const damaged = await indexSite(store, settings)
  await indexManifest(store)
  return damaged
}

/** Works through a repository as a build would, but for the writing. */
export async function tryRepository({ site }: Run, survey: Survey, options: FlowOptions): Promise<Pressed> {
  const { settings } = site
  const hands = new Hands(settings.jobs, shareMemory(settings.memory))
  try {
    return await pressRepository(survey, site, planSink(hasLimits(settings.host) ? 'measured' : 'unknown'), {
      ...options,
      reader: settings.git,
      hands,
    })
  } finally {
    hands.end()
  }
}

async function renewRepository(
  run: Run,
  found: Survey,
  { hands, prepared }: Early,
  options: RenewOptions,
): Promise<Pressed> {
  const { store, site } = run
  const { settings } = site
  const survey = await recover(store, site, found)
  if (await isCurrent(survey, settings.git, options.acceptMoved))
    return { survey, shard: survey.shard, added: [] }
  hands.expect(survey.opened?.changes.open.length ?? 0)
  const { signal } = options
  const origin = originOf(settings, survey.repository)
  const sink = siteSink(store, { hands, ...(origin && { origin }), ...(signal && { signal }) })
  const press = { ...options, reader: settings.git, hands, ...(prepared && { prepared }) }
  const done = acceptMoved(await pressRepository(survey, site, sink, press), options.acceptMoved)
  const pressed = { ...done, shard: hidePlacesIn(site.settings, done.shard) }
  // What was read while the run was being stopped is not to be believed: the terminal stops git, too.
  options.signal?.throwIfAborted()
  if (pressed.enumeration === undefined || (await isRecorded(store, pressed))) return pressed
  options.onEvent?.({ type: 'progress', step: 'derive', repository: survey.repository.root })
  await putFile(store, shardPath(pressed.shard.root), formatShard({ ...pressed.shard, state: 'unsettled' }))
  const { shard } = survey
  const isSame =
    survey.shardState === 'whole' && shard.state === 'settled' && shard.settings === survey.settings
  await deriveRepository(store, site, pressed, isSame ? 'changed' : 'all', hands)
  return pressed
}

/**
 * A shard that is missing or damaged is made again from the published files, if
 * there are any. One that was never there is what a killed first run leaves.
 */
export async function recover(store: Store, site: Site, survey: Survey): Promise<Survey> {
  if (survey.shardState === 'whole') return survey
  const { root } = survey.repository
  const rebuilt = await rebuildShard(store, site, root)
  if (rebuilt === undefined) return survey
  const { shard } = rebuilt
  const found = shard.versions.size === 1 ? '1 version was' : `${shard.versions.size} versions were`
  const message = `The record of ${root} was ${survey.shardState}; ${found} found in the site.`
  const wasThere = survey.shardState === 'damaged' || (await isNamed(store, root))
  const notices = wasThere ? [problem('shard-rebuilt', { repository: root }, message)] : []
  return { ...survey, shard, notices, problems: [...rebuilt.problems, ...survey.problems] }
}

export function originOf(settings: Settings, { clone }: Repository): OriginSettings | undefined {
  return settings.origin && clone !== undefined ? { url: clone } : undefined
}

/** Records that the moves of these tags are known and lived with. */
export function acceptMoved(pressed: Pressed, keys: readonly string[]): Pressed {
  const { shard } = pressed
  const versions = new Map(shard.versions)
  const problems = shard.problems.map((each) => {
    const { code, module = '', version = '', ref = '' } = each.problem
    const key = versionKey(module, version)
    const published = versions.get(key)
    if (!keys.includes(key) || !code.startsWith('tag-moved') || published === undefined) return each
    const recorded = shard.refs.get(ref)
    const target = (recorded?.seen ?? recorded?.facts)?.commit ?? recorded?.seen?.oid ?? ''
    versions.set(key, {
      ...published,
      accepted: [...new Set([...(published.accepted ?? []), target])].sort(),
    })
    return { ...each, problem: { ...each.problem, severity: 'note' as const } }
  })
  return { ...pressed, shard: { ...shard, versions, problems } }
}

/** Tells whether the shard on the site says just this, settled. */
async function isRecorded(store: Store, { shard }: Pressed): Promise<boolean> {
  const file = await store.get(shardPath(shard.root))
  return (
    file !== undefined &&
    Buffer.from(file.body).equals(Buffer.from(formatShard({ ...shard, state: 'settled' })))
  )
}

/** Says in the shard that all that follows from it is written. A repository that could not be read settles nothing. */
async function settle(store: Store, { survey, shard, enumeration }: Pressed): Promise<void> {
  const isDone =
    enumeration !== undefined || survey.shardState === 'missing' || survey.shard.state === 'settled'
  const state = isDone ? 'settled' : 'unsettled'
  if (survey.shardState === 'damaged' && enumeration === undefined) return
  await putFile(store, shardPath(shard.root), formatShard({ ...shard, state }))
}
