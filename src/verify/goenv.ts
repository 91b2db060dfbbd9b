/**
 * Reads values of go's environment as go does: lists of patterns such as
 * GOPRIVATE, and GOFLAGS.
 *
 * Pure.
 *
 * @see golang.org/x/mod/module, MatchPrefixPatterns; cmd/go/internal/base, goflags.go
 */

/** Tells whether one of the patterns, separated by commas, matches a path or the beginning of it. */
export function matchesPrefixes(patterns: string, path: string): boolean {
  return patterns.split(',').some((text) => {
    const pattern = text.replace(/\/$/, '')
    if (pattern === '' || pattern === 'none') return false
    const prefix = path.split('/').slice(0, pattern.split('/').length)
    return prefix.length === pattern.split('/').length && globOf(pattern).test(prefix.join('/'))
  })
}

/** A pattern of path.Match: "*" and "?" stop at "/". */
function globOf(pattern: string): RegExp {
  const body = pattern.replaceAll(
    /\\(.)|(\[\^?[^\]]+\])|([*?])|([.+^${}()|[\]\\])/g,
    (_, escaped, set, wild, plain) => {
      if (escaped !== undefined) return `\\${escaped}`
      if (set !== undefined) return set
      return wild === undefined ? `\\${plain}` : wild === '*' ? '[^/]*' : '[^/]'
    },
  )
  try {
    return new RegExp(`^${body}$`)
  } catch {
    // Go passes over a pattern that is none.
    return /(?!)/
  }
}

/** Returns the flags by their names without dashes; "" for those without a value. */
export function parseGoFlags(text: string): ReadonlyMap<string, string> {
  const fields = text.split(/\s+/).filter((field) => field.startsWith('-'))
  return new Map(
    fields.map((field) => {
      const [name = '', ...value] = field.replace(/^-+/, '').split('=')
      return [name, value.join('=')] as const
    }),
  )
}
