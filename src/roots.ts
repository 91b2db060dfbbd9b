/**
 * Which repositories a shared site has above and below those of a run: whose a
 * module path is depends on them, and a run knows no more than its own. It is
 * found out by the names of their shards, which costs the same however many
 * others there are.
 */

import { eachOf } from './each.ts'
import { manifestDirectory, rootOfShard, shardPath } from './manifest.ts'
import type { ModulePath } from './model.ts'
import { escapePath } from './module/escape.ts'
import type { Store } from './store/store.ts'

/**
 * Returns the roots of a run with those of the site that lie above or below one of them. What is known besides, such as
 * the roots of other parts of the configuration, is returned too, and neither looked up nor looked around.
 */
export async function findRoots(
  store: Store,
  roots: readonly string[],
  known: readonly string[] = [],
): Promise<string[]> {
  const all = new Set([...known, ...roots])
  const above = [...new Set(roots.flatMap(listAbove))].filter((path) => !all.has(path))
  const found: string[] = []
  await eachOf(above, requestsAtOnce, async (path) => {
    if ((await store.tag(shardPath(path))) !== undefined) found.push(path)
  })
  await eachOf(roots, requestsAtOnce, async (root) => {
    for await (const { path } of store.list(`${manifestDirectory}/${escapePath(root as ModulePath)}`)) {
      const below = rootOfShard(path)
      if (below !== undefined) found.push(below)
    }
  })
  return [...new Set([...all, ...found.sort()])]
}

/** A bucket answers slowly, and many at once. */
const requestsAtOnce = 32

/** Returns the paths above a root, from the host on. */
function listAbove(root: string): ModulePath[] {
  const elements = root.split('/')
  return elements.slice(1).map((_, index) => elements.slice(0, index + 1).join('/') as ModulePath)
}
