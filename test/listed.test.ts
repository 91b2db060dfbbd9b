/**
 * From an owner on a forge to a site: what is listed, with all its pages and
 * moods, what is taken in, and what becomes of what the site has already. The
 * forge is a loopback server with the shapes of the real ones, and the
 * repositories beside it are real.
 */

import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { build, plan } from '../src/build.ts'
import { loadSettings } from '../src/config/load.ts'
import type { Config, RepositoryConfig, RepositoryPart } from '../src/config/schema.ts'
import { publish } from '../src/publish.ts'
import type { Report } from '../src/report.ts'
import { type ForgeServer, startForgeServer } from './support/forgeserver.ts'
import { createRepository } from './support/gitobjects.ts'
import { hashTree } from './support/hash.ts'
import { makeDirectory } from './support/repo.ts'
import { filesBelow, siteModules } from './support/site.ts'

const prefix = 'go.example.com'
const kinds = ['github', 'gitlab', 'gitea'] as const

let forge: ForgeServer
let root: string
/** Where a test builds: without a site, with the clones of all tests. */
let dir: string

beforeAll(async () => {
  root = makeDirectory()
  forge = await startForgeServer(join(root, 'forge'))
  for (const name of ['log', 'old', 'copy', 'secret', 'text']) {
    forge.add(`acme/${name}`, `${prefix}/${name}`, 'v1.0.0')
  }
})

afterAll(() => forge.close())

beforeEach(() => {
  dir = makeDirectory()
  forge.repositories = [
    { path: 'acme/log', topics: ['Go'] },
    { path: 'acme/old', archived: true },
    { path: 'acme/copy', fork: true },
    { path: 'acme/.github' },
    { path: 'acme/secret', visibility: 'private' },
    { path: 'acme/text' },
  ]
  Object.assign(forge, { pageSize: undefined, linkBase: undefined, paging: 'link', fault: undefined })
  forge.requests.length = 0
  forge.git.requests.length = 0
})

const token = () => ({ MODPRESS_TOKEN_127_0_0_1: forge.token })

/** The entry that stands for the owner "acme". */
function entry(kind: (typeof kinds)[number], filters: object = {}): RepositoryConfig {
  const url = forge.url
  const owner = {
    github: { org: 'acme', url },
    gitlab: { group: 'acme', url },
    gitea: { owner: 'acme', url },
  }[kind]
  return { root: `${prefix}/{path}`, [kind]: { ...owner, ...filters } }
}

interface Options {
  readonly env?: Readonly<Record<string, string>>
  readonly part?: RepositoryPart
  readonly more?: Partial<Config>
}

async function settingsOf(repositories: readonly RepositoryConfig[], { env = {}, part, more }: Options) {
  const all = { PATH: process.env['PATH'] ?? '', HOME: root, GIT_CONFIG_NOSYSTEM: '1', ...env }
  const config = { cache: join(root, 'cache'), url: `https://${prefix}`, repositories, ...more }
  const settings = await loadSettings({ cwd: dir, env: all, config, ...(part && { part }) })
  return { settings, env: all }
}

async function run(repositories: readonly RepositoryConfig[], options: Options = {}): Promise<Report> {
  const { settings, env } = await settingsOf(repositories, options)
  return build(settings, { env })
}

const modules = () => siteModules(join(dir, 'site')).map(({ path }) => path.slice(prefix.length + 1))
const codes = ({ problems }: Report) => problems.map(({ code, known }) => `${known ? 'known ' : ''}${code}`)

/** All bytes of the site, and the names of its files. */
function everything(): string {
  const site = join(dir, 'site')
  return filesBelow(site)
    .map((path) => `${path}\n${readFileSync(join(site, path), 'latin1')}`)
    .join('\n')
}

describe.each(kinds)('%s', (kind) => {
  test('an owner becomes a site, page by page; forks are left out, and what is archived has a mark', async () => {
    forge.pageSize = 2
    const first = await run([entry(kind)], { env: token() })
    expect(first).toMatchObject({ exit: 0, problems: [], counts: { added: 4 } })
    expect(modules()).toEqual(['log', 'old', 'secret', 'text'])
    expect(forge.requests).toHaveLength(3)

    const record = (name: string) =>
      JSON.parse(readFileSync(join(dir, 'site/-/modules', prefix, `${name}.json`), 'utf8'))
    expect(record('old').repository).toMatchObject({ archived: true, source: kind })
    expect(record('log').repository).not.toHaveProperty('archived')
    expect(record('log').repository.web).toBe(`${forge.url}/acme/log`)
    expect(readFileSync(join(dir, 'site/old/index.html'), 'utf8')).toContain('The repository is archived')
    expect(readFileSync(join(dir, 'site/log/index.html'), 'utf8')).not.toContain('archived')

    const before = hashTree(join(dir, 'site'))
    forge.git.requests.length = 0
    expect(await run([entry(kind)], { env: token() })).toMatchObject({ problems: [], counts: { kept: 4 } })
    expect(hashTree(join(dir, 'site'))).toBe(before)
    // A listing of refs is all that an unchanged repository costs.
    expect(forge.git.requests.filter((request) => !/info\/refs|git-upload-pack/.test(request))).toEqual([])
    expect(forge.git.requests).toHaveLength(8)
  })

  test('a public site takes in what everyone can see, and names nothing else', async () => {
    const report = await run([entry(kind)], { env: token(), more: { access: 'public' } })
    expect(modules()).toEqual(['log', 'old', 'text'])
    expect(codes(report)).toEqual(['repositories-left-out'])
    expect(report.problems[0]?.message).toContain('left out: 1 private.')
    expect(JSON.stringify(report)).not.toContain('secret')
    expect(everything()).not.toContain('secret')
    expect(forge.git.requests.join()).not.toContain('secret')
  })
})

describe('a list that cannot be had', () => {
  test('leaves all that is published as it is, and is an error', async () => {
    await run([entry('gitlab')], { env: token() })
    const before = hashTree(join(dir, 'site'))
    forge.pageSize = 2
    forge.fault = (path) => (path.includes('page=2') ? { status: 404, body: {} } : undefined)
    const report = await run([entry('gitlab')], { env: token() })
    expect(report.exit).toBe(1)
    expect(codes(report)).toEqual(['listing-failed'])
    expect(report.problems[0]?.message).toContain(`${forge.url}/acme could not be listed: it answers 404`)
    expect(JSON.stringify(report)).not.toContain(forge.token)
    expect(hashTree(join(dir, 'site'))).toBe(before)
  })

  test('a root that is not listed just now still has its modules to itself', async () => {
    const above = createRepository(join(dir, 'above.git'))
    const files = { 'go.mod': `module ${prefix}\n`, 'log/go.mod': `module ${prefix}/log\n` }
    const commit = above.commit({ tree: above.files(files) })
    above.ref('refs/heads/main', commit)
    above.ref('refs/tags/v1.0.0', commit)
    const entries = [{ root: prefix, dir: 'above.git' }, entry('gitlab')]
    const more = { url: 'https://elsewhere.example.com' }
    await run(entries, { more })
    above.ref('refs/tags/log/v1.1.0', commit)
    forge.fault = () => ({ status: 404, body: {} })
    const report = await run(entries, { more })
    expect(codes(report).sort()).toEqual(['known module-shadowed', 'listing-failed'])
    const log = siteModules(join(dir, 'site')).find(({ path }) => path === `${prefix}/log`)
    expect(log?.list).toEqual(['v1.0.0'])
  })
})

describe('what the site has already', () => {
  test('what has vanished keeps its versions, and is told of once', async () => {
    await run([entry('gitlab')])
    forge.repositories = [{ path: 'acme/log' }]
    const report = await run([entry('gitlab')])
    expect(report.exit).toBe(0)
    expect(codes(report)).toEqual(['repository-vanished', 'repository-vanished'])
    expect(codes(await run([entry('gitlab')]))).toEqual([
      'known repository-vanished',
      'known repository-vanished',
    ])
    expect(modules()).toEqual(['log', 'old', 'text'])
    forge.repositories.push({ path: 'acme/old', archived: true }, { path: 'acme/text' })
    expect(codes(await run([entry('gitlab')]))).toEqual([])
  })

  test.for(['auto', 'isomorphic'] as const)(
    'a server that wants to know who asks is no failure (git: %s)',
    async (git) => {
      forge.git.password = { password: 'another-token' }
      const more = { git, cache: 'cache' } as const
      const report = await run([entry('gitlab', { include: ['log'] })], { more })
      forge.git.password = undefined
      expect(report).toMatchObject({ exit: 0, problems: [{ code: 'repository-forbidden' }] })
      forge.repositories = [{ path: 'acme/log' }]
      expect(codes(await run([entry('gitlab')], { more }))).toEqual([])
      expect(modules()).toEqual(['log'])
    },
  )

  test('what cannot be read any more keeps its versions, and is told of once', async () => {
    const gone = forge.add('acme/gone', `${prefix}/gone`, 'v1.0.0')
    await run([entry('gitlab')])
    rmSync(gone.dir, { recursive: true })
    rmSync(join(root, 'cache'), { recursive: true })
    const report = await run([entry('gitlab')])
    expect(report).toMatchObject({
      exit: 0,
      problems: [{ code: 'repository-forbidden', severity: 'warning' }],
    })
    expect(codes(await run([entry('gitlab')]))).toEqual(['known repository-forbidden'])
    expect(modules()).toContain('gone')
  })

  test('what is left out by a filter later is not missed', async () => {
    await run([entry('gitlab')])
    expect(codes(await run([entry('gitlab', { exclude: ['log'] })]))).toEqual([])
    expect(modules()).toContain('log')
  })

  test('a build from what is live knows what has vanished, with nothing in its output', async () => {
    await run([entry('gitlab')])
    cpSync(join(dir, 'site'), join(dir, 'live'), { recursive: true })
    rmSync(join(dir, 'site'), { recursive: true })
    forge.repositories = [{ path: 'acme/log' }, { path: 'acme/text' }]
    const { settings, env } = await settingsOf([entry('gitlab')], {})
    const live = { source: join(dir, 'live') }
    expect(codes(await plan(settings, { env, live }))).toEqual(['repository-vanished'])
    expect(existsSync(join(dir, 'site'))).toBe(false)
    expect(codes(await build(settings, { env, live }))).toEqual(['repository-vanished'])
    expect(modules()).toEqual(['log', 'old', 'text'])
  })

  test('parts publish each its share, and tell each of its own', async () => {
    const target = join(dir, 'target')
    const parts = [1, 2].map((number) => ({ number, of: 2 }))
    const publishAll = async (list: readonly RepositoryPart[]) => {
      const reports: Report[] = []
      for (const part of list) {
        const { settings, env } = await settingsOf([entry('gitlab')], { part })
        reports.push(await publish(settings, [target], { env }))
      }
      return reports
    }
    const first = await publishAll(parts)
    expect(first.map(({ counts }) => counts.added).reduce((sum, added) => sum + added)).toBe(3)
    expect(siteModules(target)).toHaveLength(3)
    forge.repositories = []
    expect((await publishAll(parts)).flatMap(codes)).toEqual(Array(3).fill('repository-vanished'))
    expect((await publishAll(parts)).flatMap(codes)).toEqual(Array(3).fill('known repository-vanished'))
    expect(siteModules(target)).toHaveLength(3)
  })
})

describe('roots', () => {
  test('what the configuration names itself goes before, by its root and by its address', async () => {
    const named = [
      { root: `${prefix}/log`, clone: `${forge.git.url}/acme/text.git` },
      { root: `${prefix}/special`, clone: `${forge.git.url}/acme/old.git` },
    ]
    forge.repositories = [{ path: 'acme/log' }, { path: 'acme/old' }, { path: 'acme/text' }]
    await run([...named, entry('gitlab')])
    expect(modules()).toEqual(['log', 'special'])
  })

  test('of two with one root the one that the site holds goes on', async () => {
    forge.repositories = []
    const byName = { ...entry('gitlab'), root: `${prefix}/{name}` }
    const first = forge.add('acme/a/same', `${prefix}/same`, 'v1.0.0')
    await run([byName])
    forge.add('acme/b/same', `${prefix}/same`, 'v6.6.6')
    const commit = first.commit({ tree: first.files({ 'go.mod': `module ${prefix}/same\n` }) })
    first.ref('refs/tags/v1.1.0', commit)
    const report = await run([byName])
    expect(codes(report)).toEqual(['root-shared'])
    expect(siteModules(join(dir, 'site'))).toMatchObject([{ list: ['v1.0.0', 'v1.1.0'] }])
    expect(codes(await run([byName]))).toEqual(['known root-shared'])
  })

  test('a name that is no import path is a problem, and the others go on', async () => {
    forge.repositories = [{ path: 'acme/con' }, { path: 'acme/tilde~1' }, { path: 'acme/log' }]
    const report = await run([entry('gitlab')])
    expect(codes(report)).toEqual(['module-path-invalid', 'module-path-invalid'])
    expect(report.problems[0]?.message).toContain(`${prefix}/con`)
    expect(modules()).toEqual(['log'])
    expect(codes(await run([entry('gitlab')]))).toEqual([
      'known module-path-invalid',
      'known module-path-invalid',
    ])
  })

  test('the path of a root is that below the group, and keys of an entry are for each', async () => {
    forge.repositories = []
    forge.add('acme/libs/deep/x', `${prefix}/deep/x`, 'v0.1.0', 'v1.0.0')
    const gitlab = { group: 'Acme/Libs', url: forge.url }
    const clone = `${forge.git.url}/acme/libs/{path}.git`
    await run([{ root: `${prefix}/{path}`, gitlab, clone, versions: '>=v1.0.0' }])
    expect(siteModules(join(dir, 'site'))).toMatchObject([{ path: `${prefix}/deep/x`, list: ['v1.0.0'] }])
  })

  test('it works without git', async () => {
    await run([entry('gitea')], { env: token(), more: { git: 'isomorphic', cache: 'cache' } })
    expect(modules()).toEqual(['log', 'old', 'secret', 'text'])
  })
})
