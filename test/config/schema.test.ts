import { readFileSync } from 'node:fs'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { renderJsonSchema, renderReference } from '../../scripts/reference.ts'
import {
  type Config,
  checkRoot,
  configJsonSchema,
  defineConfig,
  findGlob,
  parseConfig,
  parseSiteUrl,
} from '../../src/config/schema.ts'

function faultOf(data: unknown): string {
  const parsed = parseConfig(data)
  return 'severity' in parsed ? `${parsed.code}: ${parsed.message}` : 'valid'
}

const withRepository = (repository: object) => ({ repositories: [{ root: 'example.com/x', ...repository }] })

describe('parseConfig', () => {
  test('an empty configuration has the defaults', () => {
    const defaults = {
      output: 'site',
      access: 'private',
      host: 'generic',
      git: 'auto',
      origin: true,
      maxGo: '1.26',
      memory: 128,
      accept: [],
      gatekeeper: false,
      prefixes: [],
    }
    expect(parseConfig({})).toEqual(defaults)
    expect(parseConfig(null)).toEqual(defaults)
  })

  test('the example of the reference is valid', () => {
    const config = defineConfig({
      url: 'https://go.example.com/',
      access: 'public',
      host: 'github-pages',
      repositories: [
        { root: 'go.example.com/billing', clone: 'https://git.example.com/acme/billing.git' },
        { root: 'go.example.com/{name}', dir: '../repos/*' },
        { root: 'gopkg.in/yaml.v3', dir: '../repos/yaml' },
        {
          root: 'go.example.com/sdk',
          dir: '../repos/polyglot',
          subdir: 'clients/go',
          directories: { exclude: ['internal/tools/**'] },
          versions: '>=v1.0.0',
          defaultBranch: 'main',
          branches: ['main'],
          commits: ['3f2c1d0', { from: '../apps/**/go.sum' }],
          source: 'gitlab',
        },
      ],
    })
    const parsed = parseConfig(config)
    expect(parsed).toMatchObject({ url: 'https://go.example.com', host: 'github-pages' })
  })

  test.for([
    [{ ulr: 'https://go.example.com' }, 'ulr: unknown key, did you mean "url"?'],
    [{ repository: [] }, 'repository: unknown key, did you mean "repositories"?'],
    [{ zebra: 1 }, 'zebra: unknown key; known are url, output, '],
    [withRepository({ dirr: 'x' }), 'repositories[0].dirr: unknown key, did you mean "dir"?'],
    [
      withRepository({ directories: { exlude: [] } }),
      'repositories[0].directories.exlude: unknown key, did you',
    ],
    [withRepository({ commits: [{ form: 'x' }] }), 'commits[0].form: unknown key, did you mean "from"?'],
    [withRepository({ commits: [3] }), 'commits[0]: must be a revision, a pseudo-version or { from: GLOB }'],
    [withRepository({ commits: ['--all'] }), 'commits[0]: must not begin with "-"'],
    [withRepository({ branches: ['-x'] }), 'branches[0]: must not begin with "-"'],
    [
      withRepository({ source: 'svn' }),
      'source: must be github, gitlab, gitea, bitbucket, cgit or { home, dir, file }',
    ],
    [withRepository({ source: { home: 'x', dir: 'y' } }), 'source.file: is missing'],
    [withRepository({ versions: '1.x' }), 'versions: must be a version range'],
    [withRepository({ subdir: '/x' }), 'subdir: must be a clean relative path'],
    [withRepository({ subdir: '-x' }), 'subdir: must be a clean relative path'],
    [withRepository({ subdir: 'a/../b' }), 'subdir: must be a clean relative path'],
    [withRepository({ subdir: 'a b' }), 'subdir: must be a clean relative path'],
    [withRepository({ subdir: 'a/' }), 'subdir: must be a clean relative path'],
    [withRepository({ clone: 'ext::sh' }), 'clone: must be an address'],
    [withRepository({ clone: '--upload-pack=x' }), 'clone: must be an address'],
    [withRepository({ clone: 'https://u:p@example.com/x' }), 'clone: must not hold credentials'],
    [withRepository({ clone: 'https://token@example.com/x' }), 'clone: must not hold credentials'],
    [withRepository({ web: 'javascript:alert(1)' }), 'web: must be an http or https address'],
    [{ repositories: [{ dir: 'x' }] }, 'repositories[0].root: is missing'],
    [{ repositories: [] }, 'repositories: must name a repository'],
    [{ repositories: [{ root: 'exa mple.com/x' }] }, 'root: is no import path: malformed'],
    [{ repositories: [{ root: 'localhost/x' }] }, 'root: is no import path: malformed'],
    [{ repositories: [{ root: 'gopkg.in/yaml' }] }, 'root: is no import path: malformed'],
    [{ repositories: [{ root: 'example.com/{name}' }] }, 'root: can hold {name} and {path} only beside'],
    [
      { repositories: [{ root: 'example.com/{name}', dir: '../x' }] },
      'root: can hold {name} and {path} only',
    ],
    [{ repositories: [{ root: 'example.com/{nam}', dir: '../*' }] }, 'root: is no import path'],
    [{ url: 'go.example.com' }, 'url: must be an http or https address'],
    [{ url: 'https://u@go.example.com' }, 'url: must be an http or https address'],
    [{ url: 'https://go.example.com/?a' }, 'url: must be an http or https address'],
    [{ url: 'file:///srv' }, 'url: must be an http or https address'],
    [{ maxGo: 1.26 }, 'maxGo: must be a text: put the version in quotes'],
    [{ maxGo: 'go1.26' }, 'maxGo: must be a Go version such as "1.26"'],
    [{ host: 'heroku' }, 'host: must be one of generic, nginx'],
    [{ host: 'netlify' }, 'host: everyone can read a site on netlify: write "access: public"'],
    [{ origin: 'no' }, 'origin: must be true or false'],
    [{ output: 3 }, 'output: must be a text'],
    [
      { accept: [{ module: 'm', code: 'nope', reason: 'r' }] },
      'accept[0].code: must be a code of docs/problems.md',
    ],
    [{ accept: [{ module: 'm', code: 'shallow', reason: '' }] }, 'accept[0].reason: must not be empty'],
    ['text', 'the file: must be an object with keys'],
    [[], 'the file: must be an object with keys'],
  ] as const)('%j is refused', ([data, want]) => {
    expect(faultOf(data)).toContain(want)
    expect(faultOf(data)).toMatch(/^config-invalid: /)
  })

  test('every fault is named at once', () => {
    const fault = faultOf({ ulr: 'x', maxGo: 2, repositories: [{ root: '' }] })
    expect(fault).toContain('ulr:')
    expect(fault).toContain('maxGo:')
    expect(fault).toContain('repositories[0].root:')
  })

  test('a password in an address is not repeated', () => {
    expect(faultOf(withRepository({ clone: 'https://u:hunter2@example.com/x' }))).not.toContain('hunter2')
  })
})

test.for([
  ['https://go.example.com', 'https://go.example.com', 'go.example.com'],
  ['https://Acme.GitHub.io/go/', 'https://acme.github.io/go', 'acme.github.io/go'],
  ['http://127.0.0.1:8080/', 'http://127.0.0.1:8080', '127.0.0.1'],
] as const)('the site %s has the address %s and the prefix %s', ([text, url, prefix]) => {
  expect(parseSiteUrl(text)).toEqual({ url, prefix })
})

test.for([
  'example.com',
  'example.com/x',
  'example.com/x/v2',
  'example.com/x/v1',
  'gopkg.in/yaml.v3',
  'gopkg.in/acme/yaml.v3',
])('%s can be a root', (root) => {
  expect(checkRoot(root)).toBeUndefined()
})

test.for([
  '',
  'example',
  'example.com/',
  'example.com//x',
  'gopkg.in/yaml',
  'Example.com/x',
  'example.com/../x',
])('%j cannot be a root', (root) => {
  expect(checkRoot(root)).toBeTypeOf('string')
})

test.for([
  ['../repos/*', true],
  ['../repos/**', true],
  ['../{a,b}', true],
  ['../[ab]', true],
  ['../repos', false],
  ['../a+b (old)', false],
  ['../{name}', false],
] as const)('whether %s is a glob: %s', ([path, want]) => {
  expect(findGlob(path) >= 0).toBe(want)
})

test('schema.json and docs/configuration.md are what scripts/schema.ts writes', () => {
  const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
  expect(read('schema.json')).toBe(renderJsonSchema(configJsonSchema()))
  expect(read('docs/configuration.md')).toBe(renderReference(configJsonSchema()))
})

test('a configuration in TypeScript is checked by its type', () => {
  expectTypeOf(defineConfig).parameter(0).toEqualTypeOf<Config>()
  // @ts-expect-error A misspelt key does not compile.
  defineConfig({ ulr: 'https://go.example.com' })
})

test('a gatekeeper needs a host that can be one, and prefixes are import paths', () => {
  expect(parseConfig({ host: 'nginx', gatekeeper: true })).toMatchObject({ gatekeeper: true })
  expect(parseConfig({ host: 's3', gatekeeper: true })).toMatchObject({ code: 'config-invalid' })
  expect(
    parseConfig({ prefixes: ['github.com/acme', 'go.example.com', 'git.example.com/a/b'] }),
  ).not.toHaveProperty('code')
  for (const bad of ['', 'github.com/', 'https://github.com/acme', 'GitHub.com', 'nodot/x', 'a.com/*']) {
    expect(parseConfig({ prefixes: [bad] }), bad).toMatchObject({ code: 'config-invalid' })
  }
})
