/**
 * Reads what a site says of itself: `-/site.json`, the index of the manifest,
 * the shards. Everything else is held against that. Without the first of them
 * there is nothing to verify, and why that is so is all there is to tell.
 */

import { createHash } from 'node:crypto'
import { parseSiteUrl } from '../config/schema.ts'
import { isNewerSite, newerFile, parseSiteFacts } from '../current.ts'
import { eachOf } from '../each.ts'
import { checkShard, type IndexLine, parseIndex } from '../live/check.ts'
import { parseShard, type Shard, shardPath } from '../manifest.ts'
import type { HostedSite, HostName } from '../model.ts'
import { FatalError, type ProblemCode, problem } from '../problem.ts'
import { type Answer, describeAnswer, isDocument, kindOf } from './answer.ts'
import { expectFile } from './expect.ts'
import type { Findings } from './findings.ts'
import { requestsAtOnce } from './http.ts'
import type { Place } from './place.ts'

/** What a site says of itself. Its host is else as its server says, and its prefixes are those that were configured. */
export type SiteDescription = HostedSite

/** Reads `-/site.json`. Throws a FatalError that says what is there instead. */
export async function readSite(
  place: Place,
): Promise<{ readonly site: SiteDescription; readonly answer: Answer }> {
  const answer = await place.read('-/site.json')
  const kind = kindOf(answer)
  const isFile = kind === 'file' || (kind === 'elsewhere' && answer.status === 200)
  if (isFile && isNewerSite({ body: answer.body, tag: '' })) throw newerFile(`${place.name}/-/site.json`)
  const facts = isFile && !isDocument(answer.body, 'json') ? parseSiteFacts(answer.body) : undefined
  if (facts?.access === undefined) {
    const code = codeWithoutSite(answer)
    throw new FatalError(problem(code, {}, `${describeAnswer(answer)}.`))
  }
  const { url, access, host = 'generic', gatekeeper = false, prefixes = [] } = facts
  const site = {
    access,
    gatekeeper,
    prefixes,
    host: host === 'generic' ? recognizeHost(answer.headers) : host,
    ...(url === undefined ? {} : parseSiteUrl(url)),
  }
  return { site, answer }
}

function codeWithoutSite(answer: Answer): ProblemCode {
  const kind = kindOf(answer)
  if (kind === 'none' && answer.failure?.kind === 'certificate') return 'certificate-invalid'
  if (kind === 'absent') return 'site-missing'
  return kind === 'none' || kind === 'failing' ? 'site-unreachable' : 'site-unreadable'
}

/** Servers that say what they are. */
const servers: readonly (readonly [HostName, RegExp])[] = [
  ['github-pages', /^github\.com/i],
  ['netlify', /^netlify/i],
  ['cloudfront', /^cloudfront/i],
  ['s3', /^amazons3/i],
  ['cloudflare', /^cloudflare/i],
  ['nginx', /^nginx/i],
  ['caddy', /^caddy/i],
  ['apache', /^apache/i],
]

function recognizeHost(headers: Answer['headers']): HostName {
  if (/cloudfront/i.test(headers['via'] ?? headers['x-cache'] ?? '')) return 'cloudfront'
  return servers.find(([, pattern]) => pattern.test(headers['server'] ?? ''))?.[0] ?? 'generic'
}

/** Reads the index of the manifest: none of its lines where it is not there or damaged, which is told. */
export async function readIndex(place: Place, findings: Findings): Promise<readonly IndexLine[]> {
  let lines: readonly IndexLine[] = []
  const check = (body: Uint8Array) => {
    const parsed = parseIndex(body)
    if (typeof parsed === 'string') return parsed
    lines = parsed
    return undefined
  }
  await expectFile(place, findings, '-/manifest.jsonl', {
    place: {},
    content: 'page',
    check,
    code: 'record-damaged',
  })
  return lines
}

/** Reads shards. What is wrong with one is told, and it is left out. */
export async function readShards(
  place: Place,
  findings: Findings,
  lines: readonly IndexLine[],
  onShard: () => void = () => {},
): Promise<readonly Shard[]> {
  const shards = new Map<string, Shard>()
  await eachOf(lines, requestsAtOnce, async ({ root, sha256 }) => {
    const check = (body: Uint8Array) => {
      const shard = parseShard(new TextDecoder().decode(body))
      if (shard === 'newer') return 'was written by a newer modpress'
      const fault = shard === undefined ? 'is no record of a repository' : checkShard(shard, root)
      if (shard === undefined || fault !== undefined) return fault
      shards.set(root, shard)
      return undefined
    }
    const path = shardPath(root)
    const about = { repository: root }
    const answer = await expectFile(place, findings, path, {
      place: about,
      content: 'page',
      check,
      code: 'record-damaged',
    })
    onShard()
    if (answer === undefined || createHash('sha256').update(answer.body).digest('hex') === sha256) return
    const message = `${answer.request} and the index -/manifest.jsonl are of different times: the index names another sha256.`
    findings.tell('record-stale', about, message)
  })
  return lines.flatMap(({ root }) => shards.get(root) ?? [])
}
