/**
 * What people do with a chain of a registry with a gatekeeper and a second
 * proxy: they take what there is, and ask for what there is not.
 */

import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Go } from './gorun.ts'
import { buildSite } from './judge.ts'
import { makeSample } from './sample.ts'

/** Builds the site of a second proxy below `dir`, with the module example.net/public. Returns its directory. */
export async function makeSecond(dir: string): Promise<string> {
  await buildSite(dir, [makeSample(join(dir, 'sample'), 'example.net/public').repository])
  return join(dir, 'site')
}

/** Lets a go work with the modules of `makeHosted` and `makeSecond`, and judges what it says. */
export async function workInChain(go: Go): Promise<void> {
  const both = makeModule(go, [
    'github.com/Acme/sample/pkg',
    'example.net/public/pkg',
    'github.com/Acme/sample/sub',
  ])
  expect(await go.run(['mod', 'tidy'], { cwd: both })).toMatchObject({ status: 0 })
  const goMod = readFileSync(join(both, 'go.mod'), 'utf8')
  expect(goMod).toContain('example.net/public v1.3.1')
  expect(goMod).toContain('github.com/Acme/sample v1.3.1')
  expect(goMod).toContain('github.com/Acme/sample/sub v0.1.0')

  const none = 'no matching versions for query'
  const forbidden = '403 Forbidden\n\tserver response: this registry has no such version'
  for (const [says, ...args] of [
    [undefined, 'get', 'github.com/Acme/sample/v2/pkg@latest'],
    [undefined, 'get', 'github.com/Acme/Legacy@v2.0.0+incompatible'],
    [undefined, 'get', '-u', './...'],
    [undefined, 'list', '-m', '-u', 'all'],
    [undefined, 'list', '-m', '-versions', 'github.com/Acme/secret'],
    [none, 'get', 'github.com/Acme/secret/deep/pkg'],
    [none, 'get', 'github.com/acme/secret@latest'],
    [forbidden, 'get', 'github.com/Acme/secret@v1.0.0'],
    [forbidden, 'get', 'github.com/Acme/sample@v9.0.0'],
    [forbidden, 'get', 'github.com/Acme/sample@nowhere'],
    [forbidden, 'mod', 'download', 'github.com/Acme/secret@v1.0.0'],
  ] as const) {
    const { status, stderr } = await go.run(args, { cwd: both })
    const isSaid = says === undefined || stderr.includes(says)
    expect([args, status, isSaid ? '' : stderr]).toEqual([args, says === undefined ? 0 : 1, ''])
  }
  const lost = await go.run(['mod', 'tidy'], { cwd: makeModule(go, ['github.com/Acme/secret/pkg']) })
  expect(lost).toMatchObject({ status: 1, stderr: expect.stringContaining(none) })
}

/** Makes a module in a directory of its own that imports packages. */
export function makeModule(go: Go, imports: readonly string[]): string {
  const cwd = mkdtempSync(join(go.dir, 'module-'))
  writeFileSync(join(cwd, 'go.mod'), 'module example.org/work\n\ngo 1.24\n')
  const lines = imports.map((path) => `import _ "${path}"\n`)
  writeFileSync(join(cwd, 'main.go'), `package main\n\n${lines.join('')}\nfunc main() {}\n`)
  return cwd
}
