/**
 * Which files of a commit `git archive` writes with other bytes than they are
 * stored with.
 *
 * Go makes its zips from `git archive`, which obeys the commit's own
 * .gitattributes: line ends (eol=crlf), `$Id$` (ident) and encodings
 * (working-tree-encoding) change bytes; text, crlf and filters do not, with
 * the settings that go uses and no filter configured (protocol 4.2).
 *
 * The answer may name files that do not change after all, never the other way
 * round: later lines that take an attribute back are not looked at, every
 * macro counts where one may change bytes, and a pattern that is hard to tell
 * is for all files. It takes no more than linear time and a little, since
 * patterns and paths are written by anyone.
 */

import { createHash } from 'node:crypto'
import type { Oid } from '../model.ts'
import { pathLimitBytes } from '../module/files.ts'
import type { GitRepository } from './repository.ts'
import { directoryOf, flattenTree, type Tree } from './tree.ts'

export interface ByteChanges {
  /** Paths in the repository that may come out changed. */
  readonly paths: readonly string[]
  /** Stands for all attributes that apply: the same files come out the same under the same key. */
  readonly key: string
}

interface AttributeFile {
  /** The directory that its patterns are about. */
  readonly dir: string
  readonly oid: Oid
}

/** The lines that may change bytes, and the key of the files that they are from. */
interface ActiveLines {
  readonly lines: readonly (AttributeLine & { readonly dir: string })[]
  readonly key: string
}

/** Reads attribute files, each once, and applies them to the files of modules. */
export class Attributes {
  readonly #repository: GitRepository
  readonly #lines = new Map<Oid, Promise<readonly AttributeLine[]>>()
  /** What lines say, by the files that they are from. */
  readonly #active = new Map<string, Promise<ActiveLines | undefined>>()
  /** What was found in a tree under each key. Most versions change few trees, and attributes hardly ever. */
  readonly #found = new WeakMap<Tree, Map<string, ByteChanges | undefined>>()
  readonly #names = new WeakMap<Tree, Map<string, boolean>>()

  constructor(repository: GitRepository) {
    this.#repository = repository
  }

  /** Returns which of the files in the directory of a commit's tree may change. Throws ObjectError. */
  async findChanges(top: Tree, dir: string): Promise<ByteChanges | undefined> {
    const tree = directoryOf(top, dir)
    const files = tree === undefined ? [] : [...above(top, dir), ...below(dir, tree)]
    if (tree === undefined || files.length === 0) return undefined
    const text = JSON.stringify(files)
    const reading = this.#active.get(text) ?? this.#readActive(files, text)
    this.#active.set(text, reading)
    const active = await reading
    if (active === undefined) return undefined
    const found = this.#found.get(tree) ?? new Map<string, ByteChanges | undefined>()
    this.#found.set(tree, found)
    const place = `${dir}\n${active.key}`
    if (!found.has(place)) found.set(place, this.#applyLines(active, dir, tree))
    return found.get(place)
  }

  async #readActive(files: readonly AttributeFile[], text: string): Promise<ActiveLines | undefined> {
    const read = await Promise.all(
      files.map(async ({ dir, oid }) => (await this.#read(oid)).map((line) => ({ dir, ...line }))),
    )
    const lines = activeLines(read.flat())
    return lines.length === 0 ? undefined : { lines, key: createHash('sha256').update(text).digest('hex') }
  }

  #applyLines({ lines, key }: ActiveLines, dir: string, tree: Tree): ByteChanges | undefined {
    if (!lines.some(({ pattern }) => this.#mayApply(pattern, tree))) return undefined
    const prefix = dir === '' ? '' : `${dir}/`
    const paths = flattenTree(tree)
      .filter((entry) => entry.kind === 'file' && canBeInZip(entry.path))
      .map((entry) => prefix + entry.path)
      .filter((path) => lines.some((line) => applies(line, path)))
    return paths.length === 0 ? undefined : { paths, key }
  }

  /** Tells whether a pattern may be for any file below a tree. What is for names alone is remembered with each tree. */
  #mayApply(pattern: string | undefined, tree: Tree): boolean {
    if (pattern === undefined || pattern.includes('/') || tree.longestBytes > pathLimitBytes) return true
    const known = this.#names.get(tree) ?? new Map<string, boolean>()
    this.#names.set(tree, known)
    const before = known.get(pattern)
    if (before !== undefined) return before
    const answer = tree.entries.some(({ name }, index) => {
      const inner = tree.below[index]
      return inner === undefined ? matchesElement(pattern, name) : this.#mayApply(pattern, inner)
    })
    known.set(pattern, answer)
    return answer
  }

  #read(oid: Oid): Promise<readonly AttributeLine[]> {
    const known = this.#lines.get(oid)
    if (known !== undefined) return known
    const read = this.#repository
      .read(oid)
      .then(({ content }) => parseAttributes(Buffer.from(content).toString('utf8')))
    this.#lines.set(oid, read)
    return read
  }
}

/** The attribute files of the directories above one, from the top on. */
function above(top: Tree, dir: string): AttributeFile[] {
  if (dir === '') return []
  const elements = dir.split('/')
  return elements.flatMap((_, index) => {
    const parent = elements.slice(0, index).join('/')
    const tree = directoryOf(top, parent)
    const placed = tree?.attributeFiles.find((each) => each.dir === '')
    return placed === undefined ? [] : [{ dir: parent, oid: placed.entry.oid }]
  })
}

function below(dir: string, tree: Tree): AttributeFile[] {
  return tree.attributeFiles.map(({ dir: inner, entry }) => ({
    dir: [dir, inner].filter((part) => part !== '').join('/'),
    oid: entry.oid,
  }))
}

/** Git cannot be asked for a name that is no UTF-8 or has no end, and the zip has none. */
function canBeInZip(path: string): boolean {
  return path.length <= pathLimitBytes && !/\p{Cs}/u.test(path)
}

// ---- Lines ----

/** A line of an attributes file: what it is about, and what it says of that. */
interface AttributeLine {
  /** A pattern for paths below the file's directory. Absent where it is too odd to tell, and in a macro. */
  readonly pattern?: string
  /** The name of the macro that the line defines. */
  readonly macro?: string
  readonly attributes: readonly string[]
}

/** Returns the lines of an attributes file. What git would not take as a line may be among them. */
export function parseAttributes(text: string): AttributeLine[] {
  return text.split('\n').flatMap((line): AttributeLine[] => {
    const [first = '', ...attributes] = line.split(/[ \t\r\0]+/).filter((word) => word !== '')
    if (first === '' || first.startsWith('#')) return []
    // What is quoted may hold blanks, and attributes may follow the quote at once.
    if (first.startsWith('"')) return [{ attributes: line.split(/[ \t\r\0"]+/) }]
    const macro = /^\[attr\](.+)$/s.exec(first)?.[1]
    if (macro !== undefined) return [{ macro, attributes }]
    if (isOdd(first)) return [{ attributes }]
    // One of some characters is as any of them here: what follows still tells most files apart.
    const pattern = first.replace(/\[[!^]?\]?[^\]]*\]/g, '?')
    return [pattern.includes('[') ? { attributes } : { pattern, attributes }]
  })
}

/** Git takes "**" for more than "*" at some places where it is not all of an element, as in "dir**". */
function isOdd(pattern: string): boolean {
  return /^!|\[:|[\\\uFFFD]|[^/]\*\*|\*\*[^/]/.test(pattern)
}

/** Returns the lines that may change bytes, by themselves or by a macro, which may be defined after its use. */
function activeLines<L extends AttributeLine>(lines: readonly L[]): L[] {
  const changes = (line: L) => line.attributes.some(changesBytes)
  const macros = new Set(lines.flatMap((line) => line.macro ?? []))
  const hasMacro = lines.some((line) => line.macro !== undefined && changes(line))
  return lines.filter(
    (line) =>
      line.macro === undefined &&
      (changes(line) || (hasMacro && line.attributes.some((each) => macros.has(each)))),
  )
}

/** Git gives up on an encoding without a name, as go does then: that takes asking it, too. */
function changesBytes(attribute: string): boolean {
  if (attribute.startsWith('eol=')) return attribute !== 'eol=lf'
  return attribute === 'ident' || /^-?working-tree-encoding(=|$)/.test(attribute)
}

function applies({ pattern, dir }: AttributeLine & { readonly dir: string }, path: string): boolean {
  if (dir !== '' && !path.startsWith(`${dir}/`)) return false
  if (pattern === undefined) return true
  const inner = dir === '' ? path : path.slice(dir.length + 1)
  if (!pattern.includes('/')) return matchesElement(pattern, inner.slice(inner.lastIndexOf('/') + 1))
  const elements = pattern.replace(/^\//, '').split('/')
  return matchesList(elements, inner.split('/'), (part) => part === '**', matchesElement)
}

/** Matches a name without "/". "?" is one byte for git, of which a character has up to four: here it is as "*". */
function matchesElement(pattern: string, name: string): boolean {
  const isWild = (char: string) => char === '*' || char === '?'
  return matchesList(pattern, name, isWild, (char, other) => char === other)
}

/** Matches item by item; what is wild stands for any number of them. Only the last such is ever tried again. */
function matchesList(
  pattern: ArrayLike<string>,
  items: ArrayLike<string>,
  isWild: (part: string) => boolean,
  fits: (part: string, item: string) => boolean,
): boolean {
  let [at, next, afterWild, retry] = [0, 0, -1, 0]
  while (at < items.length || next < pattern.length) {
    const [part, item] = [pattern[next], items[at]]
    if (part !== undefined && isWild(part)) {
      afterWild = ++next
      retry = at
    } else if (part !== undefined && item !== undefined && fits(part, item)) {
      next++
      at++
    } else if (afterWild >= 0 && retry < items.length) {
      next = afterWild
      at = ++retry
    } else {
      return false
    }
  }
  return true
}
