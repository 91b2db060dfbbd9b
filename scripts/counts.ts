/**
 * The last line of `npm test` and `npm run check`: how many passed, failed and
 * were skipped. People and scripts read it, so that its form is fixed.
 *
 * Pure.
 */

export interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

export const noCounts: Counts = { passed: 0, failed: 0, skipped: 0 }

/** Returns the sum of both. */
export function addCounts(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped }
}

/** Returns the line, without its end. */
export function formatCounts({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`
}

/** Reads the line where it is the last one of an output. */
export function parseCounts(output: string): Counts | undefined {
  const match = /(?:^|\n)(\d+) passed, (\d+) failed, (\d+) skipped\s*$/.exec(output)
  if (match === null) return undefined
  const [passed = 0, failed = 0, skipped = 0] = match.slice(1).map(Number)
  return { passed, failed, skipped }
}

/** What is read of the JSON that vitest writes. */
export interface TestReport {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message?: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

export interface TestSummary {
  readonly counts: Counts
  /** The full names of the tests that did not run. */
  readonly skipped: readonly string[]
}

/** Counts the tests of a report. A file that fails by itself, such as by its imports, counts as one that failed. */
export function summarizeTests({ testResults }: TestReport): TestSummary {
  const tests = testResults.flatMap((file) => file.assertionResults)
  const broken = testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some(({ status }) => status === 'failed'),
  )
  const of = (status: string) => tests.filter((each) => each.status === status)
  const skipped = tests.filter(({ status }) => status !== 'passed' && status !== 'failed')
  return {
    counts: {
      passed: of('passed').length,
      failed: of('failed').length + broken.length,
      skipped: skipped.length,
    },
    skipped: skipped.map(({ fullName }) => fullName.trim()),
  }
}
