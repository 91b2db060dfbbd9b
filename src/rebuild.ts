/**
 * Rebuilding makes a shard again from the published files, when it is missing
 * or damaged: the hashes from the zips, commit and tag from Origin in .info.
 * It never means that anything is published again.
 *
 * @see trust 2.3
 */

import { ArchiveError, hashArchive } from './archive.ts'
import { readGoMod } from './git/facts.ts'
import { emptyShard, type Shard, versionKey } from './manifest.ts'
import type { ModulePath, PublishedVersion } from './model.ts'
import { goModH1 } from './module/dirhash.ts'
import { escapePath, unescapePath, unescapeVersion } from './module/escape.ts'
import { isPseudoVersion } from './module/pseudo.ts'
import { canonicalVersion } from './module/version.ts'
import { type Problem, problem } from './problem.ts'
import { describeGoMod } from './published.ts'
import { versionFile } from './render/paths.ts'
import { ownerOf, type Site } from './site.ts'
import { withLocalFile } from './store/local.ts'
import type { Store } from './store/store.ts'
import type { InfoFile } from './write.ts'

export interface Rebuilt {
  readonly shard: Shard
  readonly problems: readonly Problem[]
}

/** Returns the shard that the published files of a repository give; undefined where there are none. */
export async function rebuildShard(store: Store, site: Site, root: ModulePath): Promise<Rebuilt | undefined> {
  const versions = new Map<string, PublishedVersion>()
  const problems: Problem[] = []
  const infos: string[] = []
  for await (const { path } of store.list(escapePath(root))) if (path.endsWith('.info')) infos.push(path)
  for (const file of infos) {
    const found = parseVersionFile(file)
    if (found === undefined || ownerOf(site.roots, found.path) !== root) continue
    const version = await readVersion(store, found.path, found.version, root)
    if (version === undefined) continue
    if ('code' in version) problems.push(version)
    else versions.set(versionKey(version.path, version.version), version)
  }
  return versions.size === 0 ? undefined : { shard: { ...emptyShard(root), versions }, problems }
}

/** Takes the name of a version's .info apart; undefined for the answers to queries. */
function parseVersionFile(file: string): { readonly path: ModulePath; readonly version: string } | undefined {
  const at = file.indexOf('/@v/')
  const path = unescapePath(file.slice(0, Math.max(at, 0)))
  const version = unescapeVersion(file.slice(at + '/@v/'.length, -'.info'.length))
  if (path === undefined || version === undefined || canonicalVersion(version) !== version) return undefined
  return { path, version }
}

async function readVersion(
  store: Store,
  path: ModulePath,
  version: string,
  root: ModulePath,
): Promise<PublishedVersion | Problem | undefined> {
  const place = { repository: root, module: path, version }
  const [info, mod] = await Promise.all([
    store.get(versionFile(path, version, 'info')),
    store.get(versionFile(path, version, 'mod')),
  ])
  // An answer that was taken back is empty.
  if (info === undefined || /^\s*$/.test(Buffer.from(info.body).toString('latin1'))) return undefined
  try {
    const { Version, Time, Origin } = JSON.parse(Buffer.from(info.body).toString('utf8')) as InfoFile
    // The answer to a query such as v2.0.0, which is v2.0.0+incompatible.
    if (Version !== version) return undefined
    if (mod === undefined) return problem('version-damaged', place, 'Its .mod file is missing.')
    const { h1, sha256, size } = await withLocalFile(store, versionFile(path, version, 'zip'), hashArchive)
    return {
      path,
      version: Version as PublishedVersion['version'],
      ...(Origin?.Hash === undefined ? {} : { commit: Origin.Hash }),
      ...(Origin?.Ref === undefined || isPseudoVersion(version) ? {} : { ref: Origin.Ref }),
      time: Date.parse(Time) / 1000,
      ...(Origin?.Subdir === undefined ? {} : { codeDir: Origin.Subdir }),
      h1,
      goModH1: goModH1(mod.body),
      sha256,
      size,
      goMod: describeGoMod(readGoMod(mod.body, 'regular')),
    }
  } catch (error) {
    const isFault = error instanceof ArchiveError || error instanceof SyntaxError || isMissing(error)
    if (!isFault) throw error
    return problem('version-damaged', place, `A published file is missing or damaged: ${error.message}`)
  }
}

function isMissing(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
