/**
 * What a host says of a file beside its bytes: its type, and whether it may
 * change. The server on this machine and a bucket say the same.
 *
 * Pure.
 */

export const plainText = 'text/plain; charset=utf-8'

/** Returns the Content-Type of a file by its path in the site. */
export function contentType(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (name === '@latest') return 'application/json'
  // What the checksum database serves has names with dots that are no extensions.
  if (path.startsWith('sumdb/')) return path.includes('/tile/') ? 'application/octet-stream' : plainText
  const dot = name.lastIndexOf('.')
  return contentTypes[dot <= 0 ? '' : name.slice(dot)] ?? 'application/octet-stream'
}

/** Tells whether a path is one of those that are created and never replaced: files of versions, and of the log. */
export function isImmutable(path: string): boolean {
  return (
    /(?:^|\/)@v\/v\d[^/]*\.\d[^/]*\.\d[^/]*\.(?:info|mod|zip)$/.test(path) ||
    /^sumdb\/.*\/(?:tile|lookup)\//.test(path)
  )
}

/** Returns the Cache-Control of what never changes, for a year. */
export function immutableFor(access: 'public' | 'private'): string {
  return `${access}, max-age=31536000, immutable`
}

/** Returns the Cache-Control of what may be replaced: readers see it a minute later. */
export function mutableFor(access: 'public' | 'private'): string {
  return `${access}, max-age=60`
}

const contentTypes: Readonly<Record<string, string>> = {
  '': plainText,
  '.atom': 'application/atom+xml; charset=utf-8',
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
