/**
 * Writes the workflow of GitHub Actions for each shape and delivery.
 *
 * What it knows of GitHub:
 * - A push of more than three tags starts nothing, so that a schedule sweeps.
 * - The environment of Pages takes runs of the default branch alone, and caches
 *   of a tag's run are seen by no other: a site is built on the default branch,
 *   and the run of a tag only starts that one.
 * - Of runs that wait for each other all but the last are dropped. Each does
 *   what there is to do, and not only what it was started for.
 * - Inputs reach a script by the environment alone. Actions of others are named
 *   by their commit.
 *
 * Pure.
 */

import { createHash } from 'node:crypto'
import { parseAddress } from '../config/address.ts'
import { quoteYaml } from '../config/yaml.ts'
import type { Choices } from './choose.ts'

/** Where the workflow lies. */
export const githubFile = '.github/workflows/modpress.yml'

const actions = {
  checkout: 'actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2',
  cache: 'actions/cache@5a3ec84eff668545956fd18022155c47e93e2684 # v4.2.3',
  restore: 'actions/cache/restore@5a3ec84eff668545956fd18022155c47e93e2684 # v4.2.3',
  save: 'actions/cache/save@5a3ec84eff668545956fd18022155c47e93e2684 # v4.2.3',
  uploadArtifact: 'actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02 # v4.6.2',
  uploadPages: 'actions/upload-pages-artifact@56afc609e74202658d3ffba0e8f6dda462b719fa # v3.0.1',
  deployPages: 'actions/deploy-pages@d6db90164ac5ed86f2b6aed7e0febac5b3c0c03e # v4.0.5',
} as const

/** Returns the text of the workflow. `action` is the Action of modpress, as "acme/modpress@v0". */
export function renderGithub(choices: Choices, action: string): string {
  if (choices.shape === 'notice') return renderNotice(choices)
  return choices.delivery === 'bucket' ? renderBucket(choices, action) : renderSite(choices, action)
}

// ---- The three kinds of workflow ----

function renderNotice({ registry = '' }: Choices): string {
  return `# Tells the registry of a new version. Made by "modpress init".
name: modpress
on:
  push:
${tagPatterns}permissions: {}
jobs:
  tell:
    runs-on: ubuntu-latest
    steps:
      - run: >-
          gh api "repos/$REGISTRY/dispatches" -f event_type=go-module-tag
          -f "client_payload[repository]=$GITHUB_REPOSITORY" -f "client_payload[tag]=$GITHUB_REF_NAME"
        env:
          REGISTRY: ${quoteYaml(registry)}
          # Of a fine-grained token that may read and write the contents of the registry's repository, and nothing else.
          GH_TOKEN: \${{ secrets.MODPRESS_REGISTRY_TOKEN }}
`
}

function renderBucket(choices: Choices, action: string): string {
  const { shape, target = '' } = choices
  const isRegistry = shape === 'registry'
  return [
    `# Publishes to ${quoteYaml(target)}. Made by "modpress init".\nname: modpress\non:\n`,
    isRegistry ? registryTriggers(choices) : `  push:\n${tagPatterns}`,
    sweep(choices),
    '  workflow_dispatch:\n',
    bucketRights,
    'jobs:\n  publish:\n    runs-on: ubuntu-latest\n',
    isRegistry ? oneAtATime('modpress') : '',
    bucketEnvironment,
    isRegistry ? tokens(choices) : '',
    '    steps:\n',
    checkout,
    isRegistry ? cloneCache : '',
    `      - uses: ${action}
        with:
          target: ${quoteYaml(target)}
          aws-role: \${{ vars.MODPRESS_AWS_ROLE }}
`,
  ].join('')
}

function renderSite(choices: Choices, action: string): string {
  const { shape, delivery, url, branch } = choices
  const isRegistry = shape === 'registry'
  const isPages = delivery === 'pages'
  const isKept = url === undefined
  const about = `Builds the site${isPages ? ' and deploys it to GitHub Pages' : ''}`
  return [
    `# ${about}. Made by "modpress init".\nname: modpress\non:\n`,
    isRegistry ? registryTriggers(choices) : `  push:\n    branches: [${quoteYaml(branch)}]\n${tagPatterns}`,
    sweep(choices),
    isKept ? '  workflow_dispatch:\n' : dispatchForNew,
    'permissions:\n  contents: read\njobs:\n',
    isRegistry ? '' : relay,
    '  site:\n',
    isRegistry ? '' : "    if: github.ref_type != 'tag'\n",
    '    runs-on: ubuntu-latest\n',
    oneAtATime(isPages ? 'pages' : 'modpress'),
    isPages ? pagesRights : '',
    siteEnvironment(choices),
    '    steps:\n',
    checkout,
    isRegistry ? cloneCache : '',
    isKept ? restoreSite(choices) : '',
    `      - id: modpress\n        uses: ${action}\n        with:\n`,
    isKept ? '' : startFromLive(url),
    failLater,
    isPages ? deployPages : keepArtifact,
    isKept ? saveSite(choices) : '',
    failNow,
  ].join('')
}

// ---- What they are made of ----

const tagPatterns = `    # The tags of modules in directories have slashes: tools/v1.2.0.
    tags: ['v[0-9]*', '**/v[0-9]*']
`

function registryTriggers({ branch }: Choices): string {
  return `  push:
    branches: [${quoteYaml(branch)}]
    paths: ['modpress.config.*', '.github/workflows/modpress.yml']
  # From the repositories of modules.
  repository_dispatch:
    types: [go-module-tag]
`
}

/** The hour of the sweep differs from repository to repository, so that not all of them start at once. */
function sweep({ origin, repositories: [first] }: Choices): string {
  const [minute = 0, hour = 0] = createHash('sha256')
    .update(origin ?? first?.root ?? '')
    .digest()
  return `  # A push of more than three tags starts no run. This one makes up for it.
  schedule: [{ cron: '${minute % 60} ${hour % 24} * * *' }]
`
}

const dispatchForNew = `  workflow_dispatch:
    inputs:
      new:
        description: The very first time, when nothing is deployed yet
        type: boolean
        default: false
`

const bucketRights = `permissions:
  contents: read
  # With the role of AWS that the variable MODPRESS_AWS_ROLE names, no key is stored.
  id-token: write
`

const bucketEnvironment = `    env:
      AWS_REGION: \${{ vars.AWS_REGION }}
      # Without a role; the address where the store is not Amazon's.
      AWS_ENDPOINT_URL_S3: \${{ vars.AWS_ENDPOINT_URL_S3 }}
      AWS_ACCESS_KEY_ID: \${{ secrets.AWS_ACCESS_KEY_ID }}
      AWS_SECRET_ACCESS_KEY: \${{ secrets.AWS_SECRET_ACCESS_KEY }}
`

const relay = `  # A tag's run may not deploy, and shares no cache: it starts a run of the default branch, which sees all tags.
  tag:
    if: github.ref_type == 'tag'
    runs-on: ubuntu-latest
    permissions:
      actions: write
    steps:
      - run: gh workflow run modpress.yml --repo "$GITHUB_REPOSITORY" --ref "$BRANCH"
        env:
          BRANCH: \${{ github.event.repository.default_branch }}
          GH_TOKEN: \${{ github.token }}
`

function oneAtATime(group: string): string {
  return `    # Of runs that wait all but the last are dropped, which does what they would have done.
    concurrency: { group: ${group}, cancel-in-progress: false }
`
}

const pagesRights = `    permissions: { contents: read, pages: write, id-token: write }
    environment: { name: github-pages, url: '\${{ steps.deployment.outputs.page_url }}' }
`

function siteEnvironment(choices: Choices): string {
  const isAsked = choices.access === 'private' && choices.url !== undefined
  const lines = [choices.shape === 'registry' ? tokens(choices) : '', isAsked ? readerEnvironment : '']
  const text = lines.join('')
  return text === '' ? '' : `    env:\n${text}`
}

const readerEnvironment = `      # USER:PASSWORD, where the site asks for them.
      MODPRESS_AUTH: \${{ secrets.MODPRESS_AUTH }}
`

/** What may clone the repositories of the registry, a token for each host. */
function tokens({ repositories }: Choices): string {
  const hosts = repositories.flatMap(({ address }) =>
    address === undefined ? [] : (parseAddress(address)?.host ?? []),
  )
  const lines = [...new Set(hosts)].sort().map((host) => {
    const name = `MODPRESS_TOKEN_${host.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`
    return `      ${name}: \${{ secrets.${name} }}\n`
  })
  return lines.length === 0
    ? ''
    : `      # Of a token that may read the contents of the repositories.\n${lines.join('')}`
}

const checkout = `      - uses: ${actions.checkout}
        with:
          # All tags and all of the history; modpress reads it without fetching anything, so that no filter may be set.
          fetch-depth: 0
          persist-credentials: false
`

const cloneCache = `      - uses: ${actions.cache}
        with:
          path: ~/.cache/modpress
          key: modpress-clones-\${{ github.run_id }}
          restore-keys: modpress-clones-
`

function restoreSite({ output }: Choices): string {
  return `      # The site remembers what each version was first.
      - uses: ${actions.restore}
        with:
          path: ${quoteYaml(output)}
          key: modpress-site-\${{ github.run_id }}
          restore-keys: modpress-site-
`
}

function saveSite({ output }: Choices): string {
  return `      - uses: ${actions.save}
        with:
          path: ${quoteYaml(output)}
          key: modpress-site-\${{ github.run_id }}
`
}

function startFromLive(url: string): string {
  return `          live: ${quoteYaml(url)}
          new: \${{ inputs.new }}
`
}

const failLater = `          # New problems fail the job in its last step, when what is good has been delivered.
          fail: later
`

const failNow = `      - if: steps.modpress.outputs.status != '0'
        run: exit 1
`

const deployPages = `      - uses: ${actions.uploadPages}
        with:
          path: \${{ steps.modpress.outputs.directory }}
      - id: deployment
        uses: ${actions.deployPages}
`

const keepArtifact = `      # Put the directory where it is served, here or from the artifact.
      - uses: ${actions.uploadArtifact}
        with:
          name: site
          path: \${{ steps.modpress.outputs.directory }}
          include-hidden-files: true
          if-no-files-found: error
`
