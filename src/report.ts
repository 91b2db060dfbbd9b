/**
 * The report of a run: its problems with what is known of them already, its
 * counts, and the exit status that follows.
 */

import type { Acceptance, Settings } from './config/schema.ts'
import { tagPrefix } from './enumerate/tags.ts'
import type { FlowOptions, ProblemEvent } from './events.ts'
import { byVersion, problemKey, type Shard, versionKey } from './manifest.ts'
import type { PublishedVersion } from './model.ts'
import { type Problem, problem } from './problem.ts'

/** Which problems make a run fail. "new": errors that the last run did not report. */
export type FailOn = 'new' | 'error' | 'warning' | 'never'

export interface Counts {
  readonly added: number
  readonly kept: number
  readonly refused: number
  /** New ones. */
  readonly errors: number
  /** New ones. */
  readonly warnings: number
  /** Problems of any severity that the last run reported too. */
  readonly known: number
}

export interface Report {
  readonly command: string
  /** The exit status of the command: 0, or 1 where there are problems to fail for. */
  readonly exit: 0 | 1
  readonly counts: Counts
  readonly problems: readonly ProblemEvent[]
}

/** What of the settings a report depends on. */
type ReportSettings = Pick<Settings, 'accept'> & {
  readonly url?: string | undefined
  readonly prefix?: string | undefined
}

/** Commands for which nothing has to say where the site is served. */
const needsNoUrl: readonly string[] = ['index', 'verify']

const urlMissing =
  'The address of the site is not known, so that there is no -/setup/ for consumers: set url, --url or MODPRESS_URL.'

/** Collects what became of the repositories of a run, and tells it as events. */
export class Reporter {
  readonly #command: string
  readonly #settings: ReportSettings
  readonly #options: FlowOptions & { readonly failOn?: FailOn }
  readonly #problems: ProblemEvent[] = []
  #added = 0
  #kept = 0
  #refused = 0

  constructor(
    command: string,
    settings: ReportSettings,
    options: FlowOptions & { readonly failOn?: FailOn },
  ) {
    this.#command = command
    this.#settings = settings
    this.#options = options
  }

  /**
   * Tells what became of a repository. With `focus`, the name of a ref, only
   * what concerns that ref is told.
   */
  tell(
    before: Shard,
    after: Shard,
    added: readonly PublishedVersion[],
    { notices = [] }: { readonly notices?: readonly Problem[] } = {},
    focus?: string,
  ): void {
    this.notice(notices)
    const isFocused = (ref: string | undefined) => focus === undefined || ref === focus
    const known = new Set(
      before.state === 'settled' ? before.problems.map((each) => problemKey(each.problem)) : [],
    )
    if (before === after && focus === undefined) {
      // A shard that was read is in order, and its keys say what there is to tell.
      for (const key of after.versions.keys()) {
        const at = key.lastIndexOf('@')
        this.#version('keep', key.slice(0, at), key.slice(at + 1))
      }
    } else {
      // By name: where others were faster, the shard was read anew, and what is in it are other objects.
      const fresh = new Set(added.map(({ path, version }) => versionKey(path, version)))
      for (const version of [...after.versions.values()].sort(byVersion)) {
        if (!isFocused(version.ref)) continue
        this.#version(
          fresh.has(versionKey(version.path, version.version)) ? 'add' : 'keep',
          version.path,
          version.version,
        )
      }
    }
    const refused = new Set<string>()
    for (const { problem: found } of after.problems) {
      const { module, version, ref } = found
      if (!isFocused(ref)) continue
      if (module !== undefined && version !== undefined) {
        const key = versionKey(module, version)
        if (!after.versions.has(key) && !refused.has(key)) this.#version('refuse', module, version)
        refused.add(key)
      }
      this.#problem(found, known.has(problemKey(found)))
    }
  }

  /** Tells what no shard records. */
  notice(problems: readonly Problem[]): void {
    for (const found of problems) this.#problem(found, false)
  }

  finish(): Report {
    if (this.#settings.url === undefined && !needsNoUrl.includes(this.#command)) {
      this.#problem(problem('url-missing', {}, urlMissing), false)
    }
    const fresh = this.#problems.filter((each) => !each.known)
    const count = (severity: Problem['severity'], among: readonly ProblemEvent[]) =>
      among.filter((each) => each.severity === severity).length
    const errors = count('error', fresh)
    const warnings = count('warning', fresh)
    const all = { errors: count('error', this.#problems), warnings: count('warning', this.#problems) }
    const failures = { new: errors, error: all.errors, warning: all.errors + all.warnings, never: 0 }
    return {
      command: this.#command,
      exit: failures[this.#options.failOn ?? 'new'] > 0 ? 1 : 0,
      counts: {
        added: this.#added,
        kept: this.#kept,
        refused: this.#refused,
        errors,
        warnings,
        known: this.#problems.length - fresh.length,
      },
      problems: this.#problems,
    }
  }

  #version(action: 'add' | 'keep' | 'refuse', module: string, version: string): void {
    if (action === 'add') this.#added++
    else if (action === 'keep') this.#kept++
    else this.#refused++
    this.#options.onEvent?.({ type: 'version', action, module, version })
  }

  #problem(found: Problem, known: boolean): void {
    const { accept, prefix } = this.#settings
    const isAccepted = accept.some((each) => accepts(each, found, prefix))
    const event: ProblemEvent = {
      type: 'problem',
      ...found,
      ...(isAccepted ? { severity: 'note' } : {}),
      known,
    }
    this.#problems.push(event)
    this.#options.onEvent?.(event)
  }
}

/** Tells whether an entry of `accept` is about the problem. */
function accepts(entry: Acceptance, found: Problem, prefix: string | undefined): boolean {
  const module = found.module ?? found.repository ?? prefix
  if (entry.code !== found.code || entry.module !== module) return false
  return entry.version === nameOf(found)
}

/** The version of a problem, else the short name of its ref: what an `accept` entry names. */
export function nameOf(found: Problem): string | undefined {
  return found.version ?? found.ref?.replace(tagPrefix, '')
}
