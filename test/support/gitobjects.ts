/**
 * Writes git repositories byte by byte, without git.
 *
 * Git refuses to make what must be tested: a tree with a ".." in it, a commit
 * of the year 318857, a ref that loops. Here objects are written as they are
 * given, as loose files, and refs as raw text; nothing is checked, and the
 * same calls make the same bytes. Where nothing odd is asked for, the result
 * is an ordinary bare repository that git and go read.
 *
 * Names and contents are bytes: a string stands for its UTF-8, and `latin1`
 * makes the bytes that are none.
 */

import { createHash } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { constants, deflateRawSync, deflateSync } from 'node:zlib'

export type Bytes = string | Uint8Array

export type ObjectKind = 'blob' | 'tree' | 'commit' | 'tag'

export interface TreeEntry {
  /** As git writes it, without leading zeros: "100644", "40000", "120000", "160000". */
  readonly mode: string
  readonly name: Bytes
  readonly oid: string
}

export interface CommitOptions {
  readonly tree: string
  readonly parents?: readonly string[]
  /** Committer's and author's time in seconds since 1970. @default 1700000000 and 60 more for each commit made */
  readonly time?: number
  /** @default '+0000' */
  readonly zone?: string
  /** @default the committer's time */
  readonly authorTime?: number
  readonly message?: Bytes
  /** Whole "author …" and "committer …" lines instead of those made from the times. */
  readonly author?: Bytes
  readonly committer?: Bytes
  /** Lines between the committer and the message, each with its newline. */
  readonly headers?: Bytes
}

export interface TagOptions {
  readonly object: string
  /** @default 'commit' */
  readonly type?: ObjectKind
  readonly name: string
  /** @default 1800000000, which no commit has by itself */
  readonly time?: number
  readonly message?: string
}

export interface RawRepository {
  /** The repository's git directory. */
  readonly dir: string
  /** Writes an object under the id that its bytes have. */
  object(kind: ObjectKind, content: Bytes): string
  blob(content: Bytes): string
  /** Writes a blob of zeros of any size. What is written is small, and made without compressing the whole. */
  zeros(size: number): string
  /** Writes a tree of exactly these entries, in this order. */
  rawTree(entries: readonly TreeEntry[]): string
  /** Writes a tree in git's order. */
  tree(entries: readonly TreeEntry[]): string
  /** Writes blobs and trees for files by their path, which may hold "/"; a value may be a ready entry. */
  files(files: Readonly<Record<string, Bytes | FileEntry>> | ReadonlyMap<string, Bytes | FileEntry>): string
  commit(options: CommitOptions): string
  tag(options: TagOptions): string
  /** Writes a loose ref that names an object: "refs/tags/v1.0.0". */
  ref(name: string, oid: string): void
  /** Writes a file of the git directory as it is given: a raw ref, "packed-refs", "shallow", "config". */
  file(path: string, content: Bytes): void
  /** Where a loose object lies. */
  pathOf(oid: string): string
  /** The id that an object would have. Nothing is written. */
  idOf(kind: ObjectKind, content: Bytes): string
}

export interface FileEntry {
  /** @default '100644' */
  readonly mode?: string
  /** The content of a new blob; or `oid`. */
  readonly content?: Bytes
  readonly oid?: string
  /** The bytes of the name, where the last element of the path cannot say them. */
  readonly name?: Bytes
}

export interface RawRepositoryOptions {
  /** @default 'sha1' */
  readonly format?: 'sha1' | 'sha256'
  /** The branch that HEAD names. It need not exist. @default 'main' */
  readonly branch?: string
  /** More lines of the configuration file. */
  readonly config?: string
}

/** Makes an empty bare repository in a directory, which is created. */
export function createRepository(dir: string, options: RawRepositoryOptions = {}): RawRepository {
  const { format = 'sha1', branch = 'main', config = '' } = options
  for (const name of ['objects/info', 'objects/pack', 'refs/heads', 'refs/tags']) {
    mkdirSync(join(dir, name), { recursive: true })
  }
  const extension = format === 'sha256' ? '[extensions]\n\tobjectFormat = sha256\n' : ''
  const version = format === 'sha256' ? 1 : 0
  writeFileSync(join(dir, 'HEAD'), `ref: refs/heads/${branch}\n`)
  writeFileSync(
    join(dir, 'config'),
    `[core]\n\trepositoryformatversion = ${version}\n\tfilemode = true\n\tbare = true\n${extension}${config}`,
  )
  return openRepository(dir, format)
}

/** Returns the writer of a repository that exists. `dir` is its git directory. */
export function openRepository(dir: string, format: 'sha1' | 'sha256' = 'sha1'): RawRepository {
  let clock = firstTime
  const pathOf = (oid: string): string => join(dir, 'objects', oid.slice(0, 2), oid.slice(2))
  const write = (path: string, content: Uint8Array): void => {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
  }
  const idOf = (kind: ObjectKind, content: Bytes): string => {
    const bytes = bytesOf(content)
    return createHash(format).update(`${kind} ${bytes.length}\0`).update(bytes).digest('hex')
  }

  const repository: RawRepository = {
    dir,
    pathOf,
    idOf,
    object: (kind, content) => {
      const bytes = bytesOf(content)
      const oid = idOf(kind, bytes)
      if (!existsSync(pathOf(oid))) write(pathOf(oid), packLoose(kind, bytes))
      return oid
    },
    blob: (content) => repository.object('blob', content),
    zeros: (size) => {
      const header = Buffer.from(`blob ${size}\0`)
      const hash = createHash(format).update(header)
      for (let left = size; left > 0; left -= chunk.length)
        hash.update(chunk.subarray(0, Math.min(left, chunk.length)))
      const oid = hash.digest('hex')
      mkdirSync(dirname(pathOf(oid)), { recursive: true })
      writeZeros(pathOf(oid), header, size)
      return oid
    },
    rawTree: (entries) =>
      repository.object(
        'tree',
        Buffer.concat(
          entries.flatMap(({ mode, name, oid }) => [
            Buffer.from(`${mode} `),
            bytesOf(name),
            Buffer.from([0]),
            Buffer.from(oid, 'hex'),
          ]),
        ),
      ),
    tree: (entries) => repository.rawTree([...entries].sort(compareEntries)),
    files: (files) => {
      const root: Directory = new Map()
      for (const [path, value] of files instanceof Map ? files : Object.entries(files)) {
        insert(root, path.split('/'), isBytes(value) ? { content: value } : value)
      }
      return writeDirectory(repository, root)
    },
    commit: (options) => {
      const {
        tree,
        parents = [],
        time = clock,
        zone = '+0000',
        authorTime = time,
        message = 'A commit.\n',
      } = options
      clock += 60
      const { author = `author A <a@example.com> ${authorTime} ${zone}` } = options
      const { committer = `committer C <c@example.com> ${time} ${zone}`, headers = '' } = options
      const lines = [`tree ${tree}`, ...parents.map((parent) => `parent ${parent}`), author, committer]
      const head = lines.flatMap((line) => [bytesOf(line), bytesOf('\n')])
      return repository.object(
        'commit',
        Buffer.concat([...head, bytesOf(headers), bytesOf('\n'), bytesOf(message)]),
      )
    },
    tag: ({ object, type = 'commit', name, time = 1_800_000_000, message = 'A tag.\n' }) =>
      repository.object(
        'tag',
        `object ${object}\ntype ${type}\ntag ${name}\ntagger T <t@example.com> ${time} +0000\n\n${message}`,
      ),
    ref: (name, oid) => repository.file(name, `${oid}\n`),
    file: (path, content) => write(join(dir, path), bytesOf(content)),
  }
  return repository
}

/** Returns bytes as they are, and the UTF-8 of a string. */
export function bytesOf(content: Bytes): Uint8Array {
  return typeof content === 'string' ? Buffer.from(content) : content
}

/** Returns one byte for each character up to U+00FF: the way to write what is not UTF-8. */
export function latin1(text: string): Uint8Array {
  return Buffer.from(text, 'latin1')
}

/** Returns a loose object's file: deflated header and content. */
export function packLoose(kind: string, content: Bytes): Uint8Array {
  const bytes = bytesOf(content)
  return deflateSync(Buffer.concat([Buffer.from(`${kind} ${bytes.length}\0`), bytes]), { level: 1 })
}

const firstTime = 1_700_000_000

const chunk = Buffer.alloc(1024 * 1024)

type Directory = Map<string, Directory | FileEntry>

function insert(directory: Directory, path: readonly string[], file: FileEntry): void {
  const [name = '', ...rest] = path
  if (rest.length === 0) {
    directory.set(name, file)
    return
  }
  const found = directory.get(name)
  const inner: Directory = found instanceof Map ? found : new Map()
  directory.set(name, inner)
  insert(inner, rest, file)
}

function writeDirectory(repository: RawRepository, directory: Directory): string {
  return repository.tree(
    [...directory].map(([name, value]) => {
      if (value instanceof Map) return { mode: '40000', name, oid: writeDirectory(repository, value) }
      const { mode = '100644', content = '', oid = repository.blob(content) } = value
      return { mode, name: value.name ?? name, oid }
    }),
  )
}

/** Git orders a tree by bytes, and a directory as if its name ended in "/". */
function compareEntries(a: TreeEntry, b: TreeEntry): number {
  return Buffer.compare(sortKey(a), sortKey(b))
}

function sortKey({ mode, name }: TreeEntry): Buffer {
  return Buffer.concat([bytesOf(name), Buffer.from(mode === '40000' ? '/' : '')])
}

function isBytes(value: Bytes | FileEntry): value is Bytes {
  return typeof value === 'string' || value instanceof Uint8Array
}

/**
 * Writes the zlib stream of a header and zeros. A chunk of zeros deflated on its own (after a full flush nothing
 * refers back) is written as often as needed, so that 600 MiB cost a hash and no compression.
 */
function writeZeros(path: string, header: Uint8Array, size: number): void {
  const flush = { level: 9, finishFlush: constants.Z_FULL_FLUSH }
  const whole = deflateRawSync(chunk, flush)
  const file = openSync(path, 'w')
  writeSync(file, Buffer.from([0x78, 0x01]))
  writeSync(file, deflateRawSync(header, flush))
  for (let left = size; left >= chunk.length; left -= chunk.length) writeSync(file, whole)
  writeSync(file, deflateRawSync(chunk.subarray(0, size % chunk.length), { level: 9 }))
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(adlerOfZeros(header, size))
  writeSync(file, sum)
  closeSync(file)
}

/** Adler-32: a zero leaves the first sum as it is and adds it to the second. */
function adlerOfZeros(header: Uint8Array, zeros: number): number {
  const modulus = 65_521
  let a = 1
  let b = 0
  for (const byte of header) {
    a = (a + byte) % modulus
    b = (b + a) % modulus
  }
  b = Number((BigInt(b) + BigInt(zeros) * BigInt(a)) % BigInt(modulus))
  return b * 65_536 + a
}
