/**
 * Enumeration decides which module versions a repository publishes.
 *
 * A tag names a directory and a version: "v1.2.3" is for the module in the
 * top, "sub/v1.2.3" for the one in sub. From v2 on the path of the module
 * ends in the major version, which go.mod must say too; only a repository
 * without go.mod may go on under its plain path, with "+incompatible".
 * Modules without a tag are found by their go.mod at the tips of branches.
 *
 * Each step is one function: candidates are the module paths that tags and
 * branches suggest; for each, the tags that go would list are checked one by
 * one; then `@latest` and the revision queries are answered. What go refuses
 * becomes a problem and costs nothing else.
 *
 * Pure: all that is known of the repository arrives as arguments.
 *
 * @see https://go.dev/ref/mod#vcs-version and protocol 1 and 2
 */

import { lintTags } from './enumerate/lint.ts'
import { type Coordinate, coordinateOf, isProblem, joinDirs, locateModule, pathBelowRoot } from './enumerate/locate.ts'
import type {
  GoModFile,
  ModulePath,
  ModuleVersion,
  RefFacts,
  Repository,
  Retraction,
  Version,
} from './model.ts'
import { compareGo, langOf } from './module/gomod.ts'
import { checkModulePath, splitPathVersion } from './module/path.ts'
import { isPseudoVersion } from './module/pseudo.ts'
import {
  compareVersions,
  majorOf,
  matchesPathMajor,
  parseVersionRange,
  prereleaseOf,
  sortVersions,
} from './module/version.ts'
import { type Problem, problem } from './problem.ts'
import {
  type CommitFacts,
  isCommit,
  type ResolveContext,
  resolvePseudoVersion,
  resolveRevision,
  resolveTag,
} from './enumerate/resolve.ts'
import {
  commitPrefix,
  headPrefix,
  indexTags,
  isQueryName,
  isVersionName,
  looksLikeVersion,
  type TagIndex,
  type VersionTag,
} from './enumerate/tags.ts'

/** What is known of a repository: facts of its refs, deleted tags included. */
export interface RepositoryFacts {
  readonly tags: readonly RefFacts[]
  /** The default branch and the configured ones. Empty for a shallow clone. */
  readonly heads: readonly RefFacts[]
  /** The configured revisions, each named "commit:" and the text of the configuration. */
  readonly commits: readonly RefFacts[]
  /** The full name of the default branch. */
  readonly defaultHead?: string
}

/** What is known of the site and of the other repositories. */
export interface EnumerationContext {
  /** Whether this version is on the site already. */
  readonly isPublished: (path: string, version: string) => boolean
  /** Whether this version was tried at this commit, and its files could not be packed. */
  readonly isRefused: (path: string, version: string, commit: string) => boolean
  /** The problem that keeps a module path from being published here, if there is one. */
  readonly checkPath: (path: ModulePath) => Problem | undefined
  /** Which directories of modules are wanted. */
  readonly wantsDirectory: (dir: string) => boolean
  readonly maxGo: string
}

/** One module of the repository, and what is to be published of it. */
export interface ModuleEnumeration {
  readonly path: ModulePath
  /** All that should be on the site, in no order: listed or not, pseudo-versions included. */
  readonly versions: readonly ModuleVersion[]
  /** The lines of `@v/list`: what go lists, less what is refused or not wanted. */
  readonly list: readonly Version[]
  readonly latest?: Version
  readonly queries: Readonly<Record<string, Version>>
  readonly deprecated?: string
  /** What the author takes back, of which `@latest` and the pages take notice. */
  readonly retractions: readonly Retraction[]
}

export interface Enumeration {
  readonly modules: readonly ModuleEnumeration[]
  readonly problems: readonly Problem[]
}

/** Returns the modules of a repository with their versions. */
export function enumerateVersions(
  repository: Repository,
  facts: RepositoryFacts,
  context: EnumerationContext,
): Enumeration {
  const problems: Problem[] = []
  const tags = indexTags(facts.tags)
  const head = facts.heads.find((each) => each.ref === facts.defaultHead)
  const scope: Scope = {
    repository,
    facts,
    context,
    tags,
    head: isCommit(head) ? head : undefined,
    wants:
      repository.versions === undefined
        ? () => true
        : (parseVersionRange(repository.versions) ?? (() => true)),
    report: (found) => problems.push(found),
  }
  const modules = findCandidates(scope)
    .map((at) => enumerateModule(scope, at))
    .filter((module) => module !== undefined)
  problems.push(...lintTags(repository, tags))
  return { modules, problems }
}

interface Scope {
  readonly repository: Repository
  readonly facts: RepositoryFacts
  readonly context: EnumerationContext
  readonly tags: TagIndex
  readonly head: CommitFacts | undefined
  readonly wants: (version: string) => boolean
  readonly report: (found: Problem) => void
}

// ---- Candidates: which module paths there may be ----

/** Returns the modules that tags, branches and configured revisions suggest, sorted by path. */
function findCandidates(scope: Scope): Coordinate[] {
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
  if (at !== undefined && !scope.context.wantsDirectory(at.codeDir)) return undefined
  const reason = checkModulePath(path)
  if (at === undefined || reason !== undefined) {
    // A root such as "example.com" need not be a module; and not every directory before a tag is meant as one.
    if (path !== root && source === 'head') {
      const message = reason ?? `The repository at ${root} cannot hold it.`
      scope.report(problem('module-path-invalid', { repository: root, module: path }, message))
    }
    return undefined
  }
  const conflict = scope.context.checkPath(path)
  if (conflict === undefined) return at
  const isMeant =
    path !== root || [...scope.tags.byName.values()].some((tag) => pathOfTag(scope.repository, tag) === path)
  if (isMeant || isRealModule(scope, at)) scope.report(conflict)
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

// ---- One module ----

/** A tag that go lists as a version of the module. */
interface ListedTag {
  /** The version, with "+incompatible" where the path has no suffix for it. */
  readonly version: Version
  readonly facts: RefFacts
}

function enumerateModule(scope: Scope, at: Coordinate): ModuleEnumeration | undefined {
  const { context, repository } = scope
  const listed = listTags(scope, at)
  const goList = [...sortListed(listed.compatible), ...listed.incompatible]
  const resolver: ResolveContext = {
    repository: repository.root,
    tagsOn: (commit) => scope.tags.byCommit.get(commit) ?? [],
    isRetracted: authorRetractions(at, goList),
  }
  const versions = new Map<string, ModuleVersion>()
  const isWanted = (found: ModuleVersion) =>
    context.isPublished(found.path, found.version) ||
    (scope.wants(found.version) && !context.isRefused(found.path, found.version, found.commit))
  const admit = (found: ModuleVersion, report: (p: Problem) => void): Version | undefined => {
    if (!versions.has(found.version)) {
      if (!isWanted(found)) return undefined
      const reason = checkToolchain(scope, found)
      if (reason !== undefined && !context.isPublished(found.path, found.version)) {
        report(reason)
        return undefined
      }
      warnOfPath(scope, found, report)
      versions.set(found.version, found)
    }
    return found.version
  }

  const quiet: Problem[] = []
  for (const { version, facts } of [...goList, ...listed.unlisted]) {
    if (!isCommit(facts)) continue
    const found = resolveTag(resolver, at, facts, version)
    if (!isProblem(found)) admit(found, scope.report)
    else if (!scope.wants(version)) continue
    else if (isWorthTelling(at, facts, version)) scope.report(found)
    else quiet.push(found)
  }
  // A module that is there is missed in every version that go lists of it.
  if (versions.size > 0) quiet.forEach(scope.report)

  const goMods = goModsOf(scope, at)
  const list = goList.map((each) => each.version).filter((version) => versions.has(version))
  const chosen = chooseLatest(scope, resolver, at, list, goMods, admit)
  const queries = answerQueries(scope, resolver, at, versions, admit)
  if (versions.size === 0) return undefined
  return { path: at.path, versions: [...versions.values()], list, queries, ...chosen }
}

function sortListed(tags: readonly ListedTag[]): ListedTag[] {
  const byVersion = new Map(tags.map((tag) => [tag.version as string, tag]))
  return sortVersions([...byVersion.keys()]).flatMap((version) => byVersion.get(version) ?? [])
}

/**
 * Sorts the tags of the module as go does (codeRepo.Versions and
 * appendIncompatibleVersions; protocol 1.2 and 1.3). Unlisted are those that
 * go resolves when asked, though it hides them from the list.
 */
function listTags(
  scope: Scope,
  at: Coordinate,
): Record<'compatible' | 'incompatible' | 'unlisted', ListedTag[]> {
  const compatible: ListedTag[] = []
  const candidates: ListedTag[] = []
  const lists = { compatible, incompatible: [] as ListedTag[], unlisted: [] as ListedTag[] }
  if (at.path.startsWith('gopkg.in/') && at.path.endsWith('-unstable')) return lists
  for (const tag of scope.tags.byDir.get(at.codeDir) ?? []) {
    if (!isVersionName(tag.rest)) continue
    const listed = { version: tag.rest as Version, facts: tag.facts }
    if (matchesPathMajor(tag.rest, at.pathMajor)) compatible.push(listed)
    else if (at.codeDir === '' && at.pathMajor === '') candidates.push(listed)
  }
  const hasGoMod = (tag: ListedTag | undefined) => isFile(tag?.facts.mods?.[''])
  const hidesAll = hasGoMod(sortListed(compatible.filter((tag) => isCommit(tag.facts))).at(-1))
  const sorted = sortListed(candidates)
  for (const major of new Set(sorted.map((tag) => majorOf(tag.version)))) {
    const tags = sorted.filter((tag) => majorOf(tag.version) === major)
    const hides = hidesAll || hasGoMod(tags.filter((tag) => isCommit(tag.facts)).at(-1))
    for (const tag of tags) {
      const marked = { version: `${tag.version}+incompatible` as Version, facts: tag.facts }
      if (!hides) lists.incompatible.push(marked)
      else if (!hasGoMod(tag)) lists.unlisted.push(marked)
    }
  }
  return lists
}

function isFile(goMod: GoModFile | undefined): boolean {
  return goMod !== undefined && goMod.kind !== 'directory'
}

/**
 * Tells whether a refusal is news. A plain tag v2.0.0 without any go.mod is
 * published as "+incompatible", so that the path with /v2 need not be missed.
 */
function isWorthTelling(at: Coordinate, facts: CommitFacts, version: string): boolean {
  if (at.codeDir !== '' || !at.pathMajor.startsWith('/') || at.isRoot) return true
  return isFile(facts.mods['']) || isFile(facts.mods[majorOf(version)])
}

function checkToolchain(scope: Scope, found: ModuleVersion): Problem | undefined {
  const go = goModOf(scope, found)?.go
  const { maxGo } = scope.context
  if (go === undefined || go === '' || compareGo(go, maxGo) <= 0 || langOf(go) === maxGo) return undefined
  const message = `Its go.mod says "go ${go}", and zip rules are known up to Go ${maxGo}.`
  return problem('go-too-new', placeOf(scope, found), message)
}

function warnOfPath(scope: Scope, found: ModuleVersion, report: (found: Problem) => void): void {
  const declared = goModOf(scope, found)?.module
  if (declared === undefined || declared === found.path) return
  const message = `Its go.mod declares ${JSON.stringify(declared)}; published under ${found.path} as go does.`
  report(problem('gomod-path-differs', placeOf(scope, found), message))
}

function goModOf(scope: Scope, found: ModuleVersion): GoModFile | undefined {
  if (found.goMod === 'synthesized') return undefined
  const all = [...scope.facts.heads, ...scope.facts.commits]
  const facts =
    found.ref === undefined ? undefined : scope.tags.byName.get(found.ref.slice('refs/tags/'.length))?.facts
  const known =
    facts ??
    [...all, ...scope.facts.tags].find((each) => each.commit === found.commit && each.mods?.[found.dir])
  return known?.mods?.[found.dir]
}

function placeOf(
  scope: Scope,
  found: ModuleVersion,
): { repository: string; ref?: string; module: string; version: string } {
  const { ref } = found
  return {
    repository: scope.repository.root,
    ...(ref && { ref }),
    module: found.path,
    version: found.version,
  }
}

// ---- Retractions and @latest ----

/** The author's retractions as go's repository code reads them: from the highest release before "+incompatible". */
function authorRetractions(at: Coordinate, goList: readonly ListedTag[]): (version: string) => boolean {
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
function goModsOf(scope: Scope, at: Coordinate): (version: string) => GoModFile | undefined {
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
function chooseLatest(
  scope: Scope,
  resolver: ResolveContext,
  at: Coordinate,
  list: readonly Version[],
  goMods: (version: string) => GoModFile | undefined,
  admit: (found: ModuleVersion, report: (p: Problem) => void) => Version | undefined,
): Pick<ModuleEnumeration, 'latest' | 'deprecated' | 'retractions'> {
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
    return admit(found, scope.report)
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
function holdsModule(scope: Scope, at: Coordinate, facts: CommitFacts): boolean {
  if (at.codeDir !== scope.repository.subdir || isFile(facts.mods[at.codeDir])) return true
  const tagged = (scope.tags.byDir.get(at.codeDir) ?? []).some(
    (tag) => isVersionName(tag.rest) && isCommit(tag.facts),
  )
  return tagged || Object.keys(facts.mods).length === 0
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

// ---- Queries: names that are no versions ----

/** Answers configured branches and revisions, tags that are no versions, and v2.0.0 for v2.0.0+incompatible. */
function answerQueries(
  scope: Scope,
  resolver: ResolveContext,
  at: Coordinate,
  versions: ReadonlyMap<string, ModuleVersion>,
  admit: (found: ModuleVersion, report: (p: Problem) => void) => Version | undefined,
): Record<string, Version> {
  const answers = new Map<string, Version>()
  const answer = (name: string, facts: RefFacts, effort: 'known' | 'any') => {
    if (answers.has(name) || !isQueryName(name) || !isCommit(facts) || !holdsModule(scope, at, facts)) return
    const found = resolveRevision(resolver, at, facts, name)
    if (isProblem(found) || (effort === 'known' && !versions.has(found.version))) return
    const version = admit(found, scope.report)
    if (version !== undefined) answers.set(name, version)
  }
  const { branches } = scope.repository
  for (const { short, rest, dir, facts } of scope.tags.byName.values()) {
    if (dir === '' || dir === at.codeDir) {
      const name = isQueryName(rest) && looksLikeVersion(rest) && dir === at.codeDir ? rest : short
      const effort = looksLikeVersion(rest) || branches.includes(short) ? 'any' : 'known'
      answer(name, facts.mods === undefined ? borrowGoMods(scope, facts) : facts, effort)
    }
  }
  for (const facts of scope.facts.heads) {
    const name = facts.ref.slice(headPrefix.length)
    // A tag wins over a branch of its name.
    if (branches.includes(name) && !scope.tags.byName.has(name)) answer(name, facts, 'any')
    if (facts.ref === scope.facts.defaultHead && branches.includes('HEAD')) answer('HEAD', facts, 'any')
  }
  for (const facts of scope.facts.commits) answerCommit(scope, resolver, at, facts, admit, answer)
  for (const version of versions.keys()) {
    if (!version.endsWith('+incompatible') || isPseudoVersion(version)) continue
    const plain = version.slice(0, -'+incompatible'.length)
    const facts = scope.tags.byName.get(plain)?.facts
    if (isCommit(facts) && !isFile(facts.mods[majorOf(plain)])) answers.set(plain, version as Version)
  }
  return Object.fromEntries([...answers].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** A tag that looks like no version is answered where a version tag is on the same commit: its go.mod files do. */
function borrowGoMods(scope: Scope, facts: RefFacts): RefFacts {
  if (facts.commit === undefined) return facts
  const tags = scope.tags.byCommit.get(facts.commit) ?? []
  const mods = tags.map((tag) => scope.tags.byName.get(tag)?.facts.mods ?? {})
  return { ...facts, mods: Object.assign({}, ...mods) }
}

/** A configured revision: "3f2c1d0", "v0.0.0-2023…-3f2c1d…" for any module, or "M@v0.0.0-…" for one. */
function answerCommit(
  scope: Scope,
  resolver: ResolveContext,
  at: Coordinate,
  facts: RefFacts,
  admit: (found: ModuleVersion, report: (p: Problem) => void) => Version | undefined,
  answer: (name: string, facts: RefFacts, effort: 'any') => void,
): void {
  const text = facts.ref.slice(commitPrefix.length)
  const [name, module] = text.includes('@') ? [text.slice(text.indexOf('@') + 1), text.split('@')[0]] : [text]
  if ((module !== undefined && module !== at.path) || !isCommit(facts)) return
  if (!isPseudoVersion(name)) {
    answer(name, facts, 'any')
    return
  }
  const found = resolvePseudoVersion(resolver, at, facts, name)
  if (!isProblem(found)) admit(found, scope.report)
  else if (module !== undefined) scope.report(found)
}
