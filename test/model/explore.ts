/**
 * Exploring runs programs that share a store in every order that there is, one
 * request at a time, and checks each state that can come of it. Breadth first,
 * so that what it finds wrong it shows by the shortest way there.
 *
 * A program is a chain of steps. A step is a generator that yields requests,
 * is told the answers, and returns the step after it. What a step is called
 * with is all that is remembered from the steps before, so that two runs that
 * know the same are the same state.
 *
 * A crash needs no move of its own: it is a program that is never run again.
 * What must hold after crashes is what is checked in every state, whatever
 * programs have not ended there.
 *
 * Pure.
 */

/** A file of the store, or its absence, as a reader finds it. It is also what an ETag stands for. */
export interface Cell {
  readonly id: number
  readonly body: string | undefined
  /** How often the file was written before, where the store's tags tell even equal bytes apart. */
  readonly turn: number
}

export type Request =
  | { readonly do: 'get'; readonly path: string }
  /** Writes a file where there is none. */
  | { readonly do: 'create'; readonly path: string; readonly body: string }
  /** Writes a file that is still as it was expected; where none was expected, that is `create`. */
  | { readonly do: 'replace'; readonly path: string; readonly body: string; readonly expected: Cell }
  | { readonly do: 'put'; readonly path: string; readonly body: string }
  | { readonly do: 'remove'; readonly path: string; readonly expected?: Cell }

/** The file as it is after the request; 'conflict' where it was not as the request wanted it. */
export type Answer = Cell | 'conflict'

export interface Step {
  readonly name: string
  readonly knows: readonly (string | number | Cell)[]
  readonly run: (() => Generator<Request, Step, Answer>) | undefined
}

export interface Actor {
  readonly name: string
  readonly start: Step
}

export interface Peculiarities {
  /** S3's tags are made of the bytes; others' are new with each write. @default 'of the bytes' */
  readonly tags?: 'of the bytes' | 'fresh'
  /** Whether a removal with a condition is refused when it does not hold. @default 'obeyed' */
  readonly ifMatchOnDelete?: 'obeyed' | 'ignored'
  /** A write may be done and its answer lost; asked again, it looks like a conflict. @default 'arrive' */
  readonly answers?: 'arrive' | 'may get lost'
}

/** What is seen of an actor: the step it stands in, or what it ended with. */
export interface Seen {
  readonly name: string
  readonly step: Step
  readonly ended: boolean
}

export type Site = (path: string) => string | undefined

export interface Scenario {
  readonly store: Readonly<Record<string, string | undefined>>
  readonly actors: readonly Actor[]
  readonly peculiarities?: Peculiarities
  /** Returns what is wrong with what the store holds, whoever is at work. */
  readonly checkSite: (site: Site) => string | undefined
  /** Returns what is wrong with a state, seeing that some have ended, and others are at work or have crashed. */
  readonly check: (site: Site, actors: readonly Seen[]) => string | undefined
  /** Returns what is wrong with a change of the store. */
  readonly checkChange?: (
    path: string,
    before: string | undefined,
    after: string | undefined,
  ) => string | undefined
  /** Those of whom each is run alone, from each state of the store: all others have crashed. */
  readonly repairs?: readonly Actor[]
  /** Returns what is wrong when one of them has ended. */
  readonly checkRepaired?: (before: Site, after: Site, by: Seen) => string | undefined
}

export interface Exploration {
  readonly states: number
  /** Different contents of the store among them. */
  readonly stores: number
  /** States in which every program has ended. */
  readonly ends: number
  /** Repairs that were run, each from a different content of the store. */
  readonly repairs: number
  /** Whether no order of steps comes back to a state, so that every one of them ends. */
  readonly alwaysEnds: boolean
  readonly failure?: Failure
}

export interface Failure {
  readonly message: string
  /** A line a request. */
  readonly trace: readonly string[]
}

/** A program between two requests. */
interface Place extends Seen {
  readonly id: number
  readonly request: Request | undefined
  readonly after: Map<Answer, Place>
  readonly answers: readonly Answer[]
}

/** Returns the step that ends a program. */
export function end(name: string, knows: readonly string[] = []): Step {
  return { name, knows, run: undefined }
}

/** More of them means that something does not come to an end. */
const maxStates = 4_000_000
const maxRequestsAlone = 500

/** Explores every order of requests, until something is wrong. */
export function explore(scenario: Scenario): Exploration {
  const { actors, checkSite, check, checkChange, peculiarities = {} } = scenario
  const stores = new Stores(scenario.store)
  const tables = actors.map((actor) => new Places(actor))
  const repairers = (scenario.repairs ?? []).map((actor) => new Places(actor))
  const repairsOf = repairers.length

  // A state is a store, and a number made of the place of each actor: small enough to be found fast.
  const radix = Math.floor(2 ** (30 / actors.length))
  const weights = tables.map((_, index) => radix ** index)
  const states: State[] = []
  const known: Map<number, number>[] = []
  const placesOf = ({ places }: State) =>
    tables.map((table, index) => table.at(Math.floor(places / (weights[index] ?? 1)) % radix))

  const edges: number[] = []
  const seen = new Set<Store>()
  let ends = 0

  const finish = (message?: string, at = 0, more: readonly string[] = []): Exploration => ({
    states: states.length,
    stores: seen.size,
    ends,
    repairs: seen.size * repairsOf,
    alwaysEnds: message === undefined && isAcyclic(states.length, edges),
    ...(message === undefined ? {} : { failure: { message, trace: [...traceTo(at), ...more] } }),
  })

  function traceTo(at: number): string[] {
    const lines: string[] = []
    for (let state = states[at]; state?.parent !== undefined; state = state.parent) {
      const { parent } = state
      const { name, request = missing('request') } = placesOf(parent)[state.mover] ?? missing('mover')
      lines.unshift(describe(name, request, parent.store.at(request.path), state.store.at(request.path)))
    }
    return lines
  }

  /** Returns the index of a state, which may be new. */
  function find(store: Store, places: number, parent: State | undefined, mover: number): number {
    let inStore = known[store.id]
    if (inStore === undefined) {
      inStore = new Map()
      known[store.id] = inStore
    }
    let index = inStore.get(places)
    if (index === undefined) {
      index = states.length
      inStore.set(places, index)
      states.push({ store, places, parent, mover })
    }
    return index
  }

  find(stores.at(0), 0, undefined, 0)
  for (let index = 0; index < states.length; index++) {
    if (index > maxStates) return finish('There are too many states.', index)
    const state = states[index] ?? missing('state')
    const { store } = state
    const places = placesOf(state)
    if (places.every((place) => place.ended)) ends++

    const isNews = !seen.has(store)
    seen.add(store)
    const wrong = (isNews ? checkSite(store.site) : undefined) ?? check(store.site, places)
    if (wrong !== undefined) return finish(wrong, index)
    for (const repairer of isNews ? repairers : []) {
      const failure = repair(stores, store, repairer, scenario)
      if (failure !== undefined) return finish(failure.message, index, failure.trace)
    }

    for (const [mover, place] of places.entries()) {
      const { request } = place
      if (request === undefined) continue
      const before = store.at(request.path)
      for (const [after, answer] of perform(request, before, stores, peculiarities)) {
        const next = place.after.get(answer) ?? tables[mover]?.move(place, answer) ?? place
        if (next.id >= radix) throw new Error(`${place.name} has too many places.`)
        const moved = state.places + (next.id - place.id) * (weights[mover] ?? 1)
        const changed = after === before ? store : stores.change(store, request.path, after)
        edges.push(index, find(changed, moved, state, mover))
        const lost = after === before ? undefined : checkChange?.(request.path, before.body, after.body)
        if (lost !== undefined) return finish(lost, index, [describe(place.name, request, before, after)])
      }
    }
  }
  return finish()
}

interface State {
  readonly store: Store
  readonly places: number
  /** The state that it was first found from, and who moved. */
  readonly parent: State | undefined
  readonly mover: number
}

/** Runs one program alone. Returns what is wrong on its way, or at its end. */
function repair(stores: Stores, from: Store, places: Places, scenario: Scenario): Failure | undefined {
  let store = from
  let place = places.first
  const trace: string[] = ['(all others have crashed)']
  while (place.request !== undefined) {
    const { name, request }: Place = place
    if (trace.length > maxRequestsAlone) return { message: `${name} does not end.`, trace }
    const before = store.at(request.path)
    const [[after, answer] = [before, before] as const] = perform(
      request,
      before,
      stores,
      scenario.peculiarities,
    )
    trace.push(describe(name, request, before, after))
    if (after !== before) store = stores.change(store, request.path, after)
    place = places.move(place, answer)
    const wrong = scenario.checkSite(store.site)
    if (wrong !== undefined) return { message: `${name}, alone: ${wrong}`, trace }
  }
  const message = scenario.checkRepaired?.(from.site, store.site, place)
  return message === undefined ? undefined : { message: `After ${place.name}: ${message}`, trace }
}

function missing(what: string): never {
  throw new Error(`The scenario has no ${what}.`)
}

/** Returns what may come of a request: the file as it is then, and the answer. */
function perform(
  request: Request,
  before: Cell,
  stores: Stores,
  { tags = 'of the bytes', ifMatchOnDelete = 'obeyed', answers = 'arrive' }: Peculiarities = {},
): readonly (readonly [Cell, Answer])[] {
  const turn = tags === 'fresh' ? before.turn + 1 : 0
  switch (request.do) {
    case 'get':
      return [[before, before]]
    case 'put': {
      const after = stores.cell(request.body, turn)
      return [[after, after]]
    }
    case 'remove': {
      const { expected } = request
      if (expected !== undefined && ifMatchOnDelete === 'obeyed' && expected !== before)
        return [[before, 'conflict']]
      const after = before.body === undefined ? before : stores.cell(undefined, turn)
      return [[after, after]]
    }
    case 'create':
    case 'replace': {
      // Absence has no tag: what was removed meanwhile is as absent as what never was.
      const isAsExpected =
        request.do === 'create' || request.expected.body === undefined
          ? before.body === undefined
          : before === request.expected
      if (!isAsExpected) return [[before, 'conflict']]
      const after = stores.cell(request.body, turn)
      return answers === 'arrive'
        ? [[after, after]]
        : [
            [after, after],
            [after, 'conflict'],
          ]
    }
  }
}

function describe(name: string, request: Request, before: Cell, after: Cell): string {
  const show = ({ body }: Cell) => (body === undefined ? 'nothing' : `"${body}"`)
  const outcome = () => {
    if (request.do === 'get') return `finds ${show(before)}`
    if (request.do === 'remove') return after === before ? 'changes nothing' : `removes ${show(before)}`
    if (after !== before) return `writes ${show(after)} over ${show(before)}`
    return before.body === request.body ? 'changes nothing' : `is refused: finds ${show(before)}`
  }
  return `${name.padEnd(3)} ${request.do.padEnd(7)} ${request.path.padEnd(8)} ${outcome()}`
}

interface Store {
  readonly id: number
  readonly site: Site
  /** What came of it so far. */
  readonly changes: Map<number, Store>
  at(path: string): Cell
}

/** Every content that a file, and that the store had so far, each once. */
class Stores {
  readonly #cells = new Map<string, Cell>()
  readonly #stores: Store[] = []
  readonly #files = new Map<string, Store>()
  readonly #paths: ReadonlyMap<string, number>

  constructor(files: Readonly<Record<string, string | undefined>>) {
    this.#paths = new Map(Object.keys(files).map((path, index) => [path, index]))
    this.#store(Object.values(files).map((body) => this.cell(body, 0)))
  }

  at(id: number): Store {
    return this.#stores[id] ?? missing(`store ${id}`)
  }

  change(store: Store, path: string, cell: Cell): Store {
    const key = cell.id * this.#paths.size + (this.#paths.get(path) ?? missing(path))
    let changed = store.changes.get(key)
    if (changed === undefined) {
      changed = this.#store([...this.#paths.keys()].map((each) => (each === path ? cell : store.at(each))))
      store.changes.set(key, changed)
    }
    return changed
  }

  cell(body: string | undefined, turn: number): Cell {
    const key = `${turn}${body === undefined ? '' : ` ${body}`}`
    let cell = this.#cells.get(key)
    if (cell === undefined) {
      cell = { id: this.#cells.size, body, turn }
      this.#cells.set(key, cell)
    }
    return cell
  }

  #store(cells: readonly Cell[]): Store {
    const key = cells.map((cell) => cell.id).join(' ')
    let store = this.#files.get(key)
    if (store === undefined) {
      const at = (path: string) => cells[this.#paths.get(path) ?? -1] ?? missing(path)
      store = { id: this.#stores.length, at, site: (path) => at(path).body, changes: new Map() }
      this.#stores.push(store)
      this.#files.set(key, store)
    }
    return store
  }
}

/** Every place that a program was in so far, each once. */
class Places {
  readonly #name: string
  readonly #places: Place[] = []
  readonly #ids = new Map<string, Place>()
  readonly first: Place

  constructor(actor: Actor) {
    this.#name = actor.name
    this.first = this.#find(actor.start, [])
  }

  at(id: number): Place {
    return this.#places[id] ?? missing(String(id))
  }

  /** Goes on from a place with the answer to its request. */
  move(place: Place, answer: Answer): Place {
    let next = place.after.get(answer)
    if (next === undefined) {
      next = this.#find(place.step, [...place.answers, answer])
      place.after.set(answer, next)
    }
    return next
  }

  #find(step: Step, answers: readonly Answer[]): Place {
    const show = (item: string | number | Cell | Answer) => (typeof item === 'object' ? `#${item.id}` : item)
    const key = [step.name, ...step.knows.map(show), '|', ...answers.map(show)].join(' ')
    const found = this.#ids.get(key)
    if (found !== undefined) return found
    const run = step.run?.()
    let result = run?.next()
    for (const answer of answers) result = run?.next(answer)
    // A step that is through leads to the next one without a request between them.
    if (result?.done) {
      const place = this.#find(result.value, [])
      this.#ids.set(key, place)
      return place
    }
    const place: Place = {
      id: this.#places.length,
      name: this.#name,
      step,
      ended: step.run === undefined,
      request: result?.value,
      after: new Map(),
      answers,
    }
    this.#places.push(place)
    this.#ids.set(key, place)
    return place
  }
}

/** Tells whether following the edges never comes back: whoever is not led to is taken away, until none is left. */
function isAcyclic(count: number, edges: readonly number[]): boolean {
  const incoming = new Int32Array(count)
  const start = new Int32Array(count + 1)
  for (let index = 0; index < edges.length; index += 2) {
    add(incoming, edges[index + 1], 1)
    add(start, (edges[index] ?? 0) + 1, 1)
  }
  for (let index = 0; index < count; index++) add(start, index + 1, start[index] ?? 0)
  // Edges are in the order of the states that they leave.
  const free = [...incoming.keys()].filter((index) => incoming[index] === 0)
  let taken = 0
  for (let state = free.pop(); state !== undefined; state = free.pop()) {
    taken++
    for (let edge = start[state] ?? 0; edge < (start[state + 1] ?? 0); edge++) {
      const target = edges[2 * edge + 1] ?? 0
      if (add(incoming, target, -1) === 0) free.push(target)
    }
  }
  return taken === count
}

function add(numbers: Int32Array, index = 0, amount: number): number {
  const sum = (numbers[index] ?? 0) + amount
  numbers[index] = sum
  return sum
}
