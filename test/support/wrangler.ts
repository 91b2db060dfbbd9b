/**
 * Cloudflare Pages on this machine, as Cloudflare's own program emulates it.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { partFile } from '../../scripts/parts.ts'

export interface Wrangler {
  /** "http://127.0.0.1:PORT" */
  readonly url: string
  /** What the program has printed. */
  output(): string
  close(): Promise<void>
}

/** Serves a directory, and waits until it does. What it writes is below `dir`. */
export async function startWrangler(site: string, dir: string): Promise<Wrangler> {
  const [port, inspector] = [await findPort(), await findPort()]
  mkdirSync(dir, { recursive: true })
  const child = spawn(
    partFile('wrangler'),
    [
      ...['pages', 'dev', site, '--ip', '127.0.0.1', '--port', String(port)],
      ...['--inspector-port', String(inspector), '--compatibility-date', '2026-01-01'],
      ...[
        '--persist-to',
        join(dir, 'state'),
        '--live-reload',
        'false',
        '--show-interactive-dev-session',
        'false',
      ],
    ],
    {
      cwd: dir,
      // It starts others, which end with it only as a group.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        HOME: dir,
        CI: '1',
        NO_COLOR: '1',
        WRANGLER_SEND_METRICS: 'false',
        // What it asks the network for it does without.
        CLOUDFLARE_CF_FETCH_ENABLED: 'false',
      },
    },
  )
  const printed: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => printed.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => printed.push(chunk))
  const output = () => Buffer.concat(printed).toString()
  const url = `http://127.0.0.1:${port}`
  while ((await fetch(url).catch(() => undefined)) === undefined) {
    if (child.exitCode !== null) throw new Error(`wrangler ended with ${child.exitCode}:\n${output()}`)
    await setTimeout(100)
  }
  const close = async () => {
    const ended = child.exitCode === null ? once(child, 'exit') : undefined
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // All of them have ended.
    }
    await ended
  }
  return { url, output, close }
}

async function findPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}
