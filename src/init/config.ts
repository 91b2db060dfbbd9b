/**
 * Writes the configuration that "modpress init" begins with: no more than what
 * cannot be left out, and what whoever reads it should think of.
 *
 * Pure.
 */

import { quoteYaml } from '../config/yaml.ts'
import { hostPresets } from '../hosts/presets.ts'
import type { Choices, Clone } from './choose.ts'

/** Returns the text of modpress.config.yaml. */
export function renderConfig(choices: Choices): string {
  const { url, host, output } = choices
  return [
    '# What modpress publishes, and for whom. All else has a default.',
    ...(url === undefined ? describeMissingUrl(choices) : [`url: ${quoteYaml(url)}`]),
    ...describeAccess(choices),
    ...(host === 'generic' ? [] : [`host: ${host}`]),
    ...(output === 'site' ? [] : [`output: ${quoteYaml(output)}`]),
    'repositories:',
    ...renderRepositories(choices),
    '',
  ].join('\n')
}

function describeMissingUrl({ host, repositories: [first] }: Choices): readonly string[] {
  if (host === 'gitlab-pages') return ['# The address of the site is what CI_PAGES_URL says in the job.']
  const [name = ''] = first?.root.split('/') ?? []
  const guess = first?.dir !== undefined && !isForge(name) ? name : 'go.example.com'
  return [
    '# The address that the site will have: pages, and what consumers set, name it.',
    `# url: https://${guess}`,
  ]
}

/** A host where git repositories lie serves no site under the same name. */
function isForge(name: string): boolean {
  return /^(?:git|github|gitlab|gitea|forgejo|codeberg|bitbucket)[.-]/.test(name) || name === 'gopkg.in'
}

function describeAccess({ host, access }: Choices): readonly string[] {
  if (access === 'private') return []
  const { title } = hostPresets[host]
  return [
    `# Anyone can read a site on ${title}: all versions with their sources, those of private repositories, too.`,
    'access: public',
  ]
}

function renderRepositories({ repositories, ci, hasOthers }: Choices): readonly string[] {
  const pattern = ci === undefined && !hasOthers ? findPattern(repositories) : undefined
  if (pattern !== undefined) return [`  - root: ${quoteYaml(pattern)}`, '    dir: ./*']
  return repositories.flatMap(({ root, dir, address }) => {
    // A job has no clones of others beside it.
    const isCloned = address !== undefined && (dir === undefined || ci !== undefined)
    const place = isCloned ? `clone: ${quoteYaml(address)}` : `dir: ${quotePath(dir ?? '.')}`
    return [`  - root: ${quoteYaml(root)}`, `    ${place}`]
  })
}

function quotePath(path: string): string {
  return /^\.(?:\/[\w.-]+)*$/.test(path) ? path : quoteYaml(path)
}

/** Returns the one root that says what all of several clones in this directory are: "go.example.com/{name}". */
function findPattern(clones: readonly Clone[]): string | undefined {
  if (clones.length < 2) return undefined
  const roots = clones.map(({ root, dir }) => {
    const [, name] = /^\.\/([^/]+?)(?:\.git)?$/.exec(dir ?? '') ?? []
    return name !== undefined && root.endsWith(`/${name}`)
      ? `${root.slice(0, -name.length)}{name}`
      : undefined
  })
  const [first] = roots
  return roots.every((root) => root === first) ? first : undefined
}
