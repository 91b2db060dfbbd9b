/**
 * The build: repositories become a site directory. It reads like the table of
 * contents; each step is a file of its own.
 *
 *   live       live.ts           with --live: what is live is fetched, verified, and put into the directory (restore.ts)
 *   list       listed.ts         what forges list of the owners in the settings, if there are any
 *   discover   git/discover.ts   settings → repositories on disk, but for those that are published whole (unchanged.ts)
 *   survey     survey.ts         refs and shard of each
 *   compare    current.ts        is there anything to do?
 *   renew      renew.ts          if there is, in the order in which it is written:
 *     press      press.ts          facts, enumeration, plan; new versions are packed (pack.ts) and written (write.ts),
 *                                  with the help of other threads (hands.ts)
 *     derive     derive.ts         lists, @latest, answers to queries, pages
 *     index      index-site.ts     what spans modules
 *     settle     renew.ts          the shards say that all of this is done
 *
 * Where others write the same site, publish.ts does this instead, and settle.ts
 * says in which order; withdraw.ts takes a version down.
 *
 * What only a run with something new needs is loaded only then: of a run with
 * nothing new, loading it would be the largest part.
 */

import { existsSync } from 'node:fs'
import type { Settings } from './config/schema.ts'
import { isCurrent, isIndexed } from './current.ts'
import type { Early } from './early.ts'
import type { FlowOptions } from './events.ts'
import {
  type Candidate,
  type DiscoverOptions,
  isInPart,
  locateRepositories,
  matchRepositories,
} from './git/discover.ts'
import type { Listed } from './listed.ts'
import type { LiveOptions, LiveSite } from './live.ts'
import { checkGrowth, checkSite } from './measure.ts'
import type { PublishedVersion } from './model.ts'
import { FatalError, problem } from './problem.ts'
import { type FailOn, type Report, Reporter } from './report.ts'
import { findRoots } from './roots.ts'
import { openDirectoryStore } from './store/directory.ts'
import type { Store } from './store/store.ts'
import { type Run, type Survey, surveyAll } from './survey.ts'
import type { TargetOptions } from './targets.ts'

export interface BuildOptions extends FlowOptions {
  /** Tokens for cloning and credentials for what is live are read from it. @default the process's */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Whether what spans modules is derived too. @default 'write' */
  readonly index?: 'write' | 'leave'
  /** Moved tags to accept, as "module@version". @default none */
  readonly acceptMoved?: readonly string[]
  /** Which problems make the run fail. @default 'new' */
  readonly failOn?: FailOn
  /** Where to start from. @default the output directory as it is */
  readonly live?: LiveOptions
}

/** Builds the site of the settings into their output directory. Throws a FatalError where nothing can be done. */
export async function build(settings: Settings, options: BuildOptions = {}): Promise<Report> {
  const { live, env = process.env } = options
  if (live === undefined) return buildOutput(settings, options)
  const { withLive } = await import('./live.ts')
  return withLive(settings, live, { ...options, env }, (site) => buildOutput(settings, options, site))
}

async function buildOutput(settings: Settings, options: BuildOptions, live?: LiveSite): Promise<Report> {
  const { acceptMoved = [], index = 'write' } = options
  const reporter = new Reporter('build', settings, options)
  const store = await openDirectoryStore(settings.output)
  let early: Early | undefined
  try {
    // Without a site there is much to do for sure. What is live is restored later, if there is anything to do.
    if (live === undefined && !existsSync(store.localPath('-/manifest.jsonl'))) {
      early = await openEarly(settings)
      early.hands.start()
    }
    const run = await discover(settings, store, options, live?.record)
    reporter.notice(run.notices ?? [])
    await live?.restore(run.site)

    // Without the lock first: a run with nothing new writes nothing at all, not even that.
    const surveys = await surveyAll(run)
    checkAcceptMoved(surveys, acceptMoved)
    const isIndexDone = index === 'leave' || (await isIndexed(run, surveys))
    if (isIndexDone && (await areCurrent(surveys, settings, acceptMoved))) {
      for (const survey of surveys) reporter.tell(survey.shard, survey.shard, [], survey)
      reporter.notice(checkSite(settings.host, settings.output))
      return reporter.finish()
    }

    // What takes time to start is started before what uses it is loaded.
    early ??= await openEarly(settings)
    early.expect(surveys)
    const { renewSite } = await import('./renew.ts')
    const { pressed, damaged } = await renewSite(run, store, early, { ...options, acceptMoved, index })
    for (const each of pressed) reporter.tell(each.survey.shard, each.shard, each.added, each.survey)
    reporter.notice(damaged)
    reporter.notice(checkSite(settings.host, settings.output))
    return reporter.finish()
  } finally {
    await early?.end()
  }
}

async function openEarly(settings: Settings): Promise<Early> {
  const { Early } = await import('./early.ts')
  return new Early(settings)
}

export interface PlanOptions extends FlowOptions, Pick<BuildOptions, 'env' | 'failOn' | 'live'> {
  /** A tag that is not there yet, and the revision that it would be for. */
  readonly as?: { readonly tag: string; readonly revision?: string }
}

/** Tells what a build would do, and writes nothing. Throws a FatalError where nothing can be done. */
export async function plan(settings: Settings, options: PlanOptions = {}): Promise<Report> {
  const { live, env = process.env } = options
  const output = await openDirectoryStore(settings.output)
  if (live === undefined) return planOn(output, settings, options)
  const { withLiveRecord } = await import('./live.ts')
  return withLiveRecord(live, { ...options, env }, (store = output) => planOn(store, settings, options))
}

async function planOn(store: Store, settings: Settings, options: PlanOptions): Promise<Report> {
  const reporter = new Reporter('plan', settings, options)
  // The revision of a tag that is not there yet may be on any branch.
  const branches = options.as === undefined ? 'needed' : 'all'
  const run = await discover(settings, store, { ...options, branches })
  reporter.notice(run.notices ?? [])
  const { imagineTag, tryRepository } = await import('./renew.ts')
  const imagined = options.as && (await imagineTag(run.repositories, settings.git, options.as))
  const planned: PublishedVersion[] = []
  for (const survey of await surveyAll(run, imagined)) {
    const isDone = imagined === undefined && (await isCurrent(survey, settings.git))
    const { shard, added } = isDone
      ? { shard: survey.shard, added: [] }
      : await tryRepository(run, survey, options)
    reporter.tell(survey.shard, shard, added, survey, imagined?.ref.name)
    // What is live is not on this machine, but for its records.
    planned.push(...(options.live === undefined ? added : shard.versions.values()))
  }
  if (imagined === undefined) {
    const directory = options.live === undefined ? settings.output : undefined
    reporter.notice(checkGrowth(settings.host, directory, planned))
  }
  return reporter.finish()
}

/** Derives what spans modules from the site as it is, in the output directory or another target. */
export async function index(
  settings: Settings,
  options: TargetOptions & FlowOptions & { readonly target?: string } = {},
): Promise<Report> {
  // An output directory is made by whoever writes it first; a target that is named is meant to be there.
  const { target = settings.output, expect = options.target === undefined ? 'anything' : 'site' } = options
  const reporter = new Reporter('index', settings, options)
  const [{ renewIndex }, { withTarget }] = await Promise.all([import('./renew.ts'), import('./targets.ts')])
  reporter.notice(
    await withTarget(target, settings, { ...options, expect }, (store) => renewIndex(store, settings)),
  )
  return reporter.finish()
}

// ---- The steps ----

interface RunOptions extends FlowOptions, Pick<BuildOptions, 'env' | 'acceptMoved'> {
  /** @default 'needed' */
  readonly branches?: 'needed' | 'all'
  /** Whether others write the store, too, so that it has roots of which the settings know nothing. @default 'single' */
  readonly writers?: 'single' | 'many'
}

/** Finds the repositories of the settings, for a run on a store that holds, or is to hold, what the record says. */
export async function discover(
  settings: Settings,
  store: Store,
  options: RunOptions,
  record: Pick<Store, 'get' | 'list'> = store,
): Promise<Run> {
  const { acceptMoved = [], branches, writers, env = process.env } = options
  const { candidates: named, problems: unmatched } = await matchRepositories(settings)
  const listed = await list(settings, named, record, { ...options, env })
  const all = [...named, ...(listed?.candidates ?? [])]
  const roots = [...new Set([...all.map(({ root }) => root), ...(listed?.roots ?? [])])]
  // Around those of this part alone: each of many jobs would else look up what all the others do.
  const own = roots.filter((root) => isInPart(root, settings.part))
  const site = { settings, roots: writers === 'many' ? await findRoots(store, own, roots) : roots }
  // Only addresses are asked about. It needs what speaks with them, which most runs with nothing new do without.
  const ask: DiscoverOptions['isPublished'] = async (...found) => {
    const { isPublished } = await import('./unchanged.ts')
    return isPublished({ store: record, site }, ...found)
  }
  // What somebody wants to do with a repository needs the repository.
  const isReading = acceptMoved.length > 0 || branches === 'all'
  const { repositories, unchanged, problems } = await locateRepositories(settings, all, {
    ...options,
    env,
    ...(isReading ? {} : { isPublished: ask }),
  })
  return {
    store,
    site,
    repositories,
    unchanged,
    absent: [...problems, ...(listed?.absent ?? [])],
    notices: [...unmatched, ...(listed?.notices ?? [])],
  }
}

/** Lists what entries of the settings have on forges. Most settings have none, and nothing is loaded then. */
async function list(
  settings: Settings,
  named: readonly Candidate[],
  record: Pick<Store, 'get' | 'list'>,
  options: FlowOptions & Required<Pick<BuildOptions, 'env'>>,
): Promise<Listed | undefined> {
  if (settings.repositories.every(({ forge }) => forge === undefined)) return undefined
  const { holdingsOf, listRepositories } = await import('./listed.ts')
  return listRepositories(settings, named, await holdingsOf(record), options)
}

async function areCurrent(
  surveys: readonly Survey[],
  { git }: Settings,
  acceptMoved: readonly string[],
): Promise<boolean> {
  for (const survey of surveys) if (!(await isCurrent(survey, git, acceptMoved))) return false
  return true
}

/** Throws a FatalError where a version whose move is to be accepted is not there. */
export function checkAcceptMoved(surveys: readonly Survey[], keys: readonly string[]): void {
  const unknown = keys.find((key) => !surveys.some(({ shard }) => shard.versions.has(key)))
  if (unknown === undefined) return
  const message = `--accept-moved ${unknown}: the site has no such version.`
  throw new FatalError(problem('usage', {}, message, 'Name it as the problem does, as MODULE@VERSION.'))
}
