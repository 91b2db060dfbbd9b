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

import { createHash } from 'node:crypto'
import { ArchiveError, hashArchive, writeArchive } from './archive.ts'
import { readGoMod } from './git/facts.ts'
import type { ModulePath, ModuleVersion, Oid, PublishedVersion } from './model.ts'
import type { PackedVersion } from './pack.ts'
import type { VersionSink } from './press.ts'
import { type Problem, problem } from './problem.ts'
import { describePublished } from './published.ts'
import { versionFile } from './render/paths.ts'
import { type OriginSettings, renderInfo } from './render/proxy.ts'
import type { DirectoryStore } from './store/directory.ts'

/** Writes versions into a site directory. */
export function siteSink(
  store: DirectoryStore,
  origin: OriginSettings | undefined,
  signal?: AbortSignal,
): VersionSink {
  return {
    write: async (version, packed, repository) => {
      const zip = await writeZip(store, version, packed, repository, signal)
      if ('code' in zip) return zip
      const different = await writeGoMod(store, version, packed, repository)
      if (different !== undefined) return different
      return writeInfo(store, recordOf(version, packed, zip), origin)
    },
  }
}

/** Writes nothing: what a plan needs to know is known without. */
export function planSink(): VersionSink {
  return { write: async (version, packed) => recordOf(version, packed, { sha256: '', size: 0 }) }
}

interface WrittenZip {
  readonly sha256: string
  /** In bytes. */
  readonly size: number
}

function recordOf(version: ModuleVersion, packed: PackedVersion, zip: WrittenZip): PublishedVersion {
  const { h1, goModH1, goMod } = packed
  return describePublished(version, { h1, goModH1, ...zip, goMod: readGoMod(goMod, 'regular') })
}

async function writeZip(
  store: DirectoryStore,
  version: ModuleVersion,
  packed: PackedVersion,
  repository: ModulePath,
  signal: AbortSignal | undefined,
): Promise<WrittenZip | Problem> {
  const path = versionFile(version.path, version.version, 'zip')
  const hash = createHash('sha256')
  let size = 0
  async function* measured(): AsyncGenerator<Uint8Array> {
    for await (const chunk of writeArchive(packed.pieces)) {
      hash.update(chunk)
      size += chunk.length
      yield chunk
    }
  }
  const outcome = await store.create(path, measured(), signal === undefined ? {} : { signal })
  if (outcome === 'created') return { sha256: hash.digest('hex'), size }
  const place = { repository, module: version.path, version: version.version }
  try {
    const published = await hashArchive(store.localPath(path))
    if (published.h1 === packed.h1) return { sha256: published.sha256, size: published.size }
    const message = `The site holds a zip with ${published.h1}; the repository gives ${packed.h1}.`
    return problem('version-changed', place, message)
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error
    return problem('version-damaged', place, error.message)
  }
}

async function writeGoMod(
  store: DirectoryStore,
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
  store: DirectoryStore,
  version: PublishedVersion,
  origin: OriginSettings | undefined,
): Promise<PublishedVersion> {
  const path = versionFile(version.path, version.version, 'info')
  if ((await store.create(path, Buffer.from(renderInfo(version, origin)))) === 'created') return version
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
