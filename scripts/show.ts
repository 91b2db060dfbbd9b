/**
 * How the scripts that show something speak: titles, what was as planned and
 * what was not, and the output of the real command line.
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

export interface Show {
  /** What was not as planned. */
  readonly failures: readonly string[]
  title(text: string): void
  /** Says whether something is so. What is so may be left unsaid. */
  expect(isTrue: boolean, sentence: string, voice?: 'loud' | 'quiet'): void
  /** Notes what was not as planned beside that. */
  fail(sentence: string): void
}

const isColored = process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === ''
const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))

export function createShow(): Show {
  const failures: string[] = []
  return {
    failures,
    title: (text) => console.log(`\n${paint('1', text)}\n`),
    expect: (isTrue, sentence, voice = 'loud') => {
      if (!isTrue) failures.push(`This is not so: ${sentence.trim()}`)
      if (!isTrue || voice === 'loud')
        console.log(`   ${isTrue ? paint('32', 'ok') : paint('31', 'NO')}  ${sentence}`)
    },
    fail: (sentence) => void failures.push(sentence),
  }
}

export function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '   | ')
}

function paint(code: string, text: string): string {
  return isColored ? `\u001b[${code}m${text}\u001b[0m` : text
}

export interface Ran {
  readonly status: number | null
  /** All that it said, without colours. */
  readonly output: string
}

export interface CommandOptions {
  readonly cwd: string
  /** @default what demoEnvironment() returns */
  readonly env?: NodeJS.ProcessEnv
}

/** Runs the real command line as a user would in a directory, and shows what it says unless it is to be quiet. */
export async function modpress(
  args: readonly string[],
  { cwd, env = demoEnvironment() }: CommandOptions,
  voice: 'loud' | 'quiet' = 'loud',
): Promise<Ran> {
  const child = startModpress(args, { cwd, env })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const [status] = (await once(child, 'close')) as [number | null]
  if (voice === 'loud') console.log(`   $ modpress ${args.join(' ')}\n\n${indent(output)}`)
  return { status, output: stripVTControlCharacters(output) }
}

/** Starts the real command line. */
export function startModpress(
  args: readonly string[],
  { cwd, env = demoEnvironment() }: CommandOptions,
): ChildProcessByStdio<null, Readable, Readable> {
  const command = ['--import', import.meta.resolve('tsx'), main, ...args]
  return spawn(process.execPath, command, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Nothing of a CI job or of the user's settings changes what is shown. */
export function demoEnvironment(): NodeJS.ProcessEnv {
  const names = Object.keys(process.env).filter((name) => !/^(CI|GITHUB|GITLAB|MODPRESS)(_|$)/.test(name))
  const color = isColored ? { FORCE_COLOR: '1' } : { NO_COLOR: '1' }
  return { ...Object.fromEntries(names.map((name) => [name, process.env[name]])), ...color }
}
