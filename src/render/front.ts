/**
 * The front page: all modules with their latest version. Where they are too
 * many for one page, it has the versions that are new and leads on to pages of
 * modules whose paths begin alike, and these to others, until all are there.
 *
 * How modules are divided follows from their paths alone, so that a module
 * that is added changes the pages on the way to it and no others.
 *
 * Pure.
 */

import { createHash } from 'node:crypto'
import { countWithdrawals, type ModuleSummary } from '../summary.ts'
import { feedFile, type NewestVersion } from './feed.ts'
import { type Html, html, withdrawalsMark } from './html.ts'
import { type PageSite, renderPage } from './pages.ts'
import { pageDirectory, pageFile, relativeLink, setupDirectory } from './paths.ts'

/** What is said of a module in a list. */
export type FrontModule = Pick<ModuleSummary, 'path' | 'latest' | 'deprecated' | 'withdrawals'>

/** So many modules are on one page. */
export const modulesOfPage = 1000

/** Returns the front page of a site whose modules it can hold, in the order of their paths. */
export function renderFrontPage(
  modules: readonly FrontModule[],
  site: PageSite,
  meta: Html | undefined,
): string {
  return renderList('', site, meta, {
    title: 'Go modules',
    items: modules.map((module) => moduleItem('', module, site)),
    withdrawals: countWithdrawals(modules),
  })
}

/** A page of modules whose paths begin alike. */
export interface GroupPage {
  readonly path: string
  readonly body: string
  /** How many pages it is away from the front page, which leads to it. */
  readonly depth: number
}

/** Where pages of groups are. */
export const groupsDirectory = '-/all'

/** Returns the front page and the pages that it leads to, of modules in the order of their paths. */
export function renderFront(
  modules: readonly FrontModule[],
  newest: readonly NewestVersion[],
  site: PageSite,
  meta: Html | undefined,
  limit: number = modulesOfPage,
): { readonly front: string; readonly groups: readonly GroupPage[] } {
  if (modules.length <= limit) return { front: renderFrontPage(modules, site, meta), groups: [] }
  const groups: GroupPage[] = []
  const items = renderGroups('', modules, 1)
  const front = renderList('', site, meta, {
    title: 'Go modules',
    items,
    newest,
    withdrawals: countWithdrawals(modules),
  })
  return { front, groups }

  function renderGroups(directory: string, group: readonly FrontModule[], depth: number): Html[] {
    if (group.length <= limit) return group.map((module) => moduleItem(directory, module, site))
    return divide(group).map(({ start, modules: part }) => {
      const [only] = part
      if (only !== undefined && part.length === 1) return moduleItem(directory, only, site)
      const below = groupDirectory(start)
      const title = `${start}…`
      const items = renderGroups(below, part, depth + 1)
      const list = { title, items, withdrawals: countWithdrawals(part) }
      groups.push({ path: pageFile(below), body: renderList(below, site, undefined, list), depth })
      return html`<a href="${relativeLink(directory, below)}/">${title}</a> ${part.length} modules`
    })
  }
}

/** Divides modules by the first character in which their paths differ. */
function divide(
  modules: readonly FrontModule[],
): { readonly start: string; readonly modules: FrontModule[] }[] {
  const [first, last] = [modules[0]?.path ?? '', modules.at(-1)?.path ?? '']
  // They are sorted: what the first and the last have in common, all have.
  let common = 0
  while (common < first.length && first[common] === last[common]) common++
  const groups = new Map<string, FrontModule[]>()
  for (const module of modules) {
    const start = module.path.slice(0, common + 1)
    const group = groups.get(start)
    if (group === undefined) groups.set(start, [module])
    else group.push(module)
  }
  return [...groups].map(([start, group]) => ({ start, modules: group }))
}

/** Returns the directory of the page for paths that begin so: one name, the same where letter case does not count. */
function groupDirectory(start: string): string {
  const name = start.replace(/[A-Z]/g, (char) => `!${char.toLowerCase()}`).replaceAll('/', ',')
  const digest = createHash('sha256').update(start).digest('hex').slice(0, 32)
  return `${groupsDirectory}/${name.length > 100 || !/^[!,\w~.-]*$/.test(name) ? digest : name}`
}

interface List {
  readonly title: string
  readonly items: readonly Html[]
  readonly newest?: readonly NewestVersion[]
  /** How many versions of the modules were taken down. */
  readonly withdrawals: number
}

function renderList(
  directory: string,
  site: PageSite,
  meta: Html | undefined,
  { title, items, newest = [], withdrawals }: List,
): string {
  const ofSite = site.prefix === undefined ? 'Go modules' : `Go modules of ${site.prefix}`
  return renderPage({
    directory,
    title: directory === '' ? ofSite : title,
    meta,
    feed: feedFile,
    main: html`<h1>${title}</h1>
${
  directory === '' && site.url !== undefined
    ? html`<p><a href="${relativeLink(directory, setupDirectory)}/">What to set, to use them</a></p>\n`
    : undefined
}<ul>
${items.map((item) => html`<li>${item}</li>\n`)}</ul>
${
  newest.length === 0
    ? undefined
    : html`<h2>New versions</h2>
<ul>
${newest.map((version) => html`<li>${versionItem(directory, version, site)}</li>\n`)}</ul>
`
}${withdrawalsMark(withdrawals)}`,
  })
}

function moduleItem(directory: string, { path, latest, deprecated }: FrontModule, site: PageSite): Html {
  const note = deprecated === undefined ? '' : ' (deprecated)'
  const suffix = latest === undefined ? note : ` ${latest}${note}`
  const page = pageDirectory(path, site.prefix)
  return html`<a href="${relativeLink(directory, page)}/">${path}</a>${suffix}`
}

function versionItem(
  directory: string,
  { path, version, time, retracted }: NewestVersion,
  site: PageSite,
): Html {
  const page = `${pageDirectory(path, site.prefix) || path}@${version}`
  const note = retracted ? ' (retracted)' : ''
  return html`<a href="${relativeLink(directory, page)}/">${path}@${version}</a> <time datetime="${time}">${time.slice(0, 10)}</time>${note}`
}
