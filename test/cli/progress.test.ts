import { describe, expect, test } from 'vitest'
import { openProgress, Throttle } from '../../src/cli/progress.ts'
import { openReport, type ReportOptions } from '../../src/cli/report.ts'
import { cut, type Environment } from '../../src/cli/terminal.ts'
import type { ProgressEvent } from '../../src/events.ts'
import { FakeClock } from '../support/clock.ts'

const erase = '\r\u001b[2K'
const counts = { added: 1, kept: 0, refused: 0, errors: 0, warnings: 0, known: 0 }

function start({ isTTY = true, columns = 80, env = {} as Environment } = {}) {
  const clock = new FakeClock()
  const parts: string[] = []
  const stream = { isTTY, columns, write: (text: string) => parts.push(text) }
  const progress = openProgress(stream, env, clock)
  const tell = (event: Partial<ProgressEvent>) =>
    progress.update({ type: 'progress', step: 'pack', repository: 'example.com/r', ...event })
  /** Tells of no repository in particular. */
  const tellAll = (event: Omit<ProgressEvent, 'type'>) => progress.update({ type: 'progress', ...event })
  return { clock, parts, stream, progress, tell, tellAll, last: () => parts.at(-1)?.replace(erase, '') }
}

/** The seconds that a line promises. */
function secondsLeft(line: string): number | undefined {
  const [, number, unit] = /(\d+) (s|min) left/.exec(line) ?? []
  return number === undefined ? undefined : Number(number) * (unit === 'min' ? 60 : 1)
}

describe('the line of a terminal', () => {
  test('comes after a second, is redrawn, and goes away', () => {
    const { clock, parts, progress, tell } = start()
    tell({ step: 'clone', message: 'https://git.example.com/r.git' })
    clock.pass(900)
    expect(parts).toEqual([])
    // Nothing new is heard, and it comes all the same.
    clock.pass(200)
    expect(parts).toEqual([`${erase}fetching example.com/r  https://git.example.com/r.git`])
    tell({ step: 'clone', message: 'receiving 5.00 MiB', done: 1234, total: 2938 })
    clock.pass(100)
    expect(parts.at(-1)).toBe(`${erase}fetching example.com/r 1234/2938  receiving 5.00 MiB`)
    const drawn = parts.length
    clock.pass(5000)
    expect(parts).toHaveLength(drawn)
    progress.end()
    expect(parts.at(-1)).toBe(erase)
    expect(clock.timers).toBe(0)
    tell({})
    clock.pass(5000)
    expect(parts).toHaveLength(drawn + 1)
  })

  test('of a run that is soon over is not there', () => {
    const { clock, parts, progress, tell } = start()
    for (let done = 0; done < 100; done++) {
      tell({ done, total: 100 })
      clock.pass(9)
    }
    progress.end()
    expect(parts).toEqual([])
  })

  test('is drawn ten times in a second at most', () => {
    const { clock, parts, tell } = start()
    for (let done = 0; done < 10_000; done++) {
      tell({ done, total: 10_000 })
      clock.pass(1)
    }
    expect(parts.length).toBeGreaterThan(50)
    expect(parts.length).toBeLessThanOrEqual(91)
  })

  test('fits into the terminal, which may change, and holds no character that moves others', () => {
    const { clock, parts, stream, tell, last } = start({ columns: 40 })
    clock.pass(2000)
    tell({ done: 3, total: 9, message: `example.com/r@v1.0.0\u001b[2J${'x'.repeat(80)}` })
    expect(last()).toBe('pressing example.com/r 3/9  example.com')
    stream.columns = 20
    clock.pass(100)
    expect(last()).toBe('pressing example.co')
    stream.columns = 0
    clock.pass(100)
    expect(last()).toHaveLength(79)
    expect(parts.join('').replaceAll(erase, '')).not.toContain('\u001b')
  })

  test('shortens the name before what is left', () => {
    const { clock, stream, tell, tellAll, last } = start({ columns: 200 })
    const repository = 'git.example.com/a-department/a-team/a-repository'
    tellAll({ step: 'pack', done: 2, total: 3 })
    for (let done = 0; done < 40; done++) {
      tell({ repository, done, total: 90 })
      clock.pass(100)
    }
    expect(last()).toBe(`pressing ${repository} 39/90, 2 of 3 repositories done, 6 s left`)
    stream.columns = 80
    clock.pass(100)
    expect(last()).toBe('pressing …artment/a-team/a-repository 39/90, 2 of 3 repositories done, 6 s left')
    expect(last()?.length).toBeLessThan(80)
    stream.columns = 50
    clock.pass(100)
    expect(last()).toBe('pressing git.example.com/a-department/a-team/a-re')
  })

  test('stays as it is between two repositories', () => {
    const { clock, parts, tell } = start()
    clock.pass(2000)
    tell({ done: 0, total: 2, message: 'example.com/r@v1.0.0' })
    tell({ done: 2, total: 2 })
    clock.pass(500)
    tell({ step: 'derive' })
    clock.pass(100)
    tell({ step: 'derive', done: 1, total: 1 })
    clock.pass(500)
    expect(parts.map((part) => part.replace(erase, ''))).toEqual([
      'pressing example.com/r 0/2  example.com/r@v1.0.0',
      'writing pages of example.com/r',
    ])
  })

  test('steps aside for other text, and comes back', () => {
    const { clock, parts, progress, tell } = start()
    clock.pass(2000)
    tell({ done: 1, total: 9 })
    progress.clear()
    expect(parts.at(-1)).toBe(erase)
    clock.pass(200)
    expect(parts.at(-1)).toBe(`${erase}pressing example.com/r 1/9`)
  })

  test('counts several repositories together, and says of how many all is done', () => {
    const { clock, tell, tellAll, last } = start({ columns: 200 })
    clock.pass(2000)
    tell({ step: 'clone', repository: 'example.com/old', done: 5, total: 9 })
    tell({ step: 'read', repository: 'example.com/a', total: 20 })
    clock.pass(100)
    expect(last()).toBe('reading example.com/a 0/20')
    tell({ repository: 'example.com/a', done: 3, total: 20 })
    tell({ repository: 'example.com/b', done: 7, total: 80 })
    clock.pass(100)
    expect(last()).toBe('pressing 2 repositories 10/100')
    tell({ step: 'derive', repository: 'example.com/b' })
    clock.pass(100)
    expect(last()).toBe('pressing 2 repositories 3/20')
    tell({ step: 'derive', repository: 'example.com/b', done: 1, total: 1 })
    tellAll({ step: 'pack', done: 1, total: 3 })
    clock.pass(100)
    expect(last()).toBe('pressing example.com/a 3/20, 1 of 3 repositories done')
    tell({ step: 'derive', repository: 'example.com/a' })
    tell({ step: 'read', repository: 'example.com/c', total: 2 })
    clock.pass(100)
    expect(last()).toBe('reading example.com/c 0/2, 1 of 3 repositories done')
    tellAll({ step: 'index' })
    clock.pass(100)
    expect(last()).toBe('writing the index')
  })
})

describe('the time that is left', () => {
  /** Presses versions that take these times, and returns what is promised each second, with the truth. */
  function run(times: readonly number[]) {
    const { clock, tell, parts } = start({ columns: 200 })
    const promises: { at: number; promised: number | undefined; truth: number }[] = []
    const began = clock.now()
    const all = times.reduce((a, b) => a + b, 0)
    for (const [done, ms] of times.entries()) {
      tell({ done, total: times.length })
      for (let passed = 0; passed < ms; passed += 50) {
        clock.pass(Math.min(50, ms - passed))
        const at = clock.now() - began
        if (Math.floor(at / 1000) === promises.length) continue
        promises.push({ at, promised: secondsLeft(parts.at(-1) ?? ''), truth: (all - at) / 1000 })
      }
    }
    return promises
  }

  /** Numbers that look like chance and are always the same. */
  function* chance() {
    for (let seed = 42; ; ) {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
      yield seed / 2 ** 31
    }
  }

  test('is told from the first second on, is about right, and does not jump', () => {
    const random = chance()
    const promises = run(Array.from({ length: 300 }, () => 20 + 400 * (random.next().value ?? 0) ** 2))
    const [{ at, promised = 0, truth } = { at: 0, truth: 0 }] = promises
    expect(at).toBeLessThan(1100)
    expect(Math.abs(promised - truth)).toBeLessThanOrEqual(truth * 0.5)
    const later = promises.filter(({ at }) => at > 6000)
    expect(later.length).toBeGreaterThan(30)
    for (const [index, { promised = Number.NaN, truth }] of later.entries()) {
      expect(Math.abs(promised - truth)).toBeLessThanOrEqual(3 + truth * 0.35)
      const before = later[index - 1]?.promised ?? promised
      expect(Math.abs(promised - before)).toBeLessThanOrEqual(Math.max(5, before * 0.2))
    }
  })

  test('follows a rate that changes, and is silent where nothing moves', () => {
    const promises = run([...Array(100).fill(50), ...Array(100).fill(400), 90_000, 400, 400])
    // What takes 90 seconds cannot be foreseen; the others can.
    for (const at of [28_000, 35_000]) {
      const { promised = 0 } = promises.find((each) => each.at > at) ?? {}
      const truth = (45_800 - at) / 1000
      expect(promised).toBeGreaterThan(truth * 0.6)
      expect(promised).toBeLessThan(truth * 1.4)
    }
    expect(promises.find(({ at }) => at > 100_000)?.promised).toBeUndefined()
  })

  test('is right where versions take longer than it remembers', () => {
    const promises = run(Array(10).fill(30_000))
    const { promised, truth } = promises.find(({ at }) => at > 205_000) ?? { truth: 0 }
    expect(promised).toBeGreaterThan(truth * 0.6)
    expect(promised).toBeLessThan(truth * 1.5)
  })

  test('is told of a single version, whose contents are read one after the other', () => {
    const { clock, tell, last } = start({ columns: 200 })
    const promises: string[] = []
    for (let ms = 0; ms < 20_000; ms += 100) {
      tell({ done: 0, total: 1, begun: (0.9 * ms) / 20_000, message: 'example.com/r@v1.0.0' })
      clock.pass(100)
      if (ms % 5000 === 0) promises.push(last() ?? '')
    }
    expect(promises.slice(1)).toEqual([
      'pressing example.com/r 0/1, 22 %, 15 s left  example.com/r@v1.0.0',
      'pressing example.com/r 0/1, 45 %, 10 s left  example.com/r@v1.0.0',
      'pressing example.com/r 0/1, 67 %, 8 s left  example.com/r@v1.0.0',
    ])
  })

  test('is that of all repositories while some have not begun', () => {
    const { clock, tell, tellAll, last } = start({ columns: 200 })
    for (let repository = 0; repository < 50; repository++) {
      const name = `example.com/r${repository}`
      tell({ step: 'clone', repository: name, message: 'x' })
      clock.pass(400)
      tell({ step: 'clone', repository: name, done: 1, total: 1 })
      tellAll({ step: 'clone', done: repository + 1, total: 100 })
    }
    clock.pass(100)
    expect(last()).toBe('fetching, 50 of 100 repositories done, 20 s left')
  })
})

describe('a log', () => {
  test.for([
    [false, {}],
    [true, { CI: 'true' }],
    [true, { TERM: 'dumb' }],
  ] as const)('gets a line every ten seconds (TTY %s, %j)', ([isTTY, env]) => {
    const { clock, parts, progress, tell } = start({ isTTY, env, columns: 10 })
    for (let done = 0; done < 350; done++) {
      tell({ done, total: 350, message: 'example.com/r@v1.0.0' })
      clock.pass(100)
    }
    progress.end()
    expect(parts).toEqual([
      'pressing example.com/r 99/350, 25 s left\n',
      'pressing example.com/r 199/350, 15 s left\n',
      'pressing example.com/r 299/350, 6 s left\n',
    ])
  })

  test('says nothing twice', () => {
    const { clock, parts, tell } = start({ isTTY: false })
    tell({ step: 'clone', message: 'x' })
    clock.pass(60_000)
    expect(parts).toEqual(['fetching example.com/r\n'])
  })
})

describe('events for programs', () => {
  test('are a few in a second, and the first and the last of each step', () => {
    const clock = new FakeClock()
    const told: string[] = []
    const throttle = new Throttle(({ step, done }) => told.push(`${step} ${done ?? ''}`.trim()), clock)
    throttle.update({ type: 'progress', step: 'read' })
    for (let done = 0; done < 1000; done++) {
      throttle.update({ type: 'progress', step: 'pack', done, total: 1000 })
      clock.pass(1)
    }
    throttle.update({ type: 'progress', step: 'derive' })
    throttle.update({ type: 'progress', step: 'read', done: 7 })
    throttle.update({ type: 'progress', step: 'pack', done: 8 })
    throttle.end()
    throttle.end()
    expect(told).toEqual([
      'read',
      'pack 0',
      'pack 250',
      'pack 500',
      'pack 750',
      'pack 999',
      'derive',
      'pack 8',
    ])
  })

  test('are lines before those of versions, and before the report', async () => {
    const lines: string[] = []
    const stdout = { write: (text: string) => lines.push(text) }
    const options: ReportOptions = {
      command: 'build',
      env: {},
      stdout,
      stderr: stdout,
      style: 'json',
      color: true,
      clock: new FakeClock(),
    }
    const report = openReport(options)
    for (const done of [0, 1, 2]) report.onEvent({ type: 'progress', step: 'pack', done, total: 3 })
    report.onEvent({ type: 'version', action: 'add', module: 'example.com/r', version: 'v1.0.0' })
    report.onEvent({ type: 'progress', step: 'pack', done: 3, total: 3 })
    await report.finish(0, counts)
    const found = lines.map((line) => JSON.parse(line))
    expect(found.map(({ type, done }) => [type, done].join(' ').trim())).toEqual([
      'progress 0',
      'progress 2',
      'version',
      'progress 3',
      'report',
    ])
  })

  test.for(['problems', 'json'] as const)('are no text (%s)', async (style) => {
    const clock = new FakeClock()
    const parts: string[] = []
    const stderr = { isTTY: true, write: (text: string) => parts.push(text) }
    const report = openReport({
      command: 'build',
      env: {},
      stdout: { write: () => {} },
      stderr,
      style,
      color: true,
      clock,
    })
    report.onEvent({ type: 'progress', step: 'pack', done: 0, total: 3 })
    clock.pass(60_000)
    await report.finish(0, counts)
    expect(parts.join('')).toBe('')
  })
})

test.for([
  ['abc', 2, 'ab'],
  ['日本語', 5, '日本'],
  ['a🎉b', 3, 'a🎉'],
  ['', 3, ''],
] as const)('%j in %i columns is %j', ([text, columns, want]) => {
  expect(cut(text, columns)).toBe(want)
})
