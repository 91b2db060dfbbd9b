/**
 * Renders the JSON Schema of the configuration for editors and for people.
 *
 * Pure.
 */

/** The part of JSON Schema that the configuration needs. */
interface Schema {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
}

/** Returns the text of schema.json. */
export function renderJsonSchema(schema: object): string {
  const text = JSON.stringify(schema, null, 2)
  // Short lists stand on one line, as the formatter has them.
  const folded = text.replaceAll(/^(.*)\[\n((?: *"[^"\n]*",?\n)+) *\](,?)$/gm, (whole, start, items, end) => {
    const line = `${start}[${items.trim().replaceAll(/\n */g, ' ')}]${end}`
    return line.length <= 110 ? line : whole
  })
  return `${folded}\n`
}

/** Returns the reference page: a table for each object of the configuration. */
export function renderReference(schema: Schema): string {
  const { repositories, accept } = schema.properties ?? {}
  const { directories, commits, source, github, gitlab, gitea } = repositories?.items?.properties ?? {}
  const parts = [
    preamble,
    section('Keys', schema),
    section('repositories', repositories?.items),
    section('repositories: directories', directories),
    section('repositories: commits', commits?.items?.anyOf?.find(isObject)),
    section('repositories: source', source?.anyOf?.find(isObject)),
    section('repositories: github', github),
    section('repositories: gitlab', gitlab),
    section('repositories: gitea', gitea),
    section('accept', accept?.items),
  ]
  return `${parts.join('\n')}`
}

const preamble = `<!-- Made by scripts/schema.ts from src/config/schema.ts. -->
# Configuration

\`modpress.config.ts\`, \`.mts\`, \`.js\`, \`.mjs\`, \`.json\`, \`.yaml\` or \`.yml\`, in the directory where modpress runs or in one
above it in the same clone. Relative paths start at the file. An unknown key is an error. Without a configuration, the
clone that holds the current directory is the one repository.

In TypeScript and JavaScript, \`defineConfig\` tells editors the keys; in JSON and YAML, \`schema.json\` does:

\`\`\`ts
import { defineConfig } from 'modpress'

export default defineConfig({
  url: 'https://go.example.com',
  repositories: [{ root: 'go.example.com/{name}', dir: '../repos/*' }],
})
\`\`\`

## Tokens

Addresses in \`clone\` are cloned with the credentials that git itself has, or with a token from the environment:
\`MODPRESS_TOKEN_<HOST>\` (the host in capitals, all but letters and digits as \`_\`; either the token or \`user:token\`), else
\`GITHUB_TOKEN\` for the server of the GitHub job (github.com elsewhere), and \`CI_JOB_TOKEN\` for the server of the GitLab
job. A token is sent to its own host only, and is never written to disk. Lists of [all repositories of an
owner](discovery.md) are read with the same tokens.
`

function section(title: string, schema: Schema | undefined): string {
  const rows = Object.entries(schema?.properties ?? {})
    .filter(([key]) => key !== '$schema')
    .map(([key, value]) => {
      const isRequired = schema?.required?.includes(key) === true
      return `| \`${key}\` | ${typeOf(value)} | ${defaultOf(value, isRequired)} | ${escapeCell(value.description ?? '')} |`
    })
  return [`## ${title}`, '', '| key | value | default | |', '| --- | --- | --- | --- |', ...rows, ''].join(
    '\n',
  )
}

function typeOf(schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(' ')
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(', or ')
  if (schema.type === 'array')
    return `list of ${schema.items === undefined ? 'values' : typeOf(schema.items)}`
  if (schema.properties !== undefined) return `{ ${Object.keys(schema.properties).join(', ')} }`
  return schema.type ?? 'value'
}

function defaultOf(schema: Schema, isRequired: boolean): string {
  if (isRequired) return 'required'
  return schema.default === undefined ? '' : `\`${JSON.stringify(schema.default)}\``
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
}

function isObject(schema: Schema): boolean {
  return schema.properties !== undefined
}
