/**
 * Running git on a repository that nobody vouches for.
 *
 * Git runs what the configuration of a repository tells it to: filters,
 * hooks, ssh commands. So it never sees the repository. It runs in an empty
 * one of our own, made in the temporary directory, which borrows only the
 * objects (objects/info/alternates), in an environment that is made from an
 * allow-list. What go does by writing info/attributes into its clone is done
 * here too: export-subst and export-ignore are off (protocol 4.1).
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeTemporary, removeTemporary } from '../temporary.ts'
import type { GitLocation } from './location.ts'

/** An empty bare repository that borrows the objects of another. */
export interface Borrower {
  readonly gitDir: string
  readonly env: Readonly<Record<string, string>>
  remove(): Promise<void>
}

/** Makes a repository of our own with the objects of `location`. The caller removes it. */
export async function borrowObjects(location: GitLocation): Promise<Borrower> {
  const gitDir = makeTemporary()
  const version = location.hash === 'sha256' ? 1 : 0
  const format = location.hash === 'sha256' ? '[extensions]\n\tobjectformat = sha256\n' : ''
  const config = `[core]\n\trepositoryformatversion = ${version}\n\tbare = true\n${format}`
  mkdirSync(join(gitDir, 'objects/info'), { recursive: true })
  mkdirSync(join(gitDir, 'refs'))
  mkdirSync(join(gitDir, 'info'))
  writeFileSync(join(gitDir, 'HEAD'), 'ref: refs/heads/none\n')
  writeFileSync(join(gitDir, 'config'), config)
  writeFileSync(join(gitDir, 'info/attributes'), '* -export-subst -export-ignore\n')
  writeFileSync(join(gitDir, 'objects/info/alternates'), location.objectDirs.map(quoteLine).join(''))
  return {
    gitDir,
    env: safeEnvironment(gitDir),
    remove: async () => removeTemporary(gitDir),
  }
}

/** A line of an alternates file: in C's quotes where the path would be read as something else. */
function quoteLine(path: string): string {
  if (!/^["#]|[\n"\\]/.test(path)) return `${path}\n`
  const escaped = path.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')
  return `"${escaped}"\n`
}

const allowed = [
  'PATH',
  'Path',
  'SystemRoot',
  'TMPDIR',
  'TEMP',
  'TMP',
  'LD_LIBRARY_PATH',
  'DYLD_LIBRARY_PATH',
]

function safeEnvironment(gitDir: string): Record<string, string> {
  const kept = allowed.flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return {
    ...Object.fromEntries(kept),
    GIT_DIR: gitDir,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: process.platform === 'win32' ? 'NUL' : '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_ALLOW_PROTOCOL: 'none',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_ASKPASS: 'true',
    // Git reads attributes and ignore rules below these, whatever the configuration says.
    HOME: gitDir,
    XDG_CONFIG_HOME: gitDir,
    LC_ALL: 'C',
  }
}
