/**
 * What a terminal, a pipe or a CI log can take: colours only where they are
 * wanted, one progress line that is redrawn only where there is a cursor, and
 * no character of a repository that could forge or reorder what people read.
 */

import { styleText } from 'node:util'
import type { ProgressEvent } from '../events.ts'

/** Where text goes: process.stdout, process.stderr. */
export interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export type Environment = Readonly<Record<string, string | undefined>>

type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green' | 'cyan'

/** Gives text a style, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string

/** Tells whether a stream gets colours: the flag decides, then NO_COLOR, FORCE_COLOR and what the stream is. */
export function hasColor(flag: boolean, env: Environment, stream: Output): boolean {
  if (!flag || isSet(env['NO_COLOR'])) return false
  const forced = env['FORCE_COLOR']
  if (forced !== undefined) return forced !== '0' && forced !== 'false'
  return stream.isTTY === true && env['TERM'] !== 'dumb'
}

/** Returns the painter of a stream. */
export function painter(colored: boolean): Paint {
  return colored ? (style, text) => styleText(style, text, { validateStream: false }) : (_style, text) => text
}

/** Returns text in which control, bidirectional and invisible characters are written out, as "\u202e". */
export function safeText(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
    const digits = (character.codePointAt(0) ?? 0).toString(16)
    return digits.length > 4 ? `\\u{${digits}}` : `\\u${digits.padStart(4, '0')}`
  })
}

/** Returns the lines of a text, each of them safe. Lines after the first are indented. */
export function safeLines(text: string, indent: string): string {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '')
  return lines.map((line) => neutral(safeText(line))).join(`\n${indent}`)
}

/** A line of a repository's must not be a command of the CI host: GitHub trims lines, then reads "::error" and "##[". */
function neutral(line: string): string {
  return line.replace(/^(\s*):(?=:)/, '$1: ').replaceAll('##[', '## [')
}

/** Counts a noun: "1 error", "2 errors". */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

/** Shows how far a run is. */
export interface Progress {
  update(event: ProgressEvent): void
  /** Takes the line away, so that other text can be written. */
  end(): void
}

/** Returns the progress for a stream: a line that is redrawn, or in logs now and then a new one. */
export function openProgress(stream: Output, env: Environment): Progress {
  const isDrawable = stream.isTTY === true && env['TERM'] !== 'dumb' && !isSet(env['CI'])
  return isDrawable ? new DrawnLine(stream) : new LoggedLines(stream)
}

const redrawMs = 80
const logMs = 5000

class DrawnLine implements Progress {
  readonly #stream: Output
  readonly #speed = new Speed()
  #drawnMs = Number.NEGATIVE_INFINITY
  #isShown = false

  constructor(stream: Output) {
    this.#stream = stream
  }

  update(event: ProgressEvent): void {
    const now = performance.now()
    const speed = this.#speed.measure(event, now)
    if (now - this.#drawnMs < redrawMs) return
    this.#drawnMs = now
    const text = [describe(event), speed, safeText(event.message ?? '')].filter(Boolean).join('  ')
    // A line that wraps could not be taken back.
    const characters = [...text].slice(0, Math.max(20, (this.#stream.columns ?? 80) - 1))
    this.#stream.write(`\r\u001b[2K${characters.join('')}`)
    this.#isShown = true
  }

  end(): void {
    if (this.#isShown) this.#stream.write('\r\u001b[2K')
    this.#isShown = false
  }
}

class LoggedLines implements Progress {
  readonly #stream: Output
  readonly #speed = new Speed()
  /** A run that is soon over says nothing. */
  #loggedMs = performance.now()

  constructor(stream: Output) {
    this.#stream = stream
  }

  update(event: ProgressEvent): void {
    const now = performance.now()
    const speed = this.#speed.measure(event, now)
    if (now - this.#loggedMs < logMs) return
    this.#loggedMs = now
    this.#stream.write(`${[describe(event), speed].filter(Boolean).join('  ')}\n`)
  }

  end(): void {}
}

/** The rate and the time that is left, of one step in one repository. */
class Speed {
  #key = ''
  #sinceMs = 0
  #from = 0

  measure({ step, repository = '', done, total }: ProgressEvent, nowMs: number): string {
    const key = `${step} ${repository}`
    if (key !== this.#key) {
      this.#key = key
      this.#sinceMs = nowMs
      this.#from = done ?? 0
    }
    const seconds = (nowMs - this.#sinceMs) / 1000
    if (done === undefined || total === undefined || seconds < 1 || done <= this.#from) return ''
    const rate = (done - this.#from) / seconds
    return `${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s  ${duration((total - done) / rate)} left`
  }
}

const verbs: Readonly<Record<ProgressEvent['step'], string>> = {
  clone: 'fetching',
  survey: 'looking at',
  read: 'reading',
  pack: 'packing',
  derive: 'writing pages of',
  index: 'writing the index',
}

function describe({ step, repository, done, total }: ProgressEvent): string {
  const count = done === undefined || total === undefined ? undefined : `${done}/${total}`
  return [verbs[step], safeText(repository ?? ''), count].filter(Boolean).join(' ')
}

function duration(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`
  return seconds < 3600
    ? `${Math.ceil(seconds / 60)} min`
    : `${Math.floor(seconds / 3600)} h ${Math.ceil((seconds % 3600) / 60)} min`
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== ''
}
