/**
 * Makes a git repository from a text archive: the fixtures of the conformance tests.
 *
 * The comment says the point. A file "LABEL:path" is in the commit of that
 * label, and a commit holds nothing but its label's files. Without a script
 * each label is a commit on main, in order, with a tag of that name. With
 * "-- script --" only what it says is done, a command a line:
 *
 *     release [LABEL…]                 commit and tag each; without labels, all of them
 *     commit LABEL [PARENT…]           commit on the branch; further parents are labels or branches
 *     copy LABEL FROM                  before its commit: LABEL has FROM's files too, where it has none of its own
 *     entry LABEL MODE PATH [CONTENT]  before its commit: any tree entry; the content of 160000 is an id
 *     zeros LABEL PATH SIZE            before its commit: a file of SIZE zero bytes
 *     at TIME [ZONE]                   the next commit's time, RFC 3339 or seconds; each later one is 60 s younger
 *     author TIME                      the next commit's author date, where it is another
 *     switch BRANCH [LABEL]            go on there; a new branch begins at LABEL, or here
 *     orphan BRANCH                    go on with a commit without parents
 *     tag NAME [LABEL]                 a lightweight tag, of the last commit by default
 *     annotate NAME [LABEL|TAG]        an annotated tag, of a commit or another tag
 *     tagtree NAME LABEL               a tag on a tree
 *     ref NAME LABEL                   a ref by its full name
 *     head BRANCH                      what HEAD names; main by default
 *     delete REF                       removes a ref by its full name
 *
 * A word in double quotes may hold spaces and \n, \t, \", \\, \u{301} and \xff,
 * the last a raw byte. "-- config --" has a "key value…" a line: root, subdir,
 * branches, commits, maxGo, defaultBranch, modules (what to ask go for; the
 * root by default) and queries ("M@rev", or a revision of the first module).
 * "-- gitconfig --" is what a user has in theirs, "-- gitattributes --" what is
 * in the file that core.attributesFile names there; "-- change --" a script
 * for after the first publication. The judge is the real go; "-- want --" says
 * only where modpress departs from it, and which problems it reports:
 *
 *     published M@v [CODE]     refused M@v CODE     problem REF CODE
 */

import { rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { bytesOf, createRepository, type FileEntry, type RawRepository } from './gitobjects.ts'
import { cloneOf } from './gorun.ts'
import { parseTxtar } from './txtar.ts'

export interface Fixture {
  /** The point, from the archive's comment. */
  readonly comment: string
  /** The bare repository. */
  readonly dir: string
  readonly root: string
  readonly clone: string
  /** The fourth field of go-import, "" for the top. */
  readonly subdir: string
  readonly branches: readonly string[]
  readonly commits: readonly string[]
  readonly maxGo?: string
  readonly defaultBranch?: string
  /** The module paths to ask go for. */
  readonly modules: readonly string[]
  /** Further questions, as "M@rev". */
  readonly queries: readonly string[]
  /** The lines of a user's git configuration, which must not change anything. */
  readonly gitConfig?: string
  /** Where modpress departs from go, and the problems it reports, in words: ["refused", "M@v", code]. */
  readonly want: readonly (readonly string[])[]
  /** Ids of commits by their labels. */
  readonly ids: ReadonlyMap<string, string>
  /** Changes the repository as it changes after its first publication. */
  readonly change?: () => void
}

/** Makes the repository of an archive in `dir`, which is created. */
export async function makeFixture(dir: string, text: string): Promise<Fixture> {
  const { comment, files } = parseTxtar(text)
  const config = readConfig(files.get('config') ?? '')
  const one = (key: string): string | undefined => config.get(key)?.[0]
  const {
    root = 'example.com/r',
    subdir = '',
    maxGo,
    defaultBranch,
  } = Object.fromEntries([...config].map(([key, values]) => [key, values.join(' ')]))
  const state = createState(createRepository(dir), files)
  runScript(state, files.get('script') ?? 'release\n')

  const modules = config.get('modules') ?? [root]
  const queries = (config.get('queries') ?? []).map((query) =>
    query.includes('@') ? query : `${modules[0]}@${query}`,
  )
  const fill = (text: string): string =>
    text.replaceAll(/\{(\S+?)\}/g, (all, label: string) => state.ids.get(label) ?? all)
  const gitConfig = writeUserConfig(dir, files)
  const later = files.get('change')
  return {
    comment,
    dir,
    root,
    clone: one('clone') ?? cloneOf(root),
    subdir,
    branches: config.get('branches') ?? [],
    commits: (config.get('commits') ?? []).map(fill),
    modules,
    queries: queries.map(fill),
    want: linesOf(files.get('want') ?? '').map((line) => line.split(/\s+/)),
    ids: state.ids,
    ...(maxGo === undefined ? {} : { maxGo }),
    ...(defaultBranch === undefined ? {} : { defaultBranch }),
    ...(gitConfig === undefined ? {} : { gitConfig }),
    ...(later === undefined ? {} : { change: () => runScript(state, later) }),
  }
}

function writeUserConfig(dir: string, files: ReadonlyMap<string, string>): string | undefined {
  const attributes = files.get('gitattributes')
  if (attributes === undefined) return files.get('gitconfig')
  const path = `${resolve(dir)}.attributes`
  writeFileSync(path, attributes)
  return `${files.get('gitconfig') ?? ''}[core]\n\tattributesFile = "${path.replaceAll('\\', '\\\\')}"\n`
}

interface State {
  readonly repository: RawRepository
  /** Tree entries by label, then by path. */
  readonly files: Map<string, Map<string, FileEntry>>
  /** Commits by label. */
  readonly ids: Map<string, string>
  readonly branches: Map<string, string>
  readonly tags: Map<string, string>
  branch: string
  last: string
  time: number
  zone: string
  author?: number
}

function createState(repository: RawRepository, archive: ReadonlyMap<string, string>): State {
  const files = new Map<string, Map<string, FileEntry>>()
  for (const [name, content] of archive) {
    const colon = name.indexOf(':')
    if (colon > 0) filesOf(files, name.slice(0, colon)).set(name.slice(colon + 1), { content })
  }
  return {
    repository,
    files,
    ids: new Map(),
    branches: new Map(),
    tags: new Map(),
    branch: 'main',
    last: '',
    time: 1_700_000_000,
    zone: '+0000',
  }
}

function runScript(state: State, script: string): void {
  for (const line of linesOf(script)) {
    const words = splitWords(line)
    const [command = '', ...args] = words.map((word) => Buffer.from(word).toString())
    const run = commands[command]
    if (run === undefined) throw new Error(`The script command "${command}" is not known.`)
    run(state, args, words.slice(1))
  }
}

type Command = (state: State, args: readonly string[], bytes: readonly Uint8Array[]) => void

const commands: Readonly<Record<string, Command>> = {
  release: (state, labels) => {
    for (const label of labels.length > 0 ? labels : [...state.files.keys()]) {
      commit(state, label, [])
      setTag(state, label, find(state, label))
    }
  },
  commit: (state, [label = '', ...parents]) => commit(state, label, parents),
  copy: (state, [label = '', from = '']) => {
    const own = filesOf(state.files, label)
    for (const [path, file] of filesOf(state.files, from)) if (!own.has(path)) own.set(path, file)
  },
  entry: (state, [label = '', mode = '', path = '', content = ''], bytes) => {
    const raw = bytes[2] ?? bytesOf('')
    const name = raw.subarray(raw.lastIndexOf('/'.charCodeAt(0)) + 1)
    const file = mode === '160000' ? { mode, name, oid: content } : { mode, name, content: bytes[3] ?? '' }
    filesOf(state.files, label).set(path, file)
  },
  zeros: (state, [label = '', path = '', size = '']) => {
    filesOf(state.files, label).set(path, { oid: state.repository.zeros(Number(size)) })
  },
  at: (state, [time = '', zone = '+0000']) => {
    state.time = parseTime(time)
    state.zone = zone
  },
  author: (state, [time = '']) => {
    state.author = parseTime(time)
  },
  switch: (state, [branch = '', label]) => {
    state.branch = branch
    const start = label === undefined ? state.last : find(state, label)
    if (!state.branches.has(branch) && start !== '') setBranch(state, branch, start)
    state.last = state.branches.get(branch) ?? ''
  },
  orphan: (state, [branch = '']) => {
    state.branch = branch
    state.last = ''
  },
  tag: (state, [name = '', label]) =>
    setTag(state, name, label === undefined ? state.last : find(state, label)),
  annotate: (state, [name = '', target]) => {
    const tag = target === undefined ? undefined : state.tags.get(target)
    const isTag = tag !== undefined && ![...state.ids.values()].includes(tag)
    const object = tag ?? (target === undefined ? state.last : find(state, target))
    setTag(state, name, state.repository.tag({ object, type: isTag ? 'tag' : 'commit', name }))
  },
  tagtree: (state, [name = '', label = '']) => setTag(state, name, treeOf(state, label)),
  ref: (state, [name = '', label = '']) => state.repository.ref(name, find(state, label)),
  head: (state, [branch = '']) => state.repository.file('HEAD', `ref: refs/heads/${branch}\n`),
  delete: (state, [name = '']) => rmSync(join(state.repository.dir, name)),
}

function commit(state: State, label: string, parents: readonly string[]): void {
  const tip = state.branches.get(state.branch)
  const { time, zone, author } = state
  const oid = state.repository.commit({
    tree: treeOf(state, label),
    parents: [...(tip === undefined ? [] : [tip]), ...parents.map((parent) => find(state, parent))],
    time,
    zone,
    message: `${label}\n`,
    ...(author === undefined ? {} : { authorTime: author }),
  })
  state.time += 60
  delete state.author
  state.ids.set(label, oid)
  setBranch(state, state.branch, oid)
  state.last = oid
}

function treeOf(state: State, label: string): string {
  return state.repository.files(filesOf(state.files, label))
}

function setBranch(state: State, branch: string, oid: string): void {
  state.branches.set(branch, oid)
  state.repository.ref(`refs/heads/${branch}`, oid)
}

function setTag(state: State, name: string, oid: string): void {
  state.tags.set(name, oid)
  state.repository.ref(`refs/tags/${name}`, oid)
}

function find(state: State, name: string): string {
  const oid = state.ids.get(name) ?? state.branches.get(name)
  if (oid === undefined) throw new Error(`There is no commit or branch "${name}" yet.`)
  return oid
}

function filesOf(files: Map<string, Map<string, FileEntry>>, label: string): Map<string, FileEntry> {
  const found = files.get(label) ?? new Map<string, FileEntry>()
  files.set(label, found)
  return found
}

function readConfig(text: string): Map<string, string[]> {
  return new Map(
    linesOf(text).map((line) => {
      const [key = '', ...values] = line.split(/\s+/)
      return [key, values]
    }),
  )
}

/** Lines without blank ones and comments. */
function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}

/** Splits a line into words, as bytes: only so can a word hold what is no UTF-8. */
function splitWords(line: string): Uint8Array[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|\S+/g)].map(([word, quoted]) =>
    quoted === undefined ? bytesOf(word) : unquote(quoted),
  )
}

function unquote(text: string): Uint8Array {
  const parts = [...text.matchAll(/\\x([0-9a-f]{2})|\\u\{([0-9a-f]+)\}|\\(.)|[^\\]+/g)].map(
    ([part, byte, code, char]) => {
      if (byte !== undefined) return Buffer.from([Number.parseInt(byte, 16)])
      if (code !== undefined) return Buffer.from(String.fromCodePoint(Number.parseInt(code, 16)))
      if (char !== undefined) return Buffer.from(escapes[char] ?? char)
      return Buffer.from(part)
    },
  )
  return Buffer.concat(parts)
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '0': '\0' }

function parseTime(text: string): number {
  return /^-?\d+$/.test(text) ? Number(text) : Date.parse(text) / 1000
}
