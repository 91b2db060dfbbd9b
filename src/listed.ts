/**
 * The repositories that forges list, held against the configuration and what
 * the site holds: which are taken in, under which root, and what is said of
 * those that the site has and the list no longer, or not for everyone.
 *
 * What is published never suffers from a list: it stays whatever that says.
 * A list that cannot be had whole says nothing at all. All roots that the site
 * has and an entry may be about are known in any case, since whose a module
 * path is depends on them.
 *
 * @see docs/design/discovery.md
 */

import { importPathOf, isSameRepository } from './config/address.ts'
import type { Settings } from './config/schema.ts'
import { fitsTemplate } from './config/template.ts'
import type { FlowOptions } from './events.ts'
import { ForgeError } from './forge/api.ts'
import { cloneTemplate, type EntryRepository, type ForgeEntry, judgeRepositories } from './forge/choose.ts'
import { listOwner } from './forge/list.ts'
import { type Environment, redact } from './git/credentials.ts'
import { addressOf, type Candidate, isInPart } from './git/discover.ts'
import { manifestDirectory, rootOfShard, type Shard } from './manifest.ts'
import type { ModulePath } from './model.ts'
import { type Problem, problem } from './problem.ts'
import type { Store } from './store/store.ts'
import { readShard } from './survey.ts'

/** What a site holds already. */
export interface Holdings {
  readonly roots: readonly ModulePath[]
  read(root: ModulePath): Promise<Shard>
}

export interface Listed {
  /** To be cloned. */
  readonly candidates: readonly Candidate[]
  /** Roots of the site that the entries may be about, whatever has become of them. */
  readonly roots: readonly string[]
  /** Roots of the run's part whose repository is not to be had, or not alone, and why. */
  readonly absent: readonly Problem[]
  /** What is said of whole lists, and recorded nowhere. */
  readonly notices: readonly Problem[]
}

/** Returns what a store holds. */
export async function holdingsOf(store: Pick<Store, 'get' | 'list'>): Promise<Holdings> {
  const roots: ModulePath[] = []
  for await (const { path } of store.list(manifestDirectory)) {
    const root = rootOfShard(path)
    if (root !== undefined) roots.push(root)
  }
  return { roots, read: async (root) => (await readShard(store, { root })).shard }
}

/** Lists what the entries of the settings are about. What the configuration names itself goes before. */
export async function listRepositories(
  settings: Settings,
  named: readonly Candidate[],
  holdings: Holdings,
  options: FlowOptions & { readonly env: Environment },
): Promise<Listed> {
  const entries = settings.repositories.filter((each): each is ForgeEntry => each.forge !== undefined)
  const answers = await Promise.all(entries.map((entry) => askForge(settings, entry, options)))
  const free = answers.flatMap(({ found = [] }) => found).filter((each) => !isNamed(named, each))
  const { candidates, shared } = await shareOutRoots(
    free.filter(({ verdict }) => verdict === 'taken'),
    holdings,
  )
  const roots = holdings.roots.filter((root) => entries.some((entry) => fitsTemplate(entry.root, root)))
  const accounted = new Set([...named, ...candidates].map(({ root }) => root))
  for (const { repository = '' } of shared) accounted.add(repository)
  const unlisted = roots.filter((root) => !accounted.has(root) && isInPart(root, settings.part))
  const absent = await Promise.all(unlisted.map((root) => explainAbsence(root, answers, holdings)))
  const told = [...shared, ...absent.flatMap((each) => each ?? [])]
  const held = new Set<string>(holdings.roots)
  const hidden = free.filter(({ verdict, root }) => verdict === 'hidden' && !held.has(root))
  return {
    candidates,
    roots,
    absent: told.filter(({ repository = '' }) => isInPart(repository, settings.part)),
    notices: answers.flatMap(
      ({ entry, failure, found = [] }) =>
        failure ??
        tellHidden(
          entry,
          hidden.filter((each) => found.includes(each)),
        ),
    ),
  }
}

/** What a forge has answered: the whole list, or why there is none. */
interface Answer {
  readonly entry: ForgeEntry
  readonly found?: readonly EntryRepository[]
  readonly failure?: Problem
}

async function askForge(
  settings: Settings,
  entry: ForgeEntry,
  { env, signal, onEvent }: FlowOptions & { readonly env: Environment },
): Promise<Answer> {
  const { forge } = entry
  onEvent?.({ type: 'progress', step: 'clone', message: nameOf(entry) })
  try {
    const listed = await listOwner(forge, { env, access: settings.access, ...(signal && { signal }) })
    return { entry, found: judgeRepositories(entry, listed, settings) }
  } catch (error) {
    if (!(error instanceof ForgeError)) throw error
    const message = `${nameOf(entry)} could not be listed: ${redact(error.message, env)}.`
    return { entry, failure: problem('listing-failed', {}, message, error.hint) }
  }
}

function nameOf({ forge }: ForgeEntry): string {
  return `${forge.web}/${forge.owner}`
}

/** Tells whether the configuration names a repository itself, by its root or its address. */
function isNamed(named: readonly Candidate[], found: EntryRepository): boolean {
  return named.some((each) => {
    const address = each.dir === undefined ? addressOf(each) : each.settings.clone
    return each.root === found.root || (address !== undefined && isSameRepository(address, addressOf(found)))
  })
}

// ---- Roots ----

/** Gives each root to one repository. Of several, to the one that the site holds; else to none. */
async function shareOutRoots(
  taken: readonly EntryRepository[],
  holdings: Holdings,
): Promise<{ readonly candidates: readonly Candidate[]; readonly shared: readonly Problem[] }> {
  const byRoot = new Map<string, EntryRepository[]>()
  for (const each of taken) byRoot.set(each.root, [...(byRoot.get(each.root) ?? []), each])
  const held = new Set<string>(holdings.roots)
  const candidates: Candidate[] = []
  const shared: Problem[] = []
  for (const [root, all] of byRoot) {
    const [first, second] = all
    if (first === undefined) continue
    const isOne = all.every(({ settings }) =>
      isSameRepository(addressOf({ root, settings }), addressOf(first)),
    )
    if (second === undefined || isOne) {
      candidates.push(candidateOf(first))
      continue
    }
    const clone = held.has(root) ? (await holdings.read(root as ModulePath)).clone : undefined
    const owner = all.find((each) => clone !== undefined && isSameRepository(addressOf(each), clone))
    if (owner !== undefined) candidates.push(candidateOf(owner))
    const names = all.map((each) => addressOf(each)).sort()
    const outcome =
      owner === undefined ? 'None of them is taken in.' : `The site holds ${addressOf(owner)}, which goes on.`
    const message = `The root ${root} is that of ${names.length} repositories: ${names.join(', ')}. ${outcome}`
    shared.push(problem('root-shared', { repository: root }, message))
  }
  return { candidates, shared }
}

function candidateOf({ root, settings, listed }: EntryRepository): Candidate {
  return { root, settings, listed: listed.isArchived ? 'archived' : 'active' }
}

// ---- What is not taken in ----

/** Says why a root of the site is in no list, where it came from one that was read whole. */
async function explainAbsence(
  root: ModulePath,
  answers: readonly Answer[],
  holdings: Holdings,
): Promise<Problem | undefined> {
  const { clone, versions } = await holdings.read(root)
  if (clone === undefined || versions.size === 0) return undefined
  for (const { entry, found } of answers) {
    const isOfEntry = fitsTemplate(entry.root, root) && isOfOwner(entry, clone)
    if (found === undefined || !isOfEntry) continue
    const same = found.find((each) => isSameRepository(addressOf(each), clone))
    if (same?.verdict === 'unwanted' || same?.verdict === 'taken') return undefined
    const place = { repository: root }
    if (same === undefined) {
      const message = `${clone} is no longer listed at ${nameOf(entry)}. What is published of it stays.`
      return problem('repository-vanished', place, message)
    }
    const message = `${clone} can no longer be seen by everyone, as the site can. What is published of it stays.`
    return problem('repository-hidden', place, message)
  }
  return undefined
}

/** Tells whether an address may be one of those that an entry's repositories are cloned from. */
function isOfOwner(entry: ForgeEntry, clone: string): boolean {
  const [place, template] = [importPathOf(clone), importPathOf(cloneTemplate(entry))]
  return place !== undefined && template !== undefined && fitsTemplate(template, place)
}

/** Counts by visibility what is left out. Names stay out of the report, which in CI is often as public as the site. */
function tellHidden(entry: ForgeEntry, hidden: readonly EntryRepository[]): readonly Problem[] {
  if (hidden.length === 0) return []
  const counts = (['private', 'internal'] as const).flatMap((visibility) => {
    const { length } = hidden.filter(({ listed }) => listed.visibility === visibility)
    return length === 0 ? [] : [`${length} ${visibility}`]
  })
  const message = `Of ${nameOf(entry)} this site takes in what everyone can see; left out: ${counts.join(', ')}.`
  return [problem('repositories-left-out', {}, message)]
}
