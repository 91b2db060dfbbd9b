import { describe, expect, test } from 'vitest'
import type { ModulePath, ModuleRecord, ModuleRecordVersion, Oid, Version } from '../../src/model.ts'
import { renderFrontPage } from '../../src/render/front.ts'
import { html } from '../../src/render/html.ts'
import {
  renderMissingPage,
  renderModulePage,
  renderPackagePage,
  renderRootPage,
  renderVersionPage,
  versionDirectory,
} from '../../src/render/pages.ts'
import { pageDirectory, pageFile, versionFile } from '../../src/render/paths.ts'

const meta = html`<meta name="go-import" content="r mod https://go.example.com">\n`

function recordOf(path: string): ModuleRecord {
  const version = (name: string, more: Partial<ModuleRecordVersion> = {}): ModuleRecordVersion => ({
    version: name as Version,
    time: '2023-11-14T22:14:20Z',
    h1: 'h1:x=',
    goModH1: 'h1:y=',
    size: 22,
    ...more,
  })
  return {
    path: path as ModulePath,
    repository: { root: path as ModulePath, subdir: '' },
    list: ['v1.0.0', 'v1.1.0', 'v2.0.0+incompatible'] as Version[],
    latest: 'v1.1.0' as Version,
    queries: { main: 'v1.1.0' as Version },
    deprecated: 'use <b>another</b>.',
    versions: [
      version('v1.0.0', { retracted: '"early" & <bad>', commit: '0123' as Oid }),
      version('v1.1.0'),
      version('v1.1.1-0.20231114221420-012345678901'),
      version('v2.0.0+incompatible', { retracted: '' }),
    ],
    packages: [path, `${path}/a b`, `${path}/cmd/#x`],
  }
}

interface Page {
  readonly directory: string
  readonly text: string
}

const paths = [
  'go.example.com',
  'go.example.com/r',
  'go.example.com/a/R/v2',
  'example.org/s',
  'example.org/s/t',
]

describe.for(['go.example.com', 'go.example.com/base', undefined])('pages of a site at %s', (prefix) => {
  const site = prefix === undefined ? {} : { prefix }
  const records = paths.map(recordOf)
  const pages: Page[] = records.flatMap((record) => [
    { directory: pageDirectory(record.path, prefix), text: renderModulePage(record, site, meta) },
    ...record.versions.map((version) => ({
      directory: versionDirectory(record, version, site),
      text: renderVersionPage(record, version, site, meta),
    })),
    ...record.packages.slice(1).map((path) => ({
      directory: pageDirectory(path, prefix),
      text: renderPackagePage(record, path, site, meta),
    })),
  ])
  const others: Page[] = [
    { directory: '', text: renderFrontPage(records, site, meta) },
    {
      directory: pageDirectory('example.org', prefix),
      text: renderRootPage('example.org', paths, site, meta),
    },
  ]
  const files = new Set([
    '-/style.css',
    '-/feed.atom',
    ...[...pages, ...others].map((page) => pageFile(page.directory)),
    ...records.flatMap((record) =>
      record.versions.flatMap((version) =>
        (['info', 'mod', 'zip'] as const).map((kind) => versionFile(record.path, version.version, kind)),
      ),
    ),
  ])

  test('each link leads to a file of the site', () => {
    let count = 0
    for (const { directory, text } of [...pages, ...others]) {
      const at = new URL(
        `https://host/${directory === '' ? '' : `${directory.split('/').map(encodeURIComponent).join('/')}/`}`,
      )
      for (const [, link = ''] of text.matchAll(/href="([^"]*)"/g)) {
        const { host, pathname } = new URL(link, at)
        const target = decodeURIComponent(pathname).slice(1)
        const file = target === '' || target.endsWith('/') ? `${target}index.html` : target
        expect(files, `${link} in /${directory}`).toContain(file)
        expect(host).toBe('host')
        count++
      }
    }
    expect(count).toBeGreaterThan(100)
  })

  test('the go-import tags come first in the head, and once', () => {
    for (const { text } of [...pages, ...others, { text: renderMissingPage(site, meta) }]) {
      expect(text.split('<head>\n')[1]?.startsWith(meta.text)).toBe(true)
      expect(text.split('go-import')).toHaveLength(2)
    }
  })

  test('what authors write is text', () => {
    for (const { text } of pages) expect(text).not.toMatch(/<b>|<bad>|"early"/)
  })
})

describe('a module page', () => {
  const text = renderModulePage(recordOf('example.org/s'), {}, meta)

  test('lists the newest version first, with what there is to know of it', () => {
    const items = [
      ...text.matchAll(/<li><a href="[^"]*">([^<]*)<\/a> <time[^>]*>2023-11-14<\/time>(.*?)<\/li>/g),
    ]
    expect(items.map(([, version, notes]) => `${version}${notes}`)).toEqual([
      'v2.0.0+incompatible (retracted: no reason given)',
      'v1.1.1-0.20231114221420-012345678901 (not listed)',
      'v1.1.0 (latest)',
      'v1.0.0 (retracted: &#34;early&#34; &#38; &#60;bad&#62;)',
    ])
  })

  test('says how to get it, where there is a latest version', () => {
    const { latest: _, deprecated: __, ...rest } = recordOf('example.org/s')
    expect(text).toContain('<pre tabindex="0">go get example.org/s@v1.1.0</pre>')
    expect(text).toContain('Deprecated: use &#60;b&#62;another&#60;/b&#62;.')
    const bare = renderModulePage({ ...rest, packages: [] }, {}, meta)
    expect(bare).not.toMatch(/go get|Deprecated|Packages/)
  })
})

describe('the page for what is not there', () => {
  test.for([
    [undefined, '/'],
    ['go.example.com', '/'],
    ['go.example.com/a/b', '/a/b/'],
  ] as const)('of a site at %s leads to %s', ([prefix, want]) => {
    const text = renderMissingPage(prefix === undefined ? {} : { prefix }, undefined)
    expect(text).toContain(`<a href="${want}">`)
    expect(text).not.toContain('go-import')
  })
})
