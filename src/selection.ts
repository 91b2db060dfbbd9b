/**
 * Which files of a module's tree go into its zip, remembered by tree.
 *
 * The rules are those of module/files.ts, which look at every path of a
 * module. But a version mostly differs from the one before in a few files, and
 * nearly all names are so plain that the rules have nothing to say of them.
 * Where a tree is plain (git/tree.ts), its files are all that it has, less
 * nested modules, and the list of each directory is kept for the next version.
 * Everything else, and whatever is too large, goes through the rules.
 */

import type { Blobs, Slot } from './blobs.ts'
import { entryKind, type TreeEntry } from './git/object.ts'
import { flattenTree, type Tree } from './git/tree.ts'
import type { Oid } from './model.ts'
import { compareUtf8 } from './module/dirhash.ts'
import {
  goModLimitBytes,
  licenseLimitBytes,
  pathLimitBytes,
  type SelectionFailure,
  selectFiles,
  type TreeFile,
  zipLimitBytes,
} from './module/files.ts'
import { foldName } from './module/fold.ts'

/** A file of a module. The lists of many versions share it. */
export interface ModuleFile {
  /** Relative to the module's directory. */
  readonly path: string
  /** Of the path, in UTF-8. */
  readonly pathBytes: number
  readonly slot: Slot
}

/** What git's archive has in the place of a blob. The key stands for the content. */
export interface ConvertedContent {
  readonly key: string
  readonly content: Uint8Array
}

export interface SelectionRequest {
  readonly tree: Tree
  /** Files with other bytes in git's archive, by their path in the module. */
  readonly converted: ReadonlyMap<string, ConvertedContent>
  /** The LICENSE of the repository's top, where the module has none (protocol 4.1). */
  readonly license: TreeEntry | undefined
  /** Finds out what go.mod says of vendored packages. It is asked only where there may be some. */
  readonly vendorVersion: () => Promise<string>
}

export interface Selection {
  /** In the order of the bytes of their paths, with their slots measured. */
  readonly files: readonly ModuleFile[]
  readonly code?: never
}

export const licenseName = 'LICENSE'

/** Selects files, and remembers lists of them for as long as their trees are. */
export class Selector {
  readonly #blobs: Blobs
  readonly #lists = new WeakMap<Tree, Map<string, readonly ModuleFile[]>>()

  constructor(blobs: Blobs) {
    this.#blobs = blobs
  }

  /** Returns the files of a module's zip, or why there can be none. Of those that it does not need nothing is read. */
  async select(request: SelectionRequest): Promise<Selection | SelectionFailure> {
    return (await this.#selectPlain(request)) ?? this.#selectByRules(request)
  }

  /** Returns nothing where the rules have to be asked. */
  async #selectPlain({ tree, converted, license }: SelectionRequest): Promise<Selection | undefined> {
    if (converted.size > 0 || !isPlainModule(tree, license)) return undefined
    const own = this.#list(tree, '')
    const files = license === undefined ? own : insert(own, this.#describe(licenseName, license.oid))
    await this.#blobs.begin(files.map(({ slot }) => slot))
    return isSmallEnough(files) ? { files } : undefined
  }

  #list(tree: Tree, prefix: string): readonly ModuleFile[] {
    const lists = this.#lists.get(tree)
    const known = lists?.get(prefix)
    if (known !== undefined) return known
    const files: ModuleFile[] = []
    for (const [index, { name, mode, oid }] of tree.entries.entries()) {
      const inner = tree.below[index]
      if (inner === undefined) {
        if (entryKind(mode) === 'file') files.push(this.#describe(prefix + name, oid))
      } else if (!inner.isModule) {
        for (const file of this.#list(inner, `${prefix}${name}/`)) files.push(file)
      }
    }
    // A long list is soon put together from those of the directories below it.
    if (tree.files > rememberedFiles && tree.files > 2 * tree.entries.length) return files
    if (lists === undefined) this.#lists.set(tree, new Map([[prefix, files]]))
    else lists.set(prefix, files)
    return files
  }

  async #selectByRules(request: SelectionRequest): Promise<Selection | SelectionFailure> {
    const { tree, converted, license } = request
    const entries = flattenTree(tree).filter(({ kind }) => kind !== 'gitlink')
    const described = entries.map(({ path, kind, oid }): RuledFile => {
      if (kind !== 'file') return { path, mode: 'symlink' }
      const change = converted.get(path)
      if (change === undefined) return { path, mode: 'file', slot: this.#blobs.slot(oid) }
      return { path, mode: 'file', slot: this.#blobs.converted(oid, change.key, change.content) }
    })
    const own = license === undefined ? undefined : this.#blobs.slot(license.oid)
    const added: RuledFile[] = own === undefined ? [] : [{ path: licenseName, mode: 'file', slot: own }]
    const all = [...described, ...added]
    await this.#blobs.measure(all.flatMap(({ slot }) => slot ?? []))
    const sized = all.map((file) => {
      const size = file.slot?.size
      return size === undefined ? file : { ...file, size }
    })
    const selection = selectFiles(sized, { vendorVersion: await request.vendorVersion() })
    if (selection.code !== undefined) return selection
    const files = selection.files.flatMap(({ path, slot }) =>
      slot === undefined ? [] : [{ path, pathBytes: Buffer.byteLength(path), slot }],
    )
    // A tree may be out of order, and a file from elsewhere has its place among the others.
    return { files: files.sort((a, b) => compareUtf8(a.path, b.path)) }
  }

  #describe(path: string, oid: Oid): ModuleFile {
    return { path, pathBytes: Buffer.byteLength(path), slot: this.#blobs.slot(oid) }
  }
}

type RuledFile = TreeFile & { readonly slot?: Slot }

/** Longer lists are kept only where they are a directory's own: they would be kept for it and for all above it. */
const rememberedFiles = 200

function isPlainModule(tree: Tree, license: TreeEntry | undefined): boolean {
  if (!tree.isPlain || tree.longestBytes > pathLimitBytes) return false
  const folded = foldName(licenseName)
  return tree.entries.every(({ name }) => {
    if (name !== 'go.mod' && foldName(name) === 'go.mod') return false
    return license === undefined || foldName(name) !== folded
  })
}

function isSmallEnough(files: readonly ModuleFile[]): boolean {
  let room = zipLimitBytes
  for (const { path, slot } of files) {
    const { size = 0 } = slot
    room -= size
    if (path === 'go.mod' && size > goModLimitBytes) return false
    if (path === licenseName && size > licenseLimitBytes) return false
  }
  return room >= 0
}

/** Git's order is that of the bytes of the names; a file from elsewhere has to be put in its place. */
function insert(files: readonly ModuleFile[], file: ModuleFile): ModuleFile[] {
  const at = files.findIndex(({ path }) => compareUtf8(path, file.path) > 0)
  const end = at < 0 ? files.length : at
  return [...files.slice(0, end), file, ...files.slice(end)]
}
