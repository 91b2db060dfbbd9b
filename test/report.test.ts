import { describe, expect, test } from 'vitest'
import type { Acceptance, Settings } from '../src/config/schema.ts'
import type { ModpressEvent } from '../src/events.ts'
import { emptyShard, type RecordedProblem, type Shard, versionKey } from '../src/manifest.ts'
import type { ModulePath, PublishedVersion, Version } from '../src/model.ts'
import { type Problem, type ProblemCode, problem } from '../src/problem.ts'
import { type FailOn, nameOf, type Report, Reporter } from '../src/report.ts'

const root = 'example.com/r' as ModulePath

const settings: Settings = {
  base: '/nowhere',
  url: 'https://go.example.com',
  prefix: 'go.example.com',
  output: '/nowhere/site',
  access: 'private',
  host: 'generic',
  gatekeeper: false,
  prefixes: [],
  given: [],
  git: 'auto',
  origin: true,
  cache: '/nowhere/cache',
  maxGo: '1.26',
  memory: 128,
  repositories: [],
  accept: [],
  jobs: 1,
}

function version(name: string, ref = `refs/tags/${name}`): PublishedVersion {
  const rest = { ref, time: 0, h1: '', goModH1: '', sha256: '', size: 0 }
  return { path: root, version: name as Version, ...rest }
}

function found(code: ProblemCode, name?: string): Problem {
  const place = { repository: root, ref: `refs/tags/${name ?? 'x'}` }
  return problem(code, name === undefined ? place : { ...place, module: root, version: name }, 'So it is.')
}

function shard(
  versions: readonly PublishedVersion[],
  problems: readonly Problem[],
  state: Shard['state'] = 'settled',
): Shard {
  return {
    ...emptyShard(root),
    state,
    versions: new Map(versions.map((each) => [versionKey(each.path, each.version), each])),
    problems: problems.map((each): RecordedProblem => ({ stage: 'press', problem: each })),
  }
}

interface Run {
  readonly before?: Shard
  readonly after: Shard
  readonly added?: readonly PublishedVersion[]
  readonly notices?: readonly Problem[]
  readonly focus?: string
  readonly failOn?: FailOn
  readonly accept?: readonly Acceptance[]
  readonly command?: string
  readonly settings?: Settings
}

function run({
  before = emptyShard(root),
  after,
  added = [],
  notices,
  focus,
  failOn,
  accept = [],
  ...rest
}: Run): {
  report: Report
  events: string[]
} {
  const events: string[] = []
  const tell = (event: ModpressEvent) => {
    if (event.type === 'version') events.push(`${event.action} ${event.version}`)
    if (event.type === 'problem') events.push(`${event.severity} ${event.code}${event.known ? ' known' : ''}`)
  }
  const options = { onEvent: tell, ...(failOn && { failOn }) }
  const reporter = new Reporter(rest.command ?? 'build', rest.settings ?? { ...settings, accept }, options)
  reporter.tell(before, after, added, notices === undefined ? {} : { notices }, focus)
  return { report: reporter.finish(), events }
}

describe('a report', () => {
  test('tells what was added, kept and refused, in the order of versions', () => {
    const [old, fresh] = [version('v1.9.0'), version('v1.10.0')]
    const { report, events } = run({
      after: shard(
        [fresh, old],
        [found('file-path-invalid', 'v1.11.0'), found('gomod-path-differs', 'v1.9.0')],
      ),
      added: [fresh],
    })
    expect(events).toEqual([
      'keep v1.9.0',
      'add v1.10.0',
      'refuse v1.11.0',
      'warning file-path-invalid',
      'warning gomod-path-differs',
    ])
    expect(report).toMatchObject({
      command: 'build',
      exit: 0,
      counts: { added: 1, kept: 1, refused: 1, errors: 0, warnings: 2, known: 0 },
    })
  })

  test('tells what was added also where the record was read anew', () => {
    const { report, events } = run({ after: shard([version('v1.0.0')], []), added: [version('v1.0.0')] })
    expect(events).toEqual(['add v1.0.0'])
    expect(report.counts).toMatchObject({ added: 1, kept: 0 })
  })

  test('a version with two problems is refused once', () => {
    const { report } = run({
      after: shard([], [found('go-too-new', 'v1.0.0'), found('gomod-syntax', 'v1.0.0')]),
    })
    expect(report.counts).toMatchObject({ refused: 1, errors: 2 })
  })

  test('a problem that stands in a settled shard is known, one in an unsettled shard is not', () => {
    const after = shard([], [found('tag-moved', 'v1.0.0'), found('shallow')])
    const known = run({ before: shard([], [found('tag-moved', 'v1.0.0')]), after })
    expect(known.events).toEqual(['refuse v1.0.0', 'error tag-moved known', 'warning shallow'])
    expect(known.report).toMatchObject({ exit: 0, counts: { errors: 0, warnings: 1, known: 1 } })
    const fresh = run({ before: shard([], [found('tag-moved', 'v1.0.0')], 'unsettled'), after })
    expect(fresh.report).toMatchObject({ exit: 1, counts: { errors: 1, known: 0 } })
  })

  test('what happened to the site is told first, and never known', () => {
    const notice = found('shard-rebuilt')
    const { events } = run({ before: shard([], [notice]), after: shard([], []), notices: [notice] })
    expect(events).toEqual(['warning shard-rebuilt'])
  })

  test('with a focus only that ref counts', () => {
    const versions = [version('v1.0.0'), version('v1.1.0')]
    const problems = [found('tag-moved', 'v1.0.0'), found('gomod-missing', 'v1.2.0')]
    const { events, report } = run({ after: shard(versions, problems), focus: 'refs/tags/v1.2.0' })
    expect(events).toEqual(['refuse v1.2.0', 'warning gomod-missing'])
    expect(report.exit).toBe(0)
  })

  test('a site without an address is noted, but by the index', () => {
    const { url: _, prefix: __, ...bare } = settings
    const after = shard([], [])
    expect(run({ after, settings: bare }).events).toEqual(['note url-missing'])
    expect(run({ after, settings: bare, command: 'index' }).events).toEqual([])
  })
})

describe('the exit status', () => {
  const error = found('tag-moved', 'v1.0.0')
  const warning = found('gomod-missing', 'v1.0.0')
  const note = found('repository-empty')
  test.for<[FailOn | undefined, readonly Problem[], readonly Problem[], 0 | 1]>([
    [undefined, [], [], 0],
    [undefined, [error], [], 1], //           new by default
    [undefined, [error], [error], 0],
    ['new', [error], [error], 0],
    ['new', [error, warning], [error], 0], // a new warning is none
    ['new', [warning], [], 0],
    ['error', [error], [error], 1], //        known ones count, too
    ['error', [warning, note], [], 0],
    ['warning', [warning], [warning], 1],
    ['warning', [error], [error], 1],
    ['warning', [note], [], 0],
    ['never', [error, warning], [], 0],
  ])('failing on %s', ([failOn, now, before, want]) => {
    const { report } = run({
      before: shard([], before),
      after: shard([], now),
      ...(failOn === undefined ? {} : { failOn }),
    })
    expect(report.exit).toBe(want)
  })
})

describe('an accepted problem', () => {
  const entry = { module: root, version: 'v1.0.0', code: 'tag-moved', reason: 'It was agreed.' } as Acceptance

  test.for<[string, Acceptance, Problem, 'accepted' | 'not']>([
    ['of the version', entry, found('tag-moved', 'v1.0.0'), 'accepted'],
    ['with another code', entry, found('gomod-syntax', 'v1.0.0'), 'not'],
    ['of another version', entry, found('tag-moved', 'v1.0.1'), 'not'],
    ['of another module', { ...entry, module: 'example.com/s' }, found('tag-moved', 'v1.0.0'), 'not'],
    [
      'of a tag without a module, by the root and its short name',
      { ...entry, version: 'v1', code: 'tag-not-canonical' },
      problem('tag-not-canonical', { repository: root, ref: 'refs/tags/v1' }, ''),
      'accepted',
    ],
  ])('%s', ([, accept, each, want]) => {
    const { report } = run({ after: shard([], [each]), accept: [accept], failOn: 'warning' })
    expect(report.exit).toBe(want === 'accepted' ? 0 : 1)
    expect(report.problems[0]?.severity === 'note').toBe(want === 'accepted')
  })

  test.for<[Problem, string | undefined]>([
    [found('tag-moved', 'v1.0.0'), 'v1.0.0'],
    [problem('tag-not-canonical', { repository: root, ref: 'refs/tags/sub/v1' }, ''), 'sub/v1'],
    [problem('branch-missing', { repository: root, ref: 'refs/heads/x' }, ''), 'refs/heads/x'],
    [problem('shallow', { repository: root }, ''), undefined],
  ])('is named by its version, or else its ref', ([each, want]) => {
    expect(nameOf(each)).toBe(want)
  })
})
