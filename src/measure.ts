/**
 * Measures a site on disk, for hosts that take no more than so much. It looks
 * at each file without opening it: some milliseconds for a thousand. For hosts
 * without limits nothing is looked at.
 */

import { type Dirent, lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { addVersions, checkSiteSize, hasLimits, noSize, type SiteSize } from './hosts/limits.ts'
import { hostPresets } from './hosts/presets.ts'
import type { HostName, PublishedVersion } from './model.ts'
import type { Problem } from './problem.ts'
import { codeOf, isPrivatePath } from './store/directory.ts'

/** Returns what a host would refuse of the site in a directory. */
export function checkSite(host: HostName, directory: string): Problem[] {
  return hasLimits(host) ? checkSiteSize(host, measureSite(host, directory), 'now') : []
}

/** Returns what a host would refuse with more versions than there are in a directory; where it is not given, in none. */
export function checkGrowth(
  host: HostName,
  directory: string | undefined,
  versions: readonly PublishedVersion[],
): Problem[] {
  if (!hasLimits(host)) return []
  const size = directory === undefined ? noSize : measureSite(host, directory)
  return checkSiteSize(host, addVersions(size, versions), versions.length === 0 ? 'now' : 'then')
}

function measureSite(host: HostName, root: string): SiteSize {
  const { fileBytes = Infinity } = hostPresets[host].limits
  const tooLarge: { path: string; bytes: number }[] = []
  let [files, directories, bytes] = [0, 0, 0]
  const walk = (directory: string) => {
    for (const entry of readDirectory(join(root, directory))) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`
      // What lies in a checkout, and what a build keeps for itself, is not deployed.
      if (entry.name === '.git' || isPrivatePath(path)) continue
      if (entry.isDirectory()) {
        directories++
        walk(path)
        continue
      }
      const size = lstatSync(join(root, path), { throwIfNoEntry: false })?.size
      // Another may have removed it meanwhile.
      if (size === undefined) continue
      files++
      bytes += size
      if (size > fileBytes) tooLarge.push({ path, bytes: size })
    }
  }
  walk('')
  tooLarge.sort((a, b) => (a.path < b.path ? -1 : 1))
  return { files, entries: files + directories, bytes, tooLarge }
}

function readDirectory(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true })
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}
