/**
 * What the real go says of the samples, from their repositories or from a
 * site, and whether both are the same and as planned.
 */

import { join } from 'node:path'
import type { Go } from '../test/support/gorun.ts'
import { samplePrefix, samples } from './samples.ts'
import type { Show } from './show.ts'

/** What go must find of the samples, by module: its versions, the last of which is the latest. */
export const plannedVersions: Readonly<Record<string, readonly string[]>> = {
  Legacy: ['v1.0.0', 'v2.0.0+incompatible'],
  clock: ['v1.0.0'],
  greet: ['v0.1.0', 'v1.0.0', 'v1.1.0', 'v1.1.1'],
  'greet/v2': ['v2.0.0'],
  parser: ['v1.0.0', 'v1.0.1'],
  'tools/cmd/lint': ['v1.0.0'],
  'tools/log': ['v0.1.0', 'v0.2.0'],
}

const modules = Object.keys(plannedVersions).map((name) => `${samplePrefix}/${name}`)

/** What go says of a module. */
export interface Answer {
  readonly module: string
  readonly versions: string
  readonly latest: string
  /** The h1 hashes of each version's zip and go.mod, as go.sum has them. */
  readonly sums: string
}

/** Asks go for all samples, which it reads from the repositories in a directory. */
export async function askOfRepositories(go: Go, repos: string): Promise<Answer[]> {
  await go.direct(samples.map(({ name }) => ({ root: `${samplePrefix}/${name}`, dir: join(repos, name) })))
  return askAll(go)
}

/** Asks go for all samples. */
export async function askAll(go: Go): Promise<Answer[]> {
  const [lists, latest] = await Promise.all([go.versions(modules), go.latest(modules)])
  const downloads = await go.download(
    lists.flatMap(({ module, versions }) => versions.map((version) => `${module}@${version}`)),
  )
  return lists.map(({ module, versions }, index) => ({
    module,
    versions: versions.join(' '),
    latest: `${latest[index]?.version} ${latest[index]?.time}`,
    sums: downloads
      .filter(({ path }) => path === module)
      .map(({ sum, goModSum, error }) => `${sum} ${goModSum}${error ?? ''}`)
      .join('\n'),
  }))
}

/** Holds what go got from a site against what it got from the repositories. */
export function compareAnswers(show: Show, fromGit: readonly Answer[], fromSite: readonly Answer[]): void {
  const width = Math.max(...modules.map((module) => module.length))
  for (const [index, { module, versions, latest, sums }] of fromSite.entries()) {
    const want = plannedVersions[module.slice(samplePrefix.length + 1)]
    const other = fromGit[index]
    const [version] = latest.split(' ')
    const isPlanned = versions === want?.join(' ') && version === want.at(-1)
    const isSame = other?.versions === versions && other.latest === latest && other.sums === sums
    const isWhole = sums.split('\n').every((line) => /^h1:\S+ h1:\S+$/.test(line))
    show.expect(
      isPlanned && isSame && isWhole,
      `${module.padEnd(width)}  ${versions}; latest: ${version}; hashes as from git`,
    )
  }
}
