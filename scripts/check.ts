/**
 * Checks all that can be checked by a machine: `npm run check`.
 *
 * A line a step; what a step says is shown where it fails. Each step counts as
 * one, and the tests count each for itself.
 */

import { readFileSync } from 'node:fs'
import { $ } from 'zx'
import { addCounts, type Counts, formatCounts, noCounts, parseCounts } from './counts.ts'

/** Scripts that write files which are committed, and those files. */
const generators: Readonly<Record<string, readonly string[]>> = {
  'scripts/problems.ts': ['docs/problems.md'],
  'scripts/schema.ts': ['schema.json', 'docs/configuration.md'],
  'scripts/components.ts': ['templates/notice.yml', 'templates/pages.yml', 'templates/publish.yml'],
}

interface Step {
  readonly name: string
  readonly run: () => Promise<Outcome>
}

interface Outcome {
  readonly counts: Counts
  readonly output: string
}

const steps: readonly Step[] = [
  step('types', 'tsc', '--noEmit'),
  step('lint', 'biome', 'check', '--error-on-warnings', '.'),
  step('knip', 'knip'),
  { name: 'generated', run: checkGenerated },
  step('build', 'npm', 'run', '--silent', 'build'),
  step('publint', 'publint', '--strict'),
  step('attw', 'attw', '--pack', '.', '--profile', 'esm-only'),
  { name: 'tests', run: runTests },
]

let counts = noCounts
for (const { name, run } of steps) {
  const start = performance.now()
  const outcome = await run()
  const isOk = outcome.counts.failed === 0
  counts = addCounts(counts, outcome.counts)
  if (!isOk && outcome.output !== '') console.log(outcome.output.trimEnd())
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`${isOk ? 'ok    ' : 'FAILED'}  ${name.padEnd(10)} ${seconds.padStart(6)} s`)
}
console.log(formatCounts(counts))
process.exitCode = counts.failed === 0 ? 0 : 1

function step(name: string, ...command: readonly string[]): Step {
  return { name, run: async () => outcomeOf(await run(command)) }
}

async function run(command: readonly string[]): Promise<{ readonly isOk: boolean; readonly output: string }> {
  const options = { quiet: true, nothrow: true, preferLocal: true } as const
  const result = await $(options)`${command}`
  return { isOk: result.exitCode === 0, output: result.stdall }
}

function outcomeOf({ isOk, output }: { readonly isOk: boolean; readonly output: string }): Outcome {
  return { counts: { ...noCounts, [isOk ? 'passed' : 'failed']: 1 }, output }
}

/** The tests tell of themselves while they run. */
async function runTests(): Promise<Outcome> {
  const result = await $({
    nothrow: true,
    verbose: false,
    stdio: ['ignore', 'pipe', 'inherit'],
  })`npm test`.pipe(process.stdout)
  const parsed = parseCounts(result.stdout)
  const isOk = result.exitCode === 0
  if (parsed === undefined || (!isOk && parsed.failed === 0)) return outcomeOf({ isOk: false, output: '' })
  return { counts: parsed, output: '' }
}

/** Makes the generated files again, and compares. */
async function checkGenerated(): Promise<Outcome> {
  const read = (files: readonly string[]) => files.map((file) => readFileSync(file, 'utf8'))
  for (const [script, files] of Object.entries(generators)) {
    const before = read(files)
    const result = await run(['tsx', script])
    if (!result.isOk) return outcomeOf(result)
    const after = read(files)
    const stale = files.filter((_, index) => before[index] !== after[index])
    if (stale.length === 0) continue
    const output = `${stale.join(' and ')} were out of date. They are made again by ${script}: commit them.`
    return outcomeOf({ isOk: false, output })
  }
  return outcomeOf({ isOk: true, output: '' })
}
