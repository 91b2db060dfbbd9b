/**
 * The answers of a repository where no git is installed.
 *
 * isomorphic-git reads loose objects, and is loaded for the first of them. What
 * is in packs, and that is nearly all, is read by packfile.ts, which takes a
 * tenth of the time and bounded memory. Sizes are read from headers, so that a
 * blob too large to publish is never inflated, and large blobs are inflated
 * piece by piece. Every object is hashed, whoever read it.
 *
 * An object that is in several places is read from the first where it is whole,
 * packs first, as git does. Nothing but objects/ is read here, and never the
 * repository's configuration. What cannot be read (SHA-256, alternates) is
 * refused on opening, because objects that seem to be missing would look like
 * damage.
 */

import fs, { type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { readObject } from 'isomorphic-git'
import pLimit from 'p-limit'
import type { Oid } from '../model.ts'
import { headBytes, inflateFile, inflateHead } from './inflate.ts'
import type { GitLocation } from './location.ts'
import {
  finishHash,
  type GitObject,
  hashObject,
  isObjectType,
  ObjectError,
  type ObjectStat,
  parseCommit,
  parseOid,
  parseTag,
  RepositoryError,
  startHash,
  unreadable,
} from './object.ts'
import { Packs } from './packfile.ts'
import type { OpenRepository } from './repository.ts'

export interface IsomorphicOptions {
  /** How many bytes of objects are kept that others in a pack build upon. @default 16 MiB */
  readonly cacheBytes?: number
}

/** Opens a repository for reading without git. Throws RepositoryError where that cannot be done. */
export async function openIsomorphic(
  location: GitLocation,
  options: IsomorphicOptions = {},
): Promise<OpenRepository> {
  if (location.hash !== 'sha1') throw needsGit(location, 'has SHA-256 object ids')
  if (location.objectDirs.length > 1)
    throw needsGit(location, 'borrows objects from another one (alternates)')
  const [objects = join(location.commonDir, 'objects')] = location.objectDirs
  const packs = await Packs.open(join(objects, 'pack'), options.cacheBytes ?? 16 * 2 ** 20)
  return new IsomorphicRepository(location, objects, packs)
}

function needsGit(location: GitLocation, what: string): RepositoryError {
  return new RepositoryError('needs-git', `The repository in ${location.dir} ${what}.`)
}

class IsomorphicRepository implements OpenRepository {
  readonly reader = 'isomorphic'
  readonly hash = 'sha1'
  readonly #location: GitLocation
  readonly #packs: Packs
  readonly #loose: LooseObjects
  readonly #parents = new Map<Oid, readonly Oid[]>()
  #bytesThisTurn = 0

  constructor(location: GitLocation, objects: string, packs: Packs) {
    this.#location = location
    this.#packs = packs
    this.#loose = new LooseObjects(location.commonDir, objects)
  }

  async read(oid: Oid): Promise<GitObject> {
    const object =
      (await this.#read(oid)) ?? ((await this.#packs.update()) ? await this.#read(oid) : undefined)
    if (object === undefined) throw unreadable(oid, 'missing', 'It is in no pack, and no file has its name.')
    // Packs are read at once: now and then whoever waits for something else gets his turn.
    this.#bytesThisTurn += object.content.length + callBytes
    if (this.#bytesThisTurn > turnBytes) {
      this.#bytesThisTurn = 0
      await new Promise((resolve) => setImmediate(resolve))
    }
    return object
  }

  async stat(oids: readonly Oid[]): Promise<readonly (ObjectStat | undefined)[]> {
    const stats = await Promise.all(oids.map((oid) => this.#stat(oid)))
    if (stats.includes(undefined) && (await this.#packs.update())) {
      return Promise.all(oids.map((oid, index) => stats[index] ?? this.#stat(oid)))
    }
    return stats
  }

  async *stream(oid: Oid): AsyncIterable<Uint8Array> {
    const source = this.#openStream(oid) ?? (await this.#loose.stream(oid)) ?? (await this.#readWhole(oid))
    if (source.type !== 'blob') throw unreadable(oid, 'corrupt', `It is a ${source.type}.`)
    const hash = startHash(source.type, source.size, 'sha1')
    let left = source.size
    try {
      for await (const piece of source.pieces) {
        left -= piece.length
        if (left < 0) break
        hash.update(piece)
        yield piece
      }
    } catch (error) {
      throw unreadable(oid, 'corrupt', error)
    }
    if (left !== 0 || finishHash(hash) !== oid)
      throw unreadable(oid, 'corrupt', 'It does not hold what its id says.')
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

  async close(): Promise<void> {
    this.#parents.clear()
    await this.#packs.close()
  }

  // A commit is given when it has been read: where a shallow clone ends, there is none.
  async *#walk(commit: Oid): AsyncGenerator<Oid> {
    const seen = new Set([commit])
    for (const oid of seen) {
      // History is read once, however many tags ask for their ancestors.
      const parents = this.#parents.get(oid) ?? (await this.#readParents(oid, commit))
      if (parents === undefined) continue
      this.#parents.set(oid, parents)
      for (const parent of parents) seen.add(parent)
      yield oid
    }
  }

  async #peel(oid: Oid): Promise<Oid> {
    const { type, content } = await this.read(oid)
    if (type !== 'tag') return oid
    const tag = parseTag(content, 'sha1')
    if (typeof tag === 'string') throw new ObjectError(oid, 'corrupt', `The tag ${oid} is damaged: ${tag}.`)
    return this.#peel(tag.object)
  }

  async #readParents(oid: Oid, start: Oid): Promise<readonly Oid[] | undefined> {
    const object = await this.read(oid).catch((error) => {
      // In a shallow clone history ends where the objects do.
      const isEdge = error instanceof ObjectError && error.kind === 'missing' && this.#location.isShallow
      if (isEdge && oid !== start) return undefined
      throw error
    })
    if (object === undefined) return undefined
    const { type, content } = object
    if (type !== 'commit')
      throw new ObjectError(oid, 'corrupt', `The object ${oid} is a ${type}, not a commit.`)
    const commit = parseCommit(content, 'sha1')
    if (typeof commit === 'string') throw new ObjectError(oid, 'corrupt', `The commit ${oid}: ${commit}.`)
    return commit.parents
  }

  /** Returns the object, or undefined where it is nowhere. Throws ObjectError where it is damaged everywhere. */
  async #read(oid: Oid): Promise<GitObject | undefined> {
    if (parseOid(oid, 'sha1') === undefined) throw unreadable(oid, 'missing', 'It is not a full object id.')
    let damaged: string | undefined
    for (const { pack, offset } of this.#packs.find(oid)) {
      const found = pack.read(offset)
      if (found !== undefined && hashObject(found.type, found.content, 'sha1') === oid) {
        return { oid, type: found.type, content: found.content }
      }
      damaged = `It is damaged in ${pack.name}.`
    }
    const loose = await this.#loose.read(oid)
    if (loose !== undefined) return loose
    if (oid === emptyTree) return { oid, type: 'tree', content: new Uint8Array() }
    if (damaged !== undefined) throw unreadable(oid, 'corrupt', damaged)
    return undefined
  }

  async #stat(oid: Oid): Promise<ObjectStat | undefined> {
    if (parseOid(oid, 'sha1') === undefined) return undefined
    for (const { pack, offset } of this.#packs.find(oid)) {
      const stat = pack.stat(offset)
      if (stat !== undefined) return stat
    }
    return (await this.#loose.stat(oid)) ?? (oid === emptyTree ? { type: 'tree', size: 0 } : undefined)
  }

  #openStream(oid: Oid): ObjectStream | undefined {
    if (parseOid(oid, 'sha1') === undefined) return undefined
    const [place] = this.#packs.find(oid)
    return place?.pack.stream(place.offset)
  }

  /** A delta can only be read whole, and what is missing or damaged is to be said so. */
  async #readWhole(oid: Oid): Promise<ObjectStream> {
    const { type, content } = await this.read(oid)
    return { type, size: content.length, pieces: piecesOf(content) }
  }
}

type ObjectStream = ObjectStat & { readonly pieces: AsyncIterable<Uint8Array> }

/** git knows it without having it, because commits without files are of it. */
const emptyTree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904'

async function* piecesOf(content: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += pieceBytes) yield content.subarray(at, at + pieceBytes)
}

const pieceBytes = 2 ** 20
const turnBytes = 8 * 2 ** 20
/** What reading an object costs beside its content, as if it were content. */
const callBytes = 4096

/** Objects that lie in files of their own: those of the last commits, before git packs them. */
class LooseObjects {
  readonly #gitdir: string
  readonly #objects: string
  readonly #limit = pLimit(8)
  #reader: Promise<typeof readObject> | undefined

  constructor(gitdir: string, objects: string) {
    this.#gitdir = gitdir
    this.#objects = objects
  }

  /** Returns undefined where there is no such file. Throws ObjectError. */
  read(oid: Oid): Promise<GitObject | undefined> {
    return this.#limit(() => this.#read(oid))
  }

  stat(oid: Oid): Promise<ObjectStat | undefined> {
    return this.#limit(() => this.#stat(oid))
  }

  async #read(oid: Oid): Promise<GitObject | undefined> {
    const bytes = await fs.readFile(this.#pathOf(oid)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
      throw unreadable(oid, 'corrupt', error)
    })
    if (bytes === undefined) return undefined
    // Loaded when needed: fresh clones have packs only, and it takes longer than reading a small one.
    this.#reader ??= import('isomorphic-git').then((git) => git.readObject)
    const read = await this.#reader
    try {
      const { type, object } = await read({
        fs: onlyFile(bytes) as Parameters<typeof readObject>[0]['fs'],
        gitdir: this.#gitdir,
        oid,
        format: 'content',
      })
      if (object instanceof Uint8Array && isObjectType(type) && hashObject(type, object, 'sha1') === oid) {
        return { oid, type, content: object }
      }
      throw unreadable(oid, 'corrupt', 'It does not hold what its id says.')
    } catch (error) {
      throw error instanceof ObjectError ? error : unreadable(oid, 'corrupt', error)
    }
  }
  async #stat(oid: Oid): Promise<ObjectStat | undefined> {
    return (await this.#readHead(oid))?.stat
  }

  /** Returns an object in pieces; undefined where it has no file, or one that begins like no object. */
  async stream(oid: Oid): Promise<ObjectStream | undefined> {
    const head = await this.#readHead(oid)
    return head && { ...head.stat, pieces: contentOf(this.#pathOf(oid), head.length) }
  }

  async #readHead(oid: Oid): Promise<LooseHead | undefined> {
    if (parseOid(oid, 'sha1') === undefined) return undefined
    const file = await fs.open(this.#pathOf(oid)).catch(() => undefined)
    try {
      return file && (await readHead(file))
    } finally {
      await file?.close()
    }
  }

  #pathOf(oid: Oid): string {
    return join(this.#objects, oid.slice(0, 2), oid.slice(2))
  }
}

/** The one file that isomorphic-git is to read, whatever it asks for. It is not asked to look into packs. */
function onlyFile(bytes: Uint8Array): object {
  const refuse = async (): Promise<never> => {
    throw new Error('This reader reads one object.')
  }
  const rest = {
    stat: refuse,
    lstat: refuse,
    readlink: refuse,
    readdir: refuse,
    mkdir: refuse,
    rmdir: refuse,
  }
  const readFile = async (): Promise<Uint8Array> => bytes
  return { promises: { ...rest, readFile, writeFile: refuse, unlink: refuse, symlink: refuse, rm: refuse } }
}

interface LooseHead {
  readonly stat: ObjectStat
  /** Of what stands before the content, in bytes. */
  readonly length: number
}

async function readHead(file: FileHandle): Promise<LooseHead | undefined> {
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0)
    const head = inflateHead(buffer.subarray(0, bytesRead))?.toString('latin1') ?? ''
    const [{ length } = '', type = '', size] = /^([a-z]+) (\d{1,15})\0/.exec(head) ?? []
    return isObjectType(type) ? { stat: { type, size: Number(size) }, length } : undefined
  } catch {
    return undefined
  }
}

async function* contentOf(path: string, skipBytes: number): AsyncGenerator<Uint8Array> {
  const file = await fs.open(path)
  let skip = skipBytes
  try {
    for await (const piece of inflateFile(file, 0, Number.POSITIVE_INFINITY)) {
      if (piece.length > skip) yield piece.subarray(skip)
      skip = Math.max(0, skip - piece.length)
    }
  } finally {
    await file.close()
  }
}
