/**
 * The html`` template tag: text is escaped unless it comes from the tag itself.
 *
 * Pure.
 */

/** Text that is HTML already. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  toString(): string {
    return this.text
  }
}

type Value = string | number | Html | undefined | readonly Value[]

/** Returns HTML in which each value is escaped; lists are joined, and `undefined` is nothing. */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Html {
  const parts = strings.map((text, index) => text + (index < values.length ? render(values[index]) : ''))
  return new Html(parts.join(''))
}

function render(value: Value): string {
  if (value === undefined) return ''
  if (value instanceof Html) return value.text
  if (typeof value === 'object') return value.map(render).join('')
  return escapeHtml(String(value))
}

/** Returns text that is safe between tags and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}

/**
 * Returns what tells a file from the same one before a version was taken down: whoever has read that one puts nothing
 * over this one. Nothing where none was.
 */
export function withdrawalsMark(count: number): Html | undefined {
  return count === 0 ? undefined : html`<!-- withdrawn: ${count} -->\n`
}
