import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { withLock } from '../../src/store/lock.ts'
import { cliFile, makeModule, parseLines, runCli } from '../support/cli.ts'
import { makeDirectory, type TestRepository } from '../support/repo.ts'

beforeAll(() => {
  cliFile()
})

/** Repositories that no test changes. */
const mixed = makeMixed()
const good = makeModule('example.com/r', 'v1.0.0')

const url = ['--url', 'https://go.example.com']

/** A module with a good version and one that go refuses. */
function makeMixed(): TestRepository {
  return makeModule('example.com/r', 'v1.0.0', 'v2.0.0')
}

/** Moves a tag to other content. */
function moveTag(repository: TestRepository, tag: string): void {
  repository.commit({ 'r.go': `package r // moved ${tag}\n` })
  repository.git('tag', '--force', tag)
}

function listTree(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((path) => {
      const stats = statSync(join(dir, path))
      return `${path} ${stats.isDirectory() ? '' : stats.size} ${stats.mtimeMs}`
    })
}

describe('build', () => {
  test('tells what was added and refused, and why', async () => {
    const { dir } = makeMixed()
    const { status, stdout, stderr } = await runCli(['build', ...url], { cwd: dir })
    expect(stdout).toBe(
      'added    example.com/r@v1.0.0\n' +
        'refused  example.com/r/v2@v2.0.0  major-version-mismatch\n' +
        '1 added, 0 kept, 1 refused; 0 errors, 1 warning\n',
    )
    expect(stderr).toMatch(
      /^warning: example\.com\/r\/v2@v2\.0\.0: .*\(major-version-mismatch\)\n {2}hint: .*\n$/,
    )
    expect(status).toBe(0)
  })

  test('counts what the last run told already', async () => {
    const { dir } = makeMixed()
    await runCli(['build', ...url], { cwd: dir })
    const before = listTree(join(dir, 'site'))
    expect(await runCli(['build', ...url], { cwd: dir })).toEqual({
      status: 0,
      stdout: '0 added, 1 kept, 1 refused; 0 errors, 0 warnings (1 known)\n',
      stderr: '',
    })
    expect(listTree(join(dir, 'site'))).toEqual(before)
  })

  test('prints one object a line with --json, and last the report', async () => {
    const { dir } = makeMixed()
    const { status, stdout, stderr } = await runCli(['build', '--json', ...url], { cwd: dir })
    const lines = parseLines(stdout)
    expect(lines.filter(({ type }) => type === 'version')).toEqual([
      { type: 'version', action: 'add', module: 'example.com/r', version: 'v1.0.0' },
      { type: 'version', action: 'refuse', module: 'example.com/r/v2', version: 'v2.0.0' },
    ])
    expect(lines.filter(({ type }) => type === 'problem')).toEqual([
      {
        type: 'problem',
        code: 'major-version-mismatch',
        severity: 'warning',
        known: false,
        repository: 'example.com/r',
        ref: 'refs/tags/v2.0.0',
        module: 'example.com/r/v2',
        version: 'v2.0.0',
        subject: 'example.com/r/v2@v2.0.0',
        message: expect.any(String),
        hint: expect.any(String),
      },
    ])
    expect(lines.at(-1)).toEqual({
      type: 'report',
      command: 'build',
      exit: 0,
      counts: { added: 1, kept: 0, refused: 1, errors: 0, warnings: 1, known: 0 },
    })
    expect(lines.filter(({ type }) => type === 'report')).toHaveLength(1)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test('makes no pseudo-version while a tag before it cannot be read, and the right one once it can', async () => {
    const repository = makeModule('example.com/r', 'v1.0.0')
    const { dir, gitDir } = repository
    repository.commit({ 'go.mod': 'module example.com/r\n\ngo 1.22\n' })
    repository.git('tag', 'v1.1.0')
    const goMod = repository.git('rev-parse', 'v1.1.0:go.mod')
    repository.commit({ 'r.go': 'package r // later\n', 'go.mod': 'module example.com/r\n\ngo 1.23\n' })
    const config = `url: https://go.example.com\noutput: site\nrepositories: [{ root: example.com/r, dir: ., branches: [main] }]\n`
    writeFileSync(join(dir, 'modpress.config.yaml'), config)
    const object = join(gitDir, 'objects', goMod.slice(0, 2), goMod.slice(2))
    const versions = () =>
      readdirSync(join(dir, 'site/example.com/r/@v')).filter((name) => /^v.*zip$/.test(name))

    renameSync(object, `${object}.away`)
    const broken = await runCli(['build'], { cwd: dir })
    expect(broken.stderr).toMatch(/v1\.1\.0: .*\(object-missing\)/)
    expect(versions()).toEqual(['v1.0.0.zip'])

    renameSync(`${object}.away`, object)
    expect(await runCli(['build'], { cwd: dir })).toMatchObject({ status: 0, stderr: '' })
    expect(versions()).toEqual([
      'v1.0.0.zip',
      'v1.1.0.zip',
      expect.stringMatching(/^v1\.1\.1-0\.\d{14}-[0-9a-f]{12}\.zip$/),
    ])
  })

  test('ends where a directory of many is missing from the clone', async () => {
    const repository = makeModule('example.com/r', 'v1.0.0')
    const { dir, gitDir } = repository
    const deep = Array.from({ length: 300 }, (_, index) =>
      ['d', 'a', 'b', 'c', 'd'].map((name) => `${name}${index}`).join('/'),
    )
    repository.commit(Object.fromEntries(deep.map((path) => [`${path}/f.go`, `package d // ${path}\n`])))
    repository.git('tag', 'v1.1.0')
    const tree = repository.git('rev-parse', 'v1.1.0:d1')
    rmSync(join(gitDir, 'objects', tree.slice(0, 2), tree.slice(2)))
    const { status, stdout, stderr } = await runCli(['build', ...url], { cwd: dir })
    expect(stdout).toContain('added    example.com/r@v1.0.0\n')
    expect(stderr).toContain(`The object ${tree} is not in the repository.`)
    expect(status).toBe(1)
  })

  test('--fail-on says which problems make it fail', async () => {
    const repository = makeMixed()
    const { dir } = repository
    const build = async (...args: readonly string[]) =>
      (await runCli(['build', ...args, ...url], { cwd: dir })).status
    expect(await build('--fail-on', 'new')).toBe(0)
    expect(await build('--fail-on', 'warning')).toBe(1)
    moveTag(repository, 'v1.0.0')
    expect(await build()).toBe(1)
    expect(await build()).toBe(0)
    expect(await build('--fail-on', 'error')).toBe(1)
    expect(await build('--fail-on', 'never')).toBe(0)
  })

  test('prints the entry that accepts a new error, and takes it', async () => {
    const repository = makeModule('example.com/r', 'v1.0.0')
    const cwd = makeDirectory()
    const config = `url: https://go.example.com\nrepositories: [{ root: example.com/r, dir: "${repository.dir}" }]\n`
    writeFileSync(join(cwd, 'modpress.config.yaml'), config)
    await runCli(['build'], { cwd })
    moveTag(repository, 'v1.0.0')
    const { status, stderr } = await runCli(['build'], { cwd })
    expect(status).toBe(1)
    const entry = stderr.slice(stderr.indexOf('accept:'))
    expect(parse(entry)).toEqual({
      accept: [{ module: 'example.com/r', version: 'v1.0.0', code: 'tag-moved', reason: '…' }],
    })
    writeFileSync(join(cwd, 'modpress.config.yaml'), `${config}${entry}`)
    const accepted = await runCli(['build', '--fail-on', 'error'], { cwd })
    expect(accepted).toMatchObject({ status: 0, stderr: '' })
  })

  test('--accept-moved accepts a moved tag for good', async () => {
    const repository = makeModule('example.com/r', 'v1.0.0')
    const { dir } = repository
    await runCli(['build', ...url], { cwd: dir })
    moveTag(repository, 'v1.0.0')
    const accept = ['--accept-moved', 'example.com/r@v1.0.0']
    expect(await runCli(['build', ...accept, ...url], { cwd: dir })).toMatchObject({ status: 0 })
    expect(await runCli(['build', '--fail-on', 'error', ...url], { cwd: dir })).toMatchObject({ status: 0 })
  })

  test('--quiet leaves errors and warnings', async () => {
    const { dir } = makeMixed()
    const { stdout, stderr } = await runCli(['build', '--quiet'], { cwd: dir })
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^warning: .*\n {2}hint: .*\n$/)
    expect(await runCli(['build', '--quiet'], { cwd: dir })).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  test('--no-index leaves the front page to index', async () => {
    const { dir } = makeModule('example.com/r', 'v1.0.0')
    await runCli(['build', '--no-index', ...url], { cwd: dir })
    expect(readdirSync(join(dir, 'site'))).not.toContain('index.html')
    const { status, stdout, stderr } = await runCli(['index', ...url], { cwd: dir })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toBe('index written; 0 errors, 0 warnings\n')
    expect(readdirSync(join(dir, 'site'))).toContain('index.html')
  })

  test('ends with 75 where another run writes the site', async () => {
    const { dir } = makeModule('example.com/r', 'v1.0.0')
    const output = join(makeDirectory(), 'site')
    await withLock(output, async () => {
      const { status, stdout } = await runCli(['build', '--json', '--output', output], { cwd: dir })
      expect(status).toBe(75)
      expect(parseLines(stdout).slice(-2)).toMatchObject([
        { type: 'problem', code: 'output-locked', severity: 'error' },
        { type: 'report', command: 'build', exit: 75, counts: { added: 0, errors: 1 } },
      ])
    })
  })

  test('ends with 2 where the output cannot be written', async () => {
    const { dir } = makeModule('example.com/r', 'v1.0.0')
    const file = join(makeDirectory(), 'file')
    writeFileSync(file, '')
    // A directory that takes no new names is there on Linux alone.
    const outputs = [
      join(file, 'site'),
      ...(existsSync('/proc/self') ? ['/proc/modpress', '/proc/modpress/site'] : []),
    ]
    for (const output of outputs) {
      const { status, stderr } = await runCli(['build', '--output', output], { cwd: dir })
      expect(status).toBe(2)
      expect(stderr).toMatch(/^error: .*\(output-unwritable\)/)
    }
  })

  test('makes the directories above the output', async () => {
    const { dir } = makeModule('example.com/r', 'v1.0.0')
    expect(await runCli(['build', '--output', 'a/b/../c/site', ...url], { cwd: dir })).toMatchObject({
      status: 0,
    })
    for (const each of ['a', 'a/c', 'a/c/site', 'a/c/site/example.com/r/@v'])
      expect(statSync(join(dir, each)).mode & 0o777).toBe(0o755)
  })
})

describe('colours', () => {
  const sequence = '\u001b['

  test.for([
    [{}, [], false],
    [{ FORCE_COLOR: '1' }, [], true],
    [{ FORCE_COLOR: '0' }, [], false],
    [{ FORCE_COLOR: '1', NO_COLOR: '1' }, [], false],
    [{ FORCE_COLOR: '1', NO_COLOR: '' }, [], true],
    [{ FORCE_COLOR: '1' }, ['--no-color'], false],
  ] as const)('%j with %j: %s', async ([env, args, isColored]) => {
    const { dir } = mixed
    const { stdout, stderr } = await runCli(['plan', ...args, ...url], { cwd: dir, env })
    expect([stdout.includes(sequence), stderr.includes(sequence)]).toEqual([isColored, isColored])
  })
})

describe('in a job on GitHub', () => {
  test('new problems are annotated, and the step gets an output and a summary', async () => {
    const { dir } = makeMixed()
    const out = makeDirectory()
    const env = {
      GITHUB_ACTIONS: 'true',
      GITHUB_OUTPUT: join(out, 'output'),
      GITHUB_STEP_SUMMARY: join(out, 'summary'),
    }
    const { stdout, stderr } = await runCli(['build', '--json', ...url], { cwd: dir, env })
    parseLines(stdout)
    expect(stderr).toMatch(
      /^::warning title=example\.com\/r\/v2@v2\.0\.0 major-version-mismatch::[^\n]*%0A[^\n]*\n$/,
    )
    expect(readFileSync(env.GITHUB_OUTPUT, 'utf8')).toBe(
      `added=["example.com/r@v1.0.0"]\ndirectory=${join(dir, 'site')}\n`,
    )
    const summary = readFileSync(env.GITHUB_STEP_SUMMARY, 'utf8')
    expect(summary).toMatch(/^### modpress build\n\n1 added, 0 kept, 1 refused/)
    expect(summary).toContain('| add | <code>example.com/r&#64;v1.0.0</code> |\n')

    const again = await runCli(['build', ...url], { cwd: dir, env })
    expect(again.stderr).toBe('')
    expect(readFileSync(env.GITHUB_OUTPUT, 'utf8')).toMatch(/\nadded=\[\]\ndirectory=.*\n$/)
  })
})

describe('plan', () => {
  test('writes nothing', async () => {
    const { dir } = makeMixed()
    const before = listTree(dir)
    const { status, stdout } = await runCli(['plan', ...url], { cwd: dir })
    expect(stdout).toBe(
      'add     example.com/r@v1.0.0\n' +
        'refuse  example.com/r/v2@v2.0.0  major-version-mismatch\n' +
        '1 to add, 0 to keep, 1 refused; 0 errors, 1 warning\n',
    )
    expect(status).toBe(0)
    expect(listTree(dir)).toEqual(before)
    await runCli(['build', ...url], { cwd: dir })
    const built = listTree(dir)
    const { stdout: later } = await runCli(['plan', ...url], { cwd: dir })
    expect(later).toBe(
      'refuse  example.com/r/v2@v2.0.0  major-version-mismatch (known)\n' +
        '0 to add, 1 to keep, 1 refused; 0 errors, 0 warnings (1 known)\n',
    )
    expect(listTree(dir)).toEqual(built)
  })

  test.for([
    [['v1.4.0'], 0, 'add  example.com/r@v1.4.0\nv1.4.0 would be accepted\n'],
    [['v1.4.0', 'v1.0.0'], 0, 'add  example.com/r@v1.4.0\nv1.4.0 would be accepted\n'],
    [['v3.0.0'], 1, 'refuse  example.com/r/v3@v3.0.0  major-version-mismatch\nv3.0.0 would be refused\n'],
    [['nightly'], 1, 'nightly would publish nothing\n'],
  ] as const)('--as %j ends with %d', async ([args, wanted, answer]) => {
    const { dir } = good
    const before = listTree(dir)
    const { status, stdout } = await runCli(['plan', ...url, '--as', ...args], { cwd: dir })
    expect(stdout).toBe(answer)
    expect(status).toBe(wanted)
    expect(listTree(dir)).toEqual(before)
  })

  test.for([
    [['v1.4.0', 'nowhere'], 'commit-unknown'],
    [['v1.0.0'], 'usage'],
  ] as const)('--as %j cannot be answered', async ([args, code]) => {
    const { dir } = good
    const { status, stdout } = await runCli(['plan', '--json', '--as', ...args], { cwd: dir })
    const lines = parseLines(stdout)
    expect(lines).toMatchObject([
      { type: 'problem', code },
      { type: 'report', command: 'plan', exit: 2 },
    ])
    expect(status).toBe(2)
  })
})
