/**
 * What came back when a file of a site was asked for, and in which words it is
 * told: the request, the redirects, the status, the type and the first words.
 * Whoever judges an answer asks what kind it is; that has no list of known
 * faults in it, so that a fault that nobody has thought of is one, too.
 *
 * Pure.
 */

/** A redirect: what it was and where it led, without user and query. */
export interface Hop {
  readonly status: number
  readonly to: string
}

/** Why there is no whole answer. */
export interface Failure {
  readonly kind: 'connection' | 'certificate' | 'cut' | 'encoding' | 'large' | 'redirect'
  /** To follow the request: "ends after 5 of 10 bytes". */
  readonly message: string
}

export interface Answer {
  /** As it may be shown: "GET https://go.example.com/m/@v/list", or the name of a file. */
  readonly request: string
  /** The path of the site that was asked for. */
  readonly path: string
  /** Of the last answer; 0 where there is none. */
  readonly status: number
  readonly hops: readonly Hop[]
  /** In lower case; of the last answer. */
  readonly headers: Readonly<Record<string, string>>
  /** As go would read it. Where it was put into a file, its first bytes. */
  readonly body: Uint8Array
  /** Of the whole body, in bytes. */
  readonly size: number
  /** The first words, with nothing in them that was sent. "" where there are none to read. */
  readonly words: string
  readonly failure?: Failure
}

/**
 * 'file': there is one. 'absent': what go passes over to the next proxy for. 'elsewhere': a redirect ended at another
 * place, such as a login. 'failing': the server says that it cannot. 'none': no whole answer.
 */
export type AnswerKind =
  | 'file'
  | 'absent'
  | 'forbidden'
  | 'unauthorized'
  | 'elsewhere'
  | 'failing'
  | 'odd'
  | 'none'

/** Tells what kind of answer it is. Where the content shows that a file is the right one, 'elsewhere' is no fault. */
export function kindOf(answer: Answer): AnswerKind {
  const { status, failure } = answer
  if (failure === undefined && (status === 404 || status === 410)) return 'absent'
  // Also where that place cannot be reached from here: it is another one.
  if (endsElsewhere(answer)) return 'elsewhere'
  if (failure !== undefined) return 'none'
  if (status === 200) return 'file'
  if (status === 403) return 'forbidden'
  if (status === 401 || status === 407) return 'unauthorized'
  return status === 429 || status === 408 || status >= 500 ? 'failing' : 'odd'
}

/** Tells whether redirects led to another path than was asked for: more than a "/", an index.html or https. */
function endsElsewhere({ request, hops }: Answer): boolean {
  const last = hops.at(-1)
  const asked = request.replace(/^GET /, '')
  if (last === undefined || !URL.canParse(asked) || !URL.canParse(last.to)) return false
  return placeOf(asked) !== placeOf(last.to)
}

function placeOf(address: string): string {
  const { hostname, pathname } = new URL(address)
  return `${hostname}${decoded(pathname)}`.replace(/(?:\/index)?(?:\.html)?\/?$/, '')
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Returns the request and what came back, as the beginning of a sentence. */
export function describeAnswer(answer: Answer): string {
  const { request, hops, status, headers, words, failure } = answer
  const last = hops.at(-1)
  const [verb, through] =
    last === undefined
      ? ['', '']
      : [` is redirected (${hops.map((hop) => hop.status).join(', ')}) to ${last.to}`, ' and']
  if (failure !== undefined) return `${request}${verb}${through} ${failure.message}`
  if (!request.startsWith('GET ')) return status === 200 ? `${request} is there` : `${request} is not there`
  const type = showType(headers['content-type'])
  const said = words === '' ? '' : `: "${words}"`
  return `${request}${verb}${through} answers ${status}${type === '' ? '' : ` (${type})`}${said}`
}

function showType(type = ''): string {
  const [name = ''] = type.split(';')
  return /^[\w.+/-]{1,60}$/.test(name.trim()) ? name.trim() : ''
}

/** Returns the first words of a body for people: without markup, and nothing of what was sent. */
export function firstWords(body: Uint8Array, secrets: readonly string[]): string {
  const start = body.subarray(0, 2048)
  if (start.includes(0) || (start[0] === 0x50 && start[1] === 0x4b)) return ''
  let text = new TextDecoder().decode(start)
  for (const secret of secrets) if (secret !== '') text = text.replaceAll(secret, '…')
  const words = text
    .replaceAll(/<(script|style)\b[\s\S]*?(?:<\/\1>|$)/gi, ' ')
    .replaceAll(/<[^>]*>?/g, ' ')
    .replaceAll(/["\p{Cc}\p{Cf}\uFFFD]+/gu, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
  return words.length > 60 ? `${words.slice(0, 60).trimEnd()}…` : words.replace(/\.+$/, '')
}

/** Returns a text as go reads it: a byte order mark is a part of it. */
export function textOf(body: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(body)
}

/** Tells whether a body is a page or an error of a server, where a file of the proxy was asked for. */
export function isDocument(body: Uint8Array, expected: 'json' | 'text' | 'zip'): boolean {
  const text = new TextDecoder()
    .decode(body.subarray(0, 1024))
    .replace(/^\uFEFF/, '')
    .trimStart()
  return /^<[!?a-z]/i.test(text) || (expected !== 'json' && /^[{[]/.test(text))
}
