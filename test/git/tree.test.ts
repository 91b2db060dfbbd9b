import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { locateRepository } from '../../src/git/location.ts'
import { entryKind } from '../../src/git/object.ts'
import { type GitRepository, withRepository } from '../../src/git/repository.ts'
import { directoryOf, flattenTree, Trees } from '../../src/git/tree.ts'
import type { Oid } from '../../src/model.ts'
import { createRepository, type FileEntry, latin1, type RawRepository } from '../support/gitobjects.ts'
import { makeDirectory, runGit } from '../support/repo.ts'

let repository: RawRepository
beforeAll(() => {
  repository = createRepository(makeDirectory())
})

async function use<T>(work: (trees: Trees, reads: Oid[]) => Promise<T>): Promise<T> {
  const location = await locateRepository(repository.dir)
  if ('code' in location) throw new Error(location.message)
  return withRepository(location, 'isomorphic', (git) => {
    const reads: Oid[] = []
    const counted: GitRepository = {
      ...git,
      read: (oid) => {
        reads.push(oid)
        return git.read(oid)
      },
    }
    return work(new Trees(counted), reads)
  })
}

function treeOf(files: Readonly<Record<string, string | FileEntry>>): Oid {
  return repository.files(files) as Oid
}

describe('find', () => {
  test.for([
    ['a', 'file'],
    ['sub', 'tree'],
    ['sub/b', 'file'],
    ['sub/deep/c', 'file'],
    ['link', 'symlink'],
    ['module', 'gitlink'],
    ['absent', undefined],
    ['sub/absent/c', undefined],
    ['a/b', undefined], //        a file has nothing below it
    ['link/b', undefined], //     links are not followed
    ['module/b', undefined], //   nor are submodules
    ['A', undefined], //          letter case counts
    ['sub/', undefined],
    ['', undefined],
    ['constructor', undefined],
  ] as const)('%j', async ([path, want]) => {
    const tree = treeOf({
      a: '',
      'sub/b': '',
      'sub/deep/c': '',
      link: { mode: '120000', content: 'sub' },
      module: { mode: '160000', oid: '1'.repeat(40) },
    })
    await use(async (trees) => {
      const entry = await trees.find(tree, path)
      expect(entry && entryKind(entry.mode)).toBe(want)
      const isDirectory = want === 'tree' || path === ''
      expect(directoryOf(await trees.load(tree), path) !== undefined).toBe(isDirectory)
    })
  })
})

describe('flattenTree', () => {
  test('gives what git ls-tree gives, in its order, whatever the names', async () => {
    const name = fc.constantFrom('a', 'a-', 'a.b', 'a0', 'é', '日', '𐐀', 'Ａ', 'b', '.x', 'a b')
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((elements) => elements.join('/'))
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(path, { maxLength: 8 }), async (paths) => {
        const files = paths.filter((each) => !paths.some((other) => other.startsWith(`${each}/`)))
        const tree = treeOf(Object.fromEntries(files.map((each) => [each, each])))
        const listed = runGit(repository.dir, '', ['ls-tree', '-r', '-z', tree]).toString()
        const want = [...listed.matchAll(/\d+ blob ([0-9a-f]+)\t([^\0]*)\0/g)].map(
          ([, oid, file]) => `${oid} ${file}`,
        )
        await use(async (trees) => {
          const flat = flattenTree(await trees.load(tree))
          expect(flat.map((entry) => `${entry.oid} ${entry.path}`)).toEqual(want)
          const bytes = flat.map((entry) => Buffer.from(entry.path))
          expect([...bytes].sort(Buffer.compare)).toEqual(bytes)
          expect((await trees.load(tree)).files).toBe(files.length)
        })
      }),
      { numRuns: 25 },
    )
  })

  test('names that are no UTF-8 stay apart', async () => {
    const oid = repository.blob('')
    const tree = repository.rawTree([
      { mode: '100644', name: latin1('\xe9'), oid },
      { mode: '100644', name: latin1('\xff'), oid },
    ]) as Oid
    await use(async (trees) => {
      expect(flattenTree(await trees.load(tree)).map((entry) => entry.path)).toEqual(['\udce9', '\udcff'])
    })
  })
})

describe('load', () => {
  test('finds each go.mod with its directory, links and directories of that name included', async () => {
    const tree = treeOf({
      'go.mod': '',
      'sub/go.mod': '',
      'sub/deep/go.mod': { mode: '120000', content: 'x' },
      'other/go.mod/x': '',
      'other/GO.MOD': '',
      'other/go.modx': '',
    })
    await use(async (trees) => {
      const { goMods, files, forbidden } = await trees.load(tree)
      expect(goMods.map(({ dir }) => dir).sort()).toEqual(['', 'other', 'sub', 'sub/deep'])
      expect({ files, forbidden }).toEqual({ files: 6, forbidden: undefined })
    })
  })

  test.for([
    ['.git', 'sub/.git'],
    ['.GIT', 'sub/.GIT'],
    ['..', 'sub/..'],
    ['.', 'sub/.'],
    ['.github', undefined],
    ['...', undefined],
  ] as const)('tells that git refuses a file named %s', async ([name, want]) => {
    const inner = repository.rawTree([{ mode: '100644', name, oid: repository.blob('') }])
    const tree = repository.rawTree([{ mode: '40000', name: 'sub', oid: inner }]) as Oid
    await use(async (trees) => {
      expect((await trees.load(tree)).forbidden).toBe(want)
    })
  })

  test('reads each tree once, so that one which unfolds into millions of files is counted at once', async () => {
    let oid = repository.tree([{ mode: '100644', name: 'x', oid: repository.blob('') }])
    for (let level = 0; level < 8; level++) {
      oid = repository.tree(
        Array.from({ length: 10 }, (_, index) => ({ mode: '40000', name: `d${index}`, oid })),
      )
    }
    await use(async (trees, reads) => {
      expect((await trees.load(oid as Oid)).files).toBe(10 ** 8)
      await trees.find(oid as Oid, 'd1/d2/d3')
      expect(reads).toHaveLength(9)
    })
  })
})

describe('what is no tree', () => {
  test.for([
    ['a file in its place', () => repository.blob('a file'), 'object-corrupt'],
    ['damaged', () => repository.object('tree', 'junk'), 'object-corrupt'],
    ['missing', () => '2'.repeat(40), 'object-missing'],
  ] as const)('%s', async ([, make, code]) => {
    const tree = repository.tree([{ mode: '40000', name: 'sub', oid: make() }]) as Oid
    await use(async (trees) => {
      await expect(trees.load(tree)).rejects.toMatchObject({ code })
      await expect(trees.find(tree, 'sub/x')).rejects.toMatchObject({ code })
      expect(await trees.find(tree, 'sub')).toBeDefined()
    })
  })
})
