/**
 * What a benchmark found, in numbers and as Markdown.
 *
 * Pure.
 */

/** A: `go mod download`. B: the Go program. P: modpress. L: copying its output. */
export type ProgramName = 'A' | 'B' | 'P' | 'L'
type RatioName = 'A/P' | 'B/P' | 'P/L'

/** One run, in milliseconds. Processor time is not known everywhere. */
export interface Sample {
  readonly wallMs: number
  readonly cpuMs?: number
}

export interface Measured {
  /** The timed runs, in order. */
  readonly samples: readonly Sample[]
  /** Peaks of resident memory in the runs before: of all processes together, and of the first alone. */
  readonly treeBytes?: number
  readonly mainBytes?: number
}

/** Of the ratios of runs that followed one another. */
export interface Ratio {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly pairs: number
}

export interface WorkResult {
  readonly work: string
  readonly versions: number
  readonly zipBytes: number
  readonly programs: Readonly<Partial<Record<ProgramName, Measured>>>
  readonly ratios: Readonly<Partial<Record<RatioName, Ratio>>>
}

export interface RepositoryResult {
  readonly root: string
  readonly works: readonly WorkResult[]
  /** How many hashes of modpress were compared with go's, and are the same. */
  readonly compared: number
  /** Whose hashes they were compared with: go's own, or those that golang.org/x/mod gives of the zips of B. */
  readonly comparedWith: 'A' | 'B'
  /** How many of the zips of B have another h1 than go's. Absent: B did not run. */
  readonly otherB?: number
  /** Why there are no numbers, or fewer than there could be. */
  readonly failures: readonly string[]
}

export interface BenchReport {
  readonly date: string
  readonly command: string
  /** What the machine is: processors, memory, versions of programs. */
  readonly machine: string
  readonly rounds: number
  readonly repositories: readonly RepositoryResult[]
  /** What did not run at all. */
  readonly skipped: readonly string[]
}

/** Returns the median; of an even number, the mean of both in the middle. */
export function medianOf(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

/** Returns how many times as long as the lower runs the upper ones took, pair by pair. */
export function ratioOf(upper: readonly Sample[], lower: readonly Sample[]): Ratio {
  const ratios = upper.flatMap(({ wallMs }, index) => {
    const other = lower[index]
    return other === undefined ? [] : [wallMs / other.wallMs]
  })
  return {
    median: medianOf(ratios),
    min: Math.min(...ratios),
    max: Math.max(...ratios),
    pairs: ratios.length,
  }
}

/** Joins the measurements of a program that ran beside several others. */
export function mergeMeasured(one: Measured | undefined, other: Measured): Measured {
  if (one === undefined) return other
  const peak = (key: 'treeBytes' | 'mainBytes') => {
    const most = Math.max(one[key] ?? 0, other[key] ?? 0)
    return most === 0 ? {} : { [key]: most }
  }
  return { samples: [...one.samples, ...other.samples], ...peak('treeBytes'), ...peak('mainBytes') }
}

/** Renders the report for people. */
export function renderReport(report: BenchReport): string {
  const { date, command, machine, rounds, repositories, skipped } = report
  const rows = repositories.flatMap(({ root, works }) => works.map((work) => ({ root, work })))
  const times = table(
    [
      ['repository', 'work', 'versions', 'zips, MB', 'A, s', 'B, s', 'P, s', 'L, s', 'A/P', 'B/P', 'P/L'],
      ['---', '---', ...Array.from({ length: 9 }, () => '---:')],
    ],
    rows.map(({ root, work: { work, versions, zipBytes, programs, ratios } }) => [
      root,
      work,
      String(versions),
      round(zipBytes / 1e6),
      ...(['A', 'B', 'P', 'L'] as const).map((name) => renderTimes(programs[name])),
      ...(['A/P', 'B/P', 'P/L'] as const).map((name) => renderRatio(ratios[name])),
    ]),
  )
  const memory = table(
    [
      ['repository', 'work', 'A, MiB', 'B, MiB', 'P, MiB', 'P without its git, MiB'],
      ['---', '---', ...Array.from({ length: 4 }, () => '---:')],
    ],
    rows.map(({ root, work: { work, programs } }) => [
      root,
      work,
      ...(['A', 'B', 'P'] as const).map((name) => renderBytes(programs[name]?.treeBytes)),
      renderBytes(programs.P?.mainBytes),
    ]),
  )
  const notes = [...skipped, ...repositories.flatMap(renderNotes)]
  return [
    `${date}, \`${command}\`\n${machine}\n`,
    `Medians of ${rounds} rounds, wall / processor seconds; in parentheses the least and the greatest ratio.\n`,
    times,
    'Peaks of resident memory, all processes together:\n',
    memory,
    ...(notes.length === 0 ? [] : [`${notes.map((note) => `- ${note}`).join('\n')}\n`]),
  ].join('\n')
}

function renderNotes({ root, compared, comparedWith, otherB = 0, failures }: RepositoryResult): string[] {
  const [all, whose] =
    comparedWith === 'A' ? [compared, 'go'] : [compared + otherB, 'the zips of B, by golang.org/x/mod']
  const isCompared = compared === 0 ? [] : [`${root}: ${compared} of ${all} h1 hashes are those of ${whose}.`]
  const differs =
    otherB === 0 ? [] : [`${root}: ${otherB} zips of B have another h1 than go's: it does less than P.`]
  return [...isCompared, ...differs, ...failures.map((failure) => `**${root}: ${failure}**`)]
}

function renderTimes(measured: Measured | undefined): string {
  if (measured === undefined) return ''
  const { samples } = measured
  const cpu = samples.flatMap(({ cpuMs }) => cpuMs ?? [])
  const wall = renderSeconds(medianOf(samples.map(({ wallMs }) => wallMs)))
  return cpu.length < samples.length ? wall : `${wall} / ${renderSeconds(medianOf(cpu))}`
}

function renderSeconds(ms: number): string {
  const seconds = ms / 1000
  return seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)
}

function renderRatio(ratio: Ratio | undefined): string {
  if (ratio === undefined) return ''
  const { median, min, max } = ratio
  return `**${round(median)}** (${round(min)}–${round(max)})`
}

function renderBytes(bytes: number | undefined): string {
  return bytes === undefined ? '' : String(Math.round(bytes / 2 ** 20))
}

function round(number: number): string {
  if (number >= 100) return number.toFixed(0)
  return number.toPrecision(number < 0.01 ? 1 : number < 0.1 ? 2 : 3)
}

function table(head: readonly (readonly string[])[], rows: readonly (readonly string[])[]): string {
  return `${[...head, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`
}
