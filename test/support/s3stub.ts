/**
 * An object storage in this process that does on demand what none of the
 * emulators does: it reads a raw "+" in a path as a space, as S3 itself; it
 * hides what is missing from those who may not list; and it fails, in each of
 * the ways that a network and a busy storage have.
 *
 * It checks no signatures: the emulators do.
 */

import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request as it arrived. */
export interface StubRequest {
  readonly method: string
  /** Decoded as S3 does it; "" for the bucket itself. */
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly size: number
}

/**
 * What happens to a request: an error is answered; or the connection is cut, before anything is done, or when all is
 * done and before it is said ('lost'), or within the body of the answer; or there is no answer at all.
 */
export type Fault =
  | { readonly status: number; readonly code?: string; readonly region?: string }
  | 'cut'
  | 'lost'
  | 'silent'
  | { readonly bytes: number }

export interface StubObject {
  readonly body: Buffer
  readonly tag: string
  readonly headers: Readonly<Record<string, string>>
}

export interface S3Stub {
  readonly url: string
  readonly bucket: string
  readonly env: Readonly<Record<string, string>>
  readonly objects: Map<string, StubObject>
  readonly requests: StubRequest[]
  /** Whether conditions are honoured, ignored as some storages do, or answered with 501 as others do. */
  conditions: 'honour' | 'ignore' | 'refuse'
  /** Those of DELETE, which came later. */
  deleteConditions: 'honour' | 'ignore' | 'refuse'
  /** Whether the key may list: without it what is missing is a 403. */
  mayList: boolean
  /** Of what an ETag is made: nobody's hash where a storage encrypts with keys of the user. */
  tags: 'md5' | 'random'
  /** How many keys a page of a list has. */
  pageSize: number
  /** Lets the next requests that match fail so. */
  fail(matches: (request: StubRequest) => boolean, fault: Fault, times?: number): void
  /** Runs before a matching request is carried out, once. */
  before(matches: (request: StubRequest) => boolean, act: () => Promise<void> | void): void
  /** Returns "METHOD key" of all requests since the last call. */
  take(): string[]
  close(): Promise<void>
}

interface Rule {
  readonly matches: (request: StubRequest) => boolean
  readonly fault?: Fault
  readonly act?: () => Promise<void> | void
  left: number
}

export async function startS3Stub(): Promise<S3Stub> {
  const rules: Rule[] = []
  const bucket = 'modules'
  const server = createServer((request, response) => {
    handle(request, response).catch((cause: unknown) => response.destroy(cause as Error))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let taken = 0
  const stub: S3Stub = {
    url,
    bucket,
    env: { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'canary-secret', AWS_ENDPOINT_URL_S3: url },
    objects: new Map(),
    requests: [],
    conditions: 'honour',
    deleteConditions: 'honour',
    mayList: true,
    tags: 'md5',
    pageSize: 1000,
    fail: (matches, fault, times = 1) => rules.push({ matches, fault, left: times }),
    before: (matches, act) => rules.push({ matches, act, left: 1 }),
    take: () => {
      const requests = stub.requests.slice(taken).map(({ method, key }) => `${method} ${key}`)
      taken = stub.requests.length
      return requests
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }

  async function handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of message) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const [path = '', search = ''] = (message.url ?? '').split('?')
    const request: StubRequest = {
      method: message.method ?? '',
      key: decodeURIComponent(path.replaceAll('+', ' ')).slice(bucket.length + 2),
      query: new URLSearchParams(search),
      headers: message.headers,
      size: body.length,
    }
    stub.requests.push(request)
    for (const rule of rules.filter(({ act }) => act !== undefined)) {
      if (rule.left <= 0 || !rule.matches(request)) continue
      rule.left -= 1
      await rule.act?.()
    }
    const rule = rules.find(({ left, matches, fault }) => fault !== undefined && left > 0 && matches(request))
    if (rule !== undefined) rule.left -= 1
    const fault = rule?.fault
    if (fault === 'silent') return
    if (fault === 'cut') {
      response.destroy()
      return
    }
    if (typeof fault === 'object' && 'status' in fault) {
      const { status, code = '', region } = fault
      if (region !== undefined) response.setHeader('x-amz-bucket-region', region)
      sendError(request, response, status, code)
      return
    }
    if (!message.headers.authorization?.startsWith('AWS4-HMAC-SHA256 ')) {
      sendError(request, response, 403, 'AccessDenied')
      return
    }
    if (fault === 'lost') {
      // The answer goes nowhere.
      const { socket } = response
      carryOut(request, body, { setHeader: () => {}, writeHead: () => ({ end: () => {} }) } as never)
      socket?.destroy()
      return
    }
    carryOut(request, body, response, fault?.bytes)
  }

  function carryOut(request: StubRequest, body: Buffer, response: ServerResponse, cutAt?: number): void {
    const { method, key, headers } = request
    if (key === '') {
      list(request, response)
      return
    }
    const current = stub.objects.get(key)
    if (method === 'GET' || method === 'HEAD') {
      if (current === undefined) {
        sendError(request, response, stub.mayList ? 404 : 403, stub.mayList ? 'NoSuchKey' : 'AccessDenied')
        return
      }
      if (headers['if-match'] !== undefined && headers['if-match'] !== current.tag) {
        sendError(request, response, 412, 'PreconditionFailed')
        return
      }
      const [, from] = /^bytes=(\d+)-$/.exec(headers.range ?? '') ?? []
      const content = current.body.subarray(Number(from ?? 0))
      const fields = { ...current.headers, etag: current.tag, 'content-length': content.length }
      response.writeHead(from === undefined ? 200 : 206, fields)
      if (method === 'HEAD') response.end()
      else if (cutAt === undefined) response.end(content)
      else response.write(content.subarray(0, cutAt), () => setTimeout(() => response.destroy(), 20))
      return
    }
    const { 'if-none-match': none, 'if-match': match } = headers
    const rule = method === 'PUT' ? stub.conditions : stub.deleteConditions
    if (none !== undefined || match !== undefined) {
      if (rule === 'refuse') {
        sendError(request, response, 501, 'NotImplemented')
        return
      }
      if (rule === 'honour' && match !== undefined && current === undefined && method === 'PUT') {
        sendError(request, response, 404, 'NoSuchKey')
        return
      }
      const holds = none === undefined ? current?.tag === match : current === undefined
      if (rule === 'honour' && !holds) {
        sendError(request, response, 412, 'PreconditionFailed')
        return
      }
    }
    if (method === 'DELETE') {
      stub.objects.delete(key)
      response.writeHead(204).end()
      return
    }
    const hash = createHash('md5').update(body).digest('hex')
    const tag = `"${stub.tags === 'md5' ? hash : randomUUID().replaceAll('-', '')}"`
    const kept = ['content-type', 'cache-control'].flatMap((name) => {
      const value = headers[name]
      return typeof value === 'string' ? [[name, value]] : []
    })
    stub.objects.set(key, { body, tag, headers: Object.fromEntries(kept) })
    response.writeHead(200, { etag: tag }).end()
  }

  function list({ query }: StubRequest, response: ServerResponse): void {
    const prefix = query.get('prefix') ?? ''
    const after = query.get('continuation-token') ?? ''
    const keys = [...stub.objects.keys()]
      .filter((key) => key.startsWith(prefix))
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .filter((key) => Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0)
    const page = keys.slice(0, Math.min(stub.pageSize, Number(query.get('max-keys') ?? 1000)))
    const isTruncated = page.length < keys.length
    const contents = page.map((key) => {
      const tag = escapeXml(stub.objects.get(key)?.tag ?? '')
      return `<Contents><Key>${escapeXml(key)}</Key><ETag>${tag}</ETag><Size>1</Size></Contents>`
    })
    const next = `<NextContinuationToken>${escapeXml(page.at(-1) ?? '')}</NextContinuationToken>`
    response.setHeader('content-type', 'application/xml')
    response
      .writeHead(200)
      .end(
        `<?xml version="1.0"?><ListBucketResult><IsTruncated>${isTruncated}</IsTruncated>${isTruncated ? next : ''}${contents.join('')}</ListBucketResult>`,
      )
  }

  return stub
}

function sendError({ method }: StubRequest, response: ServerResponse, status: number, code: string): void {
  const text = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>canary-message</Message></Error>`
  response.writeHead(status, { 'content-type': 'application/xml' }).end(method === 'HEAD' ? undefined : text)
}

function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"]|[^\x20-\x7e]/gu, (character) => `&#${character.codePointAt(0)};`)
}
