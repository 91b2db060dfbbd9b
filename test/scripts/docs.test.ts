/**
 * What people read says what is there: files that are named exist, links lead
 * somewhere, samples are valid.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseConfig } from '../../src/config/schema.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const filesBelow = (dir: string) =>
  readdirSync(join(root, dir), { recursive: true, encoding: 'utf8' }).map((path) =>
    `${dir}/${path}`.replaceAll('\\', '/'),
  )
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...filesBelow('docs').filter((name) => name.endsWith('.md')),
]

test('docs/architecture.md lists each source file and each script once, and no other', () => {
  const listed = [...read('docs/architecture.md').matchAll(/^\| `((?:src|scripts)\/[^`]+)` \|/gm)].map(
    ([, path]) => path,
  )
  const files = [...filesBelow('src'), ...filesBelow('scripts')].filter((path) => /\.c?ts$/.test(path))
  expect(listed.sort()).toEqual(files.sort())
})

test.for(pages)('the links of %s lead to files that are there', (page) => {
  const targets = [...read(page).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, target = '']) => target)
  const missing = targets
    .filter((target) => !/^https?:/.test(target))
    .filter((target) => !existsSync(join(root, dirname(page), target)))
  expect(missing).toEqual([])
})

test('each configuration in the documentation is valid', () => {
  const samples = pages.flatMap((page) =>
    [...read(page).matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text),
  )
  const configs = samples.filter((text) => /^(?:url|accept|repositories):/m.test(text))
  expect(configs.length).toBeGreaterThan(2)
  for (const text of configs) expect(parseConfig(parse(text)), text).not.toHaveProperty('code')
})
