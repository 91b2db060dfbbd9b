/**
 * Holds the files of a version against the line of the manifest: the zip by
 * its h1, its sha256 and its size, .mod by its hash, .info by what it says. The
 * h1 is computed from what the zip inflates to, as go does.
 */

import { ArchiveError, hashArchive } from '../archive.ts'
import { checkInfo } from '../live/check.ts'
import type { ModulePath, PublishedVersion } from '../model.ts'
import { goModH1 } from '../module/dirhash.ts'
import type { ProblemPlace } from '../problem.ts'
import { versionFile } from '../render/paths.ts'
import { describeAnswer, isDocument, textOf } from './answer.ts'
import { expectFile, judgeContent, judgePresence } from './expect.ts'
import type { Findings } from './findings.ts'
import type { Fetched, Place } from './place.ts'

/** A version, and the root of its repository. */
export interface Owned {
  readonly root: ModulePath
  readonly version: PublishedVersion
}

/** Verifies .info, .mod and .zip of a version. */
export async function verifyVersion(
  place: Place,
  findings: Findings,
  { root, version }: Owned,
): Promise<void> {
  const about = { repository: root, module: version.path, version: version.version }
  const path = (kind: 'info' | 'mod' | 'zip') => versionFile(version.path, version.version, kind)
  await expectFile(place, findings, path('info'), {
    place: about,
    content: 'json',
    check: (body) =>
      textOf(body).startsWith('\uFEFF')
        ? 'begins with a byte order mark, which go does not read'
        : checkInfo(body, version),
    code: 'info-altered',
  })
  await expectFile(place, findings, path('mod'), {
    place: about,
    content: 'text',
    check: (body) => {
      const found = goModH1(body)
      return found === version.goModH1
        ? undefined
        : `has the hash ${found}, and the manifest says ${version.goModH1}`
    },
    code: 'mod-altered',
  })
  // What is much larger is not the zip, whatever it is.
  await place.withFile(path('zip'), version.size + 2 ** 20, (fetched) =>
    verifyZip(place, findings, about, version, fetched),
  )
}

async function verifyZip(
  place: Place,
  findings: Findings,
  about: ProblemPlace,
  version: PublishedVersion,
  { answer, file, sha256 }: Fetched,
): Promise<void> {
  const said = describeAnswer(answer)
  if (answer.failure?.kind === 'large') {
    findings.tell('zip-altered', about, `${said}, and the manifest says ${version.size}.`)
    return
  }
  const missing = await judgePresence(place, answer)
  if (missing !== undefined) {
    findings.tell(missing.code, about, missing.message)
    return
  }
  const h1 = await hashZip(file)
  if (h1 === version.h1) {
    if (sha256 === version.sha256) return
    const message = `${said}. It has the right h1, and other bytes than the manifest says: the sha256 is ${sha256}, not ${version.sha256}.`
    findings.tell('zip-repacked', about, message)
    return
  }
  const isCut = h1 === undefined && answer.size < version.size && !isDocument(answer.body, 'zip')
  const code = judgeContent(answer, 'zip', isCut ? 'file-cut' : 'zip-altered')
  const what =
    h1 === undefined
      ? `It is no whole zip: ${answer.size} bytes, and the manifest says ${version.size}.`
      : `It has the hash ${h1}, and the manifest says ${version.h1}.`
  findings.tell(code, about, `${said}. ${what}`)
}

/** Returns the h1 of a zip; undefined where it is none. */
async function hashZip(file: string): Promise<string | undefined> {
  try {
    return (await hashArchive(file)).h1
  } catch (error) {
    if (error instanceof ArchiveError) return undefined
    throw error
  }
}
