/**
 * The repositories that Go's own tests of "go get" use, some of them under
 * several import paths, are pressed and held against what the real go says of
 * them: of every path that may be a module, and of every revision that it knows.
 *
 * Where a site says something else on purpose it is listed here, question by
 * question with the reason. The list is exact: what differs and is not in it
 * fails, and so does what is in it and differs no more.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import { missingTools } from '../support/gorun.ts'
import { judge } from '../support/judge.ts'
import { makeVcsTests, type VcsTest } from '../support/vcstest.ts'

const noSuffix =
  'Without any go.mod the tag is "+incompatible". Go lists it for the path with /v2 too, and then refuses to serve it.'
const byPrefix =
  'Asked for "v2", go looks at the go.mod of the highest tag that begins so to hide "+incompatible", and otherwise at that of the highest v0 or v1. A proxy has one list for all questions.'
const topWithoutGoMod =
  'The top has neither go.mod nor version and lies above directories that have them: it is no module.'
const plainTag = 'A tag that looks like no version is answered where a version tag is on the same commit.'
const pseudoName =
  'Of names that have the form of a pseudo-version there are infinitely many: those that "commits" asks for are published, as go.sum has them.'
const detachedHead =
  'The HEAD of the work tree is detached, as in a CI checkout, and says nothing of the default branch.'

/** What is answered otherwise than by go, by the name of the repository and the question below its root. */
const departures: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  gitrepo1: { '/v2@v2.0.1': noSuffix, '/v2@v2.0.2': noSuffix },
  'go/mod/gitrepo1': { '/v2@v2.0.1': noSuffix, '/v2@v2.0.2': noSuffix },
  'gitrepo-sha256': { '/v2@v2.0.1': noSuffix, '/v2@v2.0.2': noSuffix, '@v2': byPrefix },
  'go/mod/gitrepo-sha256': { '/v2@v2.0.1': noSuffix, '/v2@v2.0.2': noSuffix, '@v2': byPrefix },
  legacytest: { '/v2@v2.0.0': noSuffix, '@HEAD': detachedHead, '@morework': plainTag },
  gitreposubdir: {
    '@latest': topWithoutGoMod,
    '@HEAD': topWithoutGoMod,
    '@master': topWithoutGoMod,
    '@2426e0ff9b3dbc6b3b56ca18833e681765071d8f': topWithoutGoMod,
  },
  gitreposubdirv2: {
    '@latest': topWithoutGoMod,
    '@HEAD': topWithoutGoMod,
    '@master': topWithoutGoMod,
    '@5212d800bfd1f6377da46aee6cbceca2f60d4ea6': topWithoutGoMod,
  },
  issue61415: { '/nested@has-nested': plainTag },
  'odd-tags': { '@v3.0.0-20220223184802-12d19af20458': pseudoName },
}

const title = "a site and the real go say the same of the repositories of go's tests"
const missing = missingTools('go', 'git')

if (missing !== undefined) {
  test.skipIf(process.env['CI'] !== 'true')(`${title} (skipped: ${missing})`, () => {
    throw new Error(missing)
  })
} else {
  const temporary = mkdtempSync(join(tmpdir(), 'vcs-'))
  afterAll(() => rmSync(temporary, { recursive: true, force: true }))
  const all = await makeVcsTests(join(temporary, 'made'))

  /** Asks about every revision of every module, and returns what is answered otherwise than by go. */
  const differencesOf = async (repository: VcsTest, dir: string, commits: readonly string[]) => {
    const { root, clone, subdir, modules, revisions, branches } = repository
    const pressed = { root, clone, dir: repository.dir, branches: [...branches, 'HEAD'], commits }
    const { differences } = await judge(
      join(temporary, dir),
      [subdir === undefined ? pressed : { ...pressed, subdir }],
      {
        modules,
        queries: modules.flatMap((module) => ['HEAD', ...revisions].map((name) => `${module}@${name}`)),
      },
    )
    return differences
  }
  const questionOf = (difference: string) => difference.slice(0, difference.indexOf(': '))

  describe(title, () => {
    test('all that this test knows by name is there', ({ expect }) => {
      expect(all.length).toBeGreaterThan(30)
      expect(all.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(departures)))
    })

    const cases = all.map((repository, index) => [repository.name, repository, `${index}`] as const)
    test.concurrent.for(cases)('%s', async ([name, repository, dir], { expect }) => {
      const differences = await differencesOf(repository, dir, repository.commits)
      const wanted = Object.keys(departures[name] ?? {}).map((question) => repository.root + question)
      expect(differences.filter((difference) => !wanted.includes(questionOf(difference)))).toEqual([])
      const found = differences.map(questionOf)
      expect(wanted.filter((question) => !found.includes(question))).toEqual([])
    })
  })

  describe('a tag that looks like no version is answered as by go where "commits" asks for it', () => {
    const cases = all.flatMap((repository, index) => {
      const reasons = Object.values(departures[repository.name] ?? {})
      return reasons.includes(plainTag) ? [[repository.name, repository, `asked-${index}`] as const] : []
    })
    test.concurrent.for(cases)('%s', async ([name, repository, dir], { expect }) => {
      const differences = await differencesOf(repository, dir, repository.revisions)
      const found = differences.map((difference) => questionOf(difference).slice(repository.root.length))
      expect(found.filter((question) => departures[name]?.[question] === plainTag)).toEqual([])
    })
  })

  test('a name with the form of a pseudo-version is published where "commits" asks for it', async ({
    expect,
  }) => {
    const oddTags = all.filter(({ name }) => name === 'odd-tags')
    for (const repository of oddTags) {
      const version = 'v3.0.0-20220223184802-12d19af20458+incompatible'
      const asked = { ...repository, revisions: [version] }
      expect(await differencesOf(asked, 'asked-pseudo', [version])).toEqual([])
    }
  })
}
