/**
 * Reads the tar stream of `git archive`: regular files with their names and
 * contents. Git writes the ustar format, with pax headers for long names.
 */

export interface TarFile {
  readonly name: string
  readonly content: Uint8Array
}

const block = 512

/** Yields the regular files of a tar stream, each held in memory whole. */
export async function* readTar(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TarFile> {
  const source = new Source(chunks)
  let longName: string | undefined
  for (;;) {
    const header = await source.take(block)
    if (header === undefined || header[0] === 0) break
    const size = Number.parseInt(text(header, 124, 12), 8)
    const type = String.fromCharCode(header[156] ?? 0)
    const content = (await source.take(size)) ?? new Uint8Array()
    await source.take((block - (size % block)) % block)
    if (type === 'x') {
      longName = paxPath(content)
      continue
    }
    const prefix = text(header, 345, 155)
    const name = longName ?? (prefix === '' ? text(header, 0, 100) : `${prefix}/${text(header, 0, 100)}`)
    longName = undefined
    if (type === '0' || type === '\0') yield { name, content }
  }
  await source.drain()
}

function text(bytes: Uint8Array, start: number, length: number): string {
  const field = bytes.subarray(start, start + length)
  const end = field.indexOf(0)
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end))
}

/** The records of a pax header are "LENGTH KEY=VALUE\n", and the length counts bytes. */
function paxPath(records: Uint8Array): string | undefined {
  let at = 0
  while (at < records.length) {
    const space = records.indexOf(32, at)
    const length = Number.parseInt(text(records, at, space - at), 10)
    if (!(length > 0)) return undefined
    const record = text(records, space + 1, at + length - space - 2)
    if (record.startsWith('path=')) return record.slice('path='.length)
    at += length
  }
  return undefined
}

class Source {
  readonly #chunks: AsyncIterator<Uint8Array>
  #rest: Uint8Array = new Uint8Array()

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** Takes exactly `length` bytes; undefined at the end of the stream. */
  async take(length: number): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = []
    let missing = length
    while (missing > 0) {
      if (this.#rest.length === 0) {
        const next = await this.#chunks.next()
        if (next.done === true) return undefined
        this.#rest = next.value
      }
      const part = this.#rest.subarray(0, missing)
      this.#rest = this.#rest.subarray(part.length)
      missing -= part.length
      parts.push(part)
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts)
  }

  /** Reads on to the end, so that a failure of the writer shows. */
  async drain(): Promise<void> {
    while ((await this.#chunks.next()).done !== true);
  }
}
