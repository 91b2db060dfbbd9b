/**
 * Every code of the catalogue in the situation that it is for: what is said of
 * it, what it costs, and what the next run says.
 */

import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  describeProblem,
  type Problem,
  type ProblemCode,
  problemCodes,
  type Severity,
} from '../src/problem.ts'
import { cliFile } from './support/cli.ts'
import { hashTree } from './support/hash.ts'
import { makeDirectory } from './support/repo.ts'
import {
  type Ending,
  makeStage,
  type Reason,
  type Scenario,
  type Standing,
  scenarios,
} from './support/scenarios.ts'
import { siteModules } from './support/site.ts'

const severities: Readonly<Record<Reason, Severity>> = {
  'must act': 'error',
  'go serves it': 'error',
  unreadable: 'error',
  'go refuses it': 'warning',
  suspicious: 'warning',
  informs: 'note',
}

const rows = Object.entries(scenarios) as readonly [ProblemCode, Scenario][]
const standing = rows.filter((row): row is [ProblemCode, Standing] => 'set' in row[1])
const ending = rows.filter((row): row is [ProblemCode, Ending] => 'run' in row[1])

/** A name that may begin a sentence as it is: "go", "go.mod", "refs/tags/v1.0.0". */
const lowerCaseStart = /^(?:go|git|modpress)\b|^\S*[./]/

/** Returns what keeps a text from being sentences that a person can read. */
function faultsOf(text: string): string[] {
  const faults: string[] = []
  if (!/^["\p{Lu}\d/]/u.test(text) && !lowerCaseStart.test(text)) faults.push('begins in lower case')
  if (!/[^.][.?]$/.test(text)) faults.push('has no end, or two')
  if (/undefined|null|NaN|\[object|\s{2}|^\s|\n/.test(text)) faults.push('holds what is no word')
  return faults.map((fault) => `${fault}: ${text}`)
}

function check(found: Problem, code: ProblemCode, { because, says }: Scenario): void {
  expect(found.code).toBe(code)
  expect(found.severity).toBe(severities[because])
  expect(describeProblem(code).severity).toBe(severities[because])
  for (const part of says) expect(found.message).toMatch(part)
  expect(faultsOf(found.message)).toEqual([])
  expect(faultsOf(found.hint)).toEqual([])
}

/** Returns what a site has published, by its lists. */
function published(site: string): string[] {
  return siteModules(site).flatMap(({ path, list }) => list.map((version) => `${path}@${version}`))
}

test('there is a scenario for each code, and what each is about is a sentence', () => {
  expect(Object.keys(scenarios).sort()).toEqual([...problemCodes].sort())
  for (const code of problemCodes) expect(faultsOf(describeProblem(code).about)).toEqual([])
})

describe.concurrent('a problem that stands', () => {
  test.for(standing)('%s', async ([code, scenario]) => {
    const stage = makeStage(makeDirectory())
    await scenario.set(stage)
    if (stage.change !== undefined) {
      expect(await stage.build()).toMatchObject({ exit: 0, problems: [] })
      await stage.change()
    }
    const first = await stage.build()
    expect(first.problems.map((each) => each.code)).toEqual([code])
    const [found] = first.problems
    if (found === undefined) throw new Error('unreachable')
    check(found, code, scenario)
    expect(found.subject).toBe(scenario.subject.replace('{first}', stage.first.slice(0, 12)))
    expect(found.known).toBe(false)
    expect(first.exit).toBe(found.severity === 'error' ? 1 : 0)
    const good = scenario.good ?? ['example.com/r@v1.0.0']
    expect(published(stage.site)).toEqual(expect.arrayContaining([...good]))
    if (found.version !== undefined) {
      const name = `${found.module}@${found.version}`
      expect(published(stage.site).includes(name), name).toBe(good.includes(name))
    }

    const before = hashTree(stage.site)
    const second = await stage.build()
    const { next = 'known' } = scenario
    const again = { ...found, known: next === 'known' }
    expect(second.problems).toEqual(next === 'over' ? [] : [again])
    expect(second.exit).toBe(next === 'new' ? first.exit : 0)
    expect(hashTree(stage.site)).toBe(before)
  })
})

// The record of a repository is published with the site, and has the same bytes wherever it is built.
test('what is recorded of a problem names no directory of this machine', async () => {
  const stage = makeStage(makeDirectory())
  stage.add('example.com/other')
  await stage.build()
  expect(readFileSync(join(stage.site, '-/manifest/example.com/other.jsonl'), 'utf8')).not.toContain(
    stage.dir,
  )
})

describe('a problem that ends the run', () => {
  test.for(ending)('%s', { timeout: 60_000 }, async ([code, scenario], { skip }) => {
    if (code === 'interrupted' && process.platform === 'win32') skip('Windows has no signals.')
    cliFile()
    const dir = makeDirectory()
    mkdirSync(join(dir, 'stage'))
    const stage = makeStage(join(dir, 'stage'))
    await stage.build()
    const list = published(stage.site)
    const { problem, exit } = await scenario.run(stage)
    check(problem, code, scenario)
    expect(exit).toBe(scenario.exit)
    expect(published(stage.site)).toEqual(list)
    const before = hashTree(stage.site)
    const again = await scenario.run(stage)
    const withoutTimes = (each: Problem) => ({
      ...each,
      message: each.message.replaceAll(/\dT[\d:.]+Z/g, ''),
    })
    expect({ ...again, problem: withoutTimes(again.problem) }).toEqual({
      exit,
      problem: withoutTimes(problem),
    })
    expect(hashTree(stage.site)).toBe(before)
  })
})
