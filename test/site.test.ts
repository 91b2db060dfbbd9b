import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Settings } from '../src/config/schema.ts'
import type { ModulePath, Repository } from '../src/model.ts'
import { checkSitePath, ownerOf, type Site, settingsHash } from '../src/site.ts'

const settings: Settings = {
  base: '/nowhere',
  url: 'https://go.example.com/x',
  prefix: 'go.example.com/x',
  output: '/nowhere/site',
  access: 'private',
  host: 'generic',
  gatekeeper: false,
  prefixes: [],
  given: [],
  git: 'auto',
  origin: true,
  cache: '/nowhere/cache',
  maxGo: '1.26',
  memory: 128,
  repositories: [],
  accept: [],
  jobs: 1,
}

const repository: Repository = {
  root: 'go.example.com/x/r' as ModulePath,
  dir: '/nowhere/r',
  subdir: '',
  directories: {},
  branches: [],
  commits: [],
}

const site: Site = { settings, roots: [repository.root, 'go.example.com/x/r/own', 'example.org/s'] }

describe('ownerOf', () => {
  const roots = ['example.com', 'example.com/a', 'example.com/a/b', 'example.com/ab']
  test.for([
    ['example.com/a', 'example.com/a'],
    ['example.com/a/b', 'example.com/a/b'],
    ['example.com/a/b/c', 'example.com/a/b'], //  the longest root counts
    ['example.com/a/c', 'example.com/a'],
    ['example.com/ab/c', 'example.com/ab'], //    whole elements only
    ['example.com/abc', 'example.com'],
    ['example.org/a', undefined],
    ['example.com.org', undefined],
  ] as const)('%s belongs to %s', ([path, want]) => {
    fc.assert(
      fc.property(fc.shuffledSubarray(roots, { minLength: roots.length }), (shuffled) => {
        expect(ownerOf(shuffled, path)).toBe(want)
      }),
      { numRuns: 10 },
    )
  })
})

describe('checkSitePath', () => {
  test.for([
    ['go.example.com/x/r', undefined],
    ['go.example.com/x/r/sub/v2', undefined],
    ['go.example.com/x/r/own', 'module-shadowed'], //        another repository's root
    ['go.example.com/x/r/own/v2', 'module-shadowed'], //     below it
    ['go.example.com/x/r/owner', undefined], //              another name
    ['go.example.com/x/sumdb/m', 'path-reserved'], //        the log's files
    ['go.example.com/x/-', 'path-reserved'], //              our own files
    ['go.example.com/x/CNAME', 'path-reserved'], //          a host's file, in whatever letter case
    ['go.example.com/x/other.org/m', 'path-reserved'], //    the files of a module of another host
    ['go.example.com/x/other.org', undefined], //            no path of a module is so short
    ['go.example.com/y/sumdb', undefined], //                not below the site's address
  ] as const)('%s: %s', ([path, want]) => {
    const found = checkSitePath(site, repository, path as ModulePath)
    expect(found?.code).toBe(want)
    if (want !== undefined) expect(found).toMatchObject({ repository: repository.root, module: path })
  })

  test('a site whose address is not known reserves nothing', () => {
    const { url: _, prefix: __, ...rest } = settings
    const bare = { ...site, settings: rest }
    expect(checkSitePath(bare, repository, 'go.example.com/x/sumdb' as ModulePath)).toBeUndefined()
  })
})

describe('settingsHash', () => {
  const hash = (more: Partial<Repository>, some: Partial<Settings> = {}, roots = site.roots) =>
    settingsHash({ settings: { ...settings, ...some }, roots }, { ...repository, ...more }, 'refs/heads/main')
  const base = hash({})

  test.for<[string, string]>([
    ['another address', hash({}, { url: 'https://go.example.com/y' })],
    ['no Origin', hash({}, { origin: false })],
    ['a newer Go', hash({}, { maxGo: '1.27' })],
    ['a clone address', hash({ clone: 'https://git.example.com/r' })],
    ['an address for people', hash({ web: 'https://git.example.com/r' })],
    ['a directory', hash({ subdir: 'go' })],
    ['a range', hash({ versions: '>=v1' })],
    ['directories', hash({ directories: { exclude: ['x'] } })],
    ['branches', hash({ branches: ['main'] })],
    ['revisions', hash({ commits: ['0123456'] })],
    ['a forge', hash({ source: 'gitea' })],
    ['a root below its own', hash({}, {}, [...site.roots, `${repository.root}/more`])],
    ['another default branch', settingsHash(site, repository, 'refs/heads/dev')],
  ])('differs with %s', ([, other]) => {
    expect(other).not.toBe(base)
  })

  test('each of the addresses counts for itself', () => {
    expect(hash({ clone: 'https://example.com' })).not.toBe(hash({ web: 'https://example.com' }))
  })

  test.for<[string, string]>([
    [
      'where the clone and the site lie',
      hash({ dir: '/else' }, { output: '/else', cache: '/else', base: '/' }),
    ],
    ['who works how', hash({}, { jobs: 9, git: 'isomorphic' })],
    ['roots elsewhere', hash({}, {}, [...site.roots, 'example.com/t'].reverse())],
  ])('does not count %s', ([, other]) => {
    expect(other).toBe(base)
  })
})
