/**
 * Discovery turns the repositories of the settings into repositories on disk:
 * patterns are matched, addresses are cloned into the cache, and what the
 * settings leave open (clone address, web page, forge) is found out.
 *
 * What a forge lists comes from listed.ts, and is cloned like the rest.
 *
 * A repository that cannot be had is a problem, and the others go on. Only a
 * root that is used twice ends the run: whose modules they are would depend
 * on the order of the list.
 */

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, join, relative, sep } from 'node:path'
import pLimit from 'p-limit'
import {
  derivedAddress,
  forgeOf,
  httpsAddress,
  parseAddress,
  shownAddress,
  webOf,
} from '../config/address.ts'
import { findTop } from '../config/file.ts'
import { checkRoot, type RepositorySettings, type Settings } from '../config/schema.ts'
import { fillTemplate, type TemplateValues } from '../config/template.ts'
import type { ProgressEvent } from '../events.ts'
import type { ModulePath, Repository } from '../model.ts'
import { isPseudoVersion } from '../module/pseudo.ts'
import { FatalError, type Problem, problem } from '../problem.ts'
import type { Clone, CloneRequest, Cloner } from './clone.ts'
import type { Environment } from './credentials.ts'
import { locateRepository } from './location.ts'
import type { RemoteRefs } from './remote.ts'

export interface DiscoverOptions {
  /** Tokens and the settings of git are read from it. */
  readonly env: Environment
  readonly onEvent?: (event: ProgressEvent) => void
  readonly signal?: AbortSignal
  /** Which branches of addresses are cloned: those that a build needs, or all. @default 'needed' */
  readonly branches?: 'needed' | 'all'
  /** Tells whether what an address has is published as it is, so that it need not be cloned. @default it never is */
  readonly isPublished?: (repository: Repository, refs: RemoteRefs) => Promise<boolean>
}

export interface Discovery {
  /** All roots of the settings, in whatever part they are. */
  readonly roots: readonly string[]
  /** In the order of their roots. */
  readonly repositories: readonly Repository[]
  /** Those that were not cloned, since all that they have is published. */
  readonly unchanged: readonly Repository[]
  readonly problems: readonly Problem[]
}

/** Finds and clones the repositories of the settings. Throws a FatalError where a root is used twice. */
export async function discoverRepositories(settings: Settings, options: DiscoverOptions): Promise<Discovery> {
  const { candidates } = await matchRepositories(settings)
  return locateRepositories(settings, candidates, options)
}

/** Returns the repositories that the settings name themselves. Throws a FatalError where a root is used twice. */
export async function matchRepositories({ repositories, base }: Settings): Promise<Matches> {
  const named = repositories.filter(({ forge }) => forge === undefined)
  const matched = await Promise.all(named.map(matchDirectories))
  const candidates = matched.flat().sort((a, b) => compare(a.root, b.root))
  checkRootsOnce(candidates)
  const unmatched = named.filter((_, index) => matched[index]?.length === 0)
  return { candidates, problems: unmatched.map((each) => describeUnmatched(base, each)) }
}

/** What the settings name themselves. */
export interface Matches {
  readonly candidates: readonly Candidate[]
  /** Of patterns that match nothing. */
  readonly problems: readonly Problem[]
}

function describeUnmatched(base: string, { root, dir = '', glob = '' }: RepositorySettings): Problem {
  const pattern = relative(base, join(dir, glob)).split(sep).join('/')
  return problem('repositories-none', {}, `No git repository is at ${pattern}, for ${root}.`)
}

/** Finds and clones repositories, each of which has a root of its own. */
export async function locateRepositories(
  settings: Settings,
  all: readonly Candidate[],
  options: DiscoverOptions,
): Promise<Discovery> {
  const candidates = [...all].sort((a, b) => compare(a.root, b.root))
  const part = candidates.filter(({ root }) => isInPart(root, settings.part))
  const sums = await readSums(settings)
  const roots = candidates.map((candidate) => candidate.root)
  const finish = (found: Located) => complete(settings, found, sums, roots)
  const findings = await locateAll(settings, part, finish, options)
  return {
    roots: [...new Set(roots)],
    repositories: findings.flatMap(({ found }) => found ?? []),
    unchanged: findings.flatMap(({ unchanged }) => unchanged ?? []),
    problems: findings.flatMap((finding) => finding.problem ?? []),
  }
}

/** Parts are divided by a hash of the root, so that a repository stays in its part when others come and go. */
export function isInPart(root: string, part: Settings['part']): boolean {
  if (part === undefined) return true
  return createHash('sha256').update(root).digest().readUInt32BE(0) % part.of === part.number - 1
}

/** One repository of the settings, with its templates filled in. */
export interface Candidate {
  readonly root: string
  readonly settings: RepositorySettings
  /** Absent: to be cloned. */
  readonly dir?: string
  /** What a forge says of it. Absent: it is named in the settings. */
  readonly listed?: 'active' | 'archived'
}

/** Returns the address that a candidate is cloned from. */
export function addressOf({ root, settings }: Pick<Candidate, 'root' | 'settings'>): string {
  return settings.clone ?? derivedAddress(root)
}

interface Located extends Candidate {
  readonly dir: string
  readonly address?: string
  readonly originUrl?: string
}

interface Finding {
  readonly found?: Repository
  readonly unchanged?: Repository
  readonly problem?: Problem
}

async function matchDirectories(settings: RepositorySettings): Promise<readonly Candidate[]> {
  const { root, dir, glob, clone, web } = settings
  if (dir === undefined) return [{ root, settings }]
  if (glob === undefined) return [{ root, settings, dir }]
  const { default: fastGlob } = await import('fast-glob')
  const matches = await fastGlob(glob, {
    cwd: dir,
    onlyDirectories: true,
    suppressErrors: true,
    // What lies inside a repository's own files is no other repository.
    ignore: ['**/.git', '**/*.git/*'],
  })
  const dirs = matches.map((match) => join(dir, match))
  // Among the matches of a pattern there may be anything.
  const tops = await Promise.all(dirs.map(findTop))
  return dirs
    .filter((match, index) => tops[index] === match)
    .map((match) => {
      const values = valuesOf(dir, match)
      const fill = (template: string) => fillTemplate(template, values)
      const filled = {
        ...settings,
        ...(clone === undefined ? {} : { clone: fill(clone) }),
        ...(web === undefined ? {} : { web: fill(web) }),
      }
      return { root: fill(root), settings: filled, dir: match }
    })
}

/** Returns the name and the path of a directory, for templates. */
function valuesOf(base: string, dir: string): TemplateValues {
  const path = relative(base, dir).split(sep).join('/')
  return { name: basename(dir).replace(/\.git$/, ''), path: path.replace(/\.git$/, '') }
}

function checkRootsOnce(candidates: readonly Candidate[]): void {
  for (const [index, { root, ...candidate }] of candidates.entries()) {
    const next = candidates[index + 1]
    if (next?.root !== root) continue
    const message = `The root ${root} is used twice: by ${nameOf(candidate)} and by ${nameOf(next)}.`
    const hint = 'Give each repository a root of its own, or leave one of them out.'
    throw new FatalError(problem('config-invalid', { repository: root }, message, hint))
  }
}

function nameOf({ dir, settings }: Pick<Candidate, 'dir' | 'settings'>): string {
  const { clone = 'the address that its root gives' } = settings
  return dir ?? shownAddress(clone) ?? clone
}

async function locateAll(
  settings: Settings,
  candidates: readonly Candidate[],
  finish: (found: Located) => Repository,
  { env, onEvent, signal, branches: wanted = 'needed', isPublished }: DiscoverOptions,
): Promise<readonly Finding[]> {
  const remote = candidates.filter(({ dir }) => dir === undefined)
  const cloner = remote.length > 0 ? await openCloner(settings, env, signal) : undefined
  const tell = (event: Omit<ProgressEvent, 'type' | 'step'>) =>
    onEvent?.({ type: 'progress', step: 'clone', ...event })
  const limit = pLimit(parallel)
  let done = 0
  const locate = async (candidate: Candidate): Promise<Finding> => {
    signal?.throwIfAborted()
    const { root, dir } = candidate
    const reason = checkRoot(root)
    if (reason !== undefined) {
      const message = `${nameOf(candidate)} gives the root ${root}: ${reason}.`
      const hint =
        candidate.listed && 'Leave it out with "exclude", or give it an entry and a root of its own.'
      return { problem: problem('module-path-invalid', { repository: root }, message, hint) }
    }
    if (dir !== undefined) return locateClone(candidate, dir, finish)
    const url = addressOf(candidate)
    const shown = shownAddress(url)
    tell({ repository: root, ...(shown === undefined ? {} : { message: shown }) })
    const branches = wanted === 'all' ? wanted : neededBranches(candidate.settings)
    const found = await fetchAddress({ url, repository: root, branches }, candidate)
    tell({ repository: root, done: 1, total: 1 })
    tell({ done: ++done, total: remote.length })
    return found
  }
  const fetchAddress = async (request: CloneRequest, candidate: Candidate): Promise<Finding> => {
    const { url: address, repository: root } = request
    const refs = isPublished && (await cloner?.peek(request))
    if (isPublished !== undefined && refs !== undefined) {
      const unchanged = finish({ ...candidate, dir: '', address })
      if (await isPublished(unchanged, refs)) return { unchanged }
    }
    const onProgress: CloneRequest['onProgress'] = (progress) => tell({ repository: root, ...progress })
    const clone = await cloner?.clone({ ...request, onProgress })
    const told =
      clone?.problem === undefined ? {} : { problem: judgeFailure(candidate, clone, clone.problem) }
    return clone?.dir === undefined
      ? told
      : { ...told, found: finish({ ...candidate, dir: clone.dir, address }) }
  }
  return Promise.all(candidates.map((candidate) => limit(locate, candidate)))
}

/** Of what a forge lists some may be closed to us: nobody has asked for this very repository. */
function judgeFailure({ root, listed }: Candidate, { isRefused }: Clone, found: Problem): Problem {
  if (listed === undefined || isRefused !== true) return found
  return problem('repository-forbidden', { repository: root }, found.message)
}

/** A clone waits for the network, so that the number of processors says little. More at once, and sshd refuses some. */
const parallel = 8

/** Configured commits may lie on any branch. */
function neededBranches({ branches, defaultBranch, commits }: RepositorySettings): 'all' | readonly string[] {
  if (commits.length > 0) return 'all'
  return defaultBranch === undefined ? branches : [...branches, defaultBranch]
}

// Loaded when needed, as the matching of patterns is: most runs have neither.
async function openCloner(settings: Settings, env: Environment, signal?: AbortSignal): Promise<Cloner> {
  const clone = await import('./clone.ts')
  return clone.openCloner(settings, { env, ...(signal === undefined ? {} : { signal }) })
}

async function locateClone(
  candidate: Candidate,
  dir: string,
  finish: (found: Located) => Repository,
): Promise<Finding> {
  const location = await locateRepository(dir, { repository: candidate.root })
  if ('severity' in location) return { problem: location }
  const { originUrl } = location
  return { found: finish({ ...candidate, dir, ...(originUrl === undefined ? {} : { originUrl }) }) }
}

function complete(
  site: Settings,
  { root, dir, address, originUrl, settings, listed }: Located,
  sums: ReadonlyMap<string, readonly Sum[]>,
  roots: readonly string[],
): Repository {
  const clone = chooseClone(site, root, settings.clone, originUrl)
  const web = settings.web ?? (clone === undefined ? undefined : webOf(clone))
  const host = [web, clone].flatMap((text) => (text === undefined ? [] : (parseAddress(text)?.host ?? [])))
  const source = settings.source ?? host.map(forgeOf).find((forge) => forge !== undefined)
  const { subdir, directories, versions, defaultBranch, branches } = settings
  return {
    root: root as ModulePath, // It has passed checkRoot.
    dir,
    subdir,
    directories,
    branches,
    commits: chooseCommits(root, settings.commits, sums, roots),
    ...(address === undefined ? {} : { address }),
    ...(clone === undefined ? {} : { clone }),
    ...(web === undefined ? {} : { web }),
    ...(versions === undefined ? {} : { versions }),
    ...(defaultBranch === undefined ? {} : { defaultBranch }),
    ...(source === undefined ? {} : { source }),
    ...(listed === 'archived' ? { isArchived: true } : {}),
  }
}

/**
 * Returns the address to show: the configured one, else the origin of the user's clone as https, else what go
 * derives from the root, but on the site's own host, where there is no git. A local address counts as none.
 */
function chooseClone(
  { prefix }: Settings,
  root: string,
  configured: string | undefined,
  originUrl: string | undefined,
): string | undefined {
  const shown = configured === undefined ? undefined : shownAddress(configured)
  if (shown !== undefined) return shown
  const origin = originUrl === undefined ? undefined : httpsAddress(originUrl)
  if (origin !== undefined) return origin
  const isOwn = prefix !== undefined && root.split('/')[0] === prefix.split('/')[0]
  return isOwn ? undefined : derivedAddress(root)
}

/** A line of a go.sum file whose version is a pseudo-version. */
interface Sum {
  readonly module: string
  readonly version: string
}

/** Reads the go.sum files of the settings, by pattern. */
async function readSums({ base, repositories }: Settings): Promise<ReadonlyMap<string, readonly Sum[]>> {
  const patterns = repositories.flatMap(({ commits }) =>
    commits.flatMap((commit) => (typeof commit === 'string' ? [] : [commit.from])),
  )
  const entries = [...new Set(patterns)].map(async (pattern) => {
    const { default: fastGlob } = await import('fast-glob')
    const files = await fastGlob(pattern, { cwd: base, absolute: true, suppressErrors: true })
    const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')))
    return [pattern, texts.flatMap(parseSums)] as const
  })
  return new Map(await Promise.all(entries))
}

function parseSums(text: string): readonly Sum[] {
  return text.split('\n').flatMap((line) => {
    const [module = '', versionAndFile = '', hash = ''] = line.trim().split(/\s+/)
    const version = versionAndFile.replace(/\/go\.mod$/, '')
    return hash.startsWith('h1:') && isPseudoVersion(version) ? [{ module, version }] : []
  })
}

/** Returns the configured revisions as written, and those pseudo-versions in go.sum files that are this root's. */
function chooseCommits(
  root: string,
  commits: RepositorySettings['commits'],
  sums: ReadonlyMap<string, readonly Sum[]>,
  roots: readonly string[],
): readonly string[] {
  const owner = (module: string) =>
    roots
      .filter((each) => module === each || module.startsWith(`${each}/`))
      .reduce((best, each) => (each.length > best.length ? each : best), '')
  const chosen = commits.flatMap((commit) => {
    if (typeof commit === 'string') return [commit]
    const own = (sums.get(commit.from) ?? []).filter(({ module }) => owner(module) === root)
    return own.map(({ module, version }) => `${module}@${version}`).sort(compare)
  })
  return [...new Set(chosen)]
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
