/**
 * Measures one repository: all its versions; its newest tag with nothing
 * cached, and as the only new one of a site; and a build with nothing new.
 *
 * What modpress publishes in a first build is what all programs have to make.
 * If go has another hash for any of it, the measurement ends there.
 */

import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseShard, shardPath } from '../../src/manifest.ts'
import type { ModulePath, PublishedVersion } from '../../src/model.ts'
import { compareVersions } from '../../src/module/version.ts'
import { type Command, measure, type Run } from './measure.ts'
import { commandIn, type Direct, type Place, runGit, serveDirect } from './programs.ts'
import {
  type Measured,
  mergeMeasured,
  type ProgramName,
  type RepositoryResult,
  ratioOf,
  type Sample,
  type WorkResult,
} from './table.ts'

export interface Source {
  readonly root: string
  /** A clone or a bundle. */
  readonly path: string
}

/** What all repositories are measured with. */
export interface Bench {
  readonly place: Place
  readonly rounds: number
  /** How many tags are taken, from the newest on. @default all */
  readonly versions?: number
  /** The compiled command line. */
  readonly modpress: string
  readonly hasGo: boolean
  /** Whether A is left out: for histories that would take go hours. */
  readonly isWithoutA: boolean
  /** The Go program; absent where it could not be had. */
  readonly b?: string
  readonly onStep: (line: string) => void
}

type Versions = readonly PublishedVersion[]

/** A program with one task. Each run gets a path where nothing is yet, and which is removed afterwards. */
interface Program {
  readonly name: ProgramName
  readonly command: (out: string) => Command
  /** Makes what a run starts from. */
  readonly prepare?: (out: string) => void
  /** Throws where the program did not do its task. */
  readonly check?: (out: string, run: Run) => Promise<void> | void
}

/** A repository while it is measured. */
interface Subject extends Bench {
  readonly root: string
  readonly dir: string
  readonly clone: string
  /** Absent where there is no go. */
  readonly direct?: Direct
  /** Filled in as it goes. */
  readonly found: { works: WorkResult[]; compared: number; otherB?: number; failures: string[] }
}

/** Measures one repository. What goes wrong with it is told, and costs the others nothing. */
export async function benchRepository(bench: Bench, { root, path }: Source): Promise<RepositoryResult> {
  const { place, onStep } = bench
  const dir = join(place.dir, 'repository')
  const clone = join(dir, 'clone.git')
  const found: Subject['found'] = { works: [], compared: 0, failures: [] }
  let direct: Direct | undefined
  try {
    onStep(`${root}: clone`)
    mkdirSync(join(dir, 'tree'), { recursive: true })
    await runGit(place, 'clone', '--quiet', '--mirror', path, clone)
    // CreateFromVCS wants a directory with a ".git".
    symlinkSync(clone, join(dir, 'tree/.git'), 'junction')
    direct = bench.hasGo && !bench.isWithoutA ? await serveDirect(place, root, clone) : undefined
    await measureWorks({ ...bench, root, dir, clone, found, ...(direct === undefined ? {} : { direct }) })
  } catch (error) {
    place.options.signal.throwIfAborted()
    const message = error instanceof Error ? error.message : String(error)
    onStep(`${root}: FAILED. ${message}`)
    found.failures.push(message)
  } finally {
    await direct?.close()
    await rm(dir, { recursive: true, force: true })
  }
  return { root, comparedWith: bench.isWithoutA ? 'B' : 'A', ...found }
}

async function measureWorks(subject: Subject): Promise<void> {
  const { dir, clone } = subject
  const press = modpress(subject, 'all', clone)
  if (subject.versions !== undefined) await keepNewestTags(subject, subject.versions)
  const site = join(dir, 'site')
  const versions = await pressOnce(subject, press, site)
  const [newest] = newestFirst(versions)
  if (newest === undefined) throw new Error('No version is published.')

  const all = pressing(subject, press, versions)
  const copy: Program = { name: 'L', command: (out) => commandIn(subject.place, copying(site, out)) }
  await time(subject, 'all versions', versions, all, [...others(subject, versions), copy])
  if (newest.ref !== undefined) await measureNewest(subject, versions, newest, newest.ref)
  const again = pressing(subject, () => press(site), versions, { site })
  await time(subject, 'nothing new', [], again, [])
}

async function measureNewest(
  subject: Subject,
  versions: Versions,
  newest: PublishedVersion,
  ref: string,
): Promise<void> {
  const { place, dir, clone } = subject
  const isOnly = versions.filter(({ version }) => version === newest.version).length === 1
  const pressOne = modpress(subject, 'one', clone, {
    versions: newest.version.replace(/\+.*/, ''),
    ...(isOnly ? {} : { directories: { include: [newest.codeDir ?? ''] } }),
  })
  const one = pressing(subject, pressOne, [newest])
  await time(subject, 'one tag, nothing cached', [newest], one, others(subject, [newest]))

  // The site is built as it was before the tag was pushed. A module may have had a pseudo-version then.
  const grown = join(dir, 'grown.git')
  cpSync(clone, grown, { recursive: true })
  const inGrown = (...args: readonly string[]) => runGit(place, '--git-dir', grown, ...args)
  const pressGrown = modpress(subject, 'grown', grown)
  const oid = (await inGrown('rev-parse', ref)).trim()
  await inGrown('update-ref', '-d', ref)
  const base = join(dir, 'before')
  const before = await pressOnce(subject, pressGrown, base)
  await inGrown('update-ref', ref, oid)
  const added = pressing(subject, pressGrown, [...before, newest], { base })
  await time(subject, 'one new tag', [newest], added, others(subject, [newest]))
}

/** Measures P beside each of the others. */
async function time(
  { found, place, rounds, root, onStep }: Subject,
  work: string,
  list: Versions,
  p: Program,
  beside: readonly Program[],
): Promise<void> {
  const programs: Partial<Record<ProgramName, Measured>> = {}
  const ratios: Record<string, WorkResult['ratios']['A/P']> = {}
  for (const other of beside.length === 0 ? [undefined] : beside) {
    const pair = other === undefined ? [p] : [other, p]
    onStep(`${root}: ${work}, ${pair.map(({ name }) => name).join(' ')}`)
    const measured = await runInTurn(place, pair, rounds)
    for (const [index, { name }] of pair.entries()) {
      const own = measured[index]
      if (own !== undefined) programs[name] = mergeMeasured(programs[name], own)
    }
    const [first, second] = measured
    // A ratio of programs whose results may differ says nothing.
    if (found.compared === 0 || other === undefined || first === undefined || second === undefined) continue
    if (other.name === 'L') ratios['P/L'] = ratioOf(second.samples, first.samples)
    else ratios[`${other.name}/P`] = ratioOf(first.samples, second.samples)
  }
  const zipBytes = list.reduce((sum, { size }) => sum + size, 0)
  found.works.push({ work, versions: list.length, zipBytes, programs, ratios })
}

/** P has its files on the disk when it ends, and so has the copy. */
function copying(site: string, out: string): readonly string[] {
  return ['sh', '-c', 'cp -r "$1" "$2" && sync', 'sh', site, out]
}

/** Runs programs one after another, once to warm up and then for some rounds. */
async function runInTurn(place: Place, programs: readonly Program[], rounds: number): Promise<Measured[]> {
  const samples = programs.map((): Sample[] => [])
  const peaks: Run['memory'][] = []
  const out = join(place.dir, 'out')
  for (let round = 0; round <= rounds; round++) {
    const isWarmUp = round === 0
    for (const [index, program] of programs.entries()) {
      program.prepare?.(out)
      const run = await measure(program.command(out), { ...place.options, isWatched: isWarmUp })
      await program.check?.(out, run)
      await rm(out, { recursive: true, force: true })
      const { wallMs, cpuMs, memory } = run
      if (isWarmUp) peaks.push(memory)
      else samples[index]?.push({ wallMs, ...(cpuMs === undefined ? {} : { cpuMs }) })
    }
  }
  return programs.map((_, index) => ({ samples: samples[index] ?? [], ...peaks[index] }))
}

/** Returns A and B, as far as they are there, with the task to make these versions. */
function others(subject: Subject, list: Versions): Program[] {
  const { direct, b } = subject
  return [
    ...(direct === undefined ? [] : [downloading(subject, direct, list)]),
    ...(b === undefined ? [] : [zipping(subject, b, list)]),
  ]
}

interface Download {
  readonly Path?: string
  readonly Version?: string
  readonly Sum?: string
  readonly GoModSum?: string
  readonly Error?: string
}

/** A, which must come to the same hashes, in each run. */
function downloading({ found }: Subject, direct: Direct, list: Versions): Program {
  const queries = list.map(({ path, version }) => `${path}@${version}`)
  return {
    name: 'A',
    command: (out) => direct.download(out, queries),
    check: (_, run) => {
      const downloads = run.stdout
        .split(/(?<=^\})\n/m)
        .filter((part) => part.trim() !== '')
        .map((part) => JSON.parse(part) as Download)
      const byQuery = new Map(downloads.map((each) => [`${each.Path}@${each.Version}`, each]))
      const differences = list.flatMap(({ path, version, h1, goModH1 }) => {
        const { Sum, GoModSum, Error: reason } = byQuery.get(`${path}@${version}`) ?? { Error: run.stderr }
        if (Sum === h1 && GoModSum === goModH1) return []
        const ofGo = reason === undefined ? `${Sum} ${GoModSum}` : reason.trim()
        return [`${path}@${version} has ${h1} ${goModH1}, and with go ${ofGo}`]
      })
      if (differences.length > 0) {
        const some = differences.slice(0, 3).join('; ')
        throw new Error(`${differences.length} of ${list.length} versions are not as go has them: ${some}.`)
      }
      requireSuccess('A', run)
      found.compared = Math.max(found.compared, list.length)
    },
  }
}

/** B. How many of its zips have another hash is found out once. */
function zipping({ place, dir, found, direct }: Subject, b: string, list: Versions): Program {
  const listFile = join(dir, `versions-${list.length}.json`)
  const described = list.map(({ path, version, commit, dir: Dir = '' }) => {
    return { Path: path, Version: version, Commit: commit, Dir }
  })
  writeFileSync(listFile, JSON.stringify(described))
  return {
    name: 'B',
    command: (out) => commandIn(place, [b, 'zip', listFile, join(dir, 'tree'), out]),
    check: async (out, run) => {
      requireSuccess('B', run)
      if (found.otherB !== undefined) return
      const { stdout } = await measure(commandIn(place, [b, 'hash', listFile, out]), place.options)
      const hashes = stdout.split('\n')
      found.otherB = list.filter(({ h1 }, index) => hashes[index] !== h1).length
      // Without A nobody else tells what the hashes should be.
      if (direct === undefined) found.compared = list.length - found.otherB
    },
  }
}

/** Returns the commands of modpress, by the directory that it writes. */
function modpress(subject: Subject, name: string, repository: string, wanted: object = {}): Press {
  const config = join(subject.dir, `${name}.json`)
  const repositories = [{ root: subject.root, dir: repository, ...wanted }]
  writeFileSync(config, JSON.stringify({ url: 'https://go.example.com', repositories }))
  const argv = [process.execPath, subject.modpress, 'build', '--config', config, '--quiet']
  return (out) => commandIn(subject.place, [...argv, '--fail-on', 'never', '--output', out])
}

type Press = (out: string) => Command

async function pressOnce(subject: Subject, press: Press, site: string): Promise<Versions> {
  requireSuccess('P', await measure(press(site), subject.place.options))
  return readVersions(site, subject.root)
}

/** P. It starts from `base`, where that is given; `site` is where it writes, where that is not a new directory. */
function pressing(
  { root }: Subject,
  press: Press,
  list: Versions,
  { base, site }: { readonly base?: string; readonly site?: string } = {},
): Program {
  const wanted = describe(list)
  return {
    name: 'P',
    command: press,
    ...(base === undefined ? {} : { prepare: (out) => linkTree(base, out) }),
    check: (out, run) => {
      requireSuccess('P', run)
      const published = readVersions(site ?? out, root)
      if (describe(published) === wanted) return
      throw new Error(
        `P has ${published.length} versions, which are not the ${list.length} that it should have.`,
      )
    },
  }
}

function describe(list: Versions): string {
  const lines = list.map(({ path, version, h1 }) => `${path}@${version} ${h1}`)
  return lines.sort().join('\n')
}

function requireSuccess(name: ProgramName, { status, stderr }: Run): void {
  if (status !== 0) throw new Error(`${name} exited with ${status}: ${stderr.trim().slice(-1000)}`)
}

function readVersions(site: string, root: string): Versions {
  const file = join(site, shardPath(root as ModulePath))
  const shard = existsSync(file) ? parseShard(readFileSync(file, 'utf8')) : undefined
  return typeof shard === 'object' ? [...shard.versions.values()] : []
}

/** Of the modules at one commit, the one with the shortest path comes first. */
function newestFirst(versions: Versions): Versions {
  return [...versions].sort(
    (a, b) => b.time - a.time || a.path.length - b.path.length || compareVersions(b.version, a.version),
  )
}

/** Deletes all tags of the clone but those of the newest versions. */
async function keepNewestTags(subject: Subject, count: number): Promise<void> {
  const { place, dir, clone } = subject
  const site = join(dir, 'of-all-tags')
  const versions = await pressOnce(subject, modpress(subject, 'all', clone), site)
  await rm(site, { recursive: true, force: true })
  const kept = new Set(
    newestFirst(versions)
      .flatMap(({ ref }) => ref ?? [])
      .slice(0, count),
  )
  const refs = await runGit(place, '--git-dir', clone, 'for-each-ref', '--format=%(refname)', 'refs/tags')
  const unwanted = refs.split('\n').filter((ref) => ref !== '' && !kept.has(ref))
  const input = unwanted.map((ref) => `delete ${ref}\n`).join('')
  execFileSync('git', ['--git-dir', clone, 'update-ref', '--stdin'], { input, env: place.env })
}

/** Makes the same tree of the same files. modpress replaces files, and writes into none that is there. */
function linkTree(from: string, to: string): void {
  mkdirSync(to)
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) linkTree(source, target)
    else linkSync(source, target)
  }
}
