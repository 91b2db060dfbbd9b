import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { describeMissing, findMissing, isAtLeast, partFile } from '../../scripts/parts.ts'
import { makeDirectory } from '../support/repo.ts'

test.for([
  ['1.26.8', '1.25', true],
  ['1.25', '1.25', true],
  ['1.24.13', '1.25', false],
  ['1.9', '1.25', false],
  ['2.0', '1.25', true],
  ['1.25rc1', '1.25', true],
] as const)('%s is at least %s: %s', ([version, minimum, want]) => {
  expect(isAtLeast(version, minimum)).toBe(want)
})

test('a program that go compiles is looked for in the cache, by its version', () => {
  const cache = process.env['XDG_CACHE_HOME']
  onTestFinished(() => {
    if (cache === undefined) delete process.env['XDG_CACHE_HOME']
    else process.env['XDG_CACHE_HOME'] = cache
  })
  const dir = makeDirectory()
  process.env['XDG_CACHE_HOME'] = dir
  expect(findMissing('gofakes3').map(describeMissing)).toEqual([
    expect.stringMatching(/^MISSING: gofakes3\. .* go install .*\/cmd\/gofakes3@v\d+\.\d+\.\d+$/),
  ])
  mkdirSync(dirname(partFile('gofakes3')), { recursive: true })
  writeFileSync(partFile('gofakes3'), '')
  expect(partFile('gofakes3').startsWith(dir)).toBe(true)
  expect(findMissing('gofakes3')).toEqual([])
})

test('what is missing is named with the command that installs it', () => {
  const path = process.env['PATH']
  onTestFinished(() => {
    process.env['PATH'] = path
  })
  process.env['PATH'] = makeDirectory()
  const missing = findMissing('git', 'go')
  expect(missing.map(describeMissing)).toEqual([
    'MISSING: git. There is no git on the PATH. To have it: apt-get install -y git',
    expect.stringMatching(
      /^MISSING: go\. There is no go on the PATH\. To have it: install Go 1\.\d+ or newer/,
    ),
  ])
})
