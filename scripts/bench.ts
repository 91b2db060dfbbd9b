/**
 * Measures how fast modpress is, beside what does the same work:
 *
 *     npm run bench -- [REPOSITORY…] [--root ROOT]… [--rounds 5] [--versions N] [--json FILE] [--md FILE]
 *
 * A repository is a clone or a bundle. Without any, those in the folder that
 * MODPRESS_CORPUS names are taken, or else the sample repositories of the
 * demo. The name of a file says its import path: owner__name is
 * github.com/owner/name, and go.example.com__name is go.example.com/name; else
 * --root gives it, one for each repository in their order. --versions takes
 * only the newest tags.
 *
 * scripts/bench/programs.ts says what the programs are. They run in turn
 * (A P A P …, B P B P …, L P L P …), each into a new directory, after one run
 * of each that is not timed: it warms the page cache, and memory is measured
 * in it. First all hashes of modpress are held against those that go computes;
 * where one differs, nothing is timed. docs/speed.md has more.
 */

import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { cpus, loadavg, tmpdir, totalmem } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { parseShard, shardPath } from '../src/manifest.ts'
import type { ModulePath, PublishedVersion } from '../src/model.ts'
import { compareVersions } from '../src/module/version.ts'
import { type Command, measure, type Run } from './bench/measure.ts'
import {
  commandIn,
  compileB,
  compileModpress,
  type Direct,
  makePlace,
  type Place,
  runGit,
  serveDirect,
} from './bench/programs.ts'
import {
  type BenchReport,
  type Measured,
  type ProgramName,
  type RatioName,
  type RepositoryResult,
  ratioOf,
  renderReport,
  type Sample,
  type WorkResult,
} from './bench/table.ts'
import { describeMissing, findMissing } from './parts.ts'
import { makeSamples, samplePrefix, samples } from './samples.ts'

interface Source {
  readonly root: string
  readonly path: string
}

/** What all repositories are measured with. */
interface Bench {
  readonly place: Place
  readonly rounds: number
  readonly versions?: number
  readonly modpress: string
  /** The Go program; absent where it could not be had. */
  readonly b?: string
  readonly hasGo: boolean
}

/** A program with one task. Each run gets a path where nothing is yet, which is removed afterwards. */
interface Program {
  readonly name: ProgramName
  readonly command: (out: string) => Command
  /** Makes what a run starts from. */
  readonly prepare?: (out: string) => void
  /** Throws where the program did not do its work. */
  readonly check?: (out: string, run: Run, isWarmUp: boolean) => Promise<void> | void
}

interface Timed extends Measured {
  readonly name: ProgramName
}

const usage = `Usage: npm run bench -- [REPOSITORY…] [--root ROOT]… [--rounds 5] [--versions N] [--json FILE] [--md FILE]`

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => stop.abort(new Error(`Stopped by ${signal}.`)))
}

const options = readOptions()
const dir = mkdtempSync(join(tmpdir(), 'modpress-bench-'))
try {
  const report = await bench()
  const text = renderReport(report)
  console.log(text)
  if (options.md !== undefined) writeFileSync(options.md, text)
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
  const isWhole = report.repositories.every(({ failures }) => failures.length === 0)
  process.exitCode = isWhole ? 0 : 1
} catch (error) {
  if (!stop.signal.aborted) throw error
  tell('Stopped.')
  process.exitCode = 130
} finally {
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 })
}

function readOptions() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        root: { type: 'string', multiple: true },
        rounds: { type: 'string', default: '5' },
        versions: { type: 'string' },
        json: { type: 'string' },
        md: { type: 'string' },
      },
    })
    const { root: roots = [], rounds, versions, json, md } = values
    for (const number of [rounds, versions ?? '1']) {
      if (!/^[1-9]\d*$/.test(number)) throw new Error(`${number} is no number of rounds or versions.`)
    }
    return { repositories: positionals, roots, rounds: Number(rounds), versions, json, md }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${usage}`)
    process.exit(2)
  }
}

async function bench(): Promise<BenchReport> {
  const place = makePlace(dir, stop.signal)
  const missing = findMissing('git', 'go')
  const [noGit] = missing.filter(({ name }) => name === 'git')
  if (noGit !== undefined) throw new Error(describeMissing(noGit))
  const [noGo] = missing
  const skipped = noGo === undefined ? [] : [`**${describeMissing(noGo)} A and B are SKIPPED.**`]

  const sources = findSources()
  tell('Compiling.')
  const modpress = await compileModpress(place)
  const b = noGo === undefined ? await compileB(place).catch(describeError) : undefined
  if (b instanceof Error) skipped.push(`**B is SKIPPED: ${b.message}**`)
  for (const each of skipped) tell(each)

  const { rounds, versions } = options
  const parts: Bench = {
    place,
    rounds,
    modpress,
    hasGo: noGo === undefined,
    ...(versions === undefined ? {} : { versions: Number(versions) }),
    ...(typeof b === 'string' ? { b } : {}),
  }
  const date = new Date().toISOString().slice(0, 10)
  const machine = describeMachine(parts)
  const repositories: RepositoryResult[] = []
  for (const source of sources) {
    repositories.push(await benchRepository(parts, source))
    stop.signal.throwIfAborted()
  }
  return { date, command: describeCommand(), machine, rounds, repositories, skipped }
}

/** Finds what is to be measured. */
function findSources(): Source[] {
  const { repositories, roots } = options
  const corpus = process.env['MODPRESS_CORPUS'] ?? ''
  if (repositories.length === 0 && corpus === '') {
    makeSamples(join(dir, 'samples'))
    return samples.map(({ name }) => ({ root: `${samplePrefix}/${name}`, path: join(dir, 'samples', name) }))
  }
  const names = repositories.length > 0 ? [] : readdirSync(corpus).filter((name) => !name.startsWith('.'))
  const paths = repositories.length > 0 ? repositories : names.sort().map((name) => join(corpus, name))
  return paths.map((path, index) => {
    const root = roots[index] ?? rootOf(path)
    if (existsSync(path) && root !== undefined) return { root, path: resolve(path) }
    const reason = root === undefined ? 'is not named owner__name: say --root' : 'is not there'
    console.error(`${path} ${reason}.\n${usage}`)
    return process.exit(2)
  })
}

function rootOf(path: string): string | undefined {
  const elements = basename(path)
    .replace(/\.(bundle|git)$/, '')
    .split('__')
  const [first = ''] = elements
  if (elements.length < 2) return undefined
  return [...(first.includes('.') ? [] : ['github.com']), ...elements].join('/')
}

/** Measures one repository. What goes wrong with it is told, and costs the others nothing. */
async function benchRepository(parts: Bench, { root, path }: Source): Promise<RepositoryResult> {
  const result = { works: [] as WorkResult[], compared: 0, failures: [] as string[] }
  const at = (name: string) => join(dir, 'repository', name)
  let direct: Direct | undefined
  let otherB: number | undefined
  try {
    const { place, rounds, hasGo, b } = parts
    mkdirSync(at(''), { recursive: true })
    tell(`${root}: cloning.`)
    const clone = at('clone.git')
    await runGit(place, 'clone', '--quiet', '--mirror', path, clone)
    // CreateFromVCS wants a ".git".
    mkdirSync(at('tree'))
    symlinkSync(clone, at('tree/.git'), 'junction')
    direct = hasGo ? await serveDirect(place, root, clone) : undefined

    const press = (name: string, repository: string, wanted: object = {}): Press => {
      const file = at(`${name}.json`)
      const repositories = [{ root, dir: repository, ...wanted }]
      writeFileSync(file, JSON.stringify({ url: 'https://go.example.com', repositories }))
      const argv = [process.execPath, parts.modpress, 'build', '--config', file, '--quiet']
      return (out) => commandIn(place, [...argv, '--fail-on', 'never', '--output', out])
    }
    const pressOnce = async (command: Press, site: string): Promise<PublishedVersion[]> => {
      const run = await measure(command(site), place.options)
      requireSuccess('P', run)
      return readVersions(site, root)
    }
    const pressAll = press('full', clone)
    if (parts.versions !== undefined) {
      const all = await pressOnce(pressAll, at('all'))
      await keepTags(
        place,
        clone,
        newestFirst(all)
          .slice(0, parts.versions)
          .flatMap(({ ref }) => ref ?? []),
      )
    }
    const versions = await pressOnce(pressAll, at('site'))
    const [newest] = newestFirst(versions)
    if (newest === undefined) throw new Error('No version is published.')

    /** The other programs with the task to make these versions. */
    const others = (list: readonly PublishedVersion[]): Program[] => {
      const listFile = at(`list-${list.length}.json`)
      writeFileSync(listFile, JSON.stringify(list.map(describeForB)))
      const a: Program[] =
        direct === undefined
          ? []
          : [downloadProgram(direct, list, (count) => (result.compared = Math.max(result.compared, count)))]
      if (b === undefined) return a
      const zip: Program = {
        name: 'B',
        command: (out) => commandIn(place, [b, 'zip', listFile, at('tree'), out]),
        check: async (out, run, isWarmUp) => {
          requireSuccess('B', run)
          if (!isWarmUp || otherB !== undefined) return
          const hashes = await measure(commandIn(place, [b, 'hash', listFile, out]), place.options)
          const lines = hashes.stdout.split('\n')
          otherB = list.filter(({ h1 }, index) => lines[index] !== h1).length
        },
      }
      return [...a, zip]
    }
    const pressing = (command: Press, list: readonly PublishedVersion[], base?: string): Program => ({
      name: 'P',
      command,
      ...(base === undefined ? {} : { prepare: (out) => linkTree(base, out) }),
      check: (out, run) => {
        requireSuccess('P', run)
        requireVersions(readVersions(out, root), list)
      },
    })
    const time = async (
      work: string,
      list: readonly PublishedVersion[],
      groups: readonly (readonly [Program | undefined, Program])[],
    ): Promise<void> => {
      const timed: Timed[][] = []
      for (const [other, p] of groups) {
        const programs = other === undefined ? [p] : [other, p]
        tell(`${root}: ${work}, ${programs.map(({ name }) => name).join(' ')}`)
        timed.push(await runInTurn(place, programs, rounds))
      }
      result.works.push(summarize(work, list, timed, result.compared > 0))
    }

    const full = pressing(pressAll, versions)
    const copy: Program = { name: 'L', command: (out) => commandIn(place, ['cp', '-r', at('site'), out]) }
    await time('all versions', versions, [
      ...others(versions).map((other) => [other, full] as const),
      [copy, full],
    ])

    const { ref } = newest
    if (ref !== undefined) {
      const one = [newest]
      const exact = { versions: newest.version.replace(/\+.*/, '') }
      const inDirectory = { ...exact, directories: { include: [newest.dir ?? ''] } }
      const isOnly = versions.filter(({ version }) => version === newest.version).length === 1
      const single = pressing(press('one', clone, isOnly ? exact : inDirectory), one)
      await time('one tag, nothing there', one, pairUp(others(one), single))

      // The clone as it was before the newest tag was pushed.
      const grown = at('grown.git')
      cpSync(clone, grown, { recursive: true })
      const pressGrown = press('grown', grown)
      const oid = (await runGit(place, '--git-dir', grown, 'rev-parse', ref)).trim()
      await runGit(place, '--git-dir', grown, 'update-ref', '-d', ref)
      await pressOnce(pressGrown, at('before'))
      await runGit(place, '--git-dir', grown, 'update-ref', ref, oid)
      const added = pressing(pressGrown, versions, at('before'))
      await time('one new tag', one, pairUp(others(one), added))
    }

    const again: Program = {
      ...pressing(() => pressAll(at('site')), versions),
      check: (_, run) => requireSuccess('P', run),
    }
    await time('nothing new', [], [[undefined, again]])
  } catch (error) {
    stop.signal.throwIfAborted()
    const { message } = describeError(error)
    tell(`${root}: FAILED. ${message}`)
    result.failures.push(message)
  } finally {
    await direct?.close()
    await rm(at(''), { recursive: true, force: true })
  }
  return { root, ...result, ...(otherB === undefined ? {} : { otherB }) }
}

/** The command that presses into a directory. */
type Press = (out: string) => Command

function pairUp(others: readonly Program[], p: Program): (readonly [Program | undefined, Program])[] {
  return others.length === 0 ? [[undefined, p]] : others.map((other) => [other, p])
}

/** A, which must get the same hashes. */
function downloadProgram(
  direct: Direct,
  list: readonly PublishedVersion[],
  onCompared: (count: number) => void,
): Program {
  const queries = list.map(({ path, version }) => `${path}@${version}`)
  return {
    name: 'A',
    command: (out) => direct.download(out, queries),
    check: (_, run) => {
      const found = new Map(
        run.stdout
          .split(/(?<=^\})\n/m)
          .filter((part) => part.trim() !== '')
          .map((part) => JSON.parse(part) as Download)
          .map((each) => [`${each.Path}@${each.Version}`, each] as const),
      )
      const differences = list.flatMap(({ path, version, h1, goModH1 }) => {
        const {
          Sum,
          GoModSum,
          Error: reason,
        } = found.get(`${path}@${version}`) ?? { Error: run.stderr.trim() }
        if (Sum === h1 && GoModSum === goModH1) return []
        return [`${path}@${version}: modpress ${h1} ${goModH1}, go ${reason || `${Sum} ${GoModSum}`}`]
      })
      if (differences.length > 0) {
        const shown = differences.slice(0, 5).join('; ')
        throw new Error(`${differences.length} of ${list.length} versions are not as go has them: ${shown}`)
      }
      requireSuccess('A', run)
      onCompared(list.length)
    },
  }
}

interface Download {
  readonly Path?: string
  readonly Version?: string
  readonly Sum?: string
  readonly GoModSum?: string
  readonly Error?: string
}

/** Runs programs one after another, once to warm up and then for some rounds. */
async function runInTurn(place: Place, programs: readonly Program[], rounds: number): Promise<Timed[]> {
  const samples = programs.map((): Sample[] => [])
  const peaks: Run['memory'][] = []
  for (let round = 0; round <= rounds; round++) {
    const isWarmUp = round === 0
    for (const [index, program] of programs.entries()) {
      const out = join(dir, 'out')
      program.prepare?.(out)
      const run = await measure(program.command(out), { ...place.options, isWatched: isWarmUp })
      await program.check?.(out, run, isWarmUp)
      await rm(out, { recursive: true, force: true })
      const { wallMs, cpuMs, memory } = run
      if (isWarmUp) peaks.push(memory)
      else samples[index]?.push({ wallMs, ...(cpuMs === undefined ? {} : { cpuMs }) })
    }
  }
  return programs.map(({ name }, index) => ({ name, samples: samples[index] ?? [], ...peaks[index] }))
}

/** Joins what is known of each program, and gives ratios where the results are known to be the same. */
function summarize(
  work: string,
  list: readonly PublishedVersion[],
  groups: readonly (readonly Timed[])[],
  isCompared: boolean,
): WorkResult {
  const programs: Partial<Record<ProgramName, Measured>> = {}
  const ratios: WorkResult['ratios'] = Object.fromEntries(
    groups.flatMap((group) => {
      const p = group.find(({ name }) => name === 'P')
      const other = group.find(({ name }) => name !== 'P')
      for (const { name, ...measured } of group) programs[name] = join2(programs[name], measured)
      if (!isCompared || p === undefined || other === undefined) return []
      if (other.name === 'L') return [['P/L' satisfies RatioName, ratioOf(p.samples, other.samples)]]
      return [[`${other.name}/P`, ratioOf(other.samples, p.samples)]]
    }),
  )
  const zipBytes = list.reduce((sum, { size }) => sum + size, 0)
  return { work, versions: list.length, zipBytes, programs, ratios }
}

function join2(one: Measured | undefined, other: Measured): Measured {
  if (one === undefined) return other
  const peak = (key: 'treeBytes' | 'mainBytes') => {
    const most = Math.max(one[key] ?? 0, other[key] ?? 0)
    return most === 0 ? {} : { [key]: most }
  }
  return { samples: [...one.samples, ...other.samples], ...peak('treeBytes'), ...peak('mainBytes') }
}

/** Deletes all tags but these. */
async function keepTags(place: Place, repository: string, kept: readonly string[]): Promise<void> {
  const listed = await runGit(
    place,
    '--git-dir',
    repository,
    'for-each-ref',
    '--format=%(refname)',
    'refs/tags',
  )
  const input = listed
    .split('\n')
    .filter((ref) => ref !== '' && !kept.includes(ref))
    .map((ref) => `delete ${ref}\n`)
    .join('')
  execFileSync('git', ['--git-dir', repository, 'update-ref', '--stdin'], { input, env: place.env })
}

function readVersions(site: string, root: string): PublishedVersion[] {
  const file = join(site, shardPath(root as ModulePath))
  const shard = existsSync(file) ? parseShard(readFileSync(file, 'utf8')) : undefined
  return typeof shard === 'object' ? [...shard.versions.values()] : []
}

/** By the time of the commit; of those of one commit, the top of the repository comes first. */
function newestFirst(versions: readonly PublishedVersion[]): PublishedVersion[] {
  return [...versions].sort(
    (a, b) => b.time - a.time || a.path.length - b.path.length || compareVersions(b.version, a.version),
  )
}

function describeForB({ path, version, commit, dir: moduleDir = '' }: PublishedVersion): object {
  return { Path: path, Version: version, Commit: commit, Dir: moduleDir }
}

/** Makes the same tree of the same files: modpress replaces files, and never writes into one. */
function linkTree(from: string, to: string): void {
  mkdirSync(to)
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) linkTree(source, target)
    else linkSync(source, target)
  }
}

function requireSuccess(name: ProgramName, { status, stderr }: Run): void {
  if (status !== 0) throw new Error(`${name} exited with ${status}: ${stderr.trim().slice(-1000)}`)
}

function requireVersions(found: readonly PublishedVersion[], wanted: readonly PublishedVersion[]): void {
  const describe = (list: readonly PublishedVersion[]) =>
    list
      .map(({ path, version, h1 }) => `${path}@${version} ${h1}`)
      .sort()
      .join('\n')
  if (describe(found) === describe(wanted)) return
  throw new Error(`P published ${found.length} versions, which are not the ${wanted.length} that it should.`)
}

/** What it was run as, without the directories of this machine. */
function describeCommand(): string {
  const words = process.argv.slice(2).map((word) => (existsSync(word) ? basename(word) : word))
  const corpus = process.env['MODPRESS_CORPUS'] !== undefined && options.repositories.length === 0
  return [
    ...(corpus ? ['MODPRESS_CORPUS=…'] : []),
    'npm run bench',
    ...(words.length > 0 ? ['--', ...words] : []),
  ].join(' ')
}

function describeMachine({ place: { env }, hasGo }: Bench): string {
  const ask = (...[file = '', ...args]: readonly string[]) =>
    execFileSync(file, args, { encoding: 'utf8', env })
      .trim()
      .replace(/^git version |^go/, '')
  const processors = cpus()
  const words = [
    `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown'}`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `load ${loadavg()[0]?.toFixed(1)} before`,
    `Node ${process.versions.node}`,
    ...(hasGo ? [`Go ${ask('go', 'env', 'GOVERSION')}`] : []),
    `git ${ask('git', '--version')}`,
  ]
  return `${words.join(', ')}.`
}

function describeError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

function tell(line: string): void {
  console.error(line)
}
