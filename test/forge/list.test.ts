/**
 * What an owner has on a forge, as the server tells it: page by page, to those
 * who may know it, and in whatever mood the server is. Nothing is cloned here.
 */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { completeForge, type ForgeConfig } from '../../src/config/forge.ts'
import { ForgeError, readList } from '../../src/forge/api.ts'
import { judgeRepositories } from '../../src/forge/choose.ts'
import { listOwner } from '../../src/forge/list.ts'
import { type Faulty, type ForgeServer, startForgeServer } from '../support/forgeserver.ts'
import { makeDirectory } from '../support/repo.ts'

const kinds = ['github', 'gitlab', 'gitea'] as const

let forge: ForgeServer

beforeAll(async () => {
  forge = await startForgeServer(makeDirectory())
})

afterAll(() => forge.close())

beforeEach(() => {
  forge.repositories = [
    { path: 'acme/log', topics: ['Go'] },
    { path: 'acme/old', archived: true },
    { path: 'acme/copy', fork: true },
    { path: 'acme/.github' },
    { path: 'acme/secret', visibility: 'private' },
    { path: 'acme/text' },
  ]
  Object.assign(forge, { pageSize: undefined, linkBase: undefined, paging: 'link', fault: undefined })
  forge.requests.length = 0
})

const token = () => ({ MODPRESS_TOKEN_127_0_0_1: forge.token })

/** The configuration of the owner "acme", or of another one. */
function ownerOf(kind: (typeof kinds)[number], filters: object = {}, owner = 'acme'): ForgeConfig {
  const { url } = forge
  return {
    github: { github: { org: owner, url, ...filters } },
    gitlab: { gitlab: { group: owner, url, ...filters } },
    gitea: { gitea: { owner, url, ...filters } },
  }[kind]
}

interface Options {
  readonly env?: Readonly<Record<string, string>>
  readonly access?: 'public' | 'private'
  readonly signal?: AbortSignal
}

/** Returns what a site takes in, by name; with a "!" what is less visible than the site. */
async function taken(config: ForgeConfig, { env = token(), access = 'private', ...more }: Options = {}) {
  const owner = completeForge(config)
  if (owner === undefined) throw new Error('That is no forge.')
  const listed = await listOwner(owner, { env, access, ...more })
  const entry = { root: '{path}', subdir: '', directories: {}, branches: [], commits: [], forge: owner }
  return judgeRepositories(entry, listed, { access })
    .filter(({ verdict }) => verdict !== 'unwanted')
    .map(({ root, verdict }) => (verdict === 'hidden' ? `!${root}` : root))
    .sort()
}

const everyone = { env: {}, access: 'public' } as const

async function failureOf(config: ForgeConfig, options?: Options): Promise<ForgeError> {
  const error = await taken(config, options).catch((reason: unknown) => reason)
  if (error instanceof ForgeError) return error
  throw new Error('The list was had.', { cause: error })
}

describe.each(kinds)('%s', (kind) => {
  test.for([
    ['nothing', {}, ['log', 'old', 'secret', 'text']],
    ['include', { include: ['l*', 'copy'] }, ['log']],
    ['exclude', { exclude: ['t**', 'secret'] }, ['log', 'old']],
    ['topics', { topics: ['go'] }, ['log']],
    ['archived', { archived: 'exclude' }, ['log', 'secret', 'text']],
    ['forks', { forks: true, include: ['c*'] }, ['copy']],
  ] as const)('%s chooses', async ([_, filters, want]) => {
    expect(await taken(ownerOf(kind, filters))).toEqual(want)
  })

  test.for([
    ['no field at all', { visibility: undefined, private: undefined }],
    ['a value of the future', { visibility: 'secret', private: true }],
  ] as const)('a visibility that is not understood is a private one: %s', async ([_, more]) => {
    forge.repositories = [{ path: 'acme/log', more }, { path: 'acme/text' }]
    expect(await taken(ownerOf(kind), everyone)).toEqual(['!log', 'text'])
  })

  test.for<readonly [string, Faulty]>([
    ['a refusal', { status: 401, body: { message: 'Must authenticate' } }],
    ['a redirect to a login', { status: 302, headers: { location: 'https://login.example.com/' }, body: '' }],
    ['a login page', { status: 200, body: '<html>Sign in</html>' }],
  ])(
    'what nobody in particular is answered with %s is not public, whatever it is called',
    async ([_, fault]) => {
      forge.fault = (_, authorization) => (authorization === undefined ? fault : undefined)
      expect(await taken(ownerOf(kind), { access: 'public' })).toEqual(['!log', '!old', '!secret', '!text'])
    },
  )

  test('without a token what is listed is what everyone sees', async () => {
    expect(await taken(ownerOf(kind), { env: {} })).toEqual(['log', 'old', 'text'])
    expect(forge.requests.every((request) => request.endsWith(' -'))).toBe(true)
  })
})

describe('who can see a repository', () => {
  test.for([
    ['a GitHub repository that is internal', 'github', { visibility: 'internal', private: true }],
    ['one that is said to be both', 'github', { visibility: 'public', private: true }],
    ['a GitLab project whose repository is for members', 'gitlab', { repository_access_level: 'private' }],
    ['a GitLab project for those who are signed in', 'gitlab', { visibility: 'internal' }],
    [
      'a repository of a Gitea owner for those who are signed in',
      'gitea',
      { owner: { visibility: 'limited' } },
    ],
    ['a repository of a private Gitea owner', 'gitea', { internal: true }],
  ] as const)('%s is no public one', async ([_, kind, more]) => {
    forge.repositories = [{ path: 'acme/log', more }, { path: 'acme/text' }]
    expect(await taken(ownerOf(kind), everyone)).toEqual(['!log', 'text'])
    expect(await taken(ownerOf(kind))).toEqual(['log', 'text'])
  })

  test('an Enterprise Server of before there were internal repositories says only whether one is private', async () => {
    forge.repositories = [{ path: 'acme/log', more: { visibility: undefined } }]
    expect(await taken(ownerOf('github'), everyone)).toEqual(['log'])
  })

  test('GitLab projects without a repository, or on their way out, are none', async () => {
    forge.repositories = [
      { path: 'acme/log', more: { repository_access_level: 'disabled' } },
      { path: 'acme/old', more: { marked_for_deletion_on: '2026-11-01' } },
      { path: 'acme/text' },
    ]
    expect(await taken(ownerOf('gitlab'))).toEqual(['text'])
  })

  test('a GitLab fork is one even where its original is not shown', async () => {
    forge.repositories = [
      { path: 'acme/log', more: { mr_default_target_self: false } },
      { path: 'acme/text' },
    ]
    expect(await taken(ownerOf('gitlab'))).toEqual(['text'])
  })

  test("a person's own token lists what is private of theirs", async () => {
    forge.login = 'Acme'
    const mine = { github: { user: 'acme', url: `${forge.url}/api/v3/` } }
    expect(await taken(mine)).toEqual(['log', 'old', 'secret', 'text'])
    expect(forge.requests.at(-1)).toContain('/api/v3/user/repos?')
    forge.login = 'somebody'
    await taken(mine)
    expect(forge.requests.at(-1)).toContain('/api/v3/users/acme/repos?')
  })

  test('an owner on Gitea may be a person', async () => {
    forge.fault = (path) => (path.includes('/orgs/') ? { status: 404, body: {} } : undefined)
    expect(await taken(ownerOf('gitea'))).toEqual(['log', 'old', 'secret', 'text'])
  })

  test('an address that only the server itself knows is made anew', async () => {
    forge.repositories = [
      { path: 'acme/log', more: { clone_url: 'http://gitea.internal:3000/acme/log.git' } },
    ]
    const owner = completeForge(ownerOf('gitea'))
    const listed = owner && (await listOwner(owner, { env: {}, access: 'private' }))
    expect(listed?.[0]?.clone).toBe(`${forge.url}/acme/log.git`)
  })
})

describe('pages', () => {
  test.for([
    ['github', 'link'],
    ['gitlab', 'link'],
    ['gitlab', 'header'],
    ['gitlab', 'keyset'],
    ['gitea', 'link'],
    ['gitea', 'header'],
  ] as const)('all of %s are read that lead on by %s', async ([kind, paging]) => {
    forge.pageSize = 1
    forge.paging = paging
    expect(await taken(ownerOf(kind))).toEqual(['log', 'old', 'secret', 'text'])
    expect(forge.requests).toHaveLength(6)
  })

  test('a next page on another server is asked of our own, which alone gets the token', async () => {
    const asked: string[] = []
    const other = createServer((request, response) => {
      asked.push(`${request.url} ${request.headers.authorization}`)
      response.end('[]')
    })
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const elsewhere = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
    try {
      forge.pageSize = 2
      forge.linkBase = elsewhere
      expect(await taken(ownerOf('gitea'))).toEqual(['log', 'old', 'secret', 'text'])
      forge.fault = () => ({ status: 302, headers: { location: `${elsewhere}/login` }, body: '' })
      expect(await failureOf(ownerOf('gitea'))).toMatchObject({
        message: /another server/,
        hint: /login page/,
      })
      expect(asked).toEqual([])
    } finally {
      await new Promise((resolve) => other.close(resolve))
    }
  })

  test('pages that lead back have an end', async () => {
    const link = `<${forge.url}/x?page=2>; rel="next"`
    forge.fault = () => ({ status: 200, headers: { link }, body: [] })
    expect((await failureOf(ownerOf('github'))).message).toContain('its list has no end')
    expect(forge.requests).toHaveLength(2)
  })

  test('an owner that was renamed is found on the same server, and is another one', async () => {
    forge.repositories = [{ path: 'newname/log' }]
    const location = '/api/v3/orgs/newname/repos'
    forge.fault = (path) =>
      path.startsWith('/api/v3/orgs/acme/') ? { status: 301, headers: { location }, body: {} } : undefined
    expect(await failureOf(ownerOf('github'))).toMatchObject({ message: /none of acme/, hint: /renamed/ })
  })
})

describe('a server in a bad mood', () => {
  const passing: Readonly<Record<string, Faulty>> = {
    'GitHub, for a second': {
      status: 403,
      headers: { 'retry-after': '1' },
      body: { message: 'You have exceeded a secondary rate limit.' },
    },
    'GitLab, for no time': { status: 429, headers: { 'retry-after': '0' }, body: 'Retry later\n' },
    'GitHub, until a time that has come': {
      status: 403,
      headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1600000000' },
      body: { message: 'API rate limit exceeded for user ID 1.' },
    },
    'out of order': { status: 502, body: '<html>Bad gateway</html>' },
  }

  test.for(Object.entries(passing))('is asked again: %s', async ([_, fault]) => {
    let left = 1
    forge.fault = () => (left-- > 0 ? fault : undefined)
    expect(await taken(ownerOf('gitlab'))).toEqual(['log', 'old', 'secret', 'text'])
    expect(forge.requests).toHaveLength(2)
  })

  const lasting: Readonly<Record<string, readonly [(typeof kinds)[number], Faulty, RegExp]>> = {
    'has had enough for an hour': [
      'github',
      {
        status: 403,
        headers: {
          'x-ratelimit-remaining': '0',
          'x-ratelimit-reset': String(Math.round(Date.now() / 1000) + 3600),
        },
        body: { message: 'API rate limit exceeded for 203.0.113.7.' },
      },
      /asked too often.* until 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ, in \d\d min/,
    ],
    'has had enough until tomorrow': [
      'gitlab',
      { status: 429, headers: { 'retry-after': '86400' }, body: 'Retry later\n' },
      /in 1440 min/,
    ],
    'is out of order': ['gitea', { status: 500, body: { message: 'Internal' } }, /answers 500, 4 times/],
    'lets nobody in': ['gitlab', { status: 401, body: { message: '401 Unauthorized' } }, /answers 401/],
    'lets us not in': ['gitlab', { status: 403, body: { message: '403 Forbidden' } }, /answers 403/],
    'knows nobody': ['gitea', { status: 404, body: { message: 'Not found' } }, /answers 404/],
    'wants a login': ['gitlab', { status: 200, body: '<html>Sign in</html>' }, /no list of repositories/],
    'answers an object': ['gitlab', { status: 200, body: { message: 'hello' } }, /no list of repositories/],
    'answers nonsense': ['gitlab', { status: 200, body: [{ id: 1 }] }, /without a name/],
  }

  test.for(Object.entries(lasting))('that %s says so', async ([_, [kind, fault, says]]) => {
    forge.fault = () => fault
    const { message, hint = '' } = await failureOf(ownerOf(kind))
    expect(message).toMatch(says)
    expect(message + hint).not.toContain(forge.token)
  })

  test('that does not answer is given up', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const url = new URL(`http://127.0.0.1:${(silent.address() as AddressInfo).port}/`)
    try {
      await expect(readList(url, { headers: {}, timeoutMs: 50 })).rejects.toThrow(
        'it does not answer, 4 times',
      )
    } finally {
      silent.closeAllConnections()
      await new Promise((resolve) => silent.close(resolve))
    }
  })

  test('that is not there is told of', async () => {
    const gone = createServer()
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve))
    const gitea = { owner: 'acme', url: `http://127.0.0.1:${(gone.address() as AddressInfo).port}` }
    await new Promise((resolve) => gone.close(resolve))
    expect((await failureOf({ gitea })).message).toBe('the connection fails: ECONNREFUSED, 4 times')
  })

  test('that is out of order just for those without a token says nothing of what they see', async () => {
    const headers = { 'retry-after': '3600' }
    forge.fault = (_, authorization) =>
      authorization === undefined ? { status: 429, headers, body: 'Retry later\n' } : undefined
    expect((await failureOf(ownerOf('gitlab'), { access: 'public' })).message).toContain('asked too often')
  })

  test('stops when the run is stopped', async () => {
    const signal = AbortSignal.abort()
    await expect(taken(ownerOf('gitlab'), { signal })).rejects.toThrow('aborted')
  })

  test('the hint names the variable and what the token must be allowed', async () => {
    const env = { MODPRESS_TOKEN_127_0_0_1: 'a-bad-one' }
    const { hint } = await failureOf(ownerOf('gitlab'), { env })
    expect(hint).toMatch(/MODPRESS_TOKEN_127_0_0_1 to one that is allowed .*read_api/)
  })

  test("a GitLab job's token is not sent, since it cannot list", async () => {
    const env = { CI_JOB_TOKEN: 'job-token', CI_SERVER_HOST: '127.0.0.1' }
    const { hint } = await failureOf(ownerOf('gitlab', {}, 'nobody'), { env })
    expect(hint).toContain('CI_JOB_TOKEN cannot list groups')
    expect(forge.requests.join()).not.toContain('job-token')
  })
})
