import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type GitLocation, locateRepository } from '../../src/git/location.ts'
import { makeDirectory, makeRepository, openRepository, runGit } from '../support/repo.ts'
import { asOrdinaryUser } from '../support/user.ts'

describe('where a repository is', () => {
  test('a working tree, and a bare repository', async () => {
    const tree = makeRepository()
    expect(await locate(tree.dir)).toEqual({
      dir: tree.dir,
      gitDir: join(tree.dir, '.git'),
      commonDir: join(tree.dir, '.git'),
      objectDirs: [join(tree.dir, '.git/objects')],
      missingObjectDirs: [],
      hash: 'sha1',
      isShallow: false,
      isPartial: false,
      hasAlternates: false,
    })
    const bare = makeRepository('--bare')
    expect(await locate(bare.dir)).toMatchObject({ gitDir: bare.dir, commonDir: bare.dir })
  })

  test('a linked worktree has its own HEAD and shares the rest', async () => {
    const main = makeRepository()
    main.commit()
    const dir = join(makeDirectory(), 'linked')
    main.git('worktree', 'add', '-q', '-b', 'other', dir)
    const location = await locate(dir)
    expect(await realpath(location.gitDir)).toBe(await realpath(join(main.gitDir, 'worktrees/linked')))
    expect(await realpath(location.commonDir)).toBe(await realpath(main.gitDir))
    expect(await realpath(location.objectDirs[0] ?? '')).toBe(await realpath(join(main.gitDir, 'objects')))
  })

  test('a submodule, whose repository lies in that of the whole', async () => {
    const part = makeRepository()
    part.commit({ a: 'a' })
    const whole = makeRepository()
    whole.git('-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', part.dir, 'part')
    const location = await locate(join(whole.dir, 'part'))
    expect(await realpath(location.gitDir)).toBe(await realpath(join(whole.gitDir, 'modules/part')))
    expect(location.originUrl).toBe(part.dir)
  })

  test('.git may be a symbolic link', async () => {
    const dir = makeDirectory()
    symlinkSync(makeRepository('--bare').dir, join(dir, '.git'))
    expect(await locate(dir)).toMatchObject({ gitDir: join(dir, '.git') })
  })

  test('a bare repository is found although something else is called .git in it', async () => {
    const bare = makeRepository('--bare')
    mkdirSync(join(bare.dir, '.git'))
    expect(await locate(bare.dir)).toMatchObject({ gitDir: bare.dir })
  })
})

describe('what is not a repository is said to be none', () => {
  test.for([
    ['there is nothing', () => join(makeDirectory(), 'none'), 'repository-not-found'],
    ['an empty directory', () => makeDirectory(), 'repository-not-found'],
    ['a file', () => withFile(makeDirectory(), 'file', ''), 'repository-not-found'],
    [
      'a file where a directory should be',
      () => join(withFile(makeDirectory(), 'f', ''), 'x'),
      'repository-not-found',
    ],
    ['a directory in a working tree', () => join(makeRepository().gitDir, 'hooks'), 'repository-not-found'],
    ['an empty .git', () => parent(withFile(makeDirectory(), '.git/x', '')), 'repository-unreadable'],
    ['.git without HEAD', () => without('HEAD'), 'repository-unreadable'],
    ['.git without objects', () => without('objects'), 'repository-unreadable'],
    ['.git without refs', () => without('refs'), 'repository-unreadable'],
    [
      'a .git file of junk',
      () => parent(withFile(makeDirectory(), '.git', 'junk\n')),
      'repository-unreadable',
    ],
    ['a .git file to nowhere', () => linked('/does/not/exist'), 'repository-unreadable'],
    ['a .git file to no repository', () => linked('.'), 'repository-unreadable'],
    ['a .git file with a NUL', () => linked('a\0b'), 'repository-unreadable'],
    ['a .git file to itself', () => linked('.git'), 'repository-unreadable'],
    ['an endless .git file', () => linked('x'.repeat(2 ** 21)), 'repository-unreadable'],
  ] as const)('%s', async ([, make, code]) => {
    const found = await locateRepository(make(), { repository: 'example.com/r' })
    expect(found).toMatchObject({ code, subject: 'example.com/r', message: expect.stringMatching(/\.$/) })
  })

  test('a directory that may not be entered', async () => {
    const { dir } = makeRepository()
    chmodSync(dir, 0)
    const found = await asOrdinaryUser([], () => locateRepository(dir))
    expect(found).toMatchObject({ code: 'repository-unreadable' })
    chmodSync(dir, 0o755)
  })

  test('a worktree whose repository is gone', async () => {
    const main = makeRepository()
    main.commit()
    const dir = join(makeDirectory(), 'linked')
    main.git('worktree', 'add', '-q', '-b', 'other', dir)
    renameSync(main.dir, `${main.dir}-gone`)
    expect(await locateRepository(dir)).toMatchObject({ code: 'repository-unreadable' })
    rmSync(`${main.dir}-gone`, { recursive: true })
  })
})

describe('the storage format', () => {
  test('a SHA-256 repository is known as one', async () => {
    expect(await locate(makeRepository('--object-format=sha256').dir)).toMatchObject({ hash: 'sha256' })
  })

  test.for([
    ['nothing', '', 'sha1'],
    ['no version', '[core]\n\tbare = true\n', 'sha1'],
    ['sha256', '[core]\nrepositoryFormatVersion=1\n[extensions]\nobjectFormat=sha256\n', 'sha256'],
    ['capitals', '[CORE]\nRepositoryFormatVersion = 1\n[Extensions]\nOBJECTFORMAT = sha256\n', 'sha256'],
    [
      'one line',
      '[core] repositoryformatversion = 1\n[extensions] objectformat = "sha256" ; comment\n',
      'sha256',
    ],
    [
      'carriage returns',
      '[core]\r\nrepositoryformatversion=1\r\n[extensions]\r\nobjectformat=sha256\r\n',
      'sha256',
    ],
    [
      'quotes',
      '[core]\nrepositoryformatversion = "1"\n[extensions]\nobjectformat = s"ha25"6 # x\n',
      'sha256',
    ],
    [
      'a continued line',
      '[core]\nrepositoryformatversion = 1\n[extensions]\nobjectformat = sha\\\n256\n',
      'sha256',
    ],
    ['the last one counts', '[extensions]\nobjectformat=sha256\n[extensions]\nobjectformat=sha1\n', 'sha1'],
    ['a comment', '# [extensions]\n;objectformat=sha256\n', 'sha1'],
    ['in quotes of another', '[a]\nb = "\\\n[extensions]\\\nobjectformat = sha256"\n', 'sha1'],
    ['files', '[core]\nrepositoryformatversion=1\n[extensions]\nrefStorage = files\n', 'sha1'],
    ['a known extension', '[core]\nrepositoryformatversion=1\n[extensions]\nworktreeConfig\nnoop\n', 'sha1'],
    ['unknown in version 0', '[core]\nrepositoryformatversion=0\n[extensions]\nfuture = 1\n', 'sha1'],
    ['an include is not followed', '[include]\npath = other\n', 'sha1'],
    ['junk', '[core\n]]]\n= x\n"\n\\\n[extensions]\n\u0000\u0001\n', 'sha1'],
    ['reftable', '[core]\nrepositoryformatversion=1\n[extensions]\nrefStorage = reftable\n', 'refused'],
    ['reftable in version 0', '[extensions]\nrefStorage = reftable\n', 'refused'],
    [
      'sha256 in version 0',
      '[core]\nrepositoryformatversion=0\n[extensions]\nobjectformat=sha256\n',
      'refused',
    ],
    ['sha512', '[core]\nrepositoryformatversion=1\n[extensions]\nobjectformat=sha512\n', 'refused'],
    ['an unknown extension', '[core]\nrepositoryformatversion=1\n[extensions]\nfuture = 1\n', 'refused'],
    ['version 2', '[core]\nrepositoryformatversion=2\n', 'refused'],
    ['a version that is none', '[core]\nrepositoryformatversion=x\n', 'refused'],
  ] as const)('%s', async ([, config, want]) => {
    const { dir } = makeRepository('--bare')
    writeFileSync(join(dir, 'config'), config)
    writeFileSync(
      join(dir, 'other'),
      '[core]\nrepositoryformatversion=1\n[extensions]\nobjectformat=sha256\n',
    )
    const found = await locateRepository(dir)
    if (want === 'refused') expect(found).toMatchObject({ code: 'repository-format' })
    else expect(found).toMatchObject({ hash: want })
  })

  test('without a config file it is the ordinary one', async () => {
    const { dir } = makeRepository('--bare')
    rmSync(join(dir, 'config'))
    expect(await locate(dir)).toMatchObject({ hash: 'sha1' })
  })
})

describe('alternates', () => {
  const objects = (dir: string) => join(dir, 'objects')
  const link = (dir: string, text: string) => writeFileSync(join(objects(dir), 'info/alternates'), text)

  test('a chain of them is followed: absolute, relative, quoted, with comments and without a last newline', async () => {
    const [a, b, c, d] = [bare(), bare(), bare(), bare()]
    link(a, `# comment\n\n${objects(b)}\n"${objects(d).replace('/objects', '/obj\\145cts')}"`)
    link(b, `${relative(objects(b), objects(c))}\n`)
    expect(await locate(a)).toMatchObject({
      objectDirs: [objects(a), objects(b), objects(c), objects(d)],
      missingObjectDirs: [],
      hasAlternates: true,
    })
  })

  test('a loop ends, and the own directory is not entered twice', async () => {
    const [a, b] = [bare(), bare()]
    link(a, `${objects(a)}\n${objects(b)}\n${objects(b)}/.\n`)
    link(b, `${objects(a)}\n${objects(b)}\n`)
    expect(await locate(a)).toMatchObject({ objectDirs: [objects(a), objects(b)] })
  })

  test('one that is not there is remembered and is no failure', async () => {
    const [a, b] = [bare(), bare()]
    link(a, `/does/not/exist\n${objects(b)}\n${join(a, 'HEAD')}\n`)
    expect(await locate(a)).toMatchObject({
      objectDirs: [objects(a), objects(b)],
      missingObjectDirs: ['/does/not/exist', join(a, 'HEAD')],
      hasAlternates: true,
    })
  })

  test('they are followed as deep as git follows them', async () => {
    const dirs = Array.from({ length: 9 }, bare)
    for (const [index, dir] of dirs.entries()) {
      const next = dirs[index + 1]
      if (next !== undefined) link(dir, `${objects(next)}\n`)
    }
    const [first = ''] = dirs
    const seen = runGit(first, '', ['count-objects', '-v'])
      .toString()
      .split('\n')
      .filter((line) => line.startsWith('alternate: '))
    const { objectDirs } = await locate(first)
    expect(objectDirs.slice(1)).toEqual(seen.map((line) => line.slice('alternate: '.length)))
  })

  test('a clone that shares has them', async () => {
    const source = makeRepository()
    source.commit({ a: 'a' })
    const dir = join(makeDirectory(), 'clone')
    runGit(source.dir, '', ['clone', '-q', '--shared', source.dir, dir])
    expect(await locate(dir)).toMatchObject({
      objectDirs: [join(dir, '.git/objects'), join(source.gitDir, 'objects')],
      originUrl: source.dir,
    })
  })
})

describe('clones that lack something', () => {
  const source = makeRepository()
  source.commit({ a: 'a' })
  source.commit({ a: 'b' })
  source.git('config', 'uploadpack.allowFilter', 'true')
  const clone = (...options: string[]) => {
    const dir = join(makeDirectory(), 'clone')
    runGit(source.dir, '', ['clone', '-q', ...options, `file://${source.dir}`, dir])
    return dir
  }

  test('a whole one lacks nothing', async () => {
    expect(await locate(clone())).toMatchObject({ isShallow: false, isPartial: false })
  })

  test('a shallow one', async () => {
    expect(await locate(clone('--depth=1'))).toMatchObject({ isShallow: true, isPartial: false })
  })

  test('one that was shallow once', async () => {
    const { dir, writeFile } = openRepository(clone())
    writeFile('shallow', '')
    expect(await locate(dir)).toMatchObject({ isShallow: false })
  })

  test('a partial one', async () => {
    const dir = clone('--filter=blob:none', '--no-checkout')
    expect(await locate(dir)).toMatchObject({ isShallow: false, isPartial: true })
    writeFileSync(join(dir, '.git/config'), '')
    expect(await locate(dir)).toMatchObject({ isPartial: true })
  })

  test.for([
    ['[remote "origin"]\npromisor = true\n', true],
    ['[remote "origin"]\npromisor\n', true],
    ['[remote "origin"]\npromisor = false\n', false],
    ['[core]\nrepositoryformatversion=1\n[extensions]\npartialClone = origin\n', true],
  ] as const)('%j: partial %s', async ([config, want]) => {
    const { dir } = makeRepository('--bare')
    writeFileSync(join(dir, 'config'), config)
    expect(await locate(dir)).toMatchObject({ isPartial: want })
  })
})

describe('the address of origin', () => {
  test.for([
    ['[remote "origin"]\n\turl = https://example.com/a.git\n', 'https://example.com/a.git'],
    ['[remote "origin"]\n\turl = https://example.com/a#b\n', 'https://example.com/a'],
    ['[remote "origin"]\n\turl = "https://example.com/a#b;c"\n', 'https://example.com/a#b;c'],
    ['[remote "origin"]\nurl = git@example.com:a b.git  \n', 'git@example.com:a b.git'],
    ['[remote "origin"]\nurl = first\nurl = second\n', 'first'],
    ['[remote "Origin"]\nurl = other\n', undefined],
    ['[remote.origin]\nurl = old\n', 'old'],
    ['[remote "up"]\nurl = up\n[remote "origin"]\nfetch = x\nurl = own\n', 'own'],
    ['[remote "origin"]\npushurl = x\n', undefined],
    ['[remote "origin"]\nurl =\n', undefined],
    ['[url "x"]\ninsteadOf = y\n[remote "origin"]\nurl = y/a\n', 'y/a'],
    ['[remote "origin"]\nurl = a\\\\b\\tc\n', 'a\\b\tc'],
  ] as const)('%j', async ([config, want]) => {
    const { dir, git } = makeRepository('--bare')
    writeFileSync(join(dir, 'config'), config)
    const { originUrl } = await locate(dir)
    expect(originUrl).toBe(want)
    const lines = git('config', '--null', '--list', '--local').split('\0')
    const first = lines.find((line) => line.startsWith('remote.origin.url\n'))
    expect(originUrl ?? '').toBe(first?.slice('remote.origin.url\n'.length) ?? '')
  })
})

test('nothing that the configuration names is executed (F31)', async () => {
  const { dir } = makeRepository('--bare')
  const trace = join(dir, 'executed')
  const run = `"touch ${trace}"`
  writeFileSync(
    join(dir, 'config'),
    `[core]\nsshCommand = ${run}\nfsmonitor = ${run}\nhooksPath = ${dir}\n[alias]\nx = ${run}\n[include]\npath = ${dir}/x\n`,
  )
  expect(await locate(dir)).toMatchObject({ hash: 'sha1' })
  expect(await locateRepository(trace)).toMatchObject({ code: 'repository-not-found' })
})

async function locate(dir: string): Promise<GitLocation> {
  const found = await locateRepository(dir)
  if ('code' in found) throw new Error(found.message)
  return found
}

function bare(): string {
  return makeRepository('--bare').dir
}

function withFile(dir: string, path: string, content: string): string {
  const file = join(dir, path)
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, content)
  return file
}

function parent(file: string): string {
  return file.replace(/\/\.git.*$/, '')
}

function without(name: string): string {
  const { dir, gitDir } = makeRepository()
  rmSync(join(gitDir, name), { recursive: true })
  return dir
}

function linked(target: string): string {
  return parent(withFile(makeDirectory(), '.git', `gitdir: ${target}\n`))
}
