/**
 * Measures how fast modpress is, beside what does the same work:
 *
 *     npm run bench -- [REPOSITORY…] [--root ROOT]… [--rounds 5] [--versions N] [--without-a] [--json FILE] [--md FILE]
 *
 * `--help` says what it takes. The import path of a repository is told by
 * --root; else by the name of the file, owner__name for
 * github.com/owner/name and go.example.com__name for go.example.com/name; else
 * by its go.mod.
 *
 * The programs, which scripts/bench/programs.ts describes, run in turn
 * (A P A P …, B P B P …, L P L P …), each into a new directory, after one run
 * of each that is not timed: it warms the page cache, and memory is measured
 * in it. In each run of A the hashes of modpress are held against go's.
 * docs/speed.md says how to read the tables.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir, totalmem } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { rootOf } from '../src/config/infer.ts'
import { modulePathOf } from '../src/module/gomod.ts'
import { compileB, compileModpress, makePlace, type Place } from './bench/programs.ts'
import { type Bench, benchRepository, type Source } from './bench/repository.ts'
import { type BenchReport, type RepositoryResult, renderReport } from './bench/table.ts'
import { describeMissing, findMissing } from './parts.ts'
import { makeSamples, samplePrefix, samples } from './samples.ts'

const usage =
  'Usage: npm run bench -- [REPOSITORY…] [--root ROOT]… [--rounds 5] [--versions N] [--without-a] [--json FILE] [--md FILE]'

const help = `${usage}

Measures how long all versions of a repository take, one new tag, and nothing new:
  A  go mod download, straight from the repository
  B  a Go program that only makes the zips
  P  modpress
  L  copying what modpress wrote, and sync: no program writes faster
and gives the ratios of the runs side by side, once the hashes of modpress are those of go.

  REPOSITORY    clones or bundles; without any, those in the folder $MODPRESS_CORPUS, or the samples of the demo
  --root ROOT   the import path of the root: once for each repository, in their order; else the name of the file
                says it (owner__name.git, go.example.com__name.bundle), or the go.mod of a clone
  --rounds N    so many runs of each, 5 unless told
  --versions N  only the newest N versions
  --without-a   leaves out A, which of a long history takes hours
  --json FILE   writes all figures
  --md FILE     writes the tables

A and B need go. docs/speed.md says how to read the tables.`

const { repositories: given, roots, rounds, versions, isWithoutA, json, md } = readOptions()
const corpus = process.env['MODPRESS_CORPUS'] ?? ''

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => stop.abort(new Error(`Stopped by ${signal}.`)))
}

const dir = mkdtempSync(join(tmpdir(), 'modpress-bench-'))
try {
  const report = await measureAll(makePlace(dir, stop.signal))
  const text = renderReport(report)
  console.log(text)
  if (md !== undefined) writeFileSync(md, text)
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`)
  process.exitCode = report.repositories.every(({ failures }) => failures.length === 0) ? 0 : 1
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = stop.signal.aborted ? 130 : 1
} finally {
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 })
}

interface Options {
  readonly repositories: readonly string[]
  readonly roots: readonly string[]
  readonly rounds: number
  readonly versions?: number
  readonly isWithoutA: boolean
  readonly json?: string
  readonly md?: string
}

function readOptions(): Options {
  const text = { type: 'string' } as const
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        ...{ root: { ...text, multiple: true }, rounds: text, versions: text, json: text, md: text },
        'without-a': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) {
      console.log(help)
      return process.exit(0)
    }
    const number = (name: 'rounds' | 'versions') => {
      const value = values[name]
      if (value !== undefined && !/^[1-9]\d*$/.test(value))
        throw new Error(`--${name} ${value} is no number.`)
      return value === undefined ? undefined : Number(value)
    }
    const limit = number('versions')
    return {
      repositories: positionals,
      roots: values.root ?? [],
      rounds: number('rounds') ?? 5,
      isWithoutA: values['without-a'],
      ...(limit === undefined ? {} : { versions: limit }),
      ...(values.json === undefined ? {} : { json: values.json }),
      ...(values.md === undefined ? {} : { md: values.md }),
    }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${usage}`)
    return process.exit(2)
  }
}

async function measureAll(place: Place): Promise<BenchReport> {
  const missing = findMissing('git', 'go')
  const noGit = missing.find(({ name }) => name === 'git')
  if (noGit !== undefined) throw new Error(describeMissing(noGit))
  const [noGo] = missing
  const skipped =
    noGo === undefined ? [] : [`**A and B are SKIPPED, and no ratio is given. ${describeMissing(noGo)}**`]
  const sources = findSources()

  console.error('Compiling.')
  const modpress = compileModpress(place)
  const b = noGo === undefined ? await compileB(place).catch((error: Error) => error) : undefined
  stop.signal.throwIfAborted()
  if (b instanceof Error) skipped.push(`**B is SKIPPED. ${b.message}**`)
  for (const each of skipped) console.error(each)

  const bench: Bench = {
    place,
    rounds,
    modpress,
    hasGo: noGo === undefined,
    isWithoutA,
    ...(versions === undefined ? {} : { versions }),
    ...(typeof b === 'string' ? { b } : {}),
    onStep: (line) => console.error(line),
  }
  const date = new Date().toISOString().slice(0, 10)
  const machine = describeMachine(bench)
  const repositories: RepositoryResult[] = []
  for (const source of sources) repositories.push(await benchRepository(bench, source))
  return { date, command: describeCommand(), machine, rounds, repositories, skipped }
}

function findSources(): Source[] {
  if (given.length === 0 && corpus === '') {
    makeSamples(join(dir, 'samples'))
    return samples.map(({ name }) => ({ root: `${samplePrefix}/${name}`, path: join(dir, 'samples', name) }))
  }
  const names = given.length > 0 ? [] : readdirSync(corpus).filter((name) => !name.startsWith('.'))
  const paths = given.length > 0 ? given : names.sort().map((name) => join(corpus, name))
  return paths.map((path, index) => {
    if (!existsSync(path)) throw new Error(`${path} is not there.\n${usage}`)
    const root = roots[index] ?? rootOfName(path) ?? rootOfModule(path)
    if (root === undefined) {
      throw new Error(
        `${path} has no go.mod at its top, and is not named owner__name: say its --root.\n${usage}`,
      )
    }
    return { root, path: resolve(path) }
  })
}

function rootOfName(path: string): string | undefined {
  const elements = basename(path)
    .replace(/\.(bundle|git)$/, '')
    .split('__')
  if (elements.length < 2) return undefined
  return [...(elements[0]?.includes('.') ? [] : ['github.com']), ...elements].join('/')
}

/** Returns the root that the go.mod at the top of a clone gives. */
function rootOfModule(path: string): string | undefined {
  try {
    const args = ['-C', path, 'show', 'HEAD:go.mod']
    const found = modulePathOf(execFileSync('git', args, { stdio: ['ignore', 'pipe', 'ignore'] }))
    return found === '' ? undefined : rootOf(found)
  } catch {
    return undefined
  }
}

/** Returns what was run, without the directories of the machine. */
function describeCommand(): string {
  const words = [
    ...given.map((path) => basename(path)),
    ...roots.flatMap((root) => ['--root', root]),
    ...['--rounds', String(rounds)],
    ...(versions === undefined ? [] : ['--versions', String(versions)]),
    ...(isWithoutA ? ['--without-a'] : []),
  ]
  const isCorpus = given.length === 0 && corpus !== ''
  return `${isCorpus ? 'MODPRESS_CORPUS=… ' : ''}npm run bench -- ${words.join(' ')}`
}

function describeMachine({ place: { env }, hasGo }: Bench): string {
  const ask = (file: string, ...args: readonly string[]) =>
    execFileSync(file, args, { encoding: 'utf8', env }).trim()
  const processors = cpus()
  const words = [
    `${processors.length} processors (${processors[0]?.model.trim()})`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `load ${loadavg()[0]?.toFixed(1)} at the start`,
    `Node ${process.versions.node}`,
    ...(hasGo ? [ask('go', 'version').split(' ').slice(2, 3).join().replace('go', 'Go ')] : []),
    ask('git', '--version').replace(' version', ''),
  ]
  return `${words.join(', ')}.`
}
