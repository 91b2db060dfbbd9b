/**
 * Where in the site things are: proxy files by the escaped module path, pages
 * by the import path, which below the site's own prefix is written without it.
 *
 * Pure. See product.md, "What it writes".
 */

import type { ModulePath } from '../model.ts'
import { escapePath, escapeVersion } from '../module/escape.ts'

/** What is at the top of a site, of ours and of the hosts, that no module may fall on, in lower case. */
export const reservedNames: ReadonlySet<string> = new Set([
  '-',
  'sumdb',
  'index.html',
  '404.html',
  '404.txt',
  '.nojekyll',
  'cname',
  '_headers',
  '_redirects',
  // Cloudflare Pages runs the one, and is told by the other what to run it for.
  '_worker.js',
  '_routes.json',
  'favicon.ico',
  'robots.txt',
])

/** Returns where the page of an import path lies, without "index.html"; "" is the front page. */
export function pageDirectory(importPath: string, prefix: string | undefined): string {
  if (importPath === prefix) return ''
  const isOwn = prefix !== undefined && importPath.startsWith(`${prefix}/`)
  return isOwn ? importPath.slice(prefix.length + 1) : importPath
}

/** Returns the file of a page directory. */
export function pageFile(directory: string): string {
  return directory === '' ? 'index.html' : `${directory}/index.html`
}

/**
 * Returns the way from one page directory to another place in the site. "" is the top: "..", or "." from there,
 * so that a "/" may follow as after any directory.
 */
export function relativeLink(from: string, to: string): string {
  const up = from === '' ? '' : '../'.repeat(from.split('/').length)
  if (to === '') return up.slice(0, -1) || '.'
  return up + (asItIs.test(to) ? to : encodePath(to))
}

/** What encodePath() leaves alone, as nearly all paths are. */
const asItIs = /^[\w\-.!~*'()@+/]*$/

function encodePath(path: string): string {
  const encoded = path.split('/').map(encodeURIComponent).join('/')
  return encoded.replace(/%40/g, '@').replace(/%2B/g, '+')
}

/** Tells why a module path cannot be on the site: it would fall on what the site needs. */
export function checkReserved(path: string, prefix: string | undefined): string | undefined {
  const directory = pageDirectory(path, prefix)
  if (directory === path || directory === '') return undefined
  const [first = ''] = directory.split('/')
  if (reservedNames.has(first.toLowerCase())) return `"${first}" at the top of the site is taken.`
  // Below an element with a dot lie the proxy files and pages of other hosts' modules, by their full path.
  if (first.includes('.') && directory.includes('/')) {
    return `Its page would lie at /${directory}, where the module ${directory} of another host belongs.`
  }
  return undefined
}

/** Returns the proxy file of a version. */
export function versionFile(path: ModulePath, version: string, kind: 'info' | 'mod' | 'zip'): string {
  const escaped = escapeVersion(version)
  if (escaped === undefined) throw new Error(`${version} cannot be escaped.`)
  return `${escapePath(path)}/@v/${escaped}.${kind}`
}

export function listFile(path: ModulePath): string {
  return `${escapePath(path)}/@v/list`
}

export function latestFile(path: ModulePath): string {
  return `${escapePath(path)}/@latest`
}

/** Where what consumers set lies. */
export const setupDirectory = '-/setup'

/** Returns where all that is known of a module lies. */
export function recordFile(path: ModulePath): string {
  return `-/modules/${escapePath(path)}.json`
}
