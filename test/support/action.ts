/** The Action as a release's tag holds it, in a directory that is removed after the tests of the file. */

import { dirname } from 'node:path'
import { copyPortable } from '../../scripts/portable.ts'
import { cliFile } from './cli.ts'
import { makeDirectory } from './repo.ts'

/** Returns the directory of the Action, put together as scripts/portable.ts does it. */
export function makeAction(): string {
  const dir = makeDirectory()
  copyPortable(dir, dirname(cliFile()))
  return dir
}
