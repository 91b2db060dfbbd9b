/**
 * Does "modpress init": looks at the directory, lets src/init decide and write,
 * and puts the files there. What is there already stays as it is.
 */

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { findTop } from '../config/file.ts'
import { ownRepository, ownVersion } from '../config/package.ts'
import { chooseSetup, repositoryPath, type Wishes } from '../init/choose.ts'
import { renderConfig } from '../init/config.ts'
import { githubFile, renderGithub } from '../init/github.ts'
import { gitlabFiles, renderGitlab } from '../init/gitlab.ts'
import { describeSteps } from '../init/steps.ts'
import { FatalError, problem } from '../problem.ts'
import { checkTarget } from '../targets.ts'
import { type LookOptions, lookAround } from './surroundings.ts'

export interface InitOptions extends Wishes, LookOptions {
  readonly cwd: string
  /** The Action of modpress. @default the one of this release, or of the same owner */
  readonly action?: string
}

export interface InitResult {
  /** From the top, with "/". */
  readonly files: readonly { readonly path: string; readonly action: 'wrote' | 'kept' }[]
  readonly steps: readonly string[]
}

/** Writes a configuration and a job. Throws a FatalError where it is not clear which. */
export async function init(options: InitOptions): Promise<InitResult> {
  const wrong = options.target === undefined ? undefined : await checkTarget(options.target)
  if (wrong !== undefined) throw new FatalError(wrong)
  if (options.action !== undefined && !/^[\w.-]+(?:\/[\w.-]+)+@[\w./-]+$/.test(options.action)) {
    const message = '--action must be OWNER/REPO@REF.'
    throw new FatalError(problem('usage', {}, message, 'For example --action acme/modpress@main.'))
  }
  const top = (await findTop(options.cwd)) ?? options.cwd
  const found = await lookAround(top, options)
  const choices = chooseSetup(found, options)
  if ('severity' in choices) throw new FatalError(choices)

  const texts = new Map<string, string>()
  if (choices.shape !== 'notice') texts.set(found.configFile ?? 'modpress.config.yaml', renderConfig(choices))
  const more: { included?: string; action?: string } = {}
  if (choices.ci === 'github') {
    const action = options.action ?? releasedAction() ?? assumedAction(found.origin)
    if (options.action === undefined && releasedAction() === undefined && choices.shape !== 'notice')
      more.action = action
    texts.set(githubFile, renderGithub(choices, action))
  } else if (choices.ci === 'gitlab') {
    if (await hasOtherJobs(join(top, gitlabFiles.alone))) more.included = gitlabFiles.beside
    texts.set(more.included ?? gitlabFiles.alone, renderGitlab(choices, ownVersion()))
  }
  const files: { path: string; action: 'wrote' | 'kept' }[] = []
  for (const [path, text] of texts) files.push({ path, action: await writeNew(join(top, path), text) })
  const wrote = files.filter(({ action }) => action === 'wrote')
  const isOld = wrote.length === 0
  const steps = describeSteps({
    choices,
    files: (isOld ? files : wrote).map(({ path }) => path),
    isOld,
    ...more,
  })
  return { files, steps }
}

/** The Action of the release that runs. */
function releasedAction(): string | undefined {
  const repository = ownRepository()
  return repository === undefined ? undefined : `${repository}@${majorTag()}`
}

/** Without a release the Action can be a copy beside the user's own repository. */
function assumedAction(origin: string | undefined): string {
  const [owner] = origin === undefined ? [''] : repositoryPath(origin).split('/')
  return `${owner || 'OWNER'}/modpress@${majorTag()}`
}

function majorTag(): string {
  return `v${ownVersion().split('.')[0]}`
}

/** Tells whether a pipeline is there that init has not written. */
async function hasOtherJobs(file: string): Promise<boolean> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  return text !== undefined && !text.includes('Made by "modpress init".')
}

/** Never writes over a file, a link to one included. */
async function writeNew(file: string, text: string): Promise<'wrote' | 'kept'> {
  try {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text, { flag: 'wx' })
    return 'wrote'
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return 'kept'
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new FatalError(problem('output-unwritable', {}, `${file} cannot be written: ${reason}`), { cause })
  }
}
