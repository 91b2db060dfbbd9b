import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { matchGoImport, parseGoImports } from '../../src/verify/goimport.ts'
import { createGo, missingTools } from '../support/gorun.ts'

/** A page with a tag: its prefix and its address. */
type Page = (prefix: string, url: string) => string

const tag: Page = (prefix, url) => `<meta name="go-import" content="${prefix} mod ${url}">`

const readable: Readonly<Record<string, Page>> = {
  'nothing around it': tag,
  'a page': (...to) => `<!DOCTYPE html>\n<html><head><meta charset=utf-8>${tag(...to)}</head></html>`,
  'upper case': (prefix, url) => `<HEAD><META NAME="go-import" CONTENT="${prefix} mod ${url}"></HEAD>`,
  'another order': (prefix, url) => `<meta content='${prefix} mod ${url}' name='go-import'/>`,
  'a name without quotes': (prefix, url) => `<meta name=go-import content="${prefix} mod ${url}">`,
  'a comment and a bare "&"': (...to) => `<!-- a - b --><title>a & b</title>${tag(...to)}`,
  'an entity': (prefix, url) =>
    `<meta name="go-import" content="${prefix.replaceAll('/', '&#47;')} mod ${url.replaceAll(':', '&#x3a;')}">`,
  'an attribute without a value': (...to) => `<link crossorigin rel="x">${tag(...to)}`,
  'a prolog and CDATA': (...to) => `<?xml version="1.0"?><![CDATA[<body>]]>${tag(...to)}`,
}

const unreadable: Readonly<Record<string, Page>> = {
  'an address without quotes': (...to) => `<link href=/x.css>${tag(...to)}`,
  'a script that compares': (...to) => `<script>if (a<1) b()</script>${tag(...to)}`,
  'two dashes in a comment': (...to) => `<!-- a -- b -->${tag(...to)}`,
  'a comment without an end': (...to) => `<!-- a ${tag(...to).slice(0, -1)}`,
  '"<" in a value': (...to) => `<meta name="x" content="a<b">${tag(...to)}`,
}

const passedOver: Readonly<Record<string, Page>> = {
  'after <body>': (...to) => `<body>${tag(...to)}`,
  'after </head>': (...to) => `<head></head>${tag(...to)}`,
  'with two fields': (prefix) => `<meta name="go-import" content="${prefix} mod">`,
  'with five fields': (prefix, url) => `<meta name="go-import" content="${prefix} mod ${url} sub x">`,
  'of another name': (...to) => tag(...to).replace('go-import', 'go-source'),
}

const found = { prefix: 'example.com/m', vcs: 'mod', url: 'https://go.example.com' }
const render = (page: Page) => page(found.prefix, found.url)

describe('parseGoImports', () => {
  test.for(Object.entries(readable))('reads %s', ([, page]) => {
    expect(parseGoImports(render(page))).toEqual({ imports: [found] })
  })

  test.for(Object.entries(unreadable))('stops at %s', ([, page]) => {
    const { imports, fault } = parseGoImports(render(page))
    expect([imports, typeof fault]).toEqual([[], 'string'])
  })

  test.for(Object.entries(passedOver))('passes over a tag %s', ([, page]) => {
    expect(parseGoImports(render(page))).toEqual({ imports: [] })
  })

  test.skipIf(missingTools('go') !== undefined)('reads what the go command reads, and no more', async () => {
    const pages = Object.values({ ...readable, ...unreadable, ...passedOver })
    const modules = pages.map((_, index) => `pages.example.com/m${index}`)
    const server = createServer((request, response) => {
      const [, module = '', file] =
        /^\/(?:pages\.example\.com\/)?(m\d+)(?:\/@(.*))?\?*/.exec(request.url ?? '') ?? []
      const page = pages[Number(module.slice(1))]
      const url = `http://${request.headers.host}`
      if (file === 'v/list') response.end('v1.0.0\n')
      else if (file === 'v/v1.0.0.info') response.end('{"Version":"v1.0.0","Time":"2024-01-01T00:00:00Z"}')
      else if (file === 'v/v1.0.0.mod') response.end(`module pages.example.com/${module}\n`)
      else if (file === undefined && page !== undefined)
        response.end(page(`pages.example.com/${module}`, url))
      else response.writeHead(404).end()
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const { port } = server.address() as AddressInfo
    const go = await createGo()
    await go.host('pages.example.com', `http://127.0.0.1:${port}`)
    const answers = await go.latest(modules)
    await go.close()
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
    const wanted = Object.keys(readable).length
    expect(answers.map(({ version }) => version)).toEqual(
      modules.map((_, index) => (index < wanted ? 'v1.0.0' : undefined)),
    )
  })
})

describe('matchGoImport', () => {
  const git = { prefix: 'example.com/m', vcs: 'git', url: 'https://git.example.com/m' }
  test('"mod" wins over others of the same prefix', () => {
    expect(matchGoImport([git, found], 'example.com/m/sub')).toEqual(found)
    expect(matchGoImport([git], 'example.com/m')).toEqual(git)
  })
  test('why none is taken is told', () => {
    expect(matchGoImport([], 'example.com/m')).toBe('has no go-import tag')
    expect(matchGoImport([found], 'example.com/mm')).toBe('has no go-import tag for example.com/mm')
    const inner = { ...found, prefix: 'example.com/m/sub' }
    expect(matchGoImport([found, inner], 'example.com/m/sub')).toMatch('2 go-import tags')
  })
})
