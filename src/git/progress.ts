/**
 * What git says while it fetches: how far it is, which becomes progress, and
 * what goes wrong, which becomes an error. Of a line of progress only numbers
 * are taken, so that nothing of a server or an address is told by it.
 */

import { StringDecoder } from 'node:string_decoder'

/** How far a fetch is. */
export interface FetchProgress {
  /** What is done at the moment, for people. */
  readonly message: string
  readonly done: number
  readonly total: number
}

/** Takes in what git writes to stderr. */
export class FetchLog {
  readonly #tell: (progress: FetchProgress) => void
  readonly #decoder = new StringDecoder()
  readonly #lines: string[] = []
  #open = ''

  constructor(tell: (progress: FetchProgress) => void = () => {}) {
    this.#tell = tell
  }

  write(chunk: Buffer): void {
    const lines = (this.#open + this.#decoder.write(chunk)).split(/[\r\n]/)
    this.#open = (lines.pop() ?? '').slice(-limit)
    for (const line of lines) this.#read(line)
  }

  /** Returns the last lines that are neither progress nor the list of what was fetched. */
  end(): string {
    this.#read(this.#open + this.#decoder.end())
    return this.#lines.join('\n').trim()
  }

  #read(line: string): void {
    const progress = parseProgress(line)
    if (progress !== undefined) this.#tell(progress)
    else if (!noise.some((pattern) => pattern.test(line))) this.#lines.push(line)
    if (this.#lines.length > limitLines) this.#lines.shift()
  }
}

const limit = 8192
const limitLines = 100

/** Counts on the side of the server, the address, and " * [new tag] v1.0.0 -> v1.0.0". */
const noise = [
  /^remote: ((Enumerating|Counting|Compressing) objects|Total \d)/,
  /^(From|POST) /,
  /^ [ *+t-] .* -> /,
]

/** Returns how far git is, where a line of its stderr says so. */
export function parseProgress(line: string): FetchProgress | undefined {
  const [, phase, done = '', total = '', size] =
    /^(Receiving objects|Resolving deltas): +\d+% \((\d+)\/(\d+)\)(?:, ([\d.]+ (?:bytes|[KMG]iB)))?/.exec(
      line,
    ) ?? []
  if (phase === undefined) return undefined
  const message = phase === 'Receiving objects' ? ['receiving', size].filter(Boolean).join(' ') : 'resolving'
  return { message, done: Number(done), total: Number(total) }
}
