/**
 * How a command is run to its end: with the settings that its flags give, with
 * a report, and with an orderly stop where someone interrupts it. Exit codes
 * are set here and where the arguments are not understood (main.ts).
 */

import type { RepositoryPart, Settings } from '../config/schema.ts'
import type { FlowOptions } from '../events.ts'
import { FatalError, problem } from '../problem.ts'
import type { Report } from '../report.ts'
import type { Ending, RunEnd, RunReport } from './report.ts'

/** What every command understands, as parsed. */
export interface Flags {
  readonly config?: string | undefined
  readonly output?: string | undefined
  readonly url?: string | undefined
  readonly jobs?: number | undefined
  readonly shard?: RepositoryPart | undefined
  readonly json?: true | undefined
  readonly quiet?: true | undefined
  readonly color: boolean
}

/** What a command came to. */
export interface Result extends Pick<Report, 'exit' | 'counts'>, RunEnd {}

export const nothing: Report['counts'] = { added: 0, kept: 0, refused: 0, errors: 0, warnings: 0, known: 0 }

/** Loads the settings that flags, configuration and environment give. */
export async function load({ config, output, url, jobs, shard }: Flags): Promise<Settings> {
  const { loadSettings } = await import('./flows.ts')
  return loadSettings({
    cwd: process.cwd(),
    env: process.env,
    ...(config === undefined ? {} : { configFile: config }),
    ...(output === undefined ? {} : { output }),
    ...(url === undefined ? {} : { url }),
    ...(jobs === undefined ? {} : { jobs }),
    ...(shard === undefined ? {} : { part: shard }),
  })
}

/** Runs a command to its end: report, exit code, and an orderly stop where someone interrupts it. */
export async function run(
  command: string,
  flags: Flags,
  work: (flow: FlowOptions & { readonly signal: AbortSignal }, report: RunReport) => Promise<Result>,
): Promise<void> {
  const report = await openReportFor(command, flags)
  const stop = new AbortController()
  const onSignal = (signal: NodeJS.Signals) => {
    // Whoever asks twice will not wait.
    if (stop.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143)
    if (command !== 'serve') report.remark('Stopping. Again: at once.')
    const message = `The run was stopped by ${signal}.`
    stop.abort(new FatalError(problem('interrupted', {}, message), { exitCode: 75 }))
  }
  const onBug = (error: unknown) => {
    const exit = () => process.exit(2)
    report.fail(bug(error), 2).then(exit, exit)
  }
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const signal of signals) process.on(signal, onSignal)
  process.on('uncaughtException', onBug)
  try {
    const { exit, counts, summary, directory } = await work(
      { onEvent: (event) => report.onEvent(event), signal: stop.signal },
      report,
    )
    await report.finish(exit, counts, {
      ...(summary === undefined ? {} : { summary }),
      ...(directory === undefined ? {} : { directory }),
    })
    process.exitCode = exit
  } catch (error) {
    // What fails after an interrupt, fails because of it.
    const cause: unknown = stop.signal.aborted ? stop.signal.reason : error
    const [ending, exit] = cause instanceof FatalError ? [cause.problem, cause.exitCode] : [bug(cause), 2]
    await report.fail(ending, exit)
    process.exitCode = exit
  } finally {
    for (const signal of signals) process.off(signal, onSignal)
    process.off('uncaughtException', onBug)
  }
}

export async function openReportFor(command: string, { json, quiet, color }: Flags): Promise<RunReport> {
  const { openReport } = await import('./flows.ts')
  const style = json === true ? 'json' : quiet === true ? 'problems' : 'text'
  const { env, stdout, stderr } = process
  return openReport({ command, env, stdout, stderr, style, color })
}

/** Our own mistake: its stack is for those who ask. */
export function bug(error: unknown): Ending {
  const isDebug = (process.env['MODPRESS_DEBUG'] ?? '') !== ''
  const text = error instanceof Error ? ((isDebug ? error.stack : undefined) ?? error.message) : String(error)
  return {
    code: 'internal-error',
    severity: 'error',
    subject: '',
    message: `This is a mistake in modpress: ${text}`,
    hint: isDebug ? 'Please report it.' : 'Please report it, with what MODPRESS_DEBUG=1 shows.',
  }
}

export function usage(message: string, hint?: string): FatalError {
  return new FatalError(problem('usage', {}, message, hint))
}

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done()
    else signal.addEventListener('abort', () => done(), { once: true })
  })
}
