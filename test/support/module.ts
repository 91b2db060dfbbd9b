/**
 * A repository of a Go module with a bare one that it is pushed to, as on a
 * forge, and the real go that fetches from a site what was published.
 */

import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createGo } from './gorun.ts'
import { makeDirectory, makeRepository, runGit, type TestRepository } from './repo.ts'

export interface PushedModule extends TestRepository {
  /** The bare repository. */
  readonly upstream: string
  /** Commits all that has changed, tags it, and pushes both. */
  release(...tags: readonly string[]): void
}

/** Makes a module in a repository whose origin is `address`, and that is pushed to a bare one. */
export function makePushedModule(address: string, files: Readonly<Record<string, string>>): PushedModule {
  const repository = makeRepository()
  const upstream = makeDirectory()
  runGit(upstream, '', ['init', '--quiet', '--bare', '--initial-branch=main'])
  repository.git('remote', 'add', 'origin', address)
  repository.commit(files)
  return {
    ...repository,
    upstream,
    release(...tags) {
      repository.commit()
      for (const tag of tags) repository.git('tag', tag)
      repository.git('push', '--quiet', upstream, 'main', ...tags)
    },
  }
}

/** Runs "go get MODULE@VERSION" against a site, in a module that has nothing yet. Returns what go says. */
export async function goGet(
  proxy: string,
  query: string,
): Promise<{ readonly status: number; readonly sum: string }> {
  const go = await createGo({ proxy })
  try {
    const cwd = mkdtempSync(join(go.dir, 'consumer-'))
    writeFileSync(join(cwd, 'go.mod'), 'module consumer\n\ngo 1.21\n')
    const { status, stdout, stderr } = await go.run(['get', query], { cwd })
    return { status, sum: `${stdout}${stderr}` }
  } finally {
    await go.close()
  }
}
