/**
 * Who leaves keeps their go.sum: what was fetched from a site passes when go
 * reads the repositories instead, but for a tag that has moved and what was
 * withdrawn. The commands are those of docs/leaving.md, taken from the page.
 */

import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { build, plan } from '../../src/build.ts'
import { loadSettings } from '../../src/config/load.ts'
import type { Settings } from '../../src/config/schema.ts'
import { siteHandler } from '../../src/serve.ts'
import { withdraw } from '../../src/withdraw.ts'
import { createGo, type Go, missingTools } from '../support/gorun.ts'
import { makeDirectory, makeRepository } from '../support/repo.ts'
import { startTlsNetwork, type TlsNetwork } from '../support/tls.ts'

const module = 'go.example.com/lib'
const clone = 'https://git.example.com/acme/lib.git'
const page = readFileSync(new URL('../../docs/leaving.md', import.meta.url), 'utf8')

const missing = missingTools('go', 'git', 'openssl')
// Elsewhere go asks the system which certificates it trusts.
const isElsewhere = process.platform !== 'linux'
if (missing !== undefined && process.env['CI'] === 'true') throw new Error(missing)

describe.skipIf(missing !== undefined || isElsewhere)('who leaves', () => {
  const repository = makeRepository()
  const dir = makeDirectory()
  const site = join(dir, 'site')
  let settings: Settings
  let network: TlsNetwork
  let go: Go
  /** The go.sum of an application that was built with the site. */
  let sums = ''

  beforeAll(async () => {
    for (const [tag, text] of [
      ['v1.0.0', 'one'],
      ['v1.1.0', 'two'],
      ['v1.2.0', 'three'],
      ['v1.3.0', 'a secret'],
    ] as const) {
      repository.commit({ 'go.mod': `module ${module}\n`, 'lib.go': `package lib\n\nconst A = "${text}"\n` })
      repository.git('tag', tag)
    }
    settings = await loadSettings({
      cwd: dir,
      env: {},
      config: { url: 'https://go.example.com', repositories: [{ root: module, clone, dir: repository.dir }] },
    })
    await build(settings)
    network = await startTlsNetwork(dir, { 'go.example.com': siteHandler(site) })
    const gitConfig = `[url ${JSON.stringify(pathToFileURL(repository.dir).href)}]\n\tinsteadOf = ${clone}\n`
    const unset = { GOPROXY: 'off', GONOPROXY: '', GOSUMDB: '', GOVCS: '', GOINSECURE: '', GOAUTH: '' }
    go = await createGo({ gitConfig, env: { ...unset, ...network.env, GOPRIVATE: 'go.example.com' } })
    sums = await downloadAll(['v1.0.0', 'v1.1.0', 'v1.2.0'], '')
    expect(sums.trim().split('\n')).toHaveLength(6)
    expect(network.requests.some((request) => request.endsWith('/@v/v1.2.0.zip'))).toBe(true)
    // Nobody has asked git so far.
    expect(network.strays).toEqual([])

    repository.git('tag', '--force', 'v1.1.0', 'v1.2.0')
    repository.git('tag', '--delete', 'v1.2.0')
    await build(settings)
    const options = { reason: 'It holds a secret.', time: 1_790_000_000, index: 'write' } as const
    await withdraw(settings, site, { module, version: 'v1.3.0' }, options)
    execFileSync('sh', ['-c', commandOf('find site')], { cwd: dir })
    network.requests.length = 0
  }, 120_000)

  afterAll(async () => {
    await go?.close()
    await network?.close()
  })

  test('keeps go.sum: the repositories have the same hashes', async () => {
    go.clean()
    const again = await downloadAll(['v1.0.0'], sums)
    expect(again).toBe(sums)
    // The page has led to the repository, and the proxy was not asked.
    expect(network.requests.some((request) => request.includes('?go-get=1'))).toBe(true)
    expect(network.requests.filter((request) => request.includes('/@v/'))).toEqual([])
  })

  test('finds the moved and the deleted tag named by the plan, and their commits in the record', async () => {
    const codes: string[] = []

    await plan(settings, {
      onEvent: (event) => {
        if (event.type === 'problem') codes.push(`${event.code} ${event.version}`)
      },
    })
    expect(codes.sort()).toEqual(['tag-deleted v1.2.0', 'tag-moved v1.1.0'])
    const grep = commandOf("grep '^{").replace('v1.0.1', 'v1.1.0').replaceAll('parser', 'lib')
    const line = execFileSync('sh', ['-c', grep], { cwd: dir, encoding: 'utf8' })
    expect(JSON.parse(line)).toMatchObject({ commit: repository.git('rev-parse', 'v1.3.0~2') })
  })

  test('is told by go of the moved tag, since go.sum has other hashes', async () => {
    go.clean()
    await expect(downloadAll(['v1.1.0'], sums)).rejects.toThrow('checksum mismatch')
  })

  test('finds what was withdrawn', () => {
    const line = execFileSync('sh', ['-c', commandOf('grep -rh')], { cwd: dir, encoding: 'utf8' })
    expect(JSON.parse(line)).toMatchObject({ withdrawn: module, version: 'v1.3.0' })
  })

  /** Downloads versions of the module in applications of their own, with a go.sum, and returns what go.sum is then. */
  async function downloadAll(versions: readonly string[], goSum: string): Promise<string> {
    let text = goSum
    for (const version of versions) {
      const cwd = makeDirectory()
      mkdirSync(cwd, { recursive: true })
      writeFileSync(join(cwd, 'go.mod'), `module app\n\ngo 1.21\n\nrequire ${module} ${version}\n`)
      writeFileSync(join(cwd, 'app.go'), `package app\n\nimport _ "${module}"\n`)
      writeFileSync(join(cwd, 'go.sum'), text)
      const { status, stderr } = await go.run(['build', '-mod=mod', './...'], { cwd })
      if (status !== 0) throw new Error(stderr)
      const { status: verified, stdout } = await go.run(['mod', 'verify'], { cwd })
      expect([verified, stdout.trim()]).toEqual([0, 'all modules verified'])
      text = readFileSync(join(cwd, 'go.sum'), 'utf8')
    }
    return text
  }
})

/** Returns the line of the page that begins so. */
function commandOf(start: string): string {
  const line = page.split('\n').find((each) => each.startsWith(start))
  if (line === undefined) throw new Error(`The page has no command "${start}".`)
  return line
}
