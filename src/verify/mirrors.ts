/**
 * Holds a mirror against the deployment that is named first: what it lacks, and
 * what it has with other hashes.
 *
 * Pure.
 */

import type { Shard } from '../manifest.ts'
import type { PublishedVersion } from '../model.ts'
import type { Findings } from './findings.ts'

/** Tells where a mirror is behind, or something else. `names` are those of the first deployment and of the mirror. */
export function compareMirror(
  first: readonly Shard[],
  mirror: readonly Shard[],
  names: { readonly first: string; readonly mirror: string },
  findings: Findings,
): void {
  const there = new Map<string, PublishedVersion>(mirror.flatMap(({ versions }) => [...versions]))
  const down = new Set(mirror.flatMap(({ withdrawn }) => [...withdrawn.keys()]))
  for (const { root, versions, withdrawn } of first) {
    const lacking = new Map<string, string[]>()
    for (const [key, version] of versions) {
      const found = there.get(key)
      const about = { repository: root, module: version.path, version: version.version }
      if (found === undefined && !down.has(key)) {
        lacking.set(version.path, [...(lacking.get(version.path) ?? []), version.version])
      } else if (found !== undefined && (found.h1 !== version.h1 || found.goModH1 !== version.goModH1)) {
        const message = `${names.mirror} has the hash ${found.h1}, and ${names.first} has ${version.h1}.`
        findings.tell('mirror-differs', about, message)
      }
    }
    for (const [module, missing] of lacking) {
      const shown = missing.slice(0, 3).join(', ')
      const more = missing.length > 3 ? ` and ${missing.length - 3} more` : ''
      const message = `${names.mirror} lacks ${shown}${more}, which ${names.first} has.`
      findings.tell('mirror-lags', { repository: root, module }, message)
    }
    for (const [key, { path, version }] of withdrawn) {
      if (!there.has(key)) continue
      const message = `${names.mirror} still has ${version}, which ${names.first} has withdrawn.`
      findings.tell('mirror-lags', { repository: root, module: path, version }, message)
    }
  }
}
