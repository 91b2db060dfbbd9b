/**
 * GitHub and GitHub Enterprise.
 *
 * Pure.
 *
 * @see https://docs.github.com/rest/repos/repos#list-organization-repositories
 */

import { type Forge, type Item, readItem, readVisibility, type Visibility } from './listed.ts'

// The order is one in which a new repository moves no other to another page.
const paging = 'sort=created&direction=asc&per_page=100'

export const github: Forge = {
  headers: { Accept: 'application/vnd.github+json', 'X-GitHub-Api-Version': '2022-11-28' },
  authorize: (token) => `Bearer ${token}`,
  lists: ({ owner, ownerKind }) =>
    ownerKind === 'user'
      ? [`/users/${owner}/repos?type=owner&${paging}`]
      : [`/orgs/${owner}/repos?type=all&${paging}`],
  read: (item) => {
    const common = readItem(item, { fullName: 'full_name', clone: 'clone_url' })
    return common && { ...common, visibility: visibilityOf(item), isFork: item['fork'] !== false }
  },
  scope: 'to read the metadata and contents of the repositories (classic tokens: the scope "repo")',
}

/** What only the token's own user can ask for: private repositories, too. */
export const ownGithubList: string = `/user/repos?affiliation=owner&${paging}`

/** Enterprise Servers before 3.3 tell no more than whether it is private. */
function visibilityOf(item: Item): Visibility {
  if (item['visibility'] === undefined) return item['private'] === false ? 'public' : 'private'
  const visibility = readVisibility(item['visibility'])
  return visibility === 'public' && item['private'] !== false ? 'private' : visibility
}
