import { describe, expect, test } from 'vitest'
import type { HostedSite } from '../../src/model.ts'
import { findNeeds } from '../../src/setup/needs.ts'

const site: HostedSite = {
  url: 'https://go.example.com',
  prefix: 'go.example.com',
  access: 'private',
  host: 'nginx',
  gatekeeper: false,
  prefixes: ['github.com/acme', 'go.example.com'],
}

const needsOf = (more: Partial<HostedSite> = {}) => {
  const needs = findNeeds({ ...site, ...more })
  if (needs === undefined) throw new Error('There are none.')
  return needs
}

describe('what consumers need', () => {
  test('is nothing that could be said without an address', () => {
    const { url, prefix, ...rest } = site
    expect(findNeeds(rest)).toBeUndefined()
  })

  test('of both kinds of modules, is that the own ones go no other way and the others not past the site', () => {
    expect(needsOf()).toMatchObject({
      name: 'go.example.com',
      machine: 'go.example.com',
      credentials: 'password',
      own: ['go.example.com'],
      chained: ['github.com/acme'],
      settings: [
        { name: 'GOPRIVATE', add: ['go.example.com'] },
        { name: 'GONOSUMDB', add: ['go.example.com', 'github.com/acme'] },
        { name: 'GONOPROXY', add: ['go.example.com'], drop: ['github.com/acme'] },
        { name: 'GOPROXY', add: ['https://go.example.com'] },
      ],
    })
  })

  test('of a site without modules yet, is what its own will need', () => {
    expect(needsOf({ prefixes: [] })).toMatchObject({ own: ['go.example.com'], chained: [] })
  })

  test('of a path that only begins alike, or lies above, is the chain', () => {
    const url = 'https://example.com/go'
    const prefixes = ['example.com/go', 'example.com/gopher', 'example.com']
    expect(needsOf({ url, prefix: 'example.com/go', prefixes })).toMatchObject({
      name: 'example.com/go',
      machine: 'example.com',
      own: ['example.com/go'],
      chained: ['example.com/gopher', 'example.com'],
    })
  })

  test.for([
    ['https://go.example.com:8443', 'go.example.com:8443', 'password', /at port 443/],
    ['http://go.example.com', 'go.example.com', 'none', /sends no credentials/],
    ['http://127.0.0.1:8080', '127.0.0.1:8080', 'none', /sends no credentials/],
  ] as const)('at %s, is the chain for all', ([url, machine, credentials, note]) => {
    const needs = needsOf({ url })
    expect(needs).toMatchObject({ machine, credentials, own: [] })
    expect(needs.settings.map(({ name }) => name)).toEqual(['GONOSUMDB', 'GONOPROXY', 'GOPROXY'])
    expect(needs.notes.join(' ')).toMatch(note)
  })

  test('of a public site, is the chain alone, and no credentials', () => {
    expect(needsOf({ access: 'public' })).toMatchObject({
      credentials: 'none',
      settings: [{ name: 'GOPROXY', add: ['https://go.example.com'] }],
    })
    expect(needsOf({ access: 'public', prefixes: ['go.example.com'] }).settings).toEqual([])
  })

  test('of GitLab Pages with access control, is a token', () => {
    expect(needsOf({ host: 'gitlab-pages' }).credentials).toBe('token')
    expect(needsOf({ host: 'gitlab-pages', access: 'public' }).credentials).toBe('none')
  })

  test('says who hears of names that the site does not have, and what a bucket wants', () => {
    expect(needsOf().notes.join(' ')).toContain('asked of the next proxy')
    expect(needsOf({ gatekeeper: true }).notes.join(' ')).toContain('no other proxy is told')
    expect(needsOf({ prefixes: ['go.example.com'] }).notes).toEqual([])
    expect(needsOf({ host: 's3' })).toMatchObject({ credentials: 'none' })
    expect(needsOf({ host: 's3' }).notes.join(' ')).toContain('modpress serve s3://')
  })

  test('has no room for what is no import path, and none in the address for what is no address', () => {
    const bad = [
      "a.com/x'; rm -rf ~ #",
      'a.com\nput',
      '*',
      '-w',
      '$(id)',
      'a.com/`id`',
      'a.com/$x',
      '',
      'a.com//b',
      'a.com/-x',
    ]
    expect(needsOf({ prefixes: ['a.com/x', ...bad] }).chained).toEqual(['a.com/x'])
    expect(needsOf({ url: "https://go.example.com/a'b,c|d;e$f(g)" }).url).toBe(
      'https://go.example.com/a%27b%2Cc%7Cd%3Be%24f%28g%29',
    )
  })
})
