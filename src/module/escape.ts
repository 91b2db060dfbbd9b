/**
 * The escaped form of module paths and versions, in which "A" is written "!a",
 * so that names differ even where letter case does not count. File names and
 * URLs of a module proxy hold nothing else.
 *
 * Pure.
 *
 * @see golang.org/x/mod/module EscapePath, EscapeVersion, UnescapePath, UnescapeVersion
 */

import type { Escaped, ModulePath } from '../model.ts'
import { checkFileElement, parseModulePath } from './path.ts'

/**
 * Returns the escaped form of a module path.
 *
 * @example escapePath(path) // "example.com/!azure" for "example.com/Azure"
 */
export function escapePath(path: ModulePath): Escaped {
  return escapeUpper(path)
}

/**
 * Returns the escaped form of a version or another revision, such as a branch name,
 * or undefined where the go command would refuse to ask a proxy for it.
 *
 * @example escapeVersion('v1.0.0-RC1') // "v1.0.0-!r!c1"
 * @example escapeVersion('feature/x') // undefined
 */
export function escapeVersion(text: string): Escaped | undefined {
  if (checkFileElement(text) !== undefined || /[!\u0080-\uffff]/.test(text)) return undefined
  return escapeUpper(text)
}

/**
 * Returns the module path that an escaped one stands for, or undefined where it stands for none.
 *
 * @example unescapePath('example.com/!azure') // "example.com/Azure"
 */
export function unescapePath(text: string): ModulePath | undefined {
  const path = unescapeUpper(text)
  return path === undefined ? undefined : parseModulePath(path)
}

/**
 * Returns the version or revision that an escaped one stands for, or undefined where it stands for none.
 *
 * @example unescapeVersion('v1.0.0-!r!c1') // "v1.0.0-RC1"
 */
export function unescapeVersion(text: string): string | undefined {
  const version = unescapeUpper(text)
  return version === undefined || checkFileElement(version) !== undefined ? undefined : version
}

function escapeUpper(text: string): Escaped {
  return text.replaceAll(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`) as Escaped
}

function unescapeUpper(text: string): string | undefined {
  if (!/^(?:![a-z]|[^!A-Z\u0080-\uffff])*$/.test(text)) return undefined
  return text.replaceAll(/!([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
