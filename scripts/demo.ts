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

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { ModulePath } from '../src/model.ts'
import { escapePath } from '../src/module/escape.ts'
import { createGo } from '../test/support/gorun.ts'
import { askAll, askOfRepositories, compareAnswers, plannedVersions } from './answers.ts'
import { describeMissing, findMissing } from './parts.ts'
import { makeSamples, moveTag, samplePrefix, samples } from './samples.ts'
import { createShow, indent, modpress } from './show.ts'

const config = `url: https://${samplePrefix}
output: site
repositories:
  - root: ${samplePrefix}/{name}
    dir: repos/*
`

const root = fileURLToPath(new URL('../', import.meta.url))
const [, , given] = process.argv
if (given?.startsWith('-')) {
  console.error('Usage: npm run demo -- [DIR]\n\nDIR is a new directory; without one it all lands in demo/.')
  process.exit(['-h', '--help'].includes(given) ? 0 : 2)
}
const demo = given === undefined ? join(root, 'demo') : resolve(given)
// The name by which people know it.
const shown = given ?? 'demo'
const repos = join(demo, 'repos')
const site = join(demo, 'site')
const start = performance.now()
const show = createShow()
const { title, expect, fail, failures } = show

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
const first = await modpress(['build'], { cwd: demo })
expect(first.status === 0, 'The exit status is 0: there is no error.')
const added = first.output.match(/^added /gm)?.length
expect(added === Object.values(plannedVersions).flat().length, `The site has ${added} versions.`)
expect(
  first.output.includes('major-version-mismatch'),
  'The tag v2.0.0 of clock is named, with the reason; it costs no other version anything.',
)
for (const [name, versions] of Object.entries(plannedVersions)) {
  const file = join(site, samplePrefix, escapePath(name as ModulePath), '@v/list')
  const list = existsSync(file) ? readFileSync(file, 'utf8') : ''
  expect(list === versions.map((version) => `${version}\n`).join(''), `${name} has ${versions.join(' ')}.`)
}

// Go keeps what the tags say now, to compare with later.
const direct = noGo === undefined ? await createGo() : undefined
const fromGit = direct === undefined ? undefined : await askOfRepositories(direct, repos)

title('3. Someone moves a tag')
moveTag(repos)
console.log(`   $ git commit --all && git tag --force v1.0.1      (in ${shown}/repos/parser)\n`)
const second = await modpress(['build'], { cwd: demo })
expect(second.status === 1, 'The exit status is 1: someone has to look at this.')
expect(second.output.includes('(tag-moved)'), 'The moved tag is refused; the first content stays.')
console.log()
const third = await modpress(['build'], { cwd: demo })
expect(third.status === 0, 'The next run has nothing new, and names the error as known.')

title('4. The real go reads the site')
if (noGo !== undefined) {
  console.log(`   ${describeMissing(noGo)}\n   This step is SKIPPED.\n`)
  if (process.env['CI'] === 'true') fail('go is missing, and with CI=true it must be there.')
} else {
  const client = await createGo({ proxy: pathToFileURL(site).href })
  console.log(`   $ export GOPROXY=file://…/${shown}/site\n   $ go list -m -versions …; go mod download …\n`)
  compareAnswers(show, fromGit ?? [], await askAll(client))
  const [refused] = await client.query([`${samplePrefix}/clock@v2.0.0`])
  expect(refused?.error !== undefined, 'Go refuses v2.0.0 of clock, too.')
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
