/**
 * Where in a repository a module lies, and whether a commit holds it.
 *
 * A module path is the root of the repository, a directory, and from v2 on a
 * major version suffix. Its go.mod is either in that directory or in the vN
 * directory below, and only the major version on its module line has to fit:
 * a fork may keep the original's path.
 *
 * Pure. The rules are those of cmd/go/internal/modfetch/coderepo.go
 * (newCodeRepo, findDir, isMajor); protocol 1.4.
 */

import type { GoModFile, ModulePath } from '../model.ts'
import { pathMajorPrefix, splitPathVersion } from '../module/path.ts'
import { majorOf } from '../module/version.ts'
import { type Problem, problem } from '../problem.ts'

/** A module path taken apart against the root of its repository. */
export interface Coordinate {
  readonly path: ModulePath
  /** The directory by the path alone, with the repository's subdirectory, without a vN directory. */
  readonly codeDir: string
  /** "/v2", ".v3", or "" where versions are v0 and v1. */
  readonly pathMajor: string
  /** "v2", or "": the major version that pseudo-versions without a base begin with. */
  readonly pseudoMajor: string
  /** Whether the path is the root itself, so that no vN directory is looked for. */
  readonly isRoot: boolean
}

/** Takes a module path apart. Returns undefined where the repository cannot hold it. */
export function coordinateOf(root: string, subdir: string, path: ModulePath): Coordinate | undefined {
  const split = splitPathVersion(path)
  if (split === undefined) return undefined
  const { pathMajor } = split
  if (!hasMajor.test(pathMajor)) return undefined
  const pseudoMajor = pathMajorPrefix(pathMajor)
  if (path === root) return { path, codeDir: subdir, pathMajor, pseudoMajor, isRoot: true }
  const { prefix } = split
  if (prefix !== root && !prefix.startsWith(`${root}/`)) return undefined
  // Go puts the subdirectory of the root below the directory that the path names, not above it.
  const codeDir = joinDirs(prefix.slice(root.length + 1), subdir)
  return { path, codeDir, pathMajor, pseudoMajor, isRoot: false }
}

/** Go panics on the major version of "gopkg.in/x.v-unstable", which is none. */
const hasMajor = /^$|^[./]v\d+(-unstable)?$/

/** Returns the path below the root that a directory stands for: the inverse of Go's codeDir. Undefined: none. */
export function pathBelowRoot(subdir: string, dir: string): string | undefined {
  if (subdir === '' || dir === subdir) return subdir === '' ? dir : ''
  return dir.endsWith(`/${subdir}`) ? dir.slice(0, -subdir.length - 1) : undefined
}

/** Joins directories of a repository; "" is its top. */
export function joinDirs(...dirs: readonly string[]): string {
  return dirs.filter((dir) => dir !== '').join('/')
}

/** The directory in which the module's files lie in one commit, and whether it has a go.mod there. */
export interface Location {
  readonly dir: string
  readonly goMod: GoModFile | undefined
}

/**
 * Finds the module in a commit whose go.mod files are given by directory.
 * Returns where it lies, or the problem why go would refuse the version.
 */
export function locateModule(
  at: Coordinate,
  version: string,
  mods: Readonly<Record<string, GoModFile>>,
  place: { readonly repository: string; readonly ref?: string },
): Location | Problem {
  const where = { ...place, module: at.path, version }
  const outer = asFile(mods[at.codeDir])
  const found1 = outer !== undefined && (isMajor(outer.module, at.pathMajor) || replacesGopkgIn(at, outer))
  const canNest = at.pathMajor.startsWith('/') && !at.isRoot
  const dir2 = canNest ? joinDirs(at.codeDir, at.pathMajor.slice(1)) : ''
  const inner = canNest ? asFile(mods[dir2]) : undefined

  if (inner !== undefined) {
    const found2 = isMajor(inner.module, at.pathMajor)
    if (found1 && found2) {
      const both = `Both ${fileIn(at.codeDir)} and ${fileIn(dir2)} declare a path that ends in ${at.pathMajor}.`
      return problem('module-ambiguous', where, both)
    }
    return found2 ? { dir: dir2, goMod: inner } : misfit(at, dir2, inner, version, where)
  }
  if (found1) return { dir: at.codeDir, goMod: outer }
  if (outer !== undefined) return misfit(at, at.codeDir, outer, version, where)
  if (at.codeDir === '' && !at.pathMajor.startsWith('/')) {
    if (mods['']?.kind === 'directory') {
      return problem('gomod-not-regular', where, 'go.mod is a directory.')
    }
    return { dir: '', goMod: undefined }
  }
  const looked = canNest ? `${fileIn(at.codeDir)} nor ${fileIn(dir2)}` : fileIn(at.codeDir)
  const missing = canNest
    ? `There is neither ${looked} in the commit.`
    : `There is no ${looked} in the commit.`
  return problem('gomod-missing', where, missing)
}

function asFile(goMod: GoModFile | undefined): GoModFile | undefined {
  return isFile(goMod) ? goMod : undefined
}

function misfit(
  at: Coordinate,
  dir: string,
  goMod: GoModFile,
  version: string,
  where: { readonly repository: string; readonly module: string; readonly version: string },
): Problem {
  const file = fileIn(dir)
  if (goMod.fault !== undefined) return problem(goMod.fault.code, where, goMod.fault.message)
  if (goMod.kind === 'symlink') return problem('gomod-not-regular', where, `${file} is a symbolic link.`)
  if (goMod.module === '') return problem('gomod-no-module-path', where, `${file} is missing a module path.`)
  const declared = JSON.stringify(goMod.module)
  if (at.pathMajor !== '') {
    const message = `${file} declares ${declared}, which does not end in ${at.pathMajor}.`
    return problem('major-version-mismatch', where, message)
  }
  if (splitPathVersion(goMod.module) === undefined) {
    return problem('gomod-no-module-path', where, `${file} has the malformed module path ${declared}.`)
  }
  const message = `${file} declares ${declared}, which is not for ${majorOf(version)}.`
  return problem('major-version-mismatch', where, message)
}

function fileIn(dir: string): string {
  return joinDirs(dir, 'go.mod')
}

/** Tells whether a declared path is for the major versions that `pathMajor` implies. */
export function isMajor(declared: string, pathMajor: string): boolean {
  if (declared === '') return false
  const split = splitPathVersion(declared)
  if (split === undefined) return false
  if (!hasMajor.test(split.pathMajor)) return false
  if (pathMajor === '') return ['', 'v0', 'v1'].includes(pathMajorPrefix(split.pathMajor))
  if (split.pathMajor === '') return false
  return split.pathMajor.slice(1) === pathMajor.slice(1)
}

/** Go once took unversioned paths as replacements of gopkg.in paths, and still does (golang/go#34254). */
function replacesGopkgIn(at: Coordinate, goMod: GoModFile): boolean {
  return at.pathMajor === '' && goMod.module.startsWith('gopkg.in/')
}

/** Tells whether go can read the go.mod: a directory of that name is as if it were not there. */
export function isFile(goMod: GoModFile | undefined): goMod is GoModFile {
  return goMod !== undefined && goMod.kind !== 'directory'
}

/** Tells a problem from a location. */
export function isProblem(value: object): value is Problem {
  return 'code' in value
}
