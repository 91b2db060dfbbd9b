/**
 * Regular expressions that are put together from texts.
 *
 * Pure.
 */

/**
 * Returns a regular expression for a text itself.
 *
 * @example escapePattern('a.b') // 'a\\.b'
 */
export function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
