import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { locateRepository } from '../../src/git/location.ts'
import { isRefName, type RefListing, readRefs } from '../../src/git/refs.ts'
import type { Oid } from '../../src/model.ts'
import {
  makeDirectory,
  makeRepository,
  openRepository,
  runGit,
  type TestRepository,
} from '../support/repo.ts'

describe('readRefs', () => {
  test('tags and heads, loose, packed and both, as git for-each-ref lists them', async () => {
    const repository = makeRepository()
    repository.commit({ a: 'a' })
    repository.git('tag', 'v1.0.0')
    repository.git('tag', '-a', '-m', 'x', 'v1.1.0')
    repository.git('tag', '-a', '-m', 'x', 'sub/dir/v1.0.0', 'v1.1.0')
    repository.git('branch', 'release/v1')
    repository.git('update-ref', 'refs/pull/1/head', 'HEAD')
    repository.git('pack-refs', '--all')
    repository.commit({ a: 'b' })
    repository.git('tag', '--force', 'v1.0.0')
    repository.git('tag', 'v2.0.0')
    repository.git('tag', '\u00e9')
    repository.git('tag', '\u{1f600}')
    repository.git('tag', '\uff5e')
    const listing = await list(repository.dir)
    expect(listing).toMatchObject({
      problems: [],
      defaultHead: 'refs/heads/main',
      defaultHeadBy: 'head',
      headSymbolic: 'refs/heads/main',
      checkedOut: repository.git('rev-parse', 'HEAD'),
    })
    expect(printed(listing.tags)).toEqual(forEachRef(repository, 'refs/tags'))
    expect(printed(listing.heads)).toEqual(forEachRef(repository, 'refs/heads'))
    expect(listing.tags.length).toBe(7)
  })

  test('a tag names its tag object, however deep (F18)', async () => {
    const repository = makeRepository()
    repository.commit()
    repository.git('tag', '-a', '-m', '1', 'one')
    repository.git('tag', '-a', '-m', '2', 'two', 'one')
    expect((await list(repository.dir)).tags).toEqual([
      { name: 'refs/tags/one', oid: repository.git('rev-parse', 'one') },
      { name: 'refs/tags/two', oid: repository.git('rev-parse', 'two') },
    ])
  })

  test('an empty repository has none, and an unborn HEAD is no default (F30)', async () => {
    const { dir } = makeRepository()
    expect(await list(dir)).toEqual({ tags: [], heads: [], headSymbolic: 'refs/heads/main', problems: [] })
  })

  test('10,000 packed refs and 2,000 loose ones are all listed', async () => {
    const repository = makeRepository('--bare')
    const oid = 'ab'.repeat(20)
    const names = Array.from(
      { length: 10_000 },
      (_, index) => `refs/tags/m${index % 100}/v1.${index}.0`,
    ).sort()
    repository.writeFile(
      'packed-refs',
      `${header}${names.map((name) => `${oid} ${name}\n^${oid}\n`).join('')}`,
    )
    for (let index = 0; index < 2000; index++) repository.writeFile(`refs/tags/x/v0.${index}.0`, `${oid}\n`)
    const listing = await list(repository.dir)
    expect(listing.tags.length).toBe(12_000)
    expect(listing.problems).toEqual([])
    expect(listing.tags.map(({ name }) => name)).toEqual(listing.tags.map(({ name }) => name).sort())
  })

  test('the same repository gives the same listing, packed or loose', async () => {
    const repository = makeRepository()
    repository.commit()
    for (const name of ['v1.0.0', 'a/v1.0.0', 'b']) repository.git('tag', name)
    const loose = await list(repository.dir)
    repository.git('pack-refs', '--all')
    expect(await list(repository.dir)).toEqual(loose)
  })
})

describe('heads and the default one', () => {
  let origin: TestRepository
  beforeAll(() => {
    origin = makeRepository()
    origin.commit({ a: 'a' })
    origin.git('branch', 'develop')
    origin.git('tag', 'v1.0.0')
  })
  const clone = (...options: string[]) => {
    const dir = join(makeDirectory(), 'clone')
    runGit(origin.dir, '', ['clone', '--quiet', ...options, origin.dir, dir])
    return openRepository(dir)
  }
  const heads = (listing: RefListing) => listing.heads.map(({ name }) => name)

  test("a clone has the remote's heads, and its HEAD", async () => {
    const repository = clone('--branch=develop')
    repository.git('checkout', '--quiet', '-b', 'mine')
    const listing = await list(repository.dir)
    expect(heads(listing)).toEqual(['refs/heads/develop', 'refs/heads/main'])
    expect(listing).toMatchObject({
      defaultHead: 'refs/heads/main',
      defaultHeadBy: 'remote',
      headSymbolic: 'refs/heads/mine',
      problems: [],
    })
  })

  test('the heads of a packed clone', async () => {
    const repository = clone()
    repository.git('pack-refs', '--all')
    expect(await list(repository.dir)).toMatchObject({
      defaultHead: 'refs/heads/main',
      defaultHeadBy: 'remote',
    })
  })

  test('a CI checkout of one branch, detached and without origin/HEAD: its only head', async () => {
    const repository = clone('--single-branch', '--branch=develop')
    repository.git('checkout', '--quiet', '--detach')
    repository.git('remote', 'set-head', 'origin', '--delete')
    const listing = await list(repository.dir)
    expect(heads(listing)).toEqual(['refs/heads/develop'])
    expect(listing).toMatchObject({ defaultHead: 'refs/heads/develop', defaultHeadBy: 'only' })
    expect(listing.headSymbolic).toBeUndefined()
  })

  test('a clone of several heads without origin/HEAD has no default, whatever is checked out', async () => {
    const repository = clone()
    repository.git('remote', 'set-head', 'origin', '--delete')
    expect((await list(repository.dir)).defaultHead).toBeUndefined()
  })

  test('an origin/HEAD that names a head which is gone is no default and no problem', async () => {
    const repository = clone()
    repository.writeFile('refs/remotes/origin/HEAD', 'ref: refs/remotes/origin/gone\n')
    const listing = await list(repository.dir)
    expect(listing.defaultHead).toBeUndefined()
    expect(listing.problems).toEqual([])
  })

  test('other remotes are not looked at', async () => {
    const repository = makeRepository()
    repository.commit()
    repository.git('update-ref', 'refs/remotes/upstream/other', 'HEAD')
    expect(heads(await list(repository.dir))).toEqual(['refs/heads/main'])
  })

  test('a mirror has the heads of the remote and its HEAD', async () => {
    const listing = await list(clone('--mirror').dir)
    expect(heads(listing)).toEqual(['refs/heads/develop', 'refs/heads/main'])
    expect(listing).toMatchObject({ defaultHead: 'refs/heads/main', defaultHeadBy: 'head' })
  })

  test('a detached HEAD is no default', async () => {
    const repository = makeRepository()
    repository.commit()
    repository.git('branch', 'other')
    repository.git('checkout', '--quiet', '--detach')
    const listing = await list(repository.dir)
    expect(listing.headSymbolic).toBeUndefined()
    expect(listing.defaultHead).toBeUndefined()
    expect(listing.checkedOut).toBe(repository.git('rev-parse', 'HEAD'))
  })

  test('an unborn HEAD beside one head: that one', async () => {
    const repository = makeRepository()
    repository.commit()
    repository.git('symbolic-ref', 'HEAD', 'refs/heads/unborn')
    expect(await list(repository.dir)).toMatchObject({
      defaultHead: 'refs/heads/main',
      defaultHeadBy: 'only',
      headSymbolic: 'refs/heads/unborn',
    })
  })

  test('HEAD may be a symbolic link, as git once wrote it', async () => {
    const repository = makeRepository()
    repository.commit()
    rmSync(join(repository.gitDir, 'HEAD'))
    symlinkSync('refs/heads/main', join(repository.gitDir, 'HEAD'))
    expect(await list(repository.dir)).toMatchObject({
      headSymbolic: 'refs/heads/main',
      defaultHeadBy: 'head',
    })
  })

  test('a linked worktree has the refs of its repository and a HEAD of its own', async () => {
    const repository = makeRepository()
    repository.commit()
    repository.git('tag', 'v1.0.0')
    const dir = join(makeDirectory(), 'linked')
    repository.git('worktree', 'add', '-q', '-b', 'other', dir)
    const listing = await list(dir)
    expect(listing).toMatchObject({ headSymbolic: 'refs/heads/other', defaultHead: 'refs/heads/other' })
    expect(listing.tags.map(({ name }) => name)).toEqual(['refs/tags/v1.0.0'])
  })

  test('a HEAD of junk is a problem of its own', async () => {
    const repository = makeRepository()
    repository.commit()
    repository.writeFile('HEAD', 'junk\n')
    const listing = await list(repository.dir)
    expect(codes(listing)).toEqual(['ref-broken HEAD'])
    expect(heads(listing)).toEqual(['refs/heads/main'])
  })
})

describe('a broken ref costs itself alone (F19 to F21, F30)', () => {
  const rows: readonly (readonly [string, (repository: TestRepository) => void, string[], string[]])[] = [
    ['garbage', ({ writeFile }) => writeFile('refs/tags/bad', 'garbage\n'), [], ['ref-broken refs/tags/bad']],
    ['empty', ({ writeFile }) => writeFile('refs/tags/bad', ''), [], ['ref-broken refs/tags/bad']],
    ['blank', ({ writeFile }) => writeFile('refs/tags/bad', ' \n\n'), [], ['ref-broken refs/tags/bad']],
    [
      'all zeros',
      ({ writeFile }) => writeFile('refs/tags/bad', `${'0'.repeat(40)}\n`),
      [],
      ['ref-broken refs/tags/bad'],
    ],
    [
      'a short id',
      ({ writeFile }) => writeFile('refs/tags/bad', `${'a'.repeat(39)}\n`),
      [],
      ['ref-broken refs/tags/bad'],
    ],
    [
      'a long id',
      ({ writeFile }) => writeFile('refs/tags/bad', `${'a'.repeat(41)}\n`),
      [],
      ['ref-broken refs/tags/bad'],
    ],
    [
      'huge',
      ({ writeFile }) => writeFile('refs/tags/bad', 'x'.repeat(2 ** 22)),
      [],
      ['ref-broken refs/tags/bad'],
    ],
    [
      'text after the id',
      ({ writeFile, git }) => writeFile('refs/tags/v2', `${git('rev-parse', 'v1')} text\nx`),
      ['v2'],
      [],
    ],
    ['no newline', ({ writeFile, git }) => writeFile('refs/tags/v2', git('rev-parse', 'v1')), ['v2'], []],
    [
      'capitals',
      ({ writeFile, git }) => writeFile('refs/tags/v2', git('rev-parse', 'v1').toUpperCase()),
      ['v2'],
      [],
    ],
    ['a missing object', ({ writeFile }) => writeFile('refs/tags/v2', `${'a'.repeat(40)}\n`), ['v2'], []],
    ['a symbolic ref', ({ writeFile }) => writeFile('refs/tags/v2', 'ref: refs/tags/v1\n'), ['v2'], []],
    ['one without a blank', ({ writeFile }) => writeFile('refs/tags/v2', 'ref:refs/tags/v1'), ['v2'], []],
    ['one to another place', ({ git }) => git('symbolic-ref', 'refs/tags/v2', 'refs/other/x'), ['v2'], []],
    [
      'one to nothing',
      ({ writeFile }) => writeFile('refs/tags/bad', 'ref: refs/tags/none\n'),
      [],
      ['ref-broken refs/tags/bad'],
    ],
    [
      'one out of refs',
      ({ writeFile }) => writeFile('refs/tags/bad', 'ref: ../../HEAD\n'),
      [],
      ['ref-broken refs/tags/bad'],
    ],
    [
      'one up from refs',
      ({ writeFile }) => writeFile('refs/tags/bad', 'ref: refs/../HEAD\n'),
      [],
      ['ref-broken refs/tags/bad'],
    ],
    [
      'one to HEAD',
      ({ writeFile }) => writeFile('refs/tags/bad', 'ref: HEAD\n'),
      [],
      ['ref-broken refs/tags/bad'],
    ],
    [
      'a loop',
      ({ writeFile }) => {
        writeFile('refs/tags/bad', 'ref: refs/tags/worse\n')
        writeFile('refs/tags/worse', 'ref: refs/tags/bad\n')
      },
      [],
      ['ref-broken refs/tags/bad', 'ref-broken refs/tags/worse'],
    ],
    [
      'a ref to itself',
      ({ writeFile }) => writeFile('refs/tags/bad', 'ref: refs/tags/bad\n'),
      [],
      ['ref-broken refs/tags/bad'],
    ],
    [
      'a chain',
      ({ writeFile }) => {
        for (let index = 2; index <= 6; index++)
          writeFile(`refs/tags/v${index}`, `ref: refs/tags/v${index - 1}\n`)
      },
      ['v2', 'v3', 'v4', 'v5'],
      ['ref-broken refs/tags/v6'],
    ],
    [
      'a symbolic link like a ref',
      ({ gitDir }) => symlinkSync('refs/tags/v1', join(gitDir, 'refs/tags/v2')),
      ['v2'],
      [],
    ],
    [
      'a symbolic link to a ref',
      ({ gitDir }) => symlinkSync('../other/x', join(gitDir, 'refs/tags/v2')),
      ['v2'],
      [],
    ],
    [
      'a symbolic link outside',
      ({ gitDir, dir }) => {
        writeFileSync(join(dir, 'outside'), `${'a'.repeat(40)}\n`)
        symlinkSync('../../../outside', join(gitDir, 'refs/tags/bad'))
      },
      [],
      ['ref-broken refs/tags/bad'],
    ],
    [
      'a symbolic link to itself',
      ({ gitDir }) => symlinkSync('bad', join(gitDir, 'refs/tags/bad')),
      [],
      ['ref-broken refs/tags/bad'],
    ],
    [
      'a dangling symbolic link',
      ({ gitDir }) => symlinkSync('none', join(gitDir, 'refs/tags/bad')),
      [],
      ['ref-broken refs/tags/bad'],
    ],
    ['a stale lock', ({ writeFile }) => writeFile('refs/tags/v1.lock', 'junk'), [], []],
    ['a lock of packed-refs', ({ writeFile }) => writeFile('packed-refs.lock', 'junk'), [], []],
    ['a hidden file', ({ writeFile }) => writeFile('refs/tags/.DS_Store', 'junk'), [], []],
    [
      'an empty directory',
      ({ gitDir }) => mkdirSync(join(gitDir, 'refs/tags/empty/er'), { recursive: true }),
      [],
      [],
    ],
    [
      'a directory over a packed ref',
      ({ git, gitDir }) => {
        git('tag', 'v2')
        git('pack-refs', '--all')
        mkdirSync(join(gitDir, 'refs/tags/v2'), { recursive: true })
      },
      ['v2'],
      [],
    ],
    [
      'junk over a packed ref',
      ({ git, writeFile }) => {
        git('tag', 'bad')
        git('pack-refs', '--all')
        writeFile('refs/tags/bad', 'junk')
      },
      [],
      ['ref-broken refs/tags/bad'],
    ],
    [
      'a name with a blank',
      ({ writeFile, git }) => writeFile('refs/tags/a b', git('rev-parse', 'v1')),
      [],
      ['ref-broken refs/tags/a b'],
    ],
    [
      'a name with @{',
      ({ writeFile, git }) => writeFile('refs/tags/a@{b', git('rev-parse', 'v1')),
      [],
      ['ref-broken refs/tags/a@{b'],
    ],
    [
      'a name with a control character',
      ({ writeFile, git }) => writeFile('refs/tags/a\u0007', git('rev-parse', 'v1')),
      [],
      ['ref-broken refs/tags/a?'],
    ],
    ['shell characters', ({ git }) => git('tag', '$(id);`id`&|"\'<>'), ['$(id);`id`&|"\'<>'], []],
    [
      'a leading dash',
      ({ git }) => git('update-ref', 'refs/tags/--upload-pack=x', 'HEAD'),
      ['--upload-pack=x'],
      [],
    ],
    [
      'a name that is not UTF-8',
      ({ gitDir }) => writeFileSync(Buffer.from(`${gitDir}/refs/tags/\u00e9`, 'latin1'), 'a'.repeat(40)),
      [],
      [],
    ],
  ]

  // git follows the first two to wherever they lead, and passes over the third in a list, though not by its name.
  const departures = new Set(['one to HEAD', 'a symbolic link outside', 'a symbolic link like a ref'])

  test.for(rows)('%s', async ([title, spoil, names, problems]) => {
    const repository = withTag()
    spoil(repository)
    const listing = await list(repository.dir)
    expect(listing.tags.map(({ name }) => name)).toEqual(
      ['v1', ...names].map((name) => `refs/tags/${name}`).sort(),
    )
    expect(codes(listing)).toEqual(problems)
    if (departures.has(title)) return
    const git = forEachRef(repository, 'refs/tags').filter((line) => !line.includes('\ufffd'))
    expect(printed(listing.tags)).toEqual(git)
  })

  test('a pipe is passed over, and does not stop the run, as it stops git', async () => {
    const repository = withTag()
    execFileSync('mkfifo', [join(repository.gitDir, 'refs/tags/bad')])
    const listing = await list(repository.dir)
    expect(listing.tags.map(({ name }) => name)).toEqual(['refs/tags/v1'])
    expect(listing.problems).toEqual([])
  })

  test('a directory that leads back up is left after a while', async () => {
    const repository = withTag()
    symlinkSync('.', join(repository.gitDir, 'refs/tags/same'))
    symlinkSync(join(repository.dir, '..'), join(repository.gitDir, 'refs/tags/outside'))
    const listing = await list(repository.dir)
    expect(listing.tags.map(({ name }) => name)).toContain('refs/tags/v1')
    expect(listing.tags.length).toBeLessThan(100)
    expect(codes(listing)).toContain('ref-broken refs/tags/outside')
  })

  test('packed-refs with names that lead elsewhere and with junk: the good lines are kept (F21)', async () => {
    const repository = withTag()
    const oid = repository.git('rev-parse', 'v1')
    repository.writeFile(
      'packed-refs',
      [
        '# pack-refs with: peeled fully-peeled sorted ',
        `${oid} refs/tags/v2`,
        `^${oid}`,
        `${oid} refs/tags/../../../evil`,
        `${oid} ../../etc/passwd`,
        `${oid} /etc/passwd`,
        `${oid} refs/tags/a\u001b[31m\u202eb`,
        `${oid} refs/tags/x.lock`,
        `${oid} refs/heads/`,
        `${'0'.repeat(40)} refs/tags/zero`,
        `${oid.slice(1)} refs/tags/short`,
        `${oid}refs/tags/joined`,
        '<<<<<<< HEAD',
        '^junk',
        '',
        `${oid} refs/tags/latin-\u00e9`,
        `${oid} refs/tags/v3\r`,
        `${oid} refs/tags/v4`,
      ].join('\n'),
    )
    const listing = await list(repository.dir)
    const names = ['latin-\u00e9', 'v1', 'v2', 'v3', 'v4']
    expect(listing.tags.map(({ name }) => name)).toEqual(names.map((name) => `refs/tags/${name}`))
    expect(codes(listing).sort()).toEqual([
      'ref-broken -',
      'ref-broken -',
      'ref-broken -',
      'ref-broken -',
      'ref-broken ../../etc/passwd',
      'ref-broken /etc/passwd',
      'ref-broken refs/heads/',
      'ref-broken refs/tags/../../../evil',
      'ref-broken refs/tags/a?[31m?b',
      'ref-broken refs/tags/x.lock',
      'ref-broken refs/tags/zero',
    ])
    for (const { message, subject } of listing.problems)
      expect(`${message}${subject}`).not.toMatch(/[\p{C}]/u)
  })

  test('packed-refs of nothing but junk gives a bounded number of problems', async () => {
    const repository = withTag()
    repository.writeFile('packed-refs', 'junk\n'.repeat(100_000))
    const { tags, problems } = await list(repository.dir)
    expect(tags.length).toBe(1)
    expect(problems.length).toBeLessThan(30)
  })

  test('refs that cannot be listed at all are an error, not an empty list', async () => {
    const repository = withTag()
    mkdirSync(join(repository.gitDir, 'packed-refs'))
    await expect(list(repository.dir)).rejects.toMatchObject({ code: 'repository-unreadable' })
  })
})

describe('isRefName', () => {
  const names = [
    ...[
      'refs/tags/v1',
      'refs/tags/a/b',
      'refs/a',
      'refs/tags/@',
      'refs/tags/a.b',
      'refs/tags/-',
      'refs/tags/\u00e9',
    ],
    ...['refs/tags/', 'refs//a', 'refs/tags/.a', 'refs/.a/b', 'refs/tags/a..b', 'refs/tags/a.', 'refs/a./b'],
    ...[
      'refs/tags/a.lock',
      'refs/a.lock/b',
      'refs/a.locks',
      'refs/tags/a@{b',
      'refs/tags/a{b',
      'refs/tags/a}b',
    ],
    ...['~', '^', ':', '?', '*', '[', '\\', ' ', '\t', '\u007f', '\u0080', '\u00a0', ']', '|'].map(
      (c) => `refs/tags/a${c}`,
    ),
    ...['refs/tags/\u{1f600}', 'refs/tags/\u202e', 'refs/tags/a\nb', 'refs/tags/..', 'refs/tags/.', 'refs/'],
  ]

  test.for(names)('%j, as git check-ref-format has it', (name) => {
    expect(isRefName(name)).toBe(checkRefFormat(name))
  })

  test('only names below refs are refs here', () => {
    for (const name of ['HEAD', '', 'a', 'heads/main', '/refs/tags/a', 'Refs/tags/a', '@']) {
      expect(isRefName(name)).toBe(false)
    }
  })

  test('a name that is allowed leads nowhere else', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('.', '/', 'a', '.lock', '@{', '\\', '\0', '~'), { maxLength: 8 }),
        (parts) => {
          const name = `refs/${parts.join('')}`
          if (isRefName(name)) expect(join('/x', name)).toBe(`/x/${name}`)
        },
      ),
    )
  })
})

const header = '# pack-refs with: peeled fully-peeled sorted \n'

function withTag(): TestRepository {
  const repository = makeRepository()
  repository.commit({ a: 'a' })
  repository.git('tag', 'v1')
  repository.git('update-ref', 'refs/other/x', 'HEAD')
  return repository
}

async function list(dir: string): Promise<RefListing> {
  const location = await locateRepository(dir)
  if ('code' in location) throw new Error(location.message)
  return readRefs(location, { repository: 'example.com/r' })
}

function codes({ problems }: RefListing): string[] {
  return problems.map(({ code, ref }) => `${code} ${ref ?? '-'}`)
}

function printed(refs: readonly { readonly name: string; readonly oid: Oid }[]): string[] {
  return refs.map(({ name, oid }) => `${oid} ${name}`)
}

function forEachRef({ git }: TestRepository, prefix: string): string[] {
  return git('for-each-ref', '--format=%(objectname) %(refname)', prefix).split('\n')
}

function checkRefFormat(name: string): boolean {
  try {
    runGit('/', '', ['check-ref-format', name])
    return true
  } catch {
    return false
  }
}

describe('a mirror of a clone', () => {
  test('is what others clone: its own heads count, not those that the clone had of its origin', async () => {
    const origin = makeRepository()
    origin.commit()
    const clone = join(makeDirectory(), 'clone')
    origin.git('clone', '--quiet', origin.dir, clone)
    const mirror = join(makeDirectory(), 'mirror.git')
    origin.git('clone', '--quiet', '--mirror', clone, mirror)
    openRepository(mirror).git('update-ref', 'refs/remotes/origin/other', 'HEAD')
    const { heads, defaultHead } = await list(mirror)
    expect(heads.map((head) => head.name)).toEqual(['refs/heads/main'])
    expect(defaultHead).toBe('refs/heads/main')
    expect((await list(clone)).defaultHeadBy).toBe('remote')
  })
})
