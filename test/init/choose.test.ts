import { describe, expect, test } from 'vitest'
import { hostPresets } from '../../src/hosts/presets.ts'
import { chooseSetup, commonRoot, type Surroundings, type Wishes } from '../../src/init/choose.ts'
import { renderConfig } from '../../src/init/config.ts'
import { hostNames } from '../../src/model.ts'

const clone: Surroundings = {
  root: 'github.com/acme/billing',
  clones: [],
  hasOthers: false,
  hasJobsOf: [],
  origin: 'https://github.com/acme/billing.git',
}
const elsewhere: Surroundings = { clones: [], hasOthers: false, hasJobsOf: [] }
const unknown: Surroundings = { ...clone, origin: 'https://git.example.com/acme/billing.git' }

function choose(found: Surroundings, wishes: Wishes = {}) {
  const choices = chooseSetup(found, wishes)
  if ('severity' in choices) throw new Error(choices.message)
  return choices
}

describe('chooseSetup', () => {
  test.for<readonly [string, Surroundings, Wishes]>([
    ['neither a go.mod here, nor a clone', elsewhere, {}],
    ['by jobs of github alone', clone, { host: 'github-pages', ci: 'gitlab' }],
    ['by jobs of gitlab alone', clone, { host: 'gitlab-pages' }],
    ['has no target', clone, { host: 'netlify', target: 's3://registry' }],
    ['has no target', clone, { host: 'github-pages', target: 's3://registry' }],
    ['needs a bucket', clone, { host: 's3' }],
    ['with no host', clone, { registry: 'acme/registry', target: 's3://registry' }],
    ['no repository of the forge', clone, { registry: 'https://github.com/acme/registry' }],
    ['no repository of the forge', clone, { registry: 'acme/groups/registry' }],
    ['whose CI runs here', unknown, { registry: 'acme/registry' }],
    ['address of the Pages site', unknown, { host: 'github-pages' }],
  ])('refuses what is not clear: %s', ([message, found, wishes]) => {
    expect(() => choose(found, wishes)).toThrow(message)
  })

  test('opens a site to anyone only where a host is asked for that does so', () => {
    for (const host of hostNames) {
      const target = host === 's3' || host === 'cloudfront' ? { target: 's3://registry' } : {}
      const found = host === 'gitlab-pages' ? { ...clone, origin: 'https://gitlab.com/acme/billing' } : clone
      const isOpen = hostPresets[host].readers === 'anyone'
      expect(choose(found, { host, ...target }).access).toBe(isOpen ? 'public' : 'private')
    }
    for (const found of [clone, unknown, { ...clone, hasJobsOf: ['gitlab'] } as const]) {
      expect(choose(found)).toMatchObject({ host: 'generic', access: 'private' })
    }
  })

  test.for<readonly [string | undefined, Surroundings, Wishes]>([
    ['github', clone, {}],
    ['gitlab', { ...clone, origin: 'https://gitlab.example.com/acme/billing.git' }, {}],
    [undefined, unknown, {}],
    ['gitlab', { ...unknown, hasJobsOf: ['gitlab'] }, {}],
    ['gitlab', unknown, { host: 'gitlab-pages' }],
    ['gitlab', clone, { ci: 'gitlab' }],
  ])('chooses the CI of %s', ([ci, found, wishes]) => {
    expect(choose(found, wishes).ci).toBe(ci)
  })

  test.for([
    ['https://github.com/Acme/billing.git', 'https://acme.github.io/billing'],
    ['https://github.com/acme/acme.github.io', 'https://acme.github.io'],
  ])('knows the address of the Pages of %s', ([origin = '', url]) => {
    expect(choose({ ...clone, origin }, { host: 'github-pages' }).url).toBe(url)
  })

  test('takes a group within groups for a registry on GitLab', () => {
    const wishes = { registry: 'acme/groups/registry', ci: 'gitlab' } as const
    expect(choose(clone, wishes)).toMatchObject({ shape: 'notice', registry: 'acme/groups/registry' })
  })
})

test.for([
  [
    'go.example.com/mono',
    [
      ['a', 'go.example.com/mono/a'],
      ['b/v2', 'go.example.com/mono/b/v2'],
    ],
  ],
  ['go.example.com/mono', [['a', 'go.example.com/mono/a/v3']]],
  [
    undefined,
    [
      ['a', 'go.example.com/mono/a'],
      ['b', 'example.com/b'],
    ],
  ],
  [undefined, [['a', 'go.example.com/other']]],
] as const)('modules in directories agree on the root %s', ([root, modules]) => {
  expect(commonRoot(modules.map(([dir, path]) => ({ dir, path })))).toBe(root)
})

test('a configuration says who can read a site that anyone can read', () => {
  const text = renderConfig(choose(clone, { host: 'cloudflare' }))
  expect(text).toContain('# Anyone can read a site on Cloudflare Pages: all versions with their sources')
  expect(text).toContain('\naccess: public\nhost: cloudflare\n')
})
