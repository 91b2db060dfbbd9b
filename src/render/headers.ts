/**
 * What a host says of a file beside its bytes: its type, and how long it may be
 * kept. The server on this machine, a bucket and the configurations of all
 * hosts (src/hosts) say the same, since all of them are made from here.
 *
 * An answer that a file is not there, or that a password is missing, has no
 * lifetime at all: it may be another one in a moment.
 *
 * Pure. A table.
 */

export const plainText = 'text/plain; charset=utf-8'

/** The Cache-Control of errors. */
export const notKept = 'no-store'

/** Returns the Content-Type of a file by its path in the site. */
export function contentType(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (name === '@latest') return 'application/json'
  // What the checksum database serves has names with dots that are no extensions.
  if (path.startsWith('sumdb/')) return path.includes('/tile/') ? 'application/octet-stream' : plainText
  const dot = name.lastIndexOf('.')
  return contentTypes[dot <= 0 ? '' : name.slice(dot)] ?? 'application/octet-stream'
}

/** Returns the Cache-Control of a file by its path in the site. */
export function cacheControl(path: string, access: 'public' | 'private'): string {
  if (missingPage.test(`/${path}`)) return notKept
  return isImmutable(path) ? immutableFor(access) : mutableFor(access)
}

/** Tells whether a path is one of those that are created and never replaced: files of versions, and of the log. */
export function isImmutable(path: string): boolean {
  return immutable.test(`/${path}`)
}

/**
 * Returns a regular expression, as all hosts read it, for the paths of addresses whose files are never replaced.
 * `base` is what they begin with, itself a regular expression.
 */
export function immutablePattern(base = ''): string {
  const number = '[0-9][^/]*'
  const ofVersion = `/@v/v${number}\\.${number}\\.${number}\\.(?:info|mod|zip)$`
  return `(?:${ofVersion}|^${base}/sumdb/.*/(?:tile|lookup)/)`
}

const immutable = new RegExp(immutablePattern())

/** Returns the same for the page that hosts answer with, and with its headers, for what is not there. */
export function notKeptPattern(base = ''): string {
  return `^${base}/404\\.html$`
}

const missingPage = new RegExp(notKeptPattern())

/** Returns the Cache-Control of what never changes, for a year. */
export function immutableFor(access: 'public' | 'private'): string {
  return `${access}, max-age=31536000, immutable`
}

/** Returns the Cache-Control of what may be replaced: readers see it a minute later. */
export function mutableFor(access: 'public' | 'private'): string {
  return `${access}, max-age=60`
}

/** The types of files by their extensions; '' is that of names without one. */
export const contentTypes: Readonly<Record<string, string>> = {
  '': plainText,
  '.atom': 'application/atom+xml; charset=utf-8',
  '.conf': plainText,
  '.css': 'text/css; charset=utf-8',
  '.env': plainText,
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.info': 'application/json',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.jsonl': 'application/jsonl',
  '.mod': plainText,
  '.png': 'image/png',
  '.ps1': plainText,
  '.sh': plainText,
  '.svg': 'image/svg+xml',
  '.txt': plainText,
  '.wasm': 'application/wasm',
  '.xml': 'application/xml; charset=utf-8',
  '.yml': plainText,
  '.zip': 'application/zip',
}

/** The same of names that have an extension, in pairs. */
export const extensionTypes: readonly (readonly [extension: string, type: string])[] = Object.entries(
  contentTypes,
).filter(([extension]) => extension !== '')
