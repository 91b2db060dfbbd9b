/**
 * Surveying a repository finds out, without opening an object, what there may
 * be to do: its refs are listed and held against its shard. A repository with
 * nothing new ends here, and says again what the last run said.
 */

import pLimit from 'p-limit'
import { diffRefs, isRelevantTag, type RefChanges } from './changes.ts'
import { isSameRepository } from './config/address.ts'
import { isProblem } from './enumerate/locate.ts'
import { headPrefix, isQueryName, isVersionName, looksLikeVersion, tagPrefix } from './enumerate/tags.ts'
import { type GitLocation, locateRepository } from './git/location.ts'
import { RepositoryError } from './git/object.ts'
import { type RefListing, readRefs } from './git/refs.ts'
import type { Imagined } from './imagine.ts'
import { emptyShard, openProblems, parseShard, type Shard, shardPath } from './manifest.ts'
import type { ModulePath, Ref, Repository } from './model.ts'
import { placeHider } from './places.ts'
import { FatalError, type Problem, type ProblemPlace, problem } from './problem.ts'
import { type Site, settingsHash } from './site.ts'
import { hashBody, type Store, type StoredFile } from './store/store.ts'

/** A repository as it was found, held against what was published of it. */
export interface Survey {
  readonly repository: Repository
  /** The published state; of nothing, where there is none. */
  readonly shard: Shard
  /** How the shard was found: damaged or missing ones are made again from the published files. */
  readonly shardState: 'whole' | 'missing' | 'damaged'
  /** Of the shard's file; absent where there is none. */
  readonly sha256?: string
  /** Of the shard's file in its store; absent where there is none. */
  readonly tag?: string
  readonly settings: string
  /** What is wrong, as far as can be seen from outside. */
  readonly problems: readonly Problem[]
  /** What happened to the site, to be told once and not recorded. */
  readonly notices?: readonly Problem[]
  /** Absent where the repository cannot be read. */
  readonly opened?: OpenedSurvey
}

export interface OpenedSurvey {
  readonly location: GitLocation
  readonly listing: RefListing
  readonly changes: RefChanges
  readonly defaultHead?: string
  /** Whether others may know more of the repository. */
  readonly isShared?: boolean
  /** The heads that are asked for: the default branch and the configured ones. */
  readonly heads: readonly Ref[]
}

/** What a run works on. */
export interface Run {
  readonly store: Store
  readonly site: Site
  readonly repositories: readonly Repository[]
  /** Those that were not even cloned, since all that they have is published. @default none */
  readonly unchanged?: readonly Repository[]
  /** Roots of the settings whose repository could not be had, and why. */
  readonly absent: readonly Problem[]
  /** What is to be told once and not recorded. @default nothing */
  readonly notices?: readonly Problem[]
  /** Whether others may write the site at the same time, who know more of a repository. @default false */
  readonly isShared?: boolean
}

/** Surveys all repositories of a run. An imagined ref is taken as if it was there. */
export async function surveyAll(run: Run, imagined?: Imagined): Promise<Survey[]> {
  const { store, site, repositories, unchanged = [], absent } = run
  const all = [...repositories, ...unchanged].sort((a, b) => (a.root < b.root ? -1 : 1))
  const limit = pLimit(16)
  const hide = placeHider(site.settings)
  // In a site of thousands of repositories the index is larger than what it saves.
  const vouched = run.isShared ? new Map() : parseManifestIndex(await store.get('-/manifest.jsonl'))
  const surveys = await Promise.all(
    all.map((repository) =>
      limit(async () => {
        const more = absent.filter((each) => each.repository === repository.root)
        const extra = imagined?.repository === repository ? [imagined.ref] : []
        const survey = unchanged.includes(repository)
          ? await surveyUnchanged(store, repository, vouched)
          : await surveyRepository(run, repository, await openRepository(repository), extra, vouched)
        return {
          ...survey,
          problems: [...more, ...survey.problems].map(hide),
        }
      }),
    ),
  )
  const known = new Set<string>(all.map(({ root }) => root))
  const others = absent.filter(({ repository }) => repository !== undefined && !known.has(repository))
  const absentSurveys = others.map((each) => surveyAbsent(store, hide(each), vouched))
  return [...surveys, ...(await Promise.all(absentSurveys))]
}

/** What is listed of a repository, and where it lies. */
type Opened = Pick<OpenedSurvey, 'location' | 'listing'>

/** Surveys a repository as it was found. `extra` refs are taken as if they were there. */
export async function surveyRepository(
  { store, site, isShared = false }: Pick<Run, 'site' | 'isShared'> & { readonly store: Pick<Store, 'get'> },
  given: Repository,
  found: Opened | Problem,
  extra: readonly Ref[] = [],
  vouched: Vouched = new Map(),
): Promise<Survey> {
  const read = await readShard(store, given, vouched)
  const { shard } = read
  const place: ProblemPlace = { repository: given.root }
  const isClaimed =
    shard.clone !== undefined && given.clone !== undefined && !isSameRepository(shard.clone, given.clone)
  // The recorded spelling stays: pages and hashes must not go to and fro between jobs that spell it differently.
  const isRespelt = shard.clone !== undefined && given.clone !== undefined && !isClaimed
  const repository = isRespelt ? { ...given, clone: shard.clone } : given
  if (isProblem(found)) {
    return { ...read, repository, settings: shard.settings, problems: [found] }
  }
  if (isClaimed) {
    const message = `The site holds ${repository.root} from ${shard.clone}, and not from ${repository.clone}.`
    // Nothing of this repository is written, the problem no more than anything else.
    const recorded = openProblems(shard)
    const notices = [problem('root-claimed', place, message)]
    return { ...read, repository, settings: shard.settings, problems: recorded, notices }
  }
  const { listing } = found
  const isPartial = found.location.isShallow || (isShared && lacksTags(repository, listing, shard))
  const location = { ...found.location, isShallow: isPartial }
  const defaultHead = isPartial ? undefined : chooseDefaultHead(site, repository, listing)
  const seen = [
    ...listing.problems,
    ...checkListing(repository, found.location, listing, defaultHead ?? shard.defaultHead),
  ]
  // What is said of a repository that others know whole does not change with what one job has of it.
  const isJudged = !(isShared && isPartial)
  const problems = isJudged ? seen : openProblems(shard)
  const notices = isJudged ? [] : seen.filter(({ code }) => !judgedByWhole.has(code))
  const heads = location.isShallow ? [] : wantedHeads(repository, listing, defaultHead)
  const tags = [...listing.tags, ...extra].filter((tag) => isRelevantTag(tag.name))
  const settings = settingsHash(site, repository, defaultHead ?? shard.defaultHead)
  const changes = diffRefs([...tags, ...heads], shard, repository.branches)
  const head = defaultHead === undefined ? {} : { defaultHead }
  const opened = { location, listing, changes, heads, isShared, ...head }
  return { ...read, repository, settings, problems, notices, opened }
}

/** What a part of a repository cannot tell: it may have no branch at all. */
const judgedByWhole: ReadonlySet<string> = new Set([
  'default-branch-unknown',
  'branch-missing',
  'branch-unreachable',
  'branch-like-version',
])

/**
 * Tells whether a clone lacks a tag that others have published from: it then is a part of the repository, as a shallow
 * one is, unless its refs come from the repository's own address.
 */
function lacksTags({ address }: Repository, { tags }: RefListing, { refs }: Shard): boolean {
  if (address !== undefined) return false
  const names = new Set(tags.map(({ name }) => name))
  for (const [name, { gone }] of refs) {
    if (name.startsWith(tagPrefix) && gone === undefined && !names.has(name)) return true
  }
  return false
}

/** Surveys a repository that was found to be as its shard says, which then says it all. */
async function surveyUnchanged(store: Store, given: Repository, vouched: Vouched): Promise<Survey> {
  const read = await readShard(store, given, vouched)
  const { settings, clone } = read.shard
  const repository = clone === undefined ? given : { ...given, clone }
  return { ...read, repository, settings, problems: openProblems(read.shard) }
}

/** Surveys a root whose repository could not be had: what is published stays, and the problem is told. */
async function surveyAbsent(store: Store, found: Problem, vouched: Vouched): Promise<Survey> {
  const root = found.repository as ModulePath
  const repository: Repository = { root, dir: '', subdir: '', directories: {}, branches: [], commits: [] }
  const read = await readShard(store, repository, vouched)
  return { ...read, repository, settings: read.shard.settings, problems: [found] }
}

/** Reads the shard of a repository. Throws a FatalError where a newer modpress wrote it. */
export async function readShard(
  store: Pick<Store, 'get'>,
  repository: Pick<Repository, 'root'>,
  vouched: Vouched = new Map(),
): Promise<Pick<Survey, 'shard' | 'shardState' | 'sha256' | 'tag'>> {
  const path = shardPath(repository.root)
  const file = await store.get(path)
  const empty = emptyShard(repository.root)
  if (file === undefined) return { shard: empty, shardState: 'missing' }
  const sha256 = hashShard(file)
  const { buffer, byteOffset, length } = file.body
  const text = Buffer.from(buffer, byteOffset, length).toString('utf8')
  const shard = parseShard(text, vouched.get(path) === sha256 ? 'vouched' : undefined)
  if (shard === 'newer') {
    throw new FatalError(
      problem('site-newer', { repository: repository.root }, `${path} was written by a newer modpress.`),
    )
  }
  const isDamaged = shard === undefined || shard.root !== repository.root
  const { tag } = file
  return { shard: isDamaged ? empty : shard, shardState: isDamaged ? 'damaged' : 'whole', sha256, tag }
}

/** The hashes of shards by their paths, as the index of the manifest has them. */
type Vouched = ReadonlyMap<string, string>

function parseManifestIndex(file: StoredFile | undefined): Vouched {
  const text = file === undefined ? '' : Buffer.from(file.body).toString('utf8')
  return new Map(
    [...text.matchAll(/"shard":"([^"\\]+)","sha256":"([0-9a-f]+)"\}$/gm)].map(
      ([, path = '', sha256 = '']) => [path, sha256],
    ),
  )
}

/** Returns the hash of a shard's file, as the index of the manifest has it. */
export function hashShard(file: StoredFile): string
export function hashShard(file: StoredFile | undefined): string | undefined
export function hashShard(file: StoredFile | undefined): string | undefined {
  return file === undefined ? undefined : hashBody(file.body)
}

async function openRepository(repository: Repository): Promise<Opened | Problem> {
  const place = { repository: repository.root }
  const location = await locateRepository(repository.dir, place)
  if (isProblem(location)) return location
  try {
    return { location, listing: await readRefs(location, place) }
  } catch (error) {
    if (error instanceof RepositoryError) return problem(error.code, place, error.message)
    throw error
  }
}

/** Chooses the default branch in the order of the product: configuration, the clone, the CI host, the only head. */
function chooseDefaultHead(site: Site, repository: Repository, listing: RefListing): string | undefined {
  const exists = (name: string | undefined) => listing.heads.some((head) => head.name === name)
  if (repository.defaultBranch !== undefined) {
    const named = headPrefix + repository.defaultBranch
    return exists(named) ? named : undefined
  }
  if (listing.defaultHeadBy === 'remote' || listing.defaultHeadBy === 'head') return listing.defaultHead
  const { ciDefaultBranch } = site.settings
  if (ciDefaultBranch !== undefined && exists(headPrefix + ciDefaultBranch))
    return headPrefix + ciDefaultBranch
  return listing.defaultHead
}

function wantedHeads(repository: Repository, listing: RefListing, defaultHead: string | undefined): Ref[] {
  const wanted = new Set([
    defaultHead,
    ...repository.branches.filter(isQueryName).map((name) => headPrefix + name),
  ])
  return listing.heads.filter((head) => wanted.has(head.name))
}

function checkListing(
  repository: Repository,
  location: GitLocation,
  listing: RefListing,
  defaultHead: string | undefined,
): Problem[] {
  const place = { repository: repository.root }
  const { tags, heads } = listing
  if (tags.length === 0 && heads.length === 0) {
    return listing.problems.length > 0
      ? []
      : [problem('repository-empty', place, 'The repository has no tag and no branch.')]
  }
  const problems: Problem[] = []
  if (location.isShallow) {
    const hasVersion = tags.some((tag) => isVersionName(tag.name.slice(tag.name.lastIndexOf('/') + 1)))
    problems.push(
      hasVersion
        ? problem('shallow', place, 'The clone is shallow: only its tags are published.')
        : problem('shallow-no-tags', place, 'The clone is shallow and has no version tag.'),
    )
  } else if (repository.defaultBranch !== undefined && defaultHead === undefined) {
    problems.push(
      problem(
        'branch-missing',
        place,
        `There is no branch ${repository.defaultBranch}, the default one by configuration.`,
      ),
    )
  } else if (defaultHead === undefined) {
    problems.push(problem('default-branch-unknown', place, 'Nothing tells which branch is the default one.'))
  }
  for (const head of heads) {
    const name = head.name.slice(headPrefix.length)
    const rest = name.slice(name.lastIndexOf('/') + 1)
    if (!isVersionName(rest) || !looksLikeVersion(rest) || tags.some((tag) => tag.name === tagPrefix + name))
      continue
    const message = `The branch ${name} has the name of a version, which only a tag can be.`
    problems.push(problem('branch-like-version', { ...place, ref: head.name }, message))
  }
  if (location.isShallow) return problems
  for (const name of repository.branches) {
    const ref = headPrefix + name
    if (name === 'HEAD') continue
    if (!heads.some((head) => head.name === ref)) {
      problems.push(problem('branch-missing', { ...place, ref }, `There is no branch ${name}.`))
    } else if (!isQueryName(name) && !isVersionName(name)) {
      problems.push(
        problem(
          'branch-unreachable',
          { ...place, ref },
          `go never asks a proxy for a revision named ${name}.`,
        ),
      )
    }
  }
  return problems
}
