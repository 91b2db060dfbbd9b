/**
 * Tag lint: tags that a person takes for a version of a module, and go does
 * not. Each message names the tag that was probably meant.
 *
 * Pure. A tag that looks like no version at all says nothing.
 */

import type { Repository } from '../model.ts'
import { isPseudoVersion } from '../module/pseudo.ts'
import { buildOf, canonicalSemver, isSemver, majorOf } from '../module/version.ts'
import { type Problem, problem } from '../problem.ts'
import { joinDirs } from './locate.ts'
import { isVersionName, looksLikeVersion, type TagIndex, type VersionTag } from './tags.ts'

/** Returns a warning for each tag that looks like a version of a module and is none. */
export function lintTags(repository: Repository, tags: TagIndex): Problem[] {
  return [...tags.byName.values()].flatMap((tag) => {
    if (!isVersionName(tag.rest)) return lintName(repository, tag) ?? []
    return lintDirectory(repository, tag) ?? []
  })
}

function lintName(repository: Repository, tag: VersionTag): Problem | undefined {
  if (!looksLikeVersion(tag.rest)) return undefined
  const place = { repository: repository.root, ref: tag.facts.ref }
  if (isPseudoVersion(tag.rest)) {
    const message = `The tag ${tag.short} has the form of a pseudo-version, so that go looks for its commit instead.`
    return problem('tag-not-canonical', place, message)
  }
  const meant = suggestVersion(tag.rest)
  const ask = meant === undefined ? '' : ` Did you mean ${joinDirs(tag.dir, meant)}?`
  const message = `The tag ${tag.short} is not of the form vMAJOR.MINOR.PATCH, so that go does not list it.${ask}`
  return problem('tag-not-canonical', place, message)
}

/** Returns the canonical version that a tag comes closest to. */
function suggestVersion(rest: string): string | undefined {
  const spelled = `v${rest.replace(/^[vV]/, '')}`
  if (isSemver(spelled)) {
    const canonical = canonicalSemver(spelled)
    return buildOf(spelled) === '' || canonical !== rest ? canonical : undefined
  }
  const trimmed = spelled.replace(/(?<=[v.])0+(?=\d)/g, '')
  return isSemver(trimmed) ? canonicalSemver(trimmed) : undefined
}

/** "v1.2.0, but the module is in sub": the top has no go.mod, and directories do. */
function lintDirectory(repository: Repository, tag: VersionTag): Problem | undefined {
  const { mods } = tag.facts
  if (mods === undefined) return undefined
  const place = { repository: repository.root, ref: tag.facts.ref }
  const outer = /^(.*?)\/?(v[2-9]|v[1-9]\d+)$/.exec(tag.dir)
  if (outer !== null && majorOf(tag.rest) === outer[2]) {
    const meant = joinDirs(outer[1] ?? '', tag.rest)
    const message = `The tag ${tag.short} has the major version in its directory. Did you mean ${meant}?`
    return problem('tag-misplaced', place, message)
  }
  if (tag.dir !== repository.subdir || mods[tag.dir] !== undefined) return undefined
  const dirs = Object.entries(mods)
    .filter(([dir, goMod]) => goMod.kind === 'regular' && dir !== joinDirs(tag.dir, majorOf(tag.rest)))
    .map(([dir]) => dir)
    .filter((dir) => !/(^|\/)(testdata|vendor|_[^/]*)(\/|$)/.test(dir))
  const [first] = dirs
  if (first === undefined || mods[joinDirs(tag.dir, majorOf(tag.rest))] !== undefined) return undefined
  const where =
    dirs.length === 1 ? `the module is in ${first}` : `the modules are in ${dirs.slice(0, 3).join(', ')}`
  const message = `The tag is ${tag.short}, but ${where}: did you mean ${first}/${tag.rest}?`
  return problem('tag-misplaced', place, message)
}
