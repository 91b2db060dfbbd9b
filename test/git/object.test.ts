import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  entryKind,
  hashObject,
  isForbiddenName,
  parseCommit,
  parseOid,
  parseTag,
  parseTree,
} from '../../src/git/object.ts'
import { makeRepository, type RawTreeEntry, type TestRepository } from '../support/repo.ts'

const repository = makeRepository('--bare')
const blob = repository.writeObject('blob', 'hello\n')

describe('hashObject', () => {
  const sha256 = makeRepository('--bare', '--object-format=sha256')

  test.for([
    ['blob', ''],
    ['blob', 'hello\n'],
    ['tree', ''],
    ['commit', 'junk'],
    ['tag', '\u00e9'],
  ] as const)('a %s %j has the id that git gives it', ([type, text]) => {
    const content = Buffer.from(text)
    expect(hashObject(type, content, 'sha1')).toBe(repository.writeObject(type, content))
    expect(hashObject(type, content, 'sha256')).toBe(sha256.writeObject(type, content))
  })
})

describe('parseOid', () => {
  test.for([
    ['a'.repeat(40), 'sha1', 'a'.repeat(40)],
    ['A'.repeat(40), 'sha1', 'a'.repeat(40)],
    ['a'.repeat(39), 'sha1', undefined],
    ['a'.repeat(64), 'sha1', undefined],
    ['a'.repeat(64), 'sha256', 'a'.repeat(64)],
    [`${'a'.repeat(39)}g`, 'sha1', undefined],
    [`${'a'.repeat(40)}\n`, 'sha1', undefined],
  ] as const)('%j in %s', ([text, hash, want]) => {
    expect(parseOid(text, hash)).toBe(want)
  })
})

describe('parseTree', () => {
  test('reads what git ls-tree prints, odd modes and all', () => {
    const tree = repository.writeTree([
      ['100644', 'a', blob],
      ['100664', 'b with blanks', blob],
      ['100755', 'c', blob],
      ['120000', 'd', blob],
      ['160000', 'e', blob],
      ['40000', 'f\u00e9\u{1f600}', repository.writeTree([])],
    ])
    const entries = parseTree(repository.pipe('', 'cat-file', 'tree', tree), 'sha1')
    if (typeof entries === 'string') throw new Error(entries)
    const printed = entries.map(({ mode, name, oid }) => `${(mode & 0o170000).toString(8)} ${oid} ${name}`)
    const lines = repository.pipe('', 'ls-tree', '-z', tree).toString().split('\0').slice(0, -1)
    const want = lines.map((line) => {
      const [, mode, , oid, name] = /^(\d{6}) (\w+) (\w+)\t(.*)$/.exec(line) ?? []
      return `${(Number.parseInt(mode ?? '', 8) & 0o170000).toString(8)} ${oid} ${name}`
    })
    expect(printed).toEqual(want)
    expect(entries.map(({ mode }) => mode)).toEqual([
      0o100644, 0o100664, 0o100755, 0o120000, 0o160000, 0o40000,
    ])
  })

  test('keeps names apart that are not UTF-8, and shows that they are not', () => {
    const names: readonly (readonly [number[], string])[] = [
      [[0x66, 0xe9], 'f\udce9'], //                        Latin-1
      [[0x66, 0xff], 'f\udcff'],
      [[0xc3, 0xa9, 0xc3], '\u00e9\udcc3'], //             cut short
      [[0xed, 0xb2, 0x80], '\udced\udcb2\udc80'], //       a surrogate in UTF-8
      [[0xf0, 0x9f, 0x98, 0x80, 0x80], '\u{1f600}\udc80'],
      [[0xc0, 0xaf], '\udcc0\udcaf'], //                   an overlong slash
      [[0xf5, 0x80, 0x80, 0x80], '\udcf5\udc80\udc80\udc80'],
      [[0xef, 0xbb, 0xbf, 0x61], '\ufeffa'], //            a byte order mark is part of a name
    ]
    for (const [bytes, want] of names) {
      const entries = parseTree(treeOf([['100644', Uint8Array.from(bytes), blob]]), 'sha1')
      expect(entries).toEqual([{ mode: 0o100644, name: want, oid: blob }])
    }
  })

  test.for([
    ['', 'no entry', []],
    ['100644 a\0short', 'too-short tree object', 'too-short tree object'],
    ['100644', 'no blank', 'too-short tree object'],
    ['100644 ', 'no name', 'too-short tree object'],
    ['100644 a', 'no NUL', 'too-short tree object'],
    [` a\0${'x'.repeat(20)}`, 'no mode', 'malformed mode in tree entry'],
    [`100844 a\0${'x'.repeat(20)}`, 'an 8', 'malformed mode in tree entry'],
    [`0x1 a\0${'x'.repeat(20)}`, 'a letter', 'malformed mode in tree entry'],
    [`100644 \0${'x'.repeat(20)}`, 'an empty name', 'empty filename in tree entry'],
    [`100644 a\0${'x'.repeat(21)}`, 'a byte too much', 'malformed mode in tree entry'],
  ] as const)('%j: %s', ([text, , want]) => {
    expect(parseTree(Buffer.from(text, 'latin1'), 'sha1')).toEqual(want)
    const tree = repository.writeObject('tree', Buffer.from(text, 'latin1'))
    const git = attempt(() => repository.git('ls-tree', tree))
    expect(git === undefined).toBe(typeof want === 'string')
  })

  test('returns what was put in, with ids of both lengths', () => {
    const name = fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => bytes.map((byte) => byte || 1))
    const mode = fc.integer({ min: 0, max: 0o177777 })
    fc.assert(
      fc.property(fc.array(fc.tuple(mode, name)), fc.constantFrom('sha1', 'sha256'), (rows, hash) => {
        const oid = 'ab'.repeat(hash === 'sha1' ? 20 : 32)
        const entries = parseTree(treeOf(rows.map(([m, n]) => [m.toString(8), n, oid] as const)), hash)
        if (typeof entries === 'string') throw new Error(entries)
        expect(entries.map((entry) => [entry.mode, encode(entry.name), entry.oid])).toEqual(
          rows.map(([m, n]) => [m, [...n], oid]),
        )
      }),
    )
  })

  test('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const entries = parseTree(bytes, 'sha1')
        expect(typeof entries === 'string' || Array.isArray(entries)).toBe(true)
        expect(typeof parseCommit(bytes, 'sha1')).toBe('string')
        expect(typeof parseTag(bytes, 'sha1')).toBe('string')
      }),
    )
  })
})

describe('entryKind', () => {
  test.for([
    ['100644', 'file'],
    ['100664', 'file'],
    ['100755', 'file'],
    ['100000', 'file'],
    ['107777', 'file'],
    ['040000', 'tree'],
    ['40755', 'tree'],
    ['120000', 'symlink'],
    ['120777', 'symlink'],
    ['160000', 'gitlink'],
    ['0', 'gitlink'],
    ['644', 'gitlink'],
    ['20000', 'gitlink'],
    ['60000', 'gitlink'],
    ['140000', 'gitlink'],
  ] as const)('mode %s is a %s, as git archive treats it', ([mode, want]) => {
    expect(entryKind(Number.parseInt(mode, 8))).toBe(want)
    const target = want === 'tree' ? repository.writeTree([['100644', 'inner', blob]]) : blob
    const kinds = { file: ['0', 'x'], tree: ['0', 'x/inner'], symlink: ['2', 'x'], gitlink: ['5', 'x/'] }
    const archived = archive(repository, [[mode, 'x', target]])
    expect(archived?.filter(([type, name]) => type !== '5' || name !== 'x/' || want === 'gitlink')).toEqual([
      kinds[want],
    ])
  })
})

describe('isForbiddenName', () => {
  const names = [
    ...[
      'a',
      '...',
      '.gi',
      '.gitt',
      '.git1',
      'git',
      '.gitignore',
      '.gitattributes',
      '.gitmodules',
      'x.git',
      '..a',
    ],
    ...['.', '..', '.git', '.GIT', '.Git', 'git~1', 'GIT~1', 'git~2', 'git~10', '.git ', '.git.', '.git . .'],
    ...[
      '.git::$INDEX_ALLOCATION',
      '.git:x',
      'git~1 :x',
      '.git x',
      '.git\\x',
      '.git\\',
      'a\\.git',
      'a\\.git\\b',
    ],
    ...['a\\b', '\\', '..\\x', 'a\\..\\b', '.git\u200c', '.g\u200cit', 'a:b', 'c:', 'con.go', '\u0001', ' '],
    ...[
      '../x',
      'a/../../b',
      '/etc/evil',
      'a/b',
      'a//b',
      'a/',
      './a',
      'a/.',
      '.git/config',
      'a/.git/b',
      'a/.GIT',
    ],
    ...['a/git~1/b', '.git /x', '.\u0131t', '\u212a', '.g\u0130t', 'a\n.git', '.git\n', '\t'],
  ]

  test.for(names)('%j, as git archive has it', (name) => {
    expect(isForbiddenName(name)).toBe(archive(repository, [['100644', name, blob]]) === undefined)
  })

  test('a name without a character is forbidden', () => {
    expect(isForbiddenName('')).toBe(true)
  })

  test.for([
    ...[
      '.gitmodules',
      '.GITMODULES',
      '.gitmodules ',
      '.gitmodules.',
      '.gitmodules:x',
      'gitmod~1',
      'gitmod~4',
    ],
    ...['gitmod~5', 'gi7eba~1', 'GI7EBA~9', 'gi7eb~12', 'gi7e~123', 'gi7~1234', 'gi~12345', 'g~123456'],
    ...[
      '~1234567',
      '~0234567',
      'gi7eba~0',
      'gi7eba~11',
      'gi7eb~1',
      'a\\.gitmodules',
      '.gitmodules\\x',
      '.gitignore',
    ],
    ...['.git', 'plain', 'gitmod~1 .:x', 'a/.gitmodules', 'gi7ebb~1', '.gitmodules\n'],
  ])('the symbolic link %j, as git archive has it', (name) => {
    const target = repository.writeObject('blob', 'target')
    expect(isForbiddenName(name, 'symlink')).toBe(
      archive(repository, [['120000', name, target]]) === undefined,
    )
  })
})

describe('parseCommit', () => {
  const tree = repository.writeTree([['100644', 'a', blob]])
  const parent = repository.writeObject(
    'commit',
    `tree ${tree}\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\n`,
  )
  const head = `tree ${tree}\nparent ${parent}\nauthor Ann <ann@example.com> 5 +0000\n`

  test.for([
    ['ordinary', 'committer Ann <ann@example.com> 1600000000 +0200\n', 1_600_000_000],
    ['zone +9999', 'committer Ann <ann@example.com> 1600000000 +9999\n', 1_600_000_000],
    ['zone -1', 'committer Ann <ann@example.com> 1600000000 -1\n', 1_600_000_000],
    ['time 0', 'committer Ann <ann@example.com> 0 +0000\n', 0],
    ['the last second of 9999', 'committer A <a> 253402300799 +0000\n', 253_402_300_799],
    ['no name', 'committer <ann@example.com> 7 +0000\n', 7],
    ['no mail', 'committer Ann <> 7 +0000\n', 7],
    ['odd name', 'committer A < B > C <d> <e>> 7 +0000\n', 7],
    ['no blank before the time', 'committer Ann <a>7 +0000\n', 7],
    ['many blanks', 'committer Ann <a>  \t 7 \t +0000\n', 7],
    ['no blank before the zone', 'committer Ann <a> 7+0000\n', 7],
    ['text after the zone', 'committer Ann <a> 7 +0000 later\n', 7],
    [
      'junk headers',
      'junk\nx y\ncommitter A <a> 7 +0000\nencoding latin-1\ngpgsig x\n committer B <b> 8 +0000\n',
      7,
    ],
    ['two committers', 'committer A <a> 7 +0000\ncommitter B <b> 8 +0000\n', 8],
    ['two parents apart', `x y\nparent ${parent}\ncommitter A <a> 7 +0000\n`, 7],
    ['a carriage return', 'committer A <a> 7 +0000\r\n', 7],
    ['leading zeros', 'committer A <a> 007 +0000\n', 7],
    ['negative', 'committer Ann <ann@example.com> -1 +0000\n', undefined],
    ['garbage', 'committer Ann <ann@example.com> yesterday +0000\n', undefined],
    ['no zone', 'committer Ann <ann@example.com> 7\n', undefined],
    ['zone without digits', 'committer Ann <ann@example.com> 7 +x\n', undefined],
    ['a fraction', 'committer Ann <ann@example.com> 7.5 +0000\n', undefined],
    ['nothing after the mail', 'committer Ann <ann@example.com>\n', undefined],
    ['no mail at all', 'committer Ann 7 +0000\n', undefined],
    ['mail without an end', 'committer Ann <a 7 +0000\n', undefined],
    ['no committer', 'x y\n', undefined],
    ['only in the message', '\ncommitter A <a> 7 +0000\n', undefined],
    ['after a NUL', 'x\0y\ncommitter A <a> 7 +0000\n', 7],
    ['right after a NUL', 'x\0committer A <a> 7 +0000\n', 7],
    ['cut by a NUL', 'committer A <a> 7\0 +0000\n', undefined],
    ['after a line that is a NUL', 'x\n\0committer A <a> 7 +0000\n', undefined],
  ] as const)('time: %s, as git log has it', ([, lines, want]) => {
    const content = Buffer.from(`${head}${lines}\nmessage\n`)
    const oid = repository.writeObject('commit', content)
    const [printed] = repository.git('log', '-1', '--format=%ct', oid).split('\n')
    expect(printed).toMatch(want === undefined ? /^$/ : new RegExp(`^0*${want}$`))
    expect(parseCommit(content, 'sha1')).toEqual({
      tree,
      parents: [parent],
      ...(want !== undefined && { time: want }),
    })
  })

  test('a time after the year 9999 is none, since Go cannot print it', () => {
    const late = (time: string) =>
      parseCommit(Buffer.from(`${head}committer A <a> ${time} +0000\n\n`), 'sha1')
    for (const time of ['253402300800', '10000000000000', '9'.repeat(30), '9'.repeat(400)]) {
      expect(late(time)).toEqual({ tree, parents: [parent] })
    }
  })

  test.for([
    ['no tree', `parent ${parent}\n`],
    ['a short id', `tree ${tree.slice(1)}\n`],
    ['a bad id', `tree ${'g'.repeat(40)}\n`],
    ['a bad parent', `tree ${tree}\nparent ${parent.slice(1)}\nauthor Ann <ann@example.com> 5 +0000\n`],
    ['a parent with more', `tree ${tree}\nparent ${parent} x\nauthor Ann <ann@example.com> 5 +0000\n`],
  ] as const)('%s: refused, as git refuses it', ([, text]) => {
    const content = Buffer.from(`${text}committer A <a> 7 +0000\n\nmessage\n`)
    expect(typeof parseCommit(content, 'sha1')).toBe('string')
    const oid = repository.writeObject('commit', content)
    expect(attempt(() => repository.git('log', '-1', '--format=%ct', oid))).toBeUndefined()
  })

  test('ids in capital letters are read', () => {
    const content = Buffer.from(
      `tree ${tree.toUpperCase()}\nauthor A <a> 1 +0000\ncommitter A <a> 2 +0000\n\n`,
    )
    expect(parseCommit(content, 'sha1')).toEqual({ tree, parents: [], time: 2 })
  })

  test('a commit with 500 parents is read', () => {
    const parents = Array.from({ length: 500 }, (_, index) =>
      hashObject('blob', Buffer.from([index]), 'sha1'),
    )
    const text = `tree ${tree}\n${parents.map((oid) => `parent ${oid}\n`).join('')}committer A <a> 1 +0000\n\n`
    expect(parseCommit(Buffer.from(text), 'sha1')).toEqual({ tree, parents, time: 1 })
  })
})

describe('parseTag', () => {
  test.for([
    ['ordinary', `object ${blob}\ntype blob\ntag v1\ntagger A <a> 1 +0000\n\nmessage\n`, 'blob'],
    ['no tagger', `object ${blob}\ntype blob\ntag v1\n\nmessage\n`, 'blob'],
    ['odd tagger', `object ${blob}\ntype blob\ntag v1\ntagger ???\n\nmessage\n`, 'blob'],
    ['another name', `object ${blob}\ntype blob\ntag \n\nmessage longer than that\n`, 'blob'],
    ['no object', `type blob\ntag v1\n\nmessage that is long enough for an id\n`, undefined],
    ['a short id', `object ${blob.slice(1)}\ntype blob\ntag v1\n\nmessage\n`, undefined],
    ['no type', `object ${blob}\ntag v1\n\nmessage that is long enough\n`, undefined],
    ['an unknown type', `object ${blob}\ntype file\ntag v1\n\nmessage\n`, undefined],
    ['no name', `object ${blob}\ntype blob\ntagger A <a> 1 +0000\n\nmessage\n`, undefined],
  ] as const)('%s, as git peels it', ([, text, want]) => {
    const oid = repository.writeObject('tag', text)
    const peeled = attempt(() => repository.git('rev-parse', '--verify', `${oid}^{blob}`))
    expect(parseTag(Buffer.from(text), 'sha1')).toEqual(
      want === undefined ? expect.any(String) : { object: blob, type: want },
    )
    expect(peeled).toBe(want === undefined ? undefined : blob)
  })
})

/** Type flags and names of what git archive writes of such a tree; undefined where it refuses. */
function archive(
  { git, writeTree, pipe }: TestRepository,
  entries: readonly RawTreeEntry[],
): readonly (readonly [string, string])[] | undefined {
  const tree = writeTree(entries)
  const commit = git('commit-tree', '-m', 'x', tree)
  const tar = attempt(() => pipe('', 'archive', '--format=tar', `${commit}`))
  if (tar === undefined) return undefined
  const members: (readonly [string, string])[] = []
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const name = tar.toString('utf8', at, at + 100).split('\0', 1)[0] ?? ''
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 135), 8)
    const type = String.fromCharCode(tar[at + 156] ?? 0)
    if (type !== 'g') members.push([type, name])
    at += 512 + Math.ceil(size / 512) * 512
  }
  return members
}

function treeOf(entries: readonly RawTreeEntry[]): Uint8Array {
  return Buffer.concat(
    entries.flatMap(([mode, name, oid]) => [
      Buffer.from(`${mode} `),
      Buffer.from(name as string),
      Buffer.from([0]),
      Buffer.from(oid, 'hex'),
    ]),
  )
}

// What the parser's names stand for: bytes, of which the lone surrogates are one each.
function encode(name: string): number[] {
  return Array.from(name).flatMap((character) => {
    const code = character.codePointAt(0) ?? 0
    return code >= 0xdc80 && code <= 0xdcff ? [code - 0xdc00] : [...Buffer.from(character)]
  })
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}
