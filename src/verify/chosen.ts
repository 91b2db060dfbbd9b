/**
 * Chooses which versions and modules of a site are verified.
 *
 * Pure.
 */

import type { Shard } from '../manifest.ts'
import type { ModulePath } from '../model.ts'
import { type SampleSize, takeSample } from './sample.ts'
import type { Owned } from './versions.ts'

/** A module and the shard that it is in. */
export interface OwnedModule {
  readonly shard: Shard
  readonly path: ModulePath
}

export interface Chosen {
  readonly versions: readonly Owned[]
  readonly modules: readonly OwnedModule[]
  readonly allVersions: number
  readonly allModules: number
}

/** Names that hosts stumble over: one of each is always among those that are verified. */
const oddNames: readonly RegExp[] = [/\+incompatible$/, /[A-Z].*@/, /@.*[A-Z]/, /~/]

/** Chooses versions and modules. */
export function choose(shards: readonly Shard[], size: SampleSize): Chosen {
  const all = shards.flatMap(({ root, versions }): Owned[] =>
    [...versions.values()].map((version) => ({ root, version })),
  )
  const key = ({ version }: Owned) => `${version.path}@${version.version}`
  const kinds = oddNames.map((pattern) => (owned: Owned) => pattern.test(key(owned)))
  const versions = takeSample(all, size, key, kinds)
  const modules = shards.flatMap((shard) => {
    const named = [...shard.versions.values(), ...shard.withdrawn.values()]
    return [...new Set(named.map(({ path }) => path))].map((path): OwnedModule => ({ shard, path }))
  })
  return {
    versions,
    modules: takeSample(modules, size, ({ path }) => path),
    allVersions: all.length,
    allModules: modules.length,
  }
}

/** Returns each version once. */
export function distinct(versions: readonly Owned[]): readonly Owned[] {
  return [...new Map(versions.map((each) => [`${each.version.path}@${each.version.version}`, each])).values()]
}
