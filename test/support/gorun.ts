/**
 * Runs the real go command, shut off from the machine and from the network.
 *
 * It is the judge of the tests: a fixture is right when go says so. Each `Go`
 * has its own home, module cache and git configuration in a temporary
 * directory, and knows the network only as the loopback server of
 * `goimport.ts`. By default it reads repositories itself (GOPROXY=direct):
 * `direct` says which import path is which directory, by a git "insteadOf" for
 * the clone address and, for go's own way of finding it, a go-import tag.
 * With `proxy` it reads a site instead.
 *
 * A go process costs 50 to 100 ms, so that every query takes a list and asks
 * for all of it in one process. At most two processes run at once.
 */

import { execFile, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import pLimit from 'p-limit'
import { startImportServer } from './goimport.ts'

export interface GoOptions {
  /** What GOPROXY is: "http://127.0.0.1:PORT", "file:///dir", or a list. @default 'direct' */
  readonly proxy?: string
  /** The go command; a path where PATH does not lead to it. @default 'go' */
  readonly command?: string
  /** More environment, such as GOSUMDB. It wins over what is set here. */
  readonly env?: Readonly<Record<string, string>>
  /** More of the user's git configuration. */
  readonly gitConfig?: string
}

/** A repository as `direct` makes it known to go. */
export interface DirectRoot {
  /** The import path of the repository's root, such as "example.com/r" or "gopkg.in/yaml.v3". */
  readonly root: string
  readonly dir: string
  /** The address that go hands to git. @default as go derives it: "https://" and the root */
  readonly clone?: string
  /** The fourth field of the go-import tag. */
  readonly subdir?: string
}

/** Where go found a version. Written with go's own names, as JSON has them. */
export interface GoOrigin {
  readonly VCS?: string
  readonly URL?: string
  readonly Subdir?: string
  readonly Hash?: string
  readonly TagPrefix?: string
  readonly TagSum?: string
  readonly Ref?: string
  readonly RepoSum?: string
}

export interface GoVersions {
  readonly module: string
  /** What `list` holds, retracted versions included. Empty when go fails. */
  readonly versions: readonly string[]
  readonly error?: string
}

export interface GoInfo {
  /** What was asked, as "M@rev". */
  readonly query: string
  readonly path: string
  readonly version?: string
  readonly time?: string
  readonly origin?: GoOrigin
  readonly retracted?: readonly string[]
  readonly deprecated?: string
  readonly error?: string
}

export interface GoDownload {
  readonly query: string
  readonly path: string
  readonly version?: string
  /** The bytes of .info and .mod; present even where only the zip fails. Go cannot write .info for every time. */
  readonly info?: Buffer
  readonly goMod?: Buffer
  /** The path of the zip file. */
  readonly zip?: string
  readonly sum?: string
  readonly goModSum?: string
  readonly origin?: GoOrigin
  readonly error?: string
}

export interface GoResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface Go {
  /** The temporary directory: home, caches and an empty working directory "work" are below it. */
  readonly dir: string
  readonly modCache: string
  /** Makes repositories known in direct mode. */
  direct(roots: readonly DirectRoot[]): Promise<void>
  /** Makes go see the site of a loopback server, such as "http://127.0.0.1:8080", as this host. */
  host(name: string, server: string): Promise<void>
  /** Runs any go command in the empty working directory. A failure is a status, not an exception. */
  run(args: readonly string[], options?: RunOptions): Promise<GoResult>
  /** Asks for the version lists of modules, retracted versions included. */
  versions(modules: readonly string[]): Promise<readonly GoVersions[]>
  /** Asks what "M@rev" is, for any revision that go knows: versions, branches, hashes, "v1", "latest". */
  query(queries: readonly string[]): Promise<readonly GoInfo[]>
  /** The same with what the author takes back: fills `retracted` and `deprecated`; "latest" may be retracted. */
  retractions(queries: readonly string[]): Promise<readonly GoInfo[]>
  /** Asks for "M@latest" of each module. */
  latest(modules: readonly string[]): Promise<readonly GoInfo[]>
  /**
   * Downloads "M@v" into the module cache and unpacks it there. What `.info` says of its origin depends on
   * what was asked before: compare its bytes only where the version was the first question about its commit.
   */
  download(queries: readonly string[]): Promise<readonly GoDownload[]>
  /** Runs "go mod verify" in a module that requires just this "M@v". */
  verify(query: string): Promise<GoResult>
  /** Forgets what was downloaded, so that moved tags are seen and a site is asked again. */
  clean(): void
  /** Stops the server and removes the temporary directory. */
  close(): Promise<void>
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  /** @default the empty working directory */
  readonly cwd?: string
  /** @default 120000 */
  readonly timeoutMs?: number
}

const installation: Readonly<Record<string, string>> = {
  go: 'go is missing, install it from https://go.dev/dl/',
  git: 'git is missing, install the package git',
  openssl: 'openssl is missing, install the package openssl',
}

/** Says what to install before a test can run; undefined where all commands are there. */
export function missingTools(...names: readonly ('go' | 'git' | 'openssl')[]): string | undefined {
  const missing = names.filter((name) => spawnSync(name, ['version']).error !== undefined)
  return missing.length === 0 ? undefined : missing.map((name) => installation[name]).join('; ')
}

/** How many modules one go process is asked for: enough to share its start, few enough to use two processors. */
const batchSize = 40

const limit = pLimit(2)

/** Makes a go command with nothing in its caches. */
export async function createGo(options: GoOptions = {}): Promise<Go> {
  const dir = mkdtempSync(join(tmpdir(), 'go-'))
  const at = (name: string): string => join(dir, name)
  for (const name of ['home', 'config/go/telemetry', 'cache', 'work', 'tmp']) {
    mkdirSync(at(name), { recursive: true })
  }
  writeFileSync(at('config/go/telemetry/mode'), 'off')
  const network = await startImportServer()
  const roots = new Map<string, string>()
  const writeGitConfig = (): void => {
    const lines = [...roots].map(
      ([clone, url]) => `[url ${quoteConfig(url)}]\n\tinsteadOf = ${quoteConfig(clone)}\n`,
    )
    writeFileSync(at('gitconfig'), `${neutralGitConfig}${lines.join('')}${options.gitConfig ?? ''}`)
  }
  writeGitConfig()

  const env: NodeJS.ProcessEnv = {
    PATH: process.env['PATH'],
    HOME: at('home'),
    XDG_CONFIG_HOME: at('config'),
    XDG_CACHE_HOME: at('cache'),
    TMPDIR: at('tmp'),
    LC_ALL: 'C',
    TZ: 'UTC',
    GOPATH: at('path'),
    GOMODCACHE: at('mod'),
    GOCACHE: at('cache/build'),
    GOENV: 'off',
    GOWORK: 'off',
    GOTOOLCHAIN: 'local',
    GOFLAGS: '-modcacherw',
    GOPROXY: options.proxy ?? 'direct',
    GOPRIVATE: '',
    GONOPROXY: 'none',
    GOSUMDB: 'off',
    GOVCS: '*:all',
    GOINSECURE: '*',
    GOAUTH: 'off',
    HTTP_PROXY: network.url,
    HTTPS_PROXY: network.url,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: at('gitconfig'),
    GIT_TERMINAL_PROMPT: '0',
    ...options.env,
  }
  const run: Go['run'] = (args, { env: more, cwd = at('work'), timeoutMs = 120_000 } = {}) =>
    limit(() => execute(options.command ?? 'go', args, { cwd, env: { ...env, ...more }, timeoutMs }))

  const list = async (
    flags: readonly string[],
    args: readonly string[],
  ): Promise<Answered<ListedModule>[]> => {
    const ask = async (some: readonly string[]): Promise<Answered<ListedModule>[]> => {
      const result = await run(['list', '-m', '-e', '-json', ...flags, ...some])
      return match(some, parseStream<ListedModule>(result.stdout), result, (found) =>
        found.Query === undefined ? found.Path : `${found.Path}@${found.Query}`,
      )
    }
    return inBatches(args, ask)
  }

  const go: Go = {
    dir,
    modCache: at('mod'),
    direct: async (more) => {
      for (const { root, dir: repository, clone = cloneOf(root) } of more) {
        roots.set(clone, pathToFileURL(repository).href)
      }
      network.add(more.map((root) => ({ ...root, clone: root.clone ?? cloneOf(root.root) })))
      writeGitConfig()
    },
    host: async (name, server) => network.forward(name, server),
    run,
    versions: async (modules) => {
      const answers = await list(['-versions', '-retracted'], modules)
      return answers.map(({ query, found, error }) => ({
        module: query,
        versions: found?.Versions ?? [],
        ...ifPresent('error', found?.Error?.Err ?? error),
      }))
    },
    query: async (queries) => (await list([], queries)).map(infoOf),
    retractions: async (queries) => (await list(['-retracted', '-u'], queries)).map(infoOf),
    latest: (modules) => go.query(modules.map((module) => `${module}@latest`)),
    download: async (queries) => {
      const ask = async (some: readonly string[]): Promise<Answered<DownloadedModule>[]> => {
        const result = await run(['mod', 'download', '-json', ...some])
        return match(
          some,
          parseStream<DownloadedModule>(result.stdout),
          result,
          (found) => `${found.Path}@${found.Query ?? found.Version ?? ''}`,
        )
      }
      return (await inBatches(queries, ask)).map(downloadOf)
    },
    verify: async (query) => {
      const cwd = mkdtempSync(at('verify-'))
      writeFileSync(join(cwd, 'go.mod'), `module verify\n\nrequire ${query.replace('@', ' ')}\n`)
      return run(['mod', 'verify'], { cwd, env: { GOFLAGS: '-modcacherw -mod=mod' } })
    },
    clean: () => {
      makeWritable(at('mod'))
      rmSync(at('mod'), { recursive: true, force: true })
    },
    close: async () => {
      await network.close()
      makeWritable(dir)
      rmSync(dir, { recursive: true, force: true })
    },
  }
  return go
}

/** What go derives for a root: a path element that ends in ".git" is no part of the address. */
export function cloneOf(root: string): string {
  return `https://${root.replace(/\.git$/, '')}`
}

/** Only files can be fetched, however the address came to be. */
const neutralGitConfig = `[user]
	name = Test
	email = test@example.com
[init]
	defaultBranch = main
[core]
	hooksPath = /dev/null
[gc]
	auto = 0
[maintenance]
	auto = false
[advice]
	detachedHead = false
[safe]
	directory = *
[protocol]
	allow = never
[protocol "file"]
	allow = always
`

interface ListedModule {
  readonly Path: string
  readonly Query?: string
  readonly Version?: string
  readonly Versions?: readonly string[]
  readonly Time?: string
  readonly Origin?: GoOrigin
  readonly Retracted?: readonly string[]
  readonly Deprecated?: string
  readonly Error?: { readonly Err: string }
}

interface DownloadedModule {
  readonly Path: string
  readonly Query?: string
  readonly Version?: string
  readonly Info?: string
  readonly GoMod?: string
  readonly Zip?: string
  readonly Sum?: string
  readonly GoModSum?: string
  readonly Origin?: GoOrigin
  readonly Error?: string
}

interface Answered<Found> {
  readonly query: string
  readonly found?: Found
  readonly error?: string
}

function infoOf({ query, found, error }: Answered<ListedModule>): GoInfo {
  const problem = found?.Error?.Err ?? error
  return {
    query,
    path: found?.Path ?? query.slice(0, query.lastIndexOf('@')),
    ...ifPresent('version', problem !== undefined && found?.Time === undefined ? undefined : found?.Version),
    ...ifPresent('time', found?.Time),
    ...ifPresent('origin', found?.Origin),
    ...ifPresent('retracted', found?.Retracted),
    ...ifPresent('deprecated', found?.Deprecated),
    ...ifPresent('error', problem),
  }
}

function downloadOf({ query, found, error }: Answered<DownloadedModule>): GoDownload {
  const read = (path: string | undefined): Buffer | undefined =>
    path === undefined || !existsSync(path) ? undefined : readFileSync(path)
  return {
    query,
    path: found?.Path ?? query.slice(0, query.lastIndexOf('@')),
    ...ifPresent('version', found?.Version),
    ...ifPresent('info', read(found?.Info)),
    ...ifPresent('goMod', read(found?.GoMod)),
    ...ifPresent('zip', found?.Zip),
    ...ifPresent('sum', found?.Sum),
    ...ifPresent('goModSum', found?.GoModSum),
    ...ifPresent('origin', found?.Origin),
    ...ifPresent('error', found?.Error ?? error),
  }
}

function ifPresent<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { [K in Key]?: Value })
}

/** Asks in several processes. Where one question kills its whole process, each of the batch is asked alone. */
async function inBatches<Found>(
  args: readonly string[],
  ask: (some: readonly string[]) => Promise<Answered<Found>[]>,
): Promise<Answered<Found>[]> {
  const batches: string[][] = []
  for (let i = 0; i < args.length; i += batchSize) batches.push(args.slice(i, i + batchSize))
  const answers = await Promise.all(
    batches.map(async (batch) => {
      const some = await ask(batch)
      const isLost = (answer: Answered<Found>): boolean => answer.found === undefined
      if (batch.length === 1 || !some.some(isLost)) return some
      return Promise.all(
        some.map(async (answer) => (isLost(answer) ? ((await ask([answer.query]))[0] ?? answer) : answer)),
      )
    }),
  )
  return answers.flat()
}

/** Finds each question's answer in go's output: go keeps the order, but leaves out what it fails at early. */
function match<Found>(
  queries: readonly string[],
  founds: readonly Found[],
  result: GoResult,
  nameOf: (found: Found) => string,
): Answered<Found>[] {
  const rest = [...founds]
  return queries.map((query) => {
    const index = founds.length === queries.length ? 0 : rest.findIndex((found) => nameOf(found) === query)
    const [found] = index < 0 ? [] : rest.splice(index, 1)
    if (found !== undefined) return { query, found }
    return { query, error: result.stderr.trim() || `go exited with status ${result.status}` }
  })
}

/** Reads JSON values that follow one another, each closed by a "}" in the first column. */
function parseStream<Value>(text: string): Value[] {
  return text
    .split(/(?<=^\})\n/m)
    .filter((part) => part.trim() !== '')
    .map((part) => JSON.parse(part) as Value)
}

function execute(
  file: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv; readonly timeoutMs: number },
): Promise<GoResult> {
  return new Promise((resolve) => {
    const { cwd, env, timeoutMs } = options
    execFile(
      file,
      args,
      { cwd, env, timeout: timeoutMs, maxBuffer: 256 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const status = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1
        resolve({ status, stdout, stderr: status === -1 ? `${stderr}${error?.message ?? ''}` : stderr })
      },
    )
  })
}

function quoteConfig(value: string): string {
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

/** A module cache may be read-only despite -modcacherw: a caller's own GOFLAGS may lack it. */
function makeWritable(dir: string): void {
  if (process.getuid?.() === 0 || !existsSync(dir)) return
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    const path = join(dir, entry.name)
    chmodSync(path, 0o755)
    makeWritable(path)
  }
}
