/**
 * The store in a bucket: the suite of all stores on other people's storages,
 * and on a stub of our own what none of those does.
 */

import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { FatalError } from '../../src/problem.ts'
import { openS3Store, parseS3Target, type S3Options, type S3Store } from '../../src/store/s3.ts'
import type { Store } from '../../src/store/store.ts'
import { makeDirectory } from '../support/repo.ts'
import { missingServer, type S3Server, type S3ServerKind, startS3Server } from '../support/s3server.ts'
import { type S3Stub, type StubRequest, startS3Stub } from '../support/s3stub.ts'
import { testStore } from '../support/store.ts'

const quick = { tries: 4, backoffMs: 2 }
const incompatible = 'example.com/m/@v/v2.0.0+incompatible.info'
const twin = 'example.com/m/@v/v2.0.0 incompatible.info'

/** What is asked of each storage beside the suite. */
const servers: Readonly<Record<S3ServerKind, { readonly writers: 'many' | 'single' }>> = {
  gofakes3: { writers: 'many' },
  versitygw: { writers: 'many' },
  s3rver: { writers: 'single' },
}

for (const [kind, { writers }] of Object.entries(servers) as [
  S3ServerKind,
  { writers: 'many' | 'single' },
][]) {
  const reason = missingServer(kind)
  describe.skipIf(reason !== undefined)(`${kind}${reason === undefined ? '' : ` (${reason})`}`, () => {
    let server: S3Server
    let count = 0
    beforeAll(async () => {
      server = await startS3Server(kind)
    })
    afterAll(() => server?.close())
    /** A prefix of its own is an empty store, but for the file that is the probe. */
    const open = async (options: Partial<S3Options> = {}): Promise<S3Store> => {
      const target = { bucket: server.bucket, prefix: `site-${count++}/deep` }
      const store = await openS3Store(target, { env: server.env, writers, backoffMs: 20, ...options })
      await store.remove(probeFile)
      return store
    }

    testStore(kind, open)

    test('conditional writes are found out by a file that every site has', async () => {
      const target = { bucket: server.bucket, prefix: `site-${count++}` }
      const many = openS3Store(target, { env: server.env, ...quick })
      if (writers === 'many') expect(await listed(await many)).toEqual([probeFile])
      else await expectFailure(many, 'store-unconditional', 'overwrites')
      const store = await openS3Store(target, { env: server.env, writers: 'single' })
      expect(await store.probe()).toBe(writers === 'many' ? 'conditional' : 'unconditional')
      expect(await listed(store)).toEqual([probeFile])
      expect((await store.get(probeFile))?.body).toHaveLength(0)
    })

    test('a twin is beside each file with a plus, and goes with it', async () => {
      const store = await open()
      await store.create(incompatible, bytes('1'))
      expect(await textOf(store, twin)).toBe('1')
      const { tag } = (await store.get(incompatible)) ?? {}
      await store.replace(incompatible, bytes('2'), tag)
      expect(await textOf(store, twin)).toBe('2')
      expect(await listed(store)).toEqual([incompatible])
      expect(await store.remove(incompatible, await store.tag(incompatible))).toBe('removed')
      expect(await store.get(twin)).toBeUndefined()
      expect(store.written).toEqual({ files: 2, bytes: 2 })
    })

    // The tokens of s3rver's pages need a cipher that Node no longer has: there it is one page.
    test('a list is as long as it is, over its pages', async () => {
      const store = await open()
      const nameOf = (index: number) => `d/${String(index).padStart(4, '0')}${index % 100 === 0 ? '+' : ''}`
      const length = kind === 's3rver' ? 900 : 1001
      const paths = Array.from({ length }, (_, index) => nameOf(index))
      for (let at = 0; at < paths.length; at += 50) {
        await Promise.all(paths.slice(at, at + 50).map((path) => store.create(path, bytes('x'))))
      }
      expect(await listed(store)).toEqual(paths)
      const tag = await store.tag('d/0100+')
      const tags: (string | undefined)[] = []
      for await (const file of store.list('d')) tags.push(file.tag)
      expect(new Set(tags)).toEqual(new Set([tag]))
    })

    test('a large body waits in a file that has no name, and never sits in memory', async () => {
      const dir = ownTemporaryDirectory()
      const store = await open()
      const chunk = new Uint8Array(1024 * 1024)
      async function* large(): AsyncGenerator<Uint8Array> {
        for (let index = 0; index < 100; index++) yield chunk.fill(index)
        expect(readdirSync(dir)).toEqual([])
      }
      const before = process.memoryUsage().arrayBuffers
      let peak = 0
      const timer = setInterval(() => {
        peak = Math.max(peak, process.memoryUsage().arrayBuffers)
      }, 5)
      onTestFinished(() => clearInterval(timer))
      expect(await store.create('large.zip', large())).toBe('created')
      expect((peak - before) / chunk.byteLength).toBeLessThan(60)
      const sent = store.traffic.sentBytes
      expect(await store.create('large.zip', large())).toBe('exists')
      expect(store.traffic.sentBytes).toBe(sent)
      let size = 0
      for await (const part of (await store.stream('large.zip')) ?? []) size += part.byteLength
      expect(size).toBe(100 * 1024 * 1024)
      expect(readdirSync(dir)).toEqual([])
    })

    test('a wrong bucket and a wrong key are told before any work', async () => {
      const target = { bucket: 'elsewhere', prefix: '' }
      await expectFailure(
        openS3Store(target, { env: server.env, writers, ...quick }),
        'store-failed',
        'NoSuchBucket',
      )
      const env = { ...server.env, AWS_SECRET_ACCESS_KEY: 'canary-wrong-secret' }
      const denied = openS3Store({ bucket: server.bucket, prefix: '' }, { env, writers, ...quick })
      // The others check no signatures.
      if (kind !== 'versitygw') await denied
      else await expectFailure(denied, 'store-failed', 'SignatureDoesNotMatch')
    })
  })
}

describe('on a stub', () => {
  test('what go asks with a raw plus is found, with the same type and lifetime', async () => {
    const { stub, store } = await openStub({ access: 'public' })
    await store.create(incompatible, bytes('{}'))
    const response = await fetch(`${stub.url}/${stub.bucket}/${incompatible}`, {
      headers: { authorization: 'AWS4-HMAC-SHA256 none' },
    })
    expect(await response.text()).toBe('{}')
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(stub.objects.get(twin)?.headers).toEqual(stub.objects.get(incompatible)?.headers)
  })

  test('what is replaced lives for a minute, and by default no cache but the reader has it', async () => {
    const { stub, store } = await openStub()
    await store.create('m/@v/v1.0.0.zip', bytes('1'))
    await store.replace('m/@v/list', bytes('1'), undefined)
    await store.replace('m/@v/v1.0.1.info', bytes('1'), undefined)
    await store.replace('404.html', bytes('1'), undefined)
    expect([...stub.objects].map(([, { headers }]) => Object.values(headers))).toEqual([
      ['application/zip', 'private, max-age=31536000, immutable'],
      ['text/plain; charset=utf-8', 'private, max-age=60'],
      ['application/json', 'private, max-age=60'],
      ['text/html; charset=utf-8', 'no-store'],
    ])
  })

  test('each call costs the requests that it must', async () => {
    const { stub, store } = await openStub()
    expect(await requestsOf(stub, () => store.create('a', bytes('1')))).toEqual(['PUT a'])
    expect(await requestsOf(stub, () => store.create('a', bytes('2')))).toEqual(['PUT a'])
    const tag = await store.tag('a')
    stub.take()
    expect(await requestsOf(stub, () => store.replace('a', bytes('1'), tag))).toEqual([])
    expect(await requestsOf(stub, () => store.replace('a', bytes('2'), tag))).toEqual(['PUT a'])
    expect(await requestsOf(stub, () => store.replace('a', bytes('3'), 'theirs'))).toEqual([])
    expect(await requestsOf(stub, () => store.remove('a'))).toEqual(['DELETE a'])
    expect(await requestsOf(stub, () => store.create('a+', bytes('1')))).toEqual(['PUT a+', 'PUT a '])
    expect(await requestsOf(stub, () => store.create('a+', bytes('1')))).toEqual(['PUT a+', 'HEAD a '])
    const { requests, sentBytes, receivedBytes } = store.traffic
    expect(requests).toBe(stub.requests.length)
    expect(sentBytes).toBe(stub.requests.reduce((sum, { size }) => sum + size, 0))
    expect(receivedBytes).toBeGreaterThan(0)
  })

  test('a publisher that was killed before the twin leaves it to the next who creates', async () => {
    const { stub, store } = await openStub()
    await store.create(incompatible, bytes('first'))
    stub.objects.delete(twin)
    expect(await store.create(incompatible, bytes('second'))).toBe('exists')
    expect(stub.objects.get(twin)).toEqual(stub.objects.get(incompatible))

    const page = 'm@v2.0.0+incompatible/index.html'
    await store.replace(page, bytes('1'), undefined)
    for (const left of [undefined, { body: Buffer.from('0'), tag: '"0"', headers: {} }]) {
      if (left === undefined) stub.objects.delete(page.replace('+', ' '))
      else stub.objects.set(page.replace('+', ' '), left)
      expect(await store.replace(page, bytes('1'), await store.tag(page))).toMatchObject({
        result: 'unchanged',
      })
      expect(stub.objects.get(page.replace('+', ' '))?.body.toString()).toBe('1')
    }
  })

  test('of two who replace a file with a twin the last one decides about both', async () => {
    const { stub, store } = await openStub()
    await store.replace('a+', bytes('0'), undefined)
    const tag = await store.tag('a+')
    // While the first is about to write its twin, the second writes the file and its twin.
    stub.before(isTwinPut, async () => {
      const other = await reopen(stub)
      expect(await other.replace('a+', bytes('2'), await other.tag('a+'))).toMatchObject({
        result: 'replaced',
      })
    })
    expect(await store.replace('a+', bytes('1'), tag)).toMatchObject({ result: 'replaced' })
    expect(stub.objects.get('a+')?.body.toString()).toBe('2')
    expect(stub.objects.get('a ')?.body.toString()).toBe('2')
  })

  test('a file that is replaced while it is removed keeps its twin', async () => {
    const { stub, store } = await openStub()
    await store.replace('a+', bytes('0'), undefined)
    const tag = await store.tag('a+')
    stub.before(
      ({ method, key }) => method === 'DELETE' && key === 'a ',
      async () => {
        const other = await reopen(stub)
        await other.replace('a+', bytes('1'), tag)
      },
    )
    expect(await store.remove('a+', tag)).toBe('conflict')
    expect(stub.objects.get('a ')?.body.toString()).toBe('1')
  })

  test.for(['honour', 'refuse'] as const)(
    'a removal is conditional where it can be: %s',
    async (conditions) => {
      const { stub, store } = await openStub()
      stub.deleteConditions = conditions
      await store.create('a', bytes('1'))
      expect(await store.remove('a', await store.tag('a'))).toBe('removed')
      expect(stub.objects.has('a')).toBe(false)
    },
  )

  test('a file may have a space in its name, and is hidden only beside its plus', async () => {
    const { store, stub } = await openStub({ pageSize: 3 })
    const paths = ['a b', 'a b!', 'a!c', 'a b c', 'x y/z', 'x!', 'x+y/z', 'p q+r', 'p+q+r', 'p q r', 'z']
    for (const path of paths) await store.create(path, bytes(path))
    stub.objects.set('folder/', { body: Buffer.alloc(0), tag: '"0"', headers: {} })
    expect(await listed(store)).toEqual(
      ['a b', 'a b c', 'a b!', 'a!c', 'p q+r', 'p+q+r', 'x!', 'x+y/z', 'z'].sort((a, b) =>
        Buffer.compare(Buffer.from(a), Buffer.from(b)),
      ),
    )
  })

  test('a key that may not list is told which right it lacks', async () => {
    const { stub, store } = await openStub()
    stub.mayList = false
    for (const ask of [() => store.get('a'), () => store.tag('a'), () => store.stream('a')]) {
      const { hint } = await expectFailure(ask(), 'store-failed', '403')
      expect(hint).toContain('s3:ListBucket')
    }
  })

  test('a create that meets another one asks again, and then sees what is there', async () => {
    const { stub, store } = await openStub()
    const race = { status: 409, code: 'ConditionalRequestConflict' }
    stub.fail(isPut, race, 2)
    expect(await store.create('a', bytes('1'))).toBe('created')
    stub.fail(isPut, race, 4)
    expect(await store.create('a', bytes('1'))).toBe('exists')
    stub.fail(isPut, race, 4)
    expect(await store.replace('a', bytes('2'), await store.tag('a'))).toEqual({ result: 'conflict' })
    stub.fail(isPut, race, 4)
    await expectFailure(store.create('b', bytes('1')), 'store-failed', '409')
    stub.fail(isPut, { status: 409, code: 'ExistingObjectIsDirectory' }, 4)
    stub.take()
    await expectFailure(
      store.replace('c', bytes('1'), undefined),
      'store-failed',
      'ExistingObjectIsDirectory',
    )
    expect(stub.take()).toEqual([...Array(4).fill('PUT c'), 'HEAD c'])
  })

  test('a burst of refusals, a cut connection and an error of the server are waited out', async () => {
    const { stub, store } = await openStub()
    stub.fail(isPut, { status: 503, code: 'SlowDown' }, 3)
    expect(await store.create('a', streamed('1'))).toBe('created')
    stub.fail(isGet, 'cut', 3)
    expect(await textOf(store, 'a')).toBe('1')
    stub.fail(isGet, { status: 500, code: 'InternalError' }, 2)
    expect(await textOf(store, 'a')).toBe('1')
    stub.fail(({ key }) => key === '', { status: 429 }, 1)
    expect(await listed(store)).toEqual(['a'])
    stub.fail(isGet, { status: 503, code: 'SlowDown' }, 4)
    await expectFailure(store.get('a'), 'store-failed', 'GET a in s3://modules: 503 SlowDown.')
    stub.fail(isGet, 'cut', 4)
    await expectFailure(store.get('a'), 'store-failed', 'cannot be reached')
  })

  test('a write whose answer was lost is known as our own', async () => {
    const { stub, store } = await openStub()
    for (const body of [bytes, streamed]) {
      stub.fail(isPut, 'lost')
      expect(await store.create(`a/${body.name}`, body('1'))).toBe('created')
    }
    stub.fail(isPut, 'lost')
    const replaced = await store.replace('list', bytes('1'), undefined)
    expect(replaced).toEqual({ result: 'replaced', tag: await store.tag('list') })
    stub.fail(isPut, 'lost')
    expect(await store.replace('list', bytes('2'), (await store.tag('list')) ?? '')).toMatchObject({
      result: 'replaced',
    })
    stub.fail(({ method }) => method === 'DELETE', 'lost')
    expect(await store.remove('list', await store.tag('list'))).toBe('removed')
    expect(store.written.files).toBe(4)
  })

  test("a write that was not carried out, and met another's on its second try, is not our own", async () => {
    const { stub, store } = await openStub()
    stub.fail(isPut, 'cut')
    stub.before(isPut, async () => {
      const other = await reopen(stub, 'single')
      await other.create('a', bytes('theirs'))
    })
    expect(await store.create('a', bytes('ours'))).toBe('exists')
    expect(await textOf(store, 'a')).toBe('theirs')
  })

  test('a file that is cut on its way is read on from there', async () => {
    const { stub, store } = await openStub()
    const body = Buffer.alloc(300_000, 'piece by piece')
    await store.create('a', body)
    for (const cut of [100_000, 0, 50_000]) stub.fail(isGet, { bytes: cut })
    const parts: Uint8Array[] = []
    for await (const part of (await store.stream('a')) ?? []) parts.push(part)
    expect(Buffer.concat(parts).equals(body)).toBe(true)
    expect(stub.requests.filter(isGet).map(({ headers }) => headers.range)).toEqual([
      undefined,
      'bytes=100000-',
      'bytes=100000-',
      'bytes=150000-',
    ])
    stub.fail(isGet, { bytes: 100_000 })
    expect((await store.get('a'))?.body.byteLength).toBe(300_000)
  })

  test('a file that is another one when it is read on is no mixture of both', async () => {
    const { stub, store } = await openStub()
    await store.create('a', Buffer.alloc(300_000, 'a'))
    stub.fail(isGet, { bytes: 100_000 })
    const chunks = (await store.stream('a')) ?? []
    await store.replace('a', bytes('b'), await store.tag('a'))
    const reading = (async () => {
      for await (const _ of chunks);
    })()
    await expectFailure(reading, 'store-failed', '412')
  })

  test('a storage that does not answer is given up', async () => {
    const { stub, store } = await openStub({ timeoutMs: 60 })
    stub.fail(isGet, 'silent', 4)
    await expectFailure(store.get('a'), 'store-failed', 'did not answer within 1 s')
  })

  test('an abort ends a request that waits, and leaves nothing', async () => {
    const { stub, store } = await openStub()
    const abort = new AbortController()
    stub.fail(isPut, 'silent')
    stub.before(isPut, () => abort.abort())
    await expect(store.create('a', streamed('1'), { signal: abort.signal })).rejects.toThrow(/abort/)
    const all = new AbortController()
    const other = await openS3Store(targetOf(stub), { env: stub.env, signal: all.signal, ...quick })
    stub.fail(isGet, 'silent')
    stub.before(isGet, () => all.abort())
    await expect(other.get('a')).rejects.toThrow(/abort/)
    await expect(other.get('a')).rejects.toThrow(/abort/)
  })

  test('tags that are no hash of the bytes cost a look, and nothing else', async () => {
    const { stub, store } = await openStub()
    stub.tags = 'random'
    await store.create('list', bytes('1'))
    const read = await store.get('list')
    stub.take()
    expect(await store.replace('list', bytes('1'), read?.tag)).toMatchObject({ result: 'unchanged' })
    expect(stub.take()).toEqual([])
    stub.fail(isPut, 'lost')
    expect(await store.create('a', bytes('1'))).toBe('exists')
    stub.fail(isPut, 'lost')
    expect(await store.replace('list', bytes('2'), read?.tag)).toEqual({ result: 'conflict' })
    const plus = await store.replace('a+', bytes('1'), undefined)
    expect(await store.replace('a+', bytes('2'), 'tag' in plus ? plus.tag : '')).toMatchObject({
      result: 'replaced',
    })
    expect(stub.objects.get('a ')?.body.toString()).toBe('2')
  })

  test.for(['ignore', 'refuse'] as const)(
    'a storage is refused whose conditions are: %s',
    async (conditions) => {
      const stub = await startStub()
      stub.conditions = conditions
      const { hint } = await expectFailure(
        openS3Store(targetOf(stub), { env: stub.env, ...quick }),
        'store-unconditional',
        's3://modules',
      )
      expect(hint).toContain('--assume-single-writer')
      expect([...stub.objects.keys()].length).toBeLessThan(2)
      stub.objects.clear()

      stub.take()
      const store = await reopen(stub, 'single')
      expect(await store.create('a', bytes('1'))).toBe('created')
      expect(await store.create('a', bytes('2'))).toBe('exists')
      const tag = await store.tag('a')
      expect(await store.replace('a', bytes('2'), tag)).toMatchObject({ result: 'replaced' })
      expect(await store.replace('a', bytes('3'), tag)).toEqual({ result: 'conflict' })
      expect(await store.remove('a', tag)).toBe('conflict')
      expect(await store.remove('a', await store.tag('a'))).toBe('removed')
      expect(stub.take().filter((request) => request.startsWith('HEAD'))).toHaveLength(8)
    },
  )

  test('a lost answer to the probe is no proof against the storage', async () => {
    const stub = await startStub()
    stub.fail(isPut, 'lost')
    const store = await reopen(stub)
    expect(await listed(store)).toEqual([probeFile])
  })

  test('who only reads needs only the right to read', async () => {
    const stub = await startStub()
    const store = await openS3Store(targetOf(stub), { env: stub.env, writers: 'none', ...quick })
    expect(stub.take()).toEqual(['GET '])
    await expect(store.create('a', bytes('1'))).rejects.toThrow('opened for reading')
    await expect(store.remove('a')).rejects.toThrow('opened for reading')
  })

  test('a bucket elsewhere is told with its region', async () => {
    const { stub, store } = await openStub()
    stub.fail(isGet, { status: 301, code: 'PermanentRedirect', region: 'eu-north-1' })
    const { hint } = await expectFailure(store.get('a'), 'store-failed', 'eu-north-1')
    expect(hint).toBe('Set AWS_REGION=eu-north-1.')
  })

  test('no failure tells a secret', async () => {
    const { stub, store } = await openStub()
    for (const status of [400, 403, 412, 500]) {
      stub.fail(isGet, { status, code: 'Odd' }, 4)
      const error = await store.get('a').catch((cause: unknown) => cause)
      expect(error).toBeInstanceOf(FatalError)
      const all = JSON.stringify([error, String(error), (error as Error).stack, Object(error).cause])
      expect(all).not.toMatch(/canary|Signature=|AWS4|Credential/)
    }
  })

  test('1 000 files are created at once', async () => {
    const { stub, store } = await openStub()
    const paths = Array.from({ length: 1000 }, (_, index) => `a/${index}`)
    const results = await Promise.all(paths.map((path) => store.create(path, bytes(path))))
    expect(results.every((result) => result === 'created')).toBe(true)
    expect(stub.objects.size).toBe(1000)
  })
})

describe('parseS3Target', () => {
  test.for([
    ['s3://modules', { bucket: 'modules', prefix: '' }],
    ['s3://modules/', { bucket: 'modules', prefix: '' }],
    ['s3://go.example.com/a/b', { bucket: 'go.example.com', prefix: 'a/b' }],
    ['s3://modules/a/', { bucket: 'modules', prefix: 'a' }],
  ] as const)('%s', ([text, target]) => {
    expect(parseS3Target(text)).toEqual(target)
  })

  test.for([
    ['modules', 'does not begin'],
    ['s3:/modules', 'does not begin'],
    ['https://modules', 'does not begin'],
    ['s3://', 'name of a bucket'],
    ['s3://Modules', 'name of a bucket'],
    ['s3://key:secret@modules', 'Credentials do not belong in a target'],
    ['s3://key:sec/ret@modules', 'Credentials do not belong in a target'],
    ['s3://modules?secret=x', '"s3://modules" is not a bucket'],
    ['s3://a..b', 'name of a bucket'],
    ['s3://modules//a', 'empty element'],
    ['s3://modules/a/../b', 'empty element'],
    ['s3://modules/a+b', 'means something else'],
    ['s3://modules/a?b', 'means something else'],
  ] as const)('%s is refused', ([text, reason]) => {
    const found = parseS3Target(text)
    expect(found).toMatchObject({ code: 'usage', message: expect.stringContaining(reason) })
    expect(JSON.stringify(found)).not.toContain('sec')
  })
})

/** Makes a directory the system's temporary one, for a test. */
function ownTemporaryDirectory(): string {
  const { TMPDIR: before } = process.env
  const dir = makeDirectory()
  onTestFinished(() => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
  })
  process.env['TMPDIR'] = dir
  return dir
}

async function startStub(): Promise<S3Stub> {
  const stub = await startS3Stub()
  onTestFinished(() => stub.close())
  return stub
}

interface Stubbed {
  readonly stub: S3Stub
  readonly store: S3Store
}

/** Opens a store on a stub of its own; what opening takes is done. */
async function openStub({
  pageSize = 1000,
  ...options
}: Partial<S3Options> & { readonly pageSize?: number } = {}): Promise<Stubbed> {
  const stub = await startStub()
  stub.pageSize = pageSize
  const store = await openS3Store(targetOf(stub), { env: stub.env, ...quick, ...options })
  stub.objects.clear()
  stub.take()
  return { stub, store }
}

const probeFile = '.nojekyll'

function reopen(stub: S3Stub, writers: 'many' | 'single' = 'many'): Promise<S3Store> {
  return openS3Store(targetOf(stub), { env: stub.env, writers, ...quick })
}

function targetOf({ bucket }: S3Stub): { readonly bucket: string; readonly prefix: string } {
  return { bucket, prefix: '' }
}

function isPut({ method }: StubRequest): boolean {
  return method === 'PUT'
}

function isGet({ method, key }: StubRequest): boolean {
  return method === 'GET' && key !== ''
}

function isTwinPut({ method, key }: StubRequest): boolean {
  return method === 'PUT' && key.includes(' ')
}

async function requestsOf(stub: S3Stub, act: () => Promise<unknown>): Promise<string[]> {
  stub.take()
  await act()
  return stub.take()
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

async function* streamed(text: string): AsyncGenerator<Uint8Array> {
  yield bytes(text)
}

async function textOf(store: Store, path: string): Promise<string | undefined> {
  const file = await store.get(path)
  return file === undefined ? undefined : Buffer.from(file.body).toString()
}

async function listed(store: Store): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of store.list('')) paths.push(path)
  return paths
}

async function expectFailure(
  promise: Promise<unknown>,
  code: string,
  message: string,
): Promise<{ readonly hint: string }> {
  const error = await promise.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (!(error instanceof FatalError)) throw new Error('A FatalError was expected.', { cause: error })
  expect(error).toMatchObject({ exitCode: 2, problem: { code } })
  expect(error.problem.message).toContain(message)
  return error.problem
}
