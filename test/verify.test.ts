/**
 * The flow and the command: which targets, how much of them, what consumers
 * hold, and how it ends.
 */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseConfig } from '../src/config/schema.ts'
import { takeSample } from '../src/verify/sample.ts'
import { verify } from '../src/verify.ts'
import { parseLines, runCli } from './support/cli.ts'
import { startLiveServer } from './support/liveserver.ts'
import { makeDirectory } from './support/repo.ts'
import { siteModules } from './support/site.ts'
import { answering, copySite, goodSite } from './support/verifyfaults.ts'

let site: string
let sums: string

beforeAll(async () => {
  site = await goodSite()
  const modules = siteModules(site)
  sums = modules
    .flatMap(({ path, versions }) =>
      versions.flatMap(({ version, h1, goModH1 }) => [
        `${path} ${version} ${h1}`,
        `${path} ${version}/go.mod ${goModH1}`,
      ]),
    )
    .join('\n')
})

const strange = `h1:${'A'.repeat(43)}=`

describe('go.sum files', () => {
  test('what is served as it is held, is told as good; other modules are passed over', async () => {
    const text = `${sums}\nexample.org/other v1.0.0 ${strange}\nno line at all\n`
    const { exit, problems, targets } = await verify({ accept: [] }, [site], {
      goSums: new Map([['go.sum', text]]),
    })
    expect([exit, problems]).toEqual([0, []])
    expect(targets).toMatchObject([{ held: 8, configuration: '' }])
  })

  test('versions that are held are verified, whatever the sample', async () => {
    const server = await startLiveServer(site)
    server.fault = answering(/home\/@v\/v0\.1\.0\.zip$/, 404)
    const options = { env: {}, retryMs: 1, sample: 1, goSums: new Map([['go.sum', sums]]) }
    const { problems, targets } = await verify({ accept: [] }, [server.url], options)
    await server.close()
    expect(problems.map(({ code }) => code)).toContain('file-missing')
    expect(targets[0]?.versions).toEqual({ checked: 8, of: 8 })
  })

  test('what is missing is a configuration to add', async () => {
    const pseudo = 'v1.1.1-0.20260101000000-abcdefabcdef'
    const text = [
      `go.example.com/log ${pseudo}/go.mod ${strange}`,
      `go.example.com/log v1.3.0 ${strange}`,
      `go.example.com/new/v2 v2.0.0 ${strange}`,
      `github.com/acme/lib v0.0.0-20260101000000-abcdefabcdef ${strange}`,
    ].join('\r\n')
    const { exit, problems, targets } = await verify({ accept: [] }, [site], {
      goSums: new Map([['a/go.sum', text]]),
    })
    expect(exit).toBe(1)
    expect(problems.map(({ code, subject }) => `${code} ${subject}`)).toEqual([
      'sum-missing github.com/acme/lib@v0.0.0-20260101000000-abcdefabcdef',
      `sum-missing go.example.com/log@${pseudo}`,
      'sum-missing go.example.com/log@v1.3.0',
      'sum-missing go.example.com/new/v2@v2.0.0',
    ])
    const configuration = targets[0]?.configuration ?? ''
    expect(configuration).toContain('"versions" and "directories"')
    const config = parse(configuration)
    expect(config).toEqual({
      repositories: [
        { root: 'github.com/acme/lib', commits: ['github.com/acme/lib@v0.0.0-20260101000000-abcdefabcdef'] },
        { root: 'go.example.com/log', commits: [`go.example.com/log@${pseudo}`] },
        { root: 'go.example.com/new' },
      ],
    })
    expect(parseConfig(config, undefined)).not.toHaveProperty('severity')
  })
})

describe('a directory', () => {
  test('of which files are missing, or are none', async () => {
    const copy = await copySite()
    rmSync(join(copy, '404.html'))
    rmSync(join(copy, 'go.example.com/log/@v/v1.0.0.mod'))
    rmSync(join(copy, 'go.example.com/log/@v/v1.1.0.zip'))
    mkdirSync(join(copy, 'go.example.com/log/@v/v1.1.0.zip'))
    rmSync(join(copy, 'log/index.html'))
    const { exit, problems } = await verify({ accept: [] }, [copy])
    expect(exit).toBe(1)
    expect(problems.map(({ code, message }) => [code, message.replace(copy, '')])).toEqual([
      ['file-missing', '/404.html is not there, without which some hosts answer 200 for everything.'],
      ['file-missing', '/log/index.html is not there.'],
      ['file-missing', '/go.example.com/log/@v/v1.0.0.mod is not there.'],
      ['file-unreadable', '/go.example.com/log/@v/v1.1.0.zip cannot be read: EISDIR.'],
    ])
  })
})

describe('how much is verified', () => {
  test('a sample is the same in each run, in order, and has one of each kind', () => {
    const items = Array.from({ length: 500 }, (_, index) => `v${index}`)
    const kinds = [(item: string) => item === 'v7', (item: string) => item === 'nothing']
    const sample = takeSample(items, 20, (item) => item, kinds)
    expect(sample).toHaveLength(20)
    expect(sample).toContain('v7')
    expect(takeSample(items, 20, (item) => item, kinds)).toEqual(sample)
    expect(sample).toEqual(items.filter((item) => sample.includes(item)))
    expect(takeSample(items, 'all', (item) => item)).toBe(items)
  })

  test('--sample and --full, and what is said of it', async () => {
    const server = await startLiveServer(site)
    try {
      const args = ['verify', server.url, '--json']
      const cwd = makeDirectory()
      const few = parseLines((await runCli([...args, '--sample', '2'], { cwd })).stdout)
      expect(few.find(({ type }) => type === 'verified')).toEqual({
        type: 'verified',
        target: server.url,
        repositories: { checked: 2, of: 3 },
        modules: { checked: 2, of: expect.any(Number) },
        versions: { checked: 2, of: expect.any(Number) },
      })
      const all = parseLines((await runCli([...args, '--full'], { cwd })).stdout)
      expect(all.find(({ type }) => type === 'verified')).toMatchObject({ versions: { checked: 8, of: 8 } })
      expect(all.some(({ type }) => type === 'progress')).toBe(true)
      expect(all.at(-1)).toMatchObject({ type: 'report', command: 'verify', exit: 0 })
    } finally {
      await server.close()
    }
  })
})

describe('the command', () => {
  test('says what is wrong, with its hint, and what to add, and ends with 1', async () => {
    const cwd = makeDirectory()
    mkdirSync(join(cwd, 'app'))
    const missing = 'go.example.com/log v1.1.1-0.20260101000000-abcdefabcdef'
    writeFileSync(join(cwd, 'app/go.sum'), `${sums}\n${missing} ${strange}\n`)
    const { status, stdout, stderr } = await runCli(['verify', site, '--go-sum', '**/go.sum'], { cwd })
    expect(status).toBe(1)
    expect(stdout).toMatch(
      /^verified .*: 8 versions, 4 modules, 3 repositories, 9 versions of go\.sum files\n/,
    )
    expect(stdout).toContain('repositories:\n  - root: "go.example.com/log"\n    commits:\n')
    expect(stdout).toMatch(/1 error, 0 warnings\n$/)
    expect(stderr).toContain('(sum-missing)\n  hint: ')
  })

  test('takes what the configuration accepts for a note', async () => {
    const cwd = makeDirectory()
    const reason = 'It is only reached by VPN.'
    const accept = [{ module: 'go.example.com', code: 'missing-answered', reason }]
    writeFileSync(join(cwd, 'modpress.config.json'), JSON.stringify({ accept }))
    const server = await startLiveServer(site)
    server.fault = answering(/modpress-verify/, 200, {}, 'hello')
    const run = await runCli(['verify', server.url, '--fail-on', 'warning'], { cwd })
    await server.close()
    expect(run).toMatchObject({ status: 0, stderr: expect.stringContaining('note: go.example.com: GET') })
  })

  test.for([
    [['verify', 'ftp://user:canary@example.com'], 'is no address of a site'],
    [['verify', ''], 'The target is empty'],
    [['verify', 'nowhere'], 'is not there'],
    [['verify', '.', '--go-sum', 'nothing/go.sum'], 'No file fits'],
    [['verify', '.', '--full', '--sample', '3'], 'do not go together'],
    [['verify', '.', '--sample', '0'], 'whole number'],
    [['verify', 's3://key:canary@bucket'], 'Credentials do not belong'],
    [['verify', 'http://user:canary@example.com'], 'Credentials are not sent over http'],
  ] as const)('%j ends with 2', async ([args, message]) => {
    const { status, stdout, stderr } = await runCli(args, { cwd: makeDirectory() })
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toContain(message)
    expect(stderr).not.toContain('canary')
  })
})
