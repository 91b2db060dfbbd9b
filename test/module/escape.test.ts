import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { escapePath, escapeVersion, unescapePath, unescapeVersion } from '../../src/module/escape.ts'
import { parseModulePath } from '../../src/module/path.ts'

const elements = fc.array(fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,6}$/), { maxLength: 3 })
const paths = elements.map((list) => ['example.com', ...list].join('/')).map(parseModulePath)

describe('escaping', () => {
  test.for([
    ['v1.0.0', 'v1.0.0'],
    ['v1.0.0-RC.1', 'v1.0.0-!r!c.1'],
    ['v2.0.0+incompatible', 'v2.0.0+incompatible'],
    ['HEAD', '!h!e!a!d'],
    ['a~b', 'a~b'],
  ] as const)('writes the version %s as %s', ([version, escaped]) => {
    expect(escapeVersion(version)).toBe(escaped)
    expect(unescapeVersion(escaped)).toBe(version)
  })

  test.for(['', 'feature/x', 'a!b', 'é', 'a:b', 'con', 'x.', '..', '\udcff'])(
    'refuses the revision %j as the go command does',
    (revision) => {
      expect(escapeVersion(revision)).toBeUndefined()
    },
  )

  test.for(['Azure', '!', 'a!', '!A', '!!a', '!1', 'é', '!c!o!n', 'a/b', ''])(
    '%j is no escaped version',
    (text) => {
      expect(unescapeVersion(text)).toBeUndefined()
    },
  )

  test.for(['github.com/Azure', 'github.com/!', 'github', 'x.y/v1', '!x.y/z', 'x.y//z', 'x.y/é'])(
    '%j is no escaped path',
    (text) => {
      expect(unescapePath(text)).toBeUndefined()
    },
  )

  test('of paths goes both ways, without upper case, and keeps two paths apart', () => {
    fc.assert(
      fc.property(paths, paths, (a, b) => {
        if (a === undefined || b === undefined) return
        expect(escapePath(a)).not.toMatch(/[A-Z]/)
        expect(unescapePath(escapePath(a))).toBe(a)
        expect(escapePath(a) === escapePath(b)).toBe(a === b)
      }),
    )
  })

  test('of versions goes both ways', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii', maxLength: 12 }), (text) => {
        const escaped = escapeVersion(text)
        if (escaped !== undefined) expect(unescapeVersion(escaped)).toBe(text)
      }),
    )
  })
})
