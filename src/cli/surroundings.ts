/**
 * Looks at the directory where "modpress init" runs: the repository that it is
 * in, its Go modules, clones below it, the configuration and jobs that are
 * there already. Nothing is written, and no address is asked.
 */

import { access, readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { derivedAddress, httpsAddress, importPathOf, parseAddress } from '../config/address.ts'
import { findConfigFile, findTop } from '../config/file.ts'
import { inferRoot } from '../config/infer.ts'
import { loadSettings } from '../config/load.ts'
import { checkRoot, holdsCredentials } from '../config/schema.ts'
import { locateRepository } from '../git/location.ts'
import { readRefs } from '../git/refs.ts'
import { type CiName, type Clone, commonRoot, type Surroundings } from '../init/choose.ts'
import { gitlabFiles } from '../init/gitlab.ts'
import { modulePathOf } from '../module/gomod.ts'
import { FatalError, problem } from '../problem.ts'
import type { Environment } from './terminal.ts'

export interface LookOptions {
  readonly env: Environment
  /** Addresses of repositories for a registry. */
  readonly repositories: readonly string[]
}

/** What is there, and where the configuration lies. */
export interface Found extends Surroundings {
  /** From the top. */
  readonly configFile?: string
}

/** Looks at the directory, and at the addresses that are given. Throws a FatalError for one that is none. */
export async function lookAround(top: string, options: LookOptions): Promise<Found> {
  const location = await locateRepository(top)
  const repository = 'severity' in location ? undefined : location
  if (repository?.gitDir === top) {
    throw usage('This is a bare repository, which has no place for files.', 'Run it in a clone of it.')
  }
  const file = await findConfigFile(top, top)
  const settings =
    file === undefined ? undefined : await loadSettings({ env: options.env, cwd: top, configFile: file })
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
            clones: settings.repositories.flatMap(({ root: each, dir, clone, forge }) =>
              dir === undefined
                ? {
                    root: each,
                    address: clone ?? (forge && `${forge.web}/${forge.owner}`) ?? derivedAddress(each),
                  }
                : [],
            ),
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
  return access(path).then(
    () => true,
    () => false,
  )
}

function usage(message: string, hint: string): FatalError {
  return new FatalError(problem('usage', {}, message, hint))
}
