/**
 * Pressing works through one repository: new refs are opened, versions are
 * enumerated, and what is new is packed and written, zip first and .info last.
 * Afterwards the shard says all that is known.
 *
 * A version that cannot be packed is refused, and enumeration is asked again:
 * `@latest` may then be another one. In the ordinary case one round is enough.
 */

import { recentVersions } from './blobs.ts'
import { eachOf } from './each.ts'
import { isProblem } from './enumerate/locate.ts'
import type { EnumerationContext, RepositoryFacts } from './enumerate/scope.ts'
import { commitPrefix, headPrefix, tagPrefix } from './enumerate/tags.ts'
import { type Enumeration, enumerateVersions } from './enumerate.ts'
import type { FlowOptions } from './events.ts'
import { ObjectError, RepositoryError } from './git/object.ts'
import {
  type GitRepository,
  type PreparedRepository,
  type WantedReader,
  withRepository,
} from './git/repository.ts'
import { type Hands, shareMemory } from './hands.ts'
import { checkZipSize } from './hosts/limits.ts'
import { hostPresets } from './hosts/presets.ts'
import { failedRefs, type KnownFacts, readFacts, recordRefs } from './known.ts'
import {
  distinctProblems,
  type RecordedProblem,
  type Refusal,
  refusalKey,
  type Shard,
  versionKey,
} from './manifest.ts'
import type { HostName, ModulePath, ModuleVersion, PublishedVersion, Repository } from './model.ts'
import { matchesGlob } from './module/glob.ts'
import { measureZip, type PackedVersion, type Press, packVersion, startVersion, withPress } from './pack.ts'
import { PackProgress } from './pack-progress.ts'
import { planRepository } from './plan.ts'
import { isRepairable, type Problem, problem } from './problem.ts'
import { describePublished } from './published.ts'
import { checkSitePath, type Site } from './site.ts'
import type { OpenedSurvey, Survey } from './survey.ts'

/** What became of a repository. */
export interface Pressed {
  readonly survey: Survey
  /** The new state, not yet settled. */
  readonly shard: Shard
  /** Absent where the repository was not gone through: nothing new is known of its modules then. */
  readonly enumeration?: Enumeration
  readonly added: readonly PublishedVersion[]
}

/** Where packed versions go: into the site, or nowhere when it is only a plan. */
export interface VersionSink {
  /** Writes a version and returns its line of the manifest, or why it cannot be there. */
  write(
    version: ModuleVersion,
    packed: PackedVersion,
    repository: ModulePath,
  ): Promise<PublishedVersion | Problem>
}

export interface PressOptions extends FlowOptions {
  readonly reader: WantedReader
  /** Other threads that help. */
  readonly hands: Hands
  /** A repository that is open already, or will soon be. @default none */
  readonly prepared?: PreparedRepository
}

/** Works through a surveyed repository. */
export async function pressRepository(
  survey: Survey,
  site: Site,
  sink: VersionSink,
  options: PressOptions,
): Promise<Pressed> {
  const { opened } = survey
  if (opened === undefined) return standStill(survey, [])
  try {
    const use = async (repository: GitRepository) => {
      const { reader, close } = options.hands.open(repository)
      try {
        return await withPress(
          repository,
          { reader, ...shareMemory(site.settings.memory), ...(options.signal && { signal: options.signal }) },
          async (press) => {
            const facts = await readFacts(survey, opened, press.facts, repository, options)
            return pressVersions(startWork(survey, opened, facts), site, sink, press, options)
          },
        )
      } finally {
        await close()
      }
    }
    return await withRepository(opened.location, options.reader, use, options.prepared)
  } catch (error) {
    if (!(error instanceof RepositoryError)) throw error
    return standStill(survey, [problem(error.code, { repository: survey.repository.root }, error.message)])
  }
}

/** A repository that cannot be read keeps all that is published of it; only the problem is new. */
function standStill(survey: Survey, more: readonly Problem[]): Pressed {
  const found = distinctProblems([...survey.problems, ...more])
  const open = found.map((each) => ({ stage: 'open' as const, problem: each }))
  const standing = survey.shard.problems.filter((each) => each.stage === 'press')
  const shard = { ...survey.shard, problems: [...open, ...standing] }
  return { survey, shard, added: [] }
}

// ---- Versions ----

/** A repository while its versions are packed. */
interface Work {
  readonly survey: Survey
  readonly facts: KnownFacts
  readonly repositoryFacts: RepositoryFacts
  /** By "module@version": what was published before, and what has been since. */
  readonly versions: Map<string, PublishedVersion>
  /** What lies in the site without a record, until it is known to be the same. */
  readonly orphans: Map<string, PublishedVersion>
  readonly refusals: Map<string, Refusal>
  readonly added: PublishedVersion[]
}

async function pressVersions(
  work: Work,
  site: Site,
  sink: VersionSink,
  press: Press,
  options: PressOptions,
): Promise<Pressed> {
  const { survey, facts, versions, orphans, added } = work
  const { repository, shard } = survey
  const context = contextOf(work, site)
  let enumeration = enumerateVersions(repository, work.repositoryFacts, context)
  for (;;) {
    adoptOrphans(orphans, enumeration, versions)
    const plan = await planRepository(enumeration, { ...shard, versions }, facts.tags)
    if (plan.add.length === 0) {
      const found = [...enumeration.problems, ...plan.problems]
      return { survey, shard: describeShard(work, found), enumeration, added }
    }
    const progress = new PackProgress(repository.root, plan.add.length, press.blobs, options.onEvent)
    let isAnyRefused = false
    // While one waits for its contents, others are looked through and put together.
    await eachOf(plan.add, recentVersions, async (version) => {
      options.signal?.throwIfAborted()
      const key = versionKey(version.path, version.version)
      progress.start(key)
      const outcome = await packAndWrite(press, sink, version, repository.root, site.settings.host)
      const before = shard.versions.get(key)
      if (isProblem(outcome)) {
        isAnyRefused = true
        const refusal = {
          path: version.path,
          version: version.version,
          commit: version.commit,
          problem: outcome,
        }
        work.refusals.set(refusalKey(refusal), refusal)
        if (before !== undefined) versions.set(key, before)
      } else {
        versions.set(key, outcome)
        if (before === undefined) added.push(outcome)
      }
      progress.end()
    })
    progress.finish()
    // What was packed is what was enumerated. Only a refusal can make another version the latest.
    if (isAnyRefused) enumeration = enumerateVersions(repository, work.repositoryFacts, context)
  }
}

/**
 * Enumerates what a shard knows, without the repository. Nothing more is published then, so that what is not published
 * counts as refused.
 */
export function enumerateShard(repository: Repository, shard: Shard, site: Site): Enumeration {
  const facts = [...shard.refs.values()].map((recorded) => recorded.facts)
  const those = (prefix: string) => facts.filter(({ ref }) => ref.startsWith(prefix))
  const { defaultHead } = shard
  return enumerateVersions(
    repository,
    {
      tags: those(tagPrefix),
      heads: those(headPrefix),
      commits: those(commitPrefix),
      ...(defaultHead === undefined ? {} : { defaultHead }),
    },
    {
      ...siteContext(repository, shard, site),
      isPublished: (path, version) => shard.versions.has(versionKey(path, version)),
      isRefused: () => true,
    },
  )
}

/** What enumeration is to know whatever has become of the versions. */
function siteContext(
  repository: Repository,
  shard: Shard,
  site: Site,
): Pick<EnumerationContext, 'checkPath' | 'wantsDirectory' | 'maxGo'> {
  const publishedPaths = new Set([...shard.versions.values()].map((version) => version.path))
  return {
    checkPath: (path) => (publishedPaths.has(path) ? undefined : checkSitePath(site, repository, path)),
    wantsDirectory: (dir) => wantsDirectory(repository.directories, dir),
    maxGo: site.settings.maxGo,
  }
}

function startWork(survey: Survey, opened: OpenedSurvey, facts: KnownFacts): Work {
  const { shard, shardState } = survey
  const isWhole = shardState === 'whole'
  const defaultHead = opened.defaultHead ?? shard.defaultHead
  return {
    survey,
    facts,
    repositoryFacts: {
      tags: [...facts.tags.values()].map((recorded) => recorded.facts),
      heads: facts.heads,
      commits: facts.commits,
      ...(defaultHead === undefined ? {} : { defaultHead }),
    },
    versions: new Map(isWhole ? shard.versions : []),
    orphans: new Map(isWhole ? [] : shard.versions),
    refusals: new Map(),
    added: [],
  }
}

function contextOf({ survey, versions, refusals }: Work, site: Site): EnumerationContext {
  const { repository, shard } = survey
  const before = new Map(shard.refusals.map((each) => [refusalKey(each), each]))
  const isChanged = survey.settings !== shard.settings
  const isOfHost = (found: Problem | undefined) => found?.code === 'host-file-too-large'
  return {
    ...siteContext(repository, shard, site),
    isPublished: (path, version) => {
      const key = versionKey(path, version)
      return shard.versions.has(key) || versions.has(key)
    },
    isRefused: (path, version, commit) => {
      if (shard.withdrawn.has(versionKey(path, version))) return true
      const key = refusalKey({ path, version, commit })
      const old = before.get(key)
      // What was refused for a fault of the clone, for want of git, or for another host, may work by now.
      const isStanding = !isRepairable(old?.problem) && !(isOfHost(old?.problem) && isChanged)
      if (old !== undefined && isStanding) refusals.set(key, old)
      return refusals.has(key)
    },
  }
}

/** Where history is cut off nothing can be said of configured revisions, nor taken back. */
function isOfRevision({ stage, problem: { code } }: RecordedProblem): boolean {
  return stage === 'press' && (code === 'commit-unknown' || code === 'pseudo-version-invalid')
}

/** Returns the shard as it is to be, but for that it is not settled yet. */
function describeShard(
  { survey, facts, repositoryFacts, versions, refusals }: Work,
  found: readonly Problem[],
): Shard {
  const { repository, settings } = survey
  const { defaultHead } = repositoryFacts
  const clone = repository.clone ?? survey.shard.clone
  const refused = [...refusals.values()]
  const isPartial = survey.opened?.isShared === true && survey.opened.location.isShallow
  const unjudged = isPartial ? survey.shard.problems.filter(isOfRevision).map((each) => each.problem) : []
  const pressed = [
    ...unjudged,
    ...facts.problems,
    ...found,
    ...refused.map((each) => each.problem),
    ...failedRefs(repository, facts),
  ]
  const record = (stage: 'open' | 'press', problems: readonly Problem[]) =>
    distinctProblems(problems).map((each) => ({ stage, problem: each }))
  return {
    root: repository.root,
    ...(clone === undefined ? {} : { clone }),
    settings,
    state: 'unsettled',
    ...(defaultHead === undefined ? {} : { defaultHead }),
    refs: recordRefs(facts),
    versions,
    withdrawn: survey.shard.withdrawn,
    refusals: refused,
    problems: [...record('open', survey.problems), ...record('press', pressed)],
  }
}

/**
 * Records what lies in the site without a record: with what is known of its
 * commit where .info names the same one, and as it is where nothing is known
 * of it. What .info does not tell is packed once more and compared.
 */
function adoptOrphans(
  orphans: Map<string, PublishedVersion>,
  enumeration: Enumeration,
  versions: Map<string, PublishedVersion>,
): void {
  if (orphans.size === 0) return
  const found = new Map(
    enumeration.modules.flatMap((module) =>
      module.versions.map((each) => [versionKey(each.path, each.version), each] as const),
    ),
  )
  for (const [key, orphan] of orphans) {
    orphans.delete(key)
    const version = found.get(key)
    if (version === undefined || (orphan.commit !== undefined && orphan.commit !== version.commit)) {
      versions.set(key, orphan)
    } else if (orphan.commit !== undefined) {
      versions.set(key, describePublished(version, orphan))
    }
  }
}

async function packAndWrite(
  press: Press,
  sink: VersionSink,
  version: ModuleVersion,
  root: ModulePath,
  host: HostName,
): Promise<PublishedVersion | Problem> {
  const end = await startVersion(press, version)
  try {
    const packed = await packVersion(press, version, root)
    if (isProblem(packed)) return packed
    return checkHost(host, version, packed, root) ?? (await sink.write(version, packed, root))
  } catch (error) {
    // A large blob is read while it is written.
    if (!(error instanceof ObjectError)) throw error
    const place = { repository: root, module: version.path, version: version.version }
    return problem(error.code, place, error.message)
  } finally {
    end()
  }
}

/** Returns the problem of a version that the host would refuse. What is published already stays. */
function checkHost(
  host: HostName,
  { path, version, ref }: ModuleVersion,
  packed: PackedVersion,
  repository: ModulePath,
): Problem | undefined {
  if (hostPresets[host].limits.fileBytes === undefined) return undefined
  const place = { repository, module: path, version, ...(ref === undefined ? {} : { ref }) }
  return checkZipSize(host, measureZip(packed), place)
}

function wantsDirectory(directories: Survey['repository']['directories'], dir: string): boolean {
  const { include, exclude } = directories
  const matches = (patterns: readonly string[]) => patterns.some((pattern) => matchesGlob(pattern, dir))
  return (include === undefined || matches(include)) && (exclude === undefined || !matches(exclude))
}
