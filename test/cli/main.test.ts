import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { cliFile, commandNames, parseLines, runCli } from '../support/cli.ts'
import { makeDirectory } from '../support/repo.ts'

beforeAll(() => {
  cliFile()
})

describe('help', () => {
  test('names every command, and no other', async () => {
    const { status, stdout, stderr } = await runCli(['--help'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const commands = stdout.slice(stdout.indexOf('Commands:'), stdout.indexOf('Examples:'))
    const names = [...commands.matchAll(/^ {2}(\w+)/gm)].map(([, name]) => name)
    expect(names).toEqual(commandNames)
  })

  test.for(['build', 'plan', 'index', 'env', 'serve', 'completion'])(
    'of %s has an example',
    async (command) => {
      const [direct, asked] = await Promise.all([runCli([command, '--help']), runCli(['help', command])])
      expect(direct.status).toBe(0)
      expect(direct.stdout).toContain('Example')
      expect(direct.stdout).toContain('--json')
      expect(asked).toEqual(direct)
    },
  )

  test('is what a command line without a command gets, with status 2', async () => {
    const { status, stdout, stderr } = await runCli([])
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^Usage: modpress/)
  })

  test('the version is the package’s', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(await runCli(['--version'])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' })
  })
})

describe('a command line that is not understood', () => {
  test.for([
    [['buld'], /Unknown command 'buld'.*\n.*Did you mean build\?/],
    [['build', '--jbos', '2'], /Unknown option '--jbos'.*\n.*Did you mean --jobs\?/],
    [['build', '--jobs', 'two'], /--jobs.*'two' is invalid\. It must be a whole number/],
    [['build', '--jobs', '0'], /--jobs.*'0' is invalid/],
    [['build', '--fail-on', 'all'], /--fail-on.*'all' is invalid.*new, error, warning, never/],
    [['build', '--accept-moved', 'example.com/r'], /MODULE@VERSION/],
    [['build', 'here'], /Too many arguments/],
    [['plan', 'main'], /The revision main needs --as TAG/],
    [['plan', '--as'], /--as <TAG>.*argument missing/],
    [['serve', '--port', '70000'], /--port.*0 to 65535/],
    [['completion', 'powershell'], /bash, zsh, fish/],
    [['build', '--live'], /--live <URL\|DIR\|s3:\/\/…>.*argument missing/],
    [['build', '--new'], /--new needs --live/],
    [['build', '--parts', '2'], /Unknown option '--parts'/],
    [['build', '--shard', '3/2'], /must be one of so many, as 3\/16/],
    [['publish'], /missing required argument/i],
    [['withdraw', 'example.com/r', '--reason', 'x'], /MODULE@VERSION/],
    [['withdraw', 'example.com/r@v1.0.0'], /--reason/],
  ] as const)('%j is a problem', async ([args, message]) => {
    const { status, stdout, stderr } = await runCli(args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^error: .*\(usage\)\n {2}hint: .*--help|plan --as TAG REV/)
    expect(stderr).toMatch(message)
  })

  test('is one for programs, too', async () => {
    const { status, stdout, stderr } = await runCli(['build', '--jbos', '--json'])
    expect({ status, stderr }).toEqual({ status: 2, stderr: '' })
    const hint = 'Did you mean --jobs? See modpress build --help.'
    const problem = { type: 'problem', code: 'usage', severity: 'error', known: false, subject: '' }
    expect(parseLines(stdout)).toEqual([
      { ...problem, message: "Unknown option '--jbos'.", hint },
      {
        type: 'report',
        command: 'build',
        exit: 2,
        counts: { added: 0, kept: 0, refused: 0, errors: 1, warnings: 0, known: 0 },
      },
    ])
  })
})

describe('a run that cannot begin', () => {
  test('says that there is no configuration', async () => {
    const { status, stdout, stderr } = await runCli(['build'], { cwd: makeDirectory() })
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^error: There is no modpress.config file.*\(config-missing\)\n {2}hint: Write/)
  })

  test('names the key of the configuration that is wrong', async () => {
    const cwd = makeDirectory()
    writeFileSync(join(cwd, 'modpress.config.yaml'), 'ulr: https://go.example.com\n')
    const { status, stdout } = await runCli(['plan', '--json'], { cwd })
    const [problem, report] = parseLines(stdout)
    expect(problem).toMatchObject({ type: 'problem', code: 'config-invalid' })
    expect(problem?.['message']).toContain('did you mean "url"?')
    expect(report).toMatchObject({ type: 'report', command: 'plan', exit: 2 })
    expect(status).toBe(2)
  })

  test('names the configuration that is not there', async () => {
    const { status, stderr } = await runCli(['build', '--config', 'none.yaml'], { cwd: makeDirectory() })
    expect(status).toBe(2)
    expect(stderr).toMatch(/none\.yaml.*\(config-missing\)/)
  })
})
