/**
 * Glob patterns for directories of a repository: "*" and "?" stop at "/", "**"
 * does not; "a/**" is a and all below it. "" is the top.
 *
 * Pure.
 */

const compiled = new Map<string, RegExp>()

/** Tells whether a directory of a repository matches a pattern. */
export function matchesGlob(pattern: string, dir: string): boolean {
  const known = compiled.get(pattern)
  if (known !== undefined) return known.test(dir)
  const body = pattern
    .replace(/^\.?\//, '')
    .replace(/\/$/, '')
    .split(/(\/\*\*$|\*\*\/|\*\*|\*|\?)/)
    .map((part) => {
      if (part === '/**') return '(?:/.*)?'
      if (part === '**/') return '(?:.*/)?'
      if (part === '**') return '.*'
      if (part === '*') return '[^/]*'
      if (part === '?') return '[^/]'
      return part.replace(/[\\.+^${}()|[\]]/g, '\\$&')
    })
    .join('')
  const expression = new RegExp(`^${body}$`, 's')
  compiled.set(pattern, expression)
  return expression.test(dir)
}
