/**
 * Moves the Action's major tag, v1, to a commit that holds the bundled command
 * of a release, v1.2.3: `tsx scripts/actiontag.ts v1.2.3 REMOTE`, after a build.
 *
 * The commit that the tag had before is the parent of the new one, so that who
 * has pinned it by its hash still finds it.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { $ } from 'zx'
import { copyPortable } from './portable.ts'

const [release = '', remote = ''] = process.argv.slice(2)
const [, major] = /^(v\d+)\.\d+\.\d+$/.exec(release) ?? []
if (major === undefined || remote === '') throw new Error('tsx scripts/actiontag.ts v1.2.3 REMOTE')

const cwd = mkdtempSync(join(tmpdir(), 'modpress-action-'))
try {
  copyPortable(cwd)
  const git = $({ cwd, quiet: true })
  await git`git init --quiet`
  const before = await git({ nothrow: true })`git fetch --quiet --no-tags ${remote} refs/tags/${major}`
  const parent =
    before.exitCode === 0 ? ['-p', (await git`git rev-parse FETCH_HEAD^{commit}`).text().trim()] : []
  await git`git add --all --force`
  const tree = (await git`git write-tree`).text().trim()
  const author = ['-c', 'user.name=modpress', '-c', 'user.email=modpress@users.noreply.github.com']
  const message = `The Action of ${release}`
  const commit = (await git`git ${author} commit-tree ${parent} -m ${message} ${tree}`).text().trim()
  await git`git push --quiet --force ${remote} ${`${commit}:refs/tags/${major}`}`
} finally {
  rmSync(cwd, { recursive: true, force: true })
}
