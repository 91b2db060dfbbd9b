import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ModuleRecord } from '../src/model.ts'
import {
  formatIndexShards,
  formatShardHashes,
  isIndexShard,
  type ModuleSummary,
  md5Of,
  md5OfTag,
  parseIndexShard,
  parseShardHashes,
  summarizeModule,
} from '../src/summary.ts'
import { recordBytes, recordOf } from './support/records.ts'

function summaryOf(record: ModuleRecord): ModuleSummary {
  return summarizeModule(record, md5Of(recordBytes(record)))
}

describe('the line of a module', () => {
  test('says what there is to know of it in a list', () => {
    const versions = ['v1.0.0', 'v1.1.0']
    const record = recordOf('example.com/r', versions, { deprecated: 'use another' })
    expect(summaryOf(record)).toEqual({
      path: 'example.com/r',
      md5: createHash('md5').update(recordBytes(record)).digest('hex'),
      repository: record.repository,
      latest: 'v1.1.0',
      time: '1970-01-02T00:00:00Z',
      deprecated: 'use another',
      versions: 2,
      newest: [
        { version: 'v1.1.0', time: '1970-01-02T00:00:00Z' },
        { version: 'v1.0.0', time: '1970-01-01T00:00:00Z' },
      ],
    })
  })

  test('has the ten newest of the listed versions, by time and then in the order of go', () => {
    const names = Array.from({ length: 30 }, (_, minor) => `v1.${minor}.0`)
    const { versions, ...rest } = recordOf('example.com/r', names)
    const [first, ...others] = versions
    const record = {
      ...rest,
      list: rest.list.slice(0, 28),
      versions: [
        { ...first, time: '2020-01-01T00:00:00Z', retracted: '' },
        ...others.map((each) => ({ ...each, time: '2010-01-01T00:00:00Z' })),
      ],
    } as ModuleRecord
    const { newest, versions: count } = summaryOf(record)
    const minors = [27, 26, 25, 24, 23, 22, 21, 20, 19]
    expect(newest.map(({ version }) => version)).toEqual([
      'v1.0.0',
      ...minors.map((minor) => `v1.${minor}.0`),
    ])
    expect(newest.map(({ retracted }) => retracted)).toEqual([true, ...minors.map(() => undefined)])
    expect(count).toBe(30)
  })

  test('is short whatever an author writes, and of a module without a version', () => {
    const text = '\u{1f600}'.repeat(100_000)
    const { deprecated, ...rest } = summaryOf(recordOf('example.com/r', [], { deprecated: text }))
    expect(deprecated).toBe(`${'\u{1f600}'.repeat(199)}…`)
    expect(rest).toMatchObject({ versions: 0, newest: [] })
    expect(rest).not.toHaveProperty('latest')
  })
})

describe('index shards', () => {
  const anyModules = fc
    .uniqueArray(fc.stringMatching(/^[a-z]{1,3}\.com\/[a-zA-Z]{1,4}$/), { maxLength: 30 })
    .map((paths) => paths.map((path) => summaryOf(recordOf(path))))

  test('hold each module once, where anyone finds it, in the same bytes for any order', () => {
    fc.assert(
      fc.property(anyModules, fc.constantFrom(5, 2048), fc.nat(), (modules, few, seed) => {
        const shards = formatIndexShards(modules, few)
        const shuffled = [...modules].sort((a, b) =>
          hashOf(a.path + seed).localeCompare(hashOf(b.path + seed)),
        )
        expect([...formatIndexShards(shuffled, few)]).toEqual([...shards])
        const found = [...shards].flatMap(([path, text]) => {
          expect(isIndexShard(path)).toBe(true)
          const lines = parseIndexShard(Buffer.from(text))
          if (lines === 'newer') throw new Error('It is not newer.')
          expect(lines.length).toBeGreaterThan(0)
          expect(lines.map((line) => line.path)).toEqual(lines.map((line) => line.path).sort())
          for (const line of lines) {
            const digits = hashOf(line.path).slice(0, modules.length <= few ? 1 : 2)
            expect(path).toBe(`-/index/${digits}.jsonl`)
          }
          return lines
        })
        const byPath = (a: ModuleSummary, b: ModuleSummary) => (a.path < b.path ? -1 : 1)
        expect([...found].sort(byPath)).toEqual([...modules].sort(byPath))
      }),
    )
  })

  test('that are damaged say nothing, and never throw', () => {
    const [text = ''] = formatIndexShards([summaryOf(recordOf('example.com/r'))]).values()
    const lines = parseIndexShard(Buffer.from(text))
    fc.assert(
      fc.property(fc.nat(text.length), fc.string({ maxLength: 3 }), (at, more) => {
        const altered = parseIndexShard(Buffer.from(text.slice(0, at) + more))
        expect(altered === 'newer' || altered.length === 0 || lines.length === altered.length).toBe(true)
      }),
    )
    expect(parseIndexShard(Buffer.from('{"format":2}\n'))).toBe('newer')
    expect(parseIndexShard(Buffer.from('{"format":0}\n'))).toEqual([])
    expect(parseIndexShard(Buffer.from('null\n'))).toEqual([])
  })
})

test('what is known of the shards of the manifest is read back', () => {
  const hashes = new Map([
    ['-/manifest/b.jsonl', { md5: '1', sha256: '2' }],
    ['-/manifest/a.jsonl', { md5: '3', sha256: '4' }],
  ])
  const text = formatShardHashes(hashes)
  expect(text).toBe(
    '{"format":1}\n' +
      '{"shard":"-/manifest/a.jsonl","md5":"3","sha256":"4"}\n' +
      '{"shard":"-/manifest/b.jsonl","md5":"1","sha256":"2"}\n',
  )
  expect(parseShardHashes(Buffer.from(text))).toEqual(hashes)
  expect(parseShardHashes(Buffer.from('{"format":2}\n'))).toBe('newer')
  expect(parseShardHashes(Buffer.from('x'))).toEqual(new Map())
  expect(isIndexShard('-/index/manifest.jsonl')).toBe(false)
})

test.for([
  ['"0cc175b9c0f1b6a831c399e269772661"', '0cc175b9c0f1b6a831c399e269772661'],
  ['0cc175b9c0f1b6a831c399e269772661', '0cc175b9c0f1b6a831c399e269772661'],
  ['"0cc175b9c0f1b6a831c399e269772661-3"', undefined], // in several parts
  ['W/"0cc175b9c0f1b6a831c399e269772661"', undefined],
  [undefined, undefined],
] as const)('the md5 of the tag %s is %s', ([tag, want]) => {
  expect(md5OfTag(tag)).toBe(want)
})

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
