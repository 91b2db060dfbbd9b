/**
 * The "h1:" hash of go.sum: one line for each file with the SHA-256 of its
 * content and its name, the lines in order of the names, hashed once more.
 *
 * Go sorts the names by their UTF-8 bytes, which is the order of code points.
 * JavaScript's own order is that of UTF-16 units and differs where a name
 * holds a character beyond U+FFFF.
 *
 * Pure.
 *
 * @see golang.org/x/mod/sumdb/dirhash Hash1
 */

import { createHash } from 'node:crypto'

/** A file's name as it stands in the hash, "module@version/path" in a zip, and its content's hash. */
export interface HashedFile {
  readonly name: string
  /** The SHA-256 of the content, in lower-case hexadecimal. */
  readonly sha256: string
}

/** The hash of no files at all, which is that of a module without any. */
export const emptyH1 = 'h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='

/**
 * Returns the hash of the files in whatever order they come, as dirhash.Hash1 does.
 * Like Go it refuses names with a newline; since no module zip holds one, that is an error of the caller.
 *
 * @example hash1([]) // "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
 */
export function hash1(files: Iterable<HashedFile>): string {
  const hash = createHash('sha256')
  for (const { name, sha256 } of [...files].sort((a, b) => compareUtf8(a.name, b.name))) {
    if (name.includes('\n')) throw new Error('dirhash: filenames with newlines are not supported')
    hash.update(`${sha256}  ${name}\n`)
  }
  return `h1:${hash.digest('base64')}`
}

/**
 * Returns the hash of the files of a module, which are in the order of the bytes of their names already. `prefix` is
 * what each name begins with, "module@version/". It is `hash1` without its lists.
 *
 * @example hashModule('m@v1.0.0/', [{ path: 'go.mod' }], [{ sha256: '…' }])
 */
export function hashModule(
  prefix: string,
  files: readonly { readonly path: string }[],
  contents: readonly { readonly sha256: string }[],
): string {
  const hash = createHash('sha256')
  let lines = ''
  for (let index = 0; index < files.length; index++) {
    lines += `${contents[index]?.sha256}  ${prefix}${files[index]?.path}\n`
    if (lines.length < linesLength) continue
    hash.update(lines)
    lines = ''
  }
  return `h1:${hash.update(lines).digest('base64')}`
}

/** How much text is hashed at a time. */
const linesLength = 64 * 1024

/**
 * Returns the hash of a go.mod file that go.sum holds in its "/go.mod" lines.
 *
 * @example goModH1(new TextEncoder().encode('module example.com/m\n'))
 */
export function goModH1(bytes: Uint8Array): string {
  return hash1([{ name: 'go.mod', sha256: createHash('sha256').update(bytes).digest('hex') }])
}

/**
 * Compares two strings as Go does: by their bytes in UTF-8.
 *
 * @example ['𐐀', 'Ａ'].sort(compareUtf8) // ["Ａ", "𐐀"]
 */
export function compareUtf8(a: string, b: string): -1 | 0 | 1 {
  if (a === b) return 0
  const shorter = Math.min(a.length, b.length)
  let at = 0
  while (at < shorter && a.charCodeAt(at) === b.charCodeAt(at)) at++
  if (at === shorter) return a.length < b.length ? -1 : 1
  return rank(a.charCodeAt(at)) < rank(b.charCodeAt(at)) ? -1 : 1
}

/** Lifts surrogates, which stand for the code points from U+10000 on, above the units U+E000 to U+FFFF. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}
