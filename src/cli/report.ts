/**
 * Turns what a flow tells into text for people or JSON lines for programs.
 *
 * Results go to stdout, problems and progress to stderr. Problems that are
 * alike are told once; known ones are counted, and of them only errors are
 * named, since someone still has to act. JSON lines have everything.
 */

import { quoteYaml } from '../config/yaml.ts'
import type { ModpressEvent, ProblemEvent, VersionEvent } from '../events.ts'
import type { Problem } from '../problem.ts'
import { type Counts, nameOf } from '../report.ts'
import { renderAnnotations, writeStep } from './github.ts'
import { type Clock, openProgress, type Progress, Throttle } from './progress.ts'
import {
  count,
  type Environment,
  hasColor,
  type Output,
  type Paint,
  painter,
  safeLines,
  safeText,
} from './terminal.ts'

export interface ReportOptions {
  readonly command: string
  readonly env: Environment
  readonly stdout: Output
  readonly stderr: Output
  /** "json": lines for programs. "problems": nothing but errors and warnings. */
  readonly style: 'text' | 'json' | 'problems'
  /** Whether --no-color was not given. */
  readonly color: boolean
  /** What progress goes by. @default the system's */
  readonly clock?: Clock
}

/** A problem that ends the run; the code may be one of our own mistakes, which the catalogue does not have. */
export type Ending = Omit<Problem, 'code'> & { readonly code: string }

/** Tells of one run. */
export interface RunReport {
  onEvent(event: ModpressEvent): void
  /** Tells people something beside results and problems. */
  remark(text: string): void
  /** Tells a result in words, for programs as an object. */
  result(text: string, object: Readonly<Record<string, unknown>>): void
  finish(exit: number, counts: Counts, end?: RunEnd): Promise<void>
  /** Ends a run that could not go on. */
  fail(ending: Ending, exit: number): Promise<void>
}

/** What is told at the end of a run. */
export interface RunEnd {
  /** The last line; an empty one is none. @default the counts in words */
  readonly summary?: string
  /** The site, where the run wrote one. */
  readonly directory?: string
}

/** Opens the report of a run. */
export function openReport(options: ReportOptions): RunReport {
  return options.style === 'json' ? new JsonReport(options) : new TextReport(options)
}

/** What both kinds of report collect. */
class Collected {
  readonly versions: VersionEvent[] = []
  readonly problems: ProblemEvent[] = []

  add(event: ModpressEvent): void {
    if (event.type === 'version') this.versions.push(event)
    else if (event.type === 'problem') this.problems.push(event)
  }

  /** The new or the known problems in groups: one code and one module. */
  groups(state: 'new' | 'known'): ProblemEvent[][] {
    const groups = new Map<string, ProblemEvent[]>()
    for (const each of this.problems) {
      if (each.known !== (state === 'known')) continue
      const key = [each.severity, each.code, each.module ?? '', each.repository ?? ''].join('\n')
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [each])
      else group.push(each)
    }
    return [...groups.values()]
  }
}

class JsonReport implements RunReport {
  readonly #options: ReportOptions
  readonly #collected = new Collected()
  readonly #progress: Throttle

  constructor(options: ReportOptions) {
    this.#options = options
    this.#progress = new Throttle((event) => this.#line(event), options.clock)
  }

  onEvent(event: ModpressEvent): void {
    if (event.type === 'progress') {
      this.#progress.update(event)
      return
    }
    this.#progress.end()
    this.#collected.add(event)
    this.#line(event.type === 'problem' ? problemLine(event, event.known) : event)
  }

  remark(): void {}

  result(_text: string, object: Readonly<Record<string, unknown>>): void {
    this.#line(object)
  }

  async finish(exit: number, counts: Counts, end: RunEnd = {}): Promise<void> {
    const { command } = this.#options
    this.#progress.end()
    this.#line({ type: 'report', command, exit, counts })
    await tellGithub(this.#options, this.#collected, { summary: summarize(command, counts), ...end })
  }

  async fail(ending: Ending, exit: number): Promise<void> {
    const { command } = this.#options
    const { versions, problems } = this.#collected
    const counts = countEvents(versions, problems, ending)
    this.#progress.end()
    this.#line(problemLine(ending, false))
    this.#line({ type: 'report', command, exit, counts })
    if (isGithub(this.#options)) this.#options.stderr.write(renderAnnotations([ending]))
  }

  /** Nothing in a line is a control or a direction to a terminal, and every parser reads the same text. */
  #line(object: object): void {
    const text = JSON.stringify(object).replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) =>
      [...Array(character.length).keys()]
        .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`)
        .join(''),
    )
    this.#options.stdout.write(`${text}\n`)
  }
}

function problemLine(each: Ending, known: boolean): object {
  const { code, severity, repository, ref, module, version, subject, message, hint } = each
  return {
    type: 'problem',
    code,
    severity,
    known,
    repository,
    ref,
    module,
    version,
    subject,
    message,
    hint,
  }
}

/** The counts of a run that ended before its report. */
function countEvents(
  versions: readonly VersionEvent[],
  problems: readonly ProblemEvent[],
  ending: Ending,
): Counts {
  const of = (action: VersionEvent['action']) => versions.filter((each) => each.action === action).length
  const fresh = [...problems.filter((each) => !each.known), ending]
  return {
    added: of('add'),
    kept: of('keep'),
    refused: of('refuse'),
    errors: fresh.filter((each) => each.severity === 'error').length,
    warnings: fresh.filter((each) => each.severity === 'warning').length,
    known: problems.filter((each) => each.known).length,
  }
}

class TextReport implements RunReport {
  readonly #options: ReportOptions
  readonly #collected = new Collected()
  readonly #progress: Progress | undefined
  readonly #out: Paint
  readonly #err: Paint

  constructor(options: ReportOptions) {
    const { env, stdout, stderr, color, style } = options
    this.#options = options
    this.#out = painter(hasColor(color, env, stdout))
    this.#err = painter(hasColor(color, env, stderr))
    this.#progress = style === 'text' ? openProgress(stderr, env, options.clock) : undefined
  }

  onEvent(event: ModpressEvent): void {
    if (event.type === 'progress') this.#progress?.update(event)
    else this.#collected.add(event)
  }

  remark(text: string): void {
    if (this.#options.style !== 'text') return
    this.#progress?.clear()
    this.#options.stderr.write(`${text}\n`)
  }

  result(text: string): void {
    this.#options.stdout.write(`${text}\n`)
  }

  async finish(_exit: number, counts: Counts, end: RunEnd = {}): Promise<void> {
    this.#progress?.end()
    const { command, stdout, stderr, style } = this.#options
    const { summary = summarize(command, counts) } = end
    if (style === 'text') stdout.write(this.#renderVersions())
    stderr.write(this.#renderProblems())
    if (style === 'text' && summary !== '') stdout.write(`${safeText(summary)}\n`)
    await tellGithub(this.#options, this.#collected, { ...end, summary })
  }

  async fail(ending: Ending): Promise<void> {
    this.#progress?.end()
    const { stderr } = this.#options
    stderr.write(this.#renderProblems())
    stderr.write(this.#renderProblem({ first: ending, rest: [] }))
    if (isGithub(this.#options)) stderr.write(renderAnnotations([ending]))
  }

  #renderVersions(): string {
    const { command } = this.#options
    const isPlan = command === 'plan'
    const reasons = new Map<string, ProblemEvent>()
    for (const each of this.#collected.problems) {
      const key = `${each.module}@${each.version}`
      if (!reasons.has(key)) reasons.set(key, each)
    }
    const rows = this.#collected.versions.flatMap(({ action, module, version }) => {
      const name = `${module}@${version}`
      if (action === 'keep') return []
      if (action === 'add') return { verb: isPlan ? 'add' : 'added', name, reason: '' }
      const reason = reasons.get(name)
      // What was refused before is no result of this run.
      if (!isPlan && reason?.known === true) return []
      const known = reason?.known === true ? ' (known)' : ''
      return { verb: isPlan ? 'refuse' : 'refused', name, reason: `${reason?.code ?? ''}${known}` }
    })
    const width = (values: readonly string[]) =>
      values.reduce((most, each) => Math.max(most, Math.min(each.length, 72)), 0)
    const verbWidth = width(rows.map(({ verb }) => verb))
    const nameWidth = width(rows.flatMap(({ name, reason }) => (reason === '' ? [] : name)))
    const lines = rows.map(({ verb, name, reason }) => {
      const painted = this.#out(reason === '' ? 'green' : 'red', verb.padEnd(verbWidth))
      const shown = safeText(name)
      return reason === '' ? `${painted}  ${shown}\n` : `${painted}  ${shown.padEnd(nameWidth)}  ${reason}\n`
    })
    return lines.join('')
  }

  #renderProblems(): string {
    const isShort = this.#options.style === 'problems'
    const fresh = this.#collected.groups('new')
    const known = this.#collected.groups('known')
    const of = (severity: Problem['severity'], groups = fresh) =>
      groups.flatMap(([first, ...rest]) => (first?.severity === severity ? [{ first, rest }] : []))
    return [
      ...(isShort ? [] : of('note').map((group) => this.#renderNote(group))),
      ...of('warning').map((group) => this.#renderProblem(group)),
      ...(isShort ? [] : of('error', known).map((group) => this.#renderKnown(group))),
      ...of('error').map((group) => this.#renderProblem(group)),
      this.#renderAcceptances(of('error').flatMap(({ first, rest }) => [first, ...rest])),
    ].join('')
  }

  #renderProblem({ first, rest }: Group): string {
    const { severity, code, message, hint } = first
    const head = this.#err(severity === 'error' ? 'red' : 'yellow', `${severity}:`)
    const name = first.subject === '' ? '' : `${this.#err('bold', safeText(first.subject))}: `
    const lines = [`${head} ${name}${safeLines(message, '  ')} ${this.#err('dim', `(${code})`)}`]
    if (rest.length > 0) lines.push(`  And ${describeRest(rest)}.`)
    lines.push(`  ${this.#err('cyan', 'hint:')} ${safeLines(hint, '  ')}`)
    return `${lines.join('\n')}\n`
  }

  #renderNote(group: Group): string {
    return `${this.#err('cyan', 'note:')} ${describeGroup(group)}\n`
  }

  #renderKnown(group: Group): string {
    return `${this.#err('dim', `known error: ${describeGroup(group)}`)}\n`
  }

  /** The entries that turn the new errors into notes, ready to be pasted. */
  #renderAcceptances(errors: readonly Problem[]): string {
    const entries = errors.flatMap((each) => renderAcceptance(each) ?? [])
    if (entries.length === 0) return ''
    const title = 'To live with an error, add its entry to the configuration and say why:'
    return `${this.#err('dim', title)}\naccept:\n${entries.map((entry) => `  - ${entry}\n`).join('')}`
  }
}

/** Returns the entry of `accept` for a problem, in YAML. Problems of the run as a whole have none. */
export function renderAcceptance(each: Problem): string | undefined {
  const module = each.module ?? each.repository
  if (module === undefined) return undefined
  const version = nameOf(each)
  const fields = { module, ...(version === undefined ? {} : { version }), code: each.code, reason: '…' }
  const parts = Object.entries(fields).map(([key, value]) => `${key}: ${safeYaml(value)}`)
  return `{ ${parts.join(', ')} }`
}

function safeYaml(text: string): string {
  if (text === '…') return text
  return quoteYaml(text).replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => safeText(character))
}

/** Problems that are alike. */
interface Group {
  readonly first: Ending
  readonly rest: readonly ProblemEvent[]
}

function describeGroup({ first: { subject, message, code }, rest }: Group): string {
  const name = subject === '' ? '' : `${safeText(subject)}: `
  const more = rest.length === 0 ? '' : ` And ${describeRest(rest)}.`
  return `${name}${safeLines(message, '  ')}${more} (${code})`
}

function describeRest(rest: readonly ProblemEvent[]): string {
  const isVersions = rest.every(({ version }) => version !== undefined)
  const number = isVersions ? count(rest.length, 'more version') : `${rest.length} more`
  const names = rest.slice(0, 6).map((each) => safeText(nameOf(each) ?? each.subject))
  return `${number}: ${names.join(', ')}${rest.length > 6 ? ', …' : ''}`
}

/** Returns the line that sums up a run. */
function summarize(command: string, counts: Counts): string {
  const { added, kept, refused, errors, warnings, known } = counts
  const problems = `${count(errors, 'error')}, ${count(warnings, 'warning')}`
  const tail = known === 0 ? problems : `${problems} (${known} known)`
  if (command === 'index') return `index written; ${tail}`
  return command === 'plan'
    ? `${added} to add, ${kept} to keep, ${refused} refused; ${tail}`
    : `${added} added, ${kept} kept, ${refused} refused; ${tail}`
}

function isGithub({ env }: ReportOptions): boolean {
  return env['GITHUB_ACTIONS'] === 'true'
}

async function tellGithub(
  options: ReportOptions,
  collected: Collected,
  end: RunEnd & { readonly summary: string },
): Promise<void> {
  if (!isGithub(options)) return
  const { command, env, stderr } = options
  const problems = collected.groups('new').flatMap((group) => group.slice(0, 1))
  stderr.write(renderAnnotations(problems))
  const failure = await writeStep(env, { ...end, command, versions: collected.versions, problems })
  if (failure !== undefined) stderr.write(`The summary of the step could not be written: ${failure}\n`)
}
