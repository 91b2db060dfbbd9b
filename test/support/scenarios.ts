/**
 * A real situation for each code of the catalogue: the smallest one in which
 * modpress reports it, with what it must say.
 *
 * The table is complete by its type: a new code without a scenario does not
 * compile. In each there is a good version, which costs nothing.
 *
 * The file is long because it is a table: a row is a code.
 */

import { createCipheriv } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll } from 'vitest'
import { build } from '../../src/build.ts'
import { loadSettings } from '../../src/config/load.ts'
import type { Config, RepositoryConfig } from '../../src/config/schema.ts'
import { FatalError, type Problem, type ProblemCode } from '../../src/problem.ts'
import { publishInto } from '../../src/publish.ts'
import type { Report } from '../../src/report.ts'
import { openDirectoryStore } from '../../src/store/directory.ts'
import { withLock } from '../../src/store/lock.ts'
import { openS3Store, type S3Store } from '../../src/store/s3.ts'
import type { Store } from '../../src/store/store.ts'
import { parseLines, runCli, startCli } from './cli.ts'
import { faultyStore } from './faultystore.ts'
import { type ForgeServer, startForgeServer } from './forgeserver.ts'
import {
  type Bytes,
  type CommitOptions,
  createRepository,
  type FileEntry,
  packLoose,
  type RawRepository,
} from './gitobjects.ts'
import { runGit } from './repo.ts'
import type { S3Stub } from './s3stub.ts'
import { verifyScenarios } from './verifyfaults.ts'

/**
 * Why a problem has its severity, in the words of product.md. An error: someone
 * must act, or go would serve what modpress refuses, or something cannot be
 * read. A warning: go refuses it too, or it is suspicious. Else it is a note.
 */
export type Reason = 'must act' | 'go serves it' | 'unreadable' | 'go refuses it' | 'suspicious' | 'informs'

export interface Row {
  /** What is wrong. */
  readonly point: string
  readonly because: Reason
  /** What the message must say: the values. */
  readonly says: readonly (string | RegExp)[]
}

/** A problem of a repository, a tag or a version, beside which all else goes on. */
export interface Standing extends Row {
  readonly subject: string
  /**
   * Whether the next run reports it as known; or once more as new, since it is
   * recorded nowhere; or not at all, since it is over.
   */
  readonly next?: 'known' | 'new' | 'over'
  /** What is published all the same. @default example.com/r@v1.0.0 */
  readonly good?: readonly string[]
  readonly set: (stage: Stage) => unknown
}

/** A problem that ends a run, or a part of it, before anything is done to the stage's site. */
export interface Ending extends Row {
  readonly exit: 0 | 1 | 2 | 75
  readonly run: (stage: Stage) => Promise<Ended>
}

export interface Ended {
  readonly exit: number | null
  readonly problem: Problem
}

export type Scenario = Standing | Ending

/** A directory with a repository and a site, of which a scenario makes its situation. */
export interface Stage {
  readonly dir: string
  readonly site: string
  /** A bare repository, example.com/r, with v1.0.0 on main. */
  readonly repository: RawRepository
  /** The commit of v1.0.0. */
  readonly first: string
  /** What is configured. */
  repositories: RepositoryConfig[]
  config: Partial<Config>
  /** What happens after a first run, in which all was well. */
  change?: () => unknown
  /** Tags a commit of v1.0.0's files and these. Returns the commit. */
  release(files: Files | ReadonlyMap<string, FileEntry>, options?: ReleaseOptions): string
  /** Adds keys to the configuration of example.com/r. */
  configure(more: Partial<RepositoryConfig>): void
  /** Adds another repository. Returns its directory, which is not made. */
  add(root: string, more?: Partial<RepositoryConfig>): string
  build(): Promise<Report>
}

type Files = Readonly<Record<string, Bytes | FileEntry>>

interface ReleaseOptions extends Partial<CommitOptions> {
  /** @default 'v1.1.0' */
  readonly tag?: string
}

const root = 'example.com/r'
const goMod = `module ${root}\n`
const harmless: Files = { 'go.mod': goMod, 'r.go': 'package r\n' }
const mebibyte = 1024 * 1024

/** Makes the stage of a scenario in an empty directory. */
export function makeStage(dir: string): Stage {
  const repository = createRepository(join(dir, 'r.git'))
  const first = repository.commit({ tree: repository.files(harmless) })
  repository.ref('refs/heads/main', first)
  repository.ref('refs/tags/v1.0.0', first)
  const stage: Stage = {
    dir,
    site: join(dir, 'site'),
    repository,
    first,
    repositories: [{ root, dir: repository.dir }],
    config: { url: 'https://go.example.org' },
    release: (files, { tag = 'v1.1.0', ...options } = {}) => {
      const tree = repository.files(files instanceof Map ? files : { ...harmless, ...files })
      const commit = repository.commit({ tree, parents: [first], ...options })
      repository.ref(`refs/tags/${tag}`, commit)
      return commit
    },
    configure: (more) => {
      stage.repositories = stage.repositories.map((each) =>
        each.root === root ? { ...each, ...more } : each,
      )
    },
    add: (other, more = {}) => {
      const path = join(dir, 'others', other)
      stage.repositories.push({ root: other, ...(more.clone === undefined ? { dir: path } : {}), ...more })
      return path
    },
    build: async () => {
      const { PATH = '' } = process.env
      const env = { PATH, HOME: dir, GIT_CONFIG_NOSYSTEM: '1' }
      const config = { cache: 'cache', ...stage.config, repositories: stage.repositories }
      return build(await loadSettings({ cwd: dir, env, config }), { env })
    },
  }
  return stage
}

/** Makes a repository with a module v1.0.0 in a place that the stage has given out. */
function makeOther(
  dir: string,
  module: string,
  files: Files = { 'go.mod': `module ${module}\n` },
): RawRepository {
  const repository = createRepository(dir)
  const commit = repository.commit({ tree: repository.files(files) })
  repository.ref('refs/heads/main', commit)
  repository.ref('refs/tags/v1.0.0', commit)
  return repository
}

/** Returns bytes that cannot be deflated, always the same. */
export function noise(size: number): Buffer {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16))
  return cipher.update(Buffer.alloc(size))
}

/** Builds into another directory, with something in it, and ends with the one problem of that. */
async function buildBeside(
  stage: Stage,
  config: Partial<Config>,
  fill: (output: string) => void,
): Promise<Ended> {
  const output = join(stage.dir, 'beside')
  if (!existsSync(output)) {
    mkdirSync(output)
    fill(output)
  }
  const keys = { ...stage.config, ...config, repositories: stage.repositories }
  const settings = await loadSettings({ cwd: stage.dir, env: {}, output, config: keys })
  const { exit, problems } = await build(settings, { env: {} })
  const [problem, ...more] = problems
  if (problem === undefined || more.length > 0) throw new Error(`There are ${problems.length} problems.`)
  return { exit, problem }
}

const other = 'example.com/other'

const forges: ForgeServer[] = []

afterAll(async () => {
  for (const forge of forges.splice(0)) await forge.close()
})

/** Adds all repositories of a GitLab group, which has none yet. */
async function addForge(stage: Stage, template = 'example.com/{path}'): Promise<ForgeServer> {
  const forge = await startForgeServer(join(stage.dir, 'forge'))
  forges.push(forge)
  stage.repositories.push({ root: template, gitlab: { group: 'acme', url: forge.url } })
  return forge
}

export const scenarios: Readonly<Record<ProblemCode, Scenario>> = {
  // The repository
  'repository-not-found': {
    point: 'A configured directory does not exist.',
    because: 'must act',
    subject: other,
    says: ['others'],
    set: (stage) => stage.add(other),
  },
  'repository-unreadable': {
    point: 'The .git file of a work tree names a directory that is gone.',
    because: 'unreadable',
    subject: other,
    says: ['nowhere'],
    set: (stage) => {
      const dir = stage.add(other)
      mkdirSync(dir, { recursive: true })
      writeFileSync(join(dir, '.git'), 'gitdir: nowhere\n')
    },
  },
  'repository-format': {
    point: 'A repository keeps its refs in a reftable.',
    because: 'unreadable',
    subject: other,
    says: ['reftable'],
    set: (stage) => {
      const { dir, file } = createRepository(stage.add(other))
      file('config', '[core]\n\trepositoryformatversion = 1\n[extensions]\n\trefStorage = reftable\n')
      file('reftable/tables.list', '')
      rmSync(join(dir, 'refs/heads'), { recursive: true })
      file('refs/heads', 'this repository uses the reftable format\n')
    },
  },
  'repository-empty': {
    point: 'A repository without a commit.',
    because: 'informs',
    subject: other,
    says: ['no tag and no branch'],
    set: (stage) => createRepository(stage.add(other)),
  },
  'clone-failed': {
    point: 'There is no repository at an address.',
    because: 'unreadable',
    subject: other,
    says: ['gone.git'],
    set: (stage) => stage.add(other, { clone: pathToFileURL(join(stage.dir, 'gone.git')).href }),
  },
  'listing-failed': {
    point: 'A group that the server does not know.',
    because: 'must act',
    subject: '',
    says: ['/nobody could not be listed', '404'],
    next: 'new',
    set: async (stage) => {
      const { url } = await addForge(stage)
      stage.repositories = stage.repositories.map((each) =>
        each.gitlab === undefined ? each : { ...each, gitlab: { group: 'nobody', url } },
      )
    },
  },
  'repository-vanished': {
    point: 'A repository that was listed and published is no longer listed.',
    because: 'suspicious',
    subject: other,
    says: ['acme/other.git', 'no longer listed', 'stays'],
    good: [`${other}@v1.0.0`],
    set: async (stage) => {
      const forge = await addForge(stage)
      forge.add('acme/other', other, 'v1.0.0')
      stage.change = () => {
        forge.repositories = []
      }
    },
  },
  'repository-forbidden': {
    point: 'A listed repository that the git server does not give.',
    because: 'suspicious',
    subject: other,
    says: ['acme/other.git', 'could not be cloned'],
    set: async (stage) => {
      const forge = await addForge(stage)
      rmSync(forge.add('acme/other').dir, { recursive: true })
    },
  },
  'repository-hidden': {
    point: 'The repository of a public project becomes one for its members alone.',
    because: 'suspicious',
    subject: other,
    says: ['acme/other.git', 'everyone', 'stays'],
    good: [`${other}@v1.0.0`],
    set: async (stage) => {
      stage.config = { ...stage.config, access: 'public' }
      const forge = await addForge(stage)
      forge.add('acme/other', other, 'v1.0.0')
      stage.change = () => {
        forge.repositories = [{ path: 'acme/other', more: { repository_access_level: 'private' } }]
      }
    },
  },
  'repositories-left-out': {
    point: 'A public site whose group has an internal project.',
    because: 'informs',
    subject: '',
    says: ['left out: 1 internal'],
    next: 'new',
    set: async (stage) => {
      stage.config = { ...stage.config, access: 'public' }
      const forge = await addForge(stage)
      forge.add({ path: 'acme/other', more: { visibility: 'internal' } }, other, 'v1.0.0')
    },
  },
  'repositories-none': {
    point: 'The pattern of an entry has a slip of the pen, and there is nothing where it says.',
    because: 'suspicious',
    subject: '',
    says: ['at gti/*', 'example.com/{name}'],
    next: 'new',
    set: (stage) => {
      stage.repositories.push({ root: 'example.com/{name}', dir: 'gti/*' })
    },
  },
  'root-shared': {
    point: 'Two projects in different groups have one name, and the roots are made of names.',
    because: 'must act',
    subject: other,
    says: ['acme/a/other.git', 'acme/b/other.git', 'None of them'],
    set: async (stage) => {
      const forge = await addForge(stage, 'example.com/{name}')
      forge.add('acme/a/other', other, 'v1.0.0')
      forge.add('acme/b/other', other, 'v1.0.0')
    },
  },
  'root-claimed': {
    point: 'A root is configured with another address than its site was built from.',
    because: 'must act',
    subject: root,
    says: ['https://git.example.com/r.git', 'https://git.example.net/r.git'],
    // The shard is the other repository's: nothing is written there.
    next: 'new',
    set: (stage) => {
      stage.configure({ clone: 'https://git.example.com/r.git' })
      stage.change = () => stage.configure({ clone: 'https://git.example.net/r.git' })
    },
  },
  shallow: {
    point: 'A clone of depth 1 with its tag.',
    because: 'suspicious',
    subject: other,
    says: ['shallow', 'tags'],
    good: [`${other}@v1.0.0`],
    set: (stage) => cloneShallow(stage, '--branch=v1.0.0'),
  },
  'shallow-no-tags': {
    point: 'A clone of depth 1 without tags, as CI services make it.',
    because: 'must act',
    subject: other,
    says: ['shallow', 'no version tag'],
    set: (stage) => cloneShallow(stage, '--no-tags'),
  },
  'default-branch-unknown': {
    point: 'HEAD names a branch that is not there, and there are two others.',
    because: 'suspicious',
    subject: root,
    says: ['default'],
    set: ({ repository, first }) => {
      repository.ref('refs/heads/next', first)
      repository.file('HEAD', 'ref: refs/heads/gone\n')
    },
  },
  'object-missing': {
    point: 'A file of a version is not in the clone.',
    because: 'unreadable',
    subject: `${root}@v1.1.0`,
    says: [/The object [0-9a-f]{40} is not in the repository/],
    set: ({ repository, release }) => {
      release({ 'b.txt': 'gone\n' })
      rmSync(repository.pathOf(repository.idOf('blob', 'gone\n')))
    },
  },
  'object-corrupt': {
    point: 'The object of a file holds another file.',
    because: 'unreadable',
    subject: `${root}@v1.1.0`,
    says: [/The object [0-9a-f]{40} is damaged/],
    set: ({ repository, release }) => {
      release({ 'b.txt': 'right\n' })
      writeFileSync(repository.pathOf(repository.idOf('blob', 'right\n')), packLoose('blob', 'wrong\n'))
    },
  },
  'needs-git': {
    point: 'Attributes change line ends, and the reader without git is asked for.',
    because: 'go serves it',
    subject: `${root}@v1.1.0`,
    says: ['b.txt'],
    set: (stage) => {
      stage.config = { ...stage.config, git: 'isomorphic' }
      stage.release({ '.gitattributes': '*.txt text eol=crlf\n', 'b.txt': 'b\n' })
    },
  },

  // Refs
  'ref-broken': {
    point: 'The file of a tag holds no object id.',
    because: 'unreadable',
    subject: `${root} refs/tags/v1.1.0`,
    says: ['"refs/tags/v1.1.0"', '"no id"'],
    set: ({ repository }) => repository.file('refs/tags/v1.1.0', 'no id\n'),
  },
  'tag-not-commit': {
    point: 'A tag on a file.',
    because: 'go refuses it',
    subject: `${root}@v1.1.0`,
    says: ['refs/tags/v1.1.0', 'blob'],
    set: ({ repository }) => repository.ref('refs/tags/v1.1.0', repository.blob('a file\n')),
  },
  'tag-not-canonical': {
    point: 'A tag v1.1.',
    because: 'suspicious',
    subject: `${root} refs/tags/v1.1`,
    says: ['v1.1 ', 'v1.1.0?'],
    set: ({ release }) => release({}, { tag: 'v1.1' }),
  },
  'tag-misplaced': {
    point: 'A tag v1.0.0 where the one module lies in a directory.',
    because: 'suspicious',
    subject: `${other} refs/tags/v1.0.0`,
    says: ['v1.0.0', 'sub/v1.0.0'],
    set: (stage) => makeOther(stage.add(other), other, { 'sub/go.mod': `module ${other}/sub\n` }),
  },
  'tag-moved': {
    point: 'A tag moves to other content after it was published.',
    because: 'must act',
    subject: `${root}@v1.1.0`,
    says: [/from [0-9a-f]{40} to [0-9a-f]{40}/],
    good: [`${root}@v1.0.0`, `${root}@v1.1.0`],
    set: (stage) => {
      stage.release({ 'b.txt': 'first\n' })
      stage.change = () => stage.release({ 'b.txt': 'second\n' })
    },
  },
  'tag-moved-same-tree': {
    point: 'A tag moves to another commit with the same content.',
    because: 'suspicious',
    subject: `${root}@v1.1.0`,
    says: [/from [0-9a-f]{40} to [0-9a-f]{40}/],
    good: [`${root}@v1.0.0`, `${root}@v1.1.0`],
    set: (stage) => {
      stage.release({ 'b.txt': 'b\n' })
      stage.change = () => stage.release({ 'b.txt': 'b\n' }, { message: 'Again.\n' })
    },
  },
  'tag-deleted': {
    point: 'The tag of a published version is deleted.',
    because: 'suspicious',
    subject: `${root}@v1.1.0`,
    says: ['v1.1.0'],
    good: [`${root}@v1.0.0`, `${root}@v1.1.0`],
    set: (stage) => {
      stage.release({ 'b.txt': 'b\n' })
      stage.change = () => rmSync(join(stage.repository.dir, 'refs/tags/v1.1.0'))
    },
  },
  'branch-like-version': {
    point: 'A branch v1.5.0.',
    because: 'suspicious',
    subject: `${root} refs/heads/v1.5.0`,
    says: ['v1.5.0'],
    set: ({ repository, first }) => repository.ref('refs/heads/v1.5.0', first),
  },
  'branch-unreachable': {
    point: 'A configured branch has a slash in its name.',
    because: 'go refuses it',
    subject: `${root} refs/heads/feature/x`,
    says: ['feature/x'],
    set: ({ configure, repository, first }) => {
      repository.ref('refs/heads/feature/x', first)
      configure({ branches: ['feature/x'] })
    },
  },
  'branch-missing': {
    point: 'A configured branch does not exist.',
    because: 'suspicious',
    subject: `${root} refs/heads/gone`,
    says: ['gone'],
    set: ({ configure }) => configure({ branches: ['gone'] }),
  },
  'commit-unknown': {
    point: 'A consumer holds a pseudo-version of a commit that is gone.',
    because: 'must act',
    subject: `${root}@v0.0.0-20231114221320-abcdefabcdef`,
    says: ['abcdefabcdef'],
    set: (stage) => holdSum(stage, 'v0.0.0-20231114221320-abcdefabcdef'),
  },
  'pseudo-version-invalid': {
    point: 'A consumer holds a pseudo-version with the wrong time.',
    because: 'go refuses it',
    subject: `${root}@v0.0.0-20200101000000-{first}`,
    says: ['2023-11-14T22:13:20'],
    set: (stage) => holdSum(stage, `v0.0.0-20200101000000-${stage.first.slice(0, 12)}`),
  },
  'time-invalid': {
    point: 'A commit of before 1970.',
    because: 'go refuses it',
    subject: `${root}@v1.1.0`,
    says: [/The commit [0-9a-f]{40}/],
    set: ({ release }) => release({ 'b.txt': 'b\n' }, { time: -1_000_000 }),
  },

  // Modules and go.mod
  'gomod-missing': {
    point: 'A tag names a directory without a go.mod.',
    because: 'go refuses it',
    subject: `${root}/sub@v1.0.0`,
    says: ['sub/go.mod'],
    set: ({ release }) => release({ 'sub/s.go': 'package sub\n' }, { tag: 'sub/v1.0.0' }),
  },
  'gomod-no-module-path': {
    point: 'The go.mod has no module line.',
    because: 'go refuses it',
    subject: `${root}@v1.1.0`,
    says: ['go.mod', 'module path'],
    set: ({ release }) => release({ 'go.mod': 'go 1.20\n' }),
  },
  'gomod-not-regular': {
    point: 'The go.mod is a symbolic link.',
    because: 'go refuses it',
    subject: `${root}@v1.1.0`,
    says: ['go.mod', 'symbolic link'],
    set: ({ release }) => release({ 'go.mod': { mode: '120000', content: 'real.mod' }, 'real.mod': goMod }),
  },
  'gomod-syntax': {
    point: 'The go.mod holds a NUL byte, which breaks every query about the module.',
    because: 'go serves it',
    subject: `${root}@v1.1.0`,
    says: ['go.mod'],
    set: ({ release }) => release({ 'go.mod': `${goMod}\0\n` }),
  },
  'gomod-too-large': {
    point: 'A go.mod of 17 MiB.',
    because: 'go refuses it',
    subject: `${root}@v1.1.0`,
    says: ['17825792', '16777216'],
    set: ({ repository, release }) => release({ 'go.mod': { oid: repository.zeros(17 * mebibyte) } }),
  },
  'gomod-case': {
    point: 'The go.mod is named GO.MOD.',
    because: 'go refuses it',
    subject: `${root}@v1.1.0`,
    says: ['"GO.MOD"'],
    set: ({ release }) => release(new Map([['GO.MOD', { content: goMod }]])),
  },
  'gomod-path-differs': {
    point: 'The go.mod of a fork declares the path of the original.',
    because: 'suspicious',
    subject: `${root}@v1.1.0`,
    says: ['example.net/original', root],
    good: [`${root}@v1.0.0`, `${root}@v1.1.0`],
    set: ({ release }) => release({ 'go.mod': 'module example.net/original\n' }),
  },
  'major-version-mismatch': {
    point: 'A tag v2.0.0 without /v2 in go.mod.',
    because: 'go refuses it',
    subject: `${root}/v2@v2.0.0`,
    says: [`"${root}"`, '/v2'],
    set: ({ release }) => release({}, { tag: 'v2.0.0' }),
  },
  'module-ambiguous': {
    point: 'The top and the directory v2 both declare a path with /v2.',
    because: 'go refuses it',
    subject: `${root}/v2@v2.0.0`,
    says: ['v2/go.mod', '/v2'],
    set: ({ release }) =>
      release({ 'go.mod': `module ${root}/v2\n`, 'v2/go.mod': `module ${root}/v2\n` }, { tag: 'v2.0.0' }),
  },
  'module-path-invalid': {
    point: 'A go.mod lies in a directory with a space in its name.',
    because: 'go refuses it',
    subject: `${root}/a b`,
    says: ['a b'],
    set: ({ repository, release }) =>
      repository.ref('refs/heads/main', release({ 'a b/go.mod': `module ${root}/ab\n` })),
    good: [`${root}@v1.0.0`, `${root}@v1.1.0`],
  },
  'module-shadowed': {
    point: 'A module lies in a directory whose path is the root of another repository.',
    because: 'suspicious',
    subject: `${root}/sub`,
    says: [`${root}/sub`],
    good: [`${root}@v1.0.0`, `${root}/sub@v1.0.0`],
    set: (stage) => {
      stage.release({ 'sub/go.mod': `module ${root}/sub\n` }, { tag: 'sub/v1.9.0' })
      makeOther(stage.add(`${root}/sub`), `${root}/sub`)
    },
  },
  'path-reserved': {
    point: 'A module on the own host whose page would lie where the checksum database does.',
    because: 'go serves it',
    subject: 'go.example.org/sumdb',
    says: ['"sumdb"'],
    set: (stage) => makeOther(stage.add('go.example.org/sumdb'), 'go.example.org/sumdb'),
  },
  'go-too-new': {
    point: 'The go.mod asks for a Go whose zip rules are not known.',
    because: 'go serves it',
    subject: `${root}@v1.1.0`,
    says: ['9.99', '1.26'],
    set: ({ release }) => release({ 'go.mod': `${goMod}\ngo 9.99\n` }),
  },

  // Files of a version
  'file-path-invalid': {
    point: 'The name of a file holds a colon.',
    because: 'go refuses it',
    subject: `${root}@v1.1.0`,
    says: ['"a:b.txt"', "invalid char ':'"],
    set: ({ release }) => release({ 'a:b.txt': 'x\n' }),
  },
  'file-path-too-long': {
    point: 'A name of 300 bytes, of which go makes a zip that no file system takes.',
    because: 'go serves it',
    subject: `${root}@v1.1.0`,
    says: ['nnn', '300', '255'],
    set: ({ release }) => release({ ['n'.repeat(300)]: 'x\n' }),
  },
  'file-collision': {
    point: 'Two files differ in letter case alone.',
    because: 'go refuses it',
    subject: `${root}@v1.1.0`,
    says: ['"README"', '"readme"'],
    set: ({ release }) => release({ README: 'x\n', readme: 'y\n' }),
  },
  'tree-invalid': {
    point: 'A tree holds "..".',
    because: 'go refuses it',
    subject: `${root}@v1.1.0`,
    says: ['".."'],
    set: ({ repository, release }) => {
      const oid = repository.files({ 'x.txt': 'x\n' })
      release({ up: { mode: '40000', name: '..', oid } })
    },
  },
  'zip-too-large': {
    point: 'Files of 510 MiB together.',
    because: 'go refuses it',
    subject: `${root}@v1.1.0`,
    says: ['524288000'],
    set: ({ repository, release }) => {
      const oid = repository.zeros(17 * mebibyte)
      release(Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`${index}.bin`, { oid }])))
    },
  },
  'license-too-large': {
    point: 'A LICENSE of 17 MiB.',
    because: 'go refuses it',
    subject: `${root}@v1.1.0`,
    says: ['LICENSE', '16777216'],
    set: ({ repository, release }) => release({ LICENSE: { oid: repository.zeros(17 * mebibyte) } }),
  },

  // The host
  'host-file-too-large': {
    point: 'A file of 26 MiB that cannot be deflated, on Cloudflare Pages.',
    because: 'must act',
    subject: `${root}@v1.1.0`,
    says: ['26 MiB', '25 MiB', 'Cloudflare Pages'],
    set: (stage) => {
      stage.config = { ...stage.config, host: 'cloudflare', access: 'public' }
      stage.release({ 'noise.bin': noise(26 * mebibyte) })
    },
  },
  'host-too-many-files': {
    point: 'A site with 20,001 files of others, on Cloudflare Pages.',
    because: 'must act',
    says: [/has 200\d\d files/, 'takes 20000', 'Cloudflare Pages'],
    exit: 1,
    run: async (stage) =>
      buildBeside(stage, { host: 'cloudflare', access: 'public' }, (output) => {
        for (let each = 0; each <= 20_000; each++) writeFileSync(join(output, `${each}`), '')
      }),
  },
  'host-site-too-large': {
    point: 'A site with a video of 1.1 GB, on GitHub Pages.',
    because: 'must act',
    says: [/1049(\.\d)? MiB/, '953.7 MiB', 'GitHub Pages'],
    exit: 1,
    run: async (stage) =>
      buildBeside(stage, { host: 'github-pages', access: 'public' }, (output) => {
        writeFileSync(join(output, 'video'), '')
        truncateSync(join(output, 'video'), 1_100_000_000)
      }),
  },

  // The site
  'version-changed': {
    point: 'The zip of a version is there already, with other content.',
    because: 'must act',
    subject: `${root}@v1.1.0`,
    says: [/h1:\S+=.* h1:\S+=/],
    set: (stage) => {
      stage.change = async () => {
        const another = makeStage(join(stage.dir, 'another'))
        another.release({ 'b.txt': 'theirs\n' })
        await another.build()
        stage.release({ 'b.txt': 'ours\n' })
        cpSync(join(another.site, root, '@v/v1.1.0.zip'), join(stage.site, root, '@v/v1.1.0.zip'))
      }
    },
  },
  'version-damaged': {
    point: 'The zip of a version is there already, and cut off.',
    because: 'must act',
    subject: `${root}@v1.1.0`,
    says: ['v1.1.0.zip'],
    set: (stage) => {
      stage.change = () => {
        stage.release({ 'b.txt': 'b\n' })
        writeFileSync(join(stage.site, root, '@v/v1.1.0.zip'), 'PK\u0003\u0004')
      }
    },
  },
  'shard-rebuilt': {
    point: 'The record of a repository is gone.',
    because: 'suspicious',
    subject: root,
    says: [root, '1 version was found'],
    next: 'over',
    set: (stage) => {
      stage.change = () => rmSync(join(stage.site, '-/manifest', `${root}.jsonl`))
    },
  },
  'site-damaged': {
    point: 'The record of another module lacks a part.',
    because: 'must act',
    subject: '-/modules/example.com/cut.json',
    says: ['-/modules/example.com/cut.json'],
    next: 'over',
    set: (stage) => {
      mkdirSync(join(stage.site, '-/modules/example.com'), { recursive: true })
      const record = { path: 'example.com/cut', list: [], versions: [] }
      writeFileSync(join(stage.site, '-/modules/example.com/cut.json'), JSON.stringify(record))
    },
  },
  'url-missing': {
    point: 'Nothing says where the site will be served.',
    because: 'informs',
    subject: '',
    says: ['address'],
    // It is about the site, and no record of a repository has it.
    next: 'new',
    set: (stage) => {
      stage.config = {}
    },
  },

  // The whole run
  usage: {
    point: 'A flag that there is not.',
    because: 'must act',
    exit: 2,
    says: ["'--outptu'"],
    run: (stage) => runBuild(stage, ['--outptu', 'x']),
  },
  'config-invalid': {
    point: 'A key that there is not.',
    because: 'must act',
    exit: 2,
    says: ['modpress.config.json', 'ulr'],
    run: (stage) => {
      stage.config = { ulr: 'https://go.example.org' } as Partial<Config>
      return runBuild(stage)
    },
  },
  'config-missing': {
    point: 'A directory with neither a configuration nor a repository.',
    because: 'must act',
    exit: 2,
    says: ['modpress.config', 'empty'],
    run: async ({ dir }) => {
      const cwd = join(dir, 'empty')
      mkdirSync(cwd, { recursive: true })
      return readRun(await runCli(['build', '--json'], { cwd }))
    },
  },
  'output-unwritable': {
    point: 'There is a file where the output should be.',
    because: 'must act',
    exit: 2,
    says: ['file'],
    run: async (stage) => {
      writeFileSync(join(stage.dir, 'file'), '')
      stage.config = { ...stage.config, output: 'file' }
      return catchFatal(stage.build())
    },
  },
  'output-locked': {
    point: 'Another run is writing the site, and there is something to write.',
    because: 'must act',
    exit: 75,
    says: ['lock'],
    run: (stage) => {
      stage.release({ 'b.txt': 'b\n' })
      return withLock(stage.site, () => catchFatal(stage.build()))
    },
  },
  'store-failed': {
    point: 'The key may not see which objects there are.',
    because: 'must act',
    exit: 2,
    says: ['GET a in s3://modules: 403 AccessDenied.'],
    run: () =>
      withStub(async (stub, open) => {
        stub.mayList = false
        const store = await open()
        await store.get('a')
      }),
  },
  'store-unconditional': {
    point: 'The storage overwrites what was only to be created.',
    because: 'must act',
    exit: 2,
    says: ['s3://modules'],
    run: () =>
      withStub(async (stub, open) => {
        stub.conditions = 'ignore'
        await open()
      }),
  },
  'credentials-missing': {
    point: 'There are no keys in the environment.',
    because: 'must act',
    exit: 2,
    says: ['no credentials'],
    run: ({ dir }) => catchFatal(openS3Store({ bucket: 'modules', prefix: '' }, { env: { HOME: dir } })),
  },
  'target-failed': {
    point: 'One of two targets is a file.',
    because: 'must act',
    exit: 1,
    says: ['mirror', 'not a directory', 'output-unwritable'],
    run: async (stage) => {
      writeFileSync(join(stage.dir, 'mirror'), '')
      writeConfig(stage)
      const args = ['publish', '--json', 'mirror', 'target']
      return readRun(await runCli(args, { cwd: stage.dir }), 'target-failed')
    },
  },
  'url-differs': {
    point: 'A site of one address is published to for another.',
    because: 'must act',
    exit: 2,
    says: ['https://go.example.org', 'https://elsewhere.example.com'],
    run: async (stage) => {
      const store = await openDirectoryStore(stage.site)
      const config = {
        ...stage.config,
        url: 'https://elsewhere.example.com',
        repositories: stage.repositories,
      }
      const settings = await loadSettings({ cwd: stage.dir, env: {}, config })
      return catchFatal(publishInto(store, settings))
    },
  },
  'publish-raced': {
    point: 'Others put the record of a repository whenever it was read.',
    because: 'must act',
    exit: 75,
    says: [root],
    run: async (stage) => {
      const store = await openDirectoryStore(join(stage.dir, 'raced'))
      const config = { ...stage.config, repositories: stage.repositories }
      const settings = await loadSettings({ cwd: stage.dir, env: {}, config })
      const replace: Store['replace'] = async () => ({ result: 'conflict' })
      const raced: Store = { ...faultyStore(store), replace }
      return catchFatal(publishInto(raced, settings, { attempts: 3 }))
    },
  },
  'site-newer': {
    point: 'The record of a repository is in a format of the future.',
    because: 'must act',
    exit: 2,
    says: [`-/manifest/${root}.jsonl`],
    run: (stage) => {
      writeFileSync(join(stage.site, '-/manifest', `${root}.jsonl`), `{"format":99,"root":"${root}"}\n`)
      return catchFatal(stage.build())
    },
  },
  'live-missing': {
    point: 'A directory in which nothing was ever deployed.',
    because: 'must act',
    exit: 2,
    says: ['-/manifest.jsonl', 'nowhere'],
    run: (stage) => runBuild(stage, ['--live', join(stage.dir, 'nowhere')]),
  },
  'live-exists': {
    point: 'A second run that says it is the first.',
    because: 'must act',
    exit: 2,
    says: ['--new', '-/manifest.jsonl'],
    run: (stage) => runBuild(stage, ['--output', 'fresh', '--live', stage.site, '--new']),
  },
  'live-unreachable': {
    point: 'A file where the live directory should be.',
    because: 'must act',
    exit: 2,
    says: ['file'],
    run: (stage) => {
      writeFileSync(join(stage.dir, 'file'), '')
      return runBuild(stage, ['--live', join(stage.dir, 'file')])
    },
  },
  'live-damaged': {
    point: 'A site whose zip is another than its record says.',
    because: 'must act',
    exit: 2,
    says: [`${root}/@v/v1.0.0.zip`, 'sha256'],
    run: (stage) => {
      const live = join(stage.dir, 'live')
      cpSync(stage.site, live, { recursive: true })
      writeFileSync(join(live, root, '@v/v1.0.0.zip'), 'PK')
      return runBuild(stage, ['--output', 'fresh', '--live', live])
    },
  },
  ...verifyScenarios,
  interrupted: {
    point: 'Someone stops a run that waits for a server.',
    because: 'must act',
    exit: 75,
    says: ['SIGTERM'],
    run: async (stage) => {
      const { startGitServer } = await import('./gitserver.ts')
      const server = await startGitServer(stage.dir)
      server.isSilent = true
      stage.repositories = [{ root: other, clone: `${server.url}/other.git` }]
      writeConfig(stage)
      try {
        const child = startCli(['build', '--json'], { cwd: stage.dir })
        let stdout = ''
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          stdout += text
          if (text.includes('"clone"')) child.kill('SIGTERM')
        })
        const status = await new Promise<number | null>((done) => child.on('close', done))
        return readRun({ status, stdout })
      } finally {
        await server.close()
      }
    },
  },
  'internal-error': {
    point: 'Something throws that nobody waits for: here, the program that a configuration may be.',
    because: 'must act',
    exit: 2,
    says: ['Nobody waits for this'],
    run: async (stage) => {
      const config =
        "queueMicrotask(() => { throw new Error('Nobody waits for this.') })\nexport default {}\n"
      writeFileSync(join(stage.dir, 'bug.config.mjs'), config)
      return readRun(await runCli(['build', '--json', '--config', 'bug.config.mjs'], { cwd: stage.dir }))
    },
  },
}

function cloneShallow(stage: Stage, ...options: readonly string[]): void {
  const origin = join(stage.dir, 'origin.git')
  const { ref, commit, files } = makeOther(origin, other)
  const first = runGit(origin, '', ['rev-parse', 'v1.0.0']).toString().trim()
  const tip = commit({ tree: files({ 'go.mod': `module ${other}\n`, 'b.txt': 'b\n' }), parents: [first] })
  ref('refs/heads/main', tip)
  ref('refs/tags/v1.0.0', tip)
  const dir = stage.add(other)
  runGit(stage.dir, '', ['clone', '--quiet', '--depth=1', ...options, pathToFileURL(origin).href, dir])
}

/** Writes the go.sum of a consumer, and has its versions published. */
function holdSum(stage: Stage, version: string): void {
  writeFileSync(join(stage.dir, 'go.sum'), `${root} ${version}/go.mod h1:${'A'.repeat(43)}=\n`)
  stage.configure({ commits: [{ from: 'go.sum' }] })
}

// ---- Runs that end ----

async function withStub(use: (stub: S3Stub, open: () => Promise<S3Store>) => Promise<void>): Promise<Ended> {
  const { startS3Stub } = await import('./s3stub.ts')
  const stub = await startS3Stub()
  const target = { bucket: stub.bucket, prefix: '' }
  try {
    return await catchFatal(use(stub, () => openS3Store(target, { env: stub.env, tries: 2, backoffMs: 1 })))
  } finally {
    await stub.close()
  }
}

async function catchFatal(run: Promise<unknown>): Promise<Ended> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof FatalError) return { exit: error.exitCode, problem: error.problem }
  throw new Error('The run came to its end.', { cause: error })
}

function writeConfig({ dir, config, repositories }: Stage): void {
  writeFileSync(join(dir, 'modpress.config.json'), JSON.stringify({ ...config, repositories }))
}

async function runBuild(stage: Stage, args: readonly string[] = []): Promise<Ended> {
  writeConfig(stage)
  return readRun(await runCli(['build', '--json', ...args], { cwd: stage.dir }))
}

/** Returns what a command said last before its report. */
function readRun(
  { status, stdout }: { readonly status: number | null; readonly stdout: string },
  code?: ProblemCode,
): Ended {
  const lines = parseLines(stdout)
  const isWanted = (line: (typeof lines)[number]) => code === undefined || line['code'] === code
  const problem = lines.findLast((line) => line.type === 'problem' && isWanted(line))
  if (problem === undefined) throw new Error(`There is no problem in ${stdout}`)
  return { exit: status, problem: problem as unknown as Problem }
}
