import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ModulePath, Version } from '../../src/model.ts'
import { findNewestVersions } from '../../src/render/feed.ts'
import { type FrontModule, renderFront, renderFrontPage } from '../../src/render/front.ts'
import { html } from '../../src/render/html.ts'
import { pageFile } from '../../src/render/paths.ts'
import { summarizeModule } from '../../src/summary.ts'
import { recordOf } from '../support/records.ts'

const site = { prefix: 'go.example.com' }
const meta = html`<meta name="go-import" content="go.example.com mod https://go.example.com">\n`

function moduleOf(path: string): FrontModule {
  return { path: path as ModulePath, latest: 'v1.0.0' as Version }
}

/** Returns where the links of a page in lists lead, as files of the site. */
function linksOf(path: string, body: string): string[] {
  return [...body.matchAll(/<li><a href="([^"]*)">/g)].map(([, link = '']) =>
    decodeURIComponent(new URL(`${link}index.html`, `https://host/${path}`).pathname).slice(1),
  )
}

describe('the front page', () => {
  test('lists all modules, as far as one page can hold them', () => {
    const modules = [moduleOf('example.org/a'), { ...moduleOf('go.example.com/b'), deprecated: '<b>' }]
    const { front, groups } = renderFront(modules, [], site, meta, 2)
    expect(groups).toEqual([])
    expect(front).toBe(renderFrontPage(modules, site, meta))
    expect(front).toContain('<li><a href="example.org/a/">example.org/a</a> v1.0.0</li>')
    expect(front).toContain('<li><a href="b/">go.example.com/b</a> v1.0.0 (deprecated)</li>')
    expect(front).toContain('<link rel="alternate" type="application/atom+xml"')
  })

  test('of more modules leads to pages of those that begin alike, and tells what is new', () => {
    const paths = ['a', 'b', 'ca', 'cb', 'cc', 'X1', 'X2', 'é'].map((name) => `go.example.com/${name}`)
    const records = [...paths].sort().map((path) => recordOf(path))
    const modules = records.map((record) => summarizeModule(record, ''))
    const newest = findNewestVersions(modules)
    const { front, groups } = renderFront(modules, newest, site, meta, 4)
    expect(groups.map(({ path }) => path)).toEqual([
      '-/all/go.example.com,!x/index.html',
      '-/all/go.example.com,c/index.html',
    ])
    expect(front).toContain('<a href="-/all/go.example.com%2Cc/">go.example.com/c…</a> 3 modules')
    expect(front).toContain('<h2>New versions</h2>')
    expect(front).toContain('<a href="cb@v1.0.0/">go.example.com/cb@v1.0.0</a>')
  })

  test('leads to each module in one way, by pages that are not too long', () => {
    const anyPath = fc.stringMatching(
      /^(?:example\.com|go\.example\.com)(?:\/(?:a|A|ab|abc|b|B~|c\.d)){0,4}$/,
    )
    fc.assert(
      fc.property(
        fc.uniqueArray(anyPath, { maxLength: 60 }),
        fc.integer({ min: 1, max: 9 }),
        (paths, limit) => {
          const modules = [...paths].sort().map(moduleOf)
          const { front, groups } = renderFront(modules, [], site, meta, limit)
          const pages = new Map([
            ...groups.map(({ path, body }) => [path, body] as const),
            ['index.html', front],
          ])
          expect(pages.size).toBe(groups.length + 1)
          const names = [...pages.keys()].map((path) => path.toLowerCase())
          expect(new Set(names).size).toBe(names.length)
          const reached: string[] = []
          const visit = (path: string, depth: number) => {
            const links = linksOf(path, pages.get(path) ?? '')
            expect(links.length).toBeLessThanOrEqual(Math.max(limit, 12))
            for (const link of links) {
              if (!link.startsWith('-/all/')) reached.push(link)
              else {
                expect(groups.find((group) => group.path === link)?.depth).toBe(depth + 1)
                visit(link, depth + 1)
              }
            }
          }
          visit('index.html', 0)
          const want = paths.map((path) => pageFile(path.replace(/^go\.example\.com(?:\/|$)/, '')))
          expect(reached.sort()).toEqual(want.sort())
        },
      ),
    )
  })

  test('a page has a name that a file system takes, however long paths are', () => {
    const long = 'x'.repeat(150)
    const modules = ['a', 'b', 'c'].flatMap((name) =>
      ['1', '2'].map((n) => moduleOf(`e.com/${long}/${name}${n}`)),
    )
    for (const { path } of renderFront(modules, [], {}, undefined, 2).groups)
      expect(path).toMatch(/^-\/all\/[\da-f]{32}\/index\.html$/)
  })
})
