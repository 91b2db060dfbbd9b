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

/**
 * What a host with a gatekeeper answers to a path where there is nothing, where the own prefix is github.com/Acme: the
 * status, and what it says, in plain text but for "html".
 */
export const errorAnswers: readonly (readonly [path: string, status: number, says: string])[] = [
  // Of all others, what is missing is missing.
  ['/nowhere', 404, 'html'],
  ['/github.com/', 404, 'html'],
  ['/github.com/acmecorp/x', 404, 'html'],
  ['/github.com/acmecorp/x/@v/list', 404, 'not found'],
  ['/github.com/!acme!corp/x/@v/list', 404, 'not found'],
  ['/github.com/@v/list', 404, 'not found'],
  ['/github.com/acmecorp/x/@v/v1.0.0.info', 404, 'not found'],
  ['/github.com/acmecorp/x/@latest', 404, 'not found'],
  ['/example.com/github.com/!acme/x/@v/list', 404, 'not found'],
  ['/sumdb/sum.golang.org/supported', 404, 'not found'],
  ['/sumdb/sum.golang.org/lookup/github.com/!acme/x@v1.0.0', 404, 'not found'],
  ['/-/tmp/half', 404, 'html'],
  ['/-/lock', 404, 'html'],
  // Below the own prefix.
  ['/github.com/!acme/@v/list', 200, ''],
  ['/github.com/!acme/x/@v/list', 200, ''],
  ['/github.com/%21acme/x/y/v2/@v/list', 200, ''],
  ['/github.com/acme/x/@v/list', 200, ''],
  ['/github.com/!a!c!m!e/!x/@v/list', 200, ''],
  ['/github.com/!acme/x/@latest', 404, 'not found'],
  ['/github.com/!acme/x/@v/v1.0.0.info', 403, 'no other one is asked'],
  ['/github.com/!acme/x/@v/main.info', 403, 'no other one is asked'],
  ['/github.com/%21acme/x/@v/v1.0.0.mod', 403, 'no other one is asked'],
  ['/github.com/%21acme/x/@v/v2.0.0+incompatible.zip', 403, 'no other one is asked'],
  ['/github.com/!acme/sample/@v/v9.0.0.info', 403, 'no other one is asked'],
  ['/github.com/!acme/x', 404, 'html'],
  ['/github.com/!acme/x?go-get=1', 404, 'html'],
]

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
