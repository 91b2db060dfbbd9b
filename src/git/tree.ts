/**
 * The trees of a repository: looked up by path, walked whole, each read once.
 *
 * Neighbouring versions share nearly all of their trees, so that what is found
 * of a tree is kept by its id: its entries, whether a name in it would stop
 * `git archive`, the directories that hold a go.mod, and how many files it
 * has, which tells a tree that unfolds into millions before it is unfolded.
 */

import type { Oid } from '../model.ts'
import {
  type EntryKind,
  entryKind,
  isForbiddenName,
  ObjectError,
  parseTree,
  type TreeEntry,
} from './object.ts'
import type { GitRepository } from './repository.ts'

/** A file of a commit, with its path from the tree that was walked. */
export interface FlatEntry {
  readonly path: string
  readonly kind: Exclude<EntryKind, 'tree'>
  readonly oid: Oid
}

export class Trees {
  readonly #repository: GitRepository
  readonly #entries = new Map<Oid, Promise<readonly TreeEntry[]>>()
  readonly #summaries = new Map<Oid, Promise<TreeSummary>>()

  constructor(repository: GitRepository) {
    this.#repository = repository
  }

  /** Returns the entries of a tree. Throws ObjectError. */
  entries(tree: Oid): Promise<readonly TreeEntry[]> {
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
    return entries
  }

  /** Returns the entry at a path; undefined where there is none. "" is no path. */
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

  /** Returns the tree of a directory; "" is the tree itself. */
  async directory(tree: Oid, dir: string): Promise<Oid | undefined> {
    if (dir === '') return tree
    const entry = await this.find(tree, dir)
    return entry !== undefined && entryKind(entry.mode) === 'tree' ? entry.oid : undefined
  }

  /** Returns what is known of a tree as a whole. Throws ObjectError. */
  summarize(tree: Oid): Promise<TreeSummary> {
    const known = this.#summaries.get(tree)
    if (known !== undefined) return known
    const summary = this.#summarize(tree)
    this.#summaries.set(tree, summary)
    return summary
  }

  async #summarize(tree: Oid): Promise<TreeSummary> {
    let forbidden: string | undefined
    let files = 0
    const goMods: { dir: string; entry: TreeEntry }[] = []
    const entries = await this.entries(tree)
    const below = await Promise.all(
      entries.map((entry) => (entryKind(entry.mode) === 'tree' ? this.summarize(entry.oid) : undefined)),
    )
    for (const [index, entry] of entries.entries()) {
      const kind = entryKind(entry.mode)
      if (isForbiddenName(entry.name, kind)) forbidden ??= entry.name
      if (entry.name === 'go.mod') goMods.push({ dir: '', entry })
      const summary = below[index]
      if (summary === undefined) {
        files++
        continue
      }
      files += summary.files
      if (summary.forbidden !== undefined) forbidden ??= `${entry.name}/${summary.forbidden}`
      for (const found of summary.goMods) {
        goMods.push({ dir: found.dir === '' ? entry.name : `${entry.name}/${found.dir}`, entry: found.entry })
      }
    }
    return { files, goMods, ...(forbidden === undefined ? {} : { forbidden }) }
  }

  /** Returns all files below a tree, in git's order, which is that of the bytes of their paths. Throws ObjectError. */
  async flatten(tree: Oid): Promise<FlatEntry[]> {
    const files: FlatEntry[] = []
    const walk = async (oid: Oid, prefix: string): Promise<void> => {
      for (const { mode, name, oid: target } of await this.entries(oid)) {
        const kind = entryKind(mode)
        const path = prefix + name
        if (kind === 'tree') await walk(target, `${path}/`)
        else files.push({ path, kind, oid: target })
      }
    }
    await walk(tree, '')
    return files
  }
}

export interface TreeSummary {
  /** How many files there are below the tree, counted once for each path. */
  readonly files: number
  /** The entries named go.mod, with the directories that hold them. */
  readonly goMods: readonly { readonly dir: string; readonly entry: TreeEntry }[]
  /** The path of the first name that `git archive` refuses to handle. */
  readonly forbidden?: string
}
