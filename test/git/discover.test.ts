import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parseAddress } from '../../src/config/address.ts'
import { loadSettings } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import type { ProgressEvent } from '../../src/events.ts'
import { credentialsFor, gitEnvironment, redact } from '../../src/git/credentials.ts'
import { type DiscoverOptions, discoverRepositories } from '../../src/git/discover.ts'
import { withLock } from '../../src/git/lock.ts'
import { findGit } from '../../src/git/remote.ts'
import { FatalError } from '../../src/problem.ts'
import { type GitServer, startGitServer } from '../support/gitserver.ts'

let dir: string
let env: Record<string, string>

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'modpress-discover-')))
  mkdirSync(join(dir, 'home'))
  env = { PATH: process.env['PATH'] ?? '', HOME: join(dir, 'home'), GIT_CONFIG_NOSYSTEM: '1' }
})

afterEach(() => {
  rmSync(dir, { recursive: true, force: true })
})

function git(cwd: string, ...args: readonly string[]): string {
  const identity = { GIT_AUTHOR_NAME: 'A', GIT_AUTHOR_EMAIL: 'a@example.com', GIT_COMMITTER_NAME: 'A' }
  const all = { ...env, ...identity, GIT_COMMITTER_EMAIL: 'a@example.com' }
  return execFileSync('git', args, { cwd, env: all, encoding: 'utf8', stdio: 'pipe' }).trim()
}

/** Makes a bare repository with one commit on main, and returns its directory. */
function makeBare(path: string, ...tags: readonly string[]): string {
  const bare = join(dir, path)
  mkdirSync(bare, { recursive: true })
  git(bare, 'init', '-q', '--bare', '-b', 'main')
  commit(bare, 'main', `module example.com/${path}\n`)
  for (const tag of tags) git(bare, 'tag', tag, 'main')
  return bare
}

/** Adds a commit with this go.mod to a branch of a bare repository, and returns its id. */
function commit(bare: string, branch: string, goMod: string): string {
  const blob = execFileSync('git', ['hash-object', '-w', '--stdin'], { cwd: bare, env, input: goMod })
    .toString()
    .trim()
  const tree = execFileSync('git', ['mktree'], { cwd: bare, env, input: `100644 blob ${blob}\tgo.mod\n` })
    .toString()
    .trim()
  const oid = git(bare, 'commit-tree', '-m', goMod, tree)
  git(bare, 'update-ref', `refs/heads/${branch}`, oid)
  return oid
}

async function discover(config: Config, options: Partial<DiscoverOptions> = {}) {
  const all = { ...env, ...options.env }
  const settings = await loadSettings({ cwd: dir, env: all, config: { cache: 'cache', ...config } })
  return discoverRepositories(settings, { ...options, env: all })
}

/** Every byte of every file below a directory, with the names. */
function everything(top: string): string {
  return readdirSync(top, { recursive: true, encoding: 'utf8' })
    .map((name) => join(top, name))
    .map((path) => (statSync(path).isFile() ? `${path}\n${readFileSync(path, 'latin1')}` : path))
    .join('\n')
}

describe('local clones', () => {
  test('a pattern finds bare repositories, work trees and linked ones, and passes over the rest', async () => {
    makeBare('repos/b.git')
    makeBare('repos/a')
    mkdirSync(join(dir, 'repos/w'))
    git(join(dir, 'repos/w'), 'init', '-q')
    mkdirSync(join(dir, 'repos/plain'))
    writeFileSync(join(dir, 'repos/file'), '')
    mkdirSync(join(dir, 'repos/linked'))
    writeFileSync(join(dir, 'repos/linked/.git'), `gitdir: ${join(dir, 'repos/w/.git')}\n`)
    const { repositories, problems } = await discover({
      repositories: [{ root: 'go.example.com/{name}', dir: 'repos/*' }],
    })
    expect(problems).toEqual([])
    expect(repositories).toEqual(
      ['a', 'b', 'linked', 'w'].map((name) => ({
        root: `go.example.com/${name}`,
        dir: join(dir, 'repos', name === 'b' ? 'b.git' : name),
        clone: `https://go.example.com/${name}`,
        subdir: '',
        directories: {},
        branches: [],
        commits: [],
      })),
    )
  })

  test('{path} is the path below the fixed part, and nothing inside a repository is one', async () => {
    makeBare('repos/team/one.git')
    makeBare('repos/team/deep/two')
    const { repositories } = await discover({
      repositories: [
        { root: 'go.example.com/x/{path}', dir: 'repos/**', clone: 'https://git.example.com/{path}.git' },
      ],
    })
    expect(repositories.map(({ root, clone }) => [root, clone])).toEqual([
      ['go.example.com/x/team/deep/two', 'https://git.example.com/team/deep/two.git'],
      ['go.example.com/x/team/one', 'https://git.example.com/team/one.git'],
    ])
  })

  test('a directory that is no repository costs only itself', async () => {
    makeBare('a.git')
    mkdirSync(join(dir, 'plain'))
    const { repositories, problems } = await discover({
      repositories: [
        { root: 'example.com/plain', dir: 'plain' },
        { root: 'example.com/none', dir: 'none' },
        { root: 'example.com/a', dir: 'a.git' },
      ],
    })
    expect(repositories.map(({ root }) => root)).toEqual(['example.com/a'])
    expect(problems.map(({ code, subject }) => `${subject} ${code}`)).toEqual([
      'example.com/none repository-not-found',
      'example.com/plain repository-not-found',
    ])
  })

  test('a directory whose name gives no import path costs only itself', async () => {
    makeBare('repos/good')
    makeBare('repos/not good')
    const { repositories, problems } = await discover({
      repositories: [{ root: 'example.com/{name}', dir: 'repos/*' }],
    })
    expect(repositories.map(({ root }) => root)).toEqual(['example.com/good'])
    expect(problems.map(({ code }) => code)).toEqual(['module-path-invalid'])
  })

  test.for([
    [
      [
        { root: 'example.com/x', dir: 'repos/a' },
        { root: 'example.com/x', dir: 'repos/b' },
      ],
    ],
    [[{ root: 'example.com/x', dir: 'repos/*' }]],
    [
      [
        { root: 'example.com/a', dir: 'nowhere' },
        { root: 'example.com/{name}', dir: 'repos/*' },
      ],
    ],
  ])('a root that is used twice ends the run', async ([repositories = []]) => {
    makeBare('repos/a')
    makeBare('repos/b')
    const error = await discover({ repositories }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(FatalError)
    expect(error).toMatchObject({ exitCode: 2, problem: { code: 'config-invalid' } })
  })
})

describe('what the settings leave open', () => {
  test.for([
    ['https://user:hunter2@gitlab.example.com/acme/x.git', 'https://gitlab.example.com/acme/x.git', 'gitlab'],
    ['git@github.com:acme/x.git', 'https://github.com/acme/x.git', 'github'],
    ['ssh://git@codeberg.org:22/acme/x.git', 'https://codeberg.org/acme/x.git', 'gitea'],
  ] as const)('the origin %s gives clone, web and source', async ([origin, clone, source]) => {
    const bare = makeBare('x.git')
    git(bare, 'remote', 'add', 'origin', origin)
    const found = await discover({ repositories: [{ root: 'example.com/x', dir: 'x.git' }] })
    expect(found.repositories).toMatchObject([{ clone, source, web: clone.replace('.git', '') }])
    expect(JSON.stringify(found)).not.toContain('hunter2')
  })

  test.for([
    ['go.example.com/x', 'https://go.example.com/site', undefined],
    ['go.example.com/x', 'https://other.example.com', 'https://go.example.com/x'],
    ['git.example.com/a/x.git', 'https://other.example.com', 'https://git.example.com/a/x'],
    ['gopkg.in/yaml.v3', 'https://go.example.com', 'https://gopkg.in/yaml.v3'],
  ] as const)(
    'without an origin on a host, %s on the site %s is cloned from %s',
    async ([root, url, clone]) => {
      const bare = makeBare('x.git')
      git(bare, 'remote', 'add', 'origin', '/srv/git/x.git')
      const { repositories } = await discover({ url, repositories: [{ root, dir: 'x.git' }] })
      expect(repositories.map((repository) => repository.clone)).toEqual([clone])
    },
  )

  test('what is configured wins', async () => {
    const bare = makeBare('x.git')
    git(bare, 'remote', 'add', 'origin', 'https://github.com/acme/x.git')
    const { repositories } = await discover({
      repositories: [
        {
          root: 'example.com/x',
          dir: 'x.git',
          clone: 'git@git.example.com:acme/x.git',
          web: 'https://code.example.com/x',
          source: { home: 'h', dir: 'd', file: 'f' },
          subdir: 'go',
          versions: '>=v1.0.0',
          defaultBranch: 'trunk',
          branches: ['trunk'],
          directories: { exclude: ['internal/**'] },
        },
      ],
    })
    expect(repositories).toEqual([
      {
        root: 'example.com/x',
        dir: bare,
        clone: 'ssh://git@git.example.com/acme/x.git',
        web: 'https://code.example.com/x',
        source: { home: 'h', dir: 'd', file: 'f' },
        subdir: 'go',
        versions: '>=v1.0.0',
        defaultBranch: 'trunk',
        branches: ['trunk'],
        directories: { exclude: ['internal/**'] },
        commits: [],
      },
    ])
  })

  test("consumers' go.sum files name the commits of the longest root", async () => {
    makeBare('x.git')
    makeBare('y.git')
    const a = 'v0.0.0-20240102030405-abcdefabcdef'
    const b = 'v1.2.4-0.20240102030405-abcdefabcdef'
    const lines = [
      `example.com/x ${a} h1:x=`,
      `example.com/x ${a}/go.mod h1:x=`,
      `example.com/x/sub/v2 ${b}/go.mod h1:x=`,
      `example.com/x/y ${a} h1:x=`,
      `example.com/xy ${a} h1:x=`,
      'example.com/x v1.0.0 h1:x=',
    ]
    mkdirSync(join(dir, 'apps/one'), { recursive: true })
    writeFileSync(join(dir, 'apps/one/go.sum'), `${lines.join('\n')}\n`)
    writeFileSync(join(dir, 'apps/go.sum'), `example.com/x ${a} h1:x=\n`)
    const commits = [{ from: 'apps/**/go.sum' }]
    const { repositories } = await discover({
      repositories: [
        { root: 'example.com/x', dir: 'x.git', commits: ['3f2c1d0', ...commits] },
        { root: 'example.com/x/y', dir: 'y.git', commits },
      ],
    })
    expect(repositories.map((repository) => repository.commits)).toEqual([
      ['3f2c1d0', `example.com/x/sub/v2@${b}`, `example.com/x@${a}`],
      [`example.com/x/y@${a}`],
    ])
  })
})

describe.for(['native', 'isomorphic'] as const)('clones of addresses, by %s', (reader) => {
  let server: GitServer
  let served: string

  beforeAll(async () => {
    served = realpathSync(mkdtempSync(join(tmpdir(), 'modpress-served-')))
    server = await startGitServer(served)
  })

  afterAll(async () => {
    await server.close()
    rmSync(served, { recursive: true, force: true })
  })

  beforeEach(() => {
    server.requests.length = 0
    server.password = undefined
    server.redirect = undefined
    server.isSilent = false
  })

  function publish(name: string): { readonly bare: string; readonly config: Config } {
    const bare = makeBare(`${name}.git`, 'v1.0.0')
    rmSync(join(served, `${name}.git`), { recursive: true, force: true })
    execFileSync('ln', ['-s', bare, join(served, `${name}.git`)])
    const clone = `${server.url}/${name}.git`
    return { bare, config: { git: reader, repositories: [{ root: `example.com/${name}`, clone }] } }
  }

  /** What the clone has: its refs, and where HEAD points. */
  function contents(clone: string): string[] {
    git(clone, 'fsck', '--strict')
    const refs = git(clone, 'for-each-ref', '--format=%(refname)').split('\n').filter(Boolean)
    return [...refs, readFileSync(join(clone, 'HEAD'), 'utf8').trim()]
  }

  function only<T>(list: readonly T[]): T {
    const [first] = list
    if (first === undefined || list.length !== 1) throw new Error(`${list.length} instead of one`)
    return first
  }

  /** The same settings, for a repository with more keys. */
  function withKeys({ repositories, ...rest }: Config, keys: object): Config {
    return { ...rest, repositories: (repositories ?? []).map((each) => ({ ...each, ...keys })) }
  }

  test('a clone is bare, with the branches that are asked for, tags and HEAD, and follows its address', async () => {
    const { bare, config: plain } = publish('follow')
    const config = withKeys(plain, { branches: ['old', 'HEAD'] })
    git(bare, 'update-ref', 'refs/pull/1/head', commit(bare, 'old', 'module old\n'))
    commit(bare, 'nobody/asks', 'module nobody\n')
    const first = await discover(config)
    expect(first.problems).toEqual([])
    const clone = only(first.repositories)
    expect(clone.address).toBe(`${server.url}/follow.git`)
    expect(clone.clone).toBe(`${server.url}/follow.git`)
    expect(contents(clone.dir)).toEqual([
      'refs/heads/main',
      'refs/heads/old',
      'refs/tags/v1.0.0',
      'ref: refs/heads/main',
    ])

    git(bare, 'tag', '-f', 'v1.0.0', commit(bare, 'trunk', 'module trunk\n'))
    git(bare, 'tag', '-am', 'annotated', 'v1.1.0', 'trunk')
    git(bare, 'update-ref', '-d', 'refs/heads/old')
    git(bare, 'symbolic-ref', 'HEAD', 'refs/heads/trunk')
    const second = await discover(config)
    expect(second).toEqual(first)
    expect(contents(clone.dir)).toEqual([
      // The default branch of before stays, for whoever may want it.
      'refs/heads/main',
      'refs/heads/trunk',
      'refs/tags/v1.0.0',
      'refs/tags/v1.1.0',
      'ref: refs/heads/trunk',
    ])
    expect(git(clone.dir, 'rev-parse', 'v1.0.0')).toBe(git(bare, 'rev-parse', 'trunk'))

    git(bare, 'tag', '-d', 'v1.1.0')
    await discover(config)
    expect(contents(clone.dir)).not.toContain('refs/tags/v1.1.0')
  })

  test('a run with nothing new only asks for the listing', async () => {
    const { config } = publish('idle')
    const { repositories } = await discover(config)
    const before = everything(only(repositories).dir)
    server.requests.length = 0
    await discover(config)
    expect(server.requests.filter((line) => line.startsWith('GET'))).toHaveLength(1)
    expect(server.requests.length).toBeLessThanOrEqual(2)
    expect(everything(only(repositories).dir)).toBe(before)
  })

  test('branches: those that are configured by now, and all where a rule needs all', async () => {
    const { bare, config } = publish('branches')
    for (const branch of ['next', 'v2.0.0', 'old/v1.5.0', 'v3', 'other', 'side']) {
      commit(bare, branch, `module example.com/${branch}\n`)
    }
    const heads = async (keys: object, options: Partial<DiscoverOptions> = {}) => {
      const { repositories, problems } = await discover(withKeys(config, keys), options)
      expect(problems).toEqual([])
      return contents(only(repositories).dir).flatMap((name) => /^refs\/heads\/(.*)/.exec(name)?.[1] ?? [])
    }
    // The survey warns of branches with the name of a version.
    const always = ['main', 'old/v1.5.0', 'v2.0.0']
    expect(await heads({})).toEqual(always)
    expect(await heads({ branches: ['next', 'missing'] })).toEqual(['main', 'next', 'old/v1.5.0', 'v2.0.0'])
    const both = ['main', 'next', 'old/v1.5.0', 'other', 'v2.0.0']
    expect(await heads({ defaultBranch: 'other' })).toEqual(both)
    // Another configuration may share the clone, and still need what this one does not.
    expect(await heads({})).toEqual(both)
    git(bare, 'update-ref', '-d', 'refs/heads/next')
    expect(await heads({})).toEqual(both.filter((name) => name !== 'next'))

    const all = ['main', 'old/v1.5.0', 'other', 'side', 'v2.0.0', 'v3']
    expect(await heads({ commits: [git(bare, 'rev-parse', 'side')] })).toEqual(all)
    rmSync(join(dir, 'cache'), { recursive: true })
    expect(await heads({}, { branches: 'all' })).toEqual(all)
    if (reader === 'isomorphic') return
    rmSync(join(dir, 'cache'), { recursive: true })
    git(bare, 'symbolic-ref', 'HEAD', 'refs/heads/nothing')
    expect(await heads({})).toEqual(all)
  })

  test('a fetch tells how far it is, in numbers only', async () => {
    const { config } = publish('telling')
    const events: ProgressEvent[] = []
    const variables = { ...env, MODPRESS_TOKEN_127_0_0_1: 'canary-4f1d0e2b9a' }
    server.password = { password: 'canary-4f1d0e2b9a' }
    await discover(config, { env: variables, onEvent: (event) => events.push(event) })
    const [first, ...rest] = events
    const base = { type: 'progress', step: 'clone' }
    const repository = 'example.com/telling'
    expect(first).toEqual({ ...base, repository, message: `${server.url}/telling.git` })
    expect(rest.slice(-2)).toEqual([
      { ...base, repository, done: 1, total: 1 },
      { ...base, done: 1, total: 1 },
    ])
    const received = rest.filter(({ message }) => message?.startsWith('receiving'))
    // isomorphic-git counts those that are left.
    const objects = reader === 'native' ? 3 : 2
    expect(received.at(-1)).toMatchObject({ ...base, repository, done: objects, total: objects })
    expect(JSON.stringify(events)).not.toContain('canary')

    events.length = 0
    await discover(config, { env: variables, onEvent: (event) => events.push(event) })
    expect(events).toHaveLength(3)
  })

  test('two roots of one address are cloned once', async () => {
    const { config } = publish('twice')
    const [first] = config.repositories ?? []
    if (first === undefined) throw new Error('no repository')
    const both = { ...config, repositories: [first, { ...first, root: 'example.com/again' }] }
    expect((await discover(both)).problems).toEqual([])
    server.requests.length = 0
    const { repositories } = await discover(both)
    expect(new Set(repositories.map((repository) => repository.dir)).size).toBe(1)
    expect(server.requests.filter((line) => line.startsWith('GET'))).toHaveLength(1)
  })

  test('a clone that an older modpress has made is taken as it is', async () => {
    const { bare, config } = publish('older')
    const clone = only((await discover(config)).repositories)
    const record = join(clone.dir, 'modpress-packs')
    const before = readFileSync(record, 'utf8')
    expect(before).toMatch(/^pack-\w+\.idx \d+\npack-\w+\.pack \d+\n$/)
    rmSync(record)
    git(bare, 'branch', 'unwanted', 'main')
    git(clone.dir, 'branch', 'unwanted', 'main')
    server.requests.length = 0
    await discover(config)
    expect(server.requests.length).toBeLessThanOrEqual(2)
    expect(readFileSync(record, 'utf8')).toBe(before)
    expect(contents(clone.dir)).toContain('refs/heads/unwanted')
  })

  test('a HEAD that names no branch is not taken for another', async () => {
    const { bare, config } = publish('unborn')
    git(bare, 'branch', 'master', 'main')
    git(bare, 'symbolic-ref', 'HEAD', 'refs/heads/nothing')
    const { repositories, problems } = await discover(config)
    expect(problems.map(({ code }) => code)).toEqual(reader === 'native' ? [] : ['needs-git'])
    if (reader === 'isomorphic') return
    expect(contents(only(repositories).dir)).toEqual([
      'refs/heads/main',
      'refs/heads/master',
      'refs/tags/v1.0.0',
      'ref: refs/heads/HEAD',
    ])
  })

  test('an empty repository is cloned, and filled later', async () => {
    const { bare, config } = publish('empty')
    git(bare, 'tag', '-d', 'v1.0.0')
    git(bare, 'update-ref', '-d', 'refs/heads/main')
    const first = await discover(config)
    expect(first.problems).toEqual([])
    commit(bare, 'main', 'module example.com/empty\n')
    const { repositories } = await discover(config)
    expect(contents(only(repositories).dir)).toEqual(['refs/heads/main', 'ref: refs/heads/main'])
  })

  test.for(['objects', 'HEAD', 'refs', 'all'] as const)(
    'a clone without its %s is made afresh',
    async (part) => {
      const { config } = publish('damaged')
      const clone = only((await discover(config)).repositories)
      const before = contents(clone.dir)
      const name = part === 'all' ? clone.dir : join(clone.dir, part)
      rmSync(name, { recursive: true })
      if (part === 'all') mkdirSync(clone.dir)
      if (part === 'objects') mkdirSync(join(clone.dir, 'objects/pack'), { recursive: true })
      const { problems } = await discover(config)
      expect(problems).toEqual([])
      expect(contents(clone.dir)).toEqual(before)
      const left = readdirSync(dirname(clone.dir)).filter(
        (entry) => join(dirname(clone.dir), entry) !== clone.dir,
      )
      expect(left).toEqual([])
    },
  )

  test('what a killed run left behind is removed', async () => {
    const { config } = publish('killed')
    const clone = only((await discover(config)).repositories)
    rmSync(clone.dir, { recursive: true })
    mkdirSync(`${clone.dir}.tmp-1-abc/objects`, { recursive: true })
    await discover(config)
    expect(readdirSync(dirname(clone.dir))).toHaveLength(1)
  })

  test('an address that fails is a problem, and an earlier clone is still used', async () => {
    const { config } = publish('gone')
    const { repositories } = await discover(config)
    rmSync(join(served, 'gone.git'))
    const again = await discover(config)
    expect(again.repositories).toEqual(repositories)
    expect(again.problems).toMatchObject([{ code: 'clone-failed', subject: 'example.com/gone' }])
    expect(again.problems[0]?.message).toContain('The clone of an earlier run is used.')
    rmSync(join(dir, 'cache'), { recursive: true })
    const afresh = await discover(config)
    expect(afresh.repositories).toEqual([])
    expect(afresh.problems).toMatchObject([{ code: 'clone-failed' }])
  })

  test('a token reaches its host and nothing else', async () => {
    const { config } = publish('private')
    const canary = 'canary-4f1d0e2b9a'
    server.password = { password: canary }
    const locked = await discover(config)
    expect(locked.repositories).toEqual([])
    expect(locked.problems.map(({ code }) => code)).toEqual(['clone-failed'])

    const variables = { ...env, MODPRESS_TOKEN_127_0_0_1: `${canary}\n` }
    const open = await discover(config, { env: variables })
    expect(open.problems).toEqual([])
    expect(contents(only(open.repositories).dir)).toContain('refs/tags/v1.0.0')
    expect(server.requests.some((line) => line.endsWith(`oauth2:${canary}`))).toBe(true)

    server.password = { password: 'another' }
    const stale = await discover(config, { env: variables })
    expect(stale.problems.map(({ code }) => code)).toEqual(['clone-failed'])

    const written = everything(dir) + JSON.stringify([locked, open, stale])
    expect(written).not.toContain(canary)
    expect(written).not.toContain(Buffer.from(`oauth2:${canary}`).toString('base64'))
  })

  test('a token with a user is used as both', async () => {
    const { config } = publish('both')
    server.password = { user: 'robot', password: 'pass:word' }
    const { problems } = await discover(config, {
      env: { ...env, MODPRESS_TOKEN_127_0_0_1: 'robot:pass:word' },
    })
    expect(problems).toEqual([])
  })

  test('a token does not follow a redirect to another host', async () => {
    const other = await startGitServer(served)
    try {
      const { config } = publish('moved')
      const elsewhere = `http://localhost:${other.port}`
      server.password = undefined
      other.password = { password: 'canary-redirected' }
      server.redirect = elsewhere
      const { problems } = await discover(config, {
        env: { ...env, MODPRESS_TOKEN_127_0_0_1: 'canary-redirected' },
      })
      expect(problems.map(({ code }) => code)).toEqual(['clone-failed'])
      expect(other.requests.join('\n')).not.toContain('canary-redirected')
    } finally {
      await other.close()
    }
  })

  test('two runs at once share one clone', async () => {
    const { config } = publish('shared')
    const runs = await Promise.all([discover(config), discover(config), discover(config)])
    expect(runs.flatMap(({ problems }) => problems)).toEqual([])
    expect(contents(only(runs[0]?.repositories ?? []).dir)).toContain('refs/tags/v1.0.0')
    expect(readdirSync(join(dir, 'cache/clones'))).toHaveLength(1)
  })

  test('http to another host is not spoken', async () => {
    const { problems } = await discover({
      git: reader,
      repositories: [
        { root: 'example.com/x', clone: 'http://git.example.com/x.git' },
        { root: 'example.com/y', clone: 'git://git.example.com/x.git' },
      ],
    })
    expect(problems.map(({ code }) => code)).toEqual(['clone-failed', 'clone-failed'])
    expect(problems[0]?.message).toContain('nothing protects')
  })

  test('a run that is stopped in the middle leaves nothing behind', async () => {
    const { config } = publish('stopped')
    server.isSilent = true
    const stop = new AbortController()
    const running = discover(config, { signal: stop.signal })
    running.catch(() => {})
    while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    stop.abort()
    await expect(running).rejects.toMatchObject({ name: 'AbortError' })
    expect(readdirSync(join(dir, 'cache/clones'))).toEqual([])
  })

  test('a repository that has moved is followed', async () => {
    const other = await startGitServer(served)
    try {
      const { config } = publish('renamed')
      server.redirect = other.url
      const { repositories, problems } = await discover(config)
      expect(problems).toEqual([])
      expect(contents(only(repositories).dir)).toContain('refs/tags/v1.0.0')
    } finally {
      await other.close()
    }
  })

  test('a redirect to unprotected http is not followed', async () => {
    const { config } = publish('downgraded')
    server.redirect = 'http://git.example.invalid'
    const { problems } = await discover(config)
    expect(problems.map(({ code }) => code)).toEqual(['clone-failed'])
  })

  test.for([
    ['main', 'ref: refs/heads/main'],
    ['v0.9.0', undefined],
  ] as const)('a HEAD that is detached at %s stays what it is', async ([rev, want]) => {
    const { bare, config } = publish('detached')
    git(bare, 'tag', 'v0.9.0', commit(bare, 'side', 'module side\n'))
    git(bare, 'update-ref', '-d', 'refs/heads/side')
    const oid = git(bare, 'rev-parse', rev)
    writeFileSync(join(bare, 'HEAD'), `${oid}\n`)
    const { repositories, problems } = await discover(config)
    expect(problems).toEqual([])
    expect(contents(only(repositories).dir).at(-1)).toBe(want ?? oid)
    expect(await discover(config)).toMatchObject({ problems: [] })
  })

  test('a branch may take the place of a directory of branches', async () => {
    const { bare, config } = publish('nested')
    git(bare, 'branch', 'a', 'main')
    await discover(config)
    git(bare, 'branch', '-D', 'a')
    git(bare, 'branch', 'a/größe', 'main')
    git(bare, 'symbolic-ref', 'HEAD', 'refs/heads/a/größe')
    const { repositories, problems } = await discover(config)
    expect(problems).toEqual([])
    expect(contents(only(repositories).dir)).toEqual([
      'refs/heads/a/größe',
      'refs/heads/main',
      'refs/tags/v1.0.0',
      'ref: refs/heads/a/größe',
    ])
  })
})

describe('git itself', () => {
  test('files are cloned, with the whole history and any hash', async () => {
    const bare = join(dir, 'sha.git')
    mkdirSync(bare)
    git(bare, 'init', '-q', '--bare', '-b', 'main', '--object-format=sha256')
    commit(bare, 'main', 'module example.com/sha\n')
    const clone = pathToFileURL(bare).href
    const repositories = [{ root: 'example.com/sha', clone }]
    const found = await discover({ repositories })
    expect(found.problems).toEqual([])
    expect(found.repositories).toMatchObject([{ address: clone, clone: 'https://example.com/sha' }])
    expect(git(found.repositories[0]?.dir ?? '', 'rev-parse', 'main')).toHaveLength(64)
  })

  test('with nothing new one process runs for each address, and what is new comes as a pack', async () => {
    const bare = makeBare('x.git', 'v1.0.0')
    const bin = join(dir, 'bin')
    const log = join(dir, 'log')
    mkdirSync(bin)
    const real = execFileSync('which', ['git'], { env, encoding: 'utf8' }).trim()
    writeFileSync(join(bin, 'git'), `#!/bin/sh\necho "$@" >> ${log}\nexec ${real} "$@"\n`)
    chmodSync(join(bin, 'git'), 0o755)
    const variables = { ...env, PATH: `${bin}${delimiter}${env['PATH']}` }
    const repositories = [{ root: 'example.com/x', clone: pathToFileURL(bare).href }]
    const run = async () => {
      writeFileSync(log, '')
      const found = await discover({ repositories }, { env: variables })
      expect(found.problems).toEqual([])
      const commands = readFileSync(log, 'utf8').trim().split('\n')
      const [, , ...others] = commands.map((line) => / (ls-remote|fetch|pack-refs) /.exec(`${line} `)?.[1])
      return { commands, others, clone: found.repositories[0]?.dir ?? '' }
    }
    const { clone } = await run()
    const { commands } = await run()
    expect(commands).toHaveLength(2)
    expect(commands[0]).toBe('--version')
    expect(commands[1]).toContain('ls-remote')

    git(bare, 'tag', 'v1.1.0', commit(bare, 'main', 'module example.com/x // new\n'))
    expect((await run()).others).toEqual(['fetch', 'pack-refs'])
    expect(readdirSync(join(clone, 'objects/pack')).filter((name) => name.endsWith('.pack'))).toHaveLength(2)
    expect(readFileSync(join(clone, 'packed-refs'), 'utf8')).toContain('refs/tags/v1.1.0')
    expect(existsSync(join(clone, 'FETCH_HEAD'))).toBe(false)
  })

  test('the origin of a clone is not in its configuration', async () => {
    const clone = pathToFileURL(makeBare('x.git')).href
    const { repositories } = await discover({ repositories: [{ root: 'example.com/x', clone }] })
    const config = readFileSync(join(repositories[0]?.dir ?? '', 'config'), 'utf8')
    expect(config).not.toContain('remote')
  })

  test("no hook runs, neither of a template nor of the user's configuration", async () => {
    const clone = pathToFileURL(makeBare('x.git', 'v1.0.0')).href
    const hooks = join(dir, 'hooks')
    mkdirSync(hooks)
    for (const name of ['reference-transaction', 'post-checkout', 'post-update', 'pre-auto-gc']) {
      writeFileSync(join(hooks, name), `#!/bin/sh\ntouch ${join(dir, 'canary')}\n`)
      chmodSync(join(hooks, name), 0o755)
    }
    writeFileSync(
      join(dir, 'home/.gitconfig'),
      `[core]\n\thooksPath = ${hooks}\n[init]\n\ttemplateDir = ${dir}\n`,
    )
    const { problems } = await discover({ repositories: [{ root: 'example.com/x', clone }] })
    expect(problems).toEqual([])
    expect(existsSync(join(dir, 'canary'))).toBe(false)
  })

  test("the user's insteadOf and credential helpers are honoured, and a token of ours is not stored by them", async () => {
    const served = join(dir, 'served')
    mkdirSync(served)
    const server = await startGitServer(served)
    try {
      makeBare('served/x.git', 'v1.0.0')
      const store = join(dir, 'stored')
      writeFileSync(store, `http://gopher:from-the-store@127.0.0.1:${server.port}\n`)
      const config = [
        `[url "${server.url}/"]`,
        '\tinsteadOf = https://git.example.com/',
        '[credential]',
        `\thelper = store --file=${store}`,
      ]
      writeFileSync(join(dir, 'home/.gitconfig'), `${config.join('\n')}\n`)
      server.password = { user: 'gopher', password: 'from-the-store' }
      const rewritten = await discover({
        repositories: [{ root: 'example.com/x', clone: 'http://localhost:1/x.git' }],
      })
      expect(rewritten.problems).toHaveLength(1)
      const direct = { repositories: [{ root: 'example.com/x', clone: `${server.url}/x.git` }] }
      expect((await discover(direct)).problems).toEqual([])

      server.password = { password: 'canary-token' }
      writeFileSync(store, '')
      const { problems } = await discover(direct, {
        env: { ...env, MODPRESS_TOKEN_127_0_0_1: 'canary-token' },
      })
      expect(problems).toEqual([])
      expect(readFileSync(store, 'utf8')).toBe('')
      expect(everything(dir)).not.toContain('canary-token')
    } finally {
      await server.close()
    }
  })

  test('where there is no git, https is still cloned and the rest is said to need it', async () => {
    const empty = join(dir, 'empty')
    mkdirSync(empty)
    const variables = { ...env, PATH: empty }
    expect(await findGit(variables)).toBe(false)
    expect(await findGit(env)).toBe(true)
    const config: Config = {
      repositories: [
        { root: 'example.com/f', clone: pathToFileURL(makeBare('x.git')).href },
        { root: 'example.com/s', clone: 'git@git.example.com:acme/x.git' },
      ],
    }
    for (const reader of ['auto', 'native'] as const) {
      const { repositories, problems } = await discover({ ...config, git: reader }, { env: variables })
      expect(repositories).toEqual([])
      expect(problems.map(({ code }) => code)).toEqual(['needs-git', 'needs-git'])
    }
  })

  test('ssh is asked not to ask, unless the user has said how it is run', async () => {
    const bin = join(dir, 'bin')
    mkdirSync(bin)
    writeFileSync(join(bin, 'ssh'), `#!/bin/sh\necho "$@" > ${join(dir, 'ssh-arguments')}\nexit 255\n`)
    chmodSync(join(bin, 'ssh'), 0o755)
    const variables = { ...env, PATH: `${bin}${delimiter}${env['PATH']}` }
    const config = { repositories: [{ root: 'example.com/x', clone: 'git@git.example.com:acme/x.git' }] }
    const seen = () => readFileSync(join(dir, 'ssh-arguments'), 'utf8')
    const { problems } = await discover(config, { env: variables })
    expect(problems.map(({ code }) => code)).toEqual(['clone-failed'])
    expect(seen()).toContain('-oBatchMode=yes')
    await discover(config, { env: { ...variables, GIT_SSH_COMMAND: 'ssh -oUser=own' } })
    expect(seen()).not.toContain('BatchMode')
    writeFileSync(join(dir, 'home/.gitconfig'), '[core]\n\tsshCommand = ssh -oUser=configured\n')
    await discover(config, { env: variables })
    expect(seen()).toContain('-oUser=configured')
  })
})

describe('credentialsFor', () => {
  const tokens = {
    MODPRESS_TOKEN_GIT_EXAMPLE_COM: 'own',
    GITHUB_TOKEN: 'hub',
    GITHUB_SERVER_URL: 'https://github.example.com',
    CI_JOB_TOKEN: 'job',
    CI_SERVER_HOST: 'gitlab.example.com',
  }

  test.for([
    ['https://git.example.com/x', 'oauth2:own'],
    ['https://git.example.com:8443/x', 'oauth2:own'],
    ['http://git.example.com/x', undefined],
    ['ssh://git@git.example.com/x', undefined],
    ['https://github.example.com/x', 'x-access-token:hub'],
    ['http://github.example.com/x', undefined],
    ['https://github.com/x', undefined],
    ['https://gitlab.example.com/x', 'gitlab-ci-token:job'],
    ['https://gitlab.com/x', undefined],
    ['https://evil-github.com/x', undefined],
    ['https://github.com.evil.example/x', undefined],
  ] as const)('%s gets %s', ([text, want]) => {
    const address = parseAddress(text)
    const found = address === undefined ? undefined : credentialsFor(address, tokens)
    expect(found && `${found.username}:${found.password}`).toBe(want)
  })

  test("a user's token wins over the job's, and an empty one counts as none", () => {
    const address = parseAddress('https://github.com/x')
    if (address === undefined) throw new Error('no address')
    expect(credentialsFor(address, { ...tokens, MODPRESS_TOKEN_GITHUB_COM: 'mine' })?.password).toBe('mine')
    const blank = { GITHUB_TOKEN: 'hub', MODPRESS_TOKEN_GITHUB_COM: ' ' }
    expect(credentialsFor(address, blank)).toEqual({ username: 'x-access-token', password: 'hub' })
    expect(credentialsFor(address, { MODPRESS_TOKEN_GITHUB_COM: 'a\nb' })).toBeUndefined()
  })

  test('git sees neither the traces that print headers nor the place of another repository', () => {
    const address = parseAddress('https://github.com/x')
    if (address === undefined) throw new Error('no address')
    const outer = {
      GIT_DIR: '/x',
      GIT_TRACE_CURL: '/tmp/trace',
      GIT_CONFIG_COUNT: '1',
      GIT_ASKPASS: 'ask',
      HOME: '/h',
    }
    const inner = gitEnvironment(address, { ...outer, ...tokens, GITHUB_SERVER_URL: '' }, '/cache')
    expect(inner).toMatchObject({
      HOME: '/h',
      GIT_ASKPASS: 'ask',
      GIT_CONFIG_COUNT: '3',
      GIT_TERMINAL_PROMPT: '0',
    })
    expect(Object.keys(inner).filter((name) => /GIT_DIR|TRACE|MODPRESS_TOKEN/.test(name))).toEqual([])
    expect(inner['GIT_ALLOW_PROTOCOL']).toBe('https:ssh:file')
    const secrets = Object.entries(inner).filter(([, value]) => value === 'hub')
    expect(secrets.map(([name]) => name).sort()).toEqual(['GITHUB_TOKEN', 'MODPRESS_GIT_PASSWORD'])
  })
})

test.for([
  [
    "fatal: unable to access 'https://u:p@git.example.com/x'",
    "fatal: unable to access 'https://git.example.com/x'",
  ],
  ['remote: bad token s3cr3t-value\nfatal: no\n', 'remote: bad token ***; fatal: no'],
  ['url ?t=s3cr3t%2Dvalue czNjcjN0LXZhbHVl', 'url ?t=s3cr3t%2Dvalue ***'],
  ['\u001b[31mred\u001b[0m \u202eevil\u2066', '[31mred[0m evil'],
] as const)('%j is shown as %j', ([text, want]) => {
  expect(redact(text, { MODPRESS_TOKEN_X: 's3cr3t-value' })).toBe(want)
})

describe('withLock', () => {
  test('only one is in at a time', async () => {
    const file = join(dir, 'lock')
    let inside = 0
    let most = 0
    const enter = () =>
      withLock(file, {}, async () => {
        inside += 1
        most = Math.max(most, inside)
        await new Promise((resolve) => setTimeout(resolve, 5))
        inside -= 1
      })
    await Promise.all([enter(), enter(), enter(), enter()])
    expect(most).toBe(1)
    expect(existsSync(file)).toBe(false)
  })

  test.for([
    ['a dead process', JSON.stringify({ pid: 2 ** 30, host: undefined })],
    ['a host that is silent', JSON.stringify({ pid: 1, host: 'elsewhere' })],
    ['a writer that died while it wrote', ''],
  ] as const)('the lock of %s is taken over', async ([, text]) => {
    const file = join(dir, 'lock')
    writeFileSync(file, text)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(await withLock(file, { staleMs: 20 }, async () => 'in')).toBe('in')
    expect(readdirSync(dir)).toEqual(['home'])
  })

  test('a wait can be stopped', async () => {
    const file = join(dir, 'lock')
    writeFileSync(file, JSON.stringify({ pid: 1, host: 'elsewhere' }))
    await expect(withLock(file, { signal: AbortSignal.timeout(20) }, async () => {})).rejects.toThrow()
    expect(existsSync(file)).toBe(true)
  })
})
