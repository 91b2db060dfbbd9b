/**
 * Hostile and broken repositories, all in one run: the harmless version of each
 * is published with go's own hash, the bad one is refused and named, and
 * nothing else happens.
 */

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Report } from '../../src/report.ts'
import { createGo } from '../support/gorun.ts'
import { hashTree } from '../support/hash.ts'
import { type HostileCase, makeHostile } from '../support/hostile.ts'
import { buildSite } from '../support/judge.ts'
import { type SiteModule, siteModules } from '../support/site.ts'

const temporary = mkdtempSync(join(tmpdir(), 'hostile-'))
afterAll(() => rmSync(temporary, { recursive: true, force: true }))

let cases: readonly HostileCase[] = []
let first: Report
let modules = new Map<string, SiteModule>()
const site = join(temporary, 'run/site')

function build(git?: 'isomorphic', dir = 'run'): Promise<Report> {
  const repositories = cases.filter((each) => each.skip === undefined).map(({ root, dir }) => ({ root, dir }))
  return buildSite(join(temporary, dir), repositories, git === undefined ? {} : { git })
}

beforeAll(async () => {
  cases = await makeHostile(join(temporary, 'repositories'))
  first = await build()
  modules = new Map(siteModules(site).map((module) => [module.path, module]))
})

function isPublished(root: string, version: string): boolean {
  const versions = modules.get(root)?.versions ?? []
  return versions.some((each) => each.version === version || each.version === `${version}+incompatible`)
}

describe('of hostile and broken repositories', () => {
  test('there are 106', () => {
    expect(cases).toHaveLength(106)
    expect(cases.flatMap((each) => (each.skip === undefined ? [] : [`${each.id}: ${each.skip}`]))).toEqual([])
  })

  test('the harmless version of each is published, and the bad one is refused and named', () => {
    const wrong: string[] = []
    for (const { id, root, good, bad, orRefused } of cases) {
      const codes = first.problems.filter((each) => each.repository === root).map((each) => each.code)
      if (orRefused.some((code) => codes.includes(code))) continue
      const isNamed = codes.some((code) => bad.codes.includes(code))
      if (good !== undefined && !isPublished(root, good))
        wrong.push(`${id}: ${good} is missing (${codes.join()})`)
      if (bad.expect === 'published' && !isPublished(root, bad.version))
        wrong.push(`${id}: not published (${codes.join()})`)
      if (bad.expect === 'refused' && isPublished(root, bad.version)) wrong.push(`${id}: published`)
      if (['refused', 'none'].includes(bad.expect) && !isNamed)
        wrong.push(`${id}: ${codes.join()}, not ${bad.codes.join()}`)
    }
    expect(wrong).toEqual([])
  })

  test('nothing in them is executed', () => {
    expect(cases.flatMap((each) => each.canaries).filter((path) => existsSync(path))).toEqual([])
  })

  test('no file is written outside the output', () => {
    expect(readdirSync(join(temporary, 'run'))).toEqual(['site'])
    expect(
      readdirSync(site).filter(
        (name) => !['-', '.nojekyll', '404.html', 'index.html', 'hostile.example'].includes(name),
      ),
    ).toEqual([])
  })

  test('hashes are those of the real go where both publish', async () => {
    // Go takes minutes for the tree of a million files that it refuses, and reads no clone that lacks objects.
    const asked = cases.filter((each) => each.skip === undefined && each.id !== 's04' && each.id !== 's06')
    const go = await createGo()
    try {
      await go.direct(asked.map(({ root, dir }) => ({ root, dir })))
      const keys = asked.flatMap(({ root, good, goGood, bad }) => [
        ...(good !== undefined && goGood === 'downloads' && isPublished(root, good)
          ? [`${root}@${good}`]
          : []),
        ...(bad.go === 'downloads' && isPublished(root, bad.version) ? [`${root}@${bad.version}`] : []),
      ])
      expect(keys.length).toBeGreaterThan(100)
      const wrong = (await go.download(keys)).flatMap(({ query, path, version, sum, error }) => {
        const ours = modules.get(path)?.versions.find((each) => each.version === version)
        return ours?.h1 === sum ? [] : [`${query}: ${ours?.h1}, go has ${sum ?? error}`]
      })
      expect(wrong).toEqual([])
    } finally {
      await go.close()
    }
  })

  test('the reader without git publishes the same bytes, or says that it needs git', async () => {
    const report = await build('isomorphic', 'isomorphic')
    const other = new Map(
      siteModules(join(temporary, 'isomorphic/site')).map((module) => [module.path, module]),
    )
    const unable = new Set(
      report.problems.filter((each) => each.code === 'needs-git').map((each) => each.repository),
    )
    for (const { root } of cases) {
      if (unable.has(root)) continue
      expect(other.get(root)?.versions, root).toEqual(modules.get(root)?.versions)
    }
    expect([...unable].length).toBeLessThan(6)
  })

  test('a second run knows all of it, and one after a tag has moved does not', async () => {
    expect(first.exit).toBe(1)
    const before = hashTree(site)
    const second = await build()
    expect(second.problems.filter((each) => !each.known).map((each) => [each.code, each.subject])).toEqual([])
    expect(second.exit).toBe(0)
    expect(hashTree(site)).toBe(before)

    for (const each of cases) each.change?.()
    const third = await build()
    expect(third.exit).toBe(1)
    expect(
      third.problems
        .filter((each) => !each.known)
        .map((each) => each.code)
        .sort(),
    ).toEqual(['tag-deleted', 'tag-moved', 'tag-moved-same-tree'])
    const after = siteModules(site)
    expect(after.map((module) => module.versions)).toEqual(
      [...modules.values()].map((module) => module.versions),
    )
  })
})
