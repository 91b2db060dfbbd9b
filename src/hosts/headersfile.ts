/**
 * The file `_headers`, which Cloudflare Pages and Netlify read from the top of
 * a site.
 *
 * Both lay the headers of all rules that fit a path upon each other, so that
 * the rules here do not overlap. They cannot tell v1.0.0.info, which never
 * changes, from main.info, which does: all have the lifetime of the latter.
 * Pages keep the lifetime that the host gives them: none.
 *
 * Pure.
 *
 * @see https://developers.cloudflare.com/pages/configuration/headers/
 * @see https://docs.netlify.com/manage/routing/headers/
 */

import type { HostedSite, SiteFile } from '../model.ts'
import { cacheControl, contentType, extensionTypes, mutableFor } from '../render/headers.ts'

/** How a host reads the file. */
interface Dialect {
  /** What stands for any text without a "/". */
  readonly anything: string
  readonly setType: (type: string) => readonly string[]
  /** Returns the lifetime of a file by its path in the site. */
  readonly lifetime: (path: string) => string
}

/** Returns `_headers` for Cloudflare Pages: one "*" a rule, and a name behind ":" for what has no "/". */
export function renderCloudflare({ access }: HostedSite): SiteFile[] {
  return renderHeaders({
    anything: ':name',
    setType: (type) => ['! Content-Type', `Content-Type: ${type}`],
    lifetime: (path) => cacheControl(path, access),
  })
}

/**
 * Returns `_headers` for Netlify, where a name behind ":" is a whole element of the path. It does not say whether a
 * missing file gets these headers, too, so that nothing has a lifetime that would be wrong for that.
 */
export function renderNetlify({ access }: HostedSite): SiteFile[] {
  return renderHeaders({
    anything: '*',
    setType: (type) => [`Content-Type: ${type}`],
    lifetime: () => mutableFor(access),
  })
}

function renderHeaders({ anything, setType, lifetime }: Dialect): SiteFile[] {
  const ruleFor = (rule: string, example: string) =>
    formatRule(rule, [...setType(contentType(example)), `Cache-Control: ${lifetime(example)}`])
  const body = [
    '# Types and lifetimes of the files that go reads, and types of those that hosts do not know.\n',
    formatRule('/*', ['X-Content-Type-Options: nosniff']),
    ruleFor('/*/@latest', 'm/@latest'),
    ruleFor('/*/@v/list', 'm/@v/list'),
    ruleFor(`/*/@v/${anything}.info`, 'm/@v/main.info'),
    ruleFor(`/*/@v/${anything}.mod`, 'm/@v/v1.0.0.mod'),
    ruleFor(`/*/@v/${anything}.zip`, 'm/@v/v1.0.0.zip'),
    ...extensionTypes.map(([extension, type]) => formatRule(`/-/*${extension}`, setType(type))),
  ]
  return [{ path: '_headers', body: body.join('') }]
}

function formatRule(path: string, headers: readonly string[]): string {
  return [path, ...headers.map((header) => `  ${header}`), ''].join('\n')
}
