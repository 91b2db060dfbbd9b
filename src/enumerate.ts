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

import { answerQueries } from './enumerate/answers.ts'
import { findCandidates } from './enumerate/candidates.ts'
import { authorRetractions, chooseLatest, goModsOf, type Latest } from './enumerate/latest.ts'
import { lintTags } from './enumerate/lint.ts'
import { type Coordinate, isFile, isProblem } from './enumerate/locate.ts'
import { type CommitFacts, isCommit, type ResolveContext, resolveTag } from './enumerate/resolve.ts'
import type { Admit, EnumerationContext, ListedTag, RepositoryFacts, Scope } from './enumerate/scope.ts'
import { commitPrefix, indexTags, isVersionName } from './enumerate/tags.ts'
import type { ModulePath, ModuleVersion, RefFacts, Repository, Version } from './model.ts'
import { compareGo, langOf } from './module/gomod.ts'
import { isPseudoVersion } from './module/pseudo.ts'
import { majorOf, matchesPathMajor, parseVersionRange, sortVersions } from './module/version.ts'
import { type Problem, problem } from './problem.ts'

/** One module of the repository, and what is to be published of it. */
export interface ModuleEnumeration extends Latest {
  readonly path: ModulePath
  /** All that should be on the site, in no order: listed or not, pseudo-versions included. */
  readonly versions: readonly ModuleVersion[]
  /** The lines of `@v/list`: what go lists, less what is refused or not wanted. */
  readonly list: readonly Version[]
  /** Names that are no versions, and the version that answers each. */
  readonly queries: Readonly<Record<string, Version>>
}

export interface Enumeration {
  readonly modules: readonly ModuleEnumeration[]
  readonly problems: readonly Problem[]
}

/** Returns the modules of a repository with their versions. */
export function enumerateVersions(
  repository: Repository,
  found: RepositoryFacts,
  context: EnumerationContext,
): Enumeration {
  const problems: Problem[] = []
  const facts: RepositoryFacts = {
    ...found,
    tags: found.tags.map(withoutPrototype),
    heads: found.heads.map(withoutPrototype),
    commits: found.commits.map(withoutPrototype),
  }
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
    report: (each) => problems.push(each),
  }
  const modules = findCandidates(scope)
    .map((at) => enumerateModule(scope, at))
    .filter((module) => module !== undefined)
  problems.push(...lintTags(repository, tags), ...unusedCommits(repository, facts, modules))
  return { modules, problems }
}

/** The directories of go.mod files have any names: "constructor" must find nothing that is not there. */
function withoutPrototype(facts: RefFacts): RefFacts {
  const { mods } = facts
  return mods === undefined ? facts : { ...facts, mods: Object.assign(Object.create(null), mods) }
}

/** A configured pseudo-version without a module's name is for whichever module it fits. */
function unusedCommits(
  { root }: Repository,
  { commits }: RepositoryFacts,
  modules: readonly ModuleEnumeration[],
): Problem[] {
  const published = new Set(modules.flatMap(({ versions }) => versions.map(({ version }) => plain(version))))
  return commits.filter(isCommit).flatMap(({ ref }) => {
    const text = ref.slice(commitPrefix.length)
    if (!isPseudoVersion(text) || published.has(plain(text))) return []
    const message = `${text}, which "commits" asks for, fits no module of the repository.`
    return [problem('pseudo-version-invalid', { repository: root, ref: text }, message)]
  })
}

function plain(version: string): string {
  return version.replace(/\+incompatible$/, '')
}

// ---- One module ----

function enumerateModule(all: Scope, at: Coordinate): ModuleEnumeration | undefined {
  // In a directory that is not wanted, what is published stays, and nothing is said of the rest.
  const isWanted = all.context.wantsDirectory(at.codeDir)
  const scope: Scope = isWanted ? all : { ...all, wants: () => false, report: () => {} }
  const listed = listTags(scope, at)
  const goList = [...sortListed(listed.compatible), ...listed.incompatible]
  const resolver: ResolveContext = {
    repository: scope.repository.root,
    tagsOn: (commit) => scope.tags.byCommit.get(commit) ?? [],
    isRetracted: authorRetractions(at, goList),
    isPublished: (version) => scope.context.isPublished(at.path, version),
    unreadBase: scope.tags.unreadBases.get(at.codeDir),
  }
  const versions = new Map<string, ModuleVersion>()
  const admit: Admit = (found) => {
    if (versions.has(found.version)) return found.version
    if (!isAdmitted(scope, found)) return undefined
    versions.set(found.version, found)
    return found.version
  }

  const quiet: Problem[] = []
  for (const { version, facts } of [...goList, ...listed.unlisted]) {
    if (!isCommit(facts)) continue
    const found = resolveTag(resolver, at, facts, version)
    if (!isProblem(found)) admit(found)
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

/**
 * Tells whether a refusal is news. A plain tag v2.0.0 without any go.mod is
 * published as "+incompatible", so that the path with /v2 need not be missed.
 */
function isWorthTelling(at: Coordinate, facts: CommitFacts, version: string): boolean {
  if (at.codeDir !== '' || !at.pathMajor.startsWith('/') || at.isRoot) return true
  return isFile(facts.mods['']) || isFile(facts.mods[majorOf(version)])
}

/** Tells whether a version that go has is to be published. What is published stays, whatever speaks against it now. */
function isAdmitted({ context, repository, wants, report }: Scope, found: ModuleVersion): boolean {
  const { path, version, commit, ref, goMod } = found
  const isPublished = context.isPublished(path, version)
  if (!isPublished && (!wants(version) || context.isRefused(path, version, commit))) return false
  const place = { repository: repository.root, ...(ref && { ref }), module: path, version }
  if (!isPublished && isTooNew(goMod?.go ?? '', context.maxGo)) {
    const message = `Its go.mod says "go ${goMod?.go}", and zip rules are known up to Go ${context.maxGo}.`
    report(problem('go-too-new', place, message))
    return false
  }
  if (goMod !== undefined && goMod.module !== path) {
    const message = `Its go.mod declares ${JSON.stringify(goMod.module)}; published under ${path} as go does.`
    report(problem('gomod-path-differs', place, message))
  }
  return true
}

/** "1.26" as the newest stands for all of its releases. */
function isTooNew(go: string, maxGo: string): boolean {
  return go !== '' && compareGo(go, maxGo) > 0 && langOf(go) !== maxGo
}
