import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import { judge } from '../support/judge.ts'
import { makeVcsTests } from '../support/vcstest.ts'

const temporary = mkdtempSync(join(tmpdir(), 'vcs-'))
afterAll(() => rmSync(temporary, { recursive: true, force: true }))
const all = await makeVcsTests(join(temporary, 'made'))

describe('vcs', () => {
  test.concurrent.for(all.map((each, index) => [each.name, each, index] as const))('%s', async ([, each, index], { expect }) => {
    const isFull = (name: string) => /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(name)
    const repository = {
      root: each.root,
      dir: each.dir,
      clone: each.clone,
      ...(each.subdir === undefined ? {} : { subdir: each.subdir }),
      branches: [...each.revisions.filter((name) => !isFull(name)), 'HEAD'],
      commits: each.revisions.filter(isFull),
    }
    const dir = join(temporary, String(index))
    const { differences, report } = await judge(dir, [repository], {
      modules: each.modules,
      queries: each.modules.flatMap((module) => [...each.revisions, 'HEAD'].map((revision) => `${module}@${revision}`)),
    })
    expect([...differences,...(differences.length ? report.problems.map(p=>`  PROBLEM ${p.code} ${p.ref} ${p.module}@${p.version} ${p.message}`):[])]).toEqual([])
  })
})
