import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { makeSamples, moveTag } from '../../scripts/samples.ts'
import { missingTools } from '../support/gorun.ts'
import { makeDirectory, openRepository } from '../support/repo.ts'

const missing = missingTools('go', 'git')

test('the samples are the same wherever they are made, until the tag moves', () => {
  const ids = [makeDirectory(), makeDirectory()].map((dir) => {
    makeSamples(dir)
    const before = refsOf(dir)
    moveTag(dir)
    return { before, after: refsOf(dir) }
  })
  expect(ids[0]).toEqual(ids[1])
  const { before = [], after = [] } = ids[0] ?? {}
  const changed = before.filter((line) => !after.includes(line)).map((line) => line.split(' ')[1])
  expect(changed).toEqual(['refs/heads/main', 'refs/tags/v1.0.1'])
})

test.skipIf(missing !== undefined && process.env['CI'] !== 'true')(
  'the demo goes as planned, and leaves a site',
  { timeout: 120_000 },
  () => {
    const dir = join(makeDirectory(), 'demo')
    const { status, stdout, stderr } = runDemo(dir)
    expect(status, stdout + stderr).toBe(0)
    expect(stdout).toContain('(tag-moved)')
    expect(stdout).toContain('All of it went as planned')
    expect(stdout).not.toMatch(/^ {3}NO /m)
    expect(existsSync(join(dir, 'site/index.html'))).toBe(true)
  },
)

test('the demo fails where git is missing, and says what to install', { timeout: 120_000 }, () => {
  const dir = join(makeDirectory(), 'demo')
  const { status, stderr } = runDemo(dir, { PATH: makeDirectory() })
  expect(status).toBe(1)
  expect(stderr).toContain('MISSING: git.')
})

function runDemo(dir: string, more: NodeJS.ProcessEnv = {}) {
  const script = fileURLToPath(new URL('../../scripts/demo.ts', import.meta.url))
  const command = ['--import', import.meta.resolve('tsx'), script, dir]
  return spawnSync(process.execPath, command, { encoding: 'utf8', env: { ...process.env, ...more } })
}

function refsOf(dir: string): string[] {
  return readdirSync(dir)
    .sort()
    .flatMap((name) =>
      openRepository(join(dir, name)).git('for-each-ref', '--format=%(objectname) %(refname)').split('\n'),
    )
}
