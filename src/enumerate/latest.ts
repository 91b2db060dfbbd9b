/**
 * What the author says of all versions in the newest one's go.mod, and the
 * version that is the latest.
 *
 * Pure. The rules are those of codeRepo.retractedVersions, and of queryProxy
 * and filterVersions in cmd/go/internal/modload/query.go; protocol 2.2, 2.4.
 */

import type { GoModFile, Retraction, Version } from '../model.ts'
import { compareVersions, prereleaseOf } from '../module/version.ts'
import { type Coordinate, isFile, isProblem, joinDirs, locateModule } from './locate.ts'
import { type CommitFacts, isCommit, type ResolveContext, resolveRevision } from './resolve.ts'
import type { Admit, ListedTag, Scope } from './scope.ts'
import { isVersionName } from './tags.ts'

/** What a module's newest go.mod decides. */
export interface Latest {
  readonly latest?: Version
  readonly deprecated?: string
  /** What the author takes back, of which `@latest` and the pages take notice. */
  readonly retractions: readonly Retraction[]
}

/** The author's retractions as go's repository code reads them: from the highest release before "+incompatible". */
export function authorRetractions(
  at: Coordinate,
  goList: readonly ListedTag[],
): (version: string) => boolean {
  const end = goList.findIndex((tag) => tag.version.endsWith('+incompatible'))
  const before = end < 0 ? goList : goList.slice(0, end)
  const highest = before.findLast((tag) => prereleaseOf(tag.version) === '') ?? before.at(-1)
  if (highest === undefined || !isCommit(highest.facts)) return () => false
  const found = locateModule(at, highest.version, highest.facts.mods, { repository: '' })
  return retractedBy(isProblem(found) ? [] : (found.goMod?.retract ?? []))
}

/** Returns a test for versions inside any of the intervals. */
export function retractedBy(retractions: readonly Retraction[]): (version: string) => boolean {
  return (version) =>
    retractions.some(
      ({ low, high }) => compareVersions(low, version) <= 0 && compareVersions(version, high) <= 0,
    )
}

/** Returns a function that gives the go.mod of a version tag of the module, or undefined where go makes one up. */
export function goModsOf(scope: Scope, at: Coordinate): (version: string) => GoModFile | undefined {
  return (version) => {
    const facts = scope.tags.byName.get(joinDirs(at.codeDir, version.replace(/\+incompatible$/, '')))?.facts
    if (!isCommit(facts)) return undefined
    const found = locateModule(at, version, facts.mods, { repository: '' })
    return isProblem(found) ? undefined : found.goMod
  }
}

/**
 * Chooses `@latest` as the go command would from the list: the highest release
 * that is not retracted, else the highest pre-release, else the newest commit
 * of the default branch (queryProxy and filterVersions in
 * cmd/go/internal/modload/query.go; protocol 2.4).
 */
export function chooseLatest(
  scope: Scope,
  resolver: ResolveContext,
  at: Coordinate,
  list: readonly Version[],
  goMods: (version: string) => GoModFile | undefined,
  admit: Admit,
): Latest {
  const newest = highestOf(list, goMods, () => true)
  const isTagged = (scope.tags.byDir.get(at.codeDir) ?? []).some((tag) => isVersionName(tag.rest))
  const head = () => {
    if (scope.head === undefined || !holdsModule(scope, at, scope.head)) return undefined
    const found = resolveRevision(resolver, at, scope.head, '')
    if (isProblem(found)) {
      // Of a module that tags alone suggest, enough is said by its tags.
      if (!isTagged && found.code !== 'gomod-missing') scope.report(found)
      return undefined
    }
    return admit(found)
  }
  const judge = newest ?? head()
  const goMod = newest === undefined ? headGoMod(scope, at, judge) : goMods(newest)
  const retractions = goMod?.retract ?? []
  const isRetracted = retractedBy(retractions)
  const latest = highestOf(list, goMods, (version) => !isRetracted(version)) ?? head()
  return {
    ...(latest === undefined ? {} : { latest }),
    ...(goMod?.deprecated === undefined ? {} : { deprecated: goMod.deprecated }),
    retractions,
  }
}

function headGoMod(scope: Scope, at: Coordinate, version: string | undefined): GoModFile | undefined {
  if (scope.head === undefined || version === undefined) return undefined
  const found = locateModule(at, version, scope.head.mods, { repository: '' })
  return isProblem(found) ? undefined : found.goMod
}

/** The top without go.mod is no module of a repository whose modules lie in directories, though go would make one. */
export function holdsModule(scope: Scope, at: Coordinate, facts: CommitFacts): boolean {
  if (at.codeDir !== scope.repository.subdir || isFile(facts.mods[at.codeDir])) return true
  // It is asked for each tag of the repository, so that it must not look at all of them.
  return scope.tags.versionDirs.has(at.codeDir) || Object.keys(facts.mods).length === 0
}

/** The highest release among the allowed, else the highest pre-release; "+incompatible" yields to a real go.mod. */
function highestOf(
  list: readonly Version[],
  goMods: (version: string) => GoModFile | undefined,
  isAllowed: (version: string) => boolean,
): Version | undefined {
  const allowed = list.filter(isAllowed)
  const start = allowed.findIndex((version) => version.endsWith('+incompatible'))
  const lastCompatible = start < 0 ? undefined : allowed[start - 1]
  const usable =
    lastCompatible !== undefined && goMods(lastCompatible) !== undefined ? allowed.slice(0, start) : allowed
  return usable.findLast((version) => prereleaseOf(version) === '') ?? usable.at(-1)
}
