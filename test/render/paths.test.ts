import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ModulePath } from '../../src/model.ts'
import {
  checkReserved,
  latestFile,
  listFile,
  pageDirectory,
  pageFile,
  recordFile,
  relativeLink,
  versionFile,
} from '../../src/render/paths.ts'

const path = 'example.com/Acme/R' as ModulePath

describe('files of a module', () => {
  test.for([
    [listFile(path), 'example.com/!acme/!r/@v/list'],
    [latestFile(path), 'example.com/!acme/!r/@latest'],
    [recordFile(path), '-/modules/example.com/!acme/!r.json'],
    [versionFile(path, 'v1.0.0-RC.1', 'info'), 'example.com/!acme/!r/@v/v1.0.0-!r!c.1.info'],
    [versionFile(path, 'v2.0.0+incompatible', 'zip'), 'example.com/!acme/!r/@v/v2.0.0+incompatible.zip'],
    [versionFile(path, 'HEAD', 'mod'), 'example.com/!acme/!r/@v/!h!e!a!d.mod'],
  ] as const)('%s', ([got, want]) => {
    expect(got).toBe(want)
  })

  test('a version that cannot be escaped is a mistake', () => {
    expect(() => versionFile(path, '../x', 'zip')).toThrow('cannot be escaped')
  })
})

describe('pageDirectory', () => {
  test.for([
    ['go.example.com/r', 'go.example.com', 'r'], //              below the site's address
    ['go.example.com', 'go.example.com', ''], //                 the front page
    ['go.example.community/r', 'go.example.com', 'go.example.community/r'],
    ['go.example.com/x/r', 'go.example.com/x', 'r'],
    ['go.example.com/y', 'go.example.com/x', 'go.example.com/y'],
    ['example.org/R', 'go.example.com', 'example.org/R'], //     unescaped, for URLs
    ['example.org/r', undefined, 'example.org/r'],
  ] as const)('%s on %s is %j', ([importPath, prefix, want]) => {
    expect(pageDirectory(importPath, prefix)).toBe(want)
    expect(pageFile(want)).toBe(want === '' ? 'index.html' : `${want}/index.html`)
  })
})

describe('relativeLink', () => {
  test.for([
    ['', '', '.'],
    ['a', '', '..'],
    ['a/b', '', '../..'],
    ['', 'a', 'a'],
    ['', '-/style.css', '-/style.css'],
    ['a/b', '-/style.css', '../../-/style.css'],
    ['a/b', 'a/c', '../../a/c'],
    ['a@v1.0.0', 'a', '../a'],
    ['', 'a@v1.0.0+incompatible', 'a@v1.0.0+incompatible'], // what a URL may hold stays readable
    ['', 'a b/#c?d:e%', 'a%20b/%23c%3Fd%3Ae%25'],
    ['x', './', '.././'],
  ] as const)('from %j to %j: %s', ([from, to, want]) => {
    expect(relativeLink(from, to)).toBe(want)
  })

  const anyElement = fc
    .oneof(
      fc.stringMatching(/^[a-zA-Z0-9@+:%#?!&=~. _-]{1,6}$/),
      fc.constantFrom('-', '@v', 'ü', 'a:b', 'http:'),
    )
    .filter((element) => !/^\.+$/.test(element))
  const anyDirectory = fc.array(anyElement, { maxLength: 4 }).map((elements) => elements.join('/'))

  test('leads from any page to any other, wherever the site lies, and as a directory with a "/" behind it', () => {
    fc.assert(
      fc.property(anyDirectory, anyDirectory, fc.constantFrom('', 'x/', 'x/y/'), (from, to, base) => {
        const site = `https://example.com/${base}`
        const encode = (path: string) => path.split('/').map(encodeURIComponent).join('/')
        const page = new URL(from === '' ? site : `${site}${encode(from)}/`)
        const link = relativeLink(from, to)
        const at = (url: string) => decodeURIComponent(new URL(url, page).pathname)
        expect(at(link)).toBe(`/${base}${to}`)
        expect(at(`${link}/`)).toBe(to === '' ? `/${base}` : `/${base}${to}/`)
        expect(new URL(link, `${page.href}index.html`).href).toBe(new URL(link, page).href)
      }),
    )
  })
})

describe('checkReserved', () => {
  test.for([
    ['go.example.com/r', undefined],
    ['go.example.com', undefined], //              the front page is the module's
    ['go.example.com/-', '"-"'],
    ['go.example.com/-/x', '"-"'],
    ['go.example.com/sumdb/x', '"sumdb"'],
    ['go.example.com/SumDB', '"SumDB"'], //        where letter case does not count
    ['go.example.com/index.html', '"index.html"'],
    ['go.example.com/x/index.html', undefined], // only at the top
    ['go.example.com/_redirects', '"_redirects"'],
    ['go.example.com/v1.x', undefined], //         a single element with a dot is no other host's module
    ['go.example.com/other.org/m', 'other.org/m'],
    ['example.org/-/x', undefined], //             in full it falls on nothing
  ] as const)('%s: %s', ([each, want]) => {
    const reason = checkReserved(each, 'go.example.com')
    if (want === undefined) expect(reason).toBeUndefined()
    else expect(reason).toContain(want)
    expect(checkReserved(each, undefined)).toBeUndefined()
  })
})
