/**
 * Asks for files whose names hosts stumble over, in the spellings that clients
 * use. Go writes "!" as "%21" and "+" as it is, which all other checks do;
 * other clients and proxies encode more, or less. Where letter case does not
 * count, pages of two modules may be one file.
 */

import { eachOf } from '../each.ts'
import { versionFile } from '../render/paths.ts'
import { describeAnswer, kindOf } from './answer.ts'
import type { Findings } from './findings.ts'
import type { Place } from './place.ts'
import type { Owned } from './versions.ts'

const special = [/!/, /\+/, /~/]

/** Verifies that each spelling of a name is the same file. */
export async function verifyNames(
  place: Place,
  findings: Findings,
  versions: readonly Owned[],
): Promise<void> {
  const files = versions.map(({ version }) => versionFile(version.path, version.version, 'mod'))
  const [any] = files
  const chosen = new Set([
    ...special.flatMap((each) => files.find((file) => each.test(file)) ?? []),
    ...(any === undefined ? [] : [any]),
  ])
  await eachOf([...chosen], 4, async (file) => {
    const usual = await place.read(file)
    // What is wrong with that is told where versions are verified.
    if (kindOf(usual) !== 'file') return
    for (const form of ['raw', 'encoded'] as const) {
      const other = await place.read(file, { form })
      if (kindOf(other) === 'file' && Buffer.from(other.body).equals(usual.body)) continue
      findings.once('name-encoding', `${describeAnswer(other)}. As go spells it, the file is there.`, file)
    }
  })
  // "!A" is no name that anybody has.
  const plain = files.find((file) => !file.includes('!'))
  if (plain !== undefined) await verifyCase(place, findings, plain)
}

/**
 * Verifies that an object whose name has a "+" has its twin, whose name has a space there: S3 takes the "+" that go
 * sends for a space.
 */
export async function verifyTwins(
  place: Place,
  findings: Findings,
  versions: readonly Owned[],
): Promise<void> {
  const named = versions.filter(({ version }) => version.version.includes('+'))
  await eachOf(named, 4, async ({ root, version }) => {
    for (const kind of ['info', 'mod', 'zip'] as const) {
      const twin = versionFile(version.path, version.version, kind).replaceAll('+', ' ')
      const isThere = await place.withFile(
        twin,
        version.size + 2 ** 20,
        async ({ answer }) => answer.status === 200,
      )
      if (isThere) continue
      const about = { repository: root, module: version.path, version: version.version }
      const message = `${place.name}/${twin} is not there, as which S3 reads the name that go sends.`
      findings.tell('plus-misread', about, message)
    }
  })
}

async function verifyCase(place: Place, findings: Findings, file: string): Promise<void> {
  const slash = file.indexOf('/')
  const other = `${file.slice(0, slash)}${file.slice(slash).toUpperCase()}`
  // Not by the place, which judges lifetimes by names as they should be.
  const answer = await place.http?.ask(other, { limitBytes: 2 ** 20 })
  if (answer === undefined || kindOf(answer) !== 'file') return
  findings.once(
    'case-folded',
    `${describeAnswer(answer)}, and the file is ${file}: letter case does not count.`,
  )
}
