/**
 * Gatekeepers that keep what they should, less or more: what is below the own
 * prefixes, in any letter case and at any depth, and nothing beside them.
 */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { beforeAll, expect, test } from 'vitest'
import { siteHandler } from '../../src/serve.ts'
import { filesBelow } from '../support/site.ts'
import { runVerify } from '../support/verifyfaults.ts'
import { buildVerifySite } from '../support/verifysite.ts'

let site: string

beforeAll(async () => {
  site = await buildVerifySite({ access: 'public', host: 'nginx', gatekeeper: true })
})

const plain = (path: string) => path.replaceAll('!', '').toLowerCase()
const prefixes = ['go.example.com', 'github.com/acme', 'git.example.com/~me']
const isBelow = (path: string) => prefixes.some((prefix) => plain(path).startsWith(`${prefix}/`))

test.for<readonly [name: string, isKept: (path: string) => boolean, codes: readonly string[]]>([
  ['as it should be', isBelow, []],
  [
    'with a rule that has no end',
    (path) => prefixes.some((each) => plain(path).startsWith(each)),
    ['missing-answered'],
  ],
  [
    'for the whole of a host',
    (path) => isBelow(path) || path.startsWith('github.com/'),
    ['missing-answered'],
  ],
  ['for everything', () => true, ['missing-answered', 'missing-forbidden']],
  [
    'that minds letter case',
    (path) => prefixes.some((each) => path.startsWith(`${each}/`)),
    ['gatekeeper-open'],
  ],
  ['for names right below', (path) => isBelow(path) && !/(?:\/[^/]+){5}\/@v/.test(path), ['gatekeeper-open']],
  [
    'for all prefixes but one',
    (path) => isBelow(path) && !path.startsWith('go.example'),
    ['gatekeeper-open'],
  ],
])('a gatekeeper %s', async ([, isKept, codes]) => {
  const files = new Set(filesBelow(site))
  const inner = siteHandler(site)
  const server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '').slice(1))
    const isOpen = !path.includes('/@v/') || files.has(path) || !isKept(path)
    if (isOpen) inner(request, response)
    else response.writeHead(path.endsWith('/@v/list') ? 200 : 403).end()
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  try {
    const [, problems] = await runVerify([`http://127.0.0.1:${port}`])
    expect(problems.map(({ code }) => code)).toEqual(codes)
    for (const { hint } of problems) expect(hint).toContain('-/host/')
  } finally {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  }
})
