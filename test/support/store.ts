/**
 * The suite that each Store passes, after Go's storage.TestStorage: what the
 * rest of the program relies on, a directory and a bucket alike.
 */

import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Store } from '../../src/store/store.ts'

/** Declares the suite. `open` returns a store that is empty, and cleans up after the test by itself. */
export function testStore(name: string, open: () => Promise<Store>): void {
  describe(`${name}, as a store`, () => {
    test('a created file is read back, and a second create changes nothing', async () => {
      const store = await open()
      expect(await store.get('a/b.txt')).toBeUndefined()
      expect(await store.tag('a/b.txt')).toBeUndefined()
      expect(await store.create('a/b.txt', bytes('first'))).toBe('created')
      expect(await store.create('a/b.txt', bytes('second'))).toBe('exists')
      expect(await store.create('a/b.txt', streamed('third'))).toBe('exists')
      expect(await readText(store, 'a/b.txt')).toBe('first')
      expect(await store.tag('a/b.txt')).toBe((await store.get('a/b.txt'))?.tag)
      expect(store.written).toEqual({ files: 1, bytes: 5 })
    })

    test('of 16 who create one file exactly one does, and the file is as that one wrote it', async () => {
      const store = await open()
      for (const kind of [bytes, streamed]) {
        const path = `race/${kind.name}.zip`
        const texts = Array.from({ length: 16 }, (_, index) => `${index}:`.repeat(10_000))
        const results = await Promise.all(texts.map((text) => store.create(path, kind(text))))
        expect(results.filter((result) => result === 'created')).toHaveLength(1)
        expect(await readText(store, path)).toBe(texts[results.indexOf('created')])
      }
    })

    test('a file is replaced only while it has the expected tag', async () => {
      const store = await open()
      const first = await store.replace('list', bytes('1'), undefined)
      if (first.result === 'conflict') throw new Error('There was no file, as expected.')
      expect(first.result).toBe('replaced')
      expect(await store.replace('list', bytes('2'), undefined)).toEqual({ result: 'conflict' })
      expect(await store.replace('list', bytes('2'), 'another')).toEqual({ result: 'conflict' })
      expect(await store.replace('missing', bytes('2'), first.tag)).toEqual({ result: 'conflict' })
      expect(await store.tag('missing')).toBeUndefined()

      const read = await store.get('list')
      expect(read?.tag).toBe(first.tag)
      const second = await store.replace('list', bytes('2'), read?.tag)
      expect(second.result).toBe('replaced')
      expect(await store.replace('list', bytes('3'), first.tag)).toEqual({ result: 'conflict' })
      expect(await readText(store, 'list')).toBe('2')
      expect(await store.create('list', bytes('4'))).toBe('exists')
    })

    test('replacing a file by the same bytes writes nothing', async () => {
      const store = await open()
      await store.create('list', bytes('same'))
      const read = await store.get('list')
      const before = store.written
      expect(await store.replace('list', bytes('same'), read?.tag)).toEqual({
        result: 'unchanged',
        tag: read?.tag,
      })
      expect(store.written).toEqual(before)
    })

    test('8 who append 10 lines each by reading and replacing lose none', async () => {
      const store = await open()
      const append = async (line: string): Promise<void> => {
        for (;;) {
          const read = await store.get('log')
          const text = `${read === undefined ? '' : textOf(read.body)}${line}\n`
          const { result } = await store.replace('log', bytes(text), read?.tag)
          if (result !== 'conflict') return
          await setImmediate()
        }
      }
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        for (let line = 0; line < 10; line++) await append(`${writer} ${line}`)
      })
      await Promise.all(writers)
      const lines = (await readText(store, 'log')).trimEnd().split('\n')
      expect(lines).toHaveLength(80)
      expect(new Set(lines).size).toBe(80)
    })

    test('files are listed below a directory, in the order of their bytes', async () => {
      const store = await open()
      const paths = ['a-b', 'a/b', 'a/b.c/d', 'a/bb/c.txt', 'a0', 'b/@v/list', '\u{10400}', 'Ａ']
      for (const path of paths) await store.create(path, bytes(path))
      expect(await listed(store, '')).toEqual([
        'a-b',
        'a/b',
        'a/b.c/d',
        'a/bb/c.txt',
        'a0',
        'b/@v/list',
        'Ａ',
        '\u{10400}',
      ])
      expect(await listed(store, 'a')).toEqual(['a/b', 'a/b.c/d', 'a/bb/c.txt'])
      expect(await listed(store, 'b/@v')).toEqual(['b/@v/list'])
      expect(await listed(store, 'nothing/here')).toEqual([])
    })

    test('a removed file is gone, can be created again, and may be removed twice', async () => {
      const store = await open()
      await store.create('a/b/c', bytes('1'))
      await store.create('a/d', bytes('1'))
      await store.remove('a/b/c')
      await store.remove('a/b/c')
      await store.remove('never/there')
      expect(await store.get('a/b/c')).toBeUndefined()
      expect(await listed(store, '')).toEqual(['a/d'])
      expect(await store.create('a/b/c', bytes('2'))).toBe('created')
      expect(await readText(store, 'a/b/c')).toBe('2')
    })

    test('a file is removed only while it has the expected tag', async () => {
      const store = await open()
      await store.create('a/b', bytes('1'))
      const first = await store.tag('a/b')
      await store.replace('a/b', bytes('2'), first)
      expect(await store.remove('a/b', first)).toBe('conflict')
      expect(await readText(store, 'a/b')).toBe('2')
      expect(await store.remove('a/b', await store.tag('a/b'))).toBe('removed')
      expect(await store.remove('a/b', first)).toBe('removed')
      expect(await listed(store, '')).toEqual([])
    })

    test('a file is read piece by piece, and what is not there is not', async () => {
      const store = await open()
      const body = Buffer.alloc(3_000_000, 'piece by piece')
      await store.create('big', body)
      const chunks: Uint8Array[] = []
      for await (const chunk of (await store.stream('big')) ?? []) chunks.push(chunk)
      expect(Buffer.concat(chunks).equals(body)).toBe(true)
      expect(await store.stream('nothing')).toBeUndefined()
      expect(await store.stream('big/below')).toBeUndefined()
    })

    test('creating and removing files of one directory at once never fails', async () => {
      const store = await open()
      const work = Array.from({ length: 8 }, async (_, index) => {
        for (let round = 0; round < 10; round++) {
          expect(await store.create(`x/y/${index}`, bytes('1'))).toBe('created')
          await store.remove(`x/y/${index}`)
        }
      })
      await Promise.all(work)
      expect(await listed(store, '')).toEqual([])
    })

    test.for([
      'github.com/!azure/x/@v/v2.0.0+incompatible.info',
      'example.com/~user/m@v1.0.0/index.html',
      'sumdb/example.com/lookup/github.com/!big!letters@v1.0.0',
      '_headers',
      'a b/%21%2F/ü/漢字/e\u0301',
      '-/manifest/example.com.jsonl',
    ])('the name %s is kept as it is', async (path) => {
      const store = await open()
      expect(await store.create(path, bytes(path))).toBe('created')
      expect(await readText(store, path)).toBe(path)
      const { tag } = (await store.get(path)) ?? {}
      expect((await store.replace(path, bytes('new'), tag)).result).toBe('replaced')
      expect(await listed(store, '')).toEqual([path])
    })

    test.for(['', '/a', 'a/', 'a//b', '..', 'a/../b', './a', 'a/.', 'a\\b', 'a\0b'])(
      'the path %j is refused by every method',
      async (path) => {
        const store = await open()
        const calls = [
          store.get(path),
          store.tag(path),
          store.stream(path),
          store.create(path, bytes('x')),
          store.replace(path, bytes('x'), undefined),
          store.remove(path),
          ...(path === '' ? [] : [listed(store, path)]),
        ]
        const results = await Promise.allSettled(calls)
        expect(results.map((result) => result.status)).toEqual(calls.map(() => 'rejected'))
        expect(await listed(store, '')).toEqual([])
      },
    )

    test('a streamed file is as long as all of its chunks, also where there are none', async () => {
      const store = await open()
      const chunk = new Uint8Array(300_000).fill(7)
      async function* chunks(): AsyncGenerator<Uint8Array> {
        for (let index = 0; index < 10; index++) {
          yield chunk
          yield new Uint8Array(0)
          yield chunk.subarray(0, 10)
        }
      }
      expect(await store.create('big', chunks())).toBe('created')
      expect((await store.get('big'))?.body.byteLength).toBe(3_000_100)
      expect(await store.create('empty', streamed(''))).toBe('created')
      expect((await store.get('empty'))?.body.byteLength).toBe(0)
    })

    test('a stream that fails leaves nothing, and its error arrives as it was', async () => {
      const store = await open()
      const failure = new Error('no more')
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield new Uint8Array(200_000)
        throw failure
      }
      await expect(store.create('a/b', failing())).rejects.toBe(failure)
      expect(await store.get('a/b')).toBeUndefined()
      expect(await listed(store, '')).toEqual([])
      expect(store.written).toEqual({ files: 0, bytes: 0 })
      expect(await store.create('a/b', bytes('again'))).toBe('created')
    })

    test('a stream that is aborted leaves nothing', async () => {
      const store = await open()
      const abort = new AbortController()
      async function* aborted(): AsyncGenerator<Uint8Array> {
        yield new Uint8Array(10)
        abort.abort()
        yield new Uint8Array(10)
      }
      const creating = store.create('a/b', aborted(), { signal: abort.signal })
      await expect(creating).rejects.toThrow(/abort/)
      expect(await listed(store, '')).toEqual([])
    })
  })
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

async function* streamed(text: string): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < text.length; at += 1000) yield bytes(text.slice(at, at + 1000))
}

function textOf(body: Uint8Array): string {
  return new TextDecoder().decode(body)
}

async function readText(store: Store, path: string): Promise<string> {
  const file = await store.get(path)
  if (file === undefined) throw new Error(`${path} is not there.`)
  return textOf(file.body)
}

async function listed(store: Store, directory: string): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of store.list(directory)) paths.push(path)
  return paths
}
