/**
 * The parts of a machine that the tests need beside Node: they are looked for,
 * and installed where that may be done, which is as root on Debian or where
 * CI=true. What is still missing is told with the command that installs it.
 *
 * Debian's go can be older than the tests need. Any go can download a newer
 * one as a module, checked against the checksum database; that is what go
 * itself does since 1.21, and here it is done for older ones, too.
 *
 * Some parts are programs written in Go, which the machine's go compiles once
 * into a cache of the user's, or programs of npm that are too large to be
 * installed with the project. Each lies in a directory for its version, and is
 * not on the PATH: `partFile` says where it is.
 */

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

type SystemName =
  | 'git'
  | 'go'
  | 'python3'
  | 'unzip'
  | 'zsh'
  | 'fish'
  | 'openssl'
  | 'curl'
  | 'rsync'
  | 'nginx'
  | 'apache2'
  | 'caddy'

/** Programs that go compiles, or npm installs. */
export type ProgramName =
  | 'gofakes3'
  | 'versitygw'
  | 'actionlint'
  | 'action-validator'
  | 'gitlab-ci-local'
  | 'wrangler'

export type PartName = SystemName | ProgramName

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

/** A program, as go or npm finds it. */
interface Program {
  /** The path of its main package. */
  readonly path?: string
  /** Its packages, each with its version; the first one has the program. */
  readonly packages?: readonly string[]
  readonly version: string
}

const programs: Readonly<Record<ProgramName, Program>> = {
  gofakes3: { path: 'github.com/johannesboyne/gofakes3/cmd/gofakes3', version: 'v1.2.0' },
  versitygw: { path: 'github.com/versity/versitygw/cmd/versitygw', version: 'v1.8.0' },
  actionlint: { path: 'github.com/rhysd/actionlint/cmd/actionlint', version: 'v1.7.12' },
  'action-validator': {
    packages: ['@action-validator/cli@0.6.0', '@action-validator/core@0.6.0'],
    version: '0.6.0',
  },
  // Newer ones need Node 22.
  'gitlab-ci-local': { packages: ['gitlab-ci-local@4.61.1'], version: '4.61.1' },
  wrangler: { packages: ['wrangler@4.85.0'], version: '4.85.0' },
}

/** Go's rules for module zips that the tests rely on came with this version. */
const oldestGo = '1.25'
/** The version that the tests were written with. */
const newestGo = '1.26.8'

const parts: Readonly<Record<SystemName, Part>> = {
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
  openssl: { packages: ['openssl'], command: ['openssl', 'version'] },
  curl: { packages: ['curl'], command: ['curl', '--version'] },
  rsync: { packages: ['rsync'], command: ['rsync', '--version'] },
  nginx: { packages: ['nginx-light'], command: ['nginx', '-v'] },
  apache2: { packages: ['apache2', 'apache2-utils'], command: ['apache2', '-v'] },
  caddy: { packages: ['caddy'], command: ['caddy', 'version'] },
}

/** All parts that tests need. */
export const partNames = [...Object.keys(parts), ...Object.keys(programs)] as readonly PartName[]

/** Finds parts, and returns those that are not there. Installs nothing. */
export function findMissing(...names: readonly PartName[]): MissingPart[] {
  return names.flatMap((name) => inspect(name) ?? [])
}

/**
 * Finds parts, installs what is missing where that may be done, and returns
 * what could not be had. PATH may be another one afterwards.
 */
export function provideParts(...names: readonly PartName[]): MissingPart[] {
  addSystemPrograms()
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
  const isWindows = process.platform === 'win32'
  return programs[name].packages === undefined
    ? join(programDirectory(name), isWindows ? `${name}.exe` : name)
    : join(programDirectory(name), 'node_modules/.bin', isWindows ? `${name}.cmd` : name)
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
  const install = Object.entries(installEnvironment(name)).map(([key, value]) => `${key}=${value}`)
  return {
    name,
    reason: 'It has not been installed for the tests.',
    install: [...install, ...installCommand(name)].join(' '),
  }
}

function installProgram(name: ProgramName): void {
  const command = installCommand(name)
  console.log(
    `Installing ${name} ${programs[name].version} with ${command[0]}, once. That can take some minutes.`,
  )
  const env = { GOFLAGS: '', GO111MODULE: 'on', ...installEnvironment(name) }
  const { isOk, output, errors } = run(command, env)
  if (!isOk) console.log(`${output}${errors}`.trim())
}

function installCommand(name: ProgramName): readonly string[] {
  const { path, packages, version } = programs[name]
  if (packages === undefined) return ['go', 'install', `${path}@${version}`]
  const quietly = ['--no-audit', '--no-fund', '--no-package-lock']
  return ['npm', 'install', '--prefix', programDirectory(name), ...quietly, ...packages]
}

function installEnvironment(name: ProgramName): Readonly<Record<string, string>> {
  return programs[name].packages === undefined ? { GOBIN: programDirectory(name) } : {}
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
  // In runlevel 1 Debian starts no service that it has installed.
  const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const update = run([...apt, 'update'], env)
  const install = run([...apt, '--no-install-recommends', 'install', ...packages], env)
  if (!install.isOk) console.log(`${update.errors}${install.errors}`.trim())
}

/** Debian keeps servers where only root's PATH leads. */
function addSystemPrograms(): void {
  const path = process.env['PATH'] ?? ''
  if (!isDebian() || path.split(delimiter).includes('/usr/sbin')) return
  process.env['PATH'] = [path, '/usr/sbin'].join(delimiter)
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
