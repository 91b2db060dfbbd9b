import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { matchesGlob } from '../../src/module/glob.ts'

describe('matchesGlob', () => {
  test.for([
    ['', '', true], //                         the top
    ['', 'a', false],
    ['a', 'a', true],
    ['a', 'a/b', false], //                    a directory is not what is below it
    ['a', 'A', false], //                      letter case counts
    ['a', 'ab', false],
    ['*', 'a', true],
    ['*', '', true], //                        nothing is a name of no letters
    ['*', 'a/b', false], //                    "*" stops at "/"
    ['*/b', 'a/b', true],
    ['a*c', 'abbc', true],
    ['a*c', 'a/c', false],
    ['a?c', 'abc', true],
    ['a?c', 'a/c', false], //                  so does "?"
    ['a?c', 'ac', false],
    ['**', '', true],
    ['**', 'a/b/c', true],
    ['a/**', 'a', true], //                    the directory itself
    ['a/**', 'a/b/c', true],
    ['a/**', 'ab', false],
    ['**/a', 'a', true],
    ['**/a', 'x/y/a', true],
    ['**/a', 'xa', false],
    ['a/**/c', 'a/c', true],
    ['a/**/c', 'a/b/b/c', true],
    ['a/**/c', 'ac', false],
    ['**/testdata/**', 'testdata', true],
    ['**/testdata/**', 'a/testdata/b', true],
    ['**/testdata/**', 'a/testdatas/b', false],
    ['internal/tools/**', 'internal/tools', true],
    ['./a', 'a', true], //                     as people write it
    ['/a', 'a', true],
    ['a/', 'a', true],
    ['/', '', true],
    ['a/**/', 'a/b', true],
    ['a.b', 'a.b', true],
    ['a.b', 'axb', false], //                  a dot is a dot
    ['{a,b}', 'a', false], //                  braces are letters like others
    ['[ab]', 'a', false], //                   so are brackets
    ['[ab]', '[ab]', true],
    ['a+(b)|c^$\\', 'a+(b)|c^$\\', true],
    ['a\nb', 'a\nb', true],
    ['*', 'a\nb', true],
  ] as const)('%j and %j: %s', ([pattern, dir, want]) => {
    expect(matchesGlob(pattern, dir)).toBe(want)
    expect(matchesGlob(pattern, dir)).toBe(want) // it is remembered
  })

  const anyElement = fc.stringMatching(/^[a-z.+()[\]{}$^|\\-]{1,5}$/)
  const anyDir = fc.array(anyElement, { maxLength: 4 }).map((elements) => elements.join('/'))

  test('a directory without wildcards in its name matches itself alone', () => {
    const dirs = anyDir.filter((dir) => !dir.startsWith('./') && !dir.startsWith('/'))
    fc.assert(
      fc.property(dirs, dirs, (one, other) => {
        expect(matchesGlob(one, one)).toBe(true)
        expect(matchesGlob(one, other)).toBe(one === other)
      }),
    )
  })

  test('"a/**" is a and all below it, "**/a" is a below anything', () => {
    fc.assert(
      fc.property(fc.array(anyElement, { minLength: 1, maxLength: 3 }), anyDir, (elements, rest) => {
        const dir = elements.filter((element) => element !== '.').join('/')
        fc.pre(dir !== '' && rest !== '')
        expect(matchesGlob(`${dir}/**`, `${dir}/${rest}`)).toBe(true)
        expect(matchesGlob(`**/${dir}`, `${rest}/${dir}`)).toBe(true)
        expect(matchesGlob(`**/${rest}/**`, `${dir}/${rest}/${dir}`)).toBe(true)
      }),
    )
  })
})
