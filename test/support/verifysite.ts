/**
 * A site with all that hosts stumble over: upper case, "+", "~", a module
 * below another, modules on the own host and on others, a query, a package.
 */

import { join } from 'node:path'
import { build } from '../../src/build.ts'
import { loadSettings } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { makeDirectory, makeRepository } from './repo.ts'

/** Builds the site and returns its directory. */
export async function buildVerifySite(more: Partial<Config> = {}): Promise<string> {
  const dir = makeDirectory()
  const log = makeRepository()
  const goMod = (path: string) => `module ${path}\n\ngo 1.21\n`
  const own = 'go.example.com/log'
  for (const tag of ['v1.0.0', 'v1.1.0', 'v1.2.0-RC1']) {
    log.commit({ 'go.mod': goMod(own), 'log.go': `package log // ${tag}\n`, 'sub/sub.go': 'package sub\n' })
    log.git('tag', tag)
  }
  log.commit({ 'sub/deep/go.mod': goMod(`${own}/sub/deep`), 'sub/deep/d.go': 'package deep\n' })
  log.git('tag', 'sub/deep/v0.1.0')
  const tool = makeRepository()
  for (const tag of ['v1.0.0', 'v2.0.0']) {
    tool.commit({ 'tool.go': `package tool // ${tag}\n` })
    tool.git('tag', tag)
  }
  const home = makeRepository()
  home.commit({ 'go.mod': goMod('git.example.com/~me/home'), 'home.go': 'package home\n' })
  home.git('tag', 'v0.1.0')
  const site = join(dir, 'site')
  const config: Config = {
    url: 'https://go.example.com',
    repositories: [
      { root: own, dir: log.dir, branches: ['main'] },
      { root: 'github.com/acme/Tool', dir: tool.dir, clone: 'https://github.com/acme/Tool' },
      { root: 'git.example.com/~me/home', dir: home.dir },
    ],
    ...more,
  }
  const report = await build(await loadSettings({ cwd: dir, env: {}, config, output: site }))
  const errors = report.problems.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) throw new Error(JSON.stringify(errors))
  return site
}
