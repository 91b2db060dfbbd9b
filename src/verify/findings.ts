/**
 * Collects what is wrong with one deployment. What concerns the host as a
 * whole is told once for each code, with the first answer that shows it and
 * how many others do: a host that answers 403 does so for everything.
 *
 * The hint is that of the host, where it is known what to change there.
 *
 * Pure.
 */

import type { HostName } from '../model.ts'
import { type Problem, type ProblemCode, type ProblemPlace, problem, type Severity } from '../problem.ts'
import { hintFor } from './hints.ts'

export class Findings {
  /** The host that hints are for, as soon as it is known. */
  host: HostName = 'generic'
  /** What the site as a whole is called: its prefix. */
  readonly #site: string
  readonly #problems: Problem[] = []
  /** By code: what shows it, by what each is about. */
  readonly #alike = new Map<ProblemCode, Map<string, Problem>>()

  constructor(site: string) {
    this.#site = site
  }

  /** Tells of a module, a version or a repository. */
  tell(code: ProblemCode, place: ProblemPlace, message: string, hint?: string): void {
    this.#problems.push(problem(code, place, message, hint ?? hintFor(code, this.host)))
  }

  /** Tells of the host: told once for each code, with the names of all that it is about. */
  once(
    code: ProblemCode,
    message: string,
    about = '',
    {
      hint = hintFor(code, this.host),
      severity,
    }: { readonly hint?: string | undefined; readonly severity?: Severity } = {},
  ): void {
    const found = problem(code, { repository: this.#site }, message, hint)
    const alike = this.#alike.get(code) ?? new Map<string, Problem>()
    this.#alike.set(code, alike)
    if (!alike.has(about)) alike.set(about, severity === undefined ? found : { ...found, severity })
  }

  /** Returns all problems, in the same order whatever came first. */
  all(): Problem[] {
    const alike = [...this.#alike.values()].flatMap((found) => {
      const [first, ...others] = [...found].sort(([a], [b]) => compare(a, b))
      if (first === undefined) return []
      const shown = others.slice(0, 4).map(([about]) => about)
      const more = others.length > 4 ? `, and ${others.length - 4} more` : ''
      const rest = others.length === 0 ? '' : ` The same goes for ${shown.join(', ')}${more}.`
      return [{ ...first[1], message: `${first[1].message}${rest}` }]
    })
    return [...alike, ...this.#problems].sort(
      (a, b) => compare(a.code, b.code) || compare(a.subject, b.subject) || compare(a.message, b.message),
    )
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
