/**
 * The proxy's own files: list and .info. (.mod and .zip are the version itself.)
 *
 * Pure. The JSON is Go's, byte for byte: the order of RevInfo's fields and the
 * escapes of encoding/json. Protocol 3.1 and 1.2.
 */

import type { PublishedVersion, Version } from '../model.ts'

/** What `.info` tells of where a version comes from; it is left out where the settings say so. */
export interface OriginSettings {
  /** The repository's address. */
  readonly url: string
}

type InfoVersion = Pick<PublishedVersion, 'version' | 'time' | 'commit' | 'ref' | 'codeDir'>

/** Returns the bytes of a `.info` file. */
export function renderInfo(version: InfoVersion, origin: OriginSettings | undefined): string {
  const { commit, ref, codeDir } = version
  const info = {
    Version: version.version,
    Time: formatTime(version.time),
    ...(origin === undefined || commit === undefined
      ? {}
      : {
          Origin: {
            VCS: 'git',
            URL: origin.url,
            ...(codeDir ? { Subdir: codeDir } : {}),
            Hash: commit,
            ...(ref === undefined ? {} : { Ref: ref }),
          },
        }),
  }
  return JSON.stringify(info).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Returns a time as Go's JSON has it: RFC 3339, UTC, whole seconds. */
export function formatTime(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`
}

/** Returns the bytes of `@v/list`. */
export function renderList(versions: readonly Version[]): string {
  return versions.map((version) => `${version}\n`).join('')
}
