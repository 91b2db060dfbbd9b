/**
 * Runs pipelines of GitLab CI on this machine by gitlab-ci-local, in the shell:
 * images are not used, and `npx` is a program that starts the command of this
 * source tree where it is asked for its very version. The clone is what
 * GitLab's runner makes for a tag with GIT_DEPTH 0: detached, with all tags and
 * branches, and without origin/HEAD.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { partFile } from '../../scripts/parts.ts'
import { ownVersion } from '../../src/config/package.ts'
import { cliFile } from './cli.ts'
import { makeDirectory, runGit } from './repo.ts'

export interface Pipeline {
  readonly status: number
  readonly log: string
  /** The clone, with the artifacts of the jobs. */
  readonly dir: string
}

export interface PipelineOptions {
  readonly variables?: Readonly<Record<string, string>>
  /** "preview" only expands and checks the pipeline. @default 'run' */
  readonly mode?: 'run' | 'preview'
}

/** Runs the pipeline of a pushed tag, in a clone of its own. */
export async function runPipeline(
  upstream: string,
  tag: string,
  options: PipelineOptions = {},
): Promise<Pipeline> {
  const dir = cloneAt(upstream, tag)
  return runThere(dir, { ...options, variables: { CI_COMMIT_TAG: tag, ...options.variables } })
}

/** Expands and checks the pipeline of a directory that is a clone. */
export function previewPipeline(dir: string): Promise<Pipeline> {
  return runThere(dir, { mode: 'preview' })
}

function cloneAt(upstream: string, tag: string): string {
  const dir = makeDirectory()
  const git = (...args: readonly string[]) => runGit(dir, '', args)
  git('init', '--quiet')
  git('remote', 'add', 'origin', 'https://gitlab.com/acme/billing.git')
  git(
    'fetch',
    '--quiet',
    `file://${upstream}`,
    '+refs/heads/*:refs/remotes/origin/*',
    '+refs/tags/*:refs/tags/*',
  )
  git('checkout', '--quiet', '--detach', `refs/tags/${tag}`)
  return dir
}

async function runThere(dir: string, { variables = {}, mode = 'run' }: PipelineOptions): Promise<Pipeline> {
  const home = makeDirectory()
  mkdirSync(join(home, 'bin'))
  writeFileSync(join(home, 'bin/npx'), npxProgram(), { mode: 0o755 })
  const set = Object.entries(variables).flatMap(([name, value]) => ['--variable', `${name}=${value}`])
  const flags = mode === 'preview' ? ['--preview'] : ['--json-schema-validation=false']
  const child = spawn(partFile('gitlab-ci-local'), ['--force-shell-executor', ...flags, ...set], {
    cwd: dir,
    env: { PATH: `${join(home, 'bin')}:${process.env['PATH']}`, HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      log += text
    })
  }
  const [status] = await once(child, 'close')
  return { status, log, dir }
}

function npxProgram(): string {
  return `#!/bin/sh
[ "$1 $2" = '--yes modpress@${ownVersion()}' ] || { echo "npx knows no $2" >&2; exit 9; }
shift 2
exec '${process.execPath}' '${cliFile()}' "$@"
`
}
