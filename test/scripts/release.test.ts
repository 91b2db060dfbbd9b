/** What releases modpress, as far as it can be tried here: the Action's tree and tag, the image, the workflows. */

import { execFileSync, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { describeMissing, findMissing, partFile } from '../../scripts/parts.ts'
import { makeAction } from '../support/action.ts'
import { makeModule } from '../support/cli.ts'
import { makeDirectory, runGit } from '../support/repo.ts'

// Each starts some dozens of processes.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const top = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string) => readFileSync(join(top, path), 'utf8')
const workflows = readdirSync(join(top, '.github/workflows')).map((name) => `.github/workflows/${name}`)

const missing = findMissing('actionlint', 'action-validator')
for (const part of missing) console.warn(describeMissing(part))
if (process.env['CI'] === 'true' && missing.length > 0)
  throw new Error(missing.map(describeMissing).join('\n'))

describe.skipIf(missing.length > 0)('linters', () => {
  test('take the workflows', () => {
    execFileSync(partFile('actionlint'), ['-no-color', ...workflows], { cwd: top })
  })

  test.for(['action.yml', ...workflows])('know %s', (file) => {
    execFileSync(partFile('action-validator'), [file], { cwd: top })
  })
})

test.for(['action.yml', ...workflows])(
  '%s names Actions of others by a commit, and has no expression in a script',
  (file) => {
    const text = read(file)
    for (const [, use = ''] of text.matchAll(/uses: (.*)/g)) {
      expect(use).toMatch(/^(?:\.\/|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$/)
    }
    const { jobs = {}, runs } = parse(text)
    const steps = [runs, ...Object.values(jobs)].flatMap((each) => each?.steps ?? [])
    for (const { run = '' } of steps) expect(run).not.toContain('${{')
  },
)

test('each input of the Action is handed on, and each output comes from a step', () => {
  const { inputs, outputs, runs } = parse(read('action.yml'))
  const text = JSON.stringify(runs)
  for (const name of Object.keys(inputs)) expect(text).toContain(`inputs.${name}`)
  for (const { value } of Object.values<{ value: string }>(outputs))
    expect(value).toMatch(/steps\.modpress\.outputs\./)
})

describe('what a release brings with it', () => {
  test('needs nothing but Node', () => {
    const dir = makeAction()
    const command = join(dir, 'dist/bin/modpress.js')
    const { dir: module } = makeModule('example.com/r', 'v1.0.0')
    writeFileSync(join(module, 'modpress.config.ts'), `export default { git: 'isomorphic' }\n`)
    const options = { cwd: module, env: { PATH: '' }, encoding: 'utf8', stdio: 'pipe' } as const
    expect(execFileSync(process.execPath, [command, 'plan'], options)).toContain(
      'add  example.com/r@v1.0.0\n',
    )
  })

  test('knows its own Action', () => {
    const dir = makeAction()
    const file = join(dir, 'package.json')
    const before = JSON.parse(readFileSync(file, 'utf8'))
    const repository = { type: 'git', url: 'git+https://github.com/acme/modpress-fork.git' }
    writeFileSync(file, JSON.stringify({ ...before, version: '2.1.0', repository }))
    const { dir: module } = makeModule('github.com/other/r', 'v1.0.0')
    const args = [join(dir, 'dist/bin/modpress.js'), 'init', '--ci', 'github', '--target', 's3://registry']
    execFileSync(process.execPath, args, { cwd: module, env: { PATH: '' }, stdio: 'pipe' })
    const workflow = readFileSync(join(module, '.github/workflows/modpress.yml'), 'utf8')
    expect(workflow).toContain('uses: acme/modpress-fork@v2\n')
  })

  test('is a commit that the major tag moves to, on top of the one before', () => {
    const remote = makeDirectory()
    runGit(remote, '', ['init', '--quiet', '--bare'])
    const git = (...args: readonly string[]) => runGit(remote, '', args).toString().trim()
    const source = makeTree('bundled')
    const release = (name: string) => {
      const args = [join(source, 'scripts/actiontag.ts'), name, remote]
      const env = { ...process.env, GIT_ALLOW_PROTOCOL: 'file' }
      execFileSync(process.execPath, ['--import', 'tsx', ...args], { cwd: source, env, stdio: 'pipe' })
    }
    const { dir: before, git: gitThere } = makeModule('example.com/before', 'v1')
    runGit(before, '', ['push', '--quiet', remote, 'v1'])
    release('v1.3.0')
    const files = git('ls-tree', '-r', '--name-only', 'v1').split('\n')
    for (const file of ['action.yml', 'dist/bin/modpress.js', 'node_modules/jiti/package.json']) {
      expect(files).toContain(file)
    }
    expect(files.filter((file) => /^(?:src|test|scripts)\//.test(file))).toEqual([])
    expect(git('rev-parse', 'v1^')).toBe(gitThere('rev-parse', 'v1'))
    expect(git('log', '-1', '--format=%s', 'v1')).toBe('The Action of v1.3.0')
  })
})

test('any other commit builds the command before it runs', () => {
  const source = makeTree('source')
  // npm would fetch the packages: they are there already. Compiling is left out; the bundle is made as it is.
  const bin = makeDirectory()
  const bundle = `import('./scripts/build.ts').then((build) => build.bundleCommand('dist/bin'))`
  const program = `#!/bin/sh
case "$1 $2" in
  'ci --include=dev') ln -s '${join(top, 'node_modules')}' node_modules ;;
  'run build') exec '${process.execPath}' --import tsx --eval "${bundle}" ;;
  *) exit 9 ;;
esac
`
  writeFileSync(join(bin, 'npm'), program, { mode: 0o755 })
  const { runs } = parse(read('action.yml'))
  const { run } = runs.steps.find(({ name = '' }) => name.startsWith('Build modpress'))
  const env = { PATH: `${bin}:${process.env['PATH']}`, GITHUB_ACTION_PATH: source }
  const build = () =>
    spawnSync('bash', ['-eo', 'pipefail', '-c', run], { cwd: source, env, encoding: 'utf8' })
  expect(build()).toMatchObject({ status: 0 })
  const version = execFileSync(process.execPath, [join(source, 'dist/bin/modpress.js'), '--version'])
  expect(version.toString().trim()).toBe(JSON.parse(read('package.json')).version)
  // It is there now, and npm is not asked again.
  writeFileSync(join(bin, 'npm'), '#!/bin/sh\nexit 9\n')
  expect(build()).toMatchObject({ status: 0 })
})

test('the image copies what is there, and runs as nobody special', () => {
  const text = read('Dockerfile')
  const sources = [...text.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, list = '']) =>
    list.split(' '),
  )
  expect(sources).not.toEqual([])
  const ignored = read('.dockerignore').split('\n')
  for (const source of sources) {
    expect(existsSync(join(top, source)), source).toBe(true)
    expect(ignored).not.toContain(source)
  }
  for (const needed of ['src', 'scripts', 'public', 'action.yml', 'README.md', 'tsconfig.json']) {
    expect(ignored).not.toContain(needed)
  }
  expect(text).toMatch(/\nUSER node\n/)
  expect(text).not.toMatch(/^ENTRYPOINT/m)
})

/** Copies what the Action is made from; 'bundled' has the command, too. */
function makeTree(kind: 'source' | 'bundled'): string {
  const dir = makeDirectory()
  for (const name of [
    'src',
    'scripts',
    'public',
    '.npmrc',
    'action.yml',
    'package.json',
    'package-lock.json',
  ]) {
    cpSync(join(top, name), join(dir, name), { recursive: true })
  }
  for (const name of ['LICENSE', 'README.md', 'CHANGELOG.md', 'tsconfig.json'])
    copyFileSync(join(top, name), join(dir, name))
  rmSync(join(dir, 'scripts/bench'), { recursive: true, force: true })
  if (kind === 'bundled') {
    cpSync(join(makeAction(), 'dist'), join(dir, 'dist'), { recursive: true })
    symlinkSync(join(top, 'node_modules'), join(dir, 'node_modules'))
  }
  return dir
}
