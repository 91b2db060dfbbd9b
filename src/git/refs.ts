/**
 * Lists the refs of a repository by reading its files: packed-refs and the
 * loose ones, which win. No git process runs and no object is opened, so that
 * one broken ref costs itself and nothing else, where `git for-each-ref` would
 * give up on all of them.
 *
 * Tags and heads count and nothing else does, because the go command sees no
 * more of a remote. In a clone with a work tree, the heads of the remote are
 * those below refs/remotes/origin; what the user has checked out says nothing
 * of them. In a bare one they are its own, where it has any.
 *
 * The rules are those of git's refs/files-backend.c. A name that git would not
 * allow is reported, and never used as a path.
 *
 * The calls are synchronous, for the reason that location.ts has.
 */

import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  realpathSync,
} from 'node:fs'
import { basename, join, sep } from 'node:path'
import type { Oid, Ref } from '../model.ts'
import { type Problem, type ProblemPlace, problem } from '../problem.ts'
import type { GitLocation } from './location.ts'
import { parseOid, RepositoryError } from './object.ts'

export interface RefListing {
  /** "refs/tags/…", in the order of their bytes. */
  readonly tags: readonly Ref[]
  /** "refs/heads/…" as the remote names them, in the order of their bytes. */
  readonly heads: readonly Ref[]
  /** The full name of the default head, one of `heads`; configuration and CI may know better. */
  readonly defaultHead?: string
  /** What names it: the remote's HEAD, the repository's own, or that there is no other head. */
  readonly defaultHeadBy?: 'remote' | 'head' | 'only'
  /** What HEAD names, "refs/heads/main", whether that exists or not; absent where it is detached. */
  readonly headSymbolic?: string
  /** What HEAD points to: in a work tree, what is checked out. */
  readonly checkedOut?: Oid
  readonly problems: readonly Problem[]
}

/** Returns the tags and heads of a repository. Throws RepositoryError where they cannot be listed at all. */
export async function readRefs(location: GitLocation, place: ProblemPlace): Promise<RefListing> {
  const reader = new RefReader(location)
  const packed = reader.readPacked()
  const tags = reader.list('refs/tags/')
  const local = reader.list('refs/heads/')
  const remote = reader.list(remotePrefix)
  const head = reader.readFile(join(location.gitDir, 'HEAD'))
  const remoteHead = reader.readRaw(`${remotePrefix}HEAD`)
  remote.delete(`${remotePrefix}HEAD`)
  // A bare repository is what others clone: its own heads are meant, whatever else was pushed or mirrored into it.
  const isClone = remote.size > 0 && !(isBare(location) && local.size > 0)
  const names = [...tags, ...(isClone ? remote : local)]
  const values = reader.resolveAll(names)

  const found: Ref[] = []
  const problems = packed.map(({ message, ref }) =>
    problem('ref-broken', { ...place, ...(ref && { ref }) }, message),
  )
  for (const [index, name] of names.entries()) {
    const value = values[index]
    const shown =
      isClone && name.startsWith(remotePrefix) ? `refs/heads/${name.slice(remotePrefix.length)}` : name
    if (value?.kind === 'oid') found.push({ name: shown, oid: value.oid })
    else if (value !== undefined) {
      problems.push(problem('ref-broken', { ...place, ref: printable(name) }, brokenMessage(name, value)))
    }
  }
  if (head?.kind === 'broken') {
    problems.push(problem('ref-broken', { ...place, ref: 'HEAD' }, brokenMessage('HEAD', head)))
  }
  const compare = found.some(({ name }) => /[\ud800-\udfff]/.test(name)) ? compareBytes : compareUnits
  found.sort((a, b) => compare(a.name, b.name))
  const heads = found.filter((ref) => ref.name.startsWith('refs/heads/'))
  const headSymbolic = head?.kind === 'symbolic' ? head.target : undefined
  const checkedOut = headSymbolic === undefined ? head : reader.resolve(headSymbolic)
  return {
    tags: found.filter((ref) => ref.name.startsWith('refs/tags/')),
    heads,
    ...chooseDefault(heads, isClone, remoteHead, headSymbolic),
    ...(headSymbolic !== undefined && { headSymbolic }),
    ...(checkedOut?.kind === 'oid' && { checkedOut: checkedOut.oid }),
    problems: problems.sort((a, b) => compareBytes(a.ref ?? '', b.ref ?? '')),
  }
}

const remotePrefix = 'refs/remotes/origin/'

function isBare({ dir, gitDir }: GitLocation): boolean {
  return dir === gitDir && basename(gitDir) !== '.git'
}

/** Chooses the default head of a repository, from what it and its remote name. */
export function chooseDefault(
  heads: readonly Ref[],
  isClone: boolean,
  remoteHead: RawRef | undefined,
  headSymbolic: string | undefined,
): Pick<RefListing, 'defaultHead' | 'defaultHeadBy'> {
  const has = (name: string) => heads.some((head) => head.name === name)
  if (isClone && remoteHead?.kind === 'symbolic' && remoteHead.target.startsWith(remotePrefix)) {
    const defaultHead = `refs/heads/${remoteHead.target.slice(remotePrefix.length)}`
    if (has(defaultHead)) return { defaultHead, defaultHeadBy: 'remote' }
  }
  if (!isClone && headSymbolic !== undefined && has(headSymbolic)) {
    return { defaultHead: headSymbolic, defaultHeadBy: 'head' }
  }
  const [only, ...others] = heads
  return only !== undefined && others.length === 0 ? { defaultHead: only.name, defaultHeadBy: 'only' } : {}
}

/** What one ref says, as far as its own file or line goes. */
export type RawRef =
  | { readonly kind: 'oid'; readonly oid: Oid }
  | { readonly kind: 'symbolic'; readonly target: string }
  | { readonly kind: 'broken'; readonly reason: string }

interface PackedFault {
  readonly ref?: string
  readonly message: string
}

class RefReader {
  readonly #location: GitLocation
  readonly #packed = new Map<string, RawRef>()
  readonly #raw = new Map<string, RawRef | undefined>()
  /** The loose refs of the listed directories: a name that is not here has no file. */
  readonly #loose = new Set<string>()
  readonly #buffer = Buffer.allocUnsafe(maximumRefBytes)

  constructor(location: GitLocation) {
    this.#location = location
  }

  /** Reads packed-refs, whose good lines are kept, and returns what is wrong with the others. */
  readPacked(): readonly PackedFault[] {
    let text: string
    try {
      // Bytes as they are: only names that are not ASCII, which are rare, are decoded one by one.
      text = readFileSync(join(this.#location.commonDir, 'packed-refs'), 'latin1')
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return []
      throw unreadable('packed-refs', error)
    }
    const { hash } = this.#location
    const digits = hash === 'sha1' ? 40 : 64
    const faults: PackedFault[] = []
    let number = 0
    for (let at = 0; at < text.length; ) {
      plainLine.lastIndex = at
      const [all, oid = '', plain = '', peeled] = plainLine.exec(text) ?? []
      const isPlain = oid.length === digits && (peeled === undefined || peeled.length === digits + 2)
      if (all !== undefined && isPlain && isRefName(plain)) {
        this.#packed.set(plain, directRef(oid as Oid))
        at = plainLine.lastIndex
        number += peeled === undefined ? 1 : 2
        continue
      }
      const newline = text.indexOf('\n', at)
      const end = newline < 0 ? text.length : newline
      const line = text.slice(at, end)
      at = end + 1
      number++
      if (line.startsWith('#') || line === '') continue
      // What the tag above it names in the end. It is not relied on, so that its digits do not matter.
      if (line.startsWith('^') && line.trimEnd().length === digits + 1) continue
      const found = line[digits] === ' ' ? parseOid(line.slice(0, digits), hash) : undefined
      if (found === undefined) {
        faults.push({ message: `Line ${number} of packed-refs is not one that git writes: ${quote(line)}.` })
        continue
      }
      const name = decodeName(line.slice(digits + 1).trimEnd())
      if (name === undefined) continue
      if (!isRefName(name)) {
        faults.push({
          ref: printable(name),
          message: `The name ${quote(name)} in packed-refs is not allowed.`,
        })
      } else {
        this.#packed.set(name, directRef(found))
      }
    }
    if (faults.length <= maximumFaults) return faults
    const rest = {
      message: `packed-refs has ${faults.length - maximumFaults} more lines that are not understood.`,
    }
    return [...faults.slice(0, maximumFaults), rest]
  }

  /** Returns the names of all refs below a prefix, loose or packed. Names that git would not allow are among them. */
  list(prefix: string): Set<string> {
    const names = new Set<string>()
    this.#walk(join(this.#location.commonDir, prefix), prefix, names, 0)
    for (const name of names) this.#loose.add(name)
    for (const name of this.#packed.keys()) {
      if (name.startsWith(prefix)) names.add(name)
    }
    return names
  }

  /** Returns what each listed ref names in the end. Packed refs, of which there may be very many, are answered at once. */
  resolveAll(names: readonly string[]): readonly (RawRef | undefined)[] {
    return names.map((name) => {
      const packed = this.#loose.has(name) ? undefined : this.#packed.get(name)
      return packed ?? this.resolve(name)
    })
  }

  #packedOnly(name: string): RawRef | undefined {
    const packed = this.#packed.get(name)
    const isListed = listedPrefixes.some((prefix) => name.startsWith(prefix))
    return packed !== undefined && isListed && !this.#loose.has(name) ? packed : undefined
  }

  /** Returns what a ref names in the end; undefined where it turned out to be no ref. */
  resolve(name: string): Exclude<RawRef, { kind: 'symbolic' }> | undefined {
    let at = name
    for (let depth = 0; depth < maximumSymbolicDepth; depth++) {
      const value = this.readRaw(at)
      if (value === undefined) {
        return at === name
          ? undefined
          : { kind: 'broken', reason: `it names ${quote(at)}, which does not exist` }
      }
      if (value.kind !== 'symbolic') return value
      at = value.target
    }
    return { kind: 'broken', reason: 'it names another ref, which names another, and so on without an end' }
  }

  /** Returns what the ref itself says, from its file or else from packed-refs; undefined where there is neither. */
  readRaw(name: string): RawRef | undefined {
    if (this.#raw.has(name)) return this.#raw.get(name)
    const read = this.#readRaw(name)
    this.#raw.set(name, read)
    return read
  }

  #readRaw(name: string): RawRef | undefined {
    if (!isRefName(name)) return { kind: 'broken', reason: 'git does not allow the name' }
    const packed = this.#packedOnly(name)
    if (packed !== undefined) return packed
    const loose = this.readFile(join(this.#location.commonDir, name))
    return loose ?? this.#packed.get(name)
  }

  /** Reads a loose ref, or HEAD; undefined where there is no such file. */
  readFile(path: string): RawRef | undefined {
    try {
      const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
      try {
        if (!fstatSync(file).isFile()) return undefined
        const bytesRead = readSync(file, this.#buffer, 0, maximumRefBytes, 0)
        return parseRef(this.#buffer.toString('latin1', 0, bytesRead), this.#location)
      } finally {
        closeSync(file)
      }
    } catch (error) {
      if (isAbsent(error)) return undefined
      if (isSymlinkRefused(error)) return this.#readLink(path)
      return { kind: 'broken', reason: `its file cannot be read (${codeOf(error)})` }
    }
  }

  // Before 1.5 git wrote symbolic refs as symbolic links. Any other link is followed, if it stays inside.
  #readLink(path: string): RawRef | undefined {
    try {
      const target = readlinkSync(path)
      if (target.startsWith('refs/') && isRefName(target)) return { kind: 'symbolic', target }
      const real = realpathSync.native(path)
      if (!this.#isInside(real)) {
        return { kind: 'broken', reason: 'it is a symbolic link to a file outside of the git directory' }
      }
      return lstatSync(real).isFile() ? this.readFile(real) : undefined
    } catch (error) {
      return { kind: 'broken', reason: `it is a symbolic link that leads nowhere (${codeOf(error)})` }
    }
  }

  #isInside(real: string): boolean {
    const { commonDir, gitDir } = this.#location
    return [commonDir, gitDir].some((dir) => real.startsWith(realpathSync.native(dir) + sep))
  }

  #walk(dir: string, prefix: string, names: Set<string>, depth: number): void {
    let entries: readonly Dirent[]
    try {
      entries = readdirSync(dir, { withFileTypes: true })
    } catch (error) {
      if (isAbsent(error)) return
      throw unreadable(prefix, error)
    }
    const directories: string[] = []
    for (const entry of entries) {
      // What git passes over in silence too; and names whose bytes are not UTF-8, which no version can have.
      if (entry.name.startsWith('.') || entry.name.endsWith('.lock') || entry.name.includes('\uFFFD'))
        continue
      const name = `${prefix}${entry.name}`
      if (entry.isDirectory() || (entry.isSymbolicLink() && this.#isDirectoryLink(join(dir, entry.name)))) {
        if (depth < maximumDirectoryDepth) directories.push(entry.name)
      } else {
        names.add(name)
      }
    }
    for (const name of directories) this.#walk(join(dir, name), `${prefix}${name}/`, names, depth + 1)
  }

  #isDirectoryLink(path: string): boolean {
    try {
      const real = realpathSync.native(path)
      return lstatSync(real).isDirectory() && this.#isInside(real)
    } catch {
      return false
    }
  }
}

// A line as git writes it, with the line of what a tag names in the end: there may be very many.
const plainLine = /([0-9a-f]+) (refs\/[\w+/.-]+)\n(\^[0-9a-f]+\n)?/y

const listedPrefixes = ['refs/tags/', 'refs/heads/', remotePrefix]
const maximumSymbolicDepth = 5
const maximumDirectoryDepth = 64
const maximumFaults = 20
const maximumRefBytes = 8192

// The text is bytes. "ref: " and a name, or an id, after which anything may follow a blank.
function parseRef(text: string, location: GitLocation): RawRef {
  const trimmed = text.replace(/[ \t\r\n]+$/, '')
  if (trimmed.startsWith('ref:')) {
    const target = decodeName(trimmed.slice('ref:'.length).replace(/^[ \t\r\n]+/, ''))
    if (target?.startsWith('refs/') !== true || !isRefName(target)) {
      return { kind: 'broken', reason: `it names ${quote(target ?? trimmed)}, which is not a ref` }
    }
    return { kind: 'symbolic', target }
  }
  const [word = ''] = trimmed.split(/[ \t\r\n]/, 1)
  const oid = parseOid(word, location.hash)
  if (oid !== undefined) return directRef(oid)
  const reason =
    trimmed === '' ? 'its file is empty' : `its file holds ${quote(trimmed)} instead of an object id`
  return { kind: 'broken', reason }
}

function directRef(oid: Oid): RawRef {
  return /^0+$/.test(oid) ? { kind: 'broken', reason: 'its object id is all zeros' } : { kind: 'oid', oid }
}

/** Tells what `git check-ref-format` does: whether git allows a full ref name. */
export function isRefName(name: string): boolean {
  return name.startsWith('refs/') && !forbiddenInName.test(name) && !name.endsWith('/') && !name.endsWith('.')
}

// An empty component, one that begins with "." or ends in ".lock"; "..", "@{"; control characters, blanks and ~^:?*[\
const forbiddenInName = /\/[/.]|\.lock(?:\/|$)|\.\.|@\{|[^!-}\u0080-\u{10FFFF}]|[:?*[\\^]/u

function brokenMessage(name: string, value: { readonly kind: string; readonly reason?: string }): string {
  return `The ref ${quote(name)} cannot be used: ${value.reason ?? 'it is broken'}.`
}

// The bytes of a name, held as Latin-1, as text; undefined where they are not UTF-8, which no version can have.
function decodeName(latin1: string): string | undefined {
  if (/^[!-~]*$/.test(latin1)) return latin1
  try {
    return utf8.decode(Buffer.from(latin1, 'latin1'))
  } catch {
    return undefined
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

// What a hostile name must not bring into a report: control and bidirectional characters, and great length.
function printable(text: string): string {
  const safe = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')
  return safe.length > 200 ? `${safe.slice(0, 200)}…` : safe
}

function quote(text: string): string {
  return `"${printable(text)}"`
}

// The order of UTF-8 where there are no surrogates.
function compareUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

// The order of UTF-8, which is that of code points; UTF-16 puts surrogates before U+E000 to U+FFFF.
function compareBytes(a: string, b: string): number {
  if (a === b) return 0
  let at = 0
  while (a.charCodeAt(at) === b.charCodeAt(at)) at++
  return weight(a, at) - weight(b, at)
}

function weight(text: string, at: number): number {
  const unit = at < text.length ? text.charCodeAt(at) : -1
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

function unreadable(what: string, error: unknown): RepositoryError {
  const message = `The refs cannot be listed: ${what} cannot be read (${codeOf(error)}).`
  return new RepositoryError('repository-unreadable', message, { cause: error })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR'].includes(codeOf(error))
}

// Linux and macOS say ELOOP of a link that O_NOFOLLOW refuses, FreeBSD says EMLINK.
function isSymlinkRefused(error: unknown): boolean {
  return ['ELOOP', 'EMLINK'].includes(codeOf(error))
}
