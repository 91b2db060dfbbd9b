/**
 * Where credentials come from: real files, a real program, and real servers on
 * loopback ports. Every secret is a canary that no failure may tell.
 */

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { FatalError } from '../../src/problem.ts'
import { type Environment, loadAccess } from '../../src/store/credentials.ts'
import { makeDirectory } from '../support/repo.ts'
import { asOrdinaryUser } from '../support/user.ts'

const quick = { tries: 3, backoffMs: 1 }
const own = { AWS_ACCESS_KEY_ID: 'AKOWN', AWS_SECRET_ACCESS_KEY: 'canary-own' }

describe('the environment', () => {
  test('has keys, a region and an endpoint', async () => {
    const access = await loadAccess({
      ...own,
      AWS_SESSION_TOKEN: 'canary-token',
      AWS_DEFAULT_REGION: 'eu-west-1',
      AWS_ENDPOINT_URL: 'http://127.0.0.1:1/base/',
    })
    expect(access).toMatchObject({ region: 'eu-west-1', endpoint: 'http://127.0.0.1:1/base' })
    expect(await access.credentials()).toEqual({
      accessKeyId: 'AKOWN',
      secretAccessKey: 'canary-own',
      sessionToken: 'canary-token',
    })
  })

  test('says the more exact before the more general', async () => {
    const env = { ...own, AWS_DEFAULT_REGION: 'a', AWS_ENDPOINT_URL: 'http://127.0.0.1:1' }
    const exact = { AWS_REGION: 'b', AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:2' }
    expect(await loadAccess({ ...env, ...exact })).toMatchObject({
      region: 'b',
      endpoint: 'http://127.0.0.1:2',
    })
    expect(await loadAccess(own)).toMatchObject({ region: 'us-east-1' })
    expect(await loadAccess(own)).not.toHaveProperty('endpoint')
  })

  test('wins over a profile, whose region and endpoint count all the same', async () => {
    const home = makeHome({
      config: '[profile ci]\nregion = eu-north-1\nendpoint_url = http://127.0.0.1:3\n',
      credentials: '[ci]\naws_access_key_id = AKFILE\naws_secret_access_key = canary-file\n',
    })
    const access = await loadAccess({ ...own, ...home, AWS_PROFILE: 'ci' })
    expect(access).toMatchObject({ region: 'eu-north-1', endpoint: 'http://127.0.0.1:3' })
    expect(await access.credentials()).toMatchObject({ accessKeyId: 'AKOWN' })
  })

  test('without anything is told, with what to do', async () => {
    for (const env of [
      {},
      { HOME: makeDirectory() },
      { AWS_ACCESS_KEY_ID: 'AK' },
      { AWS_ACCESS_KEY_ID: '' },
    ]) {
      const { hint } = await failureOf(env)
      expect(hint).toContain('AWS_ACCESS_KEY_ID')
    }
  })

  test.for(['ftp://x', 'x', 'https://user:canary-password@x', 'https://x/?a=canary-query'])(
    'with the endpoint %s is refused',
    async (endpoint) => {
      await failureOf({ ...own, AWS_ENDPOINT_URL_S3: endpoint }, 'usage')
    },
  )
})

describe('a profile', () => {
  const credentials = `
; Comments, spaces and other sections do no harm.
[other]
aws_access_key_id = AKOTHER
aws_secret_access_key = canary-other
[default]
aws_access_key_id=AKDEFAULT
aws_secret_access_key = canary=default # a comment
  aws_session_token = canary-token
`
  test('is "default" where nothing else is asked for', async () => {
    const { credentials: load } = await loadAccess(
      makeHome({ credentials, config: '[default]\nregion = eu-west-3\ns3 =\n  addressing_style = path\n' }),
    )
    expect(await load()).toMatchObject({ accessKeyId: 'AKDEFAULT', secretAccessKey: 'canary=default' })
  })

  test('is the one that AWS_PROFILE names, in the files that are named', async () => {
    const dir = makeDirectory()
    writeFileSync(join(dir, 'c'), credentials)
    writeFileSync(
      join(dir, 'f'),
      '[profile other]\nregion=ap-south-1\nservices = mine\n[services mine]\ns3 =\n  endpoint_url = http://127.0.0.1:4\n',
    )
    const env = {
      AWS_PROFILE: 'other',
      AWS_SHARED_CREDENTIALS_FILE: join(dir, 'c'),
      AWS_CONFIG_FILE: join(dir, 'f'),
    }
    const access = await loadAccess(env)
    expect(access).toMatchObject({ region: 'ap-south-1', endpoint: 'http://127.0.0.1:4' })
    expect(await access.credentials()).toMatchObject({ accessKeyId: 'AKOTHER' })
  })

  test('that is not there is named', async () => {
    expect((await failureOf({ ...makeHome({ credentials }), AWS_PROFILE: 'absent' })).message).toContain(
      'absent',
    )
  })

  test('whose way is not known says so', async () => {
    const config =
      '[profile sso]\nsso_session = corporate\n[profile chain]\nrole_arn = r\nsource_profile = sso\n'
    for (const AWS_PROFILE of ['sso', 'chain']) {
      const { hint } = await failureOf({ ...makeHome({ config }), AWS_PROFILE })
      expect(hint).toContain('export-credentials')
    }
  })

  test('may name a program, which is run without a shell', async () => {
    const dir = makeDirectory()
    const program = join(dir, 'give me.mjs')
    const answer = { Version: 1, AccessKeyId: 'AKPROGRAM', SecretAccessKey: 'canary-program' }
    writeFileSync(program, `if (process.argv[2] === 'a $HOME') console.log('${JSON.stringify(answer)}')\n`)
    const command = `"${process.execPath}" "${program}" 'a $HOME'`
    const access = await loadAccess(makeHome({ config: `[default]\ncredential_process = ${command}\n` }))
    expect(await access.credentials()).toEqual({
      accessKeyId: 'AKPROGRAM',
      secretAccessKey: 'canary-program',
    })
  })

  test.for([
    ['console.error("canary-error"); console.log("canary-out"); process.exit(3)', 'failed: 3.'],
    ['console.log("canary-out")', 'is not JSON'],
    ['console.log(JSON.stringify({ Version: 1, AccessKeyId: "canary-id" }))', 'holds no keys'],
    ['console.log(JSON.stringify({ Version: 2 }))', 'no credentials of version 1'],
  ] as const)('whose program does %s is a failure without its output', async ([code, message]) => {
    const program = join(makeDirectory(), 'program.mjs')
    writeFileSync(program, code)
    const config = `[default]\ncredential_process = ${process.execPath} ${program}\n`
    expect((await failureOf(makeHome({ config }))).message).toContain(message)
  })

  test('whose program is not there is a failure', async () => {
    const config = '[default]\ncredential_process = /no/such/program\n'
    expect((await failureOf(makeHome({ config }))).message).toContain('ENOENT')
  })
})

describe('a web identity', () => {
  test('is exchanged for the credentials of a role, and again before they expire', async () => {
    const sts = await startServer(() => ({ status: 200, text: roleAnswer(`AK${sts.requests.length}`) }))
    const token = join(makeDirectory(), 'token')
    writeFileSync(token, 'canary-jwt-1\n')
    let now = Date.parse('2030-01-01T00:00:00Z')
    const access = await loadAccess(
      {
        AWS_WEB_IDENTITY_TOKEN_FILE: token,
        AWS_ROLE_ARN: 'arn:aws:iam::1:role/publisher',
        AWS_ROLE_SESSION_NAME: 'ci',
        AWS_ENDPOINT_URL_STS: sts.url,
        AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1',
      },
      { ...quick, now: () => now },
    )
    expect(access.endpoint).toBe('http://127.0.0.1:1')
    expect(await access.credentials()).toMatchObject({ accessKeyId: 'AK1', sessionToken: 'canary-<token>' })
    expect(Object.fromEntries(new URLSearchParams(sts.requests[0]?.body))).toEqual({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: 'arn:aws:iam::1:role/publisher',
      RoleSessionName: 'ci',
      WebIdentityToken: 'canary-jwt-1',
    })
    now += 54 * 60_000
    expect(await access.credentials()).toMatchObject({ accessKeyId: 'AK1' })
    expect(sts.requests).toHaveLength(1)

    now += 2 * 60_000
    writeFileSync(token, 'canary-jwt-2\n')
    const both = await Promise.all([access.credentials(), access.credentials()])
    expect(both.map(({ accessKeyId }) => accessKeyId)).toEqual(['AK2', 'AK2'])
    expect(sts.requests).toHaveLength(2)
    expect(sts.requests[1]?.body).toContain('canary-jwt-2')
    // The storage may know better.
    expect(await access.credentials(both[0])).toMatchObject({ accessKeyId: 'AK3' })
  })

  test('that cannot be exchanged for now does no harm while the old credentials last', async () => {
    let status = 200
    const sts = await startServer(() => ({ status, text: status === 200 ? roleAnswer('AK') : '' }))
    const token = join(makeDirectory(), 'token')
    writeFileSync(token, 'canary-jwt')
    let now = Date.parse('2030-01-01T00:00:00Z')
    const env = { AWS_WEB_IDENTITY_TOKEN_FILE: token, AWS_ROLE_ARN: 'role', AWS_ENDPOINT_URL: sts.url }
    const access = await loadAccess(env, { ...quick, now: () => now })
    status = 503
    now += 57 * 60_000
    expect(await access.credentials()).toMatchObject({ accessKeyId: 'AK' })
    now += 4 * 60_000
    await expect(access.credentials()).rejects.toThrow('503')
  })

  test('may be in a profile, and is asked for again where the server is too busy', async () => {
    const sts = await startServer(() =>
      sts.requests.length < 3 ? { status: 500, text: '' } : { status: 200, text: roleAnswer('AK') },
    )
    const token = join(makeDirectory(), 'token')
    writeFileSync(token, 'canary-jwt')
    const config = `[default]\nrole_arn = role\nweb_identity_token_file = ${token}\n`
    const access = await loadAccess({ ...makeHome({ config }), AWS_ENDPOINT_URL: sts.url }, quick)
    expect(await access.credentials()).toMatchObject({ accessKeyId: 'AK' })
    expect(sts.requests).toHaveLength(3)
    expect(sts.requests[0]?.body).toContain('RoleSessionName=modpress')
  })

  test('that is refused is told by the code alone', async () => {
    const sts = await startServer(() => ({
      status: 403,
      text: '<ErrorResponse><Error><Code>AccessDenied</Code><Message>canary-message</Message></Error></ErrorResponse>',
    }))
    const token = join(makeDirectory(), 'token')
    writeFileSync(token, 'canary-jwt')
    const env = { AWS_WEB_IDENTITY_TOKEN_FILE: token, AWS_ROLE_ARN: 'role', AWS_ENDPOINT_URL: sts.url }
    expect((await failureOf(env)).message).toBe('The role role cannot be assumed: 403 AccessDenied.')
    const absent = { ...env, AWS_WEB_IDENTITY_TOKEN_FILE: join(makeDirectory(), 'absent') }
    expect((await failureOf(absent)).message).toContain('ENOENT')
    await sts.close()
    expect((await failureOf(env)).message).toContain('ECONNREFUSED')
  })
})

describe('a container', () => {
  test('gives credentials to who has its token', async () => {
    const server = await startServer(({ headers }) =>
      headers.authorization === 'canary-container'
        ? {
            status: 200,
            text: JSON.stringify({
              AccessKeyId: 'AKPOD',
              SecretAccessKey: 'canary-pod',
              Token: 'canary-token',
              Expiration: '2030-01-01T00:00:00Z',
            }),
          }
        : { status: 401, text: 'canary-refusal' },
    )
    const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server.url}/v1/credentials` }
    const inFile = join(makeDirectory(), 'token')
    writeFileSync(inFile, 'canary-container\n')
    const ways: Environment[] = [
      { AWS_CONTAINER_AUTHORIZATION_TOKEN: 'canary-container' },
      { AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: inFile, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'canary-old' },
    ]
    for (const way of ways) {
      const access = await loadAccess({ ...env, ...way }, quick)
      expect(await access.credentials()).toEqual({
        accessKeyId: 'AKPOD',
        secretAccessKey: 'canary-pod',
        sessionToken: 'canary-token',
        expiresMs: Date.parse('2030-01-01T00:00:00Z'),
      })
    }
    expect((await failureOf(env)).message).toContain('status 401')
  })

  test.for(['http://example.com/c', 'file:///c', 'http://169.254.170.3/c', 'x'])(
    'is not asked at %s',
    async (url) => {
      const { message } = await failureOf({ AWS_CONTAINER_CREDENTIALS_FULL_URI: url })
      expect(message).toContain('nor one of this machine')
    },
  )
})

test('a file that may not be read is named', async () => {
  const home = makeHome({ credentials: '[default]\n' })
  chmodSync(join(home.HOME, '.aws/credentials'), 0)
  await asOrdinaryUser([home.HOME], async () => {
    expect((await failureOf(home)).message).toContain('EACCES')
  })
})

function makeHome(files: { readonly config?: string; readonly credentials?: string }): {
  readonly HOME: string
} {
  const HOME = makeDirectory()
  mkdirSync(join(HOME, '.aws'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(HOME, '.aws', name), text)
  return { HOME }
}

function roleAnswer(id: string): string {
  const fields = {
    AccessKeyId: id,
    SecretAccessKey: 'canary-role',
    SessionToken: 'canary-&lt;token&gt;',
    Expiration: '2030-01-01T01:00:00Z',
  }
  const elements = Object.entries(fields).map(([name, value]) => `<${name}>${value}</${name}>`)
  return `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>${elements.join('')}</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`
}

interface Recorded {
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

interface TestServer {
  readonly url: string
  readonly requests: Recorded[]
  close(): Promise<void>
}

async function startServer(
  answer: (request: Recorded) => { readonly status: number; readonly text: string },
): Promise<TestServer> {
  const requests: Recorded[] = []
  const server = createServer(async (message, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of message) chunks.push(chunk)
    const request = { headers: message.headers, body: Buffer.concat(chunks).toString() }
    requests.push(request)
    const { status, text } = answer(request)
    response.writeHead(status).end(text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  onTestFinished(close)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, close }
}

/** Returns the problem that ends loading, after a look at whether anything of it tells a secret. */
async function failureOf(
  env: Environment,
  code = 'credentials-missing',
): Promise<{ readonly message: string; readonly hint: string }> {
  const error = await loadAccess(env, quick).then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (!(error instanceof FatalError)) throw new Error('A FatalError was expected.', { cause: error })
  expect(error.problem.code).toBe(code)
  const all = [
    error.problem.message,
    error.problem.hint,
    error.stack,
    String(error.cause),
    JSON.stringify(error),
  ]
  expect(all.join('\n')).not.toContain('canary')
  return error.problem
}
