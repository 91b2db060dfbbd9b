/**
 * Real repositories, each with years of tags, are pressed and held against what
 * the real go says of them: every list, .info, .mod and hash.
 *
 * They are no part of this project. MODPRESS_CORPUS names a folder of them, as
 * bundles ("git bundle create owner__name.bundle --all") or clones. The name
 * of a file says which module it is: owner__name is github.com/owner/name, and
 * those below have import paths of their own.
 */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import { missingTools } from '../support/gorun.ts'
import { type JudgedRepository, judge } from '../support/judge.ts'

interface Place {
  readonly root: string
  /** @default as go derives it from the root */
  readonly clone?: string
}

/** Repositories whose import path is not the place of their clone. */
const vanity: Readonly<Record<string, readonly Place[]>> = {
  FiloSottile__torchwood: [
    { root: 'filippo.io/torchwood', clone: 'https://github.com/FiloSottile/torchwood' },
  ],
  golang__mod: [{ root: 'golang.org/x/mod', clone: 'https://go.googlesource.com/mod' }],
  rsc__quote: [{ root: 'rsc.io/quote', clone: 'https://github.com/rsc/quote' }],
  'go-yaml__yaml': [
    { root: 'github.com/go-yaml/yaml' },
    { root: 'gopkg.in/yaml.v2', clone: 'https://gopkg.in/yaml.v2' },
    { root: 'gopkg.in/yaml.v3', clone: 'https://gopkg.in/yaml.v3' },
  ],
}

const folder = process.env['MODPRESS_CORPUS'] ?? ''
const missing = missingTools('go', 'git')
const title = 'a site of real repositories and the real go say the same'

if (missing !== undefined) {
  test.skipIf(process.env['CI'] !== 'true')(`${title} (skipped: ${missing})`, () => {
    throw new Error(missing)
  })
} else if (folder === '') {
  test.skip(`${title} (skipped: set MODPRESS_CORPUS to a folder of owner__name.bundle files)`)
} else {
  const temporary = mkdtempSync(join(tmpdir(), 'corpus-'))
  afterAll(() => rmSync(temporary, { recursive: true, force: true }))

  describe(title, () => {
    const names = readdirSync(folder).filter((name) => !name.startsWith('.'))
    test('the folder of MODPRESS_CORPUS holds repositories', ({ expect }) => {
      expect(names.length).toBeGreaterThan(0)
    })

    test.concurrent.for(names.sort())('%s', async (file, { expect }) => {
      const name = file.replace(/\.(bundle|git)$/, '')
      const dir = join(temporary, name)
      const clone = join(dir, 'clone.git')
      git('clone', '--quiet', '--mirror', join(folder, file), clone)
      const branch = git('--git-dir', clone, 'symbolic-ref', '--short', 'HEAD').trim()
      const repositories = placesOf(name).map((place): JudgedRepository => {
        return { ...place, clone: place.clone ?? `https://${place.root}`, dir: clone, branches: [branch] }
      })
      const { differences, report } = await judge(dir, repositories, {
        modules: repositories.map(({ root }) => root),
        queries: repositories.flatMap(({ root }) => [`${root}@${branch}`, `${root}@v0`, `${root}@v1`]),
      })
      expect(differences).toEqual([])
      expect(report.counts.added).toBeGreaterThan(0)
    })
  })
}

function placesOf(name: string): readonly Place[] {
  const path = name.replace('__', '/')
  return vanity[name] ?? [{ root: path.includes('.') ? path : `github.com/${path}` }]
}

function git(...args: readonly string[]): string {
  const env = { PATH: process.env['PATH'], GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' }
  return execFileSync('git', args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] })
}
