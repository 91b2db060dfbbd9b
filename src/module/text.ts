/**
 * How Go reads and shows text: quoted strings as fmt's %q writes them and
 * strconv.Unquote reads them, and what counts as white space.
 *
 * A byte of a file name that is not UTF-8 is held as the lone surrogate
 * U+DC80 + byte - 0x80, and is shown as Go shows that byte: "\xff".
 *
 * Pure.
 *
 * @see strconv Quote, QuoteRune, Unquote
 * @see unicode IsSpace
 */

import { isPrint } from './fold.ts'

const namedEscapes: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

/**
 * Returns a string in double quotes as %q writes it.
 *
 * @example quote('a\n') // '"a\\n"'
 */
export function quote(text: string): string {
  if (/^[ !#-[\]-~]*$/.test(text)) return `"${text}"`
  return `"${Array.from(text, (char) => escapeChar(char, '"')).join('')}"`
}

/**
 * Returns a character in single quotes as %q writes a rune.
 *
 * @example quoteChar(':') // "':'"
 */
export function quoteChar(char: string): string {
  return `'${escapeChar(char, "'")}'`
}

/**
 * Returns what a string in double quotes or backquotes stands for, as strconv.Unquote does,
 * or undefined where it is malformed.
 *
 * @example unquote('"a\\x41"') // "aA"
 */
export function unquote(text: string): string | undefined {
  const mark = text.charAt(0)
  if (text.length < 2 || text.at(-1) !== mark) return undefined
  const inner = text.slice(1, -1)
  if (mark === '`') return inner.includes('`') ? undefined : inner.replaceAll('\r', '')
  if (mark !== '"') return undefined
  if (!/["\\\n]/.test(inner)) return inner
  return readEscapes(inner)
}

/** Returns the text without white space at its ends, as strings.TrimSpace does. */
export function trimSpace(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isSpace(text.charAt(start))) start++
  while (end > start && isSpace(text.charAt(end - 1))) end--
  return text.slice(start, end)
}

/** Tells whether Go takes a character for white space, as unicode.IsSpace does. */
function isSpace(char: string): boolean {
  return /^[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]$/.test(char)
}

function escapeChar(char: string, mark: string): string {
  if (char === mark || char === '\\') return `\\${char}`
  const code = char.codePointAt(0) ?? 0
  if (isPrint(code)) return char
  const named = namedEscapes[char]
  if (named !== undefined) return named
  if (code < 0x20 || code === 0x7f) return `\\x${hex(code, 2)}`
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${hex(code - 0xdc00, 2)}`
  if (code >= 0xd800 && code <= 0xdfff) return '\\ufffd'
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}

const plainEscapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
}

/** Undoes the escapes between double quotes. Escaped bytes may make up a character only together. */
function readEscapes(inner: string): string | undefined {
  const encoder = new TextEncoder()
  const bytes: number[] = []
  const piece =
    /[^"\\\n]+|\\(?:([abfnrtv\\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3}))/y
  while (piece.lastIndex < inner.length) {
    const match = piece.exec(inner)
    if (match === null) return undefined
    const [all, plain, byte, short, long, octal] = match
    if (plain !== undefined) {
      bytes.push(...encoder.encode(plainEscapes[plain] ?? ''))
    } else if (byte !== undefined) {
      bytes.push(Number.parseInt(byte, 16))
    } else if (octal !== undefined) {
      const value = Number.parseInt(octal, 8)
      if (value > 0xff) return undefined
      bytes.push(value)
    } else if (short !== undefined || long !== undefined) {
      const code = Number.parseInt(short ?? long ?? '', 16)
      if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined
      bytes.push(...encoder.encode(String.fromCodePoint(code)))
    } else {
      for (const value of encoder.encode(all)) bytes.push(value)
    }
  }
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes))
}
