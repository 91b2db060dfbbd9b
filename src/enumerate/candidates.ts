/**
 * Candidates are the module paths that there may be in a repository: what the
 * names of version tags say, and the go.mod files at the tips of branches.
 *
 * Pure. See product.md, "Modules".
 */

import type { ModulePath, RefFacts, Repository } from '../model.ts'
import { checkModulePath, splitPathVersion } from '../module/path.ts'
import { majorOf } from '../module/version.ts'
import { problem } from '../problem.ts'
import { type Coordinate, coordinateOf, joinDirs, pathBelowRoot } from './locate.ts'
import type { Scope } from './scope.ts'
import { isVersionName, type VersionTag } from './tags.ts'

/** Returns the modules that tags, branches and configured revisions suggest, sorted by path. */
export function findCandidates(scope: Scope): Coordinate[] {
  const found = new Map<string, Coordinate>()
  const blocked = new Set<string>()
  const add = (text: string, source: 'tag' | 'head') => {
    const path = text as ModulePath
    if (found.has(path) || blocked.has(path)) return
    const at = candidateAt(scope, path, source)
    if (at === undefined) blocked.add(path)
    else found.set(path, at)
  }
  add(scope.repository.root, 'head')
  for (const tag of scope.tags.byName.values()) {
    const path = pathOfTag(scope.repository, tag)
    if (path !== undefined) add(path, 'tag')
  }
  for (const facts of [...scope.facts.heads, ...scope.facts.commits]) {
    for (const path of pathsOfTip(scope.repository, facts)) add(path, 'head')
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

function candidateAt(scope: Scope, path: ModulePath, source: 'tag' | 'head'): Coordinate | undefined {
  const { root, subdir } = scope.repository
  const at = coordinateOf(root, subdir, path)
  const isWanted = at === undefined || scope.context.wantsDirectory(at.codeDir)
  const reason = checkModulePath(path)
  if (at === undefined || reason !== undefined) {
    // A root such as "example.com" need not be a module; and not every directory before a tag is meant as one.
    if (isWanted && path !== root && source === 'head') {
      const message =
        reason === undefined
          ? `The repository at ${root} cannot hold ${path}.`
          : `${path} is no module path: ${reason}.`
      scope.report(problem('module-path-invalid', { repository: root, module: path }, message))
    }
    return undefined
  }
  const conflict = scope.context.checkPath(path)
  if (conflict === undefined) return at
  const isMeant =
    path !== root || [...scope.tags.byName.values()].some((tag) => pathOfTag(scope.repository, tag) === path)
  if (isWanted && (isMeant || isRealModule(scope, at))) scope.report(conflict)
  return undefined
}

function isRealModule(scope: Scope, at: Coordinate): boolean {
  return scope.head?.mods[at.codeDir] !== undefined
}

/** Returns the module path that a version tag names; undefined for tags that can name none. */
export function pathOfTag(repository: Repository, tag: VersionTag): string | undefined {
  if (!isVersionName(tag.rest)) return undefined
  const below = pathBelowRoot(repository.subdir, tag.dir)
  if (below === undefined) return undefined
  const base = joinDirs(repository.root, below)
  const split = splitPathVersion(base)
  if (split === undefined) return undefined
  const major = majorOf(tag.rest)
  const suffixed = major === 'v0' || major === 'v1' ? base : `${base}/${major}`
  if (below === '') return split.pathMajor === '' ? suffixed : base
  // A tag such as x/v2/v2.0.1 belongs to no module: the major version is not part of the directory.
  return split.pathMajor === '' ? suffixed : undefined
}

/** Returns the paths of the modules whose go.mod lies in a directory at the tip of a branch. */
function pathsOfTip(repository: Repository, facts: RefFacts): string[] {
  return Object.entries(facts.mods ?? {}).flatMap(([dir, goMod]) => {
    const suffix = splitPathVersion(goMod.module)?.pathMajor ?? ''
    // The directory vN belongs to the major version of the module above it.
    const outer = dir.endsWith(suffix) && suffix.startsWith('/') ? dir.slice(0, -suffix.length) : dir
    const isNested = outer !== dir && pathBelowRoot(repository.subdir, outer) !== undefined
    const below = pathBelowRoot(repository.subdir, isNested ? outer : dir)
    if (below === undefined || goMod.kind !== 'regular') return []
    const base = joinDirs(repository.root, below)
    if (below === '' && splitPathVersion(base)?.pathMajor !== '') return [base]
    return [suffix.startsWith('/') && !base.endsWith(suffix) ? base + suffix : base]
  })
}
