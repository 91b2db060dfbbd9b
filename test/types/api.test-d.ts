/**
 * Pins the types of the public API. Nothing here runs: the compiler checks it.
 */

import {
  type BuildOptions,
  build,
  type Config,
  defineConfig,
  describeProblem,
  FatalError,
  index,
  loadSettings,
  type ModpressEvent,
  type Problem,
  type ProblemCode,
  type ProblemEvent,
  plan,
  problemCodes,
  type Report,
  type Settings,
  type SiteServer,
  serveSite,
} from '../../src/index.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles only where both types are the same. */
declare function same<A, B>(..._: Same<A, B> extends true ? [] : [never]): void

/** Compiles only where the value has the type. */
declare function expectType<T>(value: T): void

export async function check(): Promise<void> {
  const config = defineConfig({ url: 'https://go.example.com', repositories: [{ root: 'example.com/r' }] })
  same<typeof config, Config>()
  // @ts-expect-error A misspelt key is an error.
  defineConfig({ ulr: 'https://go.example.com' })

  const settings = await loadSettings({ cwd: '.', env: {}, config })
  same<typeof settings, Settings>()
  // @ts-expect-error Settings are not changed, but replaced.
  settings.output = 'elsewhere'

  const options: BuildOptions = {
    signal: AbortSignal.timeout(1000),
    failOn: 'warning',
    acceptMoved: ['example.com/r@v1.0.0'],
    onEvent: (event) => {
      same<typeof event, ModpressEvent>()
      if (event.type === 'problem') expectType<ProblemEvent>(event)
      if (event.type === 'version') expectType<'add' | 'keep' | 'refuse'>(event.action)
    },
  }
  const report = await build(settings, options)
  same<typeof report, Report>()
  expectType<0 | 1>(report.exit)
  expectType<readonly ProblemEvent[]>(report.problems)
  same<Report, Awaited<ReturnType<typeof plan>>>()
  same<Report, Awaited<ReturnType<typeof index>>>()
  await plan(settings, { as: { tag: 'v1.4.0', revision: 'main' } })
  // @ts-expect-error There is no such choice.
  await build(settings, { failOn: 'all' })

  const server = await serveSite(settings.output, { port: 0 })
  same<typeof server, SiteServer>()

  const [code] = problemCodes
  if (code !== undefined) expectType<string>(describeProblem(code).hint)
  expectType<ProblemCode>('tag-moved')
  // @ts-expect-error There is no such code.
  expectType<ProblemCode>('tag-lost')

  try {
    await index(settings)
  } catch (error) {
    if (error instanceof FatalError) {
      expectType<Problem>(error.problem)
      expectType<2 | 75>(error.exitCode)
    }
  }
}
