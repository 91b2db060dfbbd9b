/**
 * What is left to do after "modpress init", in three steps: what no file can
 * say to the forge, the commit, and the first version.
 *
 * Pure.
 */

import { hostPresets } from '../hosts/presets.ts'
import type { Choices } from './choose.ts'

export interface Written {
  readonly choices: Choices
  /** The files, as paths from the top. */
  readonly files: readonly string[]
  /** Whether all of them were there already, so that they may be committed, too. */
  readonly isOld?: boolean
  /** The file of jobs that has to be included, where the project has a pipeline already. */
  readonly included?: string
  /** The Action that the workflow uses, where it is not known whether it is there. */
  readonly action?: string
}

/** Returns the next three steps. */
export function describeSteps({ choices, files, isOld, included, action }: Written): readonly string[] {
  if (choices.ci === undefined) return localSteps(choices)
  const names = files.map((file) => (/^[\w./-]+$/.test(file) ? file : `'${file}'`)).join(' ')
  const commit = `git add ${names} && git commit -m 'Publish with modpress' && git push`
  const include = included === undefined ? '' : `Add "include: { local: ${included} }" to .gitlab-ci.yml. `
  const copy =
    action === undefined
      ? ''
      : `Put a copy of modpress where the workflow looks for it, ${action}, or say --action. `
  return [
    `${include}${copy}${warn(choices)}${prepare(choices)}`,
    `Commit it${isOld ? ', if that is not done' : ''}: ${commit}`,
    first(choices),
  ]
}

function localSteps({ shape }: Choices): readonly string[] {
  return [
    'See what would be published: modpress plan',
    'Press it, and look at it: modpress build && modpress serve',
    shape === 'registry'
      ? 'In the repository of the registry, let CI do it: modpress init --ci github, or gitlab'
      : 'Let CI do it: modpress init --ci github, or gitlab',
  ]
}

/** Who chooses a host may not think of who can read there. */
function warn({ shape, host }: Choices): string {
  const { title, readers } = hostPresets[host]
  if (shape === 'notice' || readers !== 'anyone') return ''
  return `Be sure that everyone may read the modules: on ${title} everyone can. `
}

function prepare({ ci, shape, delivery, access, url, target }: Choices): string {
  const isGithub = ci === 'github'
  if (shape === 'notice') {
    return isGithub
      ? 'Store a fine-grained token for the contents of the registry alone: gh secret set MODPRESS_REGISTRY_TOKEN'
      : 'Let those who push tags run pipelines of the registry: make them its members, as developers.'
  }
  const clones =
    shape === 'registry'
      ? isGithub
        ? 'Store a token that may read the repositories as the secret that the workflow names. '
        : 'Let this project clone the others: in each, Settings, CI/CD, Job token permissions. '
      : ''
  const keys = 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'
  switch (delivery) {
    case 'bucket':
      if (!target?.startsWith('s3:'))
        return `${clones}Let the job run where ${target} is: on a runner of your own that has the directory.`
      return isGithub
        ? `${clones}Say who may write to the bucket: gh variable set MODPRESS_AWS_ROLE, or the secrets ${keys}.`
        : `${clones}Say who may write to the bucket: the CI/CD variable AWS_ROLE_ARN, or ${keys}.`
    case 'pages':
      if (isGithub) return `${clones}Let Pages be deployed by jobs: Settings, Pages, Source: GitHub Actions.`
      return access === 'private'
        ? `${clones}Let only members read the site: Settings, General, Pages; and give the job a token that may: MODPRESS_AUTH="Bearer TOKEN".`
        : `${clones}Let everyone read the site: Settings, General, Pages.`
    default:
      return url === undefined
        ? `${clones}Put the site where it is served: add a step to the job, or take its artifact. Then set "url".`
        : `${clones}Put the site where it is served: add a step to the job, or take its artifact.`
  }
}

function first({ ci, shape, delivery, url }: Choices): string {
  const isLive = delivery === 'pages' || (ci === 'github' && delivery === 'artifact' && url !== undefined)
  if (isLive) {
    const byHand = ci === 'github' ? 'gh workflow run modpress.yml -f new=true' : 'with MODPRESS_NEW=true'
    return `Run the job by hand for the very first time: ${byHand}. From then on each tag runs it.`
  }
  if (shape === 'registry') {
    return ci === 'github'
      ? 'Run the job: gh workflow run modpress.yml. In the repositories of modules: modpress init --registry'
      : 'Run the pipeline. In the projects of modules: modpress init --registry'
  }
  return "Push a version's tag: git tag vX.Y.Z && git push origin vX.Y.Z"
}
