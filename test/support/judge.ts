/**
 * Builds a site from repositories and has the real go judge it, directly and
 * through the site.
 */

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type BuildOptions, build } from '../../src/build.ts'
import { loadSettings } from '../../src/config/load.ts'
import type { Config, RepositoryConfig } from '../../src/config/schema.ts'
import type { Report } from '../../src/report.ts'
import { type CompareOptions, compareSite } from './compare.ts'
import { createGo, type DirectRoot } from './gorun.ts'

export type JudgedRepository = RepositoryConfig & DirectRoot

export interface Judgement {
  readonly site: string
  readonly report: Report
  /** What go says differently, in words. */
  readonly differences: readonly string[]
}

export interface JudgeOptions extends Omit<CompareOptions, 'client'> {
  readonly gitConfig?: string
  readonly maxGo?: string
}

/** Builds a site below `dir`, with an address that is no one's. */
export async function buildSite(
  dir: string,
  repositories: readonly RepositoryConfig[],
  more: Partial<Pick<Config, 'maxGo' | 'git' | 'origin' | 'url'>> = {},
  options: BuildOptions = {},
): Promise<Report> {
  const config = { url: 'https://go.example.org', ...more, repositories }
  const settings = await loadSettings({ cwd: dir, env: {}, output: join(dir, 'site'), config })
  return build(settings, { env: {}, ...options })
}

/** Builds a site from the repositories below `dir` and compares it with what go says of them. */
export async function judge(
  dir: string,
  repositories: readonly JudgedRepository[],
  options: JudgeOptions = {},
): Promise<Judgement> {
  const site = join(dir, 'site')
  const report = await buildSite(
    dir,
    repositories,
    options.maxGo === undefined ? {} : { maxGo: options.maxGo },
  )
  const direct = await createGo(options.gitConfig === undefined ? {} : { gitConfig: options.gitConfig })
  const client = await createGo({ proxy: pathToFileURL(site).href })
  try {
    await direct.direct(repositories)
    const differences = await compareSite(site, direct, report.problems, { ...options, client })
    return { site, report, differences }
  } finally {
    await Promise.all([direct.close(), client.close()])
  }
}
