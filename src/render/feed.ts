/**
 * The feed of the site: the newest versions of all modules, as Atom. Nothing in
 * it comes from the clock: a version is as old as its commit.
 *
 * Pure. RFC 4287.
 */

import { createHash } from 'node:crypto'
import { compareVersions } from '../module/version.ts'
import { compareTexts, type ModuleSummary, type NewVersion } from '../summary.ts'
import { html, withdrawalsMark } from './html.ts'
import type { PageSite } from './pages.ts'
import { pageDirectory, relativeLink } from './paths.ts'

export const feedFile = '-/feed.atom'

/** A version of one of the modules of the site. */
export interface NewestVersion extends NewVersion {
  readonly path: ModuleSummary['path']
}

/** Returns the newest versions of a site: by time, newest first, and then by module path. */
export function findNewestVersions(modules: readonly ModuleSummary[], count = 50): NewestVersion[] {
  return modules
    .flatMap(({ path, newest }) => newest.map((each) => ({ path, ...each })))
    .filter(({ time }) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(time))
    .sort(
      (a, b) =>
        compareTexts(b.time, a.time) || compareTexts(a.path, b.path) || compareVersions(b.version, a.version),
    )
    .slice(0, count)
}

/** What a feed needs to know of the site. */
export interface FeedSite extends PageSite {
  readonly url?: string
}

/**
 * Returns the bytes of the feed, where so many versions were withdrawn. Without an address of the site its links are
 * relative, and its ids are made of names.
 */
export function renderFeed(versions: readonly NewestVersion[], site: FeedSite, withdrawals = 0): string {
  const { url, prefix } = site
  const link = (to: string) => (url === undefined ? relativeLink('-', to) : `${url}/${relativeLink('', to)}`)
  const id = (to: string) => (url === undefined ? nameId(to) : link(to))
  const title = prefix === undefined ? 'Go modules' : `Go modules of ${prefix}`
  return html`${declaration}<feed xmlns="http://www.w3.org/2005/Atom">
<id>${plain(id(feedFile))}</id>
<title>${plain(title)}</title>
<updated>${versions[0]?.time ?? '1970-01-01T00:00:00Z'}</updated>
<author><name>${plain(prefix ?? 'modpress')}</name></author>
<link rel="self" type="application/atom+xml" href="${plain(link(feedFile))}"/>
<link rel="alternate" type="text/html" href="${plain(url === undefined ? '../' : `${url}/`)}"/>
${versions.map(({ path, version, time, retracted, withdrawn }) => {
  const page = `${pageDirectory(path, prefix) || path}@${version}`
  // That it is gone is news of its own, also to those who have read of the version.
  const mark = withdrawn === undefined ? '' : '#withdrawn'
  const note = withdrawn !== undefined ? ' (withdrawn)' : retracted ? ' (retracted)' : ''
  return html`<entry>
<id>${plain(url === undefined ? nameId(`${path}@${version}${mark}`) : `${link(page)}/${mark}`)}</id>
<title>${plain(`${path}@${version}${note}`)}</title>
<updated>${time}</updated>
<link rel="alternate" type="text/html" href="${plain(`${link(page)}/`)}"/>
${withdrawn === undefined ? undefined : html`<summary>${plain(withdrawn)}</summary>\n`}</entry>
`
})}${withdrawalsMark(withdrawals)}</feed>
`.text
}

const declaration = html`<?xml version="1.0" encoding="utf-8"?>
`

/** Returns an id that is made of a name alone, as a UUID of version 8. An id in Atom is never relative. */
function nameId(name: string): string {
  const digits = createHash('sha256').update(name).digest('hex')
  const variant = ((Number.parseInt(digits.charAt(16), 16) & 3) | 8).toString(16)
  return `urn:uuid:${digits.slice(0, 8)}-${digits.slice(8, 12)}-8${digits.slice(13, 16)}-${variant}${digits.slice(17, 20)}-${digits.slice(20, 32)}`
}

/** Returns text without the characters that XML has no way to write. */
function plain(text: string): string {
  return text.replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
}
