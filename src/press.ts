/**
 * Pressing works through one repository: new refs are opened, versions are
 * enumerated, and what is new is packed and written, zip first and .info last.
 * Afterwards the shard says all that is known.
 *
 * A version that cannot be packed is refused, and enumeration is asked again:
 * `@latest` may then be another one. In the ordinary case one round is enough.
 */

import { pathOfTag } from './enumerate/candidates.ts'
import { isProblem } from './enumerate/locate.ts'
import type { EnumerationContext, RepositoryFacts } from './enumerate/scope.ts'
import {
  commitPrefix,
  headPrefix,
  isVersionName,
  looksLikeVersion,
  tagPrefix,
  versionTag,
} from './enumerate/tags.ts'
import { type Enumeration, enumerateVersions } from './enumerate.ts'
import type { FlowOptions } from './events.ts'
import { findCommits, placeOfCommit } from './git/commits.ts'
import { type FactsReader, isBaseTag, isVersionTag } from './git/facts.ts'
import { ObjectError, RepositoryError } from './git/object.ts'
import { type GitRepository, withRepository } from './git/repository.ts'
import { distinctProblems, type RecordedRef, type Refusal, type Shard, versionKey } from './manifest.ts'
import type { ModulePath, ModuleVersion, PublishedVersion, RefFacts, Repository } from './model.ts'
import { matchesGlob } from './module/glob.ts'
import { type Press, packVersion, withPress } from './pack.ts'
import { mergeTags, planRepository } from './plan.ts'
import { type Problem, type ProblemCode, problem } from './problem.ts'
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
    packed: PackedFiles,
    repository: ModulePath,
  ): Promise<PublishedVersion | Problem>
}

type PackedFiles = Exclude<Awaited<ReturnType<typeof packVersion>>, Problem>

export interface PressOptions extends FlowOptions {
  readonly reader: 'native' | 'isomorphic'
  /** How many versions are packed at a time. */
  readonly jobs: number
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
    return await withRepository(opened.location, options.reader, (repository) =>
      withPress(repository, async (press) => {
        const facts = await readFacts(survey, opened, press.facts, repository, options)
        return pressVersions(survey, opened, site, sink, press, facts, options)
      }),
    )
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

// ---- Facts ----

interface KnownFacts {
  readonly tags: ReadonlyMap<string, RecordedRef>
  readonly heads: readonly RefFacts[]
  readonly commits: readonly RefFacts[]
  readonly problems: readonly Problem[]
}

async function readFacts(
  survey: Survey,
  opened: OpenedSurvey,
  reader: FactsReader,
  repository: GitRepository,
  options: PressOptions,
): Promise<KnownFacts> {
  const { changes, location } = opened
  const { shard } = survey
  options.onEvent?.({
    type: 'progress',
    step: 'read',
    repository: survey.repository.root,
    total: changes.open.length,
  })
  const facts = await Promise.all(
    changes.open.map((ref) => reader.read(ref, depthOf(ref.name, survey.repository.branches))),
  )
  const tags = mergeTags(facts, changes, shard, location.isShallow ? 'partial' : 'complete')
  const { commits, problems } = await findCommits(survey.repository, opened, shard, repository, reader)

  const allTags = [...tags.values()].map((recorded) => recorded.facts)
  const hasNewBase = facts.some((each) => isBaseTag(each.ref)) || tags.size < countTags(shard)
  const complete = async (each: RefFacts): Promise<RefFacts> => {
    if (location.isShallow || (each.merged !== undefined && !hasNewBase)) return each
    return reader.addMerged(each, allTags)
  }
  for (const [name, recorded] of tags) {
    if (!needsHistory(recorded.facts)) continue
    tags.set(name, { ...recorded, facts: await complete(recorded.facts) })
  }
  const heads = opened.heads.map(
    (ref) => facts.find((each) => each.ref === ref.name) ?? shard.refs.get(ref.name)?.facts,
  )
  const recordedHeads = location.isShallow
    ? [...shard.refs.values()]
        .map((recorded) => recorded.facts)
        .filter((each) => each.ref.startsWith(headPrefix))
    : []
  return {
    tags,
    heads: await Promise.all([...heads.filter((each) => each !== undefined), ...recordedHeads].map(complete)),
    commits: await Promise.all(commits.map(complete)),
    problems,
  }
}

function depthOf(ref: string, branches: readonly string[]): 'tag' | 'all' | 'none' {
  if (isVersionTag(ref)) return 'tag'
  // A tag with the name of a configured branch is what go takes instead of the branch.
  if (branches.includes(ref.slice(tagPrefix.length))) return 'all'
  return ref.startsWith(headPrefix) || looksLikeVersion(ref.slice(ref.lastIndexOf('/') + 1)) ? 'all' : 'none'
}

/** A tag that is no version, and that someone may ask for, can be answered with a pseudo-version. */
function needsHistory(facts: RefFacts): boolean {
  const rest = facts.ref.slice(facts.ref.lastIndexOf('/') + 1)
  return facts.mods !== undefined && !isVersionName(rest)
}

function countTags(shard: Shard): number {
  return [...shard.refs.keys()].filter((name) => name.startsWith(tagPrefix)).length
}

// ---- Versions ----

async function pressVersions(
  survey: Survey,
  opened: OpenedSurvey,
  site: Site,
  sink: VersionSink,
  press: Press,
  facts: KnownFacts,
  options: PressOptions,
): Promise<Pressed> {
  const { repository, shard } = survey
  // Versions found in the site without a record of them are recorded once they are known to be the same.
  const orphans =
    survey.shardState === 'whole' ? new Map<string, PublishedVersion>() : new Map(shard.versions)
  const versions =
    survey.shardState === 'whole' ? new Map(shard.versions) : new Map<string, PublishedVersion>()
  const refusals = new Map<string, Refusal>()
  const before = new Map(shard.refusals.map((each) => [refusalKey(each), each]))
  const added: PublishedVersion[] = []
  const defaultHead = opened.defaultHead ?? shard.defaultHead
  const repositoryFacts: RepositoryFacts = {
    tags: [...facts.tags.values()].map((recorded) => recorded.facts),
    heads: facts.heads,
    commits: facts.commits,
    ...(defaultHead === undefined ? {} : { defaultHead }),
  }
  const publishedPaths = new Set([...shard.versions.values()].map((version) => version.path))
  const context: EnumerationContext = {
    isPublished: (path, version) =>
      shard.versions.has(versionKey(path, version)) || versions.has(versionKey(path, version)),
    isRefused: (path, version, commit) => {
      const key = refusalKey({ path, version, commit })
      const old = before.get(key)
      // What was refused for a fault of the clone, or for want of git, may work by now.
      if (old !== undefined && !isRepairable(old.problem.code)) refusals.set(key, old)
      return refusals.has(key)
    },
    checkPath: (path) => (publishedPaths.has(path) ? undefined : checkSitePath(site, repository, path)),
    wantsDirectory: (dir) => wantsDirectory(repository.directories, dir),
    maxGo: site.settings.maxGo,
  }

  for (;;) {
    const enumeration = enumerateVersions(repository, repositoryFacts, context)
    adoptOrphans(orphans, enumeration, versions)
    const plan = planRepository(enumeration, { ...shard, versions }, facts.tags)
    if (plan.add.length === 0) {
      const refused = [...refusals.values()]
      const found = [
        ...facts.problems,
        ...enumeration.problems,
        ...plan.problems,
        ...refused.map((each) => each.problem),
      ]
      const next: Shard = {
        root: repository.root,
        ...((repository.clone ?? shard.clone) === undefined
          ? {}
          : { clone: repository.clone ?? shard.clone }),
        settings: survey.settings,
        state: 'unsettled',
        ...(defaultHead === undefined ? {} : { defaultHead }),
        refs: recordRefs(facts),
        versions,
        refusals: refused,
        problems: [
          ...distinctProblems(survey.problems).map((each) => ({ stage: 'open' as const, problem: each })),
          ...distinctProblems([...found, ...failedRefs(repository, facts)]).map((each) => ({
            stage: 'press' as const,
            problem: each,
          })),
        ],
      }
      return { survey, shard: next, enumeration, added }
    }
    await eachOf(plan.add, options.jobs, async (version, index) => {
      options.signal?.throwIfAborted()
      const progress = {
        done: index,
        total: plan.add.length,
        message: versionKey(version.path, version.version),
      }
      options.onEvent?.({ type: 'progress', step: 'pack', repository: repository.root, ...progress })
      const outcome = await packAndWrite(press, sink, version, repository.root)
      if (isProblem(outcome)) {
        const { path, version: refused, commit } = version
        const refusal = { path, version: refused, commit, problem: outcome }
        refusals.set(refusalKey(refusal), refusal)
        const orphan = shard.versions.get(versionKey(path, refused))
        if (orphan !== undefined) versions.set(versionKey(path, refused), orphan)
      } else {
        versions.set(versionKey(outcome.path, outcome.version), outcome)
        if (!shard.versions.has(versionKey(outcome.path, outcome.version))) added.push(outcome)
      }
    })
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
): Promise<PublishedVersion | Problem> {
  const packed = await packVersion(press, version, root)
  if (isProblem(packed)) return packed
  try {
    return await sink.write(version, packed, root)
  } catch (error) {
    // A large blob is read while it is written.
    if (!(error instanceof ObjectError)) throw error
    const place = { repository: root, module: version.path, version: version.version }
    return problem(error.code, place, error.message)
  }
}

function refusalKey(refusal: Pick<Refusal, 'path' | 'version' | 'commit'>): string {
  return `${versionKey(refusal.path, refusal.version)} ${refusal.commit}`
}

/** Tells whether a refusal is about the clone or the reader, so that it is worth another try. */
export function isRepairable(code: ProblemCode): boolean {
  return code === 'object-missing' || code === 'object-corrupt' || code === 'needs-git'
}

function wantsDirectory(directories: Survey['repository']['directories'], dir: string): boolean {
  const { include, exclude } = directories
  const matches = (patterns: readonly string[]) => patterns.some((pattern) => matchesGlob(pattern, dir))
  return (include === undefined || matches(include)) && (exclude === undefined || !matches(exclude))
}

/** Runs `work` over all items, `limit` at a time, in their order of starting. */
async function eachOf<T>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const queue = items.entries()
  const workers = Array.from({ length: Math.max(1, limit) }, async () => {
    for (const [index, item] of queue) await work(item, index)
  })
  const results = await Promise.allSettled(workers)
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

function recordRefs(facts: KnownFacts): Map<string, RecordedRef> {
  const others = [...facts.heads, ...facts.commits]
  return new Map([...facts.tags, ...others.map((each) => [each.ref, { facts: each }] as const)])
}

/** The problems of refs that could not be used. Tags of no version say nothing. */
function failedRefs(repository: Repository, facts: KnownFacts): Problem[] {
  const all = [
    ...[...facts.tags.values()].map((recorded) => recorded.facts),
    ...facts.heads,
    ...facts.commits,
  ]
  return all.flatMap(({ ref, oid, failed }) => {
    const rest = ref.slice(ref.lastIndexOf('/') + 1)
    const isSilent = ref.startsWith(tagPrefix) && !looksLikeVersion(rest)
    if (failed === undefined || isSilent) return []
    if (ref.startsWith(commitPrefix)) {
      const place = placeOfCommit(repository, ref.slice(commitPrefix.length))
      return [problem(failed.code as ProblemCode, place, failed.message)]
    }
    const place = { repository: repository.root, ref }
    const module = ref.startsWith(tagPrefix) ? pathOfTag(repository, versionTag({ ref, oid })) : undefined
    const version = module === undefined ? {} : { module, version: rest }
    return [problem(failed.code as ProblemCode, { ...place, ...version }, failed.message)]
  })
}
