/**
 * A run on a site that others write, too, renders pages as they do: for the
 * address that the site itself says, where the run was told none. One that was
 * told another is refused, since its pages would be those of another site.
 */

import { parseSiteUrl, type Settings } from './config/schema.ts'
import { checkSiteFormat } from './current.ts'
import { FatalError, problem } from './problem.ts'
import type { Store } from './store/store.ts'

/**
 * Returns the settings with the address of a site that is there, and all else that it says of itself. Who leads says what they are to be, and who
 * follows must agree: throws a FatalError where he does not, or where a newer modpress wrote the site.
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
  return { ...settings, ...(settings.url === undefined ? own : {}), ...Object.fromEntries(adopted) }
}
