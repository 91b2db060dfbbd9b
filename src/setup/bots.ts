/**
 * Renovate and Dependabot, which look for new versions of modules and run go
 * to bring go.sum up to date. Both are sent through the chain of proxies for
 * all modules: of those that go would find by itself, Renovate would look for
 * the git repository instead.
 *
 * Neither takes a value from "go env", so that the chain is the site and
 * "direct".
 *
 * Pure.
 *
 * @see https://docs.renovatebot.com/modules/datasource/go/
 * @see https://docs.github.com/code-security/reference/supply-chain-security/dependabot-options-reference
 */

import { renderJobHelper } from './goauth.ts'
import type { Needs } from './needs.ts'
import { quoteYaml } from './quote.ts'
import { renderComments } from './script.ts'

/** Returns what goes into Renovate's configuration. */
export function renderRenovate(needs: Needs): string {
  const { url, name, credentials, settings } = needs
  const env = { ...listVariables(needs, urlWithSecrets(needs)), ...tokenVariables(needs) }
  const names = Object.keys(env)
  const hostRule = {
    matchHost: `${url}/`,
    ...(credentials === 'token'
      ? { token: secret('GO_REGISTRY_TOKEN') }
      : { username: secret('GO_REGISTRY_USER'), password: secret('GO_REGISTRY_PASSWORD') }),
  }
  const description = [
    `Reads Go modules of ${name}.`,
    ...(settings.length === 0
      ? ['Renovate finds them as it finds all others, and there is nothing to set.']
      : [
          `The bot's administrator allows these variables: "allowedEnv": ${JSON.stringify(names)}.`,
          'A proxy for all other modules goes between the site and "direct" in GOPROXY.',
        ]),
    ...(credentials === 'none'
      ? []
      : ['Secrets are those of the bot; in a user or password, encode what a URL must not hold.']),
  ]
  const config = {
    $schema: 'https://docs.renovatebot.com/renovate-schema.json',
    description,
    ...(credentials === 'none' ? {} : { hostRules: [hostRule] }),
    ...(names.length === 0 ? {} : { env }),
  }
  return `${JSON.stringify(config, undefined, 2)}\n`
}

function secret(name: string): string {
  return `{{ secrets.${name} }}`
}

/** The go command that Renovate starts knows nothing of its rules for hosts: it has them in the address. */
function urlWithSecrets({ url, credentials }: Needs): string {
  const user = `${secret('GO_REGISTRY_USER')}:${secret('GO_REGISTRY_PASSWORD')}@`
  return credentials === 'password' ? url.replace('://', () => `://${user}`) : url
}

function tokenVariables(needs: Needs): Readonly<Record<string, string>> {
  if (needs.credentials !== 'token') return {}
  return { GOAUTH: renderJobHelper(needs), GO_REGISTRY_TOKEN: secret('GO_REGISTRY_TOKEN') }
}

/** What both set: the whole chain, and that nothing goes round it. */
function listVariables({ settings, own, chained }: Needs, site: string): Readonly<Record<string, string>> {
  if (settings.length === 0) return {}
  const isPrivate = settings.some(({ name }) => name === 'GONOSUMDB')
  const chain = `${site},direct`
  return isPrivate
    ? { GOPROXY: chain, GONOSUMDB: [...own, ...chained].join(','), GONOPROXY: 'none' }
    : { GOPROXY: chain }
}

/** Returns Dependabot's configuration. */
export function renderDependabot(needs: Needs): string {
  const { url, name, credentials } = needs
  const head = renderComments([
    `.github/dependabot.yml of a repository that uses modules of ${name}.`,
    '',
    ...(credentials === 'token' ? noTokens : describeGoEnv(needs)),
    ...(credentials === 'password' ? secretsOfDependabot : []),
  ])
  const registry = `registries:
  go-modules:
    type: goproxy-server
    url: ${quoteYaml(url)}
    username: \${{secrets.GO_REGISTRY_USER}}
    password: \${{secrets.GO_REGISTRY_PASSWORD}}
`
  const hasRegistry = credentials === 'password'
  return `${head}
version: 2
${hasRegistry ? registry : ''}updates:
  - package-ecosystem: gomod
    directory: /
${hasRegistry ? '    registries: [go-modules]\n' : ''}    schedule:
      interval: weekly
`
}

function describeGoEnv(needs: Needs): readonly string[] {
  const lines = renderGoEnv(needs)
    .split('\n')
    .filter((line) => line !== '')
  if (lines.length === 0) return ['It finds them as it finds all others, and there is nothing to set.']
  return ['It reads a file go.env at the top of the repository:', ...lines.map((line) => `  ${line}`)]
}

const secretsOfDependabot = [
  '',
  'GO_REGISTRY_USER and GO_REGISTRY_PASSWORD are secrets of Dependabot, which are others than those of Actions.',
]

const noTokens = [
  'The site wants a token as "Authorization: Bearer", and Dependabot sends only a user and a password: it finds',
  'no new versions there. Renovate does.',
]

/** Returns the variables of go as a file, as Dependabot reads it from a repository; "" where there are none. */
export function renderGoEnv(needs: Needs): string {
  const variables = Object.entries(listVariables(needs, needs.url))
  return variables.map(([name, value]) => `${name}=${value}\n`).join('')
}
