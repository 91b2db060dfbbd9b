/**
 * Texts as other languages take them for one word, whatever they hold.
 *
 * Pure.
 */

/** Returns a text as one word of a POSIX shell. */
export function quoteShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** Returns a text as one string of PowerShell, which takes typographic quotes for quotes, too. */
export function quotePowerShell(text: string): string {
  return `'${text.replace(/['\u2018-\u201b]/g, '$&$&')}'`
}

/** Returns a text as one string of YAML, of which JSON is a part. */
export function quoteYaml(text: string): string {
  return JSON.stringify(text)
}

/** Returns lines moved to the right; empty ones stay empty. */
export function indent(text: string, spaces: number): string {
  return text.replace(/^(?=.)/gm, ' '.repeat(spaces))
}
