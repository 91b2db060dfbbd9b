/**
 * Whether all that an address has is published as it is, so that it need not
 * be cloned: its refs are listed and held against the shard, by the very rules
 * for clones (survey.ts, current.ts). With an empty cache, as in many CI jobs,
 * this is what a repository with nothing new costs.
 *
 * A doubt is a no, and the repository is cloned. What failed for something
 * that is wrong with a clone is such a doubt, since only a clone tells.
 */

import { isCurrent, listFaults } from './current.ts'
import type { GitLocation } from './git/location.ts'
import { listingOf, type RemoteRefs } from './git/remote.ts'
import type { Repository } from './model.ts'
import type { Site } from './site.ts'
import type { Store } from './store/store.ts'
import { surveyRepository } from './survey.ts'

/** Tells whether the site has all that is listed, and all that follows from it. */
export async function isPublished(
  run: { readonly store: Pick<Store, 'get'>; readonly site: Site },
  repository: Repository,
  refs: RemoteRefs,
): Promise<boolean> {
  const found = { location: nowhere(refs), listing: listingOf(refs) }
  const survey = await surveyRepository(run, repository, found)
  const isDoubtful = survey.opened === undefined || listFaults(survey).length > 0
  return !isDoubtful && (await isCurrent(survey, run.site.settings.git))
}

/** Where a clone would be that nobody is going to open. */
function nowhere({ hash }: RemoteRefs): GitLocation {
  return {
    dir: '',
    gitDir: '',
    commonDir: '',
    objectDirs: [],
    missingObjectDirs: [],
    hash,
    isShallow: false,
    isPartial: false,
    hasAlternates: false,
  }
}
