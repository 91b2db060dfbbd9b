/**
 * Our ports of Go's rules against Go's own code: a small program around golang.org/x/mod answers the same
 * questions. It is built once, from oracle/, with the Go that is installed.
 */

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hash1 } from '../../src/module/dirhash.ts'
import { escapePath, escapeVersion, unescapePath, unescapeVersion } from '../../src/module/escape.ts'
import { selectFiles } from '../../src/module/files.ts'
import { foldName, unicodeVersion } from '../../src/module/fold.ts'
import { modulePathOf, parseGoMod, zipVendorVersion } from '../../src/module/gomod.ts'
import {
  checkFilePath,
  checkImportPath,
  checkModulePath,
  parseModulePath,
  pathMajorPrefix,
  splitPathVersion,
} from '../../src/module/path.ts'
import {
  isPseudoVersion,
  makePseudoVersion,
  pseudoBase,
  pseudoRevision,
  pseudoTime,
} from '../../src/module/pseudo.ts'
import {
  buildOf,
  canonicalSemver,
  canonicalVersion,
  compareVersions,
  isSemver,
  majorOf,
  matchesPathMajor,
  prereleaseOf,
  sortVersions,
} from '../../src/module/version.ts'
import {
  fileLists,
  goModish,
  goVersionLines,
  handMadeGoMods,
  handMadeLists,
  handMadePaths,
  handMadeVersions,
  pathish,
  pseudoish,
  versionish,
} from './oracle/cases.ts'

const hasGo = spawnSync('go', ['version']).status === 0
const isRequired = process.env['CI'] === 'true'
if (!hasGo && !isRequired) {
  console.warn(
    'SKIPPED: module rules against golang.org/x/mod. There is no "go" on the PATH; install it from https://go.dev/dl/ and run again.',
  )
}

let dir = ''

describe.skipIf(!hasGo && !isRequired)('module rules', () => {
  beforeAll(() => {
    expect(hasGo, 'With CI=true these tests must not be skipped: put "go" on the PATH.').toBe(true)
    dir = mkdtempSync(join(tmpdir(), 'modpress-oracle-'))
    const source = fileURLToPath(new URL('oracle', import.meta.url))
    const built = spawnSync(
      'go',
      ['build', '-C', source, '-buildvcs=false', '-o', join(dir, 'oracle.exe'), '.'],
      {
        encoding: 'utf8',
      },
    )
    expect(built.status, built.stderr).toBe(0)
    if (!hasSameUnicode()) {
      console.warn(
        `NOTE: only old characters are compared, since this go has another Unicode than ${unicodeVersion}.`,
      )
    }
  })

  afterAll(() => {
    if (dir !== '') rmSync(dir, { recursive: true })
  })

  test('versions are valid, canonical and split as in semver', () => {
    compare(
      'semver',
      [...handMadeVersions, ...sample(versionish, 4000)].map((v): [string] => [v]),
      (v) => [isSemver(v), canonicalSemver(v), canonicalVersion(v), majorOf(v), prereleaseOf(v), buildOf(v)],
    )
  })

  test('versions have the order of semver', () => {
    const byHand = handMadeVersions.flatMap((a) => handMadeVersions.map((b): [string, string] => [a, b]))
    compare('compare', [...byHand, ...sample(fc.tuple(versionish, versionish), 4000)], compareVersions)
    compare(
      'sort',
      [handMadeVersions, ...sample(fc.array(versionish, { maxLength: 12 }), 500)].map(
        (list): [readonly string[]] => [list],
      ),
      (list) => sortVersions(list),
    )
  })

  test('paths are refused for the same reason', () => {
    const paths = [...handMadePaths, ...sample(pathish, 5000)].map((path): [string] => [path])
    compare('module path', paths, (path) => checkModulePath(path) ?? '')
    compare('import path', paths, (path) => checkImportPath(path) ?? '')
    compare('split', paths, (path) => {
      const split = splitPathVersion(path)
      return split === undefined ? null : [split.prefix, split.pathMajor]
    })
    const bytes = [...handMadePaths, ...sample(pathish, 3000)].map((path) => Buffer.from(path))
    bytes.push(...sample(fc.uint8Array({ minLength: 1, maxLength: 12 }), 2000).map((a) => Buffer.from(a)))
    const questions = bytes.map((path): [string] => [path.toString('base64')])
    compare('file path', questions, (path) => checkFilePath(nameOf(Buffer.from(path, 'base64'))) ?? '')
  })

  test('every old enough character is allowed in a file name or not as in Go', () => {
    const codes = Array.from({ length: 0x30000 }, (_, code) => code).filter(isComparable)
    const questions = codes.map((code): [string] => [
      Buffer.from(String.fromCodePoint(code)).toString('base64'),
    ])
    compare('file path', questions, (path) => checkFilePath(nameOf(Buffer.from(path, 'base64'))) ?? '')
  })

  test('major versions match path suffixes', () => {
    const suffixes = [
      '',
      '/v2',
      '/v3',
      '/v10',
      '.v0',
      '.v1',
      '.v2',
      '.v1-unstable',
      '.v2-unstable',
      'v2',
      '/',
      '.',
    ]
    const versions = [...handMadeVersions, ...sample(versionish, 300)]
    const pairs = versions.flatMap((v) => suffixes.map((suffix): [string, string] => [v, suffix]))
    compare('match', pairs, matchesPathMajor)
    const good = suffixes.filter((suffix) => suffix === '' || /^[/.]v/.test(suffix))
    compare(
      'prefix',
      good.map((suffix): [string] => [suffix]),
      pathMajorPrefix,
    )
  })

  test('paths and versions are escaped alike', () => {
    const texts = [
      ...handMadePaths,
      ...handMadeVersions,
      ...sample(pathish, 3000),
      ...sample(versionish, 1000),
    ]
    const questions = [...texts, ...texts.map((text) => text.replaceAll(/[A-Z]/g, '!$&').toLowerCase())].map(
      (text): [string] => [text],
    )
    compare('escape path', questions, (path) => {
      const parsed = parseModulePath(path)
      return parsed === undefined ? null : escapePath(parsed)
    })
    compare('escape version', questions, (version) => escapeVersion(version) ?? null)
    compare('unescape path', questions, (path) => unescapePath(path) ?? null)
    compare('unescape version', questions, (version) => unescapeVersion(version) ?? null)
  })

  test('pseudo-versions are made and taken apart alike', () => {
    const times = fc.oneof(
      fc.integer({ min: 0, max: 2_000_000_000 }),
      fc.integer({ min: -62135596800, max: 253402300799 }),
    )
    const revisions = fc.stringMatching(/^[0-9a-f]{12}$/)
    const majors = fc.constantFrom('', 'v0', 'v1', 'v2', 'v17')
    const made = sample(fc.tuple(majors, versionish, times, revisions), 3000)
    made.push(...handMadeVersions.map((v): (typeof made)[number] => ['v1', v, 1700000000, 'abcdef123456']))
    compare('pseudo', made, makePseudoVersion)
    const parsed = [
      ...handMadeVersions,
      ...made.map((parts) => makePseudoVersion(...parts)),
      ...made.map((parts) => `${makePseudoVersion(...parts)}+incompatible`),
      ...sample(pseudoish, 5000),
    ]
    compare(
      'parse pseudo',
      parsed.map((v): [string] => [v]),
      (v) => [isPseudoVersion(v), pseudoBase(v) ?? null, pseudoTime(v) ?? null, pseudoRevision(v)],
    )
  })

  test('names collide alike', () => {
    const letters = fc.constantFrom(...'aAkKsSiIßẞſKıİσςΣÅÅåǅǄǆθϑΘϴµμΜⅠⅰⓐⒶꭰᎠᲀвВ𐐀𐐨𞤀𞤢é日')
    const names = fc.string({ unit: letters, minLength: 1, maxLength: 3 })
    compare('fold', sample(fc.tuple(names, names), 4000), (a, b) => foldName(a) === foldName(b))
    const cased = Array.from({ length: 0x1f000 }, (_, code) => code)
      .filter(isComparable)
      .map((code) => String.fromCodePoint(code))
      .flatMap((char) =>
        [char.toLowerCase(), char.toUpperCase(), char.normalize('NFKC')].map((other): [string, string] => [
          char,
          other,
        ]),
      )
      .filter(([char, other]) => char !== other)
    expect(cased.length).toBeGreaterThan(2000)
    compare('fold', cased, (a, b) => foldName(a) === foldName(b))
  })

  test('hashes are equal', () => {
    const name = fc.string({ unit: fc.constantFrom(...'abAZ-/é日𐐀Ａ '), minLength: 1, maxLength: 6 })
    const trees = sample(fc.dictionary(name, fc.string(), { maxKeys: 8 }), 1000)
    compare(
      'hash',
      trees.map((tree): [Record<string, string>] => [{ ...tree }]),
      (tree) =>
        hash1(
          Object.entries(tree).map(([file, content]) => ({
            name: file,
            sha256: createHash('sha256').update(content).digest('hex'),
          })),
        ),
    )
  })

  test('go.mod files mean the same', () => {
    const files = [...handMadeGoMods, ...sample(goModish, 6000)].map((text) => Buffer.from(text))
    const questions = files.map((file): [string] => [file.toString('base64')])
    compare('modulepath', questions, (file) => modulePathOf(Buffer.from(file, 'base64')))
    const answers = compare(
      'gomod',
      questions,
      (file) => parseGoMod(Buffer.from(file, 'base64')),
      // We tell the first ten faults.
      (answer) =>
        isRecord(answer) && typeof answer['error'] === 'string'
          ? { error: answer['error'].split('\n').slice(0, 10).join('\n') }
          : answer,
    )
    const good = answers.filter((answer) => isRecord(answer) && !('error' in answer))
    expect(good.length).toBeGreaterThan(1000)
  })

  test('the same files are selected for a zip', () => {
    const lists = [...handMadeLists, ...sample(fileLists, 6000)]
    const goMods = sample(goVersionLines, lists.length).map((text) => Buffer.from(text))
    const questions = lists.map((files, index) => {
      const entries = files.map(({ path, mode, size = 0 }) => ({
        Path: bytesOf(path).toString('base64'),
        Mode: mode,
        Size: size,
      }))
      return [entries, goMods[index]?.toString('base64') ?? ''] as const
    })
    const answers = ask('zip', questions) as readonly {
      valid: string[] | null
      omitted: [string, string][] | null
      invalid: string[] | null
      size: string
    }[]
    let good = 0
    for (const [index, files] of lists.entries()) {
      const hasGoMod = files.some(({ path, mode }) => path === 'go.mod' && mode === 'file')
      const vendorVersion = hasGoMod ? zipVendorVersion(goMods[index] ?? new Uint8Array()) : ''
      const got = selectFiles(files, { vendorVersion })
      const want = answers[index]
      const about = JSON.stringify({ files, vendorVersion, want })
      if (got.code === undefined) {
        good++
        expect(want?.invalid, about).toBeNull()
        expect(want?.size, about).toBe('')
        expect(
          got.files.map(({ path }) => path),
          about,
        ).toEqual(want?.valid ?? [])
        const omitted = new Map(got.omitted.map(({ path, reason }) => [asShown(path), reason]))
        expect([...omitted], about).toEqual(want?.omitted ?? [])
      } else if (got.code === 'zip-too-large') {
        expect(got.message, about).toBe(want?.size)
      } else {
        expect([got.code, got.message], about).toEqual([got.code, want?.invalid?.[0]])
      }
    }
    expect(good).toBeGreaterThan(500)
    expect(good).toBeLessThan(lists.length - 500)
  })
})

/** Asks all questions in one run of the oracle. */
function ask(fn: string, questions: readonly (readonly unknown[])[]): unknown[] {
  const input = questions.map((args) => `${JSON.stringify({ Fn: fn, Args: args })}\n`).join('')
  const run = spawnSync(join(dir, 'oracle.exe'), { input, encoding: 'utf8', maxBuffer: 2 ** 30 })
  expect(run.status, run.stderr).toBe(0)
  const answers = run.stdout
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
  expect(answers).toHaveLength(questions.length)
  return answers
}

/** Compares our function's answers with the oracle's, of which it returns those. */
function compare<A extends readonly unknown[]>(
  fn: string,
  questions: readonly A[],
  ours: (...args: A) => unknown,
  prepare: (answer: unknown) => unknown = (answer) => answer,
): unknown[] {
  const answers = ask(fn, questions).map(prepare)
  for (const [index, args] of questions.entries()) {
    const got = ours(...args)
    const want = answers[index]
    if (JSON.stringify(got) !== JSON.stringify(want))
      expect(got, `${fn} ${JSON.stringify(args)}`).toEqual(want)
  }
  return answers
}

function sample<T>(arbitrary: fc.Arbitrary<T>, numRuns: number): T[] {
  return fc.sample(arbitrary, { numRuns, seed: 20231114 })
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Leaves out surrogates, and what newer versions of Unicode have added, if this go's is another than the tables'. */
function isComparable(code: number): boolean {
  if (code >= 0xd800 && code < 0xe000) return false
  return hasSameUnicode() || code < 0x530
}

let sameUnicode: boolean | undefined

function hasSameUnicode(): boolean {
  sameUnicode ??= ask('unicode', [[]])[0] === unicodeVersion
  return sameUnicode
}

/** Returns a git name as the readers give it: bytes that are not UTF-8 as lone surrogates. */
function nameOf(bytes: Buffer): string {
  let name = ''
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((n) => {
      const text = bytes.subarray(at, at + n).toString()
      return at + n <= bytes.length && !text.includes('\ufffd') && [...text].length === 1
    })
    // U+FFFD itself is valid, too.
    const isReplacement = bytes.subarray(at, at + 3).equals(Buffer.from('\ufffd'))
    const taken = isReplacement ? 3 : length
    if (taken === undefined) name += String.fromCharCode(0xdc00 + (bytes[at] ?? 0))
    else name += bytes.subarray(at, at + taken).toString()
    at += taken ?? 1
  }
  return name
}

function bytesOf(name: string): Buffer {
  const parts = Array.from(name, (char) => {
    const code = char.codePointAt(0) ?? 0
    return code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code - 0xdc00]) : Buffer.from(char)
  })
  return Buffer.concat(parts)
}

/** Returns a name as the oracle's JSON shows it. */
function asShown(name: string): string {
  return name.replaceAll(/[\udc80-\udcff]/gu, '\ufffd')
}
