/**
 * Chooses from what a forge lists: which repositories are wanted, which a site
 * may take in, and under which root each is.
 *
 * A site takes in nothing that is less visible than it is: what is read there
 * is read by all who can read the site.
 *
 * Pure.
 */

import type { ForgeSettings } from '../config/forge.ts'
import type { RepositorySettings, Settings } from '../config/schema.ts'
import { fillTemplate } from '../config/template.ts'
import { matchesGlob } from '../module/glob.ts'
import type { ListedRepository } from './listed.ts'

/** An entry of the settings that is about an owner on a forge. */
export type ForgeEntry = RepositorySettings & { readonly forge: ForgeSettings }

/** A repository of a list, as an entry of the settings has it. */
export interface EntryRepository {
  readonly listed: ListedRepository
  readonly root: string
  /** The entry's, with its templates filled in. */
  readonly settings: RepositorySettings
  /** Whether it is taken in, and why not: it is not wanted, or fewer can see it than can see the site. */
  readonly verdict: 'taken' | 'unwanted' | 'hidden'
}

/** Returns what becomes of each repository of a list. */
export function judgeRepositories(
  entry: ForgeEntry,
  listed: readonly ListedRepository[],
  { access }: Pick<Settings, 'access'>,
): readonly EntryRepository[] {
  return listed.map((each) => {
    const isHidden = access === 'public' && each.visibility !== 'public'
    const verdict = isWanted(entry.forge, each) ? (isHidden ? 'hidden' : 'taken') : 'unwanted'
    return { listed: each, verdict, ...fillEntry(entry, each) }
  })
}

function isWanted(forge: ForgeSettings, { fullName, isFork, isArchived, topics }: ListedRepository): boolean {
  const path = pathBelow(forge, fullName)
  // ".github" and its like configure the forge, and no import path can have such an element.
  if (path.split('/').some((element) => element.startsWith('.'))) return false
  if ((isFork && forge.forks === 'exclude') || (isArchived && forge.archived === 'exclude')) return false
  const matches = (patterns: readonly string[]) => patterns.some((pattern) => matchesGlob(pattern, path))
  if (forge.include !== undefined && !matches(forge.include)) return false
  if (forge.exclude !== undefined && matches(forge.exclude)) return false
  const own = new Set(topics.map((topic) => topic.toLowerCase()))
  return forge.topics === undefined || forge.topics.some((topic) => own.has(topic.toLowerCase()))
}

function pathBelow({ owner }: ForgeSettings, fullName: string): string {
  return fullName.slice(owner.length + 1)
}

function fillEntry(
  { forge, ...entry }: ForgeEntry,
  { fullName, clone }: ListedRepository,
): Pick<EntryRepository, 'root' | 'settings'> {
  const path = pathBelow(forge, fullName)
  const name = path.slice(path.lastIndexOf('/') + 1)
  const fill = (template: string) => fillTemplate(template, { name, path })
  const root = fill(entry.root)
  return {
    root,
    settings: {
      ...entry,
      root,
      clone: entry.clone === undefined ? clone : fill(entry.clone),
      web: entry.web === undefined ? `${forge.web}/${fullName}` : fill(entry.web),
      source: entry.source ?? forge.kind,
    },
  }
}

/** Returns a template of the addresses that an entry's repositories are cloned from. */
export function cloneTemplate({ clone, forge }: ForgeEntry): string {
  return clone ?? `${forge.web}/${forge.owner}/{path}`
}
