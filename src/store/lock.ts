/**
 * The lock of a site: two builds must never write one directory at once. Node
 * has no flock, so the lock is a file, "-/lock", which only one can create.
 *
 * What a killed run leaves behind must not hold for ever. On the same machine
 * its process is looked for; a process that got the same number later has
 * another start time. From any other machine, a container among them, nothing
 * but the file can be seen: its holder writes it again every 10 seconds, and
 * after 60 without that it counts as left behind. Its age is told by the clock
 * of the file system, since those of two machines may differ.
 *
 * Removing a file that was left behind is where two takers could each remove
 * the other's new lock. So a taker first creates a claim, named after the id of
 * that very lock, and looks again: while it has the claim nobody else removes
 * that lock, and one with another id it does not touch.
 */

import { randomUUID } from 'node:crypto'
import {
  closeSync,
  fstatSync,
  fsync,
  openSync,
  readFileSync,
  readlinkSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { readFile, stat, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { FatalError, problem } from '../problem.ts'
import { codeOf, makeDirectoryIn, outputError, removeDirectory } from './directory.ts'

export interface LockOptions {
  /** How often the holder writes the lock again. @default 10 000 */
  readonly renewMs?: number
  /** At what age the lock of another machine counts as left behind. @default 60 000 */
  readonly staleMs?: number
}

/**
 * Runs a function that alone may write the site, and returns its result. Throws a FatalError 'output-locked' with exit
 * code 75 where another run, also one of this process, has the lock.
 *
 * The signal is aborted if the lock is lost: after a long sleep of this machine another one may have taken it.
 */
export async function withLock<T>(
  root: string,
  use: (lost: AbortSignal) => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const site = resolve(root)
  const staleMs = options.staleMs ?? 60_000
  const lock = new HeldLock(site, await takeLock(site, staleMs), options.renewMs ?? 10_000, staleMs)
  try {
    const result = await use(lock.lost)
    await lock.check()
    lock.lost.throwIfAborted()
    return result
  } finally {
    await lock.release()
  }
}

/** What the file says of its holder. */
interface Holder {
  readonly id: string
  readonly pid: number
  readonly host: string
  /** When the lock was taken, for people. */
  readonly start: string
  /** Which machine and container numbers the processes; host names are not unique. Absent where that is not known. */
  readonly machine?: string
  /** When the process was started, in the system's own words. */
  readonly process?: string
}

interface FoundLock {
  /** Absent where the file cannot be understood: it may be about to be written. */
  readonly holder?: Holder
  readonly id: string
  readonly changedMs: number
}

interface TakenLock {
  readonly fd: number
  readonly text: string
}

const attempts = 10

async function takeLock(root: string, staleMs: number): Promise<TakenLock> {
  const path = lockPath(root)
  try {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const taken = await createLock(root)
      if (taken !== undefined) return taken
      const found = await findLock(path)
      if (found === undefined) continue
      if (!(await isLeftBehind(root, found, staleMs))) throw locked(root, found.holder)
      await removeLeftBehind(root, found, staleMs)
    }
  } catch (cause) {
    throw outputError(cause, 'written', path)
  }
  throw locked(root)
}

async function createLock(root: string): Promise<TakenLock | undefined> {
  // Ready before the file is there: who is killed in between leaves a lock that nobody can tell to be left behind.
  const text = `${JSON.stringify(describeHolder())}\n`
  const fd = createFile(root, lockPath(root))
  if (fd === undefined) return undefined
  try {
    writeSync(fd, text, 0)
    return { fd, text }
  } catch (cause) {
    closeSync(fd)
    await unlinkIfThere(lockPath(root))
    throw cause
  }
}

function describeHolder(): Holder {
  const machine = machineId()
  const started = findProcess(process.pid)?.start
  return {
    id: randomUUID(),
    pid: process.pid,
    host: hostname(),
    start: new Date().toISOString(),
    ...(machine === undefined ? {} : { machine }),
    ...(started === undefined ? {} : { process: started }),
  }
}

/** Creates a file below "-" and returns what it is open as, or undefined where there is one already. */
function createFile(root: string, path: string): number | undefined {
  for (let attempt = 1; ; attempt++) {
    makeDirectoryIn(root, '')
    makeDirectoryIn(root, '-')
    try {
      return openSync(path, 'wx', 0o644)
    } catch (cause) {
      if (codeOf(cause) === 'EEXIST') return undefined
      // Whoever releases the lock also removes "-" if it is empty.
      if (codeOf(cause) !== 'ENOENT' || attempt === attempts) throw cause
    }
  }
}

async function findLock(path: string): Promise<FoundLock | undefined> {
  try {
    const text = await readFile(path, 'utf8')
    const { mtimeMs, ino } = await stat(path)
    const holder = parseHolder(text)
    // The id becomes part of a file name, and must be another for each lock.
    const isId = holder !== undefined && /^[\w-]{8,64}$/.test(holder.id)
    const id = isId ? holder.id : `${ino}-${mtimeMs}`
    return { id, changedMs: mtimeMs, ...(holder === undefined ? {} : { holder }) }
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined
    throw cause
  }
}

function parseHolder(text: string): Holder | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const { id, pid, host, start, machine, process } = Object(value) as Partial<Record<keyof Holder, unknown>>
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined
  if (typeof host !== 'string' || typeof start !== 'string') return undefined
  return {
    id: typeof id === 'string' ? id : '',
    pid,
    host,
    start,
    ...(typeof machine === 'string' ? { machine } : {}),
    ...(typeof process === 'string' ? { process } : {}),
  }
}

async function isLeftBehind(
  root: string,
  { holder, changedMs }: FoundLock,
  staleMs: number,
): Promise<boolean> {
  if (holder === undefined || !isOfThisMachine(holder)) {
    return (await fileSystemTime(root)) - changedMs >= staleMs
  }
  const found = findProcess(holder.pid)
  if (found === undefined) return true
  return holder.process !== undefined && found.start !== undefined && holder.process !== found.start
}

function isOfThisMachine(holder: Holder): boolean {
  const machine = machineId()
  return holder.machine === undefined || machine === undefined
    ? holder.host === hostname()
    : holder.machine === machine
}

/** Returns the time that the file system gives to a file written now. */
async function fileSystemTime(root: string): Promise<number> {
  const path = `${lockPath(root)}.${randomUUID()}`
  const fd = createFile(root, path)
  try {
    return fd === undefined ? Date.now() : fstatSync(fd).mtimeMs
  } finally {
    if (fd !== undefined) closeSync(fd)
    await unlink(path)
  }
}

async function removeLeftBehind(root: string, { id }: FoundLock, staleMs: number): Promise<void> {
  const path = lockPath(root)
  const claimPath = `${path}.${id}`
  const claim = createFile(root, claimPath)
  if (claim === undefined) {
    // Another taker is at it. If it was killed between two system calls, its claim is left behind, too.
    const found = await findLock(claimPath)
    if (found === undefined) return
    if ((await fileSystemTime(root)) - found.changedMs < staleMs) throw locked(root)
    await unlinkIfThere(claimPath)
    return
  }
  try {
    if ((await findLock(path))?.id === id) await unlink(path)
  } finally {
    closeSync(claim)
    await unlinkIfThere(claimPath)
  }
}

class HeldLock {
  readonly #root: string
  readonly #taken: TakenLock
  readonly #staleMs: number
  readonly #timer: NodeJS.Timeout
  readonly #lost = new AbortController()
  readonly #onExit: () => void
  #renewing: Promise<void> = Promise.resolve()
  #renewedMs = performance.now()

  constructor(root: string, taken: TakenLock, renewMs: number, staleMs: number) {
    this.#root = root
    this.#taken = taken
    this.#staleMs = staleMs
    this.#timer = setInterval(() => {
      this.#renewing = this.#renewing.then(() => this.#renew())
    }, renewMs)
    this.#timer.unref()
    const { ino } = statSync(lockPath(root), { bigint: true })
    this.#onExit = () => removeNow(lockPath(root), ino)
    process.once('exit', this.#onExit)
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** Notices if another has taken the lock. */
  async check(): Promise<void> {
    if (await this.#isOurs()) return
    const message = `The lock of ${this.#root} was taken over by another run while this one did not get to renew it.`
    this.#lost.abort(new FatalError(problem('output-locked', {}, message), { exitCode: 75 }))
  }

  async release(): Promise<void> {
    clearInterval(this.#timer)
    await this.#renewing
    process.off('exit', this.#onExit)
    if (await this.#isOurs()) await unlinkIfThere(lockPath(this.#root))
    closeSync(this.#taken.fd)
    removeDirectory(join(this.#root, '-'))
  }

  /** Writes through the descriptor that is open since the lock was taken: it can never reach another's lock. */
  async #renew(): Promise<void> {
    try {
      writeSync(this.#taken.fd, this.#taken.text, 0)
      await promisify(fsync)(this.#taken.fd)
      this.#renewedMs = performance.now()
      await this.check()
    } catch (cause) {
      // A network file system may fail for a moment. Only when others may take the lock is it lost.
      if (performance.now() - this.#renewedMs < this.#staleMs) return
      this.#lost.abort(outputError(cause, 'written', lockPath(this.#root)))
    }
  }

  async #isOurs(): Promise<boolean> {
    try {
      const present = await stat(lockPath(this.#root), { bigint: true })
      return fstatSync(this.#taken.fd, { bigint: true }).ino === present.ino
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT') return false
      throw cause
    }
  }
}

function removeNow(path: string, ino: bigint): void {
  try {
    if (statSync(path, { bigint: true }).ino === ino) unlinkSync(path)
  } catch {
    // The process ends. A lock that stays is found to be left behind.
  }
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT') throw cause
  }
}

/** Looks for a running process. Its start time is known on Linux only. */
function findProcess(pid: number): { readonly start?: string } | undefined {
  try {
    process.kill(pid, 0)
  } catch (cause) {
    // EPERM: it is there, and belongs to another user.
    if (codeOf(cause) !== 'EPERM') return undefined
  }
  try {
    // The name in parentheses may hold anything. After it come the state, as field 3, and the start time, as 22.
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    return fields[19] === undefined ? {} : { start: fields[19] }
  } catch {
    return {}
  }
}

/** Returns what tells apart two systems that number their processes each for itself. Known on Linux only. */
function machineId(): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return undefined
  }
}

function lockPath(root: string): string {
  return join(root, '-', 'lock')
}

function locked(root: string, holder?: Holder): FatalError {
  const who = holder === undefined ? 'another run' : `process ${holder.pid} on ${holder.host}`
  const since = holder === undefined ? '' : ` since ${holder.start}`
  const message = `${root} is being written by ${who}${since}, says ${lockPath(root)}.`
  return new FatalError(problem('output-locked', {}, message), { exitCode: 75 })
}
