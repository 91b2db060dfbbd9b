/**
 * A consumer's machine: a home with nothing in it but what is given, and a
 * network that leads to a few hosts. What a text does there is what it would do
 * for a person, a job or a build.
 */

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface MachineOptions {
  /** What the machine's environment is, beside PATH and HOME. */
  readonly env: Readonly<Record<string, string>>
  /** What "go env -w" has written before. */
  readonly goEnv?: string
  /** The name of the home: it may hold spaces. @default 'home' */
  readonly home?: string
}

/** What a command runs with. */
export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly input?: string
}

export class Machine {
  readonly dir: string
  readonly home: string
  readonly #env: Readonly<Record<string, string>>

  constructor({ env, goEnv, home = 'home' }: MachineOptions) {
    this.dir = mkdtempSync(join(tmpdir(), 'modpress-consumer-'))
    this.home = join(this.dir, home)
    mkdirSync(this.home)
    this.#env = {
      PATH: process.env['PATH'] ?? '',
      HOME: this.home,
      GOTOOLCHAIN: 'local',
      GOFLAGS: '-modcacherw',
      // The standard library is compiled once. Modules are in the home.
      GOCACHE: buildCache(),
      ...env,
    }
    // Go would go on to count after it has ended, in a directory that is removed.
    this.write('.config/go/telemetry/mode', 'off')
    if (goEnv !== undefined) this.write('.config/go/env', goEnv)
  }

  /** Writes a file below the home. */
  write(path: string, text: string): string {
    const file = join(this.home, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    return file
  }

  read(path: string): string | undefined {
    const file = join(this.home, path)
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined
  }

  /** Makes a module that uses others, with a version or without one yet, and returns its directory. */
  makeModule(...modules: readonly string[]): string {
    const dir = mkdtempSync(join(this.dir, 'module-'))
    const uses = modules.map((each) => each.split('@'))
    const requires = uses.map(([path, version]) =>
      version === undefined ? '' : `require ${path} ${version}\n`,
    )
    const imports = uses.map(([path]) => `\t_ "${path}"\n`)
    writeFileSync(join(dir, 'go.mod'), `module example.com/app\n\ngo 1.21\n\n${requires.join('')}`)
    writeFileSync(join(dir, 'app.go'), `package main\n\nimport (\n${imports.join('')})\n\nfunc main() {}\n`)
    return dir
  }

  run(command: string, args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
    const { env = {}, cwd = this.home, input = '' } = options
    const child = spawn(command, [...args], { cwd, env: { ...this.#env, ...env } })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    // Who does not read all of it has ended.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    return new Promise((done, fail) => {
      child.on('error', fail)
      child.on('close', (status) => done({ status, stdout, stderr }))
    })
  }

  go(args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
    return this.run('go', args, options)
  }

  /** Returns what go takes for the values of its variables. */
  async settings(options: CommandOptions = {}): Promise<Readonly<Record<string, string>>> {
    const names = ['GOPRIVATE', 'GONOSUMDB', 'GONOPROXY', 'GOPROXY', 'GOAUTH']
    const { stdout } = await this.go(['env', ...names], options)
    const values = stdout.split('\n')
    return Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']))
  }

  /** Forgets what was downloaded. */
  forget(): void {
    rmSync(join(this.home, 'go'), { recursive: true, force: true })
  }

  close(): void {
    rmSync(this.dir, { recursive: true, force: true })
  }
}

let knownCache: string | undefined

/** Returns where this machine keeps compiled packages: to compile the standard library takes half a minute. */
export function buildCache(): string {
  knownCache ??= execFileSync('go', ['env', 'GOCACHE'], { encoding: 'utf8' }).trim()
  return knownCache
}

/** Returns the shells of a list that are there. */
export function shellsThere(...names: readonly string[]): readonly string[] {
  return names.filter((name) => spawnSync(name, ['-c', ':']).error === undefined)
}
