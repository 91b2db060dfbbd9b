import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { build, index } from '../src/build.ts'
import { loadSettings } from '../src/config/load.ts'
import type { Settings } from '../src/config/schema.ts'
import type { VersionEvent } from '../src/events.ts'
import { publish, publishInto } from '../src/publish.ts'
import { openDirectoryStore } from '../src/store/directory.ts'
import type { Store } from '../src/store/store.ts'
import { withdraw, withdrawFrom } from '../src/withdraw.ts'
import { faultyStore, findDangling, Killed, seededRandom } from './support/faultystore.ts'
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

async function textOf(store: Store, path: string): Promise<string> {
  const file = await store.get(path)
  if (file === undefined) throw new Error(`There is no ${path}.`)
  return Buffer.from(file.body).toString()
}
