/**
 * What a job on GitHub gets beside the text: annotations of new problems, the
 * outputs of the step (the added versions, and the site's directory for the
 * steps that deploy it), and a summary in Markdown.
 */

import { appendFile } from 'node:fs/promises'
import type { VersionEvent } from '../events.ts'
import type { Problem } from '../problem.ts'
import { type Environment, safeText } from './terminal.ts'

/** What is told of a run. */
export interface Outcome {
  readonly command: string
  /** The line that sums up the run. */
  readonly summary: string
  readonly versions: readonly VersionEvent[]
  /** The site, where the run wrote one. */
  readonly directory?: string
  /** The new problems; of those that are alike, the first one. */
  readonly problems: readonly Annotated[]
}

/** What an annotation needs of a problem. */
export interface Annotated extends Pick<Problem, 'severity' | 'subject' | 'message' | 'hint'> {
  readonly code: string
}

/** Returns the annotations of new problems, a line each. */
export function renderAnnotations(problems: readonly Annotated[]): string {
  const lines = problems.flatMap(({ severity, code, subject, message, hint }) => {
    if (severity === 'note') return []
    const title = [subject, code].filter((part) => part !== '').join(' ')
    return `::${severity} title=${escapeProperty(title)}::${escapeData(`${message}\n${hint}`)}\n`
  })
  return lines.join('')
}

/** Writes the outputs and the summary of the step. Returns what went wrong, if anything did. */
export async function writeStep(env: Environment, outcome: Outcome): Promise<string | undefined> {
  try {
    if (env['GITHUB_OUTPUT']) await appendFile(env['GITHUB_OUTPUT'], renderOutputs(outcome))
    if (env['GITHUB_STEP_SUMMARY']) await appendFile(env['GITHUB_STEP_SUMMARY'], renderSummary(outcome))
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** GitHub takes 1 MiB of outputs at most. */
const outputLimit = 2 ** 19

/** Returns the outputs of the step, a line each. */
function renderOutputs({ command, versions, directory }: Outcome): string {
  if (command !== 'build' && command !== 'publish') return ''
  const added = versions.flatMap(({ action, module, version }) =>
    action === 'add' ? `${module}@${version}` : [],
  )
  let room = outputLimit
  const names = [...new Set(added)].filter((name) => {
    room -= name.length + 3
    return room > 0
  })
  const lines = [`added=${JSON.stringify(names)}\n`]
  // The name of a directory can hold the end of a line, and with it another output.
  if (directory !== undefined && !/[\r\n]/.test(directory)) lines.push(`directory=${directory}\n`)
  return lines.join('')
}

/** GitHub takes 1 MiB at most, and people read less. */
const rowLimit = 200

/** Returns the summary of the step in Markdown. */
export function renderSummary({ command, summary, versions, problems }: Outcome): string {
  const changes = versions.filter(({ action }) => action !== 'keep')
  const parts = [`### modpress ${command}\n`, `${cell(summary)}\n`]
  if (changes.length > 0) {
    const rows = changes.map(({ action, module, version }) => [action, code(`${module}@${version}`)])
    parts.push(table(['', 'version'], rows))
  }
  if (problems.length > 0) {
    const rows = problems.map((each) => [each.severity, code(each.subject), each.code, cell(each.message)])
    parts.push(table(['', 'subject', 'code', 'message'], rows))
  }
  return `${parts.join('\n')}\n`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`
  const rest = rows.length > rowLimit ? `\nAnd ${rows.length - rowLimit} more.\n` : ''
  const shown = rows.slice(0, rowLimit).map(line).join('')
  return `${line(head)}${line(head.map(() => '---'))}${shown}${rest}`
}

function code(text: string): string {
  return text === '' ? '' : `<code>${cell(text)}</code>`
}

/** Text in a table that is neither markup nor mention, whatever it holds. */
function cell(text: string): string {
  return safeText(text.replaceAll(/\s*\n\s*/g, ' ')).replaceAll(
    /[&<>|`*_[\]\\~@#!]/g,
    (character) => `&#${character.codePointAt(0)};`,
  )
}

function escapeData(text: string): string {
  const lines = text.split(/\r?\n/).map(safeText)
  return lines.join('\n').replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}
