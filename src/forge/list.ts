/**
 * Lists what an owner has on a forge, as a site may see it.
 *
 * A site that everyone can read takes in what everyone can read, and no forge
 * is believed alone: on servers of one's own "public" often means "for those
 * who are signed in". So what is listed with a token counts as public only if
 * it is in the list that the same server gives to nobody in particular.
 * github.com itself is believed, since it answers nobody more than 60 times an hour.
 */

import { isLoopback, parseAddress } from '../config/address.ts'
import type { ForgeSettings } from '../config/forge.ts'
import type { Settings } from '../config/schema.ts'
import { credentialsFor, type Environment } from '../git/credentials.ts'
import { type ApiOptions, ForgeError, readList, readObject } from './api.ts'
import { gitea } from './gitea.ts'
import { github, ownGithubList } from './github.ts'
import { gitlab } from './gitlab.ts'
import { type Forge, type Item, type ListedRepository, textOf } from './listed.ts'

export interface ListOptions extends Omit<ApiOptions, 'headers'> {
  /** Tokens are read from it. */
  readonly env: Environment
  readonly access: Settings['access']
}

const forges: Readonly<Record<ForgeSettings['kind'], Forge>> = { github, gitlab, gitea }

/** Returns all repositories of an owner, each once. Throws a ForgeError where the list cannot be had whole. */
export async function listOwner(
  owner: ForgeSettings,
  options: ListOptions,
): Promise<readonly ListedRepository[]> {
  const forge = forges[owner.kind]
  const token = tokenFor(owner, options.env)
  const nobody = { ...options, headers: forge.headers }
  if (token === undefined) return readRepositories(owner, await readFirst(owner, nobody, 'nobody'))
  const somebody = { ...options, headers: { ...forge.headers, Authorization: forge.authorize(token) } }
  const listed = readRepositories(owner, await readOwn(owner, somebody))
  if (options.access === 'private' || owner.web === 'https://github.com') return listed
  const open = new Set((await readOpen(owner, nobody)).map(({ id }) => id))
  return listed.map((each) =>
    each.visibility === 'public' && !open.has(each.id) ? { ...each, visibility: 'internal' } : each,
  )
}

/** A GitLab job's token reads repositories, and no lists. */
function tokenFor({ web }: ForgeSettings, env: Environment): string | undefined {
  const address = parseAddress(web)
  const credentials = address && credentialsFor(address, env)
  return credentials?.username === 'gitlab-ci-token' ? undefined : credentials?.password
}

/** Reads the first list that is there. */
async function readFirst(
  owner: ForgeSettings,
  options: ApiOptions,
  as: 'somebody' | 'nobody',
): Promise<readonly Item[]> {
  const { lists, scope } = forges[owner.kind]
  for (const list of lists(owner)) {
    try {
      return await readList(new URL(`${owner.api}${list}`), options)
    } catch (error) {
      if (!(error instanceof ForgeError)) throw error
      if (error.status !== 404) throw explain(error, owner, scope, as)
    }
  }
  throw explain(new ForgeError('it answers 404', { status: 404 }), owner, scope, as)
}

/** What is private of a person's is in no list but that of their own token. */
async function readOwn(owner: ForgeSettings, options: ApiOptions): Promise<readonly Item[]> {
  if (owner.kind === 'github' && owner.ownerKind === 'user' && (await isOneself(owner, options))) {
    return readList(new URL(`${owner.api}${ownGithubList}`), options)
  }
  return readFirst(owner, options, 'somebody')
}

async function isOneself({ api, owner }: ForgeSettings, options: ApiOptions): Promise<boolean> {
  try {
    const user = await readObject(new URL(`${api}/user`), options)
    return textOf(user, 'login')?.toLowerCase() === owner.toLowerCase()
  } catch (error) {
    // A job's token is nobody's. What else is wrong with a token shows when it is used.
    if (error instanceof ForgeError && (error.status === 401 || error.status === 403)) return false
    throw error
  }
}

/** Returns what the server shows to nobody in particular: nothing, where it does not even show the owner. */
async function readOpen(owner: ForgeSettings, options: ApiOptions): Promise<readonly ListedRepository[]> {
  try {
    return readRepositories(owner, await readFirst(owner, options, 'nobody'))
  } catch (error) {
    // A refusal, a login page: an answer that is none. What is out of order or busy is not one.
    const isAnswer = error instanceof ForgeError && error.status !== undefined && error.status !== 429
    if (isAnswer) return []
    throw error
  }
}

function readRepositories(owner: ForgeSettings, items: readonly Item[]): readonly ListedRepository[] {
  const { read } = forges[owner.kind]
  const prefix = `${owner.owner}/`.toLowerCase()
  const byId = new Map<string, ListedRepository>()
  const strangers: ListedRepository[] = []
  for (const item of items) {
    const found = read(item)
    if (found === undefined) {
      throw new ForgeError('its answer has a repository without a name or an address', {
        hint: 'Correct "url" in the configuration: another kind of server may be there.',
      })
    }
    if (found === 'none') continue
    // What somebody else owns and shares is theirs.
    if (!found.fullName.toLowerCase().startsWith(prefix)) strangers.push(found)
    else byId.set(found.id, { ...found, clone: usableAddress(owner, found) })
  }
  if (strangers.length > 0 && byId.size === 0) {
    const hint = `If ${owner.owner} was renamed, write the new name.`
    throw new ForgeError(`it lists repositories of others, and none of ${owner.owner}`, { hint })
  }
  return [...byId.values()]
}

/** A server that is not told its own name gives addresses that lead nowhere, or where nothing is protected. */
function usableAddress({ web }: ForgeSettings, { clone, fullName }: ListedRepository): string {
  const address = parseAddress(clone)
  const isSafe =
    address?.scheme === 'https' ||
    (address?.scheme === 'http' && isLoopback(address.host) && isLoopback(parseAddress(web)?.host ?? ''))
  return isSafe && address.user === undefined ? clone : `${web}/${fullName}.git`
}

/** Adds what is to be done to what went wrong. */
function explain(
  error: ForgeError,
  { kind, web, owner }: ForgeSettings,
  scope: string,
  as: 'somebody' | 'nobody',
): ForgeError {
  const { status, message } = error
  const variable = `MODPRESS_TOKEN_${new URL(web).hostname.toUpperCase().replaceAll(/[^A-Z\d]/g, '_')}`
  const set = `set ${variable} to one that is allowed ${scope}`
  const job = kind === 'gitlab' ? '; CI_JOB_TOKEN cannot list groups' : ''
  const withHint = (hint: string) => new ForgeError(message, { ...(status && { status }), hint })
  if (as === 'nobody' && (status === 401 || status === 403 || status === 404)) {
    return withHint(`Look whether ${owner} is right. Where a token is needed, ${set}${job}.`)
  }
  if (status === 401)
    return withHint(`The token for ${new URL(web).host} is not valid, or no longer: ${set}.`)
  if (status === 403) return withHint(`The token is not allowed to list ${owner}: ${set}.`)
  if (status === 404) return withHint(`Look whether ${owner} is right and the token may see it; else ${set}.`)
  return error
}
