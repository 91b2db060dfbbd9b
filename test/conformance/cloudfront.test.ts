/**
 * The files that modpress writes for CloudFront, followed by a stand-in for it:
 * the functions over all paths of a site, and the real go through all of it,
 * alone and in a chain in which nothing private gets further.
 */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { renderHostFiles } from '../../src/hosts/files.ts'
import { siteHandler } from '../../src/serve.ts'
import { makeSecond, workInChain } from '../support/chain.ts'
import {
  cdnHandler,
  type Distribution,
  type FunctionRequest,
  type FunctionResponse,
  keyOfUser,
  loadFunction,
} from '../support/cloudfront.ts'
import { createGo, type Go } from '../support/gorun.ts'
import { errorAnswers, type Hosted, makeHosted } from '../support/hosted.ts'
import { filesBelow } from '../support/site.ts'
import { startTlsNetwork, type TlsNetwork } from '../support/tls.ts'
import { missingParts } from '../support/webserver.ts'

const siteOf = {
  url: 'https://go.example.com',
  prefix: 'go.example.com',
  prefixes: ['github.com/Acme'],
  host: 'cloudfront',
  access: 'private',
  gatekeeper: true,
} as const

/** Returns what modpress writes, by the names of the files. */
function filesFor(more: Partial<Record<keyof typeof siteOf, unknown>> = {}): Record<string, string> {
  const site = { ...siteOf, ...more } as typeof siteOf
  return Object.fromEntries(
    renderHostFiles(site).map(({ path, body }) => [path.replace('-/host/', ''), String(body)]),
  )
}

const [user, password] = ['reader', 'a: b+ü']
const keys = new Set([keyOfUser(user, password)])
const authorization = (text: string) => ({
  authorization: { value: `Basic ${Buffer.from(text).toString('base64')}` },
})
const good = authorization(`${user}:${password}`)

/** Asks a function for a path. Returns where it leads, or the status of its answer. */
function asker(source: string | undefined): (uri: string) => Promise<string | number> {
  const run = loadFunction(source ?? '', keys)
  return async (uri) => {
    const result = await run({ method: 'GET', uri, headers: good })
    return 'statusCode' in result ? result.statusCode : result.uri
  }
}

/** S3 decodes the path of an address so. */
const keyOf = (uri: string | number) => decodeURIComponent(String(uri).replaceAll('+', ' '))

describe.skipIf(missingParts('git', 'go', 'openssl') !== undefined)('CloudFront', () => {
  let dir = ''
  let hosted: Hosted
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'cloudfront-'))
    hosted = await makeHosted(dir, { host: 'cloudfront', gatekeeper: true })
  })
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  test.for(['', '/go'])(
    'every file and page of a site at "%s" is found by all its spellings',
    async (base) => {
      const ask = asker(filesFor({ url: `https://go.example.com${base}` })['viewer-request.js'])
      const files = filesBelow(hosted.site)
      expect(files.length).toBeGreaterThan(80)
      for (const path of files) {
        const whole = `${base}/${path}`
        const encoded = whole.split('/').map(encodeURIComponent).join('/')
        const asGo = encoded.replaceAll('!', '%21').replaceAll('%2B', '+').replaceAll('%40', '@')
        const [, page] = /^(.*)\/index\.html$/.exec(whole) ?? []
        const pages = page === undefined ? [] : [page, `${page}/`]
        for (const address of [whole, encoded, asGo, ...pages.filter((each) => each !== '')]) {
          expect([address, keyOf(await ask(address))]).toEqual([address, whole])
        }
      }
    },
  )

  test.for([
    ['/', '/index.html'],
    ['/nowhere', '/nowhere/index.html'],
    ['/example.com/x.info', '/example.com/x.info/index.html'],
    ['/gopkg.in/yaml.v3/', '/gopkg.in/yaml.v3/index.html'],
    ['/a/@v', '/a/@v/index.html'],
    ['/a/@v/v2.0.0+incompatible.info', '/a/@v/v2.0.0+incompatible.info'],
    ['/robots.txt', '/robots.txt'],
    ['/.nojekyll', '/.nojekyll'],
    ['/-/all/github.com,acme', '/-/all/github.com,acme/index.html'],
    ['/-/style.css', '/-/style.css'],
    ['/sumdb/go.example.com/latest', '/sumdb/go.example.com/latest'],
    ['/%E0%A4%A', 400],
  ] as const)('%s is the object %s', async ([address, key]) => {
    for (const access of ['private', 'public']) {
      const found = await asker(filesFor({ access })['viewer-request.js'])(address)
      expect(typeof found === 'number' ? found : keyOf(found)).toBe(key)
    }
  })

  test('whoever has no password is told so, whatever is asked', async () => {
    const run = loadFunction(filesFor()['viewer-request.js'] ?? '', keys)
    const bad: FunctionRequest['headers'][] = [
      {},
      { authorization: { value: '' } },
      { authorization: { value: 'Basic' } },
      { authorization: { value: 'Basic ' } },
      { authorization: { value: 'Basic *' } },
      { authorization: { value: good.authorization.value.replace('Basic', 'Bearer') } },
      { authorization: { value: `${good.authorization.value}, Basic x` } },
      { authorization: { value: [...keys].join('') } },
      ...['', ':', user, `${user}:`, `:${password}`, `${user}:wrong`, `other:${password}`].map(authorization),
    ]
    for (const headers of bad) {
      for (const uri of ['/', '/m/@v/list', '/m/@v/v1.0.0.zip', '/nowhere', '/%']) {
        for (const method of ['GET', 'HEAD']) {
          const answer = (await run({ method, uri, headers })) as FunctionResponse
          expect([headers, uri, answer.statusCode]).toEqual([headers, uri, 401])
          expect(answer.headers).toMatchObject({
            'content-type': { value: 'text/plain; charset=utf-8' },
            'cache-control': { value: 'no-store' },
            'www-authenticate': { value: expect.stringContaining('Basic') },
          })
          expect(answer.body.data).toContain('asks for a user and a password')
        }
      }
    }
  })

  test('who has it gets through, and it goes no further', async () => {
    const run = loadFunction(filesFor()['viewer-request.js'] ?? '', keys)
    for (const scheme of ['Basic', 'basic', 'BASIC ']) {
      const value = good.authorization.value.replace('Basic', scheme)
      const headers = { authorization: { value }, host: { value: 'go.example.com' } }
      const passed = await run({ method: 'HEAD', uri: '/m/@v/list', headers })
      expect(passed).toMatchObject({ method: 'HEAD', uri: '/m/%40v/list', headers: { host: headers.host } })
      expect(passed.headers).not.toHaveProperty('authorization')
    }
  })

  test('without its key value store nobody gets in', async () => {
    const run = loadFunction(filesFor()['viewer-request.js'] ?? '')
    await expect(run({ method: 'GET', uri: '/', headers: good })).rejects.toThrow('no key value store')
  })

  test('the key of a reader is what the command beside the function makes', () => {
    const [, command = ''] = /^\/\/ {3}(printf .*)$/m.exec(filesFor()['viewer-request.js'] ?? '') ?? []
    const made = execFileSync('sh', ['-c', command.replace('USER:PASSWORD', 'reader:correct horse')])
    expect(made.toString().trim()).toBe(keyOfUser('reader', 'correct horse'))
    expect(readFileSync(new URL('../../docs/hosting.md', import.meta.url), 'utf8')).toContain(
      command.replace("'USER:PASSWORD'", '"reader:$password"'),
    )
  })

  test('two hundred prefixes fit into a function', () => {
    const prefixes = Array.from({ length: 200 }, (_, each) => `github.com/organisation-${each}`)
    expect(() => loadFunction(filesFor({ prefixes })['gatekeeper.js'] ?? '')).not.toThrow()
  })

  test('descriptions count what they list, as CloudFront demands, and name only what is there', () => {
    for (const gatekeeper of [true, false]) {
      for (const [name, text] of Object.entries(filesFor({ gatekeeper }))) {
        if (!name.endsWith('.json')) continue
        const isCounted = (value: unknown): boolean => {
          if (typeof value !== 'object' || value === null) return true
          const { Quantity, Items } = value as { Quantity?: number; Items?: readonly unknown[] }
          if (Quantity !== undefined && Quantity !== (Items?.length ?? 0)) return false
          return Object.values(value).every(isCounted)
        }
        expect([name, isCounted(JSON.parse(text))]).toEqual([name, true])
      }
    }
    expect(JSON.parse(filesFor()['bucket-policy.json'] ?? '')).toMatchObject({
      Statement: [
        { Principal: { Service: 'cloudfront.amazonaws.com' }, Action: 's3:GetObject', Condition: {} },
        { Principal: { Service: 'cloudfront.amazonaws.com' }, Action: 's3:ListBucket', Condition: {} },
      ],
    })
  })

  describe('before a bucket', () => {
    let network: TlsNetwork
    let second = ''
    const gos: Go[] = []

    const cdnFor = (gatekeeper: boolean): RequestListener => {
      const files = filesFor({ gatekeeper })
      return cdnHandler({
        bucket: hosted.site,
        access: 'private',
        distribution: JSON.parse(files['distribution.json'] ?? '') as Distribution,
        viewerRequest: loadFunction(files['viewer-request.js'] ?? '', keys),
        ...(files['gatekeeper.js'] === undefined ? {} : { gatekeeper: loadFunction(files['gatekeeper.js']) }),
      })
    }
    beforeAll(async () => {
      second = await makeSecond(join(dir, 'public'))
      network = await startTlsNetwork(join(dir, 'tls'), {
        'go.example.com': cdnFor(true),
        'open.example.com': cdnFor(false),
        'second.example.net': siteHandler(second),
      })
    })
    afterAll(async () => {
      await Promise.all(gos.map((go) => go.close()))
      await network?.close()
    })

    const openGo = async (proxy: string, secret = 'simple'): Promise<Go> => {
      keys.add(keyOfUser(user, 'simple'))
      const netrc = join(mkdtempSync(join(dir, 'go-')), 'netrc')
      const hosts = ['go.example.com', 'open.example.com']
      writeFileSync(netrc, hosts.map((host) => `machine ${host} login ${user} password ${secret}\n`).join(''))
      const go = await createGo({ proxy, env: { ...network.env, GOAUTH: 'netrc', NETRC: netrc } })
      gos.push(go)
      return go
    }

    test.for(['go.example.com', 'open.example.com'])('go fetches every version from %s', async (host) => {
      const go = await openGo(`https://${host}`)
      const downloads = await go.download(hosted.versions)
      expect(downloads.map(({ query, error, zip }) => [query, error, zip !== undefined])).toEqual(
        hosted.versions.map((query) => [query, undefined, true]),
      )
    })

    test('a wrong password stops go, and it says why', async () => {
      const go = await openGo('https://go.example.com,https://second.example.net', 'wrong')
      network.requests.length = 0
      const { status, stderr } = await go.run(['list', '-m', 'github.com/Acme/sample@v1.0.0'])
      expect(status).toBe(1)
      expect(stderr).toContain(
        '401 Unauthorized\n\tserver response: this registry asks for a user and a password',
      )
      expect(network.requests.filter((each) => each.includes('second.'))).toEqual([])
    })

    test('in a chain nothing private reaches the second proxy', async () => {
      const go = await openGo('https://go.example.com,https://second.example.net')
      network.requests.length = 0
      await workInChain(go)
      const further = network.requests.filter((each) => each.startsWith('GET second.'))
      expect(further).toContain('GET second.example.net/example.net/public/@v/v1.3.1.zip')
      expect(further.filter((each) => !each.startsWith('GET second.example.net/example.net/'))).toEqual([])
      expect(network.strays).toEqual([])
    })

    test('errors are those of all servers with a gatekeeper', async () => {
      const handle = cdnFor(true)
      const answers = []
      for (const [path] of errorAnswers) answers.push(await askHandler(handle, path))
      const said = answers.map(({ status, type, cache, body }, index) => {
        const [path, , says = ''] = errorAnswers[index] ?? []
        const isPage = says === 'html'
        const isRight = isPage ? type === 'text/html; charset=utf-8' : type === 'text/plain; charset=utf-8'
        const isSaid = isPage || (says === '' ? body === '' : body.includes(says))
        return [path, status, isRight, isSaid, status === 200 || cache === 'no-store']
      })
      expect(said).toEqual(errorAnswers.map(([path, status]) => [path, status, true, true, true]))
    })

    test('without a gatekeeper errors are the page for what is missing', async () => {
      const answer = await askHandler(cdnFor(false), '/github.com/!acme/secret/@v/list')
      const body = readFileSync(join(hosted.site, '404.html'), 'utf8')
      expect(answer).toMatchObject({ status: 404, type: 'text/html; charset=utf-8', body })
    })
  })
})

interface Asked {
  readonly status: number
  readonly type: string | null
  readonly cache: string | null
  readonly body: string
}

/** Asks a handler without a network. */
async function askHandler(handle: RequestListener, path: string): Promise<Asked> {
  const { createServer } = await import('node:http')
  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { readonly port: number }
  try {
    const headers = { Authorization: good.authorization.value }
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers })
    return {
      status: response.status,
      type: response.headers.get('content-type'),
      cache: response.headers.get('cache-control'),
      body: await response.text(),
    }
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}
