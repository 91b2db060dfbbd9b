/**
 * The keys by which an entry of `repositories` stands for all repositories of
 * someone on a forge: a GitHub organisation or user, a GitLab group, an owner
 * on Gitea or Forgejo. The three have the same filters, and come out as one
 * kind of settings, with the address of the API worked out.
 *
 * Pure.
 */

import * as z from 'zod/mini'
import { isLoopback, parseAddress } from './address.ts'

/** Which of the repositories are taken. */
export interface ForgeFilters {
  readonly include?: readonly string[] | undefined
  readonly exclude?: readonly string[] | undefined
  readonly topics?: readonly string[] | undefined
  readonly forks?: boolean | undefined
  readonly archived?: 'include' | 'exclude' | undefined
}

export interface GithubConfig extends ForgeFilters {
  readonly org?: string | undefined
  readonly user?: string | undefined
  readonly url?: string | undefined
}

export interface GitlabConfig extends ForgeFilters {
  readonly group: string
  readonly url?: string | undefined
  readonly subgroups?: boolean | undefined
}

export interface GiteaConfig extends ForgeFilters {
  readonly owner: string
  readonly url: string
}

/** At most one of them. */
export interface ForgeConfig {
  readonly github?: GithubConfig | undefined
  readonly gitlab?: GitlabConfig | undefined
  readonly gitea?: GiteaConfig | undefined
}

/** Whose repositories are taken, where they are asked for, and which of them are wanted. */
export interface ForgeSettings {
  readonly kind: keyof ForgeConfig
  readonly ownerKind: 'organization' | 'user' | 'group' | 'any'
  readonly owner: string
  /** Where people read, without a slash at its end: tokens are those of its host. */
  readonly web: string
  /** Where programs ask, without a slash at its end. */
  readonly api: string
  readonly subgroups: 'include' | 'exclude'
  readonly forks: 'include' | 'exclude'
  readonly archived: 'include' | 'exclude'
  readonly include?: readonly string[]
  readonly exclude?: readonly string[]
  readonly topics?: readonly string[]
}

const pathPattern = z
  .string()
  .check(
    z.minLength(1, 'must not be empty'),
    z.describe('A glob pattern of paths below the owner, such as "libs/**".'),
  )

const topic = z.string().check(z.minLength(1, 'must not be empty'))

const filters = {
  include: z
    .optional(z.array(pathPattern))
    .check(z.describe('Only repositories whose path below the owner matches.')),
  exclude: z
    .optional(z.array(pathPattern))
    .check(z.describe('No repository whose path below the owner matches.')),
  topics: z
    .optional(
      z.array(topic).check(z.minLength(1, 'must name a topic; leave the key out for all repositories')),
    )
    .check(z.describe('Only repositories that have one of these topics.')),
  forks: z._default(z.boolean(), false).check(z.describe('Whether forks are taken, too.')),
  archived: z
    ._default(z.enum(['include', 'exclude']), 'include')
    .check(z.describe('Whether archived repositories are taken. Their pages say that they are archived.')),
} satisfies Record<keyof ForgeFilters, z.ZodMiniType>

const login = z
  .string()
  .check(z.regex(/^[a-z\d_][\w.-]*$/i, 'must be the name as it is in the address, such as acme'))

function apiAddress(about: string): z.ZodMiniString<string> {
  return z.string().check(
    z.refine((text) => isApiAddress(text), 'must be an https address without user, query and fragment'),
    z.describe(about),
  )
}

const forgeKeys = {
  github: {
    org: z.optional(login.check(z.describe('An organisation. Either this or "user".'))),
    user: z.optional(login.check(z.describe('A person. Either this or "org".'))),
    url: z.optional(
      apiAddress('The address of GitHub Enterprise, or of its API. Default: https://github.com.'),
    ),
    ...filters,
  } satisfies Record<keyof GithubConfig, z.ZodMiniType>,
  gitlab: {
    group: z
      .string()
      .check(
        z.regex(
          /^[a-z\d_][\w.-]*(\/[a-z\d_][\w.-]*)*$/i,
          'must be the path of a group, such as acme or acme/libs',
        ),
        z.regex(/\D/, 'must be the path of a group, and not its number'),
        z.describe('The path of a group.'),
      ),
    url: z.optional(apiAddress('The address of the GitLab server. Default: https://gitlab.com.')),
    subgroups: z
      ._default(z.boolean(), true)
      .check(z.describe('Whether projects of the groups in the group are taken, too.')),
    ...filters,
  } satisfies Record<keyof GitlabConfig, z.ZodMiniType>,
  gitea: {
    owner: login.check(z.describe('An organisation or a person.')),
    url: apiAddress('The address of the Gitea or Forgejo server.'),
    ...filters,
  } satisfies Record<keyof GiteaConfig, z.ZodMiniType>,
}

/** The keys of each forge, for what is suggested in place of a misspelt one. */
export const forgeKeyNames: Readonly<Record<keyof ForgeConfig, readonly string[]>> = {
  github: Object.keys(forgeKeys.github),
  gitlab: Object.keys(forgeKeys.gitlab),
  gitea: Object.keys(forgeKeys.gitea),
}

type ForgeSchemas = {
  readonly [Key in keyof ForgeConfig]-?: z.ZodMiniOptional<
    z.ZodMiniType<NonNullable<ForgeConfig[Key]>, NonNullable<ForgeConfig[Key]>>
  >
}

const githubOwner = z
  .strictObject(forgeKeys.github)
  .check(
    z.refine(
      ({ org, user }) => (org === undefined) !== (user === undefined),
      'must have either "org" or "user"',
    ),
  )

/** The schemas of the keys of `repositories`. */
export const forgeSchemas: ForgeSchemas = {
  github: z
    .optional(githubOwner)
    .check(z.describe('All repositories of a GitHub organisation or user: see docs/discovery.md.')),
  gitlab: z
    .optional(z.strictObject(forgeKeys.gitlab))
    .check(z.describe('All projects of a GitLab group: see docs/discovery.md.')),
  gitea: z
    .optional(z.strictObject(forgeKeys.gitea))
    .check(z.describe('All repositories of an owner on Gitea or Forgejo: see docs/discovery.md.')),
}

function isApiAddress(text: string): boolean {
  const address = parseAddress(text)
  if (address === undefined || address.user !== undefined || /[?#]/.test(text) || !URL.canParse(text))
    return false
  return address.scheme === 'https' || (address.scheme === 'http' && isLoopback(address.host))
}

/** Returns the settings of an entry's forge; undefined where it has none. */
export function completeForge({ github, gitlab, gitea }: ForgeConfig): ForgeSettings | undefined {
  if (github !== undefined) {
    const { org, user, url } = github
    const ownerKind = org === undefined ? 'user' : 'organization'
    return { kind: 'github', ownerKind, owner: org ?? user ?? '', ...githubAddresses(url), ...shared(github) }
  }
  if (gitlab !== undefined) {
    const { group, url = 'https://gitlab.com', subgroups = true } = gitlab
    const addresses = withApi(url, '/api/v4')
    const below = subgroups ? 'include' : 'exclude'
    return {
      kind: 'gitlab',
      ownerKind: 'group',
      owner: group,
      ...addresses,
      ...shared(gitlab),
      subgroups: below,
    }
  }
  if (gitea === undefined) return undefined
  return {
    kind: 'gitea',
    ownerKind: 'any',
    owner: gitea.owner,
    ...withApi(gitea.url, '/api/v1'),
    ...shared(gitea),
  }
}

function shared(config: ForgeFilters): Pick<ForgeSettings, 'subgroups' | keyof ForgeFilters> {
  const { include, exclude, topics, forks = false, archived = 'include' } = config
  return {
    subgroups: 'include',
    forks: forks ? 'include' : 'exclude',
    archived,
    ...(include === undefined ? {} : { include }),
    ...(exclude === undefined ? {} : { exclude }),
    ...(topics === undefined ? {} : { topics }),
  }
}

type Addresses = Pick<ForgeSettings, 'web' | 'api'>

/** Takes the address of a server as well as that of its API. */
function withApi(url: string, path: string): Addresses {
  const trimmed = url.replace(/\/+$/, '')
  const web = trimmed.endsWith(path) ? trimmed.slice(0, -path.length) : trimmed
  return { web, api: `${web}${path}` }
}

/** GitHub's own hosts have the API on a name of its own, an Enterprise Server below a path. */
function githubAddresses(url = 'https://github.com'): Addresses {
  const host = new URL(url).host.replace(/^(api|www)\./, '')
  if (host === 'github.com' || host.endsWith('.ghe.com'))
    return { web: `https://${host}`, api: `https://api.${host}` }
  return withApi(url, '/api/v3')
}
