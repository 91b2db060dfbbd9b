/**
 * What is written into a site names no directory of the machine: the same
 * input gives the same bytes wherever it lies, and a site is for others to
 * read. Directories are named as the configuration sees them.
 */

import { relative } from 'node:path'
import type { Settings } from './config/schema.ts'
import { problemKey, type RecordedProblem, type Shard } from './manifest.ts'
import { escapePattern } from './module/pattern.ts'
import type { Problem } from './problem.ts'

/** Returns what gives a problem that names directories relative to the configuration. Without any it costs nothing. */
export function placeHider(settings: Settings): (found: Problem) => Problem {
  let hide: ((text: string) => string) | undefined
  return (found) => {
    hide ??= textHider(settings)
    return { ...found, message: hide(found.message) }
  }
}

function textHider({ base, output, cache, repositories }: Settings): (text: string) => string {
  const places = [output, ...repositories.flatMap(({ dir }) => dir ?? []), base].map(
    (dir) => [dir, relative(base, dir) || '.'] as const,
  )
  const names = new Map([...places, [cache, 'the cache'] as const])
  // The longest first, and whole names alone: one may begin another, or end it, as it does once it is relative.
  const sorted = [...names.keys()].sort((a, b) => b.length - a.length).map(escapePattern)
  const pattern = new RegExp(`(?<![\\w.-])(?:${sorted.join('|')})(?!\\.?[\\w-])`, 'g')
  return (text) => text.replace(pattern, (place) => names.get(place) ?? place)
}

/** Returns a shard that names no directory of the machine, and each problem once, in an order of their own. */
export function hidePlacesIn(settings: Settings, shard: Shard): Shard {
  const hide = placeHider(settings)
  const problems = shard.problems.map((each) => ({ ...each, problem: hide(each.problem) }))
  const refusals = shard.refusals.map((each) => ({ ...each, problem: hide(each.problem) }))
  const first = new Map([...problems].reverse().map((each) => [problemKey(each.problem), each]))
  const distinct = problems.filter((each) => first.get(problemKey(each.problem)) === each)
  return { ...shard, refusals, problems: distinct.sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1)) }
}

/** Not the order in which they were found: that depends on what was found before. */
function orderOf({ stage, problem }: RecordedProblem): string {
  return `${stage}\n${problem.subject}\n${problemKey(problem)}\n${problem.message}`
}
