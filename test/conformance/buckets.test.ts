/**
 * What publishing into a bucket has besides the races: go reads meanwhile, a
 * store without conditions, and what one version costs.
 */

import { describe, expect, test } from 'vitest'
import { build } from '../../src/build.ts'
import { publish, publishInto } from '../../src/publish.ts'
import { openS3Store } from '../../src/store/s3.ts'
import { makeSamples, makeSmall, readSite, readStore, settingsOf } from '../support/bucketsuite.ts'
import { createGo } from '../support/gorun.ts'
import { missingServer, startS3Server } from '../support/s3server.ts'
import { startS3Stub } from '../support/s3stub.ts'

describe('gofakes3', () => {
  const isMissing = missingServer('gofakes3') !== undefined

  test.skipIf(isMissing)('go reads while publishers write, and finds all that it is told', async () => {
    const server = await startS3Server('gofakes3')
    try {
      const root = 'go.example.org/one'
      const sample = makeSmall(root)
      const target = `s3://${server.bucket}/read`
      const settings = await settingsOf([sample])
      const options = { env: server.env, index: 'leave' } as const
      await publish(settings, [target], options)
      let isDone = false
      const writing = (async () => {
        for (let round = 0; round < 12; round++) {
          sample.release({ 'a.go': `package one // ${round}\n` }, `v1.${round + 2}.0`)
          await Promise.all([publish(settings, [target], options), publish(settings, [target], options)])
        }
        isDone = true
      })()
      const go = await createGo({ proxy: `${server.url}/${server.bucket}/read` })
      let reads = 0
      while (!isDone) {
        go.clean()
        const [listed] = await go.versions([root])
        const versions = listed?.versions ?? []
        expect(versions.length).toBeGreaterThan(1)
        const found = await go.download([`${root}@${versions.at(-1)}`, `${root}@latest`])
        expect(found.map(({ error }) => error)).toEqual([undefined, undefined])
        reads++
      }
      await writing
      await go.close()
      expect(reads).toBeGreaterThan(2)
    } finally {
      await server.close()
    }
  })
})

describe('a store without conditional writes', () => {
  test('is refused, and used by a single writer who says so', async () => {
    const server = await startS3Server('s3rver')
    try {
      const whole = await settingsOf(makeSamples(2))
      await build(whole)
      const target = `s3://${server.bucket}/single`
      const refused = publish(whole, [target], { env: server.env })
      await expect(refused).rejects.toMatchObject({ problem: { code: 'store-unconditional' }, exitCode: 2 })
      const options = { env: server.env, writers: 'single', failOn: 'never' } as const
      const { counts } = await publish(whole, [target], options)
      expect(counts.added).toBe(18)
      expect((await publish(whole, [target], options)).counts).toMatchObject({ added: 0, kept: 18 })
      const place = { bucket: server.bucket, prefix: 'single' }
      const store = await openS3Store(place, { env: server.env, access: 'private', writers: 'single' })
      expect(await readStore(store)).toEqual(readSite(whole.output))
    } finally {
      await server.close()
    }
  })
})

test('one new version costs the same in a registry of 100 versions and of 10,000', async () => {
  const costs: object[] = []
  for (const repositories of [10, 1000]) {
    const stub = await startS3Stub()
    try {
      const sample = makeSmall('go.example.org/new')
      const settings = await settingsOf([sample])
      const store = await openS3Store(
        { bucket: stub.bucket, prefix: '' },
        { env: stub.env, access: 'private' },
      )
      await publishInto(store, settings, { index: 'leave' })
      await fillRegistry(stub.objects, repositories)
      sample.release({ 'a.go': 'package one // new\n' }, 'v1.2.0')
      const job = await openS3Store({ bucket: stub.bucket, prefix: '' }, { env: stub.env, access: 'private' })
      const { counts } = await publishInto(job, settings, { index: 'leave' })
      expect(counts).toMatchObject({ added: 1, kept: 2 })
      costs.push(job.traffic)
    } finally {
      await stub.close()
    }
  }
  expect(costs[1]).toEqual(costs[0])
  console.log('One new version costs', costs[0])
})

/** Puts the files of so many other repositories, of ten versions each, into a bucket. */
async function fillRegistry(
  objects: Map<string, { readonly body: Buffer; readonly tag: string; readonly headers: object }>,
  repositories: number,
): Promise<void> {
  const [some] = objects.values()
  const put = (key: string, text: string) =>
    objects.set(key, { ...(some ?? { headers: {}, tag: '"0"' }), body: Buffer.from(text) })
  for (let at = 0; at < repositories; at++) {
    const path = `go.example.org/other${at}`
    put(`-/manifest/${path}.jsonl`, '{}\n')
    put(`-/modules/${path}.json`, '{}\n')
    for (let minor = 0; minor < 10; minor++) {
      for (const kind of ['zip', 'mod', 'info']) put(`${path}/@v/v1.${minor}.0.${kind}`, 'x')
    }
  }
}
