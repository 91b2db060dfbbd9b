/**
 * Holds what a site answers for a module against its record and its shard:
 * the list, @latest and the answers to queries. These files change, so that
 * they are what a cache or a half deployment gets wrong.
 */

import { checkInfo, checkRecord } from '../live/check.ts'
import { type Shard, versionKey } from '../manifest.ts'
import type { ModulePath, ModuleRecord } from '../model.ts'
import { escapePath, escapeVersion } from '../module/escape.ts'
import type { ProblemPlace } from '../problem.ts'
import { parseRecord } from '../record.ts'
import { latestFile, listFile, recordFile } from '../render/paths.ts'
import { textOf } from './answer.ts'
import { expectFile } from './expect.ts'
import type { Findings } from './findings.ts'
import type { Place } from './place.ts'

/** Verifies the record of a module and its answers. Returns the record, where it is in order. */
export async function verifyModule(
  place: Place,
  findings: Findings,
  shard: Shard,
  path: ModulePath,
): Promise<ModuleRecord | undefined> {
  const about = { repository: shard.root, module: path }
  const record = await readRecord(place, findings, shard, path, about)
  if (record === undefined || shard.state === 'unsettled') return record
  await verifyList(place, findings, record, about)
  if (record.latest !== undefined) {
    await verifyAnswer(place, findings, shard, latestFile(path), {
      query: '@latest',
      version: record.latest,
      about,
    })
  }
  for (const [name, version] of Object.entries(record.queries)) {
    const file = `${escapePath(path)}/@v/${escapeVersion(name)}.info`
    await verifyAnswer(place, findings, shard, file, { query: `@${name}`, version, about })
  }
  return record
}

async function readRecord(
  place: Place,
  findings: Findings,
  shard: Shard,
  path: ModulePath,
  about: ProblemPlace,
): Promise<ModuleRecord | undefined> {
  let record: ModuleRecord | undefined
  let stale: string | undefined
  const check = (body: Uint8Array) => {
    const parsed = parseRecord(body)
    if (parsed === undefined) return 'is no record of a module'
    const fault = checkRecord(parsed, path, shard)
    if (fault !== undefined && !fault.startsWith('is of another time')) return fault
    stale = fault
    record = parsed
    return undefined
  }
  const file = recordFile(path)
  const answer = await expectFile(place, findings, file, {
    place: about,
    content: 'page',
    check,
    code: 'record-damaged',
  })
  if (answer !== undefined && stale !== undefined) {
    findings.tell('record-stale', about, `${answer.request} ${stale}.`)
    // What the shard says is newer: it is written before.
    return undefined
  }
  return record
}

async function verifyList(
  place: Place,
  findings: Findings,
  record: ModuleRecord,
  about: ProblemPlace,
): Promise<void> {
  let extra: readonly string[] = []
  const check = (body: Uint8Array) => {
    const found = linesOf(body)
    const missing = record.list.filter((version) => !found.includes(version))
    const known = new Set(record.versions.map((each) => versionKey(record.path, each.version)))
    extra = found.filter((version) => !known.has(versionKey(record.path, version)))
    return missing.length === 0 ? undefined : `lacks ${some(missing)}`
  }
  const answer = await expectFile(place, findings, listFile(record.path), {
    place: about,
    content: 'text',
    check,
    code: 'list-stale',
  })
  if (answer === undefined || extra.length === 0) return
  findings.tell('list-extra', about, `${answer.request} names ${some(extra)}, of which nothing is published.`)
}

/** The first field of each line, as go reads it: a byte order mark is no space, but a part of the field. */
function linesOf(body: Uint8Array): string[] {
  const lines = textOf(body).split('\n')
  return lines.flatMap((line) => /(?:\S|\uFEFF)+/.exec(line)?.[0] ?? [])
}

function some(versions: readonly string[]): string {
  const shown = versions
    .slice(0, 3)
    .map((version) => (/^[\w.+-]{1,80}$/.test(version) ? version : 'what is no version'))
  const more = versions.length > 3 ? ` and ${versions.length - 3} more` : ''
  return `${[...new Set(shown)].join(', ')}${more}`
}

interface ExpectedAnswer {
  /** As people write it: "@latest". */
  readonly query: string
  readonly version: string
  readonly about: ProblemPlace
}

async function verifyAnswer(
  place: Place,
  findings: Findings,
  { versions }: Shard,
  file: string,
  { query, version, about }: ExpectedAnswer,
): Promise<void> {
  const check = (body: Uint8Array) => {
    const found = versionOf(body)
    if (found === undefined) return `has no version, and ${query} is ${version}`
    if (found !== version) return `says ${some([found])}, and ${query} is ${version}`
    const published = about.module === undefined ? undefined : versions.get(versionKey(about.module, version))
    return published === undefined ? undefined : checkInfo(body, published)
  }
  await expectFile(place, findings, file, { place: about, content: 'json', check, code: 'answer-stale' })
}

function versionOf(body: Uint8Array): string | undefined {
  try {
    const { Version } = Object(JSON.parse(textOf(body))) as { readonly Version?: unknown }
    return typeof Version === 'string' ? Version : undefined
  } catch {
    return undefined
  }
}
