/**
 * A Dockerfile that builds with modules of the site. Credentials are a secret
 * of the build: they are there for one command and in no layer.
 *
 * The image is new, so that nothing has to be kept: a few lines that people can
 * read and change. The chain alone is built on what go would ask by itself,
 * which an ENV cannot say.
 *
 * Pure.
 */

import { renderJobHelper } from './goauth.ts'
import type { Needs } from './needs.ts'
import { quoteShell } from './quote.ts'
import { describeNeeds, renderComments } from './script.ts'

/** Returns the Dockerfile. */
export function renderDockerfile(needs: Needs): string {
  const { name, credentials } = needs
  const settings = renderSettings(needs)
  return `# syntax=docker/dockerfile:1
${renderComments([
  `Builds with modules of ${name}.`,
  '',
  ...describeNeeds(needs),
  ...(settings === '' ? [] : ['Where the base image sets one of these by ENV already, join the two values.']),
  ...howToBuild[credentials],
])}
FROM golang:1 AS build
${settings}
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

/** Lists that are what GOPRIVATE is follow it by themselves. */
function renderSettings({ url, settings }: Needs): string {
  const lists = settings
    .filter(({ name }) => name !== 'GOPROXY')
    .map(({ name, add }) => ({ name, value: add.join(',') || 'none' }))
  const followed = lists.find(({ name }) => name === 'GOPRIVATE')
  const env = lists.filter((list) => list === followed || list.value !== followed?.value)
  const lines = env.map(({ name, value }) => `ENV ${name}=${value}\n`)
  const hasChain = settings.some(({ name }) => name === 'GOPROXY')
  return `${lines.join('')}${hasChain ? `RUN go env -w GOPROXY="${url},$(go env GOPROXY)"\n` : ''}`
}
