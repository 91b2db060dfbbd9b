import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { diffRefs, isRelevantTag } from '../src/changes.ts'
import type { EnumerationContext } from '../src/enumerate/scope.ts'
import { enumerateVersions } from '../src/enumerate.ts'
import { emptyShard, type RecordedRef, type Shard, versionKey } from '../src/manifest.ts'
import type { GoModFile, ModulePath, Oid, PublishedVersion, Ref, RefFacts, Repository } from '../src/model.ts'
import { mergeTags, planRepository } from '../src/plan.ts'
import { describePublished } from '../src/published.ts'

const root = 'example.com/r' as ModulePath

const repository: Repository = {
  root,
  dir: '/nowhere',
  subdir: '',
  directories: {},
  branches: [],
  commits: [],
}

describe('isRelevantTag', () => {
  test.for([
    ['v1.0.0', true], //           a version
    ['sub/v1.0.0', true], //       a version of a module in a directory
    ['v1.2', true], //             for the lint
    ['1.2.3', true], //            for the lint
    ['sub/V1', true], //           for the lint
    ['stable', true], //           a query
    ['release/stable', false], //  no proxy is ever asked for it
    ['sub/vnext', false], //       a name like any other
  ] as const)('%s: %s', ([name, want]) => {
    expect(isRelevantTag(`refs/tags/${name}`)).toBe(want)
  })
})

describe('diffRefs', () => {
  const facts: RefFacts = { ref: 'refs/tags/v1.0.0', oid: oidOf(1) }
  const recorded = (more: Partial<RecordedRef>): RecordedRef => ({ facts, ...more })
  const failed = (code: string) => recorded({ facts: { ...facts, failed: { code, message: '' } } })

  test.for<[string, RecordedRef | undefined, Oid, 'open' | 'known']>([
    ['new', undefined, oidOf(1), 'open'],
    ['as it was', recorded({}), oidOf(1), 'known'],
    ['moved', recorded({}), oidOf(2), 'open'],
    ['moved, and still there', recorded({ seen: { oid: oidOf(2) } }), oidOf(2), 'known'],
    ['moved back', recorded({ seen: { oid: oidOf(2) } }), oidOf(1), 'open'],
    ['back after it was gone', recorded({ gone: true }), oidOf(1), 'open'],
    ['refused', failed('tag-not-commit'), oidOf(1), 'known'],
    ['missing', failed('object-missing'), oidOf(1), 'open'],
    ['damaged', failed('object-corrupt'), oidOf(1), 'open'],
  ])('a ref that is %s', ([, before, oid, want]) => {
    const refs = before === undefined ? new Map() : new Map([[before.facts.ref, before]])
    const { open, known } = diffRefs([{ name: 'refs/tags/v1.0.0', oid }], { ...emptyShard(root), refs })
    expect({ open: open.length, known: known.size }).toEqual({
      open: want === 'open' ? 1 : 0,
      known: want === 'known' ? 1 : 0,
    })
  })
})

describe('planRepository', () => {
  test('adds in the order of module and version, so that neighbours share what they are packed from', async () => {
    const run = await runOnce(emptyShard(root), {
      'sub/v1.0.0': 2,
      'v1.10.0': 2,
      'v1.9.0': 3,
      'v1.9.0-rc.1': 2,
    })
    expect(run.added.map((version) => versionKey(version.path, version.version))).toEqual([
      'example.com/r@v1.9.0-rc.1',
      'example.com/r@v1.9.0',
      'example.com/r@v1.10.0',
      'example.com/r/sub@v1.0.0',
    ])
    expect((await runOnce(run.shard, { 'v1.9.0': 3 })).added).toEqual([])
  })

  test.for<[string, Tags, string[]]>([
    ['as it was', { 'v1.0.0': 2 }, []],
    ['moved', { 'v1.0.0': 3 }, ['tag-moved error']],
    ['moved to the same files', { 'v1.0.0': 2.5 }, ['tag-moved-same-tree warning']],
    ['moved to what cannot be read', { 'v1.0.0': 1 }, ['tag-moved error']],
    ['deleted', {}, ['tag-deleted warning']],
  ])('a published version whose tag is %s is kept', async ([, tags, want]) => {
    const first = (await runOnce(emptyShard(root), { 'v1.0.0': 2 })).shard
    const { shard, problems, added } = await runOnce(first, tags)
    expect(problems).toEqual(want)
    expect(added).toEqual([])
    expect(shard.versions).toEqual(first.versions)
    expect((await runOnce(shard, tags)).problems).toEqual(want)
    expect(await runOnce(shard, { 'v1.0.0': 2 })).toMatchObject({ problems: [], added: [] })
  })

  test('a move that was accepted is a note, and the next move is an error again', async () => {
    const { shard } = await runOnce(emptyShard(root), { 'v1.0.0': 2 })
    const versions = new Map(
      [...shard.versions].map(([key, version]) => [key, { ...version, accepted: [oidOf(3)] }]),
    )
    expect((await runOnce({ ...shard, versions }, { 'v1.0.0': 3 })).problems).toEqual(['tag-moved note'])
    expect((await runOnce({ ...shard, versions }, { 'v1.0.0': 4 })).problems).toEqual(['tag-moved error'])
  })

  test('a clone that lacks a tag says nothing of it where it is not whole', async () => {
    const { shard } = await runOnce(emptyShard(root), { 'v1.0.0': 2, 'v1.2': 2 })
    const partial = await runOnce(shard, {}, 'partial')
    expect(partial.problems).toEqual([])
    expect([...partial.shard.refs.keys()].sort()).toEqual(['refs/tags/v1.0.0', 'refs/tags/v1.2'])
    expect([...(await runOnce(shard, {})).shard.refs]).toEqual([
      ['refs/tags/v1.0.0', { facts: factsOf('refs/tags/v1.0.0', 2), gone: true }],
    ])
  })

  test('an unpublished tag may move and go as it likes', async () => {
    const { shard } = await runOnce(emptyShard(root), { 'sub/v1.0.0': 3, 'v1.2': 2 })
    expect(shard.versions.size).toBe(0)
    const { shard: moved, problems, added } = await runOnce(shard, { 'sub/v1.0.0': 2 })
    expect(problems).toEqual([])
    expect(added).toMatchObject([{ path: 'example.com/r/sub', commit: oidOf(2) }])
    expect([...moved.refs.keys()]).toEqual(['refs/tags/sub/v1.0.0'])
  })

  test('never drops a version nor its first facts, whatever happens to the refs', async () => {
    const names = ['v1.0.0', 'v1.1.0', 'v2.0.0', 'sub/v1.0.0', 'v1.2', 'stable']
    const change = fc.record({
      tags: fc.dictionary(fc.constantFrom(...names), fc.constantFrom(1, 2, 2.5, 3, 4, 5)),
      scope: fc.constantFrom('complete' as const, 'complete' as const, 'partial' as const),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 8 }), async (changes) => {
        let shard = emptyShard(root)
        const firsts = new Map<string, PublishedVersion>()
        let listed: Tags = {}
        for (const { tags, scope } of changes) {
          const run = await runOnce(shard, tags, scope)
          for (const version of run.added) {
            const key = versionKey(version.path, version.version)
            expect(firsts.has(key)).toBe(false)
            firsts.set(key, version)
          }
          shard = run.shard
          listed = scope === 'complete' ? tags : { ...listed, ...tags }
          expect(shard.versions).toEqual(firsts)
          const want = { moved: 0, same: 0, gone: 0 }
          for (const version of firsts.values()) {
            const recorded = shard.refs.get(version.ref ?? '')
            expect(recorded?.facts).toMatchObject({ commit: version.commit, tree: version.tree })
            const now = listed[version.ref?.slice('refs/tags/'.length) ?? '']
            expect(recorded?.gone).toBe(now === undefined ? true : undefined)
            if (now === undefined) want.gone++
            else if (oidOf(now) !== version.commit) want[treeOf(now) === version.tree ? 'same' : 'moved']++
          }
          const told = (code: string) => run.problems.filter((each) => each.startsWith(`${code} `)).length
          expect({
            moved: told('tag-moved'),
            same: told('tag-moved-same-tree'),
            gone: told('tag-deleted'),
          }).toEqual(want)
        }
      }),
      { numRuns: 300 },
    )
  })
})

// ---- A repository of numbered commits ----

type Tags = Readonly<Record<string, number>>

/** What the go.mod files of the commits are. The first cannot be read, and 2.5 has the files of 2. */
const commits: Readonly<Record<number, Record<string, GoModFile> | undefined>> = {
  2: { '': goMod('example.com/r'), sub: goMod('example.com/r/sub') },
  2.5: { '': goMod('example.com/r'), sub: goMod('example.com/r/sub') },
  3: { '': goMod('example.com/r') },
  4: { '': goMod('example.com/r/v2') },
  5: {},
}

function goMod(module: string): GoModFile {
  return { kind: 'regular', module }
}

function oidOf(commit: number): Oid {
  return String(commit * 10).padStart(40, '0') as Oid
}

function treeOf(commit: number): Oid {
  return String(Math.floor(commit)).padStart(40, 'f') as Oid
}

function factsOf(ref: string, commit: number): RefFacts {
  const mods = commits[commit]
  const oid = oidOf(commit)
  if (mods === undefined) return { ref, oid, failed: { code: 'object-missing', message: 'It is missing.' } }
  return { ref, oid, commit: oid, tree: treeOf(commit), time: 1_700_000_000 + commit, mods }
}

const context: EnumerationContext = {
  isPublished: () => false,
  isRefused: () => false,
  checkPath: () => undefined,
  wantsDirectory: () => true,
  maxGo: '1.26',
}

/** Does what a build does with refs: lists, opens, merges, enumerates, plans and records. */
async function runOnce(
  shard: Shard,
  tags: Tags,
  scope: 'complete' | 'partial' = 'complete',
): Promise<{ shard: Shard; added: PublishedVersion[]; problems: string[] }> {
  const refs: Ref[] = Object.entries(tags).map(([name, commit]) => ({
    name: `refs/tags/${name}`,
    oid: oidOf(commit),
  }))
  const changes = diffRefs(refs, shard)
  const opened = changes.open.map((ref) => factsOf(ref.name, tags[ref.name.slice('refs/tags/'.length)] ?? 0))
  const merged = mergeTags(opened, changes, shard, scope)
  const facts = { tags: [...merged.values()].map((each) => each.facts), heads: [], commits: [] }
  const plan = await planRepository(enumerateVersions(repository, facts, context), shard, merged)
  const files = { h1: 'h1:x', goModH1: 'h1:y', sha256: '', size: 1 }
  const added = plan.add.map((version) => describePublished(version, files))
  const versions = new Map(
    [...plan.keep, ...added].map((each) => [versionKey(each.path, each.version), each]),
  )
  const problems = plan.problems.map((each) => `${each.code} ${each.severity}`)
  return { shard: { ...shard, refs: merged, versions }, added, problems }
}
