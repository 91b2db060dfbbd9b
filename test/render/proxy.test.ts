import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Oid, Version } from '../../src/model.ts'
import { formatTime, renderInfo, renderList } from '../../src/render/proxy.ts'

const version = {
  version: 'v1.0.0' as Version,
  time: 1_700_000_060,
  commit: '0123456789012345678901234567890123456789' as Oid,
  ref: 'refs/tags/sub/v1.0.0',
  codeDir: 'sub',
}
const origin = { url: 'https://git.example.com/r' }
const { commit: _, ...unknown } = version
const { ref: __, ...untagged } = version
const hash = `"Hash":"${version.commit}"`
const begin = '{"Version":"v1.0.0","Time":"2023-11-14T22:14:20Z"'

describe('renderInfo', () => {
  test.for([
    [
      'a tag in a directory',
      renderInfo(version, origin),
      `${begin},"Origin":{"VCS":"git","URL":"${origin.url}","Subdir":"sub",${hash},"Ref":"refs/tags/sub/v1.0.0"}}`,
    ],
    [
      'a tag of the top',
      renderInfo({ ...version, codeDir: '', ref: 'refs/tags/v1.0.0' }, origin),
      `${begin},"Origin":{"VCS":"git","URL":"${origin.url}",${hash},"Ref":"refs/tags/v1.0.0"}}`,
    ],
    [
      'a pseudo-version, which has no ref',
      renderInfo({ ...untagged, codeDir: '' }, origin),
      `${begin},"Origin":{"VCS":"git","URL":"${origin.url}",${hash}}}`,
    ],
    ['without an address', renderInfo(version, undefined), `${begin}}`],
    ['of a commit that is not known', renderInfo(unknown, origin), `${begin}}`],
  ] as const)('%s', ([, got, want]) => {
    expect(got).toBe(want)
  })

  test.for([
    ['<>&', '\\u003c\\u003e\\u0026'], //         for the sake of pages that hold JSON
    ['\u2028\u2029', '\\u2028\\u2029'], //       for the sake of old JavaScript
    ['"\\/', '\\"\\\\/'], //                     "/" stays
    ['\b\f\n\r\t', '\\b\\f\\n\\r\\t'], //        short where JSON has a short form, since Go 1.22
    ['\u0000\u001f', '\\u0000\\u001f'],
    ['\u007fü日𐐀', '\u007fü日𐐀'], //            all else as it is
  ] as const)('%j is escaped as encoding/json does', ([text, want]) => {
    const info = renderInfo({ ...version, ref: `refs/tags/${text}` }, origin)
    expect(info).toContain(`"Ref":"refs/tags/${want}"`)
    expect(JSON.parse(info)).toMatchObject({ Origin: { Ref: `refs/tags/${text}` } })
  })

  test('is JSON of one line without a character that means something in HTML', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (url, ref) => {
        const info = renderInfo({ ...version, ref }, { url })
        expect(info).not.toMatch(/[<>&\n\u2028\u2029]/)
        expect(JSON.parse(info)).toMatchObject({ Origin: { URL: url, Ref: ref } })
      }),
    )
  })
})

describe('formatTime', () => {
  test.for([
    [0, '1970-01-01T00:00:00Z'],
    [1_700_000_000, '2023-11-14T22:13:20Z'],
    [-1, '1969-12-31T23:59:59Z'],
    [253_402_300_799, '9999-12-31T23:59:59Z'],
  ] as const)('%i is %s', ([seconds, want]) => {
    expect(formatTime(seconds)).toBe(want)
  })
})

describe('renderList', () => {
  test('has a line for each version, as they come', () => {
    expect(renderList(['v1.0.0', 'v1.10.0', 'v2.0.0+incompatible'] as Version[])).toBe(
      'v1.0.0\nv1.10.0\nv2.0.0+incompatible\n',
    )
    expect(renderList([])).toBe('')
  })
})
