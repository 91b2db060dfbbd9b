import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type LoadOptions, loadSettings } from '../../src/config/load.ts'
import { FatalError } from '../../src/problem.ts'

let dir: string

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'modpress-load-')))
})

afterEach(() => {
  rmSync(dir, { recursive: true, force: true })
})

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true })
    writeFileSync(join(dir, name), text)
  }
}

function git(...args: readonly string[]): void {
  const env = { PATH: process.env['PATH'], HOME: dir, GIT_CONFIG_NOSYSTEM: '1' }
  execFileSync('git', args, { cwd: dir, env, stdio: 'pipe' })
}

function load(options: Partial<LoadOptions> = {}) {
  return loadSettings({ cwd: dir, env: { HOME: '/home/gopher' }, ...options })
}

async function problemOf(loading: Promise<unknown>) {
  const error = await loading.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof FatalError)) throw new Error(`not a FatalError: ${error}`)
  expect(error.exitCode).toBe(2)
  return `${error.problem.code}: ${error.problem.message}`
}

describe('the configuration file', () => {
  const yaml = 'repositories:\n  - root: example.com/x\n    dir: ../x\n'

  test.for([
    ['modpress.config.yaml', yaml],
    ['modpress.config.yml', yaml],
    [
      'modpress.config.json',
      '{ "$schema": "./schema.json", "repositories": [{ "root": "example.com/x", "dir": "../x" }] }',
    ],
    ['modpress.config.mjs', 'export default { repositories: [{ root: "example.com/x", dir: "../x" }] }'],
    ['modpress.config.js', 'module.exports = { repositories: [{ root: "example.com/x", dir: "../x" }] }'],
    [
      'modpress.config.ts',
      'import { defineConfig } from "modpress"\nconst root: string = "example.com/x"\n' +
        'export default defineConfig({ repositories: [{ root, dir: "../x" }] })',
    ],
    [
      'modpress.config.mts',
      'export default { repositories: [{ root: "example.com/x", dir: "../x" }] } as const',
    ],
  ] as const)('%s is read', async ([name, text]) => {
    write({ [name]: text })
    const settings = await load()
    expect(settings.configFile).toBe(join(dir, name))
    expect(settings.base).toBe(dir)
    expect(settings.repositories).toEqual([
      {
        root: 'example.com/x',
        dir: join(dir, '../x'),
        subdir: '',
        directories: {},
        branches: [],
        commits: [],
      },
    ])
  })

  test('two of them are one too many', async () => {
    write({ 'modpress.config.json': '{}', 'modpress.config.yaml': '' })
    expect(await problemOf(load())).toMatch(
      /^config-invalid: .*modpress.config.json and modpress.config.yaml/,
    )
  })

  test('one above the current directory is found, up to the top of the clone', async () => {
    write({ 'modpress.config.yaml': yaml, 'a/b/x': '' })
    git('init', '-q')
    expect((await load({ cwd: join(dir, 'a/b') })).configFile).toBe(join(dir, 'modpress.config.yaml'))
  })

  test('one above the clone is not', async () => {
    write({ 'modpress.config.yaml': yaml, 'a/go.mod': 'module example.com/a\n' })
    git('init', '-q', 'a')
    expect((await load({ cwd: join(dir, 'a') })).configFile).toBeUndefined()
  })

  test.for([
    ['modpress.config.json', '{', 'cannot be read'],
    ['modpress.config.yaml', 'a: [', 'cannot be read'],
    ['modpress.config.mjs', 'export const x = 1', 'no default export'],
    ['modpress.config.ts', 'throw new Error("boom")', 'boom'],
    ['modpress.config.yaml', 'ulr: x', 'modpress.config.yaml is not valid: ulr: unknown key'],
  ] as const)('%s with the text %j is refused', async ([name, text, want]) => {
    write({ [name]: text })
    const problem = await problemOf(load())
    expect(problem).toMatch(/^config-invalid: /)
    expect(problem).toContain(want)
  })

  test('--config names another, which must be there', async () => {
    write({ 'conf/go.yaml': yaml })
    const settings = await load({ configFile: 'conf/go.yaml' })
    expect(settings.base).toBe(join(dir, 'conf'))
    expect(settings.output).toBe(join(dir, 'conf/site'))
    expect(await problemOf(load({ configFile: 'no.yaml' }))).toMatch(/^config-missing: /)
    write({ 'go.toml': '' })
    expect(await problemOf(load({ configFile: 'go.toml' }))).toMatch(/^config-invalid: .*must end in/)
  })
})

describe('flags, keys and the environment', () => {
  const env = {
    HOME: '/home/gopher',
    MODPRESS_URL: 'https://env.example.com',
    CI_PAGES_URL: 'https://ci.example.com/go',
  }
  const config = { repositories: [{ root: 'example.com/x', dir: 'x' }] }

  test.for([
    [
      { url: 'https://flag.example.com', config: { ...config, url: 'https://key.example.com' }, env },
      'flag.example.com',
    ],
    [{ config: { ...config, url: 'https://key.example.com' }, env }, 'key.example.com'],
    [{ config, env }, 'env.example.com'],
    [{ config, env: { ...env, MODPRESS_URL: '' } }, 'ci.example.com/go'],
    [{ config, env: {} }, undefined],
  ] as const)('the address is the first that is given', async ([options, prefix]) => {
    const settings = await load(options)
    expect(settings.prefix).toBe(prefix)
    expect(settings.url).toBe(prefix === undefined ? undefined : `https://${prefix}`)
  })

  test('a bad address in the environment is named by its variable', async () => {
    const problem = await problemOf(
      load({ config, env: { MODPRESS_URL: 'https://u:hunter2@x.example.com' } }),
    )
    expect(problem).toContain('MODPRESS_URL')
    expect(problem).not.toContain('hunter2')
  })

  test('paths are absolute', async () => {
    const settings = await load({
      config: { ...config, cache: '~/c', output: '../out' },
      output: undefined as never,
    })
    expect(settings.cache).toBe('/home/gopher/c')
    expect(settings.output).toBe(join(dirname(dir), 'out'))
    expect((await load({ config, output: 'o' })).output).toBe(join(dir, 'o'))
  })

  test('the cache follows the XDG specification', async () => {
    const cacheOf = async (xdg: string) =>
      (await load({ config, env: { HOME: '/home/gopher', XDG_CACHE_HOME: xdg } })).cache
    expect(await cacheOf('/var/cache')).toBe('/var/cache/modpress')
    expect(await cacheOf('relative')).toBe('/home/gopher/.cache/modpress')
    expect(await cacheOf('')).toBe('/home/gopher/.cache/modpress')
  })

  test.for([
    ['../repos/*', '../repos', '*'],
    ['../repos/*/go/*.git', '../repos', '*/go/*.git'],
    ['*', '.', '*'],
    ['./a/{b,c}/d', 'a', '{b,c}/d'],
    ['a/{b/x,c}/', 'a', '{b/x,c}'],
  ] as const)('the pattern %s is %s and %s', async ([pattern, fixed, glob]) => {
    const settings = await load({ config: { repositories: [{ root: 'example.com/{name}', dir: pattern }] } })
    expect(settings.repositories).toMatchObject([{ dir: join(dir, fixed), glob }])
  })

  test('a repository on the site itself needs a directory or an address', async () => {
    const url = 'https://go.example.com/x'
    const repositories = [{ root: 'go.example.com/x/billing' }]
    expect(await problemOf(load({ config: { url, repositories } }))).toContain('is the site itself')
    await load({ config: { url: 'https://other.example.com', repositories } })
  })

  test.for([
    [{ CI_DEFAULT_BRANCH: 'trunk' }, 'trunk'],
    [{ GITHUB_EVENT_PATH: 'event.json' }, 'develop'],
    [{ GITHUB_EVENT_PATH: 'missing.json' }, undefined],
    [{ CI_DEFAULT_BRANCH: '--x' }, undefined],
    [{}, undefined],
  ] as const)('the CI job %j has the default branch %s', async ([variables, want]) => {
    write({ 'event.json': '{ "repository": { "default_branch": "develop" } }' })
    const path =
      'GITHUB_EVENT_PATH' in variables ? { GITHUB_EVENT_PATH: join(dir, variables.GITHUB_EVENT_PATH) } : {}
    const settings = await load({ config, env: { ...variables, ...path } })
    expect(settings.ciDefaultBranch).toBe(want)
  })
})

describe('without a configuration', () => {
  test.for([
    ['module example.com/acme/x\n', 'example.com/acme/x'],
    ['// Comment\nmodule "example.com/acme/x/v3" // here\n', 'example.com/acme/x'],
    ['module gopkg.in/yaml.v3\n', 'gopkg.in/yaml.v3'],
  ] as const)('go.mod %j gives the root %s', async ([goMod, root]) => {
    write({ 'go.mod': goMod, 'sub/x': '' })
    git('init', '-q')
    git('remote', 'add', 'origin', 'git@git.example.com:acme/other.git')
    for (const cwd of [dir, join(dir, 'sub')]) {
      const settings = await load({ cwd })
      expect(settings.base).toBe(dir)
      expect(settings.output).toBe(join(dir, 'site'))
      expect(settings.repositories).toMatchObject([{ root, dir }])
    }
  })

  test('the origin gives the root where there is no go.mod', async () => {
    git('init', '-q')
    git('remote', 'add', 'origin', 'https://token@git.example.com/acme/x.git')
    expect((await load()).repositories).toMatchObject([{ root: 'git.example.com/acme/x', dir }])
  })

  test('a bare repository is known by its origin', async () => {
    git('init', '-q', '--bare')
    git('remote', 'add', 'origin', 'ssh://git@git.example.com:2222/acme/x')
    expect((await load()).repositories).toMatchObject([{ root: 'git.example.com/acme/x', dir }])
  })

  test('a linked worktree is a clone too', async () => {
    write({ 'main/go.mod': 'module example.com/x\n' })
    git('init', '-q', 'main')
    git('-C', 'main', 'add', '.')
    git('-C', 'main', '-c', 'user.name=a', '-c', 'user.email=a@example.com', 'commit', '-qm', 'x')
    git('-C', 'main', 'worktree', 'add', '-q', '../linked')
    expect((await load({ cwd: join(dir, 'linked') })).repositories).toMatchObject([
      { root: 'example.com/x', dir: join(dir, 'linked') },
    ])
  })

  test.for([
    [{}, 'neither a go.mod at its top nor an origin'],
    [{ 'go.mod': 'module x\n' }, 'gives the import path x, which go does not allow'],
  ] as const)('a clone with %j has no root', async ([files, want]) => {
    write(files)
    git('init', '-q')
    expect(await problemOf(load())).toContain(want)
  })

  test('a directory that is no repository ends the run', async () => {
    expect(await problemOf(load())).toMatch(/^config-missing: There is no modpress.config file in /)
  })
})
