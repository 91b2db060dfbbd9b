/**
 * Reads the go-import tags of a page as the go command does: with a lenient
 * XML reader, up to </head> or <body>, and no further than the first thing
 * that even a lenient one cannot read. A page that a browser shows well may
 * have no tag for go: hosts that make HTML smaller leave quotes out.
 *
 * Pure.
 *
 * @see cmd/go/internal/vcs, discovery.go; encoding/xml, RawToken with Strict off
 */

/** The fields of a tag. */
export interface GoImport {
  readonly prefix: string
  readonly vcs: string
  readonly url: string
  readonly subdir?: string
}

export interface GoImports {
  readonly imports: readonly GoImport[]
  /** Where go stopped reading for a fault: the text there. */
  readonly fault?: string
}

/** Returns the tags that go finds in a page. */
export function parseGoImports(html: string): GoImports {
  const imports: GoImport[] = []
  const reader = new Reader(html)
  for (;;) {
    const tag = reader.next()
    if (tag === undefined) break
    if (tag === 'fault') return { imports, fault: reader.rest() }
    const name = tag.name.toLowerCase()
    if ((name === 'body' && !tag.isEnd) || (name === 'head' && tag.isEnd)) break
    if (tag.isEnd || name !== 'meta' || tag.attributes.get('name') !== 'go-import') continue
    const [prefix, vcs, url, subdir, ...more] = (tag.attributes.get('content') ?? '').trim().split(/\s+/)
    if (prefix === undefined || vcs === undefined || url === undefined || more.length > 0) continue
    imports.push({ prefix, vcs, url, ...(subdir === undefined ? {} : { subdir }) })
  }
  return { imports }
}

/** Returns the tag that go takes for an import path; a text says why it takes none. */
export function matchGoImport(imports: readonly GoImport[], path: string): GoImport | string {
  const fits = imports.filter(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`))
  const [first] = fits
  if (first === undefined)
    return imports.length === 0 ? 'has no go-import tag' : `has no go-import tag for ${path}`
  const mod = fits.find(({ vcs }) => vcs === 'mod')
  // A tag "mod" wins over others of the same prefix.
  const rest =
    mod === undefined ? fits : fits.filter((each) => each.vcs === 'mod' || each.prefix !== mod.prefix)
  return rest.length === 1 ? (mod ?? first) : `has ${rest.length} go-import tags that all fit ${path}`
}

interface Tag {
  readonly name: string
  readonly isEnd: boolean
  /** By names in lower case; the first of each. */
  readonly attributes: ReadonlyMap<string, string>
}

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** What stands where the reader is. */
  rest(): string {
    return this.#text.slice(this.#at, this.#at + 40)
  }

  /** Returns the next tag; undefined at the end. */
  next(): Tag | 'fault' | undefined {
    for (;;) {
      const start = this.#text.indexOf('<', this.#at)
      if (start < 0) return undefined
      this.#at = start
      if (this.#text.startsWith('<!--', start)) {
        const dashes = this.#text.indexOf('--', start + 4)
        if (dashes < 0 || this.#text[dashes + 2] !== '>') return 'fault'
        this.#at = dashes + 3
      } else if (this.#text.startsWith('<![CDATA[', start)) {
        if (!this.#skipTo(']]>')) return 'fault'
      } else if (this.#text[start + 1] === '?') {
        if (!this.#skipTo('?>')) return 'fault'
      } else if (this.#text[start + 1] === '!') {
        if (!this.#skipTo('>')) return 'fault'
      } else return this.#readTag(start)
    }
  }

  #skipTo(end: string): boolean {
    const at = this.#text.indexOf(end, this.#at)
    if (at >= 0) this.#at = at + end.length
    return at >= 0
  }

  #readTag(start: number): Tag | 'fault' {
    const [whole, slash, name = ''] =
      match(/<(\/?)([\p{L}_:][\p{L}\p{N}_:.-]*)\s*/uy, this.#text, start) ?? []
    if (whole === undefined) return 'fault'
    let at = start + whole.length
    const attributes = new Map<string, string>()
    if (slash === '/') {
      if (this.#text[at] !== '>') return 'fault'
      this.#at = at + 1
      return { name: local(name), isEnd: true, attributes }
    }
    for (;;) {
      const [close] = match(/\/?>/y, this.#text, at) ?? []
      if (close !== undefined) {
        this.#at = at + close.length
        return { name: local(name), isEnd: false, attributes }
      }
      // A value without quotes ends at the first character that is no letter, digit, "_", ":" or "-".
      const attribute =
        /([\p{L}_:][\p{L}\p{N}_:.-]*)\s*(?:=\s*(?:"([^"<]*)"|'([^'<]*)'|(?!["'])([\w:-]*)))?\s*/uy
      const [text, key = '', double, single, plain] = match(attribute, this.#text, at) ?? []
      if (text === undefined) return 'fault'
      at += text.length
      const lower = local(key).toLowerCase()
      const value = double ?? single ?? plain ?? local(key)
      if (!attributes.has(lower)) attributes.set(lower, decodeEntities(value))
    }
  }
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(text)
}

/** A name without its namespace. */
function local(name: string): string {
  return name.slice(name.indexOf(':') + 1)
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function decodeEntities(text: string): string {
  return text.replaceAll(
    /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w+));/gi,
    (whole, decimal, hexadecimal, name) => {
      if (name !== undefined) return entities[name] ?? whole
      const code = decimal === undefined ? Number.parseInt(hexadecimal, 16) : Number(decimal)
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole
    },
  )
}
