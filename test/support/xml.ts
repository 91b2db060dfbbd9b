/**
 * A strict reader of XML, as far as our feeds go: what is not well-formed
 * throws. It knows nothing of our own way to escape.
 */

export interface XmlElement {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly (XmlElement | string)[]
}

/** Returns the root element. Throws where the text is not well-formed. */
export function parseXml(text: string): XmlElement {
  if (/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u.test(text))
    throw new Error('a character that XML does not have')
  const declaration = /^<\?xml version="1\.0" encoding="utf-8"\?>\s*/i.exec(text)
  if (declaration === null) throw new Error('no declaration')
  const open: { name: string; attributes: Record<string, string>; children: (XmlElement | string)[] }[] = [
    { name: '', attributes: {}, children: [] },
  ]
  const token = /<\/([\w:-]+)\s*>|<([\w:-]+)((?:\s+[\w:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|[^<]+/y
  token.lastIndex = declaration[0].length
  while (token.lastIndex < text.length) {
    const at = token.lastIndex
    const found = token.exec(text)
    if (found === null) throw new Error(`neither a tag nor text: ${text.slice(at, at + 60)}`)
    const [whole, closing, opening, attributes = '', empty] = found
    const parent = open.at(-1)
    if (parent === undefined) throw new Error('too many end tags')
    if (closing !== undefined) {
      if (parent.name !== closing) throw new Error(`</${closing}> ends <${parent.name}>`)
      open.pop()
    } else if (opening !== undefined) {
      const element = { name: opening, attributes: readAttributes(attributes), children: [] }
      parent.children.push(element)
      if (empty === '') open.push(element)
    } else if (open.length > 1) parent.children.push(decode(whole))
    else if (whole.trim() !== '') throw new Error('text outside of the root')
  }
  const [top, ...rest] = open
  const [root, ...others] = top?.children ?? []
  if (rest.length > 0 || others.length > 0 || typeof root !== 'object')
    throw new Error('not one root element')
  return root
}

/** Returns the children of an element that have this name. */
export function childrenOf({ children }: XmlElement, name: string): XmlElement[] {
  return children.filter((child): child is XmlElement => typeof child === 'object' && child.name === name)
}

/** Returns the text of the only child of this name. */
export function textOf(element: XmlElement, name: string): string {
  const [child, ...others] = childrenOf(element, name)
  if (child === undefined || others.length > 0) throw new Error(`<${element.name}> has not one <${name}>`)
  return child.children.join('')
}

function readAttributes(text: string): Record<string, string> {
  const attributes: Record<string, string> = {}
  for (const [, name = '', value = ''] of text.matchAll(/([\w:-]+)\s*=\s*("[^"]*"|'[^']*')/g)) {
    if (attributes[name] !== undefined) throw new Error(`${name} twice`)
    attributes[name] = decode(value.slice(1, -1))
  }
  return attributes
}

function decode(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));|&/gi, (all, decimal, hex, name) => {
    const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
    const char = decimal
      ? String.fromCodePoint(Number(decimal))
      : hex
        ? String.fromCodePoint(Number.parseInt(hex, 16))
        : named[name]
    if (char === undefined) throw new Error(`${all} stands for nothing`)
    return char
  })
}
