/**
 * What a job on GitHub gets beside the text: annotations of new problems, the
 * list of added versions as an output of the step, and a summary in Markdown.
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

/** Writes the output and the summary of the step. Returns what went wrong, if anything did. */
export async function writeStep(env: Environment, outcome: Outcome): Promise<string | undefined> {
  const added = outcome.versions.filter(({ action }) => action === 'add')
  const names = JSON.stringify(added.map(({ module, version }) => `${module}@${version}`))
  try {
    if (env['GITHUB_OUTPUT'] && outcome.command === 'build') {
      await appendFile(env['GITHUB_OUTPUT'], `added=${names}\n`)
    }
    if (env['GITHUB_STEP_SUMMARY']) await appendFile(env['GITHUB_STEP_SUMMARY'], renderSummary(outcome))
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
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
