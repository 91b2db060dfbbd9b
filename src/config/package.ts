/**
 * The files that come with modpress and are no code: its package.json and
 * public/, the assets of the site.
 *
 * The code runs in three forms: as it is written, compiled file by file, and
 * bundled. In each of them this file is two directories below the top of the
 * package: in src/config/, in dist/config/, and in dist/bin/ (scripts/build.ts).
 */

import { readdirSync, readFileSync } from 'node:fs'

const top = new URL('../../', import.meta.url)

interface Package {
  readonly version: string
  readonly repository?: { readonly url?: string }
}

/** Returns the version of modpress. */
export function ownVersion(): string {
  return readPackage().version
}

/** Returns the repository of modpress on GitHub, as "owner/name": a release knows where it was made. */
export function ownRepository(): string | undefined {
  const { repository } = readPackage()
  return /^git\+https:\/\/github\.com\/([\w.-]+\/[\w.-]+?)\.git$/.exec(repository?.url ?? '')?.[1]
}

function readPackage(): Package {
  return JSON.parse(readFileSync(new URL('package.json', top), 'utf8'))
}

export interface Asset {
  readonly name: string
  readonly body: Uint8Array
}

/** Returns the assets of the site, in the order of their names. */
export function readAssets(): readonly Asset[] {
  const directory = new URL('public/', top)
  const names = readdirSync(directory).sort()
  return names.map((name) => ({ name, body: readFileSync(new URL(name, directory)) }))
}
