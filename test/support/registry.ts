/**
 * A private registry on a network of its own, as consumers meet it: a site that
 * asks for a user and a password, one on GitLab Pages that wants a token and
 * sends others to a login, and a proxy of everybody's behind them, which must
 * not hear of what is theirs.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from '../../src/build.ts'
import { loadSettings } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { siteHandler } from '../../src/serve.ts'
import { makeModule } from './cli.ts'
import type { Machine, Outcome } from './consumer.ts'
import { basic } from './liveserver.ts'
import { mountAt, startTlsNetwork, type TlsNetwork } from './tls.ts'

/** Versions on the host of the site, on another one, on Pages, and those that everybody can have. */
export const versions = {
  own: 'go.example.com/billing@v1.0.0',
  other: 'github.com/acme/log@v1.0.0',
  pages: 'acme.example.net/go/tool@v1.0.0',
  open: 'example.org/open@v1.0.0',
} as const

/** What each site has: the one that asks for a password, and the one that wants a token. */
export const served: { readonly [Site in 'password' | 'token']: readonly [string, string] } = {
  password: [versions.own, versions.other],
  token: [versions.pages, versions.other],
}

/** The credentials of both sites, as variables, and as the lines of .netrc that go.example.com needs. */
export const login = { GO_REGISTRY_USER: 'reader', GO_REGISTRY_PASSWORD: "p4ss'w$rd" } as const
export const token = { GO_REGISTRY_TOKEN: 'glpat-token' } as const
export const netrcLines: string = `machine go.example.com\nlogin reader\npassword ${login.GO_REGISTRY_PASSWORD}\n`

/** What the user had before: a proxy of the company, a host whose modules come by git, one without checksums. */
export const before = `GOPROXY=https://proxy.example.org
GOPRIVATE=git.example.org
GONOSUMDB=example.org,git.example.org
`
/** The same with what go.example.com needs. */
export const after = {
  GOPRIVATE: 'go.example.com,git.example.org',
  GONOSUMDB: 'github.com/acme,go.example.com,example.org,git.example.org',
  GONOPROXY: 'go.example.com,git.example.org',
  GOPROXY: 'https://go.example.com,https://proxy.example.org',
} as const

/** What a site asks for. */
export type Kind = keyof typeof served

export interface Registry {
  /** What a machine must have in its environment to be on the network. */
  readonly env: Readonly<Record<string, string>>
  /** Returns a file of -/setup/, of the site that asks for that. */
  text(kind: Kind, name: string): string
  /** Runs something, and returns what others than the two sites were asked meanwhile. */
  listen<T>(use: () => Promise<T>): Promise<{ readonly result: T; readonly heard: readonly string[] }>
  /** Downloads modules to a machine that has none. */
  download(
    machine: Machine,
    modules: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<{ readonly outcome: Outcome; readonly heard: readonly string[] }>
  close(): Promise<void>
}

/** Presses the sites and serves them, also at go.example.com:8443. */
export async function startRegistry(): Promise<Registry> {
  const dir = mkdtempSync(join(tmpdir(), 'modpress-registry-'))
  const press = async (name: string, config: Config, ...roots: readonly string[]): Promise<string> => {
    const repositories = roots.map((root) => ({ root, dir: makeModule(root, 'v1.0.0').dir }))
    const settings = await loadSettings({
      cwd: dir,
      env: {},
      config: { ...config, output: name, repositories },
    })
    await build(settings)
    return settings.output
  }
  const go = await press(
    'go',
    { url: 'https://go.example.com', host: 'nginx' },
    'go.example.com/billing',
    'github.com/acme/log',
  )
  const tool = await press(
    'pages',
    { url: 'https://acme.example.net/go', host: 'gitlab-pages' },
    'acme.example.net/go/tool',
    'github.com/acme/log',
  )
  const proxy = await press(
    'proxy',
    { url: 'https://proxy.example.org', access: 'public' },
    'example.org/open',
  )
  const guarded = onlyFor(
    basic(`${login.GO_REGISTRY_USER}:${login.GO_REGISTRY_PASSWORD}`),
    siteHandler(go),
    askForPassword,
  )
  const network = await startTlsNetwork(join(dir, 'tls'), {
    'go.example.com': guarded,
    'go.example.com:8443': guarded,
    'acme.example.net': mountAt(
      '/go',
      onlyFor(`Bearer ${token.GO_REGISTRY_TOKEN}`, siteHandler(tool), sendToLogin),
    ),
    'proxy.example.org': siteHandler(proxy),
  })
  const listen: Registry['listen'] = async (use) => {
    const [requests, strays] = [network.requests.length, network.strays.length]
    const result = await use()
    return { result, heard: heardSince(network, requests, strays) }
  }
  return {
    env: network.env,
    text: (kind, name) => readFileSync(join(kind === 'password' ? go : tool, '-/setup', name), 'utf8'),
    listen,
    download: async (machine, modules, env = {}) => {
      machine.forget()
      const { result, heard } = await listen(() =>
        machine.go(['mod', 'download', '-json', ...modules], { env }),
      )
      return { outcome: result, heard }
    },
    close: async () => {
      await network.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

function heardSince({ requests, strays }: TlsNetwork, from: number, strayFrom: number): readonly string[] {
  const elsewhere = requests
    .slice(from)
    .filter((each) => !/^GET (?:go\.example\.com|acme\.example\.net)/.test(each))
  return [...elsewhere, ...strays.slice(strayFrom)]
}

/** Lets in who says this. */
function onlyFor(authorization: string, handle: RequestListener, refuse: RequestListener): RequestListener {
  return (request, response) => {
    if (request.headers.authorization === authorization) handle(request, response)
    else refuse(request, response)
  }
}

const askForPassword: RequestListener = (_request, response) => {
  response.writeHead(401, { 'WWW-Authenticate': 'Basic', 'Content-Type': 'text/plain' }).end('no entry\n')
}

const sendToLogin: RequestListener = (_request, response) => {
  response.writeHead(302, { Location: 'https://login.example.net/' }).end()
}
