/**
 * Asks for what nobody has published. Go asks every proxy of a chain for every
 * module and for each prefix of every import path, and goes on only where the
 * answer is 404 or 410: anything else from this site breaks modules that have
 * nothing to do with it. So each kind of file is asked for, of a module that is
 * not there, a version that is not there, and a directory above a module.
 *
 * Names are new in each run: no cache has an answer yet. One is asked for
 * twice, to see whether an answer for nothing is kept.
 */

import { eachOf } from '../each.ts'
import type { ModulePath } from '../model.ts'
import { escapePath } from '../module/escape.ts'
import { type Answer, describeAnswer } from './answer.ts'
import { isFromCache } from './caching.ts'
import { type Absence, judgeAbsence } from './expect.ts'
import type { Findings } from './findings.ts'
import { requestsAtOnce } from './http.ts'
import type { Place } from './place.ts'
import type { SiteDescription } from './site.ts'

export interface MissingOptions {
  /** The own prefixes of the site. */
  readonly prefixes: readonly string[]
  /** A module that is published. */
  readonly module?: ModulePath | undefined
  /** All module paths: nothing of them is taken for missing. */
  readonly modules: ReadonlySet<string>
  /** A word that no name has. */
  readonly nonce: string
}

interface Probe {
  readonly path: string
  readonly expected: Absence
  readonly query?: string
}

/** Judges the answers for what is not there. */
export async function verifyMissing(
  place: Place,
  findings: Findings,
  site: SiteDescription,
  options: MissingOptions,
): Promise<void> {
  const { nonce } = options
  const probes: Probe[] = [
    ...moduleProbes(site, options),
    // Go asks each proxy whether it stands in for the checksum database.
    { path: 'sumdb/sum.golang.org/supported', expected: 'absent' },
    { path: nonce, expected: 'absent', query: 'go-get=1' },
    { path: `${nonce}/a/b/c`, expected: 'absent', query: 'go-get=1' },
  ]
  await eachOf(probes, requestsAtOnce, async ({ path, expected, query }) => {
    const answer = await place.read(path, query === undefined ? {} : { query })
    tellOf(findings, answer, expected, site)
  })
  const again = await place.read(`example.com/${nonce}/@v/list`)
  const purges = ['github-pages', 'gitlab-pages', 'cloudflare', 'netlify'].includes(site.host)
  if (!purges && isFromCache(again)) {
    findings.once('missing-cached', `${describeAnswer(again)}, out of a cache when it is asked for twice.`)
  }
}

const tooWide =
  'The gatekeeper answers for more than the own prefixes: use the rules of the site for the host, in -/host/.'

function tellOf(
  findings: Findings,
  answer: Answer,
  expected: Absence,
  { gatekeeper }: SiteDescription,
): void {
  const code = judgeAbsence(answer, expected)
  if (code === undefined) return
  const due = { absent: '404', 'empty list': 'an empty list', kept: '403' }[expected]
  const isKept = answer.status === 403 || (answer.status === 200 && answer.size === 0)
  const message = `${describeAnswer(answer)}, where ${due} is due: nothing is there.`
  const hint = gatekeeper && expected === 'absent' && isKept ? { hint: tooWide } : {}
  findings.once(code, message, answer.path, hint)
}

function moduleProbes({ gatekeeper }: SiteDescription, options: MissingOptions): Probe[] {
  const { prefixes, module, modules, nonce } = options
  const own = prefixes.map((prefix) => prefix.toLowerCase())
  const isKept = (path: string) =>
    gatekeeper && own.some((prefix) => `${path.toLowerCase()}/`.startsWith(`${prefix}/`))
  const list = (path: string): Probe => ({
    path: `${escapePath(path as ModulePath)}/@v/list`,
    expected: isKept(path) ? 'empty list' : 'absent',
  })
  const latest = (path: string): Probe => ({
    path: `${escapePath(path as ModulePath)}/@latest`,
    expected: 'absent',
  })
  const file = (path: string, name: string): Probe => ({
    path: `${escapePath(path as ModulePath)}/@v/${name}`,
    expected: isKept(path) ? 'kept' : 'absent',
  })
  const all = (path: string, version: string): Probe[] => [
    list(path),
    latest(path),
    ...['info', 'mod', 'zip'].map((kind) => file(path, `${version}.${kind}`)),
  ]
  const unknown = [...prefixes.slice(0, 3), 'example.com'].flatMap((prefix) =>
    all(`${prefix}/${nonce}`, 'v1.0.0'),
  )
  const odd = all(`example.com/Some/${nonce}`, 'v2.0.0+incompatible')
  const edges = gatekeeper ? prefixes.flatMap((prefix) => edgesOf(prefix, nonce)).map(list) : []
  if (module === undefined) return [...unknown, ...odd, ...edges]
  const versions = ['info', 'mod', 'zip'].map((kind) => file(module, `v999.999.999.${kind}`))
  const query = file(module, `${nonce}.info`)
  const above = parentsOf(module)
    .filter((path) => !modules.has(path))
    .map(list)
  return [...unknown, ...odd, ...edges, ...versions, query, list(`${module}/${nonce}`), ...above]
}

/** Where a gatekeeper may be too narrow or too wide: deep below a prefix, in another letter case, and beside it. */
function edgesOf(prefix: string, nonce: string): string[] {
  const slash = prefix.indexOf('/')
  const other = slash < 0 ? prefix : `${prefix.slice(0, slash)}${prefix.slice(slash).toUpperCase()}`
  return [`${prefix}/${nonce}/a/b/v2`, `${other}/Some/${nonce}`, `${prefix}${nonce}/a`]
}

/** The paths above a module, of which go asks for each. */
function parentsOf(module: string): string[] {
  const elements = module.split('/')
  return elements.slice(1).map((_, index) => elements.slice(0, index + 1).join('/'))
}
