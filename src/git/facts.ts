/**
 * Facts are what enumeration needs of a ref: its commit, the time, and the
 * go.mod files of the directories that its name may be about. Nothing else of
 * the repository is opened for them.
 */

import { isBaseName, isVersionName, tagPrefix } from '../enumerate/tags.ts'
import type { GoModFile, Oid, Ref, RefFacts } from '../model.ts'
import { goModLimitBytes } from '../module/files.ts'
import { goDirectiveOf, goModFault, modulePathOf, parseGoMod } from '../module/gomod.ts'
import { majorOf } from '../module/version.ts'
import type { ProblemCode } from '../problem.ts'
import { entryKind, ObjectError, parseCommit, parseTag, type TreeEntry } from './object.ts'
import { type GitRepository, readUpTo } from './repository.ts'
import { Trees } from './tree.ts'

/** Which go.mod files are asked for: of the directories that the tag names, of all, or of none. */
export type FactsDepth = 'tag' | 'all' | 'none'

/** Reads facts of refs. One is made for each repository, since neighbouring commits share what is read. */
export class FactsReader {
  readonly trees: Trees
  readonly #repository: GitRepository
  readonly #goMods = new Map<string, Promise<GoModFile>>()

  constructor(repository: GitRepository) {
    this.#repository = repository
    this.trees = new Trees(repository)
  }

  /** Returns the facts of a ref. What is wrong with it is a fact too; nothing is thrown for that. */
  async read(ref: Ref, depth: FactsDepth): Promise<RefFacts> {
    const base = { ref: ref.name, oid: ref.oid }
    try {
      const peeled = await this.#peel(ref.oid)
      if (peeled.type !== 'commit') {
        return fail(base, 'tag-not-commit', `${ref.name} points to a ${peeled.type}, not to a commit.`)
      }
      const commit = parseCommit(peeled.content, this.#repository.hash)
      if (typeof commit === 'string') {
        return fail(base, 'object-corrupt', `The commit ${peeled.oid} is damaged: ${commit}.`)
      }
      const { tree, time } = commit
      if (time === undefined) {
        return fail(base, 'time-invalid', `The commit ${peeled.oid} has no valid committer time.`)
      }
      const known = { ...base, commit: peeled.oid, tree, time }
      return depth === 'none' ? known : { ...known, mods: await this.#readGoMods(ref, tree, depth) }
    } catch (error) {
      if (error instanceof ObjectError) return fail(base, error.code, error.message)
      throw error
    }
  }

  /**
   * Adds to each of the facts which version tags are in the history of its commit.
   * `tags` are all tags of the repository that were read.
   */
  async addMerged(list: readonly RefFacts[], tags: readonly RefFacts[]): Promise<RefFacts[]> {
    const bases = tags.filter((tag) => tag.commit !== undefined && isBaseTag(tag.ref))
    const wanted = new Set(bases.flatMap((tag) => tag.commit ?? []))
    const walked = list.filter(({ commit }) => commit !== undefined)
    const tips = [...new Set(walked.map(({ oid }) => oid))]
    const commits = [...new Set(walked.flatMap(({ commit }) => commit ?? []))]
    const histories = await this.#histories(commits, wanted, tips)
    return list.map((facts) => {
      if (facts.commit === undefined) return facts
      const found = histories.get(facts.commit)
      // Only one of the readers can tell where it ends.
      if (found === undefined)
        return fail(facts, 'object-missing', `The history of ${facts.commit} is not whole.`)
      const merged = bases.filter((tag) => tag.commit !== undefined && found.has(tag.commit))
      return { ...facts, merged: merged.map((tag) => tag.ref.slice(tagPrefix.length)).sort() }
    })
  }

  /** Returns what each commit reaches of what is wanted, but for those whose history is not whole. */
  async #histories(
    commits: readonly Oid[],
    wanted: ReadonlySet<Oid>,
    tips: readonly Oid[],
  ): Promise<ReadonlyMap<Oid, ReadonlySet<Oid>>> {
    const found = new Map<Oid, ReadonlySet<Oid>>()
    if (commits.length > 1 && this.#repository.ancestorsOfEach !== undefined) {
      const sets = await unlessBroken(this.#repository.ancestorsOfEach(commits, wanted, tips))
      if (sets !== undefined)
        return new Map(commits.map((commit, index) => [commit, sets[index] ?? new Set()]))
    }
    for (const commit of commits) {
      const set = await unlessBroken(this.#repository.ancestors(commit, wanted))
      if (set !== undefined) found.set(commit, set)
    }
    return found
  }

  /** Follows annotated tags, and tags of tags, to what they are about. */
  async #peel(oid: Oid): ReturnType<GitRepository['read']> {
    const object = await this.#repository.read(oid)
    if (object.type !== 'tag') return object
    const tag = parseTag(object.content, this.#repository.hash)
    if (typeof tag === 'string') throw new ObjectError(oid, 'corrupt', `The tag ${oid} is damaged: ${tag}.`)
    return this.#peel(tag.object)
  }

  async #readGoMods(ref: Ref, tree: Oid, depth: 'tag' | 'all'): Promise<Record<string, GoModFile>> {
    const candidates = depth === 'tag' ? await this.#candidates(ref, tree) : []
    const found = candidates.length > 0 ? candidates : await this.#all(tree)
    const pairs = await Promise.all(
      found.map(async ({ dir, entry }) => [dir, await this.#readGoMod(entry)] as const),
    )
    return Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  async #all(tree: Oid): Promise<{ dir: string; entry: TreeEntry }[]> {
    return [...(await this.trees.load(tree)).goMods]
  }

  /** The go.mod files that a version tag may be about. None found: all are read, to say which tag was meant. */
  async #candidates(ref: Ref, tree: Oid): Promise<{ dir: string; entry: TreeEntry }[]> {
    const short = ref.name.slice(tagPrefix.length)
    const slash = short.lastIndexOf('/')
    const dir = short.slice(0, Math.max(slash, 0))
    const major = majorOf(short.slice(slash + 1))
    const dirs = [dir, dir === '' ? major : `${dir}/${major}`]
    const found = await Promise.all(
      dirs.map(async (each) => ({
        dir: each,
        entry: await this.trees.find(tree, each === '' ? 'go.mod' : `${each}/go.mod`),
      })),
    )
    return found.flatMap(({ dir, entry }) => (entry === undefined ? [] : [{ dir, entry }]))
  }

  #readGoMod(entry: TreeEntry): Promise<GoModFile> {
    const key = `${entry.mode} ${entry.oid}`
    const known = this.#goMods.get(key)
    if (known !== undefined) return known
    const read = this.#parseGoMod(entry)
    this.#goMods.set(key, read)
    return read
  }

  async #parseGoMod(entry: TreeEntry): Promise<GoModFile> {
    const kind = entryKind(entry.mode)
    if (kind === 'tree' || kind === 'gitlink') return { kind: 'directory', module: '' }
    const found = await readUpTo(this.#repository, entry.oid, goModLimitBytes)
    if (found.type !== 'blob')
      throw new ObjectError(entry.oid, 'corrupt', `go.mod should be a file, and is a ${found.type}.`)
    if (!('content' in found)) {
      const message = `go.mod has ${found.size} bytes; go takes at most ${goModLimitBytes}.`
      return { kind: 'regular', module: '', fault: { code: 'gomod-too-large', message } }
    }
    return readGoMod(found.content, kind === 'symlink' ? 'symlink' : 'regular')
  }
}

/** Returns what enumeration needs of the bytes of a go.mod file. */
export function readGoMod(content: Uint8Array, kind: 'regular' | 'symlink'): GoModFile {
  const go = goDirectiveOf(content)
  const fault = goModFault(content)
  const parsed = saysOfVersions(content) ? parseGoMod(content) : undefined
  const lax = parsed?.error === undefined ? parsed : undefined
  return {
    kind,
    module: modulePathOf(content),
    ...(go === '' ? {} : { go }),
    ...(lax !== undefined && lax.retract.length > 0 ? { retract: lax.retract } : {}),
    ...(lax?.deprecated === undefined ? {} : { deprecated: lax.deprecated }),
    ...(fault === undefined
      ? {}
      : { fault: { code: 'gomod-syntax', message: `go.mod would break every query: ${fault}.` } }),
  }
}

/** Tells whether there can be a retraction or a deprecation, which few files have: the others need not be parsed. */
function saysOfVersions(content: Uint8Array): boolean {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  return bytes.includes('retract') || bytes.includes('Deprecated:')
}

async function unlessBroken<T>(walk: Promise<T>): Promise<T | undefined> {
  try {
    return await walk
  } catch (error) {
    if (error instanceof ObjectError) return undefined
    throw error
  }
}

function fail(facts: RefFacts, code: ProblemCode, message: string): RefFacts {
  return { ref: facts.ref, oid: facts.oid, failed: { code, message } }
}

/** Tells whether a tag's version may be the base of a pseudo-version. */
export function isBaseTag(ref: string): boolean {
  return ref.startsWith(tagPrefix) && isBaseName(ref.slice(ref.lastIndexOf('/') + 1))
}

/** Tells whether go may list the tag as a version. */
export function isVersionTag(ref: string): boolean {
  return ref.startsWith(tagPrefix) && isVersionName(ref.slice(ref.lastIndexOf('/') + 1))
}
