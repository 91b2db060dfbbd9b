/**
 * Answers to revision queries: names that are no versions, and the version
 * that each stands for.
 *
 * Pure. Protocol 2.5; which are answered: product.md, "What it writes".
 */

import type { ModuleVersion, RefFacts, Version } from '../model.ts'
import { isPseudoVersion } from '../module/pseudo.ts'
import { isSemver, majorOf } from '../module/version.ts'
import { holdsModule } from './latest.ts'
import { type Coordinate, isFile, isProblem } from './locate.ts'
import { isCommit, type ResolveContext, resolvePseudoVersion, resolveRevision } from './resolve.ts'
import type { Admit, Scope } from './scope.ts'
import { commitPrefix, headPrefix, isQueryName, looksLikeVersion } from './tags.ts'

/** Answers configured branches and revisions, tags that are no versions, and v2.0.0 for v2.0.0+incompatible. */
export function answerQueries(
  scope: Scope,
  resolver: ResolveContext,
  at: Coordinate,
  versions: ReadonlyMap<string, ModuleVersion>,
  admit: Admit,
): Record<string, Version> {
  const answers = new Map<string, Version>()
  const answer = (name: string, facts: RefFacts, effort: 'known' | 'any') => {
    if (answers.has(name) || !isQueryName(name) || !isCommit(facts) || !holdsModule(scope, at, facts)) return
    const found = resolveRevision(resolver, at, facts, name)
    if (isProblem(found) || (effort === 'known' && !versions.has(found.version))) return
    const version = admit(found)
    if (version !== undefined) answers.set(name, version)
  }
  const { branches } = scope.repository
  const tags = [...new Set(['', at.codeDir])].flatMap((dir) => scope.tags.byDir.get(dir) ?? [])
  const answerTags = (effort: 'known' | 'any') => {
    // Where nothing is published of a commit, no version that is known can be found for it.
    const commits =
      effort === 'known' ? new Set(Array.from(versions.values(), ({ commit }) => commit)) : undefined
    for (const { short, rest, dir, facts } of tags) {
      if (commits !== undefined && (facts.commit === undefined || !commits.has(facts.commit))) continue
      // Go looks for a version below the module's directory, and for any other name as it stands.
      if (dir !== (isSemver(rest) ? at.codeDir : '')) continue
      if ((looksLikeVersion(rest) || branches.includes(short)) !== (effort === 'any')) continue
      answer(rest, facts.mods === undefined ? borrowGoMods(scope, facts) : facts, effort)
    }
  }
  answerTags('any')
  for (const facts of scope.facts.heads) {
    const name = facts.ref.slice(headPrefix.length)
    // A tag wins over a branch of its name.
    if (branches.includes(name) && !scope.tags.byName.has(name)) answer(name, facts, 'any')
    if (facts.ref === scope.facts.defaultHead && branches.includes('HEAD')) answer('HEAD', facts, 'any')
  }
  for (const facts of scope.facts.commits) {
    const given = answerCommit(scope, resolver, at, facts, admit, answer)
    if (given !== undefined) answers.set(given.name, given.version)
  }
  // Last, since it depends on what is there by now.
  answerTags('known')
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
  return { ...facts, mods: Object.assign(Object.create(null), ...mods) }
}

/**
 * A configured revision: "3f2c1d0", "v0.0.0-2023…-3f2c1d…" for any module, or
 * "M@v0.0.0-…" for one. Returns the name of a pseudo-version that only with
 * "+incompatible" is one.
 */
function answerCommit(
  scope: Scope,
  resolver: ResolveContext,
  at: Coordinate,
  facts: RefFacts,
  admit: Admit,
  answer: (name: string, facts: RefFacts, effort: 'any') => void,
): { readonly name: string; readonly version: Version } | undefined {
  const text = facts.ref.slice(commitPrefix.length)
  const [name, module] = text.includes('@') ? [text.slice(text.indexOf('@') + 1), text.split('@')[0]] : [text]
  if ((module !== undefined && module !== at.path) || !isCommit(facts)) return undefined
  if (!isPseudoVersion(name)) {
    answer(name, facts, 'any')
    return undefined
  }
  const found = resolvePseudoVersion(resolver, at, facts, name)
  if (isProblem(found)) {
    if (module !== undefined) scope.report(found)
    return undefined
  }
  const version = admit(found)
  return version === undefined || version === name ? undefined : { name, version }
}
