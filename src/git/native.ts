/**
 * The answers from one long-lived `git cat-file --batch` process.
 *
 * Requests are written ahead of the answers, so that git and this process
 * work at the same time. Every content is hashed and compared with its id.
 * A damaged object can end git's process: then that object is to blame, and
 * a new process goes on with the next.
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { Oid } from '../model.ts'
import type { GitLocation } from './location.ts'
import {
  type GitObject,
  hashObject,
  isObjectType,
  ObjectError,
  type ObjectStat,
  RepositoryError,
  unreadable,
} from './object.ts'
import { type Borrower, borrowObjects } from './process.ts'
import type { ObjectSource, OpenRepository } from './repository.ts'
import { readTar } from './tar.ts'

/** Reads whole objects by a git process of its own. */
export interface ObjectReader extends Pick<OpenRepository, 'read' | 'close'> {
  readUpTo: NonNullable<OpenRepository['readUpTo']>
}

/** Opens what reads objects. The process is started by the first request. */
export function openObjectReader({ env, objectDirs, hash }: ObjectSource): ObjectReader {
  const contents = new Batch(env, ['cat-file', '--batch'], 'contents')
  const readUpTo = async (oid: Oid, limitBytes: number): Promise<GitObject | ObjectStat> => {
    const answer = await contents.request(oid, limitBytes)
    if (answer instanceof Error) return blame(answer, oid, objectDirs)
    const { type, size, content } = answer
    if (content === undefined) return { type, size }
    if (hashObject(type, content, hash) !== oid)
      throw unreadable(oid, 'corrupt', 'Its content does not fit its id.')
    return { oid, type, content }
  }
  return {
    read: async (oid) => (await readUpTo(oid, Number.POSITIVE_INFINITY)) as GitObject,
    readUpTo,
    close: () => contents.close(),
  }
}

/** Opens a repository for reading by the git command. Throws RepositoryError where git cannot be run. */
export async function openNative(location: GitLocation): Promise<OpenRepository> {
  const { hash, objectDirs } = location
  const borrower = await borrowObjects(location)
  const source = { env: borrower.env, objectDirs, hash }
  const objects = openObjectReader(source)
  try {
    await probe(objects, hash)
  } catch (error) {
    await objects.close()
    await borrower.remove()
    throw error
  }
  const headers = new Batch(borrower.env, ['cat-file', '--batch-check'], 'headers')
  const histories = new Histories(borrower)
  return {
    reader: 'native',
    hash,
    source,
    read: objects.read,
    readUpTo: objects.readUpTo,
    stat: (oids) => statAll(headers, oids),
    stream: (oid) => streamBlob(borrower, oid, hash),
    ancestors: (commit, wanted) => walkAncestors(histories, commit, wanted),
    ancestorsOfEach: (commits, wanted, tips) => walkTogether(histories, commits, wanted, tips),
    expectAncestors: (tips) => histories.expect(tips),
    findAncestor: (tip, digits) => findAncestor(borrower, tip, digits),
    archive: (commit, paths) => archivePaths(borrower, commit, paths),
    close: async () => {
      await Promise.all([objects.close(), headers.close(), histories.close()])
      await borrower.remove()
    },
  }
}

/**
 * Finds out whether git runs at all, by asking for what no repository has: git says so at once, while a program that
 * only has its name does not. Throws RepositoryError.
 */
async function probe(objects: ObjectReader, hash: ObjectSource['hash']): Promise<void> {
  const nothing = '0'.repeat(hash === 'sha1' ? 40 : 64) as Oid
  let complaint = ''
  // Whatever can happen to a process may have happened to the first.
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      await objects.read(nothing)
      return
    } catch (error) {
      if (!(error instanceof ObjectError)) throw error
      if (error.kind === 'missing') return
      complaint = String(error.cause)
    }
  }
  throw new RepositoryError('needs-git', `git cannot be run: ${complaint || 'it ends at once'}`)
}

/** Asks for the headers of many objects, which are thousands of lines a build: with one promise for all of them. */
function statAll(headers: Batch, oids: readonly Oid[]): Promise<readonly (ObjectStat | undefined)[]> {
  return new Promise((resolve, reject) => {
    const stats: (ObjectStat | undefined)[] = new Array(oids.length).fill(undefined)
    let left = oids.length
    if (left === 0) resolve(stats)
    for (const [index, oid] of oids.entries()) {
      headers.ask(oid, 0, (answer) => {
        if (!(answer instanceof Error)) stats[index] = { type: answer.type, size: answer.size }
        else if (!(answer instanceof ObjectError)) reject(answer)
        if (--left === 0) resolve(stats)
      })
    }
  })
}

/** Git calls a loose object missing of which it cannot read the header: but the file is there. */
async function blame(error: Error, oid: Oid, objectDirs: readonly string[]): Promise<never> {
  if (!(error instanceof ObjectError) || error.kind !== 'missing') throw error
  const files = objectDirs.map((dir) => join(dir, oid.slice(0, 2), oid.slice(2)))
  const isThere = await Promise.any(files.map((file) => access(file))).then(
    () => true,
    () => false,
  )
  throw isThere ? unreadable(oid, 'corrupt', error.cause) : error
}

interface Answer extends ObjectStat {
  /** Absent where it was not asked for, or has more bytes than were. */
  readonly content?: Uint8Array
}

interface Request {
  readonly oid: Oid
  /** How many bytes of content are wanted at most. */
  readonly limit: number
  readonly settle: (answer: Answer | Error) => void
  /** Whether a process was killed while this was the first. */
  isRepeated: boolean
}

/** With so many requests git has enough to do until it is told more. */
const enoughAhead = 32

type BatchProcess = ChildProcessByStdio<Writable, Readable, Readable>

/** A `cat-file` process that answers in the order of the requests, and is started again when it dies. */
class Batch {
  readonly #env: ObjectSource['env']
  readonly #args: readonly string[]
  readonly #mode: 'contents' | 'headers'
  #child: BatchProcess | undefined
  /** Those that are answered leave a gap, since whoever holds a request holds its answer. */
  #queue: (Request | undefined)[] = []
  #first = 0
  /** What is to be written, and how many requests that are. */
  #outgoing = ''
  #unsent = 0
  #isFlushing = false
  #isClosed = false
  #complaint = ''
  // What is read of the answer at hand: its header, then its content.
  #pending: Buffer[] = []
  #pendingBytes = 0
  #header: ObjectStat | undefined
  /** How many bytes to come nobody wants. */
  #unwanted = 0

  constructor(env: ObjectSource['env'], args: readonly string[], mode: 'contents' | 'headers') {
    this.#env = env
    this.#args = args
    this.#mode = mode
  }

  /** Asks for an object. The answer is an ObjectError, or another error where git cannot be run. */
  request(oid: Oid, limit: number): Promise<Answer | Error> {
    return new Promise((settle) => this.ask(oid, limit, settle))
  }

  /** Asks as `request` does, and has the answer told to `settle`. */
  ask(oid: Oid, limit: number, settle: Request['settle']): void {
    // What was still on its way when something failed may ask for more, and nobody would end that process.
    if (this.#isClosed) {
      settle(new Error('The repository is closed.'))
      return
    }
    this.#queue.push({ oid, limit, settle, isRepeated: false })
    this.#send(oid)
  }

  async close(): Promise<void> {
    const child = this.#child
    this.#isClosed = true
    this.#child = undefined
    if (child === undefined || child.exitCode !== null) return
    const closed = new Promise((resolve) => child.once('close', resolve))
    child.stdin.end()
    child.kill()
    await closed
  }

  /** Requests of one round of the event loop leave in one write, or of several where git has enough to do. */
  #send(oid: Oid): void {
    this.#child ??= this.#start()
    this.#outgoing += `${oid}\n`
    this.#unsent++
    this.#flushSoon()
  }

  #flushSoon(): void {
    if (this.#isFlushing || this.#unsent === 0 || this.#atGit > enoughAhead) return
    this.#isFlushing = true
    setImmediate(() => this.#flush())
  }

  /** How many requests git has not answered. */
  get #atGit(): number {
    return this.#queue.length - this.#first - this.#unsent
  }

  /** Writes to whichever process there is by now: the one of the request may have died. */
  #flush(): void {
    this.#isFlushing = false
    const text = this.#outgoing
    this.#outgoing = ''
    this.#unsent = 0
    if (text !== '') this.#child?.stdin.write(text)
  }

  #start(): BatchProcess {
    const child = spawn('git', this.#args, { env: this.#env, stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child = child
    this.#pending = []
    this.#pendingBytes = 0
    this.#header = undefined
    this.#unwanted = 0
    this.#complaint = ''
    child.stdin.on('error', () => {}) // EPIPE: the process has died, and "close" says so
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-2000)
    })
    child.stdout.on('data', (chunk: Buffer) => this.#take(chunk))
    child.once('error', (error) =>
      this.#fail(new RepositoryError('needs-git', `git cannot be run: ${error.message}`)),
    )
    child.once('close', (_code, signal) => {
      if (this.#child === child) this.#restart(signal !== null)
    })
    return child
  }

  #next(): Request | undefined {
    const request = this.#queue[this.#first]
    this.#queue[this.#first++] = undefined
    if (this.#first > 1024 && this.#first * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#first)
      this.#first = 0
    }
    this.#flushSoon()
    return request
  }

  #take(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#unwanted > 0) {
        const passed = Math.min(this.#unwanted, chunk.length - at)
        this.#unwanted -= passed
        at += passed
        continue
      }
      if (this.#header === undefined) {
        const end = chunk.indexOf(10, at)
        if (end < 0) {
          this.#pending.push(chunk.subarray(at))
          return
        }
        const rest = chunk.toString('latin1', at, end)
        const line =
          this.#pending.length === 0 ? rest : Buffer.concat(this.#pending).toString('latin1') + rest
        this.#pending = []
        at = end + 1
        this.#readHeader(line)
        continue
      }
      // The content is followed by a newline of git's own.
      const header = this.#header
      const needed = header.size + 1 - this.#pendingBytes
      if (chunk.length - at < needed) {
        this.#pending.push(chunk.subarray(at))
        this.#pendingBytes += chunk.length - at
        return
      }
      const last = chunk.subarray(at, at + needed - 1)
      const content = this.#pendingBytes === 0 ? last : Buffer.concat([...this.#pending, last], header.size)
      this.#pending = []
      this.#pendingBytes = 0
      this.#header = undefined
      at += needed
      this.#next()?.settle({ type: header.type, size: header.size, content })
    }
  }

  #readHeader(line: string): void {
    const header = parseHeader(line)
    if (header === undefined) {
      const request = this.#next()
      const isMissing = line.endsWith(' missing')
      request?.settle(unreadable(request.oid, isMissing ? 'missing' : 'corrupt', line))
    } else if (this.#mode === 'headers') {
      this.#next()?.settle(header)
    } else if (header.size > (this.#queue[this.#first]?.limit ?? 0)) {
      this.#unwanted = header.size + 1
      this.#next()?.settle(header)
    } else {
      this.#header = header
    }
  }

  /**
   * The process died of the object that it was asked for first, or of one whose content nobody wants. The others are
   * asked for again. So is that one, once, where the process was killed: of that it may know nothing.
   */
  #restart(wasKilled: boolean): void {
    const complaint = this.#complaint.trim().split('\n').at(-1) ?? ''
    this.#child = undefined
    this.#outgoing = ''
    this.#unsent = 0
    const waiting = this.#queue.slice(this.#first).filter((request) => request !== undefined)
    const [first] = waiting
    const isGuilty = this.#unwanted === 0 && !(wasKilled && first?.isRepeated === false)
    const blamed = isGuilty ? waiting.shift() : undefined
    if (!isGuilty && first !== undefined) first.isRepeated = true
    this.#queue = waiting
    this.#first = 0
    blamed?.settle(unreadable(blamed.oid, 'corrupt', complaint))
    for (const request of waiting) this.#send(request.oid)
  }

  #fail(error: Error): void {
    const waiting = this.#queue.slice(this.#first).filter((request) => request !== undefined)
    this.#child = undefined
    this.#queue = []
    this.#first = 0
    this.#outgoing = ''
    this.#unsent = 0
    for (const request of waiting) request.settle(error)
  }
}

/** Takes "<id> <type> <size>" apart. Returns undefined for any other line. */
function parseHeader(line: string): ObjectStat | undefined {
  const typeAt = line.indexOf(' ') + 1
  const sizeAt = line.indexOf(' ', typeAt) + 1
  const type = line.slice(typeAt, sizeAt - 1)
  const size = line.slice(sizeAt)
  const isHeader = typeAt > 0 && sizeAt > 0 && isObjectType(type) && /^\d+$/.test(size)
  return isHeader ? { type, size: Number(size) } : undefined
}

/** Runs git to its end. Yields what it prints; afterwards throws `onFailure`'s error if it failed. */
async function* runGit(
  borrower: Borrower,
  args: readonly string[],
  onFailure: (complaint: string) => Error,
  input = '',
): AsyncGenerator<Buffer> {
  const child = spawn('git', args, { env: borrower.env, stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => {}) // it has ended early, and "close" says how
  child.stdin.end(input)
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-2000)
  })
  const closed = new Promise<number | null>((resolve, reject) => {
    child.once('error', (error) =>
      reject(new RepositoryError('needs-git', `git cannot be run: ${error.message}`)),
    )
    child.once('close', resolve)
  })
  closed.catch(() => {}) // awaited below, unless the reader stops early
  try {
    yield* child.stdout as AsyncIterable<Buffer>
    if ((await closed) !== 0) throw onFailure(complaint.trim())
  } finally {
    child.kill()
  }
}

async function* streamBlob(
  borrower: Borrower,
  oid: Oid,
  algorithm: 'sha1' | 'sha256',
): AsyncGenerator<Uint8Array> {
  const hash = createHash(algorithm)
  const size = runGit(borrower, ['cat-file', '-s', oid], (complaint) => unreadable(oid, 'corrupt', complaint))
  let digits = ''
  for await (const chunk of size) digits += chunk.toString('latin1')
  hash.update(`blob ${digits.trim()}\0`)
  for await (const chunk of runGit(borrower, ['cat-file', 'blob', oid], (complaint) =>
    unreadable(oid, 'corrupt', complaint),
  )) {
    hash.update(chunk)
    yield chunk
  }
  if (hash.digest('hex') !== oid) throw unreadable(oid, 'corrupt', 'Its content does not fit its id.')
}

/** Lists histories. Git may begin before anybody reads, with as much as a pipe holds. */
class Histories {
  readonly #borrower: Borrower
  #expected:
    | {
        readonly key: string
        readonly lines: AsyncGenerator<string>
        readonly first: Promise<IteratorResult<string>>
      }
    | undefined

  constructor(borrower: Borrower) {
    this.#borrower = borrower
  }

  /** Begins to list the histories of commits or of annotated tags: of one its ids, of several their graph. */
  expect(tips: readonly Oid[]): void {
    if (tips.length === 0 || this.#expected !== undefined) return
    const what = tips.length > 1 ? 'graph' : 'ids'
    const key = keyOf(tips, what)
    const lines = this.#start(tips, what)
    const first = lines.next()
    first.catch(() => {}) // told where it is read
    this.#expected = { key, lines, first }
  }

  /**
   * Yields the ids of commits and all their ancestors; of a graph "<id> <parents>", each before its parents. `tips` are
   * what may have been expected instead of the commits.
   */
  async *list(
    commits: readonly Oid[],
    what: 'ids' | 'graph',
    tips: readonly Oid[] = commits,
  ): AsyncGenerator<string> {
    const expected = this.#expected
    if (expected?.key !== keyOf(tips, what)) {
      yield* this.#start(commits, what)
      return
    }
    this.#expected = undefined
    try {
      const first = await expected.first
      if (first.done !== true) yield first.value
      yield* expected.lines
    } finally {
      await expected.lines.return(undefined)
    }
  }

  async close(): Promise<void> {
    const expected = this.#expected
    this.#expected = undefined
    await expected?.first.catch(() => {})
    await expected?.lines.return(undefined)
  }

  #start(tips: readonly Oid[], what: 'ids' | 'graph'): AsyncGenerator<string> {
    const args = ['rev-list', ...(what === 'graph' ? ['--topo-order', '--parents'] : []), '--stdin']
    return linesOf(this.#borrower, args, tips[0] as Oid, `${tips.join('\n')}\n`)
  }
}

function keyOf(tips: readonly Oid[], what: 'ids' | 'graph'): string {
  return `${what} ${[...tips].sort().join()}`
}

async function walkAncestors(
  histories: Histories,
  commit: Oid,
  wanted: ReadonlySet<Oid>,
): Promise<ReadonlySet<Oid>> {
  const found = new Set<Oid>()
  if (wanted.size === 0) return found
  for await (const oid of histories.list([commit], 'ids')) {
    if (wanted.has(oid as Oid)) found.add(oid as Oid)
    if (found.size === wanted.size) break
  }
  return found
}

async function findAncestor(borrower: Borrower, tip: Oid, digits: string): Promise<Oid | undefined> {
  const args = ['rev-list', '--end-of-options', tip]
  for await (const oid of linesOf(borrower, args, tip)) if (oid.startsWith(digits)) return oid as Oid
  return undefined
}

/**
 * Walks several histories as one. Commits come before their parents, so that what is known of a commit, from which of
 * the tips it is reached, only has to be handed on to them.
 */
async function walkTogether(
  histories: Histories,
  commits: readonly Oid[],
  wanted: ReadonlySet<Oid>,
  tips: readonly Oid[] = commits,
): Promise<readonly ReadonlySet<Oid>[]> {
  const found = commits.map(() => new Set<Oid>())
  if (wanted.size === 0 || commits.length === 0) return found
  const reachedFrom = new Map<string, bigint>()
  for (const [index, commit] of commits.entries()) {
    reachedFrom.set(commit, (reachedFrom.get(commit) ?? 0n) | (1n << BigInt(index)))
  }
  for await (const line of histories.list(commits, 'graph', tips)) {
    const [commit = '', ...parents] = line.split(' ')
    const mask = reachedFrom.get(commit) ?? 0n
    reachedFrom.delete(commit)
    for (const parent of parents) reachedFrom.set(parent, (reachedFrom.get(parent) ?? 0n) | mask)
    if (!wanted.has(commit as Oid)) continue
    for (const [index, set] of found.entries()) if (mask & (1n << BigInt(index))) set.add(commit as Oid)
  }
  return found
}

async function* linesOf(
  borrower: Borrower,
  args: readonly string[],
  tip: Oid,
  input?: string,
): AsyncGenerator<string> {
  const onFailure = (complaint: string) => unreadable(tip, 'missing', complaint)
  let rest = ''
  for await (const chunk of runGit(borrower, args, onFailure, input)) {
    const lines = (rest + chunk.toString('latin1')).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}

/** Paths go by in pieces, so that no command line grows longer than the 32,767 characters that Windows takes. */
const charactersInOneRun = 24_000

async function archivePaths(
  borrower: Borrower,
  commit: Oid,
  paths: readonly string[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>()
  for (const some of inRuns(paths)) {
    const settings = ['-c', 'core.autocrlf=input', '-c', 'core.eol=lf']
    const args = [...settings, 'archive', '--format=tar', '--end-of-options', commit, ...some]
    const failed = (complaint: string) => unreadable(commit, 'corrupt', complaint)
    for await (const { name, content } of readTar(runGit(borrower, args, failed))) files.set(name, content)
  }
  return files
}

function* inRuns(paths: readonly string[]): Generator<string[]> {
  let run: string[] = []
  let room = charactersInOneRun
  for (const path of paths) {
    if (path.length > room && run.length > 0) {
      yield run
      run = []
      room = charactersInOneRun
    }
    run.push(path)
    room -= path.length + 1
  }
  if (run.length > 0) yield run
}
