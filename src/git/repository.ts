/**
 * What a repository can be asked, and withRepository(), which opens and closes it.
 *
 * Two readers answer: one long-lived `git cat-file --batch` process, or where
 * no git is installed our own reader of packs, with isomorphic-git for loose
 * objects. Both give the same bytes, and both hash every object against its id,
 * because neither git nor isomorphic-git does that for all of them. An object
 * that is not there or is damaged costs the versions that need it and nothing
 * else, so that reads throw an ObjectError; what makes the whole repository
 * unreadable is a RepositoryError.
 */

import type { Oid } from '../model.ts'
import type { GitLocation } from './location.ts'
import { openNative } from './native.ts'
import { type GitObject, type ObjectStat, RepositoryError } from './object.ts'

/** Where objects can be read from, as plain data: another thread can be told of it. */
export interface ObjectSource {
  readonly env: Readonly<Record<string, string>>
  readonly objectDirs: readonly string[]
  readonly hash: 'sha1' | 'sha256'
}

export interface GitRepository {
  readonly reader: 'native' | 'isomorphic'
  readonly hash: 'sha1' | 'sha256'
  /** What another thread needs to read the same objects. Absent where the reader has to be this one. */
  readonly source?: ObjectSource
  /**
   * Reads one object whole, verified against its id. Calls may overlap and are answered in order. Throws ObjectError.
   * The content may be one that others get, too: nobody may write to it or give its memory away.
   */
  read(oid: Oid): Promise<GitObject>
  /**
   * Does the same where the content has at most so many bytes. Of a larger one it tells type and size. Absent where
   * `stat` costs next to nothing.
   */
  readUpTo?(oid: Oid, limitBytes: number): Promise<GitObject | ObjectStat>
  /**
   * Returns types and sizes, without reading contents where the reader can.
   * `undefined` is an object that is missing or damaged; only `read` tells which.
   */
  stat(oids: readonly Oid[]): Promise<readonly (ObjectStat | undefined)[]>
  /** Streams a large blob. The id is verified at the end: throws ObjectError, perhaps after the last chunk. */
  stream(oid: Oid): AsyncIterable<Uint8Array>
  /**
   * Returns those of `wanted` (commit ids) that are ancestors of `commit`, itself included.
   * The walk may stop once it has seen them all. Throws ObjectError.
   */
  ancestors(commit: Oid, wanted: ReadonlySet<Oid>): Promise<ReadonlySet<Oid>>
  /**
   * Does the same for several commits, in their order, with one walk. Throws ObjectError where one of the histories
   * is not whole. Absent where `ancestors` costs no more. `tips` are the objects that led to the commits, as they were
   * expected: the commits themselves, and annotated tags.
   */
  ancestorsOfEach?(
    commits: readonly Oid[],
    wanted: ReadonlySet<Oid>,
    tips?: readonly Oid[],
  ): Promise<readonly ReadonlySet<Oid>[]>
  /** Says that the histories of these will be asked for soon, so that git may begin. Absent where nothing can. */
  expectAncestors?(tips: readonly Oid[]): void
  /** Returns the ancestor of a commit or tag, itself included, whose id begins with these digits. Throws ObjectError. */
  findAncestor(tip: Oid, digits: string): Promise<Oid | undefined>
  /**
   * Returns the bytes of these paths as `git archive` writes them, with the
   * attributes of the commit applied. Absent where the reader cannot.
   */
  archive?(commit: Oid, paths: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>>
}

/** A repository that is open. Only `withRepository` closes it. */
export interface OpenRepository extends GitRepository {
  close(): Promise<void>
}

/** Which reader is wanted. 'auto' is git, where that is installed. */
export type WantedReader = 'auto' | 'native' | 'isomorphic'

/**
 * Opens the repository, or takes the one that is prepared if it is that, lends it to `use`, and closes it whatever
 * happens. Throws RepositoryError.
 */
export async function withRepository<T>(
  location: GitLocation,
  reader: WantedReader,
  use: (repository: GitRepository) => Promise<T>,
  prepared?: PreparedRepository,
): Promise<T> {
  const repository = await (prepared?.take(location) ?? openRepository(location, reader))
  try {
    return await use(repository)
  } finally {
    await repository.close()
  }
}

/** A repository that is opened before anybody is ready to use it. Whoever prepares it closes it. */
export class PreparedRepository {
  readonly #location: GitLocation
  #opening: Promise<OpenRepository> | undefined

  constructor(location: GitLocation, reader: WantedReader) {
    this.#location = location
    this.#opening = openRepository(location, reader)
    this.#opening.catch(() => {}) // told to whoever takes it
  }

  /** Hands over the repository, to be closed by who gets it, if it is the one at this location; and only once. */
  take({ gitDir, hash, objectDirs }: GitLocation): Promise<OpenRepository> | undefined {
    const own = this.#location
    const isSame = gitDir === own.gitDir && hash === own.hash && `${objectDirs}` === `${own.objectDirs}`
    if (!isSame) return undefined
    const opening = this.#opening
    this.#opening = undefined
    return opening
  }

  /** Closes it if nobody has taken it. */
  async close(): Promise<void> {
    const repository = await this.#opening?.catch(() => undefined)
    this.#opening = undefined
    await repository?.close()
  }
}

async function openRepository(location: GitLocation, reader: WantedReader): Promise<OpenRepository> {
  if (reader === 'isomorphic') return openWithout(location)
  try {
    return await openNative(location)
  } catch (error) {
    const isMissing = error instanceof RepositoryError && error.code === 'needs-git'
    if (reader === 'auto' && isMissing) return openWithout(location)
    throw error
  }
}

/** Reads an object that has at most so many bytes. Of a larger one it tells type and size. Throws ObjectError. */
export async function readUpTo(
  repository: GitRepository,
  oid: Oid,
  limitBytes: number,
): Promise<GitObject | ObjectStat> {
  if (repository.readUpTo !== undefined) return repository.readUpTo(oid, limitBytes)
  const [stat] = await repository.stat([oid])
  return stat !== undefined && stat.size > limitBytes ? stat : repository.read(oid)
}

// Loaded when needed, which with git it never is.
async function openWithout(location: GitLocation): Promise<OpenRepository> {
  const { openIsomorphic } = await import('./isomorphic.ts')
  return openIsomorphic(location)
}
