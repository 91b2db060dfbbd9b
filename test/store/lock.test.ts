import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { FatalError } from '../../src/problem.ts'
import { withLock } from '../../src/store/lock.ts'

test('the lock is there while the function runs, and its result is returned', async () => {
  const root = join(temporary(), 'site')
  const result = await withLock(root, async (lost) => {
    expect(lost.aborted).toBe(false)
    expect(readLock(root)).toMatchObject({ pid: process.pid, host: hostname() })
    return 42
  })
  expect(result).toBe(42)
  expect(readdirSync(root)).toEqual([])
})

test('the lock goes when the function fails, and what else is in its directory stays', async () => {
  const root = temporary()
  const failure = new Error('no')
  const failing = withLock(root, async () => {
    writeFileSync(join(root, '-/site.json'), '{}')
    throw failure
  })
  await expect(failing).rejects.toBe(failure)
  expect(readdirSync(join(root, '-'))).toEqual(['site.json'])
})

test('a second run in the same process is refused, naming the first', async () => {
  const root = temporary()
  await withLock(root, async () => {
    const { start } = readLock(root)
    await expectLocked(withLock(root, fail), [`process ${process.pid} on ${hostname()}`, `since ${start}`])
    await expectLocked(withLock(`${root}/./`, fail), [])
    await withLock(temporary(), async () => undefined)
  })
  await withLock(root, async () => undefined)
})

test('of many who want it at once one gets it', async () => {
  expect(await contend(temporary(), 16)).toEqual({ inside: 1, refused: 15 })
})

test('the lock of a killed process is taken over, by one of many', async () => {
  const root = temporary()
  const holder = await startHolder(root)
  const lock = readLock(root)
  await expectLocked(withLock(root, fail), [`process ${lock['pid']} on ${hostname()}`])
  await kill(holder)
  expect(existsSync(join(root, '-/lock'))).toBe(true)

  const result = await contend(root, 16, () => {
    expect(readLock(root)).toMatchObject({ pid: process.pid })
  })
  expect(result).toEqual({ inside: 1, refused: 15 })
  expect(readdirSync(root)).toEqual([])
}, 60_000)

test('a process that exits in the middle leaves no lock', async () => {
  const root = temporary()
  const holder = await startHolder(root)
  holder.stdin?.end()
  await once(holder, 'exit')
  expect(existsSync(join(root, '-/lock'))).toBe(false)
}, 60_000)

test('a lock of the same machine is judged by its process alone', async () => {
  const root = temporary()
  let lock: Readonly<Record<string, unknown>> = {}
  await withLock(root, async () => {
    lock = readLock(root)
  })
  const hourAgo = new Date(Date.now() - 3_600_000)
  const cases = [
    [lock, 'held'],
    [{ pid: process.pid, host: hostname(), start: 'today' }, 'held'],
    [{ ...lock, pid: 2 ** 30 }, 'free'],
    [{ pid: 2 ** 30, host: hostname(), start: 'today' }, 'free'],
    // The number was given to another process, as its start time shows.
    ...(existsSync('/proc/self/stat') ? [[{ ...lock, process: '1' }, 'free'] as const] : []),
  ] as const
  for (const [content, want] of cases) {
    for (const age of ['new', 'old']) {
      writeLock(root, JSON.stringify(content))
      if (age === 'old') utimesSync(join(root, '-/lock'), hourAgo, hourAgo)
      if (want === 'held') await expectLocked(withLock(root, fail), [`process ${process.pid}`])
      else await withLock(root, async () => undefined)
    }
  }
})

test.for([
  [
    'of another machine',
    JSON.stringify({ id: 'theirs-1', pid: process.pid, host: 'another', start: 'today' }),
  ],
  ['of another container', JSON.stringify({ pid: 1, host: hostname(), start: 'today', machine: 'another' })],
  ['that is being written', ''],
  ['that is no JSON', '{"pid": 1'],
  ['without a process', JSON.stringify({ pid: -1, host: hostname(), start: 'today' })],
  ['that is something else', 'null'],
  ['with an id that is a path', JSON.stringify({ id: '../../x', pid: 1, host: 'another', start: 'today' })],
] as const)('a lock %s holds until it is 60 seconds old', async ([, text]) => {
  const root = temporary()
  writeLock(root, text)
  await expectLocked(withLock(root, fail), [])
  setAge(join(root, '-/lock'), 58)
  await expectLocked(withLock(root, fail), [])
  setAge(join(root, '-/lock'), 61)
  expect(await contend(root, 8)).toEqual({ inside: 1, refused: 7 })
  expect(readdirSync(root)).toEqual([])
})

test('who is taking over is waited for, unless it was killed as well', async () => {
  const root = temporary()
  writeLock(root, JSON.stringify({ id: 'left-behind', pid: 2 ** 30, host: hostname(), start: 'today' }))
  const claim = join(root, '-/lock.left-behind')
  writeFileSync(claim, '')
  await expectLocked(withLock(root, fail), ['another run'])
  setAge(claim, 61)
  expect(await withLock(root, async () => 'taken')).toBe('taken')
  expect(readdirSync(root)).toEqual([])
})

test('the holder writes the lock again, so that it never looks left behind', async () => {
  const root = temporary()
  await withLock(
    root,
    async () => {
      const text = readFileSync(join(root, '-/lock'), 'utf8')
      setAge(join(root, '-/lock'), 100)
      await setTimeout(200)
      expect(Date.now() - statSync(join(root, '-/lock')).mtimeMs).toBeLessThan(50_000)
      expect(readFileSync(join(root, '-/lock'), 'utf8')).toBe(text)
    },
    { renewMs: 20 },
  )
})

test('a holder whose lock was taken hears of it, and leaves the lock of the other alone', async () => {
  const root = temporary()
  let signalled = false
  const losing = withLock(
    root,
    async (lost) => {
      renameSync(join(root, '-/lock'), join(root, '-/away'))
      writeFileSync(join(root, '-/lock'), 'theirs')
      await setTimeout(200)
      signalled = lost.aborted
    },
    { renewMs: 20 },
  )
  await expectLocked(losing, ['taken over by another run'])
  expect(signalled).toBe(true)
  expect(readFileSync(join(root, '-/lock'), 'utf8')).toBe('theirs')
})

test('a site that cannot be written is a problem, not a lock', async () => {
  const root = temporary()
  writeFileSync(join(root, 'file'), '')
  await expect(withLock(join(root, 'file'), fail)).rejects.toMatchObject({
    problem: { code: 'output-unwritable' },
  })
  symlinkSync(root, join(root, '-'))
  await expect(withLock(root, fail)).rejects.toMatchObject({ problem: { code: 'output-unwritable' } })
})

async function fail(): Promise<never> {
  throw new Error('This must not run.')
}

/** Wants the lock many times at once. Whoever gets it keeps it until all others had their answer, however slow they are. */
async function contend(
  root: string,
  count: number,
  whileInside = (): void => undefined,
): Promise<{ readonly inside: number; readonly refused: number }> {
  let inside = 0
  let refused = 0
  const answered = new EventEmitter()
  const noteAnswer = (): void => {
    if (inside + refused === count) answered.emit('all')
  }
  const attempts = Array.from({ length: count }, async () => {
    const holding = withLock(root, async () => {
      const all = once(answered, 'all')
      inside++
      noteAnswer()
      whileInside()
      await all
    })
    await holding.catch(async (cause: unknown) => {
      await expectLocked(Promise.reject(cause), [])
      refused++
      noteAnswer()
    })
  })
  await Promise.all(attempts)
  return { inside, refused }
}

async function expectLocked(promise: Promise<unknown>, texts: readonly string[]): Promise<void> {
  const error = await promise.catch((cause: unknown) => cause)
  expect(error).toBeInstanceOf(FatalError)
  expect(error).toMatchObject({ exitCode: 75, problem: { code: 'output-locked' } })
  for (const text of texts) expect(String(error)).toContain(text)
}

/** Starts a process that holds the lock until its input ends, and then exits without more ado. */
async function startHolder(root: string): Promise<ChildProcess> {
  const lock = new URL('../../src/store/lock.ts', import.meta.url)
  const code = `
    import { withLock } from ${JSON.stringify(lock.href)}
    await withLock(${JSON.stringify(root)}, () => {
      console.log('held')
      process.stdin.resume().on('end', () => process.exit(0))
      return new Promise(() => setInterval(() => undefined, 1000))
    })`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  await once(child.stdout, 'data')
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

function readLock(root: string): Readonly<Record<string, unknown>> {
  return JSON.parse(readFileSync(join(root, '-/lock'), 'utf8'))
}

function writeLock(root: string, text: string): void {
  mkdirSync(join(root, '-'), { recursive: true })
  writeFileSync(join(root, '-/lock'), text)
}

function setAge(path: string, seconds: number): void {
  const time = new Date(Date.now() - seconds * 1000)
  utimesSync(path, time, time)
}

function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'modpress-lock-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
