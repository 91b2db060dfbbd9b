/**
 * Holds a site against what the real go says of the same repositories when it
 * reads them itself. Every list, .info, .mod, hash, @latest, answer and refusal
 * is asked for; what differs is returned in words.
 */

import type { Go, GoDownload } from './gorun.ts'
import { proxyFile, type SiteModule, siteModules } from './site.ts'

/** A problem as a build reports it. */
export interface ReportedProblem {
  readonly code: string
  readonly severity: string
  readonly module?: string
  readonly version?: string
  readonly ref?: string
}

export interface CompareOptions {
  /** Module paths to ask go for besides those of the site. */
  readonly modules?: readonly string[]
  /** Queries "M@rev" to ask besides those of the site: go's answer or refusal is ours. */
  readonly queries?: readonly string[]
  /** "M@v" of which we depart from go on purpose. */
  readonly departures?: ReadonlySet<string>
  /** A go that reads the site as its proxy: then its answers to queries are compared, and not only the files. */
  readonly client?: Go
}

/** Returns what the site and go, reading the repositories itself, say differently. */
export async function compareSite(
  site: string,
  direct: Go,
  problems: readonly ReportedProblem[],
  options: CompareOptions = {},
): Promise<string[]> {
  const differences: string[] = []
  const modules = new Map(siteModules(site).map((module) => [module.path, module]))
  const departs = (key: string) => options.departures?.has(key) === true
  const refused = new Map(
    problems.flatMap((each) =>
      each.module !== undefined && each.version !== undefined
        ? [[`${each.module}@${each.version}`, each]]
        : [],
    ),
  )
  const paths = [...new Set([...modules.keys(), ...(options.modules ?? [])])]

  // Lists: what go lists and we do not must have been refused, and go must refuse to serve it.
  const dropped: string[] = []
  for (const { module, versions } of await direct.versions(paths)) {
    const ours = modules.get(module)?.list ?? []
    const text = modules.has(module) ? ours.map((version) => `${version}\n`).join('') : undefined
    if (proxyFile(site, module, '@v/list') !== text)
      differences.push(`${module}: its list is not its record's`)
    const missing = versions.filter((version) => !ours.includes(version))
    dropped.push(...missing.map((version) => `${module}@${version}`))
    const rest = versions.filter((version) => ours.includes(version))
    // A module that go cannot list at all for one bad version is ours to list (trust 3.1).
    if (versions.length > 0 && rest.join() !== ours.join()) {
      differences.push(`${module}: list is ${ours.join(' ')}, go has ${versions.join(' ')}`)
    }
  }

  // Versions: the same files.
  const published = [...modules.values()].flatMap((module) =>
    module.versions.map((version) => ({ key: `${module.path}@${version.version}`, module, version })),
  )
  const answers = byQuery(await direct.download([...published.map((each) => each.key), ...dropped]))
  for (const { key, module, version } of published) {
    const go = answers.get(key)
    if (departs(key)) continue
    if (go === undefined || go.error !== undefined) {
      differences.push(`${key}: published, and go says: ${go?.error ?? 'nothing'}`)
      continue
    }
    const info = proxyFile(site, module.path, `@v/${version.version}.info`)
    if (normalInfo(info) !== normalInfo(go.info?.toString('latin1'))) {
      differences.push(`${key}: .info is ${info}, go has ${go.info?.toString('utf8')}`)
    }
    const mod = proxyFile(site, module.path, `@v/${version.version}.mod`)
    if (mod !== go.goMod?.toString('latin1')) differences.push(`${key}: .mod differs`)
    if (version.h1 !== go.sum) differences.push(`${key}: h1 is ${version.h1}, go has ${go.sum}`)
    if (version.goModH1 !== go.goModSum) differences.push(`${key}: go.mod's h1 differs`)
  }
  for (const key of dropped) {
    if (departs(key)) continue
    if (!refused.has(key)) differences.push(`${key}: go lists it, and we neither list nor refuse it`)
    else if (answers.get(key)?.error === undefined) differences.push(`${key}: refused, and go serves it`)
  }

  // Answers to "latest": as a client gets them, and the file that other tools read.
  const isDropped = (path: string, version: string | undefined) => dropped.includes(`${path}@${version}`)
  const latest = paths.filter((path) => !departs(`${path}@latest`))
  for (const answer of await direct.latest(latest)) {
    if (isDropped(answer.path, answer.version)) continue
    const info = proxyFile(site, answer.path, '@latest')
    const ours = info === undefined ? undefined : (JSON.parse(info) as { Version: string }).Version
    const isBlocked = answer.error !== undefined && dropped.some((key) => key.startsWith(`${answer.path}@`))
    if (ours !== answer.version && !isBlocked) {
      differences.push(`${answer.path}@latest: ${ours}, go has ${answer.version ?? answer.error}`)
    }
  }

  // Revisions: those that the site answers, and those that a test asks about.
  const asked = [...modules.values()].flatMap(({ path, queries }) =>
    Object.keys(queries).map((name) => `${path}@${name}`),
  )
  const queries = [...new Set([...asked, ...(options.queries ?? [])])].filter((key) => !departs(key))
  const answersOfClient = options.client === undefined ? [] : await options.client.query(queries)
  const theirs = new Map(answersOfClient.map((answer) => [answer.query, answer.version]))
  for (const answer of await direct.query(queries)) {
    const ours =
      options.client === undefined ? answerOf(site, modules, answer.query) : theirs.get(answer.query)
    // No proxy is ever asked for a revision with a slash in it.
    if (answer.query.slice(answer.query.indexOf('@')).includes('/') || isDropped(answer.path, answer.version))
      continue
    if (ours !== answer.version) {
      differences.push(`${answer.query}: ${ours ?? 'no answer'}, go has ${answer.version ?? answer.error}`)
    }
  }
  return differences
}

function byQuery(downloads: readonly GoDownload[]): Map<string, GoDownload> {
  return new Map(downloads.map((each) => [each.query, each]))
}

function answerOf(site: string, modules: ReadonlyMap<string, SiteModule>, query: string): string | undefined {
  const at = query.lastIndexOf('@')
  const [path, name] = [query.slice(0, at), query.slice(at + 1)]
  if (!modules.has(path)) return undefined
  const info = proxyFile(site, path, `@v/${name}.info`)
  return info === undefined ? undefined : (JSON.parse(info) as { Version: string }).Version
}

/** Go notes in .info what else it asked on its way; the version, the time and where it is from is what counts. */
function normalInfo(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const { Version, Time, Origin } = JSON.parse(text) as {
    Version: string
    Time: string
    Origin?: Record<string, string>
  }
  const { VCS, URL, Subdir, Hash, Ref } = Origin ?? {}
  return JSON.stringify({ Version, Time, Origin: Origin && { VCS, URL, Subdir, Hash, Ref } })
}
