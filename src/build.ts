/**
 * The build: repositories become a site directory. It reads like the table of
 * contents; each step is a file of its own.
 *
 *   discover   git/discover.ts   settings → repositories on disk
 *   survey     survey.ts         refs and shard of each → is there anything new?
 *   press      press.ts          facts, enumeration, plan; new versions are packed (pack.ts) and written (write.ts)
 *   derive     derive.ts         lists, @latest, answers to queries, pages
 *   index      index-site.ts     what spans modules
 *   settle     here              the shards say that all of this is done
 *
 * The order of writing is a safety property (product.md): version files first,
 * then what names them, and only then that the work is done. A run that ends
 * anywhere leaves a site that is whole, and the next run finishes it.
 */

import pLimit from 'p-limit'
import type { Settings } from './config/schema.ts'
import { deriveRepository } from './derive.ts'
import type { FlowOptions } from './events.ts'
import { discoverRepositories } from './git/discover.ts'
import { chooseReader } from './git/remote.ts'
import { type Imagined, imagineTag } from './imagine.ts'
import { describeManifest, indexManifest, indexSite, isIndexCurrent, isNamed } from './index-site.ts'
import { distinctProblems, formatShard, problemKey, shardPath, versionKey } from './manifest.ts'
import type { Repository } from './model.ts'
import { hidePlaces, hidePlacesIn } from './places.ts'
import { isRepairable, type Pressed, type PressOptions, pressRepository } from './press.ts'
import { FatalError, type Problem, problem } from './problem.ts'
import { rebuildShard } from './rebuild.ts'
import type { OriginSettings } from './render/proxy.ts'
import { type FailOn, type Report, Reporter } from './report.ts'
import type { Site } from './site.ts'
import { type DirectoryStore, openDirectoryStore } from './store/directory.ts'
import { withLock } from './store/lock.ts'
import { putFile } from './store/store.ts'
import { type Survey, surveyAbsent, surveyRepository } from './survey.ts'
import { planSink, siteSink } from './write.ts'

export interface BuildOptions extends FlowOptions {
  /** Tokens for cloning are read from it. @default the process's */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Whether what spans modules is derived too. @default 'write' */
  readonly index?: 'write' | 'leave'
  /** Moved tags to accept, as "module@version". @default none */
  readonly acceptMoved?: readonly string[]
  /** Which problems make the run fail. @default 'new' */
  readonly failOn?: FailOn
}

/** Builds the site of the settings into their output directory. Throws a FatalError where nothing can be done. */
export async function build(settings: Settings, options: BuildOptions = {}): Promise<Report> {
  const reporter = new Reporter('build', settings, options)
  const store = await openDirectoryStore(settings.output)
  const run = await discover(settings, store, options)

  // Without the lock first: a run with nothing new writes nothing at all, not even that.
  const surveys = await surveyAll(run)
  checkAcceptMoved(surveys, options.acceptMoved ?? [])
  const isIndexDone = options.index === 'leave' || (await isIndexed(run))
  if (isIndexDone && surveys.every((survey) => isCurrent(survey, options))) {
    for (const survey of surveys) reporter.tell(survey.shard, survey.shard, [], survey)
    return reporter.finish()
  }

  return withLock(settings.output, async (lost) => {
    const signal = options.signal === undefined ? lost : AbortSignal.any([lost, options.signal])
    try {
      await store.clean()
      const reader = await chooseReader(settings.git)
      const pressed: Pressed[] = []
      for (const survey of await surveyAll(run)) {
        signal.throwIfAborted()
        pressed.push(await buildRepository(run, survey, { ...options, signal, reader, jobs: settings.jobs }))
      }
      signal.throwIfAborted()
      const damaged = options.index === 'leave' ? [] : await indexSite(store, settings)
      for (const each of pressed) await settle(store, each)
      if (options.index !== 'leave') await indexManifest(store)
      for (const each of pressed) reporter.tell(each.survey.shard, each.shard, each.added, each.survey)
      reporter.notice(damaged)
      return reporter.finish()
    } finally {
      await store.close()
    }
  })
}

export interface PlanOptions extends FlowOptions, Pick<BuildOptions, 'env' | 'failOn'> {
  /** A tag that is not there yet, and the revision that it would be for. */
  readonly as?: { readonly tag: string; readonly revision?: string }
}

/** Tells what a build would do, and writes nothing. Throws a FatalError where nothing can be done. */
export async function plan(settings: Settings, options: PlanOptions = {}): Promise<Report> {
  const reporter = new Reporter('plan', settings, options)
  const store = await openDirectoryStore(settings.output)
  const run = await discover(settings, store, options)
  const reader = await chooseReader(settings.git)
  const imagined =
    options.as === undefined ? undefined : await imagineTag(run.repositories, reader, options.as)
  for (const survey of await surveyAll(run, imagined)) {
    const press = { ...options, reader, jobs: settings.jobs }
    const isDone = imagined === undefined && isCurrent(survey, {})
    const { shard, added } = isDone
      ? { shard: survey.shard, added: [] }
      : await pressRepository(survey, run.site, planSink(), press)
    reporter.tell(survey.shard, shard, added, survey, imagined?.ref.name)
  }
  return reporter.finish()
}

/** Derives what spans modules from the site as it is. Throws a FatalError where the site cannot be written. */
export async function index(settings: Settings, options: FlowOptions = {}): Promise<Report> {
  const reporter = new Reporter('index', settings, options)
  const store = await openDirectoryStore(settings.output)
  await withLock(settings.output, async () => {
    try {
      reporter.notice(await indexSite(store, settings))
      await indexManifest(store)
    } finally {
      await store.close()
    }
  })
  return reporter.finish()
}

// ---- The steps ----

/** What a run works on. */
interface Run {
  readonly store: DirectoryStore
  readonly site: Site
  readonly repositories: readonly Repository[]
  /** Roots of the settings whose repository could not be had, and why. */
  readonly absent: readonly Problem[]
}

async function discover(
  settings: Settings,
  store: DirectoryStore,
  options: FlowOptions & Pick<BuildOptions, 'env'>,
): Promise<Run> {
  const { repositories, problems } = await discoverRepositories(settings, {
    ...options,
    env: options.env ?? process.env,
  })
  const missing = problems.flatMap(({ repository }) => repository ?? [])
  const roots = [...new Set([...repositories.map(({ root }) => root), ...missing])]
  return { store, site: { settings, roots }, repositories, absent: problems }
}

async function surveyAll(run: Run, imagined?: Imagined): Promise<Survey[]> {
  const { store, site, repositories, absent } = run
  const limit = pLimit(16)
  const surveys = await Promise.all(
    repositories.map((repository) =>
      limit(async () => {
        const more = absent.filter((each) => each.repository === repository.root)
        const extra = imagined?.repository === repository ? [imagined.ref] : []
        const survey = await surveyRepository(store, site, repository, extra)
        return {
          ...survey,
          problems: [...more, ...survey.problems].map((each) => hidePlaces(site.settings, each)),
        }
      }),
    ),
  )
  const known = new Set<string>(repositories.map(({ root }) => root))
  const others = absent.filter(({ repository }) => repository !== undefined && !known.has(repository))
  const absentSurveys = others.map((each) => surveyAbsent(store, hidePlaces(site.settings, each)))
  return [...surveys, ...(await Promise.all(absentSurveys))]
}

/** Tells whether there is nothing to do for a repository, so that its shard says it all. */
function isCurrent(survey: Survey, options: Pick<BuildOptions, 'acceptMoved'>): boolean {
  const { shard, opened, problems } = survey
  const recorded = shard.problems.filter((each) => each.stage === 'open').map((each) => each.problem)
  const isSaid = isSameList(recorded, distinctProblems(problems))
  if (survey.shardState !== 'whole' || shard.state !== 'settled' || !isSaid) return false
  if (options.acceptMoved?.some((key) => shard.versions.has(key))) return false
  if (opened === undefined) return true
  const isGone = [...shard.refs].some(
    ([name, { gone }]) => name.startsWith('refs/') && gone === undefined && !opened.changes.known.has(name),
  )
  if (opened.changes.open.length > 0 || (isGone && !opened.location.isShallow)) return false
  return survey.settings === shard.settings && !shard.refusals.some((each) => isRepairable(each.problem.code))
}

function isSameList(a: readonly Problem[], b: readonly Problem[]): boolean {
  const sorted = (list: readonly Problem[]) =>
    list.map((each) => `${problemKey(each)}\n${each.message}`).sort()
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))
}

async function isIndexed({ store, site }: Run): Promise<boolean> {
  return isIndexCurrent(store, site.settings, await describeManifest(store))
}

async function buildRepository(
  run: Run,
  found: Survey,
  options: PressOptions & BuildOptions,
): Promise<Pressed> {
  const { store, site } = run
  const survey = await recover(store, site, found)
  if (isCurrent(survey, options)) return { survey, shard: survey.shard, added: [] }
  const sink = siteSink(store, originOf(site.settings, survey.repository), options.signal)
  const done = acceptMoved(await pressRepository(survey, site, sink, options), options.acceptMoved ?? [])
  const pressed = { ...done, shard: hidePlacesIn(site.settings, done.shard) }
  // What was read while the run was being stopped is not to be believed: the terminal stops git, too.
  options.signal?.throwIfAborted()
  if (pressed.enumeration === undefined || (await isRecorded(store, pressed))) return pressed
  options.onEvent?.({ type: 'progress', step: 'derive', repository: survey.repository.root })
  await putFile(store, shardPath(pressed.shard.root), formatShard({ ...pressed.shard, state: 'unsettled' }))
  const { shard } = survey
  const isSame =
    survey.shardState === 'whole' && shard.state === 'settled' && shard.settings === survey.settings
  await deriveRepository(store, site, pressed, isSame ? 'changed' : 'all')
  return pressed
}

/**
 * A shard that is missing or damaged is made again from the published files, if
 * there are any. One that was never there is what a killed first run leaves.
 */
async function recover(store: DirectoryStore, site: Site, survey: Survey): Promise<Survey> {
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

function originOf(settings: Settings, { clone }: Repository): OriginSettings | undefined {
  return settings.origin && clone !== undefined ? { url: clone } : undefined
}

function checkAcceptMoved(surveys: readonly Survey[], keys: readonly string[]): void {
  const unknown = keys.find((key) => !surveys.some(({ shard }) => shard.versions.has(key)))
  if (unknown === undefined) return
  const message = `--accept-moved ${unknown}: the site has no such version.`
  throw new FatalError(problem('usage', {}, message, 'Name it as the problem does, as MODULE@VERSION.'))
}

/** Records that the moves of these tags are known and lived with. */
function acceptMoved(pressed: Pressed, keys: readonly string[]): Pressed {
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
async function isRecorded(store: DirectoryStore, { shard }: Pressed): Promise<boolean> {
  const file = await store.get(shardPath(shard.root))
  return (
    file !== undefined &&
    Buffer.from(file.body).equals(Buffer.from(formatShard({ ...shard, state: 'settled' })))
  )
}

/** Says in the shard that all that follows from it is written. A repository that could not be read settles nothing. */
async function settle(store: DirectoryStore, { survey, shard, enumeration }: Pressed): Promise<void> {
  const isDone =
    enumeration !== undefined || survey.shardState === 'missing' || survey.shard.state === 'settled'
  const state = isDone ? 'settled' : 'unsettled'
  if (survey.shardState === 'damaged' && enumeration === undefined) return
  await putFile(store, shardPath(shard.root), formatShard({ ...shard, state }))
}
