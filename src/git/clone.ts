/**
 * The cache of clones: one bare repository for each address, with its tags,
 * the branches that matter, HEAD and nothing else, kept up to date by what is
 * new. With nothing new an address costs one listing: that the clone is whole
 * is known from its record, a file that says which packs the last run left.
 *
 * Which branches matter: the default one, those that are asked for, and those
 * with the name of a version, of which the survey warns. Where the address
 * does not say which is the default one, the rules of the product need all of
 * them. What a clone has once got stays, as long as the address has it: other
 * configurations may share the clone.
 *
 * A clone comes into being beside its place and is then renamed, so that it
 * is whole or not there. A damaged one is made afresh. Where the address
 * cannot be reached, what an earlier run has cloned is still used, and the
 * problem stays.
 */

import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type Address, isLoopback, parseAddress, shownAddress } from '../config/address.ts'
import type { Settings } from '../config/schema.ts'
import { headPrefix, isVersionName, tagPrefix } from '../enumerate/tags.ts'
import { FatalError, type Problem, problem } from '../problem.ts'
import { type Environment, redact } from './credentials.ts'
import { type GitLocation, locateRepository } from './location.ts'
import { withLock } from './lock.ts'
import type { FetchProgress } from './progress.ts'
import { readRefs } from './refs.ts'
import {
  type ClonedRefs,
  findGit,
  noHead,
  openGitTransport,
  type RefIds,
  RemoteError,
  type RemoteRefs,
  type Transport,
} from './remote.ts'

export interface CloneOptions {
  readonly env: Environment
  readonly signal?: AbortSignal
}

/** Where the clone is, if there is one, and what went wrong, if something did. */
export interface Clone {
  readonly dir?: string
  readonly problem?: Problem
  /** Whether the server was there, and said that there is nothing, or nothing for us. */
  readonly isRefused?: boolean
}

/** What is to be cloned, and for whom. */
export interface CloneRequest {
  readonly url: string
  /** The root that problems name. */
  readonly repository: string
  /** The branches that are needed besides the default one: short names, or all. */
  readonly branches: 'all' | readonly string[]
  readonly onProgress?: (progress: FetchProgress) => void
}

export interface Cloner {
  /** Clones an address into the cache or brings its clone up to date. */
  clone(request: CloneRequest): Promise<Clone>
  /** Returns what a clone would have; undefined where there is one already, or where only an attempt tells. */
  peek(request: Pick<CloneRequest, 'url' | 'branches'>): Promise<RemoteRefs | undefined>
}

/** Returns what clones into the settings' cache: git, or where it is not there or not wanted, isomorphic-git. */
export async function openCloner(settings: Settings, { env, signal }: CloneOptions): Promise<Cloner> {
  const cache = join(settings.cache, 'clones')
  await makeCache(cache)
  const hasGit = settings.git !== 'isomorphic' && (await findGit(env))
  if (settings.git === 'native' && !hasGit) {
    return {
      clone: async ({ url, repository }) => ({ problem: needsGit(repository, url, 'git was not found') }),
      peek: async () => undefined,
    }
  }
  const options = { env, cwd: cache, ...(signal === undefined ? {} : { signal }) }
  const transport = hasGit ? await openGitTransport(options) : await openHttp(options)
  const listing = { ...transport, list: once(transport) }
  return {
    clone: (request) => cloneInto(cache, request, listing, hasGit, options),
    peek: (request) => peekAt(cache, request, listing, hasGit),
  }
}

/** Returns what lists each address once in a run, however many roots are cloned from it. */
function once({ list }: Transport): Transport['list'] {
  const listings = new Map<string, Promise<RemoteRefs>>()
  return (address, url) => {
    const listing = listings.get(url) ?? list(address, url)
    listings.set(url, listing)
    return listing
  }
}

async function makeCache(cache: string): Promise<void> {
  try {
    await mkdir(cache, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const message = `The cache ${cache} cannot be written: ${cause instanceof Error ? cause.message : cause}.`
    const hint = 'Set "cache" to a directory that can be written.'
    throw new FatalError(problem('output-unwritable', {}, message, hint), { cause })
  }
}

// Loaded when needed: isomorphic-git costs the start of a run that never uses it.
async function openHttp(options: CloneOptions): Promise<Transport> {
  const { openHttpTransport } = await import('./http.ts')
  return openHttpTransport(options)
}

async function cloneInto(
  cache: string,
  { url, repository, ...request }: CloneRequest,
  transport: Transport,
  hasGit: boolean,
  { env, signal }: CloneOptions,
): Promise<Clone> {
  const address = parseAddress(url)
  const shown = shownAddress(url) ?? url
  const refusal = refuse(address, shown)
  if (address === undefined || refusal !== undefined) {
    const message = refusal ?? `${shown} is no address.`
    return { problem: problem('clone-failed', { repository }, message, addressHint) }
  }
  if (!hasGit && address.scheme !== 'https' && address.scheme !== 'http') {
    return { problem: needsGit(repository, shown, `${address.scheme} needs it`) }
  }
  const dir = join(cache, entryName(url, address))
  return withLock(`${dir}.lock`, signal === undefined ? {} : { signal }, async () => {
    try {
      const remote = await transport.list(address, url)
      const obstacle = hasGit ? undefined : describeObstacle(remote)
      if (obstacle !== undefined) return { problem: needsGit(repository, shown, obstacle) }
      await update(dir, { ...request, address, url, transport, remote }, signal)
      return { dir }
    } catch (error) {
      signal?.throwIfAborted()
      if (!isExpected(error)) throw error
      const isKept = (await readClone(dir, transport)) !== undefined
      const end = isKept ? ' The clone of an earlier run is used.' : ''
      const message = `${shown} could not be ${isKept ? 'fetched' : 'cloned'}: ${redact(error.message, env).replace(/\.$/, '')}.${end}`
      const told = problem('clone-failed', { repository }, message)
      return { problem: told, isRefused: isRefusal(error), ...(isKept ? { dir } : {}) }
    }
  })
}

/** What goes wrong here goes wrong again when it is cloned, and is told then. */
async function peekAt(
  cache: string,
  { url, branches }: Pick<CloneRequest, 'url' | 'branches'>,
  transport: Transport,
  hasGit: boolean,
): Promise<RemoteRefs | undefined> {
  const address = parseAddress(url)
  if (address === undefined || refuse(address, url) !== undefined) return undefined
  if (!hasGit && address.scheme !== 'https' && address.scheme !== 'http') return undefined
  const isCloned = await stat(join(cache, entryName(url, address))).then(
    () => true,
    () => false,
  )
  if (isCloned) return undefined
  try {
    const remote = await transport.list(address, url)
    const isFit = hasGit || describeObstacle(remote) === undefined
    return isFit ? chooseRefs({ remote, branches }, new Map()) : undefined
  } catch (error) {
    if (!isExpected(error)) throw error
    return undefined
  }
}

/** What git, a server or the disk refuses is a finding; all else is our own mistake. */
function isExpected(error: unknown): error is Error {
  return error instanceof RemoteError || (error instanceof Error && 'syscall' in error)
}

const refusal =
  /\b(?:error:|HTTP Error:) 40[134]\b|Authentication failed|Access denied|Permission denied|could not read (?:Username|Password)|\brepository\b.* not found|operation was canceled/i

/** In the words of git, of isomorphic-git and of the usual servers of ssh. What the disk refuses is another thing. */
function isRefusal(error: Error): boolean {
  return error instanceof RemoteError && refusal.test(error.message)
}

function refuse(address: Address | undefined, shown: string): string | undefined {
  if (address?.scheme === 'git') return `${shown} is not cloned, as nothing protects what git:// carries.`
  if (address?.scheme === 'http' && !isLoopback(address.host)) {
    return `${shown} is not cloned, as nothing protects what http:// carries.`
  }
  return undefined
}

const addressHint =
  'Give an https or ssh address. A repository on this machine is named by dir instead of clone.'

/** What isomorphic-git cannot fetch. */
function describeObstacle({ hash, head, refs }: RemoteRefs): string | undefined {
  if (hash === 'sha256') return 'its object ids are SHA-256'
  return head === noHead && refs.size > 0 ? 'its HEAD names no branch that is there' : undefined
}

function needsGit(repository: string, shown: string, reason: string): Problem {
  return problem('needs-git', { repository }, `${shown} cannot be cloned without git: ${reason}.`)
}

/** A name that people recognise and that no two addresses share. */
function entryName(url: string, { host, path }: Address): string {
  const readable = `${host}${path}`.toLowerCase().replace(/\.git\/*$/, '')
  const name = readable
    .replaceAll(/[^a-z0-9.]+/g, '-')
    .replaceAll(/^[-.]+|[-.]+$/g, '')
    .slice(0, 80)
  const hash = createHash('sha256').update(url).digest('hex').slice(0, 12)
  return `${name}-${hash}.git`
}

/** An address that has been listed. */
interface Source extends Omit<CloneRequest, 'repository'> {
  readonly address: Address
  readonly transport: Transport
  readonly remote: RemoteRefs
}

async function update(dir: string, source: Source, signal: AbortSignal | undefined): Promise<void> {
  const { transport } = source
  const present = await readClone(dir, transport)
  if (present !== undefined) {
    const wanted = chooseRefs(source, present.refs)
    if (isSame(present.refs, wanted.refs)) {
      if (present.head !== wanted.head) await writeHead(dir, wanted.head)
      return present.isRecorded ? undefined : writeRecord(dir)
    }
    try {
      await rm(join(dir, recordName), { force: true })
      await transport.fetch(dir, { ...source, wanted, present: present.refs })
      await writeHead(dir, wanted.head)
      return await writeRecord(dir)
    } catch (error) {
      signal?.throwIfAborted()
      // The address has just answered, so that the clone itself is the likely cause.
      if (!isExpected(error)) throw error
    }
  }
  await cloneAfresh(dir, source)
}

/** Returns what a clone is to have of an address; `present` is what it has already. */
function chooseRefs({ remote, branches }: Pick<Source, 'remote' | 'branches'>, present: RefIds): RemoteRefs {
  const { refs, head } = remote
  const target = head.startsWith('ref: ') ? head.slice('ref: '.length) : ''
  // Which branch is the default one then depends on which there are.
  if (branches === 'all' || !refs.has(target)) return remote
  const wanted = new Set([target, ...branches.map((name) => headPrefix + name)])
  const isWanted = (name: string) =>
    name.startsWith(tagPrefix) ||
    wanted.has(name) ||
    present.has(name) ||
    isVersionName(name.slice(name.lastIndexOf('/') + 1))
  return { ...remote, refs: new Map([...refs].filter(([name]) => isWanted(name))) }
}

function isSame(a: RefIds, b: RefIds): boolean {
  return a.size === b.size && [...a].every(([name, oid]) => b.get(name) === oid)
}

async function cloneAfresh(dir: string, source: Source): Promise<void> {
  const { transport } = source
  const nothing: RefIds = new Map()
  const wanted = chooseRefs(source, nothing)
  await removeLeftovers(dir)
  const fresh = `${dir}.tmp-${process.pid}-${randomBytes(6).toString('hex')}`
  const old = `${fresh}-old`
  try {
    await transport.init(fresh, wanted)
    if (wanted.refs.size > 0) await transport.fetch(fresh, { ...source, wanted, present: nothing })
    await writeHead(fresh, wanted.head)
    await writeRecord(fresh)
    await rename(dir, old).catch(() => {})
    await rename(fresh, dir)
  } finally {
    await rm(fresh, { recursive: true, force: true })
    await rm(old, { recursive: true, force: true })
  }
}

// ---- The record of a clone ----

const recordName = 'modpress-packs'

interface PresentRefs extends ClonedRefs {
  /** Whether the clone is known to be whole without a look at its objects. */
  readonly isRecorded: boolean
}

/** Returns what a clone has; undefined where it is not there or damaged. No process runs where the record holds. */
async function readClone(dir: string, transport: Transport): Promise<PresentRefs | undefined> {
  const location = await locateRepository(dir)
  if ('severity' in location) return undefined
  const recorded = await readFile(join(dir, recordName), 'utf8').catch(() => undefined)
  if (recorded !== undefined && recorded === (await describePacks(dir))) {
    const cloned = await readFiles(location)
    if (cloned !== undefined) return { ...cloned, isRecorded: true }
  }
  const checked = await transport.check(dir)
  return checked && { ...checked, isRecorded: false }
}

async function readFiles(location: GitLocation): Promise<ClonedRefs | undefined> {
  const { tags, heads, problems } = await readRefs(location, {})
  if (problems.length > 0) return undefined
  const head = await readFile(join(location.dir, 'HEAD'), 'utf8')
  return { refs: new Map([...tags, ...heads].map(({ name, oid }) => [name, oid])), head: head.trim() }
}

async function writeRecord(dir: string): Promise<void> {
  await writeFile(join(dir, recordName), await describePacks(dir))
}

/** Returns the names and sizes of a clone's packs, a line each. The name of a pack is the hash of what it holds. */
async function describePacks(dir: string): Promise<string> {
  const packs = join(dir, 'objects', 'pack')
  const names = await readdir(packs).catch(() => [])
  const kept = names.filter((name) => /\.(pack|idx)$/.test(name)).sort()
  const sizes = await Promise.all(kept.map(async (name) => (await stat(join(packs, name))).size))
  return kept.map((name, index) => `${name} ${sizes[index]}\n`).join('')
}

/** Removes what runs that were killed have left. Only the holder of the lock calls it. */
async function removeLeftovers(dir: string): Promise<void> {
  const names = await readdir(dirname(dir))
  const left = names.filter((name) => name.startsWith(`${basename(dir)}.tmp-`))
  await Promise.all(left.map((name) => rm(join(dirname(dir), name), { recursive: true, force: true })))
}

async function writeHead(dir: string, head: string): Promise<void> {
  const file = join(dir, 'HEAD')
  await writeFile(`${file}.tmp`, `${head}\n`)
  await rename(`${file}.tmp`, file)
}
