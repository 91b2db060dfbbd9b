/**
 * Who a live site is read as: the user in its address, else MODPRESS_AUTH,
 * else .netrc, which is read as the go command reads it. What is found goes to
 * the host of that address only (http.ts), over https or within this machine,
 * and is never shown.
 *
 * @see cmd/go/internal/auth, netrc.go and loadCredential
 */

import { readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { isLoopback } from '../config/address.ts'
import { FatalError, problem } from '../problem.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Returns the Authorization header for an address; undefined where nobody is named. */
export async function authorizationFor(url: URL, env: Environment): Promise<string | undefined> {
  const isSafe = url.protocol === 'https:' || isLoopback(url.hostname)
  const given = ofAddress(url) ?? ofVariable(env['MODPRESS_AUTH'])
  if (given !== undefined) {
    if (isSafe) return given
    throw usage('Credentials are not sent over http, which others can read.', 'Use https.')
  }
  // Go sends them over https only.
  if (!isSafe) return undefined
  const line = findLine(parseNetrc(await readNetrc(env)), url)
  return line === undefined ? undefined : basic(line.login, line.password)
}

function ofAddress({ username, password }: URL): string | undefined {
  return username === '' && password === '' ? undefined : basic(decode(username), decode(password))
}

/** "user:password", or all that comes after "Authorization:", such as "Bearer …". */
function ofVariable(text = ''): string | undefined {
  const value = text.trim()
  if (value === '') return undefined
  const hint = 'Set it to USER:PASSWORD, or to a whole value of the header, such as "Bearer TOKEN".'
  if (/\p{Cc}/u.test(value)) throw usage('MODPRESS_AUTH has a control character.', hint)
  if (/^[\w!#$%&'*+.^`|~-]+ +\S/.test(value)) {
    if (/^[ -~]+$/.test(value)) return value
    throw usage('MODPRESS_AUTH has a character that no header can have.', hint)
  }
  const colon = value.indexOf(':')
  if (colon > 0) return basic(value.slice(0, colon), value.slice(colon + 1))
  throw usage('MODPRESS_AUTH is neither USER:PASSWORD nor a value of the header Authorization.', hint)
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

// ---- .netrc ----

export interface NetrcLine {
  readonly machine: string
  readonly login: string
  readonly password: string
}

/** Returns the lines of a .netrc that go would use: those with a login and a password. "default" is none. */
export function parseNetrc(text: string): NetrcLine[] {
  const lines: NetrcLine[] = []
  let line = { machine: '', login: '', password: '' }
  let inMacro = false
  for (const row of text.split('\n')) {
    if (inMacro) {
      inMacro = row !== ''
      continue
    }
    const fields = row.split(/\s+/).filter((field) => field !== '')
    let at = 0
    for (; at < fields.length - 1; at += 2) {
      const value = fields[at + 1] ?? ''
      if (fields[at] === 'machine') line = { machine: value, login: '', password: '' }
      else if (fields[at] === 'login') line.login = value
      else if (fields[at] === 'password') line.password = value
      else if (fields[at] === 'macdef') inMacro = true
      if (line.machine !== '' && line.login !== '' && line.password !== '') {
        lines.push(line)
        line = { machine: '', login: '', password: '' }
      }
    }
    if (fields[at] === 'default') break
  }
  return lines
}

/** Finds the line of an address, or of the nearest path above it: "host/a/b", "host/a", "host", with the port if any. */
function findLine(lines: readonly NetrcLine[], { host, pathname }: URL): NetrcLine | undefined {
  for (let prefix = `${host}${pathname}`.replace(/\/$/, ''); ; ) {
    const found = lines.find(({ machine }) => machine.replace(/\/$/, '') === prefix)
    const slash = prefix.lastIndexOf('/')
    if (found !== undefined || slash < 0) return found
    prefix = prefix.slice(0, slash)
  }
}

/** Returns the text of .netrc, "" where there is none. */
export async function readNetrc(env: Environment): Promise<string> {
  const path = await findNetrc(env)
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    if (code === 'ENOENT' || code === 'ENOTDIR') return ''
    throw usage(`${path} cannot be read: ${code}.`, 'Make it readable, or set NETRC to another file.')
  }
}

async function findNetrc(env: Environment): Promise<string> {
  const named = env['NETRC']
  if (named !== undefined && named !== '') return named
  const isWindows = process.platform === 'win32'
  const home = env[isWindows ? 'USERPROFILE' : 'HOME'] || homedir()
  if (isWindows) {
    const legacy = join(home, '_netrc')
    if ((await stat(legacy).catch(() => undefined)) !== undefined) return legacy
  }
  return join(home, '.netrc')
}

function usage(message: string, hint: string): FatalError {
  return new FatalError(problem('usage', {}, message, hint))
}
