/**
 * Tokens: which one belongs to an address, how git gets it, and how it stays
 * out of everything else.
 *
 * Git asks for credentials through a helper that is named in the environment
 * and prints what is in the environment: nothing is in an argument, on disk
 * or in a clone's configuration. Git itself then sees to it that they go to
 * their own host only, redirects included, which an extra header would not.
 * The list of helpers is emptied before, for that host alone: a helper that
 * stores what worked would write the token down.
 */

import { type Address, isLoopback } from '../config/address.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface Credentials {
  readonly username: string
  readonly password: string
}

/** Returns the user's or the CI job's token for the host of an address, where it can be sent safely. */
export function credentialsFor(address: Address, env: Environment): Credentials | undefined {
  const { scheme, host } = address
  if (scheme !== 'https' && !(scheme === 'http' && isLoopback(host))) return undefined
  const own = usable(env[`MODPRESS_TOKEN_${host.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`])
  if (own !== undefined) return split(own, defaultUser(host))
  const github = usable(env['GITHUB_TOKEN'])
  // The token of a job on a server of one's own is nothing that github.com should see.
  if (github !== undefined && host === (hostOf(env['GITHUB_SERVER_URL']) ?? 'github.com')) {
    return { username: 'x-access-token', password: github }
  }
  const gitlab = usable(env['CI_JOB_TOKEN'])
  const gitlabHost = env['CI_SERVER_HOST']?.toLowerCase()
  if (gitlab !== undefined && host === gitlabHost) return { username: 'gitlab-ci-token', password: gitlab }
  return undefined
}

/** A token that came from a file ends in a newline; one with a control character inside would end the helper's line. */
function usable(token: string | undefined): string | undefined {
  const trimmed = token?.trim() ?? ''
  return trimmed === '' || /\p{Cc}/u.test(trimmed) ? undefined : trimmed
}

/** "user:password" is taken as both, for hosts that care who asks. */
function split(token: string, user: string): Credentials {
  const colon = token.indexOf(':')
  if (colon <= 0) return { username: user, password: token }
  return { username: token.slice(0, colon), password: token.slice(colon + 1) }
}

function defaultUser(host: string): string {
  if (host === 'github.com') return 'x-access-token'
  if (host === 'bitbucket.org') return 'x-token-auth'
  return 'oauth2'
}

function hostOf(url: string | undefined): string | undefined {
  return url !== undefined && URL.canParse(url) ? new URL(url).hostname.toLowerCase() : undefined
}

/** Returns git's environment for one address: the caller's, without what would leak, prompt or run other things. */
export function gitEnvironment(address: Address, env: Environment, ceiling: string): Record<string, string> {
  const kept = Object.entries(env).filter(([name, value]) => value !== undefined && !isLeftOut(name))
  const credentials = credentialsFor(address, env)
  return {
    ...(Object.fromEntries(kept) as Record<string, string>),
    GIT_ALLOW_PROTOCOL: isLoopback(address.host) ? 'https:ssh:file:http' : 'https:ssh:file',
    GIT_TERMINAL_PROMPT: '0',
    GIT_CEILING_DIRECTORIES: ceiling,
    GIT_HTTP_LOW_SPEED_LIMIT: env['GIT_HTTP_LOW_SPEED_LIMIT'] ?? '1',
    GIT_HTTP_LOW_SPEED_TIME: env['GIT_HTTP_LOW_SPEED_TIME'] ?? '300',
    GCM_INTERACTIVE: env['GCM_INTERACTIVE'] ?? 'never',
    GIT_DEFAULT_REF_FORMAT: 'files',
    LC_ALL: 'C',
    ...(credentials === undefined ? {} : helperEnvironment(address, credentials, env)),
  }
}

/** What a caller's shell or hook may have set for another repository, traces that show headers, and prompts. */
const leftOut = [
  /^GIT_(DIR|COMMON_DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|NAMESPACE|PREFIX)$/,
  /^GIT_(SHALLOW_FILE|GRAFT_FILE|REPLACE_REF_BASE|QUARANTINE_PATH|PROTOCOL|EXTERNAL_DIFF|TEMPLATE_DIR)$/,
  /^GIT_(CURL_VERBOSE|TRACE.*)$/,
  /^(SSH_ASKPASS.*|MODPRESS_.*|LC_.*|LANG|LANGUAGE)$/,
]

function isLeftOut(name: string): boolean {
  return leftOut.some((pattern) => pattern.test(name))
}

const helper = `!f() { test "$1" = get && printf 'username=%s\\npassword=%s\\n' "$MODPRESS_GIT_USER" "$MODPRESS_GIT_PASSWORD"; }; f`

function helperEnvironment(
  { scheme, host, port }: Address,
  { username, password }: Credentials,
  env: Environment,
): Record<string, string> {
  const key = `credential.${scheme}://${host}${port === undefined ? '' : `:${port}`}.helper`
  const given = Number(env['GIT_CONFIG_COUNT'] ?? 0)
  const count = Number.isSafeInteger(given) && given > 0 ? given : 0
  return {
    GIT_CONFIG_COUNT: String(count + 2),
    [`GIT_CONFIG_KEY_${count}`]: key,
    [`GIT_CONFIG_VALUE_${count}`]: '',
    [`GIT_CONFIG_KEY_${count + 1}`]: key,
    [`GIT_CONFIG_VALUE_${count + 1}`]: helper,
    MODPRESS_GIT_USER: username,
    MODPRESS_GIT_PASSWORD: password,
  }
}

/** Returns a text of git's or of a server's as one line that can be shown: without users, tokens and tricks. */
export function redact(text: string, env: Environment): string {
  const secrets = Object.entries(env)
    .filter(([name]) => /TOKEN|PASSWORD|SECRET|CREDENTIAL/i.test(name))
    .flatMap(([, value = '']) => [value, value.trim(), value.slice(value.indexOf(':') + 1).trim()])
    .filter((value) => value.length >= 4)
    .flatMap((value) => [value, encodeURIComponent(value), Buffer.from(value).toString('base64')])
    .sort((a, b) => b.length - a.length)
  const masked = secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text)
  return masked
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/)[^/@\s]*@/gi, '$1')
    .split(/[\r\n]+/)
    .map((line) => line.replaceAll(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, '').trim())
    .filter((line) => line !== '')
    .join('; ')
    .slice(0, 2000)
}
