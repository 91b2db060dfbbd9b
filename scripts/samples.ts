/**
 * Makes the sample repositories of the demo:
 *
 *     npx tsx scripts/samples.ts DIR
 *
 * They are small, and together they show what repositories of Go modules are
 * like: modules in directories, a v2, a retraction, a tag that go refuses, and
 * later a tag that someone moves. The user's git configuration is not read and
 * times are fixed, so that the ids are the same everywhere.
 */

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** The prefix of the samples' import paths. */
export const samplePrefix = 'go.example.com'

export interface Sample {
  /** The directory's name; the repository's root is that below the prefix. */
  readonly name: string
  readonly about: string
}

export const samples: readonly Sample[] = [
  { name: 'greet', about: 'a module with a v2, and with a version that its author took back' },
  { name: 'tools', about: 'two modules in directories, each with tags of its own' },
  { name: 'clock', about: 'a module whose tag v2.0.0 was pushed without /v2 in go.mod' },
  { name: 'parser', about: 'a module whose tag v1.0.1 will be moved' },
  { name: 'Legacy', about: 'an old module: no go.mod, and a capital letter in its path' },
]

/** Makes all samples as directories below `dir`. */
export function makeSamples(dir: string): void {
  const greet = makeRepository(join(dir, 'greet'))
  const hello = (text: string) =>
    goFile('greet', `// Hello greets.\nfunc Hello() string { return "${text}" }`)
  greet.release(['v0.1.0'], { 'go.mod': goMod('greet'), 'greet.go': hello('hi'), LICENSE: license })
  greet.release(['v1.0.0'], { 'greet.go': hello('hello') })
  greet.release(['v1.1.0'], { 'greet.go': hello('helo') })
  const retract = 'retract v1.1.0 // It cannot spell.\n'
  greet.release(['v1.1.1'], { 'go.mod': `${goMod('greet')}\n${retract}`, 'greet.go': hello('hello') })
  greet.release(['v2.0.0'], { 'go.mod': goMod('greet/v2'), 'greet.go': hello('Good day') })

  const tools = makeRepository(join(dir, 'tools'))
  const log = (text: string) => goFile('log', `// Prefix stands before each line.\nconst Prefix = "${text}"`)
  tools.release(['log/v0.1.0'], { LICENSE: license, 'log/go.mod': goMod('tools/log'), 'log/log.go': log('') })
  tools.release(['log/v0.2.0', 'cmd/lint/v1.0.0'], {
    'log/log.go': log('log: '),
    'cmd/lint/go.mod': goMod('tools/cmd/lint'),
    'cmd/lint/main.go': 'package main\n\nfunc main() {}\n',
  })

  const clock = makeRepository(join(dir, 'clock'))
  const hours = (n: number) => goFile('clock', `// Hours of a day.\nconst Hours = ${n}`)
  clock.release(['v1.0.0'], { 'go.mod': goMod('clock'), 'clock.go': hours(12) })
  clock.release(['v2.0.0'], { 'clock.go': hours(24) })

  const parser = makeRepository(join(dir, 'parser'))
  const parse = (n: number) => goFile('parser', `// Depth that is parsed.\nconst Depth = ${n}`)
  parser.release(['v1.0.0'], { 'go.mod': goMod('parser'), 'parser.go': parse(1) })
  parser.release(['v1.0.1'], { 'parser.go': parse(2) })

  const legacy = makeRepository(join(dir, 'Legacy'))
  const age = (n: number) => goFile('legacy', `// Age in years.\nconst Age = ${n}`)
  legacy.release(['v1.0.0'], { 'legacy.go': age(9) })
  legacy.release(['v2.0.0'], { 'legacy.go': age(10) })
}

/** Does what nobody should: commits a change and moves the tag v1.0.1 of parser there. */
export function moveTag(dir: string): void {
  const parser = openRepository(join(dir, 'parser'), 3)
  parser.commit({ 'parser.go': goFile('parser', '// Depth that is parsed.\nconst Depth = 3') })
  parser.git('tag', '--force', 'v1.0.1')
}

interface SampleRepository {
  git(...args: readonly string[]): void
  commit(files: Readonly<Record<string, string>>): void
  /** Commits these files, and gives the commit these tags. */
  release(tags: readonly string[], files: Readonly<Record<string, string>>): void
}

function makeRepository(dir: string): SampleRepository {
  mkdirSync(dir, { recursive: true })
  const repository = openRepository(dir, 0)
  repository.git('init', '--quiet', '--initial-branch=main')
  return repository
}

function openRepository(dir: string, commits: number): SampleRepository {
  let seconds = 1_750_000_000 + commits * 86_400
  const git = (...args: readonly string[]) => {
    execFileSync('git', args, { cwd: dir, env: environment(seconds), stdio: ['ignore', 'ignore', 'inherit'] })
  }
  const commit = (files: Readonly<Record<string, string>>) => {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, path)), { recursive: true })
      writeFileSync(join(dir, path), content)
    }
    seconds += 86_400
    git('add', '--all')
    git('commit', '--quiet', '--message=Change what the demo needs')
  }
  const release: SampleRepository['release'] = (tags, files) => {
    commit(files)
    for (const tag of tags) git('tag', tag)
  }
  return { git, commit, release }
}

function environment(seconds: number): NodeJS.ProcessEnv {
  const { PATH } = process.env
  const person = { NAME: 'Sample', EMAIL: 'sample@example.com', DATE: `${seconds} +0000` }
  const roles = ['AUTHOR', 'COMMITTER'].flatMap((role) =>
    Object.entries(person).map(([field, value]) => [`GIT_${role}_${field}`, value] as const),
  )
  const own = { PATH, LC_ALL: 'C', GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' }
  return { ...own, ...Object.fromEntries(roles) }
}

function goMod(path: string): string {
  return `module ${samplePrefix}/${path}\n\ngo 1.21\n`
}

function goFile(name: string, content: string): string {
  return `// Package ${name} is a sample.\npackage ${name}\n\n${content}\n`
}

const license = 'Anyone may do anything with this sample.\n'

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [, , dir] = process.argv
  if (dir === undefined) {
    console.error('Usage: npx tsx scripts/samples.ts DIR')
    process.exit(2)
  }
  makeSamples(dir)
}
