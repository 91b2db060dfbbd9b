/**
 * Go's text archive format: a comment, then files, each after a line "-- name --".
 *
 * It is what the fixtures are written in, and what the go command's own test
 * data is in. There are no syntax errors in it: what is no marker line is
 * content. Pure.
 *
 * @see https://pkg.go.dev/golang.org/x/tools/txtar
 */

export interface Txtar {
  /** What stands before the first marker line. */
  readonly comment: string
  /** File contents by name, in the order of the archive. Of two files with one name the last counts. */
  readonly files: ReadonlyMap<string, string>
}

/** Returns the comment and the files of an archive. A missing newline at its end is added, as Go does. */
export function parseTxtar(text: string): Txtar {
  const files = new Map<string, string>()
  let comment = ''
  let name: string | undefined
  let content: string[] = []
  const finish = (): void => {
    if (name === undefined) comment = content.join('')
    else files.set(name, content.join(''))
  }
  for (const line of splitLines(text)) {
    const marker = parseMarker(line)
    if (marker === undefined) {
      content.push(line.endsWith('\n') ? line : `${line}\n`)
      continue
    }
    finish()
    name = marker
    content = []
  }
  finish()
  return { comment, files }
}

/** Returns the archive's text. The contents must hold no marker lines. */
export function formatTxtar(archive: Txtar): string {
  const files = [...archive.files].map(([name, content]) => `-- ${name} --\n${endLine(content)}`)
  return endLine(archive.comment) + files.join('')
}

function parseMarker(line: string): string | undefined {
  const text = line.endsWith('\n') ? line.slice(0, -1) : line
  if (!text.startsWith('-- ') || !text.endsWith(' --') || text.length < 6) return undefined
  const name = text.slice(3, -3).trim()
  return name === '' ? undefined : name
}

function splitLines(text: string): string[] {
  return text.split(/(?<=\n)/).filter((line) => line !== '')
}

function endLine(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}
