/**
 * What takes time to start is started as soon as it is known that there is
 * something to do: threads, and git. What does it is loaded meanwhile, and
 * finds them there.
 */

import type { Settings } from './config/schema.ts'
import { PreparedRepository } from './git/repository.ts'
import { Hands, shareMemory } from './hands.ts'
import type { Survey } from './survey.ts'

export interface Early {
  readonly hands: Hands
  /** The first repository of which something is new. */
  readonly prepared?: PreparedRepository
  /** Lets go of all that. */
  end(): Promise<void>
}

/** Starts what the work on these repositories will need first. */
export function startEarly(surveys: readonly Survey[], { jobs, memory, git }: Settings): Early {
  const hands = new Hands(jobs, shareMemory(memory))
  const first = surveys.find(({ opened }) => (opened?.changes.open.length ?? 0) > 0)?.opened
  const prepared = first && new PreparedRepository(first.location, git)
  hands.expect(first?.changes.open.length ?? 0)
  const end = async () => {
    hands.end()
    await prepared?.close()
  }
  return { hands, end, ...(prepared && { prepared }) }
}
