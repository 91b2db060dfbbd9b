/**
 * A Dockerfile that builds with modules of the site. Credentials are a secret
 * of the build: they are there for one command and in no layer. What is set
 * here is set for the user who builds; an ENV of the base image would win, and
 * is told.
 *
 * Pure.
 */

import { renderJobHelper } from './goauth.ts'
import type { Needs } from './needs.ts'
import { quoteShell } from './quote.ts'
import { describeNeeds, renderComments, renderSettings } from './script.ts'

/** Returns the Dockerfile. */
export function renderDockerfile(needs: Needs): string {
  const { name, credentials } = needs
  const commands = renderSettings(needs)
  return `# syntax=docker/dockerfile:1
${renderComments([
  `Builds with modules of ${name}.`,
  '',
  ...describeNeeds(needs),
  ...howToBuild[credentials],
])}
FROM golang:1 AS build
${commands === '' ? '' : renderRun(commands)}
WORKDIR /src
COPY go.mod go.sum ./
RUN ${secret(needs)}go mod download

COPY . .
RUN CGO_ENABLED=0 go build -o /out/ ./...
`
}

const howToBuild: Readonly<Record<Needs['credentials'], readonly string[]>> = {
  none: [],
  password: [
    '',
    'The secret is a file as go reads it, "machine HOST login USER password PASSWORD" in a line:',
    '  docker build --secret id=netrc,src=$HOME/.netrc .',
  ],
  token: [
    '',
    'The secret is a token with the scope read_api:',
    '  docker build --secret id=go_registry_token,env=GO_REGISTRY_TOKEN .',
  ],
}

/** Each command that fetches needs it, as it is gone after each. */
function secret(needs: Needs): string {
  switch (needs.credentials) {
    case 'none':
      return ''
    case 'password':
      return '--mount=type=secret,id=netrc,required=true \\\n    NETRC=/run/secrets/netrc '
    case 'token':
      return `--mount=type=secret,id=go_registry_token,required=true \\
    GO_REGISTRY_TOKEN="$(cat /run/secrets/go_registry_token)" \\
    GOAUTH=${quoteShell(renderJobHelper(needs))} \\
    `
  }
}

function renderRun(commands: string): string {
  return `RUN <<'END_OF_SETUP'
set -e
put() {
  [ "$(go env "$1")" != "$2" ] || return 0
  go env -w "$1=$2"
  [ "$(go env "$1")" != "$2" ] || return 0
  echo "$1 is set by ENV, which go obeys first. Set it there: $1=$2" >&2
  exit 1
}
${commands}END_OF_SETUP
`
}
