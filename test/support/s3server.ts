/**
 * Object storages of other people for the tests, each on a free loopback port
 * with an empty bucket: two with conditional writes, of which gofakes3 is quick
 * and versitygw strict, and one that ignores conditions.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describeMissing, findMissing, partFile } from '../../scripts/parts.ts'

export type S3ServerKind = 'gofakes3' | 'versitygw' | 's3rver'

export interface S3Server {
  /** "http://127.0.0.1:PORT" */
  readonly url: string
  /** The name of a bucket that is there. */
  readonly bucket: string
  /** What a program needs in its environment to use it. */
  readonly env: Readonly<Record<string, string>>
  close(): Promise<void>
}

/**
 * Says why a storage cannot be started here, or nothing. Where CI=true there is no such reason: it must be there.
 *
 * @example describe.skipIf(missingServer('versitygw') !== undefined)('races', …)
 */
export function missingServer(kind: S3ServerKind): string | undefined {
  if (kind === 's3rver') return undefined
  const [missing] = findMissing(kind)
  if (missing === undefined) return undefined
  const reason = describeMissing(missing)
  if (process.env['CI'] === 'true') throw new Error(reason)
  console.warn(reason)
  return reason
}

const bucket = 'modules'

/** Starts a storage with an empty bucket, and its owner's key in `env`. */
export async function startS3Server(kind: S3ServerKind): Promise<S3Server> {
  const dir = mkdtempSync(join(tmpdir(), 'modpress-s3-'))
  const { url, stop } = await startProgram(kind, dir)
  const key = kind === 's3rver' ? 'S3RVER' : ownKey
  return {
    url,
    bucket,
    env: {
      AWS_ACCESS_KEY_ID: key,
      AWS_SECRET_ACCESS_KEY: kind === 's3rver' ? key : ownSecret,
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL_S3: url,
    },
    close: async () => {
      await stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

const ownKey = 'modpress-test-key'
const ownSecret = 'modpress-test-secret'

interface Started {
  readonly url: string
  readonly stop: () => Promise<void>
}

async function startProgram(kind: S3ServerKind, dir: string): Promise<Started> {
  const port = await freePort()
  const [file = '', ...args] = commandOf(kind, port, dir)
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: dir,
    ROOT_ACCESS_KEY: ownKey,
    ROOT_SECRET_KEY: ownSecret,
  }
  const child = spawn(file, args, { cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'] })
  // Where the tests themselves are killed nobody calls close().
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = `${output}${text}`.slice(-4000)
    })
  }
  const url = `http://127.0.0.1:${port}`
  try {
    await answers(url, child)
  } catch (cause) {
    await stopChild(child)
    throw new Error(`${kind} did not start: ${output}`, { cause })
  }
  return { url, stop: () => stopChild(child) }
}

async function answers(url: string, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (child.exitCode !== null) throw new Error(`It ended with ${child.exitCode}.`)
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) }).catch(() => undefined)
    await response?.arrayBuffer()
    if (response !== undefined) return
    await setTimeout(50)
  }
  throw new Error('It does not answer.')
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Runs s3rver in a process of its own, since what it reads while another removes it throws where nobody can catch it. */
const s3rverProgram = `
process.on('uncaughtException', () => {})
const S3rver = require(process.argv[1])
const [port, directory, name] = process.argv.slice(2)
const options = { address: '127.0.0.1', port: Number(port), silent: true, directory, configureBuckets: [{ name }] }
new S3rver(options).run()
`

function commandOf(kind: S3ServerKind, port: number, dir: string): readonly string[] {
  const address = `127.0.0.1:${port}`
  const data = join(dir, 'data')
  switch (kind) {
    case 'gofakes3':
      return [partFile(kind), '-quiet', '-backend', 'memory', '-host', address, '-initialbucket', bucket]
    case 'versitygw':
      // Directories are its buckets. With --sidecar it keeps tags apart from bytes and loses updates: of 80, 12.
      mkdirSync(join(data, bucket), { recursive: true })
      return [partFile(kind), '--quiet', '--port', address, 'posix', data]
    case 's3rver': {
      const require = createRequire(import.meta.url)
      return [
        process.execPath,
        '--eval',
        s3rverProgram,
        require.resolve('s3rver'),
        String(port),
        data,
        bucket,
      ]
    }
  }
}
