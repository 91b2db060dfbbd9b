/**
 * The pages of the registry, plain for now: a page for each module, version,
 * package and repository root, and the one for what is missing. Each begins
 * with the go-import tags of its root, and needs no script. The front page is
 * in front.ts.
 *
 * Pure.
 */

import type { ModuleRecord, ModuleRecordVersion, WithdrawnVersion } from '../model.ts'
import { type Html, html } from './html.ts'
import { pageDirectory, relativeLink, versionFile } from './paths.ts'

/** What a page needs to know of the site. */
export interface PageSite {
  /** Host and path of the site's address. */
  readonly prefix?: string
  /** The address, without which there is nothing to tell consumers. */
  readonly url?: string
}

export interface Page {
  /** The directory of the page in the site. */
  readonly directory: string
  readonly title: string
  /** The go-import tags. */
  readonly meta: Html | undefined
  readonly main: Html
  /** The feed that tells of what is new on it. */
  readonly feed?: string
}

/** Returns a page: what all pages have in common around what is in `main`. */
export function renderPage({ directory, title, meta, main, feed }: Page): string {
  return html`<!DOCTYPE html>
<html lang="en">
<head>
${meta}<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="stylesheet" href="${relativeLink(directory, '-/style.css')}">
${
  feed === undefined
    ? undefined
    : html`<link rel="alternate" type="application/atom+xml" title="New versions" href="${relativeLink(directory, feed)}">\n`
}</head>
<body>
<header><a href="${relativeLink(directory, '')}">Go modules</a></header>
<main>
${main}</main>
</body>
</html>
`.text
}

/** Returns the page of a module. */
export function renderModulePage(record: ModuleRecord, site: PageSite, meta: Html): string {
  const directory = pageDirectory(record.path, site.prefix)
  const newest = record.latest
  const link = (to: string) => relativeLink(directory, to)
  const versions = [...record.versions].reverse()
  return renderPage({
    directory,
    title: record.path,
    meta,
    main: html`<h1>${record.path}</h1>
${record.repository.archived ? html`<p class="notice">The repository is archived: no new versions are to be expected.</p>\n` : undefined}${record.deprecated === undefined ? undefined : html`<p class="notice">Deprecated: ${record.deprecated}</p>\n`}${
  newest === undefined ? undefined : html`<pre tabindex="0">go get ${record.path}@${newest}</pre>\n`
}<h2>Versions</h2>
<ul>
${versions.map((version) => html`<li>${versionItem(record, version, site, link)}</li>\n`)}${(
  record.withdrawn ?? []
).map(
  (version) =>
    html`<li><a href="${link(versionDirectory(record, version, site))}/">${version.version}</a> (withdrawn)</li>\n`,
)}</ul>
${
  record.packages.length === 0
    ? undefined
    : html`<h2>Packages</h2>
<ul>
${record.packages.map((path) => html`<li><a href="${link(pageDirectory(path, site.prefix))}/">${path}</a></li>\n`)}</ul>
`
}`,
  })
}

function versionItem(
  record: ModuleRecord,
  version: ModuleRecordVersion,
  site: PageSite,
  link: (to: string) => string,
): Html {
  const target = link(versionDirectory(record, version, site))
  const notes = [
    version.version === record.latest ? 'latest' : undefined,
    version.retracted === undefined ? undefined : `retracted: ${version.retracted || 'no reason given'}`,
    record.list.includes(version.version) ? undefined : 'not listed',
  ].filter((note) => note !== undefined)
  const suffix = notes.length === 0 ? '' : ` (${notes.join('; ')})`
  return html`<a href="${target}/">${version.version}</a> <time datetime="${version.time}">${version.time.slice(0, 10)}</time>${suffix}`
}

/** Returns the page of one version: what is certain of it for ever. */
export function renderVersionPage(
  record: ModuleRecord,
  version: ModuleRecordVersion,
  site: PageSite,
  meta: Html,
): string {
  const directory = versionDirectory(record, version, site)
  const file = (kind: 'info' | 'mod' | 'zip') =>
    relativeLink(directory, versionFile(record.path, version.version, kind))
  return renderPage({
    directory,
    title: `${record.path}@${version.version}`,
    meta,
    main: html`<h1><a href="${relativeLink(directory, pageDirectory(record.path, site.prefix))}/">${record.path}</a>@${version.version}</h1>
<pre tabindex="0">go get ${record.path}@${version.version}</pre>
<dl>
<dt>Time</dt><dd><time datetime="${version.time}">${version.time}</time></dd>
${version.commit === undefined ? undefined : html`<dt>Commit</dt><dd><code>${version.commit}</code></dd>\n`}<dt>go.sum</dt>
<dd><code>${record.path} ${version.version} ${version.h1}</code><br>
<code>${record.path} ${version.version}/go.mod ${version.goModH1}</code></dd>
<dt>Files</dt><dd><a href="${file('info')}">info</a> <a href="${file('mod')}">mod</a> <a href="${file('zip')}">zip</a> (${version.size} bytes)</dd>
</dl>
`,
  })
}

/** Returns the page of a version that was taken down. */
export function renderWithdrawnPage(
  record: ModuleRecord,
  { version, reason, time }: WithdrawnVersion,
  site: PageSite,
  meta: Html,
): string {
  const directory = versionDirectory(record, { version }, site)
  return renderPage({
    directory,
    title: `${record.path}@${version}`,
    meta,
    main: html`<h1><a href="${relativeLink(directory, pageDirectory(record.path, site.prefix))}/">${record.path}</a>@${version}</h1>
<p class="notice">This version was withdrawn on <time datetime="${time}">${time.slice(0, 10)}</time>: ${reason}</p>
<p>Its files are gone, and it will never be published again. Use another version.</p>
`,
  })
}

/** Returns the directory of a version's page. */
export function versionDirectory(
  record: ModuleRecord,
  version: Pick<ModuleRecordVersion, 'version'>,
  site: PageSite,
): string {
  return `${pageDirectory(record.path, site.prefix) || record.path}@${version.version}`
}

/** Returns the page of a package below its module. */
export function renderPackagePage(
  record: ModuleRecord,
  importPath: string,
  site: PageSite,
  meta: Html,
): string {
  const directory = pageDirectory(importPath, site.prefix)
  return renderPage({
    directory,
    title: importPath,
    meta,
    main: html`<h1>${importPath}</h1>
<p>A package of the module <a href="${relativeLink(directory, pageDirectory(record.path, site.prefix))}/">${record.path}</a>.</p>
<pre tabindex="0">import "${importPath}"</pre>
`,
  })
}

/** Returns the page of a repository's root that is no module itself. */
export function renderRootPage(root: string, modules: readonly string[], site: PageSite, meta: Html): string {
  const directory = pageDirectory(root, site.prefix)
  return renderPage({
    directory,
    title: root,
    meta,
    main: html`<h1>${root}</h1>
<p>The modules of this repository:</p>
<ul>
${modules.map((path) => html`<li><a href="${relativeLink(directory, pageDirectory(path, site.prefix))}/">${path}</a></li>\n`)}</ul>
`,
  })
}

/** Returns what a host serves for every path that is not there. Links are absolute below the site's address. */
export function renderMissingPage(site: PageSite, meta: Html | undefined): string {
  const base = site.prefix === undefined ? '/' : `/${site.prefix.split('/').slice(1).join('/')}`
  return html`<!DOCTYPE html>
<html lang="en">
<head>
${meta}<meta charset="utf-8">
<title>Not found</title>
</head>
<body>
<main>
<h1>Not found</h1>
<p>There is no module or version at this address. <a href="${base.endsWith('/') ? base : `${base}/`}">All modules</a></p>
</main>
</body>
</html>
`.text
}
