/**
 * Packing turns one planned version into its .mod and .zip with their hashes.
 *
 * The files are those that `git archive` gives the go command for the module's
 * directory, less what a module zip leaves out. A module below the top gets
 * the repository's LICENSE if it has none. Everything is checked before a
 * content is read: names, collisions, sizes.
 *
 * @see protocol 4; codeRepo.Zip in cmd/go/internal/modfetch/coderepo.go and
 *   golang.org/x/mod/zip
 */

import type { ZipPiece } from './archive.ts'
import { type Blob, Blobs } from './blobs.ts'
import { Attributes } from './git/attributes.ts'
import { FactsReader } from './git/facts.ts'
import { entryKind, ObjectError } from './git/object.ts'
import type { GitRepository } from './git/repository.ts'
import type { FlatEntry, Trees } from './git/tree.ts'
import type { ModulePath, ModuleVersion, Oid } from './model.ts'
import { goModH1, hash1 } from './module/dirhash.ts'
import { selectFiles, type TreeFile } from './module/files.ts'
import { zipVendorVersion } from './module/gomod.ts'
import { quote } from './module/text.ts'
import { type Problem, type ProblemPlace, problem } from './problem.ts'

/** A version ready to be written. */
export interface PackedVersion {
  readonly h1: string
  readonly goModH1: string
  readonly goMod: Uint8Array
  /** The entries of the zip, sorted by the bytes of their names. */
  readonly pieces: readonly HashedPiece[]
}

type HashedPiece = ZipPiece & { readonly sha256: string }

/** An open repository, and what is remembered of it from version to version. */
export interface Press {
  readonly repository: GitRepository
  readonly facts: FactsReader
  readonly trees: Trees
  readonly blobs: Blobs
  readonly attributes: Attributes
  /** Flat lists of the last few trees: many modules of one commit, or many commits of one tree. */
  readonly flat: Map<Oid, Promise<FlatEntry[]>>
  /** Of blobs, in bytes; undefined for those that are missing or damaged. */
  readonly sizes: Map<Oid, number | undefined>
  /** Files with other bytes in git's archive than in the repository. */
  readonly converted: Map<string, Uint8Array>
}

/** Lends what packing needs, and cleans up after it. */
export async function withPress<T>(repository: GitRepository, use: (press: Press) => Promise<T>): Promise<T> {
  const facts = new FactsReader(repository)
  const { trees } = facts
  const blobs = new Blobs(repository)
  try {
    return await use({
      repository,
      facts,
      trees,
      blobs,
      attributes: new Attributes(repository, trees),
      flat: new Map(),
      sizes: new Map(),
      converted: new Map(),
    })
  } finally {
    await blobs.close()
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
  const { trees } = press
  const { forbidden } = await trees.summarize(version.tree)
  if (forbidden !== undefined) {
    return problem('tree-invalid', place, `git refuses the path ${JSON.stringify(forbidden)} in the commit.`)
  }
  const tree = await trees.directory(version.tree, version.dir)
  if (tree === undefined)
    return problem('gomod-missing', place, `There is no directory ${version.dir} in the commit.`)
  const { files } = await trees.summarize(tree)
  if (files > fileLimit) return problem('zip-too-large', place, `The module has ${files} files.`)

  const entries = await flatten(press, tree)
  const converted = await convert(press, version, entries, place)
  if ('code' in converted) return converted
  const archived = await measure(press, entries, converted)
  const license = await findLicense(press, version, entries)
  const goModEntry = archived.find((entry) => entry.path === 'go.mod' && entry.mode === 'file')
  const goModContent = goModEntry === undefined ? undefined : await contentOf(press, goModEntry)

  const vendorVersion = goModContent === undefined ? '' : zipVendorVersion(goModContent)
  const selection = selectFiles(license === undefined ? archived : [...archived, license], { vendorVersion })
  if (selection.code !== undefined) {
    const name = quote(selection.path.length > 200 ? `${selection.path.slice(0, 200)}…` : selection.path)
    return problem(selection.code, place, `There can be no zip with ${name}: ${selection.message}.`)
  }

  press.blobs.nextVersion()
  const prefix = `${version.path}@${version.version}/`
  const pieces = await Promise.all(
    selection.files.map(async (entry) => ({ name: prefix + entry.path, ...(await load(press, entry)) })),
  )
  const sorted = license === undefined ? pieces : sortPieces(pieces)
  const goMod = await goModOf(press, version)
  return { h1: hash1(sorted), goModH1: goModH1(goMod), goMod, pieces: sorted }
}

async function flatten(press: Press, tree: Oid): Promise<FlatEntry[]> {
  const known = press.flat.get(tree)
  if (known !== undefined) return known
  const [oldest] = press.flat.keys()
  if (press.flat.size >= 4 && oldest !== undefined) press.flat.delete(oldest)
  const flat = press.trees.flatten(tree)
  press.flat.set(tree, flat)
  return flat
}

// ---- What git's archive holds ----

interface ArchivedFile extends TreeFile {
  readonly oid: Oid
  /** Where the archive has other bytes than the blob: the key of the converted content, and the content. */
  readonly converted?: { readonly key: string; readonly content: Uint8Array }
}

type Converted = ReadonlyMap<string, NonNullable<ArchivedFile['converted']>>

/** How much converted content is remembered. Few files of few repositories are converted at all. */
const rememberedBytes = 32 * 2 ** 20

/** Asks git for the files whose bytes the commit's attributes change, by their path in the module. */
async function convert(
  press: Press,
  version: ModuleVersion,
  entries: readonly FlatEntry[],
  place: ProblemPlace,
): Promise<Converted | Problem> {
  const changes = await press.attributes.findChanges(version.tree, version.dir, entries)
  if (changes === undefined) return new Map()
  if (press.repository.archive === undefined) {
    const message = `The attributes of ${changes.paths[0]} may change its bytes, which takes git to do as go does.`
    return problem('needs-git', place, message)
  }
  const skip = version.dir === '' ? 0 : version.dir.length + 1
  const oids = new Map(entries.map((entry) => [entry.path, entry.oid]))
  // The same blob at the same path under the same attributes comes out the same in every commit.
  const keys = new Map(
    changes.paths.map((path) => [path, `${changes.key} ${path} ${oids.get(path.slice(skip))}`]),
  )
  const fresh = [...keys].filter(([, key]) => !press.converted.has(key)).map(([path]) => path)
  const contents = fresh.length === 0 ? new Map() : await press.repository.archive(version.commit, fresh)
  const converted = new Map<string, NonNullable<ArchivedFile['converted']>>()
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

/** Returns the files as the archive has them, with their sizes. Links to other repositories leave nothing there. */
async function measure(
  press: Press,
  entries: readonly FlatEntry[],
  converted: Converted,
): Promise<ArchivedFile[]> {
  const { sizes } = press
  const fresh = [
    ...new Set(entries.flatMap(({ kind, oid }) => (kind === 'file' && !sizes.has(oid) ? oid : []))),
  ]
  const stats = await press.repository.stat(fresh)
  for (const [index, oid] of fresh.entries()) sizes.set(oid, stats[index]?.size)
  return entries.flatMap((entry): ArchivedFile[] => {
    const { path, kind, oid } = entry
    if (kind === 'gitlink') return []
    if (kind === 'symlink') return [{ path, oid, mode: 'symlink' }]
    const change = converted.get(path)
    const size = change?.content.length ?? sizes.get(oid)
    return [
      {
        path,
        oid,
        mode: 'file',
        ...(size === undefined ? {} : { size }),
        ...(change && { converted: change }),
      },
    ]
  })
}

/** The LICENSE of the top, as it is stored, for a module in a directory that has none (protocol 4.1). */
async function findLicense(
  press: Press,
  version: ModuleVersion,
  entries: readonly FlatEntry[],
): Promise<ArchivedFile | undefined> {
  if (version.dir === '' || entries.some((entry) => entry.path === 'LICENSE' && entry.kind !== 'gitlink'))
    return undefined
  const entry = await press.trees.find(version.tree, 'LICENSE')
  if (entry === undefined || !['file', 'symlink'].includes(entryKind(entry.mode))) return undefined
  const [stat] = await press.repository.stat([entry.oid])
  // Without a size it is missing or damaged: reading it says which.
  return { path: 'LICENSE', oid: entry.oid, mode: 'file', ...(stat && { size: stat.size }) }
}

// ---- Contents ----

function load(press: Press, { oid, size, converted }: ArchivedFile): Promise<Blob> {
  if (converted !== undefined) return press.blobs.convert(converted.key, converted.content)
  // A blob without a size is missing or damaged: reading it says which.
  return press.blobs.load(oid, size ?? 0)
}

async function contentOf(press: Press, { oid, converted }: ArchivedFile): Promise<Uint8Array> {
  return converted?.content ?? (await press.repository.read(oid)).content
}

/** The .mod file: the go.mod as it is stored, or the one that go makes up (protocol 3.2). */
async function goModOf(press: Press, version: ModuleVersion): Promise<Uint8Array> {
  if (version.goMod === undefined) return new TextEncoder().encode(`module ${version.path}\n`)
  const entry = await press.trees.find(version.tree, version.dir === '' ? 'go.mod' : `${version.dir}/go.mod`)
  if (entry === undefined) throw new Error(`${version.path}@${version.version} has lost its go.mod.`)
  return (await press.repository.read(entry.oid)).content
}

/** Git's order is that of the bytes of the names; only a LICENSE from elsewhere is out of place. */
function sortPieces(pieces: readonly HashedPiece[]): HashedPiece[] {
  const bytes = new Map(pieces.map((piece) => [piece, Buffer.from(piece.name)]))
  const key = (piece: HashedPiece) => bytes.get(piece) ?? Buffer.from(piece.name)
  return [...pieces].sort((a, b) => Buffer.compare(key(a), key(b)))
}
