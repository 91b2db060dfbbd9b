import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { FatalError } from '../../src/problem.ts'
import { type DirectoryStore, isPrivatePath, openDirectoryStore } from '../../src/store/directory.ts'
import { checkStorePath } from '../../src/store/store.ts'
import { testStore } from '../support/store.ts'
import { asOrdinaryUser } from '../support/user.ts'

testStore('a directory', async () => openDirectoryStore(join(temporary(), 'site')))
testStore('a directory without hard links', async () =>
  openDirectoryStore(join(temporary(), 'site'), { links: 'avoid' }),
)
testStore('a directory behind a symbolic link', async () => {
  const dir = temporary()
  mkdirSync(join(dir, 'real'))
  symlinkSync('real', join(dir, 'site'))
  return openDirectoryStore(join(dir, 'site'))
})

describe('openDirectoryStore', () => {
  test('nothing is written before the first file', async () => {
    const root = join(temporary(), 'a', 'site')
    const store = await openDirectoryStore(root)
    expect(await store.get('x')).toBeUndefined()
    await store.remove('x/y')
    await store.clean()
    await store.close()
    expect(existsSync(root)).toBe(false)
  })

  test('unfinished files are neither listed nor left behind', async () => {
    const { store, root } = await openSite()
    let during: string[] = []
    async function* body(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(10)
      during = readdirSync(join(root, '-/tmp'))
      expect(await listed(store)).toEqual([])
    }
    await store.create('a/b', body())
    expect(during).toHaveLength(1)
    expect(during[0]).toMatch(new RegExp(`^${process.pid}-\\d+-\\d+$`))
    expect(readdirSync(join(root, '-/tmp'))).toEqual([])
    await store.close()
    expect(readdirSync(root)).toEqual(['a'])
  })

  test('a failed stream leaves no unfinished file', async () => {
    const { store, root } = await openSite()
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(10)
      throw new Error('no more')
    }
    await expect(store.create('a/b', failing())).rejects.toThrow('no more')
    expect(readdirSync(join(root, '-/tmp'))).toEqual([])
    expect(readdirSync(root)).toEqual(['-'])
  })

  test('what killed runs have left is removed by clean alone', async () => {
    const { store, root } = await openSite()
    mkdirSync(join(root, '-/tmp'), { recursive: true })
    writeFileSync(join(root, '-/tmp', `${process.pid}-0-1`), 'left')
    writeFileSync(join(root, '-/lock'), 'held')
    await store.create('a', Buffer.from('1'))
    await store.close()
    expect(readdirSync(join(root, '-/tmp'))).toEqual([`${process.pid}-0-1`])
    expect(await listed(store)).toEqual(['a'])
    await store.clean()
    expect(readdirSync(join(root, '-'))).toEqual(['lock'])
    expect(await store.create('b', Buffer.from('1'))).toBe('created')
    await store.close()
    expect(readdirSync(join(root, '-'))).toEqual(['lock'])
  })

  test.for([0o077, 0o000, 0o027])('modes are the same under umask %o', async (umask) => {
    const before = process.umask(umask)
    onTestFinished(() => {
      process.umask(before)
    })
    const dir = temporary()
    const store = await openDirectoryStore(join(dir, 'out/site'))
    await store.create('a/b/c', Buffer.from('1'))
    await store.replace('a/b/d', Buffer.from('1'), undefined)
    const modes = ['out', 'out/site', 'out/site/a', 'out/site/a/b', 'out/site/a/b/c', 'out/site/a/b/d'].map(
      (path) => (lstatSync(join(dir, path)).mode & 0o777).toString(8),
    )
    expect(modes).toEqual(['755', '755', '755', '755', '644', '644'])
  })

  test('a directory that is removed meanwhile is made again', async () => {
    const { store, root } = await openSite()
    await store.create('a/b/c', Buffer.from('1'))
    rmSync(root, { recursive: true })
    expect(await store.create('a/b/c', Buffer.from('2'))).toBe('created')
    rmSync(join(root, 'a'), { recursive: true })
    expect(await store.replace('a/b/c', Buffer.from('3'), undefined)).toMatchObject({ result: 'replaced' })
  })

  test('the directories of a removed file go with it, as long as they are empty', async () => {
    const { store, root } = await openSite()
    await store.create('a/b/c/d', Buffer.from('1'))
    await store.create('a/e', Buffer.from('1'))
    await store.remove('a/b/c/d')
    expect(readdirSync(join(root, 'a'))).toEqual(['e'])
    await store.remove('a/e')
    expect(readdirSync(root)).toEqual(['-'])
  })

  test('nothing is written or removed through a symbolic link', async () => {
    const { store, root } = await openSite()
    const outside = join(root, '../outside')
    mkdirSync(join(outside, 'sub'), { recursive: true })
    writeFileSync(join(outside, 'file'), 'theirs')
    symlinkSync(outside, join(root, 'link'))
    for (const path of ['link/new', 'link/sub/new', 'link/more/new']) {
      await expectProblem(store.create(path, Buffer.from('x')), join(root, 'link'))
      await expectProblem(store.replace(path, Buffer.from('x'), undefined), join(root, 'link'))
    }
    await expectProblem(store.remove('link/file'), join(root, 'link'))
    expect(readdirSync(outside).sort()).toEqual(['file', 'sub'])
    expect(readdirSync(join(outside, 'sub'))).toEqual([])

    rmSync(join(root, '-'), { recursive: true, force: true })
    symlinkSync(outside, join(root, '-'))
    await expectProblem(store.create('fine', Buffer.from('x')), join(root, '-'))
    rmSync(join(root, '-'))
    mkdirSync(join(root, '-'))
    symlinkSync(outside, join(root, '-/tmp'))
    await store.close()
    await expectProblem(store.clean(), join(root, '-/tmp'))
    expect(readFileSync(join(outside, 'file'), 'utf8')).toBe('theirs')
  })

  test('a link in the place of a file is replaced itself', async () => {
    const { store, root } = await openSite()
    writeFileSync(join(root, '../outside'), 'theirs')
    symlinkSync('../outside', join(root, 'list'))
    const read = await store.get('list')
    expect(await store.create('list', Buffer.from('x'))).toBe('exists')
    expect(await store.replace('list', Buffer.from('ours'), read?.tag)).toMatchObject({ result: 'replaced' })
    expect(readFileSync(join(root, '../outside'), 'utf8')).toBe('theirs')
    expect(readFileSync(join(root, 'list'), 'utf8')).toBe('ours')
  })

  test('another hard link of a replaced file keeps its bytes', async () => {
    const { store, root } = await openSite()
    await store.create('list', Buffer.from('old'))
    linkSync(join(root, 'list'), join(root, '../backup'))
    await store.replace('list', Buffer.from('new'), (await store.get('list'))?.tag)
    expect(readFileSync(join(root, '../backup'), 'utf8')).toBe('old')
  })

  test('a file where a directory must be, or the reverse, is a problem that names the path', async () => {
    const { store, root } = await openSite()
    await store.create('a', Buffer.from('1'))
    await store.create('d/e', Buffer.from('1'))
    await expectProblem(store.create('a/b', Buffer.from('1')), join(root, 'a'))
    await expectProblem(store.replace('a/b/c', Buffer.from('1'), undefined), join(root, 'a'))
    await expectProblem(store.create('d', Buffer.from('1')), join(root, 'd'))
    await expectProblem(store.replace('d', Buffer.from('1'), undefined), join(root, 'd'))
    await expectProblem(store.remove('d'), join(root, 'd'))
    expect(await store.get('a/b')).toBeUndefined()
    expect(await store.tag('d')).toBeUndefined()
    expect(readdirSync(join(root, '-/tmp'))).toEqual([])
    await expectProblem(openDirectoryStore(join(root, 'a')), join(root, 'a'))
  })

  test('a name that the file system cannot hold is a problem', async () => {
    const { store, root } = await openSite()
    await expectProblem(store.create('x'.repeat(300), Buffer.from('1')), root)
    await expectProblem(store.create(`a/${'x'.repeat(300)}/b`, Buffer.from('1')), root)
    expect(await listed(store)).toEqual([])
  })

  test('a directory that may not be written is a problem', async () => {
    const { store, root } = await openSite()
    mkdirSync(join(root, 'closed'), { mode: 0o555 })
    await asOrdinaryUser([dirname(root), root], () =>
      expectProblem(store.create('closed/a', Buffer.from('1')), join(root, 'closed/a')),
    )
    chmodSync(join(root, 'closed'), 0o755)
  })

  test('two stores of one process on one directory lose nothing to each other', async () => {
    const root = join(temporary(), 'site')
    const stores = await Promise.all([openDirectoryStore(root), openDirectoryStore(root)])
    const work = stores.map(async (store, index) => {
      for (let line = 0; line < 20; ) {
        const read = await store.get('log')
        const text = `${read === undefined ? '' : Buffer.from(read.body)}${index} ${line}\n`
        if ((await store.replace('log', Buffer.from(text), read?.tag)).result !== 'conflict') line++
      }
    })
    await Promise.all(work)
    expect(readFileSync(join(root, 'log'), 'utf8').trimEnd().split('\n')).toHaveLength(40)
  })

  test('the place of a file is known, and the store keeps some places for itself', async () => {
    const { store, root } = await openSite()
    expect(store.localPath('a/b.zip')).toBe(join(root, 'a/b.zip'))
    expect(() => store.localPath('../b')).toThrow('not a path in a store')
    await expect(store.create('-/tmp/x', Buffer.from('1'))).rejects.toThrow('not for the files of a site')
    await expect(store.replace('-/lock', Buffer.from('1'), undefined)).rejects.toThrow(
      'not for the files of a site',
    )
    const paths = ['-/tmp', '-/tmp/1', '-/lock', '-/lock.1', '-/locks', '-/tmpl/x', '-', 'a/-/lock']
    expect(paths.filter(isPrivatePath)).toEqual(['-/tmp', '-/tmp/1', '-/lock', '-/lock.1'])
  })
})

describe('createInOrder', () => {
  const files = ['m/v1.zip', 'm/v1.mod', 'm/v1.info'].map((path) => ({ path, body: Buffer.from(path) }))

  test('creates all files, up to the first that is there', async () => {
    const { store, root } = await openSite()
    expect(await store.createInOrder(files)).toEqual(['created', 'created', 'created'])
    expect(readFileSync(join(root, 'm/v1.info'), 'utf8')).toBe('m/v1.info')
    expect(await store.createInOrder(files)).toEqual(['exists'])
    rmSync(join(root, 'm/v1.zip'))
    rmSync(join(root, 'm/v1.info'))
    expect(await store.createInOrder(files)).toEqual(['created', 'exists'])
    expect(await listed(store)).toEqual(['m/v1.mod', 'm/v1.zip'])
    expect(await store.createInOrder([])).toEqual([])
  })

  test('leaves nothing behind where one cannot be written, and names none that comes after it', async () => {
    const { store, root } = await openSite()
    writeFileSync(join(root, 'file'), '')
    const bad = { path: 'file/v1.mod', body: Buffer.from('x') }
    await expectProblem(store.createInOrder([...files.slice(0, 1), bad, ...files.slice(1)]), 'site/file')
    await store.close()
    expect(readdirSync(root).sort()).toEqual(['file', 'm'])
    expect(readdirSync(join(root, 'm'))).toEqual(['v1.zip'])
  })
})

describe('checkStorePath', () => {
  test.for(['a', 'a/b', '..a/b..', '...', '-', '@', 'a b'])('%j is a path', (path) => {
    expect(() => checkStorePath(path)).not.toThrow()
  })
})

function temporary(): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'modpress-store-')))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

async function openSite(): Promise<{ readonly store: DirectoryStore; readonly root: string }> {
  const root = join(temporary(), 'site')
  mkdirSync(root)
  return { store: await openDirectoryStore(root), root }
}

async function listed(store: DirectoryStore): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of store.list('')) paths.push(path)
  return paths
}

async function expectProblem(promise: Promise<unknown>, path: string): Promise<void> {
  const error = await promise.catch((cause: unknown) => cause)
  expect(error).toBeInstanceOf(FatalError)
  expect(error).toMatchObject({ exitCode: 2, problem: { code: 'output-unwritable' } })
  expect(String(error)).toContain(path)
}
