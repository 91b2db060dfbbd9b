import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { goModLimitBytes, selectFiles, type TreeFile, zipLimitBytes } from '../../src/module/files.ts'

function files(...paths: readonly string[]): TreeFile[] {
  return paths.map((path) => ({ path, mode: 'file', size: 1 }))
}

function select(entries: readonly TreeFile[], vendorVersion = ''): string[] | string {
  const selection = selectFiles(entries, { vendorVersion })
  return selection.code === undefined
    ? selection.files.map(({ path }) => path)
    : `${selection.code}: ${selection.message}`
}

describe('selectFiles', () => {
  test('leaves nested modules, links and the file of hg out and says why', () => {
    const entries: TreeFile[] = [
      ...files('.github/x', '.gitmodules', '.hg_archival.txt', '.svn/z', 'LICENSE', 'd/x.go'),
      { path: 'd/go.mod', mode: 'symlink' },
      { path: 'link', mode: 'symlink' },
      { path: 'pipe', mode: 'other' },
      ...files('e/go.mod/x', 'go.mod', 'k/.hg_archival.txt', 'm/GO.MOD', 'm/x:y', 'm/sub/deep/y', 'mm/z'),
    ]
    const selection = selectFiles(entries, { vendorVersion: '' })
    expect(selection).toEqual({
      files: files(
        ...[
          '.github/x',
          '.gitmodules',
          '.svn/z',
          'LICENSE',
          'd/x.go',
          'e/go.mod/x',
          'go.mod',
          'k/.hg_archival.txt',
        ],
        'mm/z',
      ),
      omitted: [
        { path: '.hg_archival.txt', reason: "file is inserted by 'hg archive' and is always omitted" },
        { path: 'd/go.mod', reason: 'file is a symbolic link' },
        { path: 'link', reason: 'file is a symbolic link' },
        { path: 'pipe', reason: 'not a regular file' },
        { path: 'm/GO.MOD', reason: 'file is in another module' },
        { path: 'm/x:y', reason: 'file is in another module' },
        { path: 'm/sub/deep/y', reason: 'file is in another module' },
      ],
    })
  })

  test.for([
    ['vendor/modules.txt', true, false],
    ['vendor/a.go', true, true],
    ['vendor/x/y.go', false, false],
    ['pkg/vendor/vendor.go', false, true],
    ['a/b/c/vendor/v.go', false, true],
    ['pkg/vendor/modules.txt', false, true],
    ['pkg/vendor/foo/f.go', false, false],
    ['é/vendor/v.go', false, true],
    ['xvendor/a/b', true, true],
  ] as const)('%s is in before Go 1.24: %s, and since: %s', ([path, before, since]) => {
    for (const version of ['', 'go1.20', 'go1.23'])
      expect(select(files(path), version)).toEqual(before ? [path] : [])
    for (const version of ['go1.24', 'go1.25', 'go2'])
      expect(select(files(path), version)).toEqual(since ? [path] : [])
  })

  test.for([
    [files('a:b'), `file-path-invalid: malformed file path "a:b": invalid char ':'`],
    [files('a\udcff'), 'file-path-invalid: malformed file path "a\\xff": invalid UTF-8'],
    [files('a//b'), 'file-path-invalid: file path is not clean'],
    [files('a/../b'), 'file-path-invalid: file path is not clean'],
    [files('/a'), 'file-path-invalid: file path is not relative'],
    [files('..'), 'file-path-invalid: malformed file path "..": invalid path element ".."'],
    [[{ path: 'x*y', mode: 'symlink' }], `file-path-invalid: malformed file path "x*y": invalid char '*'`],
    [files('Go.mod'), 'gomod-case: go.mod files must have lowercase names'],
    [files('m.go', 'M.GO'), 'file-collision: case-insensitive file name collision: "m.go" and "M.GO"'],
    [files('A/x', 'a/y'), 'file-collision: case-insensitive file name collision: "A" and "a"'],
    [files('B/a/x', 'b/a/y'), 'file-collision: case-insensitive file name collision: "B/a" and "b/a"'],
    [files('LICENSE', 'LICENSE/x'), 'file-collision: entry "LICENSE" is both a file and a directory'],
    [files('a/x', 'a'), 'file-collision: entry "a" is both a file and a directory'],
    [files('a', 'a'), 'file-collision: multiple entries for file "a"'],
  ] as const)('fails for %j', ([entries, want]) => {
    expect(select(entries)).toBe(want)
  })

  test('minds no name that it leaves out', () => {
    expect(select(files('go.mod', 'n/go.mod', 'n/a:b', 'n/A', 'n/a', 'vendor/x/aux.go'))).toEqual(['go.mod'])
  })

  test('limits go.mod, LICENSE and the sum, and counts no size that is not known', () => {
    const large = (path: string, size: number): TreeFile => ({ path, mode: 'file', size })
    expect(select([large('go.mod', goModLimitBytes)])).toEqual(['go.mod'])
    expect(select([large('go.mod', goModLimitBytes + 1)])).toBe(
      'gomod-too-large: go.mod file too large (max size is 16777216 bytes)',
    )
    expect(select([large('LICENSE', goModLimitBytes + 1)])).toBe(
      'license-too-large: LICENSE file too large (max size is 16777216 bytes)',
    )
    expect(select([large('sub/LICENSE', goModLimitBytes + 1)])).toEqual(['sub/LICENSE'])
    expect(select([large('a', zipLimitBytes), { path: 'b', mode: 'file' }])).toEqual(['a', 'b'])
    expect(select([large('a', zipLimitBytes), large('b', 1)])).toBe(
      'zip-too-large: module source tree too large (max size is 524288000 bytes)',
    )
    expect(select([large('n/go.mod', 1), large('n/a', zipLimitBytes + 1)])).toEqual([])
  })

  test('refuses paths that file systems do not hold, but only in the zip and after all else', () => {
    expect(select(files('x'.repeat(255)))).toHaveLength(1)
    expect(select(files('x'.repeat(256)))).toBe(
      'file-path-too-long: path element of 256 bytes (max length is 255 bytes)',
    )
    expect(select(files('é'.repeat(128)))).toContain('path element of 256 bytes')
    expect(select(files('a/'.repeat(2000)))).toContain('not clean')
    expect(select(files(`${'a/'.repeat(2000)}b`))).toBe(
      'file-path-too-long: path of 4001 bytes (max length is 4000 bytes)',
    )
    expect(select(files('x'.repeat(256), 'a:b'))).toContain('file-path-invalid')
    expect(select([{ path: 'x'.repeat(256), mode: 'symlink' }])).toEqual([])
  })

  test('is quick with many files and with deep directories', () => {
    const many = Array.from(
      { length: 100_000 },
      (_, index) => `Dir${index % 300}/sub/é${index % 7}/file${index}.go`,
    )
    const deep = Array.from({ length: 2000 }, (_, index) => `${'d/'.repeat(index % 1990)}f${index}`)
    const start = process.cpuUsage()
    expect(select(files('n/go.mod', ...many))).toHaveLength(100_000)
    expect(select(files('n/go.mod', ...deep))).toHaveLength(2000)
    expect(select(files(`${'d/'.repeat(3000)}f`))).toContain('file-path-too-long')
    expect(process.cpuUsage(start).user / 1e6).toBeLessThan(10)
  })

  test('takes or fails the same entries in any order, and every entry once', () => {
    const name = fc.constantFrom('a', 'A', 'b', 'go.mod', 'vendor', 'é', 'x:y')
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'))
    fc.assert(
      fc.property(fc.uniqueArray(path, { maxLength: 8 }), (paths) => {
        const forth = selectFiles(files(...paths), { vendorVersion: 'go1.24' })
        const back = selectFiles(files(...paths.toReversed()), { vendorVersion: 'go1.24' })
        expect(back.code === undefined).toBe(forth.code === undefined)
        if (forth.code !== undefined || back.code !== undefined) return
        expect(back.files.toReversed()).toEqual(forth.files)
        expect(forth.files.length + forth.omitted.length).toBe(paths.length)
      }),
    )
  })
})
