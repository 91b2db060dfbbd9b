/**
 * Does "modpress init": looks at the directory, lets src/init decide and write,
 * and puts the files there. What is there already stays as it is.
 */

import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { httpsAddress, importPathOf, parseAddress } from '../config/address.ts'
import { findConfigFile, findTop } from '../config/file.ts'
import { inferRoot } from '../config/infer.ts'
import { loadSettings } from '../config/load.ts'
import { ownRepository, ownVersion } from '../config/package.ts'
import { checkRoot, holdsCredentials } from '../config/schema.ts'
import { locateRepository } from '../git/location.ts'
import { readRefs } from '../git/refs.ts'
import {
  type CiName,
  type Clone,
  chooseSetup,
  commonRoot,
  repositoryPath,
  type Surroundings,
  type Wishes,
} from '../init/choose.ts'
import { renderConfig } from '../init/config.ts'
import { githubFile, renderGithub } from '../init/github.ts'
import { gitlabFiles, renderGitlab } from '../init/gitlab.ts'
import { describeSteps } from '../init/steps.ts'
import { modulePathOf } from '../module/gomod.ts'
import { FatalError, problem } from '../problem.ts'
import type { Environment } from './terminal.ts'

export interface InitOptions extends Wishes {
  readonly cwd: string
  readonly env: Environment
  /** Addresses of repositories for a registry. */
  readonly repositories: readonly string[]
  /** The Action of modpress. @default the one of this release, or of the same owner */
  readonly action?: string
}

export interface InitResult {
  /** From the top, with "/". */
  readonly files: readonly { readonly path: string; readonly action: 'wrote' | 'kept' }[]
  readonly steps: readonly string[]
}

/** Writes a configuration and a job. Throws a FatalError where it is not clear which. */
export async function init(options: InitOptions): Promise<InitResult> {
  const top = (await findTop(options.cwd)) ?? options.cwd
  const found = await lookAround(top, options)
  const choices = chooseSetup(found, options)
  if ('severity' in choices) throw new FatalError(choices)

  const texts = new Map<string, string>()
  if (choices.shape !== 'notice') texts.set(found.configFile ?? 'modpress.config.yaml', renderConfig(choices))
  const more: { included?: string; action?: string } = {}
  if (choices.ci === 'github') {
    const action = options.action ?? releasedAction() ?? assumedAction(found.origin)
    if (options.action === undefined && releasedAction() === undefined && choices.shape !== 'notice')
      more.action = action
    texts.set(githubFile, renderGithub(choices, action))
  } else if (choices.ci === 'gitlab') {
    if (found.hasJobsOf.includes('gitlab')) more.included = gitlabFiles.beside
    texts.set(more.included ?? gitlabFiles.alone, renderGitlab(choices, ownVersion()))
  }
  const files: { path: string; action: 'wrote' | 'kept' }[] = []
  for (const [path, text] of texts) files.push({ path, action: await writeNew(join(top, path), text) })
  const wrote = files.filter(({ action }) => action === 'wrote').map(({ path }) => path)
  const steps = describeSteps({ choices, files: wrote, ...more })
  return { files, steps }
}

/** The Action of the release that runs. */
function releasedAction(): string | undefined {
  const repository = ownRepository()
  return repository === undefined ? undefined : `${repository}@${majorTag()}`
}

/** Without a release the Action can be a copy beside the user's own repository. */
function assumedAction(origin: string | undefined): string {
  const [owner] = origin === undefined ? [''] : repositoryPath(origin).split('/')
  return `${owner || 'OWNER'}/modpress@${majorTag()}`
}

function majorTag(): string {
  return `v${ownVersion().split('.')[0]}`
}

/** Never writes over a file, a link to one included. */
async function writeNew(file: string, text: string): Promise<'wrote' | 'kept'> {
  try {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text, { flag: 'wx' })
    return 'wrote'
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return 'kept'
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new FatalError(problem('output-unwritable', {}, `${file} cannot be written: ${reason}`), { cause })
  }
}

// ---- What is there ----

interface Found extends Surroundings {
  /** From the top. */
  readonly configFile?: string
}

async function lookAround(top: string, options: InitOptions): Promise<Found> {
  const location = await locateRepository(top)
  const repository = 'severity' in location ? undefined : location
  if (repository?.gitDir === top) {
    throw usage('This is a bare repository, which has no place for files.', 'Run it in a clone of it.')
  }
  const file = await findConfigFile(top, top)
  const settings =
    file === undefined ? undefined : await loadSettings({ ...options, cwd: top, configFile: file })
  const origin = repository?.originUrl === undefined ? undefined : httpsAddress(repository.originUrl)
  const root = options.repositories.length > 0 || repository === undefined ? undefined : await findRoot(top)
  const below = root === undefined && options.repositories.length === 0 ? await findClones(top) : []
  const named = options.repositories.map(readAddress)
  const branch = repository === undefined ? undefined : await findBranch(repository)
  return {
    clones: [...named, ...below.flatMap(({ clone }) => clone ?? [])],
    hasOthers: below.some(({ clone }) => clone === undefined),
    hasJobsOf: await findJobs(top),
    ...(root === undefined ? {} : { root }),
    ...(origin === undefined ? {} : { origin }),
    ...(branch === undefined ? {} : { branch }),
    ...(file === undefined ? {} : { configFile: relative(top, file) }),
    ...(settings === undefined
      ? {}
      : {
          configuration: {
            host: settings.host,
            access: settings.access,
            output: relative(top, settings.output).split(sep).join('/'),
            ...(settings.url === undefined ? {} : { url: settings.url }),
          },
        }),
  }
}

/** Returns the root import path of a clone that holds Go modules. */
async function findRoot(top: string): Promise<string | undefined> {
  const modules = await findModules(top)
  if (modules.length === 0) return undefined
  if (modules.some(({ dir }) => dir === '')) return inferRoot(top, 'auto')
  const common = commonRoot(modules)
  return common !== undefined && checkRoot(common) === undefined ? common : inferRoot(top, 'auto')
}

/** Finds the modules of a work tree that belong to it, in the order of their directories. */
async function findModules(top: string): Promise<readonly { readonly dir: string; readonly path: string }[]> {
  const { default: fastGlob } = await import('fast-glob')
  const ignore = ['**/vendor/**', '**/testdata/**', '**/node_modules/**']
  const files = await fastGlob('**/go.mod', {
    cwd: top,
    ignore,
    suppressErrors: true,
    followSymbolicLinks: false,
  })
  const modules = await Promise.all(
    files.sort().map(async (file) => {
      const isOwn = (await findTop(dirname(join(top, file)))) === top
      const path = isOwn ? modulePathOf(await readFile(join(top, file))) : ''
      return path ? [{ dir: dirname(file).replace(/^\.$/, ''), path }] : []
    }),
  )
  return modules.flat()
}

/** Finds the clones in a directory; those without a Go module have none of their own here. */
async function findClones(top: string): Promise<readonly { readonly clone?: Clone }[]> {
  const entries = await readdir(top, { withFileTypes: true })
  const names = entries
    .filter((each) => each.isDirectory() && !each.name.startsWith('.'))
    .map(({ name }) => name)
  const found = await Promise.all(
    names.sort().map(async (name) => {
      const dir = join(top, name)
      if ((await findTop(dir)) !== dir) return []
      const location = await locateRepository(dir)
      if ('severity' in location) return [{}]
      const isBare = location.gitDir === dir
      const root = isBare ? await inferRoot(dir, 'auto').catch(() => undefined) : await findRoot(dir)
      if (root === undefined) return [{}]
      const address = location.originUrl === undefined ? undefined : httpsAddress(location.originUrl)
      return [{ clone: { root, dir: `./${name}`, ...(address === undefined ? {} : { address }) } }]
    }),
  )
  return found.flat()
}

function readAddress(text: string): Clone {
  const address = parseAddress(text)
  const root = importPathOf(text)
  const isSecret = holdsCredentials(text)
  if (root === undefined || isSecret) {
    const hint =
      'Write it as https://git.example.com/acme/billing.git or git@git.example.com:acme/billing.git.'
    throw usage(isSecret ? 'An address holds credentials.' : `${text} is no address of a repository.`, hint)
  }
  const reason = checkRoot(root)
  // A job has no key for ssh, but can have a token.
  const clone = address?.scheme === 'ssh' ? httpsAddress(text) : text
  if (reason === undefined) return { root, address: clone ?? text }
  throw usage(
    `The address ${text} gives the import path ${root}, which go does not allow: ${reason}.`,
    'Write the configuration by hand.',
  )
}

async function findBranch(location: Parameters<typeof readRefs>[0]): Promise<string | undefined> {
  const { defaultHead, headSymbolic } = await readRefs(location, {})
  return (defaultHead ?? headSymbolic)?.replace(/^refs\/heads\//, '')
}

async function findJobs(top: string): Promise<readonly CiName[]> {
  const places = { github: '.github/workflows', gitlab: gitlabFiles.alone } as const
  const found = await Promise.all(
    (['github', 'gitlab'] as const).map(async (name) =>
      (await exists(join(top, places[name]))) ? [name] : [],
    ),
  )
  return found.flat()
}

function exists(path: string): Promise<boolean> {
  return access(resolve(path)).then(
    () => true,
    () => false,
  )
}

function usage(message: string, hint: string): FatalError {
  return new FatalError(problem('usage', {}, message, hint))
}
