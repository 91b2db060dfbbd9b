/**
 * A store in a directory. A file appears whole or not at all: it is written
 * below "-/tmp", flushed to the disk if there is one, and then linked to its
 * name, which fails where there is a file, or renamed to it. "-/tmp" is on the
 * same file system and the one place where a killed run can leave anything.
 *
 * Between two processes the lock of the site decides (lock.ts); within one, a
 * turn for each path does. Modes are set whatever the umask, because the host
 * that serves the files is often another user.
 *
 * System calls that end in the page cache are made synchronously: a trip
 * through the thread pool costs several times the call. Only flushing and
 * large transfers are asynchronous, which is what overlaps in parallel writes.
 * Directories are not flushed: the usual file systems log names in order, so
 * that after a power cut the later of two names is never there alone.
 *
 * The system calls at the end, and how their failures become problems, make
 * this file long. They are here because nothing but the store and its lock
 * may touch the output.
 */

import {
  chmodSync,
  closeSync,
  createReadStream,
  type Dirent,
  fchmodSync,
  fstatSync,
  fsync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  unlinkSync,
  write,
  writeSync,
} from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { promisify } from 'node:util'
import { threadId } from 'node:worker_threads'
import { compareUtf8 } from '../module/dirhash.ts'
import { FatalError, problem } from '../problem.ts'
import {
  type CreateOptions,
  checkStorePath,
  hashBody,
  type ListedFile,
  type Replacement,
  type Store,
  type StoredFile,
  type Written,
} from './store.ts'

export interface DirectoryOptions {
  /** Whether a file may be created by a hard link. 'avoid' is for file systems without them. @default 'use' */
  readonly links?: 'use' | 'avoid'
}

/** Opens a directory as a store. It need not exist: the first write makes it. */
export async function openDirectoryStore(
  root: string,
  options: DirectoryOptions = {},
): Promise<DirectoryStore> {
  return new DirectoryStore(root, options)
}

/** Tells whether a path is one of those that the store keeps for itself: the lock and unfinished files. */
export function isPrivatePath(path: string): boolean {
  return /^-\/(?:tmp(?:\/|$)|lock(?:\.|$))/.test(path)
}

const flush = promisify(fsync)
const writeAt = promisify(write)

/** What Linux calls tmpfs and ramfs: TMPFS_MAGIC and RAMFS_MAGIC of linux/magic.h. */
const memoryTypes = [0x01021994, 0x858458f6]

/** From this size on a transfer is worth a trip through the thread pool. */
const largeBytes = 128 * 1024
const temporaryDirectory = '-/tmp'

/** Who serves the files may read them, and nobody else than their owner may write to them. */
const fileMode = 0o644

/** The last turn for each absolute path, shared by all stores of the process. */
const turns = new Map<string, Promise<unknown>>()
let temporaryCount = 0

export class DirectoryStore implements Store {
  readonly root: string
  /** The root, so that what is below it may follow. */
  readonly #base: string
  #links: 'use' | 'avoid'
  #inMemory: boolean | undefined
  /** Whether files are made with the mode that they are to have. All are made in one directory, under one umask. */
  #isRightMode: boolean | undefined
  #files = 0
  #bytes = 0
  /** Directories known to be real ones, "" for the root. */
  readonly #known = new Set<string>()

  constructor(root: string, options: DirectoryOptions) {
    const path = resolve(root)
    try {
      const stats = statSync(path, { throwIfNoEntry: false })
      if (stats?.isDirectory() === false) throw unwritable(`The output ${path} is not a directory.`)
      this.root = stats === undefined ? path : realpathSync(path)
    } catch (cause) {
      throw outputError(cause, 'read', path)
    }
    this.#base = this.root.endsWith(sep) ? this.root : this.root + sep
    this.#links = options.links ?? 'use'
  }

  get written(): Written {
    return { files: this.#files, bytes: this.#bytes }
  }

  localPath(path: string): string {
    checkStorePath(path)
    return this.#at(path)
  }

  /** The place of a path that needs no tidying: thousands of times a build, join() would look for that. */
  #at(path: string): string {
    return this.#base + (sep === '/' ? path : path.replaceAll('/', sep))
  }

  async get(path: string): Promise<StoredFile | undefined> {
    const file = this.localPath(path)
    try {
      const stats = statSync(file, { throwIfNoEntry: false })
      if (!stats?.isFile()) return undefined
      const body = stats.size < largeBytes ? readFileSync(file) : await readFile(file)
      return new TaggedFile(body)
    } catch (cause) {
      if (isAbsent(cause)) return undefined
      throw outputError(cause, 'read', file)
    }
  }

  async tag(path: string): Promise<string | undefined> {
    return (await this.get(path))?.tag
  }

  async stream(path: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    const file = this.localPath(path)
    try {
      if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return undefined
    } catch (cause) {
      if (isAbsent(cause)) return undefined
      throw outputError(cause, 'read', file)
    }
    return createReadStream(file)
  }

  async create(
    path: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    options: CreateOptions = {},
  ): Promise<'created' | 'exists'> {
    const file = this.#target(path)
    if (this.#isTaken(file)) return 'exists'
    const temporary = await this.#writeTemporary(file, body, options.signal)
    try {
      options.signal?.throwIfAborted()
      return await inTurn(file, () => this.#place(path, file, temporary))
    } finally {
      discard(temporary.path)
    }
  }

  /**
   * Creates files as `create` does one after the other, up to the first that is there already; but all of them are
   * flushed together, which is what takes time. Returns what became of each that was tried.
   */
  async createInOrder(
    files: readonly { readonly path: string; readonly body: Uint8Array }[],
    options: CreateOptions = {},
  ): Promise<('created' | 'exists')[]> {
    const targets = files.map(({ path, body }) => ({ path, body, file: this.#target(path) }))
    const [first] = targets
    if (first === undefined || this.#isTaken(first.file)) return first === undefined ? [] : ['exists']
    const written = await Promise.allSettled(
      targets.map(({ file, body }) => this.#writeTemporary(file, body, options.signal)),
    )
    try {
      const outcomes: ('created' | 'exists')[] = []
      for (const [index, { path, file }] of targets.entries()) {
        const each = written[index]
        if (each?.status !== 'fulfilled') throw each?.reason
        options.signal?.throwIfAborted()
        const outcome = await inTurn(file, () => this.#place(path, file, each.value))
        outcomes.push(outcome)
        if (outcome === 'exists') break
      }
      return outcomes
    } finally {
      for (const each of written) if (each.status === 'fulfilled') discard(each.value.path)
    }
  }

  /** Writes a file whatever was there, unless it has these very bytes already. */
  async put(path: string, body: Uint8Array): Promise<void> {
    const file = this.#target(path)
    await inTurn(file, async () => {
      const current = await this.get(path)
      if (current === undefined || Buffer.compare(current.body, body) !== 0)
        await this.#write(path, file, body)
    })
  }

  async replace(path: string, body: Uint8Array, expected: string | undefined): Promise<Replacement> {
    const file = this.#target(path)
    return inTurn(file, async (): Promise<Replacement> => {
      const current = await this.get(path)
      if (current?.tag !== expected) return { result: 'conflict' }
      const next = new TaggedFile(body)
      if (expected !== undefined && next.tag === expected) return { result: 'unchanged', tag: expected }
      await this.#write(path, file, body)
      return {
        result: 'replaced',
        get tag() {
          return next.tag
        },
      }
    })
  }

  async #write(path: string, file: string, body: Uint8Array): Promise<void> {
    const temporary = await this.#writeTemporary(file, body)
    try {
      this.#inDirectory(path, file, () => renameSync(temporary.path, file))
    } catch (cause) {
      discard(temporary.path)
      throw cause
    }
    this.#count(temporary.size)
  }

  /** Removes a file, and the directories that are empty without it, so that a host shows nothing of them. */
  async remove(path: string, expected?: string): Promise<'removed' | 'conflict'> {
    const file = this.#target(path)
    return inTurn(file, async () => {
      if (expected !== undefined && ![undefined, expected].includes(await this.tag(path))) return 'conflict'
      this.#unlink(path, file)
      return 'removed'
    })
  }

  #unlink(path: string, file: string): void {
    try {
      if (!this.#hasParents(path)) return
      unlinkSync(file)
    } catch (cause) {
      if (isAbsent(cause)) return
      throw outputError(cause, 'removed', file)
    }
    for (let parent = parentOf(path); parent !== ''; parent = parentOf(parent)) {
      if (!removeDirectory(join(this.root, parent))) return
      this.#known.delete(parent)
    }
  }

  async *list(directory: string): AsyncGenerator<ListedFile, void, undefined> {
    const path = directory === '' ? this.root : this.localPath(directory)
    let entries: Dirent[]
    try {
      entries = await readdir(path, { withFileTypes: true })
    } catch (cause) {
      if (isAbsent(cause)) return
      throw outputError(cause, 'read', path)
    }
    // A directory sorts as its name and "/", so that whole paths come in the order of their bytes.
    const sorted = entries
      .filter((entry) => entry.isFile() || entry.isDirectory())
      .map((entry) => ({ entry, key: entry.isDirectory() ? `${entry.name}/` : entry.name }))
      .sort((a, b) => compareUtf8(a.key, b.key))
    for (const { entry } of sorted) {
      const name = directory === '' ? entry.name : `${directory}/${entry.name}`
      if (isPrivatePath(name)) continue
      if (entry.isDirectory()) yield* this.list(name)
      else yield { path: name }
    }
  }

  /** Removes what killed runs have left. Only who holds the lock of the site may call this, before writing. */
  async clean(): Promise<void> {
    const path = join(this.root, temporaryDirectory)
    try {
      if (!this.#hasParents(`${temporaryDirectory}/x`)) return
      rmSync(path, { recursive: true, force: true })
      this.#known.delete(temporaryDirectory)
    } catch (cause) {
      throw outputError(cause, 'removed', path)
    }
  }

  /** Removes the directory of unfinished files if it is empty. Writing again makes it again. */
  async close(): Promise<void> {
    this.#known.clear()
    if (removeDirectory(join(this.root, temporaryDirectory))) removeDirectory(join(this.root, '-'))
  }

  #target(path: string): string {
    const file = this.localPath(path)
    if (isPrivatePath(path)) throw new Error(`${path} is not for the files of a site.`)
    return file
  }

  #count(bytes: number): void {
    this.#files += 1
    this.#bytes += bytes
  }

  #isTaken(file: string): boolean {
    try {
      const stats = lstatSync(file, { throwIfNoEntry: false })
      if (stats?.isDirectory()) throw unwritable(`${file} cannot be written: there is a directory.`)
      return stats !== undefined
    } catch (cause) {
      // A file where a directory should be is reported when the directory is made.
      if (isAbsent(cause)) return false
      throw outputError(cause, 'read', file)
    }
  }

  /** Gives a finished temporary file its name, if nothing has that name. */
  async #place(path: string, file: string, temporary: Temporary): Promise<'created' | 'exists'> {
    if (this.#links === 'use') {
      const result = this.#inDirectory(path, file, () => linkUnlessExists(temporary.path, file))
      if (result === 'created') this.#count(temporary.size)
      if (result !== 'unsupported') return result
      this.#links = 'avoid'
    }
    // Without links nothing in POSIX both checks and moves. The turn and the lock of the site keep others away.
    if (this.#isTaken(file)) return 'exists'
    this.#inDirectory(path, file, () => renameSync(temporary.path, file))
    this.#count(temporary.size)
    return 'created'
  }

  async #writeTemporary(
    file: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<Temporary> {
    const { path, descriptor } = this.#openTemporary(file)
    let size = 0
    let finished = false
    try {
      const append = async (chunk: Uint8Array) => {
        signal?.throwIfAborted()
        await writeAll(descriptor, chunk, file)
        size += chunk.byteLength
      }
      if (body instanceof Uint8Array) await append(body)
      else for await (const chunk of body) await append(chunk)
      try {
        this.#isRightMode ??= (fstatSync(descriptor).mode & 0o777) === fileMode
        if (!this.#isRightMode) fchmodSync(descriptor, fileMode)
        if (!this.#isInMemory()) await flush(descriptor)
      } catch (cause) {
        throw outputError(cause, 'written', file)
      }
      finished = true
      return { path, size }
    } finally {
      closeSync(descriptor)
      if (!finished) discard(path)
    }
  }

  /** Tells whether the file system is one in memory: a disk to flush to it has not, and asking takes its time. */
  #isInMemory(): boolean {
    this.#inMemory ??= process.platform === 'linux' && memoryTypes.includes(statfsSync(this.root).type)
    return this.#inMemory
  }

  #openTemporary(file: string): { readonly path: string; readonly descriptor: number } {
    for (;;) {
      // The pid may be another container's, and worker threads count for themselves: the name must be free.
      const name = `${temporaryDirectory}/${process.pid}-${threadId}-${++temporaryCount}`
      const path = this.#at(name)
      const descriptor = this.#inDirectory(name, file, () => openUnlessExists(path))
      if (descriptor !== undefined) return { path, descriptor }
    }
  }

  /** Runs a system call that needs the parent directories of a path, and makes those that are missing. */
  #inDirectory<T>(path: string, file: string, call: () => T): T {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#makeDirectory(parentOf(path))
        return call()
      } catch (cause) {
        // A directory that was known is gone: `remove` has found it empty, or someone else has removed it.
        if (codeOf(cause) !== 'ENOENT' || attempt === 5) throw outputError(cause, 'written', file)
        this.#known.clear()
      }
    }
  }

  #makeDirectory(directory: string): void {
    if (this.#known.has(directory)) return
    if (directory !== '') this.#makeDirectory(parentOf(directory))
    makeDirectoryIn(this.root, directory)
    this.#known.add(directory)
  }

  /** Tells whether the directory of a path is there, and refuses one behind a symbolic link. */
  #hasParents(path: string): boolean {
    const directory = parentOf(path)
    if (directory === '' || this.#known.has(directory)) return true
    return this.#hasParents(directory) && isRealDirectory(join(this.root, directory))
  }
}

interface Temporary {
  readonly path: string
  readonly size: number
}

/** Runs one function after the other for the same key, in the order of the calls. */
export async function inTurn<T>(key: string, use: () => Promise<T>): Promise<T> {
  const before = turns.get(key)
  const turn = before === undefined ? use() : before.then(use, use)
  turns.set(key, turn)
  try {
    return await turn
  } finally {
    if (turns.get(key) === turn) turns.delete(key)
  }
}

async function writeAll(descriptor: number, chunk: Uint8Array, file: string): Promise<void> {
  try {
    for (let done = 0; done < chunk.byteLength; ) {
      const rest = chunk.byteLength - done
      done +=
        rest < largeBytes
          ? writeSync(descriptor, chunk, done, rest)
          : (await writeAt(descriptor, chunk, done, rest, null)).bytesWritten
    }
  } catch (cause) {
    throw outputError(cause, 'written', file)
  }
}

function openUnlessExists(path: string): number | undefined {
  try {
    return openSync(path, 'wx', fileMode)
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') return undefined
    throw cause
  }
}

function linkUnlessExists(from: string, to: string): 'created' | 'exists' | 'unsupported' {
  try {
    linkSync(from, to)
    return 'created'
  } catch (cause) {
    const code = codeOf(cause) ?? ''
    if (code === 'EEXIST') return 'exists'
    if (['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) return 'unsupported'
    throw cause
  }
}

/** Tells whether there is a directory. Throws where there is something else, a symbolic link above all. */
function isRealDirectory(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return false
  if (stats.isSymbolicLink()) {
    const message = `${path} is a symbolic link, which may lead out of the output. Nothing is written through it.`
    throw unwritable(message, 'Replace the link by a directory.')
  }
  if (!stats.isDirectory()) throw unwritable(`${path} is a file where a directory must be.`)
  return true
}

/** Makes a directory whose parent is there, or the site itself by "". Refuses one that is a symbolic link. */
export function makeDirectoryIn(root: string, directory: string): void {
  if (directory === '') {
    makeRoot(root)
    return
  }
  const path = join(root, directory)
  if (isRealDirectory(path)) return
  try {
    mkdirSync(path, 0o755)
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST' && isRealDirectory(path)) return
    throw cause
  }
  openToReaders(path)
}

/**
 * Makes a directory and those above it. One at a time: Node's own way with all of them never ends where there is a
 * directory that takes no new names, as /proc.
 */
function makeRoot(root: string): void {
  if (isDirectory(root)) return
  if (dirname(root) !== root) makeRoot(dirname(root))
  try {
    mkdirSync(root)
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST' && isDirectory(root)) return
    throw cause
  }
  openToReaders(root)
}

/** Tells whether there is one, or a link to one. */
function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

/** Sets mode 0755 whatever the umask is, and keeps a set-group-id bit that the parent has handed down. */
function openToReaders(path: string): void {
  const { mode } = lstatSync(path)
  if ((mode & 0o777) !== 0o755) chmodSync(path, (mode & 0o7000) | 0o755)
}

function discard(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // What stays is removed by `clean`; the error that led here says more.
  }
}

/** Removes a directory if it is empty, and tells whether it did. */
export function removeDirectory(path: string): boolean {
  try {
    rmdirSync(path)
    return true
  } catch {
    return false
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0))
}

/**
 * Equal bytes have equal tags. That a file changed and changed back is no conflict: what was made of it still fits.
 * Most tags nobody asks for, so that they are made out when someone does.
 */
class TaggedFile implements StoredFile {
  readonly body: Uint8Array

  constructor(body: Uint8Array) {
    this.body = body
  }

  get tag(): string {
    return hashBody(this.body)
  }
}

/** Returns the code of a system error, such as "ENOENT". */
export function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
}

/** Tells whether a file is not there, by what the system says when it is read. */
export function isAbsent(cause: unknown): boolean {
  return codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENOTDIR'
}

/** Turns what the system refuses into a problem of the output. Everything else stays as it is. */
export function outputError(cause: unknown, action: 'read' | 'written' | 'removed', path: string): unknown {
  const code = codeOf(cause)
  if (cause instanceof FatalError || code === undefined || !('syscall' in Object(cause))) return cause
  return new FatalError(problem('output-unwritable', {}, `${path} cannot be ${action}: ${code}.`), { cause })
}

function unwritable(message: string, hint?: string): FatalError {
  return new FatalError(problem('output-unwritable', {}, message, hint))
}
