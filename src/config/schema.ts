/**
 * The configuration: the one description of its keys, defaults and rules.
 * The checks at run time, the JSON Schema for editors and the reference page
 * are made from it. `Config` is what people write; `Settings` is what the
 * rest of the program reads: complete, with absolute paths.
 *
 * Every object is strict, so that a misspelt key is an error and not a wish
 * that nobody hears. Only lasting choices have a key.
 *
 * Pure. Longer than other files, as it is a table.
 */

import * as z from 'zod/mini'
import { checkHosting } from '../hosts/hosting.ts'
import { type ForgeName, type HostName, hostNames, type SourceTemplate } from '../model.ts'
import { checkModulePath } from '../module/path.ts'
import { parseVersionRange } from '../module/version.ts'
import { isProblemCode, type Problem, problem } from '../problem.ts'
import { parseAddress } from './address.ts'
import { type ForgeConfig, type ForgeSettings, forgeKeyNames, forgeSchemas } from './forge.ts'
import { fillTemplate, isTemplate } from './template.ts'

/** The keys that say what a site is, and not what is in it. Its own `-/site.json` says them, too. */
export const siteKeys = ['access', 'host', 'gatekeeper', 'prefixes'] as const
export type SiteKey = (typeof siteKeys)[number]

/** A problem that the team has looked at and lives with. */
export interface Acceptance {
  /** The module path; the root of the repository where the problem has no module; else the site, as its host and path. */
  readonly module: string
  /** The version or tag. Absent: where the problem has none. */
  readonly version?: string | undefined
  readonly code: string
  readonly reason: string
}

/** One entry of `repositories`: a repository, or with a glob in `dir` or an owner on a forge many. */
export interface RepositoryConfig extends ForgeConfig {
  readonly root: string
  readonly clone?: string | undefined
  readonly web?: string | undefined
  readonly dir?: string | undefined
  readonly subdir?: string | undefined
  readonly directories?:
    | { readonly include?: readonly string[] | undefined; readonly exclude?: readonly string[] | undefined }
    | undefined
  readonly versions?: string | undefined
  readonly defaultBranch?: string | undefined
  readonly branches?: readonly string[] | undefined
  readonly commits?: readonly (string | { readonly from: string })[] | undefined
  readonly source?: ForgeName | SourceTemplate | undefined
}

/** What a configuration file holds. */
export interface Config {
  readonly url?: string | undefined
  readonly output?: string | undefined
  readonly access?: 'private' | 'public' | undefined
  readonly host?: HostName | undefined
  readonly gatekeeper?: boolean | undefined
  readonly prefixes?: readonly string[] | undefined
  readonly git?: 'auto' | 'native' | 'isomorphic' | undefined
  readonly origin?: boolean | undefined
  readonly cache?: string | undefined
  readonly maxGo?: string | undefined
  readonly memory?: number | undefined
  readonly repositories?: readonly RepositoryConfig[] | undefined
  readonly accept?: readonly Acceptance[] | undefined
}

/** A configuration that has passed the checks, with its defaults filled in. Paths are as written. */
export type ParsedConfig = Config & {
  readonly [Key in Exclude<keyof Config, 'url' | 'cache' | 'repositories'>]-?: Exclude<Config[Key], undefined>
}

/** One entry of `repositories`, complete. */
export interface RepositorySettings {
  /** An import path; with `glob` or `forge` it may hold "{name}" and "{path}", as may `clone` and `web`. */
  readonly root: string
  /** Absolute: the repository, or with `glob` the directory below which the repositories lie. */
  readonly dir?: string
  /** A pattern below `dir`, with "/" between elements. */
  readonly glob?: string
  readonly clone?: string
  readonly web?: string
  readonly subdir: string
  readonly directories: { readonly include?: readonly string[]; readonly exclude?: readonly string[] }
  readonly versions?: string
  readonly defaultBranch?: string
  readonly branches: readonly string[]
  /** Revisions, pseudo-versions, and globs of go.sum files, which are relative to the settings' `base`. */
  readonly commits: readonly (string | { readonly from: string })[]
  readonly source?: ForgeName | SourceTemplate
  /** Whose repositories the entry is about; absent: it names them itself. */
  readonly forge?: ForgeSettings
}

/** One of several parts of the repositories, which other runs do. */
export interface RepositoryPart {
  /** From 1 on. */
  readonly number: number
  readonly of: number
}

/** All choices of a run, complete. Paths are absolute. */
export interface Settings {
  /** Absent where there is none. */
  readonly configFile?: string
  /** The directory that the relative paths of the configuration start from. */
  readonly base: string
  /** Without a slash at its end. */
  readonly url?: string
  /** Host and path of `url`: the import path that the site's own modules begin with. */
  readonly prefix?: string
  readonly output: string
  readonly access: 'private' | 'public'
  readonly host: HostName
  /** Whether the host answers for unknown modules below the own prefixes, so that nobody else is asked. */
  readonly gatekeeper: boolean
  /** The own prefixes as configured; none: see prefixes.ts. */
  readonly prefixes: readonly string[]
  /** The site keys that the configuration has; the others are taken from a site that others write, too. */
  readonly given: readonly SiteKey[]
  readonly git: 'auto' | 'native' | 'isomorphic'
  readonly origin: boolean
  readonly cache: string
  readonly maxGo: string
  /** For contents, in MiB. */
  readonly memory: number
  readonly repositories: readonly RepositorySettings[]
  readonly accept: readonly Acceptance[]
  /** How many repositories are worked on at a time. */
  readonly jobs: number
  /** Which part of the repositories a run is about; absent: all of them. */
  readonly part?: RepositoryPart
  /** The default branch of the project that a CI job runs for, used where the clone itself does not say. */
  readonly ciDefaultBranch?: string
}

const lineOfText = z
  .string()
  .check(z.minLength(1, 'must not be empty'), z.regex(/^\P{Cc}*$/u, 'must be one line of text'))

const refName = lineOfText.check(z.regex(/^[^-]/, 'must not begin with "-"'))

const directoryPattern = z
  .string()
  .check(z.describe('A glob pattern of directories in the repository; "" is the top.'))

const directories = {
  include: z.optional(z.array(directoryPattern)).check(z.describe('Only modules in these directories.')),
  exclude: z.optional(z.array(directoryPattern)).check(z.describe('No modules in these directories.')),
}

const commitsFrom = {
  from: lineOfText.check(
    z.describe('A glob of go.sum files. Their pseudo-versions of this repository are published too.'),
  ),
}

const sourceTemplate = {
  home: lineOfText.check(z.describe('Where people read the repository.')),
  dir: lineOfText.check(z.describe('The page of a directory; {dir} and {/dir} are replaced.')),
  file: lineOfText.check(
    z.describe('The page of a line in a file; {dir}, {/dir}, {file} and {line} are replaced.'),
  ),
}

const cloneAddress = lineOfText.check(
  z.refine(
    (text) => parseAddress(text) !== undefined,
    'must be an address such as https://host/path or git@host:path (a directory is named by dir)',
  ),
  z.refine((text) => !holdsCredentials(text), 'must not hold credentials; set MODPRESS_TOKEN_<HOST> instead'),
)

const webAddress = lineOfText.check(
  z.refine((text) => isWebAddress(text), 'must be an http or https address without credentials'),
)

const cleanSubdir = z
  .string()
  .check(z.refine((text) => isCleanSubdir(text), 'must be a clean relative path such as "clients/go"'))

const versionRange = z
  .string()
  .check(
    z.refine(
      (text) => parseVersionRange(text) !== undefined,
      'must be a version range such as ">=v1.0.0 <v2.0.0 || v0.9.1"',
    ),
  )

const repository = {
  root: lineOfText.check(
    z.describe(
      'The import path of the repository\'s root: the prefix of its go-import tag. With a glob in "dir" it may hold {name} (the directory\'s name without .git) and {path} (its path below the glob\'s fixed part), and with "github", "gitlab" or "gitea" {name} and {path} (below the owner).',
    ),
  ),
  clone: z
    .optional(cloneAddress)
    .check(
      z.describe(
        'The address that is cloned, https, ssh or file, also shown in go-import and Origin. Default: the origin of "dir" as https, what a forge lists, else https:// and the root where that is not on the site itself.',
      ),
    ),
  web: z
    .optional(webAddress)
    .check(z.describe('Where people read the repository. Default: from "clone" for known forges.')),
  dir: z
    .optional(lineOfText)
    .check(
      z.describe(
        'Local clones, bare or not: a path or a glob, relative to this file. With it nothing is cloned.',
      ),
    ),
  subdir: z
    .optional(cleanSubdir)
    .check(
      z.describe("The directory that the root stands for: go-import's fourth field, known to Go since 1.25."),
    ),
  directories: z
    .optional(z.strictObject(directories))
    .check(z.describe('Which directories of modules are wanted.')),
  versions: z
    .optional(versionRange)
    .check(
      z.describe(
        "Which versions are wanted, in Go's order: comparisons and exact versions, by spaces (and) and || (or).",
      ),
    ),
  defaultBranch: z
    .optional(refName)
    .check(z.describe('The default branch, where the clone does not say it.')),
  branches: z
    .optional(z.array(refName))
    .check(
      z.describe(
        'Branches that "go get M@branch" can name. A job that runs on tags alone would serve stale answers.',
      ),
    ),
  commits: z
    .optional(z.array(z.union([refName, z.strictObject(commitsFrom)])))
    .check(
      z.describe('Revisions and pseudo-versions to publish too, or where go.sum files that name them lie.'),
    ),
  source: z
    .optional(
      z.union([z.enum(['github', 'gitlab', 'gitea', 'bitbucket', 'cgit']), z.strictObject(sourceTemplate)]),
    )
    .check(
      z.describe(
        'Templates of links to source files: the name of a forge, or the three templates of go-source.',
      ),
    ),
  ...forgeSchemas,
} satisfies Record<keyof RepositoryConfig, z.ZodMiniType>

const acceptance = {
  module: lineOfText.check(
    z.describe(
      "The module path; the root of the repository where the problem has no module; for one of the whole site, the site's host and path.",
    ),
  ),
  version: z.optional(lineOfText).check(z.describe('The version or tag, where the problem has one.')),
  code: lineOfText.check(
    z.refine(isProblemCode, 'must be a code of docs/problems.md'),
    z.describe('The code of the problem.'),
  ),
  reason: lineOfText.check(z.describe('Why it is accepted, for those who read it later.')),
} satisfies Record<keyof Acceptance, z.ZodMiniType>

const siteUrl = z.pipe(
  z.string(),
  z.transform((text, context) => {
    const parsed = parseSiteUrl(text)
    if (parsed !== undefined) return parsed.url
    const message = 'must be an http or https address without user, query and fragment'
    context.issues.push({ code: 'custom', message, input: text })
    return z.NEVER
  }),
)

const ownPrefix = lineOfText.check(
  z.refine(
    (text) => checkRoot(text) === undefined || /^[a-z\d-]+(\.[a-z\d-]+)+$/.test(text),
    'must be an import path such as github.com/acme',
  ),
)

const goVersion = z
  .string('must be a text: put the version in quotes')
  .check(z.regex(/^1\.(0|[1-9]\d*)(\.\d+)?$/, 'must be a Go version such as "1.26"'))

const mebibytes = z.int('must be a whole number of MiB').check(z.minimum(16, 'must be 16 or more, in MiB'))

const config = {
  url: z
    .optional(siteUrl)
    .check(
      z.describe(
        'Where the site is served: its GOPROXY and the prefix of its own modules. It may have a path. --url wins, then this key, then MODPRESS_URL and CI_PAGES_URL.',
      ),
    ),
  output: z._default(lineOfText, 'site').check(z.describe('The site directory, relative to this file.')),
  access: z
    ._default(z.enum(['private', 'public']), 'private')
    .check(z.describe('Who may read the site. Hosts that anyone can read refuse private ones.')),
  host: z
    ._default(z.enum(hostNames), 'generic')
    .check(z.describe('The static host, for the files that it needs.')),
  gatekeeper: z
    ._default(z.boolean(), false)
    .check(
      z.describe(
        'Whether the host answers for unknown modules below the own prefixes itself, so that their names never reach the next proxy of a chain. For nginx, caddy, apache and cloudfront.',
      ),
    ),
  prefixes: z
    ._default(z.array(ownPrefix), [])
    .check(
      z.describe(
        "The import paths below which all modules are this registry's own, for consumers' GONOSUMDB and the gatekeeper. Default: the site's address, and what the roots of the repositories lie below.",
      ),
    ),
  git: z
    ._default(z.enum(['auto', 'native', 'isomorphic']), 'auto')
    .check(
      z.describe('What reads repositories: the git command, or a reader without it. "auto" prefers git.'),
    ),
  origin: z
    ._default(z.boolean(), true)
    .check(z.describe('Whether .info tells the origin of a version. It shows clone addresses.')),
  cache: z
    .optional(lineOfText)
    .check(
      z.describe('Where clones of addresses are kept. Default: modpress in $XDG_CACHE_HOME or ~/.cache.'),
    ),
  maxGo: z
    ._default(goVersion, '1.26')
    .check(
      z.describe(
        'The newest go directive whose zip rules are known. Default: what this release was tested with.',
      ),
    ),
  memory: z
    ._default(mebibytes, 128)
    .check(
      z.describe(
        'How much memory a build may hold contents in, in MiB; it takes some 150 MiB more for itself, and up to 3 KiB for each file of a large module. What is too much lies in the temporary directory, with files over 4 MiB of the versions at work.',
      ),
    ),
  repositories: z
    .optional(
      z
        .array(z.strictObject(repository).check(z.superRefine(checkRepository)))
        .check(z.minLength(1, 'must name a repository; leave the key out for the one that holds this file')),
    )
    .check(z.describe('The repositories. Default: the one that holds this file.')),
  accept: z
    ._default(z.array(z.strictObject(acceptance)), [])
    .check(z.describe('Problems that are accepted, each of which becomes a note.')),
} satisfies Record<keyof Config, z.ZodMiniType>

const schema: z.ZodMiniType<ParsedConfig, Config> = z.strictObject(config).check(
  z.superRefine((value, context) => {
    for (const { key, reason } of checkHosting(value))
      context.addIssue({ code: 'custom', path: [key], message: reason })
  }),
)

/**
 * Returns the configuration it is given. For editors, which then know its keys.
 *
 * @example
 * export default defineConfig({ url: 'https://go.example.com', repositories: [{ root: 'go.example.com/x', dir: '../x' }] })
 */
export function defineConfig(config: Config): Config {
  return config
}

/** Returns the JSON Schema of configuration files. `$schema` is for editors, and left out when a file is read. */
export function configJsonSchema(): Record<string, unknown> {
  const { properties, ...rest } = z.toJSONSchema(schema, { io: 'input' })
  const title = 'modpress.config'
  return { title, ...rest, properties: { $schema: { type: 'string' }, ...properties } }
}

/** Returns the checked configuration, or the problem that names each bad key. `source` is how messages call it. */
export function parseConfig(data: unknown, source = 'configuration'): ParsedConfig | Problem {
  const result = schema.safeParse(data ?? {}, { jitless: true, reportInput: true })
  if (result.success) return result.data
  const faults = result.error.issues.flatMap((issue) => describeIssue(issue, []))
  return problem('config-invalid', {}, `The ${source} is not valid: ${faults.join('; ')}.`)
}

/** Returns a site's address without the slash at its end, and the import path of its own modules. */
export function parseSiteUrl(text: string): { readonly url: string; readonly prefix: string } | undefined {
  if (!/^https?:\/\/[^/\s]/i.test(text) || /[?#\s\\]/.test(text) || !URL.canParse(text)) return undefined
  const { protocol, username, password, host, hostname, pathname } = new URL(text)
  if (username !== '' || password !== '') return undefined
  const path = pathname.replace(/\/+$/, '')
  // Import paths have no ports.
  return { url: `${protocol}//${host}${path}`, prefix: `${hostname}${path}` }
}

/** Returns why a text cannot be the root of a repository, or undefined if it can. */
export function checkRoot(root: string): string | undefined {
  const reason = checkModulePath(root)
  if (reason === undefined) return undefined
  // A go-import prefix need not be a module path: "example.com/x/v1" may hold modules below it.
  const [, prefix] = /^(.+)\/v\d+$/.exec(root) ?? []
  const isPrefix =
    prefix !== undefined && !root.startsWith('gopkg.in/') && checkModulePath(prefix) === undefined
  return isPrefix ? undefined : reason
}

/** Returns where in a path of the configuration the pattern for many directories begins, or -1. */
export function findGlob(path: string): number {
  return path.search(/[*?]|\[[^\]]+\]|\{[^{}]*(,|\.\.)[^{}]*\}|[!@+]\([^)]*\)/)
}

function checkRepository(
  value: Pick<RepositoryConfig, 'root' | 'dir' | 'clone' | keyof ForgeConfig>,
  context: z.core.$RefinementCtx,
): void {
  const fault = faultOfRepository(value)
  if (fault !== undefined) context.addIssue({ code: 'custom', path: [fault[0]], message: fault[1] })
}

/** Returns the key that is wrong, and why. */
function faultOfRepository(
  value: Pick<RepositoryConfig, 'root' | 'dir' | 'clone' | keyof ForgeConfig>,
): readonly [keyof RepositoryConfig, string] | undefined {
  const { root, dir, clone } = value
  const [forge, second] = (['github', 'gitlab', 'gitea'] as const).filter((key) => value[key] !== undefined)
  if (second !== undefined) return [second, `cannot be beside "${forge}": write an entry for each`]
  if (forge !== undefined && dir !== undefined) return ['dir', `cannot be beside "${forge}"`]
  if (forge !== undefined && !isTemplate(root)) {
    return ['root', 'must hold {path} or {name}, so that each repository has a root of its own']
  }
  if (forge !== undefined && clone !== undefined && !isTemplate(clone)) {
    return ['clone', 'must hold {path} or {name}, as each repository has an address of its own']
  }
  const isOfMany = forge !== undefined || (dir !== undefined && findGlob(dir) >= 0)
  if (isTemplate(root) && !isOfMany) {
    const beside = 'a "dir" that is a glob, or "github", "gitlab" or "gitea"'
    return ['root', `can hold {name} and {path} only beside ${beside}`]
  }
  const name = root.startsWith('gopkg.in/') ? 'name.v1' : 'name'
  const reason = checkRoot(fillTemplate(root, { name, path: name }))
  return reason === undefined ? undefined : ['root', `is no import path: ${reason}`]
}

/** Tells whether an address names a user or a password, where that is more than ssh's own. */
export function holdsCredentials(text: string): boolean {
  const address = parseAddress(text)
  return address?.hasPassword === true || (address?.user !== undefined && address.scheme !== 'ssh')
}

function isWebAddress(text: string): boolean {
  const address = parseAddress(text)
  return (address?.scheme === 'https' || address?.scheme === 'http') && address.user === undefined
}

/** go-import's fields are split at white space, and go joins the directory to module paths as it is. */
function isCleanSubdir(text: string): boolean {
  if (text === '') return true
  if (/[\s\\]/.test(text) || text.startsWith('-')) return false
  return text.split('/').every((element) => element !== '' && element !== '.' && element !== '..')
}

type Path = readonly PropertyKey[]

/** Says what is wrong with one value, as "path: reason". */
function describeIssue(issue: z.core.$ZodIssue, above: Path): string[] {
  const path = [...above, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${formatPath([...path, key])}: unknown key${suggest(key, keysAt(path))}`)
  }
  if (issue.code === 'invalid_union') {
    // Of the alternatives, the one that fits at the top says best what is wrong below it.
    const inner = issue.errors.find((issues) =>
      issues.every((each) => each.path.length > 0 || isKeyIssue(each)),
    )
    if (inner !== undefined) return inner.flatMap((each) => describeIssue(each, path))
    return [`${formatPath(path)}: ${unionHints[String(path.at(-1))] ?? unionHints[String(path.at(-2))]}`]
  }
  return [`${formatPath(path)}: ${describeFault(issue)}`]
}

/** Replaces the checker's own phrases; those of this file stay. */
function describeFault(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.map(String).join(', ')}`
  if (!issue.message.startsWith('Invalid input')) return issue.message
  if (issue.code !== 'invalid_type') return issue.message
  return issue.input === undefined ? 'is missing' : `must be ${nouns[issue.expected] ?? issue.expected}`
}

const nouns: Readonly<Record<string, string>> = {
  string: 'a text (in YAML, put it in quotes)',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object with keys',
}

const unionHints: Readonly<Record<string, string>> = {
  commits: 'must be a revision, a pseudo-version or { from: GLOB }',
  source: 'must be github, gitlab, gitea, bitbucket, cgit or { home, dir, file }',
}

function isKeyIssue(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'unrecognized_keys'
}

/** Returns the keys that are allowed at a path. */
function keysAt(path: Path): string[] {
  const [first, , second] = path
  if (first === undefined) return Object.keys(config)
  if (first === 'accept') return Object.keys(acceptance)
  if (second === 'directories') return Object.keys(directories)
  if (second === 'source') return Object.keys(sourceTemplate)
  if (second === 'commits') return Object.keys(commitsFrom)
  if (second === 'github' || second === 'gitlab' || second === 'gitea') return [...forgeKeyNames[second]]
  return Object.keys(repository)
}

function formatPath(path: Path): string {
  const text = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('')
  return text === '' ? 'the file' : text.replace(/^\./, '')
}

function suggest(key: string, known: readonly string[]): string {
  const [best] = known
    .map((name) => ({ name, distance: distance(key.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
  const isNear = best !== undefined && best.distance <= Math.max(2, Math.floor(best.name.length / 3))
  return isNear ? `, did you mean "${best.name}"?` : `; known are ${known.join(', ')}`
}

/** Returns how many letters must be added, removed or replaced to make one word of the other. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (const [row, letter] of [...a].entries()) {
    const current = [row + 1]
    for (const [column, other] of [...b].entries()) {
      const replaced = (previous[column] ?? 0) + (letter === other ? 0 : 1)
      current.push(Math.min(replaced, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1))
    }
    previous = current
  }
  return previous.at(-1) ?? 0
}
