/**
 * Which files of a commit belong in a module zip, and whether there can be
 * one: left out are vendored packages, nested modules, links and what is no
 * file; a bad name, a collision or too many bytes fail the whole version.
 *
 * Each entry goes through the steps in Go's order, and the first failure ends.
 * (Go goes on, to report all of them.) Directories are remembered, so that the
 * work is linear in the names, however deep they lie.
 *
 * Pure.
 *
 * @see golang.org/x/mod/zip checkFiles, isVendoredPackage, collisionChecker
 */

import type { ProblemCode } from '../problem.ts'
import { foldName } from './fold.ts'
import { compareGo } from './gomod.ts'
import { checkFilePath } from './path.ts'
import { quote } from './text.ts'

/** The most that all files of a module may hold together, in bytes: MaxZipFile of x/mod/zip. */
export const zipLimitBytes: number = 500 * 2 ** 20

/** The most that the go.mod of a module may hold, in bytes: MaxGoMod of x/mod/zip. */
export const goModLimitBytes: number = 16 * 2 ** 20

/** The most that the LICENSE of a module may hold, in bytes: MaxLICENSE of x/mod/zip. */
export const licenseLimitBytes: number = 16 * 2 ** 20

/** The longest path and path element that a consumer's file system is sure to hold, in bytes. Not a rule of go's. */
export const pathLimitBytes = 4000
export const elementLimitBytes = 255

/** An entry of the archive that go makes of the module's directory. Git's directories and submodules are none. */
export interface TreeFile {
  /** Relative to the module's directory. A byte that is not UTF-8 is the lone surrogate U+DC80 + byte - 0x80. */
  readonly path: string
  readonly mode: 'file' | 'symlink' | 'other'
  /** In bytes. Absent where it is not known, and then not counted. */
  readonly size?: number
}

/** An entry that the zip does without, and why, in Go's words. */
export interface OmittedFile {
  readonly path: string
  readonly reason: string
}

/** The files of the zip in the order of the entries. */
export interface FileSelection<F extends TreeFile> {
  readonly files: readonly F[]
  readonly omitted: readonly OmittedFile[]
  readonly code?: never
}

/** Why there can be no zip, and which entry is to blame. The message holds Go's own words. */
export interface SelectionFailure {
  readonly code: ProblemCode
  readonly message: string
  readonly path: string
}

export interface SelectionOptions {
  /** What `zipVendorVersion` finds in the regular file go.mod of the module's directory, "" where there is none. */
  readonly vendorVersion: string
}

/**
 * Returns which of the entries, in the order of the tree, belong in the zip, or why there can be none.
 *
 * @example selectFiles([{ path: 'a:b', mode: 'file' }], { vendorVersion: '' }) // code: "file-path-invalid"
 */
export function selectFiles<F extends TreeFile>(
  entries: readonly F[],
  options: SelectionOptions,
): FileSelection<F> | SelectionFailure {
  const isAtLeast124 = compareGo(options.vendorVersion.replace(/^go/, ''), '1.24') >= 0
  const isNested = nestedModules(entries)
  const names = new Names()
  const files: F[] = []
  const omitted: OmittedFile[] = []
  const linkPaths = new Set<string>()
  let room = zipLimitBytes

  for (const entry of entries) {
    const { path, mode, size = 0 } = entry
    const unclean = checkClean(path)
    if (unclean !== undefined) return { code: 'file-path-invalid', message: unclean, path }

    const reason = reasonToOmit(path, isAtLeast124, isNested)
    if (reason !== undefined) {
      omitted.push({ path, reason })
      continue
    }
    const malformed = checkFilePath(path)
    if (malformed !== undefined) return { code: 'file-path-invalid', message: malformed, path }
    if (path !== 'go.mod' && isGoModName(path)) {
      return { code: 'gomod-case', message: 'go.mod files must have lowercase names', path }
    }
    const collision = names.add(path)
    if (collision !== undefined) {
      // An entry that was left out once is not reported again.
      if (linkPaths.has(path)) continue
      return { code: 'file-collision', message: collision, path }
    }
    if (mode !== 'file') {
      omitted.push({ path, reason: mode === 'symlink' ? 'file is a symbolic link' : 'not a regular file' })
      linkPaths.add(path)
      continue
    }
    if (size > room) return tooLarge('zip-too-large', 'module source tree', zipLimitBytes, path)
    room -= size
    if (path === 'go.mod' && size > goModLimitBytes) {
      return tooLarge('gomod-too-large', 'go.mod file', goModLimitBytes, path)
    }
    if (path === 'LICENSE' && size > licenseLimitBytes) {
      return tooLarge('license-too-large', 'LICENSE file', licenseLimitBytes, path)
    }
    files.push(entry)
  }
  return findTooLong(files) ?? { files, omitted }
}

function reasonToOmit(
  path: string,
  isAtLeast124: boolean,
  isNested: (path: string) => boolean,
): string | undefined {
  if (isVendored(path, isAtLeast124)) return 'file is in vendor directory'
  if (isNested(path)) return 'file is in another module'
  if (path === '.hg_archival.txt') return "file is inserted by 'hg archive' and is always omitted"
  return undefined
}

/**
 * Tells whether a file lies in a vendored package. Before 1.24 go looked for the "/" behind a nested vendor directory
 * in the wrong place and always found one (golang.org/issue/37397); old modules keep their hashes that way.
 */
function isVendored(path: string, isAtLeast124: boolean): boolean {
  if (path.startsWith('vendor/')) {
    if (isAtLeast124 && path === 'vendor/modules.txt') return true
    return path.includes('/', 'vendor/'.length)
  }
  const at = path.indexOf('/vendor/')
  if (at < 0) return false
  return !isAtLeast124 || path.includes('/', at + '/vendor/'.length)
}

/** Returns the test for files below a directory, other than the top, that holds a go.mod in whatever letter case. */
function nestedModules(entries: readonly TreeFile[]): (path: string) => boolean {
  const nested = new Map<string, boolean>()
  for (const { path, mode } of entries) {
    const slash = path.lastIndexOf('/')
    if (slash > 0 && mode === 'file' && isGoModName(path.slice(slash + 1))) {
      nested.set(path.slice(0, slash), true)
    }
  }
  if (nested.size === 0) return () => false
  return (path) => {
    const unknown: string[] = []
    let answer = false
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      const dir = path.slice(0, slash)
      const known = nested.get(dir)
      if (known !== undefined) {
        answer = known
        break
      }
      unknown.push(dir)
    }
    for (const dir of unknown) nested.set(dir, answer)
    return answer
  }
}

/** Tells whether a name is "go.mod" in whatever letter case. No letter beyond ASCII folds to one of these. */
export function isGoModName(name: string): boolean {
  return /^go\.mod$/i.test(name)
}

/** The names taken so far, by their folded form; a directory takes its name with the first file in it. */
class Names {
  readonly #taken = new Map<string, { readonly path: string; readonly kind: 'file' | 'directory' }>()

  /** Takes the name of a file and those of its directories, from the file upwards. Returns why it cannot. */
  add(path: string): string | undefined {
    const folded = foldName(path)
    const other = this.#taken.get(folded)
    if (other !== undefined) {
      if (other.path !== path) return collisionOf(other.path, path)
      return other.kind === 'file'
        ? `multiple entries for file ${quote(path)}`
        : `entry ${quote(path)} is both a file and a directory`
    }
    this.#taken.set(folded, { path, kind: 'file' })

    let slash = path.lastIndexOf('/')
    let foldedSlash = folded.lastIndexOf('/')
    while (slash > 0) {
      const dir = path.slice(0, slash)
      const foldedDir = folded.slice(0, foldedSlash)
      const taken = this.#taken.get(foldedDir)
      if (taken === undefined) {
        this.#taken.set(foldedDir, { path: dir, kind: 'directory' })
      } else if (taken.path !== dir) {
        return collisionOf(taken.path, dir)
      } else if (taken.kind === 'file') {
        return `entry ${quote(dir)} is both a file and a directory`
      } else {
        // What is above was taken together with this directory.
        return undefined
      }
      slash = path.lastIndexOf('/', slash - 1)
      foldedSlash = folded.lastIndexOf('/', foldedSlash - 1)
    }
    return undefined
  }
}

function collisionOf(first: string, second: string): string {
  return `case-insensitive file name collision: ${quote(first)} and ${quote(second)}`
}

/** Checks that the path is the shortest way to write it, as path.Clean of Go decides, and relative. */
function checkClean(path: string): string | undefined {
  if (!/^$|^\/|\/\/|\/$|(?:^|\/)\.{1,2}(?:\/|$)/.test(path)) return undefined
  const isRooted = path.startsWith('/')
  const elements = (isRooted ? path.slice(1) : path).split('/')
  const isClean = elements.every((element, index) => {
    // ".." is the shortest way only where it leads out of the directory.
    if (element === '..') return !isRooted && (index === 0 || elements[index - 1] === '..')
    return element !== '' && element !== '.'
  })
  if (!isClean && path !== '.' && path !== '/') return 'file path is not clean'
  return isRooted ? 'file path is not relative' : undefined
}

function tooLarge(code: ProblemCode, what: string, limitBytes: number, path: string): SelectionFailure {
  return { code, message: `${what} too large (max size is ${limitBytes} bytes)`, path }
}

function findTooLong(files: readonly TreeFile[]): SelectionFailure | undefined {
  const encoder = new TextEncoder()
  for (const { path } of files) {
    // A unit of UTF-16 takes three bytes at most.
    if (path.length * 3 <= elementLimitBytes) continue
    const lengthBytes = encoder.encode(path).length
    if (lengthBytes > pathLimitBytes) {
      const message = `path of ${lengthBytes} bytes (max length is ${pathLimitBytes} bytes)`
      return { code: 'file-path-too-long', message, path }
    }
    for (const element of path.split('/')) {
      const elementBytes = element.length * 3 > elementLimitBytes ? encoder.encode(element).length : 0
      if (elementBytes > elementLimitBytes) {
        const message = `path element of ${elementBytes} bytes (max length is ${elementLimitBytes} bytes)`
        return { code: 'file-path-too-long', message, path }
      }
    }
  }
  return undefined
}
