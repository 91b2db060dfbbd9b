import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { readerHere } from '../src/batches.ts'
import { locateRepository } from '../src/git/location.ts'
import { ObjectError } from '../src/git/object.ts'
import { type GitRepository, withRepository } from '../src/git/repository.ts'
import { Hands } from '../src/hands.ts'
import type { Oid } from '../src/model.ts'
import { createRepository, type RawRepository } from './support/gitobjects.ts'
import { makeDirectory } from './support/repo.ts'

let raw: RawRepository
beforeAll(() => {
  raw = createRepository(makeDirectory())
})

const opened: Hands[] = []
afterEach(() => {
  for (const hands of opened.splice(0)) hands.end()
})

/** Starts threads, and waits until they are there. */
async function start(jobs: number, roomBytes?: number): Promise<Hands> {
  const hands = new Hands(jobs, roomBytes === undefined ? {} : { roomBytes })
  opened.push(hands)
  hands.expect(9)
  for (let turn = 0; !hands.canCreate; turn++) {
    if (turn > 2000) throw new Error('No thread has come.')
    await wait(5)
  }
  return hands
}

async function use<T>(work: (repository: GitRepository) => Promise<T>): Promise<T> {
  const location = await locateRepository(raw.dir)
  if ('code' in location) throw new Error(location.message)
  return withRepository(location, 'native', work)
}

describe('hands', () => {
  test('read what this thread reads, the missing and the damaged included', async () => {
    const hands = await start(3)
    const oids = Array.from({ length: 40 }, (_, index) => raw.blob(`${index}\n`.repeat(index * 20)) as Oid)
    const tree = raw.files({ a: 'a' }) as Oid
    const all = [...oids, '1'.repeat(40) as Oid, tree]
    await use(async (repository) => {
      const { reader, close } = hands.open(repository)
      // The first of them is there; the other may take longer on a busy machine.
      await expect.poll(() => reader.others?.count, { timeout: 10_000 }).toBe(2)
      const here = await readerHere(repository).read(all, 400)
      const { others } = reader
      if (others === undefined) throw new Error('There are no others.')
      const reads = Array.from({ length: 8 }, (_, at) =>
        at < 6 ? others.read(all, 400, 1000) : reader.read(all, 400),
      )
      expect(others.leastLoad).toBeGreaterThan(3000)
      const batches = await Promise.all(reads)
      expect(others.leastLoad).toBe(0)
      for (const batch of batches) {
        expect(batch.slice(0, 40)).toEqual(here.slice(0, 40))
        const codes = batch.slice(40).map((each) => each instanceof ObjectError && each.code)
        expect(codes).toEqual(['object-missing', 'object-corrupt'])
      }
      await close()
    })
  })

  test('create files one after the other, up to the first that is there', async () => {
    const hands = await start(2)
    const root = makeDirectory()
    const content = Buffer.from('a zip, as it were')
    const zip = (path: string) => ({
      path,
      bytes: content.length,
      fill: (body: Buffer) => void content.copy(body),
    })
    const others = [
      { path: 'm/@v/v1.0.0.mod', body: Buffer.from('mod') },
      { path: 'm/@v/v1.0.0.info', body: Buffer.from('info') },
    ]
    const sha256 = createHash('sha256').update(content).digest('hex')
    const all = { sha256, outcomes: ['created', 'created', 'created'] }
    expect(await hands.create(root, zip('m/@v/v1.0.0.zip'), others)).toEqual(all)
    expect(readFileSync(join(root, 'm/@v/v1.0.0.zip')).equals(content)).toBe(true)
    expect(readFileSync(join(root, 'm/@v/v1.0.0.info'), 'utf8')).toBe('info')
    const again = await hands.create(root, zip('m/@v/v2.0.0.zip'), others)
    expect(again.outcomes).toEqual(['created', 'exists'])
    expect(existsSync(join(root, 'm/@v/v2.0.0.info'))).toBe(false)
  })

  test('write files whatever was there', async () => {
    const hands = await start(2)
    const root = makeDirectory()
    writeFileSync(join(root, 'old.html'), 'old')
    const files = Array.from({ length: 40 }, (_, index) => ({
      path: `m/${index}.html`,
      text: `Seite ${index}: ä`,
    }))
    await hands.put(root, [...files, { path: 'old.html', text: 'new' }])
    for (const { path, text } of files) expect(readFileSync(join(root, path), 'utf8')).toBe(text)
    expect(readFileSync(join(root, 'old.html'), 'utf8')).toBe('new')
    await expect(hands.put(join(root, 'old.html'), files)).rejects.toMatchObject({
      problem: { code: 'output-unwritable' },
    })
  })

  describe('create a large file of chunks', () => {
    const parts = Array.from({ length: 40 }, (_, index) =>
      Buffer.alloc(1 + ((index * 7919) % 300_000), index),
    )
    const whole = Buffer.concat(parts)
    async function* content(memory: () => Buffer): AsyncGenerator<Uint8Array> {
      for (const part of parts) {
        const chunk = memory()
        part.copy(chunk)
        yield chunk.subarray(0, part.length)
      }
    }

    test('as they come, several at once', async () => {
      const hands = await start(2)
      const root = makeDirectory()
      const names = ['a', 'b', 'c', 'd', 'e'].map((name) => `m/${name}.zip`)
      const created = await Promise.all(names.map((name) => hands.createLarge(root, name, content)))
      const sha256 = createHash('sha256').update(whole).digest('hex')
      for (const [index, name] of names.entries()) {
        expect(created[index]).toEqual({ sha256, outcomes: ['created'], size: whole.length })
        expect(readFileSync(join(root, name)).equals(whole)).toBe(true)
      }
      expect(readdirSync(join(root, '-/tmp'))).toEqual([])
    })

    test('unless it is there already: nothing more of it is made', async () => {
      const hands = await start(2)
      const root = makeDirectory()
      writeFileSync(join(root, 'a.zip'), 'old')
      let made = 0
      async function* endless(memory: () => Buffer): AsyncGenerator<Uint8Array> {
        for (; ; made++) yield memory().subarray(0, 1000)
      }
      expect(await hands.createLarge(root, 'a.zip', endless)).toMatchObject({ outcomes: ['exists'] })
      expect(readFileSync(join(root, 'a.zip'), 'utf8')).toBe('old')
      const soFar = made
      await wait(20)
      expect(made).toBe(soFar)
    })

    test('and leave nothing of what fails, here or there', async () => {
      const hands = await start(2)
      const root = makeDirectory()
      async function* failing(memory: () => Buffer): AsyncGenerator<Uint8Array> {
        yield* content(memory)
        throw new Error('lost on the way')
      }
      await expect(hands.createLarge(root, 'm/a.zip', failing)).rejects.toThrow('lost on the way')
      expect(existsSync(join(root, 'm/a.zip'))).toBe(false)
      expect(readdirSync(join(root, '-/tmp'))).toEqual([])
      writeFileSync(join(root, 'file'), '')
      await expect(hands.createLarge(join(root, 'file'), 'm/a.zip', content)).rejects.toMatchObject({
        name: 'FatalError',
        problem: { code: 'output-unwritable' },
      })
      // Others have their turn after that.
      expect(await hands.createLarge(root, 'm/a.zip', content)).toMatchObject({ size: whole.length })
      hands.stop()
      await expect(hands.createLarge(root, 'm/b.zip', content)).rejects.toThrow()
      expect(existsSync(join(root, 'm/b.zip'))).toBe(false)
    })
  })

  test('use the memory that they are lent, over and over', async () => {
    const hands = await start(2, 100_000)
    const root = makeDirectory()
    const sizes = Array.from({ length: 30 }, (_, index) => 1 + ((index * 7919) % 150_000))
    const created = await Promise.all(
      sizes.map((bytes, index) => {
        const fill = (body: Buffer) => void body.fill(index)
        return hands.create(root, { path: `f${index}`, bytes, fill }, [])
      }),
    )
    for (const [index, bytes] of sizes.entries()) {
      const want = Buffer.alloc(bytes, index)
      expect(readFileSync(join(root, `f${index}`)).equals(want)).toBe(true)
      expect(created[index]?.sha256).toBe(createHash('sha256').update(want).digest('hex'))
    }
  })

  test('tell what the disk refuses, as this thread would', async () => {
    const hands = await start(2)
    const root = join(makeDirectory(), 'file')
    writeFileSync(root, '')
    const zip = { path: 'm/v1.0.0.zip', bytes: 1, fill: (body: Buffer) => void body.fill(0) }
    await expect(hands.create(root, zip, [])).rejects.toMatchObject({
      name: 'FatalError',
      problem: { code: 'output-unwritable' },
      exitCode: 2,
    })
  })

  test('give no file its name once they are stopped', async () => {
    const hands = await start(2)
    const root = makeDirectory()
    hands.stop()
    const zip = { path: 'm/v1.0.0.zip', bytes: 1, fill: (body: Buffer) => void body.fill(0) }
    await expect(hands.create(root, zip, [])).rejects.toThrow()
    expect(existsSync(join(root, 'm'))).toBe(false)
  })

  test('are none where one thing is done at a time', async () => {
    const hands = new Hands(1)
    hands.expect(9)
    await wait(50)
    expect(hands.canCreate).toBe(false)
    await use(async (repository) => {
      const { reader, close } = hands.open(repository)
      expect(await reader.read([raw.blob('x') as Oid], 9)).toMatchObject([{ size: 1 }])
      await close()
    })
  })
})
