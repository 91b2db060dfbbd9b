/**
 * Packing turns one planned version into its .mod and .zip with their hashes.
 *
 * The files are those that `git archive` gives the go command for the module's
 * directory, less what a module zip leaves out. A module below the top gets
 * the repository's LICENSE if it has none. Names and collisions are checked
 * before a content is read; sizes come with the contents where all are needed,
 * and what is large is not read before the sizes are known to be fine.
 *
 * @see protocol 4; codeRepo.Zip in cmd/go/internal/modfetch/coderepo.go and
 *   golang.org/x/mod/zip
 */

import { inflateRawSync } from 'node:zlib'
import { archiveSize, type ZipPiece } from './archive.ts'
import { layOutArchive } from './assemble.ts'
import { Blobs, type BlobsOptions } from './blobs.ts'
import type { Blob } from './compress.ts'
import { Room } from './each.ts'
import { Attributes } from './git/attributes.ts'
import { FactsReader } from './git/facts.ts'
import { entryKind, ObjectError, type TreeEntry } from './git/object.ts'
import type { GitRepository } from './git/repository.ts'
import { directoryOf, entryOf, type Tree, type Trees } from './git/tree.ts'
import type { ModulePath, ModuleVersion } from './model.ts'
import { goModH1, hashModule } from './module/dirhash.ts'
import { zipLimitBytes } from './module/files.ts'
import { zipVendorVersion } from './module/gomod.ts'
import { quote } from './module/text.ts'
import { type Problem, type ProblemPlace, problem } from './problem.ts'
import { type ConvertedContent, licenseName, type ModuleFile, Selector } from './selection.ts'

/** A version ready to be written. */
export interface PackedVersion {
  readonly h1: string
  readonly goModH1: string
  readonly goMod: Uint8Array
  /** What the name of each file begins with in the zip: "module@version/". */
  readonly prefix: string
  /** In the order of the bytes of their names. */
  readonly files: readonly ModuleFile[]
  /** The contents of the files, at the same places. */
  readonly blobs: readonly Blob[]
}

/** What of it goes into the zip. */
export type PackedFiles = Pick<PackedVersion, 'prefix' | 'files' | 'blobs'>

/** Yields the pieces of a version's zip. */
export function* zipPieces({ prefix, files, blobs }: PackedFiles): Generator<ZipPiece> {
  for (const [index, { path }] of files.entries()) {
    const blob = blobs[index]
    if (blob !== undefined) yield { name: prefix + path, ...blob }
  }
}

/** An open repository, and what is remembered of it from version to version. */
export interface Press {
  readonly repository: GitRepository
  readonly facts: FactsReader
  readonly trees: Trees
  readonly blobs: Blobs
  readonly attributes: Attributes
  readonly selector: Selector
  /** For the files of all versions that are worked on. */
  readonly room: Room
  /** The last .mod file of each module, and what it was made of: mostly it is that of the next version, too. */
  readonly goMods: Map<ModulePath, { readonly blob: Blob; readonly found: GoMod }>
  /** Files with other bytes in git's archive than in the repository. */
  readonly converted: Map<string, Uint8Array>
}

/** Lends what packing needs, and cleans up after it. */
export async function withPress<T>(
  repository: GitRepository,
  options: BlobsOptions,
  use: (press: Press) => Promise<T>,
): Promise<T> {
  const facts = new FactsReader(repository)
  const blobs = new Blobs(repository, options)
  try {
    return await use({
      repository,
      facts,
      trees: facts.trees,
      blobs,
      attributes: new Attributes(repository),
      selector: new Selector(blobs),
      room: new Room(filesAtOnce),
      goMods: new Map(),
      converted: new Map(),
    })
  } finally {
    blobs.close()
  }
}

/** Small modules are worked on many at a time, and the largest one after the other: enough to keep all threads busy. */
const filesAtOnce = 32_000

/** Waits until there is room for a version, and returns the function that ends it, when it is packed and written. */
export async function startVersion(press: Press, version: ModuleVersion): Promise<() => void> {
  const release = await press.room.take(await countFiles(press, version))
  try {
    const end = press.blobs.startVersion()
    return () => {
      end()
      release()
    }
  } catch (error) {
    // Whoever waits for the room would wait for ever.
    release()
    throw error
  }
}

async function countFiles(press: Press, version: ModuleVersion): Promise<number> {
  try {
    const top = await press.trees.load(version.tree)
    return directoryOf(top, version.dir)?.files ?? 0
  } catch (error) {
    // It will be told where it is packed.
    if (error instanceof ObjectError) return 0
    throw error
  }
}

/** Git's archive has more than 110 bytes for each file, and go takes 500 MiB of it. */
const fileLimit = 4_700_000

/** Returns the version ready to be written, or the problem why go would refuse it. */
export async function packVersion(
  press: Press,
  version: ModuleVersion,
  repository: ModulePath,
): Promise<PackedVersion | Problem> {
  const place: ProblemPlace = {
    repository,
    ...(version.ref === undefined ? {} : { ref: version.ref }),
    module: version.path,
    version: version.version,
  }
  try {
    return await pack(press, version, place)
  } catch (error) {
    if (error instanceof ObjectError) return problem(error.code, place, error.message)
    throw error
  }
}

async function pack(
  press: Press,
  version: ModuleVersion,
  place: ProblemPlace,
): Promise<PackedVersion | Problem> {
  const top = await press.trees.load(version.tree)
  if (top.forbidden !== undefined) {
    const message = `git refuses the path ${JSON.stringify(top.forbidden)} in the commit.`
    return problem('tree-invalid', place, message)
  }
  const tree = directoryOf(top, version.dir)
  if (tree === undefined)
    return problem('gomod-missing', place, `There is no directory ${version.dir} in the commit.`)
  if (tree.files > fileLimit) return problem('zip-too-large', place, `The module has ${tree.files} files.`)

  const converted = await convert(press, version, top, tree, place)
  if ('code' in converted) return converted
  const selection = await press.selector.select({
    tree,
    converted,
    license: findLicense(version, top, tree),
    vendorVersion: () => readVendorVersion(press, tree, converted),
  })
  if (selection.code !== undefined) {
    const name = quote(selection.path.length > 200 ? `${selection.path.slice(0, 200)}…` : selection.path)
    return problem(selection.code, place, `There can be no zip with ${name}: ${selection.message}.`)
  }

  const { files } = selection
  const blobs = await press.blobs.load(files.map(({ slot }) => slot))
  const goMod = await readGoModFile(press, version, tree, files, blobs)
  const prefix = `${version.path}@${version.version}/`
  const packed = { h1: hashModule(prefix, files, blobs), ...goMod, prefix, files, blobs }
  // What cannot be compressed is larger in a zip (MaxZipFile in golang.org/x/mod/zip).
  const bytes = measureZip(packed)
  if (bytes <= zipLimitBytes) return packed
  const message = `The zip would have ${bytes} bytes, and go takes at most ${zipLimitBytes}.`
  return problem('zip-too-large', place, message)
}

/** Returns the size of the zip, in bytes. */
export function measureZip(packed: PackedFiles): number {
  const { prefix, files, blobs } = packed
  return layOutArchive(prefix, files, blobs)?.bytes ?? archiveSize(zipPieces(packed))
}

// ---- What git's archive holds ----

/** How much converted content is remembered. Few files of few repositories are converted at all. */
const rememberedBytes = 32 * 2 ** 20

/** Asks git for the files whose bytes the commit's attributes change, by their path in the module. */
async function convert(
  press: Press,
  version: ModuleVersion,
  top: Tree,
  tree: Tree,
  place: ProblemPlace,
): Promise<ReadonlyMap<string, ConvertedContent> | Problem> {
  const changes = await press.attributes.findChanges(top, version.dir)
  if (changes === undefined) return new Map()
  if (press.repository.archive === undefined) {
    const message = `The attributes of ${changes.paths[0]} may change its bytes, which takes git to do as go does.`
    return problem('needs-git', place, message)
  }
  const skip = version.dir === '' ? 0 : version.dir.length + 1
  // The same blob at the same path under the same attributes comes out the same in every commit.
  const keys = new Map(
    changes.paths.map((path) => [path, `${changes.key} ${path} ${blobAt(tree, path.slice(skip))}`]),
  )
  const fresh = [...keys].filter(([, key]) => !press.converted.has(key)).map(([path]) => path)
  const contents = fresh.length === 0 ? new Map() : await press.repository.archive(version.commit, fresh)
  const converted = new Map<string, ConvertedContent>()
  let bytes = 0
  for (const content of press.converted.values()) bytes += content.length
  for (const [path, key] of keys) {
    const remembered = press.converted.get(key)
    const content: Uint8Array | undefined = remembered ?? contents.get(path)
    if (content === undefined) continue // a link to another repository leaves nothing in the archive
    converted.set(path.slice(skip), { key, content })
    if (remembered !== undefined) continue
    bytes += content.length
    if (bytes <= rememberedBytes) press.converted.set(key, content)
  }
  return converted
}

function blobAt(tree: Tree, path: string): string | undefined {
  const slash = path.lastIndexOf('/')
  const parent = directoryOf(tree, path.slice(0, Math.max(slash, 0)))
  return parent && entryOf(parent, path.slice(slash + 1))?.oid
}

/** The LICENSE of the top, as it is stored, for a module in a directory that has none (protocol 4.1). */
function findLicense(version: ModuleVersion, top: Tree, tree: Tree): TreeEntry | undefined {
  if (version.dir === '') return undefined
  const isThere = tree.entries.some((entry, index) => {
    const isArchived = tree.below[index] === undefined && entryKind(entry.mode) !== 'gitlink'
    return entry.name === licenseName && isArchived
  })
  const entry = isThere ? undefined : entryOf(top, licenseName)
  return entry !== undefined && ['file', 'symlink'].includes(entryKind(entry.mode)) ? entry : undefined
}

/** Returns what decides about vendored packages, from the go.mod that is in the archive. */
async function readVendorVersion(
  press: Press,
  tree: Tree,
  converted: ReadonlyMap<string, ConvertedContent>,
): Promise<string> {
  const entry = entryOf(tree, 'go.mod')
  if (entry === undefined || entryKind(entry.mode) !== 'file') return ''
  const content = converted.get('go.mod')?.content ?? (await press.repository.read(entry.oid)).content
  return zipVendorVersion(content)
}

type GoMod = Pick<PackedVersion, 'goMod' | 'goModH1'>

/** Returns the .mod file: the go.mod as it is stored, or the one that go makes up (protocol 3.2). */
async function readGoModFile(
  press: Press,
  version: ModuleVersion,
  tree: Tree,
  files: readonly ModuleFile[],
  blobs: readonly Blob[],
): Promise<GoMod> {
  if (version.goMod === undefined) return describeGoMod(new TextEncoder().encode(`module ${version.path}\n`))
  const entry = entryOf(tree, 'go.mod')
  if (entry === undefined) throw new Error(`${version.path}@${version.version} has lost its go.mod.`)
  // It is among what has just been deflated, which is nearer than git, unless attributes have changed it.
  const index = files.findIndex(({ path }) => path === 'go.mod')
  const blob = files[index]?.slot.isConverted === false ? blobs[index] : undefined
  if (!(blob?.data instanceof Uint8Array)) {
    return describeGoMod((await press.repository.read(entry.oid)).content)
  }
  const last = press.goMods.get(version.path)
  if (last?.blob === blob) return last.found
  const found = describeGoMod(blob.method === 'store' ? blob.data : inflateRawSync(blob.data))
  press.goMods.set(version.path, { blob, found })
  return found
}

function describeGoMod(goMod: Uint8Array): GoMod {
  return { goMod, goModH1: goModH1(goMod) }
}
