/**
 * Clones and fetches where no git is installed: isomorphic-git over https,
 * into the same kind of bare repository.
 *
 * It writes refs before their objects, so that a mark stands in the clone for
 * as long as a fetch runs: what a crash leaves behind counts as damaged.
 */

import * as fs from 'node:fs'
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { GitHttpRequest, GitHttpResponse } from 'isomorphic-git'
import { type Address, isLoopback } from '../config/address.ts'
import { credentialsFor } from './credentials.ts'
import {
  isListed,
  RemoteError,
  type RemoteRefs,
  remoteRefs,
  type Transport,
  type TransportOptions,
} from './remote.ts'

const mark = 'modpress-fetching'

/** Returns the transport that needs no git. It knows https only (http on this machine) and SHA-1. */
export async function openHttpTransport({
  env,
  signal,
}: Pick<TransportOptions, 'env' | 'signal'>): Promise<Transport> {
  const git = await import('isomorphic-git')
  const { default: client } = await import('isomorphic-git/http/node')
  const http = { request: (request: GitHttpRequest) => followSafely(client.request, request, signal) }
  const access = (address: Address) => {
    const credentials = credentialsFor(address, env)
    return credentials === undefined
      ? {}
      : { onAuth: () => ({ ...credentials }), onAuthFailure: () => ({ cancel: true }) }
  }
  return {
    list: (address, url) =>
      told(async () => {
        const found = await git.listServerRefs({ http, url, symrefs: true, ...access(address) })
        const head = found.find((ref) => ref.ref === 'HEAD')
        const refs = found.filter(({ ref }) => isListed(ref))
        return remoteRefs(new Map(refs.map(({ ref, oid }) => [ref, oid])), head?.target, head?.oid)
      }),
    init: (dir) =>
      told(async () => {
        await git.init({ fs, gitdir: dir, bare: true, defaultBranch: 'HEAD' })
        await git.setConfig({
          fs,
          gitdir: dir,
          path: 'remote.origin.fetch',
          value: '+refs/heads/*:refs/heads/*',
        })
      }),
    fetch: (dir, { address, url, wanted: { refs }, onProgress }) =>
      told(async () => {
        await writeFile(join(dir, mark), '')
        const [remoteRef] = refs.keys()
        if (remoteRef !== undefined) {
          // It cannot be told of several branches. What comes too much is not written as a ref.
          const all = { tags: true, prune: true, singleBranch: false }
          await git.fetch({
            fs,
            http,
            gitdir: dir,
            url,
            remote: 'origin',
            remoteRef,
            ...all,
            ...access(address),
            onProgress: ({ phase, loaded, total }) => {
              // Other phases are what the server says.
              if (total > 0 && phase === 'Receiving objects')
                onProgress?.({ message: 'receiving', done: loaded, total })
              if (total > 0 && phase === 'Resolving deltas')
                onProgress?.({ message: 'resolving', done: loaded, total })
            },
          })
        }
        await writeRefs(dir, refs)
        await rm(join(dir, mark))
      }),
    check: async (dir) => {
      if ((await stat(join(dir, mark)).catch(() => undefined)) !== undefined) return undefined
      try {
        const head = await readFile(join(dir, 'HEAD'), 'utf8')
        return { refs: await readRefs(git, dir), head: head.trim() }
      } catch {
        return undefined
      }
    },
  }
}

const limitHops = 5
const idleMs = 300_000

/**
 * Sends a request and follows its redirects as git does: the token stays with the host it is for, and nothing goes
 * over unprotected http. A POST stays one.
 */
async function followSafely(
  send: (request: GitHttpRequest) => Promise<GitHttpResponse>,
  request: GitHttpRequest,
  signal: AbortSignal | undefined,
): Promise<GitHttpResponse> {
  const { body, ...rest } = request
  const bytes = body === undefined ? undefined : await collect(body)
  // The types of the library leave out what it hands on to the request.
  const fetchOptions = { followRedirects: false, timeout: idleMs }
  const options = { fetchOptions, ...(signal === undefined ? {} : { signal }) }
  let { url, headers = {} } = rest
  for (let hop = 0; hop <= limitHops; hop++) {
    signal?.throwIfAborted()
    const sent = {
      ...rest,
      ...options,
      url,
      headers,
      ...(bytes === undefined ? {} : { body: toBody(bytes) }),
    }
    const response = await send(sent)
    const target = response.headers?.['location']
    if (response.statusCode < 300 || response.statusCode >= 400 || target === undefined) return response
    const next = new URL(target, url)
    const isSafe = next.protocol === 'https:' || (next.protocol === 'http:' && isLoopback(next.hostname))
    if (!isSafe)
      throw new RemoteError(`The server redirects to ${next.protocol}//${next.host}, which is not followed`)
    if (next.origin !== new URL(url).origin) {
      headers = Object.fromEntries(
        Object.entries(headers).filter(([name]) => !/^(authorization|cookie)$/i.test(name)),
      )
    }
    url = next.href
  }
  throw new RemoteError(`The server redirects more than ${limitHops} times`)
}

async function collect(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function* toBody(bytes: Uint8Array): AsyncIterableIterator<Uint8Array> {
  yield bytes
}

type Git = typeof import('isomorphic-git')

/**
 * Makes the refs exactly those that are wanted; what the fetch made up besides would be taken for a user's clone. All
 * are in one file, since a file for each tag would have to be read by every run.
 */
async function writeRefs(dir: string, refs: RemoteRefs['refs']): Promise<void> {
  await rm(join(dir, 'refs'), { recursive: true, force: true })
  await mkdir(join(dir, 'refs', 'heads'), { recursive: true })
  const lines = [...refs].map(([name, oid]) => `${oid} ${name}\n`)
  // Git looks names up by halving: the order is that of their bytes.
  const sorted = lines.sort((a, b) => Buffer.compare(nameOf(a), nameOf(b)))
  await writeFile(join(dir, 'packed-refs'), `# pack-refs with: sorted \n${sorted.join('')}`)
}

function nameOf(line: string): Buffer {
  return Buffer.from(line.slice(line.indexOf(' ')))
}

/** Reads heads and tags. Throws where the object of a ref is not there. */
async function readRefs(git: Git, gitdir: string): Promise<Map<string, string>> {
  const cache = {}
  const names = await Promise.all(
    ['refs/heads', 'refs/tags'].map(async (filepath) =>
      (await git.listRefs({ fs, gitdir, filepath })).map((name) => `${filepath}/${name}`),
    ),
  )
  const refs = new Map<string, string>()
  for (const ref of names.flat()) {
    const oid = await git.resolveRef({ fs, gitdir, ref })
    await git.readObject({ fs, gitdir, cache, oid })
    refs.set(ref, oid)
  }
  return refs
}

async function told<T>(use: () => Promise<T>): Promise<T> {
  try {
    return await use()
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'AbortError') throw cause
    throw new RemoteError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}
