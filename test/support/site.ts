/**
 * A site on disk, read as a test reads it: by its files, with nothing of src.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface SiteModule {
  readonly path: string
  readonly list: readonly string[]
  readonly latest?: string
  readonly queries: Readonly<Record<string, string>>
  readonly versions: readonly {
    readonly version: string
    readonly h1: string
    readonly goModH1: string
    readonly ref?: string
  }[]
}

/** Returns what `-/modules` says of all modules, sorted by path. */
export function siteModules(site: string): SiteModule[] {
  const modules: SiteModule[] = []
  for (const file of filesBelow(join(site, '-/modules'))) {
    modules.push(JSON.parse(readFileSync(join(site, '-/modules', file), 'utf8')) as SiteModule)
  }
  return modules.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** Returns the paths of all files below a directory, sorted; none where it is not there. */
export function filesBelow(dir: string): string[] {
  if (!existsSync(dir)) return []
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort()
}

/** Returns the bytes of a proxy file as text; undefined where it is not there. */
export function proxyFile(site: string, module: string, name: string): string | undefined {
  const escaped = (text: string) => text.replace(/[A-Z]/g, (char) => `!${char.toLowerCase()}`)
  const file = join(site, escaped(module), escaped(name))
  return existsSync(file) ? readFileSync(file, 'latin1') : undefined
}
