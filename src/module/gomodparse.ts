/**
 * The syntax of go.mod: tokens, lines, blocks in parentheses, and the comments
 * that belong to each. What the lines mean is gomod.ts's business.
 *
 * Go attaches end-of-line comments in a second pass over the finished tree.
 * Since such a comment ends its line, that pass always finds the line before
 * it, or the parenthesis, whose comments nobody reads; so it is attached here
 * as soon as it is read.
 *
 * Pure.
 *
 * @see golang.org/x/mod/modfile read.go
 */

import { isPrint } from './fold.ts'
import { quoteChar, trimSpace } from './text.ts'

/** A place in a file: its line, from 1, where that line begins, and the offset. */
interface Position {
  readonly line: number
  readonly lineStart: number
  readonly at: number
}

/** A line of tokens, with the comments above it and at its end as they stand there: "// text", or "" for a blank line. */
export interface Line {
  readonly start: Position
  readonly tokens: readonly string[]
  readonly before: readonly string[]
  readonly suffix: readonly string[]
}

/** What stands before "(", and the lines up to ")". */
export interface Block extends Line {
  readonly lines: readonly Line[]
}

/** The statements of a file in their order, or what is wrong with it, where Go says so. */
type Syntax =
  | { readonly statements: readonly (Line | Block)[]; readonly error?: never }
  | { readonly error: string }

/** Returns the statements of a go.mod file. Comments that belong to no statement are left out. */
export function parseSyntax(text: string): Syntax {
  try {
    return { statements: parseFile(new Lexer(text)) }
  } catch (error) {
    if (error instanceof Fault) return { error: `${formatPosition(text, error.at)}: ${error.message}` }
    throw error
  }
}

/** Returns a position as Go's messages begin with it: "go.mod:2", or "go.mod:2:5" within a line. */
export function formatPosition(text: string, { line, lineStart, at }: Position): string {
  const column = columnOf(text, lineStart, at)
  return column > 1 ? `go.mod:${line}:${column}` : `go.mod:${line}`
}

class Fault extends Error {
  readonly at: Position

  constructor(message: string, at: Position) {
    super(message)
    this.at = at
  }
}

/** "eol" is a comment at the end of a line, which it ends; "comment" has a line of its own. Punctuation is its own kind. */
type Kind = 'eof' | 'eol' | 'comment' | 'word' | 'string' | '\n' | '(' | ')' | '[' | ']' | '{' | '}' | ','

interface Token {
  readonly kind: Kind
  readonly start: Position
  readonly text: string
}

const slashStarComment = 'mod files must use // comments (not /* */ comments)'

/** Reads one token ahead, as Go's does, so that of two faults both report the same. */
class Lexer {
  readonly text: string
  ahead: Token
  #at = 0
  #line = 1
  #lineStart = 0

  constructor(text: string) {
    this.text = text
    this.ahead = this.#read()
  }

  next(): Token {
    const token = this.ahead
    this.ahead = this.#read()
    return token
  }

  /** Returns where the reading is: behind the token ahead. */
  position(): Position {
    return { line: this.#line, lineStart: this.#lineStart, at: this.#at }
  }

  #read(): Token {
    const { text } = this
    while (isBlank(text.charCodeAt(this.#at))) this.#at++
    const start = this.position()
    const char = text.charAt(start.at)
    if (char === '') return { kind: 'eof', start, text: '' }
    if (char === '/') {
      if (text.startsWith('//', start.at)) return this.#readComment(start)
      if (text.startsWith('/*', start.at)) throw new Fault(slashStarComment, start)
    }
    if ('\n()[]{},'.includes(char)) {
      this.#advance()
      return { kind: char as Kind, start, text: char }
    }
    if (char === '"' || char === '`') return this.#readString(start, char)
    return this.#readWord(start)
  }

  /** Steps over one unit, which may be a newline. */
  #advance(): void {
    if (this.text.charAt(this.#at++) !== '\n') return
    this.#line++
    this.#lineStart = this.#at
  }

  #readComment(start: Position): Token {
    const { text } = this
    const isAlone = trimSpace(text.slice(start.lineStart, start.at)) === ''
    const newline = text.indexOf('\n', start.at)
    this.#at = newline < 0 ? text.length : newline
    const end = newline >= 0 && text.charAt(newline - 1) === '\r' ? newline - 1 : this.#at
    if (newline >= 0) this.#advance()
    return { kind: isAlone ? 'comment' : 'eol', start, text: text.slice(start.at, end) }
  }

  #readString(start: Position, mark: string): Token {
    const { text } = this
    this.#advance()
    for (;;) {
      const char = text.charAt(this.#at)
      if (char === '') throw new Fault('unexpected EOF in string', start)
      if (char === '\n') throw new Fault('unexpected newline in string', this.position())
      this.#advance()
      if (char === mark) return { kind: 'string', start, text: text.slice(start.at, this.#at) }
      if (char === '\\' && mark !== '`') {
        if (this.#at >= text.length) throw new Fault('unexpected EOF in string', start)
        this.#advance()
      }
    }
  }

  #readWord(start: Position): Token {
    const { text } = this
    for (;;) {
      const code = text.codePointAt(this.#at)
      if (code === undefined || !isWordCode(code)) break
      if (code === slash) {
        const next = text.charAt(this.#at + 1)
        if (next === '/') break
        if (next === '*') throw new Fault(slashStarComment, this.position())
      }
      this.#at += code > 0xffff ? 2 : 1
    }
    if (this.#at === start.at) {
      const char = String.fromCodePoint(text.codePointAt(start.at) ?? 0)
      throw new Fault(`unexpected input character ${quoteChar(char)}`, start)
    }
    return { kind: 'word', start, text: text.slice(start.at, this.#at) }
  }
}

const slash = 0x2f

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0d
}

function isWordCode(code: number): boolean {
  return code < 0x80 ? wordCodes[code] === 1 : isPrint(code)
}

/** Which characters of ASCII may be in a word: those that are printed, but for the blank and punctuation. */
const wordCodes: Uint8Array = Uint8Array.from({ length: 0x80 }, (_, code) =>
  code > 0x20 && code < 0x7f && !'()[]{},'.includes(String.fromCharCode(code)) ? 1 : 0,
)

function isEndOfLine(token: Token): boolean {
  return token.kind === 'eof' || token.kind === 'eol' || token.kind === '\n'
}

function suffixOf(token: Token): readonly string[] {
  return token.kind === 'eol' ? [token.text] : []
}

function parseFile(lexer: Lexer): (Line | Block)[] {
  const statements: (Line | Block)[] = []
  let comments: string[] = []
  for (;;) {
    switch (lexer.ahead.kind) {
      case '\n':
        lexer.next()
        comments = []
        break
      case 'comment':
        comments.push(lexer.next().text)
        break
      case 'eof':
        return statements
      default:
        statements.push({ ...parseStatement(lexer), before: comments })
        comments = []
    }
  }
}

function parseStatement(lexer: Lexer): Line | Block {
  const first = lexer.next()
  const { start } = first
  const tokens = [first.text]
  for (;;) {
    const token = lexer.next()
    if (isEndOfLine(token)) return { start, tokens, before: [], suffix: suffixOf(token) }
    if (token.kind === '(' && isEndOfLine(lexer.ahead)) return parseBlock(lexer, start, tokens)
    tokens.push(token.text)
    if (token.kind === '(' && lexer.ahead.kind === ')') {
      const closing = lexer.next()
      if (isEndOfLine(lexer.ahead)) {
        const suffix = suffixOf(lexer.next())
        return { start, tokens: tokens.slice(0, -1), before: [], suffix, lines: [] }
      }
      tokens.push(closing.text)
    }
  }
}

function parseBlock(lexer: Lexer, start: Position, tokens: readonly string[]): Block {
  const lines: Line[] = []
  let comments: string[] = []
  for (;;) {
    switch (lexer.ahead.kind) {
      case 'eol':
        lexer.next()
        break
      case '\n':
        // A blank line is kept as an empty comment, one for several, and none at the block's start.
        lexer.next()
        if (comments.length === 0 ? lines.length > 0 : comments.at(-1) !== '') comments.push('')
        break
      case 'comment':
        comments.push(lexer.next().text)
        break
      case 'eof': {
        const column = columnOf(lexer.text, start.lineStart, start.at)
        const message = `syntax error (unterminated block started at go.mod:${start.line}:${column})`
        throw new Fault(message, lexer.position())
      }
      case ')':
        lexer.next()
        if (!isEndOfLine(lexer.ahead)) {
          throw new Fault('syntax error (expected newline after closing paren)', lexer.position())
        }
        lexer.next()
        return { start, tokens, before: [], suffix: [], lines }
      default:
        lines.push({ ...parseLine(lexer), before: comments })
        comments = []
    }
  }
}

function parseLine(lexer: Lexer): Line {
  const first = lexer.next()
  const tokens = [first.text]
  for (;;) {
    const token = lexer.next()
    if (isEndOfLine(token)) return { start: first.start, tokens, before: [], suffix: suffixOf(token) }
    tokens.push(token.text)
  }
}

/** Returns the column in characters, from 1. */
function columnOf(text: string, lineStart: number, at: number): number {
  return Array.from(text.slice(lineStart, at)).length + 1
}
