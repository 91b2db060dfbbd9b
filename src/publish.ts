/**
 * Publishing presses what a target lacks, and puts it there, beside others who
 * do the same. Needs no earlier build: the target is the state.
 *
 *   survey   survey.ts    refs and the shard that the target has of each repository
 *   press    press.ts     new versions are packed and created: zip, .mod, .info
 *   settle   settle.ts    the shard gets their lines; what follows from it is derived
 *   index    index-site.ts  what spans modules, unless it is left to one job
 *
 * Nothing of this waits for others, and whoever is killed leaves an unsettled
 * shard that the next one finishes.
 *
 * @see product.md, "Order of writing", and docs/design/publishing.md
 */

import { adoptSite } from './adopt.ts'
import { checkAcceptMoved, discover } from './build.ts'
import type { Settings } from './config/schema.ts'
import { type CopySurvey, copyVersions, surveySite } from './copy.ts'
import { isCurrent } from './current.ts'
import { eachOf } from './each.ts'
import type { FlowOptions, ProblemEvent } from './events.ts'
import { Hands, shareMemory } from './hands.ts'
import { indexManifest, indexSite } from './index-site.ts'
import { versionKey } from './manifest.ts'
import { checkSite } from './measure.ts'
import type { PublishedVersion } from './model.ts'
import { hidePlacesIn } from './places.ts'
import { type Pressed, pressRepository } from './press.ts'
import { FatalError, type Problem, problem } from './problem.ts'
import { acceptMoved, originOf, recover } from './renew.ts'
import { type FailOn, type Report, Reporter } from './report.ts'
import { findRoots } from './roots.ts'
import { recordProblems, removeWithdrawn, type SettleOptions, settleShard } from './settle.ts'
import type { Site } from './site.ts'
import { DirectoryStore, openDirectoryStore } from './store/directory.ts'
import type { Store } from './store/store.ts'
import { shownTarget } from './store/target.ts'
import { type Survey, surveyAll } from './survey.ts'
import { checkTarget, withTarget } from './targets.ts'
import { siteSink } from './write.ts'

export interface PublishOptions extends SettleOptions {
  /** Tokens for cloning are read from it. @default the process's */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Whether what spans modules is derived too. @default 'write' */
  readonly index?: 'write' | 'leave'
  /** Moved tags to accept, as "module@version". @default none */
  readonly acceptMoved?: readonly string[]
  /** A site that was built before, to take all versions from. @default the repositories are pressed */
  readonly from?: string
  /** 'single' is for a store that does not honour conditions. @default 'many' */
  readonly writers?: 'many' | 'single'
  /** Which problems make the run fail. @default 'new' */
  readonly failOn?: FailOn
}

/**
 * Publishes to several targets, one after the other. One that fails is reported and does not stop the others. Throws a
 * FatalError where nothing could be done anywhere, and before anything is done where one of them is no target at all.
 */
export async function publish(
  settings: Settings,
  targets: readonly string[],
  options: PublishOptions = {},
): Promise<Report> {
  const wrong = (await Promise.all(targets.map(checkTarget))).find((each) => each !== undefined)
  if (wrong !== undefined) throw new FatalError(wrong)
  const reports: Report[] = []
  const failures: FatalError[] = []
  const failed: ProblemEvent[] = []
  const env = options.env ?? process.env
  for (const target of targets) {
    const name = shownTarget(target)
    const told = targets.length === 1 ? {} : nameTarget(options, name)
    try {
      const use = (store: Store, signal?: AbortSignal) =>
        publishInto(store, settings, { ...options, ...told, env, ...(signal && { signal }) })
      reports.push(await withTarget(target, settings, { ...options, env, expect: 'anything' }, use))
    } catch (error) {
      if (!(error instanceof FatalError) || options.signal?.aborted) throw error
      failures.push(error)
      if (targets.length === 1) continue
      const { code, message, hint } = error.problem
      const reason = `Nothing could be published to ${name}, ${code}: ${message}`
      const event = { type: 'problem', ...problem('target-failed', {}, reason, hint), known: false } as const
      failed.push(event)
      options.onEvent?.(event)
    }
  }
  const [failure] = failures
  if (failure !== undefined && reports.length === 0) throw failure
  return joinReports(reports, failed, options.failOn)
}

/** Of several targets each tells of the same versions. */
function nameTarget({ onEvent }: FlowOptions, target: string): Pick<FlowOptions, 'onEvent'> {
  if (onEvent === undefined) return {}
  return { onEvent: (event) => onEvent(event.type === 'version' ? { ...event, target } : event) }
}

/** Counts of one target after the other would count each version more than once. A target that failed is an error. */
function joinReports(
  reports: readonly Report[],
  failed: readonly ProblemEvent[],
  failOn: FailOn | undefined,
): Report {
  const isFailed = failed.length > 0 && failOn !== 'never'
  const most = (key: keyof Report['counts']) => Math.max(0, ...reports.map(({ counts }) => counts[key]))
  return {
    command: 'publish',
    exit: isFailed || reports.some(({ exit }) => exit === 1) ? 1 : 0,
    counts: {
      added: most('added'),
      kept: most('kept'),
      refused: most('refused'),
      errors: most('errors') + failed.length,
      warnings: most('warnings'),
      known: most('known'),
    },
    problems: [...reports.flatMap(({ problems }) => problems), ...failed],
  }
}

/** Publishes what a store lacks: of the repositories of the settings, or of a site that was built before. */
export async function publishInto(
  store: Store,
  given: Settings,
  options: PublishOptions = {},
): Promise<Report> {
  const { from } = options
  // Pages of a site that was built before are made for its address.
  const start = from === undefined ? given : await adoptSite(await openDirectoryStore(from), given, 'follow')
  const settings = await adoptSite(store, start, 'follow')
  const reporter = new Reporter('publish', settings, options)
  const tell = options.onEvent ?? (() => {})
  const work = await (from === undefined
    ? pressing(store, settings, options)
    : copying(store, settings, from, options))
  reporter.notice(work.notices ?? [])
  let done = 0
  try {
    await eachOf(work.surveys, repositoriesAtOnce, async (survey) => {
      options.signal?.throwIfAborted()
      const pressed = await work.press(survey)
      const { root } = survey.repository
      tell({ type: 'progress', step: 'derive', repository: root })
      const shard =
        pressed.enumeration === undefined
          ? await recordProblems(store, pressed)
          : await settleShard(store, work.site, pressed, options)
      const added = pressed.added.filter((each) => shard.versions.has(keyOf(each)))
      reporter.tell(pressed.survey.shard, shard, added, pressed.survey)
      tell({ type: 'progress', step: 'derive', repository: root, done: 1, total: 1 })
      tell({ type: 'progress', step: 'derive', done: ++done, total: work.surveys.length })
    })
  } finally {
    work.end()
  }
  options.signal?.throwIfAborted()
  if (options.index !== 'leave') {
    tell({ type: 'progress', step: 'index' })
    reporter.notice(await indexSite(store, settings))
    await indexManifest(store)
  }
  if (store instanceof DirectoryStore) reporter.notice(checkSite(settings.host, store.root))
  return reporter.finish()
}

/** A bucket answers slowly, and several at once. Memory is shared out among them. */
const repositoriesAtOnce = 4

// ---- Where versions come from ----

interface Work {
  readonly site: Site
  readonly surveys: readonly Survey[]
  readonly notices?: readonly Problem[]
  /** Creates the versions that the target lacks. Without an enumeration there is nothing more to do. */
  press(survey: Survey): Promise<Pressed>
  end(): void
}

async function pressing(store: Store, settings: Settings, options: PublishOptions): Promise<Work> {
  const found = await discover(settings, store, { ...options, writers: 'many' })
  const { site } = found
  const surveys = await surveyAll({ ...found, isShared: true })
  checkAcceptMoved(surveys, options.acceptMoved ?? [])
  const hands = new Hands(settings.jobs, shareMemory(settings.memory))
  options.signal?.addEventListener('abort', () => hands.stop())
  const memory = settings.memory / Math.max(1, Math.min(surveys.length, repositoriesAtOnce))
  const part = { ...site, settings: { ...settings, memory } }
  const press = (survey: Survey) => pressSurveyed(store, part, survey, hands, options)
  return { site, surveys, notices: found.notices ?? [], press, end: () => hands.end() }
}

async function pressSurveyed(
  store: Store,
  site: Site,
  found: Survey,
  hands: Hands,
  options: PublishOptions,
): Promise<Pressed> {
  const { settings } = site
  const accepted = options.acceptMoved ?? []
  const survey = await recover(store, site, found)
  if (await isCurrent(survey, settings.git, accepted)) {
    await removeWithdrawn(store, survey.shard)
    return { survey, shard: survey.shard, added: [] }
  }
  hands.expect(survey.opened?.changes.open.length ?? 0)
  const { roomBytes } = shareMemory(settings.memory)
  const origin = originOf(settings, survey.repository)
  const { signal } = options
  const sink = siteSink(store, { hands, roomBytes, ...(origin && { origin }), ...(signal && { signal }) })
  const press = { ...options, reader: settings.git, hands }
  const pressed = acceptMoved(await pressRepository(survey, site, sink, press), accepted)
  // What was read while the run was being stopped is not to be believed: the terminal stops git, too.
  signal?.throwIfAborted()
  return { ...pressed, shard: hidePlacesIn(settings, pressed.shard) }
}

async function copying(
  store: Store,
  settings: Settings,
  dir: string,
  options: PublishOptions,
): Promise<Work> {
  if (options.acceptMoved !== undefined && options.acceptMoved.length > 0) {
    const message = 'A move is accepted where the repository is read, and --from reads none.'
    const hint = 'Pass --accept-moved to the build of that site, or publish without --from.'
    throw new FatalError(problem('usage', {}, message, hint))
  }
  const from = await openDirectoryStore(dir)
  const { roots: ownRoots, surveys } = await surveySite(from, store, settings.part)
  const roots = await findRoots(store, ownRoots)
  const site = { settings, roots }
  const bySurvey = new Map<Survey, CopySurvey>(surveys.map((survey) => [survey, survey]))
  const press = async (survey: Survey): Promise<Pressed> => {
    const known = bySurvey.get(survey)
    if (known === undefined) throw new Error(`${survey.repository.root} is not in ${dir}.`)
    return copyVersions(
      from,
      store,
      { ...known, ...(await recover(store, site, known)) },
      settings.host,
      options,
    )
  }
  return { site, surveys, press, end: () => {} }
}

function keyOf({ path, version }: PublishedVersion): string {
  return versionKey(path, version)
}
