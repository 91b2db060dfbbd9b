/**
 * The manifest is what modpress knows of what it published: one shard a
 * repository, `-/manifest/<escaped root>.jsonl`, and the only truth. It holds
 * the facts of each ref, so that a run with nothing new opens no object; each
 * published version with its hashes, so that nothing is published twice or
 * changed; what was refused and why, so that a run says what the last one said.
 *
 * A shard is JSON Lines, sorted, without a word about runs: the same content
 * has the same bytes. The first line says whether the work that it describes
 * is done ("settled"); whoever finds it unsettled finishes that work.
 *
 * Pure. See product.md, "What it writes", and trust 2.3.
 */

import type { ModulePath, PublishedVersion, RefFacts } from './model.ts'
import { escapePath } from './module/escape.ts'
import { compareVersions } from './module/version.ts'
import { describeProblem, isProblemCode, type Problem, problem } from './problem.ts'

/** The format that this release writes. A newer one is left alone. */
export const manifestFormat = 1

/** What is recorded of a ref. */
export interface RecordedRef {
  /** Of the first state from which a version was published; else of the newest. */
  readonly facts: RefFacts
  /** Where the ref points now, if it was moved after its version was published. */
  readonly seen?: { readonly oid: string; readonly commit?: string; readonly tree?: string }
  /** The ref is gone, and a version was published from it. */
  readonly gone?: true
}

/** A version whose files could not be packed at this commit, so that it is not tried again. */
export interface Refusal {
  readonly path: string
  readonly version: string
  readonly commit: string
  readonly problem: Problem
}

/** A problem, and whether it was found before any object was opened: such are looked for anew in each run. */
export interface RecordedProblem {
  readonly stage: 'open' | 'press'
  readonly problem: Problem
}

export interface Shard {
  readonly root: ModulePath
  readonly clone?: string
  /** A hash of the settings that the derived files were made from. */
  readonly settings: string
  readonly state: 'settled' | 'unsettled'
  readonly defaultHead?: string
  readonly refs: ReadonlyMap<string, RecordedRef>
  /** By "module@version". */
  readonly versions: ReadonlyMap<string, PublishedVersion>
  readonly refusals: readonly Refusal[]
  readonly problems: readonly RecordedProblem[]
}

/** Returns where the shard of a repository lies in the site. */
export function shardPath(root: ModulePath): string {
  return `-/manifest/${escapePath(root)}.jsonl`
}

/** Returns the key of a version in a shard. */
export function versionKey(path: string, version: string): string {
  return `${path}@${version}`
}

/** Returns a shard of which nothing is known yet. */
export function emptyShard(root: ModulePath): Shard {
  return {
    root,
    settings: '',
    state: 'unsettled',
    refs: new Map(),
    versions: new Map(),
    refusals: [],
    problems: [],
  }
}

/** Returns the bytes of a shard: the same for the same content. */
export function formatShard(shard: Shard): string {
  const { root, clone, settings, state, defaultHead } = shard
  const lines: object[] = [{ format: manifestFormat, root, clone, settings, state, defaultHead }]
  for (const { facts, seen, gone } of [...shard.refs.values()].sort(by(({ facts }) => facts.ref))) {
    lines.push({ ...facts, seen, gone })
  }
  lines.push(...[...shard.versions.values()].sort(byVersion))
  const refusals = [...shard.refusals].sort(by((each) => versionKey(each.path, each.version)))
  for (const each of refusals)
    lines.push({ refused: each.path, ...each, path: undefined, problem: pack(each.problem) })
  const problems = shard.problems.map((each) => ({ stage: each.stage, problem: pack(each.problem) }))
  lines.push(...problems)
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}

function by<T>(key: (item: T) => string): (a: T, b: T) => number {
  return (a, b) => {
    const [left, right] = [key(a), key(b)]
    return left < right ? -1 : left > right ? 1 : 0
  }
}

/** Compares versions by module and then in Go's order. */
export function byVersion(a: PublishedVersion, b: PublishedVersion): number {
  if (a.path !== b.path) return a.path < b.path ? -1 : 1
  return compareVersions(a.version, b.version) || (a.version < b.version ? -1 : 1)
}

/** A problem as it is recorded: without what the catalogue and the place say anyway. */
function pack(found: Problem): object {
  const { subject: _, severity, hint, ...rest } = found
  const usual = describeProblem(found.code)
  return {
    ...rest,
    ...(severity === usual.severity ? {} : { severity }),
    ...(hint === usual.hint ? {} : { hint }),
  }
}

/**
 * Reads a shard. Returns "newer" where a newer modpress wrote it, and
 * undefined where it is damaged in any way.
 */
export function parseShard(text: string): Shard | 'newer' | undefined {
  if (!text.endsWith('\n')) return undefined
  try {
    return readLines(
      text
        .slice(0, -1)
        .split('\n')
        .map((line) => JSON.parse(line)),
    )
  } catch {
    return undefined
  }
}

// The lines are our own; what does not fit throws, and the shard counts as damaged.
function readLines([head, ...lines]: readonly Json[]): Shard | 'newer' | undefined {
  if (head === undefined || typeof head['format'] !== 'number') return undefined
  if (head['format'] > manifestFormat) return 'newer'
  const refs = new Map<string, RecordedRef>()
  const versions = new Map<string, PublishedVersion>()
  const refusals: Refusal[] = []
  const problems: RecordedProblem[] = []
  for (const line of lines) {
    if (typeof line['ref'] === 'string' && typeof line['oid'] === 'string') {
      const { seen, gone, ...facts } = line as unknown as RefFacts & RecordedRef
      refs.set(facts.ref, { facts, ...(seen && { seen }), ...(gone && { gone }) })
    } else if (typeof line['refused'] === 'string') {
      const { refused, version, commit, problem: packed } = line as unknown as Refusal & { refused: string }
      refusals.push({ path: refused, version, commit, problem: unpack(packed) })
    } else if (typeof line['stage'] === 'string') {
      const { stage, problem: packed } = line as unknown as RecordedProblem
      problems.push({ stage, problem: unpack(packed) })
    } else if (typeof line['h1'] === 'string' && typeof line['path'] === 'string') {
      const version = line as unknown as PublishedVersion
      versions.set(versionKey(version.path, version.version), version)
    } else {
      return undefined
    }
  }
  const { root, clone, settings, state, defaultHead } = head as unknown as Shard
  if (typeof root !== 'string' || (state !== 'settled' && state !== 'unsettled')) return undefined
  return {
    root,
    ...(clone === undefined ? {} : { clone }),
    settings,
    state,
    ...(defaultHead === undefined ? {} : { defaultHead }),
    refs,
    versions,
    refusals,
    problems,
  }
}

type Json = Readonly<Record<string, unknown>>

/** A code that this release no longer has is dropped with its problem's place kept: it can only come from an older one. */
function unpack(packed: Problem): Problem {
  const { code, message, hint, severity, repository, ref, module, version } = packed
  if (!isProblemCode(code)) throw new Error(`${String(code)} is no code of a problem.`)
  const place = {
    ...(repository === undefined ? {} : { repository }),
    ...(ref === undefined ? {} : { ref }),
    ...(module === undefined ? {} : { module }),
    ...(version === undefined ? {} : { version }),
  }
  const found = problem(code, place, message, hint)
  return severity === undefined ? found : { ...found, severity }
}

/** Returns the problems without those that are the same in every word. */
export function distinctProblems(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((each) => [JSON.stringify(each), each])).values()]
}

/** Returns what two findings have in common when they are the same one, found again. */
export function problemKey(found: Problem): string {
  const { code, subject, ref } = found
  // A tag that is moved once more is news, and only the message tells where to.
  return [code, subject, ref ?? '', code === 'tag-moved' ? found.message : ''].join('\n')
}

/** Returns `-/manifest.jsonl`: a line a repository, for those who cannot list a directory. */
export function formatManifestIndex(
  shards: readonly { readonly root: ModulePath; readonly sha256: string }[],
): string {
  const lines = shards.map(({ root, sha256 }) => ({ root, shard: shardPath(root), sha256 }))
  return lines
    .sort(by((line) => line.root))
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('')
}
