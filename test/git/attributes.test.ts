import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Attributes, type ByteChanges } from '../../src/git/attributes.ts'
import { locateRepository } from '../../src/git/location.ts'
import { openNative } from '../../src/git/native.ts'
import type { OpenRepository } from '../../src/git/repository.ts'
import { directoryOf, type FlatEntry, flattenTree, Trees } from '../../src/git/tree.ts'
import type { Oid } from '../../src/model.ts'
import {
  type Bytes,
  createRepository,
  type FileEntry,
  latin1,
  type RawRepository,
} from '../support/gitobjects.ts'
import { makeDirectory } from '../support/repo.ts'

let raw: RawRepository
let git: OpenRepository
beforeAll(async () => {
  raw = createRepository(makeDirectory())
  const location = await locateRepository(raw.dir)
  if ('code' in location) throw new Error(location.message)
  git = await openNative(location)
})
afterAll(() => git.close())

type Files = Readonly<Record<string, Bytes | FileEntry>>

interface Found {
  readonly changes: ByteChanges | undefined
  readonly entries: readonly FlatEntry[]
  readonly commit: Oid
}

async function find(files: Files, dir = ''): Promise<Found> {
  const tree = raw.files(files) as Oid
  const top = await new Trees(git).load(tree)
  const entries = flattenTree(directoryOf(top, dir) ?? top)
  const changes = await new Attributes(git).findChanges(top, dir)
  return { changes, entries, commit: raw.commit({ tree, time: 0 }) as Oid }
}

/** Returns the files that git's own archive has with other bytes; "all" where git gives up. */
async function changedByGit(found: Found, dir = ''): Promise<string[] | 'all'> {
  const prefix = dir === '' ? '' : `${dir}/`
  const files = found.entries.filter((entry) => entry.kind === 'file')
  try {
    const got = await git.archive?.(
      found.commit,
      files.map((entry) => prefix + entry.path),
    )
    const changed: string[] = []
    for (const { path, oid } of files) {
      const { content } = await git.read(oid)
      if (!Buffer.from(got?.get(prefix + path) ?? []).equals(content)) changed.push(prefix + path)
    }
    return changed
  } catch {
    return 'all'
  }
}

const text = 'one\n$Id$\ntwo\n'
const paths = [
  ...['a', 'b', 'a.txt', 'b.txt', 'a b', 'é.txt', '日本', '𐐀', '[ab]', '\\a', '-a', '#a', '!a'],
  ...['dir/a', 'dir/a.txt', 'dir/sub/b', 'dir/sub/ab.txt', 'dir/sub/sub/a', 'sub/a', 'ab/ba', 'a.d/txt'],
]
const tree: Files = Object.fromEntries(paths.map((path) => [path, text]))

describe('what is named are the files that git changes', () => {
  const all = paths.filter((path) => path.endsWith('.txt'))
  test.for<[string, Files, string[]]>([
    ['line ends', { '.gitattributes': '*.txt eol=crlf\n' }, all],
    ['a file without an end of line', { '.gitattributes': '*.txt eol=crlf' }, all],
    ['a file with Windows line ends', { '.gitattributes': '*.txt eol=crlf\r\n' }, all],
    ['ids', { '.gitattributes': '# ids\n\n\t*.txt   -text ident\n' }, all],
    ['encodings', { '.gitattributes': '*.txt working-tree-encoding=UTF-16LE\n' }, all],
    ['the top alone', { '.gitattributes': '/*.txt eol=crlf\n' }, ['a.txt', 'b.txt', 'é.txt']],
    ['one file', { '.gitattributes': 'dir/a.txt eol=crlf\n' }, ['dir/a.txt']],
    [
      'any depth',
      { '.gitattributes': 'dir/**/a* eol=crlf\n' },
      ['dir/a', 'dir/a.txt', 'dir/sub/ab.txt', 'dir/sub/sub/a'],
    ],
    [
      'all below',
      { '.gitattributes': 'dir/sub/** eol=crlf\n' },
      ['dir/sub/ab.txt', 'dir/sub/b', 'dir/sub/sub/a'],
    ],
    ['a name anywhere', { '.gitattributes': 'b eol=crlf\n' }, ['b', 'dir/sub/b']],
    ['a file in a directory', { 'dir/.gitattributes': '*.txt eol=crlf\n' }, ['dir/a.txt', 'dir/sub/ab.txt']],
    ['a slash there', { 'dir/.gitattributes': '/a.txt eol=crlf\nsub/b ident\n' }, ['dir/a.txt', 'dir/sub/b']],
    ['a macro', { '.gitattributes': '[attr]win eol=crlf\n*.txt win\n' }, all],
    ['a macro defined after its use', { '.gitattributes': '*.txt win\n[attr]win eol=crlf\n' }, all],
    [
      'a macro of the top',
      { '.gitattributes': '[attr]win eol=crlf\n', 'dir/.gitattributes': '*.txt win\n' },
      ['dir/a.txt', 'dir/sub/ab.txt'],
    ],
    ['a macro of a macro', { '.gitattributes': '[attr]x win\n[attr]win eol=crlf\n*.txt x\n' }, all],
    ['the text of a symbolic link', { '.gitattributes': { mode: '120000', content: '*.txt eol=crlf' } }, all],
    ['a pattern that matches bytes', { '.gitattributes': '??.txt eol=crlf\n' }, ['dir/sub/ab.txt', 'é.txt']],
    [
      'two stars behind a name',
      { '.gitattributes': '/dir** eol=crlf\n' },
      paths.filter((path) => path.startsWith('dir/')),
    ],
    ['three stars', { '.gitattributes': '***/b eol=crlf\n' }, ['b', 'dir/sub/b']],
    ['attributes behind a NUL', { '.gitattributes': '*.txt ident\0x\n' }, all],
    ['an attribute right behind a quote', { '.gitattributes': '"a b"eol=crlf\n' }, ['a b']],
    ['a quoted pattern', { '.gitattributes': '"a b" eol=crlf\n' }, ['a b']],
    [
      'a class',
      { '.gitattributes': '[ab] eol=crlf\n' },
      ['a', 'b', 'dir/a', 'dir/sub/b', 'dir/sub/sub/a', 'sub/a'],
    ],
    ['an escape', { '.gitattributes': '\\#a eol=crlf\n' }, ['#a']],
    ['a pattern that is no UTF-8', { '.gitattributes': latin1('\xc3?.txt eol=crlf\n') }, ['é.txt']],
  ])('%s', async ([, attributes, want]) => {
    const found = await find({ ...tree, ...attributes })
    const named = found.changes?.paths ?? []
    const changed = await changedByGit(found)
    expect(new Set(changed)).toEqual(new Set(want))
    expect(named).toEqual(expect.arrayContaining(want))
  })

  test.for<[string, Files]>([
    ['nothing at all', {}],
    ['text', { '.gitattributes': '* text\n*.txt text=auto\n' }],
    ['line ends as they are stored', { '.gitattributes': '* text eol=lf\n' }],
    ['old names', { '.gitattributes': '* crlf=input\n' }],
    ['filters that no one has set up', { '.gitattributes': '* filter=lfs diff=lfs merge=lfs -text\n' }],
    ['what go overrides', { '.gitattributes': '* export-ignore export-subst\n' }],
    ['a comment', { '.gitattributes': '# * eol=crlf\n' }],
    ['a macro that is not used', { '.gitattributes': '[attr]win eol=crlf\n*.txt text\n' }],
    ['a pattern for a directory', { '.gitattributes': 'dir/ eol=crlf\n' }],
    ['a pattern for what is not there', { '.gitattributes': '/*.bat eol=crlf\n/sub/*.txt ident\n' }],
    ['a file of another name', { gitattributes: '* eol=crlf\n', 'x.gitattributes': '* eol=crlf\n' }],
    ['a directory of that name', { '.gitattributes/x': '* eol=crlf\n' }],
  ])('%s names none', async ([, attributes]) => {
    const found = await find({ ...tree, ...attributes })
    expect(found.changes).toBeUndefined()
    expect(await changedByGit(found)).toEqual([])
  })

  test('whatever the patterns, no file that git changes is left out', async () => {
    const part = fc.constantFrom(
      ...[
        'a',
        'b',
        '.txt',
        'dir',
        'sub',
        '*',
        '**',
        '***',
        '?',
        '/',
        '/',
        'é',
        '[ab]',
        '[!a]',
        '\\a',
        ' ',
        '日',
        '.',
        '"',
      ],
    )
    const pattern = fc.oneof(
      { weight: 3, arbitrary: fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('')) },
      fc.constantFrom(
        '*',
        '**',
        '*.txt',
        '/**',
        '**/a',
        'dir/**',
        '"a b"',
        '"\\303\\251.txt"',
        '[attr]m',
        '[attr]n',
        '[attr]',
      ),
    )
    const attribute = fc.constantFrom(
      ...[
        'eol=crlf',
        'eol=crlf',
        'eol=lf',
        'text',
        '-text',
        'text=auto',
        '!eol',
        'binary',
        'crlf',
        'ident',
        '-ident',
      ],
      ...[
        'working-tree-encoding=UTF-16',
        'working-tree-encoding=UTF-16LE',
        'working-tree-encoding',
        'm',
        'n',
        '-m',
        'ident\0x',
      ],
    )
    const blank = fc.constantFrom(' ', '\t', '  ', '')
    const line = fc
      .tuple(
        blank,
        pattern,
        fc.constantFrom(' ', '\t', ''),
        fc.array(attribute, { minLength: 1, maxLength: 3 }),
        blank,
      )
      .map(
        ([before, each, between, attributes, after]) =>
          before + each + (between || ' ') + attributes.join(' ') + after,
      )
    const content = fc
      .tuple(fc.array(line, { minLength: 1, maxLength: 3 }), fc.constantFrom('\n', '\r\n'))
      .map(([lines, end]) => lines.map((each) => each + end).join(''))
    const input = fc.record({
      top: fc.oneof(
        content,
        content.map((each): FileEntry => ({ mode: '120000', content: each })),
      ),
      inner: fc.option(content),
      dir: fc.constantFrom('', '', 'dir', 'dir/sub'),
    })
    await fc.assert(
      fc.asyncProperty(input, async ({ top, inner, dir }) => {
        const files = {
          ...tree,
          '.gitattributes': top,
          ...(inner !== null && { 'dir/.gitattributes': inner }),
        }
        const found = await find(files, dir)
        const changed = await changedByGit(found, dir)
        if (changed === 'all') expect(found.changes).toBeDefined()
        else expect(found.changes?.paths ?? []).toEqual(expect.arrayContaining(changed))
      }),
      { numRuns: 40 },
    )
  })
})

describe('a module in a directory', () => {
  test('has the attributes of the directories above it', async () => {
    const files = { ...tree, '.gitattributes': 'dir/*.txt eol=crlf\n', 'dir/sub/.gitattributes': 'b ident\n' }
    expect((await find(files, 'dir')).changes?.paths).toEqual(['dir/a.txt', 'dir/sub/b'])
    expect((await find(files, 'dir/sub')).changes?.paths).toEqual(['dir/sub/b'])
    expect((await find(files, 'sub')).changes).toBeUndefined()
  })

  test('is not bothered by a submodule or a directory in the place of the file', async () => {
    const submodule = { mode: '160000', oid: '1'.repeat(40) }
    expect((await find({ ...tree, '.gitattributes': submodule }, 'dir')).changes).toBeUndefined()
    expect((await find({ ...tree, '.gitattributes/x': '* ident' }, 'dir')).changes).toBeUndefined()
  })

  test('whose attributes are missing from the clone cannot be had', async () => {
    const files = { ...tree, '.gitattributes': { oid: '1'.repeat(40) } }
    await expect(find(files, 'dir')).rejects.toMatchObject({ code: 'object-missing' })
  })
})

describe('the key of changes', () => {
  test('is the same as long as the attributes are', async () => {
    const attributes = { '.gitattributes': '*.txt eol=crlf\n' }
    const { changes } = await find({ ...tree, ...attributes })
    const again = await find({ ...tree, ...attributes, 'a.txt': 'changed\n', 'new.txt': '' })
    const other = await find({ ...tree, '.gitattributes': '*.txt eol=crlf ident\n' })
    const elsewhere = await find({ ...tree, ...attributes, 'sub/.gitattributes': '*.txt eol=crlf\n' })
    expect(again.changes?.key).toBe(changes?.key)
    expect(new Set([changes, other.changes, elsewhere.changes].map((each) => each?.key)).size).toBe(3)
  })
})

describe('what a stranger may write', () => {
  test('a pattern full of stars does not take long', async () => {
    const name = `${'a'.repeat(250)}c`
    const attributes = `${'*a'.repeat(60)}*b eol=crlf\n${'*a/'.repeat(40)}**/${'?a'.repeat(60)}b ident\n`
    const files = { [name]: '', [`${'a/'.repeat(500)}a`]: '', '.gitattributes': attributes }
    const start = performance.now()
    expect((await find(files)).changes).toBeUndefined()
    expect(performance.now() - start).toBeLessThan(2000)
  })

  test('names that git cannot be asked for are not asked for', async () => {
    const inner = raw.rawTree([{ mode: '100644', name: latin1('\xff'), oid: raw.blob('x\n') }])
    const files: Files = {
      '.gitattributes': '* eol=crlf\n',
      a: 'x\n',
      [`${`${'d'.repeat(200)}/`.repeat(25)}x`]: 'x\n',
      bad: { mode: '40000', oid: inner },
    }
    expect((await find(files)).changes?.paths).toEqual(['.gitattributes', 'a'])
  })
})
