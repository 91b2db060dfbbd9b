import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { foldName, isLetter, isPrint } from '../../src/module/fold.ts'

describe('foldName', () => {
  test.for([
    ['README', 'readme'],
    ['k', '\u212a'],
    ['s', 'ſ'],
    ['Σ', 'ς'],
    ['ß', 'ẞ'],
    ['å', '\u212b'],
    ['µ', 'μ'],
    ['ǅ', 'ǆ'],
    ['Ꭰ', 'ꭰ'],
    ['𐐀', '𐐨'],
    ['Ⅷ', 'ⅷ'],
  ] as const)('%s and %s are one name', ([a, b]) => {
    expect(foldName(a)).toBe(foldName(b))
    expect(foldName(`X/${a}`)).toBe(foldName(`x/${b}`))
  })

  test.for([
    ['ß', 'SS'],
    ['İ', 'i'],
    ['ı', 'i'],
    ['ŉ', 'ʼn'],
    ['\u00e9', 'e\u0301'],
    ['ﬁ', 'fi'],
    ['a', 'b'],
  ] as const)('%s and %s are two names', ([a, b]) => {
    expect(foldName(a)).not.toBe(foldName(b))
  })

  test('folds no more the second time and keeps every slash', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (name) => {
        const folded = foldName(name)
        expect(foldName(folded)).toBe(folded)
        expect(folded.split('/')).toHaveLength(name.split('/').length)
      }),
    )
  })
})

describe('classes of characters', () => {
  test.for([
    ['a', true, true],
    ['Ω', true, true],
    ['日', true, true],
    ['𐐀', true, true],
    ['1', false, true],
    ['１', false, true],
    ['\u0301', false, true],
    ['😀', false, true],
    [' ', false, true],
    ['\u00a0', false, false],
    ['\u00ad', false, false],
    ['\u200b', false, false],
    ['\ufeff', false, false],
    ['\ufffd', false, true],
    ['\u{2ebf0}', false, false],
    ['\u{10ffff}', false, false],
  ] as const)('%j: letter %s, printable %s', ([char, letter, print]) => {
    const code = char.codePointAt(0) ?? 0
    expect([isLetter(code), isPrint(code)]).toEqual([letter, print])
  })
})
