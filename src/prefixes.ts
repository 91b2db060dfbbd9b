/**
 * The import paths below which all modules are the registry's own: what
 * consumers name in GONOSUMDB, and what a gatekeeper answers for.
 *
 * Pure.
 */

import type { Settings } from './config/schema.ts'
import type { HostedSite } from './model.ts'

/**
 * Returns the own prefixes of a site in the order of their names, none of them below another: those of the
 * configuration, else the site's own prefix and whatever the roots of its repositories lie below.
 */
export function ownPrefixes(
  { prefixes, prefix }: Pick<Settings, 'prefixes' | 'prefix'>,
  roots: Iterable<string>,
): readonly string[] {
  return compact(prefixes.length > 0 ? prefixes : [...roots].map((root) => prefixOf(root, prefix)))
}

/** Returns a site as its host and its consumers see it, with the roots of its repositories. */
export function hostedSite(settings: Settings, roots: Iterable<string>): HostedSite {
  const { url, prefix, access, host, gatekeeper } = settings
  return {
    access,
    host,
    gatekeeper,
    prefixes: ownPrefixes(settings, roots),
    ...(url === undefined ? {} : { url }),
    ...(prefix === undefined ? {} : { prefix }),
  }
}

/** What a root lies below belongs to whom it belongs to: "github.com/acme" of "github.com/acme/billing". */
function prefixOf(root: string, own: string | undefined): string {
  if (own !== undefined && isBelow(root, own)) return own
  const elements = root.split('/')
  return elements.length < 3 || elements[0] === 'gopkg.in' ? root : elements.slice(0, -1).join('/')
}

function compact(prefixes: readonly string[]): string[] {
  const distinct = [...new Set(prefixes)].sort((a, b) => (a < b ? -1 : 1))
  return distinct.filter((path) => !distinct.some((other) => other !== path && isBelow(path, other)))
}

function isBelow(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`)
}
