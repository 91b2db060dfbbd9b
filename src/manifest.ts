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

import type { ModulePath, PublishedVersion, Ref, RefFacts, Version } from './model.ts'
import { escapePath, unescapePath } from './module/escape.ts'
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

/** What is left of a version that was taken down. It can never be published again. */
export interface Tombstone {
  readonly path: ModulePath
  readonly version: Version
  /** Why, in the words of whoever took it down. */
  readonly reason: string
  /** When it was taken down, in seconds since 1970 UTC. */
  readonly time: number
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
  /** By "module@version". */
  readonly withdrawn: ReadonlyMap<string, Tombstone>
  readonly refusals: readonly Refusal[]
  readonly problems: readonly RecordedProblem[]
}

/** Where all shards lie in the site. */
export const manifestDirectory = '-/manifest'

/** Returns where the shard of a repository lies in the site. */
export function shardPath(root: ModulePath): string {
  return `${manifestDirectory}/${escapePath(root)}.jsonl`
}

/** Returns the root whose shard lies at a path below `manifestDirectory`; undefined where it is no shard's. */
export function rootOfShard(path: string): ModulePath | undefined {
  return unescapePath(path.slice(manifestDirectory.length + 1).replace(/\.jsonl$/, ''))
}

/** Returns the key of a version in a shard. */
export function versionKey(path: string, version: string): string {
  return `${path}@${version}`
}

/** Returns the key of a refusal in a shard: of a version at a commit. */
export function refusalKey(refusal: Pick<Refusal, 'path' | 'version' | 'commit'>): string {
  return `${versionKey(refusal.path, refusal.version)} ${refusal.commit}`
}

/** Returns the problems of a shard that were found before any object was opened. */
export function openProblems({ problems }: Shard): Problem[] {
  return problems.flatMap((each) => (each.stage === 'open' ? [each.problem] : []))
}

/** Returns a shard of which nothing is known yet. */
export function emptyShard(root: ModulePath): Shard {
  return {
    root,
    settings: '',
    state: 'unsettled',
    refs: new Map(),
    versions: new Map(),
    withdrawn: new Map(),
    refusals: [],
    problems: [],
  }
}

/** Returns the bytes of a shard: the same for the same content. */
export function formatShard(shard: Shard): string {
  const { root, clone, settings, state, defaultHead } = shard
  const lines = [formatLine({ format: manifestFormat, root, clone, settings, state, defaultHead })]
  for (const ref of [...shard.refs.values()].sort(by(({ facts }) => facts.ref))) {
    lines.push(formatOnce(ref, ({ facts, seen, gone }) => ({ ...facts, seen, gone })))
  }
  for (const version of [...shard.versions.values()].sort(byVersion)) {
    lines.push(formatOnce(version, (each) => each))
  }
  for (const each of [...shard.withdrawn.values()].sort(byVersion))
    lines.push(formatLine({ withdrawn: each.path, ...each, path: undefined }))
  const refusals = [...shard.refusals].sort(by((each) => versionKey(each.path, each.version)))
  for (const each of refusals)
    lines.push(formatLine({ refused: each.path, ...each, path: undefined, problem: pack(each.problem) }))
  for (const each of shard.problems)
    lines.push(formatLine({ stage: each.stage, problem: pack(each.problem) }))
  return lines.join('')
}

function formatLine(line: object): string {
  return `${JSON.stringify(line)}\n`
}

/** A run writes the same thousands of refs and versions up to three times: compared, unsettled and settled. */
function formatOnce<T extends object>(item: T, describe: (item: T) => object): string {
  const known = formatted.get(item)
  if (known !== undefined) return known
  const line = formatLine(describe(item))
  formatted.set(item, line)
  return line
}

const formatted = new WeakMap<object, string>()

function by<T>(key: (item: T) => string): (a: T, b: T) => number {
  return (a, b) => {
    const [left, right] = [key(a), key(b)]
    return left < right ? -1 : left > right ? 1 : 0
  }
}

/** Compares versions by module and then in Go's order. */
export function byVersion(
  a: Pick<PublishedVersion, 'path' | 'version'>,
  b: Pick<PublishedVersion, 'path' | 'version'>,
): number {
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
 *
 * Of a shard that is 'vouched' for, by its hash in the index of the manifest,
 * a line about a ref or a version is read only when it is asked for: there may
 * be ten thousands of them, and a run with nothing new asks for none.
 */
export function parseShard(text: string, trust?: 'vouched'): Shard | 'newer' | undefined {
  if (!text.endsWith('\n')) return undefined
  try {
    return readLines(text.slice(0, -1).split('\n'), trust)
  } catch {
    return undefined
  }
}

// The lines are our own; what does not fit throws, and the shard counts as damaged.
function readLines(
  [first = '', ...lines]: readonly string[],
  trust?: 'vouched',
): Shard | 'newer' | undefined {
  const head = JSON.parse(first) as Json
  if (typeof head['format'] !== 'number') return undefined
  if (head['format'] > manifestFormat) return 'newer'
  const refs = new RefLines(readRef)
  const versions = new Lines(readVersion)
  const withdrawn = new Map<string, Tombstone>()
  const refusals: Refusal[] = []
  const problems: RecordedProblem[] = []
  for (const text of lines) {
    const [, ref, path, version] = (trust === 'vouched' ? lineStart.exec(text) : undefined) ?? []
    if (ref !== undefined && text.endsWith('}')) {
      refs.add(ref, text)
      continue
    }
    if (path !== undefined && version !== undefined && text.endsWith('}')) {
      versions.add(versionKey(path, version), text)
      continue
    }
    const line = JSON.parse(text) as Json
    if (typeof line['ref'] === 'string' && typeof line['oid'] === 'string') {
      refs.add(line['ref'], readRef(line))
    } else if (typeof line['withdrawn'] === 'string') {
      const {
        withdrawn: path,
        version,
        reason,
        time,
      } = line as unknown as Tombstone & { withdrawn: ModulePath }
      withdrawn.set(versionKey(path, version), { path, version, reason, time })
    } else if (typeof line['refused'] === 'string') {
      const { refused, version, commit, problem: packed } = line as unknown as Refusal & { refused: string }
      refusals.push({ path: refused, version, commit, problem: unpack(packed) })
    } else if (typeof line['stage'] === 'string') {
      const { stage, problem: packed } = line as unknown as RecordedProblem
      problems.push({ stage, problem: unpack(packed) })
    } else if (typeof line['h1'] === 'string' && typeof line['path'] === 'string') {
      const version = readVersion(line)
      versions.add(versionKey(version.path, version.version), version)
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
    refs: trust === 'vouched' ? refs : new Map(refs),
    versions: trust === 'vouched' ? versions : new Map(versions),
    withdrawn,
    refusals,
    problems,
  }
}

/** How the lines begin that are not read at once. What needs an escape is none of them. */
const lineStart = /^\{(?:"ref":"([^"\\]+)","oid":"[0-9a-f]+"|"path":"([^"\\]+)","version":"([^"\\]+)")[,}]/

function readRef(line: Json): RecordedRef {
  const { seen, gone, ...facts } = line as unknown as RefFacts & RecordedRef
  return { facts, ...(seen && { seen }), ...(gone && { gone }) }
}

function readVersion(line: Json): PublishedVersion {
  return line as unknown as PublishedVersion
}

/** Lines of a shard by name. Those that are still text are read when they are asked for. */
class Lines<T extends object> implements ReadonlyMap<string, T> {
  readonly #lines = new Map<string, T | string>()
  readonly #read: (line: Json) => T

  constructor(read: (line: Json) => T) {
    this.#read = read
  }

  add(key: string, line: T | string): void {
    this.#lines.set(key, line)
  }

  /** The line where it was not read yet. */
  textOf(key: string): string | undefined {
    const line = this.#lines.get(key)
    return typeof line === 'string' ? line : undefined
  }

  get size(): number {
    return this.#lines.size
  }

  has(key: string): boolean {
    return this.#lines.has(key)
  }

  get(key: string): T | undefined {
    const line = this.#lines.get(key)
    if (typeof line !== 'string') return line
    const value = this.#read(JSON.parse(line))
    this.#lines.set(key, value)
    return value
  }

  keys(): MapIterator<string> {
    return this.#lines.keys()
  }

  *values(): MapIterator<T> {
    for (const [, value] of this) yield value
  }

  *entries(): MapIterator<[string, T]> {
    for (const key of this.#lines.keys()) {
      const value = this.get(key)
      if (value !== undefined) yield [key, value]
    }
  }

  [Symbol.iterator](): MapIterator<[string, T]> {
    return this.entries()
  }

  forEach(use: (value: T, key: string, map: ReadonlyMap<string, T>) => void): void {
    for (const [key, value] of this) use(value, key, this)
  }
}

class RefLines extends Lines<RecordedRef> {}

/**
 * Tells at first sight whether a ref is recorded as it is and with nothing
 * that sets it apart: not moved, gone or failed. A false answer means nothing.
 */
export function isRecordedSo({ refs }: Shard, { name, oid }: Ref): boolean {
  const text = refs instanceof RefLines ? refs.textOf(name) : undefined
  if (
    text === undefined ||
    !text.startsWith(`${oid}","commit":`, refStart.length + name.length + oidStart.length)
  )
    return false
  // Its go.mod files are then the last thing in the line: histories, moves and failures stand after them or instead.
  return text.endsWith('}}}') || text.endsWith('"mods":{}}')
}

const refStart = '{"ref":"'
const oidStart = '","oid":"'

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
