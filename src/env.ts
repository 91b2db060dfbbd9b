/**
 * What "modpress env" prints: the texts that are also files of the site, made
 * from the configuration, so that they can be had before anything is built.
 *
 * The import paths that they name are those of the configured repositories. A
 * root such as "git.example.com/{path}" does not say whose its repositories
 * are: then the site says it, if it was built, and else "prefixes" must.
 */

import type { Settings } from './config/schema.ts'
import type { HostedSite } from './model.ts'
import { hostedSite } from './prefixes.ts'
import { FatalError, problem } from './problem.ts'
import { setupDirectory } from './render/paths.ts'
import type { Consumer } from './setup/consumers.ts'
import { kinds } from './setup/kinds.ts'
import { findNeeds } from './setup/needs.ts'
import { openDirectoryStore } from './store/directory.ts'
import { indexDirectory, isIndexShard, parseIndexShard } from './summary.ts'

export interface ConsumerText {
  readonly kind: Consumer
  /** The address of the site. */
  readonly url: string
  /** Where the same text is in the site. */
  readonly file: string
  readonly text: string
}

/** Returns the text for a consumer. Throws a FatalError where the settings do not say enough. */
export async function describeConsumer(settings: Settings, kind: Consumer): Promise<ConsumerText> {
  const { url } = settings
  const needs = url === undefined ? undefined : findNeeds(await describeHosted(settings))
  if (url === undefined || needs === undefined) {
    const hint = 'Set the key url, or name it: modpress env --url https://go.example.com.'
    throw new FatalError(
      problem('usage', {}, 'Nobody has said where the site is served, so that nothing can be set.', hint),
    )
  }
  const { file, render } = kinds[kind]
  return { kind, url, file: `${setupDirectory}/${file}`, text: render(needs) }
}

/** The kind that fits where this runs: the job's host, or the system. */
export function guessConsumer(
  env: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform,
): Consumer {
  if (env['GITHUB_ACTIONS'] === 'true') return 'github'
  if (env['GITLAB_CI'] === 'true') return 'gitlab'
  return platform === 'win32' ? 'windows' : 'shell'
}

async function describeHosted(settings: Settings): Promise<HostedSite> {
  if (settings.prefixes.length > 0) return hostedSite(settings, [])
  const roots = settings.repositories.map(({ root }) => ({ root, owner: ownerOf(root, settings) }))
  const published = await readRoots(settings.output)
  const unknown = roots.find(({ owner }) => owner === undefined)
  if (unknown !== undefined && published.length === 0) {
    const message = `The root ${unknown.root} does not say below which import paths its modules are.`
    const hint = 'Write the key prefixes, such as [git.example.com/acme], or build the site first.'
    throw new FatalError(problem('usage', {}, message, hint))
  }
  return hostedSite(settings, [...roots.flatMap(({ owner }) => owner ?? []), ...published])
}

/** Returns a root that stands for all that a pattern may be, or undefined where they may be anybody's. */
function ownerOf(root: string, { prefix }: Settings): string | undefined {
  const open = root.indexOf('{')
  if (open < 0) return root
  const fixed = root.slice(0, open).replace(/\/?[^/]*$/, '')
  const isOwn = prefix !== undefined && `${fixed}/`.startsWith(`${prefix}/`)
  return isOwn || fixed.includes('/') ? `${fixed}/x` : undefined
}

/** Reads the roots of what was built. */
async function readRoots(output: string): Promise<readonly string[]> {
  const store = await openDirectoryStore(output)
  const roots = new Set<string>()
  try {
    for await (const { path } of store.list(indexDirectory)) {
      const file = isIndexShard(path) ? await store.get(path) : undefined
      const lines = file === undefined ? [] : parseIndexShard(file.body)
      if (lines !== 'newer') for (const { repository } of lines) roots.add(repository.root)
    }
  } finally {
    await store.close()
  }
  return [...roots]
}
