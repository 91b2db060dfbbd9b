/**
 * The APIs of GitHub, GitLab and Gitea on one loopback server, as far as lists
 * of repositories go, and the repositories themselves beside it by git. The
 * shapes are those of the public documentation and of servers' answers: names
 * of fields, headers of pages and limits, bodies of errors.
 *
 * A repository is public unless it says otherwise. Who has no token sees the
 * public ones, as on the real servers. The owner "acme" is always there.
 */

import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createRepository, type RawRepository } from './gitobjects.ts'
import { type GitServer, startGitServer } from './gitserver.ts'

export interface ForgeRepository {
  /** With its owner: "acme/log". */
  readonly path: string
  visibility?: 'public' | 'internal' | 'private'
  archived?: boolean
  fork?: boolean
  topics?: readonly string[]
  /** Fields of the answer that are other than usual; undefined leaves one out. */
  more?: Readonly<Record<string, unknown>>
}

export interface Faulty {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

export interface ForgeServer {
  /** "http://127.0.0.1:PORT", of all three. */
  readonly url: string
  /** Serves what `add` makes. */
  readonly git: GitServer
  /** "path authorization" of each request, or "path -" where nobody was named. */
  readonly requests: string[]
  /** What is listed, in its order. */
  repositories: ForgeRepository[]
  /** The one token that is good. */
  token: string
  /** Whose token it is. */
  login: string
  /** @default as many as are asked for */
  pageSize: number | undefined
  /** Where the pages of a list say that the next one is. @default here */
  linkBase: string | undefined
  /** How pages lead to the next. @default 'link' */
  paging: 'link' | 'header' | 'keyset'
  /** Answers instead, where it has something to say. */
  fault: ((path: string, authorization: string | undefined) => Faulty | undefined) | undefined
  /** Lists a repository, and makes it: with a version of the module for each tag. */
  add(repository: ForgeRepository | string, module?: string, ...tags: readonly string[]): RawRepository
  close(): Promise<void>
}

/** Starts the server. Repositories are made below `dir`. */
export async function startForgeServer(dir: string): Promise<ForgeServer> {
  const git = await startGitServer(dir)
  const server = createServer((request, response) => {
    const { status, headers = {}, body } = answer(forge, request)
    const type = typeof body === 'string' ? 'text/html' : 'application/json; charset=utf-8'
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    response.writeHead(status, { 'content-type': type, ...headers }).end(text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const forge: ForgeServer = {
    url: `http://127.0.0.1:${port}`,
    git,
    requests: [],
    repositories: [],
    token: 'the-good-token',
    login: 'somebody',
    pageSize: undefined,
    linkBase: undefined,
    paging: 'link',
    fault: undefined,
    add: (given, module = '', ...tags) => {
      const listed = typeof given === 'string' ? { path: given } : given
      forge.repositories.push(listed)
      return makeModule(join(dir, `${listed.path}.git`), module, tags)
    },
    close: async () => {
      server.closeAllConnections()
      await Promise.all([git.close(), new Promise((resolve) => server.close(resolve))])
    },
  }
  return forge
}

/** Makes a bare repository with a version of the module for each tag. */
function makeModule(dir: string, module: string, tags: readonly string[]): RawRepository {
  const repository = createRepository(dir)
  for (const tag of tags) {
    const files = { 'go.mod': `module ${module}\n`, 'r.go': `package r // ${tag}\n` }
    const commit = repository.commit({ tree: repository.files(files) })
    repository.ref('refs/heads/main', commit)
    repository.ref(`refs/tags/${tag}`, commit)
  }
  return repository
}

function answer(forge: ForgeServer, { url = '/', headers }: IncomingMessage): Faulty {
  const { authorization } = headers
  const { pathname, searchParams } = new URL(url, forge.url)
  forge.requests.push(`${url} ${authorization ?? '-'}`)
  const fault = forge.fault?.(url, authorization)
  if (fault !== undefined) return fault
  const [kind, api] = kindOf(pathname)
  if (kind === undefined) return { status: 404, body: '<html>404</html>' }
  const isKnown = authorization?.endsWith(` ${forge.token}`) === true
  if (authorization !== undefined && !isKnown) return unauthorized[kind]
  if (kind === 'github' && pathname === `${api}/user`) {
    return isKnown ? { status: 200, body: { login: forge.login, id: 1 } } : unauthorized.github
  }
  const owner = ownerOf(kind, pathname.slice(api.length), forge)?.toLowerCase()
  const listed = forge.repositories.map(({ path }) => path.toLowerCase())
  const isThere = owner === 'acme' || listed.some((path) => path.startsWith(`${owner}/`))
  if (owner === undefined || !isThere) return notFound[kind]
  const seen = forge.repositories
    .filter(({ path }) => path.toLowerCase().startsWith(`${owner}/`))
    .filter(({ visibility = 'public' }) => isKnown || visibility === 'public')
  return pageOf(forge, kind, seen, pathname, searchParams)
}

type Kind = 'github' | 'gitlab' | 'gitea'

function kindOf(path: string): readonly [Kind, string] | readonly [undefined, ''] {
  if (path.startsWith('/api/v3/')) return ['github', '/api/v3']
  if (path.startsWith('/api/v4/')) return ['gitlab', '/api/v4']
  return path.startsWith('/api/v1/') ? ['gitea', '/api/v1'] : [undefined, '']
}

function ownerOf(kind: Kind, path: string, forge: ForgeServer): string | undefined {
  if (kind === 'github' && path === '/user/repos') return forge.login
  const pattern = kind === 'gitlab' ? /^\/groups\/([^/]+)\/projects$/ : /^\/(?:orgs|users)\/([^/]+)\/repos$/
  const [, owner] = pattern.exec(path) ?? []
  return owner && decodeURIComponent(owner)
}

function pageOf(
  forge: ForgeServer,
  kind: Kind,
  all: readonly ForgeRepository[],
  path: string,
  query: URLSearchParams,
): Faulty {
  const asked = Number(query.get(kind === 'gitea' ? 'limit' : 'per_page') ?? 30)
  const size = Math.min(forge.pageSize ?? asked, kind === 'gitea' ? 50 : 100)
  const page = Number(query.get('page') ?? 1)
  const start = forge.paging === 'keyset' ? Number(query.get('id_after') ?? 0) : (page - 1) * size
  const items = all.slice(start, start + size).map((each) => shapeOf(forge, kind, each))
  const end = start + size
  const hasNext = end < all.length
  const next = new URLSearchParams(query)
  if (forge.paging === 'keyset') next.set('id_after', String(end))
  else next.set('page', String(page + 1))
  const base = forge.linkBase ?? forge.url
  const links = [
    ...(hasNext ? [`<${base}${path}?${next}>; rel="next"`, `<${base}${path}?page=9>; rel="last"`] : []),
    ...(page > 1
      ? [`<${base}${path}?page=1>; rel="first"`, `<${base}${path}?page=${page - 1}>; rel="prev"`]
      : []),
  ]
  const link: Record<string, string> =
    links.length === 0 || forge.paging === 'header' ? {} : { link: links.join(', ') }
  const counts: Readonly<Record<Kind, Record<string, string>>> = {
    github: {
      'x-ratelimit-limit': '5000',
      'x-ratelimit-remaining': '4999',
      'x-ratelimit-reset': '1900000000',
    },
    gitlab: {
      'x-page': String(page),
      'x-per-page': String(size),
      'x-next-page': hasNext ? String(page + 1) : '',
    },
    gitea: { 'x-total-count': String(all.length) },
  }
  const header = forge.paging === 'keyset' ? {} : counts[kind]
  return { status: 200, headers: { ...link, ...header }, body: items }
}

function shapeOf(forge: ForgeServer, kind: Kind, repository: ForgeRepository): unknown {
  const id = forge.repositories.indexOf(repository) + 1
  const shape = shapes[kind](
    repository,
    id,
    `${forge.url}/${repository.path}`,
    `${forge.git.url}/${repository.path}.git`,
  )
  return { ...shape, ...repository.more }
}

const time = '2024-05-01T08:12:00Z'

type Shape = (repository: ForgeRepository, id: number, web: string, clone: string) => object

const shapes: Readonly<Record<Kind, Shape>> = {
  github: ({ path, visibility = 'public', archived = false, fork = false, topics = [] }, id, web, clone) => ({
    id,
    node_id: `R_${id}`,
    name: path.split('/').at(-1),
    full_name: path,
    private: visibility !== 'public',
    owner: { login: path.split('/')[0], id: 1, type: 'Organization', site_admin: false },
    html_url: web,
    description: null,
    fork,
    url: `${web}/api`,
    created_at: time,
    updated_at: time,
    pushed_at: time,
    git_url: clone.replace(/^http/, 'git'),
    ssh_url: `git@example.com:${path}.git`,
    clone_url: clone,
    size: 108,
    language: 'Go',
    has_issues: true,
    archived,
    disabled: false,
    open_issues_count: 0,
    license: null,
    allow_forking: true,
    is_template: false,
    topics,
    visibility,
    default_branch: 'main',
    permissions: { admin: false, maintain: false, push: false, triage: false, pull: true },
  }),
  gitlab: ({ path, visibility = 'public', archived = false, fork = false, topics = [] }, id, web, clone) => ({
    id,
    description: null,
    name: path.split('/').at(-1),
    name_with_namespace: path.replaceAll('/', ' / '),
    path: path.split('/').at(-1),
    path_with_namespace: path,
    created_at: time,
    default_branch: 'main',
    tag_list: topics,
    topics,
    ssh_url_to_repo: `git@example.com:${path}.git`,
    http_url_to_repo: clone,
    web_url: web,
    readme_url: null,
    forks_count: 0,
    star_count: 0,
    last_activity_at: time,
    namespace: { id: 2, name: 'acme', path: 'acme', kind: 'group', full_path: path.replace(/\/[^/]+$/, '') },
    packages_enabled: true,
    empty_repo: false,
    archived,
    visibility,
    issues_access_level: 'enabled',
    repository_access_level: 'enabled',
    marked_for_deletion_at: null,
    marked_for_deletion_on: null,
    ...(fork
      ? { forked_from_project: { id: 99, path_with_namespace: 'other/x' }, mr_default_target_self: false }
      : {}),
  }),
  gitea: ({ path, visibility = 'public', archived = false, fork = false, topics = [] }, id, web, clone) => ({
    id,
    owner: { id: 1, login: path.split('/')[0], username: path.split('/')[0], visibility: 'public' },
    name: path.split('/').at(-1),
    full_name: path,
    description: '',
    empty: false,
    private: visibility !== 'public',
    fork,
    template: false,
    parent: null,
    mirror: false,
    size: 24,
    html_url: web,
    ssh_url: `git@example.com:${path}.git`,
    clone_url: clone,
    default_branch: 'main',
    archived,
    created_at: time,
    updated_at: time,
    permissions: { admin: false, push: false, pull: true },
    internal: false,
    object_format_name: 'sha1',
    topics,
  }),
}

const unauthorized: Readonly<Record<Kind, Faulty>> = {
  github: {
    status: 401,
    body: { message: 'Bad credentials', documentation_url: 'https://docs.github.com/rest', status: '401' },
  },
  gitlab: { status: 401, body: { message: '401 Unauthorized' } },
  gitea: { status: 401, body: { message: 'invalid username, password or token', url: '/api/swagger' } },
}

const notFound: Readonly<Record<Kind, Faulty>> = {
  github: {
    status: 404,
    body: { message: 'Not Found', documentation_url: 'https://docs.github.com/rest', status: '404' },
  },
  gitlab: { status: 404, body: { message: '404 Group Not Found' } },
  gitea: { status: 404, body: { message: 'The target could not be found.', url: '/api/swagger' } },
}
