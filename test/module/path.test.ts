import { describe, expect, test } from 'vitest'
import {
  checkFilePath,
  checkImportPath,
  checkModulePath,
  parseModulePath,
  pathMajorPrefix,
  splitPathVersion,
} from '../../src/module/path.ts'

describe('module paths', () => {
  test.for([
    'x.y/z',
    'x.y',
    'example.com/Azure/sdk-for_go~x/v2',
    'gopkg.in/yaml.v2',
    'gopkg.in/yaml.v0',
    'gopkg.in/yaml.v2-unstable',
    'x.y/v2/v3',
    'x.y/a~1b',
    'x.y/a..b',
  ])('%s is one', (path) => {
    expect(checkModulePath(path)).toBeUndefined()
    expect(parseModulePath(path)).toBe(path)
    expect(checkImportPath(path)).toBeUndefined()
  })

  test.for([
    ['', 'empty string'],
    ['-x.y/z', 'leading dash'],
    ['x.y//z', 'double slash'],
    ['x.y/z/', 'trailing slash'],
    ['/x.y/z', 'empty path element'],
    ['x/y', 'missing dot in first path element'],
    ['X.y/z', "invalid char 'X' in first path element"],
    ['x_y.z/a', "invalid char '_' in first path element"],
    ['x.y/é', "invalid char 'é'"],
    ['x.y/a+b', "invalid char '+'"],
    ['x.y/.git', 'leading dot in path element'],
    ['x.y/z.', 'trailing dot in path element'],
    ['x.y/..', 'invalid path element ".."'],
    ['x.y/aux.go', '"aux" disallowed as path element component on Windows'],
    ['x.y/LONGNA~1', 'trailing tilde and digits in path element'],
    ['x.y/v1', 'invalid version'],
    ['x.y/v01', 'invalid version'],
    ['x.y/v1.2', 'invalid version'],
    ['gopkg.in/yaml', 'invalid version'],
    ['gopkg.in/yaml/v2', 'invalid version'],
  ] as const)('%j is none: %s', ([path, reason]) => {
    expect(checkModulePath(path)).toBe(`malformed module path ${JSON.stringify(path)}: ${reason}`)
    expect(parseModulePath(path)).toBeUndefined()
  })
})

describe('file paths', () => {
  test.for([
    'a b',
    '-a',
    '..x',
    'a~1',
    'a!#$%&()+,-.=@[]^_{}~ b',
    '日本.txt',
    '\u00e9',
    'a.con',
    'dir.d/.hidden/x',
  ])('%s is one', (path) => {
    expect(checkFilePath(path)).toBeUndefined()
  })

  test.for([
    ['a:b', '"a:b"', "invalid char ':'"],
    ["a'b", '"a\'b"', "invalid char '\\''"],
    ['a\nb', '"a\\nb"', "invalid char '\\n'"],
    ['a\\b', '"a\\\\b"', "invalid char '\\\\'"],
    ['😀', '"😀"', "invalid char '😀'"],
    ['e\u0301', '"e\u0301"', "invalid char '\u0301'"],
    ['a\u200bb', '"a\\u200bb"', "invalid char '\\u200b'"],
    ['a\u{e0001}', '"a\\U000e0001"', "invalid char '\\U000e0001'"],
    ['a\x01', '"a\\x01"', "invalid char '\\x01'"],
    ['１', '"１"', "invalid char '１'"],
    ['x/a\udcff', '"x/a\\xff"', 'invalid UTF-8'],
    ['trail.', '"trail."', 'trailing dot in path element'],
    ['con.d/x', '"con.d/x"', '"con" disallowed as path element component on Windows'],
    ['a/LpT1', '"a/LpT1"', '"LpT1" disallowed as path element component on Windows'],
  ] as const)('%j is none', ([path, shown, reason]) => {
    expect(checkFilePath(path)).toBe(`malformed file path ${shown}: ${reason}`)
  })

  test('a letter that Unicode got after the version of Go is refused on every Node', () => {
    expect(checkFilePath('\u{2ebf0}')).toContain('invalid char')
  })
})

describe('import paths', () => {
  test('take a plus sign and need no domain', () => {
    expect(checkImportPath('fmt/c++')).toBeUndefined()
    expect(checkImportPath('a b')).toBe('malformed import path "a b": invalid char \' \'')
  })
})

describe('splitPathVersion', () => {
  test.for([
    ['x.y/z', 'x.y/z', ''],
    ['x.y/z/v2', 'x.y/z', '/v2'],
    ['x.y/v10', 'x.y', '/v10'],
    ['x.y/zv2', 'x.y/zv2', ''],
    ['x.y/z2', 'x.y/z2', ''],
    ['v2', 'v2', ''],
    ['gopkg.in/yaml.v2', 'gopkg.in/yaml', '.v2'],
    ['gopkg.in/yaml.v1', 'gopkg.in/yaml', '.v1'],
    ['gopkg.in/a/yaml.v3-unstable', 'gopkg.in/a/yaml', '.v3-unstable'],
  ] as const)('%s', ([path, prefix, pathMajor]) => {
    expect(splitPathVersion(path)).toEqual({ prefix, pathMajor })
    expect(prefix + pathMajor).toBe(path)
  })

  test.for([
    'x.y/v0',
    'x.y/v1',
    'x.y/v02',
    'x.y/v2.0',
    'gopkg.in/yaml',
    'gopkg.in/yaml.v02',
    'gopkg.in/y/v2',
  ])('%s has an impossible end', (path) => {
    expect(splitPathVersion(path)).toBeUndefined()
  })
})

describe('pathMajorPrefix', () => {
  test('is the major version of tags', () => {
    expect(['', '/v2', '.v1', '.v3-unstable'].map(pathMajorPrefix)).toEqual(['', 'v2', 'v1', 'v3'])
  })

  test('takes nothing but suffixes', () => {
    expect(() => pathMajorPrefix('v2')).toThrow('"v2" is no major version suffix')
    expect(() => pathMajorPrefix('/v')).toThrow('"/v" is no major version suffix')
  })
})
