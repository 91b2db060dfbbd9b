/**
 * verify finds nothing where a host does what modpress wrote for it: nginx,
 * Caddy, Apache and a stand-in for CloudFront, private and public, with a
 * gatekeeper and without one. Cloudflare's emulator has a test of its own
 * (cloudflare.test.ts), hosts that can only be imitated are in
 * test/verify/hosts.test.ts.
 */

import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Config } from '../../src/config/schema.ts'
import { cdnHandler, keyOfUser, loadFunction } from '../support/cloudfront.ts'
import { makeCertificate } from '../support/tls.ts'
import { runVerify } from '../support/verifyfaults.ts'
import { buildVerifySite } from '../support/verifysite.ts'
import {
  missingParts,
  partsOf,
  startWebServer,
  type WebServerName,
  webServerNames,
} from '../support/webserver.ts'

const [user, password] = ['reader', 'pa$$word:1']
const dir = mkdtempSync(join(tmpdir(), 'goodhosts-'))
let certificate: ReturnType<typeof makeCertificate>

beforeAll(() => {
  // A server that is started as root reads as somebody else.
  chmodSync(dir, 0o755)
  certificate = makeCertificate(join(dir, 'tls'), ['localhost'], 90)
  chmodSync(certificate.keyFile, 0o644)
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** The two that every rule is in or out of. */
const variants = [
  { access: 'private', gatekeeper: true },
  { access: 'public', gatekeeper: false },
] as const

interface Running {
  readonly url: string
  close(): Promise<unknown>
}

async function startServer(name: WebServerName, site: string, at: string): Promise<Running> {
  const file = { nginx: 'nginx.conf', caddy: 'Caddyfile', apache: 'apache.conf' }[name]
  const configuration = readFileSync(join(site, '-/host', file), 'utf8')
  const users = { [user]: password }
  return startWebServer(name, { dir: join(dir, at), configuration, root: site, ...certificate, users })
}

async function startCdn(site: string, access: 'private' | 'public'): Promise<Running> {
  const read = (name: string) => readFileSync(join(site, '-/host', name), 'utf8')
  const gatekeeper = access === 'private' ? { gatekeeper: loadFunction(read('gatekeeper.js')) } : {}
  const handler = cdnHandler({
    bucket: site,
    access,
    distribution: JSON.parse(read('distribution.json')),
    viewerRequest: loadFunction(read('viewer-request.js'), new Set([keyOfUser(user, password)])),
    ...gatekeeper,
  })
  const { keyFile, certificateFile } = certificate
  const server = createServer({ key: readFileSync(keyFile), cert: readFileSync(certificateFile) }, handler)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const close = () => {
    server.closeAllConnections()
    return new Promise((done) => server.close(done))
  }
  return { url: `https://localhost:${(server.address() as AddressInfo).port}`, close }
}

async function expectNothing(
  host: NonNullable<Config['host']>,
  variant: (typeof variants)[number],
  start: (site: string) => Promise<Running>,
): Promise<void> {
  const site = await buildVerifySite({ host, ...variant })
  chmodSync(join(site, '..'), 0o755)
  const server = await start(site)
  const credentials = variant.access === 'private' ? { MODPRESS_AUTH: `${user}:${password}` } : {}
  try {
    const env = { SSL_CERT_FILE: certificate.certificateFile, ...credentials }
    expect(await runVerify([server.url], { env, sample: 'all' })).toEqual([0, []])
  } finally {
    await server.close()
  }
}

describe.skipIf(missingParts('git', 'openssl') !== undefined)('nothing is found', () => {
  for (const name of webServerNames) {
    test.skipIf(missingParts(...partsOf(name)) !== undefined).for(variants)(`${name}: %o`, (variant) =>
      expectNothing(name, variant, (site) => startServer(name, site, `${name}-${variant.access}`)),
    )
  }

  test.for(variants)('cloudfront: %o', (variant) =>
    expectNothing('cloudfront', variant, (site) => startCdn(site, variant.access)),
  )
})
