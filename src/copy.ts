/**
 * Taking versions from a site that was built before: its files are created on
 * the target as they are, in the order of writing, and its shards say all else.
 * No repository is needed for that, and nothing is packed.
 */

import { createHash } from 'node:crypto'
import { isSameRepository } from './config/address.ts'
import type { RepositoryPart } from './config/schema.ts'
import { eachOf } from './each.ts'
import { isProblem } from './enumerate/locate.ts'
import type { FlowOptions } from './events.ts'
import { isInPart } from './git/discover.ts'
import { checkZipSize } from './hosts/limits.ts'
import { joinShards } from './join.ts'
import { checkInfo, checkShard } from './live/check.ts'
import {
  byVersion,
  formatShard,
  manifestDirectory,
  parseShard,
  rootOfShard,
  type Shard,
  versionKey,
} from './manifest.ts'
import type { HostName, ModulePath, PublishedVersion, Repository, RepositoryMeta } from './model.ts'
import { goModH1 } from './module/dirhash.ts'
import type { Pressed } from './press.ts'
import { FatalError, type Problem, problem } from './problem.ts'
import { parseRecord } from './record.ts'
import { recordFile, versionFile } from './render/paths.ts'
import { removeWithdrawn } from './settle.ts'
import type { DirectoryStore } from './store/directory.ts'
import type { Store } from './store/store.ts'
import { readShard, type Survey } from './survey.ts'
import { compareZip, createInfo } from './write.ts'

/** A site that was built before, against what the target has. */
interface SiteSurvey {
  /** Of all its repositories, in whatever part they are. */
  readonly roots: readonly ModulePath[]
  readonly surveys: readonly CopySurvey[]
}

/** A repository as the site has it. */
export interface CopySurvey extends Survey {
  readonly source: Shard
  /** What is done with it: nothing, where the target has its root from another address. */
  readonly action: 'copy' | 'leave'
}

/** Surveys the repositories of a site, or of a part of it. */
export async function surveySite(
  from: DirectoryStore,
  store: Store,
  part: RepositoryPart | undefined,
): Promise<SiteSurvey> {
  const roots: ModulePath[] = []
  const surveys: CopySurvey[] = []
  for await (const { path } of from.list(manifestDirectory)) {
    const root = rootOfShard(path)
    if (root === undefined) throw damagedSite(from, path)
    roots.push(root)
    if (isInPart(root, part)) surveys.push(await surveyShard(from, store, path, root))
  }
  if (roots.length === 0) {
    const message = `There is no site in ${from.root}.`
    throw new FatalError(problem('usage', {}, message, 'Build it first: modpress build.'))
  }
  return { roots, surveys }
}

async function surveyShard(
  from: DirectoryStore,
  store: Store,
  path: string,
  root: ModulePath,
): Promise<CopySurvey> {
  const file = await from.get(path)
  const source = file && parseShard(Buffer.from(file.body).toString('utf8'))
  if (source === undefined || source === 'newer' || checkShard(source, root) !== undefined)
    throw damagedSite(from, path)
  const repository = await describeRepository(from, source)
  const read = await readShard(store, repository)
  const claim = checkClaim(read.shard, source)
  const notices = claim === undefined ? {} : { notices: [claim] }
  const action = claim === undefined ? 'copy' : 'leave'
  return { ...read, repository, settings: source.settings, problems: [], source, action, ...notices }
}

function damagedSite(from: DirectoryStore, path: string): FatalError {
  const message = `${path} of the site in ${from.root} is damaged, or from a newer modpress.`
  return new FatalError(problem('site-damaged', { ref: path }, message))
}

/** Returns the problem where the target has the root of a repository from another address. */
function checkClaim(target: Shard, source: Shard): Problem | undefined {
  const [there, here] = [target.clone, source.clone]
  if (there === undefined || here === undefined) return undefined
  if (isSameRepository(there, here)) return undefined
  const message = `The target holds ${source.root} from ${there}, and not from ${here}.`
  return problem('root-claimed', { repository: source.root }, message)
}

/** Returns what pages and answers need of a repository: it is in the records of its modules. */
export async function describeRepository(from: Store, shard: Shard): Promise<Repository> {
  const branches = new Set<string>()
  let found: Partial<Pick<RepositoryMeta, 'web' | 'source' | 'subdir' | 'archived'>> = {}
  const paths = [...shard.versions.values(), ...shard.withdrawn.values()].map((version) => version.path)
  for (const path of new Set(paths)) {
    const file = await from.get(recordFile(path))
    const record = file && parseRecord(file.body)
    if (record === undefined) continue
    found = record.repository
    for (const name of Object.keys(record.queries)) branches.add(name)
  }
  const { web, subdir = '', source, archived } = found
  return {
    root: shard.root,
    dir: '',
    subdir,
    directories: {},
    branches: [...branches].sort(),
    commits: [],
    ...(shard.clone === undefined ? {} : { clone: shard.clone }),
    ...(web === undefined ? {} : { web }),
    ...(source === undefined ? {} : { source }),
    ...(archived === undefined ? {} : { isArchived: archived }),
  }
}

/** Creates the versions that the target lacks and its host takes. Without an enumeration it is as it should be. */
export async function copyVersions(
  from: DirectoryStore,
  store: Store,
  survey: CopySurvey,
  host: HostName,
  options: FlowOptions,
): Promise<Pressed> {
  const { source, shard, repository } = survey
  if (survey.action === 'leave') return { survey, shard, added: [] }
  const missing = [...source.versions.values()]
    .filter((each) => !shard.versions.has(keyOf(each)) && !shard.withdrawn.has(keyOf(each)))
    .sort(byVersion)
  const taken = new Map(source.versions)
  const faults = checkPublished(shard, source)
  let done = 0
  await eachOf(missing, versionsAtOnce, async (version) => {
    options.signal?.throwIfAborted()
    const place = {
      repository: repository.root,
      done: done++,
      total: missing.length,
      message: keyOf(version),
    }
    options.onEvent?.({ type: 'progress', step: 'pack', ...place })
    const named = { repository: repository.root, module: version.path, version: version.version }
    const outcome =
      checkZipSize(host, version.size, named) ?? (await copyVersion(from, store, survey, version, options))
    if (isProblem(outcome)) {
      taken.delete(keyOf(version))
      faults.push(outcome)
    } else {
      taken.set(keyOf(version), outcome)
    }
  })
  faults.sort((a, b) => (a.subject < b.subject ? -1 : 1))
  const joined = await joinShards(shard, { ...source, versions: taken })
  const recorded = faults.map((each) => ({ stage: 'press' as const, problem: each }))
  const ours = { ...joined, problems: [...joined.problems, ...recorded] }
  if (isSettled(survey, ours)) {
    await removeWithdrawn(store, shard)
    return { survey, shard, added: [] }
  }
  const added = missing.flatMap((each) => taken.get(keyOf(each)) ?? [])
  return { survey, shard: ours, added, enumeration: { modules: [], problems: [] } }
}

const versionsAtOnce = 8

/** Tells whether the target has just this, and all that follows from it. */
function isSettled({ shard, shardState, settings }: CopySurvey, ours: Shard): boolean {
  return shardState === 'whole' && formatShard(shard) === formatShard({ ...ours, settings, state: 'settled' })
}

/** Returns what is wrong with versions that both have. One whose tag has moved is told of as that. */
function checkPublished(target: Shard, source: Shard): Problem[] {
  return [...source.versions].flatMap(([key, { path, version, commit, h1 }]) => {
    const there = target.versions.get(key)
    if (there === undefined || there.h1 === h1 || there.commit !== commit) return []
    const place = { repository: source.root, module: path, version }
    return problem('version-changed', place, `The target holds a zip with ${there.h1}; this one has ${h1}.`)
  })
}

/** Copies the files of a version, in their order. Returns its line for the target, from what that holds. */
async function copyVersion(
  from: DirectoryStore,
  store: Store,
  { repository }: Survey,
  version: PublishedVersion,
  { signal }: FlowOptions,
): Promise<PublishedVersion | Problem> {
  const place = { repository: repository.root, module: version.path, version: version.version }
  const fileOf = (kind: 'zip' | 'mod' | 'info') => versionFile(version.path, version.version, kind)
  // All of it is looked at before any of it is there for good. Messages are public, and do not say where the site lies.
  const [mod, info] = [await from.get(fileOf('mod')), await from.get(fileOf('info'))]
  const fault =
    (await checkZip(from, fileOf('zip'), version)) ??
    (mod === undefined ? 'Its .mod file is missing' : checkGoMod(mod.body, version)) ??
    (info === undefined ? 'Its .info file is missing' : checkInfoFile(info.body, version))
  const zip = fault === undefined ? await from.stream(fileOf('zip')) : undefined
  if (zip === undefined || mod === undefined || info === undefined) {
    const message = `${fault ?? 'Its .zip file is missing'} in the site that it is taken from.`
    return problem('version-damaged', place, message)
  }
  let line = version
  if ((await store.create(fileOf('zip'), zip, signal === undefined ? {} : { signal })) === 'exists') {
    const found = await compareZip(store, version, version.h1, repository.root)
    if (found === 'gone') return problem('version-damaged', place, 'Its zip was taken away meanwhile.')
    if (isProblem(found)) return found
    line = { ...version, sha256: found.sha256, size: found.size }
  }
  if ((await store.create(fileOf('mod'), mod.body)) === 'exists') {
    const there = await store.get(fileOf('mod'))
    if (there !== undefined && Buffer.compare(there.body, mod.body) !== 0)
      return problem('version-changed', place, 'The target holds another .mod file.')
  }
  return createInfo(store, line, info.body)
}

async function checkZip(
  from: DirectoryStore,
  path: string,
  { sha256 }: PublishedVersion,
): Promise<string | undefined> {
  const hash = createHash('sha256')
  const chunks = await from.stream(path)
  if (chunks === undefined) return 'Its .zip file is missing'
  for await (const chunk of chunks) hash.update(chunk)
  const found = hash.digest('hex')
  return found === sha256 ? undefined : `Its .zip file has the sha256 ${found}, and not ${sha256},`
}

function checkGoMod(body: Uint8Array, version: PublishedVersion): string | undefined {
  const found = goModH1(body)
  return found === version.goModH1
    ? undefined
    : `Its .mod file has the hash ${found}, and not ${version.goModH1},`
}

function checkInfoFile(body: Uint8Array, version: PublishedVersion): string | undefined {
  const fault = checkInfo(body, version)
  return fault === undefined ? undefined : `Its .info file ${fault},`
}

function keyOf({ path, version }: PublishedVersion): string {
  return versionKey(path, version)
}
