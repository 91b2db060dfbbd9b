import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeFixture } from './fixture.ts'
import { createGo, type Go } from './gorun.ts'
import { makeHostile } from './hostile.ts'
import { formatTxtar, parseTxtar } from './txtar.ts'
import { makeVcsTests } from './vcstest.ts'

let dir = ''
let go: Go
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'support-'))
  go = await createGo()
})
afterAll(async () => {
  await go.close()
  rmSync(dir, { recursive: true, force: true })
})

const fixtures = new URL('../conformance/fixtures/', import.meta.url)

test('a text archive survives writing and reading', () => {
  const line = fc.stringMatching(/^[a-z -]{0,20}\n$/).filter((text) => !text.startsWith('-- '))
  const content = fc.array(line).map((lines) => lines.join(''))
  const name = fc.stringMatching(/^[a-z:/.]{1,12}$/)
  fc.assert(
    fc.property(content, fc.array(fc.tuple(name, content)), (comment, files) => {
      const archive = { comment, files: new Map(files) }
      expect(parseTxtar(formatTxtar(archive))).toEqual(archive)
    }),
  )
})

describe('fixtures', () => {
  test('each is the same repository every time, and go sees its modules', { timeout: 300_000 }, async () => {
    for (const name of readdirSync(fixtures)) {
      const text = readFileSync(new URL(name, fixtures), 'utf8')
      const fixture = await makeFixture(join(dir, name, 'a'), text)
      const again = await makeFixture(join(dir, name, 'b'), text)
      expect(again.ids, name).toEqual(fixture.ids)
      expect(fixture.comment, name).not.toBe('')
      fixture.change?.()
    }
    const first = await makeFixture(join(dir, 'first'), readFixture('01-tags-that-are-versions.txtar'))
    await go.direct([first])
    expect(await go.versions(first.modules)).toEqual([{ module: 'example.com/r', versions: ['v1.0.0'] }])
    const [got] = await go.download(['example.com/r@v1.0.0'])
    expect(got).toMatchObject({ version: 'v1.0.0', sum: expect.stringMatching(/^h1:/) })
  })
})

describe('repositories of the tests of go', () => {
  test('all are made with the ids that the scripts know', { timeout: 300_000 }, async () => {
    const tests = await makeVcsTests(join(dir, 'vcs'))
    expect(tests.length).toBeGreaterThan(30)
    await go.direct(tests)
    const answers = await go.versions(tests.map((some) => some.root))
    expect(answers.filter((answer) => answer.error !== undefined)).toEqual([])
  })
})

describe('hostile repositories', () => {
  /** These cost go minutes, or a second for each of its many files. */
  const slow = ['s04', 's06']

  test('go does with each what its row says', { timeout: 300_000 }, async () => {
    const all = await makeHostile(join(dir, 'hostile'))
    expect(new Set(all.map((some) => some.id)).size).toBe(106)
    await go.direct(all)
    const cases = all.filter((some) => some.skip === undefined && !slow.includes(some.id))
    const good = await go.download(cases.map((some) => `${some.root}@v1.0.0`))
    const bad = await go.download(cases.map((some) => `${some.root}@${some.bad.version}`))
    const did = (error: string | undefined): string => (error === undefined ? 'downloads' : 'fails')
    expect(cases.map(({ id }, i) => [id, did(good[i]?.error), did(bad[i]?.error)])).toEqual(
      cases.map(({ id, goGood, bad: { go } }) => [id, goGood, go]),
    )
    for (const [
      i,
      {
        id,
        bad: { says },
      },
    ] of cases.entries())
      expect(bad[i]?.error ?? '', id).toContain(says)
    expect(all.flatMap((some) => some.canaries).filter((path) => existsSync(path))).toEqual([])
  })
})

function readFixture(name: string): string {
  return readFileSync(new URL(name, fixtures), 'utf8')
}
