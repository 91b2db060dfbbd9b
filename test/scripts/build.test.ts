/**
 * The bundle of the command: that it is whole, and that a run loads no more of
 * it than it needs.
 */

import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { addCode } from '../../scripts/build.ts'
import { cliFile, makeModule, runCli } from '../support/cli.ts'
import { makeDirectory } from '../support/repo.ts'

let bundle: string
beforeAll(() => {
  bundle = dirname(cliFile())
})

describe('the bundle', () => {
  test('imports nothing but itself, Node, and the packages that are left out of it', () => {
    const files = readdirSync(bundle).filter((name) => name.endsWith('.js'))
    const strangers = files.flatMap((name) => {
      const text = readFileSync(join(bundle, name), 'utf8')
      const imports = [...text.matchAll(/\brequire\("([^"]+)"\)(?:\("([^"]+)"\))?/g)].map(
        ([, called = '', imported]) => imported ?? called,
      )
      return imports.filter((each) => !files.includes(each.replace(/^\.\//, '')) && !isBuiltin(each))
    })
    expect([...new Set(strangers)].sort()).toEqual(['isomorphic-git', 'isomorphic-git/http/node', 'jiti'])
  })

  test('carries the licences of what it holds', () => {
    const text = readFileSync(join(bundle, 'LICENSES.txt'), 'utf8')
    for (const name of ['commander', 'fast-glob', 'p-limit', 'semver', 'yaml', 'zod'])
      expect(text).toMatch(new RegExp(`^==== ${name} \\d.*: (MIT|ISC)$`, 'm'))
  })

  test('has the version and the assets of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    expect((await runCli(['--version'])).stdout).toBe(`${version}\n`)
    const { dir } = makeModule('example.com/r', 'v1.0.0')
    await runCli(['build'], { cwd: dir })
    const style = new URL('../../public/style.css', import.meta.url)
    expect(readFileSync(join(dir, 'site/-/style.css'), 'utf8')).toBe(readFileSync(style, 'utf8'))
  })

  test('names places in the sources where MODPRESS_DEBUG asks for them', async () => {
    const dir = makeDirectory()
    const fault = join(dir, 'fault.mjs')
    writeFileSync(fault, `process.cwd = () => { throw new Error('It is broken.') }\n`)
    const env = { NODE_OPTIONS: `--import ${new URL(`file://${fault}`).href}` }
    const quiet = await runCli(['plan'], { env })
    expect(quiet.stderr).toContain('mistake in modpress: It is broken.')
    expect(quiet.stderr).not.toMatch(/ at .*\(/)
    const { stderr, status } = await runCli(['plan'], { env: { ...env, MODPRESS_DEBUG: '1' } })
    expect(stderr).toMatch(/ at .*src\/cli\/main\.ts:\d+/)
    expect(status).toBe(2)
  })
})

test('this Node takes the code that comes with the bundle', async () => {
  const dir = makeDirectory()
  cpSync(join(bundle, '../..'), dir, { recursive: true, verbatimSymlinks: true })
  const own = join(dir, 'dist/bin')
  addCode(own)
  const log = join(makeDirectory(), 'log')
  const watch = join(makeDirectory(), 'watch.cjs')
  writeFileSync(
    watch,
    `const { appendFileSync } = require('node:fs')
const vm = require('node:vm')
vm.Script = class extends vm.Script {
  constructor(text, options) {
    super(text, options)
    appendFileSync(${JSON.stringify(log)}, options.filename + ' ' + this.cachedDataRejected + '\\n')
  }
}
`,
  )
  const { dir: module } = makeModule('example.com/r', 'v1.0.0')
  const run = (args: readonly string[]) =>
    execFileSync(process.execPath, ['--require', watch, join(own, 'modpress.js'), ...args], { cwd: module })
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  expect(run(['--version']).toString()).toBe(`${version}\n`)
  writeFileSync(join(module, 'modpress.config.mjs'), 'export default { url: "https://go.example.com" }\n')
  run(['build', '--jobs', '2'])
  expect(existsSync(join(module, 'site/example.com/r/@v/v1.0.0.zip'))).toBe(true)
  const lines = readFileSync(log, 'utf8').split('\n')
  const taken = lines
    .filter((line) => line.endsWith(' false'))
    .map((line) => basename(line.split(' ')[0] ?? ''))
  expect(taken).toContain('command.js')
  // What is put together for such a run is a dozen pieces and more.
  expect(new Set(taken).size).toBeGreaterThan(12)
  expect(lines.filter((line) => line.endsWith(' true'))).toEqual([])
  expect(
    readdirSync(own).filter((name) => name.startsWith('thread.') && name.endsWith('.code')),
  ).toHaveLength(1)
  expect(readdirSync(own).filter((name) => /\.\d+$/.test(name))).toEqual([])
})

function isBuiltin(name: string): boolean {
  return builtinModules.includes(name.replace(/^node:/, ''))
}

describe('a run loads', () => {
  test.for([['--help'], ['build', '--help'], ['--version'], ['completion', 'bash']])(
    'only the table of commands for %s',
    (args) => {
      const { packages, sources } = loaded(args)
      expect(packages).toEqual(['commander'])
      const own = [
        'cli/commands.ts',
        'cli/main.ts',
        'cli/run.ts',
        'cli/values.ts',
        'config/package.ts',
        'model.ts',
        'problem.ts',
        'setup/consumers.ts',
      ]
      expect(sources).toEqual(args[0] === 'completion' ? ['cli/completion.ts', ...own].sort() : own)
    },
  )

  test('nothing that reads objects, writes, or asks git where there is nothing new', () => {
    const { dir } = makeModule('example.com/r', 'v1.0.0')
    const file = join(makeDirectory(), 'modpress.config.json')
    writeFileSync(file, JSON.stringify({ repositories: [{ root: 'example.com/r', dir }] }))
    const args = ['--config', file, 'build']
    const first = loaded(args)
    expect(first.sources).toEqual(expect.arrayContaining(writers))
    const { packages, sources } = loaded(args)
    expect(packages).toEqual(['commander', 'p-limit', 'yocto-queue', 'zod'])
    expect(sources.filter((each) => writers.includes(each))).toEqual([])
    // There is no address to speak with.
    expect(sources).not.toContain('git/remote.ts')
  })

  test('what reads YAML and patterns where there are any', () => {
    const { dir } = makeModule('example.com/r', 'v1.0.0')
    const file = join(makeDirectory(), 'modpress.config.yaml')
    writeFileSync(
      file,
      `repositories: [{ root: "example.com/{name}", dir: "${dirname(dir)}/${basename(dir)}*" }]`,
    )
    expect(loaded(['--config', file, 'build']).packages).toEqual(
      expect.arrayContaining(['fast-glob', 'yaml']),
    )
  })
})

const writers = [
  'archive.ts',
  'derive.ts',
  'git/facts.ts',
  'git/native.ts',
  'pack.ts',
  'plan.ts',
  'press.ts',
  'renew.ts',
  'render/pages.ts',
  'store/lock.ts',
  'write.ts',
]

/** Runs the command, and returns what it has loaded of packages and of our own sources. */
function loaded(args: readonly string[], cwd = makeDirectory()): Loaded {
  const coverage = makeDirectory()
  // Node names the files that it loads itself.
  const env = { ...process.env, NODE_V8_COVERAGE: coverage, MODPRESS_DEBUG: '1' }
  execFileSync(process.execPath, [cliFile(), ...args], { cwd, env, stdio: 'ignore' })
  const urls = readdirSync(coverage).flatMap((name) => {
    const { result } = JSON.parse(readFileSync(join(coverage, name), 'utf8'))
    return (result as readonly { readonly url: string }[]).map(({ url }) => url)
  })
  const files = urls.filter((url) => url.startsWith('file:')).map((url) => fileURLToPath(url))
  const all = files.flatMap((file) => {
    const map = join(bundle, `${basename(file)}.map`)
    // What starts a program was not put together from others.
    return existsSync(map) ? (JSON.parse(readFileSync(map, 'utf8')).sources as readonly string[]) : []
  })
  const find = (pattern: RegExp) =>
    [...new Set(all.flatMap((source) => pattern.exec(source)?.[1] ?? []))].sort()
  return {
    packages: find(/.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//),
    sources: find(/^(?!.*\/node_modules\/).*\/src\/(.+)$/),
  }
}

interface Loaded {
  readonly packages: readonly string[]
  readonly sources: readonly string[]
}
