import { beforeAll, describe, expect, test } from 'vitest'
import { findCommits, findRevision } from '../../src/git/commits.ts'
import { FactsReader } from '../../src/git/facts.ts'
import { type GitLocation, locateRepository } from '../../src/git/location.ts'
import type { RefListing } from '../../src/git/refs.ts'
import { type GitRepository, withRepository } from '../../src/git/repository.ts'
import { emptyShard, type RecordedRef, type Shard } from '../../src/manifest.ts'
import type { ModulePath, Oid, RefFacts, Repository } from '../../src/model.ts'
import { createRepository } from '../support/gitobjects.ts'
import { makeDirectory } from '../support/repo.ts'

const root = 'example.com/r' as ModulePath
let location: GitLocation
let listing: RefListing
let first: Oid
let second: Oid
let annotated: Oid
let unreachable: Oid

beforeAll(async () => {
  const raw = createRepository(makeDirectory())
  const tree = raw.files({ 'go.mod': 'module example.com/r\n' })
  first = raw.commit({ tree, message: 'first' }) as Oid
  second = raw.commit({ tree, parents: [first] }) as Oid
  annotated = raw.tag({ object: first, name: 'v1.0.0' }) as Oid
  unreachable = raw.commit({ tree, message: 'unreachable' }) as Oid
  const found = await locateRepository(raw.dir)
  if ('code' in found) throw new Error(found.message)
  location = found
  listing = {
    tags: [
      { name: 'refs/tags/both', oid: annotated },
      { name: 'refs/tags/broken', oid: '9'.repeat(40) as Oid },
      { name: 'refs/tags/v1.0.0', oid: annotated },
    ],
    heads: [
      { name: 'refs/heads/both', oid: second },
      { name: 'refs/heads/main', oid: second },
    ],
    problems: [],
  }
})

function use<T>(work: (git: GitRepository) => Promise<T>): Promise<T> {
  return withRepository(location, 'isomorphic', work)
}

describe('findRevision', () => {
  test.for<[string, () => string, () => Oid | undefined]>([
    ['a tag', () => 'v1.0.0', () => annotated],
    ['a branch', () => 'main', () => second],
    ['a tag before a branch of its name', () => 'both', () => annotated],
    ['a whole id', () => second, () => second],
    ['the id of a parent', () => first, () => first],
    ['seven digits', () => first.slice(0, 7), () => first],
    ['six digits', () => first.slice(0, 6), () => undefined],
    ['upper-case digits', () => `${first.slice(0, 12).toUpperCase()}A`, () => undefined],
    ['what no ref reaches', () => unreachable, () => undefined],
    ['a full name', () => 'refs/heads/main', () => undefined],
    ['an expression', () => 'main~1', () => undefined],
    ['nothing', () => '', () => undefined],
  ])('%s', async ([, revision, want]) => {
    await use(async (git) => {
      expect(await findRevision(revision(), listing, git)).toBe(want())
    })
  })
})

describe('findCommits', () => {
  const repository = (...commits: string[]): Repository => ({
    root,
    dir: '/nowhere',
    subdir: '',
    directories: {},
    branches: [],
    commits,
  })

  function find(
    commits: readonly string[],
    recorded: readonly RefFacts[] = [],
    more: Partial<GitLocation> = {},
  ) {
    const refs = new Map(recorded.map((facts): [string, RecordedRef] => [facts.ref, { facts }]))
    const shard: Shard = { ...emptyShard(root), refs }
    return use((git) =>
      findCommits(
        repository(...commits),
        { location: { ...location, ...more }, listing },
        shard,
        git,
        new FactsReader(git),
      ),
    )
  }

  test('finds ids and pseudo-versions by their digits, with or without a module', async () => {
    const digits = first.slice(0, 12)
    const texts = [
      digits,
      `v0.0.0-20231114221320-${digits}`,
      `example.com/r@v0.0.0-20231114221320-${digits}`,
      'main',
    ]
    const { commits, problems } = await find(texts)
    expect(problems).toEqual([])
    expect(commits.map(({ ref, commit }) => [ref, commit])).toEqual([
      ...texts.slice(0, 3).map((text) => [`commit:${text}`, first]),
      ['commit:main', second],
    ])
    expect(commits[0]).toMatchObject({ mods: { '': { module: 'example.com/r' } } })
  })

  test('what no branch or tag reaches is a problem, and costs nothing else', async () => {
    const { commits, problems } = await find([unreachable, 'main'])
    expect(commits).toHaveLength(1)
    expect(problems).toMatchObject([{ code: 'commit-unknown', ref: unreachable }])
    expect(problems[0]?.message).toContain(unreachable)
  })

  test('what is recorded is not looked up again, even where nothing reaches it any more', async () => {
    const facts: RefFacts = { ref: `commit:${unreachable}`, oid: unreachable, commit: unreachable }
    expect(await find([unreachable], [facts])).toEqual({ commits: [facts], problems: [] })
    const failed: RefFacts = {
      ref: `commit:${second}`,
      oid: second,
      failed: { code: 'object-missing', message: 'It was.' },
    }
    expect((await find([second], [failed])).commits).toMatchObject([{ commit: second }])
  })

  test('in a shallow clone nothing new is found, and nothing is said', async () => {
    const facts: RefFacts = { ref: `commit:${first}`, oid: first, commit: first }
    const found = await find([first, second, unreachable], [facts], { isShallow: true })
    expect(found).toEqual({ commits: [facts], problems: [] })
  })
})
