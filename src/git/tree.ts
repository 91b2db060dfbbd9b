/**
 * The trees of a repository: looked up by path, walked whole, each read once.
 *
 * Neighbouring versions share nearly all of their trees. So what is found of a
 * tree is kept with it, and a new version costs the trees that it alone has:
 * whether a name below would stop `git archive`, where go.mod and
 * .gitattributes files are, how many files there are, which tells a tree that
 * unfolds into millions before it is unfolded, and whether all names are so
 * plain that nothing more has to be asked of them.
 *
 * When they become many, trees that the last versions did not use are dropped,
 * so that memory is bounded by the size of a commit, not by the history.
 */

import type { Oid } from '../model.ts'
import { compareUtf8 } from '../module/dirhash.ts'
import { elementLimitBytes, isGoModName } from '../module/files.ts'
import { foldName } from '../module/fold.ts'
import { checkFileElement } from '../module/path.ts'
import {
  type EntryKind,
  entryKind,
  isForbiddenName,
  ObjectError,
  parseTree,
  type TreeEntry,
} from './object.ts'
import type { GitRepository } from './repository.ts'

/** A tree with all that is below it. */
export interface Tree {
  readonly oid: Oid
  readonly entries: readonly TreeEntry[]
  /** The trees among the entries, at the same places. */
  readonly below: readonly (Tree | undefined)[]
  /** How many files there are below the tree, counted once for each path. Links of both kinds count, too. */
  readonly files: number
  /** The entries named go.mod, with the directories that hold them. */
  readonly goMods: readonly PlacedEntry[]
  /** The entries named .gitattributes that git would read, with the directories that they are about. */
  readonly attributeFiles: readonly PlacedEntry[]
  /** The path of the first name that `git archive` refuses to handle. */
  readonly forbidden?: string
  /** Whether it holds a file that makes it a module of its own below another one. */
  readonly isModule: boolean
  /** Whether no path below is one that path.Clean of Go would write otherwise. */
  readonly isClean: boolean
  /** Whether all below is in order, and `selectFiles` would say nothing of any name but that nested modules are left out. */
  readonly isPlain: boolean
  /** Of the longest path below, in bytes. */
  readonly longestBytes: number
}

export interface PlacedEntry {
  readonly dir: string
  readonly entry: TreeEntry
}

/** A file of a commit, with its path from the tree that was walked. */
export interface FlatEntry {
  readonly path: string
  readonly kind: Exclude<EntryKind, 'tree'>
  readonly oid: Oid
}

/** From this number of entries on, which take some 200 bytes each, trees are dropped that the last versions did not use. */
const manyEntries = 250_000
const recentVersions = 64

export class Trees {
  readonly #repository: GitRepository
  readonly #entries = new Map<Oid, Promise<readonly TreeEntry[]>>()
  readonly #trees = new Map<Oid, Tree | Promise<Tree>>()
  /** The trees of the last versions. */
  readonly #recent: Tree[] = []
  /** How many entries were read since trees were last dropped. */
  #fresh = 0

  constructor(repository: GitRepository) {
    this.#repository = repository
  }

  /** Returns the entries of a tree. Throws ObjectError. */
  async entries(tree: Oid): Promise<readonly TreeEntry[]> {
    const loaded = this.#trees.get(tree)
    if (loaded !== undefined && !(loaded instanceof Promise)) return loaded.entries
    const known = this.#entries.get(tree)
    if (known !== undefined) return known
    const read = this.#read(tree)
    this.#entries.set(tree, read)
    return read
  }

  async #read(tree: Oid): Promise<readonly TreeEntry[]> {
    const object = await this.#repository.read(tree)
    if (object.type !== 'tree') {
      throw new ObjectError(tree, 'corrupt', `The object ${tree} should be a tree, and is a ${object.type}.`)
    }
    const entries = parseTree(object.content, this.#repository.hash)
    if (typeof entries === 'string')
      throw new ObjectError(tree, 'corrupt', `The tree ${tree} is damaged: ${entries}.`)
    this.#fresh += entries.length
    return entries
  }

  /** Returns the entry at a path, of which no more is read than the trees that lead there. "" is no path. */
  async find(tree: Oid, path: string): Promise<TreeEntry | undefined> {
    let at = tree
    const elements = path.split('/')
    for (const [index, element] of elements.entries()) {
      const entry = (await this.entries(at)).find((each) => each.name === element)
      if (entry === undefined || index === elements.length - 1) return entry
      if (entryKind(entry.mode) !== 'tree') return undefined
      at = entry.oid
    }
    return undefined
  }

  /** Returns the tree of a version with all that is below it. Throws ObjectError. */
  async load(oid: Oid): Promise<Tree> {
    if (this.#fresh > manyEntries) this.#drop()
    const tree = await this.#load(oid)
    this.#recent.push(tree)
    if (this.#recent.length > recentVersions) this.#recent.shift()
    return tree
  }

  #load(oid: Oid): Tree | Promise<Tree> {
    const known = this.#trees.get(oid)
    if (known !== undefined) return known
    const loading = this.#loadBelow(oid)
    this.#trees.set(oid, loading)
    loading.then(
      (tree) => this.#trees.set(oid, tree),
      () => {}, // whoever asked is told
    )
    return loading
  }

  async #loadBelow(oid: Oid): Promise<Tree> {
    const entries = await this.entries(oid)
    // From here on they are kept with the tree.
    this.#entries.delete(oid)
    const below = entries.map(({ mode, oid: target }) =>
      entryKind(mode) === 'tree' ? this.#load(target) : undefined,
    )
    const isThere = below.every((each) => !(each instanceof Promise))
    return summarize(oid, entries, (isThere ? below : await allInOrder(below)) as (Tree | undefined)[])
  }

  /** Drops what is no part of a recent version. Trees may lie so deep that calls cannot. */
  #drop(): void {
    this.#fresh = 0
    this.#entries.clear()
    const kept = new Set<Tree>()
    const stack = [...this.#recent]
    for (let tree = stack.pop(); tree !== undefined; tree = stack.pop()) {
      if (kept.has(tree)) continue
      kept.add(tree)
      for (const each of tree.below) if (each !== undefined) stack.push(each)
    }
    for (const [oid, tree] of this.#trees) {
      if (!(tree instanceof Promise) && !kept.has(tree)) this.#trees.delete(oid)
    }
  }
}

/** Waits for all, and throws the first failure in their order: which of them comes first in time is chance. */
async function allInOrder<T>(list: readonly (T | Promise<T>)[]): Promise<T[]> {
  const results = await Promise.allSettled(list)
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}

function summarize(oid: Oid, entries: readonly TreeEntry[], below: readonly (Tree | undefined)[]): Tree {
  let forbidden: string | undefined
  let [files, longestBytes] = [0, 0]
  let [isModule, isClean, isPlain] = [false, true, true]
  let before = ''
  const goMods: PlacedEntry[] = []
  const attributeFiles: PlacedEntry[] = []
  const folded = new Set<string>()
  for (let index = 0; index < entries.length; index++) {
    const entry = entries[index] as TreeEntry
    const { name, mode } = entry
    const kind = entryKind(mode)
    const tree = below[index]
    const known = knownName(name)
    if (known.isForbidden || (kind === 'symlink' && isForbiddenName(name, kind))) forbidden ??= name
    if (name === 'go.mod') goMods.push({ dir: '', entry })
    if (name === attributesName && (kind === 'file' || kind === 'symlink'))
      attributeFiles.push({ dir: '', entry })
    if (known.isGoMod && kind === 'file') isModule = true
    folded.add(known.folded)
    // Git sorts directories as if their names ended in a slash, which is the order of whole paths.
    const sorted = tree === undefined ? name : `${name}/`
    isPlain &&= before === '' || compareUtf8(before, sorted) < 0
    before = sorted
    isClean &&= known.isClean
    isPlain &&= known.isPlain && !(kind === 'tree' && name === 'vendor')
    if (tree === undefined) {
      files++
      longestBytes = Math.max(longestBytes, known.bytes)
      continue
    }
    files += tree.files
    longestBytes = Math.max(longestBytes, known.bytes + 1 + tree.longestBytes)
    isClean &&= tree.isClean
    // What is in another module is left out before more than this is asked.
    isPlain &&= tree.isModule ? tree.isClean : tree.isPlain
    if (tree.forbidden !== undefined) forbidden ??= `${name}/${tree.forbidden}`
    place(goMods, name, tree.goMods)
    place(attributeFiles, name, tree.attributeFiles)
  }
  return {
    oid,
    entries,
    below,
    files,
    goMods,
    attributeFiles,
    longestBytes,
    isModule,
    isClean,
    isPlain: isPlain && isClean && folded.size === entries.length,
    ...(forbidden === undefined ? {} : { forbidden }),
  }
}

/** The name of the files that say which attributes others have. */
export const attributesName = '.gitattributes'

/** What the name of an entry is like, whatever it names. */
interface KnownName {
  readonly bytes: number
  /** Where letter case does not count. */
  readonly folded: string
  /** Whether git's archive refuses it for anything. */
  readonly isForbidden: boolean
  readonly isGoMod: boolean
  readonly isClean: boolean
  /** Whether `selectFiles` would say nothing of it. A directory "vendor" is looked at where it is one. */
  readonly isPlain: boolean
}

function knownName(name: string): KnownName {
  const known = knownNames.get(name)
  if (known !== undefined) return known
  const bytes = Buffer.byteLength(name)
  const isPlain =
    name !== '.hg_archival.txt' && bytes <= elementLimitBytes && checkFileElement(name) === undefined
  const looked: KnownName = {
    bytes,
    folded: foldName(name),
    isForbidden: isForbiddenName(name),
    isGoMod: isGoModName(name),
    isClean: name !== '' && name !== '.' && name !== '..' && !name.includes('/'),
    isPlain,
  }
  if (knownNames.size >= rememberedNames) knownNames.clear()
  knownNames.set(name, looked)
  return looked
}

/** The same names are found in tree after tree. */
const knownNames = new Map<string, KnownName>()
const rememberedNames = 20_000

function place(into: PlacedEntry[], name: string, entries: readonly PlacedEntry[]): void {
  for (const { dir, entry } of entries) into.push({ dir: dir === '' ? name : `${name}/${dir}`, entry })
}

/** Returns the entry of a tree with this name. */
export function entryOf(tree: Tree, name: string): TreeEntry | undefined {
  return tree.entries.find((entry) => entry.name === name)
}

/** Returns the tree of a directory; "" is the tree itself. */
export function directoryOf(tree: Tree, dir: string): Tree | undefined {
  if (dir === '') return tree
  let at: Tree | undefined = tree
  for (const element of dir.split('/')) {
    at = at?.below[at.entries.findIndex((entry) => entry.name === element)]
  }
  return at
}

/** Returns all files below a tree, in git's order, which is that of the bytes of their paths. */
export function flattenTree(tree: Tree): FlatEntry[] {
  const files: FlatEntry[] = []
  // The trees that lead to where the walk is, which may be more than calls can be nested.
  const stack = [{ tree, prefix: '', next: 0 }]
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const entry = top.tree.entries[top.next]
    if (entry === undefined) {
      stack.pop()
      continue
    }
    const inner = top.tree.below[top.next++]
    const kind = entryKind(entry.mode)
    const path = top.prefix + entry.name
    if (inner !== undefined) stack.push({ tree: inner, prefix: `${path}/`, next: 0 })
    else if (kind !== 'tree') files.push({ path, kind, oid: entry.oid })
  }
  return files
}
