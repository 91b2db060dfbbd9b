import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { emptyShard, formatShard, type Shard, versionKey } from '../src/manifest.ts'
import { mergeShards } from '../src/merge.ts'
import type { ModulePath, Oid, PublishedVersion, RefFacts, Version } from '../src/model.ts'

const root = 'example.com/r' as ModulePath
const empty = emptyShard(root)

function shardOf(more: Partial<Shard>): Shard {
  return { ...empty, ...more }
}

function versionsOf(...names: readonly string[]): Shard['versions'] {
  return new Map(names.map((name) => [versionKey(root, name), published(name)]))
}

function published(name: string, commit = 'a'): PublishedVersion {
  const [h1, goModH1, sha256] = [`h1:${name}`, 'h1:mod', 'ff']
  return {
    path: root,
    version: name as Version,
    commit: commit.repeat(40) as Oid,
    time: 1,
    h1,
    goModH1,
    sha256,
    size: 1,
  }
}

function head(oid: string, time: number): Shard['refs'] {
  const facts: RefFacts = { ref: 'refs/heads/main', oid: oid.repeat(40) as Oid, time }
  return new Map([[facts.ref, { facts }]])
}

function tag(name: string, oid: string): Shard['refs'] {
  const facts: RefFacts = {
    ref: `refs/tags/${name}`,
    oid: oid.repeat(40) as Oid,
    commit: oid.repeat(40) as Oid,
  }
  return new Map([[facts.ref, { facts }]])
}

describe('mergeShards', () => {
  test('has the versions of both', () => {
    const merged = mergeShards(empty, shardOf({ versions: versionsOf('v1.0.0') }), {
      ...empty,
      versions: versionsOf('v1.1.0'),
    })
    expect([...merged.versions.keys()].sort()).toEqual([`${root}@v1.0.0`, `${root}@v1.1.0`])
    expect(merged.state).toBe('unsettled')
  })

  test('the first line of a version stays', () => {
    const key = versionKey(root, 'v1.0.0')
    const theirs = shardOf({ versions: new Map([[key, published('v1.0.0', 'a')]]) })
    const ours = shardOf({ versions: new Map([[key, published('v1.0.0', 'b')]]) })
    expect(mergeShards(empty, theirs, ours).versions.get(key)).toEqual(published('v1.0.0', 'a'))
  })

  test('what is withdrawn by one is published by none', () => {
    const key = versionKey(root, 'v1.0.0')
    const tombstone = { path: root, version: 'v1.0.0' as Version, reason: 'x', time: 1 }
    const down = shardOf({ withdrawn: new Map([[key, tombstone]]) })
    const up = shardOf({ versions: versionsOf('v1.0.0', 'v1.1.0') })
    for (const [theirs, ours] of [
      [down, up],
      [up, down],
    ] as const) {
      const merged = mergeShards(up, theirs, ours)
      expect([...merged.versions.keys()]).toEqual([`${root}@v1.1.0`])
      expect([...merged.withdrawn.keys()]).toEqual([key])
    }
  })

  test.for([
    ['the later commit', head('a', 1), head('b', 2), 'b'],
    ['the later commit, whoever is first', head('b', 2), head('a', 1), 'b'],
    ['of the same time the greater id', head('a', 1), head('b', 1), 'b'],
    ['of the same time the greater id, whoever is first', head('b', 1), head('a', 1), 'b'],
  ] as const)('of two facts about a head stays %s', ([, theirs, ours, want]) => {
    const merged = mergeShards(empty, shardOf({ refs: theirs }), shardOf({ refs: ours }))
    expect(merged.refs.get('refs/heads/main')?.facts.oid).toBe(want.repeat(40))
  })

  test('an older commit of a head stays only where nobody else has seen another', () => {
    const base = shardOf({ refs: head('c', 9) })
    expect(
      mergeShards(base, base, shardOf({ refs: head('a', 1) })).refs.get('refs/heads/main')?.facts.time,
    ).toBe(1)
  })

  test('a tag that both have found at another commit was moved', () => {
    const merged = mergeShards(
      empty,
      shardOf({ refs: tag('v1.0.0', 'a') }),
      shardOf({ refs: tag('v1.0.0', 'b') }),
    )
    expect(merged.refs.get('refs/tags/v1.0.0')).toMatchObject({
      facts: { oid: 'a'.repeat(40) },
      seen: { oid: 'b'.repeat(40), commit: 'b'.repeat(40) },
    })
  })

  test('what one no longer finds is gone', () => {
    const base = shardOf({ refs: tag('v1.0.0', 'a') })
    const gone = shardOf({ refs: new Map() })
    expect(mergeShards(base, base, gone).refs.size).toBe(0)
    expect(mergeShards(base, gone, base).refs.size).toBe(0)
  })

  test('nothing changes what nobody has changed, and one change is that change', () => {
    const names = fc.uniqueArray(fc.constantFrom('v1.0.0', 'v1.1.0', 'v1.2.0', 'v2.0.0'))
    fc.assert(
      fc.property(names, names, (old, now) => {
        const base = shardOf({ versions: versionsOf(...old) })
        const changed = shardOf({ versions: versionsOf(...old, ...now) })
        expect(formatShard(mergeShards(base, base, changed))).toBe(formatShard(changed))
        expect(formatShard(mergeShards(base, changed, base))).toBe(formatShard(changed))
        expect(formatShard(mergeShards(base, changed, changed))).toBe(formatShard(changed))
      }),
    )
  })
})
