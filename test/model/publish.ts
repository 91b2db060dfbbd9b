/**
 * The order of writing, as a model: what publishers and withdrawers ask of the
 * store, one request at a time, and what must be true of the site in every
 * state on the way. explore.ts runs it in every order.
 *
 * The model knows one repository. A version is "a1": the first of module a. Its
 * three files hold the hash that they were made with, "x", so that publishers
 * can disagree about it. The shard is "unsettled a1=x a2=x -a2": two lines,
 * and a tombstone for a2. Of a module it has three derived files: list,
 * latest, and the record, which also stands for the pages.
 *
 * `rules` are those of docs/design/publishing.md; each may be broken, to see
 * what it is there for.
 *
 * Pure.
 */

import {
  type Actor,
  type Answer,
  type Cell,
  end,
  type Request,
  type Seen,
  type Site,
  type Step,
} from './explore.ts'

export interface Rules {
  /** What is asked before a derived file is put, and in which order. */
  readonly guard: 'tag, shard, put' | 'shard, tag, put' | 'tag, put'
  /** What is done about a derived file that has the right bytes already. */
  readonly same: 'leave it' | 'put it'
  /** Derived files count the tombstones of their module, so that they never have the bytes again that they had before one. */
  readonly fence: 'tombstones' | 'none'
  /** Where a module's record is written; asked, a record that is right says that the other files are, too. */
  readonly record: 'last' | 'last, and asked' | 'first, and asked'
  readonly settle: 'if-match' | 'if it seems unchanged' | 'always' | 'merge'
  /** What is done when the shard has changed meanwhile, and is settled. */
  readonly restart: 'always' | 'unless it is settled'
  readonly withdraw: 'tombstone, derive, delete' | 'tombstone, delete, derive' | 'delete, tombstone, derive'
  /** In which order a version's files are written. */
  readonly version: 'zip, mod, info' | 'info, zip, mod'
  /** Who sees to it that the files of a tombstone are gone; whoever settles, and who may have written them himself. */
  readonly sweep: 'every run' | 'whoever settles' | 'whoever withdraws'
  /** How the files of a version are withdrawn. */
  readonly withdrawn: 'delete' | 'overwrite'
  /** How a derived file goes that has nothing more to say: @latest, when no version is left. */
  readonly empty: 'overwrite' | 'delete' | 'delete if-match' | 'delete, then look at the shard'
}

export const rules: Rules = {
  version: 'zip, mod, info',
  guard: 'tag, shard, put',
  same: 'leave it',
  fence: 'tombstones',
  record: 'last',
  settle: 'if-match',
  restart: 'always',
  withdraw: 'tombstone, derive, delete',
  sweep: 'every run',
  withdrawn: 'delete',
  empty: 'overwrite',
}

type Work = Generator<Request, Step, Answer>

const shardFile = 'shard'
const derivedFiles = ['list', 'latest', 'record'] as const
const versionFiles = ['zip', 'mod', 'info'] as const

// ---- Programs ----

export interface Programs {
  /** Publishes versions, each with the hash that its own clone gives: { a1: 'x' }. */
  publisher(name: string, versions?: Readonly<Record<string, string>>, mode?: 'reopen'): Actor
  withdrawer(name: string, version: string): Actor
}

/** Returns the programs as they are under some rules. */
export function programsUnder(rules: Rules, versions: readonly string[]): Programs {
  const modules = modulesOf(versions)
  const files = rules.record === 'first, and asked' ? derivedFiles.toReversed() : derivedFiles
  const derived = modules.flatMap((module) => files.map((file) => `${module}/${file}`))

  // -- A publisher writes version files, then their lines, and then finishes the work. --

  /** Reads what is known, so that only what is new is pressed. */
  const survey = (own: Own): Step => ({
    name: 'survey',
    knows: [],
    *run(): Work {
      const shard = yield* get(shardFile)
      return version(own, parseShard(shard.body), 0, [])
    },
  })

  const version = (own: Own, known: Shard, index: number, held: readonly string[]): Step => {
    const name = Object.keys(own.versions)[index]
    if (name === undefined) return record(own, held)
    const h1 = own.versions[name] ?? ''
    const line = known.lines.get(name)
    const next = (outcome: 'held' | 'given up') =>
      version(own, known, index + 1, outcome === 'held' ? [...held, name] : held)
    if (known.tombstones.has(name)) return next('held')
    if (line !== undefined) return next(line === h1 ? 'held' : 'given up')
    const again = () => version(own, known, index, held)
    return {
      name: 'version',
      knows: [index, formatShard(known), ...held],
      *run(): Work {
        if (rules.version === 'info, zip, mod') yield { do: 'create', path: `${name}.info`, body: h1 }
        // The zip's create decides a race. Who loses it with another hash writes nothing more of the version.
        for (const extension of ['zip', 'mod']) {
          const path = `${name}.${extension}`
          if ((yield { do: 'create', path, body: h1 }) !== 'conflict') continue
          const there = yield* get(path)
          if (there.body === undefined) return again()
          if (there.body !== h1) return next('given up')
        }
        // A line is written from what the store holds: an info that is there is as good as one's own.
        yield { do: 'create', path: `${name}.info`, body: h1 }
        return next('held')
      },
    }
  }

  /** Puts the lines into the shard. Whoever finds it unsettled finishes the work, with new lines or without. */
  const record = (own: Own, held: readonly string[]): Step => ({
    name: 'record',
    knows: held,
    *run(): Work {
      const before = yield* get(shardFile)
      const shard = parseShard(before.body)
      const added = held.filter((name) => !shard.lines.has(name) && !shard.tombstones.has(name))
      const done = end('done', held)
      if (before.body === undefined && added.length === 0) return done
      if (added.length === 0 && shard.state === 'unsettled') return derive(before, 0, done)
      if (added.length === 0 && own.mode !== 'reopen')
        return rules.sweep === 'every run' || isOwn(before, done) ? sweep(before, done) : done
      const lines = new Map(shard.lines)
      for (const name of added) lines.set(name, own.versions[name] ?? '')
      const body = formatShard({ ...shard, lines, state: 'unsettled' })
      const after = yield { do: 'replace', path: shardFile, body, expected: before }
      return after === 'conflict' ? record(own, held) : derive(after, 0, done)
    },
  })

  // -- A withdrawer writes a tombstone, and then finishes the work. --

  const withdraw = (name: string): Step => ({
    name: 'withdraw',
    knows: [],
    *run(): Work {
      if (rules.withdraw === 'delete, tombstone, derive') yield* removeVersion(name)
      const before = yield* get(shardFile)
      const shard = parseShard(before.body)
      const done = end('withdrawn')
      if (shard.tombstones.has(name))
        return shard.state === 'settled' ? sweep(before, done) : derive(before, 0, done)
      const tombstones = new Set([...shard.tombstones, name])
      const body = formatShard({ ...shard, tombstones, state: 'unsettled' })
      const after = yield { do: 'replace', path: shardFile, body, expected: before }
      if (after === 'conflict') return withdraw(name)
      return rules.withdraw === 'tombstone, delete, derive'
        ? deleteEarly(name, after, done)
        : derive(after, 0, done)
    },
  })

  const deleteEarly = (name: string, shard: Cell, done: Step): Step => ({
    name: 'delete early',
    knows: [shard],
    *run(): Work {
      yield* removeVersion(name)
      return derive(shard, 0, done)
    },
  })

  // -- To finish the work: derived files, then what is withdrawn, then settle. --

  /**
   * Puts one derived file after the other, each made from the shard with this
   * very tag, and starts again when the shard is another one.
   */
  const derive = (shard: Cell, index: number, done: Step): Step => {
    const path = derived[index]
    if (path === undefined) return isSweeper(shard, done) ? sweep(shard, done) : settle(shard, done)
    const wanted = renderFile(rules, path, shard.body)
    const isSame = (cell: Cell) => cell.body === wanted && (wanted === undefined || rules.same === 'leave it')
    const next = () => derive(shard, index + 1, done)
    const again = () => derive(shard, index, done)
    const restart = (now: Cell) => {
      const isDone = rules.restart === 'unless it is settled' && parseShard(now.body).state === 'settled'
      return isDone ? done : derive(now, 0, done)
    }
    return {
      name: 'derive',
      knows: [shard, index, done.name, ...done.knows],
      *run(): Work {
        if (rules.record !== 'last' && index % files.length === 0) {
          const record = `${path.charAt(0)}/record`
          const { body } = yield* get(record)
          if (body === renderFile(rules, record, shard.body)) return derive(shard, index + files.length, done)
        }
        if (rules.guard === 'shard, tag, put') {
          const now = yield* get(shardFile)
          if (now !== shard) return restart(now)
        }
        const before = yield* get(path)
        if (isSame(before)) return next()
        if (rules.guard === 'tag, shard, put') {
          const now = yield* get(shardFile)
          if (now !== shard) return restart(now)
        }
        if (wanted !== undefined) {
          const after = yield { do: 'replace', path, body: wanted, expected: before }
          return after === 'conflict' ? again() : next()
        }
        const isConditional = rules.empty === 'delete if-match'
        const after = yield { do: 'remove', path, ...(isConditional && { expected: before }) }
        if (after === 'conflict') return again()
        if (rules.empty !== 'delete, then look at the shard') return next()
        const now = yield* get(shardFile)
        return now === shard ? next() : restart(now)
      },
    }
  }

  /** Takes away the files of every version that has a tombstone, whoever wrote them, and when. */
  const sweep = (shard: Cell, done: Step): Step => ({
    name: 'sweep',
    knows: [shard, done.name, ...done.knows],
    *run(): Work {
      for (const name of parseShard(shard.body).tombstones) yield* removeVersion(name)
      return settle(shard, done)
    },
  })

  function isSweeper(shard: Cell, done: Step): boolean {
    return rules.sweep !== 'whoever withdraws' || done.name === 'withdrawn' || isOwn(shard, done)
  }

  /** Tells whether a version has a tombstone that this publisher may have written files of. */
  function isOwn(shard: Cell, done: Step): boolean {
    const { tombstones } = parseShard(shard.body)
    return done.knows.some((name) => tombstones.has(`${name}`))
  }

  function* removeVersion(name: string): Generator<Request, void, Answer> {
    for (const extension of versionFiles.toReversed()) {
      const path = `${name}.${extension}`
      yield rules.withdrawn === 'delete' ? { do: 'remove', path } : { do: 'put', path, body: withdrawnBody }
    }
  }

  /** Settles the very shard that every derived file was made from, or starts again with the one that there is. */
  const settle = (shard: Cell, done: Step): Step => {
    const { state, ...rest } = parseShard(shard.body)
    if (state === 'settled') return done
    const body = formatShard({ ...rest, state: 'settled' })
    return {
      name: 'settle',
      knows: [shard, done.name, ...done.knows],
      *run(): Work {
        if (rules.settle === 'always') {
          yield { do: 'put', path: shardFile, body }
          return done
        }
        if (rules.settle === 'if it seems unchanged') {
          const now = yield* get(shardFile)
          if (now !== shard) return derive(now, 0, done)
          yield { do: 'put', path: shardFile, body }
          return done
        }
        const after = yield { do: 'replace', path: shardFile, body, expected: shard }
        if (after !== 'conflict') return done
        const now = yield* get(shardFile)
        if (rules.settle === 'merge') return settle(now, done)
        return rules.restart === 'unless it is settled' && parseShard(now.body).state === 'settled'
          ? done
          : derive(now, 0, done)
      },
    }
  }

  return {
    publisher: (name, versions = {}, mode) => ({ name, start: survey({ versions, ...(mode && { mode }) }) }),
    withdrawer: (name, version) => ({ name, start: withdraw(version) }),
  }
}

interface Own {
  readonly versions: Readonly<Record<string, string>>
  /** Says of a settled shard with nothing new that it is not settled, as for new settings, and makes all anew. */
  readonly mode?: 'reopen'
}

function* get(path: string): Generator<Request, Cell, Answer> {
  const cell = yield { do: 'get', path }
  if (cell === 'conflict') throw new Error('Reading has no conflicts.')
  return cell
}

// ---- Files ----

interface Shard {
  readonly state: 'settled' | 'unsettled'
  readonly lines: ReadonlyMap<string, string>
  readonly tombstones: ReadonlySet<string>
}

const shards = new Map<string, Shard>()

function parseShard(body = 'unsettled'): Shard {
  let shard = shards.get(body)
  if (shard === undefined) {
    const [state, ...words] = body.split(' ')
    shard = {
      state: state === 'settled' ? 'settled' : 'unsettled',
      lines: new Map(
        words.flatMap((word) => (word.startsWith('-') ? [] : [word.split('=') as [string, string]])),
      ),
      tombstones: new Set(words.flatMap((word) => (word.startsWith('-') ? [word.slice(1)] : []))),
    }
    shards.set(body, shard)
  }
  return shard
}

function formatShard({ state, lines, tombstones }: Shard): string {
  const words = [...lines].map(([name, h1]) => `${name}=${h1}`).sort()
  return [state, ...words, ...[...tombstones].map((name) => `-${name}`).sort()].join(' ')
}

/** What an object holds that says no more than that it is no version's any more. */
const withdrawnBody = 'withdrawn'

/** Returns a derived file of a shard; undefined where there is to be none. Its names are words such as a1. */
function renderFile(rules: Rules, path: string, body: string | undefined): string | undefined {
  const { lines, tombstones } = parseShard(body)
  const [module = '', file] = path.split('/')
  const isOurs = (name: string) => name.startsWith(module)
  const withdrawn = [...tombstones].filter(isOurs)
  const names = [...lines.keys()].filter((name) => isOurs(name) && !tombstones.has(name)).sort()
  if (names.length + withdrawn.length === 0) return undefined
  const fence = rules.fence === 'none' ? '' : "'".repeat(withdrawn.length)
  switch (file) {
    case 'latest':
      return names.length > 0 || rules.empty === 'overwrite' ? `${latestOf(names)}${fence}` : undefined
    case 'list':
      return `${names.join(' ')}${fence}`
    default:
      return `${names.map((name) => `${name}=${lines.get(name)}`).join(' ')}${fence}`
  }
}

/** The last one, as Go has it, but for a third one, which retracts itself and the second, where they are called r. */
function latestOf(names: readonly string[]): string {
  const latest = names.at(-1) ?? 'none'
  return latest === 'r3' ? (names.find((name) => name === 'r1') ?? latest) : latest
}

// ---- What must be true ----

/** Returns the files of a site: those given, and all others that the versions may bring. */
export function filesOf(
  versions: readonly string[],
  given: Readonly<Record<string, string>>,
): Record<string, string | undefined> {
  const paths = [
    shardFile,
    ...modulesOf(versions).flatMap((module) => derivedFiles.map((file) => `${module}/${file}`)),
    ...versions.flatMap((name) => versionFiles.map((extension) => `${name}.${extension}`)),
  ]
  return Object.fromEntries(paths.map((path) => [path, given[path]]))
}

/** Returns a site as a run leaves it that had all to itself; of nothing, nothing. */
export function siteWith(rules: Rules, lines: Readonly<Record<string, string>>): Record<string, string> {
  if (Object.keys(lines).length === 0) return {}
  const shard = formatShard({
    state: 'settled',
    lines: new Map(Object.entries(lines)),
    tombstones: new Set(),
  })
  const files: [string, string][] = [[shardFile, shard]]
  for (const [name, h1] of Object.entries(lines))
    for (const extension of versionFiles) files.push([`${name}.${extension}`, h1])
  for (const module of modulesOf(Object.keys(lines))) {
    for (const file of derivedFiles) {
      const body = renderFile(rules, `${module}/${file}`, shard)
      if (body !== undefined) files.push([`${module}/${file}`, body])
    }
  }
  return Object.fromEntries(files)
}

function modulesOf(versions: readonly string[]): string[] {
  return [...new Set(versions.map((name) => name.charAt(0)))]
}

export interface Invariants {
  checkSite(site: Site): string | undefined
  check(site: Site, actors: readonly Seen[]): string | undefined
  checkChange(path: string, before: string | undefined, after: string | undefined): string | undefined
  checkRepaired(before: Site, after: Site, by: Seen): string | undefined
}

/** Returns what must be true, where some publishers may be about to write files of these versions. */
export function invariantsOf(
  rules: Rules,
  versions: readonly string[],
  writers: Readonly<Record<string, readonly string[]>>,
): Invariants {
  const derived = modulesOf(versions).flatMap((module) => derivedFiles.map((file) => `${module}/${file}`))
  const nothing = () => false

  function checkSite(site: Site): string | undefined {
    const shard = parseShard(site(shardFile))
    return readersFind(site, shard) ?? linesHaveContent(site, shard) ?? isWhole(site, shard)
  }

  function check(site: Site, actors: readonly Seen[]): string | undefined {
    const body = site(shardFile)
    const shard = parseShard(body)
    const isAtWork = rules.withdrawn === 'overwrite' ? nothing : (name: string) => mayWrite(actors, name)
    return (
      isTakenDown(site, shard, isAtWork) ?? keepsWhatIsDone(shard, actors) ?? endsSettled(body, shard, actors)
    )
  }

  /** No name without content, whenever a reader looks: neither in a derived file nor by a version's own info. */
  function readersFind(site: Site, { tombstones }: Shard): string | undefined {
    const isThere = (name: string) =>
      versionFiles.every((extension) => isContent(site(`${name}.${extension}`)))
    for (const path of derived) {
      const missing = namesIn(site(path)).find((name) => !isThere(name))
      if (missing !== undefined) return `${path} names ${missing}, whose files are not all there.`
    }
    const alone = versions.find(
      (name) => isContent(site(`${name}.info`)) && !isThere(name) && !tombstones.has(name),
    )
    return alone === undefined ? undefined : `${alone}.info is there, and the other files are not.`
  }

  function linesHaveContent(site: Site, { state, lines, tombstones }: Shard): string | undefined {
    for (const [name, h1] of lines) {
      if (tombstones.has(name)) continue
      const isThere =
        site(`${name}.zip`) === h1 && site(`${name}.mod`) === h1 && isContent(site(`${name}.info`))
      if (!isThere) return `The ${state} shard has a line for ${name}, whose files are not all there.`
    }
    return undefined
  }

  /** Settled: each derived file says what the shard says, no less and no more. */
  function isWhole(site: Site, { state }: Shard): string | undefined {
    if (state === 'unsettled') return undefined
    const body = site(shardFile)
    for (const path of derived) {
      const [wanted, found] = [renderFile(rules, path, body), site(path)]
      if (wanted !== found) return `The shard is "${body}", and ${path} is ${found ?? 'not there'}.`
    }
    return undefined
  }

  /** Settled: what is withdrawn is gone, but for what a publisher has written that has not looked at the shard again. */
  function isTakenDown(
    site: Site,
    { state, tombstones }: Shard,
    isAtWork: (name: string) => boolean,
  ): string | undefined {
    if (state === 'unsettled') return undefined
    for (const name of tombstones) {
      if (isAtWork(name)) continue
      for (const extension of versionFiles) {
        if (isContent(site(`${name}.${extension}`)))
          return `The shard is settled, and ${name}.${extension} is there.`
      }
    }
    return undefined
  }

  /** Those who have not ended are at work, or have crashed. */
  function mayWrite(actors: readonly Seen[], name: string): boolean {
    return actors.some((actor) => !actor.ended && writers[actor.name]?.includes(name))
  }

  function keepsWhatIsDone({ lines, tombstones }: Shard, actors: readonly Seen[]): string | undefined {
    for (const { ended, step, name: actor } of actors) {
      const lost = ended
        ? step.knows.find((name) => !lines.has(`${name}`) && !tombstones.has(`${name}`))
        : undefined
      if (lost !== undefined) return `${actor} has ended, and the shard has no ${lost}.`
    }
    return undefined
  }

  function endsSettled(
    body: string | undefined,
    { state }: Shard,
    actors: readonly Seen[],
  ): string | undefined {
    const isEnd = body !== undefined && actors.length > 0 && actors.every((actor) => actor.ended)
    return isEnd && state === 'unsettled' ? 'All have ended, and the shard is not settled.' : undefined
  }

  /** A shard only grows. */
  function checkChange(
    path: string,
    before: string | undefined,
    after: string | undefined,
  ): string | undefined {
    if (path !== shardFile) return undefined
    const [was, is] = [parseShard(before), parseShard(after)]
    const lines = [...was.lines].filter(([name, h1]) => is.lines.get(name) !== h1).map(([name]) => name)
    const lost = [...lines, ...[...was.tombstones].filter((name) => !is.tombstones.has(name))]
    return lost.length > 0 ? `The shard loses what it had of ${lost.join(', ')}.` : undefined
  }

  function checkRepaired(_before: Site, after: Site, by: Seen): string | undefined {
    const body = after(shardFile)
    const shard = parseShard(body)
    if (body !== undefined && shard.state === 'unsettled') return 'the shard is not settled.'
    return keepsWhatIsDone(shard, [by]) ?? isTakenDown(after, shard, nothing)
  }

  return { checkSite, check, checkChange, checkRepaired }
}

function namesIn(body = ''): string[] {
  return body.match(/[a-z]\d/g) ?? []
}

function isContent(body: string | undefined): boolean {
  return body !== undefined && body !== withdrawnBody
}
