/**
 * The proof of a real bucket and host, on servers of this machine: a storage,
 * whose own http answers for the host.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { build } from '../../src/build.ts'
import { loadSettings } from '../../src/config/load.ts'
import { serveSite } from '../../src/serve.ts'
import { openS3Store } from '../../src/store/s3.ts'
import { makeModule } from '../support/cli.ts'
import { missingTools } from '../support/gorun.ts'
import { makeDirectory } from '../support/repo.ts'
import { missingServer, type S3Server, startS3Server } from '../support/s3server.ts'

const missing = missingServer('gofakes3') ?? missingTools('go', 'git')
if (missing !== undefined && process.env['CI'] === 'true') throw new Error(missing)

describe.skipIf(missing !== undefined)('npm run live', { timeout: 300_000 }, () => {
  let storage: S3Server

  beforeAll(async () => {
    storage = await startS3Server('gofakes3')
  })

  afterAll(() => storage?.close())

  test('proves a bucket and the host that serves it, and leaves what was there', async () => {
    const store = await openS3Store({ bucket: storage.bucket, prefix: '' }, { env: storage.env })
    await store.replace('mine.txt', Buffer.from('mine'), undefined)
    const before = await namesOf(store)

    const target = `s3://${storage.bucket}/some/where`
    const { status, output } = await runLive(
      [target, `${storage.url}/${storage.bucket}/some/where`],
      storage.env,
    )
    expect(status, output).toBe(0)
    expect(output).toContain('All of it is as it should be')
    expect(output).not.toMatch(/^ {3}NO /m)
    expect(await namesOf(store)).toEqual(before)
  })

  test('refuses a storage whose writers lose what others wrote, and says why', async () => {
    const careless = await startS3Server('s3rver')
    try {
      const { status, output } = await runLive([`s3://${careless.bucket}`], careless.env)
      expect(status).toBe(2)
      expect(output).toContain('overwrites an object that was only to be created')
    } finally {
      await careless.close()
    }
  })

  test('finds what is wrong with a registry as it is', async () => {
    const { dir } = makeModule('go.example.com/x', 'v1.0.0')
    const output = join(makeDirectory(), 'site')
    const server = await serveSite(makeDirectory(), { port: 0 })
    await server.close()
    const config = {
      url: server.url,
      access: 'public',
      repositories: [{ root: 'go.example.com/x', dir }],
    } as const
    await build(await loadSettings({ cwd: output, env: {}, config, output }))
    const good = await serveSite(output, { port: server.port })
    try {
      const outcome = await runLive([good.url], {})
      expect(outcome.status, outcome.output).toBe(0)
      expect(outcome.output).toContain('go.example.com/x@v1.0.0 has the hashes of the manifest.')
    } finally {
      await good.close()
    }
    expect(await runLive([good.url], {})).toMatchObject({ status: 2 })
  })

  test('says how it is used', async () => {
    expect(await runLive([], {})).toMatchObject({
      status: 2,
      output: expect.stringContaining('Usage: npm run live'),
    })
  })
})

async function namesOf(store: Awaited<ReturnType<typeof openS3Store>>): Promise<string[]> {
  const names: string[] = []
  for await (const { path } of store.list('')) names.push(path)
  return names
}

async function runLive(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ readonly status: number | null; readonly output: string }> {
  const script = fileURLToPath(new URL('../../scripts/live.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), script, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, output }
}
