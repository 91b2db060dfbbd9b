/**
 * The command line: what was typed is parsed, and what is not understood is
 * told as a problem. The only file that knows of process.argv.
 */

import * as commander from 'commander'
import { createProgram } from './commands.ts'
import type { RunReport } from './report.ts'
import { bug, openReportFor, usage } from './run.ts'

/** Tells what the parser did not understand, as a problem. */
async function failUsage(error: commander.CommanderError): Promise<void> {
  const [first = '', ...more] = error.message.replace(/^error: /, '').split('\n')
  const suggestion = /\((Did you mean .*)\)/.exec(more.join(' '))?.[1]
  const command = program.commands.map((each) => each.name()).find((name) => args.includes(name))
  const isHelp = error.code === 'commander.help'
  // The help that stands there already says it all.
  if (isHelp && !args.includes('--json')) return
  const help = `See modpress ${command === undefined ? '' : `${command} `}--help.`
  const message = isHelp ? 'There is no command.' : sentence(first)
  const hint = suggestion === undefined ? help : `${suggestion} ${help}`
  await (await openReportByArgs(command)).fail(usage(message, hint).problem, 2)
}

/** Opens a report where the flags could not be parsed, or not yet. */
function openReportByArgs(command = 'modpress'): Promise<RunReport> {
  const json = args.includes('--json') ? true : undefined
  return openReportFor(command, { json, color: !args.includes('--no-color') })
}

function sentence(text: string): string {
  const start = `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`
  return /[.?!]$/.test(start) ? start : `${start}.`
}

/** A reader such as "head" may leave before the end. The run goes on without it. */
function onStreamError(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE' && error.code !== 'EIO' && error.code !== 'ERR_STREAM_DESTROYED') throw error
}

process.stdout.on('error', onStreamError)
process.stderr.on('error', onStreamError)

const program = createProgram()
const args = process.argv.slice(2)

async function main(): Promise<void> {
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    const isParsing = error instanceof commander.CommanderError
    if (!isParsing) await (await openReportByArgs()).fail(bug(error), 2)
    else if (error.exitCode !== 0) await failUsage(error)
    if (!isParsing || error.exitCode !== 0) process.exitCode = 2
  }
}

void main()
