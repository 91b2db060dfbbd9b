/**
 * What an object storage answers in XML, read: pages of a listing, and errors.
 *
 * No library: those that are well kept bring 100 KB and more for a format of
 * which five flat elements matter here. ListObjectsV2 has neither attributes
 * that count, nor comments, nor CDATA; elements are cut out by their names and
 * character references are decoded.
 *
 * Keys are asked for as they are, and not in the URL encoding that S3 offers to
 * parsers that stop at control characters, which this one does not: gofakes3,
 * versitygw and s3rver ignore that wish without a word, and of those who heed
 * it some write a space as "+".
 *
 * Pure.
 */

import { compareUtf8 } from '../module/dirhash.ts'
import type { ListedFile } from './store.ts'

export interface ListingPage {
  readonly objects: readonly ListedObject[]
  /** What the next page is asked for with. Absent: this was the last. */
  readonly next?: string
}

export interface ListedObject {
  readonly key: string
  readonly tag: string
}

/** Reads a page of ListObjectsV2. Returns undefined where the text is none. */
export function parseListing(xml: string): ListingPage | undefined {
  if (!/<ListBucketResult[\s>]/.test(xml)) return undefined
  const objects = Array.from(xml.matchAll(/<Contents>(.*?)<\/Contents>/gs), ([, content = '']) => ({
    key: findElement(content, 'Key') ?? '',
    tag: quoteTag(findElement(content, 'ETag') ?? ''),
  }))
  const isTruncated = findElement(xml, 'IsTruncated') === 'true'
  const next = findElement(xml, 'NextContinuationToken')
  return { objects, ...(isTruncated && next !== undefined ? { next } : {}) }
}

/** Returns the text of the first element of a name. */
export function findElement(xml: string, name: string): string | undefined {
  const [, text] = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml) ?? []
  return text === undefined ? undefined : decodeText(text)
}

/** Returns an ETag with its quotes, which some leave out in listings. */
export function quoteTag(tag: string): string {
  return /^(?:W\/)?".*"$/.test(tag) ? tag : `"${tag}"`
}

/** Returns the path of which a host that reads "+" in an address as a space asks for another one. */
export function twinOf(path: string): string {
  return path.replaceAll('+', ' ')
}

/**
 * Leaves out of a listing, in the order of bytes, what is the twin of a listed path with "+". A twin comes first, as
 * a space sorts before "+": each path with a space waits for the last one whose twin it could be.
 */
export async function* hideTwins(
  files: AsyncIterable<ListedFile>,
): AsyncGenerator<ListedFile, void, undefined> {
  let waiting: ListedFile[] = []
  const twins = new Set<string>()
  /** Gives what waits before this path for nothing any more. */
  function* settle(current: string | undefined): Generator<ListedFile, void, undefined> {
    let settled = 0
    for (const file of waiting) {
      const last = file.path.replaceAll(' ', '+')
      const isOpen = current !== undefined && mayBeTwin(file.path) && compareUtf8(current, last) < 0
      if (isOpen) break
      settled += 1
      if (!twins.delete(file.path)) yield file
    }
    waiting = waiting.slice(settled)
    if (waiting.length === 0) twins.clear()
  }
  for await (const file of files) {
    if (waiting.length === 0 && !mayBeTwin(file.path)) {
      yield file
      continue
    }
    if (file.path.includes('+')) twins.add(twinOf(file.path))
    waiting.push(file)
    yield* settle(file.path)
  }
  yield* settle(undefined)
}

function mayBeTwin(path: string): boolean {
  return path.includes(' ') && !path.includes('+')
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function decodeText(text: string): string {
  return text.replaceAll(/&(?:#x([\da-f]+)|#(\d+)|(amp|lt|gt|quot|apos));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return entities[name.toLowerCase()] ?? whole
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}
