/**
 * A store for what is derived from a shard, while others may change the shard.
 *
 * A derived file is put so: its tag is read, then it is seen that the shard is
 * still the one that the file was made from, then it is put if it has still
 * that tag. Whoever puts it last has then seen everyone's versions, since who
 * wrote the newer shard finds the file changed, and puts it once more.
 *
 * @see product.md, "Order of writing", and docs/design/publishing.md
 */

import type { Replacement, Store } from './store.ts'

/** Thrown where the shard is another one by now: what is derived has to be made anew. */
export class ShardChanged extends Error {
  override readonly name = 'ShardChanged'
}

/** Returns the store, in which files are put and removed only while the shard has this tag. Throws ShardChanged. */
export function guardStore(store: Store, shardPath: string, tag: string): Store {
  const check = async () => {
    if ((await store.tag(shardPath)) !== tag) throw new ShardChanged(`${shardPath} has changed.`)
  }
  return {
    get written() {
      return store.written
    },
    get: (path) => store.get(path),
    tag: (path) => store.tag(path),
    stream: (path) => store.stream(path),
    list: (directory) => store.list(directory),
    create: (path, body, options) => store.create(path, body, options),
    replace: async (path, body, expected): Promise<Replacement> => {
      await check()
      return store.replace(path, body, expected)
    },
    remove: async (path, expected) => {
      const seen = expected ?? (await store.tag(path))
      if (seen === undefined) return 'removed'
      await check()
      const result = await store.remove(path, seen)
      // Some stores remove whatever is there: then the one who knew better finds it gone, or it is put again here.
      await check()
      return result
    },
    ...(store.localPath === undefined
      ? {}
      : { localPath: (path) => (store.localPath as (path: string) => string)(path) }),
  }
}
