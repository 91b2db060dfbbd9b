/**
 * The cache of clones: one bare repository for each address, with its heads,
 * tags and HEAD and nothing else, kept up to date by what is new.
 *
 * A clone comes into being beside its place and is then renamed, so that it
 * is whole or not there. A damaged one is made afresh. Where the address
 * cannot be reached, what an earlier run has cloned is still used, and the
 * problem stays.
 */

import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type Address, isLoopback, parseAddress, shownAddress } from '../config/address.ts'
import type { Settings } from '../config/schema.ts'
import { FatalError, type Problem, problem } from '../problem.ts'
import { type Environment, redact } from './credentials.ts'
import { withLock } from './lock.ts'
import { findGit, noHead, openGitTransport, RemoteError, type RemoteRefs, type Transport } from './remote.ts'

export interface CloneOptions {
  readonly env: Environment
  readonly signal?: AbortSignal
}

/** Where the clone is, if there is one, and what went wrong, if something did. */
export interface Clone {
  readonly dir?: string
  readonly problem?: Problem
}

/** Clones an address into the cache or brings its clone up to date. `repository` is the root that problems name. */
export type Cloner = (url: string, repository: string) => Promise<Clone>

/** Returns what clones into the settings' cache: git, or where it is not there or not wanted, isomorphic-git. */
export async function openCloner(settings: Settings, { env, signal }: CloneOptions): Promise<Cloner> {
  const cache = join(settings.cache, 'clones')
  await makeCache(cache)
  const hasGit = settings.git !== 'isomorphic' && (await findGit(env))
  if (settings.git === 'native' && !hasGit) {
    return async (url, repository) => ({ problem: needsGit(repository, url, 'git was not found') })
  }
  const options = { env, cwd: cache, ...(signal === undefined ? {} : { signal }) }
  const transport = hasGit ? await openGitTransport(options) : await openHttp(options)
  return (url, repository) => cloneInto(cache, url, repository, transport, hasGit, options)
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
  url: string,
  repository: string,
  transport: Transport,
  hasGit: boolean,
  { env, signal }: CloneOptions,
): Promise<Clone> {
  const address = parseAddress(url)
  const shown = shownAddress(url) ?? url
  const refusal = refuse(address, shown)
  if (address === undefined || refusal !== undefined) {
    return { problem: problem('clone-failed', { repository }, refusal ?? `${shown} is no address.`) }
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
      await update(dir, address, url, transport, remote, signal)
      return { dir }
    } catch (error) {
      signal?.throwIfAborted()
      if (!isExpected(error)) throw error
      const isKept = (await transport.read(dir)) !== undefined
      const end = isKept ? ' The clone of an earlier run is used.' : ''
      const message = `${shown} could not be ${isKept ? 'fetched' : 'cloned'}: ${redact(error.message, env).replace(/\.$/, '')}.${end}`
      return { problem: problem('clone-failed', { repository }, message), ...(isKept ? { dir } : {}) }
    }
  })
}

/** What git, a server or the disk refuses is a finding; all else is our own mistake. */
function isExpected(error: unknown): error is Error {
  return error instanceof RemoteError || (error instanceof Error && 'syscall' in error)
}

function refuse(address: Address | undefined, shown: string): string | undefined {
  if (address?.scheme === 'git') return `${shown} is not cloned, as nothing protects what git:// carries.`
  if (address?.scheme === 'http' && !isLoopback(address.host)) {
    return `${shown} is not cloned, as nothing protects what http:// carries.`
  }
  return undefined
}

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

async function update(
  dir: string,
  address: Address,
  url: string,
  transport: Transport,
  remote: RemoteRefs,
  signal: AbortSignal | undefined,
): Promise<void> {
  const present = await transport.read(dir)
  if (present !== undefined) {
    if (isSame(present.refs, remote.refs))
      return present.head === remote.head ? undefined : writeHead(dir, remote.head)
    try {
      await transport.fetch(dir, address, url, remote)
      await writeHead(dir, remote.head)
      if ((await transport.read(dir)) !== undefined) return
    } catch (error) {
      signal?.throwIfAborted()
      // The address has just answered, so that the clone itself is the likely cause.
      if (!isExpected(error)) throw error
    }
  }
  await cloneAfresh(dir, address, url, transport, remote)
}

function isSame(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, oid]) => b.get(name) === oid)
}

async function cloneAfresh(
  dir: string,
  address: Address,
  url: string,
  transport: Transport,
  remote: RemoteRefs,
): Promise<void> {
  await removeLeftovers(dir)
  const fresh = `${dir}.tmp-${process.pid}-${randomBytes(6).toString('hex')}`
  const old = `${fresh}-old`
  try {
    await transport.init(fresh, remote)
    if (remote.refs.size > 0) await transport.fetch(fresh, address, url, remote)
    await writeHead(fresh, remote.head)
    await rename(dir, old).catch(() => {})
    await rename(fresh, dir)
  } finally {
    await rm(fresh, { recursive: true, force: true })
    await rm(old, { recursive: true, force: true })
  }
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
