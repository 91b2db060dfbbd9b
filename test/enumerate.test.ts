/**
 * Fixtures: a text archive is a small repository, and "-- want --" says what is
 * enumerated of it. They are written as those of test/conformance, so that any
 * of them can be shown to the real go.
 *
 * A file "LABEL:path" is in the commit of that label; a path may be followed by
 * "symlink" or "directory". Without a script each label is a commit on main
 * with a tag of its name. Wanted is a line for each version with its directory,
 * a line for each answer to a query, and a line for each problem; where there
 * is a file "messages", also what the problem says.
 */

import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isRelevantTag } from '../src/changes.ts'
import type { EnumerationContext, RepositoryFacts } from '../src/enumerate/scope.ts'
import { type Enumeration, enumerateVersions } from '../src/enumerate.ts'
import { isBaseTag, isVersionTag, readGoMod } from '../src/git/facts.ts'
import type { GoModFile, ModulePath, Oid, RefFacts, Repository } from '../src/model.ts'
import { matchesGlob } from '../src/module/glob.ts'
import { majorOf, sortVersions } from '../src/module/version.ts'
import { problem } from '../src/problem.ts'
import { checkReserved } from '../src/render/paths.ts'
import { ownerOf } from '../src/site.ts'
import { parseTxtar } from './support/txtar.ts'

const fixtures = new URL('enumerate/', import.meta.url)

describe('enumerateVersions', () => {
  test.for(readdirSync(fixtures))('%s', (file) => {
    const archive = parseTxtar(readFileSync(new URL(file, fixtures), 'utf8'))
    expect(archive.comment).not.toBe('')
    const { repository, facts, context } = readFixture(archive.files)
    const form = archive.files.has('messages') ? 'long' : 'short'
    expect(describeEnumeration(enumerateVersions(repository, facts, context), form)).toBe(
      archive.files.get('want'),
    )
  })

  test.for(readdirSync(fixtures))('%s: in whatever order the refs are listed', (file) => {
    const { repository, facts, context } = readFixture(
      parseTxtar(readFileSync(new URL(file, fixtures), 'utf8')).files,
    )
    const want = describeEnumeration(enumerateVersions(repository, facts, context), 'long')
    for (const tags of [[...facts.tags].reverse(), [...facts.tags.slice(1), ...facts.tags.slice(0, 1)]]) {
      const heads = [...facts.heads].reverse()
      expect(
        describeEnumeration(enumerateVersions(repository, { ...facts, tags, heads }, context), 'long'),
      ).toBe(want)
    }
  })

  test('what is found does not depend on the order of the tags', () => {
    fc.assert(
      fc.property(anyFacts, fc.array(fc.nat()), (facts, keys) => {
        const tags = facts.tags
          .map((tag, index) => ({ tag, key: keys[index] ?? 0 }))
          .sort((a, b) => a.key - b.key)
          .map(({ tag }) => tag)
          .reverse()
        const [one, other] = [facts, { ...facts, tags }].map((each) =>
          describeEnumeration(enumerateVersions(plain, each, anything), 'long'),
        )
        expect(other).toBe(one)
      }),
      { numRuns: 300 },
    )
  })

  test('each version has its list, its latest and its answers among what is published', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        for (const module of enumerateVersions(plain, facts, anything).modules) {
          const versions = module.versions.map((each) => each.version)
          expect(new Set(versions).size).toBe(versions.length)
          expect(versions).toEqual(
            expect.arrayContaining([
              ...module.list,
              ...Object.values(module.queries),
              ...(module.latest === undefined ? [] : [module.latest]),
            ]),
          )
        }
      }),
    )
  })

  test('a bad tag more changes nothing about the others', () => {
    const bad = fc.constantFrom(
      'v1.2',
      'sub/v2.0.0',
      'x/y/v1.0.0',
      'v1.0.0.0',
      'sub/v3/v3.0.0',
      'ü/v1.0.0',
      'v',
    )
    fc.assert(
      fc.property(anyFacts, bad, (facts, name) => {
        const versions = (tags: readonly RefFacts[]) =>
          enumerateVersions(plain, { ...facts, tags }, anything).modules.flatMap((module) =>
            module.versions
              .filter((each) => each.ref !== undefined)
              .map((each) => `${each.path}@${each.version}`),
          )
        const more: RefFacts = { ...commitFacts(99, {}), ref: `refs/tags/${name}` }
        const others = facts.tags.filter((tag) => tag.ref !== more.ref)
        expect(versions([...others, more]).sort()).toEqual(versions(others).sort())
      }),
    )
  })

  test('a tag whose go.mod fits is published, whatever its directory and numbers', () => {
    const dirs = fc.stringMatching(/^[a-z]{1,8}(\/[a-z]{1,8})?$/)
    fc.assert(
      fc.property(dirs, fc.nat(), fc.nat(), fc.nat(), (dir, major, minor, patch) => {
        const path = `${plain.root}/${dir}${major < 2 ? '' : `/v${major}`}`
        const tag: RefFacts = {
          ...commitFacts(1, { [dir]: { kind: 'regular', module: path } }),
          ref: `refs/tags/${dir}/v${major}.${minor}.${patch}`,
        }
        const { modules, problems } = enumerateVersions(plain, factsOf([tag]), anything)
        expect(modules).toMatchObject([{ path, versions: [{ path, dir, ref: tag.ref }] }])
        expect(problems).toEqual([])
      }),
    )
  })

  test.for([
    ['v1.2.3', ['example.com/r@v1.2.3']],
    ['v2.0.0', ['example.com/r@v2.0.0+incompatible']],
    ['v0.0.0', ['example.com/r@v0.0.0']],
    ['v1.2.3-Beta.0', ['example.com/r@v1.2.3-Beta.0']],
    ['v99999999999999999999.0.0', ['example.com/r@v99999999999999999999.0.0+incompatible']],
    ['v1.2', []], //                                    not canonical
    ['1.2.3', []], //                                   no "v"
    ['v1.2.3+meta', []], //                             build metadata
    ['v1.2.3+incompatible', []], //                     a mark that only go sets
    ['v0.0.0-20060102150405-abcdefabcdef', []], //      a pseudo-version is not for tags
    ['v1.2.3-01', []], //                               a number with a leading zero
    ['release/v1.2.3', []], //                          a directory that holds no module
    ['v2/v2.0.0', []], //                               the major version is no directory of the tag
  ] as const)('tag %s without go.mod', ([name, want]) => {
    const tag = { ...commitFacts(1, {}), ref: `refs/tags/${name}` }
    const { modules } = enumerateVersions(plain, factsOf([tag]), anything)
    const listed = modules.flatMap((module) => module.list.map((version) => `${module.path}@${version}`))
    expect(listed).toEqual(want)
  })
})

// ---- Random repositories ----

const plain: Repository = {
  root: 'example.com/r' as ModulePath,
  dir: '/nowhere',
  subdir: '',
  directories: {},
  branches: ['main'],
  commits: [],
}

const anything: EnumerationContext = {
  isPublished: () => false,
  isRefused: () => false,
  checkPath: () => undefined,
  wantsDirectory: () => true,
  maxGo: '1.26',
}

function factsOf(tags: readonly RefFacts[], heads: readonly RefFacts[] = []): RepositoryFacts {
  return { tags, heads, commits: [], defaultHead: 'refs/heads/main' }
}

/** Facts of the commit of this number, by which its id is known. */
function commitFacts(
  number: number,
  mods: RefFacts['mods'],
  merged?: readonly string[],
): Required<Omit<RefFacts, 'failed' | 'merged' | 'mods'>> & RefFacts {
  const commit = commitOf(number)
  return {
    ref: '',
    oid: commit,
    commit,
    tree: `f${commit.slice(1)}` as Oid,
    time: 1_700_000_000 + 60 * (number - 1),
    ...(mods && { mods }),
    ...(merged && { merged }),
  }
}

function commitOf(number: number): Oid {
  return String(number).padStart(12, '0').repeat(4).slice(0, 40) as Oid
}

const anyGoMod: fc.Arbitrary<GoModFile> = fc
  .constantFrom(
    'example.com/r',
    'example.com/r/v2',
    'example.com/r/sub',
    'example.com/r/sub/v2',
    'example.com/fork',
    'example.com/r/v1',
    '',
  )
  .chain((module) =>
    fc.record({
      kind: fc.constantFrom('regular' as const, 'regular' as const, 'symlink' as const, 'directory' as const),
      module: fc.constant(module),
      retract: fc.constantFrom([], [], [{ low: 'v1.0.0', high: 'v1.1.0' }]),
    }),
  )

const anyName: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom('', '', '', 'sub/', 'sub/v2/', 'v2/', 'constructor/'),
    fc.constantFrom(
      ...[
        'v1.0.0',
        'v1.1.0',
        'v1.1.0-rc.1',
        'v2.0.0',
        'v2.1.0',
        'v3.0.0',
        'v0.1.0',
        'v1.2',
        'v1.1.0+meta',
        'v01.0.0',
      ],
      ...[
        'v1.0.0-20060102150405-abcdefabcdef',
        'v0.0.0-20060102150405-abcdefabcdef',
        'stable',
        'main',
        '1.0.0',
      ],
    ),
  )
  .map((parts) => parts.join(''))

const anyFacts: fc.Arbitrary<RepositoryFacts> = fc
  .record({
    commits: fc.array(
      fc.dictionary(fc.constantFrom('', '', 'sub', 'v2', 'sub/v2', 'constructor'), anyGoMod, { maxKeys: 3 }),
      { minLength: 1, maxLength: 5 },
    ),
    tags: fc.dictionary(anyName, fc.nat({ max: 4 }), { maxKeys: 10 }),
  })
  .map(({ commits, tags }) => {
    const named = Object.entries(tags).map(([name, at]) => ({ name, at: at % commits.length }))
    const mergedAt = (at: number) =>
      named
        .filter((tag) => tag.at <= at && isBaseTag(`refs/tags/${tag.name}`))
        .map((tag) => tag.name)
        .sort()
    return factsOf(
      named.map(({ name, at }) => ({
        ...commitFacts(at + 1, commits[at], mergedAt(at)),
        ref: `refs/tags/${name}`,
      })),
      [
        {
          ...commitFacts(commits.length, commits.at(-1), mergedAt(commits.length - 1)),
          ref: 'refs/heads/main',
        },
      ],
    )
  })

// ---- Fixtures ----

interface Commit {
  readonly number: number
  /** The labels of its history, itself included. */
  readonly history: ReadonlySet<string>
}

function readFixture(files: ReadonlyMap<string, string>): {
  repository: Repository
  facts: RepositoryFacts
  context: EnumerationContext
} {
  const config = new Map(
    linesOf(files.get('config')).map((line) => {
      const [key = '', ...values] = line.split(' ')
      return [key, values]
    }),
  )
  const one = (key: string) => config.get(key)?.[0]
  const repository: Repository = {
    ...plain,
    root: (one('root') ?? 'example.com/r') as ModulePath,
    subdir: one('subdir') ?? '',
    branches: config.get('branches') ?? [],
    ...(config.has('versions') && { versions: (config.get('versions') ?? []).join(' ') }),
  }
  const include = config.get('include')
  const exclude = config.get('exclude') ?? []
  const matches = (patterns: readonly string[], dir: string) =>
    patterns.some((pattern) => matchesGlob(pattern, dir))
  const roots = [repository.root, ...(config.get('roots') ?? [])]
  return {
    repository,
    facts: readFacts(files, repository, config),
    context: {
      isPublished: (path, version) => config.get('published')?.includes(`${path}@${version}`) === true,
      isRefused: (path, version) => config.get('refused')?.includes(`${path}@${version}`) === true,
      checkPath: (path) => {
        const place = { repository: repository.root, module: path }
        if (ownerOf(roots, path) !== repository.root)
          return problem('module-shadowed', place, 'It is shadowed.')
        const reason = checkReserved(path, one('prefix'))
        return reason === undefined ? undefined : problem('path-reserved', place, reason)
      },
      wantsDirectory: (dir) => (include === undefined || matches(include, dir)) && !matches(exclude, dir),
      maxGo: '1.26',
    },
  }
}

function readFacts(
  files: ReadonlyMap<string, string>,
  repository: Repository,
  config: ReadonlyMap<string, readonly string[]>,
): RepositoryFacts {
  const { commits, tags, branches } = runScript(files)
  const failed = new Map(linesOf(files.get('failed')).map((line) => line.split(' ') as [string, string]))
  const factsAt = (ref: string, label: string, depth: 'tag' | 'all' | 'none'): RefFacts => {
    const code = failed.get(ref)
    const commit = commits.get(label)
    if (commit === undefined) throw new Error(`There is no commit ${label}.`)
    if (code !== undefined)
      return { ref, oid: commitOf(commit.number), failed: { code, message: 'It is broken.' } }
    const merged = [...tags]
      .filter(
        ([name, at]) =>
          commit.history.has(at) && isBaseTag(`refs/tags/${name}`) && !failed.has(`refs/tags/${name}`),
      )
      .map(([name]) => name)
      .sort()
    const all = goModsOf(files, label)
    return {
      ...commitFacts(commit.number, depth === 'none' ? undefined : pick(all, ref, depth), merged),
      ref,
    }
  }
  const depthOf = (name: string) => {
    if (isVersionTag(`refs/tags/${name}`)) return 'tag'
    return repository.branches.includes(name) || /\d\.\d|^v\d/.test(name.slice(name.lastIndexOf('/') + 1))
      ? 'all'
      : 'none'
  }
  const defaultBranch = config.get('defaultBranch')?.[0] ?? 'main'
  return {
    tags: [...tags]
      .filter(([name]) => isRelevantTag(`refs/tags/${name}`))
      .map(([name, label]) => factsAt(`refs/tags/${name}`, label, depthOf(name))),
    heads: [...branches]
      .filter(([name]) => name === defaultBranch || repository.branches.includes(name))
      .map(([name, label]) => factsAt(`refs/heads/${name}`, label, 'all')),
    commits: (config.get('commits') ?? []).map((text) => {
      const label = /\{(.*)\}/.exec(text)?.[1] ?? ''
      const id = commitOf(commits.get(label)?.number ?? 0).slice(0, 12)
      return factsAt(`commit:${text.replace(/\{.*\}/, id)}`, label, 'all')
    }),
    ...(branches.has(defaultBranch) && { defaultHead: `refs/heads/${defaultBranch}` }),
  }
}

/** Of a version tag only the directories that it may be about are read, if there is a go.mod in any. */
function pick(
  all: Readonly<Record<string, GoModFile>>,
  ref: string,
  depth: 'tag' | 'all',
): Readonly<Record<string, GoModFile>> {
  if (depth === 'all') return all
  const short = ref.slice('refs/tags/'.length)
  const dir = short.slice(0, Math.max(short.lastIndexOf('/'), 0))
  const major = majorOf(short.slice(short.lastIndexOf('/') + 1))
  const candidates = Object.entries(all).filter(
    ([each]) => each === dir || each === (dir === '' ? major : `${dir}/${major}`),
  )
  return candidates.length === 0 ? all : Object.fromEntries(candidates)
}

function goModsOf(files: ReadonlyMap<string, string>, label: string): Record<string, GoModFile> {
  const found = [...files].flatMap(([name, content]): [string, GoModFile][] => {
    const match = /^(.*?):(?:(.*)\/)?go\.mod(?: (symlink|directory))?$/.exec(name)
    if (match === null || match[1] !== label) return []
    const [, , dir = '', kind = 'regular'] = match
    if (kind === 'directory') return [[dir, { kind, module: '' }]]
    return [[dir, readGoMod(Buffer.from(content), kind === 'symlink' ? kind : 'regular')]]
  })
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The commands of the conformance fixtures that make history: release, commit, switch and tag. */
function runScript(files: ReadonlyMap<string, string>): {
  commits: ReadonlyMap<string, Commit>
  tags: ReadonlyMap<string, string>
  branches: ReadonlyMap<string, string>
} {
  const labels = new Set([...files.keys()].flatMap((name) => /^(.*?):/.exec(name)?.[1] ?? []))
  const commits = new Map<string, Commit>()
  const tags = new Map<string, string>()
  const branches = new Map<string, string>()
  let [branch, last] = ['main', '']
  const commit = (label: string) => {
    const history = new Set([...(commits.get(branches.get(branch) ?? '')?.history ?? []), label])
    commits.set(label, { number: commits.size + 1, history })
    branches.set(branch, label)
    last = label
  }
  for (const line of linesOf(files.get('script') ?? 'release')) {
    const [command, ...args] = line.split(' ')
    const [first = ''] = args
    if (command === 'commit') commit(first)
    else if (command === 'tag') tags.set(first, args[1] ?? last)
    else if (command === 'release') {
      for (const label of args.length > 0 ? args : labels) {
        commit(label)
        tags.set(label, label)
      }
    } else if (command === 'switch') {
      branch = first
      if (!branches.has(branch)) branches.set(branch, args[1] ?? last)
      last = branches.get(branch) ?? ''
    } else throw new Error(`The command ${line} is not known.`)
  }
  return { commits, tags, branches }
}

function linesOf(text = ''): string[] {
  return text.split('\n').filter((line) => line !== '')
}

function describeEnumeration({ modules, problems }: Enumeration, form: 'short' | 'long'): string {
  const lines = modules.flatMap(({ path, versions, list, queries, latest, deprecated }) => {
    const byVersion = new Map(versions.map((each) => [each.version as string, each]))
    const notes = (version: string) => [
      ...(version === latest ? ['latest'] : []),
      ...(list.some((each) => each === version) ? [] : ['unlisted']),
    ]
    expect(list).toEqual(
      sortVersions(list.filter((each) => !each.endsWith('+incompatible'))).concat(
        sortVersions(list.filter((each) => each.endsWith('+incompatible'))),
      ),
    )
    return [
      ...(deprecated === undefined ? [] : [`${path} deprecated: ${deprecated}`]),
      ...sortVersions(byVersion.keys()).map((version) =>
        [`${path}@${version}`, byVersion.get(version)?.dir || '.', ...notes(version)].join(' '),
      ),
      ...Object.entries(queries).map(([name, version]) => `${path}@${name} = ${version}`),
    ]
  })
  const found = problems.map(
    ({ code, subject, message }) => `! ${subject} ${code}${form === 'long' ? `: ${message}` : ''}`,
  )
  return [...lines, ...found.sort()].map((line) => `${line}\n`).join('')
}
