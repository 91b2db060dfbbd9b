/**
 * Runs the command line as people do: compiled, as a process of its own. What
 * is compiled lies in a temporary directory, so that no test sees an old build.
 */

import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process'
import { copyFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
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

let compiled: string | undefined

/** Returns the path of the compiled command line. */
export function cliFile(): string {
  if (compiled !== undefined) return compiled
  const dir = makeDirectory()
  const compiler = join(top, 'node_modules/typescript/bin/tsc')
  // Types are judged by another check.
  const quick = ['--noCheck', ...['isolatedDeclarations', 'declaration', 'declarationMap'].flatMap(off)]
  const project = ['-p', join(top, 'tsconfig.build.json'), '--outDir', join(dir, 'dist')]
  execFileSync(process.execPath, [compiler, ...project, ...quick])
  copyFileSync(join(top, 'package.json'), join(dir, 'package.json'))
  for (const name of ['node_modules', 'public']) symlinkSync(join(top, name), join(dir, name), 'junction')
  compiled = join(dir, 'dist/cli/main.js')
  return compiled
}

function off(option: string): string[] {
  return [`--${option}`, 'false']
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
