/**
 * Go's rules for modules alone, without git and disk: what `modpress/module`
 * offers. Re-exports only.
 */

export type { Escaped, ModulePath, Retraction, Version } from '../model.ts'
export { compareUtf8, emptyH1, goModH1, type HashedFile, hash1 } from './dirhash.ts'
export { escapePath, escapeVersion, unescapePath, unescapeVersion } from './escape.ts'
export {
  elementLimitBytes,
  type FileSelection,
  goModLimitBytes,
  licenseLimitBytes,
  type OmittedFile,
  pathLimitBytes,
  type SelectionFailure,
  type SelectionOptions,
  selectFiles,
  type TreeFile,
  zipLimitBytes,
} from './files.ts'
export { foldName } from './fold.ts'
export {
  compareGo,
  goDirectiveOf,
  goModFault,
  langOf,
  modulePathOf,
  type ParsedGoMod,
  parseGoMod,
  zipVendorVersion,
} from './gomod.ts'
export {
  checkFilePath,
  checkImportPath,
  checkModulePath,
  parseModulePath,
  pathMajorPrefix,
  splitPathVersion,
} from './path.ts'
export {
  isPseudoVersion,
  makePseudoVersion,
  pseudoBase,
  pseudoRevision,
  pseudoTime,
} from './pseudo.ts'
export {
  buildOf,
  canonicalSemver,
  canonicalVersion,
  compareVersions,
  isSemver,
  majorOf,
  matchesPathMajor,
  parseVersionRange,
  prereleaseOf,
  sortVersions,
} from './version.ts'
