import { describe, expect, test } from 'vitest'
import { matchGoImport, parseGoImports } from '../../src/verify/goimport.ts'

const tag = '<meta name="go-import" content="example.com/m mod https://go.example.com">'
const found = { prefix: 'example.com/m', vcs: 'mod', url: 'https://go.example.com' }

describe('parseGoImports', () => {
  // What go does with each was seen with go 1.26.
  test.for([
    ['nothing around it', tag],
    ['a page', `<!DOCTYPE html>\n<html><head><meta charset=utf-8>${tag}</head></html>`],
    ['upper case', '<HEAD><META NAME="go-import" CONTENT="example.com/m mod https://go.example.com"></HEAD>'],
    [
      'single quotes and another order',
      "<meta content='example.com/m mod https://go.example.com' name='go-import'/>",
    ],
    ['a value without quotes', '<meta name=go-import content="example.com/m mod https://go.example.com">'],
    ['a comment and a bare "&" before it', `<!-- a - b --><title>a & b</title>${tag}`],
    ['an entity', '<meta name="go-import" content="example.com&#47;m mod https:&#x2f;/go.example.com">'],
    ['an attribute without a value', `<link crossorigin rel="x">${tag}`],
    ['an XML prolog and CDATA', `<?xml version="1.0"?><![CDATA[<body>]]>${tag}`],
  ] as const)('%s', ([, html]) => {
    expect(parseGoImports(html)).toEqual({ imports: [found] })
  })

  test.for([
    ['an address without quotes', `<link href=/x.css>${tag}`],
    ['a script that compares', `<script>if (a<1) b()</script>${tag}`],
    ['two dashes in a comment', `<!-- a -- b -->${tag}`],
    ['a comment without an end', `<!-- a ${tag.slice(0, -1)}`],
    ['"<" in a value', `<meta name="x" content="a<b">${tag}`],
  ] as const)('go stops at %s', ([, html]) => {
    expect(parseGoImports(html).imports).toEqual([])
    expect(parseGoImports(html).fault).toBeTypeOf('string')
  })

  test.for([
    ['after <body>', `<body>${tag}`],
    ['after </head>', `<head></head>${tag}`],
    ['with two fields', '<meta name="go-import" content="example.com/m mod">'],
    ['with five fields', '<meta name="go-import" content="a b c d e">'],
    ['of another name', tag.replace('go-import', 'go-source')],
  ] as const)('go passes over a tag %s', ([, html]) => {
    expect(parseGoImports(html)).toEqual({ imports: [] })
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
