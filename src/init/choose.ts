/**
 * Decides what "modpress init" writes: from what is in the directory, and from
 * the flags, which win. It asks nothing. Without --host it never chooses a host
 * that anyone can read.
 *
 * Three shapes there are: a module's repository that publishes itself, a
 * registry's repository whose job presses those of all modules, and a module's
 * repository that only tells the registry's of a tag.
 *
 * Pure.
 */

import { forgeOf, parseAddress } from '../config/address.ts'
import { hostPresets } from '../hosts/presets.ts'
import type { HostName } from '../model.ts'
import { type Problem, problem } from '../problem.ts'

/** CI systems that jobs are written for. */
export type CiName = 'github' | 'gitlab'

/** What is in the directory where init runs. */
export interface Surroundings {
  /** The import path of the repository's root; absent where there is no Go module. */
  readonly root?: string
  /** Repositories below the directory, or whose addresses were given. */
  readonly clones: readonly Clone[]
  /** Whether there are clones beside them that hold no Go module. */
  readonly hasOthers: boolean
  /** The address of "origin", as https without credentials. */
  readonly origin?: string
  /** The name of the default branch, as far as the clone says it. */
  readonly branch?: string
  /** Jobs that are there already say which CI system is used. */
  readonly hasJobsOf: readonly CiName[]
  /** The configuration that is there already; it stays as it is. */
  readonly configuration?: Configuration & { readonly clones: readonly Clone[] }
}

export interface Clone {
  readonly root: string
  /** From the directory of the configuration, with "/". */
  readonly dir?: string
  /** Where CI can clone it from. */
  readonly address?: string
}

export interface Configuration {
  readonly host: HostName
  readonly access: 'private' | 'public'
  readonly output: string
  readonly url?: string
}

/** The flags. */
export interface Wishes {
  readonly host?: HostName
  readonly ci?: CiName
  /** Where a job publishes to: a bucket, or a directory that all jobs share. */
  readonly target?: string
  readonly url?: string
  /** The registry's repository on the forge, which is told of tags. */
  readonly registry?: string
}

/** How a site reaches its readers: into a bucket, by a Pages host, or by whoever fetches it from the job. */
export type Delivery = 'bucket' | 'pages' | 'artifact'

export interface Choices extends Configuration {
  readonly shape: 'module' | 'registry' | 'notice'
  readonly ci?: CiName
  readonly delivery: Delivery
  readonly target?: string
  readonly registry?: string
  readonly branch: string
  readonly origin?: string
  readonly repositories: readonly Clone[]
  readonly hasOthers: boolean
}

/** Returns what to write, or why nothing is. */
export function chooseSetup(found: Surroundings, wishes: Wishes): Choices | Problem {
  const ci = chooseCi(found, wishes)
  const host =
    wishes.host ?? found.configuration?.host ?? (wishes.target?.startsWith('s3:') ? 's3' : 'generic')
  const shape = chooseShape(found, wishes)
  const refusal =
    checkHost(host, ci, found, wishes) ?? checkNotice(ci, wishes) ?? checkRepositories(shape, found)
  if (refusal !== undefined) return refusal

  const url = wishes.url ?? found.configuration?.url ?? pagesUrl(host, found.origin)
  const delivery = wishes.target !== undefined ? 'bucket' : isPages(host) ? 'pages' : 'artifact'
  if (host === 'github-pages' && url === undefined) {
    return usage('The address of the Pages site is not known.', 'Give it with --url.')
  }
  return {
    shape,
    delivery,
    host,
    access: found.configuration?.access ?? (hostPresets[host].readers === 'anyone' ? 'public' : 'private'),
    output: found.configuration?.output ?? (host === 'gitlab-pages' ? 'public' : 'site'),
    branch: found.branch ?? 'main',
    repositories: shape === 'registry' ? clonesOf(found) : [{ root: found.root ?? '', dir: '.' }],
    hasOthers: found.hasOthers,
    ...(ci === undefined ? {} : { ci }),
    ...(url === undefined ? {} : { url }),
    ...(found.origin === undefined ? {} : { origin: found.origin }),
    ...(wishes.target === undefined ? {} : { target: wishes.target }),
    ...(wishes.registry === undefined ? {} : { registry: wishes.registry }),
  }
}

function chooseShape(found: Surroundings, { registry }: Wishes): Choices['shape'] {
  if (registry !== undefined) return 'notice'
  // Who has configured other repositories wants all of them.
  const isConfigured = (found.configuration?.clones ?? []).length > 0
  return found.root === undefined || isConfigured ? 'registry' : 'module'
}

function clonesOf({ clones, configuration }: Surroundings): readonly Clone[] {
  return configuration?.clones ?? clones
}

function isPages(host: HostName): boolean {
  return host === 'github-pages' || host === 'gitlab-pages'
}

/** The CI system that a Pages host belongs to. */
const ciOfHost: Readonly<Partial<Record<HostName, CiName>>> = {
  'github-pages': 'github',
  'gitlab-pages': 'gitlab',
}

function chooseCi(found: Surroundings, { ci, host }: Wishes): CiName | undefined {
  if (ci !== undefined) return ci
  const name = found.origin === undefined ? undefined : parseAddress(found.origin)?.host
  const forge = name === undefined ? undefined : forgeOf(name)
  const byForge = forge === 'github' || forge === 'gitlab' ? forge : undefined
  const wished = host ?? found.configuration?.host
  return byForge ?? (wished === undefined ? undefined : ciOfHost[wished]) ?? found.hasJobsOf[0]
}

function checkHost(
  host: HostName,
  ci: CiName | undefined,
  { configuration }: Surroundings,
  wishes: Wishes,
): Problem | undefined {
  const { title, readers } = hostPresets[host]
  const own = ciOfHost[host]
  if (configuration !== undefined && configuration.host !== host) {
    const hint = 'Leave --host out, or change the configuration.'
    return usage(`The configuration that is there says host: ${configuration.host}.`, hint)
  }
  if (own !== undefined && ci !== own) {
    return usage(`${title} is deployed by jobs of ${own} alone.`, `Choose another --host, or --ci ${own}.`)
  }
  if (wishes.target !== undefined && (own !== undefined || readers === 'anyone')) {
    return usage(`A site on ${title} is deployed as a whole, and has no target.`, 'Leave --target out.')
  }
  if ((host === 's3' || host === 'cloudfront') && wishes.target === undefined) {
    return usage(`${title} needs a bucket.`, 'Give it with --target s3://BUCKET.')
  }
  return undefined
}

function checkNotice(ci: CiName | undefined, { registry, host, target, url }: Wishes): Problem | undefined {
  if (registry === undefined) return undefined
  if (host !== undefined || target !== undefined || url !== undefined) {
    const message =
      'With --registry nothing is published from here, so that it goes with no host, target or url.'
    return usage(message, "Give those in the registry's own repository.")
  }
  const pattern = ci === 'github' ? /^[\w.-]+\/[\w.-]+$/ : /^[\w.-]+(?:\/[\w.-]+)+$/
  if (!pattern.test(registry)) {
    return usage(
      'The registry is no repository of the forge.',
      'Write it as on the forge: --registry acme/registry.',
    )
  }
  return ci === undefined
    ? usage('It is not known whose CI runs here.', 'Say --ci github or --ci gitlab.')
    : undefined
}

function checkRepositories(
  shape: Choices['shape'],
  { clones, configuration }: Surroundings,
): Problem | undefined {
  if (shape !== 'registry' || clones.length > 0 || configuration !== undefined) return undefined
  return usage(
    'There is neither a go.mod here, nor a clone of a repository below.',
    'Run it in a clone of a Go module or in a directory of clones, or name repositories: modpress init https://git.example.com/acme/billing.git',
  )
}

/** GitHub's own addresses of Pages. A server of one's own has others, which no rule tells. */
function pagesUrl(host: HostName, origin: string | undefined): string | undefined {
  if (host !== 'github-pages' || origin === undefined) return undefined
  const address = parseAddress(origin)
  const [owner = '', name = ''] = repositoryPath(origin).split('/')
  if (address?.host !== 'github.com' || name === '') return undefined
  const site = `${owner.toLowerCase()}.github.io`
  return name.toLowerCase() === site ? `https://${site}` : `https://${site}/${name}`
}

/** Returns the path of a repository on its forge: "acme/billing". */
export function repositoryPath(address: string): string {
  const path = parseAddress(address)?.path ?? ''
  return path.replace(/^\/+|\/+$/g, '').replace(/\.git$/, '')
}

/**
 * Returns the root import path of a repository that has modules in directories alone, where they agree: the one in
 * "tools" is ROOT/tools.
 */
export function commonRoot(
  modules: readonly { readonly dir: string; readonly path: string }[],
): string | undefined {
  const roots = modules.map(({ dir, path }) => {
    const end = `/${dir}`
    const plain = path.endsWith(end) ? path : path.replace(/\/v\d+$/, '')
    return plain.endsWith(end) ? plain.slice(0, -end.length) : undefined
  })
  const [first] = roots
  return roots.every((root) => root === first) ? first : undefined
}

function usage(message: string, hint: string): Problem {
  return problem('usage', {}, message, hint)
}
