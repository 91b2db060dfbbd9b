/**
 * A site does for the go command what the repositories themselves do: each
 * test runs the same commands in three places, on a site over http, on the same
 * site as files, and directly on the repositories, and the outcome is one.
 */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SiteServer, serveSite } from '../../src/serve.ts'
import { buildCache } from '../support/consumer.ts'
import { type Fixture, makeFixture } from '../support/fixture.ts'
import { createGo, type Go, type GoDownload, type GoResult, missingTools } from '../support/gorun.ts'
import { buildSite } from '../support/judge.ts'
import { siteModules } from '../support/site.ts'

/** The root has versions that are taken back, a second major, and two modules in directories, one in the other. */
const lib = `A library.
-- config --
root example.com/lib
branches main
-- v1.0.0:go.mod --
module example.com/lib

go 1.21
-- v1.0.0:lib.go --
package lib

func Name() string { return "lib" }
-- v1.0.0:text/text.go --
package text

func Upper() string { return "LIB" }
-- v1.1.0:go.mod --
module example.com/lib

go 1.21
-- v1.1.0:lib.go --
package lib

func Name() string { return "broken" }
-- v1.2.0:go.mod --
module example.com/lib

go 1.21

retract v1.1.0 // It says that it is broken.
-- v1.2.0:lib.go --
package lib

func Name() string { return "lib 1.2" }
-- v1.2.0:text/text.go --
package text

func Upper() string { return "LIB" }
-- sub/v0.1.0:LICENSE --
Do as you like.
-- sub/v0.1.0:go.mod --
module example.com/lib

go 1.21

retract v1.1.0 // It says that it is broken.
-- sub/v0.1.0:lib.go --
package lib

func Name() string { return "lib, not tagged" }
-- sub/v0.1.0:sub/go.mod --
module example.com/lib/sub

go 1.21

require example.com/lib v1.0.0
-- sub/v0.1.0:sub/sub.go --
package sub

import "example.com/lib"

func Name() string { return "sub of " + lib.Name() }
-- sub/v0.1.0:sub/nested/go.mod --
module example.com/lib/sub/nested

go 1.21
-- sub/v0.1.0:sub/nested/deep/deep.go --
package deep

func Name() string { return "nested" }
-- v2.0.0:go.mod --
module example.com/lib/v2

go 1.21
-- v2.0.0:lib.go --
package lib

func Name() string { return "lib 2" }
-- next:go.mod --
module example.com/lib/v2

go 1.21
-- next:lib.go --
package lib

func Name() string { return "lib, next" }
-- script --
release v1.0.0 v1.1.0 v1.2.0 sub/v0.1.0
tag sub/nested/v0.2.0 sub/v0.1.0
release v2.0.0
commit next
`

const mixed = `Upper case in the path and in a version.
-- config --
root example.com/Mixed/Case
-- v1.0.0-RC.1:go.mod --
module example.com/Mixed/Case

go 1.21
-- v1.0.0-RC.1:case.go --
package mixed

func Name() string { return "Mixed" }
`

const legacy = `A repository from before modules.
-- config --
root example.com/legacy
-- v1.0.0:legacy.go --
package legacy

func Name() string { return "legacy" }
-- v2.0.0:legacy.go --
package legacy

func Name() string { return "legacy 2" }
-- v2.1.0:legacy.go --
package legacy

func Name() string { return "legacy 2.1" }
`

const untagged = `No tag but a branch, and upper case in a branch.
-- config --
root example.com/untagged
branches main Next HEAD
-- first:go.mod --
module example.com/untagged

go 1.21
-- first:untagged.go --
package untagged

func Name() string { return "untagged" }
-- second:go.mod --
module example.com/untagged

go 1.21
-- second:untagged.go --
package untagged

func Name() string { return "next" }
-- script --
commit first
switch Next
commit second
`

const program = {
  'go.mod': `module example.org/program

go 1.21

require (
	example.com/Mixed/Case v1.0.0-RC.1
	example.com/legacy v2.1.0+incompatible
	example.com/lib v1.2.0
	example.com/lib/sub v0.1.0
	example.com/lib/sub/nested v0.2.0
	example.com/lib/v2 v2.0.0
)
`,
  'main.go': `package main

import (
	mixed "example.com/Mixed/Case"
	"example.com/legacy"
	"example.com/lib"
	"example.com/lib/sub"
	"example.com/lib/sub/nested/deep"
	"example.com/lib/text"
	two "example.com/lib/v2"
)

func main() {
	println(mixed.Name())
	println(legacy.Name())
	println(lib.Name())
	println(sub.Name())
	println(deep.Name())
	println(text.Upper())
	println(two.Name())
}
`,
}
const output = ['Mixed', 'legacy 2.1', 'lib 1.2', 'sub of lib 1.2', 'nested', 'LIB', 'lib 2', ''].join('\n')

const title = 'the go command gets from a site what it gets from the repositories'
const missing = missingTools('go', 'git')

if (missing !== undefined) {
  test.skipIf(process.env['CI'] !== 'true')(`${title} (skipped: ${missing})`, () => {
    throw new Error(missing)
  })
}

describe.skipIf(missing !== undefined)(title, () => {
  let dir = ''
  let site = ''
  let fixtures: Fixture[] = []
  let server: SiteServer
  const gos: Go[] = []
  const clients: Record<string, Go> = {}
  let direct: Go

  /** Compiled packages are those of the machine: what a program is made of is not the point. */
  const open = async (proxy: string, roots: readonly Fixture[] = []): Promise<Go> => {
    const go = await createGo({ proxy, env: { GOCACHE: buildCache(), CGO_ENABLED: '0' } })
    gos.push(go)
    await go.direct(roots)
    return go
  }
  const press = async (name: string, some: readonly Fixture[]): Promise<string> => {
    mkdirSync(join(dir, name))
    const report = await buildSite(join(dir, name), some.map(repositoryOf))
    expect(report.counts.errors).toBe(0)
    return join(dir, name, 'site')
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'client-'))
    const texts = { lib, mixed, legacy, untagged }
    const made = Object.entries(texts).map(([name, text]) => makeFixture(join(dir, `${name}.git`), text))
    fixtures = await Promise.all(made)
    site = await press('all', fixtures)
    server = await serveSite(site, { port: 0 })
    direct = await open('direct', fixtures)
    clients['http'] = await open(server.url)
    clients['file'] = await open(pathToFileURL(site).href)
  })
  afterAll(async () => {
    await Promise.all(gos.map((go) => go.close()))
    await server?.close()
    rmSync(dir, { recursive: true, force: true })
  })

  /** Has go do something through a site and directly. The outcomes are the same, and one is returned. */
  const bothDo = async <Outcome>(client: string, act: (go: Go) => Promise<Outcome>): Promise<Outcome> => {
    const go = clients[client]
    if (go === undefined) throw new Error(`There is no client ${client}.`)
    const [through, without] = await Promise.all([act(go), act(direct)])
    expect(through).toEqual(without)
    return through
  }

  describe.for([['http'], ['file']] as const)('over %s', ([client]) => {
    test('"go mod download" gets the same files with the same hashes, for every version', async () => {
      const all = siteModules(site).flatMap(({ path, versions }) =>
        versions.map(({ version }) => `${path}@${version}`),
      )
      const files = await bothDo(client, async (go) => (await go.download(all)).map(contentOf))
      expect(files.map((file) => file.error)).toEqual(all.map(() => undefined))
      expect(all).toEqual(
        expect.arrayContaining([
          'example.com/Mixed/Case@v1.0.0-RC.1',
          'example.com/legacy@v2.0.0+incompatible',
          'example.com/lib/sub/nested@v0.2.0',
          'example.com/lib/v2@v2.0.0',
          expect.stringMatching(/^example\.com\/untagged@v0\.0\.0-\d{14}-[0-9a-f]{12}$/),
        ]),
      )
    })

    test('"go mod verify" finds the downloaded modules as they were', async () => {
      const queries = ['example.com/Mixed/Case@v1.0.0-RC.1', 'example.com/lib/sub@v0.1.0']
      for (const query of [...queries, 'example.com/legacy@v2.1.0+incompatible']) {
        const result = await bothDo(client, (go) => go.verify(query))
        expect(result.stdout).toBe('all modules verified\n')
      }
    })

    test('"go list -m -versions" lists the same, less what is retracted', async () => {
      const paths = siteModules(site).map((module) => module.path)
      const run = (go: Go) => runIn(go, {}, ['list', '-m', '-versions', ...paths])
      const { stdout } = await bothDo(client, run)
      expect(stdout.split('\n')).toEqual([
        'example.com/Mixed/Case v1.0.0-RC.1',
        'example.com/legacy v1.0.0 v2.0.0+incompatible v2.1.0+incompatible',
        'example.com/lib v1.0.0 v1.2.0',
        'example.com/lib/sub v0.1.0',
        'example.com/lib/sub/nested v0.2.0',
        'example.com/lib/v2 v2.0.0',
        'example.com/untagged',
        '',
      ])
      const retracted = await bothDo(client, (go) => go.versions(paths))
      expect(retracted.find((each) => each.module === 'example.com/lib')?.versions).toContain('v1.1.0')
    })

    test('"go list -m -u" tells of newer versions and of retracted ones', async () => {
      const mod = `module m\n\ngo 1.21\n\nrequire (\n\texample.com/lib v1.1.0\n\texample.com/legacy v2.0.0+incompatible\n)\n`
      const run = (go: Go) => runIn(go, { 'go.mod': mod }, ['list', '-m', '-u', 'all'])
      const { stdout } = await bothDo(client, run)
      expect(stdout).toContain('example.com/lib v1.1.0 (retracted) [v1.2.0]')
      expect(stdout).toContain('example.com/legacy v2.0.0+incompatible [v2.1.0+incompatible]')
      const answers = await bothDo(client, async (go) =>
        (await go.retractions(['example.com/lib@v1.1.0'])).map((answer) => answer.retracted),
      )
      expect(answers).toEqual([['It says that it is broken.']])
    })

    test.for([
      ['example.com/lib@latest', 'example.com/lib v1.2.0'],
      ['example.com/lib@v1.0', 'example.com/lib v1.0.0'],
      ['example.com/lib@<v1.2.0', 'example.com/lib v1.0.0'],
      ['example.com/lib/v2@main', /^example\.com\/lib\/v2 v2\.0\.1-0\.\d{14}-[0-9a-f]{12}$/],
      ['example.com/untagged', /^example\.com\/untagged v0\.0\.0-\d{14}-[0-9a-f]{12}$/],
      ['example.com/untagged@main', /^example\.com\/untagged v0\.0\.0-\d{14}-[0-9a-f]{12}$/],
      ['example.com/untagged@HEAD', /^example\.com\/untagged v0\.0\.0-\d{14}-[0-9a-f]{12}$/],
      ['example.com/untagged@Next', /^example\.com\/untagged v0\.0\.0-\d{14}-[0-9a-f]{12}$/],
      ['example.com/legacy@v2.0.0', 'example.com/legacy v2.0.0+incompatible'],
      ['example.com/legacy@v2', 'example.com/legacy v2.1.0+incompatible'],
      ['example.com/lib/text@v1.2.0', 'example.com/lib v1.2.0'],
      ['example.com/lib/sub/nested/deep', 'example.com/lib/sub/nested v0.2.0'],
      ['example.com/Mixed/Case', 'example.com/Mixed/Case v1.0.0-RC.1'],
    ] as const)('"go get %s" requires the same version', async ([query, requirement]) => {
      const files = await bothDo(client, async (go) => {
        const cwd = makeModule(go, { 'go.mod': 'module m\n\ngo 1.21\n' })
        const result = await go.run(['get', query], { cwd })
        expect(result).toMatchObject({ status: 0 })
        return { mod: readFile(cwd, 'go.mod'), sum: readFile(cwd, 'go.sum') }
      })
      const [, required = ''] = /^require (.+?)(?: \/\/ indirect)?$/m.exec(files.mod) ?? []
      if (typeof requirement === 'string') expect(required).toBe(requirement)
      else expect(required).toMatch(requirement)
    })

    test('what is nowhere is missed in words that name it', async () => {
      const go = clients[client] ?? direct
      const [version, revision, module] = await go.query([
        'example.com/lib@v1.9.0',
        'example.com/lib@nobranch',
        'example.com/nothing@latest',
      ])
      expect(version?.error).toContain('example.com/lib')
      expect(revision?.error).toContain('nobranch')
      expect(module?.error).toContain('example.com/nothing')
    })

    test('a program of six modules is built and runs', async () => {
      const outcome = await bothDo(client, buildProgram)
      expect(outcome.said).toBe(output)
      const sums = siteModules(site).flatMap(({ path, versions }) =>
        versions.map(({ version, h1 }) => `${path} ${version} ${h1}`),
      )
      const lines = outcome.sum.split('\n').filter((line) => line !== '' && !line.includes('/go.mod '))
      expect(lines).toHaveLength(6)
      expect(sums).toEqual(expect.arrayContaining(lines))
    })
  })

  test('what is not on the first site of a chain is taken from the next one', async () => {
    const some = await press('first', fixtures.slice(0, 1))
    const others = await press('second', fixtures.slice(1))
    const first = await serveSite(some, { port: 0 })
    const second = await serveSite(others, { port: 0 })
    try {
      const wanted = await buildProgram(direct)
      const urls = [first.url, second.url] as const
      const files = [pathToFileURL(some).href, pathToFileURL(others).href] as const
      for (const chain of [urls.join(','), [files[1], urls[0]].join(','), files.join('|')]) {
        const outcome = await buildProgram(await open(chain))
        expect(outcome, chain).toEqual(wanted)
      }
      const alone = await open(first.url)
      const { status, stderr } = await runIn(alone, program, ['mod', 'download'])
      expect(status).not.toBe(0)
      expect(stderr).toContain('404 Not Found')
    } finally {
      await Promise.all([first.close(), second.close()])
    }
  })

  test('what is on no site is taken from its repository, where the chain ends in "direct"', async () => {
    const some = await press('some', fixtures.slice(0, 2))
    const outcome = await buildProgram(await open(`${pathToFileURL(some).href},direct`, fixtures))
    expect(outcome).toEqual(await buildProgram(direct))
  })
})

function repositoryOf({ root, dir, clone, branches }: Fixture) {
  return { root, dir, clone, branches }
}

/** Makes a module in a directory of its own. */
function makeModule(go: Go, files: Readonly<Record<string, string>>): string {
  const cwd = mkdtempSync(join(go.dir, 'module-'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(cwd, path)), { recursive: true })
    writeFileSync(join(cwd, path), text)
  }
  return cwd
}

async function runIn(
  go: Go,
  files: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<GoResult> {
  return go.run(args, { cwd: makeModule(go, files), env: { GOFLAGS: '-modcacherw -mod=mod' } })
}

/** Builds the program from nothing but its go.mod, and runs it. */
async function buildProgram(go: Go): Promise<{ readonly said: string; readonly sum: string }> {
  const cwd = makeModule(go, program)
  const env = { GOFLAGS: '-modcacherw -mod=mod' }
  const built = await go.run(['build', '-o', 'program', '.'], { cwd, env })
  expect(built).toMatchObject({ status: 0 })
  const verified = await go.run(['mod', 'verify'], { cwd, env })
  expect(verified.stdout).toBe('all modules verified\n')
  const ran = await go.run(['run', '.'], { cwd, env })
  return { said: ran.stderr, sum: readFile(cwd, 'go.sum') }
}

function readFile(dir: string, name: string): string {
  return existsSync(join(dir, name)) ? readFileSync(join(dir, name), 'utf8') : ''
}

/** What a download is, without where it lies. Go notes in .info what it asked on its way: of that, where it is from. */
function contentOf({ query, version, info, goMod, sum, goModSum, error }: GoDownload) {
  const { Version, Time, Origin } = JSON.parse(info?.toString('utf8') ?? '{}') as {
    readonly Version?: string
    readonly Time?: string
    readonly Origin?: Readonly<Record<string, string>>
  }
  const { VCS, URL, Subdir, Hash, Ref } = Origin ?? {}
  const from = { VCS, URL, Subdir, Hash, Ref }
  return { query, version, Version, Time, from, goMod: goMod?.toString('latin1'), sum, goModSum, error }
}
