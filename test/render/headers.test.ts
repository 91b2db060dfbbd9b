import { expect, test } from 'vitest'
import { cacheControl, contentType, immutablePattern, isImmutable } from '../../src/render/headers.ts'

test.for([
  ['example.com/m/@v/list', 'text/plain; charset=utf-8'],
  ['example.com/m/@v/v1.0.0.info', 'application/json'],
  ['example.com/m/@v/v2.0.0+incompatible.mod', 'text/plain; charset=utf-8'],
  ['example.com/m/@v/v1.0.0.zip', 'application/zip'],
  ['example.com/m/@latest', 'application/json'],
  ['example.com/m@v1.0.0/index.html', 'text/html; charset=utf-8'],
  ['-/manifest/example.com/m.jsonl', 'application/jsonl'],
  ['sumdb/sum.example.com/latest', 'text/plain; charset=utf-8'],
  ['sumdb/sum.example.com/tile/8/0/000', 'application/octet-stream'],
  ['sumdb/sum.example.com/lookup/example.com/m@v1.0.0', 'text/plain; charset=utf-8'],
  ['_headers', 'text/plain; charset=utf-8'],
  ['.nojekyll', 'text/plain; charset=utf-8'],
  ['a.constructor', 'application/octet-stream'],
  ['a.', 'application/octet-stream'],
] as const)('%s is %s', ([path, type]) => {
  expect(contentType(path)).toBe(type)
})

test('what is created and never replaced is told by its path', () => {
  const paths = [
    'example.com/m/@v/v1.0.0.info',
    'example.com/m/@v/v2.0.0+incompatible.zip',
    'sumdb/x/tile/8/0/000',
    'example.com/m/@v/list',
    'example.com/m/@v/main.info',
    'example.com/m/@latest',
    'sumdb/x/latest',
  ]
  expect(paths.filter(isImmutable)).toEqual(paths.slice(0, 3))
  expect(cacheControl('example.com/m/@v/v1.0.0.info', 'private')).toBe('private, max-age=31536000, immutable')
  expect(cacheControl('example.com/m/@v/list', 'public')).toBe('public, max-age=60')
})

test('hosts tell the same by the paths of addresses, below whatever path the site lies', () => {
  const pattern = new RegExp(immutablePattern('/go'))
  const paths = [
    '/go/m.io/m/@v/v1.0.0.zip',
    '/go/sumdb/x/tile/8/0/000',
    '/sumdb/x/tile/8/0/000',
    '/go/m.io/m/@v/v1.x.info',
  ]
  expect(paths.filter((path) => pattern.test(path))).toEqual(paths.slice(0, 2))
})
