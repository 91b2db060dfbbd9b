/**
 * Writes docs/problems.md, the page of all problems, from the catalogue in
 * src/problem.ts.
 */

import { writeFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { describeProblem, problemCodes, type Severity } from '../src/problem.ts'

/** Returns the text of docs/problems.md. */
export function renderProblems(): string {
  const entries = problemCodes.map((code) => {
    const { severity, about, hint } = describeProblem(code)
    return `### ${code}\n\n*${severity}.* ${escapeText(about)}\n\n${escapeText(hint)}\n`
  })
  return `${preamble}\n${renderIndex()}\n${entries.join('\n')}`
}

const preamble = `<!-- Made by scripts/problems.ts from src/problem.ts. -->
# Problems

Each problem has a code that never changes, a severity, a subject (\`module@version\` where it is known, else the root and the
ref), what happened, and the one thing to do next. One problem never stops the versions beside it.

- An **error** asks someone to act, to protect or complete what is published.
- A **warning** is what go refuses too, or what looks suspicious.
- A **note** is for information.

The site remembers its problems: those that the last run reported too are *known*. By default (\`--fail-on new\`) only new
errors make the exit status 1. An entry in the configuration turns a problem into a note:

\`\`\`yaml
accept:
  - { module: go.example.com/billing, version: v1.2.0, code: tag-moved, reason: the first content was right }
\`\`\`

\`module\` is the repository's root where a problem has no module; \`version\` is the tag where it has no version, and is left
out where it has neither. The report of a run prints the entries of new errors, ready to paste.

| exit status | |
| --- | --- |
| 0 | Done, with at most known or accepted errors, and warnings. |
| 1 | The site was written or read, and there are new errors. |
| 2 | Nothing was done: the command line, the configuration or the output is at fault. |
| 75 | The site is held by another run, or this one was stopped: run it again. |
`

const severities: readonly Severity[] = ['error', 'warning', 'note']

/** The codes by severity, as links. */
function renderIndex(): string {
  const rows = severities.map((severity) => {
    const codes = problemCodes.filter((code) => describeProblem(code).severity === severity)
    return `| ${severity} | ${codes.map((code) => `[${code}](#${code})`).join(', ')} |`
  })
  return `${['| severity | codes |', '| --- | --- |', ...rows].join('\n')}\n`
}

/** Text that is neither markup nor HTML. */
function escapeText(text: string): string {
  return text.replaceAll(/[<*_|\\]/g, '\\$&')
}

if (pathToFileURL(process.argv[1] ?? '').href === import.meta.url) {
  await writeFile(new URL('../docs/problems.md', import.meta.url), renderProblems())
}
