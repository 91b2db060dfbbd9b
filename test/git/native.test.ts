import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, join } from 'node:path'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { locateRepository } from '../../src/git/location.ts'
import type { ObjectError } from '../../src/git/object.ts'
import { type GitRepository, withRepository } from '../../src/git/repository.ts'
import type { Oid } from '../../src/model.ts'
import { createRepository, type RawRepository } from '../support/gitobjects.ts'
import { makeDirectory, runGit } from '../support/repo.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

function make(format: 'sha1' | 'sha256' = 'sha1'): RawRepository {
  return createRepository(makeDirectory(), { format })
}

async function use<T>({ dir }: RawRepository, work: (git: GitRepository) => Promise<T>): Promise<T> {
  const location = await locateRepository(dir)
  if ('code' in location) throw new Error(location.message)
  return withRepository(location, 'native', work)
}

/** Writes blobs of many sizes, and gives their contents by their ids. */
function writeBlobs(raw: RawRepository, count: number): Map<Oid, Buffer> {
  return new Map(
    Array.from({ length: count }, (_, index) => {
      const content = Buffer.from(`${index}\n`.repeat(index * index))
      return [raw.blob(content) as Oid, content]
    }),
  )
}

function code(result: PromiseSettledResult<unknown>): string | undefined {
  return result.status === 'rejected' ? (result.reason as ObjectError).code : undefined
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}

describe('read', () => {
  test.for(['sha1', 'sha256'] as const)('gives each object with its type, in %s', async (format) => {
    const raw = make(format)
    const blob = raw.blob('text\n')
    const tree = raw.files({ a: 'text\n' })
    const commit = raw.commit({ tree })
    const tag = raw.tag({ object: commit, name: 'v1.0.0' })
    await use(raw, async (git) => {
      expect(git).toMatchObject({ reader: 'native', hash: format })
      const types = { [blob]: 'blob', [tree]: 'tree', [commit]: 'commit', [tag]: 'tag' }
      for (const [oid, type] of Object.entries(types)) {
        expect(oid).toHaveLength(format === 'sha1' ? 40 : 64)
        expect(await git.read(oid as Oid)).toMatchObject({ oid, type })
      }
      expect(Buffer.from((await git.read(blob as Oid)).content).toString()).toBe('text\n')
      expect(await git.stat([tree, blob, commit] as Oid[])).toMatchObject([
        { type: 'tree' },
        { type: 'blob', size: 5 },
        { type: 'commit' },
      ])
    })
  })

  test('5,000 at once are answered each with its own', async () => {
    const raw = make()
    const blobs = [...writeBlobs(raw, 25)]
    await use(raw, async (git) => {
      const wanted = Array.from({ length: 5000 }, (_, index) => blobs[(index * 7) % blobs.length])
      const oids = wanted.flatMap((each) => each?.[0] ?? [])
      const [objects, stats] = await Promise.all([
        Promise.all(oids.map((oid) => git.read(oid))),
        git.stat(oids),
      ])
      for (const [index, each] of wanted.entries()) {
        expect(objects[index]?.oid).toBe(each?.[0])
        expect(objects[index]?.content.length).toBe(each?.[1].length)
        expect(stats[index]).toEqual({ type: 'blob', size: each?.[1].length })
      }
      for (const [oid, content] of blobs) expect(content.equals((await git.read(oid)).content)).toBe(true)
    })
  })

  test('what is missing or damaged is said to be so, and what is asked beside it is answered', async () => {
    const raw = make()
    const good = [...writeBlobs(raw, 12)]
    const [missing, junk, cut, other, empty] = ['a', 'b'.repeat(3000), 'c'.repeat(3000), 'd', 'e'].map(
      (text) => raw.blob(text) as Oid,
    )
    if (!missing || !junk || !cut || !other || !empty) throw new Error('There are too few.')
    rmSync(raw.pathOf(missing))
    writeFileSync(raw.pathOf(junk), 'junk')
    truncateSync(raw.pathOf(cut), 20)
    copyFileSync(raw.pathOf(raw.blob('x')), raw.pathOf(other))
    writeFileSync(raw.pathOf(empty), '')
    await use(raw, async (git) => {
      const bad = [missing, junk, cut, other, empty]
      const asked = good.flatMap(([oid], index) => [oid, ...bad.slice(index % 5, (index % 5) + 1)])
      const results = await Promise.allSettled(asked.map((oid) => git.read(oid)))
      for (const [index, oid] of asked.entries()) {
        const result = results[index]
        if (result === undefined) throw new Error('There are too few.')
        const want = oid === missing ? 'object-missing' : bad.includes(oid) ? 'object-corrupt' : undefined
        expect(code(result), `${index}`).toBe(want)
      }
      for (const oid of bad)
        await expect(collect(git.stream(oid))).rejects.toMatchObject({ name: 'ObjectError' })
      const stats = await git.stat([missing, junk, ...good.map(([oid]) => oid)])
      expect(stats.slice(0, 2)).toEqual([undefined, undefined])
      expect(stats.slice(2)).toEqual(good.map(([, content]) => ({ type: 'blob', size: content.length })))
    })
  })

  test('a truncated pack costs the objects at its end', async () => {
    const raw = make()
    const blobs = writeBlobs(raw, 30)
    raw.ref(
      'refs/heads/main',
      raw.commit({
        tree: raw.files(Object.fromEntries([...blobs.values()].map((each, index) => [`${index}`, each]))),
      }),
    )
    runGit(raw.dir, '', ['repack', '-adq'])
    runGit(raw.dir, '', ['prune-packed'])
    const [pack = ''] = readdirSync(join(raw.dir, 'objects/pack')).filter((name) => name.endsWith('.pack'))
    const file = join(raw.dir, 'objects/pack', pack)
    chmodSync(file, 0o644)
    truncateSync(file, Math.floor(readFileSync(file).length * 0.6))
    await use(raw, async (git) => {
      const results = await Promise.allSettled([...blobs.keys()].map((oid) => git.read(oid)))
      for (const [index, [oid, content]] of [...blobs].entries()) {
        const result = results[index]
        if (result?.status === 'fulfilled')
          expect(Buffer.from(result.value.content).equals(content)).toBe(true)
        else expect(result?.reason).toMatchObject({ name: 'ObjectError', oid })
      }
      expect(results.some((result) => result.status === 'rejected')).toBe(true)
    })
  })
})

describe('git', () => {
  const realPath = process.env['PATH'] ?? ''

  /** Puts a git before the real one whose first `cat-file --batch` prints so many bytes and dies, or is killed. */
  function dieAfter(bytes: number, end: 'exit 1' | 'kill -9 $$' = 'exit 1'): void {
    const dir = makeDirectory()
    const script = [
      '#!/bin/sh',
      `PATH='${realPath}'`,
      `if [ "$2" = --batch ] && mkfifo '${dir}/answers' 2>/dev/null; then`,
      '  exec 3<&0',
      `  git "$@" <&3 >'${dir}/answers' &`,
      // Not "head", which keeps for itself what it has until it has all of it.
      `  dd bs=1 count=${bytes} status=none <'${dir}/answers'`,
      '  kill -9 $!',
      `  ${end}`,
      'fi',
      'exec git "$@"',
      '',
    ].join('\n')
    writeFileSync(join(dir, 'git'), script, { mode: 0o755 })
    vi.stubEnv('PATH', `${dir}${delimiter}${realPath}`)
  }

  test.for([0, 30, 1000, 20_000])('that dies after %i bytes costs one answer at most', async (bytes) => {
    const raw = make()
    const blobs = [...writeBlobs(raw, 30)]
    dieAfter(bytes)
    await use(raw, async (git) => {
      const results = await Promise.allSettled(blobs.map(([oid]) => git.read(oid)))
      const codes = results.flatMap((each) => code(each) ?? [])
      // Within the first 50 bytes no object has been asked for yet.
      expect(codes).toEqual(bytes < 50 ? [] : ['object-corrupt'])
      for (const [index, [, content]] of blobs.entries()) {
        const result = results[index]
        if (result?.status === 'fulfilled')
          expect(Buffer.from(result.value.content).equals(content)).toBe(true)
      }
      for (const [oid] of blobs) expect((await git.read(oid)).oid).toBe(oid)
    })
  })

  test.for([0, 30, 1000, 20_000])('that is killed after %i bytes costs no answer', async (bytes) => {
    const raw = make()
    const blobs = [...writeBlobs(raw, 30)]
    dieAfter(bytes, 'kill -9 $$')
    await use(raw, async (git) => {
      const objects = await Promise.all(blobs.map(([oid]) => git.read(oid)))
      for (const [index, [, content]] of blobs.entries())
        expect(Buffer.from(objects[index]?.content ?? []).equals(content)).toBe(true)
    })
  })

  test('is not started again for who asks when all is over', async () => {
    const raw = make()
    const oid = raw.blob('x') as Oid
    const closed = await use(raw, async (git) => {
      await git.read(oid)
      return git
    })
    await expect(closed.read(oid)).rejects.toThrow('The repository is closed.')
  })

  test('that dies of a content nobody wants costs no other', async () => {
    const raw = make()
    const large = raw.blob(Buffer.alloc(100_000, 'x')) as Oid
    const blobs = [...writeBlobs(raw, 8)]
    dieAfter(20_000)
    await use(raw, async (git) => {
      const [stat, ...objects] = await Promise.all([
        git.readUpTo?.(large, 50_000),
        ...blobs.map(([oid]) => git.read(oid)),
      ])
      expect(stat).toEqual({ type: 'blob', size: 100_000 })
      for (const [index, [oid]] of blobs.entries()) expect(objects[index]).toMatchObject({ oid })
    })
  })

  test('that cannot be run ends the work on the repository', async () => {
    const raw = make()
    const oid = raw.blob('x') as Oid
    vi.stubEnv('PATH', makeDirectory())
    const want = { name: 'RepositoryError', code: 'needs-git' }
    await expect(use(raw, (git) => git.read(oid))).rejects.toMatchObject(want)
  })

  test('that has only its name cannot be run either', async () => {
    const dir = makeDirectory()
    writeFileSync(join(dir, 'git'), '#!/bin/sh\necho no tools >&2\nexit 1\n', { mode: 0o755 })
    vi.stubEnv('PATH', `${dir}${delimiter}${realPath}`)
    const failing = use(make(), (git) => git.stat([]))
    await expect(failing).rejects.toMatchObject({
      code: 'needs-git',
      message: expect.stringContaining('no tools'),
    })
  })

  test('leaves nothing behind, whatever happens to the work', async () => {
    const raw = make()
    const oid = raw.blob('x') as Oid
    const temporary = makeDirectory()
    vi.stubEnv('TMPDIR', temporary)
    const failing = use(raw, async (git) => {
      await git.read(oid)
      expect(readdirSync(temporary)).toHaveLength(1)
      throw new Error('The work failed.')
    })
    await expect(failing).rejects.toThrow('The work failed.')
    expect(readdirSync(temporary)).toEqual([])
  })
})

describe('stream', () => {
  test('gives a large blob in pieces', async () => {
    const raw = make()
    const size = 12 * 2 ** 20 + 7
    const oid = raw.zeros(size) as Oid
    await use(raw, async (git) => {
      const hash = createHash('sha1').update(`blob ${size}\0`)
      let [total, largest] = [0, 0]
      for await (const chunk of git.stream(oid)) {
        hash.update(chunk)
        total += chunk.length
        largest = Math.max(largest, chunk.length)
      }
      expect(total).toBe(size)
      expect(largest).toBeLessThan(2 ** 20)
      expect(hash.digest('hex')).toBe(oid)
    })
  })

  test('gives an empty one, and stops when nobody listens any more', async () => {
    const raw = make()
    const [empty, large] = [raw.blob('') as Oid, raw.zeros(4 * 2 ** 20) as Oid]
    await use(raw, async (git) => {
      expect(await collect(git.stream(empty))).toHaveLength(0)
      for await (const chunk of git.stream(large)) {
        expect(chunk.length).toBeGreaterThan(0)
        break
      }
      expect((await git.read(empty)).content).toHaveLength(0)
    })
  })

  test('what is no blob is not given', async () => {
    const raw = make()
    const tree = raw.files({ a: 'a' }) as Oid
    await use(raw, async (git) => {
      await expect(collect(git.stream(tree))).rejects.toMatchObject({ code: 'object-corrupt' })
    })
  })
})

describe('history', () => {
  test('is walked through merges, and a hole in it is said', async () => {
    const raw = make()
    const tree = raw.files({})
    const commit = (...parents: string[]) => raw.commit({ tree, parents }) as Oid
    const first = commit()
    const [left, right] = [commit(first), commit(first)]
    const merge = commit(left, right)
    const later = commit(merge)
    const tag = raw.tag({ object: later, name: 'v1.0.0' }) as Oid
    const cut = commit('1'.repeat(40))
    await use(raw, async (git) => {
      const all = new Set([first, left, right, merge, later])
      expect(await git.ancestors(merge, all)).toEqual(new Set([first, left, right, merge]))
      expect(await git.ancestors(tag, all)).toEqual(all)
      expect(await git.ancestors(left, new Set([right]))).toEqual(new Set())
      expect(await git.ancestors(merge, new Set())).toEqual(new Set())
      expect(await git.findAncestor(tag, right.slice(0, 7))).toBe(right)
      expect(await git.findAncestor(left, right)).toBeUndefined()
      await expect(git.ancestors(cut, new Set([first]))).rejects.toMatchObject({ code: 'object-missing' })
    })
  })
})

describe('several histories', () => {
  test('give with one walk what each gives by itself', async () => {
    const raw = make()
    const tree = raw.files({})
    // For each commit, how far back its parents are.
    const graph = fc.array(fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 3 }), {
      minLength: 1,
      maxLength: 12,
    })
    await use(raw, async (git) => {
      await fc.assert(
        fc.asyncProperty(graph, fc.array(fc.nat(11), { maxLength: 4 }), async (distances, chosen) => {
          const commits: Oid[] = []
          for (const [index, back] of distances.entries()) {
            const parents = new Set(back.flatMap((distance) => commits[index - distance] ?? []))
            commits.push(raw.commit({ tree, parents: [...parents], time: index }) as Oid)
          }
          const tips = chosen.flatMap((index) => commits[index] ?? [])
          const wanted = new Set(commits.filter((_, index) => index % 2 === 0))
          const alone = await Promise.all(tips.map((tip) => git.ancestors(tip, wanted)))
          expect(await git.ancestorsOfEach?.(tips, wanted)).toEqual(alone)
        }),
        { numRuns: 15 },
      )
    })
  })

  test('are the same where they were expected, and where others were', async () => {
    const raw = make()
    const tree = raw.files({})
    // More lines than a pipe holds, so that git waits for whoever reads.
    const commits: Oid[] = []
    for (let index = 0; index < 1500; index++) {
      commits.push(raw.commit({ tree, parents: commits.slice(-1), time: index }) as Oid)
    }
    const wanted = new Set([commits[0] as Oid, commits[700] as Oid])
    const tips = [commits.at(-1) as Oid, commits[699] as Oid]
    const all = [wanted, new Set([commits[0] as Oid])]
    for (const expected of [tips, tips.slice(0, 1), tips.slice(1), []]) {
      await use(raw, async (git) => {
        git.expectAncestors?.(expected)
        expect(await git.ancestorsOfEach?.(tips, wanted)).toEqual(all)
        expect(await git.ancestorsOfEach?.(tips, wanted)).toEqual(all)
        expect(await git.ancestors(tips[0] as Oid, wanted)).toEqual(wanted)
      })
    }
    // Expected by the name of a tag, in whatever order.
    const tag = raw.tag({ object: tips[1] as Oid, type: 'commit', name: 'old' }) as Oid
    for (const expected of [
      [tag, tips[0] as Oid],
      [tag, tips[1] as Oid],
    ]) {
      await use(raw, async (git) => {
        git.expectAncestors?.(expected)
        expect(await git.ancestorsOfEach?.(tips, wanted, [tips[0] as Oid, tag])).toEqual(all)
      })
    }
    // Nobody has to read what was expected.
    await use(raw, async (git) => git.expectAncestors?.(tips))
  })

  test('with a hole are not told though they were expected', async () => {
    const raw = make()
    const cut = raw.commit({ tree: raw.files({}), parents: ['1'.repeat(40)] }) as Oid
    await use(raw, async (git) => {
      git.expectAncestors?.([cut])
      await expect(git.ancestors(cut, new Set([cut, '2'.repeat(40) as Oid]))).rejects.toMatchObject({
        code: 'object-missing',
      })
    })
    await use(raw, async (git) => git.expectAncestors?.([cut]))
  })

  test('of which one has a hole are not told', async () => {
    const raw = make()
    const tree = raw.files({})
    const good = raw.commit({ tree }) as Oid
    const cut = raw.commit({ tree, parents: ['1'.repeat(40)] }) as Oid
    await use(raw, async (git) => {
      await expect(git.ancestorsOfEach?.([good, cut], new Set([good]))).rejects.toMatchObject({
        code: 'object-missing',
      })
    })
  })
})

describe('archive', () => {
  test('gives files of any name as git writes them, more than fit in one command', async () => {
    const raw = make()
    const names = [
      'a',
      '-x',
      ':(top)x',
      '*',
      'é',
      '日'.repeat(80),
      ...Array.from({ length: 300 }, (_, index) => `${'d'.repeat(200)}/${index}`),
    ]
    const files = Object.fromEntries(names.map((name) => [name, `${name}\n`]))
    const commit = raw.commit({
      tree: raw.files({ ...files, '.gitattributes': '* eol=crlf\nb -eol\n' }),
    }) as Oid
    await use(raw, async (git) => {
      const got = await git.archive?.(commit, names)
      expect(
        new Map([...(got ?? [])].map(([name, content]) => [name, Buffer.from(content).toString()])),
      ).toEqual(new Map(names.map((name) => [name, `${name}\r\n`])))
      expect(await git.archive?.(commit, [])).toEqual(new Map())
      await expect(git.archive?.(commit, ['absent'])).rejects.toMatchObject({ code: 'object-corrupt' })
    })
  })
})
