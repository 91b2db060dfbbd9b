import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  compareGo,
  goDirectiveOf,
  goModFault,
  langOf,
  modulePathOf,
  parseGoMod,
  zipVendorVersion,
} from '../../src/module/gomod.ts'

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

describe('modulePathOf', () => {
  test.for([
    ['module x.y/z', 'x.y/z'],
    ['// c\r\nmodule\tx.y/z // c\r\n', 'x.y/z'],
    ['require (((\n\n module "x.y/\\x41"', 'x.y/A'],
    ['module `x.y/z`', 'x.y/z'],
    ['module (\n\tx.y/z\n)\n', '('],
    ['module x y', 'x y'],
    ['module\u00a0x', 'x'],
    ['module', ''],
    ['modulex', ''],
    ['module "x', ''],
    ['module //x', ''],
    ['\ufeffmodule x', ''],
    ['', ''],
  ] as const)('%j: %j', ([text, want]) => {
    expect(modulePathOf(bytes(text))).toBe(want)
  })

  test('does not stumble over bytes that are not UTF-8', () => {
    expect(modulePathOf(Uint8Array.of(0xff, 0x0a, ...bytes('module x')))).toBe('x')
  })
})

describe('goDirectiveOf', () => {
  test.for([
    ['module x\n\n go\t1.24 // c\n', '1.24'],
    ['go 1.21\r\ngo 1.22', '1.21'],
    ['// go 1.20\ngo  foo bar', 'foo bar'],
    ['go', ''],
    ['go(1.20)', ''],
    ['gox 1.20', ''],
    ['', ''],
  ] as const)('%j: %j', ([text, want]) => {
    expect(goDirectiveOf(bytes(text))).toBe(want)
  })
})

describe('parseGoMod', () => {
  test('reads what counts in a dependency and passes over the rest', () => {
    const text = `// Deprecated: use example.com/n.
//
// More.
module "example.com/m" // m

go v1.24-custom

toolchain what ever

require (
	example.com/a v1.0.0 // indirect
	example.com/b/v2 v2.0.0
)

replace x

unknown (
	a b c
)

// bad ones
retract (
	v1.0.0
	v1.0.1 // own

	// above
	// it
	[v1.1.0, v1.2] // and behind

	[v1.0.0
)

retract v2 extra
`
    expect(parseGoMod(bytes(text))).toEqual({
      module: 'example.com/m',
      go: '1.24',
      deprecated: 'use example.com/n.',
      retract: [
        { low: 'v1.0.0', high: 'v1.0.0', rationale: 'bad ones' },
        { low: 'v1.0.1', high: 'v1.0.1', rationale: 'own' },
        { low: 'v1.1.0', high: 'v1.2', rationale: 'above\nit\nand behind' },
        { low: 'v2', high: 'v2' },
      ],
    })
  })

  test('finds nothing in an empty file', () => {
    expect(parseGoMod(bytes(''))).toEqual({ module: '', retract: [] })
  })

  test.for([
    ['module a\nmodule b', 'go.mod:2: repeated module statement'],
    ['module a b', 'go.mod:1: usage: module module/path'],
    ['module `a`', 'go.mod:1: invalid quoted string: unquoted string cannot contain quote'],
    ['module "\\q"', 'go.mod:1: invalid quoted string: invalid syntax'],
    ['go 1.20\ngo 1.20', 'go.mod:2: repeated go statement'],
    ['go 1', "go.mod:1: invalid go version '1': must match format 1.23.0"],
    ['go', 'go.mod:1: go directive expects exactly one argument'],
    ['  require x', 'go.mod:1:3: usage: require module/path v1.2.3'],
    ['require x.y v1.x', 'go.mod:1: require x.y: version "v1.x" invalid: must be of the form v1.2.3'],
    ['require x.y v2.0.0', 'go.mod:1: require x.y: version "v2.0.0" invalid: should be v0 or v1, not v2'],
    ['require x.y/v1 v1.0.0', 'go.mod:1: invalid module path'],
    ['x (\n', 'go.mod:2: syntax error (unterminated block started at go.mod:1:1)'],
    ['x (\n) y', 'go.mod:2:4: syntax error (expected newline after closing paren)'],
    ['a\n/* b */', 'go.mod:2: mod files must use // comments (not /* */ comments)'],
    ['x "a', 'go.mod:1:3: unexpected EOF in string'],
    ['x "a\n"', 'go.mod:1:5: unexpected newline in string'],
    ['x \0', "go.mod:1:3: unexpected input character '\\x00'"],
    ['\ufeffmodule x', "go.mod:1: unexpected input character '\\ufeff'"],
    [
      'require (\n\ta\n\tb\n)',
      `go.mod:2:2: usage: require module/path v1.2.3\ngo.mod:3:2: usage: require module/path v1.2.3`,
    ],
  ] as const)('refuses %j', ([text, error]) => {
    expect(parseGoMod(bytes(text))).toEqual({ error })
  })

  test('tells ten faults and is quick about a file of a million', () => {
    const parsed = parseGoMod(bytes('require\n'.repeat(500_000)))
    expect(parsed.error?.split('\n')).toHaveLength(10)
  })

  test('never throws', () => {
    const text = fc.string({ unit: fc.constantFrom(...'module retract()[],"`\\/\n\t v1.é\u00ad') })
    fc.assert(
      fc.property(fc.oneof(text.map(bytes), fc.uint8Array()), (data) => {
        const parsed = parseGoMod(data)
        expect(typeof (parsed.error ?? parsed.module)).toBe('string')
        goModFault(data)
      }),
    )
  })
})

describe('goModFault', () => {
  test.for([
    ['module a\n', undefined],
    ['module a\ngo 1\nrequire (((\n', undefined],
    ['module a\nmodule b // c\n', 'go.mod:2: repeated module statement'],
    ['module (\n\ta\n\tb\n)\n', 'go.mod:3:2: repeated module statement'],
    ['module a\0\n', 'NUL byte at offset 8'],
  ] as const)('%j: %s', ([text, want]) => {
    expect(goModFault(bytes(text))).toBe(want)
  })
})

describe('zipVendorVersion', () => {
  test.for([
    ['go 1.24', 'go1.24'],
    ['go 1.24.5', 'go1.24'],
    ['go 1.24rc1', 'go1.24'],
    ['go 1.24.0rc1', ''],
    ['', ''],
    ['go 1.24\nrequire x', ''],
  ] as const)('%j: "%s"', ([text, want]) => {
    expect(zipVendorVersion(bytes(text))).toBe(want)
  })
})

describe('Go versions', () => {
  test('have one order', () => {
    // Equal ones share a line. Until 1.20 a version such as "1.20" stands for its own first release.
    const ascending = [
      ['', 'bad', '1.021', '1.21.0rc1', '01.2', '1.21-x', 'go1.21'],
      ['1', '1.0', '1.0.0'],
      ['1.5rc1'],
      ['1.20rc1'],
      ['1.20', '1.20.0'],
      ['1.20.1'],
      ['1.21'],
      ['1.21alpha'],
      ['1.21beta1'],
      ['1.21rc1'],
      ['1.21rc2'],
      ['1.21rc10'],
      ['1.21.0'],
      ['1.21.9'],
      ['1.21.10'],
      ['1.99999999999999999998'],
      ['1.99999999999999999999'],
      ['2.0'],
    ]
    for (const [index, equal] of ascending.entries()) {
      for (const [other, others] of ascending.entries()) {
        for (const [a, b] of equal.flatMap((x) => others.map((y) => [x, y] as const))) {
          expect(compareGo(a, b), `${a} ${b}`).toBe(Math.sign(index - other))
        }
      }
    }
  })

  test('belong to a language version', () => {
    expect(['1.21rc3', '1.21', '1.2.3', '1', '1.0', '1.999testmod', 'bad'].map(langOf)).toEqual([
      '1.21',
      '1.21',
      '1.2',
      '1',
      '1',
      '1.999',
      '',
    ])
  })
})
