import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { commandNames, runCli } from '../support/cli.ts'
import { makeDirectory } from '../support/repo.ts'

const has = (shell: string) => spawnSync(shell, ['--version']).status === 0

const scripts = new Map<string, string>()
const dir = makeDirectory()

beforeAll(async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout } = await runCli(['completion', shell])
    scripts.set(shell, stdout)
    writeFileSync(join(dir, shell), stdout)
  }
  for (const name of ['all.yaml', 'a b.yaml']) writeFileSync(join(dir, name), '')
})

describe.skipIf(!has('bash'))('bash', () => {
  const run = (script: string) =>
    execFileSync('bash', ['--norc', '-c', script], { cwd: dir, encoding: 'utf8' }).replace(/\n$/, '')

  /** What is offered for the last of these words. */
  function offers(...words: readonly string[]): string[] {
    const quoted = ['modpress', ...words].map((word) => `'${word}'`).join(' ')
    const script = `source ./bash; COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _modpress
      [[ \${#COMPREPLY[@]} == 0 ]] || printf '%s\\n' "\${COMPREPLY[@]}"`
    return run(script)
      .split('\n')
      .filter((line) => line !== '')
  }

  test('knows who completes', () => {
    expect(run('source ./bash; complete -p modpress')).toBe('complete -F _modpress modpress')
  })

  test.for([
    [[''], commandNames],
    [['b'], ['build']],
    [['--json', 'b'], ['build']],
    [['--output', 'build', 'pl'], ['plan']],
    [['build', '--f'], ['--fail-on']],
    [
      ['build', '--no'],
      ['--no-index', '--no-color'],
    ],
    [['serve', '--no'], ['--no-color']],
    [
      ['build', '--fail-on', ''],
      ['new', 'error', 'warning', 'never'],
    ],
    [
      ['build', '--fail-on', '=', 'ne'],
      ['new', 'never'],
    ],
    [
      ['build', '--fail-on', '='],
      ['new', 'error', 'warning', 'never'],
    ],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [
      ['env', 'g'],
      ['github', 'gitlab'],
    ],
    [['help', 'pl'], ['plan']],
    [
      ['build', '--config', 'a'],
      ['all.yaml', 'a b.yaml'],
    ],
    [['build', '--url', ''], []],
    [['unknown', ''], []],
  ] as const)('%j offers %j', ([words, wanted]) => {
    expect(offers(...words).sort()).toEqual([...wanted].sort())
  })
})

test.skipIf(!has('zsh'))('zsh reads its script', () => {
  execFileSync('zsh', ['-f', '-n', join(dir, 'zsh')])
})

describe.skipIf(!has('fish'))('fish', () => {
  test.for([
    ['modpress b', 'build'],
    ['modpress build --fail-on w', 'warning'],
    ['modpress completion z', 'zsh'],
  ] as const)('%s offers %s', ([line, wanted]) => {
    const script = `source ./fish; complete -C ${JSON.stringify(line)}`
    expect(execFileSync('fish', ['--no-config', '-c', script], { cwd: dir, encoding: 'utf8' })).toContain(
      wanted,
    )
  })
})

test('every flag and command is in every script', async () => {
  const { stdout } = await runCli(['build', '--help'])
  const flags = [...stdout.matchAll(/^ {2}(?:-\w, )?--([\w-]+)/gm)].map(([, name = '']) => name)
  expect(flags).toContain('accept-moved')
  for (const [shell, script] of scripts) {
    for (const flag of flags)
      expect(script, `${flag} in ${shell}`).toContain(shell === 'fish' ? `-l ${flag}` : `--${flag}`)
  }
})
