import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Blobs } from '../src/blobs.ts'
import { locateRepository } from '../src/git/location.ts'
import { openNative } from '../src/git/native.ts'
import type { OpenRepository } from '../src/git/repository.ts'
import { entryOf, flattenTree, Trees } from '../src/git/tree.ts'
import type { Oid } from '../src/model.ts'
import { selectFiles, type TreeFile } from '../src/module/files.ts'
import { Selector } from '../src/selection.ts'
import { createRepository, type FileEntry, latin1, type RawRepository } from './support/gitobjects.ts'
import { makeDirectory } from './support/repo.ts'

let raw: RawRepository
let git: OpenRepository
beforeAll(async () => {
  raw = createRepository(makeDirectory())
  const location = await locateRepository(raw.dir)
  if ('code' in location) throw new Error(location.message)
  git = await openNative(location)
})
afterAll(() => git.close())

type Files = Readonly<Record<string, string | FileEntry>>

/** Selects the files of a tree; `license` is a file that lies above it. */
async function select(selector: Selector, tree: Oid, license?: Oid): Promise<string[] | string> {
  const loaded = await new Trees(git).load(tree)
  const above = license === undefined ? undefined : { mode: 0o100644, name: 'LICENSE', oid: license }
  const selection = await selector.select({
    tree: loaded,
    converted: new Map(),
    license: entryOf(loaded, 'LICENSE') === undefined ? above : undefined,
    vendorVersion: async () => '',
  })
  if (selection.code !== undefined) return `${selection.code}: ${selection.message}`
  return selection.files.map(({ path, slot }) => `${path} ${slot.oid} ${slot.size}`)
}

/** The same by the rules alone, which look at each path. */
async function selectByRules(tree: Oid, license?: Oid): Promise<string[] | string> {
  const loaded = await new Trees(git).load(tree)
  const size = async (oid: Oid) => (await git.stat([oid]))[0]?.size ?? 0
  const files: (TreeFile & { oid: Oid })[] = []
  for (const { path, kind, oid } of flattenTree(loaded)) {
    if (kind === 'file') files.push({ path, mode: 'file', oid, size: await size(oid) })
    else if (kind === 'symlink') files.push({ path, mode: 'symlink', oid })
  }
  if (license !== undefined && entryOf(loaded, 'LICENSE') === undefined)
    files.push({ path: 'LICENSE', mode: 'file', oid: license, size: await size(license) })
  const selection = selectFiles(files, { vendorVersion: '' })
  if (selection.code !== undefined) return `${selection.code}: ${selection.message}`
  const sorted = [...selection.files].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
  return sorted.map(({ path, oid, size }) => `${path} ${oid} ${size}`)
}

describe('select', () => {
  test('says what the rules say, whatever the tree, and again for each version', async () => {
    const name = fc.constantFrom(
      ...[
        'a',
        'b.go',
        'A',
        'é',
        'É',
        'go.mod',
        'GO.MOD',
        'LICENSE',
        'license',
        'vendor',
        'x y',
        'con.go',
        'q"',
      ],
      ...['.hg_archival.txt', 'trailing.', 'sub', 'ſ', 's', 'modules.txt', 'x'.repeat(255), 'x'.repeat(256)],
    )
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((elements) => elements.join('/'))
    const kind = fc.constantFrom('file', 'file', 'file', 'file', 'link', 'module' as const)
    const input = fc.uniqueArray(fc.tuple(path, kind), { maxLength: 8, selector: ([each]) => each })
    const selector = new Selector(new Blobs(git))
    const license = raw.blob('free\n') as Oid
    await fc.assert(
      fc.asyncProperty(input, fc.boolean(), async (chosen, hasLicense) => {
        const paths = chosen.map(([each]) => each)
        const files: Record<string, string | FileEntry> = {}
        for (const [each, what] of chosen) {
          if (paths.some((other) => other.startsWith(`${each}/`))) continue
          if (what === 'file') files[each] = `${each}\n`
          else if (what === 'link') files[each] = { mode: '120000', content: 'a' }
          else files[each] = { mode: '160000', oid: '1'.repeat(40) }
        }
        const tree = raw.files(files) as Oid
        const above = hasLicense ? license : undefined
        const want = await selectByRules(tree, above)
        expect(await select(selector, tree, above)).toEqual(want)
        expect(await select(selector, tree, above)).toEqual(want)
      }),
      { numRuns: 150 },
    )
  })

  test('shares what it knows between versions, and takes no list for another', async () => {
    const selector = new Selector(new Blobs(git))
    const common = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`d/f${index}`, 'x\n']))
    const trees = new Trees(git)
    for (const files of [common, { ...common, 'e/d/f0': 'y\n' }, { ...common, 'd/f0': 'z\n' }] as Files[]) {
      const tree = raw.files(files) as Oid
      const request = { converted: new Map(), license: undefined, vendorVersion: async () => '' }
      const selection = await selector.select({ ...request, tree: await trees.load(tree) })
      const got =
        'files' in selection && selection.files.map(({ path, slot }) => `${path} ${slot.oid} ${slot.size}`)
      expect(got).toEqual(await selectByRules(tree))
    }
  })

  test('asks the rules about names that are no UTF-8', async () => {
    const tree = raw.rawTree([{ mode: '100644', name: latin1('\xff'), oid: raw.blob('') }]) as Oid
    expect(await select(new Selector(new Blobs(git)), tree)).toMatch(/^file-path-invalid: /)
  })

  test('leaves what is too large to the rules', async () => {
    const large = raw.blob('x'.repeat(16 * 2 ** 20 + 1))
    for (const name of ['go.mod', 'LICENSE']) {
      const tree = raw.files({ [name]: { oid: large } }) as Oid
      expect(await select(new Selector(new Blobs(git)), tree)).toBe(await selectByRules(tree))
    }
  })
})
