import { join } from 'node:path'
import { expect, test } from 'vitest'
import { index } from '../../src/build.ts'
import { loadSettings } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { checkHosting } from '../../src/hosts/hosting.ts'
import { hostNames } from '../../src/model.ts'
import { FatalError } from '../../src/problem.ts'
import { publish } from '../../src/publish.ts'
import { hashTree } from '../support/hash.ts'
import { makeDirectory } from '../support/repo.ts'
import { makeStage } from '../support/scenarios.ts'

test('a private site is not where everyone reads, and a gatekeeper only where there can be one', () => {
  const refused = (access: 'private' | 'public', gatekeeper: boolean) =>
    hostNames.filter((host) => checkHosting({ host, access, gatekeeper }).length > 0)
  expect(refused('private', false)).toEqual(['cloudflare', 'github-pages', 'netlify'])
  expect(refused('public', false)).toEqual([])
  expect(refused('public', true)).toEqual([
    'generic',
    's3',
    'cloudflare',
    'github-pages',
    'gitlab-pages',
    'netlify',
  ])
})

test.for<[string, Partial<Config>, Partial<Config>]>([
  ['private to a public host', { host: 'github-pages', access: 'public' }, { access: 'private' }],
  [
    'a gatekeeper to a host without',
    { host: 'nginx', gatekeeper: true },
    { host: 'netlify', access: 'public' },
  ],
  [
    'a gatekeeper to a Pages host',
    { host: 'cloudflare', access: 'public' },
    { host: 'caddy', gatekeeper: true },
  ],
])('what is taken from a site does not bring %s', async ([, there, given]) => {
  const stage = makeStage(makeDirectory())
  stage.config = { ...stage.config, ...there }
  await stage.build()
  const before = hashTree(stage.site)
  const config = { ...given, repositories: stage.repositories }
  const settings = await loadSettings({ cwd: stage.dir, env: {}, config })
  const target = join(stage.dir, 'site')
  const isAllowed =
    checkHosting({ access: 'public', gatekeeper: false, ...stage.config, ...given } as never).length === 0
  for (const run of [
    () => publish(settings, [target], { env: {} }),
    () => index(settings, { target, env: {} }),
    () => publish(settings, [join(stage.dir, 'other')], { env: {}, from: target }),
  ]) {
    const outcome = await run().catch((error: unknown) => error)
    if (isAllowed) expect(outcome).toMatchObject({ exit: 0 })
    else {
      expect(outcome).toBeInstanceOf(FatalError)
      expect(outcome).toMatchObject({ exitCode: 2, problem: { code: 'config-invalid' } })
      expect(hashTree(stage.site)).toBe(before)
    }
  }
})
