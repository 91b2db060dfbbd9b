/**
 * What enumeration works on: one repository, what is known of it, and what the
 * site has of it already.
 *
 * Pure: types and nothing else.
 */

import type { ModulePath, ModuleVersion, RefFacts, Repository, Version } from '../model.ts'
import type { Problem } from '../problem.ts'
import type { CommitFacts } from './resolve.ts'
import type { TagIndex } from './tags.ts'

/** What is known of a repository: facts of its refs, deleted tags included. */
export interface RepositoryFacts {
  readonly tags: readonly RefFacts[]
  /** The default branch and the configured ones. Empty for a shallow clone. */
  readonly heads: readonly RefFacts[]
  /** The configured revisions, each named "commit:" and the text of the configuration. */
  readonly commits: readonly RefFacts[]
  /** The full name of the default branch. */
  readonly defaultHead?: string
}

/** What is known of the site and of the other repositories. */
export interface EnumerationContext {
  /** Whether this version is on the site already. */
  readonly isPublished: (path: string, version: string) => boolean
  /** Whether this version was tried at this commit, and its files could not be packed. */
  readonly isRefused: (path: string, version: string, commit: string) => boolean
  /** The problem that keeps a module path from being published here, if there is one. */
  readonly checkPath: (path: ModulePath) => Problem | undefined
  /** Which directories of modules are wanted. */
  readonly wantsDirectory: (dir: string) => boolean
  readonly maxGo: string
}

export interface Scope {
  readonly repository: Repository
  readonly facts: RepositoryFacts
  readonly context: EnumerationContext
  readonly tags: TagIndex
  readonly head: CommitFacts | undefined
  readonly wants: (version: string) => boolean
  /** Takes a finding; it costs nothing else. */
  readonly report: (found: Problem) => void
}

/** A tag that go lists as a version of the module. */
export interface ListedTag {
  /** The version, with "+incompatible" where the path has no suffix for it. */
  readonly version: Version
  readonly facts: RefFacts
}

/**
 * Takes in a version that the repository gives, if it is wanted and may be
 * published. Returns its name; undefined where it is left out.
 */
export type Admit = (found: ModuleVersion) => Version | undefined
