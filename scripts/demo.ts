/**
 * Shows in a few seconds what modpress does: `npm run demo`. It all lands in
 * demo/, which is emptied before, or in a new directory: `npm run demo -- DIR`.
 *
 * Sample repositories are made and pressed into a site; someone moves a tag,
 * and they are pressed again; then the real go command, if there is one, reads
 * the site and must get what it got from the repositories themselves. What is
 * not as planned is named, and the exit status is 1.
 *
 * The command line is the real one, run as a user would in demo/.
 */

import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { createGo, type Go } from '../test/support/gorun.ts'
import { describeMissing, findMissing } from './parts.ts'
import { makeSamples, moveTag, samplePrefix, samples } from './samples.ts'

/** What go must find in the site, by module: its versions, the last of which is the latest. */
const planned: Readonly<Record<string, readonly string[]>> = {
  clock: ['v1.0.0'],
  greet: ['v0.1.0', 'v1.0.0', 'v1.1.0', 'v1.1.1'],
  'greet/v2': ['v2.0.0'],
  parser: ['v1.0.0', 'v1.0.1'],
  'tools/cmd/lint': ['v1.0.0'],
  'tools/log': ['v0.1.0', 'v0.2.0'],
}

const config = `url: https://${samplePrefix}
output: site
repositories:
  - root: ${samplePrefix}/{name}
    dir: repos/*
`

const root = fileURLToPath(new URL('../', import.meta.url))
const [, , given] = process.argv
const demo = given === undefined ? join(root, 'demo') : resolve(given)
// The name by which people know it.
const shown = given ?? 'demo'
const repos = join(demo, 'repos')
const site = join(demo, 'site')
const modules = Object.keys(planned).map((name) => `${samplePrefix}/${name}`)
const isColored = process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === ''
const start = performance.now()
const failures: string[] = []

const [noGit] = findMissing('git')
if (noGit !== undefined) {
  console.error(describeMissing(noGit))
  process.exit(1)
}
const [noGo] = findMissing('go')

title('1. Sample repositories')
if (given === undefined) rmSync(demo, { recursive: true, force: true })
mkdirSync(demo)
makeSamples(repos)
for (const { name, about } of samples) console.log(`   ${shown}/repos/${name.padEnd(7)} ${about}`)
writeFileSync(join(demo, 'modpress.config.yaml'), config)
console.log(`\n   ${shown}/modpress.config.yaml says which import paths they have:\n`)
console.log(indent(config))

title('2. They become a site')
const first = modpress('build')
expect(first.status === 0, 'The exit status is 0: there is no error.')
const added = first.output.match(/^added /gm)?.length
expect(added === Object.values(planned).flat().length, `The site has ${added} versions.`)
expect(
  first.output.includes('major-version-mismatch'),
  'The tag v2.0.0 of clock is named, with the reason; it costs no other version anything.',
)
for (const [name, versions] of Object.entries(planned)) {
  const file = join(site, samplePrefix, name, '@v/list')
  const list = existsSync(file) ? readFileSync(file, 'utf8') : ''
  expect(list === versions.map((version) => `${version}\n`).join(''), `${name} has ${versions.join(' ')}.`)
}

// Go keeps what the tags say now, to compare with later.
const direct = noGo === undefined ? await createGo() : undefined
await direct?.direct(samples.map(({ name }) => ({ root: `${samplePrefix}/${name}`, dir: join(repos, name) })))
const fromGit = direct === undefined ? undefined : await ask(direct)

title('3. Someone moves a tag')
moveTag(repos)
console.log(`   $ git commit --all && git tag --force v1.0.1      (in ${shown}/repos/parser)\n`)
const second = modpress('build')
expect(second.status === 1, 'The exit status is 1: someone has to look at this.')
expect(second.output.includes('(tag-moved)'), 'The moved tag is refused; the first content stays.')
console.log()
const third = modpress('build')
expect(third.status === 0, 'The next run has nothing new, and names the error as known.')

title('4. The real go reads the site')
if (noGo !== undefined) {
  console.log(`   ${describeMissing(noGo)}\n   This step is SKIPPED.\n`)
  if (process.env['CI'] === 'true') failures.push('go is missing, and with CI=true it must be there.')
} else {
  const client = await createGo({ proxy: pathToFileURL(site).href })
  console.log(`   $ export GOPROXY=file://…/${shown}/site\n   $ go list -m -versions …; go mod download …\n`)
  compare(fromGit ?? [], await ask(client))
  const [taken] = await client.retractions([`${samplePrefix}/greet@v1.1.0`])
  expect(
    taken?.retracted?.join() === 'It cannot spell.',
    'Of v1.1.0 of greet go says: retracted, "It cannot spell."',
  )
  console.log()
  await Promise.all([client.close(), direct?.close()])
}

const seconds = ((performance.now() - start) / 1000).toFixed(1)
if (failures.length > 0) {
  console.log(`NOT as planned, after ${seconds} s:\n${failures.map((each) => `  ${each}\n`).join('')}`)
  process.exitCode = 1
} else {
  console.log(`All of it went as planned, in ${seconds} s. The site is in ${shown}/site. What to run next:

   npx tsx src/cli/main.ts serve ${shown}/site

and, in another terminal, or open that address in a browser:

   export GOPROXY=http://127.0.0.1:8080 GONOSUMDB=${samplePrefix}
   go list -m -versions ${samplePrefix}/greet
`)
}

/** What go says of a module. */
interface Answer {
  readonly module: string
  readonly versions: string
  readonly latest: string
  /** The h1 hashes of each version's zip and go.mod, as go.sum has them. */
  readonly sums: string
}

async function ask(go: Go): Promise<Answer[]> {
  const [lists, latest] = await Promise.all([go.versions(modules), go.latest(modules)])
  const downloads = await go.download(
    lists.flatMap(({ module, versions }) => versions.map((version) => `${module}@${version}`)),
  )
  const [refused] = await go.query([`${samplePrefix}/clock@v2.0.0`])
  expect(refused?.error !== undefined, 'go refuses v2.0.0 of clock, too.', 'quiet')
  return lists.map(({ module, versions }, index) => ({
    module,
    versions: versions.join(' '),
    latest: `${latest[index]?.version} ${latest[index]?.time}`,
    sums: downloads
      .filter(({ path }) => path === module)
      .map(({ sum, goModSum, error }) => `${sum} ${goModSum}${error ?? ''}`)
      .join('\n'),
  }))
}

/** Holds what go got from the site against what it got from the repositories. */
function compare(fromGit: readonly Answer[], fromSite: readonly Answer[]): void {
  const width = Math.max(...modules.map((module) => module.length))
  for (const [index, { module, versions, latest, sums }] of fromSite.entries()) {
    const want = planned[module.slice(samplePrefix.length + 1)]
    const other = fromGit[index]
    const [version] = latest.split(' ')
    const isPlanned = versions === want?.join(' ') && version === want.at(-1)
    const isSame = other?.versions === versions && other.latest === latest && other.sums === sums
    const isWhole = sums.split('\n').every((line) => /^h1:\S+ h1:\S+$/.test(line))
    expect(
      isPlanned && isSame && isWhole,
      `${module.padEnd(width)}  ${versions}; latest: ${version}; hashes as from git`,
    )
  }
}

/** Runs the real command line in demo/, and shows what it says. */
function modpress(...args: readonly string[]): { readonly status: number | null; readonly output: string } {
  console.log(`   $ modpress ${args.join(' ')}\n`)
  const file = join(demo, 'output.txt')
  const fd = openSync(file, 'w')
  const main = join(root, 'src/cli/main.ts')
  const command = ['--import', import.meta.resolve('tsx'), main, ...args]
  const { status } = spawnSync(process.execPath, command, {
    cwd: demo,
    env: environment(),
    stdio: ['ignore', fd, fd],
  })
  closeSync(fd)
  const output = readFileSync(file, 'utf8')
  rmSync(file)
  console.log(indent(output))
  return { status, output: stripVTControlCharacters(output) }
}

/** Nothing of a CI job or of the user's settings changes what is shown. */
function environment(): NodeJS.ProcessEnv {
  const names = Object.keys(process.env).filter((name) => !/^(CI|GITHUB|GITLAB|MODPRESS)(_|$)/.test(name))
  const color = isColored ? { FORCE_COLOR: '1' } : { NO_COLOR: '1' }
  return { ...Object.fromEntries(names.map((name) => [name, process.env[name]])), ...color }
}

function expect(isTrue: boolean, sentence: string, voice: 'loud' | 'quiet' = 'loud'): void {
  if (!isTrue) failures.push(`This is not so: ${sentence.trim()}`)
  if (!isTrue || voice === 'loud')
    console.log(`   ${isTrue ? paint('32', 'ok') : paint('31', 'NO')}  ${sentence}`)
}

function title(text: string): void {
  console.log(`\n${paint('1', text)}\n`)
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '   | ')
}

function paint(code: string, text: string): string {
  return isColored ? `\u001b[${code}m${text}\u001b[0m` : text
}
