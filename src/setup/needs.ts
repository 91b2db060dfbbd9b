/**
 * What consumers of a site need to set, so that go reads its modules from it
 * and tells their names to nobody else.
 *
 * There are two ways to a module. One whose path begins with the site's own
 * host and path is found by go itself: GOPRIVATE makes it ask
 * "https://PATH?go-get=1", and the page there names the site as the proxy of
 * the module. Go asks at port 443 and by https, so that this way is closed to
 * a site on another port or on http. All other modules are asked of a chain of
 * proxies, in which the site is put first; GONOSUMDB keeps their names from the
 * checksum database, and GONOPROXY must not match them, or go would pass the
 * site by.
 *
 * An address or a prefix may come from a site that others write, too. What is
 * neither here is left out, so that no text below holds anything else.
 *
 * Pure.
 *
 * @see https://go.dev/ref/mod#private-modules
 */

import type { HostedSite } from '../model.ts'

/** A list of go's, and what is to be in it. */
export interface Setting {
  readonly name: 'GOPRIVATE' | 'GONOSUMDB' | 'GONOPROXY' | 'GOPROXY'
  /** What it must hold, beside what it holds already. */
  readonly add: readonly string[]
  /** Absent: nothing is taken out. Else patterns that match something below these paths are. */
  readonly drop?: readonly string[]
}

export interface Needs {
  /** The address of the site; it holds no character that means something to a shell or to GOPROXY. */
  readonly url: string
  /** The address as people say it, without "https://". */
  readonly name: string
  /** The host as .netrc has it: with the port, where it is not 443. */
  readonly machine: string
  /** The prefixes whose modules go finds by itself. */
  readonly own: readonly string[]
  /** The prefixes whose modules are asked of a chain of proxies. */
  readonly chained: readonly string[]
  /** In the order in which they are to be set: GOPRIVATE is the default of two others. */
  readonly settings: readonly Setting[]
  /** What the host asks for: a user and a password, a token as GitLab Pages do, or nothing that go could send. */
  readonly credentials: 'none' | 'password' | 'token'
  /** What is to be known beside this, in sentences. */
  readonly notes: readonly string[]
}

/** Returns what consumers of a site need, or undefined where it has no address. */
export function findNeeds(site: HostedSite): Needs | undefined {
  if (site.url === undefined || site.prefix === undefined || !URL.canParse(site.url)) return undefined
  const { protocol, host, port } = new URL(site.url)
  const isHttps = protocol === 'https:'
  const isFound = isHttps && port === ''
  const all = site.prefixes.length === 0 ? [site.prefix] : site.prefixes
  const prefixes = all.filter(isImportPath)
  const isOwn = (path: string) => path === site.prefix || path.startsWith(`${site.prefix}/`)
  const own = isFound ? prefixes.filter(isOwn) : []
  const chained = prefixes.filter((path) => !own.includes(path))
  return {
    url: encodeAddress(site.url),
    name: encodeAddress(site.url).replace(/^https?:\/\//, ''),
    machine: encodeAddress(host),
    own,
    chained,
    settings: listSettings(site, own, chained),
    credentials: isHttps && site.access === 'private' ? credentialsOf(site.host) : 'none',
    notes: listNotes(site, chained, isHttps, isFound),
  }
}

/** A bucket knows no passwords, and GitLab Pages no users: they want a token as "Authorization: Bearer". */
function credentialsOf(host: HostedSite['host']): Needs['credentials'] {
  if (host === 's3') return 'none'
  return host === 'gitlab-pages' ? 'token' : 'password'
}

function listSettings(
  { url = '', access }: HostedSite,
  own: readonly string[],
  chained: readonly string[],
): readonly Setting[] {
  const chain: readonly Setting[] =
    chained.length === 0 ? [] : [{ name: 'GOPROXY', add: [encodeAddress(url)] }]
  // Proxies and the checksum database know what everybody may read.
  if (access === 'public') return chain
  return [
    ...(own.length === 0 ? [] : [{ name: 'GOPRIVATE', add: own } as const]),
    { name: 'GONOSUMDB', add: [...own, ...chained] },
    { name: 'GONOPROXY', add: own, drop: chained },
    ...chain,
  ]
}

function listNotes(
  { access, host, gatekeeper }: HostedSite,
  chained: readonly string[],
  isHttps: boolean,
  isFound: boolean,
): readonly string[] {
  const isPrivate = access === 'private'
  const notes: string[] = []
  if (!isHttps && isPrivate)
    notes.push('The site is on plain http: go sends no credentials over it, and others can read along.')
  else if (!isFound)
    notes.push('Go finds modules by themselves at port 443 and by https only, so the site is in GOPROXY.')
  if (isPrivate && chained.length > 0)
    notes.push(
      gatekeeper
        ? 'What the site does not have below its own prefixes ends there: no other proxy is told its name.'
        : 'What the site does not have is asked of the next proxy in GOPROXY, a misspelt name included.',
    )
  if (isPrivate && host === 's3')
    notes.push(
      'A bucket without a server in front wants signed requests, which go cannot send: "modpress serve s3://BUCKET" signs them on this machine.',
    )
  return notes
}

/** Tells whether a text is a path such as "github.com/acme", and not a pattern, a flag or anything else. */
function isImportPath(text: string): boolean {
  return /^[a-z0-9][\w.~+-]*(?:\/[\w.~+][\w.~+-]*)*$/i.test(text)
}

/** Encodes what a server reads as the same path, and a shell, YAML or GOPROXY as something else. */
function encodeAddress(text: string): string {
  return text.replace(/[^\w.~:/%[\]@!+-]/g, (char) => encodeURIComponent(char).replace(/['()*]/g, hex))
}

function hex(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`
}
