import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readArchive, writeArchive, type ZipPiece } from '../src/archive.ts'
import { build, index } from '../src/build.ts'
import { loadSettings } from '../src/config/load.ts'
import type { Settings } from '../src/config/schema.ts'
import type { VersionEvent } from '../src/events.ts'
import { publish, publishInto } from '../src/publish.ts'
import { openDirectoryStore } from '../src/store/directory.ts'
import type { Store } from '../src/store/store.ts'
import { withdraw, withdrawFrom } from '../src/withdraw.ts'
import { type FaultyOptions, faultyStore, findDangling, Killed, seededRandom } from './support/faultystore.ts'
import { touchedTimes } from './support/hash.ts'
import { makeDirectory } from './support/repo.ts'
import { makeSample, type Sample } from './support/sample.ts'
import { filesBelow } from './support/site.ts'

const roots = ['one', 'two', 'three', 'four', 'five', 'six'].map((name) => `go.example.org/${name}`)

function makeSamples(count = 3): Sample[] {
  const dir = makeDirectory()
  return roots.slice(0, count).map((root, at) => makeSample(join(dir, String(at)), root))
}

function readSite(dir: string): Map<string, string> {
  return new Map(filesBelow(dir).map((path) => [path, readFileSync(join(dir, path), 'latin1')]))
}

describe('publishing into a directory', () => {
  test('gives the bytes of a build, also when it is done twice', async () => {
    const samples = makeSamples()
    const built = await settingsOf(samples)
    await build(built)
    const published = await settingsOf(samples)
    const store = await openDirectoryStore(published.output)
    const first = await publishInto(store, published)
    expect(first.counts.added).toBe(27)
    const again = await publishInto(store, published)
    expect(again.counts).toMatchObject({ added: 0, kept: 27, errors: 0 })
    await store.close()
    expect(readSite(published.output)).toEqual(readSite(built.output))
  })

  test('many at once, each with its own and with common repositories, lose nothing', async () => {
    const samples = makeSamples()
    const built = await settingsOf(samples)
    await build(built)
    const shared = join(makeDirectory(), 'site')
    const parts = [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2], [2, 1, 0]]
    await Promise.all(
      parts.map(async (part) => {
        const settings = await settingsOf(
          part.map((at) => samples[at] as Sample),
          shared,
        )
        await publishInto(await openDirectoryStore(shared), settings, { index: 'leave' })
      }),
    )
    await index({ ...built, output: shared })
    expect(readSite(shared)).toEqual(readSite(built.output))
  })
})

async function settingsOf(samples: readonly Sample[], output?: string): Promise<Settings> {
  const cwd = makeDirectory()
  const config = {
    url: 'https://go.example.com',
    repositories: samples.map(({ repository }) => repository),
  }
  return loadSettings({ cwd, env: {}, config, ...(output === undefined ? {} : { output }) })
}

describe('publishing to several targets', () => {
  test('names the target of each version', async () => {
    const [one] = makeSamples() as [Sample]
    const settings = await settingsOf([one])
    const targets = ['a', 'b'].map((name) => join(makeDirectory(), name))
    const told: VersionEvent[] = []
    const onEvent = (event: { readonly type: string }) => {
      if (event.type === 'version') told.push(event as VersionEvent)
    }
    await publish(settings, targets, { onEvent })
    const all = targets.flatMap((target) => Array(told.length / 2).fill(target))
    expect(told.splice(0).map(({ target }) => target)).toEqual(all)
    await publish(settings, targets.slice(0, 1), { onEvent })
    expect(told.filter((event) => 'target' in event)).toEqual([])
    expect(told.length).toBe(all.length / 2)
  })

  test('tells of one that fails in its report, and fails for it unless it never should', async () => {
    const [one] = makeSamples() as [Sample]
    const settings = await settingsOf([one])
    const dir = makeDirectory()
    const targets = ['mirror', 'good'].map((name) => join(dir, name))
    writeFileSync(join(dir, 'mirror'), '')
    const report = await publish(settings, targets)
    expect(report).toMatchObject({ exit: 1, counts: { added: 9, errors: 1 } })
    expect(report.problems.filter(({ severity }) => severity === 'error')).toMatchObject([
      { type: 'problem', code: 'target-failed', known: false },
    ])
    expect(await publish(settings, targets, { failOn: 'never' })).toMatchObject({
      exit: 0,
      counts: { errors: 1 },
    })
    const none = publish(
      settings,
      ['mirror', 'mirror/x'].map((name) => join(dir, name)),
      { failOn: 'never' },
    )
    await expect(none).rejects.toMatchObject({ exitCode: 2, problem: { code: 'output-unwritable' } })
  })

  test('does nothing where one of them is none', async () => {
    const [one] = makeSamples() as [Sample]
    const good = join(makeDirectory(), 'good')
    const publishing = publish(await settingsOf([one]), [good, 'gs://bucket'])
    await expect(publishing).rejects.toMatchObject({ exitCode: 2, problem: { code: 'usage' } })
    expect(existsSync(good)).toBe(false)
  })
})

test('jobs that spell an address differently share a root, and the recorded spelling stays', async () => {
  const [one] = makeSamples() as [Sample]
  const clone = 'https://git.example.com/acme/billing'
  const store = await openDirectoryStore(join(makeDirectory(), 'target'))
  const publishAs = async (address: string) => {
    const sample = { ...one, repository: { ...one.repository, clone: address } }
    return publishInto(store, await settingsOf([sample]))
  }
  expect((await publishAs(clone)).counts.added).toBe(9)
  const before = readSite(store.root)
  for (const address of [`${clone}.git`, 'ssh://git@git.example.com/acme/billing.git']) {
    const report = await publishAs(address)
    expect(report.problems.map(({ code }) => code)).not.toContain('root-claimed')
    expect(report.counts).toMatchObject({ added: 0, kept: 9, errors: 0 })
    expect(readSite(store.root)).toEqual(before)
  }
  const other = await publishAs('https://git.example.com/acme/other')
  expect(other.problems.map(({ code }) => code)).toContain('root-claimed')
})

test('a newer modpress’s site is left alone', async () => {
  const [one] = makeSamples() as [Sample]
  const settings = await settingsOf([one])
  const store = await openDirectoryStore(join(makeDirectory(), 'target'))
  await store.create('-/site.json', Buffer.from('{"format":99}\n'))
  const options = { reason: 'x', time: 1 }
  for (const writing of [
    publishInto(store, settings),
    withdrawFrom(store, settings, roots[0] ?? '', 'v1.0.0', options),
  ])
    await expect(writing).rejects.toMatchObject({ problem: { code: 'site-newer' }, exitCode: 2 })
  expect(filesBelow(store.root)).toEqual(['-/site.json'])
})

test('a moved tag is refused until its move is accepted, by name', async () => {
  const [one] = makeSamples() as [Sample]
  const settings = await settingsOf([one])
  const store = await openDirectoryStore(join(makeDirectory(), 'target'))
  await publishInto(store, settings)
  const before = await textOf(store, `${roots[0]}/@v/v1.0.0.info`)
  one.git('tag', '--force', 'v1.0.0', 'v1.2.0')
  const key = `${roots[0]}@v1.0.0`
  const moved = await publishInto(store, settings)
  expect(moved.problems.find(({ code }) => code === 'tag-moved')).toMatchObject({ severity: 'error' })
  const unknown = publishInto(store, settings, { acceptMoved: [`${roots[0]}@v9.9.9`] })
  await expect(unknown).rejects.toThrow('the site has no such version')
  const accepted = await publishInto(store, settings, { acceptMoved: [key] })
  expect(accepted.problems.find(({ code }) => code === 'tag-moved')).toMatchObject({ severity: 'note' })
  expect(await textOf(store, `${roots[0]}/@v/v1.0.0.info`)).toBe(before)
})

describe('jobs that do not see the same', () => {
  test('one with other settings that is killed leaves nothing that the others do not mend', async () => {
    const [one] = makeSamples() as [Sample]
    const settings = await settingsOf([one])
    await build(settings)
    const web = 'https://git.example.com/elsewhere'
    const other = await settingsOf([{ ...one, repository: { ...one.repository, web } }])
    const { requests } = await publishFaulty(await openSite(), other, {})
    for (let killAt = 10; killAt < requests; killAt += 9) {
      const store = await openSite()
      await publishInto(store, settings)
      await publishFaulty(store, other, { killAt })
      await publishInto(store, settings)
      expect([killAt, differencesOf(store.root, settings.output)]).toEqual([killAt, []])
    }
  })

  test('a clone of yesterday takes no branch back', async () => {
    const [one] = makeSamples() as [Sample]
    const old = join(makeDirectory(), 'old')
    one.git('clone', '--quiet', '--mirror', '.', old)
    one.release({ 'a.go': 'package sample // newer\n' })
    const jobs = [{ ...one.repository, dir: old }, one.repository].map((repository) =>
      settingsOf([{ ...one, repository }]),
    )
    const answers: string[] = []
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const store = await openSite()
      for (const at of order) await publishInto(store, await (jobs[at] as Promise<Settings>))
      answers.push(await textOf(store, `${roots[0]}/v2/@v/main.info`))
    }
    expect(answers[0]).toBe(answers[1])
  })

  test('one without history publishes no pseudo-version', async () => {
    const [one] = makeSamples() as [Sample]
    one.git('tag', 'stable')
    const clone = join(makeDirectory(), 'clone')
    one.git('clone', '--quiet', '--depth=1', '--branch=stable', `file://${one.dir}`, clone)
    const branches = ['main', 'stable']
    const part = await settingsOf([{ ...one, repository: { ...one.repository, branches, dir: clone } }])
    const whole = await settingsOf([{ ...one, repository: { ...one.repository, branches } }])
    const store = await openSite()
    await publishInto(store, part)
    expect(filesBelow(store.root).filter((path) => path.endsWith('.zip'))).toEqual([])
    await publishInto(store, whole)
    const answer = await textOf(store, `${roots[0]}/v2/@v/stable.info`)
    await publishInto(store, part)
    expect(await textOf(store, `${roots[0]}/v2/@v/stable.info`)).toBe(answer)
    await build(whole)
    expect(differencesOf(store.root, whole.output)).toEqual([])
  })

  test('what one has told is not news to the next', async () => {
    const [one] = makeSamples() as [Sample]
    const repository = { ...one.repository, branches: ['main', 'missing'], commits: ['0123456789ab'] }
    const clone = join(makeDirectory(), 'clone')
    one.git('clone', '--quiet', '--depth=1', '--branch=v1.2.0', `file://${one.dir}`, clone)
    const whole = await settingsOf([{ ...one, repository }])
    const part = await settingsOf([{ ...one, repository: { ...repository, dir: clone } }])
    const store = await openSite()
    const news: number[] = []
    for (const settings of [whole, whole, part, whole, part, whole]) {
      const { counts } = await publishInto(store, settings)
      news.push(counts.errors)
    }
    expect(news).toEqual([1, 0, 0, 0, 0, 0])
  })

  test('a repository that cannot be had is told once', async () => {
    const [one] = makeSamples() as [Sample]
    const store = await openSite()
    await publishInto(store, await settingsOf([one]))
    const gone = await settingsOf([
      { ...one, repository: { ...one.repository, dir: join(one.dir, 'nowhere') } },
    ])
    expect(await publishInto(store, gone)).toMatchObject({ exit: 1, counts: { errors: 1, kept: 9 } })
    expect(await publishInto(store, gone)).toMatchObject({
      exit: 0,
      counts: { errors: 0, known: 3, kept: 9 },
    })
  })

  test('one that was told no address takes that of the site, and one that was told another is refused', async () => {
    const [one] = makeSamples() as [Sample]
    const settings = await settingsOf([one])
    await build(settings)
    const store = await openSite()
    await publishInto(store, settings)
    const { url: _, prefix: __, ...untold } = settings
    await publishInto(store, untold)
    await index({ ...untold, output: store.root })
    expect(differencesOf(store.root, settings.output)).toEqual([])
    const other = { ...settings, url: 'https://other.example.com', prefix: 'other.example.com' }
    await expect(publishInto(store, other)).rejects.toMatchObject({ problem: { code: 'url-differs' } })
    await index({ ...other, output: store.root })
    await publishInto(store, other)
    await build({ ...other, output: `${settings.output}-other` })
    expect(differencesOf(store.root, `${settings.output}-other`)).toEqual([])
  })
})

async function openSite() {
  return openDirectoryStore(join(makeDirectory(), 'target'))
}

async function publishFaulty(
  store: Store,
  settings: Settings,
  options: FaultyOptions,
): Promise<{ readonly requests: number }> {
  const faulty = faultyStore(store, options)
  await publishInto(faulty, settings, { index: 'leave' }).catch((error: unknown) => {
    if (!(error instanceof Killed)) throw error
  })
  return faulty
}

function differencesOf(site: string, other: string): string[] {
  const [found, want] = [readSite(site), readSite(other)]
  const paths = new Set([...found.keys(), ...want.keys()])
  return [...paths].filter((path) => found.get(path) !== want.get(path)).sort()
}

describe('from a site that was built before', () => {
  test('gives its bytes, and what the target has besides stays', async () => {
    const [one, two] = makeSamples() as [Sample, Sample]
    const both = await settingsOf([one, two])
    await build(both)
    const first = await settingsOf([one])
    await build(first)
    const second = await settingsOf([two])
    await build(second)
    const store = await openDirectoryStore(join(makeDirectory(), 'target'))
    const report = await publishInto(store, both, { from: first.output })
    expect(report.counts.added).toBe(9)
    expect(readSite(store.root)).toEqual(readSite(first.output))
    await publishInto(store, both, { from: second.output })
    expect(readSite(store.root)).toEqual(readSite(both.output))
  })

  test('another content of a version is refused, and the others are published', async () => {
    const [one] = makeSamples() as [Sample]
    const settings = await settingsOf([one])
    await build(settings)
    const store = await openDirectoryStore(join(makeDirectory(), 'target'))
    await store.create(`${roots[0]}/@v/v1.1.0.zip`, readFileSync(zipOf(settings.output, 'v1.0.0')))
    const report = await publishInto(store, settings, { from: settings.output, index: 'leave' })
    expect(report.counts).toMatchObject({ added: 8, errors: 1 })
    expect(report.problems.filter(({ severity }) => severity === 'error')).toMatchObject([
      { code: 'version-changed', version: 'v1.1.0' },
    ])
    expect(await textOf(store, `${roots[0]}/@v/list`)).toBe('v1.0.0\nv1.2.0\nv1.3.1\n')
  })

  test('what the source takes back goes from the target, too, and its own versions stay listed', async () => {
    const [one] = makeSamples() as [Sample]
    const [root = ''] = roots
    const settings = await settingsOf([one])
    await build(settings)
    const store = await openDirectoryStore(join(makeDirectory(), 'target'))
    await publishInto(store, settings, { from: settings.output })
    const plain = await openDirectoryStore(join(makeDirectory(), 'plain'))
    await publishInto(plain, settings, { from: settings.output })
    one.release({ 'go.mod': `module ${root}\n`, 'a.go': 'package sample // own\n' }, 'v1.8.0')
    await publishInto(store, settings)
    one.git('tag', '--delete', 'v1.8.0')
    one.git('reset', '--quiet', '--hard', 'HEAD~1')
    one.git('branch', '--move', 'trunk')
    one.git('tag', '--delete', 'v1.3.0', 'v1.0.0')
    one.release({ 'new/n.go': 'package new // trunk\n' })
    const renamed = await settingsOf([{ ...one, repository: { ...one.repository, branches: ['trunk'] } }])
    const source = { ...renamed, output: settings.output }
    await build(source)
    const report = await publishInto(store, source, { from: source.output })
    const shard = await textOf(store, `-/manifest/${root}.jsonl`)
    expect(shard).toContain('"defaultHead":"refs/heads/trunk"')
    expect(shard).not.toContain('refs/heads/main')
    expect(shard).toMatch(/"ref":"refs\/tags\/v1\.0\.0".*"gone":true/)
    expect(await textOf(store, `${root}/@v/list`)).toBe('v1.0.0\nv1.1.0\nv1.2.0\nv1.3.1\nv1.8.0\n')
    const latest = `${root}/new/@latest`
    expect(await textOf(store, latest)).toBe(readFileSync(join(source.output, latest), 'utf8'))
    expect(report.problems.map(({ code, ref }) => `${code} ${ref}`)).toContain('tag-deleted refs/tags/v1.0.0')
    expect(await findDangling(store)).toEqual([])
    const fixed = await publishInto(plain, source, { from: source.output })
    expect(fixed.problems.filter(({ ref }) => ref === 'refs/tags/v1.3.0')).toEqual([])
    const shardFile = `-/manifest/${root}.jsonl`
    expect(await textOf(plain, shardFile)).toBe(readFileSync(join(source.output, shardFile), 'utf8'))
  })

  test('is told where the target has the root from another address, and nothing is written of it', async () => {
    const [one, two] = makeSamples() as [Sample, Sample]
    const from = (clone: string) => settingsOf([{ ...one, repository: { ...one.repository, clone } }, two])
    const settings = await from('https://example.com/a.git')
    await build(settings)
    const store = await openDirectoryStore(join(makeDirectory(), 'target'))
    await publishInto(store, settings, { from: settings.output })
    const before = readSite(store.root)
    one.release({ 'x.go': 'package sample\n' }, 'v2.1.0')
    two.release({ 'x.go': 'package sample\n' }, 'v2.1.0')
    const other = await from('https://example.com/b')
    await build(other)
    const claimed = await publishInto(store, other, { from: other.output, index: 'leave' })
    expect(claimed.exit).toBe(1)
    expect(claimed.counts.added).toBeGreaterThan(0)
    expect(claimed.problems.find(({ severity }) => severity === 'error')).toMatchObject({
      code: 'root-claimed',
      repository: roots[0],
    })
    const own = (site: Map<string, string>) => [...site].filter(([path]) => path.includes('/one'))
    expect(own(readSite(store.root))).toEqual(own(before))
    const same = await from('ssh://git@example.com/a/')
    await build(same)
    const taken = await publishInto(store, same, { from: same.output, index: 'leave' })
    expect(taken.problems.map(({ code }) => code)).not.toContain('root-claimed')
    expect(await textOf(store, `${roots[0]}/v2/@v/list`)).toContain('v2.1.0')
  })

  test('a line is written from what the target holds', async () => {
    const [one] = makeSamples() as [Sample]
    const [root = ''] = roots
    const settings = await settingsOf([one])
    await build(settings)
    const store = await openDirectoryStore(join(makeDirectory(), 'target'))
    const files = { zip: `${root}/@v/v1.1.0.zip`, info: `${root}/@v/v1.1.0.info` }
    await store.create(files.zip, await storedZip(zipOf(settings.output, 'v1.1.0')))
    const info = JSON.parse(readFileSync(join(settings.output, files.info), 'utf8'))
    await store.create(files.info, Buffer.from(JSON.stringify({ ...info, Time: '2001-02-03T04:05:06Z' })))
    expect((await publishInto(store, settings, { from: settings.output })).counts).toMatchObject({
      added: 9,
      errors: 0,
    })
    const output = join(makeDirectory(), 'out')
    await build({ ...settings, output }, { env: {}, live: { source: store.root } })
    for (const path of Object.values(files))
      expect(readFileSync(join(output, path))).toEqual(readFileSync(join(store.root, path)))
  })

  test.for(['zip', 'mod', 'info'])(
    'a damaged .%s is not taken, nor is anything of its version',
    async (kind) => {
      const [one] = makeSamples() as [Sample]
      const settings = await settingsOf([one])
      await build(settings)
      const file = zipOf(settings.output, 'v1.1.0').replace(/zip$/, kind)
      const whole = readFileSync(file)
      writeFileSync(file, kind === 'zip' ? whole.map((byte, at) => (at === 60 ? byte ^ 1 : byte)) : '{}')
      const store = await openDirectoryStore(join(makeDirectory(), 'target'))
      const report = await publishInto(store, settings, { from: settings.output })
      expect(report.counts).toMatchObject({ added: 8, errors: 1 })
      const found = report.problems.find(({ severity }) => severity === 'error')
      expect(found).toMatchObject({ code: 'version-damaged', version: 'v1.1.0' })
      expect(found?.message).not.toContain(settings.output)
      expect(filesBelow(store.root).filter((path) => path.includes('/v1.1.0.'))).toEqual([])
      writeFileSync(file, whole)
      expect((await publishInto(store, settings, { from: settings.output })).counts.added).toBe(1)
      expect(readSite(store.root)).toEqual(readSite(settings.output))
    },
  )

  test('is divided into parts, and accepts no moves', async () => {
    const samples = makeSamples(6)
    const settings = await settingsOf(samples)
    await build(settings)
    const store = await openDirectoryStore(join(makeDirectory(), 'target'))
    const added: number[] = []
    for (const number of [1, 2]) {
      const part = { ...settings, part: { number, of: 2 } }
      added.push((await publishInto(store, part, { from: settings.output })).counts.added)
    }
    expect(Math.min(...added)).toBeGreaterThan(0)
    expect(added.reduce((sum, each) => sum + each)).toBe(54)
    expect(readSite(store.root)).toEqual(readSite(settings.output))
    const accepting = publishInto(store, settings, {
      from: settings.output,
      acceptMoved: [`${roots[0]}@v1.0.0`],
    })
    await expect(accepting).rejects.toMatchObject({ problem: { code: 'usage' }, exitCode: 2 })
  })

  test('with nothing new, writes nothing', async () => {
    const [one] = makeSamples() as [Sample]
    const settings = await settingsOf([one])
    await build(settings)
    const store = await openDirectoryStore(join(makeDirectory(), 'target'))
    await publishInto(store, settings, { from: settings.output })
    const before = touchedTimes(store.root)
    const again = await openDirectoryStore(store.root)
    const report = await publishInto(again, settings, { from: settings.output })
    expect(report.counts).toMatchObject({ added: 0, kept: 9, errors: 0 })
    expect(again.written.files).toBe(0)
    expect(touchedTimes(store.root)).toEqual(before)
  })

  test('knows a repository of which all is withdrawn', async () => {
    const [one] = makeSamples() as [Sample]
    const [root = ''] = roots
    const web = 'https://example.com/pages'
    const settings = await settingsOf([
      { ...one, repository: { ...one.repository, web, versions: 'v1.0.0' } },
    ])
    await build(settings)
    const store = await openDirectoryStore(settings.output)
    for (const path of filesBelow(store.root).filter((each) => /@v\/v[^/]*\.zip$/.test(each))) {
      const [, module = '', version = ''] = /^(.*)\/@v\/(.*)\.zip$/.exec(path) ?? []
      await withdrawFrom(store, settings, module, version, { reason: 'x', time: 1 })
    }
    const target = await openDirectoryStore(join(makeDirectory(), 'target'))
    await publishInto(target, settings, { from: settings.output })
    const record = JSON.parse(await textOf(target, `-/modules/${root}.json`))
    expect(record).toMatchObject({ versions: [], repository: { web } })
    expect(readSite(target.root)).toEqual(readSite(settings.output))
  })
})

describe('a clone that holds a part of the repository', () => {
  test('adds its tags, and changes nothing that it does not know', async () => {
    const [one] = makeSamples() as [Sample]
    const whole = await settingsOf([one])
    const store = await openDirectoryStore(join(makeDirectory(), 'target'))
    await publishInto(store, whole)
    const before = await textOf(store, `${roots[0]}/v2/@v/main.info`)
    one.release({ 'go.mod': `module ${roots[0]}\n`, 'a.go': 'package sample // three\n' }, 'v1.4.0')
    const dir = join(makeDirectory(), 'clone')
    one.git('clone', '--quiet', '--no-tags', '.', dir)
    one.git('-C', dir, 'fetch', '--quiet', 'origin', 'tag', 'v1.4.0')
    const part = await settingsOf([{ ...one, repository: { ...one.repository, dir } }])
    const report = await publishInto(store, part)
    expect(report.counts).toMatchObject({ added: 1, kept: 9, errors: 0 })
    expect(await textOf(store, `${roots[0]}/@v/list`)).toBe('v1.0.0\nv1.1.0\nv1.2.0\nv1.3.1\nv1.4.0\n')
    expect(await textOf(store, `${roots[0]}/v2/@v/main.info`)).toBe(before)
    expect(report.problems.map(({ code }) => code)).not.toContain('tag-deleted')
  })
})

describe('withdrawing', () => {
  test('takes a version down for good, and says why', async () => {
    const [one] = makeSamples() as [Sample]
    const [root = ''] = roots
    const settings = await settingsOf([one])
    await build(settings)
    const store = await openDirectoryStore(settings.output)
    const options = { reason: 'It holds <a key>.', time: 1_800_000_000 }
    await withdraw(settings, settings.output, { module: root, version: 'v1.3.1' }, options)
    expect(filesBelow(settings.output).filter((path) => path.includes('/@v/v1.3.1.'))).toEqual([])
    expect(await textOf(store, `${root}/@v/list`)).toBe('v1.0.0\nv1.1.0\nv1.2.0\n\n')
    expect(JSON.parse(await textOf(store, `${root}/@latest`))).toMatchObject({ Version: 'v1.2.0' })
    expect(await textOf(store, `${root}@v1.3.1/index.html`)).toContain('It holds &#60;a key&#62;.')
    expect(await textOf(store, `${root}/index.html`)).toContain('v1.3.1</a> (withdrawn)')
    expect(await textOf(store, 'index.html')).toMatch(/>go\.example\.org\/one<\/a> v1\.2\.0/)
    expect(await textOf(store, '-/feed.atom')).toContain(`<title>${root}@v1.3.1 (withdrawn)</title>`)
    const down = readSite(settings.output)
    expect((await build(settings)).counts).toMatchObject({ added: 0, kept: 8 })
    expect((await publishInto(store, settings)).counts).toMatchObject({ added: 0, kept: 8 })
    expect(readSite(settings.output)).toEqual(down)
  })

  test('the last version of a module leaves an empty list and an empty @latest', async () => {
    const [one] = makeSamples() as [Sample]
    const settings = await settingsOf([one])
    await build(settings)
    const module = `${roots[0]}/new`
    const { Version } = JSON.parse(readSite(settings.output).get(`${module}/@latest`) ?? '')
    await withdraw(settings, settings.output, { module, version: Version }, { reason: 'x', time: 1 })
    const files = readSite(settings.output)
    expect(files.get(`${module}/@v/list`)).toBe('\n')
    expect(files.get(`${module}/@latest`)).toBe('\n')
    expect(files.has(`${module}/@v/${Version}.zip`)).toBe(false)
    expect(files.get(`${module}/index.html`)).toContain(`${Version}</a> (withdrawn)`)
    expect((await build(settings)).counts).toMatchObject({ added: 0, kept: 8 })
  })

  test('takes away what a publisher has left who was killed before he could record it', async () => {
    const [one] = makeSamples() as [Sample]
    const [root = ''] = roots
    const settings = await settingsOf([one])
    const store = await openSite()
    await publishInto(store, settings)
    await store.create(`${root}/@v/v1.7.0.zip`, Buffer.from('a secret'))
    await store.create(`${root}/@v/v1.7.0.mod`, Buffer.from('module x'))
    await withdrawFrom(store, settings, root, 'v1.7.0', { reason: 'x', time: 1 })
    expect(filesBelow(store.root).filter((path) => path.includes('v1.7.0.'))).toEqual([])
    expect(await textOf(store, `${root}@v1.7.0/index.html`)).toContain('withdrawn')
  })

  test('what is not there is refused, and nothing is written', async () => {
    const [one] = makeSamples() as [Sample]
    const settings = await settingsOf([one])
    await build(settings)
    const before = readSite(settings.output)
    const options = { reason: 'x', time: 1 }
    for (const [module = '', version = ''] of [
      [roots[0], 'v9.9.9'],
      ['go.example.org/nothing', 'v1.0.0'],
      ['no path', 'v1.0.0'],
    ]) {
      const withdrawing = withdraw(settings, settings.output, { module, version }, options)
      await expect(withdrawing).rejects.toThrow(`The site has no version ${module}@${version}.`)
    }
    expect(readSite(settings.output)).toEqual(before)
  })

  test('beside publishers, whoever is first, it stays down', async () => {
    const [one] = makeSamples() as [Sample]
    const [root = ''] = roots
    const settings = await settingsOf([one])
    await build(settings)
    for (let round = 0; round < 5; round++) {
      const store = await openDirectoryStore(join(makeDirectory(), 'target'))
      await publishInto(store, settings, { from: settings.output, index: 'leave' })
      one.release({ 'go.mod': `module ${root}\n`, 'x.go': `package sample // ${round}\n` }, `v1.9.${round}`)
      await Promise.all([
        publishInto(store, settings, { index: 'leave' }),
        withdrawFrom(store, settings, root, 'v1.1.0', { reason: 'x', time: 1, index: 'leave' }),
        publishInto(store, settings, { index: 'leave' }),
      ])
      const paths = filesBelow(store.root)
      expect(paths.filter((path) => path.startsWith(`${root}/@v/v1.1.0.`))).toEqual([])
      const list = (await textOf(store, `${root}/@v/list`)).trimEnd().split('\n')
      expect(list).not.toContain('v1.1.0')
      expect(list.at(-1)).toBe(`v1.9.${round}`)
      expect(list).toHaveLength(4 + round)
      const shard = await textOf(store, `-/manifest/${root}.jsonl`)
      expect(shard).toContain('"state":"settled"')
    }
  })
})

test.for([1, 4, 16])('%i parts give the same as the whole, also where some were killed', async (of) => {
  const samples = makeSamples(6)
  const built = await settingsOf(samples)
  await build(built)
  const store = await openDirectoryStore(join(makeDirectory(), 'site'))
  const settings = await settingsOf(samples)
  const random = seededRandom(of)
  const publishPart = async (number: number, target: Store) => {
    await publishInto(target, { ...settings, part: { number, of } }, { index: 'leave' })
  }
  const numbers = Array.from({ length: of }, (_, at) => at + 1)
  const killed = numbers.map(async (number) => {
    const killAt = random() < 0.5 ? 1 + Math.floor(random() * 100) : 10_000
    await publishPart(number, faultyStore(store, { killAt })).catch((error: unknown) => {
      if (!(error instanceof Killed)) throw error
    })
  })
  await Promise.all(killed)
  expect(await findDangling(store)).toEqual([])
  await Promise.all(numbers.map((number) => publishPart(number, store)))
  await index({ ...built, output: store.root })
  expect(readSite(store.root)).toEqual(readSite(built.output))
})

function zipOf(site: string, version: string): string {
  return join(site, roots[0] ?? '', '@v', `${version}.zip`)
}

/** The same files in other bytes: nothing is deflated. */
async function storedZip(file: string): Promise<Buffer> {
  const archive = await readArchive(file)
  const pieces: ZipPiece[] = []
  for (const entry of archive.entries) {
    const { name, crc32, size } = entry
    const data = await archive.read(entry)
    pieces.push({ name, crc32, size, method: 'store', compressedSize: size, data })
  }
  const chunks: Uint8Array[] = []
  for await (const chunk of writeArchive(pieces)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function textOf(store: Store, path: string): Promise<string> {
  const file = await store.get(path)
  if (file === undefined) throw new Error(`There is no ${path}.`)
  return Buffer.from(file.body).toString()
}
