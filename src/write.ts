/**
 * Writing a version: zip, then .mod, then .info, each only where there is none.
 *
 * Files that are there already were published, by a run that ended before it
 * could record them or by another publisher. The same hashes are success; a
 * line of the manifest is then written from what the store holds. Other hashes
 * are a problem, and nothing more of the version is written.
 *
 * @see product.md, "Order of writing"
 */

import { createHash, hash } from 'node:crypto'
import { ArchiveError, chunkBytes, hashArchive, writeArchive } from './archive.ts'
import { assembleArchive, layOutArchive } from './assemble.ts'
import type { Hands } from './hands.ts'
import type { ModulePath, ModuleVersion, Oid, PublishedVersion } from './model.ts'
import { measureZip, type PackedVersion, zipPieces } from './pack.ts'
import type { VersionSink } from './press.ts'
import { type Problem, problem } from './problem.ts'
import { describePublished } from './published.ts'
import { versionFile } from './render/paths.ts'
import { type OriginSettings, renderInfo } from './render/proxy.ts'
import { codeOf, DirectoryStore } from './store/directory.ts'
import { withLocalFile } from './store/local.ts'
import type { CreateOptions, Store } from './store/store.ts'
import { ZipMemory } from './zip-memory.ts'

export interface SinkOptions {
  readonly origin?: OriginSettings
  readonly signal?: AbortSignal
  /** Others who may write. @default nobody */
  readonly hands?: Hands
  /** How much memory zips may take that are being written by this thread. @default 16 MiB */
  readonly roomBytes?: number
}

/** Writes versions into a site. */
export function siteSink(store: Store, options: SinkOptions = {}): VersionSink {
  const zips = new ZipMemory(options.roomBytes ?? 16 * 2 ** 20)
  return {
    write: async (version, packed, repository) => {
      const outcomes = await createByHands(store, version, packed, options)
      const create = () => createZip(store, version, packed, zips, options.signal)
      let zip = outcomes?.zip ?? (await create())
      for (let attempt = 0; zip === 'exists' && attempt < 3; attempt++) {
        const published = await compareZip(store, version, packed.h1, repository)
        if (published !== 'gone' && 'code' in published) return published
        // Whoever had it there has taken it back: it is begun again.
        zip = published === 'gone' ? await create() : published
      }
      if (zip === 'exists')
        throw new Error(`The zip of ${versionFile(version.path, version.version, 'zip')} comes and goes.`)
      const written = zip
      const different = outcomes?.mod ? undefined : await writeGoMod(store, version, packed, repository)
      if (different !== undefined) return different
      const record = recordOf(version, packed, written)
      return outcomes?.info ? record : writeInfo(store, record, options.origin)
    },
  }
}

/** Writes nothing: what a plan needs to know is known without. The sizes of zips are made out only where they count. */
export function planSink(sizes: 'measured' | 'unknown'): VersionSink {
  const sizeOf = (packed: PackedVersion) => (sizes === 'measured' ? measureZip(packed) : 0)
  return {
    write: async (version, packed) => recordOf(version, packed, { sha256: '', size: sizeOf(packed) }),
  }
}

interface WrittenZip {
  readonly sha256: string
  /** In bytes. */
  readonly size: number
}

function recordOf(version: ModuleVersion, packed: PackedVersion, zip: WrittenZip): PublishedVersion {
  const { h1, goModH1 } = packed
  const goMod = version.goMod === undefined ? {} : { goMod: version.goMod }
  return describePublished(version, { h1, goModH1, ...zip, ...goMod })
}

/** What another thread has done of a version; what it has not is done here. */
interface ByHands {
  readonly zip: WrittenZip | 'exists'
  readonly mod: boolean
  readonly info: boolean
}

/** Lets another thread create the three files, in their order, where there is one; of a large zip that alone. */
async function createByHands(
  store: Store,
  version: ModuleVersion,
  packed: PackedVersion,
  { hands, origin, signal }: SinkOptions,
): Promise<ByHands | undefined> {
  if (hands?.canCreate !== true || !(store instanceof DirectoryStore)) return undefined
  signal?.throwIfAborted()
  const { prefix, files, blobs } = packed
  const layout = layOutArchive(prefix, files, blobs)
  const path = (extension: 'zip' | 'mod' | 'info') => versionFile(version.path, version.version, extension)
  if (layout === undefined) {
    const content = async function* (memory: () => Buffer) {
      for await (const chunk of writeArchive(zipPieces(packed), memory)) {
        signal?.throwIfAborted()
        yield chunk
      }
    }
    const { outcomes, sha256, size } = await hands.createLarge(store.root, path('zip'), content)
    return { zip: outcomes[0] === 'created' ? { sha256, size } : 'exists', mod: false, info: false }
  }
  const size = layout.bytes
  const fill = (body: Buffer) => assembleArchive(body, layout, prefix, files, blobs)
  const created = await hands.create(store.root, { path: path('zip'), bytes: size, fill }, [
    { path: path('mod'), body: packed.goMod },
    { path: path('info'), body: Buffer.from(renderInfo(version, origin)) },
  ])
  const [ofZip, ofMod, ofInfo] = created.outcomes
  return {
    zip: ofZip === 'created' ? { sha256: created.sha256, size } : 'exists',
    mod: ofMod === 'created',
    info: ofInfo === 'created',
  }
}

async function createZip(
  store: Store,
  version: ModuleVersion,
  packed: PackedVersion,
  zips: ZipMemory,
  signal: AbortSignal | undefined,
): Promise<WrittenZip | 'exists'> {
  const { prefix, files, blobs } = packed
  const path = versionFile(version.path, version.version, 'zip')
  const options = signal === undefined ? {} : { signal }
  const layout = layOutArchive(prefix, files, blobs)
  if (layout === undefined) return createLargeZip(store, path, packed, options)
  const { memory, giveBack } = await zips.lend(layout.bytes)
  let back: ArrayBuffer | undefined
  try {
    const zip = Buffer.from(memory, 0, layout.bytes)
    assembleArchive(zip, layout, prefix, files, blobs)
    const outcome = await store.create(path, zip, options)
    // Where it fails, something may still be reading it.
    back = memory
    return outcome === 'created' ? { sha256: hash('sha256', zip, 'hex'), size: zip.length } : 'exists'
  } finally {
    giveBack(back)
  }
}

async function createLargeZip(
  store: Store,
  path: string,
  packed: PackedVersion,
  options: CreateOptions,
): Promise<WrittenZip | 'exists'> {
  const hash = createHash('sha256')
  let size = 0
  const free: Buffer[] = []
  async function* measured(): AsyncGenerator<Uint8Array> {
    const memory = () => free.pop() ?? Buffer.allocUnsafeSlow(chunkBytes)
    for await (const chunk of writeArchive(zipPieces(packed), memory)) {
      hash.update(chunk)
      size += chunk.length
      yield chunk
      free.push(Buffer.from(chunk.buffer))
    }
  }
  const outcome = await store.create(path, measured(), options)
  return outcome === 'created' ? { sha256: hash.digest('hex'), size } : 'exists'
}

/**
 * Compares a published zip with what would be published now. Returns what it is; 'gone' where it is no longer there; or
 * the problem where they differ.
 */
export async function compareZip(
  store: Store,
  version: Pick<ModuleVersion, 'path' | 'version'>,
  h1: string,
  repository: ModulePath,
): Promise<WrittenZip | 'gone' | Problem> {
  const path = versionFile(version.path, version.version, 'zip')
  const place = { repository, module: version.path, version: version.version }
  try {
    const published = await withLocalFile(store, path, hashArchive)
    if (published.h1 === h1) return { sha256: published.sha256, size: published.size }
    const message = `The site holds a zip with ${published.h1}; the repository gives ${h1}.`
    return problem('version-changed', place, message)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 'gone'
    if (!(error instanceof ArchiveError)) throw error
    return problem('version-damaged', place, error.message)
  }
}

async function writeGoMod(
  store: Store,
  version: ModuleVersion,
  packed: PackedVersion,
  repository: ModulePath,
): Promise<Problem | undefined> {
  const path = versionFile(version.path, version.version, 'mod')
  if ((await store.create(path, packed.goMod)) === 'created') return undefined
  const published = await store.get(path)
  if (published !== undefined && Buffer.compare(published.body, packed.goMod) === 0) return undefined
  const place = { repository, module: version.path, version: version.version }
  return problem('version-changed', place, 'The site holds another .mod file than the repository gives.')
}

async function writeInfo(
  store: Store,
  version: PublishedVersion,
  origin: OriginSettings | undefined,
): Promise<PublishedVersion> {
  return createInfo(store, version, Buffer.from(renderInfo(version, origin)))
}

/** Creates the .info of a version. Returns its line: of the time and the commit that the store holds, where one was first. */
export async function createInfo(
  store: Store,
  version: PublishedVersion,
  body: Uint8Array,
): Promise<PublishedVersion> {
  const path = versionFile(version.path, version.version, 'info')
  if ((await store.create(path, body)) === 'created') return version
  const published = await store.get(path)
  if (published === undefined) return version
  const { Time, Origin } = JSON.parse(Buffer.from(published.body).toString('utf8')) as InfoFile
  const commit = Origin?.Hash
  return { ...version, time: Date.parse(Time) / 1000, ...(commit === undefined ? {} : { commit }) }
}

/** What is read of a .info file. */
export interface InfoFile {
  readonly Version: string
  readonly Time: string
  readonly Origin?: {
    readonly Hash?: Oid
    readonly Ref?: string
    readonly Subdir?: string
    readonly URL?: string
  }
}
