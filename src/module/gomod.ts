/**
 * Reads go.mod as Go does, which is in several ways at once: `modulePathOf`
 * and `goDirectiveOf` look for one line and forgive everything else, while
 * `parseGoMod` parses the file as the go.mod of a dependency and refuses it
 * for one bad line. Which of them judges what is in each function's comment.
 *
 * Bytes that are not UTF-8 are read as U+FFFD; no valid path or version holds
 * either.
 *
 * Pure.
 *
 * @see golang.org/x/mod/modfile ModulePath, ParseLax
 * @see cmd/go/internal/gover GoModLookup, Compare, Lang
 */

import type { Retraction } from '../model.ts'
import { type Block, formatPosition, type Line, parseSyntax } from './gomodparse.ts'
import { splitPathVersion } from './path.ts'
import { quote, trimSpace, unquote } from './text.ts'
import { canonicalVersion, majorOf, matchesPathMajor } from './version.ts'

/** What a dependency's go.mod says of itself. */
export interface ParsedGoMod {
  /** The path on the module line, as it stands there; "" where there is none. */
  readonly module: string
  /** The version in the go statement, such as "1.24" or "1.25.1". */
  readonly go?: string
  readonly retract: readonly Retraction[]
  /** What follows "Deprecated:" in the comments of the module line. */
  readonly deprecated?: string
  readonly error?: never
}

/**
 * Returns the path on the module line as modfile.ModulePath does, or "" where it finds none.
 * With it the go command decides whether a version exists.
 *
 * @example modulePathOf(new TextEncoder().encode('module example.com/m\n')) // "example.com/m"
 */
export function modulePathOf(bytes: Uint8Array): string {
  for (const line of linesOf(decode(bytes))) {
    const code = trimSpace(cut(line, '//'))
    if (!code.startsWith('module')) continue
    const rest = code.slice('module'.length)
    const path = trimSpace(rest)
    if (path.length === rest.length || path === '') continue
    return /^["`]/.test(path) ? (unquote(path) ?? '') : path
  }
  return ''
}

/**
 * Returns the text of the go directive as gover.GoModLookup does, or "" where it finds none.
 * With it the go command decides whether it is too old to make the module's zip.
 *
 * @example goDirectiveOf(new TextEncoder().encode('go 1.24 // new\n')) // "1.24"
 */
export function goDirectiveOf(bytes: Uint8Array): string {
  for (const line of linesOf(decode(bytes))) {
    const code = trimSpace(line)
    if (/^go[ \t]/.test(code)) return trimSpace(cut(code.slice('go'.length), '//'))
  }
  return ''
}

/** How many faults of one file are worth telling. */
const faultLimit = 10

/**
 * Returns what a go.mod file says as modfile.ParseLax understands it, or what is wrong with it in Go's words.
 * With it the go command reads dependencies: directives that it does not know, and those for main modules, do not count.
 *
 * @example parseGoMod(bytes) // { module: "example.com/m", go: "1.24", retract: [] }
 */
export function parseGoMod(bytes: Uint8Array): ParsedGoMod | { readonly error: string } {
  const text = decode(bytes)
  const syntax = parseSyntax(text)
  if (syntax.error !== undefined) return syntax
  const found: Found = { retract: [] }
  const errors: string[] = []
  for (const directive of directivesOf(syntax.statements)) {
    const error = addDirective(found, directive)
    if (error !== undefined) errors.push(`${formatPosition(text, directive.line.start)}: ${error}`)
    if (errors.length === faultLimit) break
  }
  if (errors.length > 0) return { error: errors.join('\n') }
  const { module = '', go, retract, deprecated = '' } = found
  return {
    module,
    ...(go === undefined ? {} : { go }),
    retract,
    ...(deprecated === '' ? {} : { deprecated }),
  }
}

/**
 * Returns why a go.mod would break every query about its module, not only those for its version:
 * it holds a NUL byte, or a second module directive. Other faults go serves as they are, and so do we.
 *
 * @example goModFault(new TextEncoder().encode('module a.b/c\nmodule a.b/d\n')) // "go.mod:2: repeated module statement"
 */
export function goModFault(bytes: Uint8Array): string | undefined {
  const nul = bytes.indexOf(0)
  if (nul >= 0) return `NUL byte at offset ${nul}`
  const text = decode(bytes)
  // Nearly all have the word once, and before no parenthesis: they need no second look.
  const [, after = '', ...others] = text.split('module')
  if (others.length === 0 && !/^\s*\(/.test(after)) return undefined
  const syntax = parseSyntax(text)
  if (syntax.error !== undefined) return undefined
  const [, second] = [...directivesOf(syntax.statements)].filter(({ verb }) => verb === 'module')
  return second && `${formatPosition(text, second.line.start)}: repeated module statement`
}

/**
 * Returns the Go version on which the file selection of a zip depends ("go1.24"), as x/mod/zip finds it in the
 * regular file go.mod of the archive, or "" where that has none or does not parse.
 */
export function zipVendorVersion(bytes: Uint8Array): string {
  const parsed = parseGoMod(bytes)
  const lang = parsed.error === undefined ? langOf(parsed.go ?? '') : ''
  return lang === '' ? '' : `go${lang}`
}

/**
 * Compares two Go versions without their "go" as gover.Compare does. What is malformed is less than what is not.
 *
 * @example compareGo('1.21', '1.21rc1') // -1: a language version comes before its releases
 */
export function compareGo(a: string, b: string): -1 | 0 | 1 {
  const left = parseGo(a)
  const right = parseGo(b)
  return (
    compareNumbers(left.major, right.major) ||
    compareNumbers(left.minor, right.minor) ||
    compareNumbers(left.patch, right.patch) ||
    (left.kind === right.kind ? 0 : left.kind < right.kind ? -1 : 1) ||
    compareNumbers(left.pre, right.pre)
  )
}

/**
 * Returns the language version of a Go version as gover.Lang does, or "" for what is malformed.
 *
 * @example langOf('1.24rc1') // "1.24"
 */
export function langOf(version: string): string {
  const { major, minor } = parseGo(version)
  return minor === '' || (major === '1' && minor === '0') ? major : `${major}.${minor}`
}

/** What has been read so far. A path is set, even if to "", once there was a module line. */
interface Found {
  module?: string
  go?: string
  readonly retract: Retraction[]
  deprecated?: string
}

interface Directive {
  readonly verb: string
  readonly args: readonly string[]
  readonly line: Line
  readonly block?: Block
}

/** Verbs whose lines may stand in a block; a block of any other verb, "go" among them, does not count. */
const blockVerbs: ReadonlySet<string> = new Set(['module', 'require', 'retract', 'ignore'])

function* directivesOf(statements: readonly (Line | Block)[]): Generator<Directive> {
  for (const statement of statements) {
    const [verb = '', ...args] = statement.tokens
    if (!('lines' in statement)) {
      yield { verb, args, line: statement }
    } else if (args.length === 0 && blockVerbs.has(verb)) {
      for (const line of statement.lines) yield { verb, args: line.tokens, line, block: statement }
    }
  }
}

/** Returns the error where there is one: the function "add" of rule.go, not strict. */
function addDirective(found: Found, { verb, args, line, block }: Directive): string | undefined {
  switch (verb) {
    case 'module':
      if (found.module !== undefined) return 'repeated module statement'
      found.module = ''
      found.deprecated = deprecationIn(commentOf(line, block))
      return addModule(found, args)
    case 'go':
      return addGo(found, args)
    case 'require':
      return checkRequire(args)
    case 'retract': {
      const interval = parseInterval(args)
      const rationale = commentOf(line, block)
      if (interval !== undefined) found.retract.push(rationale === '' ? interval : { ...interval, rationale })
      return undefined
    }
    case 'ignore': {
      if (args.length !== 1) return 'ignore directive expects exactly one argument'
      const { error } = parseString(args[0])
      return error && `invalid quoted string: ${error}`
    }
    default:
      return undefined
  }
}

function addModule(found: Found, args: readonly string[]): string | undefined {
  if (args.length !== 1) return 'usage: module module/path'
  const { value, error } = parseString(args[0])
  if (error !== undefined) return `invalid quoted string: ${error}`
  found.module = value
  return undefined
}

function addGo(found: Found, args: readonly string[]): string | undefined {
  if (found.go !== undefined) return 'repeated go statement'
  const [version = ''] = args
  if (args.length !== 1) return 'go directive expects exactly one argument'
  if (/^[1-9][0-9]*\.(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))?(?:[a-z]+[0-9]+)?$/.test(version)) {
    found.go = version
    return undefined
  }
  const [, start] = /^v?([1-9][0-9]*\.(?:0|[1-9][0-9]*))[^0-9][^\n]*$/.exec(version) ?? []
  if (start === undefined) return `invalid go version '${version}': must match format 1.23.0`
  found.go = start
  return undefined
}

function checkRequire(args: readonly string[]): string | undefined {
  if (args.length !== 2) return 'usage: require module/path v1.2.3'
  const { value: path, error } = parseString(args[0])
  if (error !== undefined) return `invalid quoted string: ${error}`
  const of = path === '' ? 'require' : `require ${path}`
  const version = parseVersion(args[1])
  if (version.error !== undefined) return `${of}: ${version.error}`
  const split = splitPathVersion(path)
  if (split === undefined) return 'invalid module path'
  const { pathMajor } = split
  if (matchesPathMajor(version.value, pathMajor)) return undefined
  const should = pathMajor === '' ? 'v0 or v1' : pathMajor.slice(1).replace(/-unstable$/, '')
  return `${of}: version ${quote(version.value)} invalid: should be ${should}, not ${majorOf(version.value)}`
}

/**
 * Returns the interval of a retract line, or undefined where it is none that this go.mod syntax knows:
 * a later one may, so that is no error in a dependency. The versions stay as they are written.
 */
function parseInterval(args: readonly string[]): { readonly low: string; readonly high: string } | undefined {
  const isInterval = args[0] === '['
  if (isInterval && (args[2] !== ',' || args[4] !== ']')) return undefined
  const low = retractedVersion(args[isInterval ? 1 : 0])
  const high = isInterval ? retractedVersion(args[3]) : low
  return low === undefined || high === undefined ? undefined : { low, high }
}

function retractedVersion(token: string | undefined): string | undefined {
  if (token === undefined || token === '(') return undefined
  const { value, error } = parseString(token)
  return error === undefined ? value : undefined
}

interface Value {
  readonly value: string
  readonly error?: string
}

function parseVersion(token = ''): Value {
  const { value, error } = parseString(token)
  if (error !== undefined) return { value, error: `version ${quote(token)} invalid: ${error}` }
  const version = canonicalVersion(value)
  if (version !== '') return { value: version }
  return { value, error: `version ${quote(value)} invalid: must be of the form v1.2.3` }
}

/** Reads a token, which only double quotes may enclose, though the lexer knows backquotes too. */
function parseString(token = ''): Value {
  if (token.startsWith('"')) {
    const value = unquote(token)
    return value === undefined ? { value: '', error: 'invalid syntax' } : { value }
  }
  return /["'`]/.test(token) ? { value: '', error: 'unquoted string cannot contain quote' } : { value: token }
}

/** Returns the text of a line's comments: those above it, then the one at its end; if it has none, those of its block. */
function commentOf(line: Line, block: Block | undefined): string {
  const source = block !== undefined && line.before.length === 0 && line.suffix.length === 0 ? block : line
  return [...source.before, ...source.suffix]
    .filter((comment) => comment.startsWith('//'))
    .map((comment) => trimSpace(comment.slice('//'.length)))
    .join('\n')
}

function deprecationIn(comment: string): string {
  return /(?:^|\n\n)Deprecated: *(.*?)(?:$|\n\n)/s.exec(comment)?.[1] ?? ''
}

/** The parts of a Go version, decimal strings of any length; all are "" where it is malformed. */
interface GoVersion {
  readonly major: string
  readonly minor: string
  readonly patch: string
  /** "", "alpha", "beta" or "rc". */
  readonly kind: string
  readonly pre: string
}

const goPattern = /^(0|[1-9][0-9]*)(?:\.(0|[1-9][0-9]*)(?:\.(0|[1-9][0-9]*)|([a-z]+)(0|[1-9][0-9]*)?)?)?$/

function parseGo(version: string): GoVersion {
  const match = goPattern.exec(version)
  if (match === null) return { major: '', minor: '', patch: '', kind: '', pre: '' }
  const [, major = '', minor, patch = '', kind = '', pre = ''] = match
  if (minor === undefined) return { major, minor: '0', patch: '0', kind, pre }
  // "1.20" is its own first release. From 1.21 on, "1.21" comes before "1.21.0".
  const isRelease = patch === '' && kind === '' && compareNumbers(minor, '21') < 0
  return { major, minor, patch: isRelease ? '0' : patch, kind, pre }
}

function compareNumbers(a: string, b: string): -1 | 0 | 1 {
  if (a === b) return 0
  if (a.length !== b.length) return a.length < b.length ? -1 : 1
  return a < b ? -1 : 1
}

/** Decodes without dropping a byte order mark, which Go takes for a character. */
function decode(bytes: Uint8Array): string {
  return utf8.decode(bytes)
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

function* linesOf(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline
    yield text.slice(start, end)
    start = end + 1
  }
}

function cut(text: string, mark: string): string {
  const at = text.indexOf(mark)
  return at < 0 ? text : text.slice(0, at)
}
