/**
 * What a clone in the cache is made with: lists what an address has, and
 * fetches it into a bare repository. Here by git; http.ts does it without.
 *
 * Nothing of an address or a ref can become an option, a command or a
 * program: arguments are fixed, `--end-of-options` stands before the address,
 * hooks are off, and only https, ssh and files are spoken (http on this
 * machine). The user's own configuration of git is honoured: helpers that
 * know credentials, proxies, insteadOf.
 */

import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { devNull } from 'node:os'
import { dirname, join } from 'node:path'
import type { Address } from '../config/address.ts'
import { headPrefix, tagPrefix } from '../enumerate/tags.ts'
import type { Oid } from '../model.ts'
import { type Environment, gitEnvironment } from './credentials.ts'
import { FetchLog, type FetchProgress } from './progress.ts'
import { chooseDefault, isRefName, type RefListing } from './refs.ts'

/** Object ids by full names of refs. */
export type RefIds = ReadonlyMap<string, string>

/** What a clone has. */
export type ClonedRefs = Pick<RemoteRefs, 'refs' | 'head'>

/** What an address has: heads and tags by their full names, and where HEAD points. */
export interface RemoteRefs {
  readonly refs: RefIds
  /** What a HEAD file would say: "ref: refs/heads/main", or an object id. */
  readonly head: string
  readonly hash: 'sha1' | 'sha256'
}

/** The ways to an address. Failures are RemoteErrors. */
export interface Transport {
  list(address: Address, url: string): Promise<RemoteRefs>
  /** Makes an empty bare repository. */
  init(dir: string, remote: RemoteRefs): Promise<void>
  /** Makes heads and tags those that are wanted, and brings their objects. HEAD stays. */
  fetch(dir: string, fetch: Fetch): Promise<void>
  /** Looks for the object of each ref of a clone, and returns what it has; undefined where it is not there or damaged. */
  check(dir: string): Promise<ClonedRefs | undefined>
}

/** What is to be fetched, and from where. */
export interface Fetch {
  readonly address: Address
  readonly url: string
  readonly wanted: RemoteRefs
  /** What the clone has. */
  readonly present: RefIds
  readonly onProgress?: (progress: FetchProgress) => void
}

/** Says what git or the server said. Not redacted. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError'
}

export interface TransportOptions {
  readonly env: Environment
  /** Where git runs when it is in no repository. It must exist. */
  readonly cwd: string
  readonly signal?: AbortSignal
}

/** Tells whether git can be run. */
export async function findGit(env: Environment = process.env): Promise<boolean> {
  try {
    const { code } = await run(['--version'], { env: definedOnly(env) })
    return code === 0
  } catch {
    return false
  }
}

/** Returns the transport that is git itself. */
export async function openGitTransport({ env, cwd, signal }: TransportOptions): Promise<Transport> {
  const ceiling = dirname(cwd)
  let ssh: Promise<Record<string, string>> | undefined
  const git = async (
    address: Address,
    args: readonly string[],
    input = '',
    onProgress?: Fetch['onProgress'],
  ): Promise<string> => {
    if (address.scheme === 'ssh') ssh ??= sshEnvironment(env, cwd, ceiling)
    const result = await run([...fixedArguments, ...args], {
      env: { ...gitEnvironment(address, env, ceiling), ...(address.scheme === 'ssh' ? await ssh : {}) },
      cwd,
      input,
      ...(onProgress === undefined ? {} : { onProgress }),
      ...(signal === undefined ? {} : { signal }),
    })
    if (result.code !== 0) throw new RemoteError(result.stderr || `git ended with status ${result.code}`)
    return result.stdout
  }
  return {
    list: async (address, url) =>
      parseListing(await git(address, ['ls-remote', '--quiet', '--symref', '--end-of-options', url])),
    init: async (dir, { hash }) => {
      await git(local, [
        'init',
        '--quiet',
        '--bare',
        '--template=',
        `--object-format=${hash}`,
        '--end-of-options',
        dir,
      ])
    },
    fetch: async (dir, { address, url, wanted: { refs }, present, onProgress }) => {
      const inClone = (args: readonly string[], input?: string) =>
        git(local, [`--git-dir=${dir}`, ...args], input)
      // First, since a branch "a" that is gone is in the way of a new one "a/b".
      const gone = [...present.keys()].filter((name) => name.startsWith(headPrefix) && !refs.has(name))
      if (gone.length > 0) {
        await inClone(['update-ref', '--stdin'], gone.map((name) => `delete ${name}\n`).join(''))
      }
      const heads = [...refs.keys()].filter((name) => name.startsWith(headPrefix))
      const specs = ['+refs/tags/*:refs/tags/*', ...heads.map((name) => `+${name}:${name}`)]
      const options = ['--progress', '--force', '--prune', '--no-tags', '--no-recurse-submodules']
      const fetch = ['fetch', ...options, '--no-write-fetch-head', '--stdin', '--end-of-options', url]
      const input = specs.map((spec) => `${spec}\n`).join('')
      await git(address, [`--git-dir=${dir}`, ...fetch], input, onProgress)
      // One file is read by the next run instead of one for each tag.
      await inClone(['pack-refs', '--all'])
    },
    check: async (dir) => {
      try {
        const head = await readFile(join(dir, 'HEAD'), 'utf8')
        // The type is asked for because git then looks whether the object is there.
        const format = '--format=%(objectname)%09%(refname)%09%(objecttype)'
        const text = await git(local, [`--git-dir=${dir}`, 'for-each-ref', format, 'refs/heads', 'refs/tags'])
        return { refs: parseRefs(text), head: head.trim() }
      } catch (error) {
        signal?.throwIfAborted()
        if (error instanceof RemoteError || isAbsent(error)) return undefined
        throw error
      }
    },
  }
}

/** Stands for no address: such a command asks nobody. */
const local: Address = { scheme: 'file', hasPassword: false, host: '', path: '/' }

const fixedArguments = [
  ...['-c', `core.hooksPath=${devNull}`],
  ...['-c', 'credential.interactive=false'],
  ...['-c', 'fetch.recurseSubmodules=false'],
  ...['-c', 'transfer.bundleURI=false'],
  // What is new comes as one pack, however little it is: the clone's record is about packs.
  ...['-c', 'fetch.unpackLimit=1'],
  // What git does behind our back would meet the next step.
  ...['-c', 'gc.autoDetach=false'],
  ...['-c', 'maintenance.autoDetach=false'],
]

/** Keeps ssh from asking, unless the user has said how ssh is run. */
async function sshEnvironment(
  env: Environment,
  cwd: string,
  ceiling: string,
): Promise<Record<string, string>> {
  if (env['GIT_SSH_COMMAND'] !== undefined || env['GIT_SSH'] !== undefined) return {}
  const options = { env: gitEnvironment(local, env, ceiling), cwd }
  const configured = await run(['config', '--get', 'core.sshCommand'], options)
  return configured.code === 0 ? {} : { GIT_SSH_COMMAND: 'ssh -oBatchMode=yes -oConnectTimeout=30' }
}

function parseListing(text: string): RemoteRefs {
  const [, target] = /^ref: (.+)\tHEAD$/m.exec(text) ?? []
  const [, headId] = /^([0-9a-f]+)\tHEAD$/m.exec(text) ?? []
  return remoteRefs(parseRefs(text), target, headId)
}

function parseRefs(text: string): Map<string, string> {
  const lines = text.split('\n').map((line) => line.split('\t'))
  return new Map(lines.flatMap(([oid = '', name = '']) => (isListed(name) ? [[name, oid] as const] : [])))
}

/** Tells whether a name of a listing is that of a tag or a head that git could store, and that we would read again. */
export function isListed(name: string): boolean {
  return (
    (name.startsWith(tagPrefix) || name.startsWith(headPrefix)) && isRefName(name) && !name.includes('\uFFFD')
  )
}

/** The HEAD of a clone whose address has none: it must not name a branch by accident. */
export const noHead = 'ref: refs/heads/HEAD'

/** Puts a listing together. A server that does not say which branch HEAD is gets the one with the same commit. */
export function remoteRefs(refs: RefIds, target: string | undefined, headId: string | undefined): RemoteRefs {
  const same = [...refs].flatMap(([name, oid]) =>
    name.startsWith('refs/heads/') && oid === headId ? [name] : [],
  )
  const guess = ['refs/heads/main', 'refs/heads/master'].find((name) => same.includes(name)) ?? same.sort()[0]
  const branch = target?.startsWith('refs/heads/') && refs.has(target) ? target : guess
  const [oid = headId ?? ''] = refs.values()
  const head = branch === undefined ? (headId ?? noHead) : `ref: ${branch}`
  return { refs, head, hash: oid.length === 64 ? 'sha256' : 'sha1' }
}

/** Returns what would be listed of a bare clone that has all of this. */
export function listingOf({ refs, head }: RemoteRefs): RefListing {
  const all = [...refs].map(([name, oid]) => ({ name, oid: oid as Oid }))
  const heads = all.filter(({ name }) => name.startsWith(headPrefix))
  const headSymbolic = head.startsWith('ref: ') ? head.slice('ref: '.length) : undefined
  return {
    tags: all.filter(({ name }) => name.startsWith(tagPrefix)),
    heads,
    ...chooseDefault(heads, false, undefined, headSymbolic),
    ...(headSymbolic === undefined ? {} : { headSymbolic }),
    problems: [],
  }
}

interface RunOptions {
  readonly env: Record<string, string>
  readonly cwd?: string
  readonly signal?: AbortSignal
  /** What it reads from stdin. @default nothing */
  readonly input?: string
  readonly onProgress?: (progress: FetchProgress) => void
}

interface RunResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function run(
  args: readonly string[],
  { input = '', onProgress, ...options }: RunOptions,
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', args, { ...options, stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true })
    // Git may end before it has read all: its status says why.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    const stdout: Buffer[] = []
    const log = new FetchLog(onProgress)
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => log.write(chunk))
    child.on('error', reject)
    child.on('close', (code) => {
      resolve({
        code: code ?? -1,
        stdout: Buffer.concat(stdout).toString(),
        stderr: log.end(),
      })
    })
  })
}

function definedOnly(env: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}
