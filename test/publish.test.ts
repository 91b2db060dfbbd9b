import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { build, index } from '../src/build.ts'
import { loadSettings } from '../src/config/load.ts'
import type { Settings } from '../src/config/schema.ts'
import { publishInto } from '../src/publish.ts'
import { openDirectoryStore } from '../src/store/directory.ts'
import { makeDirectory } from './support/repo.ts'
import { makeSample, type Sample } from './support/sample.ts'
import { filesBelow } from './support/site.ts'

const roots = ['go.example.org/one', 'go.example.org/two', 'go.example.org/three']

function makeSamples(): Sample[] {
  const dir = makeDirectory()
  return roots.map((root, at) => makeSample(join(dir, String(at)), root))
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
