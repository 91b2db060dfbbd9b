/**
 * What a host would refuse: told before it does, since a deployment that is
 * refused publishes nothing at all.
 *
 * A version whose zip is too large is refused by itself, and costs no other one
 * anything. What the site as a whole has too much of is a problem of each run
 * until it is mended.
 *
 * Pure.
 */

import type { HostName, PublishedVersion } from '../model.ts'
import { type Problem, type ProblemPlace, problem } from '../problem.ts'
import { hostPresets } from './presets.ts'

/** How large a site is. */
export interface SiteSize {
  readonly files: number
  /** Files and directories. */
  readonly entries: number
  readonly bytes: number
  /** The files that the host does not take: their paths in the site, and their sizes in bytes. */
  readonly tooLarge: readonly { readonly path: string; readonly bytes: number }[]
}

/** Tells whether a host says what it takes, so that there is something to measure. */
export function hasLimits(host: HostName): boolean {
  return Object.keys(hostPresets[host].limits).length > 0
}

/** Returns the problem of a version whose zip the host does not take. */
export function checkZipSize(host: HostName, bytes: number, place: ProblemPlace): Problem | undefined {
  const { title, limits } = hostPresets[host]
  if (limits.fileBytes === undefined || bytes <= limits.fileBytes) return undefined
  const message = `The zip has ${formatSize(bytes)}; ${title} takes files of up to ${formatSize(limits.fileBytes)}.`
  return problem('host-file-too-large', place, message)
}

/** No new tag helps against what is there already. */
const isThere =
  'Serve the site from another host. A version that nobody needs can be taken down for good, by "modpress withdraw".'

/** Returns what a host would refuse of a site; or of one that is yet to be, of which this is the least. */
export function checkSiteSize(host: HostName, size: SiteSize, when: 'now' | 'then'): Problem[] {
  const { title, limits } = hostPresets[host]
  const has = when === 'now' ? 'has' : 'would have at least'
  const { files = Infinity, entries = Infinity, siteBytes = Infinity, fileBytes = Infinity } = limits
  const found = size.tooLarge.map(({ path, bytes }) => {
    const message = `${path} has ${formatSize(bytes)}; ${title} takes files of up to ${formatSize(fileBytes)}.`
    return problem('host-file-too-large', { ref: path }, message, isThere)
  })
  if (size.files > files) {
    const message = `The site ${has} ${size.files} files; ${title} takes ${files}.`
    found.push(problem('host-too-many-files', {}, message))
  }
  if (size.entries > entries) {
    const message = `The site ${has} ${size.entries} files and directories; ${title} takes ${entries}.`
    found.push(problem('host-too-many-files', {}, message))
  }
  if (size.bytes > siteBytes) {
    const message = `The site ${has} ${formatSize(size.bytes)}; ${title} takes ${formatSize(siteBytes)}.`
    found.push(problem('host-site-too-large', {}, message))
  }
  return found
}

/** Each version is at least a zip, a .mod, a .info and a page in a directory. */
const filesOfVersion = 4

/** Returns the least that a site has with more versions. */
export function addVersions(size: SiteSize, versions: readonly Pick<PublishedVersion, 'size'>[]): SiteSize {
  const more = versions.length * filesOfVersion
  return {
    files: size.files + more,
    entries: size.entries + more + versions.length,
    bytes: versions.reduce((sum, version) => sum + version.size, size.bytes),
    tooLarge: size.tooLarge,
  }
}

/** A site with nothing in it. */
export const noSize: SiteSize = { files: 0, entries: 0, bytes: 0, tooLarge: [] }

function formatSize(bytes: number): string {
  return `${Math.round((bytes / 2 ** 20) * 10) / 10} MiB`
}
