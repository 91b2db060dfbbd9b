import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { build } from '../../src/build.ts'
import { loadSettings } from '../../src/config/load.ts'
import { makeDirectory, makeRepository, type TestRepository } from '../support/repo.ts'
import { filesBelow } from '../support/site.ts'

/** A repository with what a clone leaves out: branches that nobody asks for, and a forge's refs. */
function makeSource(): TestRepository {
  const repository = makeRepository()
  const { git, commit } = repository
  commit({ 'go.mod': 'module example.com/r\n', 'a.go': 'package a\n' })
  git('tag', 'v1.0.0')
  git('tag', 'build/17')
  git('tag', 'nightly')
  git('switch', '-q', '-c', 'side')
  commit({ 'side.go': 'package a\n' })
  git('tag', '-am', 'on a branch that is not cloned', 'v1.1.0-rc.1')
  commit({ 'side.go': 'package a // more\n' })
  git('branch', 'v9.0.0')
  git('update-ref', 'refs/pull/1/head', 'side')
  git('switch', '-q', 'main')
  commit({ 'a.go': 'package a // newer\n', 'sub/go.mod': 'module example.com/r/sub\n' })
  git('branch', 'next')
  return repository
}

describe('a site from an address is that from a whole clone', () => {
  test.for<readonly [string, { readonly commits?: string; readonly [key: string]: unknown }]>([
    ['as it is', {}],
    ['with branches', { branches: ['next', 'HEAD', 'side'] }],
    ['with another default branch', { defaultBranch: 'side' }],
    ['with a commit of a branch', { commits: 'side' }],
    ['with a default branch that is not there', { defaultBranch: 'gone' }],
  ])('%s', async ([, { commits, ...keys }]) => {
    const { dir, git } = makeSource()
    const cwd = makeDirectory()
    const clone = pathToFileURL(dir).href
    const wanted = commits === undefined ? keys : { commits: [git('rev-parse', commits)] }
    const press = async (output: string, more: object) => {
      const repositories = [{ root: 'example.com/r', clone, ...wanted, ...more }]
      const env = { PATH: process.env['PATH'] ?? '', HOME: cwd, GIT_CONFIG_NOSYSTEM: '1' }
      const config = { url: 'https://go.example.com', cache: 'cache', output, repositories }
      const report = await build(await loadSettings({ cwd, env, config }), { env })
      const files = filesBelow(join(cwd, output))
      return { report, files: files.map((name) => [name, readFileSync(join(cwd, output, name), 'latin1')]) }
    }
    const whole = await press('whole', { dir })
    expect(whole.files.length).toBeGreaterThan(10)
    expect(await press('cloned', {})).toEqual(whole)
    // Again, out of a clone that another configuration has been at.
    await press('other', { branches: ['side', 'v9.0.0'], commits: [] })
    expect(await press('again', {})).toEqual(whole)
  })
})
