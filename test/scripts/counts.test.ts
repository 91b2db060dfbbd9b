import { expect, test } from 'vitest'
import { addCounts, formatCounts, parseCounts, summarizeTests } from '../../scripts/counts.ts'

test('the last line is read as it was written, and only at the end', () => {
  const counts = { passed: 12, failed: 1, skipped: 3 }
  expect(formatCounts(counts)).toBe('12 passed, 1 failed, 3 skipped')
  expect(parseCounts(`some text\n${formatCounts(counts)}\n`)).toEqual(counts)
  expect(parseCounts(`${formatCounts(counts)}\nsome text\n`)).toBeUndefined()
  expect(addCounts(counts, counts)).toEqual({ passed: 24, failed: 2, skipped: 6 })
})

test('tests are counted, and a file that could not even be loaded is a failure', () => {
  const tests = (...states: readonly string[]) =>
    states.map((status, index) => ({ status, fullName: `does ${index}` }))
  const file = (status: string, ...states: readonly string[]) => {
    return { name: 'a.test.ts', status, assertionResults: tests(...states) }
  }
  const testResults = [
    file('passed', 'passed', 'skipped', 'passed'),
    file('failed', 'passed', 'failed', 'todo'),
    file('failed'),
  ]
  expect(summarizeTests({ testResults })).toEqual({
    counts: { passed: 3, failed: 2, skipped: 2 },
    skipped: ['does 1', 'does 2'],
  })
})
