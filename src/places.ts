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

/** Returns a problem that names directories relative to the configuration. */
export function hidePlaces(settings: Settings, found: Problem): Problem {
  return placeHider(settings)(found)
}

function placeHider({ base, output, cache, repositories }: Settings): (found: Problem) => Problem {
  const places = [output, ...repositories.flatMap(({ dir }) => dir ?? []), base].map(
    (dir) => [dir, relative(base, dir) || '.'] as const,
  )
  const names = new Map([...places, [cache, 'the cache'] as const])
  // The longest first, and whole names alone: one may begin another, or end it, as it does once it is relative.
  const sorted = [...names.keys()].sort((a, b) => b.length - a.length).map(escapePattern)
  const pattern = new RegExp(`(?<![\\w.-])(?:${sorted.join('|')})(?!\\.?[\\w-])`, 'g')
  return (found) => {
    const message = found.message.replace(pattern, (place) => names.get(place) ?? place)
    return { ...found, message }
  }
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
