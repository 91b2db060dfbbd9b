/**
 * Resolving decides which version a commit is for a module: the highest
 * version tag on it, or a pseudo-version made from the highest tag in its
 * history.
 *
 * Pure. The rules are those of codeRepo.convert and validatePseudoVersion in
 * cmd/go/internal/modfetch/coderepo.go; protocol 2.2 and 2.3.
 */

import type { GoModFile, ModuleVersion, Oid, RefFacts, Version } from '../model.ts'
import {
  isPseudoVersion,
  makePseudoVersion,
  pseudoBase,
  pseudoRevision,
  pseudoTime,
} from '../module/pseudo.ts'
import {
  canonicalSemver,
  canonicalVersion,
  compareVersions,
  majorOf,
  matchesPathMajor,
} from '../module/version.ts'
import { type Problem, problem } from '../problem.ts'
import { type Coordinate, isFile, isProblem, joinDirs, locateModule } from './locate.ts'
import { isVersionName, tagPrefix } from './tags.ts'

/** Facts of a commit, complete enough to be a version. */
export type CommitFacts = RefFacts & Required<Pick<RefFacts, 'commit' | 'tree' | 'time' | 'mods'>>

/** Narrows facts to those of a readable commit. */
export function isCommit(facts: RefFacts | undefined): facts is CommitFacts {
  return (
    facts !== undefined &&
    facts.failed === undefined &&
    facts.commit !== undefined &&
    facts.mods !== undefined
  )
}

export interface ResolveContext {
  readonly repository: string
  readonly tagsOn: (commit: Oid) => readonly string[]
  /** Whether the module's author takes the version back (protocol 2.2, "R!"). */
  readonly isRetracted: (version: string) => boolean
  readonly isPublished: (version: string) => boolean
  /** The name of a tag in this directory that may be read in another run, and be the base of a pseudo-version then. */
  readonly unreadBase: string | undefined
}

/** Resolves a version tag: the version it names, marked "+incompatible" where that is asked for. */
export function resolveTag(
  context: ResolveContext,
  at: Coordinate,
  facts: CommitFacts,
  version: string,
): ModuleVersion | Problem {
  return checkCanonical(context, at, facts, version, version)
}

/**
 * Resolves a branch, a commit or a tag that is no version. `query` is what a
 * consumer asks for, or "" for the default branch's newest commit.
 */
export function resolveRevision(
  context: ResolveContext,
  at: Coordinate,
  facts: CommitFacts,
  query: string,
): ModuleVersion | Problem {
  const prefix = at.codeDir === '' ? '' : `${at.codeDir}/`
  const onCommit = context.tagsOn(facts.commit).filter((tag) => tag.startsWith(prefix))
  const usable = (version: string) =>
    matchesPathMajor(version, at.pathMajor) || canBeIncompatible(at, facts.mods, version, query)

  let highest = ''
  let base = ''
  for (const tag of onCommit) {
    const rest = tag.slice(prefix.length)
    if (!isTagVersion(tag, rest)) continue
    const version = canonicalSemver(rest)
    if (query !== '' && compareVersions(version, query) === 0) {
      if (version === rest) return checkCanonical(context, at, facts, version, query)
      base = version
    }
    const isBetter = version === rest && compareVersions(highest, version) < 0
    if (isBetter && !context.isRetracted(version) && usable(version)) highest = version
  }
  if (highest !== '') return checkCanonical(context, at, facts, highest, query)

  if (base === '') {
    for (const tag of facts.merged ?? []) {
      const rest = tag.startsWith(prefix) ? tag.slice(prefix.length) : ''
      if (rest === '' || !isTagVersion(tag, rest)) continue
      const version = canonicalSemver(rest)
      if (compareVersions(version, base) <= 0 || !usable(version) || context.isRetracted(version)) continue
      base = version
    }
  }
  const pseudo = makePseudoVersion(at.pseudoMajor, base, facts.time, facts.commit.slice(0, 12))
  const found = checkCanonical(context, at, facts, pseudo, query)
  const { unreadBase } = context
  if (unreadBase === undefined || isProblem(found) || context.isPublished(found.version)) return found
  // With another base it would be another version, and this one would stay beside it.
  const message = `Its pseudo-version depends on the tag ${unreadBase}, which cannot be read.`
  return problem(
    'object-missing',
    { repository: context.repository, ref: facts.ref, module: at.path },
    message,
  )
}

/** Go tests the whole tag for the shape of a pseudo-version, prefix included (protocol 2.2, the quirk). */
function isTagVersion(tag: string, rest: string): boolean {
  if (isPseudoVersion(tag)) return false
  const canonical = canonicalSemver(rest)
  return canonical !== '' && rest.startsWith(canonical)
}

/** Checks a pseudo-version that someone holds already against its commit. */
export function resolvePseudoVersion(
  context: ResolveContext,
  at: Coordinate,
  facts: CommitFacts,
  version: string,
): ModuleVersion | Problem {
  const found = checkCanonical(context, at, facts, version, version)
  if (isProblem(found)) return found
  const refuse = (message: string) =>
    problem('pseudo-version-invalid', { repository: context.repository, module: at.path, version }, message)

  const revision = facts.commit.slice(0, 12)
  if (pseudoRevision(version) !== revision) return refuse(`Its revision should be ${revision}.`)
  if (pseudoTime(version) !== facts.time) {
    return refuse(`Its time differs from the commit's, ${new Date(facts.time * 1000).toISOString()}.`)
  }
  const base = pseudoBase(version.replace(/\+incompatible$/, ''))
  if (base === undefined) return refuse('Its base is no version.')
  if (base === '') {
    const isFirst = at.pseudoMajor !== '' || majorOf(version) !== 'v1'
    return isFirst ? found : refuse('Without a tag before it, it must begin with v0.')
  }
  const prefix = at.codeDir === '' ? '' : `${at.codeDir}/`
  if (context.tagsOn(facts.commit).includes(prefix + base)) {
    return refuse(`The commit is tagged ${prefix}${base}, so that it needs no pseudo-version of that tag.`)
  }
  const hasBase = (facts.merged ?? []).some(
    (tag) => tag.startsWith(prefix) && compareVersions(tag.slice(prefix.length), base) === 0,
  )
  return hasBase ? found : refuse(`The tag ${prefix}${base} is not in the history of ${revision}.`)
}

/** Checks that a version fits the module in this commit, and adds "+incompatible" where it is due. */
function checkCanonical(
  context: ResolveContext,
  at: Coordinate,
  facts: CommitFacts,
  canonical: string,
  query: string,
): ModuleVersion | Problem {
  const place = { repository: context.repository, ref: facts.ref, module: at.path, version: canonical }
  const found = locateModule(at, canonical, facts.mods, { repository: context.repository, ref: facts.ref })
  if (isProblem(found)) return found
  const asked = canonical === query.replace(/\+incompatible$/, '') ? query : canonical
  const base = asked.replace(/\+incompatible$/, '')
  let version = asked
  if (!matchesPathMajor(base, at.pathMajor)) {
    if (!canBeIncompatible(at, facts.mods, base, query)) {
      const message =
        at.pathMajor === ''
          ? `The commit has a go.mod for ${majorOf(base)}, so that ${base} is no version of ${at.path}.`
          : `${base} does not fit a module path that ends in ${at.pathMajor}.`
      return problem('major-version-mismatch', place, message)
    }
    version = `${base}+incompatible`
  } else if (asked.endsWith('+incompatible')) {
    return problem('major-version-mismatch', place, `${base} needs no "+incompatible".`)
  }
  if (query !== '' && query === canonicalVersion(query) && query.replace(/\+incompatible$/, '') !== base) {
    return problem('major-version-mismatch', place, `${query} is not a tag; the commit is ${version}.`)
  }
  const { dir, goMod } = found
  if (goMod?.fault !== undefined) return problem(goMod.fault.code, { ...place, version }, goMod.fault.message)
  const tag = joinDirs(at.codeDir, base)
  const isTagged = isVersionName(base) && context.tagsOn(facts.commit).includes(tag)
  return {
    path: at.path,
    version: version as Version,
    commit: facts.commit,
    tree: facts.tree,
    time: facts.time,
    dir,
    codeDir: at.codeDir,
    ...(isTagged ? { ref: tagPrefix + tag } : {}),
    ...(goMod === undefined ? {} : { goMod }),
  }
}

/**
 * Tells whether a version from v2 on may be used without a suffix in the path:
 * only at the top of a repository that has no go.mod there, nor one in "vN"
 * (golang/go#51324), unless "+incompatible" was asked for by name.
 */
function canBeIncompatible(
  at: Coordinate,
  mods: Readonly<Record<string, GoModFile>>,
  version: string,
  query: string,
): boolean {
  if (at.codeDir !== '' || at.pathMajor !== '') return false
  if (isFile(mods[''])) return false
  return query.endsWith('+incompatible') || version === '' || !isFile(mods[majorOf(version)])
}
