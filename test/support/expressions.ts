/**
 * Evaluates the expressions of GitHub's workflows, as far as they are used in
 * ours: paths into contexts, texts, "==", "!=", "&&", "||", "!", and the
 * functions of a job's state. All values count as texts; what is not there is
 * the empty one. Anything else throws, so that no test passes by a guess.
 */

export type Contexts = Readonly<Record<string, unknown>>

/** Returns a text with its expressions in "${{ }}" replaced. */
export function interpolate(text: string, contexts: Contexts): string {
  return text.replaceAll(/\$\{\{(.*?)\}\}/g, (_, expression: string) => evaluate(expression, contexts))
}

/** Tells whether a condition holds. */
export function holds(condition: string, contexts: Contexts): boolean {
  const [, inner] = /^\s*\$\{\{(.*)\}\}\s*$/.exec(condition) ?? []
  return isTrue(evaluate(inner ?? condition, contexts))
}

function isTrue(value: string): boolean {
  return value !== '' && value !== 'false' && value !== '0'
}

function evaluate(expression: string, contexts: Contexts): string {
  const tokens = expression.match(/'(?:[^']|'')*'|==|!=|&&|\|\||[!()]|[\w.-]+|\S/g) ?? []
  let at = 0
  const take = (): string => tokens[at++] ?? ''
  const either = (): string => {
    let value = both()
    while (tokens[at] === '||') {
      at++
      const other = both()
      if (!isTrue(value)) value = other
    }
    return value
  }
  const both = (): string => {
    let value = comparison()
    while (tokens[at] === '&&') {
      at++
      const other = comparison()
      if (isTrue(value)) value = other
    }
    return value
  }
  const comparison = (): string => {
    const value = single()
    if (tokens[at] !== '==' && tokens[at] !== '!=') return value
    const isEqual = take() === '=='
    return String((value === single()) === isEqual)
  }
  const single = (): string => {
    const token = take()
    if (token === '!') return String(!isTrue(single()))
    if (token === '(') {
      const value = either()
      if (take() !== ')') throw new Error(`A ")" is missing in ${expression}.`)
      return value
    }
    if (token.startsWith("'")) return token.slice(1, -1).replaceAll("''", "'")
    if (tokens[at] === '(' && tokens[at + 1] === ')') {
      at += 2
      return call(token, contexts)
    }
    if (!/^[a-z][\w.-]*$/i.test(token)) throw new Error(`${token} is not known in ${expression}.`)
    return read(token, contexts)
  }
  const value = either()
  if (at < tokens.length) throw new Error(`${tokens[at]} is not known in ${expression}.`)
  return value
}

function call(name: string, { failed }: Contexts): string {
  const values: Readonly<Record<string, boolean>> = {
    always: true,
    cancelled: false,
    success: failed !== true,
    failure: failed === true,
  }
  const value = values[name]
  if (value === undefined) throw new Error(`The function ${name} is not known.`)
  return String(value)
}

function read(path: string, contexts: Contexts): string {
  const [first = '', ...rest] = path.split('.')
  if (!Object.hasOwn(contexts, first)) throw new Error(`The context of ${path} is not known.`)
  let value: unknown = contexts[first]
  for (const name of rest) value = Object(value)[name]
  if (typeof value === 'object' && value !== null) throw new Error(`${path} is no text.`)
  return value === undefined || value === null ? '' : String(value)
}
