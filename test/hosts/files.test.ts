import { existsSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hostDirectory, hostTopFiles, renderHostFiles } from '../../src/hosts/files.ts'
import { describeGatekeeper } from '../../src/hosts/gatekeeper.ts'
import { hostPresets } from '../../src/hosts/presets.ts'
import { type HostName, hostNames, type ModulePath } from '../../src/model.ts'
import { escapePath } from '../../src/module/escape.ts'
import { cacheControl, contentType, contentTypes } from '../../src/render/headers.ts'
import { checkReserved } from '../../src/render/paths.ts'
import { makeDirectory } from '../support/repo.ts'
import { makeStage } from '../support/scenarios.ts'

const site = {
  url: 'https://go.example.com',
  prefix: 'go.example.com',
  access: 'private',
  gatekeeper: false,
  prefixes: ['go.example.com', 'github.com/Acme'],
} as const

function filesOf(
  host: HostName,
  more: Partial<Record<keyof typeof site, unknown>> = {},
): Record<string, string> {
  const files = renderHostFiles({ ...site, ...more, host } as Parameters<typeof renderHostFiles>[0])
  return Object.fromEntries(files.map(({ path, body }) => [path, String(body)]))
}

test.for(hostNames)('what is written for %s lies where it is looked for and removed', (host) => {
  for (const access of ['private', 'public']) {
    for (const gatekeeper of [true, false]) {
      const files = filesOf(host, { access, gatekeeper })
      for (const [path, body] of Object.entries(files)) {
        expect(path.startsWith(`${hostDirectory}/`) || hostTopFiles.includes(path)).toBe(true)
        expect(body.replaceAll('=== undefined', '').replaceAll('return undefined', '')).not.toMatch(
          /undefined|\[object/,
        )
        if (path.endsWith('.json')) expect(() => JSON.parse(body)).not.toThrow()
        expect(Object.keys(contentTypes)).toContain(/\.\w+$/.exec(path)?.[0] ?? '')
      }
      expect(filesOf(host, { access, gatekeeper })).toEqual(files)
    }
  }
})

const password = /auth_?basic|basicauth|AuthType/

test.for(['nginx', 'caddy', 'apache'] as const)(
  '%s asks for a password only where the site is private',
  (host) => {
    const [[, closed = ''] = [], [, open = ''] = []] = [
      Object.entries(filesOf(host))[0],
      Object.entries(filesOf(host, { access: 'public' }))[0],
    ]
    expect(closed).toMatch(password)
    expect(closed).toContain('private, max-age=60')
    expect(open).not.toMatch(password)
    expect(open).not.toContain('private, ')
  },
)

test('without an address there is a name to be changed', () => {
  expect(filesOf('nginx', { url: undefined })['-/host/nginx.conf']).toContain('server_name go.example.com;')
})

test('a port of its own is the one that is listened on', () => {
  const url = 'https://go.example.com:8443'
  const texts = (['nginx', 'caddy', 'apache'] as const).map(
    (host) => Object.values(filesOf(host, { url }))[0],
  )
  expect(texts).toEqual([
    expect.stringContaining('  listen 8443 ssl;'),
    expect.stringContaining('\nhttps://go.example.com:8443 {'),
    expect.stringContaining('\nListen 8443 https\n<VirtualHost *:8443>'),
  ])
})

test('a site that goes to another host loses the files of the one before', async () => {
  const stage = makeStage(makeDirectory())
  const has = (path: string) => existsSync(join(stage.site, path))
  stage.config = { ...stage.config, host: 'apache', gatekeeper: true }
  await stage.build()
  expect([has('-/host/apache.conf'), has('-/host/empty.txt'), has('_headers')]).toEqual([true, true, false])
  stage.config = { ...stage.config, host: 'netlify', gatekeeper: false, access: 'public' }
  await stage.build()
  expect([has('-/host/apache.conf'), has('-/host/empty.txt'), has('_headers')]).toEqual([false, false, true])
})

test('what hosts read at the top of a site is no place for modules', () => {
  for (const name of [...hostTopFiles, '_redirects', '_worker.js', '_routes.json', 'CNAME', '.nojekyll']) {
    expect(checkReserved(`go.example.com/${name}`, 'go.example.com')).toContain('is taken')
  }
})

describe('_headers', () => {
  /** How the hosts read a rule's path. */
  const readers: Record<'cloudflare' | 'netlify', (rule: string) => RegExp> = {
    cloudflare: (rule) => {
      const escaped = rule.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')
      return new RegExp(`^${escaped.replace('*', '(.*)').replaceAll(/:\w+/g, '([^/]+)')}$`)
    },
    netlify: (rule) => {
      const parts = rule.slice(1).split('/')
      const read = (part: string) => {
        if (part.startsWith(':')) return '([^/]+)'
        return part === '*' ? '?(.*)' : part.replaceAll('*', '(.*)')
      }
      return new RegExp(`^/${parts.map(read).join('/')}/?$`, 'iu')
    },
  }
  const rulesOf = (text: string) => {
    const blocks = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    const rules: { path: string; headers: string[] }[] = []
    for (const line of blocks) {
      if (line.startsWith('/')) rules.push({ path: line, headers: [] })
      else rules.at(-1)?.headers.push(line.trim())
    }
    return rules
  }

  test.for(['cloudflare', 'netlify'] as const)('of %s says of each file what the table says', (host) => {
    const text = filesOf(host, { access: 'public' })['_headers'] ?? ''
    const rules = rulesOf(text).map(({ path, headers }) => ({ headers, pattern: readers[host](path) }))
    const headersOf = (path: string) =>
      rules.filter(({ pattern }) => pattern.test(`/${path}`)).flatMap(({ headers }) => headers)
    for (const path of [
      'example.com/m/@v/list',
      'example.com/m/@latest',
      'example.com/!m/@v/v1.0.0.mod',
      'example.com/m/v2/@v/v2.0.0-!r!c1.zip',
      'example.com/m/@v/v2.0.0+incompatible.zip',
    ]) {
      const names = headersOf(path).filter((each) => !each.startsWith('!'))
      expect(names.sort()).toEqual([
        `Cache-Control: ${host === 'netlify' ? 'public, max-age=60' : cacheControl(path, 'public')}`,
        `Content-Type: ${contentType(path)}`,
        'X-Content-Type-Options: nosniff',
      ])
    }
    for (const path of ['example.com/m/@v/v1.0.0.info', 'example.com/m/@v/main.info']) {
      expect(headersOf(path)).toContain('Cache-Control: public, max-age=60')
    }
    for (const path of ['index.html', 'example.com/x.info/index.html', 'x.zip/', '-/all/a.css/index.html']) {
      expect(headersOf(path).filter((each) => /Cache|zip|json|css/.test(each))).toEqual([])
    }
    expect(headersOf('-/manifest.jsonl')).toContain('Content-Type: application/jsonl')
  })

  test('keeps to what Cloudflare Pages takes', () => {
    const text = filesOf('cloudflare', { access: 'public' })['_headers'] ?? ''
    const rules = rulesOf(text)
    expect(rules.length).toBeLessThanOrEqual(100)
    expect(rules.filter(({ path }) => path.split('*').length > 2)).toEqual([])
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(2000)
  })
})

describe('the gatekeeper', () => {
  const prefixes = ['github.com/Acme', 'go.example.com']
  const gatekeeper = describeGatekeeper({ gatekeeper: true, prefixes }, '')
  const isOwn = (path: string) => gatekeeper?.files.some((each) => new RegExp(each, 'i').test(path)) === true

  test.for([
    ['/github.com/!acme/x/@v/v1.0.0.info', true],
    ['/github.com/!acme/@v/list', true],
    ['/github.com/acme/x/@v/list', true],
    ['/github.com/!a!c!m!e/x/@v/list', true],
    ['/go.example.com/@v/list', true],
    ['/go.example.com/a/b/v2/@v/v2.0.0.zip', true],
    ['/github.com/acmecorp/x/@v/list', false],
    ['/github.com/!acme-x/@v/list', false],
    ['/goXexample.com/x/@v/list', false],
    ['/go.example.com.evil.com/@v/list', false],
    ['/x/github.com/acme/x/@v/list', false],
    ['/github.com/@v/list', false],
    ['/github.com/!acme/x/@latest', false],
    ['/sumdb/sum.golang.org/lookup/github.com/!acme/x@v1.0.0', false],
  ] as const)('%s is its own: %s', ([path, own]) => {
    expect(isOwn(path)).toBe(own)
  })

  test('answers for every module below its prefixes, whatever letter case go escapes', () => {
    const element = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_~.-]{0,8}[A-Za-z0-9]$/)
    const cased = fc.mixedCase(fc.constant('acme'))
    fc.assert(
      fc.property(cased, fc.array(element, { maxLength: 4 }), (owner, rest) => {
        const path = ['github.com', owner, ...rest].join('/') as ModulePath
        expect(isOwn(`/${escapePath(path)}/@v/v1.0.0.info`)).toBe(true)
        expect(isOwn(`/${escapePath(`x${path}` as ModulePath)}/@v/v1.0.0.info`)).toBe(false)
      }),
    )
  })

  test('is none where nothing is the own of the site, or nobody wants it', () => {
    expect(describeGatekeeper({ gatekeeper: true, prefixes: [] }, '')).toBeUndefined()
    expect(describeGatekeeper({ gatekeeper: false, prefixes: ['example.com'] }, '')).toBeUndefined()
  })

  test.for(hostNames.filter((host) => hostPresets[host].gatekeeper === 'possible'))(
    'is in what is written for %s, and only where it is wanted',
    (host) => {
      const text = (gatekeeper: boolean) => Object.values(filesOf(host, { gatekeeper })).join('')
      expect(text(true)).toContain('other one is asked')
      expect(text(false)).not.toContain('other one is asked')
    },
  )
})
