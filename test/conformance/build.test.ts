/**
 * The build as a whole: the same input gives the same bytes, what is published
 * stays, a run with nothing new touches nothing, and a killed one is finished.
 */

import { execFile, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cliFile } from '../support/cli.ts'
import { hashTree, touchedTimes } from '../support/hash.ts'
import { buildSite } from '../support/judge.ts'
import { makeSample, type Sample } from '../support/sample.ts'
import { proxyFile, siteModules } from '../support/site.ts'

const temporary = mkdtempSync(join(tmpdir(), 'build-'))
afterAll(() => rmSync(temporary, { recursive: true, force: true }))

const root = 'go.example.org/sample'
const killer = new URL('../support/killer.mjs', import.meta.url).href

let count = 0
function place(): string {
  const dir = join(temporary, String(count++))
  mkdirSync(dir)
  return dir
}

interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly flags?: readonly string[]
  readonly before?: readonly string[]
}

/** Runs the command itself in a directory with a configuration for the sample. */
async function run(dir: string, sample: Sample, { env = {}, flags = [], before = [] }: RunOptions = {}) {
  writeFileSync(
    join(dir, 'modpress.config.json'),
    JSON.stringify({ url: 'https://go.example.org', repositories: [sample.repository] }),
  )
  const args = [...before, cliFile(), 'build', '--quiet', ...flags]
  try {
    await promisify(execFile)(process.execPath, args, { cwd: dir, env: { ...process.env, ...env } })
    return 0
  } catch (error) {
    const { code, stderr } = error as { code: number | null; stderr: string }
    if (code !== null) console.error(stderr)
    return code
  }
}

describe('the same input gives the same bytes', () => {
  let sample: Sample
  let expected: string
  beforeAll(async () => {
    sample = makeSample(join(place(), 'repository'))
    const dir = place()
    await buildSite(dir, [sample.repository])
    expected = hashTree(join(dir, 'site'))
  })

  test.for([
    [
      'in another zone and language',
      { env: { TZ: 'Asia/Tokyo', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8' } },
    ],
    ['with one job', { flags: ['--jobs', '1'] }],
    ['with eight jobs', { flags: ['--jobs', '8'] }],
  ] as const)('%s', async ([, options]) => {
    const dir = place()
    expect(await run(dir, sample, options)).toBe(0)
    expect(hashTree(join(dir, 'site'))).toBe(expected)
  })

  test('under another umask', async () => {
    const dir = place()
    const before = process.umask(0o077)
    try {
      expect(await run(dir, sample)).toBe(0)
    } finally {
      process.umask(before)
    }
    expect(hashTree(join(dir, 'site'))).toBe(expected)
  })

  test('with the reader without git', async () => {
    const dir = place()
    await buildSite(dir, [sample.repository], { git: 'isomorphic' })
    expect(hashTree(join(dir, 'site'))).toBe(expected)
  })

  test('from a packed clone in another place', async () => {
    const dir = place()
    const clone = join(dir, 'clone.git')
    sample.git('clone', '--quiet', '--mirror', sample.dir, clone)
    await buildSite(dir, [{ ...sample.repository, dir: clone }])
    expect(hashTree(join(dir, 'site'))).toBe(expected)
  })

  test('tag after tag as at once', async () => {
    const dir = place()
    const clone = join(dir, 'clone.git')
    sample.git('clone', '--quiet', '--mirror', sample.dir, clone)
    const tags = sample.git('tag').split('\n')
    for (const tag of tags) sample.git('-C', clone, 'tag', '--delete', tag)
    for (const tag of tags) {
      sample.git('-C', clone, 'tag', tag, sample.git('rev-parse', tag))
      await buildSite(dir, [{ ...sample.repository, dir: clone }])
    }
    // The answer of a time without tags stays published, though nothing names it any more.
    const lists = siteModules(join(dir, 'site')).map(({ path, list, latest, queries }) => ({
      path,
      list,
      latest,
      queries,
    }))
    const other = place()
    await buildSite(other, [sample.repository])
    expect(lists).toEqual(
      siteModules(join(other, 'site')).map(({ path, list, latest, queries }) => ({
        path,
        list,
        latest,
        queries,
      })),
    )
  })
})

describe('a run with nothing new', () => {
  test('touches no file, opens no object and says what the last one said', async () => {
    const dir = place()
    const sample = makeSample(join(dir, 'repository'))
    const first = await buildSite(dir, [sample.repository])
    expect(first.counts.refused).toBe(1)
    const before = touchedTimes(join(dir, 'site'))
    // Without its objects the repository can only list its refs.
    renameSync(join(sample.dir, '.git/objects'), join(dir, 'hidden'))
    mkdirSync(join(sample.dir, '.git/objects'))
    const second = await buildSite(dir, [sample.repository])
    expect(touchedTimes(join(dir, 'site'))).toEqual(before)
    expect(second.problems).toEqual(
      first.problems.map((each) => (each.code === 'url-missing' ? each : { ...each, known: true })),
    )
    expect(second.exit).toBe(0)
    expect(second.counts).toMatchObject({ added: 0, kept: first.counts.added, errors: 0, warnings: 0 })
  })
})

describe('what is published stays', () => {
  test('when its tag moves: the first bytes stay, and the run fails once', async () => {
    const dir = place()
    const site = join(dir, 'site')
    const sample = makeSample(join(dir, 'repository'))
    await buildSite(dir, [sample.repository])
    const zip = proxyFile(site, root, '@v/v1.2.0.zip')
    sample.git('tag', '--force', 'v1.2.0', 'v1.0.0')
    const moved = await buildSite(dir, [sample.repository])
    expect(moved.exit).toBe(1)
    expect(moved.problems.filter((each) => !each.known).map((each) => [each.code, each.subject])).toEqual([
      ['tag-moved', `${root}@v1.2.0`],
    ])
    expect(proxyFile(site, root, '@v/v1.2.0.zip')).toBe(zip)
    expect((await buildSite(dir, [sample.repository])).exit).toBe(0)

    const accepted = await buildSite(dir, [sample.repository], {}, { acceptMoved: [`${root}@v1.2.0`] })
    const severity = (report: typeof accepted) =>
      report.problems.find((each) => each.code === 'tag-moved')?.severity
    expect(severity(accepted)).toBe('note')
    expect(severity(await buildSite(dir, [sample.repository], {}, { failOn: 'error' }))).toBe('note')
    expect(proxyFile(site, root, '@v/v1.2.0.zip')).toBe(zip)

    sample.git('tag', '--force', 'v1.2.0', 'v2.0.0')
    expect((await buildSite(dir, [sample.repository])).exit).toBe(1)
  })

  test('when its tag is deleted: it is served and listed as before', async () => {
    const dir = place()
    const site = join(dir, 'site')
    const sample = makeSample(join(dir, 'repository'))
    await buildSite(dir, [sample.repository])
    const list = proxyFile(site, root, '@v/list')
    sample.git('tag', '--delete', 'v1.2.0')
    const report = await buildSite(dir, [sample.repository])
    expect(report.problems.filter((each) => !each.known).map((each) => each.code)).toEqual(['tag-deleted'])
    expect(proxyFile(site, root, '@v/list')).toBe(list)
    expect((await buildSite(dir, [sample.repository])).counts).toMatchObject({ warnings: 0, errors: 0 })
  })

  test('when the repository is gone: with one error', async () => {
    const dir = place()
    const sample = makeSample(join(dir, 'repository'))
    const first = await buildSite(dir, [sample.repository])
    rmSync(sample.dir, { recursive: true })
    const report = await buildSite(dir, [sample.repository])
    expect(report.counts).toMatchObject({ added: 0, kept: first.counts.added, errors: 1 })
    expect((await buildSite(dir, [sample.repository])).exit).toBe(0)
  })

  test('when another repository claims the root', async () => {
    const dir = place()
    const sample = makeSample(join(dir, 'repository'))
    const clone = 'https://git.example.com/sample'
    await buildSite(dir, [{ ...sample.repository, clone }])
    const before = hashTree(join(dir, 'site'))
    const report = await buildSite(dir, [{ ...sample.repository, clone: 'https://git.example.com/other' }])
    expect(report.problems.map((each) => each.code)).toContain('root-claimed')
    expect(hashTree(join(dir, 'site'))).toBe(before)
  })

  test.for(['missing', 'damaged'])('when its record is %s: it is made again from the files', async (kind) => {
    const dir = place()
    const site = join(dir, 'site')
    const sample = makeSample(join(dir, 'repository'))
    await buildSite(dir, [sample.repository])
    const before = hashTree(site)
    const shard = join(site, `-/manifest/${root}.jsonl`)
    if (kind === 'missing') rmSync(shard)
    else writeFileSync(shard, readFileSync(shard, 'utf8').slice(0, 500))
    const report = await buildSite(dir, [sample.repository])
    expect(report.problems.map((each) => each.code)).toContain('shard-rebuilt')
    expect(report.counts.added).toBe(0)
    expect((await buildSite(dir, [sample.repository])).exit).toBe(0)
    expect(hashTree(site)).toBe(before)
  })

  test('when its record is lost, its .info has no origin, and its tag has moved', async () => {
    const dir = place()
    const sample = makeSample(join(dir, 'repository'))
    const site = join(dir, 'site')
    const config = { origin: false }
    await buildSite(dir, [sample.repository], config)
    const zip = proxyFile(site, root, '@v/v1.2.0.zip')
    rmSync(join(site, `-/manifest/${root}.jsonl`))
    sample.git('tag', '--force', 'v1.2.0', 'v1.0.0')
    const report = await buildSite(dir, [sample.repository], config)
    expect(report.problems.map((each) => [each.code, each.subject])).toContainEqual([
      'version-changed',
      `${root}@v1.2.0`,
    ])
    expect(proxyFile(site, root, '@v/v1.2.0.zip')).toBe(zip)
    expect(proxyFile(site, root, '@v/list')).toContain('v1.2.0\n')
  })
})

describe('a killed run', () => {
  test('at each rename in turn leaves a whole site, which the next run finishes', async () => {
    const sample = makeSample(join(place(), 'repository'))
    const whole = place()
    expect(await run(whole, sample)).toBe(0)
    const expected = hashTree(join(whole, 'site'))
    let at = 1
    for (; at < 400; at += 7) {
      const dir = place()
      const status = await run(dir, sample, { env: { KILL_AT: String(at) }, before: ['--import', killer] })
      if (status === 0) break
      expect(brokenNames(join(dir, 'site')), `killed at ${at}`).toEqual([])
      expect(await run(dir, sample)).toBe(0)
      expect(hashTree(join(dir, 'site')), `killed at ${at}`).toBe(expected)
      rmSync(dir, { recursive: true })
    }
    expect(at).toBeGreaterThan(30)
  })

  test('in the middle of an update leaves what was published', async () => {
    const dir = place()
    const sample = makeSample(join(dir, 'repository'))
    expect(await run(dir, sample)).toBe(0)
    cpSync(join(dir, 'site'), join(dir, 'before'), { recursive: true })
    sample.release({ 'a.go': 'package sample // three\n' }, 'v2.1.0')
    const whole = place()
    cpSync(join(dir, 'site'), join(whole, 'site'), { recursive: true })
    expect(await run(whole, sample)).toBe(0)
    const expected = hashTree(join(whole, 'site'))
    for (let at = 1; ; at += 2) {
      rmSync(join(dir, 'site'), { recursive: true })
      cpSync(join(dir, 'before'), join(dir, 'site'), { recursive: true })
      const status = await run(dir, sample, { env: { KILL_AT: String(at) }, before: ['--import', killer] })
      if (status === 0) break
      expect(brokenNames(join(dir, 'site')), `killed at ${at}`).toEqual([])
      expect(await run(dir, sample)).toBe(0)
      expect(hashTree(join(dir, 'site')), `killed at ${at}`).toBe(expected)
    }
  })

  test('at a random moment is finished by the next', async () => {
    const sample = makeSample(join(place(), 'repository'))
    const whole = place()
    expect(await run(whole, sample)).toBe(0)
    const dir = place()
    for (const delayMs of [100, 180, 230, 280, 330, 400]) {
      writeFileSync(join(dir, 'modpress.config.json'), readFileSync(join(whole, 'modpress.config.json')))
      const child = spawn(process.execPath, [cliFile(), 'build', '--quiet'], {
        cwd: dir,
        stdio: 'ignore',
      })
      const ended = new Promise((resolve) => child.once('close', resolve))
      setTimeout(() => child.kill('SIGKILL'), delayMs)
      await ended
    }
    expect(await run(dir, sample)).toBe(0)
    expect(hashTree(join(dir, 'site'))).toBe(hashTree(join(whole, 'site')))
  })
})

/** Returns the names in lists and answers whose version files are not all there. */
function brokenNames(site: string): string[] {
  return [root, `${root}/v2`, `${root}/sub`, `${root}/new`].flatMap((path) => {
    const list =
      proxyFile(site, path, '@v/list')
        ?.split('\n')
        .filter((line) => line !== '') ?? []
    const latest = proxyFile(site, path, '@latest')
    const named = latest === undefined ? list : [...list, (JSON.parse(latest) as { Version: string }).Version]
    const files = named.flatMap((version) => ['info', 'mod', 'zip'].map((kind) => `@v/${version}.${kind}`))
    return files.filter((file) => proxyFile(site, path, file) === undefined).map((file) => `${path}/${file}`)
  })
}
