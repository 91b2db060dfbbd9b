/**
 * Cloudflare Pages, by Cloudflare's own emulator: each file has the type and
 * the lifetime of the table as far as `_headers` can say so, what is missing is
 * missing, and the real go fetches through it.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cacheControl, contentType } from '../../src/render/headers.ts'
import { createGo, type Go } from '../support/gorun.ts'
import { type Hosted, makeHosted } from '../support/hosted.ts'
import { filesBelow } from '../support/site.ts'
import { runVerify } from '../support/verifyfaults.ts'
import { missingParts } from '../support/webserver.ts'
import { startWrangler, type Wrangler } from '../support/wrangler.ts'

describe.skipIf(missingParts('git', 'go', 'wrangler') !== undefined)('Cloudflare Pages', () => {
  let dir = ''
  let hosted: Hosted
  let wrangler: Wrangler
  let go: Go

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'cloudflare-'))
    hosted = await makeHosted(dir, { host: 'cloudflare', access: 'public' })
    wrangler = await startWrangler(hosted.site, join(dir, 'wrangler'))
    go = await createGo({ proxy: wrangler.url })
  })
  afterAll(async () => {
    await go?.close()
    await wrangler?.close()
    rmSync(dir, { recursive: true, force: true })
  })

  test('takes every rule', () => {
    const rules = readFileSync(join(hosted.site, '_headers'), 'utf8').match(/^\//gm) ?? []
    expect(wrangler.output()).toContain(`Parsed ${rules.length} valid header rules.`)
    expect(wrangler.output()).not.toMatch(/invalid header/i)
  })

  test('serves every file with the type of the table, and its lifetime as far as rules can tell', async () => {
    const said: Record<string, unknown> = {}
    const wanted: Record<string, unknown> = {}
    for (const path of filesBelow(hosted.site)) {
      // The host takes the one for itself, and nobody reads the other.
      if (path === '_headers' || path === '.nojekyll') continue
      const address = path
        .split('/')
        .map(encodeURIComponent)
        .join('/')
        .replaceAll('!', '%21')
        .replaceAll('%40', '@')
        .replaceAll('%2B', '+')
      const response = await fetch(`${wrangler.url}/${address.replace(/(^|\/)index\.html$/, '$1')}`)
      const body = Buffer.from(await response.arrayBuffer())
      const { headers } = response
      const isSame = body.equals(readFileSync(join(hosted.site, path)))
      said[path] = [response.status, headers.get('content-type'), headers.get('cache-control'), isSame]
      wanted[path] = [200, contentType(path), lifetimeOf(path), true]
    }
    expect(said).toEqual(wanted)
  })

  test.for([
    ['/nowhere', 'text/html; charset=utf-8'],
    ['/nowhere?go-get=1', 'text/html; charset=utf-8'],
    ['/example.net/nowhere/@v/list', 'any'],
    ['/example.net/nowhere/@latest', 'any'],
    ['/github.com/%21acme/sample/@v/v9.0.0.info', 'any'],
    ['/github.com/%21acme/sample/@v/v9.0.0.zip', 'any'],
  ] as const)('%s is missing, and nobody keeps that', async ([path, type]) => {
    const { status, headers } = await fetch(`${wrangler.url}${path}`)
    expect([status, headers.get('cache-control')]).toEqual([404, 'no-store'])
    if (type !== 'any') expect(headers.get('content-type')).toBe(type)
  })

  test('verify finds nothing', async () => {
    expect(await runVerify([wrangler.url], { sample: 'all' })).toEqual([0, []])
  })

  test('go fetches every version, and finds no other', async () => {
    const downloads = await go.download([...hosted.versions, 'github.com/Acme/sample@v9.0.0'])
    const said = downloads.map(({ query, zip }) => [query, zip !== undefined])
    expect(said).toEqual([
      ...hosted.versions.map((query) => [query, true]),
      ['github.com/Acme/sample@v9.0.0', false],
    ])
    expect(downloads.at(-1)?.error).toContain('404 Not Found')
    const [latest, branch] = await go.query([
      'github.com/Acme/sample@latest',
      'github.com/Acme/sample/v2@main',
    ])
    expect([latest?.version, branch?.error]).toEqual(['v1.3.1', undefined])
  })
})

/** A rule cannot tell v1.0.0.info from main.info, and pages are asked for anew each time. */
function lifetimeOf(path: string): string {
  const [, extension] = /\/@(?:v\/.*\.(info|mod|zip)|v\/list|latest)$/.exec(path) ?? []
  if (!/\/@(?:v\/[^/]+|latest)$/.test(path)) return 'public, max-age=0, must-revalidate'
  return cacheControl(extension === 'info' ? 'm/@v/main.info' : path, 'public')
}
