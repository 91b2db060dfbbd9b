import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ModulePath, Version } from '../../src/model.ts'
import { findNewestVersions, type NewestVersion, renderFeed } from '../../src/render/feed.ts'
import { summarizeModule } from '../../src/summary.ts'
import { recordOf } from '../support/records.ts'
import { childrenOf, parseXml, textOf } from '../support/xml.ts'

const site = { url: 'https://go.example.com/base', prefix: 'go.example.com/base' }
const time = '2023-11-14T22:14:20Z'

function versionOf(path: string, version = 'v1.0.0'): NewestVersion {
  return { path: path as ModulePath, version: version as Version, time }
}

describe('findNewestVersions', () => {
  test('takes the fifty newest of all modules, by time, module and version', () => {
    const modules = Array.from({ length: 40 }, (_, number) =>
      summarizeModule(
        recordOf(`example.com/m${number}`, ['v1.0.0', 'v1.1.0', 'v1.2.0'], {}, number % 20),
        '',
      ),
    )
    const found = findNewestVersions(modules)
    expect(found).toHaveLength(50)
    expect(found.slice(0, 4).map(({ path, version }) => `${path}@${version}`)).toEqual([
      'example.com/m19@v1.2.0',
      'example.com/m39@v1.2.0',
      'example.com/m18@v1.2.0',
      'example.com/m19@v1.1.0',
    ])
    expect(findNewestVersions([...modules].reverse())).toEqual(found)
  })

  test('leaves out what has no time that a feed can tell', () => {
    const { newest, ...rest } = summarizeModule(recordOf('example.com/m'), '')
    const far = { ...rest, newest: newest.map((each) => ({ ...each, time: '+020000-01-01T00:00Z' })) }
    expect(findNewestVersions([far])).toEqual([])
  })
})

describe('a feed', () => {
  test('tells of what was taken down, and why, beside the version itself', () => {
    const down = { ...versionOf('example.com/m'), withdrawn: 'It holds <a key>.' }
    for (const place of [site, {}]) {
      const feed = parseXml(renderFeed([down, versionOf('example.com/m')], place))
      const [gone, version] = childrenOf(feed, 'entry')
      if (gone === undefined || version === undefined) throw new Error('There should be two entries.')
      expect(textOf(gone, 'title')).toBe('example.com/m@v1.0.0 (withdrawn)')
      expect(textOf(gone, 'summary')).toBe('It holds <a key>.')
      expect(textOf(gone, 'id')).not.toBe(textOf(version, 'id'))
    }
  })

  test('is what RFC 4287 asks for', () => {
    const versions = [
      versionOf('go.example.com/base/r', 'v2.0.0+incompatible'),
      { ...versionOf('example.org/R/v2', 'v2.1.0'), retracted: true as const },
      versionOf('go.example.com/base'),
    ]
    const feed = parseXml(renderFeed(versions, site))
    expect(feed).toMatchObject({ name: 'feed', attributes: { xmlns: 'http://www.w3.org/2005/Atom' } })
    expect(['id', 'title', 'updated'].map((name) => textOf(feed, name))).toEqual([
      'https://go.example.com/base/-/feed.atom',
      'Go modules of go.example.com/base',
      time,
    ])
    expect(childrenOf(feed, 'link').map(({ attributes }) => attributes)).toMatchObject([
      { rel: 'self', href: 'https://go.example.com/base/-/feed.atom' },
      { rel: 'alternate', href: 'https://go.example.com/base/' },
    ])
    const entries = childrenOf(feed, 'entry')
    expect(entries.map((entry) => textOf(entry, 'title'))).toEqual([
      'go.example.com/base/r@v2.0.0+incompatible',
      'example.org/R/v2@v2.1.0 (retracted)',
      'go.example.com/base@v1.0.0',
    ])
    const links = [
      'https://go.example.com/base/r@v2.0.0+incompatible/',
      'https://go.example.com/base/example.org/R/v2@v2.1.0/',
      'https://go.example.com/base/go.example.com/base@v1.0.0/',
    ]
    expect(entries.map((entry) => textOf(entry, 'id'))).toEqual(links)
    expect(entries.map((entry) => childrenOf(entry, 'link')[0]?.attributes['href'])).toEqual(links)
    expect(entries.map((entry) => textOf(entry, 'updated'))).toEqual([time, time, time])
  })

  test('of a site without an address has relative links, and ids that are none', () => {
    const feed = parseXml(renderFeed([versionOf('example.org/r'), versionOf('example.org/s')], {}))
    const [first, second] = childrenOf(feed, 'entry')
    if (first === undefined || second === undefined) throw new Error('There are two.')
    const ids = [feed, first, second].map((each) => textOf(each, 'id'))
    for (const id of ids)
      expect(id).toMatch(/^urn:uuid:[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
    expect(new Set(ids).size).toBe(3)
    const href = childrenOf(first, 'link')[0]?.attributes['href'] ?? ''
    expect(new URL(href, 'https://host/x/-/feed.atom').pathname).toBe('/x/example.org/r@v1.0.0/')
  })

  test('of a site with nothing in it is well-formed, and as old as can be', () => {
    expect(textOf(parseXml(renderFeed([], {})), 'updated')).toBe('1970-01-01T00:00:00Z')
  })

  test('is well-formed whatever the names in it are, and they are read back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary-ascii' }), (path, version) => {
        const text = renderFeed([versionOf(path, version)], { prefix: `${version}<&">]]>` })
        const [entry] = childrenOf(parseXml(text), 'entry')
        const title = entry && textOf(entry, 'title')
        const isLegal = /^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u
        if (isLegal.test(path + version)) expect(title).toBe(`${path}@${version}`)
      }),
    )
  })
})
