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

const nothing = Buffer.from('\n')

/** Returns the store, in which files are put only while the shard has this tag, and emptied instead of removed. Throws ShardChanged. */
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
    // Nothing tells who comes later that a file was removed, nor when. An empty answer does, and go takes it for none.
    remove: async (path) => {
      for (;;) {
        const seen = await store.tag(path)
        if (seen === undefined) return 'removed'
        await check()
        const { result } = await store.replace(path, nothing, seen)
        if (result !== 'conflict') return 'removed'
      }
    },
    ...(store.localPath === undefined
      ? {}
      : { localPath: (path) => (store.localPath as (path: string) => string)(path) }),
  }
}
