import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readTar } from '../../src/git/tar.ts'
import { createRepository, type FileEntry } from '../support/gitobjects.ts'
import { makeDirectory, runGit } from '../support/repo.ts'

async function* inChunks(bytes: Uint8Array, size = bytes.length): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<[name: string, content: string][]> {
  const files: [string, string][] = []
  for await (const { name, content } of readTar(chunks))
    files.push([name, Buffer.from(content).toString('latin1')])
  return files
}

const repository = createRepository(makeDirectory())

/** Returns what git makes of a commit with these files. */
function archive(files: Readonly<Record<string, string | FileEntry>>): Buffer {
  const commit = repository.commit({ tree: repository.files(files), time: 0 })
  return runGit(repository.dir, '', ['archive', '--format=tar', commit])
}

describe('readTar', () => {
  const long = (length: number) => 'x'.repeat(length)
  test.for<[string, Record<string, string>]>([
    ['nothing', {}],
    ['files and directories', { a: 'A\n', 'b/c': 'C', 'b/d/e': '' }],
    ['sizes around that of a block', { a: long(511), b: long(512), c: long(513), d: long(1025) }],
    [
      'names around 100 bytes',
      Object.fromEntries([99, 100, 101].map((length) => [long(length), `${length}`])),
    ],
    ['a long name that can be split', { [`${long(90)}/${long(90)}`]: 'split' }],
    [
      'a long name that cannot',
      { [long(200)]: 'one', [`${long(160)}/${long(101)}`]: 'other', last: 'short' },
    ],
    ['a name of many bytes', { [`日本/${'é'.repeat(60)}`]: 'é' }],
    ['a name that looks like a record', { [`${long(101)}\n11 path=x\n`]: 'yes' }],
  ])('%s', async ([, files]) => {
    const want = Object.entries(files).map(([name, text]) => [name, Buffer.from(text).toString('latin1')])
    const got = await readAll(inChunks(archive(files)))
    expect(new Map(got)).toEqual(new Map(want as [string, string][]))
    expect(got).toHaveLength(want.length)
  })

  test('links and the directories of submodules are left out', async () => {
    const files = {
      file: 'file',
      executable: { mode: '100755', content: 'run' },
      link: { mode: '120000', content: 'file' },
      [long(120)]: { mode: '120000', content: long(150) },
      submodule: { mode: '160000', oid: '1'.repeat(40) },
    }
    expect(await readAll(inChunks(archive(files)))).toEqual([
      ['executable', 'run'],
      ['file', 'file'],
    ])
  })

  test('it does not matter in which pieces it comes', async () => {
    const bytes = archive({ a: 'A', [long(120)]: long(700), 'b/c': '' })
    const want = await readAll(inChunks(bytes))
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 2000 }), async (size) => {
        expect(await readAll(inChunks(bytes, size))).toEqual(want)
      }),
      { numRuns: 20 },
    )
  })

  test('a stream is read to its end, so that what ails the writer shows', async () => {
    const bytes = archive({ a: 'A' })
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield bytes
      throw new Error('The writer has died.')
    }
    await expect(readAll(failing())).rejects.toThrow('The writer has died.')
    expect(await readAll(inChunks(new Uint8Array()))).toEqual([])
  })
})
