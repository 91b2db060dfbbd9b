/**
 * Without a configuration, in a clone of a Go module: on laptops, on servers
 * and in the jobs of CI services, `modpress build` does the right thing.
 */

import { mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { build } from '../src/build.ts'
import { loadSettings } from '../src/config/load.ts'
import { FatalError } from '../src/problem.ts'
import { createRepository, type RawRepository } from './support/gitobjects.ts'
import { makeDirectory, runGit } from './support/repo.ts'
import { filesBelow, siteModules } from './support/site.ts'

const url = 'https://go.example.org'
const dir = realpathSync(makeDirectory())
let count = 0

/** A place that nobody has used yet. */
function place(name = 'clone'): string {
  return join(dir, String(count++), name)
}

function git(cwd: string, ...args: readonly string[]): string {
  return runGit(cwd, '', args).toString().trim()
}

interface Branch {
  readonly branch?: string
  readonly tags?: readonly string[]
}

/** A forge's bare repository, to which commits are added. */
class Origin {
  readonly dir: string = place('origin.git')
  readonly #repository: RawRepository = createRepository(this.dir)
  #tip: string | undefined

  /** Commits exactly these files on top of what was committed last. */
  commit(files: Readonly<Record<string, string>>, { branch = 'main', tags = [] }: Branch = {}): string {
    const { commit, files: tree, ref } = this.#repository
    const parents = this.#tip === undefined ? [] : [this.#tip]
    const tip = commit({ tree: tree(files), parents })
    ref(`refs/heads/${branch}`, tip)
    for (const tag of tags) ref(`refs/tags/${tag}`, tip)
    this.#tip = tip
    return tip
  }

  /** Clones it as from an address that nobody can reach. */
  clone(options: readonly string[] = [], address = 'https://git.example.com/acme/lib.git'): string {
    const clone = place()
    mkdirSync(join(clone, '..'), { recursive: true })
    git(dir, 'clone', '--quiet', ...options, this.dir, clone)
    git(clone, 'remote', 'set-url', 'origin', address)
    return clone
  }

  /** Makes an empty clone in which a CI service fetches what it wants. */
  checkout(fetch: readonly string[], checkout: readonly string[]): string {
    const clone = place()
    mkdirSync(clone, { recursive: true })
    git(clone, 'init', '--quiet', '--initial-branch=master')
    git(clone, 'remote', 'add', 'origin', pathToFileURL(this.dir).href)
    git(clone, 'fetch', '--quiet', '--prune', '--no-recurse-submodules', ...fetch)
    git(clone, 'checkout', '--quiet', '--force', ...checkout)
    git(clone, 'remote', 'set-url', 'origin', 'https://git.example.com/acme/lib')
    return clone
  }
}

interface Pressed {
  readonly exit: number
  /** "code subject" */
  readonly problems: readonly string[]
  readonly root: string
  /** "module: versions of its list → latest" */
  readonly modules: readonly string[]
  /** The go-import tags of the root's page. */
  readonly imports: readonly string[]
  /** Of the root's go-source tag: the template of files. */
  readonly source: string | undefined
}

type Variables = Readonly<Record<string, string>>

/** Runs the build as the command does, in this directory and with these variables. */
async function press(cwd: string, variables: Variables = { MODPRESS_URL: url }): Promise<Pressed> {
  const env = { PATH: process.env['PATH'] ?? '', HOME: dir, GIT_CONFIG_NOSYSTEM: '1', ...variables }
  const output = place('site')
  const settings = await loadSettings({ cwd, env, output })
  const report = await build(settings, { env })
  const [root = ''] = settings.repositories.map((each) => each.root)
  const page = filesBelow(output).includes(`${root}/index.html`)
    ? readFileSync(join(output, root, 'index.html'), 'utf8')
    : ''
  const meta = [...page.matchAll(/<meta name="(go-import|go-source)" content="([^"]*)">/g)]
  const contents = (wanted: string) =>
    meta.flatMap(([, name, content = '']) => (name === wanted ? content : []))
  return {
    exit: report.exit,
    problems: report.problems.map(({ code, subject }) => `${code} ${subject}`.trim()),
    root,
    modules: siteModules(output).map(({ path, list, latest }) => `${path}: ${list.join(' ')} → ${latest}`),
    imports: contents('go-import'),
    source: contents('go-source')[0]?.split(' ').at(-1),
  }
}

const goMod = (path: string): string => `module ${path}\n`

/** Tags v1.0.0 and v1.1.0 on main, and after them a commit and a branch. */
const origin = new Origin()

const root = 'example.org/lib'
const released = [`${root}: v1.0.0 v1.1.0 → v1.1.0`]
const imports = [`${root} mod ${url}`, `${root} git https://git.example.com/acme/lib.git`]

beforeAll(() => {
  const files = { 'go.mod': goMod(root), 'lib.go': 'package lib\n', 'deep/down/d.go': 'package down\n' }
  origin.commit(files, { tags: ['v1.0.0'] })
  origin.commit({ ...files, 'b.go': 'package lib\n' }, { tags: ['v1.1.0'] })
  origin.commit({ ...files, 'c.go': 'package lib\n', 'new/go.mod': goMod(`${root}/new`) })
  origin.commit({ ...files, 'e.go': 'package lib\n' }, { branch: 'next' })
})

/** What the commit after the tags gives: a module without one, by its pseudo-version, where the default branch is known. */
const unreleased = [
  ...released,
  expect.stringMatching(/^example\.org\/lib\/new: {2}→ v0\.0\.0-\d{14}-[0-9a-f]{12}$/),
]

describe.concurrent('on a laptop', () => {
  test('a clone gives what go.mod says, with its origin as where it is cloned from', async () => {
    const clone = origin.clone([], 'git@git.example.com:acme/lib.git')
    expect(await press(clone)).toEqual({
      exit: 0,
      problems: [],
      root,
      modules: unreleased,
      imports,
      source: undefined,
    })
  })

  test('branches that are checked out say nothing: those of the origin count', async () => {
    const clone = origin.clone([], 'https://git.example.com/acme/lib.git')
    git(clone, 'checkout', '--quiet', '-b', 'mine', 'origin/next')
    git(clone, 'rm', '--quiet', '-r', 'deep')
    git(clone, 'commit', '--quiet', '--message=mine')
    expect(await press(clone)).toMatchObject({ problems: [], modules: unreleased })
    git(clone, 'remote', 'set-head', 'origin', 'next')
    expect(await press(clone)).toMatchObject({ problems: [], modules: released })
  })

  test('a directory below the top is as good', async () => {
    const clone = origin.clone()
    expect(await press(join(clone, 'deep/down'))).toMatchObject({ root, modules: unreleased, imports })
  })

  test('the output is in the clone, and a second run keeps it', async () => {
    const clone = origin.clone()
    const settings = await loadSettings({ cwd: join(clone, 'deep'), env: { HOME: dir } })
    expect(settings.output).toBe(join(clone, 'site'))
    expect((await build(settings, { env: {} })).counts).toMatchObject({ added: 3, kept: 0 })
    expect((await build(settings, { env: {} })).counts).toMatchObject({ added: 0, kept: 3 })
  })

  test('a linked worktree gives what the clone gives', async () => {
    const clone = origin.clone()
    const linked = place('linked')
    git(clone, 'worktree', 'add', '--quiet', '--detach', linked, 'v1.0.0')
    expect(await press(linked)).toEqual(await press(clone))
  })

  test('a submodule is a clone of its own', async () => {
    const outer = new Origin()
    outer.commit({ 'go.mod': goMod('example.org/outer') }, { tags: ['v9.0.0'] })
    const clone = outer.clone()
    git(clone, 'submodule', '--quiet', 'add', origin.dir, 'libs/lib')
    const inner = join(clone, 'libs/lib')
    git(inner, 'remote', 'set-url', 'origin', 'https://git.example.com/acme/lib.git')
    git(inner, 'checkout', '--quiet', '--detach', 'v1.0.0')
    expect(readFileSync(join(inner, '.git'), 'utf8')).toMatch(/^gitdir: /)
    expect(await press(inner)).toMatchObject({ problems: [], root, modules: unreleased, imports })
  })

  test('a repository without an origin gives its own branches, and go derives where it is cloned from', async () => {
    const clone = origin.clone()
    git(clone, 'remote', 'remove', 'origin')
    expect(await press(clone)).toMatchObject({
      problems: [],
      modules: unreleased,
      imports: [imports[0], `${root} git https://${root}`],
    })
  })

  test('the forge of the origin gives links to its files', async () => {
    const clone = origin.clone([], 'ssh://git@github.com:22/acme/lib.git')
    const { imports: tags, source } = await press(clone)
    expect(tags[1]).toBe(`${root} git https://github.com/acme/lib.git`)
    expect(source).toBe('https://github.com/acme/lib/blob/main{/dir}/{file}#L{line}')
  })
})

describe.concurrent('on a server', () => {
  test('a bare clone gives what the go.mod of its HEAD says', async () => {
    const clone = origin.clone(['--bare'])
    expect(await press(clone)).toMatchObject({ exit: 0, problems: [], root, modules: unreleased, imports })
  })

  test('so does the forge itself, whose repository came from nowhere', async () => {
    expect(await press(origin.dir)).toMatchObject({
      problems: [],
      root,
      modules: unreleased,
      imports: [imports[0], `${root} git https://${root}`],
    })
  })
})

describe.concurrent('the root is', () => {
  interface Row {
    readonly files: Readonly<Record<string, string>>
    readonly tags: readonly string[]
    readonly root: string
    readonly modules: readonly string[]
  }

  const rows: Record<string, Row> = {
    'the whole path in gopkg.in': {
      files: { 'go.mod': goMod('gopkg.in/yaml.v3') },
      tags: ['v3.0.0', 'v3.0.1'],
      root: 'gopkg.in/yaml.v3',
      modules: ['gopkg.in/yaml.v3: v3.0.0 v3.0.1 → v3.0.1'],
    },
    'the path without its major version': {
      files: { 'go.mod': goMod('example.org/lib/v2') },
      tags: ['v2.0.0', 'v2.1.0'],
      root: 'example.org/lib',
      modules: ['example.org/lib/v2: v2.0.0 v2.1.0 → v2.1.0'],
    },
    "the origin's host and path where the top has no go.mod": {
      files: { 'tool/go.mod': goMod('git.example.com/acme/lib/tool') },
      tags: ['tool/v0.1.0'],
      root: 'git.example.com/acme/lib',
      modules: ['git.example.com/acme/lib/tool: v0.1.0 → v0.1.0'],
    },
  }

  test.for(Object.entries(rows))('%s', async ([, { files, tags, ...wanted }]) => {
    const own = new Origin()
    own.commit(files, { tags })
    for (const options of [[], ['--bare']]) {
      const { root, modules, problems, imports } = await press(own.clone(options))
      expect({ root, modules, problems }).toEqual({ ...wanted, problems: [] })
      expect(imports).toEqual([`${root} mod ${url}`, `${root} git https://git.example.com/acme/lib.git`])
    }
  })

  test('that of go.mod at the top, whatever lies below', async () => {
    const own = new Origin()
    own.commit({ 'go.mod': goMod(root), 'v2/go.mod': goMod(`${root}/v2`) }, { tags: ['v1.0.0', 'v2.0.0'] })
    expect(await press(own.clone())).toMatchObject({
      root,
      problems: [],
      modules: [`${root}: v1.0.0 → v1.0.0`, `${root}/v2: v2.0.0 → v2.0.0`],
    })
  })
})

describe.concurrent('in a job on GitHub', () => {
  const event = (branch: string): Variables => {
    const path = place('event.json')
    mkdirSync(join(path, '..'))
    writeFileSync(path, JSON.stringify({ ref: 'refs/tags/v1.1.0', repository: { default_branch: branch } }))
    return { MODPRESS_URL: url, GITHUB_ACTIONS: 'true', GITHUB_EVENT_PATH: path }
  }
  const whole = ['origin', '+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*']
  const tagOnly = ['--no-tags', '--depth=1', 'origin', '+refs/tags/v1.1.0:refs/tags/v1.1.0']
  const git = 'https://git.example.com/acme/lib'

  test('a tag at depth 1 is published, and nothing is said of branches', async () => {
    const clone = origin.checkout(tagOnly, ['refs/tags/v1.1.0'])
    expect(await press(clone, event('main'))).toEqual({
      exit: 0,
      problems: [`shallow ${root}`],
      root,
      modules: [`${root}: v1.1.0 → v1.1.0`],
      imports: [`${root} mod ${url}`, `${root} git ${git}`],
      source: undefined,
    })
  })

  test('a branch at depth 1 has no tag to publish, which is an error', async () => {
    const fetch = ['--no-tags', '--depth=1', 'origin', '+refs/heads/main:refs/remotes/origin/main']
    const clone = origin.checkout(fetch, ['-B', 'main', 'refs/remotes/origin/main'])
    expect(await press(clone, event('main'))).toMatchObject({
      exit: 1,
      problems: [`shallow-no-tags ${root}`],
      modules: [],
    })
  })

  test.for([
    ['a tag', ['refs/tags/v1.1.0']],
    ['a branch', ['-B', 'next', 'refs/remotes/origin/next']],
  ] as const)('at fetch-depth 0 the event names the default branch: %s', async ([, checkout]) => {
    const clone = origin.checkout(whole, checkout)
    expect(await press(clone, event('main'))).toMatchObject({ exit: 0, problems: [], modules: unreleased })
    expect(await press(clone, event('next'))).toMatchObject({ exit: 0, problems: [], modules: released })
  })

  test('a branch that the event names and the clone lacks is none', async () => {
    const clone = origin.checkout(whole, ['refs/tags/v1.1.0'])
    const wanted = { exit: 0, problems: [`default-branch-unknown ${root}`], modules: released }
    expect(await press(clone, event('gone'))).toMatchObject(wanted)
    expect(await press(clone)).toMatchObject(wanted)
  })

  test('the only branch needs no event', async () => {
    const own = new Origin()
    own.commit({ 'go.mod': goMod(root) }, { branch: 'trunk' })
    const clone = own.checkout(whole, ['refs/remotes/origin/trunk'])
    expect(await press(clone)).toMatchObject({
      problems: [],
      modules: [expect.stringMatching(/^example\.org\/lib: {2}→ v0\.0\.0-/)],
    })
  })
})

describe.concurrent('in a job on GitLab', () => {
  const variables = { CI_PAGES_URL: `${url}/`, CI_DEFAULT_BRANCH: 'main', GITLAB_CI: 'true' }
  /** More commits than the 20 that a runner fetches, of which the last but one has a tag. */
  const long = new Origin()
  let tip = ''

  beforeAll(() => {
    const files = { 'go.mod': goMod(root) }
    long.commit(files, { tags: ['v1.0.0'] })
    for (let number = 0; number < 25; number++) long.commit({ ...files, 'n.txt': `${number}\n` })
    long.commit(files, { tags: ['v1.1.0'] })
    tip = long.commit({ ...files, 'new/go.mod': goMod(`${root}/new`) })
    git(long.dir, 'update-ref', 'refs/pipelines/1001', tip)
  })

  const pipeline = [
    'origin',
    '+refs/pipelines/1001:refs/pipelines/1001',
    '+refs/heads/main:refs/remotes/origin/main',
  ]

  test('a pipeline of a branch at depth 20 publishes the tags that it holds', async () => {
    const clone = long.checkout(['--depth=20', ...pipeline], [tip])
    expect(await press(clone, variables)).toMatchObject({
      exit: 0,
      problems: [`shallow ${root}`],
      modules: [`${root}: v1.1.0 → v1.1.0`],
      imports: [`${root} mod ${url}`, `${root} git https://git.example.com/acme/lib`],
    })
  })

  test('with GIT_DEPTH 0 it has all', async () => {
    const clone = long.checkout(pipeline, [tip])
    expect(await press(clone, variables)).toMatchObject({ exit: 0, problems: [], modules: unreleased })
  })

  test('in a pipeline of a tag no branch is there', async () => {
    const clone = long.checkout(['origin', '+refs/tags/v1.1.0:refs/tags/v1.1.0'], ['refs/tags/v1.1.0'])
    expect(await press(clone, variables)).toMatchObject({
      exit: 0,
      problems: [`default-branch-unknown ${root}`],
      modules: released,
    })
  })

  test('CI_DEFAULT_BRANCH decides where there are several', async () => {
    const all = ['origin', '+refs/heads/*:refs/remotes/origin/*']
    const clone = origin.checkout(all, ['refs/remotes/origin/next'])
    expect(await press(clone, variables)).toMatchObject({ problems: [], modules: unreleased })
    expect(await press(clone, { ...variables, CI_DEFAULT_BRANCH: 'next' })).toMatchObject({
      problems: [],
      modules: released,
    })
  })
})

describe('without', () => {
  async function problemOf(cwd: string): Promise<string> {
    const error = await press(cwd).catch((reason: unknown) => reason)
    if (!(error instanceof FatalError)) throw new Error('It did not end.', { cause: error })
    return `${error.exitCode} ${error.problem.code}: ${error.problem.message}`
  }

  test('an address of the site, no page sends go to it', async () => {
    const { exit, problems, modules, imports: tags } = await press(origin.clone(), {})
    expect({ exit, problems, modules }).toEqual({ exit: 0, problems: ['url-missing'], modules: unreleased })
    expect(tags).toEqual([imports[1]])
  })

  test('a repository nothing is done', async () => {
    const empty = place('empty')
    mkdirSync(empty, { recursive: true })
    expect(await problemOf(empty)).toMatch(/^2 config-missing: .*empty/)
    writeFileSync(join(empty, 'go.mod'), goMod(root))
    expect(await problemOf(empty)).toMatch(/^2 config-missing: .*empty/)
  })

  test('a go.mod and an origin nobody knows the root', async () => {
    const own = new Origin()
    own.commit({ 'sub/go.mod': goMod('example.org/sub') }, { tags: ['sub/v1.0.0'] })
    expect(await problemOf(own.dir)).toMatch(/^2 config-missing: .*origin\.git/)
    const clone = own.clone()
    git(clone, 'remote', 'remove', 'origin')
    expect(await problemOf(clone)).toMatch(/^2 config-missing: .*clone/)
  })

  test('a work tree the commit that HEAD names still says the root', async () => {
    const clone = origin.clone(['--no-checkout'])
    expect(await press(clone)).toMatchObject({ root, modules: unreleased })
    rmSync(join(clone, '.git/HEAD'))
    writeFileSync(join(clone, '.git/HEAD'), 'ref: refs/heads/unborn\n')
    expect(await press(clone)).toMatchObject({ root: 'git.example.com/acme/lib' })
  })
})
