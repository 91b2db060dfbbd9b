/**
 * Judges answers by what they must be. A file must be there, as the site
 * itself says it is; what nobody has published must be a 404 or a 410, since
 * go asks the next proxy for these alone. Any other answer is a problem, and
 * its kind says which.
 */

import type { ProblemCode, ProblemPlace } from '../problem.ts'
import { type Answer, describeAnswer, isDocument, kindOf } from './answer.ts'
import type { Findings } from './findings.ts'
import type { Place } from './place.ts'

/** What a path may be answered with when nothing is there. A gatekeeper keeps names from the next proxy. */
export type Absence = 'absent' | 'empty list' | 'kept'

/** Judges the answer for what is not there. Returns the code of what is wrong. */
export function judgeAbsence(answer: Answer, expected: Absence): ProblemCode | undefined {
  const kind = kindOf(answer)
  if (kind === 'absent') return expected === 'absent' ? undefined : 'gatekeeper-open'
  const isEmpty = kind === 'file' && new TextDecoder().decode(answer.body).trim() === ''
  if (expected === 'empty list' && isEmpty) return undefined
  if (expected === 'kept' && kind === 'forbidden') return undefined
  if (isRedirected(answer)) return 'missing-redirected'
  if (kind === 'forbidden') return 'missing-forbidden'
  if (kind === 'unauthorized') return 'missing-unauthorized'
  if (answer.failure === undefined && answer.status >= 200 && answer.status < 300) return 'missing-answered'
  return 'missing-failing'
}

/** Tells whether redirects led elsewhere, or where go does not follow: to plain http, to no address, in a circle. */
function isRedirected(answer: Answer): boolean {
  return kindOf(answer) === 'elsewhere' || answer.failure?.kind === 'redirect'
}

/** What a file of the site must be. */
export interface Expectation {
  readonly place: ProblemPlace
  /** What to take for a page of the server's in its place. */
  readonly content: 'json' | 'text' | 'zip' | 'page'
  /** Returns what is wrong with the content, to follow the name of the file. */
  readonly check: (body: Uint8Array) => string | undefined
  /** The code for a content that is wrong. */
  readonly code: ProblemCode
}

/** Reads a file that must be there, and tells what is wrong with it. Returns the answer where there is a file at all. */
export async function expectFile(
  place: Place,
  findings: Findings,
  path: string,
  { place: about, content, check, code }: Expectation,
  query?: string,
): Promise<Answer | undefined> {
  const answer = await place.read(path, query === undefined ? {} : { query })
  const missing = await judgePresence(place, answer)
  if (missing !== undefined) {
    findings.tell(missing.code, about, missing.message)
    return undefined
  }
  const fault = check(answer.body)
  if (fault === undefined) return answer
  const wrong = judgeContent(answer, content, code)
  findings.tell(wrong, about, `${describeAnswer(answer)}. It ${fault}.`)
  return undefined
}

/** Tells why an answer is no file at all. */
export async function judgePresence(
  place: Place,
  answer: Answer,
): Promise<{ readonly code: ProblemCode; readonly message: string } | undefined> {
  const kind = kindOf(answer)
  const said = describeAnswer(answer)
  if (kind === 'file' || (kind === 'elsewhere' && answer.status === 200)) return undefined
  if (kind === 'absent')
    return (await findMisread(place, answer)) ?? { code: 'file-missing', message: `${said}.` }
  if (answer.failure?.kind === 'cut') return { code: 'file-cut', message: `${said}.` }
  if (answer.failure?.kind === 'encoding') return { code: 'encoding-wrong', message: `${said}.` }
  if (isRedirected(answer)) return { code: 'file-redirected', message: `${said}.` }
  // A host may refuse what it has misread, too.
  const misread = kind === 'forbidden' || kind === 'odd' ? await findMisread(place, answer) : undefined
  if (misread !== undefined) return misread
  const isRefused = kind === 'forbidden' || kind === 'unauthorized'
  return { code: isRefused ? 'file-forbidden' : 'file-unreadable', message: `${said}.` }
}

/** Tells what a content that is not the file's is: another place's, a page of the server's, or a wrong file. */
export function judgeContent(
  answer: Answer,
  content: Expectation['content'],
  code: ProblemCode,
): ProblemCode {
  const encoding = answer.headers['content-encoding']?.toLowerCase() ?? ''
  if (kindOf(answer) === 'elsewhere') return 'file-redirected'
  if (!['', 'gzip', 'x-gzip', 'identity'].includes(encoding)) return 'encoding-wrong'
  return content !== 'page' && isDocument(answer.body, content) ? 'file-replaced' : code
}

/** Tells whether a file is there under another spelling of its name than go's: then the host misreads that. */
async function findMisread(
  place: Place,
  answer: Answer,
): Promise<{ readonly code: ProblemCode; readonly message: string } | undefined> {
  if (place.http === undefined) return undefined
  const spellings = [
    ['plus-misread', '+', 'encoded', '"+" as "%2B"'],
    ['bang-misread', '!', 'raw', '"!" as it is, and not as "%21"'],
  ] as const
  for (const [code, character, form, how] of spellings) {
    if (!answer.path.includes(character)) continue
    const other = await place.read(answer.path, { form })
    if (kindOf(other) !== 'file') continue
    return { code, message: `${describeAnswer(answer)}. With ${how}, the host has it.` }
  }
  return undefined
}
