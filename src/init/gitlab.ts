/**
 * Writes the jobs of GitLab CI for each delivery: with values for a project, or
 * with inputs for a CI/CD component, which then say the same.
 *
 * What it knows of GitLab:
 * - A push starts at most four pipelines, so that a schedule sweeps; only
 *   people can create one.
 * - Pages are deployed when their job has succeeded: new problems fail a later
 *   job.
 * - Of the regular expressions in rules, not all that read them take "\\/".
 *
 * Pure.
 */

import { quoteYaml } from '../config/yaml.ts'
import type { Choices, Delivery } from './choose.ts'

/** Where the jobs lie: in a file of their own where the project has a pipeline already. */
export const gitlabFiles = { alone: '.gitlab-ci.yml', beside: '.gitlab/modpress.yml' } as const

/** What differs from project to project; texts are YAML. */
interface Values {
  readonly stage: string
  readonly image: string
  readonly version: string
  /** Where to publish to, or the repository that is told. */
  readonly place: string
  readonly output: string
  /** Whether repositories are cloned, which are kept for the next run. */
  readonly clones: 'kept' | 'none'
}

/** Returns the text of the jobs. `version` is that of the package of npm. */
export function renderGitlab(choices: Choices, version: string): string {
  const { shape, delivery, target, registry, output } = choices
  const values = {
    stage: 'deploy',
    image: 'node:22',
    version,
    place: quoteYaml(target ?? registry ?? ''),
    output: quoteYaml(output),
    clones: shape === 'registry' ? 'kept' : 'none',
  } as const
  const name = shape === 'notice' ? 'notice' : delivery
  const about = { notice: 'Tells the registry of a new version', ...abouts }[name]
  return `# ${about}. Made by "modpress init".
${name === 'notice' ? '' : sweepNote}${renderJobs(name, values)}`
}

const abouts: Readonly<Record<Delivery, string>> = {
  bucket: 'Publishes what is new',
  pages: 'Builds the site and deploys it to GitLab Pages',
  artifact: 'Builds the site',
}

const sweepNote = `# A push of many tags starts no more than four pipelines. A schedule makes up for it: Build, Pipeline schedules.
`

/** The components that other projects include, by the names of their files. */
export function renderComponents(version: string): Readonly<Record<string, string>> {
  const input = (name: string) => `$[[ inputs.${name} ]]`
  const values = {
    stage: input('stage'),
    image: input('image'),
    version: input('version'),
    output: 'public',
    clones: 'kept',
  } as const
  const spec = (...more: readonly string[]) => `# A CI/CD component. Made by scripts/components.ts.
spec:
  inputs:
    stage:
      description: The stage of the job.
      default: deploy
${more.join('')}---
`
  const running = `    image:
      description: The image of the job, with Node 20.19 or newer and git.
      default: node:22
    version:
      description: The version of modpress.
      default: ${quoteYaml(version)}
`
  const place = (name: string, about: string) => `    ${name}:\n      description: ${quoteYaml(about)}\n`
  return {
    publish: `${spec(running, place('target', 'Where to publish to, as s3://BUCKET/PREFIX.'))}${renderJobs('bucket', { ...values, place: input('target') })}`,
    pages: `${spec(running)}${renderJobs('pages', { ...values, place: '' })}`,
    notice: `${spec(place('registry', "The registry's project, as acme/registry."))}${renderJobs('notice', { ...values, place: input('registry') })}`,
  }
}

function renderJobs(name: Delivery | 'notice', values: Values): string {
  switch (name) {
    case 'notice':
      return renderNotice(values)
    case 'bucket':
      return renderBucket(values)
    default:
      return renderSite(name, values)
  }
}

function renderNotice({ stage, place }: Values): string {
  return `modpress:
  stage: ${stage}
  rules:
    - if: ${tagRule}
  # Whoever pushes the tag must be allowed to run pipelines there.
  trigger:
    project: ${place}
`
}

function renderBucket({ stage, image, version, place, clones }: Values): string {
  return `modpress:
  stage: ${stage}
  image: ${image}
  variables:
    # All tags and all of the history.
    GIT_DEPTH: "0"
    MODPRESS_VERSION: ${JSON.stringify(version)}
    MODPRESS_TARGET: ${place}
${cloneVariable(clones)}  interruptible: false
  rules:
${rules}${renderCaches(cloneCache(clones))}  # With the variable AWS_ROLE_ARN no key is stored; else AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY say who this is.
  id_tokens:
    MODPRESS_ID_TOKEN:
      aud: sts.amazonaws.com
  script:
    - |
      if [ -n "\${AWS_ROLE_ARN:-}" ]; then
        AWS_WEB_IDENTITY_TOKEN_FILE="$(mktemp)"
        export AWS_WEB_IDENTITY_TOKEN_FILE
        printf %s "$MODPRESS_ID_TOKEN" > "$AWS_WEB_IDENTITY_TOKEN_FILE"
      fi
${findCommand}    - modpress publish "$MODPRESS_TARGET"
${retry}`
}

function renderSite(name: 'pages' | 'artifact', { stage, image, version, output, clones }: Values): string {
  const isPages = name === 'pages'
  const job = isPages ? 'pages' : 'modpress'
  const flags = isPages ? ` --live "$CI_PAGES_URL" \${MODPRESS_NEW:+--new}` : ''
  return `${job}:
  stage: ${stage}
  image: ${image}
  variables:
    # All tags and all of the history.
    GIT_DEPTH: "0"
    MODPRESS_VERSION: ${JSON.stringify(version)}
${cloneVariable(clones)}  # One at a time: a deployment replaces the one before.
  resource_group: ${job}
  interruptible: false
  rules: &modpress-rules
${rules}${renderCaches(cloneCache(clones), isPages ? '' : siteCache(output))}  script:
${findCommand}${isPages ? '    # The very first time, when nothing is deployed yet, run the pipeline by hand with the variable MODPRESS_NEW=true.\n' : ''}    - status=0
    - modpress build --output ${output}${flags} || status=$?
    - if [ "$status" -gt 1 ]; then exit "$status"; fi
    - echo "MODPRESS_STATUS=$status" > modpress.env
  artifacts:
    paths: [${output}]
    reports:
      dotenv: modpress.env
${retry}
# New problems fail this job, when what is good has been delivered. The job before says what they are.
modpress-problems:
  stage: .post
  image: ${image}
  needs: [${job}]
  variables:
    GIT_STRATEGY: none
  rules: *modpress-rules
  script:
    - exit "$MODPRESS_STATUS"
`
}

const findCommand = `    # The image of modpress has the command; in others npx fetches it.
    - if ! command -v modpress > /dev/null; then modpress() { npx --yes "modpress@$MODPRESS_VERSION" "$@"; }; fi
`

function cloneVariable(clones: Values['clones']): string {
  return clones === 'kept' ? '    XDG_CACHE_HOME: $CI_PROJECT_DIR/.cache\n' : ''
}

function renderCaches(...caches: readonly string[]): string {
  const text = caches.join('')
  return text === '' ? '' : `  cache:\n${text}`
}

function cloneCache(clones: Values['clones']): string {
  return clones === 'kept' ? '    - key: modpress-clones\n      paths: [.cache/modpress]\n' : ''
}

function siteCache(output: string): string {
  return `    # The site remembers what each version was first. Runs of protected tags and of branches share it.
    - key: modpress-site
      unprotect: true
      when: always
      paths: [${output}]
`
}

/** Tags that can name a version, of modules in directories too: tools/v1.2.0. */
const tagRule = '$CI_COMMIT_TAG =~ /^(.*\\W)?v[0-9]/'

const rules = `    - if: ${tagRule}
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
`

const retry = `  # Others were faster, or hold the site.
  retry:
    max: 2
    exit_codes: [75]
`
