/**
 * A registry for tests of hosts: modules with upper case in their paths,
 * versions with "+" and upper case, a branch, and one that consumers need.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { build } from '../../src/build.ts'
import { loadSettings } from '../../src/config/load.ts'
import type { Config, RepositoryConfig } from '../../src/config/schema.ts'
import { runGit } from './repo.ts'
import { makeSample } from './sample.ts'

export interface Hosted {
  /** The directory of the site. */
  readonly site: string
  /** All that is published, as "module@version". */
  readonly versions: readonly string[]
  /** Builds the site with other keys. */
  rebuild(config: Partial<Config>): Promise<void>
}

/** Makes the repositories below `dir` and builds the site. */
export async function makeHosted(dir: string, config: Partial<Config> = {}): Promise<Hosted> {
  const sample = makeSample(join(dir, 'sample'), 'github.com/Acme/sample')
  const legacy = join(dir, 'legacy')
  mkdirSync(legacy)
  const git = (...args: readonly string[]) => runGit(legacy, '', args)
  git('init', '--quiet', '--initial-branch=main')
  git('commit', '--quiet', '--allow-empty', '--message', 'one')
  for (const tag of ['v1.0.0', 'v1.1.0-RC1', 'v1.2.0-rc.gz.var', 'v2.0.0']) git('tag', tag)
  const repositories: readonly RepositoryConfig[] = [
    sample.repository,
    { root: 'github.com/Acme/Legacy', dir: legacy },
  ]
  const site = join(dir, 'site')
  const rebuild: Hosted['rebuild'] = async (more) => {
    const keys = { url: 'https://go.example.com', ...config, ...more, repositories }
    const settings = await loadSettings({ cwd: dir, env: {}, output: site, config: keys })
    await build(settings, { env: {} })
  }
  await rebuild({})
  const versions = [
    ...['v1.0.0', 'v1.1.0', 'v1.2.0', 'v1.3.1'].map((version) => `github.com/Acme/sample@${version}`),
    'github.com/Acme/sample/sub@v0.1.0',
    'github.com/Acme/sample/v2@v2.0.0',
    ...['v1.0.0', 'v1.1.0-RC1', 'v1.2.0-rc.gz.var', 'v2.0.0+incompatible'].map(
      (version) => `github.com/Acme/Legacy@${version}`,
    ),
  ]
  return { site, versions, rebuild }
}
