/**
 * Holds consumers' go.sum files against a site: every line about one of its
 * modules must be served with the same hash, or who moves to the site cannot
 * build. What is missing is what the configuration must name.
 *
 * Pure.
 */

import { type Shard, type Tombstone, versionKey } from '../manifest.ts'
import type { ModulePath, PublishedVersion } from '../model.ts'
import { splitPathVersion } from '../module/path.ts'
import { isPseudoVersion } from '../module/pseudo.ts'
import type { Findings } from './findings.ts'
import type { Owned } from './versions.ts'

/** What consumers hold of one version. */
export interface HeldVersion {
  readonly module: string
  readonly version: string
  /** By kind of hash: each hash, and the file that has it. */
  readonly zip: ReadonlyMap<string, string>
  readonly goMod: ReadonlyMap<string, string>
}

/** Reads go.sum files, by their names as they may be shown. */
export function parseGoSums(files: ReadonlyMap<string, string>): HeldVersion[] {
  const held = new Map<
    string,
    { module: string; version: string; zip: Map<string, string>; goMod: Map<string, string> }
  >()
  for (const [file, text] of files) {
    for (const line of text.split('\n')) {
      const [, module = '', version = '', isGoMod, hash = ''] =
        /^(\S+) (v[^\s/]+)(\/go\.mod)? (h1:[\w+/]{43}=)\s*$/.exec(line) ?? []
      if (module === '') continue
      const key = versionKey(module, version)
      const entry = held.get(key) ?? { module, version, zip: new Map(), goMod: new Map() }
      held.set(key, entry)
      const hashes = isGoMod === undefined ? entry.zip : entry.goMod
      if (!hashes.has(hash)) hashes.set(hash, file)
    }
  }
  return [...held.values()]
}

export interface SumCheck {
  /** How many versions of the site's modules the consumers hold. */
  readonly held: number
  /** The ones that are published: their files are to be verified. */
  readonly served: readonly Owned[]
  readonly missing: readonly HeldVersion[]
}

/** Compares what consumers hold with what is published, and tells what differs or is missing. */
export function checkSums(
  held: readonly HeldVersion[],
  shards: readonly Shard[],
  prefixes: readonly string[],
  findings: Findings,
): SumCheck {
  const published = new Map<string, Owned>()
  const withdrawn = new Map<string, Tombstone>()
  const modules = new Set<string>()
  for (const { root, versions, withdrawn: down } of shards) {
    for (const [key, version] of versions) {
      published.set(key, { root, version })
      modules.add(version.path)
    }
    for (const [key, tombstone] of down) withdrawn.set(key, tombstone)
  }
  const roots = shards.map(({ root }) => root)
  const isOwn = (module: string) =>
    modules.has(module) || [...roots, ...prefixes].some((prefix) => isBelow(module, prefix))
  const own = held.filter(({ module }) => isOwn(module))
  const missing: HeldVersion[] = []
  const served: Owned[] = []
  for (const each of own) {
    const key = versionKey(each.module, each.version)
    const found = published.get(key)
    if (found !== undefined) {
      served.push(found)
      compare(each, found.version, found.root, findings)
      continue
    }
    missing.push(each)
    const [file = ''] = [...each.zip.values(), ...each.goMod.values()]
    const about = { module: each.module, version: each.version }
    const tombstone = withdrawn.get(key)
    const message =
      tombstone === undefined
        ? `${file} has ${key}, which the site does not publish.`
        : `${file} has ${key}, which was withdrawn.`
    const hint =
      tombstone === undefined
        ? undefined
        : 'Move this consumer to another version: the withdrawn one never comes back.'
    findings.tell('sum-missing', about, message, hint)
  }
  return {
    held: own.length,
    served,
    missing: missing.filter((each) => !withdrawn.has(versionKey(each.module, each.version))),
  }
}

function compare(
  { zip, goMod }: HeldVersion,
  version: PublishedVersion,
  repository: ModulePath,
  findings: Findings,
): void {
  const about = { repository, module: version.path, version: version.version }
  const tell = (hashes: ReadonlyMap<string, string>, expected: string, what: string) => {
    for (const [hash, file] of hashes) {
      if (hash === expected) continue
      findings.tell('sum-differs', about, `${file} has ${hash} for ${what}, and the site serves ${expected}.`)
    }
  }
  tell(zip, version.h1, 'the module')
  tell(goMod, version.goModH1, 'its go.mod')
}

function isBelow(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`)
}

/** A module that nothing is known of is most likely the top of its repository. */
function guessRoot(module: string): string {
  return module.startsWith('gopkg.in/') ? module : (splitPathVersion(module)?.prefix ?? module)
}

/** Returns what to add to the configuration, in YAML, so that what is missing is published; "" where nothing is. */
export function renderMissing(missing: readonly HeldVersion[], roots: readonly string[]): string {
  const byRoot = new Map<string, { readonly isKnown: boolean; readonly versions: HeldVersion[] }>()
  for (const each of missing) {
    const known = roots.filter((root) => isBelow(each.module, root)).sort((a, b) => b.length - a.length)[0]
    const root = known ?? guessRoot(each.module)
    const entry = byRoot.get(root) ?? { isKnown: known !== undefined, versions: [] }
    byRoot.set(root, entry)
    entry.versions.push(each)
  }
  if (byRoot.size === 0) return ''
  const lines = [...byRoot]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([root, { isKnown, versions }]) => {
      const names = versions.map(({ module, version }) => ({ key: versionKey(module, version), version }))
      const commits = names.filter(({ version }) => isPseudoVersion(version)).map(({ key }) => key)
      const tags = names.filter(({ version }) => !isPseudoVersion(version)).map(({ key }) => key)
      return [
        `  - root: ${JSON.stringify(root)}${isKnown ? '' : ' # not in this site yet'}`,
        ...(commits.length === 0
          ? []
          : ['    commits:', ...commits.sort().map((key) => `      - ${JSON.stringify(key)}`)]),
        ...tags.sort().map((key) => `    # by its tag, if "versions" and "directories" let it: ${key}`),
      ]
    })
  return `repositories:\n${lines.join('\n')}\n`
}
