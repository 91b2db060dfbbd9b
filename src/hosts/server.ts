/**
 * What configurations of web servers have in common: where the site is, whom
 * they serve it to, and what they say where there is no file to send.
 *
 * They hold nothing of a machine and no secret: what differs from server to
 * server is a name that its administrator finds behind the word CHANGE.
 *
 * Pure.
 */

import type { HostedSite } from '../model.ts'
import { escapePattern } from '../module/pattern.ts'
import { plainText } from '../render/headers.ts'
import { describeGatekeeper, type Gatekeeper } from './gatekeeper.ts'

export interface Server {
  /** The name that readers know it by. */
  readonly name: string
  readonly port: number
  /** What the paths of all addresses begin with, "" or such as "/go"; and as a regular expression. */
  readonly base: string
  readonly basePattern: string
  readonly access: HostedSite['access']
  readonly gatekeeper: Gatekeeper | undefined
}

/** Returns what a server has to know of a site. */
export function describeServer(site: HostedSite): Server {
  const { hostname, port, pathname } = new URL(site.url ?? 'https://go.example.com')
  const base = pathname.replace(/\/$/, '')
  const basePattern = escapePattern(base)
  return {
    name: hostname,
    port: Number(port) || 443,
    base,
    basePattern,
    access: site.access,
    gatekeeper: describeGatekeeper(site, basePattern),
  }
}

/** What is said with an error. Go shows it to its user where it is plain text. */
export const errorTexts = {
  401: 'this registry asks for a user and a password: none came, or not the right ones (see: go help goauth)',
  403: 'this registry has no such version, and no other one is asked for it',
  404: 'not found',
} as const

export const errorType: string = plainText

/** For paths of addresses that are the go command's: their errors are plain text. */
export function goPattern(basePattern: string): string {
  return `(?:/@v/|/@latest$|^${basePattern}/sumdb/)`
}

/** For what a build keeps in its output directory for itself: half-written files, and its lock. */
export function privatePattern(basePattern: string): string {
  return `^${basePattern}/-/(?:tmp(?:/|$)|lock(?:\\.|$))`
}

/** Says how to place the site below a root directory. */
export function describeRoot({ base }: Server): string {
  return base === ''
    ? 'the site itself, the directory that holds index.html'
    : `the directory below which the site lies as ${base.slice(1)}`
}
