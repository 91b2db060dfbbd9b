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
import { describe, expect, test } from 'vitest'
import { locateRepository } from '../../src/git/location.ts'
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
  ] as const)('%s', async ([, pack]) => {
    const repository = makeHistory()
    pack(repository)
    repository.commit({ late: 'late' })
    await expectSame(repository)
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
  test('gives the bytes of a blob in parts', async () => {
    const repository = makeRepository('--bare')
    const content = randomBytes(3 * 2 ** 20 + 7)
    const oid = repository.writeObject('blob', content)
    await use(repository, async (reader) => {
      const chunks: Uint8Array[] = []
      for await (const chunk of reader.stream(oid)) chunks.push(chunk)
      expect(chunks.length).toBeGreaterThan(1)
      expect(Buffer.concat(chunks).equals(content)).toBe(true)
    })
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
  test.for(['loose', 'packed'])('has its size told without being read: %s', async (where) => {
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

async function expectSame(repository: TestRepository): Promise<void> {
  const all = listObjects(repository)
  expect(all.length).toBeGreaterThan(20)
  const printed = repository.pipe(all.map(({ oid }) => `${oid}\n`).join(''), 'cat-file', '--batch')
  await use(repository, async (reader) => {
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
  })
}

async function use<T>({ dir }: TestRepository, work: (reader: GitRepository) => Promise<T>): Promise<T> {
  const location = await locateRepository(dir)
  if ('code' in location) throw new Error(location.message)
  return withRepository(location, 'isomorphic', work)
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
