import { expect, test } from 'vitest'
import { ownPrefixes } from '../src/prefixes.ts'

const of = (prefix: string | undefined, roots: readonly string[], prefixes: readonly string[] = []) =>
  ownPrefixes({ prefixes, ...(prefix === undefined ? {} : { prefix }) }, roots)

test('roots on the site itself lie below its own prefix', () => {
  expect(of('go.example.com', ['go.example.com/billing', 'go.example.com/a/b/c'])).toEqual(['go.example.com'])
  expect(of('acme.example.com/go', ['acme.example.com/go'])).toEqual(['acme.example.com/go'])
})

test('other roots lie below whoever owns them', () => {
  expect(
    of('go.example.com', ['github.com/acme/billing', 'github.com/acme/log', 'go.example.com/x']),
  ).toEqual(['github.com/acme', 'go.example.com'])
  expect(of(undefined, ['git.example.com/team/sub/x', 'git.example.com/team/y'])).toEqual([
    'git.example.com/team',
  ])
})

test('a root of two elements, or of gopkg.in, belongs to nobody else', () => {
  expect(of('go.example.com', ['example.org/x', 'gopkg.in/yaml.v3', 'gopkg.in/acme/log.v2'])).toEqual([
    'example.org/x',
    'gopkg.in/acme/log.v2',
    'gopkg.in/yaml.v3',
  ])
})

test('a path that only begins alike is another', () => {
  expect(of('go.example.com/go', ['go.example.com/gopher/x', 'go.example.com/go/x'])).toEqual([
    'go.example.com/go',
    'go.example.com/gopher',
  ])
})

test('what is configured is taken instead, in its order of names and each part once', () => {
  expect(
    of('go.example.com', ['github.com/acme/x'], ['github.com/b', 'github.com/a', 'github.com/b/c']),
  ).toEqual(['github.com/a', 'github.com/b'])
})
