import { describe, expect, test } from 'vitest'
import { shardPath } from '../src/manifest.ts'
import type { ModulePath } from '../src/model.ts'
import { findRoots } from '../src/roots.ts'
import { openDirectoryStore } from '../src/store/directory.ts'
import type { Store } from '../src/store/store.ts'
import { makeDirectory } from './support/repo.ts'

/** A site with these roots, which counts what it is asked. */
async function openSite(roots: readonly string[]) {
  const site = await openDirectoryStore(makeDirectory())
  for (const root of roots) await site.create(shardPath(root as ModulePath), Buffer.from('{}'))
  const tags: string[] = []
  const lists: string[] = []
  const most = { atOnce: 0 }
  let busy = 0
  const store: Store = Object.assign(Object.create(site), {
    tag: async (path: string) => {
      tags.push(path)
      most.atOnce = Math.max(most.atOnce, ++busy)
      const tag = await new Promise((done) => setImmediate(() => done(site.tag(path))))
      busy--
      return tag
    },
    list: (directory: string) => {
      lists.push(directory)
      return site.list(directory)
    },
  })
  return { store, tags, lists, most }
}

describe('findRoots', () => {
  test('finds those of the site above and below those of a run', async () => {
    const { store } = await openSite([
      'example.com/a',
      'example.com/a/B/c',
      'example.com/a/B/c/d',
      'example.com/e',
    ])
    expect(await findRoots(store, ['example.com/a/B'])).toEqual([
      'example.com/a/B',
      'example.com/a',
      'example.com/a/B/c',
      'example.com/a/B/c/d',
    ])
  })

  test('asks for what is above once, not for what is known, and for nothing around that', async () => {
    const { store, tags, lists } = await openSite(['example.com/team', 'example.com/other/x/below'])
    const run = Array.from({ length: 50 }, (_, index) => `example.com/team/group/r${index}`)
    const known = ['example.com/team', 'example.com/other/x']
    const found = await findRoots(store, run, [...known, ...run])
    expect(new Set(found)).toEqual(new Set([...known, ...run]))
    expect(tags.sort()).toEqual(['-/manifest/example.com.jsonl', '-/manifest/example.com/team/group.jsonl'])
    expect(lists).toHaveLength(50)
  })

  test('asks for no more than 32 at a time', async () => {
    const { store, most, tags } = await openSite([])
    await findRoots(
      store,
      Array.from({ length: 200 }, (_, index) => `example.com/g${index}/r`),
    )
    expect(tags).toHaveLength(201)
    expect(most.atOnce).toBe(32)
  })
})
