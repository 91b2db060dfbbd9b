/**
 * What consumers of a site set, as files of the site, for those without the
 * modpress command: "modpress env" prints the same texts.
 *
 * Pure.
 */

import type { HostedSite, SiteFile } from '../model.ts'

export const setupDirectory = '-/setup'

/** Returns the files below `-/setup/`. */
export function renderSetupFiles(_site: HostedSite): readonly SiteFile[] {
  return []
}
