/**
 * A version that was refused for what is wrong with the clone: a run in which
 * nothing has changed asks for what was missing and for nothing else, and once
 * it is there the version is published.
 */

import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { build } from '../src/build.ts'
import { loadSettings } from '../src/config/load.ts'
import type { ModpressEvent } from '../src/events.ts'
import { unreadable, unreadableObject } from '../src/git/object.ts'
import type { Oid } from '../src/model.ts'
import { makeModule } from './support/cli.ts'
import { hashTree } from './support/hash.ts'
import { makeDirectory, type TestRepository } from './support/repo.ts'

const root = 'example.com/r'

interface Run {
  readonly problems: readonly string[]
  readonly added: readonly string[]
  /** Whether the repository was opened and gone through. */
  readonly isRead: boolean
}

async function run(repository: TestRepository, output: string, git: 'auto' | 'isomorphic'): Promise<Run> {
  const config = { git, url: 'https://go.example.com', repositories: [{ root, dir: repository.dir }] }
  const settings = await loadSettings({ cwd: repository.dir, env: {}, config, output })
  const events: ModpressEvent[] = []
  const { problems } = await build(settings, { onEvent: (event) => events.push(event) })
  return {
    problems: problems.map(({ code, subject, known }) => `${known ? 'known ' : ''}${code} ${subject}`),
    added: events.flatMap((each) => (each.type === 'version' && each.action === 'add' ? each.version : [])),
    isRead: events.some((each) => each.type === 'progress' && each.step === 'read'),
  }
}

function objectFile(repository: TestRepository, oid: string): string {
  return join(repository.gitDir, 'objects', oid.slice(0, 2), oid.slice(2))
}

/** Ways in which v1.1.0 cannot be published, and come to be again. */
const faults = {
  'a missing file': (repository: TestRepository) => {
    const file = objectFile(repository, repository.git('rev-parse', 'v1.1.0:r.go'))
    renameSync(file, `${file}.away`)
    return () => renameSync(`${file}.away`, file)
  },
  'a missing tree': (repository: TestRepository) => {
    const file = objectFile(repository, repository.git('rev-parse', 'v1.1.0^{tree}'))
    renameSync(file, `${file}.away`)
    return () => renameSync(`${file}.away`, file)
  },
  'a damaged file': (repository: TestRepository) => {
    const file = objectFile(repository, repository.git('rev-parse', 'v1.1.0:r.go'))
    const content = readFileSync(file)
    chmodSync(file, 0o644)
    writeFileSync(file, content.subarray(0, content.length / 2))
    return () => writeFileSync(file, content)
  },
}

describe('a version refused for the clone', () => {
  for (const git of ['auto', 'isomorphic'] as const) {
    test.for(Object.entries(faults))(
      `is tried again only when it can be otherwise: %s, ${git}`,
      async ([, spoil]) => {
        const repository = makeModule(root, 'v1.0.0', 'v1.1.0', 'v1.2.0')
        const output = join(makeDirectory(), 'site')
        const mend = spoil(repository)
        const first = await run(repository, output, git)
        expect(first).toMatchObject({ added: ['v1.0.0', 'v1.2.0'], isRead: true })
        expect(first.problems).toEqual([
          expect.stringMatching(/^object-(missing|corrupt) example.com\/r@v1.1.0$/),
        ])

        const before = hashTree(output)
        const again = { added: [], isRead: false, problems: first.problems.map((each) => `known ${each}`) }
        expect(await run(repository, output, git)).toEqual(again)
        expect(hashTree(output)).toBe(before)

        mend()
        expect(await run(repository, output, git)).toEqual({ added: ['v1.1.0'], isRead: true, problems: [] })
      },
    )
  }

  test('for want of git is tried again where git is', async () => {
    const repository = makeModule(root, 'v1.0.0')
    repository.commit({ '.gitattributes': '*.txt eol=crlf\n', 'a.txt': 'a\n' })
    repository.git('tag', 'v1.1.0')
    const output = join(makeDirectory(), 'site')
    expect((await run(repository, output, 'isomorphic')).problems).toEqual(['needs-git example.com/r@v1.1.0'])
    const again = await run(repository, output, 'isomorphic')
    expect(again).toEqual({ added: [], isRead: false, problems: ['known needs-git example.com/r@v1.1.0'] })
    expect(await run(repository, output, 'auto')).toEqual({ added: ['v1.1.0'], isRead: true, problems: [] })
  })

  test('is not taken as still missing from a repository in which nothing is found', async () => {
    const repository = makeModule(root, 'v1.0.0', 'v1.1.0')
    const output = join(makeDirectory(), 'site')
    faults['a missing file'](repository)
    await run(repository, output, 'auto')
    rmSync(objectFile(repository, repository.git('rev-parse', 'main')))
    expect((await run(repository, output, 'auto')).isRead).toBe(true)
  })
})

test.for(['missing', 'corrupt'] as const)('the message of an object that is %s names it', (kind) => {
  const oid = '0123456789'.repeat(4) as Oid
  expect(unreadableObject(unreadable(oid, kind, '').message)).toEqual({ oid, kind })
})

test.for(['The history of 0123456789 is not whole.', 'The commit 0123456789 is damaged: x.', ''])(
  'no object is taken from: %s',
  (message) => expect(unreadableObject(message)).toBeUndefined(),
)
