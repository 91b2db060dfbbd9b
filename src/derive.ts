/**
 * Deriving writes what follows from a repository's shard: for each module its
 * list, @latest, the answers to revision queries, and its pages.
 *
 * A module's record, `-/modules/<path>.json`, is written last and says all that
 * its files were made from. A record that is the same as on the site means that
 * the files are, too, so that a new version costs the files of its own module.
 *
 * @see product.md, "Order of writing"
 */

import { readArchive } from './archive.ts'
import { eachOf } from './each.ts'
import { retractedBy } from './enumerate/latest.ts'
import { headPrefix } from './enumerate/tags.ts'
import type { ModuleEnumeration } from './enumerate.ts'
import type { Hands } from './hands.ts'
import { byVersion as byRecord, type Shard } from './manifest.ts'
import type {
  ModulePath,
  ModuleRecord,
  ModuleRecordVersion,
  PublishedVersion,
  Repository,
  RepositoryMeta,
  Version,
} from './model.ts'
import { escapePath, escapeVersion } from './module/escape.ts'
import { isPseudoVersion } from './module/pseudo.ts'
import { sortVersions } from './module/version.ts'
import type { Pressed } from './press.ts'
import { parseRecord } from './record.ts'
import type { Html } from './render/html.ts'
import { renderRootMeta } from './render/meta.ts'
import {
  renderModulePage,
  renderPackagePage,
  renderRootPage,
  renderVersionPage,
  renderWithdrawnPage,
  versionDirectory,
} from './render/pages.ts'
import { latestFile, listFile, pageDirectory, pageFile, recordFile, versionFile } from './render/paths.ts'
import { formatTime, renderList } from './render/proxy.ts'
import { ownerOf, type Site } from './site.ts'
import { codeOf, DirectoryStore } from './store/directory.ts'
import { withLocalFile } from './store/local.ts'
import { putFile, type Store } from './store/store.ts'

/** Writes the derived files of a repository: those of modules that changed, or all of them. Other threads may help. */
export async function deriveRepository(
  store: Store,
  site: Site,
  pressed: Pressed,
  mode: 'changed' | 'all',
  hands?: Hands,
): Promise<void> {
  const { repository } = pressed.survey
  const modules = describeModules(repository, pressed)
  const meta = renderRootMeta({ ...metaOf(repository, pressed.shard), ...urlOf(site) })
  const paths = new Set<string>(modules.map((module) => module.path))
  await eachOf(modules, modulesAtOnce, (module) =>
    deriveModule(store, { site, modules: paths, meta, ...(hands && { hands }) }, module, mode),
  )
  const rootPage = rootPageOf(site, repository.root, paths, meta)
  if (rootPage !== undefined) await putFile(store, rootPage.path, rootPage.render())
}

/** Writes the derived files of a repository as its records say, which are all that is known of it. */
export async function deriveRecorded(
  store: Store,
  site: Site,
  records: readonly ModuleRecord[],
): Promise<void> {
  await eachOf(records, modulesAtOnce, (record) => writeProxyFiles(store, record, undefined))
  await eachOf(pagesOf(site, records), pagesAtOnce, ({ path, render }) => putFile(store, path, render()))
  for (const record of records) await putFile(store, recordFile(record.path), formatRecord(record))
}

/** Returns all pages of a repository, from the records of its modules. */
export function pagesOf(site: Site, records: readonly ModuleRecord[]): Page[] {
  const paths = new Set<string>(records.map((record) => record.path))
  const [first] = records
  if (first === undefined) return []
  const { root } = first.repository
  const pages = records.flatMap((record) => {
    const meta = renderRootMeta({ ...record.repository, ...urlOf(site) })
    return pagesOfModule(site, record, undefined, paths, meta)
  })
  const meta = renderRootMeta({ ...first.repository, ...urlOf(site) })
  return [...pages, ...[rootPageOf(site, root, paths, meta) ?? []].flat()]
}

/** The page of a root that is no module itself. */
function rootPageOf(site: Site, root: ModulePath, paths: ReadonlySet<string>, meta: Html): Page | undefined {
  const directory = pageDirectory(root, site.settings.prefix)
  if (paths.size === 0 || paths.has(root) || directory === '') return undefined
  const render = () => renderRootPage(root, [...paths].sort(), site.settings, meta)
  return { path: pageFile(directory), render }
}

/** Modules have no file in common. */
const modulesAtOnce = 4

function urlOf(site: Site): { readonly url?: string } {
  const { url } = site.settings
  return url === undefined ? {} : { url }
}

// ---- Records ----

type Draft = Omit<ModuleRecord, 'packages'>

/** Returns what is published of each module, without what only its zip tells. */
function describeModules(repository: Repository, { shard, enumeration }: Pressed): Draft[] {
  const byPath = new Map<ModulePath, PublishedVersion[]>()
  for (const version of shard.versions.values()) {
    const versions = byPath.get(version.path)
    if (versions === undefined) byPath.set(version.path, [version])
    else versions.push(version)
  }
  for (const { path } of shard.withdrawn.values()) if (!byPath.has(path)) byPath.set(path, [])
  const modules = new Map(enumeration?.modules.map((module) => [module.path, module]))
  const meta = metaOf(repository, shard)
  return [...byPath].map(([path, versions]) => describeModule(path, meta, versions, modules.get(path), shard))
}

function describeModule(
  path: ModulePath,
  repository: RepositoryMeta,
  versions: readonly PublishedVersion[],
  module: ModuleEnumeration | undefined,
  shard: Shard,
): Draft {
  const byVersion = new Map<string, PublishedVersion>(versions.map((version) => [version.version, version]))
  // Versions whose tag nothing is known of came from elsewhere, and stay listed.
  const strangers = versions.filter(
    ({ version, ref }) => !isPseudoVersion(version) && (ref === undefined || !shard.refs.has(ref)),
  )
  const listed = [...(module?.list ?? []), ...strangers.map((each) => each.version)]
  const list = sortVersions([...new Set(listed)]).filter((version) => byVersion.has(version))
  const latest = module?.latest ?? list.at(-1)
  const retractions = module?.retractions ?? []
  const withdrawn = [...shard.withdrawn.values()].filter((each) => each.path === path).sort(byRecord)
  return {
    path,
    repository,
    list: plainFirst(list),
    ...(latest !== undefined && byVersion.has(latest) ? { latest } : {}),
    queries: module?.queries ?? {},
    ...(module?.deprecated === undefined ? {} : { deprecated: module.deprecated }),
    versions: sortVersions(byVersion.keys()).flatMap((name) => {
      const version = byVersion.get(name)
      if (version === undefined) return []
      const interval = retractions.find((retraction) => retractedBy([retraction])(name))
      return [describeVersion(version, interval && (interval.rationale ?? ''))]
    }),
    ...(withdrawn.length === 0
      ? {}
      : {
          withdrawn: withdrawn.map(({ version, reason, time }) => ({
            ...{ version, reason, time: formatTime(time) },
          })),
        }),
  }
}

/** Go lists what is compatible first, and "+incompatible" after it; their majors are higher, so that this is the order. */
function plainFirst(list: readonly Version[]): Version[] {
  const isIncompatible = (version: string) => version.endsWith('+incompatible')
  return [...list.filter((each) => !isIncompatible(each)), ...list.filter(isIncompatible)]
}

function describeVersion(version: PublishedVersion, retracted: string | undefined): ModuleRecordVersion {
  const { commit, ref, codeDir } = version
  return {
    version: version.version,
    time: formatTime(version.time),
    ...(commit === undefined ? {} : { commit }),
    ...(ref === undefined ? {} : { ref }),
    ...(codeDir ? { subdir: codeDir } : {}),
    h1: version.h1,
    goModH1: version.goModH1,
    size: version.size,
    ...(retracted === undefined ? {} : { retracted }),
  }
}

function metaOf(repository: Repository, shard: Shard): RepositoryMeta {
  const { root, web, subdir, source, isArchived } = repository
  const clone = repository.clone ?? shard.clone
  const branch = shard.defaultHead?.slice(headPrefix.length)
  return {
    root,
    ...(clone === undefined ? {} : { clone }),
    ...(web === undefined ? {} : { web }),
    subdir,
    ...(branch === undefined ? {} : { branch }),
    ...(source === undefined ? {} : { source }),
    ...(isArchived === undefined ? {} : { archived: isArchived }),
  }
}

// ---- Files ----

/** What the modules of a repository have in common. */
interface Surroundings {
  readonly site: Site
  readonly modules: ReadonlySet<string>
  readonly meta: Html
  /** Others who may write. @default nobody */
  readonly hands?: Hands
}

async function deriveModule(
  store: Store,
  around: Surroundings,
  draft: Draft,
  mode: 'changed' | 'all',
): Promise<void> {
  const file = await store.get(recordFile(draft.path))
  const before = file === undefined ? undefined : parseRecord(file.body)
  if (mode === 'changed' && before !== undefined) {
    const { packages: _, ...known } = before
    if (JSON.stringify(known) === JSON.stringify(draft)) return
  }
  const record: ModuleRecord = {
    ...draft,
    packages: await findPackages(store, draft, mode === 'all' ? undefined : before),
  }
  await writeProxyFiles(store, record, before)
  await writePages(store, around, record, mode === 'all' ? undefined : before)
  await putFile(store, recordFile(draft.path), formatRecord(record))
}

function formatRecord(record: ModuleRecord): string {
  return `${JSON.stringify(record)}\n`
}

/** Returns the files that answer for modules, beside those of versions. */
export function answersOf(records: readonly ModuleRecord[]): string[] {
  return records.flatMap(({ path, latest, queries, withdrawn }) => [
    listFile(path),
    ...(latest === undefined && withdrawn === undefined ? [] : [latestFile(path)]),
    ...Object.keys(queries).map((name) => queryFile(path, name)),
  ])
}

/**
 * Writes what go is answered. An answer never becomes again what it was before a version was taken down, so that who has
 * seen it before finds it changed: it ends in an empty line for each of those, which go passes over. Where nothing is
 * left to answer there is nothing but these lines (docs/design/publishing.md).
 */
async function writeProxyFiles(
  store: Store,
  record: ModuleRecord,
  before: ModuleRecord | undefined,
): Promise<void> {
  const { path, latest, queries, withdrawn = [] } = record
  const ending = '\n'.repeat(withdrawn.length)
  await putFile(store, listFile(path), renderList(record.list) + ending)
  if (latest !== undefined) await copyInfo(store, path, latest, latestFile(path), ending)
  else if (ending !== '') await putFile(store, latestFile(path), ending)
  else await store.remove(latestFile(path))
  for (const [name, version] of Object.entries(queries))
    await copyInfo(store, path, version, queryFile(path, name), ending)
  for (const name of Object.keys(before?.queries ?? {})) {
    if (queries[name] === undefined) await store.remove(queryFile(path, name))
  }
}

function queryFile(path: ModulePath, name: string): string {
  const escaped = escapeVersion(name)
  if (escaped === undefined) throw new Error(`${name} cannot be escaped.`)
  return `${escapePath(path)}/@v/${escaped}.info`
}

/** A mutable answer is the bytes of the version's own .info, as it was published. */
async function copyInfo(
  store: Store,
  path: ModulePath,
  version: string,
  target: string,
  ending: string,
): Promise<void> {
  const info = await store.get(versionFile(path, version, 'info'))
  if (info !== undefined) await putFile(store, target, Buffer.concat([info.body, Buffer.from(ending)]))
}

/** A page, and how it is made. */
interface Page {
  readonly path: string
  readonly render: () => string
}

async function writePages(
  store: Store,
  { site, modules, meta, hands }: Surroundings,
  record: ModuleRecord,
  before: ModuleRecord | undefined,
): Promise<void> {
  const pages = pagesOfModule(site, record, before, modules, meta)
  const batches = Array.from({ length: Math.ceil(pages.length / pagesAtOnce) }, (_, at) =>
    pages.slice(at * pagesAtOnce, (at + 1) * pagesAtOnce),
  )
  await eachOf(batches, batchesAtOnce, async (batch) => {
    const files = batch.map(({ path, render }) => ({ path, text: render() }))
    if (hands?.canCreate === true && store instanceof DirectoryStore) return hands.put(store.root, files)
    await eachOf(files, pagesAtOnce, ({ path, text }) => putFile(store, path, text))
  })
}

/** Returns the pages of a module; of versions, those that it did not have before. */
function pagesOfModule(
  site: Site,
  record: ModuleRecord,
  before: ModuleRecord | undefined,
  modules: ReadonlySet<string>,
  meta: Html,
): Page[] {
  const { prefix } = site.settings
  const known = new Set(before?.versions.map((version) => version.version))
  const pages: Page[] = []
  for (const version of record.versions) {
    if (known.has(version.version)) continue
    const path = pageFile(versionDirectory(record, version, site.settings))
    pages.push({ path, render: () => renderVersionPage(record, version, site.settings, meta) })
  }
  const taken = new Set(before?.withdrawn?.map((each) => each.version))
  for (const version of record.withdrawn ?? []) {
    if (taken.has(version.version)) continue
    const path = pageFile(versionDirectory(record, version, site.settings))
    pages.push({ path, render: () => renderWithdrawnPage(record, version, site.settings, meta) })
  }
  for (const path of record.packages) {
    // The module's page beats the package's, and a page below another root is that root's.
    if (path === record.path || modules.has(path) || ownerOf(site.roots, path) !== record.repository.root)
      continue
    const render = () => renderPackagePage(record, path, site.settings, meta)
    pages.push({ path: pageFile(pageDirectory(path, prefix)), render })
  }
  const directory = pageDirectory(record.path, prefix)
  const render = () => renderModulePage(record, site.settings, meta)
  return directory === '' ? pages : [...pages, { path: pageFile(directory), render }]
}

/** While one waits for the disk, others are rendered. */
const pagesAtOnce = 16
/** While another thread writes some, this one renders others. */
const batchesAtOnce = 2

function newestOf({ latest, versions }: Draft): Version | undefined {
  return latest ?? versions.at(-1)?.version
}

/** Returns the import paths of the packages in the latest version, from the names in its zip. */
async function findPackages(
  store: Store,
  draft: Draft,
  before: ModuleRecord | undefined,
): Promise<readonly string[]> {
  const version = newestOf(draft)
  if (version === undefined) return []
  if (before !== undefined && newestOf(before) === version) return before.packages
  const zip = await withLocalFile(store, versionFile(draft.path, version, 'zip'), readArchive).catch(
    (error) => {
      // Taken down meanwhile, or lost: the other pages are there all the same.
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    },
  )
  if (zip === undefined) return before?.packages ?? []
  const { entries } = zip
  const prefix = `${draft.path}@${version}/`
  const dirs = new Set<string>()
  for (const { name } of entries) {
    const path = name.slice(prefix.length)
    if (!path.endsWith('.go') || path.endsWith('_test.go')) continue
    const dir = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
    if (!/(^|\/)([_.]|testdata(\/|$)|vendor(\/|$))/.test(dir)) dirs.add(dir)
  }
  return [...dirs].sort().map((dir) => (dir === '' ? draft.path : `${draft.path}/${dir}`))
}
