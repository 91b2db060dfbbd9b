/**
 * Which strings are module paths, import paths and file paths of a module,
 * and where the major version in a module path begins.
 *
 * A check returns the text of Go's own error, so that a message here can be
 * looked up where people look up those of the go command.
 *
 * A byte of a git name that is not UTF-8 is held as the lone surrogate
 * U+DC80 + byte - 0x80. Such a name is never a valid path.
 *
 * Pure.
 *
 * @see golang.org/x/mod/module CheckPath, CheckImportPath, CheckFilePath, SplitPathVersion
 */

import type { ModulePath } from '../model.ts'
import { isLetter } from './fold.ts'
import { quote, quoteChar } from './text.ts'
import { majorOf } from './version.ts'

type Kind = 'module' | 'import' | 'file'

/**
 * Returns the path as a module path, or undefined where `checkModulePath` finds fault with it.
 *
 * @example parseModulePath('example.com/sub/v2')
 */
export function parseModulePath(text: string): ModulePath | undefined {
  return checkModulePath(text) === undefined ? (text as ModulePath) : undefined
}

/**
 * Returns why a string is no module path, in the words of module.CheckPath, or undefined where it is one.
 *
 * @example checkModulePath('m') // 'malformed module path "m": missing dot in first path element'
 */
export function checkModulePath(text: string): string | undefined {
  return malformed('module', text, checkPath(text, 'module') ?? checkDomainAndMajor(text))
}

/**
 * Returns why a string is no import path, in the words of module.CheckImportPath, or undefined where it is one.
 *
 * @example checkImportPath('a//b') // 'malformed import path "a//b": double slash'
 */
export function checkImportPath(text: string): string | undefined {
  return malformed('import', text, checkPath(text, 'import'))
}

const plainFilePath = /^[-!#$%&()+,./=@[\]^_{}~ 0-9A-Za-z]+$/
const suspiciousFilePath = /^\/|\/\/|\/$|\.(?:\/|$)|(?:^|\/)(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:[./]|$)/i

/**
 * Returns why a module zip must not hold a file of this name, in the words of module.CheckFilePath,
 * or undefined where it may.
 *
 * @example checkFilePath('a:b') // 'malformed file path "a:b": invalid char \':\''
 */
export function checkFilePath(text: string): string | undefined {
  if (plainFilePath.test(text) && !suspiciousFilePath.test(text)) return undefined
  return malformed('file', text, checkPath(text, 'file'))
}

/**
 * Returns the two parts of a module path, the second of which is "", "/vN" from v2 on or gopkg.in's ".vN",
 * as module.SplitPathVersion does, or undefined where the path ends in no major version that it could have.
 *
 * @example splitPathVersion('example.com/m/v2') // { prefix: "example.com/m", pathMajor: "/v2" }
 */
export function splitPathVersion(
  path: string,
): { readonly prefix: string; readonly pathMajor: string } | undefined {
  if (path.startsWith('gopkg.in/')) {
    // ".v-unstable" has no number, and Go lets it pass.
    const match = /^(.*)(\.v(?:0|[1-9][0-9]*(?:-unstable)?|-unstable))$/s.exec(path)
    if (match === null) return undefined
    return { prefix: match[1] ?? '', pathMajor: match[2] ?? '' }
  }
  const start = path.length - trailingNumberLength(path)
  if (start <= 1 || start === path.length || path.slice(start - 2, start) !== '/v') {
    return { prefix: path, pathMajor: '' }
  }
  const pathMajor = path.slice(start - 2)
  if (!/^\/v[1-9][0-9]*$/.test(pathMajor) || pathMajor === '/v1') return undefined
  return { prefix: path.slice(0, start - 2), pathMajor }
}

/**
 * Returns the major version that a path's suffix demands of tags, as module.PathMajorPrefix does. "" allows v0 and v1.
 *
 * @example pathMajorPrefix('.v3-unstable') // "v3"
 */
export function pathMajorPrefix(pathMajor: string): string {
  if (pathMajor === '') return ''
  const major = (pathMajor.startsWith('.v') ? pathMajor.replace(/-unstable$/, '') : pathMajor).slice(1)
  if (!/^[/.]/.test(pathMajor) || majorOf(major) !== major) {
    throw new Error(`${quote(pathMajor)} is no major version suffix of a module path.`)
  }
  return major
}

/**
 * Returns why a string is no element of a file path, or undefined where it is one: the "checkElem" of module.go.
 * A version must be one to be escaped.
 */
export function checkFileElement(element: string): string | undefined {
  return checkElement(element, 'file')
}

function malformed(kind: Kind, text: string, reason: string | undefined): string | undefined {
  return reason === undefined ? undefined : `malformed ${kind} path ${quote(text)}: ${reason}`
}

function checkPath(text: string, kind: Kind): string | undefined {
  if (/\p{Surrogate}/u.test(text)) return 'invalid UTF-8'
  if (text === '') return 'empty string'
  if (text.startsWith('-') && kind !== 'file') return 'leading dash'
  if (text.includes('//')) return 'double slash'
  if (text.endsWith('/')) return 'trailing slash'
  for (const element of text.split('/')) {
    const reason = checkElement(element, kind)
    if (reason !== undefined) return reason
  }
  return undefined
}

const allowedAscii: Readonly<Record<Kind, RegExp>> = {
  module: /^[-._~0-9A-Za-z]$/,
  import: /^[-._~+0-9A-Za-z]$/,
  file: /^[-!#$%&()+,.=@[\]^_{}~ 0-9A-Za-z]$/,
}

function checkElement(element: string, kind: Kind): string | undefined {
  if (element === '') return 'empty path element'
  if (/^\.+$/.test(element)) return `invalid path element ${quote(element)}`
  if (element.startsWith('.') && kind === 'module') return 'leading dot in path element'
  if (element.endsWith('.')) return 'trailing dot in path element'
  for (const char of element) {
    const code = char.codePointAt(0) ?? 0
    const allowed = code < 0x80 ? allowedAscii[kind].test(char) : kind === 'file' && isLetter(code)
    if (!allowed) return `invalid char ${quoteChar(char)}`
  }
  const dot = element.indexOf('.')
  const short = dot < 0 ? element : element.slice(0, dot)
  if (/^(?:con|prn|aux|nul|com[1-9]|lpt[1-9])$/i.test(short)) {
    return `${quote(short)} disallowed as path element component on Windows`
  }
  // Windows makes short names such as "LONGNA~1"; in file names they do no harm.
  if (kind !== 'file' && /~[0-9]+$/.test(short)) return 'trailing tilde and digits in path element'
  return undefined
}

/** Checks what only module paths must be: a domain in front, and no impossible major version at the end. */
function checkDomainAndMajor(path: string): string | undefined {
  const [domain = ''] = path.split('/', 1)
  if (!domain.includes('.')) return 'missing dot in first path element'
  const [bad] = /[^-.0-9a-z]/u.exec(domain) ?? []
  if (bad !== undefined) return `invalid char ${quoteChar(bad)} in first path element`
  return splitPathVersion(path) === undefined ? 'invalid version' : undefined
}

/** Counts the digits and dots at the end. */
function trailingNumberLength(path: string): number {
  let start = path.length
  while (start > 0 && /[0-9.]/.test(path.charAt(start - 1))) start--
  return path.length - start
}
