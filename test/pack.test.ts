import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { archiveSize } from '../src/archive.ts'
import { readGoMod } from '../src/git/facts.ts'
import { locateRepository } from '../src/git/location.ts'
import { withRepository } from '../src/git/repository.ts'
import type { ModulePath, ModuleVersion, Oid, Version } from '../src/model.ts'
import { measureZip, type PackedVersion, type Press, packVersion, withPress, zipPieces } from '../src/pack.ts'
import type { Problem } from '../src/problem.ts'
import { createRepository, type FileEntry, latin1, type RawRepository } from './support/gitobjects.ts'
import { makeDirectory, runGit } from './support/repo.ts'

const root = 'example.com/r' as ModulePath

type Files = Readonly<Record<string, string | FileEntry>>

let raw: RawRepository
let press: Press
let finish: () => void = () => {}
let closed: Promise<void>
beforeAll(async () => {
  raw = createRepository(makeDirectory())
  // What go writes into its clone, so that git's archive is the one go sees.
  raw.file('info/attributes', '\n* -export-subst -export-ignore\n')
  await new Promise<void>((opened) => {
    closed = usePress('native', (each) => {
      press = each
      opened()
      return new Promise<void>((resolve) => {
        finish = resolve
      })
    })
  })
})
afterAll(async () => {
  finish()
  await closed
})

async function usePress<T>(reader: 'native' | 'isomorphic', work: (press: Press) => Promise<T>): Promise<T> {
  const location = await locateRepository(raw.dir)
  if ('code' in location) throw new Error(location.message)
  return withRepository(location, reader, (repository) => withPress(repository, {}, work))
}

function versionOf(files: Files | Oid, dir = ''): ModuleVersion {
  const tree = (typeof files === 'string' ? files : raw.files(files)) as Oid
  const content = typeof files === 'string' ? undefined : files[dir === '' ? 'go.mod' : `${dir}/go.mod`]
  return {
    path: (dir === '' ? root : `${root}/${dir}`) as ModulePath,
    version: 'v1.0.0' as Version,
    commit: raw.commit({ tree, time: 1_700_000_000 }) as Oid,
    tree,
    time: 1_700_000_000,
    dir,
    codeDir: dir,
    ref: dir === '' ? 'refs/tags/v1.0.0' : `refs/tags/${dir}/v1.0.0`,
    ...(typeof content === 'string' && { goMod: readGoMod(Buffer.from(content), 'regular') }),
  }
}

async function pack(files: Files | Oid, dir = '', by: Press = press): Promise<PackedVersion | Problem> {
  return packVersion(by, versionOf(files, dir), root)
}

async function packed(files: Files, dir = ''): Promise<PackedVersion> {
  const got = await pack(files, dir)
  if ('code' in got) throw new Error(got.message)
  return got
}

function namesOf({ files }: PackedVersion): string[] {
  return files.map(({ path }) => path)
}

function contentOf({ files, blobs }: PackedVersion, path: string): string | undefined {
  const blob = blobs[files.findIndex((file) => file.path === path)]
  if (blob === undefined || !(blob.data instanceof Uint8Array)) return undefined
  return Buffer.from(blob.method === 'store' ? blob.data : inflateRawSync(blob.data)).toString()
}

// ---- The same, done without a thought for speed ----

function sha256(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex')
}

/** Returns the regular files of `git archive`, run as go runs it. All names here are short. */
function archive(commit: string, dir: string): Map<string, Buffer> {
  const settings = ['-c', 'core.autocrlf=input', '-c', 'core.eol=lf']
  const args = ['archive', '--format=tar', '--end-of-options', commit, ...(dir === '' ? [] : [dir])]
  const tar = runGit(raw.dir, '', [...settings, ...args])
  const files = new Map<string, Buffer>()
  for (let at = 0; tar[at] !== undefined && tar[at] !== 0; ) {
    const field = (start: number, length: number) =>
      /^[^\0]*/.exec(tar.toString('utf8', at + start, at + start + length))?.[0] ?? ''
    const size = Number.parseInt(field(124, 12), 8)
    if (field(156, 1) === '0') {
      const name = field(0, 100).slice(dir === '' ? 0 : dir.length + 1)
      files.set(name, tar.subarray(at + 512, at + 512 + size))
    }
    at += 512 + 512 * Math.ceil(size / 512)
  }
  return files
}

function naiveH1({ path, version, commit, dir }: ModuleVersion, license: string | undefined): string {
  const files = archive(commit, dir)
  if (dir !== '' && !files.has('LICENSE') && license !== undefined) files.set('LICENSE', Buffer.from(license))
  const nested = [...files.keys()].filter((name) => name.endsWith('/go.mod')).map((name) => name.slice(0, -6))
  const lines = [...files]
    .filter(([name]) => !nested.some((prefix) => name.startsWith(prefix)))
    // Go before 1.24: all that lies in a directory below a directory named vendor, and some more.
    .filter(([name]) => !/^vendor\/.*\//.test(name) && !name.includes('/vendor/'))
    .map(([name, content]) => ({ name: `${path}@${version}/${name}`, hash: sha256(content) }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
    .map(({ name, hash }) => `${hash}  ${name}\n`)
  return `h1:${createHash('sha256').update(lines.join('')).digest('base64')}`
}

describe('packVersion', () => {
  test('gives the hash of what git’s archive holds, whatever the tree', async () => {
    const paths = [
      ...[
        'a.go',
        'LICENSE',
        'é.txt',
        '日.txt',
        '𐐀.txt',
        'Ａ.txt',
        'a b',
        'b/c.txt',
        'b.txt',
        'b-c.txt',
        'vendor/modules.txt',
      ],
      ...[
        'vendor/x/y.go',
        'pkg/vendor/z.go',
        'pkg/vendor/x/z.go',
        'deep/go.mod',
        'deep/x.txt',
        'sub/go.mod',
        'sub/a.txt',
      ],
      ...['sub/LICENSE', 'sub/b/c.go', 'sub/vendor/v.go', 'sub/deep/go.mod', 'sub/deep/x.go'],
    ]
    const text = fc.constantFrom('', 'a\n', 'a\r\nb\n', '$Id$\n', '$Format:%H$\n', 'x'.repeat(5000), '\0\n')
    const attributes = fc.constantFrom(
      ...[
        '*.txt eol=crlf\n',
        '* text=auto eol=crlf\n',
        '*.go ident\n',
        'b/** working-tree-encoding=UTF-16LE\n',
      ],
      ...[
        '* export-ignore\n',
        '* export-subst\n',
        '[attr]win eol=crlf\r\n*.txt win\r\n',
        'LICENSE eol=crlf\n',
      ],
    )
    const input = fc.record({
      files: fc.dictionary(fc.constantFrom(...paths), text, { maxKeys: 10 }),
      top: fc.option(attributes),
      inner: fc.option(attributes),
      link: fc.boolean(),
      dir: fc.constantFrom('', 'sub'),
    })
    await fc.assert(
      fc.asyncProperty(input, async ({ files, top, inner, link, dir }) => {
        const all: Files = {
          ...files,
          'go.mod': 'module example.com/r\n',
          'sub/go.mod': 'module example.com/r/sub\n\ngo 1.20\n',
          ...(top !== null && { '.gitattributes': top }),
          ...(inner !== null && { 'sub/.gitattributes': inner }),
          ...(link && {
            link: { mode: '120000', content: 'a.go' },
            'sub/link': { mode: '120000', content: 'x' },
          }),
        }
        const version = versionOf(all, dir)
        const got = await packVersion(press, version, root)
        expect('h1' in got && got.h1).toBe(naiveH1(version, files['LICENSE']))
      }),
      { numRuns: 40 },
    )
  })

  test('gives the .mod as it is stored, whatever the zip holds', async () => {
    const goMod = 'module example.com/r\n\n// two\n'
    const got = await packed({ 'go.mod': goMod, '.gitattributes': 'go.mod eol=crlf\n' })
    expect(Buffer.from(got.goMod).toString()).toBe(goMod)
    expect(contentOf(got, 'go.mod')).toBe(goMod.replaceAll('\n', '\r\n'))
    expect(got.goModH1).toBe(
      `h1:${createHash('sha256')
        .update(`${sha256(goMod)}  go.mod\n`)
        .digest('base64')}`,
    )
  })

  test('makes up a .mod where there is none', async () => {
    const got = await packed({ 'a.go': 'package r\n' })
    expect(Buffer.from(got.goMod).toString()).toBe('module example.com/r\n')
    expect(namesOf(got)).toEqual(['a.go'])
  })

  test('an empty tree is a zip of nothing', async () => {
    const { h1, files } = await packed({})
    expect({ h1, files }).toEqual({ h1: 'h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=', files: [] })
  })

  test('names are in the order of their bytes, and begin with module and version', async () => {
    const files = { 'go.mod': '', Ａ: '', 𐐀: '', 'a-b': '', 'a/b': '', Z: '' }
    const got = await packed(files)
    expect(namesOf(got)).toEqual(['Z', 'a-b', 'a/b', 'go.mod', 'Ａ', '𐐀'])
    expect(got.prefix).toBe('example.com/r@v1.0.0/')
  })
})

describe('the LICENSE of the top', () => {
  const sub = { 'sub/go.mod': 'module example.com/r/sub\n', 'sub/a.go': '' }
  test.for<[string, Files, string | undefined]>([
    ['is copied', { LICENSE: 'free\n' }, 'free\n'],
    ['is copied as it is stored', { LICENSE: 'free\n', '.gitattributes': 'LICENSE eol=crlf\n' }, 'free\n'],
    ['is not copied over another', { LICENSE: 'free\n', 'sub/LICENSE': 'own\n' }, 'own\n'],
    ['that is a link is its text', { LICENSE: { mode: '120000', content: 'COPYING' } }, 'COPYING'],
    ['that is a directory is none', { 'LICENSE/MIT': 'free\n' }, undefined],
    ['that is a submodule is none', { LICENSE: { mode: '160000', oid: '1'.repeat(40) } }, undefined],
    ['does without', {}, undefined],
    [
      'is not copied where a link has its name',
      { LICENSE: 'free\n', 'sub/LICENSE': { mode: '120000', content: '../LICENSE' } },
      undefined,
    ],
  ])('%s', async ([, files, want]) => {
    const got = await packed({ ...sub, ...files }, 'sub')
    expect(contentOf(got, 'LICENSE')).toBe(want)
    expect(namesOf(got)).toEqual([...(want === undefined ? [] : ['LICENSE']), 'a.go', 'go.mod'])
  })

  test('that is missing from the clone is not left out in silence', async () => {
    const oid = raw.blob('a license that is lost\n')
    rmSync(raw.pathOf(oid))
    expect(await pack({ ...sub, LICENSE: { oid } }, 'sub')).toMatchObject({ code: 'object-missing' })
  })

  test('is left out where it cannot be: a directory of the module has its name', async () => {
    expect(await pack({ ...sub, LICENSE: 'free\n', 'sub/LICENSE/x': '' }, 'sub')).toMatchObject({
      code: 'file-collision',
    })
  })
})

describe('a version that cannot be packed is refused', () => {
  const goMod = { 'go.mod': 'module example.com/r\n' }
  test.for<[string, Files, string]>([
    ['a bad name', { ...goMod, 'a:b': '' }, 'file-path-invalid'],
    ['a collision', { ...goMod, README: '', readme: '' }, 'file-collision'],
    ['a go.mod in capitals', { 'GO.MOD': '' }, 'gomod-case'],
    ['a name that git refuses', { ...goMod, 'x/.git/config': '' }, 'tree-invalid'],
    ['a missing file', { ...goMod, 'a.go': { oid: '2'.repeat(40) } }, 'object-missing'],
    [
      'a file that is a tree',
      { ...goMod, 'a.go': { oid: '4b825dc642cb6eb9a060e54bf8d69288fbee4904' } },
      'object-corrupt',
    ],
  ])('%s', async ([, files, code]) => {
    raw.files({})
    raw.rawTree([])
    const got = await pack(files)
    expect(got).toMatchObject({
      code,
      repository: root,
      module: root,
      version: 'v1.0.0',
      ref: 'refs/tags/v1.0.0',
    })
  })

  test('a missing tree', async () => {
    expect(await pack('3'.repeat(40) as Oid)).toMatchObject({ code: 'object-missing' })
  })

  test('a directory that is not there', async () => {
    expect(await pack({ a: '' }, 'sub')).toMatchObject({ code: 'gomod-missing' })
  })

  test('attributes that take git, without git', async () => {
    await usePress('isomorphic', async (without) => {
      const files = { ...goMod, 'a.txt': 'a\n', '.gitattributes': '*.txt eol=crlf\n' }
      const got = await pack(files, '', without)
      expect(got).toMatchObject({ code: 'needs-git' })
      expect('message' in got && got.message).toContain('a.txt')
      const plain = { ...goMod, 'a.txt': 'a\n', '.gitattributes': '*.txt text\n' }
      expect(await pack(plain, '', without)).toMatchObject({ h1: (await packed(plain)).h1 })
    })
  })
})

describe('what is left out may be anything', () => {
  test('names that are no UTF-8 in a vendored package, where attributes change bytes', async () => {
    const bad = raw.rawTree([{ mode: '100644', name: latin1('\xff'), oid: raw.blob('x\n') }])
    const files = {
      'go.mod': 'module example.com/r\n',
      '.gitattributes': '* eol=crlf\n',
      'vendor/x': { mode: '40000', oid: bad },
      'a.txt': 'a\n',
    }
    const got = await packed(files)
    expect(namesOf(got)).toEqual(['.gitattributes', 'a.txt', 'go.mod'])
    expect(contentOf(got, 'a.txt')).toBe('a\r\n')
  })
})

describe('measureZip', () => {
  const limit = 500 * 2 ** 20
  const listing = (paths: readonly string[], sizes: readonly number[]) => ({
    prefix: 'example.com/é@v1.0.0/',
    files: paths.map((path) => {
      const slot = { oid: '' as Oid, size: 0, isConverted: false }
      return { path, pathBytes: Buffer.byteLength(path), slot }
    }),
    blobs: sizes.map((size) => {
      const data = async function* () {}
      return { size, crc32: 0, sha256: '', method: 'store' as const, compressedSize: size, data }
    }),
  })

  test('gives the size of the zip, small, large, or with very many files', () => {
    const many = Array.from({ length: 2 ** 16 }, (_, index) => `${index}.go`)
    const cases = [
      listing([], []),
      listing(['go.mod', 'ä.go'], [7, 12]),
      listing(['a', 'b'], [limit, 2 ** 32]),
      listing(
        many,
        many.map(() => 1),
      ),
    ]
    for (const each of cases) expect(measureZip(each)).toBe(archiveSize(zipPieces(each)))
  })

  test('finds what go would refuse although its files are small enough', () => {
    const paths = Array.from({ length: 10 }, (_, index) => `${index}.bin`)
    const rest = limit - 9 * 50_000_000
    const filled = listing(
      paths,
      paths.map((_, index) => (index < 9 ? 50_000_000 : rest)),
    )
    expect(measureZip(filled)).toBeGreaterThan(limit)
  })
})
