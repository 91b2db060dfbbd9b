/**
 * Makes the repositories that Go's own tests of "go get" use.
 *
 * Every Go installation has them, as scripts in cmd/go/testdata/vcstest/git:
 * text archives whose comment calls git with fixed names and times, and
 * compares the resulting refs with known ids. Those comparisons are made here
 * too, so that a repository that was made is the right one. The pages beside
 * them, in vcstest/go, give some of them further import paths.
 *
 * The language is that of cmd/internal/script; what the git scripts use of it
 * is understood, and anything else is an error.
 */

import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import pLimit from 'p-limit'
import { parseTxtar } from './txtar.ts'

export interface VcsTest {
  /** The script's name, such as "gitrepo1"; with "go/" in front, that of a page. */
  readonly name: string
  /** The work tree that the script has left. */
  readonly dir: string
  /** Where go sees it: "vcs-test.golang.org/git/gitrepo1.git", or the prefix of the page. */
  readonly root: string
  readonly clone: string
  /** The fourth field of the page's go-import tag. */
  readonly subdir?: string
  /** Paths that may be modules of the repository: every directory with a go.mod, at every major version. */
  readonly modules: readonly string[]
  /** Short names of branches and tags, and full ids of their commits. */
  readonly revisions: readonly string[]
  /** Those of the revisions that are branches. */
  readonly branches: readonly string[]
  /** Those of the revisions that are ids. */
  readonly commits: readonly string[]
}

/** Runs all scripts that make git repositories, below `dir`. */
export async function makeVcsTests(dir: string): Promise<VcsTest[]> {
  const goRoot = (await call('go', ['env', 'GOROOT'])).stdout.trim()
  const scripts = join(goRoot, 'src/cmd/go/testdata/vcstest')
  const limit = pLimit(2)
  const names = readdirSync(join(scripts, 'git')).filter((file) => file.endsWith('.txt'))
  const made = await Promise.all(
    names.map((file) =>
      limit(async () => {
        const name = basename(file, '.txt')
        const repository = join(resolve(dir), name)
        const isMade = await runScript(readFileSync(join(scripts, 'git', file), 'utf8'), name, repository)
        return isMade ? [await describe(name, repository)] : []
      }),
    ),
  )
  const tests = made.flat()
  return [...tests, ...readPages(join(scripts, 'go'), tests)]
}

const host = 'vcs-test.golang.org'

interface State {
  readonly name: string
  readonly dir: string
  readonly env: Record<string, string | undefined>
  stdout: string
  isGit: boolean
}

/** Runs one script. Returns whether it made a git repository: it may be skipped, or be a page. */
async function runScript(text: string, name: string, dir: string): Promise<boolean> {
  const { comment, files } = parseTxtar(text)
  for (const [path, content] of files) write(join(dir, path), content)
  const home = `${dir}.home`
  mkdirSync(home, { recursive: true })
  const state: State = {
    name,
    dir,
    env: { PATH: process.env['PATH'], HOME: home, USER: 'gopher', GIT_CONFIG_NOSYSTEM: '1', LC_ALL: 'C' },
    stdout: '',
    isGit: false,
  }
  for (const line of comment.split('\n')) {
    const words = splitWords(line, state.env)
    while (words[0]?.startsWith('[')) {
      if (!evaluate(words[0])) words.length = 0
      else words.shift()
    }
    const [command, ...args] = words
    if (command === undefined) continue
    if (command === 'skip') return false
    await runCommand(state, command, args)
  }
  return state.isGit
}

async function runCommand(state: State, command: string, args: readonly string[]): Promise<void> {
  const at = (path: string | undefined): string => resolve(state.dir, path ?? '')
  const [first = '', second = ''] = args
  switch (command) {
    case 'handle':
      state.isGit = first === 'git'
      return
    case 'at':
      state.env['GIT_COMMITTER_DATE'] = first
      state.env['GIT_AUTHOR_DATE'] = first
      return
    case 'env':
      for (const arg of args) state.env[arg.slice(0, arg.indexOf('='))] = arg.slice(arg.indexOf('=') + 1)
      return
    case 'echo':
      state.stdout = `${args.join(' ')}\n`
      return
    case 'unquote':
      state.stdout = JSON.parse(`"${first.replaceAll('\t', '\\t')}"`)
      return
    case 'mkdir':
      for (const arg of args) mkdirSync(at(arg), { recursive: true })
      return
    case 'cp': {
      const isDirectory = statSync(at(second), { throwIfNoEntry: false })?.isDirectory() ?? false
      const target = isDirectory ? join(at(second), basename(first)) : at(second)
      if (first === 'stdout') writeFileSync(target, state.stdout)
      else copyFileSync(at(first), target)
      return
    }
    case 'cmp': {
      const got = first === 'stdout' ? state.stdout : readFileSync(at(first), 'utf8')
      if (got !== readFileSync(at(second), 'utf8'))
        throw new Error(`${state.name}: ${second} differs:\n${got}`)
      return
    }
    case 'git':
      state.stdout = (await call('git', args, { cwd: state.dir, env: state.env })).stdout
      return
    default:
      throw new Error(`${state.name}: the command "${command}" is not known here.`)
  }
}

/** Knows of one condition, which holds: git has SHA-256 since 2.29. */
function evaluate(condition: string): boolean {
  if (condition === '[git-sha256]') return true
  if (condition === '[!git-sha256]') return false
  throw new Error(`The condition ${condition} is not known here.`)
}

/** Splits a line as cmd/internal/script does: a quoted part is literal, and '' in it is one quote. */
function splitWords(line: string, env: Readonly<Record<string, string | undefined>>): string[] {
  const words: string[] = []
  let word: string | undefined
  for (const [part] of line.matchAll(/'(?:[^']|'')*'|[ \t]+|#.*|[^'# \t]+|#/g)) {
    if (part.startsWith("'")) {
      word = (word ?? '') + part.slice(1, -1).replaceAll("''", "'")
    } else if (/^[ \t]/.test(part)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else if (part.startsWith('#') && word === undefined) {
      break
    } else {
      word = (word ?? '') + part.replaceAll(/\$(\w+)/g, (_, name: string) => env[name] ?? '')
    }
  }
  return word === undefined ? words : [...words, word]
}

async function describe(name: string, dir: string): Promise<VcsTest> {
  const git = async (...args: string[]): Promise<string[]> =>
    (
      await call('git', args, {
        cwd: dir,
        env: { ...process.env, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' },
      })
    ).stdout
      .split('\n')
      .filter((line) => line !== '')
  const refs = await git(
    'for-each-ref',
    '--format=%(refname:lstrip=2) %(objectname) %(*objectname)',
    'refs/heads',
    'refs/tags',
  )
  const branches = await git('for-each-ref', '--format=%(refname:lstrip=2)', 'refs/heads')
  const paths = await git('log', '--all', '-m', '--name-only', '--format=')
  const fields = refs.map((ref) => ref.split(' '))
  const commits = unique(fields.map(([, oid = '', peeled = '']) => (peeled === '' ? oid : peeled)))
  const root = `${host}/git/${name}.git`
  return {
    name,
    dir,
    root,
    clone: `https://${host}/git/${name}`,
    modules: modulesOf(
      root,
      '',
      paths,
      fields.map(([ref = '']) => ref),
    ),
    revisions: unique([...fields.map(([ref = '']) => ref), ...commits]),
    branches,
    commits,
  }
}

/** Lists what may be a module below `prefix`, which stands for the directory `top` of the repository. */
function modulesOf(prefix: string, top: string, paths: readonly string[], refs: readonly string[]): string[] {
  const inner =
    top === ''
      ? paths
      : paths.flatMap((path) => (path.startsWith(`${top}/`) ? [path.slice(top.length + 1)] : []))
  const dirs = inner.filter((path) => basename(path) === 'go.mod').map((path) => dirname(path))
  const bases = ['.', ...dirs].map((dir) => dir.replace(/(^|\/)v\d+$/, '') || '.')
  const majors = refs
    .flatMap((ref) => /(?:^|\/)v(\d+)/.exec(ref)?.[1] ?? [])
    .filter((major) => Number(major) >= 2)
  return unique(
    bases.flatMap((base) => {
      const path = base === '.' ? prefix : `${prefix}/${base}`
      return /\/v\d+$/.test(path) ? [path] : [path, ...majors.map((major) => `${path}/v${Number(major)}`)]
    }),
  )
}

/** Reads the go-import pages that name one of the repositories. */
function readPages(dir: string, tests: readonly VcsTest[]): VcsTest[] {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.txt'),
  )
  return files.sort().flatMap((file) => {
    const text = readFileSync(join(dir, file), 'utf8')
    return [...text.matchAll(/name="go-import" content="(\S+) git (\S+?)(?: (\S+))?"/g)].flatMap(
      ([, root = '', clone = '', subdir]) => {
        const test = tests.find((some) => some.clone === clone)
        if (test === undefined) return []
        const modules = test.modules.map((path) => path.replace(test.root, root))
        return [
          {
            ...test,
            name: `go/${file.replace(/\.txt$/, '').replaceAll('\\', '/')}`,
            root,
            modules: subdir === undefined ? modules.filter((path) => !/\/v\d+\/.*v\d+$/.test(path)) : [root],
            ...(subdir === undefined ? {} : { subdir }),
          },
        ]
      },
    )
  })
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)].sort()
}

function write(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
}

function call(
  file: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<{ readonly stdout: string }> {
  return promisify(execFile)(file, args, { ...options, encoding: 'utf8' })
}
