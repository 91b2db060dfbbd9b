/**
 * Finds and loads the configuration, and applies flags over keys over the
 * environment. What comes out is complete and has absolute paths, so that
 * nothing below it asks where it runs.
 *
 * Without a configuration the clone that holds the current directory is the
 * one repository: in CI and on a laptop, `modpress build` does the right thing.
 */

import { readFile } from 'node:fs/promises'
import { availableParallelism, homedir } from 'node:os'
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { FatalError, problem } from '../problem.ts'
import { derivedAddress, parseAddress } from './address.ts'
import { findConfigFile, findTop, readConfigFile } from './file.ts'
import { completeForge } from './forge.ts'
import {
  type Config,
  findGlob,
  type ParsedConfig,
  parseConfig,
  parseSiteUrl,
  type RepositoryConfig,
  type RepositoryPart,
  type RepositorySettings,
  type Settings,
  siteKeys,
} from './schema.ts'

export interface LoadOptions {
  /** Where the command runs: the search starts here, and paths in flags are relative to it. */
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** A configuration that the caller holds. Its paths are relative to `cwd`. @default what is in the file */
  readonly config?: Config
  /** @default the modpress.config file of `cwd` or of a directory above it in the same clone */
  readonly configFile?: string
  /** @default the key `output` */
  readonly output?: string
  /** @default the key `url`, else MODPRESS_URL, else CI_PAGES_URL */
  readonly url?: string
  /** @default the number of processors */
  readonly jobs?: number
  /** Which part of the repositories the run is about. @default all of them */
  readonly part?: RepositoryPart
}

/** Returns the settings of a run. Throws a FatalError where the configuration is missing or not valid. */
export async function loadSettings(options: LoadOptions): Promise<Settings> {
  const { cwd, env } = options
  const found = await findConfig(options)
  const parsed = parseConfig(
    found.data,
    found.configFile === undefined ? undefined : relativeTo(cwd, found.configFile),
  )
  if ('severity' in parsed) throw new FatalError(parsed)

  const home = env['HOME'] || homedir()
  const absolute = (path: string) => resolve(found.base, expandHome(path, home))
  const site = chooseUrl(options, parsed)
  const ciDefaultBranch = await readCiDefaultBranch(env)
  const repositories = parsed.repositories?.map((repository) => completeRepository(repository, absolute))
  const settings: Settings = {
    base: found.base,
    output: options.output === undefined ? absolute(parsed.output) : resolve(cwd, options.output),
    access: parsed.access,
    host: parsed.host,
    gatekeeper: parsed.gatekeeper,
    prefixes: parsed.prefixes,
    given: siteKeys.filter((key) => Object.hasOwn(Object(found.data), key)),
    git: parsed.git,
    origin: parsed.origin,
    cache: parsed.cache === undefined ? defaultCache(env, home) : absolute(parsed.cache),
    maxGo: parsed.maxGo,
    memory: parsed.memory,
    repositories: repositories ?? [await inferRepository(found.base, parsed.git)],
    accept: parsed.accept,
    jobs: options.jobs ?? availableParallelism(),
    ...(options.part === undefined ? {} : { part: options.part }),
    ...(found.configFile === undefined ? {} : { configFile: found.configFile }),
    ...site,
    ...(ciDefaultBranch === undefined ? {} : { ciDefaultBranch }),
  }
  checkAddresses(settings)
  return Object.freeze(settings)
}

/** Returns what the configuration accepts: nothing where there is none. What is not about repositories needs no more. */
export async function loadAccepted({
  cwd,
  configFile,
}: Pick<LoadOptions, 'cwd' | 'configFile'>): Promise<Settings['accept']> {
  const top = await findTop(cwd)
  const file = configFile === undefined ? await findConfigFile(cwd, top) : resolve(cwd, configFile)
  if (file === undefined) return []
  const parsed = parseConfig(await readConfigFile(file), relativeTo(cwd, file))
  if ('severity' in parsed) throw new FatalError(parsed)
  return parsed.accept
}

interface FoundConfig {
  readonly data: unknown
  readonly base: string
  readonly configFile?: string
}

async function findConfig({ cwd, config, configFile }: LoadOptions): Promise<FoundConfig> {
  if (config !== undefined) return { data: config, base: cwd }
  const top = await findTop(cwd)
  const file = configFile === undefined ? await findConfigFile(cwd, top) : resolve(cwd, configFile)
  if (file !== undefined) return { data: await readConfigFile(file), base: dirname(file), configFile: file }
  if (top !== undefined) return { data: {}, base: top }
  const message = `There is no modpress.config file in ${cwd}, and it is not in a git repository.`
  throw new FatalError(problem('config-missing', {}, message))
}

function chooseUrl({ url, env }: LoadOptions, parsed: ParsedConfig): Pick<Settings, 'url' | 'prefix'> {
  const candidates = [
    ['--url', url],
    ['url', parsed.url],
    ['MODPRESS_URL', env['MODPRESS_URL']],
    ['CI_PAGES_URL', env['CI_PAGES_URL']],
  ] as const
  const [name, text] = candidates.find(([, value]) => value !== undefined && value !== '') ?? []
  if (name === undefined || text === undefined) return {}
  const site = parseSiteUrl(text)
  if (site !== undefined) return site
  const message = `The site's address in ${name} must be an http or https address without user, query and fragment.`
  throw new FatalError(problem('config-invalid', {}, message))
}

function completeRepository(
  { root, subdir, directories, branches, commits, dir, github, gitlab, gitea, ...rest }: RepositoryConfig,
  absolute: (path: string) => string,
): RepositorySettings {
  const { include, exclude } = directories ?? {}
  const forge = completeForge({ github, gitlab, gitea })
  return {
    root,
    subdir: subdir ?? '',
    directories: {
      ...(include === undefined ? {} : { include }),
      ...(exclude === undefined ? {} : { exclude }),
    },
    branches: branches ?? [],
    commits: commits ?? [],
    ...(dir === undefined ? {} : splitGlob(dir, absolute)),
    ...(forge === undefined ? {} : { forge }),
    ...withoutUndefined(rest),
  }
}

/** Splits a pattern into the directory that is fixed and what varies below it. */
function splitGlob(
  dir: string,
  absolute: (path: string) => string,
): Pick<RepositorySettings, 'dir' | 'glob'> {
  const path = sep === '\\' ? dir.replaceAll('\\', '/') : dir
  const start = findGlob(path)
  if (start < 0) return { dir: absolute(dir) }
  const cut = path.lastIndexOf('/', start) + 1
  const glob = path.slice(cut).replace(/\/+$/, '')
  return { dir: absolute(path.slice(0, cut)), glob }
}

type Defined<T> = { readonly [K in keyof T]: Exclude<T[K], undefined> }

function withoutUndefined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Defined<T>
}

/** The clone that holds the current directory, as the one repository. */
async function inferRepository(top: string, git: Settings['git']): Promise<RepositorySettings> {
  const { inferRoot } = await import('./infer.ts')
  const root = await inferRoot(top, git)
  return { root, dir: top, subdir: '', directories: {}, branches: [], commits: [] }
}

/** What is neither on disk nor at an address cannot be pressed; on the site's own host there is no git to ask. */
function checkAddresses({ repositories, prefix }: Settings): void {
  for (const { root, dir, clone, forge } of repositories) {
    if (dir !== undefined || clone !== undefined || forge !== undefined) continue
    const host = parseAddress(derivedAddress(root))?.host
    if (host === undefined || host !== prefix?.split('/')[0]) continue
    const message = `The repository ${root} has neither "dir" nor "clone", and ${host} is the site itself.`
    throw new FatalError(problem('config-invalid', { repository: root }, message))
  }
}

/** Names the default branch of the project that a CI job runs for. */
async function readCiDefaultBranch(env: LoadOptions['env']): Promise<string | undefined> {
  const branch = env['CI_DEFAULT_BRANCH'] || (await readGithubEvent(env['GITHUB_EVENT_PATH']))
  return branch === undefined || branch.startsWith('-') ? undefined : branch
}

async function readGithubEvent(path: string | undefined): Promise<string | undefined> {
  if (path === undefined || path === '') return undefined
  try {
    const event: { repository?: { default_branch?: unknown } | null } | null = JSON.parse(
      await readFile(path, 'utf8'),
    )
    const branch = event?.repository?.default_branch
    return typeof branch === 'string' && branch !== '' ? branch : undefined
  } catch {
    return undefined // A job without the file is as good as one elsewhere.
  }
}

function defaultCache(env: LoadOptions['env'], home: string): string {
  const base = env['XDG_CACHE_HOME']
  // The XDG specification says to pass over a relative one.
  return join(base !== undefined && isAbsolute(base) ? base : join(home, '.cache'), 'modpress')
}

function expandHome(path: string, home: string): string {
  return path === '~' || path.startsWith('~/') ? join(home, path.slice(1)) : path
}

function relativeTo(cwd: string, file: string): string {
  const path = relative(cwd, file)
  return path.startsWith('..') ? file : path
}
