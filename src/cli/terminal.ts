/**
 * What a terminal, a pipe or a CI log can take: colours only where they are
 * wanted, no more than fits into a line, and no character of a repository that
 * could forge or reorder what people read.
 */

import { styleText } from 'node:util'

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
  if (number === 1) return `1 ${noun}`
  return `${number} ${noun.endsWith('y') ? `${noun.slice(0, -1)}ies` : `${noun}s`}`
}

/** Returns as much of a text as fits into so many columns. */
export function cut(text: string, columns: number): string {
  let used = 0
  let kept = ''
  for (const character of text) {
    used += isWide.test(character) ? 2 : 1
    if (used > columns) break
    kept += character
  }
  return kept
}

/** Characters of East Asia, and emoji, take two columns. */
const isWide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u

/** Tells whether a variable of the environment is set to something. */
export function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== ''
}
