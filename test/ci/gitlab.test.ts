/**
 * The CI/CD components and the jobs of GitLab that "modpress init" writes, run
 * from a tag to `go get` of that very version. test/support/pipeline.ts says
 * what is real in it.
 */

import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { describeMissing, findMissing } from '../../scripts/parts.ts'
import { ownVersion } from '../../src/config/package.ts'
import { renderComponents } from '../../src/init/gitlab.ts'
import { serveSite } from '../../src/serve.ts'
import { runCli } from '../support/cli.ts'
import { startGitServer } from '../support/gitserver.ts'
import { goGet, makePushedModule, type PushedModule } from '../support/module.ts'
import { runPipeline } from '../support/pipeline.ts'
import { makeDirectory } from '../support/repo.ts'
import { missingServer, type S3Server, startS3Server } from '../support/s3server.ts'

// Each starts some dozens of processes.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const root = 'gitlab.com/acme/billing'
const templates = new URL('../../templates/', import.meta.url)

const missing = findMissing('gitlab-ci-local', 'rsync')
for (const part of missing) console.warn(describeMissing(part))
if (process.env['CI'] === 'true' && missing.length > 0)
  throw new Error(missing.map(describeMissing).join('\n'))

function makeModule(more: Readonly<Record<string, string>> = {}): PushedModule {
  const files = { 'go.mod': `module ${root}\n\ngo 1.21\n`, 'billing.go': 'package billing\n' }
  return makePushedModule('git@gitlab.com:acme/billing.git', { ...files, ...more })
}

test('the components are those that scripts/components.ts writes, and say what their inputs are', () => {
  const texts = Object.entries(renderComponents(ownVersion()))
  expect(readdirSync(templates).sort()).toEqual([...texts.map(([name]) => `${name}.yml`), 'README.md'].sort())
  for (const [name, text] of texts) {
    expect(readFileSync(new URL(`${name}.yml`, templates), 'utf8')).toBe(text)
    const [head] = parseAllDocuments(text)
    const inputs = Object.keys(head?.toJS().spec.inputs)
    const used = [...text.matchAll(/\$\[\[ inputs\.([\w-]+) \]\]/g)].map(([, input]) => input)
    expect(inputs.sort()).toEqual([...new Set(used)].sort())
  }
})

describe.skipIf(missing.length > 0)('on GitLab', () => {
  test('new problems fail the pipeline after the site has been deployed', async () => {
    const module = makeModule()
    const init = await runCli(['init', '--host', 'gitlab-pages'], { cwd: module.dir })
    expect(init).toMatchObject({ status: 0 })
    module.release('v1.0.0')
    const pages = makeDirectory()
    const site = await serveSite(pages, { port: 0 })
    const deploy = (dir: string) => {
      for (const name of readdirSync(pages)) rmSync(join(pages, name), { recursive: true })
      cpSync(join(dir, 'public'), pages, { recursive: true })
    }
    try {
      const variables = { CI_PAGES_URL: site.url }
      const first = await runPipeline(module.upstream, 'v1.0.0', {
        variables: { ...variables, MODPRESS_NEW: 'true' },
      })
      expect(first.status, first.log).toBe(0)
      deploy(first.dir)
      expect(await goGet(site.url, `${root}@v1.0.0`)).toMatchObject({ status: 0 })

      module.commit({ 'billing.go': 'package billing // changed\n' })
      module.git('tag', '--force', 'v1.0.0')
      module.git('push', '--quiet', '--force', module.upstream, 'v1.0.0')
      module.release('v1.1.0')
      const second = await runPipeline(module.upstream, 'v1.1.0', { variables })
      expect(second.log).toContain('tag-moved')
      expect(second.log).toMatch(/PASS.*pages/)
      expect(second.log).toMatch(/FAIL.*modpress-problems/)
      expect(second.status).not.toBe(0)
      deploy(second.dir)
      expect(await goGet(site.url, `${root}@v1.1.0`)).toMatchObject({ status: 0 })
    } finally {
      await site.close()
    }
  })

  test('a registry presses the repositories of others, and leaves the site to a step that delivers it', async () => {
    const module = makeModule()
    module.release('v1.0.0')
    const git = await startGitServer(join(module.upstream, '..'))
    try {
      const registry = makePushedModule('git@gitlab.com:acme/registry.git', { 'README.md': 'Modules.\n' })
      const address = `${git.url}/${module.upstream.split('/').at(-1)}`
      expect(await runCli(['init', address, '--host', 'nginx'], { cwd: registry.dir })).toMatchObject({
        status: 0,
      })
      const config = readFileSync(join(registry.dir, 'modpress.config.yaml'), 'utf8')
      registry.commit({ 'modpress.config.yaml': config.replace(/root: .*/, `root: ${root}`) })
      registry.release('v0.0.1')
      const run = await runPipeline(registry.upstream, 'v0.0.1')
      expect(run.status, run.log).toBe(0)
      const site = await serveSite(join(run.dir, 'site'), { port: 0 })
      expect(await goGet(site.url, `${root}@v1.0.0`)).toMatchObject({ status: 0 })
      await site.close()
    } finally {
      await git.close()
    }
  })

  test('a job that has nothing to show leaves no site', async () => {
    const module = makeModule()
    await runCli(['init', '--host', 'gitlab-pages'], { cwd: module.dir })
    module.commit({ 'modpress.config.yaml': 'colour: blue\n' })
    module.release('v1.0.0')
    const run = await runPipeline(module.upstream, 'v1.0.0', {
      variables: { CI_PAGES_URL: 'http://127.0.0.1:9' },
    })
    expect(run.log).toContain('config-invalid')
    expect(run.status).not.toBe(0)
    expect(existsSync(join(run.dir, 'public'))).toBe(false)
  })
})

describe.skipIf(missing.length > 0 || missingServer('gofakes3') !== undefined)('the component', () => {
  let server: S3Server
  beforeAll(async () => {
    server = await startS3Server('gofakes3')
  })
  afterAll(() => server.close())

  test('publishes the version of a pushed tag into a bucket', async () => {
    // The catalog has the component of another project; here the project itself has it.
    const module = makeModule({
      'templates/publish.yml': readFileSync(new URL('publish.yml', templates), 'utf8'),
      '.gitlab-ci.yml': `include:
  - component: $CI_SERVER_FQDN/$CI_PROJECT_PATH/publish@$CI_COMMIT_SHA
    inputs:
      target: s3://${server.bucket}/component
`,
    })
    module.release('v1.0.0')
    const run = await runPipeline(module.upstream, 'v1.0.0', { variables: server.env })
    expect(run.status, run.log).toBe(0)
    const proxy = `${server.url}/${server.bucket}/component`
    expect(await goGet(proxy, `${root}@v1.0.0`)).toMatchObject({ status: 0 })
  })
})
