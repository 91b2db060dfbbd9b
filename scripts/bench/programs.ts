/**
 * The programs that are compared, as command lines:
 *
 * - A: `go mod download -json`, which reads the repository itself
 *   (GOPROXY=direct) with an empty module cache: what people do without a
 *   proxy. It also extracts what it downloads.
 * - B: the Go program beside this file: what a server in Go does at its best.
 * - P: modpress, compiled.
 * - L: copying what P wrote, to where P flushes it, too: the limit.
 *
 * None of them reads the user's configuration or the network. To go, the
 * loopback server of test/support/goimport.ts is every host, and git fetches
 * from the clone whatever the address.
 */

import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { startImportServer } from '../../test/support/goimport.ts'
import { cloneOf } from '../../test/support/gorun.ts'
import { addCode, bundleCommand } from '../build.ts'
import { type Command, type RunOptions, runWell } from './measure.ts'

const top = fileURLToPath(new URL('../../', import.meta.url))

/** Where all programs run: a directory for the run, with a home and settings of its own. */
export interface Place {
  readonly dir: string
  readonly env: NodeJS.ProcessEnv
  readonly options: RunOptions
}

/** Makes an empty home and settings of git by which only files are fetched. */
export function makePlace(dir: string, signal: AbortSignal): Place {
  for (const name of ['home', 'tmp', 'empty']) mkdirSync(join(dir, name))
  writeFileSync(join(dir, 'gitconfig'), gitConfig)
  const env = {
    PATH: process.env['PATH'],
    HOME: join(dir, 'home'),
    TMPDIR: join(dir, 'tmp'),
    LC_ALL: 'C',
    TZ: 'UTC',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: join(dir, 'gitconfig'),
    GIT_TERMINAL_PROMPT: '0',
  }
  return { dir, env, options: { dir: join(dir, 'tmp'), signal } }
}

const gitConfig = `[safe]
	directory = *
[gc]
	auto = 0
[maintenance]
	auto = false
[protocol]
	allow = never
[protocol "file"]
	allow = always
`

/** Runs git in a place and returns its standard output. */
export function runGit(place: Place, ...args: readonly string[]): Promise<string> {
  return runWell(commandIn(place, ['git', ...args]), place.options)
}

export function commandIn({ dir, env }: Place, argv: readonly string[]): Command {
  return { argv, cwd: join(dir, 'empty'), env }
}

/** Bundles modpress into the place, and returns the file to run: no old build is measured. */
export function compileModpress(place: Place): string {
  const dir = join(place.dir, 'modpress')
  bundleCommand(join(dir, 'dist/bin'))
  copyFileSync(join(top, 'package.json'), join(dir, 'package.json'))
  for (const name of ['node_modules', 'public']) symlinkSync(join(top, name), join(dir, name), 'junction')
  addCode(join(dir, 'dist/bin'))
  return join(dir, 'dist/bin/modpress.js')
}

/** Compiles B into the place, with the user's caches and proxy, and returns the file to run. */
export async function compileB(place: Place): Promise<string> {
  const file = join(place.dir, 'b.exe')
  const source = fileURLToPath(new URL('.', import.meta.url))
  const argv = ['go', 'build', '-C', source, '-buildvcs=false', '-o', file, '.']
  const env = { ...process.env, GOFLAGS: '', GOWORK: 'off' }
  await runWell({ argv, cwd: join(place.dir, 'empty'), env }, place.options)
  return file
}

export interface Direct {
  /** The command that downloads "M@v" into a module cache. */
  download(modCache: string, queries: readonly string[]): Command
  close(): Promise<void>
}

/** Makes the repository known to go as the root. */
export async function serveDirect(place: Place, root: string, repository: string): Promise<Direct> {
  const network = await startImportServer()
  const clone = cloneOf(root)
  network.add([{ root, clone }])
  const gitConfigFile = join(place.dir, 'gitconfig-direct')
  const insteadOf = `[url "${pathToFileURL(repository).href}"]\n\tinsteadOf = "${clone}"\n`
  writeFileSync(gitConfigFile, `${gitConfig}${insteadOf}`)
  const env = {
    ...place.env,
    GIT_CONFIG_GLOBAL: gitConfigFile,
    GOPATH: join(place.dir, 'home/go'),
    GOCACHE: join(place.dir, 'home/go-build'),
    GOENV: 'off',
    GOWORK: 'off',
    GOTOOLCHAIN: 'local',
    GOFLAGS: '-modcacherw',
    GOTELEMETRY: 'off',
    GOPROXY: 'direct',
    GOPRIVATE: '',
    GONOPROXY: 'none',
    GOSUMDB: 'off',
    GOVCS: '*:all',
    GOINSECURE: '*',
    GOAUTH: 'off',
    HTTP_PROXY: network.url,
    HTTPS_PROXY: network.url,
  }
  return {
    download: (modCache, queries) => ({
      ...commandIn(place, ['go', 'mod', 'download', '-json', ...queries]),
      env: { ...env, GOMODCACHE: modCache },
    }),
    close: () => network.close(),
  }
}
