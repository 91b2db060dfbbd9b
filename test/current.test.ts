/**
 * A run with nothing new, for a repository with ten thousand versions. They
 * are made up: their objects are never asked for, and there are none.
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { build, index, plan } from '../src/build.ts'
import { loadSettings } from '../src/config/load.ts'
import type { Settings } from '../src/config/schema.ts'
import type { ModpressEvent } from '../src/events.ts'
import { makeModule } from './support/cli.ts'
import { touchedTimes } from './support/hash.ts'
import { makeDirectory, type TestRepository } from './support/repo.ts'

const count = 10_000
const root = 'example.com/r'

let repository: TestRepository
let settings: Settings
let shard: string

beforeAll(async () => {
  repository = makeModule(root, 'v0.0.0')
  const output = join(makeDirectory(), 'site')
  const config = { url: 'https://go.example.com', repositories: [{ root, dir: repository.dir }] }
  settings = await loadSettings({ cwd: repository.dir, env: {}, config, output })
  await build(settings)

  shard = join(output, '-/manifest/example.com/r.jsonl')
  const [head = '', main = '', tag = '', version = ''] = readFileSync(shard, 'utf8').split('\n')
  const oid = repository.git('rev-parse', 'v0.0.0')
  const numbers = Array.from({ length: count }, (_, number) => number)
  const other = (line: string, number: number) =>
    line.replaceAll('v0.0.0', `v0.0.${number}`).replaceAll(oid, oidOf(number))
  // Refs are in the order of their bytes, versions in Go's.
  const refs = numbers.map((number) => other(tag, number)).sort()
  const lines = [head, main, ...refs, ...numbers.map((number) => other(version, number))]
  writeFileSync(shard, `${lines.join('\n')}\n`)
  await index(settings)

  repository.git('tag', '--delete', 'v0.0.0')
  const packed = numbers
    .map((number) => `${oidOf(number)} refs/tags/v0.0.${number}\n`)
    .sort((a, b) => (a.slice(41) < b.slice(41) ? -1 : 1))
  repository.writeFile('packed-refs', `# pack-refs with: peeled fully-peeled sorted \n${packed.join('')}`)
  rmSync(join(repository.gitDir, 'objects'), { recursive: true })
  mkdirSync(join(repository.gitDir, 'objects'))
})

function oidOf(number: number): string {
  return (number + 1).toString(16).padStart(40, '0')
}

describe('nothing new', () => {
  test.for(['build', 'plan'] as const)('opens no object and writes no file: %s', async (command) => {
    const before = touchedTimes(settings.output)
    const events: ModpressEvent[] = []
    const onEvent = (event: ModpressEvent) => events.push(event)
    const { counts, problems } = await (command === 'build' ? build : plan)(settings, { onEvent })
    expect(problems).toEqual([])
    expect(counts).toMatchObject({ added: 0, kept: count, refused: 0 })
    expect(events[9_999]).toEqual({ type: 'version', action: 'keep', module: root, version: 'v0.0.9999' })
    expect(events).toHaveLength(count)
    expect(touchedTimes(settings.output)).toEqual(before)
  })

  test('is not mistaken for a shard that nobody vouches for, or one that is damaged', async () => {
    const whole = readFileSync(shard, 'utf8')
    const cut = whole.lastIndexOf('{"path"')
    writeFileSync(shard, `${whole.slice(0, cut + 40)}\n`)
    const { problems } = await plan(settings)
    // It is damaged, so that the repository is gone through, which has no objects.
    expect(problems.length).toBeGreaterThan(count / 2)
    writeFileSync(shard, whole)
  })

  test('is not said of a tag that has moved, is gone, or has come', async () => {
    const read = (): string => readFileSync(join(repository.gitDir, 'packed-refs'), 'utf8')
    const packed = read()
    const line = `${oidOf(4711)} refs/tags/v0.0.4711\n`
    const subjects = async (text: string) => {
      repository.writeFile('packed-refs', text)
      const { problems } = await plan(settings)
      return problems.map(({ code, subject }) => `${code} ${subject}`)
    }
    const moved = await subjects(packed.replace(line, `${oidOf(77_777)} refs/tags/v0.0.4711\n`))
    expect(moved).toContain(`tag-moved ${root}@v0.0.4711`)
    expect(await subjects(packed.replace(line, ''))).toContain(`tag-deleted ${root}@v0.0.4711`)
    const come = await subjects(`${packed}${oidOf(77_777)} refs/tags/v0.1.0\n`)
    expect(come).toContain(`object-missing ${root}@v0.1.0`)
    repository.writeFile('packed-refs', packed)
    expect(await subjects(packed)).toEqual([])
  })
})
