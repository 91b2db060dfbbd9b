/**
 * Git objects: their raw bytes parsed as git itself parses them, and hashed.
 *
 * The bytes come from repositories that anyone may have written, so that no
 * parser here throws: it returns what it read, or the reason why it cannot,
 * in git's words. Each is as lenient as git's own, because the go command
 * publishes what git lets through: odd names, junk headers and modes such as
 * 0100664 are found in old repositories that people depend on.
 *
 * Names in trees are bytes. Those that are not UTF-8 are kept apart by lone
 * surrogates (U+DC80 to U+DCFF, one for each such byte, as Python does), which
 * no valid name can hold.
 *
 * Pure.
 */

import { createHash, type Hash, hash as hashOf } from 'node:crypto'
import type { Oid } from '../model.ts'
import type { ProblemCode } from '../problem.ts'

export type ObjectType = 'commit' | 'tree' | 'blob' | 'tag'

export type ObjectHash = 'sha1' | 'sha256'

export interface GitObject {
  readonly oid: Oid
  readonly type: ObjectType
  readonly content: Uint8Array
}

export interface ObjectStat {
  readonly type: ObjectType
  /** Of the content, in bytes. */
  readonly size: number
}

export interface TreeEntry {
  /** The file mode, as a number: 0o100644. */
  readonly mode: number
  readonly name: string
  readonly oid: Oid
}

export type EntryKind = 'file' | 'tree' | 'symlink' | 'gitlink'

export interface Commit {
  readonly tree: Oid
  readonly parents: readonly Oid[]
  /** The committer's time in seconds since 1970 UTC; absent where go finds none that it can print. */
  readonly time?: number
}

export interface AnnotatedTag {
  readonly object: Oid
  readonly type: ObjectType
}

/** Thrown by reads: the object is not there, or is not what its id says. */
export class ObjectError extends Error {
  override readonly name = 'ObjectError'
  readonly oid: Oid
  readonly kind: 'missing' | 'corrupt'

  constructor(oid: Oid, kind: 'missing' | 'corrupt', message: string, options?: ErrorOptions) {
    super(message, options)
    this.oid = oid
    this.kind = kind
  }

  /** The code of the problem that the caller reports. */
  get code(): ProblemCode {
    return this.kind === 'missing' ? 'object-missing' : 'object-corrupt'
  }
}

/**
 * Returns the error for an object that a reader cannot read. Its message is the
 * same from both readers, so that their sites are; what was wrong is its cause.
 */
export function unreadable(oid: Oid, kind: 'missing' | 'corrupt', detail: unknown): ObjectError {
  const message =
    kind === 'missing' ? `The object ${oid} is not in the repository.` : `The object ${oid} is damaged.`
  return new ObjectError(oid, kind, message, { cause: detail })
}

/** Returns the object that a message of `unreadable` names; undefined for any other message. */
export function unreadableObject(
  message: string,
): { readonly oid: Oid; readonly kind: 'missing' | 'corrupt' } | undefined {
  const [, oid, what] = /^The object ([0-9a-f]+) is (not in the repository|damaged)\.$/.exec(message) ?? []
  return oid === undefined ? undefined : { oid: oid as Oid, kind: what === 'damaged' ? 'corrupt' : 'missing' }
}

/** Thrown while opening: the repository cannot be read at all. The caller reports it as a problem of the root. */
export class RepositoryError extends Error {
  override readonly name = 'RepositoryError'
  readonly code: ProblemCode

  constructor(code: ProblemCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Returns the id in lower case, or undefined where the text is no full id. */
export function parseOid(text: string, hash: ObjectHash): Oid | undefined {
  return (hash === 'sha1' ? sha1Pattern : sha256Pattern).test(text) ? (text.toLowerCase() as Oid) : undefined
}

const sha1Pattern = /^[0-9a-fA-F]{40}$/
const sha256Pattern = /^[0-9a-fA-F]{64}$/

export function isObjectType(text: string): text is ObjectType {
  return text === 'commit' || text === 'tree' || text === 'blob' || text === 'tag'
}

/** Returns the id that git gives to this content. */
export function hashObject(type: ObjectType, content: Uint8Array, hash: ObjectHash): Oid {
  const { length } = content
  if (length > scratch.length - 32) return finishHash(startHash(type, length, hash).update(content))
  // Nearly all are so small that a copy costs less than an object of the hash, which has to be collected, too.
  const start = scratch.write(`${type} ${length}\0`, 'latin1')
  scratch.set(content, start)
  return hashOf(hash, scratch.subarray(0, start + length), 'hex') as Oid
}

/** For a header and a content at a time. */
const scratch = Buffer.allocUnsafeSlow(32 * 1024)

/** Returns a hash that waits for the `size` bytes of an object's content. */
export function startHash(type: ObjectType, size: number, hash: ObjectHash): Hash {
  return createHash(hash).update(`${type} ${size}\0`)
}

/** Returns the id of an object whose content has gone into the hash. */
export function finishHash(hash: Hash): Oid {
  return hash.digest('hex') as Oid
}

/** Returns the entries of a tree in their order, or the reason why git would refuse it. */
export function parseTree(content: Uint8Array, hash: ObjectHash): readonly TreeEntry[] | string {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  const idLength = hash === 'sha1' ? 20 : 32
  const end = bytes.length
  const entries: TreeEntry[] = []
  let at = 0
  while (at < end) {
    let mode = 0
    let byte = bytes[at] ?? space
    if (byte === space) return 'malformed mode in tree entry'
    while (byte !== space) {
      const digit = byte - digit0
      if (digit < 0 || digit > 7) return 'malformed mode in tree entry'
      mode = ((mode << 3) | digit) >>> 0
      at++
      if (at >= end) return 'too-short tree object'
      byte = bytes[at] ?? space
    }
    const start = ++at
    let high = 0
    for (; at < end; at++) {
      byte = bytes[at] ?? 0
      if (byte === 0) break
      high |= byte
    }
    const next = at + 1 + idLength
    if (at >= end || next > end) return 'too-short tree object'
    if (at === start) return 'empty filename in tree entry'
    entries.push({
      mode,
      name: high < 0x80 ? bytes.toString('latin1', start, at) : decodeName(bytes.subarray(start, at)),
      oid: bytes.toString('hex', at + 1, next) as Oid,
    })
    at = next
  }
  return entries
}

const space = 0x20
const digit0 = 0x30

/**
 * Returns what git takes an entry for. Only the kind of a mode counts; a mode
 * of no known kind, 0 for one, is to git a link to another repository, which
 * `git archive` leaves out.
 */
export function entryKind(mode: number): EntryKind {
  switch (mode & 0o170000) {
    case 0o100000:
      return 'file'
    case 0o040000:
      return 'tree'
    case 0o120000:
      return 'symlink'
    default:
      return 'gitlink'
  }
}

/**
 * Tells whether `git archive` refuses the whole commit for this name of an
 * entry, as the go command then does: verify_path() of read-cache.c with
 * core.protectNTFS, which is on everywhere, and without core.protectHFS, which
 * is on for macOS alone (Go refuses those names later). A name with a slash in
 * it is no name of a tree that git makes, but git takes it as a path.
 */
export function isForbiddenName(name: string, kind: EntryKind = 'file'): boolean {
  return forbiddenName.test(name) || (kind === 'symlink' && forbiddenLink.test(name))
}

// Between slashes: nothing, ".", "..". After a slash or backslash: ".git" and its short
// name, which NTFS also finds under trailing dots and spaces, and before a stream's ":".
const forbiddenName = /(?:^|\/)\.{0,2}(?:\/|$)|(?:^|[/\\])(?:\.git|git~1)[. ]*(?:[\\/:]|$)/i

// ".gitmodules" may not be a symbolic link, nor what NTFS takes for it: is_ntfs_dotgitmodules() of path.c.
const forbiddenLink =
  /(?:^|\/)\.gitmodules(?:\/|$)|(?:^|[/\\])(?:\.gitmodules|gitmod~[1-4]|gi7eba~[1-9]|gi7eb~[1-9]\d|gi7e~[1-9]\d{2}|gi7~[1-9]\d{3}|gi~[1-9]\d{4}|g~[1-9]\d{5}|~[1-9]\d{6})[. ]*(?::|$)/i

/** Returns what versions need of a commit, or the reason why git would refuse it. */
export function parseCommit(content: Uint8Array, hash: ObjectHash): Commit | string {
  const text = headerOf(content)
  const digits = hash === 'sha1' ? 40 : 64
  const treeEnd = 'tree '.length + digits
  if (!text.startsWith('tree ') || text[treeEnd] !== '\n') return 'bogus commit object'
  const tree = parseOid(text.slice('tree '.length, treeEnd), hash)
  if (tree === undefined) return 'bad tree pointer in commit'

  const parents: Oid[] = []
  let at = treeEnd + 1
  while (text.startsWith('parent ', at)) {
    const parentEnd = at + 'parent '.length + digits
    const parent = parseOid(text.slice(at + 'parent '.length, parentEnd), hash)
    if (parent === undefined || text[parentEnd] !== '\n') return 'bad parents in commit'
    parents.push(parent)
    at = parentEnd + 1
  }
  const time = committerTime(text.slice(at))
  return time === undefined ? { tree, parents } : { tree, parents, time }
}

/** Returns what an annotated tag points to, or the reason why git would refuse it. */
export function parseTag(content: Uint8Array, hash: ObjectHash): AnnotatedTag | string {
  const text = headerOf(content)
  const objectEnd = 'object '.length + (hash === 'sha1' ? 40 : 64)
  const object = parseOid(text.slice('object '.length, objectEnd), hash)
  if (!text.startsWith('object ') || object === undefined || text[objectEnd] !== '\n') {
    return 'bad object pointer in tag'
  }
  const [typeLine = '', tagLine] = text.slice(objectEnd + 1).split('\n', 3)
  const type = typeLine.slice('type '.length)
  if (!typeLine.startsWith('type ') || !isObjectType(type)) return 'unknown tag type'
  if (tagLine?.startsWith('tag ') !== true) return 'missing name in tag'
  return { object, type }
}

// As far as the first empty line. What is read of it is ASCII.
function headerOf(content: Uint8Array): string {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  const blank = bytes.indexOf('\n\n')
  return bytes.toString('latin1', 0, blank < 0 ? bytes.length : blank + 1)
}

/**
 * Reads the time as `git log --format=%ct` does, whose output the go command
 * takes: the last committer line counts, what follows its last ">" is the
 * time, and a time without a zone is none. Go's JSON ends with the year 9999.
 */
function committerTime(header: string): number | undefined {
  let line: string | undefined
  // A NUL byte ends a line too, as git happens to read them.
  for (const candidate of header.split(/[\n\0]/)) {
    if (candidate === '') break
    if (candidate.startsWith('committer ')) line = candidate
  }
  if (line === undefined) return undefined
  const mail = line.indexOf('<')
  if (mail < 0 || line.indexOf('>', mail) < 0) return undefined
  const digits = timePattern.exec(line.slice(line.lastIndexOf('>') + 1))?.[1]
  if (digits === undefined) return undefined
  const time = Number(digits)
  return time <= maximumTime ? time : undefined
}

const timePattern = /^[ \t\r]*(\d+)[ \t\r]*[+-]\d/
const maximumTime = 253_402_300_799

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeName(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    return escapeName(bytes)
  }
}

// Takes what is valid, longest first, and replaces each byte that begins nothing valid.
function escapeName(bytes: Uint8Array): string {
  let name = ''
  for (let at = 0; at < bytes.length; ) {
    const character = characterAt(bytes, at)
    name += character ?? String.fromCharCode(0xdc00 + (bytes[at] ?? 0))
    at += character === undefined ? 1 : sequenceLength(bytes[at] ?? 0)
  }
  return name
}

function characterAt(bytes: Uint8Array, at: number): string | undefined {
  const length = sequenceLength(bytes[at] ?? 0)
  if (length === 0 || at + length > bytes.length) return undefined
  try {
    return utf8.decode(bytes.subarray(at, at + length))
  } catch {
    return undefined
  }
}

function sequenceLength(first: number): number {
  if (first < 0x80) return 1
  if (first < 0xc2 || first > 0xf4) return 0
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
}
