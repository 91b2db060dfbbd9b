import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type IsomorphicOptions, openIsomorphic } from '../../src/git/isomorphic.ts'
import { type GitLocation, locateRepository } from '../../src/git/location.ts'
import type { ObjectError } from '../../src/git/object.ts'
import { type GitRepository, withRepository } from '../../src/git/repository.ts'
import type { Oid } from '../../src/model.ts'
import {
  makeDirectory,
  makeRepository,
  openRepository,
  runGit,
  type TestRepository,
} from '../support/repo.ts'

describe('every object is read as git cat-file prints it', () => {
  test.for([
    ['loose', () => {}],
    ['packed', ({ git }: TestRepository) => git('gc', '-q')],
    [
      'in one pack of long delta chains',
      ({ git }: TestRepository) => git('repack', '-adfq', '--depth=250', '--window=50'),
    ],
    ['in several packs', ({ git }: TestRepository) => git('repack', '-dq')],
    [
      'packed with deltas by id',
      ({ git }: TestRepository) => {
        git('config', 'repack.useDeltaBaseOffset', 'false')
        git('repack', '-adfq', '--depth=50')
      },
    ],
    [
      'in a pack of which nearly all offsets stand in the table for 2 GiB and more',
      (repository: TestRepository) => {
        repository.git('repack', '-adq')
        const [pack = ''] = packFiles(repository, '.pack')
        rmSync(pack.replace(/pack$/, 'idx'))
        repository.git('index-pack', '--index-version=2,0x40', pack)
      },
    ],
    [
      'with a multi-pack index',
      ({ git }: TestRepository) => {
        git('repack', '-dq')
        git('multi-pack-index', 'write')
      },
    ],
  ] as const)('%s', async ([, pack]) => {
    const repository = makeHistory()
    pack(repository)
    repository.commit({ late: 'late' })
    await expectSame(repository)
  })

  test('whatever was committed and however it was packed', async () => {
    const line = fc.string({ unit: 'grapheme', maxLength: 60 })
    const change = fc.record({ file: fc.nat(3), at: fc.nat(150), lines: fc.array(line, { maxLength: 12 }) })
    const packing = fc.record({
      depth: fc.constantFrom(1, 3, 50, 4000),
      byOffset: fc.boolean(),
      level: fc.constantFrom(0, 1, 9),
      /** After how many commits what is loose becomes a pack of its own. */
      every: fc.integer({ min: 1, max: 6 }),
      cacheBytes: fc.constantFrom(0, 5000, 2 ** 20),
    })
    const commits = fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), { minLength: 3, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(commits, packing, async (history, { depth, byOffset, level, every, cacheBytes }) => {
        const repository = makeRepository()
        const { git } = repository
        git('config', 'repack.useDeltaBaseOffset', String(byOffset))
        git('config', 'pack.compression', String(level))
        const files = Array.from({ length: 4 }, (_, file) =>
          Array.from({ length: 150 }, (_, index) => `line ${index * (file + 1)}`),
        )
        for (const [index, changes] of history.entries()) {
          for (const { file, at, lines } of changes) files[file]?.splice(at, lines.length, ...lines)
          repository.commit(
            Object.fromEntries(files.map((lines, file) => [`dir${file}/f`, lines.join('\n')])),
          )
          if (index % every === 0) git('repack', '-dq', `--depth=${depth}`)
        }
        if (every === 6) git('repack', '-adfq', `--depth=${depth}`)
        await expectSame(repository, { cacheBytes })
      }),
      { numRuns: 12 },
    )
  })

  test('while git gc moves objects from one place to another', async () => {
    const repository = makeHistory()
    repository.git('repack', '-dq')
    repository.commit({ late: 'late' })
    const all = listObjects(repository)
    await use(repository, async (reader) => {
      repository.git('gc', '-q')
      expect(await reader.stat(all.map(({ oid }) => oid))).toEqual(
        all.map(({ type, size }) => ({ type, size })),
      )
    })
    repository.commit({ later: 'later' })
    const more = listObjects(repository)
    await use(repository, async (reader) => {
      await reader.read(all[0]?.oid ?? ('' as Oid))
      repository.git('gc', '-q')
      const objects = await Promise.all(more.map(({ oid }) => reader.read(oid)))
      expect(objects.map(({ type }) => type)).toEqual(more.map(({ type }) => type))
    })
  })

  test('the empty tree, which git knows without having it', async () => {
    const repository = makeRepository()
    const oid = '4b825dc642cb6eb9a060e54bf8d69288fbee4904' as Oid
    expect(repository.git('cat-file', '-t', oid)).toBe('tree')
    await use(repository, async (reader) => {
      expect(await reader.read(oid)).toMatchObject({ type: 'tree', content: new Uint8Array() })
      expect(await reader.stat([oid])).toEqual([{ type: 'tree', size: 0 }])
    })
  })

  test('in a linked worktree', async () => {
    const repository = makeHistory()
    const dir = join(makeDirectory(), 'linked')
    repository.git('worktree', 'add', '-q', '-b', 'other', dir)
    await expectSame(openRepository(dir))
  })

  test('in a repository whose configuration is junk, which is not read', async () => {
    const repository = makeHistory()
    const all = listObjects(repository)
    repository.writeFile('config', '[junk\n')
    await use(repository, async (reader) => {
      for (const { oid } of all) expect((await reader.read(oid)).oid).toBe(oid)
    })
  })

  test.skipIf(process.env['MODPRESS_CORPUS'] === undefined)(
    'in real repositories',
    { timeout: 600_000 },
    async () => {
      const corpus = process.env['MODPRESS_CORPUS'] ?? ''
      for (const name of readdirSync(corpus).filter((file) => file.endsWith('.bundle'))) {
        const dir = join(makeDirectory(), basename(name, '.bundle'))
        runGit(corpus, '', ['clone', '--quiet', '--bare', join(corpus, name), dir])
        await expectSame(openRepository(dir))
      }
    },
  )
})

describe('stream', () => {
  test.for(['loose', 'packed', 'packed as a delta'] as const)('gives a blob in parts: %s', async (where) => {
    const repository = makeRepository('--bare')
    const content = randomBytes(3 * 2 ** 20 + 7)
    const oid = repository.writeObject('blob', content)
    const other = repository.writeObject('blob', Buffer.concat([content, Buffer.from('and more')]))
    if (where !== 'loose') packBlobs(repository, where === 'packed' ? [oid] : [oid, other])
    const base = repository.pipe(`${oid}\n`, 'cat-file', '--batch-check=%(deltabase)').toString().trim()
    expect(base).toBe(where === 'packed as a delta' ? other : '0'.repeat(40))
    await use(repository, async (reader) => {
      const chunks: Uint8Array[] = []
      for await (const chunk of reader.stream(oid)) chunks.push(chunk)
      expect(chunks.length).toBeGreaterThan(1)
      expect(Buffer.concat(chunks).equals(content)).toBe(true)
      for await (const chunk of reader.stream(oid)) {
        expect(chunk.length).toBeGreaterThan(0)
        break // who has enough may leave
      }
    })
  })

  test.for(['loose', 'packed'] as const)('says at the end that a blob is damaged: %s', async (where) => {
    const repository = makeRepository('--bare')
    const oid = repository.writeObject('blob', randomBytes(2 ** 20))
    if (where === 'packed') packBlobs(repository, [oid])
    const [path = ''] = where === 'packed' ? packFiles(repository, '.pack') : [loosePath(repository, oid)]
    const whole = readFileSync(path)
    chmodSync(path, 0o644)
    for (const spoil of [
      (bytes: Buffer) => bytes.subarray(0, 2 ** 19),
      (bytes: Buffer) => bytes.fill(7, 2 ** 19, 2 ** 19 + 9),
      (bytes: Buffer) => bytes.fill(0, 20),
    ]) {
      writeFileSync(path, spoil(Buffer.from(whole)))
      await use(repository, async (reader) => {
        await expect(drain(reader.stream(oid))).rejects.toMatchObject({ kind: 'corrupt', oid })
      })
    }
  })

  test('refuses what is no blob, and what is not there', async () => {
    const repository = makeHistory()
    for (const pack of [() => {}, () => repository.git('gc', '-q')]) {
      pack()
      const tree = repository.git('rev-parse', 'HEAD^{tree}') as Oid
      await use(repository, async (reader) => {
        await expect(drain(reader.stream(tree))).rejects.toMatchObject({ kind: 'corrupt' })
        for (const oid of ['f'.repeat(40), '../../config', '']) {
          await expect(drain(reader.stream(oid as Oid))).rejects.toMatchObject({ kind: 'missing' })
        }
      })
    }
  })
})

describe('ancestors', () => {
  test('are those of git merge-base --is-ancestor, merges and all', async () => {
    const repository = makeHistory()
    const commits = repository.git('rev-list', '--all').split('\n') as Oid[]
    await use(repository, async (reader) => {
      for (const commit of commits) {
        const want = new Set(repository.git('rev-list', commit).split('\n'))
        expect(await reader.ancestors(commit, new Set(commits))).toEqual(want)
      }
      const [tip = '' as Oid, below = '' as Oid] = commits
      expect(await reader.ancestors(tip, new Set([below]))).toEqual(new Set([below]))
      expect(await reader.ancestors(below, new Set([tip]))).toEqual(new Set())
      expect(await reader.ancestors(tip, new Set())).toEqual(new Set())
    })
  })

  test('end where a shallow clone ends (F26)', async () => {
    const source = makeHistory()
    const dir = join(makeDirectory(), 'clone')
    runGit(source.dir, '', ['clone', '-q', '--depth=2', `file://${source.dir}`, dir])
    const commits = new Set(source.git('rev-list', '--all').split('\n') as Oid[])
    const clone = openRepository(dir)
    const head = clone.git('rev-parse', 'HEAD') as Oid
    await use(clone, async (reader) => {
      const found = await reader.ancestors(head, commits)
      expect(found).toEqual(new Set(clone.git('rev-list', 'HEAD').split('\n')))
    })
  })

  test('a parent that is missing from a whole clone is an error', async () => {
    const repository = makeHistory()
    const [head = '' as Oid, parent = '' as Oid] = repository.git('rev-list', 'HEAD').split('\n') as Oid[]
    removeLoose(repository, parent)
    await use(repository, async (reader) => {
      await expect(reader.ancestors(head, new Set([head, 'f'.repeat(40) as Oid]))).rejects.toMatchObject({
        kind: 'missing',
        oid: parent,
      })
    })
  })

  test('what is no commit is an error', async () => {
    const repository = makeHistory()
    const tree = repository.git('rev-parse', 'HEAD^{tree}') as Oid
    const junk = repository.writeObject('commit', 'junk')
    await use(repository, async (reader) => {
      for (const oid of [tree, junk]) {
        await expect(reader.ancestors(oid, new Set(['f'.repeat(40) as Oid]))).rejects.toMatchObject({
          kind: 'corrupt',
        })
      }
    })
  })

  test('replacements and grafts are not followed (F28)', async () => {
    const repository = makeHistory()
    const [head = '' as Oid, parent = '' as Oid] = repository.git('rev-list', 'HEAD').split('\n') as Oid[]
    const other = repository.git('commit-tree', '-m', 'other', `${head}^{tree}`)
    const before = await use(repository, async (reader) => (await reader.read(head)).content)
    repository.git('replace', head, other)
    repository.writeFile('info/grafts', `${head}\n`)
    await use(repository, async (reader) => {
      expect((await reader.read(head)).content).toEqual(before)
      expect(await reader.ancestors(head, new Set([parent]))).toEqual(new Set([parent]))
    })
  })
})

describe('what is missing or damaged is said to be so (F19, F24, F25, F27)', () => {
  test.for([
    ['removed', (path: string) => rmSync(path), 'missing'],
    ['empty', (path: string) => writeFileSync(path, ''), 'corrupt'],
    ['truncated', (path: string) => truncateSync(path, 12), 'corrupt'],
    ['junk', (path: string) => writeFileSync(path, 'junk'), 'corrupt'],
    ['of other content', (path: string) => writeFileSync(path, deflateSync('blob 5\0other')), 'corrupt'],
    ['of another type', (path: string) => writeFileSync(path, deflateSync('tree 6\0hello\n')), 'corrupt'],
    ['of no type', (path: string) => writeFileSync(path, deflateSync('bulb 6\0hello\n')), 'corrupt'],
    ['of a wrong size', (path: string) => writeFileSync(path, deflateSync('blob 7\0hello\n')), 'corrupt'],
    ['without a header', (path: string) => writeFileSync(path, deflateSync('hello')), 'corrupt'],
  ] as const)('a loose object that is %s', async ([, spoil, kind]) => {
    const repository = makeRepository()
    const good = repository.writeObject('blob', 'good')
    const oid = repository.writeObject('blob', 'hello\n')
    const path = loosePath(repository, oid)
    chmodSync(path, 0o644)
    spoil(path)
    await use(repository, async (reader) => {
      await expect(reader.read(oid)).rejects.toMatchObject({ name: 'ObjectError', kind, oid })
      await expect(drain(reader.stream(oid))).rejects.toMatchObject({ kind })
      if (kind === 'missing')
        expect(await reader.stat([oid, good])).toEqual([undefined, { type: 'blob', size: 4 }])
      expect((await reader.read(good)).content).toEqual(Buffer.from('good'))
    })
  })

  test('an object in the place of another', async () => {
    const repository = makeRepository()
    const [one, two] = [repository.writeObject('blob', 'one'), repository.writeObject('blob', 'two')]
    chmodSync(loosePath(repository, two), 0o644)
    copyFileSync(loosePath(repository, one), loosePath(repository, two))
    await use(repository, async (reader) => {
      await expect(reader.read(two)).rejects.toMatchObject({ kind: 'corrupt' })
      expect((await reader.read(one)).type).toBe('blob')
    })
  })

  test('a byte changed anywhere in a pack spoils the objects that it is of, and no others', async () => {
    const repository = makeHistory()
    repository.git('repack', '-adfq', '--depth=5')
    const all = listObjects(repository)
    const [pack = ''] = packFiles(repository, '.pack')
    const bytes = readFileSync(pack)
    chmodSync(pack, 0o644)
    for (let at = 12; at < bytes.length - 20; at += Math.ceil(bytes.length / 30)) {
      const spoilt = Buffer.from(bytes)
      spoilt[at] = (spoilt[at] ?? 0) ^ 0x55
      writeFileSync(pack, spoilt)
      const results = await readAll(repository, all)
      const failed = results.filter((result) => result.status === 'rejected')
      expect(failed.length).toBeGreaterThan(0)
      expect(failed.length).toBeLessThan(all.length)
      for (const { reason } of failed) expect((reason as ObjectError).kind).toBe('corrupt')
    }
  })

  test('bytes changed, cut or added in a pack or its index never give another content', async () => {
    const repository = makeHistory()
    repository.git('repack', '-adfq', '--depth=20')
    const all = listObjects(repository)
    const contents = new Map(
      await use(repository, (reader) =>
        Promise.all(all.map(async ({ oid }) => [oid, (await reader.read(oid)).content] as const)),
      ),
    )
    const paths = ['.pack', '.idx'].flatMap((suffix) => packFiles(repository, suffix))
    const whole = new Map(paths.map((path) => [path, readFileSync(path)]))
    for (const path of paths) chmodSync(path, 0o644)
    const damage = fc.record({
      path: fc.constantFrom(...paths),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      cut: fc.nat(40),
      bytes: fc.uint8Array({ maxLength: 40 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 3 }), async (damages) => {
        for (const [path, bytes] of whole) writeFileSync(path, bytes)
        for (const { path, at, cut, bytes } of damages) {
          const before = readFileSync(path)
          const start = Math.floor(at * before.length)
          writeFileSync(path, Buffer.concat([before.subarray(0, start), bytes, before.subarray(start + cut)]))
        }
        await use(repository, async (reader) => {
          await reader.stat(all.map(({ oid }) => oid))
          for (const { oid } of all) {
            const object = await reader.read(oid).catch((error: unknown) => error)
            if (object instanceof Error) expect(object.name).toBe('ObjectError')
            else expect(object).toMatchObject({ content: contents.get(oid) })
          }
        })
      }),
      { numRuns: 80 },
    )
  })

  test('an object that is whole in another place is read from there, as git does', async () => {
    const repository = makeRepository()
    const content = randomBytes(2000)
    const oid = repository.writeObject('blob', content)
    packBlobs(repository, [oid])
    const copies = [
      () => packBlobs(repository, [oid, repository.writeObject('blob', 'other')]),
      () => repository.pipe(readFileSync(packFiles(repository, '.pack')[0] ?? ''), 'unpack-objects', '-q'),
    ]
    const [first = ''] = packFiles(repository, '.pack')
    copies[0]?.()
    chmodSync(first, 0o644)
    writeFileSync(first, readFileSync(first).fill(7, 20, 900))
    expect(repository.pipe('', 'cat-file', 'blob', oid).equals(content)).toBe(true)
    await use(repository, async (reader) => {
      expect((await reader.read(oid)).content).toEqual(content)
      expect(await reader.stat([oid])).toEqual([{ type: 'blob', size: 2000 }])
    })
  })

  test('a pack of which the end is missing gives the objects before that', async () => {
    const repository = makeHistory()
    repository.git('gc', '-q')
    const all = listObjects(repository)
    const [pack = ''] = packFiles(repository, '.pack')
    chmodSync(pack, 0o644)
    truncateSync(pack, Math.floor(readFileSync(pack).length / 2))
    const results = await readAll(repository, all)
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0)
    expect(results.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0)
  })

  test.for([
    ['without its index', '.idx', (path: string) => rmSync(path)],
    ['with an empty index', '.idx', (path: string) => writeFileSync(path, '')],
    ['with an index of junk', '.idx', (path: string) => writeFileSync(path, Buffer.alloc(4096, 7))],
    ['with half an index', '.idx', (path: string) => truncateSync(path, 1300)],
    ['that is gone, with its index left', '.pack', (path: string) => rmSync(path)],
  ] as const)(
    'a pack %s: its objects are missing, and those of another pack are not',
    async ([, suffix, spoil]) => {
      const repository = makeHistory()
      repository.git('repack', '-adq')
      const [first = ''] = packFiles(repository, suffix)
      const all = listObjects(repository)
      const later = repository.commit({ later: 'later' })
      repository.git('repack', '-dq')
      chmodSync(first, 0o644)
      spoil(first)
      await use(repository, async (reader) => {
        expect((await reader.read(later)).type).toBe('commit')
        expect(await reader.stat(all.map(({ oid }) => oid))).toEqual(all.map(() => undefined))
        for (const { oid } of all.slice(0, 5)) {
          await expect(reader.read(oid)).rejects.toMatchObject({ kind: 'missing' })
        }
      })
    },
  )

  test('a delta upon itself ends', async () => {
    const repository = makeHistory()
    repository.git('config', 'repack.useDeltaBaseOffset', 'false')
    repository.git('repack', '-adfq', '--depth=5')
    const lines = repository.pipe(
      '',
      'cat-file',
      '--batch-all-objects',
      '--batch-check=%(objectname) %(deltabase)',
    )
    const [oid = '', base = ''] =
      lines
        .toString()
        .split('\n')
        .find((line) => !line.endsWith('0'.repeat(40)) && line !== '')
        ?.split(' ') ?? []
    const [pack = ''] = packFiles(repository, '.pack')
    const bytes = readFileSync(pack)
    chmodSync(pack, 0o644)
    for (let at = bytes.indexOf(base, 0, 'hex'); at >= 0; at = bytes.indexOf(base, at + 1, 'hex')) {
      bytes.write(oid, at, 'hex')
    }
    writeFileSync(pack, bytes)
    await use(repository, async (reader) => {
      await expect(reader.read(oid as Oid)).rejects.toMatchObject({ kind: 'corrupt' })
      expect(await reader.stat([oid as Oid])).toEqual([undefined])
    })
  })

  test('a partial clone lacks what it lacks, and nothing is fetched (F27)', async () => {
    const source = makeHistory()
    source.git('config', 'uploadpack.allowFilter', 'true')
    const dir = join(makeDirectory(), 'clone')
    runGit(source.dir, '', ['clone', '-q', '--bare', '--filter=blob:none', `file://${source.dir}`, dir])
    const clone = openRepository(dir)
    const before = readdirSync(join(dir, 'objects/pack'))
    await use(clone, async (reader) => {
      const blob = source.git('rev-parse', 'HEAD:file0') as Oid
      await expect(reader.read(blob)).rejects.toMatchObject({ kind: 'missing' })
      expect((await reader.read(source.git('rev-parse', 'HEAD') as Oid)).type).toBe('commit')
    })
    expect(readdirSync(join(dir, 'objects/pack'))).toEqual(before)
  })

  test('an id that is none reads no other file', async () => {
    const repository = makeHistory()
    await use(repository, async (reader) => {
      for (const oid of ['', 'HEAD', '../../config', 'f'.repeat(39), `${'f'.repeat(40)}\0`]) {
        await expect(reader.read(oid as Oid)).rejects.toMatchObject({ kind: 'missing' })
        expect(await reader.stat([oid as Oid])).toEqual([undefined])
      }
    })
  })
})

describe('a blob that is too large to publish (F15)', () => {
  test.for(['loose', 'packed'])('is never in memory whole: %s', async (where) => {
    const repository = makeRepository()
    const size = 100 * 2 ** 20
    const oid = repository.writeObject('blob', Buffer.alloc(size))
    if (where === 'packed') {
      repository.git('update-index', '--add', '--cacheinfo', `100644,${oid},large`)
      repository.git('commit', '-q', '-m', 'large')
      repository.git('repack', '-adq')
      expect(existsSync(loosePath(repository, oid))).toBe(false)
    }
    await use(repository, async (reader) => {
      const before = process.memoryUsage().rss
      expect(await reader.stat([oid])).toEqual([{ type: 'blob', size }])
      let read = 0
      for await (const chunk of reader.stream(oid)) read += chunk.length
      expect(read).toBe(size)
      expect(process.memoryUsage().rss - before).toBeLessThan(50 * 2 ** 20)
    })
  })
})

describe('what this reader cannot do', () => {
  test('SHA-256 is refused on opening (F29)', async () => {
    const repository = makeRepository('--object-format=sha256')
    repository.commit()
    await expect(use(repository, async () => {})).rejects.toMatchObject({
      name: 'RepositoryError',
      code: 'needs-git',
    })
  })

  test('so are alternates, but for dead ones, whose objects are missing (F24)', async () => {
    const source = makeHistory()
    const dir = join(makeDirectory(), 'clone')
    runGit(source.dir, '', ['clone', '-q', '--shared', source.dir, dir])
    const clone = openRepository(dir)
    const head = clone.git('rev-parse', 'HEAD') as Oid
    await expect(use(clone, async () => {})).rejects.toMatchObject({ code: 'needs-git' })
    renameSync(source.dir, `${source.dir}-gone`)
    await use(clone, async (reader) => {
      await expect(reader.read(head)).rejects.toMatchObject({ kind: 'missing' })
    })
    rmSync(`${source.dir}-gone`, { recursive: true })
  })

  test('so are packs with an index of the first version', async () => {
    const repository = makeHistory()
    repository.git('-c', 'pack.indexVersion=1', 'repack', '-adq')
    await expect(use(repository, async () => {})).rejects.toMatchObject({ code: 'needs-git' })
  })
})

test('withRepository closes what it opened, when the work fails too', async () => {
  const repository = makeHistory()
  const failure = new Error('work failed')
  await expect(use(repository, () => Promise.reject(failure))).rejects.toBe(failure)
})

/** Commits that change a few files, a merge, tags of tags, an empty tree and an empty blob. */
function makeHistory(): TestRepository {
  template ??= makeTemplate()
  const dir = makeDirectory()
  cpSync(template.dir, dir, { recursive: true })
  return openRepository(dir)
}

let template: TestRepository | undefined

function makeTemplate(): TestRepository {
  const repository = makeRepository()
  const lines = Array.from({ length: 200 }, (_, index) => `line ${index} ${'x'.repeat(index % 40)}`)
  for (let turn = 0; turn < 8; turn++) {
    lines[turn * 7] = `changed in turn ${turn}`
    repository.commit({ file0: lines.join('\n'), [`dir/file${turn}`]: `${turn}\n`, 'sub/deep/empty': '' })
  }
  repository.git('checkout', '-q', '-b', 'side', 'HEAD~3')
  repository.commit({ side: 'side' })
  repository.git('checkout', '-q', 'main')
  repository.git('merge', '-q', '--no-ff', '-m', 'merge', 'side')
  repository.git('tag', '-a', '-m', 'one', 'v1.0.0')
  repository.git('tag', '-a', '-m', 'two', 'v1.1.0', 'v1.0.0')
  repository.commit({ 'caf\u00e9': 'au lait' })
  return repository
}

interface Listed {
  readonly oid: Oid
  readonly type: string
  readonly size: number
}

function listObjects({ pipe }: TestRepository): readonly Listed[] {
  const lines = pipe('', 'cat-file', '--batch-all-objects', '--batch-check').toString().trim().split('\n')
  return lines.map((line) => {
    const [oid = '', type = '', size] = line.split(' ')
    return { oid: oid as Oid, type, size: Number(size) }
  })
}

async function expectSame(repository: TestRepository, options?: IsomorphicOptions): Promise<void> {
  const all = listObjects(repository)
  expect(all.length).toBeGreaterThan(5)
  const printed = repository.pipe(all.map(({ oid }) => `${oid}\n`).join(''), 'cat-file', '--batch')
  const reader = await openIsomorphic(await locate(repository), options)
  try {
    expect(await reader.stat(all.map(({ oid }) => oid))).toEqual(
      all.map(({ type, size }) => ({ type, size })),
    )
    const objects = await Promise.all(all.map(({ oid }) => reader.read(oid)))
    const parts = objects.flatMap(({ oid, type, content }) => [
      Buffer.from(`${oid} ${type} ${content.length}\n`),
      content,
      Buffer.from('\n'),
    ])
    expect(Buffer.concat(parts).equals(printed)).toBe(true)
  } finally {
    await reader.close()
  }
}

async function use<T>(repository: TestRepository, work: (reader: GitRepository) => Promise<T>): Promise<T> {
  return withRepository(await locate(repository), 'isomorphic', work)
}

async function locate({ dir }: TestRepository): Promise<GitLocation> {
  const location = await locateRepository(dir)
  if ('code' in location) throw new Error(location.message)
  return location
}

/** Packs exactly these blobs, and takes away their files. */
function packBlobs(repository: TestRepository, oids: readonly Oid[]): void {
  const base = join(repository.gitDir, 'objects/pack/pack')
  repository.pipe(oids.map((oid) => `${oid}\n`).join(''), 'pack-objects', '-q', '--no-reuse-delta', base)
  for (const oid of oids) rmSync(loosePath(repository, oid), { force: true })
}

function readAll(
  repository: TestRepository,
  all: readonly Listed[],
): Promise<PromiseSettledResult<unknown>[]> {
  return use(repository, (reader) => Promise.allSettled(all.map(({ oid }) => reader.read(oid))))
}

async function drain(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) expect(chunk.length).toBeGreaterThan(0)
}

function loosePath({ gitDir }: TestRepository, oid: Oid): string {
  return join(gitDir, 'objects', oid.slice(0, 2), oid.slice(2))
}

function removeLoose(repository: TestRepository, oid: Oid): void {
  rmSync(loosePath(repository, oid))
}

function packFiles({ gitDir }: TestRepository, suffix: string): readonly string[] {
  const dir = join(gitDir, 'objects/pack')
  return readdirSync(dir)
    .filter((name) => name.endsWith(suffix))
    .map((name) => join(dir, name))
}
