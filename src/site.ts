/**
 * What a run knows of the site as a whole, and which modules may be where in it.
 *
 * Pure.
 */

import { createHash } from 'node:crypto'
import type { Settings } from './config/schema.ts'
import type { ModulePath, Repository } from './model.ts'
import { type Problem, problem } from './problem.ts'
import { checkReserved } from './render/paths.ts'

/** Counts up when the same shard would be rendered to other files, so that a new release renders them anew. */
const derivedFormat = 1

export interface Site {
  readonly settings: Settings
  /** The roots of all repositories. */
  readonly roots: readonly string[]
}

/** Returns the problem that keeps a module of a repository from its path: another's root, or the site's own files. */
export function checkSitePath(site: Site, repository: Repository, path: ModulePath): Problem | undefined {
  const place = { repository: repository.root, module: path }
  const owner = ownerOf(site.roots, path)
  if (owner !== undefined && owner.length > repository.root.length) {
    return problem('module-shadowed', place, `${path} belongs to the repository whose root is ${owner}.`)
  }
  const reason = checkReserved(path, site.settings.prefix)
  return reason === undefined ? undefined : problem('path-reserved', place, reason)
}

/** Returns the longest root that is a prefix of the path. */
export function ownerOf(roots: readonly string[], path: string): string | undefined {
  return roots
    .filter((root) => path === root || path.startsWith(`${root}/`))
    .reduce<string | undefined>(
      (best, root) => (best === undefined || root.length > best.length ? root : best),
      undefined,
    )
}

/**
 * Returns a hash of all settings that the versions and the derived files of a
 * repository depend on. A shard made with others is gone through again.
 */
export function settingsHash(site: Site, repository: Repository, defaultHead: string | undefined): string {
  const { url, origin, maxGo } = site.settings
  const { clone, web, subdir, versions, directories, branches, commits, source, isArchived } = repository
  const below = site.roots.filter((root) => root.startsWith(`${repository.root}/`)).sort()
  const relevant = [
    derivedFormat,
    url,
    origin,
    maxGo,
    clone,
    web,
    subdir,
    versions,
    directories,
    branches,
    commits,
    source,
  ]
  // Only where it is so, so that the hashes of all others stay what they were.
  const more = isArchived === true ? ['archived'] : []
  const text = JSON.stringify([...relevant, below, defaultHead, ...more])
  return createHash('sha256').update(text).digest('hex')
}
