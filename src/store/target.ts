/**
 * What may be shown of a target. People paste credentials into addresses; what
 * they pasted must not reach a log, also where the target is refused for it.
 *
 * Pure.
 */

const hasScheme = /^(s3:\/*|[a-z][a-z0-9+.-]+:\/\/)(.*)$/is

/** Returns a target as it may be shown: of an address, what follows its last "@", without query and fragment. */
export function shownTarget(text: string): string {
  const [, scheme, rest] = hasScheme.exec(text) ?? []
  if (scheme === undefined || rest === undefined) return text
  return `${scheme}${rest.slice(rest.lastIndexOf('@') + 1).replace(/[?#].*$/s, '')}`
}
