import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { build } from '../src/build.ts'
import { loadSettings } from '../src/config/load.ts'
import type { Config } from '../src/config/schema.ts'
import { describeConsumer, guessConsumer } from '../src/env.ts'
import { FatalError } from '../src/problem.ts'
import { consumers } from '../src/setup/consumers.ts'
import { makeModule, parseLines, runCli } from './support/cli.ts'
import { makeDirectory, openRepository } from './support/repo.ts'

const url = 'https://go.example.com'

async function shellOf(config: Config): Promise<string> {
  const settings = await loadSettings({ cwd: makeDirectory(), env: {}, config: { url, ...config } })
  return (await describeConsumer(settings, 'shell')).text
}

describe('the texts of the configuration', () => {
  test('are those of the site that is built of it', async () => {
    const cwd = makeDirectory()
    const repositories = ['go.example.com/a', 'github.com/acme/b'].map((root) => ({
      root,
      dir: makeModule(root, 'v1.0.0').dir,
    }))
    const settings = await loadSettings({ cwd, env: {}, config: { url, output: 'site', repositories } })
    const described = await Promise.all(consumers.map((kind) => describeConsumer(settings, kind)))
    await build(settings)
    for (const { file, text } of described) expect(readFileSync(join(cwd, 'site', file), 'utf8')).toBe(text)
    // Also once there is a site.
    for (const { kind, text } of described) expect((await describeConsumer(settings, kind)).text).toBe(text)
  })

  test('name what lies before a pattern', async () => {
    const repositories = [
      { root: 'go.example.com/{name}', dir: 'a/*' },
      { root: 'github.com/acme/{name}', dir: 'b/*' },
      { root: 'git.example.org/team/lib-{name}', dir: 'c/*' },
    ]
    const text = await shellOf({ repositories })
    expect(text).toContain('put GOPRIVATE "$(add "$(go env GOPRIVATE)" \'go.example.com\')"')
    expect(text).toContain("'git.example.org/team' 'github.com/acme')\"")
  })

  test('where a pattern may be anything, the configuration must say what is its own, or a site that was built', async () => {
    const repositories = [{ root: 'git.example.org/{path}', dir: 'repos/**' }]
    const error = await shellOf({ repositories }).catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(FatalError)
    expect(error).toMatchObject({
      exitCode: 2,
      problem: { code: 'usage', hint: expect.stringContaining('prefixes') },
    })
    expect(await shellOf({ repositories, prefixes: ['git.example.org/acme'] })).toContain(
      "'git.example.org/acme'",
    )

    const cwd = makeDirectory()
    const module = 'git.example.org/acme/x'
    const { dir } = makeModule(module, 'v1.0.0')
    await build(
      await loadSettings({
        cwd,
        env: {},
        config: { url, output: 'site', repositories: [{ root: module, dir }] },
      }),
    )
    const settings = await loadSettings({ cwd, env: {}, config: { url, output: 'site', repositories } })
    expect((await describeConsumer(settings, 'shell')).text).toContain("'git.example.org/acme'")
  })

  test('are none without an address', async () => {
    const settings = await loadSettings({
      cwd: makeDirectory(),
      env: {},
      config: { repositories: [{ root: 'example.com/x', dir: 'x' }] },
    })
    await expect(describeConsumer(settings, 'shell')).rejects.toMatchObject({
      exitCode: 2,
      problem: { code: 'usage', hint: expect.stringContaining('--url') },
    })
  })
})

test('the kind is that of the job, else of the system', () => {
  expect(guessConsumer({ GITHUB_ACTIONS: 'true' }, 'linux')).toBe('github')
  expect(guessConsumer({ GITLAB_CI: 'true' }, 'linux')).toBe('gitlab')
  expect(guessConsumer({}, 'win32')).toBe('windows')
  expect(guessConsumer({}, 'darwin')).toBe('shell')
})

describe('modpress env', () => {
  const clone = () => {
    const { dir } = makeModule('go.example.com/billing', 'v1.0.0')
    return openRepository(dir).dir
  }

  test('prints the text and nothing else, so that a shell can run it', async () => {
    const run = await runCli(['env', '--url', url], { cwd: clone() })
    expect(run).toMatchObject({ status: 0, stderr: '' })
    expect(run.stdout).toMatch(
      /^# Makes go on this machine read the modules of go\.example\.com\.\n[\s\S]*\n\)\n$/,
    )
    const inJob = await runCli(['env'], { cwd: clone(), env: { GITLAB_CI: 'true', MODPRESS_URL: url } })
    expect(inJob.stdout).toContain('.go-modules:\n')
    expect((await runCli(['env', 'docker', '--url', url], { cwd: clone() })).stdout).toMatch(/^# syntax=/)
  })

  test('--json gives it to programs', async () => {
    const { stdout } = await runCli(['env', 'renovate', '--json', '--url', url], { cwd: clone() })
    const [described, report, ...more] = parseLines(stdout)
    expect(described).toMatchObject({ type: 'env', kind: 'renovate', url, file: '-/setup/renovate.json' })
    expect(JSON.parse(String(described?.['text']))).toHaveProperty('hostRules')
    expect(report).toMatchObject({ type: 'report', command: 'env', exit: 0 })
    expect(more).toEqual([])
  })

  test('without an address, and of a kind that is none, it says what to do', async () => {
    const without = await runCli(['env'], { cwd: clone() })
    expect(without).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringContaining('modpress env --url'),
    })
    const unknown = await runCli(['env', 'jenkins'], { cwd: clone() })
    expect(unknown).toMatchObject({ status: 2, stdout: '' })
    expect(unknown.stderr).toContain('shell, windows, docker, github, gitlab, renovate, dependabot')
  })
})

test('the configuration file is enough', async () => {
  const cwd = makeDirectory()
  const config = `url: ${url}\nrepositories:\n  - root: github.com/acme/{name}\n    dir: repos/*\n`
  writeFileSync(join(cwd, 'modpress.config.yaml'), config)
  const { stdout } = await runCli(['env', 'shell'], { cwd })
  expect(stdout).toContain("'github.com/acme'")
})
