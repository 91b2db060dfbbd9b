/**
 * What a flow tells while it works. The library never prints; the command line
 * turns events into text or JSON lines.
 *
 * Pure: types and nothing else.
 */

import type { Problem } from './problem.ts'

/**
 * How far a step is. With a repository, `done` and `total` count what the step
 * does in it: objects, versions. `done` as much as `total` is the end of the
 * step there. Without one they count repositories.
 */
export interface ProgressEvent {
  readonly type: 'progress'
  readonly step: 'restore' | 'clone' | 'survey' | 'read' | 'pack' | 'derive' | 'index' | 'verify'
  /** The root of the repository at hand. Several may be worked on at a time. */
  readonly repository?: string
  /** What is done, for people. */
  readonly message?: string
  readonly done?: number
  readonly total?: number
  /** How much of what is not done is done in part: 0.5 is half of one. Where one takes long. */
  readonly begun?: number
}

export interface VersionEvent {
  readonly type: 'version'
  readonly action: 'add' | 'keep' | 'refuse'
  readonly module: string
  readonly version: string
  /** Where it was published, as it may be shown. Absent where there is one target, or none. */
  readonly target?: string
}

/** A problem, and whether the last run reported it already. */
export interface ProblemEvent extends Problem {
  readonly type: 'problem'
  readonly known: boolean
}

export type ModpressEvent = ProgressEvent | VersionEvent | ProblemEvent

export interface FlowOptions {
  /** Is told of progress, versions and problems as they come. @default nobody */
  readonly onEvent?: (event: ModpressEvent) => void
  /** Stops the run between two files. The site stays whole. @default never */
  readonly signal?: AbortSignal
}
