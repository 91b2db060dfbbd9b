/**
 * A repository as a forge lists it, and what is particular to a forge: plain
 * objects, in github.ts, gitlab.ts and gitea.ts.
 *
 * What an answer does not say counts as the worst: a repository whose
 * visibility is not told, or not understood, is a private one.
 *
 * Pure.
 */

import type { ForgeSettings } from '../config/forge.ts'

export type Visibility = 'public' | 'internal' | 'private'

export interface ListedRepository {
  readonly id: string
  /** With its owner, as the forge has it: "acme/libs/log". */
  readonly fullName: string
  readonly clone: string
  readonly visibility: Visibility
  readonly isArchived: boolean
  readonly isFork: boolean
  readonly topics: readonly string[]
}

/** One object of a listing, not checked. */
export type Item = Readonly<Record<string, unknown>>

export interface Forge {
  readonly headers: Readonly<Record<string, string>>
  /** Returns the value of the Authorization header for a token. */
  authorize(token: string): string
  /** Returns what is asked for below the API's address, with its query: the first that is there counts. */
  lists(owner: ForgeSettings): readonly string[]
  /** Returns the repository; "none" where there is none to clone, and undefined where the item is not understood. */
  read(item: Item): ListedRepository | 'none' | undefined
  /** What a token must be allowed to do. */
  readonly scope: string
}

/** Returns the text of a field; undefined where it is none, or empty. */
export function textOf(item: Item, key: string): string | undefined {
  const value = item[key]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Returns the fields that all forges have in common, by the names that they have there. */
export function readItem(
  item: Item,
  names: Readonly<Record<'fullName' | 'clone', string>>,
): Pick<ListedRepository, 'id' | 'fullName' | 'clone' | 'isArchived' | 'topics'> | undefined {
  const { id, topics } = item
  const fullName = textOf(item, names.fullName)
  const clone = textOf(item, names.clone)
  if (typeof id !== 'number' || fullName === undefined || clone === undefined) {
    return undefined
  }
  return {
    id: String(id),
    fullName,
    clone,
    isArchived: item['archived'] === true,
    topics: Array.isArray(topics) ? topics.filter((topic) => typeof topic === 'string') : [],
  }
}

/** Returns a visibility that a forge names. */
export function readVisibility(name: unknown): Visibility {
  return name === 'public' || name === 'internal' ? name : 'private'
}
