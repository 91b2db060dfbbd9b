/**
 * The parts of a machine that the tests need beside Node: they are looked for,
 * and installed where that may be done, which is as root on Debian or where
 * CI=true. What is still missing is told with the command that installs it.
 *
 * Debian's go can be older than the tests need. Any go can download a newer
 * one as a module, checked against the checksum database; that is what go
 * itself does since 1.21, and here it is done for older ones, too.
 *
 * Some parts are servers written in Go, which the machine's go compiles once
 * into a cache of the user's, in a directory for each version. They are not on
 * the PATH: `partFile` says where they are.
 */

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

export type PartName = 'git' | 'go' | 'python3' | 'unzip' | 'zsh' | 'fish' | ProgramName

/** Programs that go compiles. */
export type ProgramName = 'gofakes3' | 'versitygw'

export interface MissingPart {
  readonly name: PartName
  /** Why it is not there, as a sentence. */
  readonly reason: string
  /** What a person does about it. */
  readonly install: string
}

interface Part {
  readonly packages: readonly string[]
  /** Prints the version. */
  readonly command: readonly string[]
  /** What people do where Debian's packages are of no use. */
  readonly install?: string
  readonly minimum?: string
}

/** A program, as go finds it. */
interface Program {
  readonly path: string
  readonly version: string
}

const programs: Readonly<Record<ProgramName, Program>> = {
  gofakes3: { path: 'github.com/johannesboyne/gofakes3/cmd/gofakes3', version: 'v1.2.0' },
  versitygw: { path: 'github.com/versity/versitygw/cmd/versitygw', version: 'v1.8.0' },
}

/** Go's rules for module zips that the tests rely on came with this version. */
const oldestGo = '1.25'
/** The version that the tests were written with. */
const newestGo = '1.26.8'

const parts: Readonly<Record<Exclude<PartName, ProgramName>, Part>> = {
  git: { packages: ['git'], command: ['git', '--version'] },
  go: {
    packages: ['golang-go', 'ca-certificates'],
    command: ['go', 'env', 'GOVERSION'],
    install: `install Go ${oldestGo} or newer as https://go.dev/doc/install says`,
    minimum: oldestGo,
  },
  python3: { packages: ['python3'], command: ['python3', '--version'] },
  unzip: { packages: ['unzip'], command: ['unzip', '-v'] },
  zsh: { packages: ['zsh'], command: ['zsh', '--version'] },
  fish: { packages: ['fish'], command: ['fish', '--version'] },
}

/** Finds parts, and returns those that are not there. Installs nothing. */
export function findMissing(...names: readonly PartName[]): MissingPart[] {
  return names.flatMap((name) => inspect(name) ?? [])
}

/**
 * Finds parts, installs what is missing where that may be done, and returns
 * what could not be had. PATH may be another one afterwards.
 */
export function provideParts(...names: readonly PartName[]): MissingPart[] {
  const before = findMissing(...names)
  if (before.length === 0 || !mayInstall()) return before
  const packages = before.flatMap(({ name }) => (isProgram(name) ? [] : parts[name].packages))
  if (packages.length > 0) installPackages(packages)
  if (findMissing(...names).some(({ name }) => name === 'go')) installNewerGo()
  for (const { name } of findMissing(...names)) if (isProgram(name)) installProgram(name)
  return findMissing(...names)
}

/** Returns where a program is, once it has been installed. */
export function partFile(name: ProgramName): string {
  return join(programDirectory(name), process.platform === 'win32' ? `${name}.exe` : name)
}

/** Tells of a missing part, for everybody to see. */
export function describeMissing({ name, reason, install }: MissingPart): string {
  return `MISSING: ${name}. ${reason} To have it: ${install}`
}

/** Compares two versions such as "1.25" and "1.26.8" by their numbers. */
export function isAtLeast(version: string, minimum: string): boolean {
  const numbers = (text: string) => (text.match(/\d+/g) ?? []).map(Number)
  const have = numbers(version)
  for (const [index, number] of numbers(minimum).entries()) {
    const own = have[index] ?? 0
    if (own !== number) return own > number
  }
  return true
}

function inspect(name: PartName): MissingPart | undefined {
  if (isProgram(name)) return inspectProgram(name)
  const { command, packages, minimum, install } = parts[name]
  const hint = install ?? `apt-get install -y ${packages.join(' ')}`
  const { isOk, output } = run(command, goAlone)
  if (!isOk) return { name, reason: `There is no ${name} on the PATH.`, install: hint }
  const version = output.trim().replace(/^go/, '')
  if (minimum === undefined || isAtLeast(version, minimum)) return undefined
  return { name, reason: `The one on the PATH is ${version}; ${minimum} is needed.`, install: hint }
}

function isProgram(name: PartName): name is ProgramName {
  return name in programs
}

function programDirectory(name: ProgramName): string {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return join(cache, 'modpress-tests', `${name}-${programs[name].version}`)
}

function inspectProgram(name: ProgramName): MissingPart | undefined {
  if (existsSync(partFile(name))) return undefined
  const { path, version } = programs[name]
  const install = `GOBIN=${programDirectory(name)} go install ${path}@${version}`
  return { name, reason: `It has not been compiled for the tests.`, install }
}

function installProgram(name: ProgramName): void {
  const { path, version } = programs[name]
  console.log(`Compiling ${name} ${version} with go, once. That can take some minutes.`)
  const env = { GOBIN: programDirectory(name), GOFLAGS: '', GO111MODULE: 'on' }
  const { isOk, output, errors } = run(['go', 'install', `${path}@${version}`], env)
  if (!isOk) console.log(`${output}${errors}`.trim())
}

function mayInstall(): boolean {
  return process.env['CI'] === 'true' || (process.getuid?.() === 0 && isDebian())
}

function isDebian(): boolean {
  return existsSync('/etc/debian_version')
}

function installPackages(packages: readonly string[]): void {
  if (!isDebian()) return
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '--non-interactive']
  const apt = [...sudo, 'apt-get', '--quiet', '--yes', '-o', 'DPkg::Lock::Timeout=120']
  console.log(`Installing ${packages.join(' ')} with apt-get.`)
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const update = run([...apt, 'update'], env)
  const install = run([...apt, '--no-install-recommends', 'install', ...packages], env)
  if (!install.isOk) console.log(`${update.errors}${install.errors}`.trim())
}

/** Lets the go that is there download a newer one, and puts that on the PATH. */
function installNewerGo(): void {
  const [os, arch] = run(['go', 'env', 'GOOS', 'GOARCH'], goAlone).output.trim().split('\n')
  if (os === undefined || arch === undefined) return
  console.log(`Downloading go ${newestGo} with the go that is there.`)
  const toolchain = `golang.org/toolchain@v0.0.1-go${newestGo}.${os}-${arch}`
  const { isOk, output, errors } = run(['go', 'mod', 'download', '-json', toolchain], goAlone)
  if (!isOk) {
    console.log(`${output}${errors}`.trim())
    return
  }
  const { Dir } = JSON.parse(output) as { readonly Dir: string }
  // A module's files are not executable.
  for (const dir of [join(Dir, 'bin'), join(Dir, 'pkg/tool', `${os}_${arch}`)]) {
    for (const name of readdirSync(dir)) chmodSync(join(dir, name), 0o755)
  }
  process.env['PATH'] = [join(Dir, 'bin'), process.env['PATH']].join(delimiter)
  delete process.env['GOROOT']
}

/** The go of the PATH counts, and not one that a go.mod or a setting would switch to. */
const goAlone = { GOTOOLCHAIN: 'local', GOFLAGS: '', GO111MODULE: 'on' }

interface Ran {
  readonly isOk: boolean
  readonly output: string
  readonly errors: string
}

function run([file = '', ...args]: readonly string[], more: NodeJS.ProcessEnv): Ran {
  const options = { cwd: tmpdir(), encoding: 'utf8', env: { ...process.env, ...more } } as const
  const { status, stdout, stderr } = spawnSync(file, args, options)
  return { isOk: status === 0, output: stdout ?? '', errors: stderr ?? '' }
}
