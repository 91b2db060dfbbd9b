/**
 * Addresses of git repositories: what kind they are, which host they name,
 * and what may be shown of them. People clone by ssh, "host:path" or https
 * with a token inside; a page, an Origin and a report show https without
 * user, credentials or the port of ssh.
 *
 * A name such as "ext::…" asks git for a transport helper, and one that
 * begins with "-" would be an option; neither is an address here.
 *
 * Pure.
 *
 * @see https://git-scm.com/docs/git-clone#_git_urls
 */

import type { ForgeName } from '../model.ts'

export interface Address {
  readonly scheme: 'https' | 'http' | 'ssh' | 'git' | 'file'
  readonly user?: string
  readonly hasPassword: boolean
  /** In lower case, without port; "" for files. */
  readonly host: string
  readonly port?: string
  /** Begins with "/". Without query and fragment. */
  readonly path: string
}

const hasScheme =
  /^([a-z][a-z0-9+]*):\/\/(?:([^@/?#]*)@)?(\[[0-9a-f:.]+\]|[^:/?#[\]@]*)(?::(\d*))?(\/[^?#]*)?/i
const isScpLike = /^(?:([^@/:]+)@)?(\[[^\]/]+\]|[^@/:[\]]+):(?!\/\/)(.+)$/
const schemes: Readonly<Record<string, Address['scheme']>> = {
  https: 'https',
  http: 'http',
  ssh: 'ssh',
  'git+ssh': 'ssh',
  'ssh+git': 'ssh',
  git: 'git',
  file: 'file',
}

/** Returns the parts of a git address, or undefined for a plain path and for what modpress does not hand to git. */
export function parseAddress(text: string): Address | undefined {
  if (text.startsWith('-') || /[\s\p{Cc}]/u.test(text) || /^[^/]*::/.test(text.replace(/\[.*\]/, ''))) {
    return undefined
  }
  return text.includes('://') ? parseUrl(text) : parseScpLike(text)
}

function parseUrl(text: string): Address | undefined {
  const [, name = '', userInfo, rawHost = '', port, path = '/'] = hasScheme.exec(text) ?? []
  const scheme = schemes[name.toLowerCase()]
  const host = rawHost.toLowerCase()
  if (scheme === undefined || host.startsWith('-')) return undefined
  if (scheme === 'file') return host === '' || host === 'localhost' ? file(path) : undefined
  if (host === '') return undefined
  const [user = '', ...password] = (userInfo ?? '').split(':')
  return {
    scheme,
    hasPassword: password.length > 0,
    host,
    path,
    ...(user === '' ? {} : { user }),
    ...(port === undefined || port === '' ? {} : { port }),
  }
}

function file(path: string): Address {
  return { scheme: 'file', hasPassword: false, host: '', path }
}

function parseScpLike(text: string): Address | undefined {
  const [, user, rawHost = '', path = ''] = isScpLike.exec(text) ?? []
  // "C:/repos/x" is a path on Windows; no host that people clone from has one letter.
  if (path === '' || (user === undefined && rawHost.length === 1) || rawHost.startsWith('-')) return undefined
  // "[host:2222]:path" carries a port; "[::1]:path" an address.
  const inner = rawHost.startsWith('[') ? rawHost.slice(1, -1) : rawHost
  const [, name = '', port] = /^([^:]+):(\d+)$/.exec(inner) ?? [undefined, inner]
  const host = (name.includes(':') ? `[${name}]` : name).toLowerCase()
  return {
    scheme: 'ssh',
    hasPassword: false,
    host,
    path: path.startsWith('/') ? path : `/${path}`,
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port }),
  }
}

/** Hosts that take ssh under another name than https. */
const sshHosts: Readonly<Record<string, string>> = {
  'ssh.github.com': 'github.com',
  'altssh.gitlab.com': 'gitlab.com',
  'altssh.bitbucket.org': 'bitbucket.org',
}

/** Returns a network address as https without user, credentials or ssh port; undefined for local ones. */
export function httpsAddress(text: string): string | undefined {
  const address = parseAddress(text)
  if (address === undefined || address.scheme === 'file') return undefined
  const { scheme, host, path } = address
  const port = scheme === 'https' || scheme === 'http' ? address.port : undefined
  const name = scheme === 'ssh' ? (sshHosts[host] ?? host) : host
  return `https://${name}${port === undefined ? '' : `:${port}`}${path}`
}

/**
 * Returns what may be shown of a configured address: an URL as it is, but without password, and "host:path" as
 * the ssh URL that it stands for, since go-import asks for a scheme. Undefined for local ones.
 */
export function shownAddress(text: string): string | undefined {
  const address = parseAddress(text)
  if (address === undefined || address.scheme === 'file') return undefined
  const { scheme, user, host, port, path } = address
  const shownUser = scheme === 'ssh' && user !== undefined ? `${user}@` : ''
  return `${scheme}://${shownUser}${host}${port === undefined ? '' : `:${port}`}${path}`
}

/** Returns the address that go derives from an import path alone: "https://" and the root, cut before ".git". */
export function derivedAddress(root: string): string {
  const [, before] = /^(.+?)\.git(?:\/|$)/.exec(root) ?? []
  return `https://${before ?? root}`
}

/** Returns the host and path of an address as the import path of its repository. */
export function importPathOf(text: string): string | undefined {
  const address = parseAddress(text)
  if (address === undefined || address.scheme === 'file') return undefined
  const host = address.scheme === 'ssh' ? (sshHosts[address.host] ?? address.host) : address.host
  const path = address.path.replace(/\/+$/, '').replace(/\.git$/, '')
  return `${host}${path}`
}

/**
 * Tells whether two addresses lead to the same repository: whatever their scheme, user, usual port, final "/" and
 * ".git". The port of ssh says nothing of another host, as in httpsAddress.
 */
export function isSameRepository(one: string, other: string): boolean {
  return placeOf(one) === placeOf(other)
}

/** The usual ports of the schemes whose port says which server is meant. */
const usualPorts: Readonly<Partial<Record<Address['scheme'], string>>> = { https: '443', http: '80' }

function placeOf(text: string): string {
  const address = parseAddress(text)
  const place = importPathOf(text)
  if (address === undefined || place === undefined) return text
  const { scheme, port } = address
  const usual = usualPorts[scheme]
  return usual === undefined || port === undefined || port === usual ? place : `${port} ${place}`
}

/** Tells whether requests to this host stay on this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}

/** Returns which forge runs on a host, as far as its name says. */
export function forgeOf(host: string): ForgeName | undefined {
  if (host === 'codeberg.org') return 'gitea'
  if (host === 'bitbucket.org') return 'bitbucket'
  const [, label] = /(?:^|\.)(github|gitlab|gitea|forgejo|cgit)\./.exec(host) ?? []
  if (label === 'forgejo') return 'gitea'
  return label as Exclude<ForgeName, 'bitbucket'> | undefined
}

/** Returns where people read a repository that is cloned from a known forge: the address without ".git". */
export function webOf(clone: string): string | undefined {
  const https = httpsAddress(clone)
  const address = https === undefined ? undefined : parseAddress(https)
  if (https === undefined || address === undefined) return undefined
  const forge = forgeOf(address.host)
  if (forge === undefined || forge === 'cgit') return undefined
  return https.replace(/\/+$/, '').replace(/\.git$/, '')
}
