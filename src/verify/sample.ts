/**
 * Chooses which of many things are verified where all would take too long: the
 * same ones in each run, so that a run can be repeated, spread evenly, and
 * before them those that hosts stumble over: names with "+", "!" and "~".
 *
 * Pure.
 */

import { createHash } from 'node:crypto'

/** How many versions are verified; 'all' of them is the full mode. */
export type SampleSize = number | 'all'

/** Returns a sample in the order of the items. `first` are chosen before others, one for each of their kinds. */
export function takeSample<T>(
  items: readonly T[],
  size: SampleSize,
  key: (item: T) => string,
  kinds: readonly ((item: T) => boolean)[] = [],
): readonly T[] {
  if (size === 'all' || items.length <= size) return items
  const byHash = items
    .map((item, index) => ({ item, index, hash: hashOf(key(item)) }))
    .sort((a, b) => (a.hash < b.hash ? -1 : 1))
  const firsts = kinds.flatMap((isKind) => byHash.find(({ item }) => isKind(item)) ?? [])
  const chosen = [...new Set([...firsts, ...byHash])].slice(0, size)
  return chosen.sort((a, b) => a.index - b.index).map(({ item }) => item)
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
