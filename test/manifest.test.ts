import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  distinctProblems,
  emptyShard,
  formatManifestIndex,
  formatShard,
  isRecordedSo,
  manifestFormat,
  parseShard,
  problemKey,
  type RecordedRef,
  type Refusal,
  type Shard,
  shardPath,
  versionKey,
} from '../src/manifest.ts'
import type { ModulePath, Oid, PublishedVersion, RefFacts, Version } from '../src/model.ts'
import { type Problem, problem, problemCodes } from '../src/problem.ts'

const root = 'example.com/r' as ModulePath

describe('a shard', () => {
  test('lies at its escaped root', () => {
    expect(shardPath('example.com/Acme/R' as ModulePath)).toBe('-/manifest/example.com/!acme/!r.jsonl')
  })

  test('of which nothing is known is one line', () => {
    const text = '{"format":1,"root":"example.com/r","settings":"","state":"unsettled"}\n'
    expect(formatShard(emptyShard(root))).toBe(text)
    expect(parseShard(text)).toEqual(emptyShard(root))
  })

  test('is the same after writing and reading', () => {
    fc.assert(
      fc.property(anyShard, (shard) => {
        const text = formatShard(shard)
        expect(parseShard(text)).toEqual(parseShard(formatShard(shard)))
        const read = parseShard(text)
        if (read === undefined || read === 'newer') throw new Error('The shard is not read.')
        expect(formatShard(read)).toBe(text)
        expect({ ...read, refusals: new Set(read.refusals) }).toEqual({
          ...shard,
          refusals: new Set(shard.refusals),
        })
      }),
    )
  })

  test('that is vouched for says the same, line by line as it is asked', () => {
    fc.assert(
      fc.property(anyShard, (shard) => {
        const text = formatShard(shard)
        const [strict, read] = [parseShard(text), parseShard(text, 'vouched')]
        if (strict === undefined || strict === 'newer') throw new Error('The shard is not read.')
        if (read === undefined || read === 'newer') throw new Error('The vouched shard is not read.')
        expect([read.refs.size, read.versions.size]).toEqual([strict.refs.size, strict.versions.size])
        expect([...read.versions.keys()]).toEqual([...strict.versions.keys()])
        for (const [name, { facts, seen, gone }] of strict.refs) {
          const isPlain = isRecordedSo(read, { name, oid: facts.oid })
          // What is told at first sight is never wrong; the usual ref is told so.
          const usual = seen === undefined && gone === undefined && facts.failed === undefined
          if (isPlain) expect(usual && facts.mods !== undefined).toBe(true)
          expect(isRecordedSo(read, { name, oid: 'f'.repeat(40) as Oid })).toBe(false)
          expect(read.refs.get(name)).toEqual(strict.refs.get(name))
        }
        expect(formatShard(read)).toBe(text)
        expect({ ...read, refs: new Map(read.refs), versions: new Map(read.versions) }).toEqual(strict)
      }),
    )
  })

  test('tells the usual ref at first sight', () => {
    const oidOf = (digit: number) => `${digit}`.repeat(40) as Oid
    const facts = { ref: 'refs/tags/v1.0.0', oid: oidOf(1), commit: oidOf(1), tree: oidOf(2), time: 7 }
    const mods = { '': { kind: 'regular', module: root } } as const
    const told = (more: object, recorded: object = {}) => {
      const line = { facts: { ...facts, ...more }, ...recorded } as RecordedRef
      const text = formatShard({ ...emptyShard(root), refs: new Map([[facts.ref, line]]) })
      const read = parseShard(text, 'vouched')
      return read !== 'newer' && read !== undefined && isRecordedSo(read, { name: facts.ref, oid: oidOf(1) })
    }
    expect([told({ mods }), told({ mods: {} })]).toEqual([true, true])
    expect([told({}), told({ mods, merged: [] })]).toEqual([false, false])
    expect([told({ mods }, { gone: true }), told({ mods }, { seen: { oid: oidOf(3) } })]).toEqual([
      false,
      false,
    ])
  })

  test('has the same bytes in whatever order its content was found', () => {
    fc.assert(
      fc.property(anyShard, (shard) => {
        const turned: Shard = {
          ...shard,
          refs: new Map([...shard.refs].reverse()),
          versions: new Map([...shard.versions].reverse()),
          refusals: [...shard.refusals].reverse(),
        }
        expect(formatShard(turned)).toBe(formatShard(shard))
      }),
    )
  })

  test('that is cut anywhere is damaged, or says less, and never throws', () => {
    fc.assert(
      fc.property(anyShard, fc.nat(), (shard, at) => {
        const text = formatShard(shard)
        const cut = text.slice(0, at % text.length)
        const read = parseShard(cut)
        if (!cut.endsWith('\n')) expect(read).toBeUndefined()
        else if (read !== undefined && read !== 'newer') expect(formatShard(read)).toBe(cut)
      }),
    )
  })

  test('that is altered in any way never throws, when it is read or written again', () => {
    const change = fc.record({
      at: fc.nat(),
      length: fc.nat({ max: 30 }),
      text: fc.oneof(
        fc.string(),
        fc.constantFrom('null', '{}', '[]', '\n', '"', '0', 'NaN', '{"h1":"","path":""}\n'),
      ),
    })
    fc.assert(
      fc.property(anyShard, fc.array(change, { minLength: 1, maxLength: 3 }), (shard, changes) => {
        let text = formatShard(shard)
        for (const { at, length, text: more } of changes) {
          const start = at % (text.length + 1)
          text = text.slice(0, start) + more + text.slice(start + length)
        }
        const read = parseShard(text)
        if (read !== undefined && read !== 'newer') formatShard(read)
      }),
      { numRuns: 300 },
    )
  })

  test('any text at all is read or damaged', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseShard(text)))
    fc.assert(
      fc.property(fc.array(fc.json()), (lines) => void parseShard(lines.map((line) => `${line}\n`).join(''))),
    )
  })

  const head = { format: manifestFormat, root, settings: 'x', state: 'settled' }
  test.for<[string, readonly unknown[], 'newer' | undefined]>([
    ['of a newer format', [{ ...head, format: manifestFormat + 1 }], 'newer'],
    ['of a newer format with lines that are not known', [{ ...head, format: 9 }, { what: 1 }], 'newer'],
    ['without a format', [{ ...head, format: undefined }], undefined],
    ['without a root', [{ ...head, root: 7 }], undefined],
    ['with another state', [{ ...head, state: 'half' }], undefined],
    ['with a line that is not known', [head, { what: 1 }], undefined],
    ['with a line that is no object', [head, null], undefined],
    [
      'with an unknown code',
      [head, { stage: 'open', problem: { code: 'toString', message: '' } }],
      undefined,
    ],
  ])('%s', ([, lines, want]) => {
    expect(parseShard(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))).toBe(want)
  })

  test('keeps of a problem what the catalogue does not say', () => {
    const usual = problem('tag-deleted', { repository: root, ref: 'refs/tags/v1.0.0' }, 'It is gone.')
    const shard: Shard = {
      ...emptyShard(root),
      problems: [
        { stage: 'press', problem: usual },
        { stage: 'open', problem: { ...usual, severity: 'note', hint: 'Look again.' } },
      ],
    }
    const [, first, second] = formatShard(shard).split('\n')
    expect(first).toBe(
      '{"stage":"press","problem":{"code":"tag-deleted","repository":"example.com/r","ref":"refs/tags/v1.0.0","message":"It is gone."}}',
    )
    expect(second).toContain('"severity":"note","hint":"Look again."')
    expect(parseShard(formatShard(shard))).toEqual(shard)
  })
})

describe('formatManifestIndex', () => {
  test('has a sorted line for each shard, with its hash', () => {
    const sha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    const shards = ['example.com/b', 'example.com/A'].map((each) => ({ root: each as ModulePath, sha256 }))
    const want = [
      `{"root":"example.com/A","shard":"-/manifest/example.com/!a.jsonl","sha256":"${sha256}"}\n`,
      `{"root":"example.com/b","shard":"-/manifest/example.com/b.jsonl","sha256":"${sha256}"}\n`,
    ].join('')
    expect(formatManifestIndex(shards)).toBe(want)
    expect(formatManifestIndex([...shards].reverse())).toBe(want)
    expect(formatManifestIndex([])).toBe('')
  })
})

describe('problems', () => {
  const place = { repository: root, ref: 'refs/tags/v1.0.0', module: root, version: 'v1.0.0' }

  test.for<[string, Problem, Problem, 'same' | 'other']>([
    ['in other words', problem('gomod-missing', place, 'a'), problem('gomod-missing', place, 'b'), 'same'],
    ['with another code', problem('gomod-missing', place, 'a'), problem('gomod-case', place, 'a'), 'other'],
    [
      'of another version',
      problem('gomod-missing', place, 'a'),
      problem('gomod-missing', { ...place, version: 'v1.0.1' }, 'a'),
      'other',
    ],
    [
      'of another ref',
      problem('tag-not-canonical', { repository: root, ref: 'refs/tags/v1' }, 'a'),
      problem('tag-not-canonical', { repository: root, ref: 'refs/tags/v2' }, 'a'),
      'other',
    ],
    [
      'that moved once more',
      problem('tag-moved', place, 'to b'),
      problem('tag-moved', place, 'to c'),
      'other',
    ],
  ])('a finding %s is the %s', ([, one, two, want]) => {
    expect(problemKey(one) === problemKey(two) ? 'same' : 'other').toBe(want)
  })

  test('those that are the same in every word are told once', () => {
    const [one, two] = [problem('shallow', place, 'a'), problem('shallow', place, 'b')]
    expect(distinctProblems([one, two, { ...one }])).toEqual([one, two])
  })
})

// ---- Random shards ----

const anyOid = fc.stringMatching(/^[0-9a-f]{40}$/).map((text) => text as Oid)
/** Names of directories that every object has something of, among others. */
const anyDir = fc.oneof(
  fc.constantFrom('', 'sub', '__proto__', 'constructor', 'a/ü'),
  fc.string({ maxLength: 5 }),
)
const anyVersion = fc
  .tuple(fc.nat({ max: 12 }), fc.nat({ max: 12 }), fc.constantFrom('', '-rc.1', '+incompatible'))
  .map(([major, minor, more]) => `v${major}.${minor}.0${more}` as Version)
const anyPath = fc
  .constantFrom('example.com/r', 'example.com/r/sub', 'example.com/R')
  .map((path) => path as ModulePath)

function optional<T>(record: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<Partial<T>> {
  return fc.record(record, { requiredKeys: [] }) as fc.Arbitrary<Partial<T>>
}

const anyFacts: fc.Arbitrary<RefFacts> = fc
  .tuple(
    fc.string({ minLength: 1, maxLength: 6 }).map((name) => `refs/tags/${name}`),
    anyOid,
    optional({
      failed: fc.record({ code: fc.string(), message: fc.string() }),
      commit: anyOid,
      tree: anyOid,
      time: fc.nat(),
      mods: fc.dictionary(anyDir, fc.record({ kind: fc.constant('regular' as const), module: fc.string() })),
      merged: fc.array(fc.string()),
    }),
  )
  .map(([ref, oid, more]) => ({ ref, oid, ...more }) as RefFacts)

const anyRecorded: fc.Arbitrary<RecordedRef> = fc
  .tuple(
    anyFacts,
    optional({ seen: fc.record({ oid: anyOid, commit: anyOid }), gone: fc.constant(true as const) }),
  )
  .map(([facts, more]) => ({ facts, ...more }) as RecordedRef)

const anyPublished: fc.Arbitrary<PublishedVersion> = fc
  .tuple(
    anyPath,
    anyVersion,
    optional({ commit: anyOid, tree: anyOid, ref: fc.string(), dir: anyDir }),
    fc.record({ time: fc.nat(), h1: fc.string(), goModH1: fc.string(), sha256: fc.string(), size: fc.nat() }),
  )
  .map(([path, version, some, more]) => ({ path, version, ...some, ...more }) as PublishedVersion)

const anyProblem: fc.Arbitrary<Problem> = fc
  .tuple(
    fc.constantFrom(...problemCodes),
    optional({ repository: anyPath, ref: fc.string(), module: anyPath, version: anyVersion }),
    fc.string(),
    fc.option(fc.string(), { nil: undefined }),
  )
  .map(([code, place, message, hint]) => problem(code, place as object, message, hint))

const anyRefusal: fc.Arbitrary<Refusal> = fc.record({
  path: anyPath,
  version: anyVersion,
  commit: anyOid,
  problem: anyProblem,
})

const anyShard: fc.Arbitrary<Shard> = fc
  .record({
    head: optional({ clone: fc.string(), defaultHead: fc.string() }),
    settings: fc.string(),
    state: fc.constantFrom('settled' as const, 'unsettled' as const),
    refs: fc.array(anyRecorded, { maxLength: 4 }),
    versions: fc.array(anyPublished, { maxLength: 4 }),
    withdrawn: fc.array(
      fc.tuple(anyPublished, fc.string(), fc.nat()).map(([{ path, version }, reason, time]) => ({
        ...{ path, version, reason, time },
      })),
      { maxLength: 3 },
    ),
    refusals: fc.uniqueArray(anyRefusal, {
      maxLength: 3,
      selector: (each) => versionKey(each.path, each.version),
    }),
    problems: fc.array(
      fc.record({ stage: fc.constantFrom('open' as const, 'press' as const), problem: anyProblem }),
      {
        maxLength: 3,
      },
    ),
  })
  .map(
    ({ head, refs, versions, withdrawn, ...rest }) =>
      ({
        root,
        ...head,
        ...rest,
        refs: new Map(refs.map((each) => [each.facts.ref, each])),
        versions: new Map(versions.map((each) => [versionKey(each.path, each.version), each])),
        withdrawn: new Map(withdrawn.map((each) => [versionKey(each.path, each.version), each])),
      }) as Shard,
  )
