/**
 * Small real repositories, made with the git command in a temporary directory
 * that is removed after the tests of a file. The user's git configuration is
 * not read, and times are fixed, so that ids are the same everywhere.
 */

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll } from 'vitest'
import type { Oid } from '../../src/model.ts'

export interface TestRepository {
  /** The working tree, or the repository itself where that is bare. */
  readonly dir: string
  readonly gitDir: string
  /** Runs git in the repository and returns its standard output without the last newline. */
  git(...args: readonly string[]): string
  /** Runs git with these bytes on standard input and returns the bytes of its standard output. */
  pipe(input: string | Uint8Array, ...args: readonly string[]): Buffer
  /** Adds these files to those of the last commit and returns the new commit. */
  commit(files?: Readonly<Record<string, string | Uint8Array>>, message?: string): Oid
  /** Writes an object as it is, however broken its content, and returns its id. */
  writeObject(type: string, content: string | Uint8Array): Oid
  /** Writes a tree with exactly these entries, in this order, and returns its id. */
  writeTree(entries: readonly RawTreeEntry[]): Oid
  /** Writes a file below the git directory, such as "refs/tags/v1.0.0". */
  writeFile(path: string, content: string | Uint8Array): void
}

export type RawTreeEntry = readonly [mode: string, name: string | Uint8Array, oid: string]

const made: string[] = []

afterAll(() => {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true })
}, 120_000)

/** Makes an empty directory, which is removed after the tests of the file. */
export function makeDirectory(): string {
  const dir = mkdtempSync(join(tmpdir(), 'modpress-test-'))
  made.push(dir)
  return dir
}

/** Makes an empty repository, with a working tree unless the options have "--bare". */
export function makeRepository(...options: readonly string[]): TestRepository {
  const dir = makeDirectory()
  runGit(dir, '', ['init', '--quiet', '--initial-branch=main', ...options])
  return openRepository(dir)
}

/** Returns the same of a repository or worktree that is there already. */
export function openRepository(dir: string): TestRepository {
  const pipe = (input: string | Uint8Array, ...args: readonly string[]) => runGit(dir, input, args)
  const git = (...args: readonly string[]) =>
    pipe('', ...args)
      .toString()
      .replace(/\n$/, '')
  const gitDir = git('rev-parse', '--absolute-git-dir')
  const writeObject = (type: string, content: string | Uint8Array) =>
    pipe(content, 'hash-object', '-w', '--literally', '--stdin', '-t', type).toString().trim() as Oid
  let seconds = 1_600_000_000
  return {
    dir,
    gitDir,
    git,
    pipe,
    writeObject,
    commit(files = {}, message = 'commit') {
      for (const [path, content] of Object.entries(files)) {
        mkdirSync(dirname(join(dir, path)), { recursive: true })
        writeFileSync(join(dir, path), content)
      }
      git('add', '--all')
      seconds += 60
      git('commit', '--quiet', '--allow-empty', `--message=${message}`, `--date=${seconds} +0000`)
      return git('rev-parse', 'HEAD') as Oid
    },
    writeTree(entries) {
      const parts = entries.flatMap(([mode, name, oid]) => [
        Buffer.from(`${mode} `),
        Buffer.from(name as string),
        Buffer.from([0]),
        Buffer.from(oid, 'hex'),
      ])
      return writeObject('tree', Buffer.concat(parts))
    },
    writeFile(path, content) {
      mkdirSync(dirname(join(gitDir, path)), { recursive: true })
      writeFileSync(join(gitDir, path), content)
    },
  }
}

/** Runs git away from the user's configuration. Throws where git fails. */
export function runGit(dir: string, input: string | Uint8Array, args: readonly string[]): Buffer {
  const { PATH } = process.env
  return execFileSync('git', [...args], {
    cwd: dir,
    input,
    maxBuffer: 2 ** 30,
    timeout: 60_000,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      PATH,
      HOME: dir,
      LC_ALL: 'C',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_AUTHOR_NAME: 'Ann',
      GIT_AUTHOR_EMAIL: 'ann@example.com',
      GIT_COMMITTER_NAME: 'Ann',
      GIT_COMMITTER_EMAIL: 'ann@example.com',
      GIT_COMMITTER_DATE: '1600000000 +0000',
      GIT_ALLOW_PROTOCOL: 'file',
    },
  })
}
