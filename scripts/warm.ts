/**
 * Runs the command as people do, so that the engine has compiled what runs use
 * when its code is kept (src/cli/start.cts): help, a first build in which a
 * thread takes its share, one new tag, nothing new, and publishing.
 *
 * Without git nothing is run, and the command comes without that code: it is as
 * good, and starts later.
 */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeMissing, findMissing } from './parts.ts'

const prefix = 'go.example.com'
const root = `${prefix}/warm`
const config = `url: https://${prefix}
repositories:
  - root: ${prefix}/{name}
    dir: repositories/*
`
const releases = 24
const packages = 30

/** Runs a command, given as its file, so that it meets most of what it does. */
export function warmUp(command: string): void {
  const [noGit] = findMissing('git')
  if (noGit !== undefined) {
    console.error(describeMissing(noGit))
    return
  }
  const dir = mkdtempSync(join(tmpdir(), 'modpress-warm-'))
  const { PATH = '', SystemRoot = '' } = process.env
  const env = { PATH, SystemRoot, HOME: dir, USERPROFILE: dir, GIT_CONFIG_NOSYSTEM: '1' }
  const run = (file: string, args: readonly string[], input = '') =>
    execFileSync(file, args, { cwd: dir, env, input, stdio: ['pipe', 'pipe', 'inherit'] })
  const modpress = (...args: readonly string[]) => run(process.execPath, [command, ...args])
  try {
    run('git', ['init', '--quiet', '--bare', 'repositories/warm.git'])
    writeFileSync(join(dir, 'modpress.config.yaml'), config)
    modpress('--version')
    modpress('--help')
    for (const last of [releases - 1, releases]) {
      run('git', ['-C', 'repositories/warm.git', 'fast-import', '--quiet', '--force'], makeHistory(last))
      modpress('build', '--jobs', '2')
    }
    modpress('build', '--jobs', '2')
    modpress('publish', 'target', '--jobs', '2')
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Returns a repository's history as git fast-import reads it: two modules, of which each commit changes a part. */
function makeHistory(last: number): string {
  const lines: string[] = []
  const file = (path: string, text: string) =>
    lines.push(`M 100644 inline ${path}`, `data ${Buffer.byteLength(text)}`, text)
  for (let release = 1; release <= last; release++) {
    lines.push(
      'commit refs/heads/main',
      `committer modpress <modpress@${root}> ${1_700_000_000 + release} +0000`,
    )
    lines.push('data 0')
    if (release === 1) {
      file('go.mod', `module ${root}\n\ngo 1.22\n\nrequire golang.org/x/mod v0.20.0 // indirect\n`)
      file('tools/go.mod', `module ${root}/tools\n\ngo 1.22\n`)
      file('LICENSE', 'Do what you like.\n')
    }
    file('README.md', `# warm\n\nRelease *${release}* of [this](https://${root}).\n`)
    for (let part = 0; part < packages; part++) {
      if (release === 1 || (part + release) % 3 === 0) {
        file(`p${part}/p.go`, makeSource(`p${part}`, release))
        file(`tools/t${part}/t.go`, makeSource(`t${part}`, release))
      }
    }
    for (const name of [`v1.${release}.0`, `tools/v0.${release}.0`])
      lines.push(`reset refs/tags/${name}`, 'from refs/heads/main', '')
  }
  return `${lines.join('\n')}\ndone\n`
}

function makeSource(name: string, release: number): string {
  const functions = Array.from(
    { length: 40 },
    (_, index) =>
      `// F${index} is of release ${release}.\nfunc F${index}(n int) int { return n*${index + release} + 1 }\n`,
  )
  return `// Package ${name} warms.\npackage ${name}\n\n${functions.join('\n')}`
}
