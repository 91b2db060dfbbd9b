/**
 * How the machine that verifies would itself use the site: what `go env` says,
 * and .netrc. GOPRIVATE alone makes go bypass a proxy, and a .netrc without the
 * port or the password counts as none; each looks like a fault of the site.
 *
 * Told only where the address is the one that the site gives to its consumers.
 */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { parseNetrc, readNetrc } from '../live/credentials.ts'
import type { Findings } from './findings.ts'
import { matchesPrefixes, parseGoFlags } from './goenv.ts'
import type { SiteDescription } from './site.ts'

const names = [
  'GOPROXY',
  'GOPRIVATE',
  'GONOPROXY',
  'GONOSUMDB',
  'GOSUMDB',
  'GOFLAGS',
  'GOINSECURE',
  'GOAUTH',
] as const

/** What `go env` says. */
export type GoEnvironment = Readonly<Record<(typeof names)[number], string>>

export interface ConsumerOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** The own prefixes of the site. */
  readonly prefixes: readonly string[]
  /** Whether the site asks for credentials. */
  readonly isGuarded: boolean
}

/** Tells what keeps go on this machine from the site. Where there is no go, nothing. */
export async function verifyConsumer(
  url: URL,
  site: SiteDescription,
  findings: Findings,
  options: ConsumerOptions,
): Promise<void> {
  const go = await readGoEnvironment(options)
  if (go === undefined) return
  for (const [code, message, path] of judgeEnvironment(go, url, site, options.prefixes)) {
    findings.once(code, message, path)
  }
  if (options.isGuarded && (go.GOAUTH === '' || go.GOAUTH === 'netrc'))
    await verifyNetrc(url, findings, options)
}

async function readGoEnvironment({ env, cwd }: ConsumerOptions): Promise<GoEnvironment | undefined> {
  try {
    const { stdout } = await promisify(execFile)('go', ['env', '-json', ...names], {
      cwd,
      env: { ...env, GOTOOLCHAIN: 'local' },
      timeout: 20_000,
    })
    const values = JSON.parse(stdout) as Partial<GoEnvironment>
    return Object.fromEntries(names.map((name) => [name, values[name] ?? ''])) as GoEnvironment
  } catch {
    return undefined
  }
}

type Judgement = readonly [
  code: 'consumer-goproxy' | 'consumer-bypass' | 'consumer-sumdb' | 'consumer-flags' | 'consumer-insecure',
  message: string,
  /** The prefix that it is about, or the flag. */
  path: string,
]

/** Returns what is wrong with an environment for the modules below the prefixes. */
export function judgeEnvironment(
  go: GoEnvironment,
  url: URL,
  { prefix, access }: Pick<SiteDescription, 'prefix' | 'access'>,
  prefixes: readonly string[],
): Judgement[] {
  const found: Judgement[] = []
  const isAsked = go.GOPROXY.split(/[,|]/).some((each) => isSameSite(each.trim(), url))
  for (const path of prefixes) {
    const isBypassed = matchesPrefixes(go.GONOPROXY, path)
    const isOnSite = prefix !== undefined && (path === prefix || path.startsWith(`${prefix}/`))
    if (isBypassed && !isOnSite) {
      const name = go.GONOPROXY === go.GOPRIVATE ? 'GOPRIVATE' : 'GONOPROXY'
      found.push([
        'consumer-bypass',
        `${name}=${go[name]} makes go here ask ${path} directly, and never this site.`,
        path,
      ])
    } else if (!isBypassed && !isAsked) {
      found.push([
        'consumer-goproxy',
        `GOPROXY here does not name the site, and go asks others for ${path}.`,
        path,
      ])
    }
    const isUnchecked = go.GOSUMDB === 'off' || matchesPrefixes(go.GONOSUMDB, path)
    if (access === 'private' && !isUnchecked && (isAsked || isBypassed)) {
      found.push([
        'consumer-sumdb',
        `GONOSUMDB here does not name ${path}: go asks the public checksum database for it.`,
        path,
      ])
    }
    if (matchesPrefixes(go.GOINSECURE, path)) {
      found.push([
        'consumer-insecure',
        `GOINSECURE=${go.GOINSECURE} turns the checks of TLS off for ${path}.`,
        path,
      ])
    }
  }
  const flags = parseGoFlags(go.GOFLAGS)
  if (flags.get('mod') === 'vendor') {
    found.push([
      'consumer-flags',
      'GOFLAGS here has -mod=vendor: go takes what is in vendor, and asks no proxy.',
      '-mod',
    ])
  }
  if (flags.has('insecure')) {
    found.push([
      'consumer-flags',
      'GOFLAGS here has -insecure, which go no longer knows: GOINSECURE stands in for it.',
      '-insecure',
    ])
  }
  return found
}

function isSameSite(text: string, url: URL): boolean {
  if (!URL.canParse(text)) return false
  const { host, pathname } = new URL(text)
  return host === url.host && pathname.replace(/\/$/, '') === url.pathname.replace(/\/$/, '')
}

async function verifyNetrc(url: URL, findings: Findings, { env }: ConsumerOptions): Promise<void> {
  const text = await readNetrc(env)
  const complete = parseNetrc(text).map(({ machine }) => machine.split('/')[0])
  if (complete.includes(url.host)) return
  const named = [...text.matchAll(/(?:^|\s)machine\s+([^\s/]+)/g)].map(([, machine]) => machine)
  if (named.includes(url.host)) {
    findings.once(
      'consumer-netrc',
      `.netrc names ${url.host} without a login or a password, and go takes neither.`,
    )
  } else if (url.port !== '' && named.includes(url.hostname)) {
    findings.once(
      'consumer-netrc',
      `.netrc names ${url.hostname}, and go looks for ${url.host}, with the port.`,
    )
  }
}
