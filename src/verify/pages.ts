/**
 * Reads pages as go does where it is told an import path alone. For modules on
 * the site's own host the page is how go finds the proxy, so that a tag that
 * it cannot read is as bad as a page that is not there. Pages of other paths
 * are for people: they only have to be there.
 */

import { eachOf } from '../each.ts'
import type { ModuleRecord } from '../model.ts'
import { pageDirectory, pageFile } from '../render/paths.ts'
import { type Answer, describeAnswer, textOf } from './answer.ts'
import { expectFile } from './expect.ts'
import type { Findings } from './findings.ts'
import { matchGoImport, parseGoImports } from './goimport.ts'
import type { Place } from './place.ts'
import type { SiteDescription } from './site.ts'

/** Returns what the page of a directory is asked for as. */
export type PageNames = (directory: string) => string

/**
 * Finds out whether a directory is answered with its index.html, as go needs it where it is told an import path alone.
 * Where it is not, pages are read by their full names. S3 by itself does not, which is known of it.
 */
export async function findPages(place: Place, findings: Findings, site: SiteDescription): Promise<PageNames> {
  if (place.http === undefined) return pageFile
  const front = await place.read('', { query: 'go-get=1' })
  const isPage = (answer: Answer) => answer.status === 200 && /<(?:!doctype )?html/i.test(textOf(answer.body))
  if (isPage(front) || !isPage(await place.read('index.html'))) return (directory) => directory
  if (site.host !== 's3') {
    const message = `${describeAnswer(front)}, and index.html there is a page: directories are not answered with it.`
    findings.once('pages-unindexed', message)
  }
  return pageFile
}

export interface PageOptions {
  /** Of how many packages the pages are verified. */
  readonly packages: number
  readonly names: PageNames
  /** The pages that were verified already: that of a root is of each of its modules. */
  readonly seen: Set<string>
  /** The paths of all modules. */
  readonly modules: ReadonlySet<string>
}

/** Verifies the pages of a module: its own, that of its root, and those of so many packages. */
export async function verifyPages(
  place: Place,
  findings: Findings,
  site: SiteDescription,
  record: ModuleRecord,
  options: PageOptions,
): Promise<void> {
  const { root } = record.repository
  const { packages, seen } = options
  const below = record.packages.filter((path) => path !== record.path).slice(0, packages)
  // The page of a root that is no module itself is there all the same; the top is read by itself.
  const paths = new Set([record.path, root, ...below])
  await eachOf([...paths], 2, async (path) => {
    if (pageDirectory(path, site.prefix) === '' || seen.has(path)) return
    seen.add(path)
    await verifyPage(place, findings, site, record, { ...options, path })
  })
}

/** Verifies the front page, whose tag is that of all paths below the site's own prefix. */
export async function verifyFront(
  place: Place,
  findings: Findings,
  { url, prefix }: SiteDescription,
  names: PageNames,
): Promise<void> {
  const check = (body: Uint8Array) => {
    const text = textOf(body)
    if (!/<[!a-z]/i.test(text)) return 'is no page'
    if (url === undefined || prefix === undefined) return undefined
    const found = matchGoImport(parseGoImports(text).imports, prefix)
    if (typeof found === 'string') return found
    return found.vcs === 'mod' && found.url === url ? undefined : `has no go-import tag ${prefix} mod ${url}`
  }
  const file = names('')
  await expectFile(
    place,
    findings,
    file,
    { place: {}, content: 'page', check, code: 'page-unresolvable' },
    'go-get=1',
  )
}

async function verifyPage(
  place: Place,
  findings: Findings,
  { url, prefix }: SiteDescription,
  record: ModuleRecord,
  { path, names, modules }: PageOptions & { readonly path: string },
): Promise<void> {
  const { root } = record.repository
  const isOwn = prefix !== undefined && (path === prefix || path.startsWith(`${prefix}/`))
  const check = (body: Uint8Array) => {
    const text = textOf(body)
    if (!/<[!a-z]/i.test(text)) return 'is no page'
    // The front page in its place has tags that go may take, and is of no use to people.
    const other = text.includes(path) ? undefined : `is not the page of ${path}`
    if (!isOwn || url === undefined) return other
    const { imports, fault } = parseGoImports(text)
    if (fault !== undefined && imports.length === 0) return 'cannot be read by go as far as its go-import tag'
    const found = matchGoImport(imports, path)
    if (typeof found === 'string') return found
    const isRight = found.vcs === 'mod' && found.url === url && found.prefix === root
    return isRight ? other : `has a go-import tag that does not lead to this site, ${root} mod ${url}`
  }
  const file = names(pageDirectory(path, prefix))
  // A root that is no module is the repository's; a package is its module's.
  const module = modules.has(path) ? path : path === root ? undefined : record.path
  const about = { repository: root, ...(module === undefined ? {} : { module }) }
  await expectFile(
    place,
    findings,
    file,
    { place: about, content: 'page', check, code: 'page-unresolvable' },
    'go-get=1',
  )
}
