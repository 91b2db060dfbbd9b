/**
 * Verifies deployments: reads a site back from where it is and says what is
 * wrong with it, and how to mend it there.
 *
 *   site       verify/site.ts       what the site says of itself
 *   access     verify/access.ts     who can read it, and how safely
 *   missing    verify/missing.ts    what must be a 404
 *   versions   verify/versions.ts   .info, .mod and .zip as the manifest has them
 *   modules    verify/modules.ts    lists, @latest, answers to queries
 *   pages      verify/pages.ts      go-import tags, as go reads them
 *   names      verify/names.ts      spellings that hosts stumble over
 *   go.sum     verify/gosum.ts      what consumers hold
 *   mirrors    verify/mirrors.ts    what later targets lack of the first
 *
 * An answer is judged by what it must be. What it is instead decides only in
 * which words it is told. Nothing is written anywhere.
 */

import { randomBytes } from 'node:crypto'
import type { Settings } from './config/schema.ts'
import { eachOf } from './each.ts'
import type { FlowOptions } from './events.ts'
import type { Shard } from './manifest.ts'
import { ownPrefixes } from './prefixes.ts'
import { FatalError, type Problem } from './problem.ts'
import { latestFile, listFile, pageDirectory, recordFile, versionFile } from './render/paths.ts'
import { type FailOn, type Report, Reporter } from './report.ts'
import { verifyAccess, verifyConnection } from './verify/access.ts'
import { judgeHeaders } from './verify/caching.ts'
import { type Chosen, choose, distinct } from './verify/chosen.ts'
import { verifyConsumer } from './verify/consumer.ts'
import { Findings } from './verify/findings.ts'
import { checkSums, type HeldVersion, parseGoSums, renderMissing } from './verify/gosum.ts'
import { requestsAtOnce } from './verify/http.ts'
import { compareMirror } from './verify/mirrors.ts'
import { verifyMissing } from './verify/missing.ts'
import { verifyModule } from './verify/modules.ts'
import { verifyNames, verifyTwins } from './verify/names.ts'
import { findPages, verifyFront, verifyPages } from './verify/pages.ts'
import { openPlace, type Place } from './verify/place.ts'
import { type SampleSize, takeSample } from './verify/sample.ts'
import { readIndex, readShards, readSite, type SiteDescription } from './verify/site.ts'
import { type Owned, verifyVersion } from './verify/versions.ts'
import { verifyWithdrawn } from './verify/withdrawn.ts'

export interface VerifyOptions extends FlowOptions {
  /** How many versions are verified, and how many modules at the most. @default all of a directory, 50 of others */
  readonly sample?: SampleSize
  /** Consumers' go.sum files, by their names as they are shown, and their texts. @default none */
  readonly goSums?: ReadonlyMap<string, string>
  /** @default 'new' */
  readonly failOn?: FailOn
  /** Credentials, and what `go env` says, are taken from it. @default the process's */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Directories are relative to it. @default the process's */
  readonly cwd?: string
  /** How long to wait before a second attempt, in milliseconds. @default 500 */
  readonly retryMs?: number
  /** Returns the addresses of a host, which tell whether it is public. @default as the system resolves it */
  readonly resolve?: (host: string) => Promise<readonly string[]>
  /** What time it is, for certificates, in milliseconds since 1970. @default now */
  readonly nowMs?: number
}

/** What was verified of a target. */
export interface VerifiedTarget {
  /** As it may be shown. */
  readonly target: string
  /** How many of how many there are, as far as that was read. */
  readonly repositories: Verified
  readonly modules: Verified
  readonly versions: Verified
  /** How many versions of go.sum are the site's. Absent without any. */
  readonly held?: number
  /** What to add to the configuration, in YAML; "" where nothing is missing. Absent without go.sum files. */
  readonly configuration?: string
}

export interface Verified {
  readonly checked: number
  readonly of: number
}

export interface VerifyReport extends Report {
  readonly targets: readonly VerifiedTarget[]
}

/**
 * Verifies targets: addresses, directories or buckets. Later ones are held against the first. Throws a FatalError where
 * there is nothing to verify at any of them.
 *
 * @example await verify({ accept: [] }, ['https://go.example.com'])
 */
export async function verify(
  settings: Pick<Settings, 'accept'>,
  targets: readonly string[],
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const reporter = new Reporter('verify', settings, options)
  const held = parseGoSums(options.goSums ?? new Map())
  const verified: VerifiedTarget[] = []
  const failures: FatalError[] = []
  let first: Reference | undefined
  for (const [index, target] of targets.entries()) {
    const scope = { isAlone: targets.length === 1, held: options.goSums === undefined ? undefined : held }
    try {
      const { findings, shards, ...counts } = await verifyTarget(target, first, scope, options)
      if (index === 0) first = { name: counts.target, shards }
      reporter.notice(findings)
      verified.push(counts)
    } catch (error) {
      if (!(error instanceof FatalError) || error.problem.code === 'usage') throw error
      failures.push(error)
    }
  }
  const [failure] = failures
  if (failure !== undefined && failures.length === targets.length) throw failure
  reporter.notice(failures.map((each) => each.problem))
  return { ...reporter.finish(), targets: verified }
}

/** The deployment that others are held against. */
interface Reference {
  readonly name: string
  readonly shards: readonly Shard[]
}

interface Scope {
  readonly isAlone: boolean
  readonly held: readonly HeldVersion[] | undefined
}

type TargetResult = VerifiedTarget & {
  readonly findings: readonly Problem[]
  readonly shards: readonly Shard[]
}

/** What is verified where all would take too long. */
const usualSample = 50

async function verifyTarget(
  target: string,
  first: Reference | undefined,
  { isAlone, held }: Scope,
  options: VerifyOptions,
): Promise<TargetResult> {
  const { env = process.env, cwd = process.cwd(), signal, retryMs } = options
  const opened = await openPlace(target, {
    env,
    cwd,
    ...(signal === undefined ? {} : { signal }),
    ...(retryMs === undefined ? {} : { retryMs }),
  })
  try {
    const { site, answer } = await readSite(opened)
    const findings = new Findings(site.prefix ?? opened.name)
    findings.host = site.host
    const size = options.sample ?? (opened.kind === 'directory' ? 'all' : usualSample)
    const lines = await readIndex(opened, findings)
    // Who compares needs all of them.
    const isComplete = size === 'all' || !isAlone || held !== undefined
    const chosenLines = isComplete ? lines : takeSample(lines, size, ({ root }) => root)
    const progress = new Progress(opened.name, options)
    progress.expect(chosenLines.length)
    const shards = await readShards(opened, findings, chosenLines, () => progress.count())
    const chosen = choose(shards, size)
    const prefixes = ownPrefixes(
      { prefixes: site.prefixes, ...(site.prefix && { prefix: site.prefix }) },
      lines.map(({ root }) => root),
    )
    const sums = held === undefined ? undefined : checkSums(held, shards, prefixes, findings)
    const versions = distinct([...chosen.versions, ...(sums?.served ?? [])])
    for (const { root, state } of shards) {
      if (state === 'settled') continue
      findings.tell('site-unsettled', { repository: root }, `What is published of ${root} is not finished.`)
    }

    const isGuarded = await verifyHost(opened, findings, site, versions, {
      ...options,
      env,
      cwd,
      prefixes,
      hops: answer.hops.length,
    })
    const place = watched(opened, findings, { host: site.host, isGuarded })
    progress.expect(versions.length + chosen.modules.length)
    await place.read('-/manifest.jsonl')
    await verifyContents(place, findings, site, {
      ...chosen,
      versions,
      shards,
      prefixes,
      size,
      progress,
      signal,
    })
    if (first !== undefined)
      compareMirror(first.shards, shards, { first: first.name, mirror: opened.name }, findings)
    progress.end()
    return {
      target: opened.name,
      repositories: { checked: shards.length, of: lines.length },
      modules: { checked: chosen.modules.length, of: chosen.allModules },
      versions: { checked: versions.length, of: chosen.allVersions },
      ...(sums === undefined
        ? {}
        : {
            held: sums.held,
            configuration: renderMissing(
              sums.missing,
              lines.map(({ root }) => root),
            ),
          }),
      findings: findings.all(),
      shards,
    }
  } finally {
    opened.close()
  }
}

interface HostOptions extends VerifyOptions {
  readonly env: NonNullable<VerifyOptions['env']>
  readonly cwd: string
  readonly prefixes: readonly string[]
  /** How many redirects led to the site. */
  readonly hops: number
}

/** Verifies what is about the host as such. Returns whether it asks for credentials. */
async function verifyHost(
  { http, name }: Place,
  findings: Findings,
  site: SiteDescription,
  [any]: readonly Owned[],
  options: HostOptions,
): Promise<boolean> {
  if (http === undefined) return false
  if (options.hops > 0) {
    findings.once('site-redirected', `${name} redirects to another address, for each file anew.`)
  }
  const files = [
    '-/site.json',
    '-/manifest.jsonl',
    '-/feed.atom',
    '',
    'index.html',
    ...(any === undefined ? [] : filesOf(site, any)),
  ]
  const isGuarded = await verifyAccess(http, findings, site, { files, resolve: options.resolve })
  await verifyConnection(http, findings, { nowMs: options.nowMs ?? Date.now(), resolve: options.resolve })
  const own = site.url === undefined ? undefined : new URL(site.url)
  if (own !== undefined && own.host === http.base.host && own.protocol === http.base.protocol) {
    await verifyConsumer(own, site, findings, { ...options, isGuarded })
  }
  return isGuarded
}

/** Files of each kind that a host may guard by itself. */
function filesOf({ prefix }: SiteDescription, { version: { path, version } }: Owned): string[] {
  const kinds = ['info', 'mod', 'zip'] as const
  const files = kinds.map((kind) => versionFile(path, version, kind))
  return [listFile(path), latestFile(path), recordFile(path), pageDirectory(path, prefix), ...files]
}

interface Contents extends Chosen {
  readonly shards: readonly Shard[]
  readonly prefixes: readonly string[]
  readonly size: SampleSize
  readonly progress: Progress
  readonly signal: AbortSignal | undefined
}

async function verifyContents(
  place: Place,
  findings: Findings,
  site: SiteDescription,
  contents: Contents,
): Promise<void> {
  const { versions, shards, prefixes } = contents
  const paths = shards.flatMap((shard) => [...shard.versions.values()].map(({ path }) => path))
  const modules = new Set<string>(paths)
  if (place.http !== undefined) {
    const nonce = `modpress-verify-${randomBytes(6).toString('hex')}`
    await verifyMissing(place, findings, site, {
      prefixes,
      module: versions[0]?.version.path,
      modules,
      nonce,
    })
    await verifyNames(place, findings, versions)
  } else if ((await place.read('404.html')).status !== 200) {
    findings.once(
      'file-missing',
      `${place.name}/404.html is not there, without which some hosts answer 200 for everything.`,
    )
  }
  if (place.kind === 'bucket') await verifyTwins(place, findings, versions)
  await verifyWithdrawn(place, findings, shards)
  await verifyFiles(place, findings, site, modules, contents)
}

/** Verifies all that the site names and that was chosen. */
async function verifyFiles(
  place: Place,
  findings: Findings,
  site: SiteDescription,
  modules: ReadonlySet<string>,
  { versions, modules: chosen, size, progress, signal }: Contents,
): Promise<void> {
  const names = await findPages(place, findings, site)
  const packages = size === 'all' ? Number.POSITIVE_INFINITY : 2
  const pages = { packages, names, modules, seen: new Set<string>() }
  await verifyFront(place, findings, site, names)
  const works = [
    ...versions.map((owned) => () => verifyVersion(place, findings, owned)),
    ...chosen.map(({ shard, path }) => async () => {
      const record = await verifyModule(place, findings, shard, path)
      if (record !== undefined) await verifyPages(place, findings, site, record, pages)
    }),
  ]
  await eachOf(works, requestsAtOnce, async (work) => {
    signal?.throwIfAborted()
    await work()
    progress.count()
  })
}

/** A place of which the headers of every answer are judged. */
function watched(place: Place, findings: Findings, context: Parameters<typeof judgeHeaders>[1]): Place {
  if (place.http === undefined) return place
  const judge = (answer: Parameters<typeof judgeHeaders>[0]) => {
    for (const { code, message } of judgeHeaders(answer, context)) {
      findings.once(code, `${answer.request} ${message}.`, answer.path)
    }
  }
  return {
    ...place,
    read: async (path, question) => {
      const answer = await place.read(path, question)
      judge(answer)
      return answer
    },
    withFile: (path, limitBytes, use) =>
      place.withFile(path, limitBytes, (fetched) => {
        judge(fetched.answer)
        return use(fetched)
      }),
  }
}

class Progress {
  readonly #name: string
  readonly #tell: NonNullable<FlowOptions['onEvent']>
  #done = 0
  #total = 0

  constructor(name: string, { onEvent }: FlowOptions) {
    this.#name = name
    this.#tell = onEvent ?? (() => {})
  }

  expect(more: number): void {
    this.#total += more
  }

  count(): void {
    this.#done += 1
    this.#show(this.#total + 1)
  }

  end(): void {
    this.#done = this.#total
    this.#show(this.#total)
  }

  #show(total: number): void {
    this.#tell({ type: 'progress', step: 'verify', repository: this.#name, done: this.#done, total })
  }
}
