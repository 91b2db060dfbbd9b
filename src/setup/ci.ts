/**
 * Jobs for GitHub Actions and GitLab CI whose later steps read modules of the
 * site. Nothing is left on the runner, which may be one that lives on: settings
 * are variables of the job, and credentials lie where the job's own files do.
 *
 * Pure.
 */

import { renderJobHelper } from './goauth.ts'
import type { Needs } from './needs.ts'
import { indent, quoteShell, quoteYaml } from './quote.ts'
import { describeNeeds, renderComments, renderSettings } from './script.ts'

/** Returns a workflow for GitHub Actions. */
export function renderGithub(needs: Needs): string {
  const { name, credentials } = needs
  const script = `${githubSettings(needs)}${githubCredentials(needs)}`
  const step =
    script === ''
      ? ''
      : `      - name: ${quoteYaml(`Read modules of ${name}`)}
        shell: bash
${credentials === 'password' ? passwordSecrets : ''}        run: |
${indent(script, 10)}`
  return `${renderComments([
    `Steps that read modules of ${name}: put them before the first go command of a job.`,
    '',
    ...describeNeeds(needs),
    ...(credentials === 'none' ? [] : githubSecrets[credentials]),
  ])}
name: go
on: [push]
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-latest
${credentials === 'token' ? tokenSecret : ''}    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-go@v6
        with:
          go-version-file: go.mod
${step}      - run: go mod download
      - run: go test ./...
`
}

const githubSecrets = {
  password: [
    '',
    'GO_REGISTRY_USER and GO_REGISTRY_PASSWORD are secrets of the repository or organisation. Runs for pull',
    'requests from forks do not get them, and those that Dependabot starts have secrets of their own.',
  ],
  token: [
    '',
    'GO_REGISTRY_TOKEN is a secret of the repository or organisation: a token of GitLab, scope read_api. Runs for',
    'pull requests from forks do not get it, and those that Dependabot starts have secrets of their own.',
  ],
} as const

const passwordSecrets = `        env:
          GO_REGISTRY_USER: \${{ secrets.GO_REGISTRY_USER }}
          GO_REGISTRY_PASSWORD: \${{ secrets.GO_REGISTRY_PASSWORD }}
`

const tokenSecret = `    env:
      GO_REGISTRY_TOKEN: \${{ secrets.GO_REGISTRY_TOKEN }}
`

function githubSettings(needs: Needs): string {
  const commands = renderSettings(needs)
  if (commands === '') return ''
  return `put() {
  export "$1=$2"
  echo "$1=$2" >>"$GITHUB_ENV"
}
${commands}`
}

function githubCredentials(needs: Needs): string {
  switch (needs.credentials) {
    case 'none':
      return ''
    case 'password':
      return `if [ -n "$GO_REGISTRY_PASSWORD" ]; then
  umask 077
${indent(netrcTo(needs, '"$RUNNER_TEMP/netrc"'), 2)}  put NETRC "$RUNNER_TEMP/netrc"
else
  echo "::warning::This run has no secret GO_REGISTRY_PASSWORD."
fi
`
    case 'token':
      return `[ -n "$GO_REGISTRY_TOKEN" ] || echo "::warning::This run has no secret GO_REGISTRY_TOKEN."
put GOAUTH ${quoteShell(`${renderJobHelper(needs)};netrc`)}
`
  }
}

/** Returns jobs for GitLab CI. */
export function renderGitlab(needs: Needs): string {
  const { name, credentials } = needs
  const script = `${gitlabSettings(needs)}${gitlabCredentials(needs)}`
  const head = renderComments([
    `Jobs that read modules of ${name}: let them extend .go-modules. One that has a before_script of its own`,
    'begins it with "- !reference [.go-modules, before_script]".',
    '',
    ...describeNeeds(needs),
    ...(credentials === 'none' ? [] : gitlabVariables[credentials]),
  ])
  const after = credentials === 'password' ? `  after_script:\n    - rm -f ${gitlabNetrc}\n` : ''
  const hidden =
    script === ''
      ? '.go-modules: {}\n'
      : `.go-modules:\n  before_script:\n    - |\n${indent(script, 6)}${after}`
  return `${head}
${hidden}
test:
  extends: .go-modules
  image: golang:1
  script:
    - go mod download
    - go test ./...
`
}

const gitlabNetrc = '"$CI_BUILDS_DIR/go-modules-$CI_JOB_ID.netrc"'

const gitlabVariables = {
  password: [
    '',
    'GO_REGISTRY_USER and GO_REGISTRY_PASSWORD are CI/CD variables of the project or group, the password a masked',
    'one. If they are protected, only jobs for protected branches and tags have them.',
  ],
  token: [
    '',
    'GO_REGISTRY_TOKEN is a masked CI/CD variable of the project or group: an access token with the scope read_api.',
    'The token of the job, CI_JOB_TOKEN, does not open Pages. If it is protected, only jobs for protected branches',
    'and tags have it.',
  ],
} as const

function gitlabSettings(needs: Needs): string {
  const commands = renderSettings(needs)
  return commands === '' ? '' : `put() { export "$1=$2"; }\n${commands}`
}

function gitlabCredentials(needs: Needs): string {
  switch (needs.credentials) {
    case 'none':
      return ''
    case 'password':
      return `if [ -n "\${GO_REGISTRY_PASSWORD-}" ]; then
  old=$(umask)
  umask 077
${indent(netrcTo(needs, gitlabNetrc), 2)}  umask "$old"
  export NETRC=${gitlabNetrc}
else
  echo "This job has no variable GO_REGISTRY_PASSWORD." >&2
fi
`
    case 'token':
      return `[ -n "\${GO_REGISTRY_TOKEN-}" ] || echo "This job has no variable GO_REGISTRY_TOKEN." >&2
export GOAUTH=${quoteShell(`${renderJobHelper(needs)};netrc`)}
`
  }
}

/** Writes a .netrc that also holds the lines of the one before. */
function netrcTo({ machine }: Needs, file: string): string {
  const lines = `'machine %s\\nlogin %s\\npassword %s\\n' ${quoteShell(machine)}`
  return `{ printf ${lines} "$GO_REGISTRY_USER" "$GO_REGISTRY_PASSWORD"
  cat "\${NETRC:-$HOME/.netrc}" 2>/dev/null || :
} >${file}.new
mv ${file}.new ${file}
`
}
