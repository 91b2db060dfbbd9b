import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { renderAnnotations, renderSummary, writeStep } from '../../src/cli/github.ts'
import { openReport, type ReportOptions, renderAcceptance } from '../../src/cli/report.ts'
import { safeText } from '../../src/cli/terminal.ts'
import type { ModpressEvent, ProblemEvent } from '../../src/events.ts'
import { type ProblemCode, type ProblemPlace, problem } from '../../src/problem.ts'
import { makeDirectory } from '../support/repo.ts'

const counts = { added: 1, kept: 2, refused: 0, errors: 1, warnings: 0, known: 3 }

/** A stream that keeps what is written. */
function keep(isTTY = false) {
  const parts: string[] = []
  return { isTTY, columns: 40, parts, write: (text: string) => parts.push(text), text: () => parts.join('') }
}

async function tell(events: readonly ModpressEvent[], options: Partial<ReportOptions> = {}) {
  const stdout = keep()
  const stderr = keep()
  const report = openReport({
    command: 'build',
    env: {},
    stdout,
    stderr,
    style: 'text',
    color: true,
    ...options,
  })
  for (const event of events) report.onEvent(event)
  await report.finish(0, counts)
  return { stdout: stdout.text(), stderr: stderr.text() }
}

function found(code: ProblemCode, place: ProblemPlace, message: string, known = false): ProblemEvent {
  return { type: 'problem', ...problem(code, place, message, 'Do something.'), known }
}

const place = { repository: 'example.com/r', module: 'example.com/r' }

describe('a report for people', () => {
  test('tells problems that are alike once', async () => {
    const events = Array.from({ length: 9 }, (_, index) =>
      found('tag-deleted', { ...place, version: `v1.${index}.0` }, 'The tag is gone.'),
    )
    expect((await tell(events)).stderr).toBe(
      'warning: example.com/r@v1.0.0: The tag is gone. (tag-deleted)\n' +
        '  And 8 more versions: v1.1.0, v1.2.0, v1.3.0, v1.4.0, v1.5.0, v1.6.0, ….\n' +
        '  hint: Do something.\n',
    )
  })

  test('puts errors last, with the entries that accept each of them', async () => {
    const events = [
      found('tag-moved', { ...place, version: 'v1.0.0' }, 'It moved.'),
      found('tag-moved', { ...place, version: 'v1.1.0' }, 'It moved, too.'),
      found('clone-failed', { repository: 'example.com/s' }, 'No answer.'),
      found('shallow', { repository: 'example.com/r' }, 'It is shallow.'),
      found('url-missing', {}, 'There is none.'),
    ]
    const { stderr } = await tell(events)
    expect(stderr).toBe(
      'note: There is none. (url-missing)\n' +
        'warning: example.com/r: It is shallow. (shallow)\n  hint: Do something.\n' +
        'error: example.com/r@v1.0.0: It moved. (tag-moved)\n' +
        '  And 1 more version: v1.1.0.\n  hint: Do something.\n' +
        'error: example.com/s: No answer. (clone-failed)\n  hint: Do something.\n' +
        'To live with an error, add its entry to the configuration and say why:\n' +
        'accept:\n' +
        '  - { module: example.com/r, version: v1.0.0, code: tag-moved, reason: … }\n' +
        '  - { module: example.com/r, version: v1.1.0, code: tag-moved, reason: … }\n' +
        '  - { module: example.com/s, code: clone-failed, reason: … }\n',
    )
  })

  test('of what is known names errors only, in a line', async () => {
    const events = [
      found('tag-moved', { ...place, version: 'v1.0.0' }, 'It moved.', true),
      found('tag-moved', { ...place, version: 'v1.1.0' }, 'It moved.', true),
      found('shallow', { repository: 'example.com/r' }, 'It is shallow.', true),
    ]
    expect(await tell(events)).toEqual({
      stdout: '1 added, 2 kept, 0 refused; 1 error, 0 warnings (3 known)\n',
      stderr: 'known error: example.com/r@v1.0.0: It moved. And 1 more version: v1.1.0. (tag-moved)\n',
    })
  })

  test('shows no control or invisible character, and no command of a CI host', async () => {
    const message = 'a\u001b[2Jb\u202ec\u200dd\u0085e\n::set-output name=x::y\n ##[add-mask]z'
    const event = found('gomod-syntax', { ...place, version: 'v1.0.0\u0007' }, message)
    const { stderr } = await tell([event])
    expect(stderr).toMatch(
      /^error: example\.com\/r@v1\.0\.0\\u0007: a\\u001b\[2Jb\\u202ec\\u200dd\\u0085e\n {2}: :set-output name=x::y\n {3}## \[add-mask\]z \(/,
    )
    expect(stderr.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
  })

  test('a known refusal is no result of a build', async () => {
    const version = { type: 'version', action: 'refuse', module: 'example.com/r', version: 'v1.0.0' } as const
    const known = found('file-collision', { ...place, version: 'v1.0.0' }, 'Two files.', true)
    expect((await tell([version, known])).stdout).not.toContain('refused  ')
    expect((await tell([version, { ...known, known: false }])).stdout).toContain(
      'refused  example.com/r@v1.0.0  file-collision\n',
    )
  })
})

test('a report for programs is the same text to every parser', async () => {
  const message = 'a\u001b\u202e\u{e0041}\u2028'
  const { stdout } = await tell([found('gomod-syntax', place, message)], { style: 'json' })
  expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\u2028]/u)
  expect(JSON.parse(stdout.split('\n')[0] ?? '').message).toBe(message)
})

test.for(['v1.0.0+incompatible', 'yes', 'a: b', '#x', 'refs/heads/{a}', '\u202e', '1e3', '-'])(
  'the entry that accepts %j is read as such',
  (name) => {
    const entry = renderAcceptance(problem('tag-moved', { ...place, version: name }, 'It moved.'))
    expect(parse(`accept:\n  - ${entry}\n`).accept).toEqual([
      { module: 'example.com/r', version: name, code: 'tag-moved', reason: '…' },
    ])
  },
)

describe('on GitHub', () => {
  const event = found('tag-moved', { ...place, version: 'v1,2:3%' }, 'One\r\ntwo | <b> 100%')

  test('an annotation is one line', () => {
    expect(renderAnnotations([event, found('url-missing', {}, 'None.')])).toBe(
      '::error title=example.com/r@v1%2C2%3A3%25 tag-moved::One%0Atwo | <b> 100%25%0ADo something.\n',
    )
  })

  test('a summary holds no markup of a repository', () => {
    const text = renderSummary({ command: 'build', summary: 'done', versions: [], problems: [event] })
    expect(text).toContain('One two &#124; &#60;b&#62; 100%')
  })

  test('outputs stay within what GitHub takes, and a directory cannot be another output', async () => {
    const file = join(makeDirectory(), 'output')
    const versions = Array.from({ length: 30_000 }, (_, index) => {
      return { type: 'version', action: 'add', module: 'example.com/r', version: `v1.0.${index}` } as const
    })
    const outcome = { command: 'publish', summary: '', versions, problems: [], directory: 'a\nadded=[]' }
    expect(await writeStep({ GITHUB_OUTPUT: file }, outcome)).toBeUndefined()
    const text = readFileSync(file, 'utf8')
    expect(text.length).toBeLessThan(2 ** 19 + 10)
    const names = JSON.parse(text.replace(/^added=/, ''))
    expect(names.slice(0, 2)).toEqual(['example.com/r@v1.0.0', 'example.com/r@v1.0.1'])
  })

  test('failures of the run are annotated', async () => {
    const stderr = keep()
    const options = { command: 'build', env: { GITHUB_ACTIONS: 'true' }, stdout: keep(), stderr } as const
    const report = openReport({ ...options, style: 'json', color: true })
    await report.fail(problem('config-invalid', {}, 'No.'), 2)
    expect(stderr.text()).toMatch(/^::error title=config-invalid::No\.%0A/)
  })
})

test('safe text keeps what people write', () => {
  expect(safeText('größe 日本 🎉 é')).toBe('größe 日本 🎉 é')
})
