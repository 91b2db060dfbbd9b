/**
 * Runs workflows of GitHub Actions on this machine, as far as a runner and a
 * repository there are part of them. Scripts and the steps of our own Action
 * run as they are, in bash, with the files and variables that GitHub gives
 * them. Actions of others are replaced by what they do, as their documentation
 * says it:
 *
 * - checkout: a clone at the ref of the event, detached for a tag, without
 *   origin/HEAD; all tags and branches with fetch-depth 0, else one commit.
 * - cache: what was saved is seen by runs of the same ref and of the default
 *   branch's, and nothing is written over.
 * - upload-pages-artifact and deploy-pages: a site of plain files, none of them
 *   linked, which replaces the one before; by the default branch alone.
 *
 * `gh` is a program that notes how it was called.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { type Contexts, holds, interpolate } from './expressions.ts'
import { makeDirectory, runGit } from './repo.ts'

export interface Forge {
  /** The bare repository that is pushed to. */
  readonly repository: string
  /** "acme/billing" */
  readonly name: string
  /** The directory of the Action that the workflow uses. */
  readonly action: string
  /** @default what "modpress init" writes */
  readonly workflow?: string
  /** The jobs that are run. @default all */
  readonly jobs?: readonly string[]
  readonly vars?: Readonly<Record<string, string>>
  readonly secrets?: Readonly<Record<string, string>>
  /** A directory of programs that go before the machine's. */
  readonly path?: string
  /** The variables of a job that may ask GitHub who it is. */
  readonly identity?: Readonly<Record<string, string>>
}

export interface ForgeEvent {
  readonly name: 'push' | 'schedule' | 'workflow_dispatch' | 'repository_dispatch'
  /** @default the default branch */
  readonly ref?: string
  readonly inputs?: Readonly<Record<string, string>>
}

export interface WorkflowRun {
  readonly conclusion: 'success' | 'failure'
  /** What all steps said. */
  readonly log: string
  readonly summary: string
  /** The calls of gh, each with its arguments. */
  readonly calls: readonly (readonly string[])[]
  /** The outputs of each step with an id. */
  readonly outputs: Readonly<Record<string, Readonly<Record<string, string>>>>
}

const branch = 'main'

interface Step {
  readonly id?: string
  readonly if?: string
  readonly uses?: string
  readonly run?: string
  readonly shell?: string
  readonly with?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, unknown>>
}

interface Job {
  readonly if?: string
  readonly env?: Readonly<Record<string, unknown>>
  readonly permissions?: Readonly<Record<string, string>>
  readonly environment?: { readonly name: string }
  readonly steps: readonly Step[]
}

interface Workflow {
  readonly on: {
    readonly push?: { readonly tags?: readonly string[]; readonly branches?: readonly string[] }
    readonly schedule?: unknown
    readonly workflow_dispatch?: { readonly inputs?: unknown } | null
    readonly repository_dispatch?: unknown
  }
  readonly permissions?: Readonly<Record<string, string>>
  readonly jobs: Readonly<Record<string, Job>>
}

/** A forge's side of many runs: its caches and what is deployed. */
export class WorkflowRunner {
  readonly #forge: Forge
  readonly #caches: { readonly key: string; readonly ref: string; readonly dir: string }[] = []
  /** The site that is deployed, and artifacts by their names. */
  readonly deployed: string = makeDirectory()
  readonly artifacts: Map<string, string> = new Map()
  #runs = 0

  constructor(forge: Forge) {
    this.#forge = forge
  }

  /** Runs the workflow of the event's commit. Returns undefined where the event does not start it. */
  async run(event: ForgeEvent): Promise<WorkflowRun | undefined> {
    const ref = event.ref ?? `refs/heads/${branch}`
    const { repository, workflow: file = 'modpress.yml', jobs } = this.#forge
    const text = runGit(repository, '', ['show', `${ref}:.github/workflows/${file}`])
    const workflow: Workflow = parse(text.toString())
    if (!isStarted(workflow, event.name, ref)) return undefined
    this.#runs += 1
    const run = new Run(this.#forge, this, workflow, { ...event, ref }, String(this.#runs))
    for (const [name, job] of Object.entries(workflow.jobs)) {
      if (jobs?.includes(name) ?? true) await run.job(name, job)
    }
    return run.finish()
  }

  restore(ref: string, keys: readonly string[], to: string): void {
    const visible = this.#caches.filter((each) => each.ref === ref || each.ref === `refs/heads/${branch}`)
    const found = keys.flatMap((key) => visible.findLast((each) => each.key.startsWith(key)) ?? [])[0]
    if (found !== undefined) cpSync(found.dir, to, { recursive: true })
  }

  save(ref: string, key: string, from: string): void {
    const dir = join(makeDirectory(), 'cache')
    cpSync(from, dir, { recursive: true })
    this.#caches.push({ key, ref, dir })
  }

  deploy(from: string): void {
    for (const name of readdirSync(this.deployed)) rmSync(join(this.deployed, name), { recursive: true })
    cpSync(from, this.deployed, { recursive: true })
  }
}

function isStarted({ on }: Workflow, name: ForgeEvent['name'], ref: string): boolean {
  if (name !== 'push') return name in on
  const [, kind, short = ''] = /^refs\/(tags|heads)\/(.*)$/.exec(ref) ?? []
  const patterns = (kind === 'tags' ? on.push?.tags : on.push?.branches) ?? []
  return patterns.some((pattern) => toExpression(pattern).test(short))
}

/** GitHub's patterns: "**" is anything, "*" all but "/". */
function toExpression(pattern: string): RegExp {
  const source = pattern.replaceAll(/\*\*|\*|[.+^$()|{}\\]/g, (found) =>
    found === '**' ? '.*' : found === '*' ? '[^/]*' : `\\${found}`,
  )
  return new RegExp(`^${source}$`)
}

class Run {
  readonly #forge: Forge
  readonly #runner: WorkflowRunner
  readonly #workflow: Workflow
  readonly #event: ForgeEvent & { readonly ref: string }
  readonly #id: string
  readonly #dir = makeDirectory()
  readonly #outputs: Record<string, Record<string, string>> = {}
  #log = ''
  #isFailed = false

  constructor(
    forge: Forge,
    runner: WorkflowRunner,
    workflow: Workflow,
    event: ForgeEvent & { readonly ref: string },
    id: string,
  ) {
    this.#forge = forge
    this.#runner = runner
    this.#workflow = workflow
    this.#event = event
    this.#id = id
    for (const name of ['bin', 'temp', 'home']) mkdirSync(join(this.#dir, name))
    writeFileSync(join(this.#dir, 'bin/gh'), ghProgram, { mode: 0o755 })
    writeFileSync(join(this.#dir, 'event.json'), JSON.stringify(this.#payload()))
  }

  async job(name: string, job: Job): Promise<void> {
    const contexts = this.#contexts({})
    if (job.if !== undefined && !holds(job.if, contexts)) return
    const workspace = join(this.#dir, 'work', name)
    mkdirSync(workspace, { recursive: true })
    const env = resolveAll(job.env, contexts)
    const state: JobState = { job, workspace, env, steps: {}, failed: false }
    await this.#steps(job.steps, state, {})
    Object.assign(this.#outputs, state.steps)
    if (state.failed) this.#isFailed = true
  }

  finish(): WorkflowRun {
    const read = (name: string) => {
      const file = join(this.#dir, name)
      return existsSync(file) ? readFileSync(file, 'utf8') : ''
    }
    const calls = read('gh')
      .split('\n')
      .filter((line) => line !== '')
    return {
      conclusion: this.#isFailed ? 'failure' : 'success',
      log: this.#log,
      summary: read('summary'),
      calls: calls.map((line) => JSON.parse(line)),
      outputs: this.#outputs,
    }
  }

  async #steps(steps: readonly Step[], state: JobState, more: Contexts): Promise<void> {
    for (const step of steps) {
      const contexts = this.#contexts({ ...more, steps: nameOutputs(state.steps), failed: state.failed })
      const condition = step.if ?? 'success()'
      const asked = /\b(?:always|cancelled|success|failure)\(/.test(condition)
        ? condition
        : `success() && (${condition})`
      if (!holds(asked, contexts)) continue
      const outputs: Record<string, string> = {}
      const act = step.uses === undefined ? this.#script : this.#uses
      const isOk = await act.call(this, step, state, contexts, outputs)
      if (step.id !== undefined) state.steps[step.id] = outputs
      if (!isOk) state.failed = true
    }
  }

  async #script(
    step: Step,
    state: JobState,
    contexts: Contexts,
    outputs: Record<string, string>,
  ): Promise<boolean> {
    const output = join(this.#dir, `output-${Math.random()}`)
    writeFileSync(output, '')
    const file = join(this.#dir, 'temp/script.sh')
    writeFileSync(file, interpolate(step.run ?? '', contexts))
    const flags = step.shell === 'bash' ? ['--noprofile', '--norc', '-eo', 'pipefail'] : ['-e']
    const child = spawn('bash', [...flags, file], {
      cwd: state.workspace,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...this.#environment(state),
        ...resolveAll(contexts['actionEnv'] as Step['env'], contexts),
        ...state.env,
        ...resolveAll(step.env, contexts),
        GITHUB_OUTPUT: output,
      },
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#log += text
      })
    }
    const [status] = await once(child, 'close')
    for (const line of readFileSync(output, 'utf8').split('\n')) {
      const cut = line.indexOf('=')
      if (cut > 0) outputs[line.slice(0, cut)] = line.slice(cut + 1)
    }
    return status === 0
  }

  async #uses(
    step: Step,
    state: JobState,
    contexts: Contexts,
    outputs: Record<string, string>,
  ): Promise<boolean> {
    const given = resolveAll(step.with, contexts)
    const [action = ''] = step.uses?.split('@') ?? []
    switch (action) {
      case 'actions/setup-node':
        return true
      case 'actions/checkout':
        this.#checkout(state.workspace, given)
        return true
      case 'actions/cache':
      case 'actions/cache/restore': {
        const keys = [given['key'] ?? '', ...(given['restore-keys'] ?? '').split('\n').filter(Boolean)]
        this.#runner.restore(this.#event.ref, keys, this.#path(state, given['path']))
        return true
      }
      case 'actions/cache/save':
        this.#runner.save(this.#event.ref, given['key'] ?? '', this.#path(state, given['path']))
        return true
      case 'actions/upload-artifact':
      case 'actions/upload-pages-artifact': {
        const from = this.#path(state, given['path'])
        if (action.includes('pages')) checkPagesFiles(from)
        const dir = join(makeDirectory(), 'artifact')
        cpSync(from, dir, { recursive: true })
        this.#runner.artifacts.set(given['name'] ?? 'github-pages', dir)
        return true
      }
      case 'actions/deploy-pages':
        this.#deploy(state.job)
        return true
    }
    if (action.startsWith('actions/')) throw new Error(`${action} is not known here.`)
    return this.#composite(state, given, outputs)
  }

  async #composite(
    state: JobState,
    given: Readonly<Record<string, string>>,
    outputs: Record<string, string>,
  ): Promise<boolean> {
    const { action } = this.#forge
    const text = readFileSync(join(action, 'action.yml'), 'utf8')
    const {
      inputs,
      outputs: declared,
      runs,
    } = parse(text) as {
      readonly inputs: Readonly<Record<string, { readonly default: string }>>
      readonly outputs: Readonly<Record<string, { readonly value: string }>>
      readonly runs: { readonly steps: readonly Step[] }
    }
    const strangers = Object.keys(given).filter((name) => !(name in inputs))
    if (strangers.length > 0) throw new Error(`The Action has no input ${strangers}.`)
    const defaults = Object.fromEntries(Object.entries(inputs).map(([name, each]) => [name, each.default]))
    const inner: JobState = { ...state, steps: {}, failed: false }
    const actionEnv = { GITHUB_ACTION_PATH: action }
    await this.#steps(runs.steps, inner, { inputs: { ...defaults, ...given }, actionEnv })
    const contexts = this.#contexts({ steps: nameOutputs(inner.steps) })
    for (const [name, { value }] of Object.entries(declared)) outputs[name] = interpolate(value, contexts)
    return !inner.failed
  }

  #checkout(workspace: string, given: Readonly<Record<string, string>>): void {
    const { ref } = this.#event
    const git = (...args: readonly string[]) => runGit(workspace, '', args)
    git('init', '--quiet')
    git('remote', 'add', 'origin', `https://github.com/${this.#forge.name}`)
    const [, kind, short = ''] = /^refs\/(tags|heads)\/(.*)$/.exec(ref) ?? []
    const own = kind === 'tags' ? `+${ref}:${ref}` : `+${ref}:refs/remotes/origin/${short}`
    const refs =
      given['fetch-depth'] === '0'
        ? ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*']
        : ['--depth=1', own]
    git('fetch', '--quiet', '--no-tags', `file://${this.#forge.repository}`, ...refs)
    if (kind === 'tags') git('checkout', '--quiet', '--detach', ref)
    else git('checkout', '--quiet', '--force', '-B', short, `refs/remotes/origin/${short}`)
  }

  #deploy(job: Job): void {
    if (this.#event.ref !== `refs/heads/${branch}`)
      throw new Error('The environment takes the default branch alone.')
    if (job.environment?.name !== 'github-pages') throw new Error('Pages need their environment.')
    for (const right of ['pages', 'id-token']) {
      if (job.permissions?.[right] !== 'write') throw new Error(`Pages need the permission ${right}.`)
    }
    this.#runner.deploy(this.#runner.artifacts.get('github-pages') ?? '')
  }

  #path({ workspace }: JobState, path = ''): string {
    return path.startsWith('~/')
      ? join(this.#dir, 'home', path.slice(2))
      : path.startsWith('/')
        ? path
        : join(workspace, path)
  }

  #payload(): object {
    return { repository: { full_name: this.#forge.name, default_branch: branch, private: true } }
  }

  #contexts(more: Contexts): Contexts {
    const { ref, name } = this.#event
    return {
      github: {
        ref,
        ref_type: ref.startsWith('refs/tags/') ? 'tag' : 'branch',
        event_name: name,
        run_id: this.#id,
        token: 'the-token-of-the-job',
        repository: this.#forge.name,
        event: this.#payload(),
      },
      vars: this.#forge.vars ?? {},
      secrets: this.#forge.secrets ?? {},
      inputs: this.#event.inputs ?? {},
      steps: {},
      ...more,
    }
  }

  #environment({ workspace, job }: JobState): NodeJS.ProcessEnv {
    const { ref, name } = this.#event
    const rights = job.permissions ?? this.#workflow.permissions
    const identity = rights?.['id-token'] === 'write' ? this.#forge.identity : {}
    return {
      PATH: [this.#forge.path ?? [], join(this.#dir, 'bin'), process.env['PATH']].flat().join(':'),
      HOME: join(this.#dir, 'home'),
      CI: 'true',
      GITHUB_ACTIONS: 'true',
      GITHUB_REPOSITORY: this.#forge.name,
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_EVENT_NAME: name,
      GITHUB_EVENT_PATH: join(this.#dir, 'event.json'),
      GITHUB_REF: ref,
      GITHUB_REF_NAME: ref.replace(/^refs\/(?:tags|heads)\//, ''),
      GITHUB_REF_TYPE: ref.startsWith('refs/tags/') ? 'tag' : 'branch',
      GITHUB_WORKSPACE: workspace,
      GITHUB_STEP_SUMMARY: join(this.#dir, 'summary'),
      RUNNER_TEMP: join(this.#dir, 'temp'),
      GH_CALLS: join(this.#dir, 'gh'),
      ...identity,
    }
  }
}

interface JobState {
  readonly job: Job
  readonly workspace: string
  readonly env: Readonly<Record<string, string>>
  readonly steps: Record<string, Record<string, string>>
  failed: boolean
}

const ghProgram = `#!/usr/bin/env node
if (!process.env.GH_TOKEN) throw new Error('gh needs a token')
require('node:fs').appendFileSync(process.env.GH_CALLS, JSON.stringify(process.argv.slice(2)) + '\\n')
`

function resolveAll(values: Step['env'] = {}, contexts: Contexts): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, interpolate(String(value), contexts)]),
  )
}

function nameOutputs(steps: JobState['steps']): Contexts {
  return Object.fromEntries(Object.entries(steps).map(([id, outputs]) => [id, { outputs }]))
}

/** What the Pages host refuses: links, and files that others may not read. */
function checkPagesFiles(dir: string): void {
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const { mode, nlink } = statSync(path)
    if (!entry.isDirectory() && (!entry.isFile() || nlink > 1)) throw new Error(`${path} is a link.`)
    if ((mode & 0o004) === 0) throw new Error(`${path} cannot be read by others.`)
  }
}
