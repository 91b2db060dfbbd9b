/**
 * "go get" finds modules on the site's own host by their import path alone:
 * nobody sets GOPROXY, and there is no git to fall back to. The go command
 * speaks https with the host, reads the go-import tags of the pages, and takes
 * the modules from the proxy that they name.
 */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RepositoryConfig } from '../../src/config/schema.ts'
import { siteHandler } from '../../src/serve.ts'
import { makeFixture } from '../support/fixture.ts'
import { createGo, type Go, missingTools } from '../support/gorun.ts'
import { buildSite } from '../support/judge.ts'
import { filesBelow, siteModules } from '../support/site.ts'
import { mountAt, startTlsNetwork, type TlsNetwork } from '../support/tls.ts'

/** "ROOT" is the root in each site. The comments are hostile to pages. */
const lib = `A library.
-- v1.0.0:go.mod --
// Deprecated: <script>alert("1 & 2")</script> is 'better'.
module ROOT

go 1.21
-- v1.0.0:lib.go --
package lib
-- v1.0.0:pkg/pkg.go --
package pkg
-- v1.0.0:odd & [names]/odd.go --
package odd
-- v1.1.0:go.mod --
// Deprecated: <script>alert("1 & 2")</script> is 'better'.
module ROOT

go 1.21

retract v1.0.0 // </head><body> "&amp;" <b>
-- v1.1.0:lib.go --
package lib
-- v1.1.0:pkg/pkg.go --
package pkg
-- v1.1.0:odd & [names]/odd.go --
package odd
-- sub/v0.1.0:go.mod --
module ROOT

go 1.21
-- sub/v0.1.0:sub/go.mod --
module ROOT/sub

go 1.21
-- sub/v0.1.0:sub/inner/inner.go --
package inner
-- sub/v0.1.0:sub/nested/go.mod --
module ROOT/sub/nested

go 1.21
-- sub/v0.1.0:sub/nested/nested.go --
package nested
-- v2.0.0:go.mod --
module ROOT/v2

go 1.21
-- v2.0.0:lib.go --
package lib
-- v2.0.0:pkg/pkg.go --
package pkg
-- script --
release v1.0.0 v1.1.0 sub/v0.1.0
tag sub/nested/v0.2.0 sub/v0.1.0
release v2.0.0
`

const plain = `One package, and upper case where the path has it.
-- v1.0.0:go.mod --
module ROOT

go 1.21
-- v1.0.0:plain.go --
package plain
`

const onlyBelow = `Nothing at the top.
-- go/v1.0.0:README --
Read me.
-- go/v1.0.0:go/go.mod --
module ROOT/go

go 1.21
-- go/v1.0.0:go/api/api.go --
package api
`

const polyglot = `The module of a repository that is mostly something else.
-- config --
subdir clients/go
-- clients/go/v1.0.0:clients/go/go.mod --
module ROOT

go 1.21
-- clients/go/v1.0.0:clients/go/api/api.go --
package api
-- clients/go/v1.0.0:clients/js/index.js --
export {}
`

interface SiteCase {
  readonly name: string
  readonly url: string
  /** Texts of repositories by their roots. */
  readonly repositories: Readonly<Record<string, string>>
  /** What is asked for, and the module and version that is then required. */
  readonly gets: Readonly<Record<string, string>>
}

const cases: readonly SiteCase[] = [
  {
    name: 'a host of its own',
    url: 'https://go.example.com',
    repositories: {
      'go.example.com/lib': lib,
      'go.example.com/lib/plugin': plain,
      'go.example.com/Team/Mixed': plain,
      'go.example.com/poly': onlyBelow,
      'go.example.com/sdk': polyglot,
    },
    gets: {
      'go.example.com/lib@v1.0.0': 'go.example.com/lib v1.0.0',
      'go.example.com/lib': 'go.example.com/lib v1.1.0',
      'go.example.com/lib/pkg@v1.1.0': 'go.example.com/lib v1.1.0',
      'go.example.com/lib/sub/inner@v0.1.0': 'go.example.com/lib/sub v0.1.0',
      'go.example.com/lib/sub@latest': 'go.example.com/lib/sub v0.1.0',
      'go.example.com/lib/sub/nested': 'go.example.com/lib/sub/nested v0.2.0',
      'go.example.com/lib/v2@v2.0.0': 'go.example.com/lib/v2 v2.0.0',
      'go.example.com/lib/v2/pkg': 'go.example.com/lib/v2 v2.0.0',
      'go.example.com/lib/plugin': 'go.example.com/lib/plugin v1.0.0',
      'go.example.com/Team/Mixed@v1': 'go.example.com/Team/Mixed v1.0.0',
      'go.example.com/poly/go/api': 'go.example.com/poly/go v1.0.0',
      'go.example.com/sdk/api': 'go.example.com/sdk v1.0.0',
    },
  },
  {
    name: 'an address with a path',
    url: 'https://acme.example.io/go',
    repositories: { 'acme.example.io/go/lib': lib, 'acme.example.io/go/Mixed': plain },
    gets: {
      'acme.example.io/go/lib@v1.0.0': 'acme.example.io/go/lib v1.0.0',
      'acme.example.io/go/lib/pkg@v1.1.0': 'acme.example.io/go/lib v1.1.0',
      'acme.example.io/go/lib/sub/inner': 'acme.example.io/go/lib/sub v0.1.0',
      'acme.example.io/go/lib/sub/nested@v0.2.0': 'acme.example.io/go/lib/sub/nested v0.2.0',
      'acme.example.io/go/lib/v2': 'acme.example.io/go/lib/v2 v2.0.0',
      'acme.example.io/go/Mixed': 'acme.example.io/go/Mixed v1.0.0',
    },
  },
  {
    name: 'a module whose path is the host',
    url: 'https://solo.example.net',
    repositories: { 'solo.example.net': lib, 'solo.example.net/other': plain },
    gets: {
      'solo.example.net@v1.0.0': 'solo.example.net v1.0.0',
      'solo.example.net/pkg@v1.1.0': 'solo.example.net v1.1.0',
      'solo.example.net/sub/inner': 'solo.example.net/sub v0.1.0',
      'solo.example.net/sub/nested': 'solo.example.net/sub/nested v0.2.0',
      'solo.example.net/v2/pkg': 'solo.example.net/v2 v2.0.0',
      'solo.example.net/other': 'solo.example.net/other v1.0.0',
    },
  },
  {
    name: 'a module whose path is the address with its path',
    url: 'https://one.example.net/go/kit',
    repositories: { 'one.example.net/go/kit': lib, 'one.example.net/go/kit/other': plain },
    gets: {
      'one.example.net/go/kit@v1.0.0': 'one.example.net/go/kit v1.0.0',
      'one.example.net/go/kit/pkg@v1.1.0': 'one.example.net/go/kit v1.1.0',
      'one.example.net/go/kit/sub': 'one.example.net/go/kit/sub v0.1.0',
      'one.example.net/go/kit/v2/pkg': 'one.example.net/go/kit/v2 v2.0.0',
      'one.example.net/go/kit/other': 'one.example.net/go/kit/other v1.0.0',
    },
  },
]

/** What a consumer has set. All else is as go has it by itself: its public proxy and its checksum database. */
const settings: Readonly<Record<string, (host: string) => Readonly<Record<string, string>>>> = {
  'with GOPRIVATE alone': (host) => ({ GOPRIVATE: host }),
  'with GOPROXY=direct': () => ({ GOPROXY: 'direct', GOSUMDB: 'off' }),
}
const unset = { GOPROXY: '', GONOPROXY: '', GOSUMDB: '', GOVCS: '', GOINSECURE: '', GOAUTH: '' }

const title = 'go get finds what is on the host of the site, without GOPROXY and without git'
const missing = missingTools('go', 'git', 'openssl')
// Elsewhere go asks the system which certificates it trusts.
const isElsewhere = process.platform !== 'linux'

if (missing !== undefined) {
  test.skipIf(process.env['CI'] !== 'true')(`${title} (skipped: ${missing})`, () => {
    throw new Error(missing)
  })
} else if (isElsewhere) {
  test.skip(`${title} (skipped: SSL_CERT_FILE is for Linux only)`)
}

describe.skipIf(missing !== undefined || isElsewhere)(title, () => {
  let dir = ''
  let network: TlsNetwork
  const gos: Go[] = []

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'goget-'))
    mkdirSync(join(dir, 'no-commands'))
    const handlers = cases.map(async (each, index) => {
      const site = await press(each, join(dir, String(index)))
      const { host, pathname } = new URL(each.url)
      const handle = siteHandler(site)
      return [host, pathname === '/' ? handle : mountAt(pathname, handle)] as const
    })
    network = await startTlsNetwork(join(dir, 'tls'), Object.fromEntries(await Promise.all(handlers)))
  })
  afterAll(async () => {
    await Promise.all(gos.map((go) => go.close()))
    await network?.close()
    rmSync(dir, { recursive: true, force: true })
  })

  const openGo = async (env: Readonly<Record<string, string>>): Promise<Go> => {
    const go = await createGo({
      command: findCommand('go'),
      env: { ...unset, PATH: join(dir, 'no-commands'), ...network.env, ...env },
    })
    gos.push(go)
    return go
  }
  /** Requires something in a new module, and returns what go wrote down. */
  const get = async (go: Go, query: string) => {
    const cwd = mkdtempSync(join(go.dir, 'module-'))
    writeFileSync(join(cwd, 'go.mod'), 'module m\n\ngo 1.21\n')
    const { status, stderr } = await go.run(['get', query], { cwd })
    const text = readFileSync(join(cwd, 'go.mod'), 'utf8')
    const [, required] = /^require (.+?)(?: \/\/ indirect)?$/m.exec(text) ?? []
    const sum = status === 0 ? readFileSync(join(cwd, 'go.sum'), 'utf8') : ''
    return { status, stderr, required, sum }
  }

  describe.for(cases.map((each, index) => [each.name, each, index] as const))('%s', ([, each, index]) => {
    const { host, pathname } = new URL(each.url)
    const prefix = pathname === '/' ? host : host + pathname
    const siteOf = () => join(dir, String(index), 'site')

    test.for(Object.keys(settings))('%s', async (name) => {
      const go = await openGo(settings[name]?.(host) ?? {})
      const before = [network.requests.length, network.strays.length] as const
      const sums = siteModules(siteOf()).flatMap(({ path, versions }) =>
        versions.flatMap(({ version, h1, goModH1 }) => [
          `${path} ${version} ${h1}`,
          `${path} ${version}/go.mod ${goModH1}`,
        ]),
      )
      for (const [query, required] of Object.entries(each.gets)) {
        const got = await get(go, query)
        expect(got, query).toMatchObject({ status: 0, required })
        const lines = got.sum.trimEnd().split('\n')
        expect(
          lines.some((line) => line.startsWith(`${required} h1:`)),
          query,
        ).toBe(true)
        expect(sums).toEqual(expect.arrayContaining(lines))
      }
      const asked = network.requests.slice(before[0])
      expect(network.strays.slice(before[1])).toEqual([])
      expect(asked.length).toBeGreaterThan(0)
      expect(asked.filter((request) => !isGoGet(request, host) && !isProxyFile(request, prefix))).toEqual([])
    })

    test('a path that is nowhere leads to the site, which says that it is not there', async () => {
      const go = await openGo({ GOPRIVATE: host })
      const paths = [`${prefix}/nothing`, `${prefix}/nothing/at/all`, `${prefix}/lib/v9`]
      for (const { query, error } of await go.query(paths.map((path) => `${path}@latest`))) {
        const module = query.replace('@latest', '')
        expect(error, query).toContain(`${each.url}/${module}/@v/list`)
        expect(error, query).toContain('404 Not Found')
      }
      expect(network.strays).toEqual([])
    })

    test('all versions are listed, and the site is as good a proxy as any', async () => {
      const [direct, proxied] = await Promise.all([
        openGo({ GOPRIVATE: host }),
        openGo({ GOPROXY: each.url, GONOSUMDB: host }),
      ])
      const modules = siteModules(siteOf())
      const paths = modules.map((module) => module.path)
      const versions = await direct.versions(paths)
      expect(versions.map((answer) => answer.versions)).toEqual(modules.map((module) => module.list))
      expect(await proxied.versions(paths)).toEqual(versions)
    })

    describe('its pages', () => {
      const pages = () =>
        filesBelow(siteOf())
          .filter((file) => file.endsWith('.html') && !file.startsWith('-/'))
          .map((file) => ({ file, text: readFileSync(join(siteOf(), file), 'utf8') }))

      test('are well-formed, and hold no text that is not escaped', () => {
        expect(pages().length).toBeGreaterThan(4)
        for (const { file, text } of pages()) {
          expect(findFault(text), file).toBeUndefined()
          expect(text, file).not.toContain('<script>alert')
        }
      })

      test('begin with the tags of their root', () => {
        const roots = Object.keys(each.repositories)
        const seen = new Map<string, string>()
        for (const { file, text } of pages()) {
          // A version's page is no import path.
          if (file.includes('@')) continue
          const path = file === '404.html' ? undefined : importPathOf(prefix, file)
          const root = longestPrefix(roots, path) ?? prefix
          const head = /<head>\s*([\s\S]*?)<\/head>/.exec(text)?.[1] ?? ''
          const [tags = ''] = /^(?:<meta name="go-(?:import|source)" content="[^"]*">\s*)+/.exec(head) ?? []
          expect(tags, file).not.toBe('')
          expect(text.split(/name="go-(?:import|source)"/), `${file}: once`).toHaveLength(
            tags.split('<meta ').length,
          )
          const imports = contentsOf(tags, 'go-import')
          expect(new Set(imports.map((fields) => fields[0])), file).toEqual(new Set([root]))
          expect(imports[0], file).toEqual([root, 'mod', each.url])
          const sources = contentsOf(tags, 'go-source')
          if (roots.includes(root) && file !== '404.html') {
            const subdir = each.repositories[root] === polyglot ? ['clients/go'] : []
            expect(imports.slice(1), file).toEqual([[root, 'git', cloneOf(root), ...subdir]])
            expect(sources, file).toEqual([[root, webOf(root), expect.any(String), expect.any(String)]])
            expect(seen.get(root) ?? tags, `${file}: the same as on the other pages of ${root}`).toBe(tags)
            seen.set(root, tags)
          } else {
            expect([imports.length, sources.length], file).toEqual([1, 0])
          }
        }
        expect([...seen.keys()].sort()).toEqual([...roots].sort())
      })

      test('are there for every module, package and root', () => {
        const files = new Set(pages().map(({ file }) => file))
        const modules = siteModules(siteOf()).map((module) => module.path)
        for (const path of [...modules, ...Object.keys(each.repositories)]) {
          const directory = path === prefix ? '' : `${path.slice(prefix.length + 1)}/`
          expect(files, path).toContain(`${directory}index.html`)
        }
      })
    })
  })
})

async function press({ url, repositories }: SiteCase, dir: string): Promise<string> {
  mkdirSync(dir)
  const made = Object.entries(repositories).map(async ([root, text], index): Promise<RepositoryConfig> => {
    const fixture = await makeFixture(join(dir, `${index}.git`), text.replaceAll('ROOT', root))
    const { subdir } = fixture
    const place = { root, dir: fixture.dir, ...(subdir === '' ? {} : { subdir }) }
    return { ...place, clone: cloneOf(root), web: webOf(root), source: 'gitea' }
  })
  const report = await buildSite(dir, await Promise.all(made), { url })
  expect(report.counts.errors).toBe(0)
  return join(dir, 'site')
}

function webOf(root: string): string {
  return `https://git.example.org/${root.replaceAll('/', '-')}`
}

function cloneOf(root: string): string {
  return `${webOf(root)}.git`
}

/** Finds a command as the shell would, so that it can be run where PATH leads nowhere. */
function findCommand(name: string): string {
  const dirs = (process.env['PATH'] ?? '').split(delimiter)
  const found = dirs.map((dir) => join(dir, name)).find((file) => isFile(file))
  if (found === undefined) throw new Error(`There is no ${name} on PATH.`)
  return found
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

function isGoGet(request: string, host: string): boolean {
  return request.startsWith(`GET ${host}/`) && request.endsWith('?go-get=1')
}

function isProxyFile(request: string, prefix: string): boolean {
  const address = `GET ${prefix}/`
  return request.startsWith(address) && /\/@(?:latest|v\/[^/?]+)$/.test(request)
}

function importPathOf(prefix: string, file: string): string {
  return join(prefix, file.replace(/(?:^|\/)index\.html$/, ''))
}

function longestPrefix(roots: readonly string[], path: string | undefined): string | undefined {
  const fitting = roots.filter((root) => path === root || path?.startsWith(`${root}/`))
  return fitting.sort((a, b) => b.length - a.length)[0]
}

function contentsOf(tags: string, name: string): string[][] {
  return [...tags.matchAll(/<meta name="([^"]+)" content="([^"]*)">/g)].flatMap(([, found, content = '']) =>
    found === name ? [content.split(' ')] : [],
  )
}

const voidElements = new Set(['meta', 'link', 'br', 'hr', 'img', 'input', 'wbr'])

/** Says what is wrong with a page: of a strict HTML, in which all that is open is closed and quoted. */
function findFault(text: string): string | undefined {
  const open: string[] = []
  const token =
    /<!DOCTYPE html>|<!--(?:(?!--)[\s\S])*-->|<(\/?)([a-z][a-z0-9]*)((?:\s+[a-z][a-z-]*(?:="[^"<>]*")?)*)\s*>|(?:[^<>&]|&(?:#\d+|[a-z]+);)+/gy
  let end = 0
  for (const [all, slash, element, attributes = ''] of text.matchAll(token)) {
    end += all.length
    if (/&(?!#\d+;|[a-z]+;)/.test(attributes)) return `An ampersand is not escaped: ${all}`
    if (element === undefined || voidElements.has(element)) continue
    if (slash !== '/') open.push(element)
    else if (open.pop() !== element) return `</${element}> closes nothing at ${end}.`
  }
  if (end < text.length) return `This is no HTML: ${text.slice(end, end + 80)}`
  return open.length === 0 ? undefined : `These are not closed: ${open.join(' ')}`
}
