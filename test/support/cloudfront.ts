/**
 * CloudFront on this machine, as far as its documentation says what it does
 * with the distribution that modpress describes: the function is run for each
 * request and answers or changes its path, the bucket is asked, a second origin
 * is where the answer's status is one of those of the group, and errors get
 * their page. The bucket is a directory that reads "+" as S3 does.
 *
 * Functions run in a context that has nothing but the language, and the two
 * modules that they may import.
 *
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-event-structure.html
 */

import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import type { IncomingMessage, RequestListener } from 'node:http'
import { join } from 'node:path'
import { createContext, Script } from 'node:vm'
import { cacheControl, contentType } from '../../src/render/headers.ts'

interface Value {
  readonly value: string
}

export interface FunctionRequest {
  readonly method: string
  readonly uri: string
  readonly headers: Readonly<Record<string, Value>>
}

export interface FunctionResponse {
  readonly statusCode: number
  readonly statusDescription: string
  readonly headers: Readonly<Record<string, Value>>
  readonly body: { readonly encoding: 'text'; readonly data: string }
}

export type EdgeFunction = (request: FunctionRequest) => Promise<FunctionRequest | FunctionResponse>

/** Returns what the key value store has for a user. */
export function keyOfUser(user: string, password: string): string {
  return createHash('sha256')
    .update(Buffer.from(`${user}:${password}`).toString('base64'))
    .digest('hex')
}

/** Loads a function, with the keys of its key value store; without one it has none. */
export function loadFunction(source: string, keys?: ReadonlySet<string>): EdgeFunction {
  // A function may have 10 KB.
  if (Buffer.byteLength(source) > 10_240) throw new Error('The function is too large for CloudFront.')
  const cf = {
    kvs: () => {
      if (keys === undefined) throw new Error('There is no key value store.')
      return { exists: async (key: string) => keys.has(key) }
    },
  }
  const crypto = {
    createHash: (name: string) => {
      const hash = createHash(name)
      const wrapped = {
        update: (text: string) => {
          hash.update(text)
          return wrapped
        },
        digest: (encoding: 'hex') => hash.digest(encoding),
      }
      return wrapped
    },
  }
  const modules: Readonly<Record<string, unknown>> = { cloudfront: cf, crypto }
  const globals: Record<string, unknown> = {}
  const script = source.replaceAll(/^import (\w+) from '(\w+)'$/gm, (_, name: string, module: string) => {
    globals[name] = modules[module]
    return ''
  })
  const context = createContext(globals)
  new Script(script).runInContext(context)
  const handler = context['handler'] as (event: unknown) => unknown
  return async (request) => {
    const event = {
      version: '1.0',
      context: { eventType: 'viewer-request' },
      viewer: { ip: '127.0.0.1' },
      request: { querystring: {}, cookies: {}, ...structuredClone(request) },
    }
    return (await handler(event)) as FunctionRequest | FunctionResponse
  }
}

interface List<T> {
  readonly Quantity: number
  readonly Items: readonly T[]
}

/** The part of a distribution's description that is followed here. */
export interface Distribution {
  readonly Origins: List<{ readonly Id: string; readonly S3OriginConfig?: unknown }>
  readonly OriginGroups?: List<{
    readonly Id: string
    readonly FailoverCriteria: { readonly StatusCodes: List<number> }
    readonly Members: List<{ readonly OriginId: string }>
  }>
  readonly DefaultCacheBehavior: { readonly TargetOriginId: string }
  readonly CustomErrorResponses: List<{ readonly ErrorCode: number; readonly ResponsePagePath: string }>
}

export interface Cdn {
  /** The directory of the bucket's objects. */
  readonly bucket: string
  readonly access: 'private' | 'public'
  readonly distribution: Distribution
  readonly viewerRequest: EdgeFunction
  /** The function of the second distribution. */
  readonly gatekeeper?: EdgeFunction
}

interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** Returns a handler that answers as the distribution would. */
export function cdnHandler(cdn: Cdn): RequestListener {
  return (request, response) => {
    answer(cdn, request).then(
      ({ status, headers, body }) => {
        response.writeHead(status, { ...headers, 'Content-Length': body.length })
        response.end(request.method === 'HEAD' ? undefined : body)
      },
      () => response.writeHead(503, { 'Content-Type': 'text/html' }).end('The function has failed.'),
    )
  }
}

async function answer(cdn: Cdn, { method = '', url = '', headers }: IncomingMessage): Promise<Reply> {
  const values = Object.entries(headers).map(([name, value]) => [name, { value: String(value) }])
  const uri = url.split('?')[0] ?? ''
  const result = await cdn.viewerRequest({ method, uri, headers: Object.fromEntries(values) })
  if ('statusCode' in result) return replyOf(result)
  const { Origins, OriginGroups, DefaultCacheBehavior, CustomErrorResponses } = cdn.distribution
  const group = OriginGroups?.Items.find(({ Id }) => Id === DefaultCacheBehavior.TargetOriginId)
  const targets = group?.Members.Items.map(({ OriginId }) => OriginId) ?? [
    DefaultCacheBehavior.TargetOriginId,
  ]
  const ask = async (target: string | undefined): Promise<Reply> => {
    const origin = Origins.Items.find(({ Id }) => Id === target)
    if (origin === undefined) throw new Error(`There is no origin ${target}.`)
    if (origin.S3OriginConfig !== undefined) return readBucket(cdn, result.uri)
    const passed = { method, uri: result.uri, headers: { host: { value: 'gatekeeper.example.com' } } }
    const said = await cdn.gatekeeper?.(passed)
    if (said === undefined || !('statusCode' in said))
      throw new Error('The second distribution has no origin.')
    return replyOf(said)
  }
  let reply = await ask(targets[0])
  if (group?.FailoverCriteria.StatusCodes.Items.includes(reply.status)) reply = await ask(targets[1])
  const page = CustomErrorResponses.Items.find(({ ErrorCode }) => ErrorCode === reply.status)
  if (page === undefined || page.ResponsePagePath === '') return reply
  return { ...readBucket(cdn, page.ResponsePagePath), status: reply.status }
}

function replyOf({ statusCode, headers, body }: FunctionResponse): Reply {
  const plain = Object.entries(headers).map(([name, { value }]) => [name, value])
  return { status: statusCode, headers: Object.fromEntries(plain), body: Buffer.from(body.data) }
}

function readBucket({ bucket, access }: Cdn, uri: string): Reply {
  const key = decodeURIComponent(uri.replaceAll('+', ' ')).slice(1)
  const file = join(bucket, key)
  if (key === '' || statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
    const body = Buffer.from('<Error><Code>NoSuchKey</Code></Error>')
    return { status: 404, headers: { 'Content-Type': 'application/xml' }, body }
  }
  const headers = { 'Content-Type': contentType(key), 'Cache-Control': cacheControl(key, access) }
  return { status: 200, headers, body: readFileSync(file) }
}
