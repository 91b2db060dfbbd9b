/**
 * Object storages of other people for the tests, each on a free loopback port
 * with an empty bucket: two with conditional writes, of which gofakes3 is quick
 * and versitygw strict, and one that ignores conditions.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
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
  const started = kind === 's3rver' ? await startS3rver(dir) : await startProgram(kind, dir)
  const { url, stop } = started
  const key = kind === 's3rver' ? 'S3RVER' : 'modpress-test-key'
  return {
    url,
    bucket,
    env: {
      AWS_ACCESS_KEY_ID: key,
      AWS_SECRET_ACCESS_KEY: key === 'S3RVER' ? key : secret,
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL_S3: url,
    },
    close: async () => {
      await stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

const secret = 'modpress-test-secret'

interface Started {
  readonly url: string
  readonly stop: () => Promise<void>
}

async function startProgram(kind: 'gofakes3' | 'versitygw', dir: string): Promise<Started> {
  const address = `127.0.0.1:${await freePort()}`
  const data = join(dir, 'data')
  // The gateway takes the directories of its own for buckets.
  mkdirSync(join(data, bucket), { recursive: true })
  const args =
    kind === 'gofakes3'
      ? ['-quiet', '-backend', 'memory', '-host', address, '-initialbucket', bucket]
      : ['--quiet', '--port', address, 'posix', '--sidecar', join(dir, 'metadata'), data]
  mkdirSync(join(dir, 'metadata'))
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: dir,
    ROOT_ACCESS_KEY: 'modpress-test-key',
    ROOT_SECRET_KEY: secret,
  }
  const child = spawn(partFile(kind), args, { cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = `${output}${text}`.slice(-4000)
    })
  }
  const url = `http://${address}`
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

/** It runs in this process. */
async function startS3rver(dir: string): Promise<Started> {
  // It has no types, and is loaded only where it is used: it brings 100 packages.
  const { default: S3rver } = (await import('s3rver' as string)) as { readonly default: S3rverClass }
  const options = {
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory: dir,
    configureBuckets: [{ name: bucket }],
  }
  const server = new S3rver(options)
  const { port } = await server.run()
  return { url: `http://127.0.0.1:${port}`, stop: () => server.close() }
}

type S3rverClass = new (
  options: object,
) => { run(): Promise<{ readonly port: number }>; close(): Promise<void> }
