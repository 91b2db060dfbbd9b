/**
 * The manifest's line of a version: from what enumeration decided, and what
 * became of it in the site.
 *
 * Pure.
 */

import type { GoModFile, ModuleVersion, PublishedVersion } from './model.ts'

/** What is known of a version's files. */
export type PublishedFiles = Pick<PublishedVersion, 'h1' | 'goModH1' | 'sha256' | 'size'> & {
  readonly goMod?: Pick<GoModFile, 'module' | 'go' | 'retract' | 'deprecated'>
}

/** Returns the line of a version, always in the same form. */
export function describePublished(version: ModuleVersion, files: PublishedFiles): PublishedVersion {
  const { path, commit, tree, ref, time, dir, codeDir } = version
  const { h1, goModH1, sha256, size, goMod } = files
  return {
    path,
    version: version.version,
    commit,
    tree,
    ...(ref === undefined ? {} : { ref }),
    time,
    dir,
    codeDir,
    h1,
    goModH1,
    sha256,
    size,
    ...(version.goMod !== undefined && goMod !== undefined ? { goMod: describeGoMod(goMod) } : {}),
  }
}

/** Returns what pages tell of a go.mod file. */
export function describeGoMod(
  goMod: NonNullable<PublishedFiles['goMod']>,
): NonNullable<PublishedVersion['goMod']> {
  const { module, go, retract, deprecated } = goMod
  return { module, ...(go && { go }), ...(retract && { retract }), ...(deprecated && { deprecated }) }
}
