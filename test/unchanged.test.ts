/**
 * A repository whose address has just what is published is not cloned where
 * no clone is there, as in a CI job without a cache; and with any difference
 * it is, and the site becomes what it would have become with a cache.
 */

import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { build, plan } from '../src/build.ts'
import { loadSettings } from '../src/config/load.ts'
import type { Config, RepositoryConfig } from '../src/config/schema.ts'
import { publish } from '../src/publish.ts'
import type { Report } from '../src/report.ts'
import { createRepository, type RawRepository } from './support/gitobjects.ts'
import { type GitServer, startGitServer } from './support/gitserver.ts'
import { hashTree } from './support/hash.ts'
import { makeDirectory } from './support/repo.ts'
import { siteModules } from './support/site.ts'

let dir: string
let server: GitServer
let one: RawRepository
let count = 0

beforeAll(async () => {
  dir = makeDirectory()
  server = await startGitServer(join(dir, 'git'))
})

afterAll(() => server.close())

beforeEach(() => {
  rmSync(join(dir, 'git'), { recursive: true, force: true })
  rmSync(join(dir, 'site'), { recursive: true, force: true })
  rmSync(join(dir, 'cache'), { recursive: true, force: true })
  one = make('one')
  make('two')
  server.requests.length = 0
})

function make(name: string): RawRepository {
  const repository = createRepository(join(dir, 'git', `${name}.git`))
  tag(repository, name, 'v1.0.0')
  return repository
}

/** Tags a new commit, which main moves to. */
function tag(repository: RawRepository, name: string, version: string): void {
  const files = {
    'go.mod': `module go.example.com/${name}\n`,
    'r.go': `package r // ${version} ${++count}\n`,
  }
  const commit = repository.commit({ tree: repository.files(files) })
  repository.ref('refs/heads/main', commit)
  repository.ref(`refs/tags/${version}`, commit)
}

async function settings(more: Partial<RepositoryConfig> = {}, config: Partial<Config> = {}) {
  const entry = (name: string) => ({
    root: `go.example.com/${name}`,
    clone: `${server.url}/${name}.git`,
    ...more,
  })
  const all = {
    cache: 'cache',
    url: 'https://go.example.com',
    repositories: [entry('one'), entry('two')],
    ...config,
  }
  return loadSettings({ cwd: dir, env: env(), config: all })
}

const env = () => ({ PATH: process.env['PATH'] ?? '', HOME: dir, GIT_CONFIG_NOSYSTEM: '1' })
const run = async (...args: Parameters<typeof settings>) => build(await settings(...args), { env: env() })
const codes = ({ problems }: Report) => problems.map(({ code, known }) => `${known ? 'known ' : ''}${code}`)

/** The names of the repositories that there are clones of. */
function clones(): string[] {
  const cache = join(dir, 'cache/clones')
  const names = existsSync(cache) ? readdirSync(cache).filter((name) => name.endsWith('.git')) : []
  return names.map((name) => /-(one|two)-/.exec(name)?.[1] ?? name).sort()
}

const loseCache = () => rmSync(join(dir, 'cache'), { recursive: true })

describe('with no clone', () => {
  test.for(['auto', 'isomorphic'] as const)(
    'nothing is cloned of what is published (git: %s)',
    async (git) => {
      await run({}, { git })
      expect(clones()).toEqual(['one', 'two'])
      const before = hashTree(join(dir, 'site'))
      loseCache()
      expect(await run({}, { git })).toMatchObject({ exit: 0, problems: [], counts: { added: 0, kept: 2 } })
      expect(clones()).toEqual([])
      expect(hashTree(join(dir, 'site'))).toBe(before)
    },
  )

  test('what has a new tag is cloned, and nothing else', async () => {
    await run()
    loseCache()
    tag(one, 'one', 'v1.1.0')
    expect(await run()).toMatchObject({ problems: [], counts: { added: 1, kept: 2 } })
    expect(clones()).toEqual(['one'])
    expect(siteModules(join(dir, 'site'))[0]?.list).toEqual(['v1.0.0', 'v1.1.0'])
  })

  test('a tag that has moved, a tag that is gone, and a branch that has moved are seen', async () => {
    const branches = { branches: ['main'] }
    await run(branches)
    loseCache()
    const commit = one.commit({ tree: one.files({ 'go.mod': 'module go.example.com/one\n' }) })
    one.ref('refs/heads/main', commit)
    expect(codes(await run(branches))).toEqual([])
    expect(clones()).toEqual(['one'])
    expect(siteModules(join(dir, 'site'))[0]?.queries['main']).toMatch(/^v1\.0\.1-0\.|^v0\.0\.0-/)

    loseCache()
    one.ref('refs/tags/v1.0.0', commit)
    expect(codes(await run(branches))).toEqual(['tag-moved'])
    loseCache()
    expect(codes(await run(branches))).toEqual(['known tag-moved'])
    expect(clones()).toEqual([])

    rmSync(join(dir, 'git/two.git/refs/tags/v1.0.0'))
    expect(codes(await run(branches))).toEqual(['known tag-moved', 'tag-deleted'])
  })

  test('with other settings, or to accept a move, the repository is read', async () => {
    await run()
    loseCache()
    await run({ versions: '>=v1.0.0' })
    expect(clones()).toEqual(['one', 'two'])
    loseCache()
    const acceptMoved = ['go.example.com/one@v1.0.0']
    await build(await settings({ versions: '>=v1.0.0' }), { env: env(), acceptMoved })
    expect(clones()).toEqual(['one', 'two'])
    loseCache()
    await plan(await settings({ versions: '>=v1.0.0' }), { env: env() })
    expect(clones()).toEqual([])
    const repositories = (await settings()).repositories.slice(0, 1)
    await plan({ ...(await settings()), repositories }, { env: env(), as: { tag: 'v1.2.0' } })
    expect(clones()).toEqual(['one'])
  })

  test('a build from what is live, and jobs that publish, clone nothing either', async () => {
    await run()
    const target = join(dir, 'target')
    await publish(await settings(), [target], { env: env() })
    loseCache()
    expect(await publish(await settings(), [target], { env: env() })).toMatchObject({ counts: { kept: 2 } })
    rmSync(join(dir, 'site'), { recursive: true })
    const report = await build(await settings(), { env: env(), live: { source: target } })
    expect(report).toMatchObject({ problems: [], counts: { added: 0, kept: 2 } })
    expect(siteModules(join(dir, 'site'))).toHaveLength(2)
    expect(clones()).toEqual([])
    rmSync(target, { recursive: true })
  })
})
