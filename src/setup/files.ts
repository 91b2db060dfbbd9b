/**
 * What consumers of a site set, as files of the site, for those without the
 * modpress command: "modpress env" prints the same texts.
 *
 * Pure.
 */

import type { HostedSite, SiteFile } from '../model.ts'
import { setupDirectory } from '../render/paths.ts'
import { renderGoEnv } from './bots.ts'
import { consumers } from './consumers.ts'
import { renderPowerShellHelper, renderShellHelper } from './goauth.ts'
import { kinds } from './kinds.ts'
import { findNeeds } from './needs.ts'
import { renderSetupPage } from './page.ts'

/** Returns the files below `-/setup/`: none where the site has no address. */
export function renderSetupFiles(site: HostedSite): readonly SiteFile[] {
  const needs = findNeeds(site)
  if (needs === undefined) return []
  const goEnv = renderGoEnv(needs)
  const files = new Map<string, string>([
    ['index.html', renderSetupPage(setupDirectory, needs)],
    ...consumers.map((consumer) => [kinds[consumer].file, kinds[consumer].render(needs)] as const),
    ...(goEnv === '' ? [] : ([['go.env', goEnv]] as const)),
    ...(needs.credentials === 'token'
      ? ([
          ['goauth.sh', renderShellHelper(needs)],
          ['goauth.ps1', renderPowerShellHelper(needs)],
        ] as const)
      : []),
  ])
  return [...files].map(([name, body]) => ({ path: `${setupDirectory}/${name}`, body }))
}
