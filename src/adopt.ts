/**
 * A run on a site that others write, too, renders pages as they do: for the
 * address that the site itself says, where the run was told none. One that was
 * told another is refused, since its pages would be those of another site. So
 * is one that would make of both what neither is: a private site where everyone
 * reads.
 */

import { parseSiteUrl, type Settings } from './config/schema.ts'
import { checkSiteFormat } from './current.ts'
import { checkHosting } from './hosts/hosting.ts'
import { FatalError, problem } from './problem.ts'
import type { Store } from './store/store.ts'

/**
 * Returns the settings with the address of a site that is there, and all else that it says of itself. Who leads says
 * what they are to be, and who follows must agree: throws a FatalError where he does not, where a newer modpress wrote
 * the site, or where what comes of it cannot be.
 */
export async function adoptSite(store: Store, settings: Settings, how: 'lead' | 'follow'): Promise<Settings> {
  const site = await checkSiteFormat(store)
  if (site === undefined) return settings
  const own = site.url === undefined ? undefined : parseSiteUrl(site.url)
  if (how === 'follow' && settings.url !== undefined && own !== undefined && own.url !== settings.url) {
    const message = `The site is served at ${own.url}, and this run is for ${settings.url}.`
    throw new FatalError(problem('url-differs', {}, message))
  }
  const { url, ...facts } = site
  const adopted = Object.entries(facts).filter(([key]) => !settings.given.some((given) => given === key))
  const joined = { ...settings, ...(settings.url === undefined ? own : {}), ...Object.fromEntries(adopted) }
  // Each of the two may be right by itself: a host where everyone reads, and a site that is private.
  const faults = checkHosting(joined).map(({ key, reason }) => `${key}: ${reason}`)
  if (faults.length === 0) return joined
  const message = `The configuration and what the site says of itself do not go together: ${faults.join('; ')}.`
  throw new FatalError(problem('config-invalid', {}, message))
}
