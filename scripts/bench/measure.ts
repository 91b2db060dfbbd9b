/**
 * Runs a program as a whole process and measures it: time on the wall,
 * processor time of it and all its children, and the memory of the tree.
 *
 * Processor time is what the kernel adds to this process for children that it
 * has waited for, and they for theirs; it counts in hundredths of a second.
 * Memory is looked at every 20 ms, and only where that is asked for, since it
 * costs time itself. Both are known on Linux only.
 *
 * Each program leads a process group of its own, which is ended, and nothing
 * else, when the signal is given.
 */

import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

export interface Command {
  readonly argv: readonly string[]
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
}

/** Peaks of resident memory. */
export interface Memory {
  /** Of all processes together; a page that several of them share counts for each. */
  readonly treeBytes: number
  /** Of the first process alone, as the kernel keeps it. */
  readonly mainBytes: number
}

export interface Run {
  readonly wallMs: number
  readonly cpuMs?: number
  readonly memory?: Memory
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  /** Where files for the output are made. */
  readonly dir: string
  readonly signal: AbortSignal
  /** @default false */
  readonly isWatched?: boolean
}

/** Runs a program to its end. A failure is a status; being told to stop is an exception. */
export async function measure(command: Command, options: RunOptions): Promise<Run> {
  const { dir, signal, isWatched = false } = options
  signal.throwIfAborted()
  const [file = '', ...args] = command.argv
  // Files, and not pipes: nobody has to read while the clock runs.
  const outputs = mkdtempSync(join(dir, 'run-'))
  const paths = [join(outputs, 'stdout'), join(outputs, 'stderr')] as const
  const fds = paths.map((path) => openSync(path, 'w'))
  const cpuBefore = readChildrenCpu()
  const start = performance.now()
  const child = spawn(file, args, {
    cwd: command.cwd,
    env: command.env,
    detached: true,
    stdio: ['ignore', ...fds],
  })
  for (const fd of fds) closeSync(fd)
  const { pid } = child
  const watch = isWatched && pid !== undefined ? watchMemory(pid) : undefined
  let patience: NodeJS.Timeout | undefined
  const end = () => {
    tellGroup(pid, 'SIGTERM')
    patience = setTimeout(() => tellGroup(pid, 'SIGKILL'), 2000)
  }
  signal.addEventListener('abort', end, { once: true })
  try {
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', resolve)
    })
    const wallMs = performance.now() - start
    const cpuAfter = readChildrenCpu()
    signal.throwIfAborted()
    const [stdout, stderr] = paths.map((path) => readFileSync(path, 'utf8'))
    const cpu = cpuBefore === undefined || cpuAfter === undefined ? {} : { cpuMs: cpuAfter - cpuBefore }
    const memory = watch?.()
    const peaks = memory === undefined ? {} : { memory }
    return { wallMs, ...cpu, ...peaks, status, stdout: stdout ?? '', stderr: stderr ?? '' }
  } finally {
    watch?.()
    signal.removeEventListener('abort', end)
    clearTimeout(patience)
    // Its own children may have outlived it.
    if (signal.aborted) tellGroup(pid, 'SIGKILL')
    rmSync(outputs, { recursive: true, force: true })
  }
}

/** Runs a program that must succeed, and returns its standard output. */
export async function runWell(command: Command, options: RunOptions): Promise<string> {
  const { status, stdout, stderr } = await measure(command, options)
  if (status === 0) return stdout
  const [name = '', ...args] = command.argv
  throw new Error(
    `${[name, ...args].join(' ').slice(0, 200)} exited with ${status}: ${stderr.trim().slice(-2000)}`,
  )
}

/** Sends a signal to all processes of a program, of which none may be left. */
function tellGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // All have ended.
  }
}

/** Returns the processor time of all ended children in milliseconds. */
function readChildrenCpu(): number | undefined {
  const stat = readOrNothing('/proc/self/stat')
  if (stat === undefined) return undefined
  // The name of the command, in parentheses, may hold spaces. cutime and cstime are the 16th and 17th field.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) * 10
}

/** Starts to look at the memory of a tree of processes. The function that is returned ends it. */
function watchMemory(pid: number): () => Memory | undefined {
  let treeBytes = 0
  let mainBytes = 0
  const look = () => {
    const tree = readTree(pid)
    treeBytes = Math.max(
      treeBytes,
      tree.reduce((sum, { bytes }) => sum + bytes, 0),
    )
    mainBytes = Math.max(mainBytes, tree[0]?.peakBytes ?? 0)
  }
  const timer = setInterval(look, 20)
  return () => {
    clearInterval(timer)
    return mainBytes === 0 ? undefined : { treeBytes: Math.max(treeBytes, mainBytes), mainBytes }
  }
}

interface Resident {
  readonly bytes: number
  readonly peakBytes: number
  /** The address space, by which a child is known that has not yet become another program. */
  readonly space: string
}

function readTree(pid: number, parent?: Resident): Resident[] {
  const status = readOrNothing(`/proc/${pid}/status`)
  if (status === undefined) return []
  const field = (name: string) => new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? '0'
  const own: Resident = {
    bytes: Number(field('VmRSS')) * 1024,
    peakBytes: Number(field('VmHWM')) * 1024,
    space: `${field('VmPeak')} ${field('VmSize')}`,
  }
  // Between its making and its start a child has the memory of its parent, which must not count twice.
  if (own.space === parent?.space) return []
  return [own, ...readChildren(pid).flatMap((child) => readTree(child, own))]
}

function readChildren(pid: number): number[] {
  let threads: string[]
  try {
    threads = readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
  return threads.flatMap((thread) =>
    (readOrNothing(`/proc/${pid}/task/${thread}/children`) ?? '').split(' ').filter(Boolean).map(Number),
  )
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
