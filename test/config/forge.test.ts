import { describe, expect, test } from 'vitest'
import { completeForge, type ForgeConfig } from '../../src/config/forge.ts'
import { type Config, parseConfig } from '../../src/config/schema.ts'
import { fillTemplate, fitsTemplate, isTemplate } from '../../src/config/template.ts'

function faultOf(entry: object): string {
  const parsed = parseConfig({ repositories: [{ root: 'go.example.com/{path}', ...entry }] })
  return 'severity' in parsed ? parsed.message : 'valid'
}

describe('an entry that stands for an owner', () => {
  test.for([
    { github: { org: 'acme' } },
    { github: { user: 'ann', url: 'https://github.example.com', forks: true, archived: 'exclude' } },
    { gitlab: { group: 'acme/libs', subgroups: false, include: ['a/**'], exclude: ['b'], topics: ['go'] } },
    { gitea: { owner: 'acme', url: 'https://git.example.com' }, versions: '>=v1.0.0', branches: ['main'] },
    { gitlab: { group: 'acme' }, clone: 'git@gitlab.com:acme/{path}.git', web: 'https://example.com/{name}' },
    { root: 'example.com/go/{name}', gitea: { owner: 'acme', url: 'http://127.0.0.1:3000/' } },
  ])('%j is valid', (entry) => {
    expect(faultOf(entry)).toBe('valid')
  })

  test.for<readonly [object, string]>([
    [{ root: 'go.example.com/x', github: { org: 'acme' } }, 'root: must hold {path} or {name}'],
    [{}, 'root: can hold {name} and {path} only beside'],
    [{ github: { org: 'acme' }, gitlab: { group: 'acme' } }, 'gitlab: cannot be beside "github"'],
    [{ github: { org: 'acme' }, dir: '../x' }, 'dir: cannot be beside "github"'],
    [{ github: { org: 'acme' }, clone: 'https://example.com/x' }, 'clone: must hold {path} or {name}'],
    [{ github: {} }, 'github: must have either "org" or "user"'],
    [{ github: { org: 'acme', user: 'ann' } }, 'github: must have either "org" or "user"'],
    [{ github: { organisation: 'acme' } }, 'github.organisation: unknown key; known are org'],
    [{ gitlab: { grup: 'acme' } }, 'gitlab.grup: unknown key, did you mean "group"?'],
    [{ github: { org: '../acme' } }, 'github.org: must be the name'],
    [{ gitlab: { group: 'acme/../x' } }, 'gitlab.group: must be the path'],
    [{ gitlab: { group: '1234' } }, 'and not its number'],
    [{ gitlab: { group: 'acme', url: 'http://gitlab.example.com' } }, 'gitlab.url: must be an https address'],
    [
      { gitlab: { group: 'acme', url: 'https://me:secret@gitlab.example.com' } },
      'gitlab.url: must be an https',
    ],
    [{ gitea: { owner: 'acme' } }, 'gitea.url: is missing'],
    [{ gitlab: { group: 'acme', topics: [] } }, 'gitlab.topics: must name a topic'],
    [{ gitlab: { group: 'acme', archived: 'keep' } }, 'gitlab.archived: must be one of include, exclude'],
  ])('%j is none: %s', ([entry, fault]) => {
    expect(faultOf(entry)).toContain(fault)
    expect(faultOf(entry)).not.toContain('secret@')
  })

  test('the types allow what the schema does', () => {
    const config: Config = { repositories: [{ root: 'go.example.com/{path}', gitlab: { group: 'acme' } }] }
    expect(parseConfig(config)).toHaveProperty('repositories')
  })
})

describe('completeForge', () => {
  test.for<readonly [ForgeConfig, string, string]>([
    [{ github: { org: 'a' } }, 'https://github.com', 'https://api.github.com'],
    [
      { github: { org: 'a', url: 'https://api.github.com/' } },
      'https://github.com',
      'https://api.github.com',
    ],
    [{ github: { org: 'a', url: 'https://a.ghe.com' } }, 'https://a.ghe.com', 'https://api.a.ghe.com'],
    [
      { github: { org: 'a', url: 'https://gh.example.com' } },
      'https://gh.example.com',
      'https://gh.example.com/api/v3',
    ],
    [
      { github: { org: 'a', url: 'https://gh.example.com/api/v3' } },
      'https://gh.example.com',
      'https://gh.example.com/api/v3',
    ],
    [{ gitlab: { group: 'a' } }, 'https://gitlab.com', 'https://gitlab.com/api/v4'],
    [
      { gitlab: { group: 'a', url: 'https://example.com/gitlab/api/v4/' } },
      'https://example.com/gitlab',
      'https://example.com/gitlab/api/v4',
    ],
    [
      { gitea: { owner: 'a', url: 'https://codeberg.org/' } },
      'https://codeberg.org',
      'https://codeberg.org/api/v1',
    ],
  ])('%j is read at %s and asked at %s', ([config, web, api]) => {
    expect(completeForge(config)).toMatchObject({
      web,
      api,
      owner: 'a',
      forks: 'exclude',
      archived: 'include',
    })
  })

  test('there is none where no key names one', () => {
    expect(completeForge({})).toBeUndefined()
  })
})

describe('templates', () => {
  test('are filled, and fit what they were filled to', () => {
    const values = { name: 'log', path: 'libs/log' }
    expect(fillTemplate('a/{path}/{name}', values)).toBe('a/libs/log/log')
    expect(isTemplate('a/{name}')).toBe(true)
    expect(isTemplate('a/{other}')).toBe(false)
    expect(fitsTemplate('go.example.com/{path}', 'go.example.com/libs/log')).toBe(true)
    expect(fitsTemplate('go.example.com/{name}', 'go.example.com/libs/log')).toBe(false)
    expect(fitsTemplate('go.example.com/{name}', 'goxexample.com/log')).toBe(false)
  })
})
