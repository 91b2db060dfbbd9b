/**
 * Where a repository lies and how it is stored changes no byte of the site;
 * what is configured of it says which of its versions are there.
 */

import { mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { build } from '../src/build.ts'
import { loadSettings } from '../src/config/load.ts'
import type { Config, RepositoryConfig } from '../src/config/schema.ts'
import type { Report } from '../src/report.ts'
import { hashTree } from './support/hash.ts'
import { makeDirectory, runGit } from './support/repo.ts'
import { makeSample, type Sample } from './support/sample.ts'
import { filesBelow, proxyFile, type SiteModule, siteModules } from './support/site.ts'

const dir = realpathSync(makeDirectory())
const root = 'example.com/sample'
let count = 0

/** A place that nobody has used yet, in a directory that is there. */
function place(name = 'site'): string {
  const path = join(dir, String(count++), name)
  mkdirSync(dirname(path), { recursive: true })
  return path
}

function git(cwd: string, ...args: readonly string[]): string {
  return runGit(cwd, '', args).toString().trim()
}

interface Built {
  readonly site: string
  readonly report: Report
  /** Of the names and contents of all files. */
  readonly hash: string
  /** "code subject" of what the last run did not know. */
  readonly news: readonly string[]
}

type Given = Partial<Omit<Config, 'repositories'>>

/** Builds a site from these repositories; paths are relative to the directory of all tests. */
async function press(
  repositories: readonly RepositoryConfig[],
  config: Given = {},
  site = place(),
): Promise<Built> {
  const env = { PATH: process.env['PATH'] ?? '', HOME: dir, GIT_CONFIG_NOSYSTEM: '1' }
  const all = { url: 'https://go.example.org', ...config, repositories }
  const report = await build(await loadSettings({ cwd: dir, env, output: site, config: all }), { env })
  const news = report.problems.filter((each) => !each.known).map(({ code, subject }) => `${code} ${subject}`)
  return { site, report, hash: hashTree(site), news }
}

function moduleOf(site: string, path = root): SiteModule | undefined {
  return siteModules(site).find((each) => each.path === path)
}

/** Returns the versions that have all of their files, in no order. */
function versionsOf(site: string, path = root): string[] {
  const names = filesBelow(join(site, path, '@v'))
  const has = (version: string) => ['mod', 'info'].every((kind) => names.includes(`${version}.${kind}`))
  return names.flatMap((name) => (name.endsWith('.zip') && has(name.slice(0, -4)) ? name.slice(0, -4) : []))
}

/** The repository that the others are made from: loose objects, loose refs, a work tree, no origin. */
let sample: Sample
let expected: Built
const branches = ['main']
/** A repository that is as it should be, beside those that are not. */
const other: RepositoryConfig = { root: 'example.com/other', dir: 'other' }

beforeAll(async () => {
  sample = makeSample(join(dir, 'sample'), root)
  expected = await press([{ root, dir: sample.dir, branches }])
  git(dir, 'init', '--quiet', '--initial-branch=main', 'other')
  git(join(dir, 'other'), 'commit', '--quiet', '--allow-empty', '--message=other')
  git(join(dir, 'other'), 'tag', 'v1.0.0')
})

function cloneSample(name: string, ...options: readonly string[]): string {
  const clone = place(name)
  git(dir, 'clone', '--quiet', ...options, sample.dir, clone)
  return clone
}

describe.concurrent('the same bytes come from', () => {
  const sources: Record<string, () => string> = {
    'a bare clone': () => cloneSample('sample.git', '--bare'),
    'a clone with a work tree': () => cloneSample('sample'),
    'a clone on another branch': () => {
      const clone = cloneSample('sample')
      git(clone, 'checkout', '--quiet', '-b', 'mine', 'v1.0.0')
      return clone
    },
    'a linked worktree': () => {
      const linked = place('linked')
      git(cloneSample('sample.git', '--bare'), 'worktree', 'add', '--quiet', linked, 'main')
      return linked
    },
    'packed refs': () => {
      const clone = cloneSample('sample.git', '--mirror')
      git(clone, 'pack-refs', '--all')
      expect(readdirSync(join(clone, 'refs/tags'))).toEqual([])
      return clone
    },
    'loose refs': () => {
      const clone = place('loose')
      git(dir, 'init', '--quiet', '--bare', '--initial-branch=main', clone)
      git(clone, 'fetch', '--quiet', sample.dir, '+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*')
      expect(readdirSync(join(clone, 'refs/tags'))).toContain('v1.0.0')
      return clone
    },
    'one pack': () => {
      const clone = cloneSample('sample.git', '--mirror')
      git(clone, 'gc', '--quiet', '--prune=now')
      return clone
    },
    'a .git file': () => {
      const clone = cloneSample('sample', `--separate-git-dir=${place('away.git')}`)
      expect(readdirSync(clone)).toContain('.git')
      return clone
    },
  }

  /** What the reader without git does not see in the others, too. */
  const isStoredOtherwise = /bare|linked|loose|pack$/

  test.for(Object.entries(sources))('%s', async ([name, make]) => {
    const clone = make()
    const { hash, news } = await press([{ root, dir: clone, branches }])
    expect({ hash, news }).toEqual({ hash: expected.hash, news: expected.news })
    if (!isStoredOtherwise.test(name)) return
    expect((await press([{ root, dir: clone, branches }], { git: 'isomorphic' })).hash).toBe(expected.hash)
  })

  test.for(['--shared', '--reference'] as const)('a clone that borrows objects: %s', async (option) => {
    const options = option === '--shared' ? [option] : [option, sample.dir, '--no-local']
    const clone = cloneSample('sample.git', '--bare', ...options)
    expect((await press([{ root, dir: clone, branches }])).hash).toBe(expected.hash)
    const { site, news } = await press([{ root, dir: clone, branches }, other], { git: 'isomorphic' })
    expect(news).toContain(`needs-git ${root}`)
    expect(versionsOf(site)).toEqual([])
    expect(versionsOf(site, other.root)).toContain('v1.0.0')
  })

  test('a pattern with {name}, and with {path}', async () => {
    const one = cloneSample('repos/sample.git', '--bare')
    const repos = dirname(one)
    mkdirSync(join(repos, 'team'))
    git(dir, 'clone', '--quiet', sample.dir, join(repos, 'team/tools'))
    expect((await press([{ root: 'example.com/{name}', dir: join(repos, '*'), branches }])).hash).toBe(
      expected.hash,
    )

    const tools = { root: 'example.com/team/tools', dir: sample.dir, branches }
    const both = await press([{ root, dir: sample.dir, branches }, tools])
    const found = await press([{ root: 'example.com/{path}', dir: join(repos, '**'), branches }])
    expect(siteModules(found.site).map(({ path }) => path)).toContain('example.com/team/tools')
    expect(found.hash).toBe(both.hash)
  })

  test('an address that is cloned, and fetched when there is something new', async () => {
    const forge = cloneSample('forge.git', '--bare')
    git(forge, 'branch', 'next', 'v1.1.0')
    const cache = place('cache')
    const remote = [{ root, clone: pathToFileURL(forge).href, branches }]
    const local = [{ root, dir: forge, branches }]
    const sites = [place(), place()] as const
    const build = async () => {
      const cloned = await press(remote, { cache }, sites[0])
      const read = await press(local, {}, sites[1])
      expect(cloned.news).toEqual(read.news)
      expect(cloned.hash).toBe(read.hash)
      return cloned
    }
    const clones = () => readdirSync(join(cache, 'clones')).filter((name) => name.endsWith('.git'))

    expect((await build()).report.counts.added).toBeGreaterThan(5)
    expect(clones()).toHaveLength(1)
    expect((await build()).report.counts.added).toBe(0)

    git(forge, 'tag', 'v1.9.0', 'v1.3.1')
    const { report, site } = await build()
    expect(report.counts.added).toBe(1)
    expect(moduleOf(site)).toMatchObject({ latest: 'v1.9.0' })

    git(forge, 'symbolic-ref', 'HEAD', 'refs/heads/next')
    await build()
    git(forge, 'tag', '--delete', 'v1.9.0')
    expect((await build()).news).toEqual([`tag-deleted ${root}@v1.9.0`])
    expect(clones()).toHaveLength(1)

    // What was cloned is still there when the forge is not.
    rmSync(forge, { recursive: true })
    const alone = await press(remote, { cache }, sites[0])
    expect(alone.news).toEqual([`clone-failed ${root}`])
    expect(versionsOf(alone.site)).toContain('v1.9.0')
  })
})

describe.concurrent('how objects and refs are stored', () => {
  test('ids of SHA-256 give the same hashes of modules, and need git', async () => {
    const long = place('sha256')
    git(dir, 'init', '--quiet', '--object-format=sha256', '--initial-branch=main', long)
    writeFileSync(join(long, 'go.mod'), `module ${root}\n\ngo 1.20\n`)
    writeFileSync(join(long, 'a.go'), 'package sample\n')
    writeFileSync(join(long, 'LICENSE'), 'free\n')
    git(long, 'add', '--all')
    git(long, 'commit', '--quiet', '--message=first')
    git(long, 'tag', 'v1.0.0')
    git(long, 'commit', '--quiet', '--allow-empty', '--message=second')
    const repositories = [{ root, dir: long, branches }, other]
    const { site, news } = await press(repositories)
    expect(news.filter((each) => each.includes(`${root} `))).toEqual([])
    const tip = git(long, 'rev-parse', 'main')
    const h1Of = (where: string) => moduleOf(where)?.versions.find(({ version }) => version === 'v1.0.0')?.h1
    expect(h1Of(site)).toBe(h1Of(expected.site))
    expect(moduleOf(site)?.queries).toEqual({ main: `v1.0.1-0.20200913122640-${tip.slice(0, 12)}` })

    const without = await press(repositories, { git: 'isomorphic' })
    expect(without.news).toContain(`needs-git ${root}`)
    expect(versionsOf(without.site)).toEqual([])
    expect(versionsOf(without.site, other.root)).toContain('v1.0.0')
  })

  test.for(['native', 'isomorphic'] as const)('a reftable is refused by name: %s', async (reader) => {
    const clone = cloneSample('sample.git', '--bare')
    git(clone, 'config', 'core.repositoryformatversion', '1')
    git(clone, 'config', 'extensions.refStorage', 'reftable')
    const { site, news, report } = await press([{ root, dir: clone }, other], { git: reader })
    expect(news).toContain(`repository-format ${root}`)
    expect(report.exit).toBe(1)
    expect(versionsOf(site)).toEqual([])
    expect(versionsOf(site, other.root)).toContain('v1.0.0')
  })

  test('attributes that change bytes cost the reader without git that version alone', async () => {
    const own = makeSample(place('attributes'), root)
    own.release(
      { 'go.mod': `module ${root}\n`, '.gitattributes': '*.txt text eol=crlf\n', 'a.txt': 'a\n' },
      'v1.4.0',
    )
    own.release({ '.gitattributes': '*.txt text=auto\n', 'b.go': 'package sample\n' }, 'v1.5.0')
    const whole = await press([own.repository])
    const without = await press([own.repository, other], { git: 'isomorphic' })
    expect(whole.news.filter((each) => each.startsWith('needs-git'))).toEqual([])
    expect(without.news.filter((each) => each.startsWith('needs-git'))).toEqual([`needs-git ${root}@v1.4.0`])
    expect(moduleOf(without.site)?.versions).toEqual(
      moduleOf(whole.site)?.versions.filter(({ version }) => version !== 'v1.4.0'),
    )
    expect(versionsOf(without.site, other.root)).toContain('v1.0.0')
    // With git at hand the next run has it.
    const later = await press([own.repository, other], {}, without.site)
    expect(later.report.counts.added).toBe(1)
    expect(moduleOf(later.site)?.versions).toEqual(moduleOf(whole.site)?.versions)
  })
})

describe.concurrent('configured revisions', () => {
  const tip = (revision: string) => sample.git('rev-parse', revision)
  const sum = (module: string, version: string) =>
    `${module} ${version} h1:${'A'.repeat(43)}=\n${module} ${version}/go.mod h1:${'A'.repeat(43)}=\n`
  const repository = (commits: RepositoryConfig['commits'] = []): RepositoryConfig => ({
    root,
    dir: sample.dir,
    commits,
  })
  let plain: Built
  beforeAll(async () => {
    plain = await press([repository()])
  })

  test('an id is answered, in the form in which it is written, by its version', async () => {
    const [tagged, retracted, loose] = [tip('v1.2.0'), tip('v1.1.0'), tip('main')]
    const { site, news } = await press([repository([tagged, retracted, loose, loose.slice(0, 7), 'main'])])
    expect(news).toEqual(plain.news)
    expect(moduleOf(site)?.queries).toEqual({
      [tagged]: 'v1.2.0',
      // What the author took back is no answer.
      [retracted]: `v1.0.1-0.20200913122640-${retracted.slice(0, 12)}`,
    })
    // By its go.mod the newest commit is one of /v2 alone.
    expect(versionsOf(site).filter((version) => version.endsWith(loose.slice(0, 12)))).toEqual([])
    const two = `v2.0.1-0.20200913122640-${loose.slice(0, 12)}`
    expect(versionsOf(site, `${root}/v2`)).toEqual([two, 'v2.0.0'].sort())
    expect(moduleOf(site, `${root}/v2`)?.queries).toEqual({
      [loose]: two,
      [loose.slice(0, 7)]: two,
      main: two,
    })
    const fresh = `v0.0.0-20200913122640-${loose.slice(0, 12)}`
    expect(moduleOf(site, `${root}/new`)?.queries).toMatchObject({ [loose]: fresh, main: fresh })
    expect(proxyFile(site, `${root}/new`, `@v/${loose}.info`)).toBe(
      proxyFile(site, `${root}/new`, `@v/${fresh}.info`),
    )
    expect(moduleOf(site, `${root}/sub`)?.queries).toMatchObject({ [tip('v1.2.0')]: 'v0.1.0' })
  })

  test('a pseudo-version that consumers hold is published under its own name', async () => {
    // Lower bases than the highest are as good: go made them before the higher tags were there.
    const commit = tip('v1.2.0')
    const held = `v1.0.1-0.20200913122640-${commit.slice(0, 12)}`
    const { site, news } = await press([repository([held])])
    expect(news).toEqual(plain.news)
    expect(versionsOf(site)).toContain(held)
    expect(JSON.parse(proxyFile(site, root, `@v/${held}.info`) ?? '{}')).toMatchObject({
      Version: held,
      Origin: { Hash: commit },
    })
    expect(moduleOf(site)?.list).not.toContain(held)
  })

  // A revision for any module is tried with each, and what each says of it is dropped.
  test('one that fits no module is reported', async () => {
    const wrong = `v1.0.1-0.20200101000000-${tip('v1.2.0').slice(0, 12)}`
    const { site, news } = await press([repository([wrong])])
    expect(versionsOf(site)).not.toContain(wrong)
    expect(news.filter((each) => each.startsWith('pseudo-version-invalid'))).toHaveLength(1)
  })

  test('go.sum files say which, for the modules that are here', async () => {
    const apps = place('apps')
    const [commit, loose] = [tip('v1.2.0').slice(0, 12), tip('main').slice(0, 12)]
    const held = `v1.0.1-0.20200913122640-${commit}`
    const fresh = `v0.0.0-20200913122640-${loose}`
    const wrong = `v1.0.1-0.20200101000000-${commit}`
    const gone = 'v0.0.0-20200101000000-abcdefabcdef'
    const texts: Record<string, string> = {
      'a/go.sum': sum(root, held) + sum(root, 'v1.0.0') + sum('example.net/x', gone),
      'b/deep/go.sum': sum(`${root}/new`, fresh) + sum(root, held),
      'c/go.sum': sum(root, wrong) + sum(`${root}/sub`, gone),
      'd/go.sum': 'This is no go.sum.\n',
    }
    for (const [name, text] of Object.entries(texts)) {
      mkdirSync(dirname(join(apps, name)), { recursive: true })
      writeFileSync(join(apps, name), text)
    }
    const { site, news } = await press([repository([{ from: join(apps, '**/go.sum') }])])
    expect(versionsOf(site)).toEqual([...versionsOf(plain.site), held].sort())
    expect(versionsOf(site, `${root}/new`)).toEqual([fresh])
    expect(news.filter((each) => !plain.news.includes(each)).sort()).toEqual([
      `commit-unknown ${root}/sub@${gone}`,
      `pseudo-version-invalid ${root}@${wrong}`,
    ])
  })

  test('what is published of them stays when they are no longer asked for', async () => {
    const held = `v1.0.1-0.20200913122640-${tip('v1.2.0').slice(0, 12)}`
    const { site } = await press([repository([held])])
    const before = versionsOf(site)
    const { news } = await press([repository()], {}, site)
    expect(news).toEqual([])
    expect(versionsOf(site)).toEqual(before)
  })
})

describe.concurrent('a filter', () => {
  const all = (more: Partial<RepositoryConfig> = {}): RepositoryConfig => ({ root, dir: sample.dir, ...more })
  const lists = (site: string) => siteModules(site).map(({ path, list, latest }) => ({ path, list, latest }))

  test('of versions leaves out what does not fit, and says nothing of it', async () => {
    const { site, news } = await press([all({ versions: '>=v1.1.0 <v1.3.0 || v2.0.0' })])
    expect(news.filter((each) => !each.startsWith('tag-not-canonical'))).toEqual([])
    expect(lists(site)).toEqual([
      { path: root, list: ['v1.1.0', 'v1.2.0'], latest: 'v1.2.0' },
      { path: `${root}/v2`, list: ['v2.0.0'], latest: 'v2.0.0' },
    ])
  })

  test('of directories leaves out the modules in them', async () => {
    const one = await press([all({ directories: { exclude: ['sub'] } })])
    expect(lists(one.site).map(({ path }) => path)).toEqual([root, `${root}/new`, `${root}/v2`])
    const two = await press([all({ directories: { include: ['sub', 'n*'] } })])
    expect(lists(two.site).map(({ path }) => path)).toEqual([`${root}/new`, `${root}/sub`])
  })

  const filters: Record<string, Partial<RepositoryConfig>> = {
    versions: { versions: '>=v9.0.0' },
    'excluded directories': { directories: { exclude: ['', 'sub', 'new'] } },
    'included directories': { directories: { include: ['elsewhere'] } },
  }

  test.for(Object.entries(filters))('keeps what is published before: %s', async ([, filter]) => {
    const own = makeSample(place('sample'), root)
    const repository = { ...own.repository, branches: [] }
    const { site } = await press([repository])
    const published = filesBelow(site).filter((name) => /\/@v\/.*\.(?:info|mod|zip)$/.test(name))
    const before = lists(site)

    const filtered = { ...repository, ...filter }
    expect((await press([filtered], {}, site)).news).toEqual([])
    expect(lists(site)).toEqual(before)
    // Nor does what is new come in, of a commit that is on no branch.
    own.git('checkout', '--quiet', '--detach')
    own.release({ 'sub/t.go': 'package sub\n' }, 'sub/v0.2.0', 'v1.9.0')
    const { news, report } = await press([filtered], {}, site)
    expect({ news, added: report.counts.added }).toEqual({ news: [], added: 0 })
    expect(lists(site)).toEqual(before)
    expect(filesBelow(site).filter((name) => /\/@v\/.*\.(?:info|mod|zip)$/.test(name))).toEqual(published)
  })
})
