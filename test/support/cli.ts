/**
 * Runs the command line as people do: bundled, as a process of its own. The
 * bundle lies in a temporary directory, so that no test sees an old one.
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { copyFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { bundleCommand } from '../../scripts/build.ts'
import { makeDirectory, makeRepository, type TestRepository } from './repo.ts'

export interface Run {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

export type Child = ChildProcessByStdio<null, Readable, Readable>

const top = fileURLToPath(new URL('../../', import.meta.url))

/** All commands, in the order in which help and completion show them. */
export const commandNames: readonly string[] = [
  'build',
  'plan',
  'publish',
  'index',
  'verify',
  'withdraw',
  'init',
  'env',
  'serve',
  'completion',
  'help',
]

let bundled: string | undefined

/** Returns the path of the command, bundled as it is shipped. */
export function cliFile(): string {
  if (bundled !== undefined) return bundled
  const dir = makeDirectory()
  bundleCommand(join(dir, 'dist/bin'))
  copyFileSync(join(top, 'package.json'), join(dir, 'package.json'))
  for (const name of ['node_modules', 'public']) symlinkSync(join(top, name), join(dir, name), 'junction')
  bundled = join(dir, 'dist/bin/modpress.js')
  return bundled
}

/** Starts the command line, away from the environment of the tests. */
export function startCli(args: readonly string[], { cwd = top, env = {} }: RunOptions = {}): Child {
  const { PATH = '', SystemRoot = '' } = process.env
  const home = makeDirectory()
  return spawn(process.execPath, [cliFile(), ...args], {
    cwd,
    env: { PATH, SystemRoot, HOME: home, USERPROFILE: home, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** Runs the command line to its end. */
export function runCli(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const child = startCli(args, options)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((done) => {
    child.on('close', (status) => done({ status, stdout, stderr }))
  })
}

/** Returns the objects of --json, each with a type, and fails where a line is none. */
export function parseLines(stdout: string): { readonly type: string; readonly [key: string]: unknown }[] {
  if (!stdout.endsWith('\n')) throw new Error(`The last line has no end: ${stdout}`)
  return stdout
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** Makes the repository of a module, with a version for each tag. */
export function makeModule(module: string, ...tags: readonly string[]): TestRepository {
  const repository = makeRepository()
  for (const tag of tags) {
    repository.commit({ 'go.mod': `module ${module}\n\ngo 1.21\n`, 'r.go': `package r // ${tag}\n` })
    repository.git('tag', tag)
  }
  return repository
}
