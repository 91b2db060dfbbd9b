/**
 * What takes time to start is started as soon as it is known that there is
 * something to do: threads, and git. What does it is loaded meanwhile, and
 * finds them there.
 */

import type { Settings } from './config/schema.ts'
import { PreparedRepository } from './git/repository.ts'
import { Hands, shareMemory } from './hands.ts'
import type { Survey } from './survey.ts'

export class Early {
  readonly hands: Hands
  readonly #reader: Settings['git']
  #prepared: PreparedRepository | undefined

  constructor({ jobs, memory, git }: Pick<Settings, 'jobs' | 'memory' | 'git'>) {
    this.hands = new Hands(jobs, shareMemory(memory))
    this.#reader = git
  }

  /** The first repository of which something is new, once it is known. */
  get prepared(): PreparedRepository | undefined {
    return this.#prepared
  }

  /** Starts what the work on these repositories will need first. */
  expect(surveys: readonly Survey[]): void {
    const opened = surveys.find((survey) => (survey.opened?.changes.open.length ?? 0) > 0)?.opened
    if (opened === undefined) return
    this.#prepared ??= new PreparedRepository(opened.location, this.#reader)
    this.hands.expect(opened.changes.open.length)
  }

  /** Lets go of all that. */
  async end(): Promise<void> {
    this.hands.end()
    await this.#prepared?.close()
  }
}
