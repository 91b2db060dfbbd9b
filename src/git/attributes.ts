/**
 * Which files of a commit `git archive` writes with other bytes than they are
 * stored with.
 *
 * Go makes its zips from `git archive`, which obeys the commit's own
 * .gitattributes: line ends (eol=crlf), `$Id$` (ident) and encodings
 * (working-tree-encoding) change bytes; text, crlf and filters do not, with
 * the settings that go uses and no filter configured (protocol 4.2).
 *
 * The answer may name files that do not change after all, never the other way
 * round: later lines that take an attribute back are not looked at.
 */

import { createHash } from 'node:crypto'
import type { Oid } from '../model.ts'
import type { GitRepository } from './repository.ts'
import type { FlatEntry, Trees } from './tree.ts'

export interface ByteChanges {
  /** Paths in the repository that may come out changed. */
  readonly paths: readonly string[]
  /** Stands for all attributes that apply: the same files come out the same under the same key. */
  readonly key: string
}

interface AttributeFile {
  /** The directory that its patterns are about. */
  readonly dir: string
  readonly oid: Oid
}

/** Reads attribute files, each once, and applies them to the files of modules. */
export class Attributes {
  readonly #repository: GitRepository
  readonly #trees: Trees
  readonly #rules = new Map<Oid, Promise<readonly Rule[]>>()

  constructor(repository: GitRepository, trees: Trees) {
    this.#repository = repository
    this.#trees = trees
  }

  /** Returns which of the files below `dir` of a commit's tree may change. `entries` are relative to `dir`. */
  async findChanges(tree: Oid, dir: string, entries: readonly FlatEntry[]): Promise<ByteChanges | undefined> {
    const files = [...(await this.#above(tree, dir)), ...below(dir, entries)]
    const rules = await Promise.all(files.map(async (file) => ({ file, rules: await this.#read(file.oid) })))
    const active = rules.flatMap(({ file, rules }) => rules.map((rule) => ({ dir: file.dir, ...rule })))
    if (active.length === 0) return undefined
    const prefix = dir === '' ? '' : `${dir}/`
    const paths = entries
      .filter((entry) => entry.kind === 'file')
      .map((entry) => prefix + entry.path)
      .filter((path) => active.some((rule) => applies(rule, path)))
    if (paths.length === 0) return undefined
    const key = createHash('sha256').update(JSON.stringify(files)).digest('hex')
    return { paths, key }
  }

  async #above(tree: Oid, dir: string): Promise<AttributeFile[]> {
    if (dir === '') return []
    const elements = dir.split('/')
    const parents = elements.map((_, index) => elements.slice(0, index).join('/'))
    const found = await Promise.all(
      parents.map(async (parent) => {
        const entry = await this.#trees.find(tree, parent === '' ? name : `${parent}/${name}`)
        return entry === undefined ? undefined : { dir: parent, oid: entry.oid }
      }),
    )
    return found.filter((file) => file !== undefined)
  }

  #read(oid: Oid): Promise<readonly Rule[]> {
    const known = this.#rules.get(oid)
    if (known !== undefined) return known
    const read = this.#repository
      .read(oid)
      .then(({ content }) => parseRules(Buffer.from(content).toString('utf8')))
    this.#rules.set(oid, read)
    return read
  }
}

const name = '.gitattributes'

function below(dir: string, entries: readonly FlatEntry[]): AttributeFile[] {
  return entries.flatMap((entry) => {
    if (entry.kind !== 'file' || (entry.path !== name && !entry.path.endsWith(`/${name}`))) return []
    const inner = entry.path.slice(0, -name.length).replace(/\/$/, '')
    return [{ dir: [dir, inner].filter((part) => part !== '').join('/'), oid: entry.oid }]
  })
}

// ---- Rules ----

interface Rule {
  /** For the path below the file's directory; undefined where a pattern is too odd to tell. */
  readonly pattern: RegExp | undefined
}

function applies(rule: Rule & { readonly dir: string }, path: string): boolean {
  if (rule.dir !== '' && !path.startsWith(`${rule.dir}/`)) return false
  const inner = rule.dir === '' ? path : path.slice(rule.dir.length + 1)
  return rule.pattern === undefined || rule.pattern.test(inner)
}

/** Returns the patterns of the lines that may change bytes. Macros count from where they are defined. */
export function parseRules(text: string): Rule[] {
  const macros = new Set<string>()
  const rules: Rule[] = []
  for (const line of text.split('\n')) {
    const match =
      /^[ \t\r]*(?:\[attr\]([^ \t\r]+)|("(?:[^"\\]|\\.)*"|[^ \t\r#"][^ \t\r]*))[ \t\r]+(.*)$/.exec(line)
    if (match === null) continue
    const [, macro, pattern, attributes = ''] = match
    if (!attributes.split(/[ \t\r]+/).some((attribute) => changesBytes(attribute, macros))) continue
    if (macro !== undefined) macros.add(macro)
    else if (pattern !== undefined) rules.push({ pattern: compile(pattern) })
  }
  return rules
}

function changesBytes(attribute: string, macros: ReadonlySet<string>): boolean {
  if (attribute.startsWith('eol=')) return attribute !== 'eol=lf'
  return attribute === 'ident' || attribute.startsWith('working-tree-encoding=') || macros.has(attribute)
}

/** Returns a test for the paths that a pattern is about. Undefined: too odd to tell, so that it may be all of them. */
function compile(written: string): RegExp | undefined {
  if (/^["!]|\\|\[:/.test(written)) return undefined
  const isAnchored = written.includes('/')
  const body = written
    .replace(/^\//, '')
    .split(/(\*\*\/|\/\*\*$|\*+|\?|\[[!^]?\]?[^\]]*\])/)
    .map((part) => {
      if (part === '**/') return '(?:.*/)?'
      if (part === '/**') return '/.*'
      if (part === '?') return '[^/]'
      if (part.startsWith('*')) return isAnchored && part.length === 1 ? '[^/]*' : '.*'
      if (/^\[.+\]$/s.test(part))
        return `[${part
          .slice(1, -1)
          .replace(/^!/, '^')
          .replace(/[[\]\\]/g, '\\$&')}]`
      return part.replace(/[.+^${}()|[\]]/g, '\\$&')
    })
    .join('')
  try {
    return new RegExp(isAnchored ? `^${body}$` : `(?:^|/)${body}$`, 's')
  } catch {
    return undefined
  }
}
