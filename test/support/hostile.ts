/**
 * Makes repositories that are hostile or broken, each in its own way.
 *
 * Every one holds a harmless v1.0.0, which must be published all the same, and
 * normally one bad thing, on tag v1.1.0 and reachable only from there. What
 * modpress must do with it stands beside it, and what the real go does, which
 * `support.selftest.test.ts` asks. The letter of an id is its kind:
 * p paths, m modes, s sizes, t tags and refs, o objects and formats,
 * x execution, g go.mod, h pages, c commits, v changes after publication.
 *
 * The file is long because it is a table: a row is a repository.
 */

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  chmodSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ProblemCode } from '../../src/problem.ts'
import {
  type Bytes,
  type CommitOptions,
  createRepository,
  type FileEntry,
  latin1,
  packLoose,
  type RawRepository,
  type TreeEntry,
} from './gitobjects.ts'

export interface HostileCase {
  readonly id: string
  /** What is wrong with the repository. */
  readonly point: string
  /** The bare repository or work tree. */
  readonly dir: string
  /** "hostile.example/" and the id ("case-v01" for v01, since no path ends in "/v01"): its root and its module. */
  readonly root: string
  /** The harmless version; absent where the repository holds none. */
  readonly good: 'v1.0.0' | undefined
  /** What the real go does with the good version. */
  readonly goGood: 'downloads' | 'fails'
  readonly bad: HostileVersion
  /** With one of these codes the whole repository may be refused instead, the good version included. */
  readonly orRefused: readonly ProblemCode[]
  /** Files that must never come into being, whatever is done with the repository. */
  readonly canaries: readonly string[]
  /** Why the case says nothing on this machine. */
  readonly skip?: string
  /** Changes the repository after it was published, where that is the point. */
  readonly change?: () => void
}

export interface HostileVersion {
  /** The short name of the tag. */
  readonly tag: string
  readonly version: string
  /**
   * refused: not published, and one of `codes` is reported. none: the same, but for the repository as a whole.
   * published: it is, and nothing but `codes` is reported of it. ignored: it is not, and nothing but `codes`.
   */
  readonly expect: 'refused' | 'published' | 'ignored' | 'none'
  readonly codes: readonly ProblemCode[]
  /** What the real go does when it is to download the version, directly from the repository. */
  readonly go: 'downloads' | 'fails'
  /** A part of what go says then. It may depend on git's version. */
  readonly says: string
}

/** Makes all the repositories below `dir`, and returns what is to be expected of each. */
export async function makeHostile(dir: string): Promise<HostileCase[]> {
  const base = resolve(dir)
  mkdirSync(join(base, 'canaries'), { recursive: true })
  const cases: HostileCase[] = []
  for (const row of rows) {
    const draft = createDraft(base, row.id)
    row.make(draft)
    const {
      tag = 'v1.1.0',
      version = tag,
      good = 'v1.0.0',
      expect,
      codes,
      go,
      says = '',
      orRefused = [],
    } = row
    const skip = row.skip?.()
    cases.push({
      id: row.id,
      point: row.point,
      dir: draft.dir,
      root: draft.root,
      good: good === 'none' ? undefined : good,
      goGood: row.goGood ?? (good === 'none' ? 'fails' : 'downloads'),
      bad: { tag, version, expect, codes, go, says },
      orRefused,
      canaries: draft.canaries,
      ...(skip === undefined ? {} : { skip }),
      ...(draft.change === undefined ? {} : { change: draft.change }),
    })
  }
  return cases
}

interface Row extends Omit<HostileVersion, 'tag' | 'version' | 'says'> {
  readonly id: string
  readonly point: string
  readonly make: (draft: Draft) => unknown
  /** @default 'v1.1.0' */
  readonly tag?: string
  /** @default the tag */
  readonly version?: string
  /** @default 'v1.0.0' */
  readonly good?: 'v1.0.0' | 'none'
  /** @default 'downloads', and 'fails' where there is no good version */
  readonly goGood?: 'downloads' | 'fails'
  readonly says?: string
  readonly orRefused?: readonly ProblemCode[]
  readonly skip?: () => string | undefined
}

type Files = Readonly<Record<string, Bytes | FileEntry>>

/** A repository in the making. */
interface Draft {
  dir: string
  readonly id: string
  readonly root: string
  /** Where further directories of this case go. */
  readonly aside: string
  readonly canaries: string[]
  change?: () => void
  /** The bare repository with v1.0.0 on main, made when first asked for. */
  readonly repository: RawRepository
  /** The commit of v1.0.0. */
  readonly first: string
  /** Tags a commit of v1.0.0's files and these, on top of v1.0.0. Returns the commit. */
  release(files: Files, options?: Partial<CommitOptions>): string
  /** The same with raw entries beside go.mod and a.go, in this order. */
  releaseEntries(entries: readonly TreeEntry[]): string
  /** The same with exactly this tree. */
  releaseTree(tree: string, options?: Partial<CommitOptions>): string
  /** The same with this go.mod. */
  releaseGoMod(goMod: Bytes | FileEntry): string
  /** Returns a path that must not come into being. */
  canary(name: string): string
}

const evil = 'package evil\n'

const rows: readonly Row[] = [
  // Paths
  {
    id: 'p01',
    point: 'A tree holds "..", a directory.',
    make: (d) =>
      d.releaseEntries([{ mode: '40000', name: '..', oid: d.repository.files({ 'evil.go': evil }) }]),
    expect: 'refused',
    codes: ['tree-invalid', 'file-path-invalid'],
    go: 'fails',
    says: 'invalid path',
  },
  {
    id: 'p02',
    point: 'A tree holds ".git/config".',
    make: (d) =>
      d.releaseEntries([
        { mode: '40000', name: '.git', oid: d.repository.files({ config: '[core]\n\tfsmonitor = false\n' }) },
      ]),
    expect: 'refused',
    codes: ['tree-invalid', 'file-path-invalid'],
    go: 'fails',
    says: 'invalid path',
  },
  {
    id: 'p03',
    point: 'One entry is named "a/../../b".',
    make: (d) => d.releaseEntries([file(d, 'a/../../b', evil)]),
    expect: 'refused',
    codes: ['tree-invalid', 'file-path-invalid'],
    go: 'fails',
    says: 'invalid path',
  },
  {
    id: 'p04',
    point: 'One entry is named "/etc/evil".',
    make: (d) => d.releaseEntries([file(d, '/etc/evil', evil)]),
    expect: 'refused',
    codes: ['tree-invalid', 'file-path-invalid'],
    go: 'fails',
    says: 'invalid path',
  },
  {
    id: 'p05',
    point: 'A name holds a backslash.',
    make: (d) => d.release({ 'a\\b.txt': 'x\n' }),
    expect: 'refused',
    codes: ['file-path-invalid', 'tree-invalid'],
    go: 'fails',
    says: 'malformed file path',
  },
  {
    id: 'p06',
    point: 'A name holds control characters.',
    make: (d) => d.release({ 'a\u0007b\u001b[31m\nc.txt': 'x\n' }),
    expect: 'refused',
    codes: ['file-path-invalid'],
    go: 'fails',
    says: 'invalid char',
  },
  {
    id: 'p07',
    point: 'A name has 300 bytes, more than a file system holds.',
    make: (d) => d.release({ [`${'n'.repeat(297)}.go`]: 'package a\n' }),
    expect: 'refused',
    codes: ['file-path-too-long'],
    go: 'fails',
    says: 'file name too long',
  },
  {
    id: 'p08',
    point: 'Names that Windows reserves.',
    make: (d) => d.release({ 'con.go': 'package a\n', 'sub/AUX': 'x\n' }),
    expect: 'refused',
    codes: ['file-path-invalid'],
    go: 'fails',
    says: 'disallowed as path element component on Windows',
  },
  {
    id: 'p09',
    point: 'Two files differ in letter case alone.',
    make: (d) => d.release({ README: 'x\n', readme: 'y\n' }),
    expect: 'refused',
    codes: ['file-collision'],
    go: 'fails',
    says: 'case-insensitive file name collision',
  },
  {
    id: 'p10',
    point: 'Two directories differ in letter case alone.',
    make: (d) => d.release({ 'Sub/x.txt': 'x\n', 'sub/y.txt': 'y\n' }),
    expect: 'refused',
    codes: ['file-collision'],
    go: 'fails',
    says: 'case-insensitive file name collision',
  },
  {
    id: 'p11',
    point: 'A name is in decomposed Unicode: a letter and a combining mark.',
    make: (d) => d.release({ 'cafe\u0301.txt': 'x\n' }),
    expect: 'refused',
    codes: ['file-path-invalid'],
    go: 'fails',
    says: 'invalid char',
  },
  {
    id: 'p12',
    point: 'A name is no UTF-8.',
    make: (d) => d.releaseEntries([file(d, latin1('z\xff\xfe.txt'), 'x\n')]),
    expect: 'refused',
    codes: ['file-path-invalid'],
    go: 'fails',
    says: 'invalid UTF-8',
  },
  {
    id: 'p13',
    point: 'Names hold Unicode letters, which are allowed.',
    make: (d) => d.release({ '日本語.txt': 'x\n', 'caf\u00e9/ß.txt': 'y\n', '\u{10400}.txt': 'z\n' }),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'p14',
    point: 'A name holds an apostrophe.',
    make: (d) => d.release({ "it's.txt": 'x\n' }),
    expect: 'refused',
    codes: ['file-path-invalid'],
    go: 'fails',
    says: 'invalid char',
  },
  {
    id: 'p15',
    point: 'A name ends in a dot.',
    make: (d) => d.release({ 'trailing.': 'x\n' }),
    expect: 'refused',
    codes: ['file-path-invalid'],
    go: 'fails',
    says: 'trailing dot',
  },
  {
    id: 'p16',
    point: 'A tree entry has an empty name.',
    make: (d) => d.releaseEntries([file(d, '', 'x\n')]),
    expect: 'refused',
    codes: ['object-corrupt', 'tree-invalid', 'file-path-invalid'],
    go: 'fails',
    says: 'empty filename in tree entry',
  },
  {
    id: 'p17',
    point: 'A tree holds one name twice.',
    make: (d) => d.releaseEntries([file(d, 'z.txt', 'x\n'), file(d, 'z.txt', 'y\n')]),
    expect: 'refused',
    codes: ['file-collision', 'tree-invalid', 'object-corrupt'],
    go: 'fails',
    says: 'multiple entries',
  },
  {
    id: 'p18',
    point: 'A tree holds a file and a directory of one name.',
    make: (d) =>
      d.releaseEntries([
        file(d, 'z', 'x\n'),
        { mode: '40000', name: 'z', oid: d.repository.files({ y: 'y\n' }) },
      ]),
    expect: 'refused',
    codes: ['file-collision', 'tree-invalid', 'object-corrupt'],
    go: 'fails',
    says: 'both a file and a directory',
  },
  {
    id: 'p19',
    point: 'A tree is not in order, which go does not mind.',
    make: (d) =>
      d.releaseTree(
        d.repository.rawTree([file(d, 'z.txt', 'z\n'), file(d, 'go.mod', goMod(d)), file(d, 'b.txt', 'b\n')]),
      ),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'p20',
    point: 'Bad names lie in a nested module, which is left out.',
    make: (d) =>
      d.release({
        'nested/go.mod': `module ${d.root}/nested\n`,
        'nested/a\\b:c.txt': 'x\n',
        "nested/it's": 'x\n',
      }),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'p21',
    point: 'The go.mod is named GO.MOD.',
    make: (d) => d.releaseTree(d.repository.files({ 'GO.MOD': goMod(d), 'a.go': 'package a\n' })),
    expect: 'refused',
    codes: ['gomod-case', 'gomod-missing', 'file-path-invalid'],
    go: 'fails',
    says: 'must have lowercase names',
  },
  {
    id: 'p22',
    point: 'Attributes leave files out of archives and expand formats; go switches both off.',
    make: (d) =>
      d.release({ '.gitattributes': '* export-ignore\n*.txt export-subst\n', 'v.txt': '$Format:%H %an$\n' }),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'p23',
    point: 'Attributes change line ends, ids and encodings.',
    make: (d) =>
      d.release({
        '.gitattributes': '*.txt text eol=crlf\n*.id ident\n*.u16 working-tree-encoding=UTF-16\n',
        'crlf.txt': 'one\ntwo\r\nthree',
        'sub/f.id': '$Id$ and $Id: old $\n',
        'w.u16': 'wide é\n',
      }),
    expect: 'published',
    codes: ['needs-git'],
    go: 'downloads',
  },
  {
    id: 'p24',
    point: 'Attributes ask for a filter, and the configuration of the repository defines it.',
    make: (d) => {
      const touch = `touch ${d.canary('filter')}; cat`
      d.release({
        '.gitattributes': '*.bin filter=evil\n*.lfs filter=lfs diff=lfs merge=lfs -text\n',
        'a.bin': 'x\n',
        'b.lfs': lfsPointer,
      })
      appendConfig(
        d,
        `[filter "evil"]\n\tsmudge = ${touch}\n\tclean = ${touch}\n\tprocess = ${touch}\n\trequired = true\n`,
      )
    },
    expect: 'published',
    codes: ['needs-git'],
    go: 'downloads',
  },

  // Modes
  {
    id: 'm01',
    point: 'Symbolic links, out of the repository and in circles.',
    make: (d) =>
      d.release({
        passwd: link('/etc/passwd'),
        up: link('../../../../etc/passwd'),
        self: link('self'),
        'sub/dir': link('..'),
      }),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'm02',
    point: 'The go.mod is a symbolic link.',
    make: (d) => d.release({ 'go.mod': link('real.mod'), 'real.mod': goMod(d) }),
    expect: 'refused',
    codes: ['gomod-not-regular', 'gomod-no-module-path'],
    go: 'fails',
    says: 'missing module path',
  },
  {
    id: 'm03',
    point: 'The go.mod is a directory.',
    make: (d) => d.releaseTree(d.repository.files({ 'go.mod/x.txt': 'x\n', 'a.go': 'package a\n' })),
    expect: 'refused',
    codes: ['gomod-not-regular', 'gomod-missing', 'gomod-no-module-path'],
    go: 'fails',
  },
  {
    id: 'm04',
    point: 'A submodule.',
    make: (d) =>
      d.release({
        '.gitmodules': '[submodule "dep"]\n\tpath = dep\n\turl = --upload-pack=touch\n',
        dep: { mode: '160000', oid: '12'.repeat(20) },
      }),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'm05',
    point: 'Modes that git no longer writes. Mode 0 is left out.',
    make: (d) =>
      d.releaseEntries([
        { ...file(d, 'group.txt', 'group\n'), mode: '100664' },
        { ...file(d, 'owner.txt', 'owner\n'), mode: '100600' },
        { mode: '040000', name: 'padded', oid: d.repository.files({ 'p.txt': 'p\n' }) },
        { ...file(d, 'run.txt', 'run\n'), mode: '100775' },
        { ...file(d, 'zero.txt', 'zero\n'), mode: '0' },
      ]),
    expect: 'published',
    codes: ['needs-git'],
    go: 'downloads',
  },
  {
    id: 'm06',
    point: 'An entry says that it is a directory, and is a file.',
    make: (d) => d.releaseEntries([{ mode: '40000', name: 'sub', oid: d.repository.blob('no tree\n') }]),
    expect: 'refused',
    codes: ['object-corrupt'],
    go: 'fails',
  },
  {
    id: 'm07',
    point: 'An entry says that it is a file, and is a directory. Go publishes the raw tree as the file.',
    make: (d) =>
      d.releaseEntries([{ mode: '100644', name: 'sub.txt', oid: d.repository.files({ 'x.txt': 'x\n' }) }]),
    expect: 'refused',
    codes: ['object-corrupt'],
    go: 'downloads',
  },

  // Sizes
  {
    id: 's01',
    point: 'A go.mod of 17 MiB.',
    make: (d) => d.release({ 'go.mod': goMod(d) + `// ${'x'.repeat(1021)}\n`.repeat(17 * 1024) }),
    expect: 'refused',
    codes: ['gomod-too-large'],
    go: 'fails',
    says: 'too large',
  },
  {
    id: 's02',
    point: 'A LICENSE of 17 MiB.',
    make: (d) => d.release({ LICENSE: { oid: d.repository.zeros(17 * 1024 * 1024) } }),
    expect: 'refused',
    codes: ['license-too-large'],
    go: 'fails',
    says: 'too large',
  },
  {
    id: 's03',
    point: 'A file of 600 MiB, small in the repository.',
    make: (d) => d.release({ 'zeros.bin': { oid: d.repository.zeros(600 * 1024 * 1024) } }),
    expect: 'refused',
    codes: ['zip-too-large'],
    go: 'fails',
    says: 'too large',
  },
  {
    id: 's04',
    point: 'Trees that share trees: 2^20 files of 1 KiB from a handful of objects.',
    make: (d) => {
      const blob = d.repository.blob('b'.repeat(1024))
      const names = Array.from({ length: 32 }, (_, i) => `f${String(i).padStart(2, '0')}`)
      let tree = d.repository.tree(names.map((name) => ({ mode: '100644', name, oid: blob })))
      for (let level = 0; level < 3; level++) {
        const inner = tree
        tree = d.repository.tree(names.map((name) => ({ mode: '40000', name, oid: inner })))
      }
      d.releaseEntries([{ mode: '40000', name: 'bomb', oid: tree }])
    },
    expect: 'refused',
    codes: ['zip-too-large'],
    go: 'fails',
    says: 'too large',
  },
  {
    id: 's05',
    point: '3000 levels of directories: a path of 6000 bytes.',
    make: (d) => {
      let entry = file(d, 'x', 'deep\n')
      for (let level = 0; level < 3000; level++) {
        entry = { mode: '40000', name: 'd', oid: d.repository.tree([entry]) }
      }
      d.releaseEntries([entry])
    },
    expect: 'refused',
    codes: ['file-path-too-long'],
    go: 'fails',
    says: 'file name too long',
  },
  {
    id: 's06',
    point: '100,000 files.',
    make: (d) => {
      const numbers = Array.from({ length: 1000 }, (_, i) => String(i).padStart(3, '0'))
      const inner = d.repository.tree(numbers.map((n) => file(d, `f${n}.txt`, `${n}\n`)))
      const outer = d.repository.tree(
        numbers.slice(0, 100).map((n) => ({ mode: '40000', name: `d${n}`, oid: inner })),
      )
      d.releaseEntries([{ mode: '40000', name: 'many', oid: outer }])
    },
    expect: 'published',
    codes: [],
    go: 'downloads',
  },

  // Tags and refs
  {
    id: 't01',
    point: 'A tag on a file.',
    make: (d) => d.repository.ref('refs/tags/v1.1.0', d.repository.blob('no commit\n')),
    expect: 'refused',
    codes: ['tag-not-commit'],
    go: 'fails',
    says: 'unexpected response from git log',
  },
  {
    id: 't02',
    point: 'A tag on a tree.',
    make: (d) => d.repository.ref('refs/tags/v1.1.0', d.repository.files({ 'go.mod': goMod(d) })),
    expect: 'refused',
    codes: ['tag-not-commit'],
    go: 'fails',
    says: 'unexpected response from git log',
  },
  {
    id: 't03',
    point: 'An annotated tag on a file.',
    make: (d) => {
      const object = d.repository.blob('no commit\n')
      d.repository.ref('refs/tags/v1.1.0', d.repository.tag({ object, type: 'blob', name: 'v1.1.0' }))
    },
    expect: 'refused',
    codes: ['tag-not-commit'],
    go: 'fails',
    says: 'unexpected response from git log',
  },
  {
    id: 't04',
    point: 'A tag of a tag of a tag of a commit.',
    make: (d) => {
      let object = d.repository.tag({ object: d.release({ 'b.txt': 'b\n' }), name: 'v1.1.0' })
      for (let i = 0; i < 2; i++) object = d.repository.tag({ object, type: 'tag', name: 'v1.1.0' })
      d.repository.ref('refs/tags/v1.1.0', object)
    },
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 't05',
    point: 'A tag on an object that is missing.',
    make: (d) => d.repository.ref('refs/tags/v1.1.0', 'ab'.repeat(20)),
    expect: 'refused',
    codes: ['object-missing', 'ref-broken'],
    go: 'fails',
  },
  {
    id: 't06',
    point: 'An annotated tag on a commit that is missing.',
    make: (d) =>
      d.repository.ref('refs/tags/v1.1.0', d.repository.tag({ object: 'ab'.repeat(20), name: 'v1.1.0' })),
    expect: 'refused',
    codes: ['object-missing'],
    go: 'fails',
  },
  {
    id: 't07',
    point: 'A tag on an object whose file is garbage.',
    make: (d) => {
      const commit = d.release({ 'b.txt': 'b\n' })
      writeFileSync(d.repository.pathOf(commit), 'This is no zlib stream.\n')
    },
    expect: 'refused',
    codes: ['object-corrupt', 'object-missing', 'ref-broken'],
    go: 'fails',
  },
  {
    id: 't08',
    point: 'The file of a ref holds garbage.',
    make: (d) => d.repository.file('refs/tags/v1.1.0', 'This is no object id.\n'),
    expect: 'refused',
    codes: ['ref-broken'],
    go: 'fails',
  },
  {
    id: 't09',
    point: 'The file of a ref is empty.',
    make: (d) => d.repository.file('refs/tags/v1.1.0', ''),
    expect: 'refused',
    codes: ['ref-broken'],
    go: 'fails',
  },
  {
    id: 't10',
    point: 'A tag is a symbolic ref to a branch.',
    make: (d) => {
      d.repository.ref('refs/heads/next', d.release({ 'b.txt': 'b\n' }))
      d.repository.file('refs/tags/v1.1.0', 'ref: refs/heads/next\n')
    },
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 't11',
    point: 'Two tags are symbolic refs to each other.',
    make: (d) => {
      d.repository.file('refs/tags/v1.1.0', 'ref: refs/tags/v1.2.0\n')
      d.repository.file('refs/tags/v1.2.0', 'ref: refs/tags/v1.1.0\n')
    },
    expect: 'refused',
    codes: ['ref-broken'],
    go: 'fails',
    says: 'unknown revision',
  },
  {
    id: 't12',
    point: 'The file of a ref is a symbolic link to a file outside.',
    make: (d) => {
      writeFileSync(join(d.aside, 'secret.txt'), 'A secret that must be shown nowhere.\n')
      symlinkSync(join(d.aside, 'secret.txt'), join(d.repository.dir, 'refs/tags/v1.1.0'))
    },
    expect: 'refused',
    codes: ['ref-broken'],
    go: 'fails',
  },
  {
    id: 't13',
    point: 'The packed refs have names that lead out of the repository.',
    make: (d) => {
      const names = [
        '../../../escape-t13',
        'refs/../../../escape-t13',
        'refs/tags/../../../../escape-t13',
        '/escape-t13',
      ]
      d.repository.file(
        'packed-refs',
        `${packedHeader}${names.map((name) => `${d.first} ${name}\n`).join('')}`,
      )
      for (const up of ['.', '..', '../..', '../../..', '../../../..'])
        d.canaries.push(join(d.dir, up, 'escape-t13'))
    },
    expect: 'ignored',
    codes: ['ref-broken', 'repository-unreadable'],
    orRefused: ['ref-broken', 'repository-unreadable'],
    goGood: 'fails',
    go: 'fails',
  },
  {
    id: 't14',
    point: 'Tags and branches whose names are shell commands or options.',
    make: (d) => {
      const touch = (name: string): string => `touch\${IFS}${d.canary(name)}`
      const commit = d.release({ 'b.txt': 'b\n' })
      rmSync(join(d.repository.dir, 'refs/tags/v1.1.0'))
      for (const name of [
        `v1.1.0;${touch('semicolon')}`,
        `v1.1.0$(${touch('dollar')})`,
        `v1.1.0\`${touch('backtick')}\``,
        `v1.1.0|${touch('pipe')}`,
        `v1.1.0&${touch('ampersand')}`,
        `v1.1.0'"${touch('quotes')}"'`,
        '-v1.1.0',
        `--upload-pack=${touch('option')}`,
        '--output=escape-t14',
      ]) {
        d.repository.ref(`refs/tags/${name}`, commit)
      }
      d.repository.ref('refs/heads/--output=escape-t14', commit)
      d.canaries.push(join(d.dir, 'escape-t14'), resolve('escape-t14'))
    },
    expect: 'ignored',
    codes: ['tag-not-canonical'],
    go: 'fails',
    says: 'unknown revision',
  },
  {
    id: 't15',
    point: 'Tags that look like versions and are none.',
    make: (d) => {
      const commit = d.release({ 'b.txt': 'b\n' })
      rmSync(join(d.repository.dir, 'refs/tags/v1.1.0'))
      for (const name of [
        'v1',
        'v1.1',
        'v01.1.0',
        'V1.1.0',
        '1.1.0',
        'v1.1.0.0',
        'v1.1.0-01',
        'v1.1.0+meta',
        'v1.1.0\u202e',
      ]) {
        d.repository.ref(`refs/tags/${name}`, commit)
      }
    },
    tag: 'v01.1.0',
    expect: 'ignored',
    codes: ['tag-not-canonical'],
    go: 'downloads',
  },
  {
    id: 't16',
    point: 'A tag v2.0.0, and a go.mod whose path does not end in /v2.',
    make: (d) => d.repository.ref('refs/tags/v2.0.0', d.first),
    tag: 'v2.0.0',
    expect: 'refused',
    codes: ['major-version-mismatch'],
    go: 'fails',
    says: 'module path must match major version',
  },
  {
    id: 't17',
    point: 'A tag v2.0.0 where there is no go.mod at all.',
    make: (d) => {
      const tree = d.repository.files({ 'a.go': 'package a\n' })
      const commit = d.repository.commit({ tree })
      for (const name of ['refs/heads/main', 'refs/tags/v1.0.0', 'refs/tags/v2.0.0'])
        d.repository.ref(name, commit)
    },
    tag: 'v2.0.0',
    version: 'v2.0.0+incompatible',
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 't18',
    point: 'A tag that is named like a pseudo-version.',
    make: (d) => d.repository.ref('refs/tags/v1.1.0-0.20231114221320-abcdefabcdef', d.first),
    tag: 'v1.1.0-0.20231114221320-abcdefabcdef',
    expect: 'ignored',
    codes: ['tag-not-canonical'],
    go: 'fails',
    says: 'unknown revision',
  },
  {
    id: 't19',
    point: 'A ref is packed and loose; the loose one counts.',
    make: (d) => {
      d.release({ 'b.txt': 'b\n' })
      d.repository.file('packed-refs', `${packedHeader}${d.first} refs/tags/v1.1.0\n`)
    },
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 't20',
    point: 'The packed refs hold junk.',
    make: (d) =>
      d.repository.file(
        'packed-refs',
        `${packedHeader}This line is junk.\n^${'0'.repeat(40)}\n${d.first}\n\u0000\u0001\n`,
      ),
    expect: 'ignored',
    codes: ['ref-broken', 'repository-unreadable'],
    orRefused: ['ref-broken', 'repository-unreadable'],
    goGood: 'fails',
    go: 'fails',
  },

  // Objects and formats
  {
    id: 'o01',
    point: 'A file of the version is missing.',
    make: (d) => {
      d.release({ 'b.txt': 'the missing one\n' })
      rmSync(d.repository.pathOf(d.repository.idOf('blob', 'the missing one\n')))
    },
    expect: 'refused',
    codes: ['object-missing'],
    go: 'fails',
  },
  {
    id: 'o02',
    point: 'A directory of the version is missing.',
    make: (d) => d.releaseEntries([{ mode: '40000', name: 'sub', oid: 'ab'.repeat(20) }]),
    expect: 'refused',
    codes: ['object-missing'],
    go: 'fails',
  },
  {
    id: 'o03',
    point: 'The object of a file is cut off.',
    make: (d) => {
      const content = noise(4000)
      d.release({ 'b.bin': content })
      truncateSync(d.repository.pathOf(d.repository.idOf('blob', content)), 2000)
    },
    expect: 'refused',
    codes: ['object-corrupt'],
    go: 'fails',
  },
  {
    id: 'o04',
    point: 'The object of a file holds another file: its content does not fit its id.',
    make: (d) => {
      d.release({ 'b.txt': 'right\n' })
      writeFileSync(d.repository.pathOf(d.repository.idOf('blob', 'right\n')), packLoose('blob', 'wrong\n'))
    },
    expect: 'refused',
    codes: ['object-corrupt'],
    go: 'fails',
  },
  {
    id: 'o05',
    point: 'A pack in which one byte of a file is wrong.',
    make: (d) => {
      const content = noise(4000)
      const { pack } = packRelease(d, content)
      const bytes = readFileSync(pack)
      const middle = bytes.indexOf(content.subarray(1000, 1020))
      if (middle < 0) throw new Error('The file was not found in the pack.')
      bytes.writeUInt8((bytes[middle] ?? 0) ^ 1, middle)
      chmodSync(pack, 0o644)
      writeFileSync(pack, bytes)
    },
    expect: 'refused',
    codes: ['object-corrupt', 'object-missing'],
    go: 'fails',
  },
  {
    id: 'o06',
    point: 'A pack without its index.',
    make: (d) => {
      const { index } = packRelease(d, noise(4000))
      rmSync(index, { force: true })
    },
    expect: 'refused',
    codes: ['object-missing', 'ref-broken'],
    go: 'fails',
  },
  {
    id: 'o07',
    point: 'A shallow clone with its tags.',
    make: (d) => {
      d.repository.ref('refs/heads/main', d.release({ 'b.txt': 'b\n' }))
      cloneDraft(d, ['--depth=1', '--no-single-branch'])
      git(d.dir, ['fetch', '-q', '--depth=1', 'origin', '+refs/tags/*:refs/tags/*'])
    },
    expect: 'published',
    codes: ['shallow'],
    go: 'downloads',
  },
  {
    id: 'o08',
    point: 'A shallow clone without tags, as CI services make it.',
    make: (d) => {
      d.repository.ref('refs/heads/main', d.release({ 'b.txt': 'b\n' }))
      cloneDraft(d, ['--depth=1', '--no-tags'])
    },
    good: 'none',
    expect: 'none',
    codes: ['shallow-no-tags'],
    go: 'fails',
    says: 'unknown revision',
  },
  {
    id: 'o09',
    point: 'A partial clone that lacks a file, and a remote whose transport runs a program.',
    make: (d) => {
      d.release({ 'b.txt': 'the file that was not fetched\n' })
      appendConfig(d, '[uploadpack]\n\tallowFilter = true\n')
      cloneDraft(d, ['--filter=blob:none', '--no-checkout'])
      git(d.dir, ['checkout', '-q', 'v1.0.0'])
      git(d.dir, ['config', 'remote.origin.url', 'ssh://hostile.example/o09'])
      git(d.dir, ['config', 'core.sshCommand', `touch ${d.canary('lazy-fetch')};`])
    },
    expect: 'refused',
    codes: ['object-missing'],
    go: 'fails',
  },
  {
    id: 'o10',
    point: 'Replace refs put other objects in the place of those of both versions.',
    make: (d) => {
      const commit = d.release({ 'b.txt': 'original\n' })
      const other = d.repository.commit({
        tree: d.repository.files({ 'go.mod': goMod(d), 'b.txt': 'replaced\n' }),
      })
      d.repository.ref(`refs/replace/${commit}`, other)
      d.repository.ref(
        `refs/replace/${d.repository.idOf('blob', 'package a\n')}`,
        d.repository.blob('package b\n'),
      )
    },
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'o11',
    point: 'Grafts give the commits of both versions other parents.',
    make: (d) => {
      const commit = d.release({ 'b.txt': 'b\n' })
      const tip = d.repository.commit({ tree: d.repository.files({ 'go.mod': goMod(d) }), parents: [commit] })
      d.repository.ref('refs/heads/main', tip)
      d.repository.file('info/grafts', `${tip}\n${commit}\n${d.first} ${commit}\n`)
    },
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'o12',
    point: 'Objects lie in another repository, which is gone.',
    make: (d) => {
      const commit = d.release({ 'b.txt': 'b\n' })
      rmSync(d.repository.pathOf(d.repository.idOf('blob', 'b\n')))
      rmSync(d.repository.pathOf(commit))
      d.repository.file('objects/info/alternates', `${join(d.aside, 'gone/objects')}\n`)
    },
    expect: 'refused',
    codes: ['object-missing', 'ref-broken'],
    go: 'fails',
  },
  {
    id: 'o13',
    point: 'A repository whose ids are SHA-256.',
    make: (d) => {
      const repository = createRepository(join(d.aside, 'sha256.git'), { format: 'sha256' })
      const first = repository.commit({ tree: repository.files(harmless(d)) })
      const second = repository.commit({
        tree: repository.files({ ...harmless(d), 'b.txt': 'b\n' }),
        parents: [first],
      })
      repository.ref('refs/heads/main', first)
      repository.ref('refs/tags/v1.0.0', first)
      repository.ref('refs/tags/v1.1.0', second)
      d.dir = repository.dir
    },
    expect: 'published',
    codes: [],
    orRefused: ['repository-format', 'needs-git'],
    go: 'downloads',
  },
  {
    id: 'o14',
    point: 'A repository whose refs are a reftable, which older git does not read.',
    make: (d) => {
      const repository = createRepository(join(d.aside, 'reftable.git'), {
        config: '[extensions]\n\trefStorage = reftable\n',
      })
      const config = readFileSync(join(repository.dir, 'config'), 'utf8')
      repository.file('config', config.replace('version = 0', 'version = 1'))
      repository.commit({ tree: repository.files(harmless(d)) })
      rmSync(join(repository.dir, 'refs'), { recursive: true })
      repository.file('HEAD', 'ref: refs/heads/.invalid\n')
      repository.file('refs/heads', 'this repository uses the reftable format\n')
      repository.file('reftable/tables.list', '0x000000000001-0x000000000001-00000000.ref\n')
      d.dir = repository.dir
    },
    good: 'none',
    expect: 'none',
    codes: ['repository-format', 'repository-unreadable', 'needs-git'],
    go: 'fails',
  },
  {
    id: 'o15',
    point: 'A repository without a commit.',
    make: (d) => {
      d.dir = createRepository(join(d.aside, 'empty.git')).dir
    },
    good: 'none',
    expect: 'none',
    codes: ['repository-empty'],
    go: 'fails',
  },
  {
    id: 'o16',
    point: 'A directory that is no repository.',
    make: (d) => {
      d.dir = join(d.aside, 'plain')
      mkdirSync(d.dir)
      writeFileSync(join(d.dir, 'go.mod'), goMod(d))
    },
    good: 'none',
    expect: 'none',
    codes: ['repository-not-found', 'repository-unreadable'],
    go: 'fails',
  },
  {
    id: 'o17',
    point: 'HEAD names a branch that does not exist.',
    make: (d) => {
      d.release({ 'b.txt': 'b\n' })
      d.repository.file('HEAD', 'ref: refs/heads/unborn\n')
    },
    expect: 'published',
    codes: ['default-branch-unknown'],
    go: 'downloads',
  },
  {
    id: 'o18',
    point: 'Locks that a dead process left behind.',
    make: (d) => {
      d.release({ 'b.txt': 'b\n' })
      for (const name of [
        'HEAD',
        'packed-refs',
        'config',
        'index',
        'shallow',
        'refs/heads/main',
        'refs/tags/v1.0.0',
      ]) {
        d.repository.file(`${name}.lock`, '')
      }
    },
    expect: 'published',
    codes: [],
    go: 'downloads',
  },

  // Execution
  {
    id: 'x01',
    point: 'Configuration, hooks and attributes that run programs.',
    make: (d) => {
      const headers = 'gpgsig -----BEGIN PGP SIGNATURE-----\n \n AAAA\n -----END PGP SIGNATURE-----\n'
      d.release({ '.gitattributes': '* filter=evil diff=evil merge=evil\n', 'b.txt': 'b\n' }, { headers })
      cloneDraft(d, [])
      arm(d)
    },
    expect: 'published',
    codes: ['needs-git'],
    go: 'downloads',
  },
  {
    id: 'x02',
    point: 'The repository belongs to another user.',
    make: (d) => {
      d.release({ 'b.txt': 'b\n' })
      if (isRoot()) changeOwner(d.dir, 4242)
    },
    expect: 'published',
    codes: [],
    orRefused: ['repository-unreadable'],
    skip: () => (isRoot() ? undefined : 'Only root can give a file to another user.'),
    go: 'downloads',
  },

  // go.mod
  {
    id: 'g01',
    point: 'The module path climbs out: ../../etc.',
    make: (d) => d.releaseGoMod('module ../../etc/evil\n'),
    expect: 'published',
    codes: ['gomod-path-differs'],
    go: 'downloads',
  },
  {
    id: 'g02',
    point: 'The module path is a file of the system.',
    make: (d) => d.releaseGoMod('module "/etc/passwd"\n'),
    expect: 'published',
    codes: ['gomod-path-differs'],
    go: 'downloads',
  },
  {
    id: 'g03',
    point: "The module claims to be somebody else's.",
    make: (d) => d.releaseGoMod('module github.com/google/uuid\n'),
    expect: 'published',
    codes: ['gomod-path-differs'],
    go: 'downloads',
  },
  {
    id: 'g04',
    point: 'The module path is a script.',
    make: (d) => d.releaseGoMod('module "<script>alert(1)</script>"\n'),
    expect: 'published',
    codes: ['gomod-path-differs'],
    go: 'downloads',
  },
  {
    id: 'g05',
    point: 'The go.mod is junk.',
    make: (d) => d.releaseGoMod(noise(300)),
    expect: 'refused',
    codes: ['gomod-no-module-path', 'gomod-syntax'],
    go: 'fails',
    says: 'missing module path',
  },
  {
    id: 'g06',
    point: 'The go.mod holds a NUL byte.',
    make: (d) => d.releaseGoMod(`${goMod(d)}\u0000\n`),
    expect: 'refused',
    codes: ['gomod-syntax'],
    go: 'downloads',
  },
  {
    id: 'g07',
    point: 'The go.mod begins with a byte order mark.',
    make: (d) => d.releaseGoMod(`\ufeff${goMod(d)}`),
    expect: 'refused',
    codes: ['gomod-no-module-path', 'gomod-syntax'],
    go: 'fails',
    says: 'missing module path',
  },
  {
    id: 'g08',
    point: 'The lines of go.mod end in CRLF.',
    make: (d) => d.releaseGoMod(`module ${d.root}\r\n\r\ngo 1.20\r\n`),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'g09',
    point: 'The go.mod has two module lines.',
    make: (d) => d.releaseGoMod(`${goMod(d)}module hostile.example/other\n`),
    expect: 'refused',
    codes: ['gomod-syntax'],
    go: 'downloads',
  },
  {
    id: 'g10',
    point: 'The go.mod is empty.',
    make: (d) => d.releaseGoMod(''),
    expect: 'refused',
    codes: ['gomod-no-module-path', 'gomod-syntax'],
    go: 'fails',
    says: 'missing module path',
  },
  {
    id: 'g11',
    point: 'The go.mod asks for a Go that does not exist.',
    make: (d) => d.releaseGoMod(`module ${d.root}\n\ngo 9.99\n`),
    expect: 'refused',
    codes: ['go-too-new'],
    go: 'fails',
    says: 'requires go >= 9.99',
  },
  {
    id: 'g12',
    point: 'The reason of a retraction is a script.',
    make: (d) => d.releaseGoMod(`${goMod(d)}\nretract v1.0.0 // ${markup}\n`),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'g13',
    point: 'The notice of deprecation is a script.',
    make: (d) => d.releaseGoMod(`// Deprecated: ${markup}\n${goMod(d)}`),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'g14',
    point: 'The go.mod requires what cannot be.',
    make: (d) => d.releaseGoMod(`${goMod(d)}\nrequire ../../../etc/passwd v1.0.0\n`),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'g15',
    point: 'There is no go.mod.',
    make: (d) => d.releaseTree(d.repository.files({ 'a.go': 'package a\n' })),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },

  // Pages
  {
    id: 'h01',
    point: 'A README full of scripts and of links that run them.',
    make: (d) => d.release({ 'README.md': hostileReadme }),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'h02',
    point: 'Scripts in documentation, names of files and LICENSE.',
    make: (d) =>
      d.release({
        'a.go': `// Package a ${markup}\n//\n// [click]: javascript:alert(1)\n//\n// See [click] and https://hostile.example/"onmouseover="alert(1).\npackage a\n\n// F ${markup}\nfunc F(s string /* ${markup} */) string { return "${markup.replaceAll('"', '\\"')}" }\n`,
        'a_test.go': `package a\n\n// ${markup}\nfunc ExampleF() {\n\t// Output: ${markup}\n}\n`,
        LICENSE: `${markup}\n`,
        '&lt[x](javascript&colon)#{y}$(z).md': `${markup}\n`,
      }),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'h03',
    point: 'Characters that turn the direction of text, in README, code and LICENSE.',
    make: (d) =>
      d.release({
        'README.md': `# \u202eevil\u202c\n\n\u2066isolated \u2069\u200b\u200d\ufeff text\n`,
        'a.go':
          '// Package a \u202edoes\u202c things.\npackage a\n\n// Is\u2066Admin\u2069 tells.\nconst X = "\u202e\u2066// harmless\u2069 \u2066"\n',
        LICENSE: 'MIT \u202elicence\n',
      }),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'h04',
    point: 'Go code that cannot be parsed.',
    make: (d) =>
      d.release({
        'a.go': 'package a\n\nfunc (((\n',
        'b.go': latin1('package b\xff\xfe\n\x00\n'),
        'c.go': `package a\n\nvar x = ${'('.repeat(20_000)}\n`,
        'd.go': '',
        'sub/s.go': 'package "s"\n',
      }),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },

  // Commits
  {
    id: 'c01',
    point: 'A commit of the year 318857. Go makes the zip, but no .info.',
    make: (d) => d.release({ 'b.txt': 'b\n' }, { time: 10_000_000_000_000 }),
    expect: 'refused',
    codes: ['time-invalid'],
    go: 'downloads',
  },
  {
    id: 'c02',
    point: 'A commit of before 1970.',
    make: (d) => d.release({ 'b.txt': 'b\n' }, { time: -1_000_000 }),
    expect: 'refused',
    codes: ['time-invalid'],
    go: 'fails',
    says: 'invalid time from git log',
  },
  {
    id: 'c03',
    point: 'A commit whose time is no number.',
    make: (d) => d.release({ 'b.txt': 'b\n' }, { committer: 'committer C <c@example.com> yesterday +0000' }),
    expect: 'refused',
    codes: ['time-invalid'],
    go: 'fails',
    says: 'invalid time from git log',
  },
  {
    id: 'c04',
    point: 'A commit in the time zone +9999.',
    make: (d) => d.release({ 'b.txt': 'b\n' }, { zone: '+9999' }),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'c05',
    point: 'A commit whose author and committer have odd names.',
    make: (d) =>
      d.release(
        { 'b.txt': 'b\n' },
        {
          author: latin1('author A \xff > 12 <a@<b> 1700000000 +0000'),
          committer: `committer ${markup.replace(/[<>]/g, '')} 1600000000 <> 1700000123 -0130`,
        },
      ),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'c06',
    point: 'A commit of the first second of 1970.',
    make: (d) => d.release({ 'b.txt': 'b\n' }, { time: 0 }),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },
  {
    id: 'c07',
    point: 'A commit with headers that nobody knows, a broken signature and a NUL in its message.',
    make: (d) =>
      d.release(
        { 'b.txt': 'b\n' },
        {
          headers: `encoding no-such-encoding\nHG:extra ${markup}\ngpgsig -----BEGIN PGP SIGNATURE-----\n committer X <x@example.com> 1 +0000\n -----END\ncommitter Y <y@example.com> 2 +0000\nx\n`,
          message: 'tree 1\ncommitter Z <z@example.com> 3 +0000\n\u0000after NUL\n',
        },
      ),
    expect: 'published',
    codes: [],
    go: 'downloads',
  },

  // Changes after publication
  {
    id: 'v01',
    point: 'A tag moves to other content after it was published.',
    make: (d) => {
      d.release({ 'b.txt': 'first\n' })
      d.change = () => {
        d.release({ 'b.txt': 'second\n' })
      }
    },
    expect: 'published',
    codes: ['tag-moved'],
    go: 'downloads',
  },
  {
    id: 'v02',
    point: 'A tag moves to another commit with the same content.',
    make: (d) => {
      d.release({ 'b.txt': 'b\n' })
      d.change = () => {
        d.release({ 'b.txt': 'b\n' }, { message: 'The same again.\n' })
      }
    },
    expect: 'published',
    codes: ['tag-moved-same-tree'],
    go: 'downloads',
  },
  {
    id: 'v03',
    point: 'A tag is deleted.',
    make: (d) => {
      d.release({ 'b.txt': 'b\n' })
      d.change = () => rmSync(join(d.repository.dir, 'refs/tags/v1.1.0'))
    },
    expect: 'published',
    codes: ['tag-deleted'],
    go: 'downloads',
  },
]

/** What a page must never run or load. The marks of a quote, a tag, an attribute and an entity are all there. */
const markup =
  '"><script>alert(1)</script><img src=x onerror="alert(1)">\'<svg/onload=alert(1)>&lt;<!-- --><a href="javascript:alert(1)">x</a>'

const hostileReadme = `# Title <script>alert(1)</script>

${markup}

[run](javascript:alert(1)) [run](JaVaScRiPt&#58;alert(1)) [run]( java	script:alert(1)) [run](vbscript:x)
[data](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==) ![data](data:image/svg+xml,<svg/onload=alert(1)>)
![tracker](https://tracker.hostile.example/pixel.png) ![up](../../../../etc/passwd) [up](../../../../etc/passwd)
<https://hostile.example/"onmouseover="alert(1)> <javascript:alert(1)>
[ref]: javascript:alert(1) "onclick=alert(1)"
[ref] [a](https://hostile.example/" onclick="alert(1)) [a](<https://hostile.example/x> 'title" onclick="alert(1)')

<iframe src="https://hostile.example/"></iframe><form action="https://hostile.example/"><input name=q></form>
<style>body { display: none } @import url(https://hostile.example/x.css);</style><base href="https://hostile.example/">
<meta http-equiv="refresh" content="0;url=https://hostile.example/"><object data="x"></object><link rel=stylesheet href=x>
<details open ontoggle=alert(1)><div style="position:fixed;inset:0;background:url(https://hostile.example/)">x</div>

\`\`\`go"><script>alert(1)</script>
</code></pre><script>alert(1)</script>
\`\`\`

| a | b |
| --- | --- |
| <b onclick=alert(1)>x | \`</td><script>alert(1)</script>\` |

${'> '.repeat(500)}deep
${'['.repeat(2000)}${'*_'.repeat(2000)}
`

const lfsPointer = `version https://git-lfs.github.com/spec/v1
oid sha256:${'ab'.repeat(32)}
size 12345
`

const packedHeader = '# pack-refs with: peeled fully-peeled sorted \n'

function createDraft(base: string, id: string): Draft {
  const aside = join(base, id)
  mkdirSync(aside, { recursive: true })
  const root = `hostile.example/${/^v\d/.test(id) ? 'case-' : ''}${id}`
  let made: { readonly repository: RawRepository; readonly first: string } | undefined
  const make = (): { readonly repository: RawRepository; readonly first: string } => {
    if (made !== undefined) return made
    const repository = createRepository(join(aside, 'repo.git'))
    const first = repository.commit({ tree: repository.files(harmless(draft)) })
    repository.ref('refs/heads/main', first)
    repository.ref('refs/tags/v1.0.0', first)
    made = { repository, first }
    return made
  }
  const draft: Draft = {
    id,
    root,
    aside,
    dir: join(aside, 'repo.git'),
    canaries: [],
    get repository() {
      return make().repository
    },
    get first() {
      return make().first
    },
    release: (files, options) =>
      draft.releaseTree(draft.repository.files({ ...harmless(draft), ...files }), options),
    releaseEntries: (entries) =>
      draft.releaseTree(
        draft.repository.tree([
          file(draft, 'a.go', 'package a\n'),
          file(draft, 'go.mod', goMod(draft)),
          ...entries,
        ]),
      ),
    releaseTree: (tree, options) => {
      const commit = draft.repository.commit({ tree, parents: [draft.first], ...options })
      draft.repository.ref('refs/tags/v1.1.0', commit)
      return commit
    },
    releaseGoMod: (content) => draft.release({ 'go.mod': content }),
    canary: (name) => {
      const path = join(base, 'canaries', `${id}-${name}`)
      draft.canaries.push(path)
      return path
    },
  }
  return draft
}

function harmless(draft: Draft): Record<string, string> {
  return { 'a.go': 'package a\n', 'go.mod': goMod(draft) }
}

function goMod(draft: Draft): string {
  return `module ${draft.root}\n`
}

function file(draft: Draft, name: Bytes, content: Bytes): TreeEntry {
  return { mode: '100644', name, oid: draft.repository.blob(content) }
}

function link(target: string): FileEntry {
  return { mode: '120000', content: target }
}

/** Returns bytes that cannot be compressed, always the same. */
function noise(size: number): Buffer {
  const blocks: Buffer[] = []
  for (let i = 0; i * 32 < size; i++) blocks.push(createHash('sha256').update(`noise ${i}`).digest())
  return Buffer.concat(blocks).subarray(0, size)
}

function appendConfig(draft: Draft, lines: string): void {
  appendFileSync(join(draft.repository.dir, 'config'), lines)
}

/** Puts v1.1.0, with a file b.bin, into a pack of its own. */
function packRelease(draft: Draft, content: Bytes): { readonly pack: string; readonly index: string } {
  const { repository } = draft
  const blob = repository.blob(content)
  const tree = repository.files({ ...harmless(draft), 'b.bin': { oid: blob } })
  const commit = draft.releaseTree(tree)
  const packs = join(repository.dir, 'objects/pack')
  git(repository.dir, ['pack-objects', '-q', join(packs, 'pack')], `${commit}\n${tree}\n${blob}\n`)
  for (const oid of [commit, tree, blob]) rmSync(repository.pathOf(oid))
  const find = (end: string): string => {
    const name = readdirSync(packs).find((entry) => entry.endsWith(end))
    if (name === undefined) throw new Error(`git has written no ${end} file.`)
    return join(packs, name)
  }
  return { pack: find('.pack'), index: find('.idx') }
}

/** Clones the draft's repository with a work tree, and makes the clone the case. */
function cloneDraft(draft: Draft, flags: readonly string[]): void {
  const clone = join(draft.aside, 'clone')
  git(draft.aside, ['clone', '-q', ...flags, pathToFileURL(draft.repository.dir).href, clone])
  draft.dir = clone
}

/** Writes everything into a clone that makes git run a program, each with a canary of its own. */
function arm(draft: Draft): void {
  const dir = join(draft.dir, '.git')
  const program = (name: string, path = join(dir, `run-${name}`)): string => {
    writeFileSync(path, `#!/bin/sh\ntouch ${draft.canary(name)}\n`, { mode: 0o755 })
    return path
  }
  const section = (name: string, keys: Readonly<Record<string, string>>): string =>
    `[${name}]\n${Object.entries(keys)
      .map(([key, value]) => `\t${key} = "${value.replaceAll('"', '\\"')}"\n`)
      .join('')}`
  const run = (name: string, keys: readonly string[]): string =>
    section(
      name,
      Object.fromEntries(keys.map((key) => [key, program(`${name.replaceAll(/\W/g, '-')}-${key}`)])),
    )
  const sections = [
    run('core', [
      'fsmonitor',
      'sshCommand',
      'pager',
      'editor',
      'askPass',
      'gitProxy',
      'alternateRefsCommand',
    ]),
    section('core', { hooksPath: join(dir, 'hooks') }),
    run('diff', ['external']),
    run('diff "evil"', ['command', 'textconv']),
    run('filter "evil"', ['clean', 'smudge', 'process']),
    run('merge "evil"', ['driver']),
    run('tar "tar.gz"', ['command']),
    run('tar "zip"', ['command']),
    section('credential', { helper: `!${program('credential')}` }),
    run('gpg', ['program']),
    section('log', { showSignature: 'true' }),
    run('uploadpack', ['packObjectsHook']),
    run('sequence', ['editor']),
    run('interactive', ['diffFilter']),
    section('remote "origin"', { url: `ext::${program('ext')}`, uploadpack: program('uploadpack') }),
    section('protocol "ext"', { allow: 'always' }),
    section(`url "ext::${program('instead')} "`, { insteadOf: 'https://' }),
    section('include', { path: 'more.config' }),
  ]
  appendFileSync(join(dir, 'config'), sections.join(''))
  writeFileSync(join(dir, 'more.config'), run('diff "more"', ['textconv']))
  writeFileSync(join(dir, 'info/attributes'), '*.go filter=evil diff=more\n')
  mkdirSync(join(dir, 'hooks'), { recursive: true })
  for (const hook of hooks) program(`hook-${hook}`, join(dir, 'hooks', hook))
}

const hooks = [
  'post-checkout',
  'post-index-change',
  'post-merge',
  'post-receive',
  'post-update',
  'pre-auto-gc',
  'pre-commit',
  'pre-push',
  'pre-receive',
  'proc-receive',
  'reference-transaction',
  'update',
]

function isRoot(): boolean {
  return process.getuid?.() === 0
}

function changeOwner(path: string, user: number): void {
  lchownSync(path, user, user)
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) changeOwner(join(path, entry.name), user)
    else lchownSync(join(path, entry.name), user, user)
  }
}

function git(cwd: string, args: readonly string[], input = ''): void {
  execFileSync('git', args, {
    cwd,
    input,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      HOME: cwd,
      LC_ALL: 'C',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_AUTHOR_NAME: 'A',
      GIT_AUTHOR_EMAIL: 'a@example.com',
      GIT_COMMITTER_NAME: 'C',
      GIT_COMMITTER_EMAIL: 'c@example.com',
      GIT_COMMITTER_DATE: '1700000000 +0000',
    },
  })
}
