/**
 * Web servers of other people on loopback ports, each with the configuration
 * that modpress writes for it. What that leaves to its administrator is filled
 * in as its comments say; a line that is not there any more fails.
 *
 * Around it is what a distribution's own configuration has: a directory for
 * logs, modules to load. All of it is below one temporary directory.
 */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type Agent, type RequestOptions, request } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describeMissing, findMissing, type PartName } from '../../scripts/parts.ts'

export type WebServerName = 'nginx' | 'apache' | 'caddy'

export const webServerNames: readonly WebServerName[] = ['nginx', 'caddy', 'apache']

/** What a server is given. */
export interface WebSite {
  /** A directory of its own, for configuration, logs and sockets. */
  readonly dir: string
  /** What modpress has written for it. */
  readonly configuration: string
  /** What takes the place of "/srv/modpress". */
  readonly root: string
  readonly certificateFile: string
  readonly keyFile: string
  /** Users and their passwords. */
  readonly users: Readonly<Record<string, string>>
}

export interface WebServer {
  /** "https://localhost:PORT" */
  readonly url: string
  readonly host: string
  close(): Promise<void>
}

/**
 * Says why parts cannot be used here, or nothing. Where CI=true there is no such reason: they must be there.
 *
 * @example describe.skipIf(missingParts('nginx') !== undefined)('nginx', …)
 */
export function missingParts(...names: readonly PartName[]): string | undefined {
  const missing = findMissing(...names).map(describeMissing)
  if (missing.length === 0) return undefined
  if (process.env['CI'] === 'true') throw new Error(missing.join('\n'))
  for (const reason of missing) console.warn(reason)
  return missing.join('\n')
}

/** The parts of a server. */
export function partsOf(name: WebServerName): readonly PartName[] {
  return name === 'apache' ? ['apache2', 'openssl'] : [name, 'openssl']
}

/** Starts a server, and waits until it answers. Another may have taken the port meanwhile: then it is tried again. */
export async function startWebServer(name: WebServerName, site: WebSite, tries = 5): Promise<WebServer> {
  const port = await findPort()
  const { run } = prepare(name, site, port)
  const [file = '', ...args] = run
  const child = spawn(file, args, { env: environment(site.dir), stdio: ['ignore', 'pipe', 'pipe'] })
  const output: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk))
  const url = `https://localhost:${port}`
  const ca = readFileSync(site.certificateFile)
  while ((await ask(`${url}/`, { ca }).catch(() => undefined)) === undefined) {
    if (child.exitCode !== null) {
      if (tries > 1) return startWebServer(name, site, tries - 1)
      throw new Error(`${name} ended with ${child.exitCode}:\n${Buffer.concat(output)}`)
    }
    await setTimeout(50)
  }
  return { url, host: `localhost:${port}`, close: () => stop(child) }
}

/** Lets a server check a configuration. Returns what it says against it, and nothing where it says nothing. */
export function checkWebServer(name: WebServerName, site: WebSite): string {
  const { check } = prepare(name, site, 1)
  const [file = '', ...args] = check
  const { status, stdout, stderr } = spawnSync(file, args, {
    env: environment(site.dir),
    encoding: 'utf8',
  })
  return status === 0 ? '' : `${stdout}${stderr}`
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: Buffer
}

/** Asks a server over https. The path is sent as it is. */
export async function ask(
  url: string,
  options: RequestOptions & { readonly ca: Buffer; readonly agent?: Agent },
): Promise<Answer> {
  const { origin, hostname, port } = new URL(url)
  const path = url.slice(origin.length)
  const sent = request({ hostname, port, path, ...options })
  sent.end()
  const [response] = await once(sent, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }
}

interface Prepared {
  readonly run: readonly string[]
  readonly check: readonly string[]
}

function prepare(name: WebServerName, site: WebSite, port: number): Prepared {
  const { dir } = site
  const usersFile = join(dir, 'users')
  mkdirSync(dir, { recursive: true })
  // A server that is started as root does not stay so.
  chmodSync(dir, 0o755)
  const text = fillIn(site.configuration, [
    ['/srv/modpress', site.root],
    ['/etc/ssl/modpress/cert.pem', site.certificateFile],
    ['/etc/ssl/modpress/key.pem', site.keyFile],
    ...(site.configuration.includes(usersFiles[name]) ? [[usersFiles[name], usersFile] as const] : []),
    ...ports[name](port),
  ])
  writeFileSync(usersFile, writeUsers(name, site.users))
  writeFileSync(join(dir, 'site.conf'), text)
  const main = join(dir, 'main.conf')
  writeFileSync(main, mains[name](dir))
  if (name === 'nginx') {
    const args = ['-e', join(dir, 'error.log'), '-p', dir, '-c', main]
    return { run: ['nginx', ...args, '-g', 'daemon off;'], check: ['nginx', ...args, '-t'] }
  }
  if (name === 'apache')
    return { run: ['apache2', '-f', main, '-DFOREGROUND'], check: ['apache2', '-f', main, '-t'] }
  const args = ['--config', main, '--adapter', 'caddyfile']
  return { run: ['caddy', 'run', ...args], check: ['caddy', 'validate', ...args] }
}

const usersFiles: Readonly<Record<WebServerName, string>> = {
  nginx: '/etc/nginx/modpress.htpasswd',
  apache: '/etc/apache2/modpress.htpasswd',
  caddy: '/etc/caddy/modpress-users',
}

type Change = readonly [from: string, to: string]

const ports: Readonly<Record<WebServerName, (port: number) => readonly Change[]>> = {
  nginx: (port) => [['listen 443 ssl', `listen 127.0.0.1:${port} ssl`]],
  apache: (port) => [['<VirtualHost *:443>', `Listen 127.0.0.1:${port} https\n<VirtualHost *:${port}>`]],
  caddy: (port) => [
    ['https://go.example.com {', `https://localhost:${port} {\n\tbind 127.0.0.1`],
    ['# tls ', 'tls '],
  ],
}

function fillIn(configuration: string, changes: readonly Change[]): string {
  let text = configuration
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`There is no ${from} in the configuration.`)
    text = text.replaceAll(from, to)
  }
  return text
}

function writeUsers(name: WebServerName, users: WebSite['users']): string {
  const lines = Object.entries(users).map(([user, password]) => {
    if (name === 'caddy') {
      const hash = execFileSync('caddy', ['hash-password', '--plaintext', password], { encoding: 'utf8' })
      return `${user} ${hash.trim()}`
    }
    const hash = execFileSync('openssl', ['passwd', '-apr1', password], { encoding: 'utf8' })
    return `${user}:${hash.trim()}`
  })
  return `${lines.join('\n')}\n`
}

const apacheModules = ['mpm_event', 'authn_core', 'authn_file', 'authz_core', 'authz_user', 'auth_basic']
const moreApacheModules = ['dir', 'mime', 'headers', 'rewrite', 'ssl', 'socache_shmcb']

const mains: Readonly<Record<WebServerName, (dir: string) => string>> = {
  nginx: (dir) => `pid ${dir}/pid;
events { }
http {
  access_log off;
${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((each) => `  ${each}_temp_path ${dir}/${each};\n`).join('')}
  include ${dir}/site.conf;
}
`,
  // What Debian turns on beside what the configuration asks for: types, handlers and encodings of all kinds.
  apache: (dir) => `ServerRoot "${dir}"
ServerName localhost
PidFile "${dir}/pid"
DefaultRuntimeDir "${dir}"
Mutex file:${dir} default
ErrorLog "${dir}/error.log"
${[...apacheModules, ...moreApacheModules].map((each) => `LoadModule ${each}_module /usr/lib/apache2/modules/mod_${each}.so`).join('\n')}
${process.getuid?.() === 0 ? 'User www-data\nGroup www-data\n' : ''}
TypesConfig /etc/mime.types
AddHandler type-map var
AddEncoding x-gzip .gz
Include "${dir}/site.conf"
`,
  // Without the second line Caddy puts an authority of its own among those of the machine.
  caddy: (dir) => `{
	admin off
	skip_install_trust
	auto_https disable_redirects
	log {
		output file ${dir}/log
	}
}
import ${dir}/site.conf
`,
}

function environment(dir: string): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir, LC_ALL: 'C' }
}

async function findPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}
