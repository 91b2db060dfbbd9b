/**
 * Which repositories a shared site has above and below those of a run: whose a
 * module path is depends on them, and a run knows no more than its own. It is
 * found out by the names of their shards, which costs the same however many
 * others there are.
 */

import { shardPath } from './manifest.ts'
import type { ModulePath } from './model.ts'
import { escapePath, unescapePath } from './module/escape.ts'
import type { Store } from './store/store.ts'

/** Returns the roots of a run with those of the site that lie above or below one of them. */
export async function findRoots(store: Store, roots: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    roots.map(async (root) => [...(await findAbove(store, root)), ...(await findBelow(store, root))]),
  )
  return [...new Set([...roots, ...found.flat()])]
}

async function findAbove(store: Store, root: string): Promise<string[]> {
  const elements = root.split('/')
  const above = elements.slice(1).map((_, index) => elements.slice(0, index + 1).join('/') as ModulePath)
  const tags = await Promise.all(above.map((path) => store.tag(shardPath(path))))
  return above.filter((_, index) => tags[index] !== undefined)
}

async function findBelow(store: Store, root: string): Promise<string[]> {
  const below: string[] = []
  for await (const { path } of store.list(`-/manifest/${escapePath(root as ModulePath)}`)) {
    const escaped = path.slice('-/manifest/'.length).replace(/\.jsonl$/, '')
    const found = unescapePath(escaped)
    if (found !== undefined) below.push(found)
  }
  return below
}
