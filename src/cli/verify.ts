/**
 * The command "verify" around its flow: where targets and go.sum files come
 * from, and how its results are told.
 */

import { readFile } from 'node:fs/promises'
import { resolve, sep } from 'node:path'
import fastGlob from 'fast-glob'
import { FatalError, problem } from '../problem.ts'
import type { VerifiedTarget, VerifyOptions, VerifyReport } from '../verify.ts'
import { loadAccepted, loadSettings } from './flows.ts'
import type { RunReport } from './report.ts'
import { verify } from './shared.ts'
import { count, safeText } from './terminal.ts'

interface VerifyFlags {
  readonly config?: string | undefined
  readonly output?: string | undefined
  readonly goSum?: readonly string[] | undefined
  readonly json?: true | undefined
  readonly quiet?: true | undefined
}

/** Verifies the targets, or else the output directory, and tells what was looked at. */
export async function runVerify(
  targets: readonly string[],
  { config, output, goSum, json, quiet }: VerifyFlags,
  report: RunReport,
  options: VerifyOptions,
): Promise<Pick<VerifyReport, 'exit' | 'counts'> & { readonly summary: string }> {
  const place = { cwd: process.cwd(), ...(config === undefined ? {} : { configFile: config }) }
  const given = targets.length > 0 || output === undefined ? targets : [output]
  const settings =
    given.length > 0
      ? { accept: await loadAccepted(place) }
      : await loadSettings({ ...place, env: process.env })
  const chosen = 'output' in settings ? [settings.output] : given
  const goSums = goSum === undefined ? undefined : await readGoSums(goSum)
  const result = await verify(settings, chosen, { ...options, ...(goSums && { goSums }) })
  const isQuiet = quiet === true && json !== true
  for (const target of result.targets) tellTarget(target, report, isQuiet ? 'quiet' : 'all')
  const { exit, counts } = result
  const summary = `${count(counts.errors, 'error')}, ${count(counts.warnings, 'warning')}`
  return { exit, counts, summary }
}

function tellTarget(verified: VerifiedTarget, report: RunReport, how: 'all' | 'quiet'): void {
  const { configuration, ...counts } = verified
  const { target, repositories, modules, versions, held } = counts
  const isPart = [repositories, modules, versions].some(({ checked, of }) => checked < of)
  const what = [
    part(versions, 'version'),
    part(modules, 'module'),
    part(repositories, 'repository'),
    ...(held === undefined ? [] : [`${count(held, 'version')} of go.sum files`]),
  ].join(', ')
  const more = isPart ? '; --full verifies all' : ''
  if (how === 'all')
    report.result(`verified ${safeText(target)}: ${what}${more}`, { type: 'verified', ...counts })
  if (configuration === undefined || configuration === '') return
  const text = `# To publish what the go.sum files lack:\n${configuration}`
  report.result(text.trimEnd(), { type: 'configuration', target, configuration })
}

function part({ checked, of }: VerifiedTarget['versions'], noun: string): string {
  return checked === of ? count(of, noun) : `${checked} of ${count(of, noun)}`
}

async function readGoSums(patterns: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const cwd = process.cwd()
  const files = new Map<string, string>()
  for (const pattern of patterns) {
    const found = await fastGlob(sep === '\\' ? pattern.replaceAll('\\', '/') : pattern, {
      cwd,
      suppressErrors: true,
      ignore: ['**/node_modules'],
    })
    if (found.length === 0) {
      const hint = 'Name a file, or a pattern in quotes such as "../apps/**/go.sum".'
      throw new FatalError(problem('usage', {}, `No file fits --go-sum ${JSON.stringify(pattern)}.`, hint))
    }
    for (const file of found.sort()) files.set(file, await readFile(resolve(cwd, file), 'utf8'))
  }
  return files
}
