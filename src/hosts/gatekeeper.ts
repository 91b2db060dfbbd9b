/**
 * The gatekeeper: what a host answers below the own prefixes for files that are
 * not there, so that go asks no other proxy for them and the names of private
 * modules stay where they are.
 *
 * At a 404 go goes on to the next proxy of the chain, with the name of the
 * module; at 403 it stops. But "go get" and "go mod tidy" ask for the list of
 * every path that could be a module, and must not be stopped there: an empty
 * list says that this path is known and has no version, upon which go asks for
 * @latest, and takes its 404 for the end of it.
 *
 *   @v/list   200, and empty
 *   @latest   404, as everywhere
 *   other     403
 *
 * A path is below a prefix whatever its letter case, which go writes as "!a":
 * a slip in the case must not be what gets a name out.
 *
 * Pure.
 */

import type { HostedSite } from '../model.ts'
import { escapePattern } from '../module/pattern.ts'

/** What a gatekeeper answers for, in regular expressions for decoded paths of addresses that do not mind letter case. */
export interface Gatekeeper {
  /** In lower case. */
  readonly prefixes: readonly string[]
  /** For each prefix, the lists of modules below it. */
  readonly lists: readonly string[]
  /** For each prefix, all files of versions below it, the lists among them. */
  readonly files: readonly string[]
}

/** Returns what the gatekeeper answers for; undefined where there is none, or nothing is the site's own. */
export function describeGatekeeper(
  { gatekeeper, prefixes }: Pick<HostedSite, 'gatekeeper' | 'prefixes'>,
  base: string,
): Gatekeeper | undefined {
  if (!gatekeeper || prefixes.length === 0) return undefined
  const lowered = [...new Set(prefixes.map((prefix) => prefix.toLowerCase()))]
  const modules = lowered.map((prefix) => `^${base}/${inAnyCase(prefix)}(?:/[^@]*)?`)
  return {
    prefixes: lowered,
    lists: modules.map((module) => `${module}/@v/list$`),
    files: modules.map((module) => `${module}/@v/`),
  }
}

/** Module paths have letters, digits and "-._~/". */
function inAnyCase(prefix: string): string {
  return escapePattern(prefix).replaceAll(/[a-z]/g, '!?$&')
}
