/**
 * Gitea and Forgejo, which have the same API.
 *
 * Pure.
 *
 * @see https://docs.gitea.com/api/ (organization: orgListRepos, user: userListRepos)
 */

import { type Forge, type Item, readItem, textOf, type Visibility } from './listed.ts'

export const gitea: Forge = {
  headers: { Accept: 'application/json' },
  authorize: (token) => `token ${token}`,
  // Servers give 50 at most unless they are told otherwise.
  lists: ({ owner }) => [`/orgs/${owner}/repos?limit=50`, `/users/${owner}/repos?limit=50`],
  read: (item) => {
    const common = readItem(item, { fullName: 'full_name', clone: 'clone_url' })
    return common && { ...common, visibility: visibilityOf(item), isFork: item['fork'] !== false }
  },
  scope: 'to read the organization and its repositories (read:organization, read:user and read:repository)',
}

/** The owner of a repository that is not private may be for those alone who are signed in, or for members. */
function visibilityOf(item: Item): Visibility {
  const { private: isPrivate, internal, owner } = item
  const ofOwner = textOf(Object(owner) as Item, 'visibility')
  if (isPrivate !== false) return 'private'
  if (internal === true || ofOwner === 'limited') return 'internal'
  return ofOwner === 'public' ? 'public' : 'private'
}
