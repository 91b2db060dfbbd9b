/**
 * Indexing writes what spans modules: the front page and the page for what is
 * missing, the assets, and the index of the manifest.
 *
 * The index of the manifest is written last. Where it and the site's own facts
 * are as they should be, so is all else, and nothing is written (current.ts).
 */

import { readAssets } from './config/package.ts'
import type { Settings } from './config/schema.ts'
import { describeManifest, describeSite } from './current.ts'
import type { ModulePath, ModuleRecord } from './model.ts'
import { type Problem, problem } from './problem.ts'
import { parseRecord } from './record.ts'
import { renderPrefixMeta, renderRootMeta } from './render/meta.ts'
import { renderFrontPage, renderMissingPage } from './render/pages.ts'
import { putFile, type Store } from './store/store.ts'

/** Tells whether the index of the manifest names a root: whether its shard was there once. */
export async function isNamed(store: Store, root: ModulePath): Promise<boolean> {
  const file = await store.get('-/manifest.jsonl')
  return file !== undefined && Buffer.from(file.body).includes(`"root":${JSON.stringify(root)},`)
}

/**
 * Writes the front page and all that belongs to the site as a whole, but for
 * the index of the manifest. Returns what is wrong with the records of modules.
 */
export async function indexSite(store: Store, settings: Settings): Promise<readonly Problem[]> {
  const { url, prefix } = settings
  const { records, problems } = await readRecords(store)
  const own = records.find((record) => record.repository.root === prefix)
  const hostMeta = url === undefined || prefix === undefined ? undefined : renderPrefixMeta(prefix, url)
  const frontMeta =
    own === undefined
      ? hostMeta
      : renderRootMeta({ ...own.repository, ...(url === undefined ? {} : { url }) })
  for (const { name, body } of readAssets()) await putFile(store, `-/${name}`, body)
  await putFile(store, '.nojekyll', '')
  await putFile(store, '404.html', renderMissingPage(settings, hostMeta))
  await putFile(store, 'index.html', renderFrontPage(records, settings, frontMeta))
  await putFile(store, '-/site.json', describeSite(settings))
  return problems
}

/** Writes the index of the manifest, once all shards are settled. */
export async function indexManifest(store: Store): Promise<void> {
  await putFile(store, '-/manifest.jsonl', await describeManifest(store))
}

async function readRecords(store: Store): Promise<{ records: ModuleRecord[]; problems: Problem[] }> {
  const records: ModuleRecord[] = []
  const problems: Problem[] = []
  for await (const { path } of store.list('-/modules')) {
    const file = await store.get(path)
    const record = file === undefined ? undefined : parseRecord(file.body)
    if (record !== undefined) records.push(record)
    else problems.push(problem('site-damaged', { ref: path }, `The record ${path} of the site is damaged.`))
  }
  return { records: records.sort((a, b) => (a.path < b.path ? -1 : 1)), problems }
}
