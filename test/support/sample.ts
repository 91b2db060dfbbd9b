/**
 * A repository with something of everything, for tests of the build as a whole.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { RepositoryConfig } from '../../src/config/schema.ts'
import { runGit } from './repo.ts'

export interface Sample {
  readonly dir: string
  readonly repository: RepositoryConfig
  /** Writes files, commits them and sets tags. */
  release(files: Readonly<Record<string, string>>, ...tags: readonly string[]): void
  git(...args: readonly string[]): string
}

/** Makes the repository below `dir`: three modules, a v2, a retraction, a misplaced and a broken tag. */
export function makeSample(dir: string, root = 'go.example.org/sample'): Sample {
  mkdirSync(dir, { recursive: true })
  const run = (...args: readonly string[]) => runGit(dir, '', args).toString().trim()
  run('init', '--quiet', '--initial-branch=main')
  const release: Sample['release'] = (files, ...tags) => {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, name)), { recursive: true })
      writeFileSync(join(dir, name), content)
    }
    run('add', '--all')
    run('commit', '--quiet', '--allow-empty', '--message', tags.join(' ') || 'more')
    for (const tag of tags) run('tag', tag)
  }
  release(
    { 'go.mod': `module ${root}\n\ngo 1.20\n`, 'a.go': 'package sample\n', LICENSE: 'free\n' },
    'v1.0.0',
  )
  release({ 'a.go': 'package sample\n\nconst A = 1\n', 'pkg/b.go': 'package pkg\n' }, 'v1.1.0')
  release({ 'sub/go.mod': `module ${root}/sub\n`, 'sub/s.go': 'package sub\n' }, 'sub/v0.1.0', 'v1.2.0')
  release({ 'bad:name.go': 'package sample\n' }, 'v1.3.0')
  run('rm', '--quiet', 'bad:name.go')
  release({ 'go.mod': `module ${root}\n\ngo 1.20\n\nretract v1.1.0 // too early\n` }, 'v1.3.1')
  release({ 'go.mod': `module ${root}/v2\n\ngo 1.24\n`, 'a.go': 'package sample // two\n' }, 'v2.0.0', 'v2.0')
  release({ 'new/go.mod': `module ${root}/new\n`, 'new/n.go': 'package new\n' })
  return { dir, repository: { root, dir, branches: ['main'] }, release, git: run }
}
