/**
 * The workflows of GitHub that "modpress init" writes, run from the push of a
 * tag to `go get` of that very version. test/support/workflow.ts says what is
 * real in it, and what stands in for others.
 */

import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type SiteServer, serveSite } from '../../src/serve.ts'
import { withLock } from '../../src/store/lock.ts'
import { makeAction } from '../support/action.ts'
import { runCli } from '../support/cli.ts'
import { startGitServer } from '../support/gitserver.ts'
import { goGet, makePushedModule, type PushedModule } from '../support/module.ts'
import { makeDirectory } from '../support/repo.ts'
import { missingServer, type S3Server, startS3Server } from '../support/s3server.ts'
import { type Forge, type WorkflowRun, WorkflowRunner } from '../support/workflow.ts'

// Each starts some dozens of processes.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const root = 'github.com/acme/billing'
const files = {
  'go.mod': `module ${root}\n\ngo 1.21\n`,
  'billing.go': 'package billing\n',
  'tools/go.mod': `module ${root}/tools\n\ngo 1.21\n`,
  'tools/tools.go': 'package tools\n',
}

let action: string
beforeAll(() => {
  action = makeAction()
})

/** Makes a module, lets init write the job, and pushes both. */
async function start(...args: readonly string[]): Promise<PushedModule> {
  const module = makePushedModule('git@github.com:acme/billing.git', files)
  await initialize(module.dir, ...args)
  return module
}

async function initialize(cwd: string, ...args: readonly string[]): Promise<void> {
  const run = await runCli(['init', ...args], { cwd })
  expect(run.stderr).toContain('Next:')
  expect(run.status).toBe(0)
}

function forge(module: PushedModule, more: Partial<Forge> = {}): Forge {
  return { repository: module.upstream, name: 'acme/billing', action, ...more }
}

async function succeed(run: Promise<WorkflowRun | undefined>): Promise<WorkflowRun> {
  const done = await run
  expect(done?.conclusion, done?.log).toBe('success')
  return done as WorkflowRun
}

async function fail(run: Promise<WorkflowRun | undefined>): Promise<WorkflowRun> {
  const done = await run
  expect(done?.conclusion, done?.log).toBe('failure')
  return done as WorkflowRun
}

const pushOf = (tag: string) => ({ name: 'push', ref: `refs/tags/${tag}` }) as const

describe.skipIf(missingServer('gofakes3') !== undefined)('a job that publishes into a bucket', () => {
  let server: S3Server
  beforeAll(async () => {
    server = await startS3Server('gofakes3')
  })
  afterAll(() => server.close())

  const keys = () => ({
    vars: { AWS_REGION: 'us-east-1', AWS_ENDPOINT_URL_S3: server.url },
    secrets: {
      AWS_ACCESS_KEY_ID: server.env['AWS_ACCESS_KEY_ID'] ?? '',
      AWS_SECRET_ACCESS_KEY: server.env['AWS_SECRET_ACCESS_KEY'] ?? '',
    },
  })

  test('publishes the version of a pushed tag, also of a module in a directory, and sweeps up the rest', async () => {
    const module = await start('--target', `s3://${server.bucket}/keys`)
    const runner = new WorkflowRunner(forge(module, keys()))
    module.release('v1.0.0')
    const first = await succeed(runner.run(pushOf('v1.0.0')))
    expect(first.outputs['modpress'] ?? first.log).toBeDefined()
    expect(first.summary).toContain('billing')
    const proxy = `${server.url}/${server.bucket}/keys`
    expect(await goGet(proxy, `${root}@v1.0.0`)).toMatchObject({ status: 0 })

    module.release('tools/v0.1.0')
    await succeed(runner.run(pushOf('tools/v0.1.0')))
    expect(await goGet(proxy, `${root}/tools@v0.1.0`)).toMatchObject({ status: 0 })

    // More than three tags at once start nothing, and one that names no version never does.
    module.release('v1.1.0', 'v1.2.0', 'tools/v0.2.0', 'tools/v0.3.0', 'nightly')
    expect(await runner.run(pushOf('nightly'))).toBeUndefined()
    await succeed(runner.run({ name: 'schedule' }))
    expect(await goGet(proxy, `${root}/tools@v0.3.0`)).toMatchObject({ status: 0 })
  })

  test('needs no key where a role of AWS trusts the repository', async () => {
    const identity = await startIdentity()
    const module = await start('--target', `s3://${server.bucket}/role`)
    const vars = { ...keys().vars, MODPRESS_AWS_ROLE: 'arn:aws:iam::123456789012:role/publish' }
    const runner = new WorkflowRunner(forge(module, { vars, identity: identity.env }))
    module.release('v1.0.0')
    try {
      await succeed(runner.run(pushOf('v1.0.0')))
      expect(identity.asked).toEqual([
        'GET /token?api-version=2.0&audience=sts.amazonaws.com Bearer the-request-token',
        'AssumeRoleWithWebIdentity the-token-of-this-job',
      ])
      expect(await goGet(`${server.url}/${server.bucket}/role`, `${root}@v1.0.0`)).toMatchObject({
        status: 0,
      })
    } finally {
      await identity.close()
    }
  })
})

describe('a job that deploys Pages', () => {
  test('from a tag by a run of the default branch, deploys what is good, and fails after', async () => {
    const site = await servePages()
    try {
      const module = await start('--host', 'github-pages', '--url', site.url)
      const runner = new WorkflowRunner(forge(module))
      site.show(runner.deployed)
      module.release('v1.0.0')

      // The run of the tag starts another one, which nobody has done for the first time.
      const relay = await succeed(runner.run(pushOf('v1.0.0')))
      expect(relay.calls).toEqual([
        ['workflow', 'run', 'modpress.yml', '--repo', 'acme/billing', '--ref', 'main'],
      ])
      const early = await fail(runner.run({ name: 'workflow_dispatch', inputs: { new: 'false' } }))
      expect(early.log).toContain('live-missing')
      await succeed(runner.run({ name: 'workflow_dispatch', inputs: { new: 'true' } }))
      expect(await goGet(site.url, `${root}@v1.0.0`)).toMatchObject({ status: 0 })

      // A tag that moved is a new problem. What came with it is published nevertheless.
      module.commit({ 'billing.go': 'package billing // changed\n' })
      module.git('tag', '--force', 'v1.0.0')
      module.git('push', '--quiet', '--force', module.upstream, 'v1.0.0')
      module.release('v1.1.0')
      const run = await fail(runner.run({ name: 'workflow_dispatch' }))
      expect(run.log).toContain('tag-moved')
      expect(run.outputs['modpress']?.['status']).toBe('1')
      expect(JSON.parse(run.outputs['modpress']?.['added'] ?? '')).toContain(`${root}@v1.1.0`)
      expect(await goGet(site.url, `${root}@v1.1.0`)).toMatchObject({ status: 0 })

      // It is known from now on.
      await succeed(runner.run({ name: 'schedule' }))

      // Where nothing was done, nothing is deployed.
      module.commit({ 'modpress.config.yaml': 'colour: blue\n' })
      module.release('v1.2.0')
      const broken = await fail(runner.run({ name: 'push' }))
      expect(broken.log).toContain('config-invalid')
      expect(await goGet(site.url, `${root}@v1.1.0`)).toMatchObject({ status: 0 })
      expect((await goGet(site.url, `${root}@v1.2.0`)).status).not.toBe(0)
    } finally {
      await site.close()
    }
  })
})

describe('a job that leaves the site to others', () => {
  test('remembers what a tag was first, from run to run', async () => {
    const module = await start()
    const runner = new WorkflowRunner(forge(module))
    module.release('v1.0.0')
    await succeed(runner.run({ name: 'push' }))
    module.commit({ 'billing.go': 'package billing // changed\n' })
    module.git('tag', '--force', 'v1.0.0')
    module.git('push', '--quiet', '--force', module.upstream, 'v1.0.0')
    module.release('v1.1.0')
    expect((await fail(runner.run({ name: 'workflow_dispatch' }))).log).toContain('tag-moved')
    await succeed(runner.run({ name: 'schedule' }))
    const site = await serveSite(runner.artifacts.get('site') ?? '', { port: 0 })
    expect(await goGet(site.url, `${root}@v1.1.0`)).toMatchObject({ status: 0 })
    await site.close()
  })
})

describe('a registry', () => {
  test('is told of a tag, and presses the repository that it comes from', async () => {
    const module = await start('--registry', 'acme/registry')
    expect(existsSync(join(module.dir, 'modpress.config.yaml'))).toBe(false)
    module.release('v1.0.0')
    const secrets = { MODPRESS_REGISTRY_TOKEN: 'a-token' }
    const told = await succeed(new WorkflowRunner(forge(module, { secrets })).run(pushOf('v1.0.0')))
    expect(told.calls).toEqual([
      [
        'api',
        'repos/acme/registry/dispatches',
        '-f',
        'event_type=go-module-tag',
        '-f',
        'client_payload[repository]=acme/billing',
        '-f',
        'client_payload[tag]=v1.0.0',
      ],
    ])

    const git = await startGitServer(join(module.upstream, '..'))
    git.password = { password: 'a-read-token' }
    try {
      const registry = makePushedModule('https://github.com/acme/registry', { 'README.md': 'Modules.\n' })
      const target = join(makeDirectory(), 'share')
      const address = `${git.url}/${module.upstream.split('/').at(-1)}`
      await initialize(registry.dir, address, '--target', target)
      const config = join(registry.dir, 'modpress.config.yaml')
      writeFileSync(config, readFileSync(config, 'utf8').replace(/root: .*/, `root: ${root}`))
      registry.release()
      const runner = new WorkflowRunner(
        forge(registry, { secrets: { MODPRESS_TOKEN_127_0_0_1: 'a-read-token' } }),
      )
      await succeed(runner.run({ name: 'repository_dispatch' }))
      const site = await serveSite(target, { port: 0 })
      expect(await goGet(site.url, `${root}@v1.0.0`)).toMatchObject({ status: 0 })
      await site.close()
    } finally {
      await git.close()
    }
  })
})

describe('the Action', () => {
  test("does what this project's own workflow expects of it", async () => {
    const own = '.github/workflows/ci.yml'
    const text = readFileSync(new URL(`../../${own}`, import.meta.url), 'utf8')
    const project = makePushedModule('https://github.com/acme/modpress', { [own]: text })
    project.release()
    const runner = new WorkflowRunner(forge(project, { workflow: 'ci.yml', jobs: ['action'] }))
    const run = await succeed(runner.run({ name: 'push' }))
    expect(run.outputs['modpress']?.['status']).toBe('0')
  })

  test('tries again while another run holds the site', async () => {
    const target = join(makeDirectory(), 'share')
    const module = await start('--target', target)
    module.release('v1.0.0')
    const bin = makeDirectory()
    // The pauses, which a test does not wait for: the third attempt finds the site free.
    const pauses = join(bin, 'pauses')
    writeFileSync(
      join(bin, 'sleep'),
      `#!/bin/sh\necho "$1" >> ${pauses}\nexec sh ${join(bin, 'wait')} "$1"\n`,
      { mode: 0o755 },
    )
    writeFileSync(
      join(bin, 'wait'),
      `[ "$1" = 30 ] || exit 0\ntouch ${bin}/asked\nwhile [ ! -e ${bin}/free ]; do /bin/sleep 0.1; done\n`,
    )
    const runner = new WorkflowRunner(forge(module, { path: bin }))
    let run: Promise<WorkflowRun | undefined> | undefined
    await withLock(target, async () => {
      run = runner.run(pushOf('v1.0.0'))
      while (!existsSync(join(bin, 'asked'))) await new Promise((done) => setTimeout(done, 20))
    })
    writeFileSync(join(bin, 'free'), '')
    const done = await succeed(run as Promise<WorkflowRun | undefined>)
    expect(readFileSync(pauses, 'utf8')).toBe('0\n10\n30\n')
    expect(done.log).toContain('output-locked')
  })
})

// ---- What stands beside the forge ----

interface Pages {
  readonly url: string
  show(dir: string): void
  close(): Promise<void>
}

/** A Pages host: the address is there before the first deployment. */
async function servePages(): Promise<Pages> {
  let site: SiteServer | undefined
  let opening: Promise<SiteServer> | undefined
  const server = createServer(async (request, response) => {
    site ??= await opening
    const answer = await fetch(`${site?.url}${request.url}`, { redirect: 'manual' })
    const headers = Object.fromEntries([...answer.headers].filter(([name]) => name !== 'content-encoding'))
    response.writeHead(answer.status, headers).end(Buffer.from(await answer.arrayBuffer()))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    show(dir) {
      opening = serveSite(dir, { port: 0 })
    },
    async close() {
      await site?.close()
      server.closeAllConnections()
      server.close()
    },
  }
}

/** GitHub's issuer of identities, and AWS, which takes one for the keys of a role. */
async function startIdentity() {
  const asked: string[] = []
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString()
    if (request.method === 'GET') {
      asked.push(`GET ${request.url} ${request.headers.authorization}`)
      response.end(JSON.stringify({ value: 'the-token-of-this-job' }))
      return
    }
    const form = new URLSearchParams(body)
    asked.push(`${form.get('Action')} ${form.get('WebIdentityToken')}`)
    const keys =
      '<AccessKeyId>a</AccessKeyId><SecretAccessKey>b</SecretAccessKey><SessionToken>c</SessionToken>'
    const expiration = `<Expiration>${new Date(Date.now() + 3_600_000).toISOString()}</Expiration>`
    response.end(`<Result><Credentials>${keys}${expiration}</Credentials></Result>`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    asked,
    env: {
      ACTIONS_ID_TOKEN_REQUEST_URL: `${url}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'the-request-token',
      AWS_ENDPOINT_URL_STS: url,
    },
    async close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
