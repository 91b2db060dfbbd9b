/**
 * Taking versions from a site that was built before: its files are created on
 * the target as they are, in the order of writing, and its shards say all else.
 * No repository is needed for that, and nothing is packed.
 */

import { eachOf } from './each.ts'
import type { FlowOptions } from './events.ts'
import { byVersion, emptyShard, parseShard, type Shard, versionKey } from './manifest.ts'
import { mergeShards } from './merge.ts'
import type { PublishedVersion, Repository } from './model.ts'
import type { Pressed } from './press.ts'
import { FatalError, type Problem, problem } from './problem.ts'
import { parseRecord } from './record.ts'
import { recordFile, versionFile } from './render/paths.ts'
import type { DirectoryStore } from './store/directory.ts'
import type { Store } from './store/store.ts'
import { readShard, type Survey } from './survey.ts'
import { compareZip } from './write.ts'

/** Surveys all repositories of a site that was built before, against what the target has. */
export async function surveySite(from: DirectoryStore, store: Store): Promise<CopySurvey[]> {
  const surveys: CopySurvey[] = []
  for await (const { path } of from.list('-/manifest')) {
    const file = await from.get(path)
    const source = file && parseShard(Buffer.from(file.body).toString('utf8'))
    if (source === undefined || source === 'newer') {
      const message = `${path} of the site in ${from.root} is damaged, or from a newer modpress.`
      throw new FatalError(problem('site-damaged', { ref: path }, message))
    }
    const repository = await describeRepository(from, source)
    const read = await readShard(store, repository)
    surveys.push({ ...read, repository, settings: source.settings, problems: [], source })
  }
  if (surveys.length === 0) {
    const message = `There is no site in ${from.root}.`
    throw new FatalError(problem('usage', {}, message, 'Build it first: modpress build.'))
  }
  return surveys
}

/** A repository as the site has it. */
export interface CopySurvey extends Survey {
  readonly source: Shard
}

/** Returns what pages and answers need of a repository: it is in the records of its modules. */
export async function describeRepository(from: Store, shard: Shard): Promise<Repository> {
  const branches = new Set<string>()
  let found: Pick<Repository, 'web' | 'source'> & { readonly subdir?: string } = {}
  for (const path of new Set([...shard.versions.values()].map((version) => version.path))) {
    const file = await from.get(recordFile(path))
    const record = file && parseRecord(file.body)
    if (record === undefined) continue
    found = record.repository
    for (const name of Object.keys(record.queries)) branches.add(name)
  }
  const { web, subdir = '', source } = found
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
  }
}

/** Creates the versions that the target lacks. */
export async function copyVersions(
  from: DirectoryStore,
  store: Store,
  survey: CopySurvey,
  options: FlowOptions,
): Promise<Pressed> {
  const { source, shard, repository } = survey
  const missing = [...source.versions.values()]
    .filter((each) => !shard.versions.has(keyOf(each)) && !shard.withdrawn.has(keyOf(each)))
    .sort(byVersion)
  const refused = new Map<string, Problem>()
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
    const fault = await copyVersion(from, store, survey, version, options)
    if (fault !== undefined) refused.set(keyOf(version), fault)
  })
  const taken = new Map([...source.versions].filter(([key]) => !refused.has(key)))
  const faults = [...refused.values()].map((each) => ({ stage: 'press' as const, problem: each }))
  const ours = { ...source, versions: taken, problems: [...source.problems, ...faults] }
  const added = missing.filter((each) => !refused.has(keyOf(each)))
  const merged = mergeShards(emptyShard(repository.root), shard, ours)
  return { survey, shard: merged, added, enumeration: { modules: [], problems: [] } }
}

const versionsAtOnce = 8

async function copyVersion(
  from: DirectoryStore,
  store: Store,
  { repository }: Survey,
  version: PublishedVersion,
  { signal }: FlowOptions,
): Promise<Problem | undefined> {
  const place = { repository: repository.root, module: version.path, version: version.version }
  for (const kind of ['zip', 'mod', 'info'] as const) {
    const path = versionFile(version.path, version.version, kind)
    const body = kind === 'zip' ? await from.stream(path) : (await from.get(path))?.body
    if (body === undefined)
      return problem('version-damaged', place, `Its .${kind} file is missing in ${from.root}.`)
    const outcome = await store.create(path, body, signal === undefined ? {} : { signal })
    if (outcome === 'created') continue
    if (kind === 'zip') {
      const found = await compareZip(store, version, version.h1, repository.root)
      if (found === 'gone') return problem('version-damaged', place, 'Its zip was taken away meanwhile.')
      if ('code' in found) return found
    } else if (kind === 'mod') {
      const there = await store.get(path)
      if (there !== undefined && Buffer.compare(there.body, body as Uint8Array) !== 0)
        return problem('version-changed', place, 'The target holds another .mod file.')
    }
  }
  return undefined
}

function keyOf({ path, version }: PublishedVersion): string {
  return versionKey(path, version)
}
