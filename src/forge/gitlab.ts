/**
 * GitLab, on gitlab.com or a server of one's own.
 *
 * Projects that are shared with the group belong to others, and are left out.
 * The short form of a project ("simple") is not asked for: it says neither
 * who can see it nor whether it is archived.
 *
 * Pure.
 *
 * @see https://docs.gitlab.com/api/groups/#list-projects
 */

import { type Forge, type Item, readItem, readVisibility, type Visibility } from './listed.ts'

export const gitlab: Forge = {
  headers: { Accept: 'application/json' },
  authorize: (token) => `Bearer ${token}`,
  lists: ({ owner, subgroups }) => [
    `/groups/${encodeURIComponent(owner)}/projects?include_subgroups=${subgroups === 'include'}` +
      '&with_shared=false&order_by=id&sort=asc&per_page=100',
  ],
  read: (item) => {
    const names = { fullName: 'path_with_namespace', clone: 'http_url_to_repo' }
    const common = readItem(item, names)
    // What waits for its deletion has got another path; without its git repository a project is no repository.
    const isGone = [item['marked_for_deletion_on'], item['marked_for_deletion_at']].some((date) =>
      Boolean(date),
    )
    if (common !== undefined && (isGone || item['repository_access_level'] === 'disabled')) return 'none'
    return common && { ...common, visibility: visibilityOf(item), isFork: isFork(item) }
  },
  scope: 'to read the API and the repositories (read_api and read_repository)',
}

/** In a public project the repository may be for members only. */
function visibilityOf(item: Item): Visibility {
  const level = item['repository_access_level']
  const isOpen = level === undefined || level === 'enabled' || level === 'public'
  return isOpen ? readVisibility(item['visibility']) : 'private'
}

/** The original is told to those who can see it, and the other field to all. */
function isFork(item: Item): boolean {
  const { forked_from_project: original, mr_default_target_self: target } = item
  return (original !== undefined && original !== null) || typeof target === 'boolean'
}
