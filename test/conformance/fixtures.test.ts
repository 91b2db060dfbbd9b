/**
 * Each fixture is a repository with one point. Our site of it is held against
 * what the real go says of it; where we depart from go, the fixture says so.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type Fixture, makeFixture } from '../support/fixture.ts'
import { judge } from '../support/judge.ts'

const directory = new URL('fixtures/', import.meta.url)
const temporary = mkdtempSync(join(tmpdir(), 'fixtures-'))
afterAll(() => rmSync(temporary, { recursive: true, force: true }))

describe('a site and the real go say the same of', () => {
  test.concurrent.for(readdirSync(directory).sort())('%s', async (file, { expect }) => {
    const dir = join(temporary, file)
    const fixture = await makeFixture(join(dir, 'repository'), readFileSync(new URL(file, directory), 'utf8'))
    const asked = fixture.queries.map((query) => query.slice(query.indexOf('@') + 1))
    const repository = {
      root: fixture.root,
      dir: fixture.dir,
      clone: fixture.clone,
      ...(fixture.subdir === '' ? {} : { subdir: fixture.subdir }),
      ...(fixture.defaultBranch === undefined ? {} : { defaultBranch: fixture.defaultBranch }),
      // What a fixture asks go about is configured here: a site answers no other branch or commit.
      branches: [
        ...new Set([...fixture.branches, ...asked.filter((name) => branchNames(fixture).has(name))]),
      ],
      commits: [...new Set([...fixture.commits, ...asked.filter((name) => /^[0-9a-f]{40}$/.test(name))])],
    }
    const { report, differences } = await judge(dir, [repository], {
      modules: fixture.modules,
      queries: fixture.queries,
      departures: new Set(fixture.want.flatMap(([, subject]) => subject ?? [])),
      ...(fixture.gitConfig === undefined ? {} : { gitConfig: fixture.gitConfig }),
      ...(fixture.maxGo === undefined ? {} : { maxGo: fixture.maxGo }),
    })
    expect(differences).toEqual([])
    for (const [what, subject, code] of fixture.want) {
      if (code === undefined) continue
      const found = report.problems.filter((each) => each.code === code)
      const subjects = found.flatMap((each) => [`${each.module}@${each.version}`, each.ref, each.subject])
      const isPublished = what === 'published'
      if (isPublished && fixture.change !== undefined) continue // 46: reported in the second build only
      expect(subjects, `${what} ${subject} ${code}`).toContain(subject)
    }
  })
})

function branchNames(fixture: Fixture): Set<string> {
  return new Set([
    'HEAD',
    ...fixture.queries
      .map((query) => query.slice(query.indexOf('@') + 1))
      .filter((name) => /^[A-Za-z]+$/.test(name) && name !== 'latest'),
  ])
}

test('there is a fixture for each of the cases', () => {
  expect(readdirSync(directory).length).toBeGreaterThan(50)
})
