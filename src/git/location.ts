/**
 * Finds out where a repository keeps what, by reading its files.
 *
 * No git process runs here: git would obey the configuration of a repository
 * that anyone may have written. The config file is read as text for the few
 * keys that say how objects and refs are stored; includes are not followed,
 * and nothing in it is acted upon. A storage format that is not known is a
 * problem: read wrongly, it would look like a repository without versions.
 *
 * The calls are synchronous: they end in the page cache, and a trip through the
 * thread pool costs several times as much as each of them.
 */

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { type Problem, type ProblemCode, type ProblemPlace, problem } from '../problem.ts'
import type { ObjectHash } from './object.ts'

export interface GitLocation {
  /** What the user named, as an absolute path. */
  readonly dir: string
  /** The git directory. In a linked worktree it holds HEAD and little else. */
  readonly gitDir: string
  /** The git directory that holds refs, objects and config; the same as `gitDir` but in linked worktrees. */
  readonly commonDir: string
  /** Absolute paths: the repository's own, then its alternates and theirs. */
  readonly objectDirs: readonly string[]
  /** Alternates that are named and are not there. What they held will be missing. */
  readonly missingObjectDirs: readonly string[]
  readonly hash: ObjectHash
  readonly isShallow: boolean
  /** Whether objects may be missing that git would fetch when it needs them. We never do. */
  readonly isPartial: boolean
  readonly hasAlternates: boolean
  /** The address of the remote "origin", as it is written. It may hold credentials: never print it. */
  readonly originUrl?: string
}

/** Returns where the repository in `dir`, bare or not, keeps what; or why it cannot be read. */
export async function locateRepository(
  dir: string,
  place: ProblemPlace = {},
): Promise<GitLocation | Problem> {
  try {
    return locate(resolve(dir))
  } catch (error) {
    if (error instanceof Refusal) return problem(error.code, place, error.message)
    if (!isSystemError(error)) throw error
    const message =
      error.code === 'EACCES' || error.code === 'EPERM'
        ? `The repository in ${dir} may not be read by this user: ${error.message}.`
        : `The repository in ${dir} cannot be read: ${error.message}.`
    return problem('repository-unreadable', place, message)
  }
}

/** Leaves the search with a finding. It never leaves this file. */
class Refusal extends Error {
  readonly code: ProblemCode

  constructor(code: ProblemCode, message: string) {
    super(message)
    this.code = code
  }
}

function locate(dir: string): GitLocation {
  const gitDir = findGitDir(dir)
  const commonDir = findCommonDir(gitDir)
  const config = parseConfig(readSmallFile(join(commonDir, 'config')) ?? '')
  const hash = checkFormat(dir, config)
  const { objectDirs, missingObjectDirs } = findObjectDirs(join(commonDir, 'objects'))
  const shallow = readSmallFile(join(commonDir, 'shallow'))
  const originUrl = config.find((entry) => entry.key === 'remote.origin.url' && entry.value !== '')?.value
  return {
    dir,
    gitDir,
    commonDir,
    objectDirs,
    missingObjectDirs,
    hash,
    isShallow: shallow !== undefined && shallow.trim() !== '',
    isPartial: isPromised(config) || hasPromisorPack(objectDirs),
    hasAlternates: objectDirs.length + missingObjectDirs.length > 1,
    ...(originUrl !== undefined && { originUrl }),
  }
}

function findGitDir(dir: string): string {
  const found = statOrNothing(dir)
  if (found === undefined) throw new Refusal('repository-not-found', `There is no directory ${dir}.`)
  if (!found.isDirectory()) throw new Refusal('repository-not-found', `${dir} is not a directory.`)

  const dotGit = join(dir, '.git')
  const inner = statOrNothing(dotGit)
  if (inner?.isFile()) {
    const target = /^gitdir: ([^\0]*)$/.exec((readSmallFile(dotGit) ?? '').replace(/[\r\n]+$/, ''))?.[1]
    if (target === undefined || target === '') {
      throw new Refusal('repository-unreadable', `The file ${dotGit} does not say where the repository is.`)
    }
    const gitDir = resolve(dir, target)
    if (isGitDir(gitDir)) return gitDir
    throw new Refusal('repository-unreadable', `${dotGit} names ${gitDir}, which is not a git directory.`)
  }
  if (inner?.isDirectory() && isGitDir(dotGit)) return dotGit
  if (isGitDir(dir)) return dir
  if (inner !== undefined) {
    throw new Refusal('repository-unreadable', `${dotGit} is not a complete git directory.`)
  }
  throw new Refusal('repository-not-found', `The directory ${dir} is not a git repository.`)
}

// The signs by which git knows its own: is_git_directory() of setup.c.
function isGitDir(dir: string): boolean {
  const head = orNothing(() => lstatSync(join(dir, 'HEAD')))
  if (head === undefined || head.isDirectory()) return false
  const commonDir = findCommonDir(dir)
  return ['objects', 'refs'].every((name) => statOrNothing(join(commonDir, name))?.isDirectory() === true)
}

function findCommonDir(gitDir: string): string {
  const target = readSmallFile(join(gitDir, 'commondir'))?.replace(/[\r\n]+$/, '')
  return target === undefined || target === '' || target.includes('\0') ? gitDir : resolve(gitDir, target)
}

/** The extensions that change nothing of what is read here. */
const harmlessExtensions: ReadonlySet<string> = new Set([
  'noop',
  'noop-v1',
  'preciousobjects',
  'partialclone',
  'worktreeconfig',
  'compatobjectformat',
  'relativeworktrees',
])

// Version 0 knows no extensions: git ignores unknown ones there, and refuses those that need version 1.
function checkFormat(dir: string, config: readonly ConfigEntry[]): ObjectHash {
  const last = (key: string) => config.findLast((entry) => entry.key === key)?.value
  const version = last('core.repositoryformatversion') ?? '0'
  if (!/^\s*[01]\s*$/.test(version)) {
    throw new Refusal('repository-format', `The repository in ${dir} has the format version "${version}".`)
  }
  const isOld = version.trim() === '0'
  for (const { key } of config) {
    const name = key.startsWith('extensions.') ? key.slice('extensions.'.length) : undefined
    if (name === undefined || name === 'objectformat' || name === 'refstorage') continue
    if (!isOld && !harmlessExtensions.has(name)) {
      throw new Refusal('repository-format', `The repository in ${dir} uses the unknown extension "${name}".`)
    }
  }
  const storage = last('extensions.refstorage') ?? 'files'
  if (storage !== 'files') {
    throw new Refusal('repository-format', `The repository in ${dir} stores its refs as "${storage}".`)
  }
  const hash = last('extensions.objectformat') ?? 'sha1'
  if ((hash !== 'sha1' && hash !== 'sha256') || (hash === 'sha256' && isOld)) {
    const message = `The repository in ${dir} has the object format "${hash}" in format version ${version.trim()}.`
    throw new Refusal('repository-format', message)
  }
  return hash
}

function isPromised(config: readonly ConfigEntry[]): boolean {
  return config.some(
    ({ key, value }) =>
      key === 'extensions.partialclone' ||
      (key.startsWith('remote.') && key.endsWith('.promisor') && !/^(false|no|off|0|)$/i.test(value)),
  )
}

function hasPromisorPack(objectDirs: readonly string[]): boolean {
  for (const dir of objectDirs) {
    const names = orNothing(() => readdirSync(join(dir, 'pack'))) ?? []
    if (names.some((name) => name.endsWith('.promisor'))) return true
  }
  return false
}

/**
 * Follows objects/info/alternates as git does: relative paths start at the
 * objects directory that names them, and what is nested deeper than git
 * follows is left out. A directory that was met before is not entered again.
 */
function findObjectDirs(own: string): Pick<GitLocation, 'objectDirs' | 'missingObjectDirs'> {
  const objectDirs = [own]
  const missing = new Set<string>()
  const seen = new Set([realpathSync.native(own)])
  const follow = (dir: string, depth: number): void => {
    const text = depth > maximumDepth ? undefined : readSmallFile(join(dir, 'info', 'alternates'))
    for (const line of (text ?? '').split('\n')) {
      const path = parseAlternate(line)
      if (path === undefined) continue
      const alternate = resolve(realpathSync.native(dir), path)
      const real = orNothing(() => realpathSync.native(alternate))
      if (real === undefined || statOrNothing(real)?.isDirectory() !== true) {
        missing.add(alternate)
      } else if (!seen.has(real)) {
        seen.add(real)
        objectDirs.push(alternate)
        follow(real, depth + 1)
      }
    }
  }
  follow(own, 0)
  return { objectDirs, missingObjectDirs: [...missing] }
}

const maximumDepth = 5

function parseAlternate(line: string): string | undefined {
  if (line === '' || line.length > 8192 || line.startsWith('#') || line.includes('\0')) return undefined
  return (line.startsWith('"') ? unquote(line) : undefined) ?? line
}

const escapes: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '"': 34,
  '\\': 92,
}

// A path in double quotes with the escapes of C, of which the octal ones are bytes.
function unquote(line: string): string | undefined {
  const inner = /^"((?:[^"\\]|\\[abfnrtv"\\]|\\[0-3][0-7]{2})*)"$/.exec(line)?.[1]
  if (inner === undefined) return undefined
  const parts = inner.match(/\\[0-3][0-7]{2}|\\.|[^\\]+/g) ?? []
  const bytes = parts.map((part) => {
    if (!part.startsWith('\\')) return Buffer.from(part)
    const rest = part.slice(1)
    return Buffer.from([rest.length === 3 ? Number.parseInt(rest, 8) : (escapes[rest] ?? 0)])
  })
  const path = Buffer.concat(bytes).toString()
  return path.includes('\0') ? undefined : path
}

interface ConfigEntry {
  /** "section.key" or "section.subsection.key": section and key in lower case. */
  readonly key: string
  readonly value: string
}

/**
 * Reads git's configuration format. A line that git would refuse is passed
 * over: the few keys that matter are then read from the rest.
 */
function parseConfig(text: string): readonly ConfigEntry[] {
  const entries: ConfigEntry[] = []
  let section = ''
  const lines = text.replace(/^\uFEFF/, '').split('\n')
  for (let at = 0; at < lines.length; at++) {
    let line = (lines[at] ?? '').replace(/\r$/, '').trimStart()
    const header = /^\[([A-Za-z0-9.-]+)(?:[ \t]+"((?:[^"\\]|\\.)*)")?\]/.exec(line)
    if (header !== null) {
      const subsection = header[2]?.replace(/\\(.)/g, '$1')
      section = `${header[1]?.toLowerCase()}${subsection === undefined ? '' : `.${subsection}`}`
      line = line.slice(header[0].length).trimStart()
    }
    const pair = /^([A-Za-z][A-Za-z0-9-]*)[ \t]*(?:=(.*))?$/.exec(
      line.replace(/^([A-Za-z0-9-]+)[ \t]*[#;].*$/, '$1'),
    )
    if (pair === null) continue
    const raw = [pair[2] ?? '']
    while (isContinued(raw.at(-1) ?? '') && at + 1 < lines.length) {
      at++
      raw.push((raw.pop() ?? '').slice(0, -1), (lines[at] ?? '').replace(/\r$/, ''))
    }
    entries.push({
      key: `${section}.${pair[1]?.toLowerCase()}`,
      value: pair[2] === undefined ? 'true' : unwrap(raw.join('')),
    })
  }
  return entries
}

// An odd number of backslashes at its end joins a line to the next one.
function isContinued(line: string): boolean {
  return (/\\*$/.exec(line)?.[0].length ?? 0) % 2 === 1
}

// Removes quotes, escapes, comments and the blanks around a value.
function unwrap(raw: string): string {
  let value = ''
  let kept = 0
  let isQuoted = false
  for (let at = raw.length - raw.trimStart().length; at < raw.length; at++) {
    let character = raw[at] ?? ''
    if (character === '"') {
      isQuoted = !isQuoted
      kept = value.length
      continue
    }
    if (!isQuoted && (character === '#' || character === ';')) break
    if (character === '\\') {
      at++
      const escaped = raw[at] ?? ''
      character = ({ n: '\n', t: '\t', b: '\b' } as Readonly<Record<string, string>>)[escaped] ?? escaped
      value += character
      kept = value.length
      continue
    }
    value += character
    if (isQuoted || !/\s/.test(character)) kept = value.length
  }
  return value.slice(0, kept)
}

const limitBytes = 1024 * 1024

// A file of a few lines; undefined where there is none. A pipe in its place must not block the run.
function readSmallFile(path: string): string | undefined {
  const file = orNothing(() => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK))
  if (file === undefined) return undefined
  try {
    const found = fstatSync(file)
    if (!found.isFile()) return undefined
    if (found.size > limitBytes) {
      throw new Refusal('repository-unreadable', `The file ${path} is larger than any that git writes there.`)
    }
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

function statOrNothing(path: string): Stats | undefined {
  // Most of what is looked for is not there, and an error is made slowly.
  return orNothing(() => statSync(path, { throwIfNoEntry: false }))
}

function orNothing<T>(find: () => T): T | undefined {
  try {
    return find()
  } catch (error) {
    if (isSystemError(error) && absentCodes.has(error.code)) return undefined
    throw error
  }
}

const absentCodes: ReadonlySet<string | undefined> = new Set([
  'ENOENT',
  'ENOTDIR',
  'ELOOP',
  'ENAMETOOLONG',
  'ENXIO',
])

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}
