/**
 * The nouns of the pipeline, in the order in which data takes their shape:
 * a repository has refs; what is known of a ref are its facts; facts make
 * module versions; a packed version is published and recorded.
 *
 * Look-alike strings are branded, so that an unescaped path in a URL is a
 * compile error. Only the function that checks a string casts to its brand.
 *
 * Pure: types and nothing else.
 */

declare const brand: unique symbol

/** A module path such as "example.com/sub/v2", checked by `parseModulePath`. */
export type ModulePath = string & { readonly [brand]: 'ModulePath' }

/** A canonical version such as "v1.2.3-rc.1" or "v2.0.0+incompatible". */
export type Version = string & { readonly [brand]: 'Version' }

/** A module path or version in which "A" is written "!a", as file names and URLs hold it. */
export type Escaped = string & { readonly [brand]: 'Escaped' }

/** The lower-case hexadecimal id of a git object: 40 digits, or 64 in a SHA-256 repository. */
export type Oid = string & { readonly [brand]: 'Oid' }

/** The forges whose source links are known by name. */
export type ForgeName = 'github' | 'gitlab' | 'gitea' | 'bitbucket' | 'cgit'

/** go-source templates: "{dir}", "{/dir}", "{file}" and "{line}" are replaced by the reader. */
export interface SourceTemplate {
  readonly home: string
  readonly dir: string
  readonly file: string
}

/** One repository of the settings, found on disk and ready to be read. */
export interface Repository {
  /** The import path of the repository's root: the prefix of its go-import tag. */
  readonly root: ModulePath
  /** Absolute path of the clone: bare or not, a worktree, or modpress's own in the cache. */
  readonly dir: string
  /** Where `dir` was cloned from by modpress itself. Absent when the clone is the user's own. */
  readonly address?: string
  /** The address for go-import, Origin and links, without user or credentials. */
  readonly clone?: string
  /** Where people read the repository. */
  readonly web?: string
  /** go-import's fourth field: the directory that the root path stands for, "" for the top. */
  readonly subdir: string
  /** Which versions are wanted, a range in Go's order. Absent: all. */
  readonly versions?: string
  /** Which directories of modules are wanted: glob patterns, "" is the top. */
  readonly directories: { readonly include?: readonly string[]; readonly exclude?: readonly string[] }
  /** The default branch's short name, where the user or the CI host names it. */
  readonly defaultBranch?: string
  /** Branches whose `.info` is written, so that `go get M@main` works. "HEAD" is the default branch. */
  readonly branches: readonly string[]
  /** Further revisions and pseudo-versions to publish. A pseudo-version may name its module: "M@v0.0.0-…". */
  readonly commits: readonly string[]
  readonly source?: ForgeName | SourceTemplate
  /** The forge that lists it says that nobody works on it any more. */
  readonly isArchived?: true
}

/** A name in a repository and what it points to. Remote-tracking heads are named as the remote names them. */
export interface Ref {
  /** "refs/tags/v1.0.0" or "refs/heads/main". */
  readonly name: string
  readonly oid: Oid
}

/** An inclusive interval of versions that the author takes back. */
export interface Retraction {
  readonly low: string
  readonly high: string
  readonly rationale?: string
}

/** What enumeration needs of one go.mod file. */
export interface GoModFile {
  /** What the tree entry is. A symbolic link's text is what go reads as the file. */
  readonly kind: 'regular' | 'symlink' | 'directory'
  /** The path on the module line as Go's `modfile.ModulePath` finds it; "" where there is none. */
  readonly module: string
  /** The go directive, as the toolchain check of the go command finds it. */
  readonly go?: string
  readonly retract?: readonly Retraction[]
  readonly deprecated?: string
  /** Why no consumer could load it: the code of a problem, and what is wrong. */
  readonly fault?: { readonly code: 'gomod-syntax' | 'gomod-too-large'; readonly message: string }
}

/** What a ref or commit was found to be. Written into the manifest, so that it need not be opened again. */
export interface RefFacts {
  /** A full ref name; for a configured revision, "commit:" and its id. */
  readonly ref: string
  /** What the ref names: for an annotated tag the tag object. */
  readonly oid: Oid
  /** Present when the ref could not be used: which problem of the catalogue, and what happened. */
  readonly failed?: { readonly code: string; readonly message: string }
  /** The peeled commit; absent only in failed refs, as are `tree` and `time`. */
  readonly commit?: Oid
  readonly tree?: Oid
  /** The committer's time, in seconds since 1970 UTC. */
  readonly time?: number
  /** go.mod files by directory, "" for the top: the candidates of a version tag, or all of them in a head. */
  readonly mods?: Readonly<Record<string, GoModFile>>
  /** Version-like tags (short names) in the history of this commit. Only where a pseudo-version may be needed. */
  readonly merged?: readonly string[]
}

/** One version of one module, decided on but not yet packed. */
export interface ModuleVersion {
  readonly path: ModulePath
  readonly version: Version
  readonly commit: Oid
  readonly tree: Oid
  /** The committer's time, in seconds since 1970 UTC. */
  readonly time: number
  /** The directory in the repository that holds the module's files, "" for the top. */
  readonly dir: string
  /** Go's codeDir: the module's directory by its path, without a "vN" directory. Origin's Subdir. */
  readonly codeDir: string
  /** The tag that the version comes from; absent in a pseudo-version. */
  readonly ref?: string
  /** The go.mod in `dir`; absent where there is none and go makes one up. */
  readonly goMod?: GoModFile
}

/** A version as published: a line of the manifest. */
export interface PublishedVersion {
  readonly path: ModulePath
  readonly version: Version
  /** Absent where it is not known: in a shard that was rebuilt from files without Origin. */
  readonly commit?: Oid
  readonly tree?: Oid
  readonly ref?: string
  readonly time: number
  readonly dir?: string
  readonly codeDir?: string
  /** The h1: hashes of go.sum: of the zip's files, and of the go.mod file. */
  readonly h1: string
  readonly goModH1: string
  /** Of the zip file itself, in lower-case hexadecimal. */
  readonly sha256: string
  /** Of the zip file, in bytes. */
  readonly size: number
  /** What the author says of it in go.mod, kept so that pages need not open it. */
  readonly goMod?: Pick<GoModFile, 'module' | 'go' | 'retract' | 'deprecated'>
  /** Ref oids whose move was accepted by `--accept-moved`. */
  readonly accepted?: readonly string[]
}

/** What go-import and go-source tell of a repository. */
export interface RepositoryMeta {
  readonly root: ModulePath
  /** The address of the repository; absent where there is none to tell. */
  readonly clone?: string
  readonly web?: string
  readonly subdir: string
  /** The short name of the default branch. */
  readonly branch?: string
  readonly source?: ForgeName | SourceTemplate
  /** The forge that lists it says that nobody works on it any more. */
  readonly archived?: true
}

/** All that is published of one module, from which its files are rendered: `-/modules/<path>.json`. */
export interface ModuleRecord {
  readonly path: ModulePath
  readonly repository: RepositoryMeta
  /** The lines of `@v/list`, in Go's order. */
  readonly list: readonly Version[]
  /** The version that `@latest` answers; absent where go has none. */
  readonly latest?: Version
  /** Revision queries, such as branches, and the version that each answers. */
  readonly queries: Readonly<Record<string, Version>>
  readonly deprecated?: string
  /** Everything published, in Go's order: listed or not, pseudo-versions included. */
  readonly versions: readonly ModuleRecordVersion[]
  /** What was taken down, in Go's order. Absent where nothing was. */
  readonly withdrawn?: readonly WithdrawnVersion[]
  /** Import paths of the packages in the latest version. */
  readonly packages: readonly string[]
}

export interface WithdrawnVersion {
  readonly version: Version
  readonly reason: string
  readonly time: string
}

export interface ModuleRecordVersion {
  readonly version: Version
  readonly time: string
  readonly commit?: Oid
  readonly ref?: string
  readonly subdir?: string
  readonly h1: string
  readonly goModH1: string
  readonly size: number
  readonly retracted?: string
}

/** The static hosts whose needs are known by name. */
export const hostNames = [
  'generic',
  'nginx',
  'caddy',
  'apache',
  's3',
  'cloudfront',
  'cloudflare',
  'github-pages',
  'gitlab-pages',
  'netlify',
] as const

export type HostName = (typeof hostNames)[number]

/** A site as its host and its consumers see it: what their files are made from. */
export interface HostedSite {
  /** Where it is served. */
  readonly url?: string
  /** Host and path of `url`, without a port. */
  readonly prefix?: string
  readonly access: 'private' | 'public'
  readonly host: HostName
  readonly gatekeeper: boolean
  /** The import paths below which all modules are the registry's own. */
  readonly prefixes: readonly string[]
}

/** A file of the site that is made at once. */
export interface SiteFile {
  readonly path: string
  readonly body: string | Uint8Array
}
