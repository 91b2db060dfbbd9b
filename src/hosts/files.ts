/**
 * The files that a static host needs in the site, or that its administrator
 * takes from there.
 *
 * Pure.
 */

import type { HostedSite, SiteFile } from '../model.ts'

/** Where files for the host's administrator lie. */
export const hostDirectory = '-/host'

/** The files at the top of a site that a host reads by their names, of all hosts. */
export const hostTopFiles: readonly string[] = ['_headers']

/** Returns what the host of a site needs in it. */
export function renderHostFiles(_site: HostedSite): readonly SiteFile[] {
  return []
}
