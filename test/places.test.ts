import { expect, test } from 'vitest'
import type { Settings } from '../src/config/schema.ts'
import { placeHider } from '../src/places.ts'
import { problem } from '../src/problem.ts'

const settings = {
  base: '/home/me/registry',
  output: '/home/me/registry/site',
  cache: '/home/me/.cache/modpress',
  repositories: [{ dir: '/srv/git/x' }, { dir: '/srv/git/x-y' }, { dir: '/home/me/registry' }],
} as unknown as Settings

function hidden(text: string): string {
  const found = problem('repository-not-found', { repository: 'example.com/r' }, text)
  const hide = placeHider(settings)
  const once = hide(found)
  // What was told of a repository is told again when its record is written.
  expect(hide(once)).toEqual(once)
  return once.message
}

test.skipIf(process.platform === 'win32')('directories are named as the configuration sees them', () => {
  expect(hidden('There is no directory /srv/git/x.')).toBe('There is no directory ../../../srv/git/x.')
  expect(hidden('"/srv/git/x-y/a.go" in /srv/git/x')).toBe(
    '"../../../srv/git/x-y/a.go" in ../../../srv/git/x',
  )
  expect(hidden('/home/me/registry/site/-/lock')).toBe('site/-/lock')
  expect(hidden('/home/me/.cache/modpress: it is full')).toBe('the cache: it is full')
  expect(hidden('See /home/me/registry/r and file:///home/me/registry.')).toBe('See ./r and file://..')
})

test.skipIf(process.platform === 'win32')('what only looks like one is left alone', () => {
  for (const text of ['/srv/git/xy', '/srv/git/x.git', 'the /data/srv/git/x', 'a/home/me/registry']) {
    expect(hidden(text)).toBe(text)
  }
})
