/**
 * Shows how far a run is: what is happening, how much of it is done, and how
 * long it still takes, once that can be told.
 *
 * A terminal gets one line that is redrawn and goes away at the end; a log
 * gets a line now and then. A run that is soon over shows nothing. A program
 * gets the events themselves, but not one for each of ten thousand versions.
 */

import type { ProgressEvent } from '../events.ts'
import { count, cut, type Environment, isSet, type Output, safeText } from './terminal.ts'

/** Time, as an argument: tests have one of their own. */
export interface Clock {
  /** Returns milliseconds that only grow. */
  now(): number
  /** Calls `tick` again and again, and returns what ends that. It does not keep the process alive. */
  every(ms: number, tick: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  every: (ms, tick) => {
    const timer = setInterval(tick, ms)
    timer.unref()
    return () => clearInterval(timer)
  },
}

/** Shows how far a run is. */
export interface Progress {
  update(event: ProgressEvent): void
  /** Takes the line away, so that other text can be written. It may come back. */
  clear(): void
  /** Takes the line away for good. */
  end(): void
}

/** Returns the progress for a stream: a line that is redrawn, or in logs now and then a new one. */
export function openProgress(stream: Output, env: Environment, clock: Clock = systemClock): Progress {
  const isDrawable = stream.isTTY === true && env['TERM'] !== 'dumb' && !isSet(env['CI'])
  return isDrawable ? new DrawnLine(stream, clock) : new LoggedLines(stream, clock)
}

const quietMs = 1000
const redrawMs = 100
const logMs = 10_000

/** Shows the course of a run again and again, whether or not something is heard of it. */
abstract class Shown implements Progress {
  protected readonly stream: Output
  readonly #clock: Clock
  readonly #course = new Course()
  readonly #everyMs: number
  #dueMs: number
  #stop: (() => void) | undefined
  #isOver = false

  constructor(stream: Output, clock: Clock, firstMs: number, everyMs: number) {
    this.stream = stream
    this.#clock = clock
    this.#everyMs = everyMs
    this.#dueMs = clock.now() + firstMs
  }

  update(event: ProgressEvent): void {
    if (this.#isOver) return
    this.#course.update(event, this.#clock.now())
    this.#stop ??= this.#clock.every(redrawMs, () => this.#show())
    // A run that is busy lets no timer through.
    this.#show()
  }

  #show(): void {
    const now = this.#clock.now()
    // Asked each time, since an estimate follows what it is asked for.
    const line = this.#course.describe(now)
    if (now >= this.#dueMs && this.write(line)) this.#dueMs = now + this.#everyMs
  }

  end(): void {
    this.#isOver = true
    this.#stop?.()
    this.clear()
  }

  /** Shows a line, and tells whether there was something to show. */
  protected abstract write(line: Line): boolean
  abstract clear(): void
}

class DrawnLine extends Shown {
  #shown = ''

  constructor(stream: Output, clock: Clock) {
    super(stream, clock, quietMs, redrawMs)
  }

  protected write({ text, detail }: Line): boolean {
    // A line that wraps could not be taken back.
    const room = (this.stream.columns || 80) - 1
    const line = cut([text(room), detail].filter(Boolean).join('  '), room)
    if (line === '' || line === this.#shown) return false
    this.stream.write(`${eraseLine}${line}`)
    this.#shown = line
    return true
  }

  clear(): void {
    if (this.#shown !== '') this.stream.write(eraseLine)
    this.#shown = ''
  }
}

const eraseLine = '\r\u001b[2K'

class LoggedLines extends Shown {
  #logged = ''

  constructor(stream: Output, clock: Clock) {
    super(stream, clock, logMs, logMs)
  }

  protected write({ text }: Line): boolean {
    const line = text()
    if (line === '' || line === this.#logged) return false
    this.stream.write(`${line}\n`)
    this.#logged = line
    return true
  }

  clear(): void {}
}

// ---- The course of a run ----

interface Line {
  /** In so much room if possible: the name of a repository is shortened, whose end says most. */
  readonly text: (room?: number) => string
  /** What is done at the moment; only where there is room. */
  readonly detail: string
}

/** What is done in one repository. */
interface Work {
  readonly step: ProgressEvent['step']
  readonly message: string
  readonly done: number
  /** How much of what is not done is done in part. */
  readonly begun: number
  /** Absent where it is not known. */
  readonly total: number | undefined
}

const verbs: Readonly<Record<ProgressEvent['step'], string>> = {
  restore: 'restoring',
  clone: 'fetching',
  survey: 'looking at',
  read: 'reading',
  pack: 'pressing',
  derive: 'writing pages of',
  index: 'writing the index',
  verify: 'verifying',
}

/** The steps that a repository goes through one after the other, while others may be elsewhere. */
const isPressing: ReadonlySet<ProgressEvent['step']> = new Set(['read', 'pack', 'derive'])

/** Puts together what is heard of one repository or of several at a time. */
class Course {
  #step: ProgressEvent['step'] = 'survey'
  /** By repository: what is not done yet. */
  readonly #active = new Map<string, Work>()
  /** Of how many repositories the step is done, where that is told. */
  #repositories: { readonly done: number; readonly total: number } | undefined
  #items = new Estimate()
  #whole = new Estimate()
  #wholeDone = 0

  update(event: ProgressEvent, nowMs: number): void {
    const { step, repository, message = '', done, total, begun = 0 } = event
    if (step !== this.#step && !(isPressing.has(step) && isPressing.has(this.#step))) this.#restart()
    this.#step = step
    if (repository === undefined) {
      if (done !== undefined && total !== undefined) this.#repositories = { done, total }
    } else if (done !== undefined && done === total) {
      this.#finish(repository, done, nowMs)
    } else {
      // Pages are the last that is done for a repository.
      for (const [name, work] of this.#active) if (work.step === 'derive') this.#active.delete(name)
      this.#proceed(repository, { step, message, done: done ?? 0, begun, total }, nowMs)
    }
    // One that is done is counted here when it is told, a little later: what was counted is not lost in between.
    const whole = Math.max(this.#wholeDone, this.#countWhole())
    this.#whole.add(whole - this.#wholeDone, nowMs)
    this.#wholeDone = whole
  }

  #restart(): void {
    this.#active.clear()
    this.#repositories = undefined
    this.#items = new Estimate()
    this.#whole = new Estimate()
    this.#wholeDone = 0
  }

  #proceed(repository: string, work: Work, nowMs: number): void {
    const before = this.#active.get(repository)
    const isSame =
      before?.step === work.step && before.total === work.total && reached(before) <= reached(work)
    // Objects, deltas and versions take their own time each.
    if (!isSame && this.#active.size <= (before === undefined ? 0 : 1)) this.#items = new Estimate()
    this.#items.add(isSame ? reached(work) - reached(before) : 0, nowMs)
    // The latest is last.
    this.#active.delete(repository)
    this.#active.set(repository, work)
  }

  #finish(repository: string, done: number, nowMs: number): void {
    const before = this.#active.get(repository)
    if (before?.total === done) this.#items.add(done - reached(before), nowMs)
    this.#active.delete(repository)
  }

  /** Returns how many repositories are done, those in parts that are begun. */
  #countWhole(): number {
    const parts = [...this.#active.values()].map((work) => (work.total ? reached(work) / work.total : 0))
    return (this.#repositories?.done ?? 0) + sum(parts)
  }

  describe(nowMs: number): Line {
    const works = [...this.#active]
    const [repository, work] = works.at(-1) ?? []
    const step = works.length === 1 ? (work?.step ?? this.#step) : this.#step
    const verb = verbs[works.length > 1 && isPressing.has(step) ? 'pack' : step]
    const what = works.length > 1 ? count(works.length, 'repository') : safeText(repository ?? '')
    const counted = works.flatMap(([, { done, begun, total }]) => (total ? [{ done, begun, total }] : []))
    const done = sum(counted.map((each) => each.done))
    const begun = sum(counted.map((each) => each.begun))
    const total = sum(counted.map((each) => each.total))
    const numbers = [
      ...(counted.length > 0 ? [`${done}/${total}`] : []),
      ...(begun > 0 && total < fewItems ? [`${Math.floor((100 * (done + begun)) / total)} %`] : []),
    ]

    const all = this.#repositories
    const isLast = all === undefined || all.done + works.length >= all.total
    // What is not known yet would come on top.
    const remaining = counted.length === works.length ? total - done - begun : 0
    const seconds = isLast
      ? this.#items.left(remaining, nowMs)
      : this.#whole.left(all.total - this.#wholeDone, nowMs)
    const ofAll = all === undefined || all.total < 2 ? '' : `${all.done} of ${all.total} repositories done`
    const left = seconds === undefined ? '' : `${duration(seconds)} left`
    const detail = works.length === 1 ? safeText(work?.message ?? '') : ''
    // Between two repositories there is nothing to say.
    const isAnything = what !== '' || ofAll !== '' || step === 'index'
    const compose = (name: string): string => {
      const head = [verb, name, numbers.join(', ')].filter(Boolean).join(' ')
      return isAnything ? [head, ofAll, left].filter(Boolean).join(', ') : ''
    }
    const text = (room = Number.POSITIVE_INFINITY): string => {
      const excess = compose(what).length - room
      const isShortened = excess > 0 && works.length === 1 && what.length - excess > shortestName
      return compose(isShortened ? `…${what.slice(excess + 1)}` : what)
    }
    return { text, detail }
  }
}

/** Of so few the numbers alone would stand still. */
const fewItems = 10
/** A name of less would say nothing. */
const shortestName = 8

/** How far something is, in the unit of what is done. */
function reached({ done, begun }: Pick<Work, 'done' | 'begun'>): number {
  return done + begun
}

const memoryMs = 8000
const calmMs = 3000
const leastCalmMs = 250
const leastMs = 1000
const leastSteps = 2

/**
 * How long it still takes: by the rate of the last seconds, in which older
 * ones count ever less. The end that is promised moves towards what the rate
 * says, and does not jump. Nothing is said at the beginning, nor when for a
 * long time nothing was done.
 */
class Estimate {
  #startMs: number | undefined
  #lastMs = 0
  #work = 0
  #timeMs = 0
  #steps = 0
  #endMs: number | undefined
  #askedMs = 0

  /** Takes in that so much was done since the last time. */
  add(amount: number, nowMs: number): void {
    if (this.#startMs === undefined) {
      this.#startMs = nowMs
      this.#lastMs = nowMs
      return
    }
    if (amount <= 0) return
    const passedMs = nowMs - this.#lastMs
    const { kept, newMs } = fade(passedMs)
    this.#work = this.#work * kept + amount * (passedMs > 0 ? newMs / passedMs : 1)
    this.#timeMs = this.#timeMs * kept + newMs
    this.#lastMs = nowMs
    this.#steps++
  }

  /** Returns how many seconds `remaining` will take, where that can be told. */
  left(remaining: number, nowMs: number): number | undefined {
    const sinceMs = this.#startMs === undefined ? 0 : nowMs - this.#startMs
    if (remaining <= 0 || sinceMs < leastMs || this.#steps < leastSteps || this.#timeMs === 0)
      return undefined
    const eachMs = this.#timeMs / this.#work
    const lateMs = Math.max(0, nowMs - this.#lastMs - eachMs)
    if (lateMs > Math.max(memoryMs, 2 * eachMs)) {
      this.#endMs = undefined
      return undefined
    }
    const { kept, newMs } = fade(lateMs)
    const target = nowMs + (remaining * (this.#timeMs * kept + newMs)) / (this.#work * kept)
    // Good news may come sooner the nearer the end is: a promise of half a minute must not outlive the run.
    const isSooner = this.#endMs !== undefined && target < this.#endMs
    const calm = isSooner ? Math.min(calmMs, Math.max(leastCalmMs, (target - nowMs) / 4)) : calmMs
    const share = 1 - Math.exp((this.#askedMs - nowMs) / calm)
    this.#endMs = this.#endMs === undefined ? target : this.#endMs + (target - this.#endMs) * share
    this.#askedMs = nowMs
    return Math.max(0, this.#endMs - nowMs) / 1000
  }
}

/** How much of what was before still counts after some time, and for how much that time counts. */
function fade(ms: number): { readonly kept: number; readonly newMs: number } {
  const kept = Math.exp(-ms / memoryMs)
  return { kept, newMs: memoryMs * (1 - kept) }
}

/** As exact as an estimate is. */
function duration(seconds: number): string {
  if (seconds < 10) return `${Math.max(1, Math.ceil(seconds))} s`
  if (seconds < 57.5) return `${Math.round(seconds / 5) * 5} s`
  const minutes = Math.max(1, Math.round(seconds / 60))
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

// ---- Events for programs ----

const eventMs = 250

/** Lets through a few events in a second, and always the first of each step and the last before something else. */
export class Throttle {
  readonly #write: (event: ProgressEvent) => void
  readonly #clock: Clock
  readonly #steps = new Set<ProgressEvent['step']>()
  #writtenMs = Number.NEGATIVE_INFINITY
  #held: ProgressEvent | undefined

  constructor(write: (event: ProgressEvent) => void, clock: Clock = systemClock) {
    this.#write = write
    this.#clock = clock
  }

  update(event: ProgressEvent): void {
    const isFirst = !this.#steps.has(event.step)
    // Steps of one repository after another come again and again; only the first time is a beginning.
    if (isFirst) this.end()
    const now = this.#clock.now()
    if (!isFirst && now - this.#writtenMs < eventMs) {
      this.#held = event
      return
    }
    this.#steps.add(event.step)
    this.#held = undefined
    this.#writtenMs = now
    this.#write(event)
  }

  /** Lets through what was held back last. */
  end(): void {
    if (this.#held !== undefined) this.#write(this.#held)
    this.#held = undefined
  }
}
