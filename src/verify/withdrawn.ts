/**
 * Asks for versions that were taken down. Whoever did that had a reason, most
 * likely a secret: where a cache or a half deployment still has their files, it
 * is still read.
 */

import { eachOf } from '../each.ts'
import type { Shard } from '../manifest.ts'
import { versionFile } from '../render/paths.ts'
import { describeAnswer } from './answer.ts'
import type { Findings } from './findings.ts'
import { requestsAtOnce } from './http.ts'
import type { Place } from './place.ts'

/** Tells which files of withdrawn versions are still there. */
export async function verifyWithdrawn(
  place: Place,
  findings: Findings,
  shards: readonly Shard[],
): Promise<void> {
  const all = shards.flatMap(({ root, state, withdrawn }) =>
    state === 'settled' ? [...withdrawn.values()].map((tombstone) => ({ root, ...tombstone })) : [],
  )
  await eachOf(all, requestsAtOnce, async ({ root, path, version }) => {
    for (const kind of ['info', 'mod', 'zip'] as const) {
      // What it is instead of the file, is told of what is not there.
      await place.withFile(versionFile(path, version, kind), 2 ** 30, async ({ answer }) => {
        if (answer.status !== 200 || answer.size === 0) return
        const about = { repository: root, module: path, version }
        findings.tell(
          'withdrawn-served',
          about,
          `${describeAnswer({ ...answer, words: '' })}, and ${version} was withdrawn.`,
        )
      })
    }
  })
}
