/**
 * The answers of a repository from isomorphic-git, where no git is installed.
 *
 * isomorphic-git reads contents; what it lacks stands here and in packfile.ts.
 * It hashes loose objects only, so that every object is hashed again. Sizes are
 * read from headers, so that a blob too large to publish is never inflated. It
 * sees only packs and indexes that can be read, with a checksum that fits: the
 * objects that one damaged byte did not reach are then still read, as git does.
 *
 * It reads nothing but objects/ here, and never the repository's configuration.
 * What it cannot read (SHA-256, alternates, packs above 2 GiB) is refused on
 * opening, because objects that seem to be missing would look like damage.
 */

import { promises as fs, type PathLike } from 'node:fs'
import { join } from 'node:path'
import type { readObject } from 'isomorphic-git'
import pLimit from 'p-limit'
import type { Oid } from '../model.ts'
import type { GitLocation } from './location.ts'
import {
  type GitObject,
  hashObject,
  isObjectType,
  ObjectError,
  type ObjectStat,
  parseCommit,
  parseOid,
  parseTag,
  RepositoryError,
  unreadable,
} from './object.ts'
import { findInPacks, headBytes, inflateHead, openPacks, type Pack, type PackPlace } from './packfile.ts'
import type { OpenRepository } from './repository.ts'

/** Opens a repository for reading through isomorphic-git. Throws RepositoryError where that cannot do it. */
export async function openIsomorphic(location: GitLocation): Promise<OpenRepository> {
  if (location.hash !== 'sha1') throw needsGit(location, 'has SHA-256 object ids')
  if (location.objectDirs.length > 1)
    throw needsGit(location, 'borrows objects from another one (alternates)')
  const [objects = join(location.commonDir, 'objects')] = location.objectDirs
  const packs = await openPacks(join(objects, 'pack'))
  const { readObject } = await import('isomorphic-git')
  return new IsomorphicRepository(location, objects, packs, readObject)
}

function needsGit(location: GitLocation, what: string): RepositoryError {
  return new RepositoryError('needs-git', `The repository in ${location.dir} ${what}.`)
}

class IsomorphicRepository implements OpenRepository {
  readonly reader = 'isomorphic'
  readonly hash = 'sha1'
  readonly #location: GitLocation
  readonly #objects: string
  readonly #packs: readonly Pack[]
  readonly #readObject: typeof readObject
  // One cache for all reads: without it every read would parse the indexes again.
  readonly #cache: object = {}
  readonly #fs: { readonly promises: object }
  readonly #limit = pLimit(8)
  readonly #parents = new Map<Oid, Promise<readonly Oid[]>>()

  constructor(location: GitLocation, objects: string, packs: readonly Pack[], read: typeof readObject) {
    this.#location = location
    this.#objects = objects
    this.#packs = packs
    this.#readObject = read
    this.#fs = { promises: filesFor(objects, packs) }
  }

  read(oid: Oid): Promise<GitObject> {
    return this.#limit(() => this.#read(oid))
  }

  stat(oids: readonly Oid[]): Promise<readonly (ObjectStat | undefined)[]> {
    return Promise.all(oids.map((oid) => this.#limit(() => this.#stat(oid))))
  }

  async *stream(oid: Oid): AsyncIterable<Uint8Array> {
    const { content } = await this.read(oid)
    for (let at = 0; at < content.length; at += chunkBytes) yield content.subarray(at, at + chunkBytes)
  }

  async ancestors(commit: Oid, wanted: ReadonlySet<Oid>): Promise<ReadonlySet<Oid>> {
    const found = new Set<Oid>()
    for await (const oid of this.#walk(commit)) {
      if (wanted.has(oid)) found.add(oid)
      if (found.size === wanted.size) break
    }
    return found
  }

  async findAncestor(tip: Oid, digits: string): Promise<Oid | undefined> {
    for await (const oid of this.#walk(await this.#peel(tip))) if (oid.startsWith(digits)) return oid
    return undefined
  }

  // A commit is given when it has been read: where a shallow clone ends, there is none.
  async *#walk(commit: Oid): AsyncGenerator<Oid> {
    const seen = new Set([commit])
    let front: readonly Oid[] = [commit]
    while (front.length > 0) {
      const parents = await Promise.all(front.map((oid) => this.#parentsOf(oid, commit)))
      yield* front.filter((_, index) => parents[index] !== undefined)
      const next = new Set(parents.flatMap((oids) => oids ?? []).filter((oid) => !seen.has(oid)))
      for (const oid of next) seen.add(oid)
      front = [...next]
    }
  }

  async #peel(oid: Oid): Promise<Oid> {
    const { type, content } = await this.read(oid)
    if (type !== 'tag') return oid
    const tag = parseTag(content, 'sha1')
    if (typeof tag === 'string') throw new ObjectError(oid, 'corrupt', `The tag ${oid} is damaged: ${tag}.`)
    return this.#peel(tag.object)
  }

  async close(): Promise<void> {
    this.#limit.clearQueue()
    this.#parents.clear()
    for (const pack of this.#packs) pack.forget()
    for (const key of Object.getOwnPropertySymbols(this.#cache)) Reflect.deleteProperty(this.#cache, key)
  }

  // History is walked once, however many tags ask for their ancestors.
  async #parentsOf(oid: Oid, start: Oid): Promise<readonly Oid[] | undefined> {
    const known = this.#parents.get(oid) ?? this.#readParents(oid)
    this.#parents.set(oid, known)
    try {
      return await known
    } catch (error) {
      // In a shallow clone history ends where the objects do.
      const isEdge = error instanceof ObjectError && error.kind === 'missing' && this.#location.isShallow
      if (isEdge && oid !== start) return undefined
      throw error
    }
  }

  async #readParents(oid: Oid): Promise<readonly Oid[]> {
    const { type, content } = await this.read(oid)
    if (type !== 'commit')
      throw new ObjectError(oid, 'corrupt', `The object ${oid} is a ${type}, not a commit.`)
    const commit = parseCommit(content, 'sha1')
    if (typeof commit === 'string') throw new ObjectError(oid, 'corrupt', `The commit ${oid}: ${commit}.`)
    return commit.parents
  }

  async #read(oid: Oid): Promise<GitObject> {
    if (parseOid(oid, 'sha1') === undefined) throw unreadable(oid, 'missing', 'It is not a full object id.')
    const place = await this.#findPacked(oid)
    if (place !== undefined && place.pack.stat(place.offset) === undefined) {
      throw unreadable(oid, 'corrupt', `It is in ${place.pack.name}.`)
    }
    const found = await this.#readUnchecked(oid)
    const { type, object } = found
    if (!isObjectType(type) || hashObject(type, object, 'sha1') !== oid) {
      throw unreadable(oid, 'corrupt', 'It does not hold what its id says.')
    }
    return { oid, type, content: object }
  }

  async #readUnchecked(oid: Oid): Promise<{ readonly type: string; readonly object: Uint8Array }> {
    try {
      const { type, object } = await this.#readObject({
        fs: this.#fs as Parameters<typeof readObject>[0]['fs'],
        gitdir: this.#location.commonDir,
        oid,
        format: 'content',
        cache: this.#cache,
      })
      if (object instanceof Uint8Array) return { type, object }
      throw unreadable(oid, 'corrupt', 'It has no content.')
    } catch (error) {
      if (error instanceof ObjectError) throw error
      if (error instanceof Error && 'code' in error && error.code === 'NotFoundError') {
        throw unreadable(oid, 'missing', error)
      }
      throw unreadable(oid, 'corrupt', error)
    }
  }

  async #stat(oid: Oid): Promise<ObjectStat | undefined> {
    if (parseOid(oid, 'sha1') === undefined) return undefined
    const loose = await statLoose(join(this.#objects, oid.slice(0, 2), oid.slice(2)))
    if (loose !== undefined) return loose
    const place = await this.#findPacked(oid)
    return place?.pack.stat(place.offset)
  }

  async #findPacked(oid: Oid): Promise<PackPlace | undefined> {
    const place = findInPacks(this.#packs, oid)
    await place?.pack.load()
    return place
  }
}

const chunkBytes = 1024 * 1024

/**
 * The file functions that isomorphic-git is lent. It asks for the list of packs
 * with every object, and would copy each pack that it gets as a Buffer; it gets
 * the bytes that are in memory already, as an ArrayBuffer. It can write nothing.
 */
function filesFor(objects: string, packs: readonly Pack[]): object {
  const packDir = join(objects, 'pack')
  const find = (path: string, suffix: string) =>
    packs.find((pack) => path === join(packDir, pack.name.replace(/idx$/, suffix)))
  const refuse = async (): Promise<never> => {
    throw new Error('This reader writes nothing.')
  }
  const readFile = async (
    path: PathLike,
    options?: { readonly encoding?: BufferEncoding },
  ): Promise<unknown> => {
    const name = String(path)
    if (name.startsWith(packDir)) {
      const pack = find(name, 'idx') ?? find(name, 'pack')
      await pack?.load()
      if (pack !== undefined)
        return arrayBufferOf(name.endsWith('.idx') ? pack.shown.index : pack.shown.bytes)
    }
    return fs.readFile(path, options)
  }
  const readdir = async (path: PathLike): Promise<string[]> =>
    String(path) === packDir ? packs.map((pack) => pack.name) : fs.readdir(path)
  const { stat, lstat, readlink } = fs
  return {
    ...{ readFile, readdir, stat, lstat, readlink },
    ...{ writeFile: refuse, mkdir: refuse, rmdir: refuse, unlink: refuse, symlink: refuse, rm: refuse },
  }
}

function arrayBufferOf(bytes: Uint8Array): ArrayBufferLike {
  const { buffer, byteOffset, byteLength } = bytes
  return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength)
}

async function statLoose(path: string): Promise<ObjectStat | undefined> {
  const file = await fs.open(path).catch(() => undefined)
  if (file === undefined) return undefined
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0)
    const head = inflateHead(buffer.subarray(0, bytesRead))?.toString('latin1') ?? ''
    const [, type = '', size] = /^([a-z]+) (\d{1,15})\0/.exec(head) ?? []
    return isObjectType(type) ? { type, size: Number(size) } : undefined
  } catch {
    return undefined
  } finally {
    await file.close()
  }
}
