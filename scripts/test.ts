/**
 * Runs all tests: `npm test`, or some of them: `npm test -- test/serve.test.ts`.
 *
 * What did not run is told by name. Where CI=true a missing part of the machine
 * is a failure, so that no one takes half of the tests for all of them.
 */

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { addCounts, formatCounts, noCounts, summarizeTests, type TestReport } from './counts.ts'
import { findMemory } from './memory.ts'
import { describeMissing, partNames, provideParts } from './parts.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const isCi = process.env['CI'] === 'true'

const missing = provideParts(...partNames)
for (const part of missing) console.log(describeMissing(part))

const dir = mkdtempSync(join(process.env['TMPDIR'] ?? findMemory() ?? tmpdir(), 'modpress-tests-'))
// As /tmp is: servers in tests read there under users of their own.
chmodSync(dir, 0o755)
const file = join(dir, 'report.json')
let counts = { ...noCounts, failed: isCi ? missing.length : 0 }
try {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  // By itself vitest leaves one processor free, which of two is half.
  const args = [vitest, 'run', '--maxWorkers=100%', ...reporters, ...process.argv.slice(2)]
  const env = { ...process.env, TMPDIR: dir }
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env })
  const report = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as TestReport) : undefined
  const tests = report === undefined ? { counts: noCounts, skipped: [] } : summarizeTests(report)
  counts = addCounts(counts, tests.counts)
  // An error outside of all tests is in no report.
  if (status !== 0 && tests.counts.failed === 0) counts = { ...counts, failed: counts.failed + 1 }
  for (const name of tests.skipped) console.log(`SKIPPED: ${name}`)
} finally {
  rmSync(dir, { recursive: true, force: true })
}
for (const part of missing) console.log(describeMissing(part))
console.log(formatCounts(counts))
process.exitCode = counts.failed === 0 ? 0 : 1
