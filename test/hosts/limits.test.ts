import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { plan } from '../../src/build.ts'
import { loadSettings } from '../../src/config/load.ts'
import { addVersions, checkSiteSize, checkZipSize, hasLimits, noSize } from '../../src/hosts/limits.ts'
import { checkGrowth, checkSite } from '../../src/measure.ts'
import { hostNames, type PublishedVersion } from '../../src/model.ts'
import { publish } from '../../src/publish.ts'
import { makeDirectory } from '../support/repo.ts'
import { makeStage, noise, type Stage } from '../support/scenarios.ts'
import { proxyFile } from '../support/site.ts'

const mebibyte = 2 ** 20

test('only hosts that say what they take are measured', () => {
  expect(hostNames.filter(hasLimits)).toEqual(['cloudflare', 'github-pages', 'gitlab-pages'])
  expect(checkSite('nginx', '/there is no such directory')).toEqual([])
})

test.for([
  ['cloudflare', { files: 20_000 }, []],
  ['cloudflare', { files: 20_001 }, ['The site has 20001 files; Cloudflare Pages takes 20000.']],
  ['gitlab-pages', { files: 20_001, entries: 200_000, bytes: 1024 * mebibyte }, []],
  [
    'gitlab-pages',
    { entries: 200_001, bytes: 1025 * mebibyte },
    [
      'The site has 200001 files and directories; GitLab Pages takes 200000.',
      'The site has 1025 MiB; GitLab Pages takes 1024 MiB.',
    ],
  ],
  ['github-pages', { files: 1_000_000, bytes: 1_000_000_000 }, []],
  ['github-pages', { bytes: 1_000_100_000 }, ['The site has 953.8 MiB; GitHub Pages takes 953.7 MiB.']],
  ['netlify', { files: 1e6, bytes: 1e12 }, []],
] as const)('%s and a site of %o', ([host, size, messages]) => {
  const problems = checkSiteSize(host, { ...noSize, ...size }, 'now')
  expect(problems.map(({ message }) => message)).toEqual(messages)
})

test('a zip may be just as large as a file', () => {
  expect(checkZipSize('cloudflare', 25 * mebibyte, {})).toBeUndefined()
  expect(checkZipSize('cloudflare', 25 * mebibyte + 1, {})?.code).toBe('host-file-too-large')
  expect(checkZipSize('github-pages', 400 * mebibyte, {})).toBeUndefined()
})

test('what a plan says is the least', () => {
  const size = addVersions({ ...noSize, files: 19_990, entries: 20_000 }, [
    { size: 5 },
    { size: 6 },
    { size: 7 },
  ])
  expect(size).toEqual({ files: 20_002, entries: 20_015, bytes: 18, tooLarge: [] })
  const [problem] = checkSiteSize('cloudflare', size, 'then')
  expect(problem?.message).toBe('The site would have at least 20002 files; Cloudflare Pages takes 20000.')
})

test('of what is live a plan counts the versions alone', () => {
  const version = { size: 600_000_000 } as PublishedVersion
  const messages = (count: number) =>
    checkGrowth('github-pages', undefined, Array<PublishedVersion>(count).fill(version)).map(
      (each) => each.message,
    )
  expect(messages(1)).toEqual([])
  expect(messages(2)).toEqual(['The site would have at least 1144.4 MiB; GitHub Pages takes 953.7 MiB.'])
})

test('what is not deployed is not counted', () => {
  const dir = makeDirectory()
  for (const path of ['.git/objects', '-/tmp', 'a/b/.git', 'a/-/tmp'])
    mkdirSync(join(dir, path), { recursive: true })
  for (const path of [
    '.git/objects/pack',
    '-/tmp/half',
    '-/lock',
    'a/b/.git/x',
    'a/-/tmp/counts',
    'a/large',
  ]) {
    writeFileSync(join(dir, path), '')
    truncateSync(join(dir, path), 26 * mebibyte)
  }
  const messages = checkSite('cloudflare', dir).map(({ message }) => message)
  expect(messages).toEqual([
    'a/-/tmp/counts has 26 MiB; Cloudflare Pages takes files of up to 25 MiB.',
    'a/large has 26 MiB; Cloudflare Pages takes files of up to 25 MiB.',
  ])
  expect(checkGrowth('cloudflare', join(dir, 'nowhere'), [])).toEqual([])
})

describe('a version that is too large for its host', () => {
  const root = 'example.com/r'
  const settingsOf = (stage: Stage, more = {}) => {
    const config = { ...stage.config, ...more, repositories: stage.repositories }
    return loadSettings({ cwd: stage.dir, env: {}, config })
  }
  const said = ({ problems }: { problems: readonly { code: string; subject: string; known: boolean }[] }) =>
    problems.map(({ code, subject, known }) => [code, subject, known])

  test('is refused and planned so, alone, until it is on another host', async () => {
    const stage = makeStage(makeDirectory())
    const pages = { host: 'cloudflare', access: 'public' } as const
    stage.config = { ...stage.config, ...pages }
    stage.release({ 'noise.bin': noise(26 * mebibyte) })
    stage.release({ 'small.txt': 'x\n' }, { tag: 'v1.2.0' })
    const refused = ['host-file-too-large', `${root}@v1.1.0`]

    const planned = await plan(await settingsOf(stage), { env: {} })
    expect(said(planned)).toEqual([[...refused, false]])
    expect(planned).toMatchObject({ exit: 1, counts: { added: 2, refused: 1 } })
    expect(await stage.build()).toMatchObject({ exit: 1, counts: { added: 2, refused: 1 } })
    const again = await stage.build()
    expect(said(again)).toEqual([[...refused, true]])
    expect(again.exit).toBe(0)
    expect(proxyFile(stage.site, root, '@v/list')).toBe('v1.0.0\nv1.2.0\n')

    const entry = {
      module: root,
      version: 'v1.1.0',
      code: 'host-file-too-large',
      reason: 'Not needed there.',
    }
    stage.config = { ...stage.config, accept: [entry] }
    expect((await stage.build()).problems).toMatchObject([{ severity: 'note' }])

    stage.config = { ...stage.config, host: 'generic', accept: [] }
    expect(await stage.build()).toMatchObject({ exit: 0, counts: { added: 1, refused: 0 }, problems: [] })
    expect(proxyFile(stage.site, root, '@v/list')).toBe('v1.0.0\nv1.1.0\nv1.2.0\n')

    // What is published stays, and is told of as long as the host would refuse it.
    stage.config = { ...stage.config, ...pages }
    for (const _ of [1, 2]) {
      const { exit, problems } = await stage.build()
      expect(problems[0]?.hint).toContain('modpress withdraw')
      expect([exit, problems.map(({ message }) => message)]).toEqual([
        1,
        [`${root}/@v/v1.1.0.zip has 26 MiB; Cloudflare Pages takes files of up to 25 MiB.`],
      ])
    }
    const target = join(stage.dir, 'target')
    const published = await publish(await settingsOf(stage), [target], { env: {} })
    expect(said(published)).toEqual([[...refused, false]])
    const copied = await publish(await settingsOf(stage), [join(stage.dir, 'copy')], {
      env: {},
      from: stage.site,
    })
    expect(said(copied)).toEqual([[...refused, false]])
    expect(copied.counts).toMatchObject({ added: 2, refused: 1 })
  })

  test('what the site has too much of can be accepted by the name of the site', async () => {
    const stage = makeStage(makeDirectory())
    stage.config = { ...stage.config, host: 'github-pages', access: 'public' }
    await stage.build()
    writeFileSync(join(stage.site, 'video'), '')
    truncateSync(join(stage.site, 'video'), 1_100_000_000)
    const planned = await plan(await settingsOf(stage), { env: {} })
    for (const report of [planned, await stage.build(), await stage.build()]) {
      expect([report.exit, said(report)]).toEqual([1, [['host-site-too-large', '', false]]])
    }
    const entry = { module: 'go.example.org', code: 'host-site-too-large', reason: 'It is ours.' }
    stage.config = { ...stage.config, accept: [entry] }
    expect(await stage.build()).toMatchObject({ exit: 0, problems: [{ severity: 'note' }] })
  })
})
