/**
 * Finds the root import path of a clone that nobody has configured: what the
 * go.mod at its top says, without the major version, else where it came from.
 * A bare repository has its go.mod in the commit that HEAD names.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FactsReader } from '../git/facts.ts'
import { type GitLocation, locateRepository } from '../git/location.ts'
import { RepositoryError } from '../git/object.ts'
import { readRefs } from '../git/refs.ts'
import { withRepository } from '../git/repository.ts'
import { modulePathOf } from '../module/gomod.ts'
import { splitPathVersion } from '../module/path.ts'
import { FatalError, problem } from '../problem.ts'
import { importPathOf } from './address.ts'
import { checkRoot, type Settings } from './schema.ts'

/** Returns the root import path of the clone whose top is `dir`. Throws a FatalError where nothing says it. */
export async function inferRoot(dir: string, git: Settings['git']): Promise<string> {
  const location = await locateRepository(dir)
  if ('severity' in location) throw new FatalError(location)
  const declared = (await readModulePath(join(dir, 'go.mod'))) ?? (await readCommittedPath(location, git))
  const origin = location.originUrl === undefined ? undefined : importPathOf(location.originUrl)
  const root = declared === undefined ? origin : rootOf(declared)
  if (root === undefined) {
    throw missing(
      `${dir} has neither a go.mod at its top nor an origin on a host, so that its import path is unknown.`,
    )
  }
  const reason = checkRoot(root)
  if (reason !== undefined) {
    const source = declared === undefined ? 'origin' : 'go.mod'
    throw missing(
      `The ${source} of ${dir} gives the import path ${root}, which go does not allow: ${reason}.`,
    )
  }
  return root
}

/** A repository's root is the path without "/vN"; in gopkg.in's paths the version is part of the repository. */
export function rootOf(modulePath: string): string {
  if (modulePath.startsWith('gopkg.in/')) return modulePath
  return splitPathVersion(modulePath)?.prefix ?? modulePath
}

async function readModulePath(file: string): Promise<string | undefined> {
  try {
    return modulePathOf(await readFile(file)) || undefined
  } catch {
    return undefined
  }
}

/** Returns the module path in the commit that HEAD names. What is wrong with a repository is told when it is pressed. */
async function readCommittedPath(location: GitLocation, git: Settings['git']): Promise<string | undefined> {
  try {
    const { checkedOut } = await readRefs(location, {})
    if (checkedOut === undefined) return undefined
    return await withRepository(location, git, async (repository) => {
      const head = { name: 'HEAD', oid: checkedOut }
      const { mods } = await new FactsReader(repository).read(head, 'all')
      return mods?.['']?.module || undefined
    })
  } catch (error) {
    if (error instanceof RepositoryError) return undefined
    throw error
  }
}

function missing(message: string): FatalError {
  const hint = 'Write modpress.config.yaml with the "root" of this repository.'
  return new FatalError(problem('config-missing', {}, message, hint))
}
