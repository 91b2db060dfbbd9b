import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareUtf8, emptyH1, goModH1, hash1 } from '../../src/module/dirhash.ts'

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

describe('hash1', () => {
  test('of nothing is the hash of an empty list', () => {
    expect(hash1([])).toBe(emptyH1)
  })

  test('is the hash of the lines of sha256sum, in the order of UTF-8 and not of UTF-16', () => {
    const names = ['Z', 'a-b', 'a/b', 'é', '\uff21', '\u{10400}']
    const lines = names.map((name) => `${sha256(name)}  ${name}\n`).join('')
    const want = `h1:${createHash('sha256').update(lines).digest('base64')}`
    const files = names.map((name) => ({ name, sha256: sha256(name) }))
    expect(hash1(files)).toBe(want)
    expect(hash1(files.toReversed())).toBe(want)
  })

  test('refuses a newline in a name', () => {
    expect(() => hash1([{ name: 'a\nb', sha256: sha256('') }])).toThrow('newlines are not supported')
  })
})

describe('goModH1', () => {
  test('is that of go.sum', () => {
    const want = hash1([{ name: 'go.mod', sha256: sha256('module example.com/m\n') }])
    expect(goModH1(new TextEncoder().encode('module example.com/m\n'))).toBe(want)
  })
})

describe('compareUtf8', () => {
  test('is the order of the bytes', () => {
    const strings = fc.string({ unit: 'binary', maxLength: 6 })
    fc.assert(
      fc.property(strings, strings, strings, (head, a, b) => {
        const want = Math.sign(Buffer.compare(Buffer.from(head + a), Buffer.from(head + b)))
        expect(compareUtf8(head + a, head + b)).toBe(want)
      }),
    )
  })
})
