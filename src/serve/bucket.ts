/**
 * The files of a site in a bucket, read with the credentials of whoever serves
 * them: so go, which signs no requests, can read a bucket that is open to
 * nobody else. Nothing is kept, and a zip passes through as it comes.
 *
 * A key is tried as it is first, since go asks for files; only a page may be
 * the index of a directory.
 */

import { FatalError, type Problem, problem } from '../problem.ts'
import { openS3Store, parseS3Target, type S3Store } from '../store/s3.ts'
import { isServedPath, type ServedFile, type ServedFiles } from './files.ts'

export interface BucketFilesOptions {
  /** Credentials are read from it. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal
}

/** Opens a bucket as "s3://bucket/prefix". Throws a FatalError where it cannot be read, or holds no site. */
export async function openBucketFiles(text: string, options: BucketFilesOptions): Promise<ServedFiles> {
  const place = parseS3Target(text)
  if ('code' in place) throw new FatalError(place)
  const store = await openS3Store(place, { ...options, writers: 'none' })
  if ((await store.tag('-/site.json')) === undefined) throw new FatalError(missing(store.url))
  return bucketFiles(store)
}

function missing(url: string): Problem {
  const hint = 'Look for a slip in its name, or publish to it first: modpress publish.'
  return problem('usage', {}, `There is no site in ${url}.`, hint)
}

function bucketFiles(store: S3Store): ServedFiles {
  return {
    name: store.url,
    find: async (path, wanted) => {
      if (!isServedPath(path)) return undefined
      for (const name of namesOf(path)) {
        const file = await findObject(store, name, wanted)
        if (file !== undefined) return file
      }
      return undefined
    },
  }
}

function namesOf(path: string): readonly string[] {
  if (path === '' || path.endsWith('/')) return [`${path}index.html`]
  const isForGo = path.includes('/@v/') || path.endsWith('/@latest')
  return isForGo || path.endsWith('index.html') ? [path] : [path, `${path}/index.html`]
}

async function findObject(
  store: S3Store,
  path: string,
  wanted: 'content' | 'facts',
): Promise<ServedFile | undefined> {
  const opened = wanted === 'content' ? await store.open(path) : undefined
  const facts = wanted === 'content' ? opened : await store.head(path)
  if (facts === undefined) return undefined
  return {
    path,
    size: facts.size,
    tag: facts.tag,
    read: async () => {
      const { chunks } = opened ?? (await store.open(path)) ?? {}
      if (chunks === undefined) throw new Error(`${path} was removed meanwhile.`)
      return chunks
    },
    close: async () => {},
  }
}
