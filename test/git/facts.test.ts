import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { type FactsDepth, FactsReader, isBaseTag, isVersionTag, readGoMod } from '../../src/git/facts.ts'
import { locateRepository } from '../../src/git/location.ts'
import { withRepository } from '../../src/git/repository.ts'
import type { Oid, RefFacts } from '../../src/model.ts'
import { parseGoMod } from '../../src/module/gomod.ts'
import { createRepository, type FileEntry, type RawRepository } from '../support/gitobjects.ts'
import { makeDirectory } from '../support/repo.ts'

let repository: RawRepository
beforeAll(() => {
  repository = createRepository(makeDirectory())
})

async function use<T>(work: (reader: FactsReader) => Promise<T>): Promise<T> {
  const location = await locateRepository(repository.dir)
  if ('code' in location) throw new Error(location.message)
  return withRepository(location, 'isomorphic', (git) => work(new FactsReader(git)))
}

function read(name: string, oid: string, depth: FactsDepth = 'tag'): Promise<RefFacts> {
  return use((reader) => reader.read({ name, oid: oid as Oid }, depth))
}

function commitOf(files: Readonly<Record<string, string | FileEntry>>, time = 1_700_000_000): Oid {
  return repository.commit({ tree: repository.files(files), time }) as Oid
}

describe('which go.mod files are read', () => {
  const files = {
    'go.mod': 'module example.com/r\n',
    'v2/go.mod': 'module example.com/r/v2\n',
    'sub/go.mod': 'module example.com/r/sub\n',
    'sub/v2/go.mod': 'module example.com/r/sub/v2\n',
  }
  test.for<[string, FactsDepth, string[]]>([
    ['refs/tags/v1.0.0', 'tag', ['']],
    ['refs/tags/v2.0.0', 'tag', ['', 'v2']],
    ['refs/tags/sub/v1.0.0', 'tag', ['sub']],
    ['refs/tags/sub/v2.0.0', 'tag', ['sub', 'sub/v2']],
    ['refs/tags/gone/v1.0.0', 'tag', ['', 'sub', 'sub/v2', 'v2']], // to say which tag was meant
    ['refs/heads/main', 'all', ['', 'sub', 'sub/v2', 'v2']],
  ])('%s, %s: %j', async ([name, depth, want]) => {
    const facts = await read(name, commitOf(files), depth)
    expect(Object.keys(facts.mods ?? {})).toEqual(want)
  })

  test('of a name that is no version, none', async () => {
    const oid = commitOf(files)
    expect(await read('refs/tags/stable', oid, 'none')).toEqual({
      ref: 'refs/tags/stable',
      oid,
      commit: oid,
      tree: repository.files(files),
      time: 1_700_000_000,
    })
  })

  test('directories of any name are keys', async () => {
    const { mods } = await read(
      'refs/heads/main',
      commitOf({ '__proto__/go.mod': '', 'toString/go.mod': '' }),
      'all',
    )
    expect(Object.keys(mods ?? {})).toEqual(['__proto__', 'toString'])
  })
})

describe('what a tag points to', () => {
  test('is followed, tag after tag; the time is the commit’s', async () => {
    const commit = commitOf({ 'go.mod': 'module example.com/r\n' })
    const tag = repository.tag({ object: commit, name: 'v1.0.0' })
    const tagged = repository.tag({ object: tag, type: 'tag', name: 'v1.0.0' })
    expect(await read('refs/tags/v1.0.0', tagged)).toMatchObject({ oid: tagged, commit, time: 1_700_000_000 })
  })

  test.for<[string, () => string, string]>([
    ['a tree', () => repository.files({}), 'tag-not-commit'],
    ['a file', () => repository.blob('x'), 'tag-not-commit'],
    [
      'a tag of a tree',
      () => repository.tag({ object: repository.files({}), type: 'tree', name: 'x' }),
      'tag-not-commit',
    ],
    ['nothing', () => '3'.repeat(40), 'object-missing'],
    ['a tag of nothing', () => repository.tag({ object: '3'.repeat(40), name: 'x' }), 'object-missing'],
    ['a damaged tag', () => repository.object('tag', 'junk'), 'object-corrupt'],
    ['a damaged commit', () => repository.object('commit', 'junk'), 'object-corrupt'],
    ['a commit without its tree', () => repository.commit({ tree: '4'.repeat(40) }), 'object-missing'],
    [
      'a commit without a time',
      () => repository.commit({ tree: repository.files({}), committer: 'committer C <c@x>' }),
      'time-invalid',
    ],
    [
      'a commit after the year 9999',
      () => repository.commit({ tree: repository.files({}), time: 253_402_300_800 }),
      'time-invalid',
    ],
    [
      'a commit whose go.mod is missing',
      () => commitOf({ 'go.mod': { oid: '5'.repeat(40) } }),
      'object-missing',
    ],
    [
      'a commit whose go.mod is a tree in the place of a file',
      () => commitOf({ 'go.mod': { oid: repository.files({ x: 'y' }) } }),
      'object-corrupt',
    ],
  ])('%s is a fact', async ([, make, code]) => {
    const oid = make()
    const facts = await read('refs/tags/v1.0.0', oid)
    expect(facts).toMatchObject({ ref: 'refs/tags/v1.0.0', oid, failed: { code } })
    expect(facts.failed?.message).toMatch(/\.$/)
    expect(facts.commit).toBeUndefined()
  })

  test('a missing file elsewhere costs nothing', async () => {
    const oid = commitOf({ 'go.mod': 'module example.com/r\n', 'a.go': { oid: '6'.repeat(40) } })
    expect((await read('refs/tags/v1.0.0', oid)).failed).toBeUndefined()
  })
})

describe('a go.mod file', () => {
  const module = 'module example.com/r\n'
  test.for([
    [module, { module: 'example.com/r' }],
    [`${module}\ngo 1.21.3\n`, { module: 'example.com/r', go: '1.21.3' }],
    ['', { module: '' }],
    [`\ufeff${module}`, { module: '' }],
    [`${module}require (((\n`, { module: 'example.com/r' }],
    [
      `${module}retract [v1.0.0, v1.2.0] // bad\n`,
      { retract: [{ low: 'v1.0.0', high: 'v1.2.0', rationale: 'bad' }] },
    ],
    [`// Deprecated: no more.\n${module}`, { deprecated: 'no more.' }],
    [`${module}${module}`, { fault: { code: 'gomod-syntax' } }],
    [`${module}\0`, { fault: { code: 'gomod-syntax' } }],
  ] as const)('%j', ([content, want]) => {
    expect(readGoMod(Buffer.from(content), 'regular')).toMatchObject({ kind: 'regular', ...want })
  })

  test.for([
    [
      'a symbolic link, whose text is read',
      { mode: '120000', content: module },
      { kind: 'symlink', module: 'example.com/r' },
    ],
    ['a directory', 'directory', { kind: 'directory', module: '' }],
    ['a submodule', { mode: '160000', oid: '7'.repeat(40) }, { kind: 'directory', module: '' }],
  ] as const)('that is %s', async ([, entry, want]) => {
    const files = entry === 'directory' ? { 'go.mod/x': '' } : { 'go.mod': entry }
    expect((await read('refs/tags/v1.0.0', commitOf(files))).mods).toEqual({ '': want })
  })

  test('that is larger than go reads is not read', async () => {
    const oid = repository.zeros(16 * 2 ** 20 + 1)
    const { mods } = await read('refs/tags/v1.0.0', commitOf({ 'go.mod': { oid } }))
    expect(mods?.['']).toMatchObject({ module: '', fault: { code: 'gomod-too-large' } })
  })
})

describe('addMerged', () => {
  test('names the version tags in the history of a commit, sorted, merges and all', async () => {
    const tree = repository.files({})
    const commit = (...parents: string[]) => repository.commit({ tree, parents })
    const first = commit()
    const second = commit(first)
    const side = commit(first)
    const merge = commit(second, side)
    const later = commit(merge)
    const tag = (name: string, oid: string): RefFacts => ({
      ref: `refs/tags/${name}`,
      oid: oid as Oid,
      commit: oid as Oid,
    })
    const tags = [
      tag('v1.1.0', side),
      tag('v1.0.0', first),
      tag('sub/v0.1.0+meta', second),
      tag('v1.2.0', merge),
      tag('v2.0.0', later),
      tag('v1.3', first), //                             a short form is no base
      tag('stable', first), //                           nor is a name
      tag('v0.0.0-20200101000000-0123456789ab', first), // nor what looks like a pseudo-version
      { ref: 'refs/tags/v1.4.0', oid: first as Oid, failed: { code: 'object-missing', message: '' } },
    ]
    const facts = tag('main', merge)
    await use(async (reader) => {
      expect((await reader.addMerged([facts], tags))[0]).toEqual({
        ...facts,
        merged: ['sub/v0.1.0+meta', 'v1.0.0', 'v1.1.0', 'v1.2.0'],
      })
      expect(await reader.addMerged([facts], [])).toEqual([{ ...facts, merged: [] }])
    })
  })

  test('a history with a hole is a fact', async () => {
    const commit = repository.commit({ tree: repository.files({}), parents: ['8'.repeat(40)] }) as Oid
    const facts: RefFacts = { ref: 'refs/heads/main', oid: commit, commit }
    const other = commitOf({})
    await use(async (reader) => {
      const tags = [{ ref: 'refs/tags/v1.0.0', oid: other, commit: other }]
      expect(await reader.addMerged([facts], tags)).toMatchObject([{ failed: { code: 'object-missing' } }])
      const failed = {
        ...facts,
        commit: undefined,
        failed: { code: 'x', message: '' },
      } as unknown as RefFacts
      expect((await reader.addMerged([failed], tags))[0]).toBe(failed)
    })
  })
})

test('what a go.mod says of versions is found in whatever it stands', () => {
  const piece = fc.constantFrom(
    'module a.b/c\n',
    '// Deprecated: use d.\n',
    '/* Deprecated: no. */',
    'module a.b/c // Deprecated: at the end\n',
    'retract v1.0.0\n',
    'retract [v1.0.0, v1.2.0] // why\n',
    'retract (\n\tv1.0.1 // one\n',
    '\tv1.0.2\n)\n',
    'require d.e/retract v1.0.0\n',
    '"retract" v1.0.3\n',
    'retracted v1\n',
    'go 1.22\n',
    '\uFEFF',
    '\r\n',
    '(',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const content = Buffer.from(pieces.join(''))
      const parsed = parseGoMod(content)
      const whole = parsed.error === undefined ? parsed : undefined
      const { retract = [], deprecated } = readGoMod(content, 'regular')
      expect({ retract, deprecated }).toEqual({
        retract: whole?.retract ?? [],
        deprecated: whole?.deprecated,
      })
    }),
    { numRuns: 2000 },
  )
})

describe('names of tags', () => {
  test.for([
    ['refs/tags/v1.0.0', 'version', 'base'],
    ['refs/tags/a/b/v1.0.0-rc.1', 'version', 'base'],
    ['refs/tags/v1.0.0+meta', 'none', 'base'],
    ['refs/tags/v1.0', 'none', 'none'],
    ['refs/tags/v1.0.0-0.20200101000000-0123456789ab', 'none', 'none'],
    ['refs/heads/v1.0.0', 'none', 'none'],
  ] as const)('%s: %s, %s', ([ref, version, base]) => {
    expect([isVersionTag(ref), isBaseTag(ref)]).toEqual([version === 'version', base === 'base'])
  })
})
