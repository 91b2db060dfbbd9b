/**
 * Who we are for an object storage, and where it is, by the conventions that
 * all tools for S3 share: variables of the environment, the two files below
 * ~/.aws, a web identity that is exchanged for a role's credentials, and the
 * credentials that a container is given. Single sign-on, chains of roles and
 * the metadata service of virtual machines are left out: for those, a
 * credential_process or the AWS CLI's `export-credentials` gives what is needed.
 *
 * The order is AWS's own: the keys of the environment, its web identity, the
 * profile, the container. What expires is fetched again before it does, or when
 * the storage says that it has.
 *
 * No secret enters a message: not a key, nor a token, nor what a program or a
 * server answered.
 *
 * This file is long because it is a table of places, with a function for each.
 *
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
 */

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FatalError, problem } from '../problem.ts'
import { codeOf } from './directory.ts'
import { findElement } from './listing.ts'
import { pause, type RetryOptions, resolveRetries } from './retry.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  /** When they expire, in milliseconds since 1970. Absent where they do not. */
  readonly expiresMs?: number
}

/** How a storage is reached. */
export interface Access {
  readonly region: string
  /** Where the storage is, without a "/" at the end. Absent: at AWS. */
  readonly endpoint?: string
  /** Returns credentials that are valid now. Those that the storage has rejected as expired are fetched anew. */
  credentials(rejected?: Credentials): Promise<Credentials>
}

export interface AccessOptions extends RetryOptions {
  /** The clock. @default Date.now */
  readonly now?: () => number
}

/**
 * Finds the region, the endpoint and the credentials that an environment asks for. Throws a FatalError
 * 'credentials-missing' where there are none, or they cannot be had.
 *
 * @example const { region } = await loadAccess({ AWS_PROFILE: 'publisher', HOME: '/home/me' })
 */
export async function loadAccess(env: Environment, options: AccessOptions = {}): Promise<Access> {
  const profile = await readProfile(env)
  const region =
    variable(env, 'AWS_REGION') ?? variable(env, 'AWS_DEFAULT_REGION') ?? profile?.values['region']
  const endpoint =
    variable(env, 'AWS_ENDPOINT_URL_S3') ??
    variable(env, 'AWS_ENDPOINT_URL') ??
    profile?.s3Endpoint ??
    profile?.values['endpoint_url']
  const known = {
    region: region ?? 'us-east-1',
    ...(endpoint === undefined ? {} : { endpoint: checkEndpoint(endpoint) }),
  }
  const source = findSource(env, profile, known.region, options)
  if (source === undefined)
    throw missing('There are no credentials for the object storage in the environment or in a profile.')
  const kept = keepFresh(source, options.now ?? Date.now)
  await kept()
  return { ...known, credentials: kept }
}

/** Fetches credentials. */
type Source = () => Promise<Credentials>

/** Credentials are fetched again this long before they expire: a request and its retries may take a while. */
const marginMs = 5 * 60_000

function keepFresh(source: Source, now: () => number): Access['credentials'] {
  let current: Credentials | undefined
  let fetching: Promise<Credentials> | undefined
  const fetchOnce = (): Promise<Credentials> => {
    fetching ??= source().finally(() => {
      fetching = undefined
    })
    return fetching
  }
  return async (rejected) => {
    const { expiresMs = Number.POSITIVE_INFINITY } = current ?? {}
    if (current !== undefined && current !== rejected && now() < expiresMs - marginMs) return current
    try {
      current = await fetchOnce()
    } catch (cause) {
      // For the last minutes the old ones are as good.
      if (current === undefined || current === rejected || now() >= expiresMs) throw cause
    }
    return current
  }
}

function findSource(
  env: Environment,
  profile: Profile | undefined,
  region: string,
  options: AccessOptions,
): Source | undefined {
  const own = staticSource({
    id: variable(env, 'AWS_ACCESS_KEY_ID'),
    secret: variable(env, 'AWS_SECRET_ACCESS_KEY'),
    token: variable(env, 'AWS_SESSION_TOKEN'),
  })
  if (own !== undefined) return own
  const tokenFile = variable(env, 'AWS_WEB_IDENTITY_TOKEN_FILE')
  const role = variable(env, 'AWS_ROLE_ARN')
  if (tokenFile !== undefined && role !== undefined) {
    const session = variable(env, 'AWS_ROLE_SESSION_NAME')
    return () => assumeRole({ tokenFile, role, session }, env, region, options)
  }
  return findProfileSource(env, profile, region, options) ?? findContainerSource(env, options)
}

function findProfileSource(
  env: Environment,
  profile: Profile | undefined,
  region: string,
  options: AccessOptions,
): Source | undefined {
  if (profile === undefined) return undefined
  const { name, values } = profile
  const role = values['role_arn']
  const tokenFile = values['web_identity_token_file']
  if (role !== undefined && tokenFile !== undefined) {
    return () => assumeRole({ tokenFile, role, session: values['role_session_name'] }, env, region, options)
  }
  const own = staticSource({
    id: values['aws_access_key_id'],
    secret: values['aws_secret_access_key'],
    token: values['aws_session_token'],
  })
  if (own !== undefined) return own
  const command = values['credential_process']
  if (command !== undefined) return () => runProcess(command, name, env)
  if (role !== undefined || values['sso_session'] !== undefined || values['sso_start_url'] !== undefined) {
    throw missing(
      `The profile ${name} gets its credentials in a way that modpress does not know.`,
      `Let the AWS CLI fetch them: eval "$(aws configure export-credentials --profile ${name} --format env)".`,
    )
  }
  return undefined
}

function staticSource(keys: {
  readonly id: string | undefined
  readonly secret: string | undefined
  readonly token: string | undefined
}): Source | undefined {
  const { id, secret, token } = keys
  if (id === undefined || secret === undefined) return undefined
  const credentials = {
    accessKeyId: id,
    secretAccessKey: secret,
    ...(token === undefined ? {} : { sessionToken: token }),
  }
  return async () => credentials
}

interface Profile {
  readonly name: string
  readonly values: Readonly<Record<string, string>>
  /** Of the profile's "services" section. */
  readonly s3Endpoint?: string
}

/** Reads the profile that the environment names, or "default", from both files. The file of credentials wins. */
async function readProfile(env: Environment): Promise<Profile | undefined> {
  const home = variable(env, 'HOME') ?? variable(env, 'USERPROFILE')
  const place = (name: string): string | undefined =>
    home === undefined ? undefined : join(home, '.aws', name)
  const config = await readSections(variable(env, 'AWS_CONFIG_FILE') ?? place('config'))
  const secrets = await readSections(variable(env, 'AWS_SHARED_CREDENTIALS_FILE') ?? place('credentials'))
  const asked = variable(env, 'AWS_PROFILE')
  const name = asked ?? 'default'
  const inConfig = config.get(`profile ${name}`) ?? (name === 'default' ? config.get(name) : undefined)
  const inSecrets = secrets.get(name)
  if (inConfig === undefined && inSecrets === undefined) {
    if (asked === undefined || variable(env, 'AWS_ACCESS_KEY_ID') !== undefined) return undefined
    throw missing(
      `There is no profile ${name}, which AWS_PROFILE names.`,
      'Correct AWS_PROFILE, or add the profile to ~/.aws/config.',
    )
  }
  const values = { ...inConfig, ...inSecrets }
  const s3Endpoint = config.get(`services ${values['services']}`)?.['s3.endpoint_url']
  return { name, values, ...(s3Endpoint === undefined ? {} : { s3Endpoint }) }
}

type Sections = ReadonlyMap<string, Readonly<Record<string, string>>>

async function readSections(file: string | undefined): Promise<Sections> {
  if (file === undefined) return new Map()
  try {
    return parseSections(await readFile(file, 'utf8'))
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(codeOf(cause) ?? '')) return new Map()
    throw missing(`${file} cannot be read: ${codeOf(cause)}.`, 'Check the permissions of the file.', cause)
  }
}

/** Reads "[section]" and "key = value" lines. An indented line belongs to the key above it: "s3.endpoint_url". */
function parseSections(text: string): Sections {
  const sections = new Map<string, Record<string, string>>()
  let section: Record<string, string> | undefined
  let parent = ''
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*(?:[#;]|$)/.test(line)) continue
    const [, header] = /^\[\s*([^\]]+?)\s*\]/.exec(line) ?? []
    if (header !== undefined) {
      const name = header.replaceAll(/\s+/g, ' ')
      section = sections.get(name) ?? {}
      sections.set(name, section)
      continue
    }
    const [, indent = '', key = '', value = ''] =
      /^(\s*)([^=\s]+)\s*=\s*(.*?)(?:\s+[#;].*)?\s*$/.exec(line) ?? []
    if (section === undefined || key === '') continue
    const isNested = indent !== '' && parent !== ''
    if (!isNested) parent = key.toLowerCase()
    section[isNested ? `${parent}.${key.toLowerCase()}` : key.toLowerCase()] = value
  }
  return sections
}

interface RoleByToken {
  readonly tokenFile: string
  readonly role: string
  readonly session: string | undefined
}

/** Exchanges the token of a file, read anew each time, for the credentials of a role. */
async function assumeRole(
  { tokenFile, role, session }: RoleByToken,
  env: Environment,
  region: string,
  options: AccessOptions,
): Promise<Credentials> {
  const endpoint = checkEndpoint(
    variable(env, 'AWS_ENDPOINT_URL_STS') ??
      variable(env, 'AWS_ENDPOINT_URL') ??
      `https://sts.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`,
  )
  const form = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role,
    RoleSessionName: session ?? 'modpress',
    WebIdentityToken: await readToken(tokenFile),
  })
  const what = `The role ${role} cannot be assumed`
  const { status, text } = await ask(`${endpoint}/`, { method: 'POST', body: form }, what, options)
  if (status !== 200) {
    throw missing(
      `${what}: ${status} ${findElement(text, 'Code') ?? ''}`.trimEnd().concat('.'),
      "Let the role's trust policy allow this token's issuer, audience and subject.",
    )
  }
  return readCredentials(
    {
      AccessKeyId: findElement(text, 'AccessKeyId'),
      SecretAccessKey: findElement(text, 'SecretAccessKey'),
      SessionToken: findElement(text, 'SessionToken'),
      Expiration: findElement(text, 'Expiration'),
    },
    what,
  )
}

function findContainerSource(env: Environment, options: AccessOptions): Source | undefined {
  const relative = variable(env, 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI')
  const full = variable(env, 'AWS_CONTAINER_CREDENTIALS_FULL_URI')
  const url = relative === undefined ? full : `http://169.254.170.2${relative}`
  if (url === undefined) return undefined
  if (!isContainerAddress(url)) {
    throw missing(
      'AWS_CONTAINER_CREDENTIALS_FULL_URI is neither an https address nor one of this machine.',
      'Correct AWS_CONTAINER_CREDENTIALS_FULL_URI.',
    )
  }
  const what = "The container's credentials cannot be had"
  return async () => {
    const file = variable(env, 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE')
    const token =
      file === undefined ? variable(env, 'AWS_CONTAINER_AUTHORIZATION_TOKEN') : await readToken(file)
    const headers = token === undefined ? {} : { authorization: token }
    const { status, text } = await ask(url, { headers }, what, options)
    if (status !== 200) throw missing(`${what}: status ${status}.`)
    const { Token, ...answer } = parseAnswer(text, what)
    return readCredentials({ ...answer, SessionToken: Token }, what)
  }
}

/** Plain http is for addresses that cannot leave the machine. */
function isContainerAddress(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, hostname } = new URL(url)
  const isNear = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\]|169\.254\.170\.(?:2|23)|\[fd00:ec2::23\])$/.test(
    hostname,
  )
  return protocol === 'https:' || (protocol === 'http:' && isNear)
}

/** Runs a profile's program, without a shell. */
async function runProcess(command: string, profile: string, env: Environment): Promise<Credentials> {
  const what = `The credential_process of the profile ${profile} failed`
  const words = Array.from(command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g), ([, a, b, c]) => a ?? b ?? c ?? '')
  const [file = '', ...args] = words
  const output = await new Promise<string>((resolve, reject) => {
    const limits = { timeout: 60_000, maxBuffer: 1024 * 1024 }
    execFile(file, args, { env: { ...env }, windowsHide: true, ...limits }, (cause, stdout) => {
      // The cause holds what the program printed: it is left out.
      if (cause === null) resolve(stdout)
      else
        reject(
          missing(
            `${what}: ${cause.code ?? cause.signal ?? 'no result'}.`,
            `Run it by hand: it is in ~/.aws/config.`,
          ),
        )
    })
  })
  const answer = parseAnswer(output, what)
  if (answer['Version'] !== 1) throw missing(`${what}: it printed no credentials of version 1.`)
  return readCredentials(answer, what)
}

function parseAnswer(text: string, what: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // A syntax error quotes the text.
  }
  throw missing(`${what}: the answer is not JSON.`)
}

function readCredentials(answer: Readonly<Record<string, unknown>>, what: string): Credentials {
  const { AccessKeyId: id, SecretAccessKey: secret, SessionToken: token, Expiration: expiration } = answer
  const own = typeof id === 'string' && typeof secret === 'string' && id !== '' && secret !== ''
  if (!own) throw missing(`${what}: the answer holds no keys.`)
  const expiresMs = typeof expiration === 'string' ? Date.parse(expiration) : Number.NaN
  return {
    accessKeyId: id,
    secretAccessKey: secret,
    ...(typeof token === 'string' && token !== '' ? { sessionToken: token } : {}),
    ...(Number.isNaN(expiresMs) ? {} : { expiresMs }),
  }
}

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    throw missing(
      `The token in ${file} cannot be read: ${codeOf(cause)}.`,
      'Check the path and its permissions.',
      cause,
    )
  }
}

const timeoutMs = 10_000

/** Asks a server for credentials, some times where it is not there or too busy. */
async function ask(
  url: string,
  request: RequestInit,
  what: string,
  options: AccessOptions,
): Promise<{ readonly status: number; readonly text: string }> {
  const { tries, backoffMs } = resolveRetries(options)
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await fetch(url, {
        ...request,
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMs),
      })
      const text = await response.text()
      const isBusy = response.status >= 500 || response.status === 429
      if (!isBusy || attempt >= tries) return { status: response.status, text }
    } catch (cause) {
      const { cause: reason = cause } = Object(cause) as { readonly cause?: unknown }
      if (attempt >= tries) {
        throw missing(`${what}: ${new URL(url).host} does not answer (${codeOf(reason) ?? 'no answer'}).`)
      }
    }
    await pause(attempt, backoffMs)
  }
}

/** Returns an address without "/" at its end. One that holds a password would show it in messages. */
function checkEndpoint(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const isPlain =
    parsed !== undefined &&
    /^https?:$/.test(parsed.protocol) &&
    parsed.username + parsed.password + parsed.search + parsed.hash === ''
  if (isPlain) return url.replace(/\/+$/, '')
  throw new FatalError(
    problem(
      'usage',
      {},
      'The endpoint of the object storage is no http or https address without user, query and fragment.',
      'Correct AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or endpoint_url in the profile.',
    ),
  )
}

function variable(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim()
  return value === '' ? undefined : value
}

function missing(message: string, hint?: string, cause?: unknown): FatalError {
  return new FatalError(problem('credentials-missing', {}, message, hint), { cause })
}
