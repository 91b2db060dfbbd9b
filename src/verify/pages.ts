/**
 * Reads pages as go does where it is told an import path alone. For modules on
 * the site's own host the page is how go finds the proxy, so that a tag that
 * it cannot read is as bad as a page that is not there. Pages of other paths
 * are for people: they only have to be there.
 */

import { eachOf } from '../each.ts'
import type { ModuleRecord } from '../model.ts'
import { pageDirectory, pageFile } from '../render/paths.ts'
import { expectFile } from './expect.ts'
import type { Findings } from './findings.ts'
import { matchGoImport, parseGoImports } from './goimport.ts'
import type { Place } from './place.ts'
import type { SiteDescription } from './site.ts'

/** Verifies the pages of a module: its own, that of its root, and those of so many packages. */
export async function verifyPages(
  place: Place,
  findings: Findings,
  site: SiteDescription,
  record: ModuleRecord,
  packages: number,
): Promise<void> {
  const { root } = record.repository
  const below = record.packages.filter((path) => path !== record.path).slice(0, packages)
  // The page of a root that is no module itself is there all the same; the top is read by itself.
  const paths = new Set([record.path, root, ...below])
  await eachOf([...paths], 2, async (path) => {
    if (pageDirectory(path, site.prefix) === '') return
    await verifyPage(place, findings, site, record, path)
  })
}

async function verifyPage(
  place: Place,
  findings: Findings,
  { url, prefix }: SiteDescription,
  record: ModuleRecord,
  path: string,
): Promise<void> {
  const { root } = record.repository
  const isOwn = prefix !== undefined && (path === prefix || path.startsWith(`${prefix}/`))
  const check = (body: Uint8Array) => {
    const text = new TextDecoder().decode(body)
    // The front page in its place has tags that go may take, and is of no use to people.
    if (!/<[!a-z]/i.test(text) || !text.includes(path)) return `is not the page of ${path}`
    if (!isOwn || url === undefined) return undefined
    const { imports, fault } = parseGoImports(text)
    if (fault !== undefined && imports.length === 0) return 'cannot be read by go as far as its go-import tag'
    const found = matchGoImport(imports, path)
    if (typeof found === 'string') return found
    const isRight = found.vcs === 'mod' && found.url === url && found.prefix === root
    return isRight ? undefined : `has a go-import tag that does not lead to this site, ${root} mod ${url}`
  }
  const directory = pageDirectory(path, prefix)
  const file = place.http === undefined ? pageFile(directory) : directory
  const about = { repository: root, module: record.path }
  await expectFile(
    place,
    findings,
    file,
    { place: about, content: 'page', check, code: 'page-unresolvable' },
    'go-get=1',
  )
}
