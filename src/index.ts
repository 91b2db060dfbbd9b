/**
 * The public API of modpress: the flows, the configuration, and what they
 * tell. Re-exports only.
 */

export { type BuildOptions, build, index, type PlanOptions, plan } from './build.ts'
export { type LoadOptions, loadSettings } from './config/load.ts'
export {
  type Acceptance,
  type Config,
  defineConfig,
  type RepositoryConfig,
  type RepositoryPart,
  type RepositorySettings,
  type Settings,
} from './config/schema.ts'
export type { FlowOptions, ModpressEvent, ProblemEvent, ProgressEvent, VersionEvent } from './events.ts'
export type { LiveOptions } from './live.ts'
export type { ForgeName, HostName, SourceTemplate } from './model.ts'
export {
  type CatalogueEntry,
  describeProblem,
  FatalError,
  isProblemCode,
  type Problem,
  type ProblemCode,
  type ProblemPlace,
  problemCodes,
  type Severity,
} from './problem.ts'
export { type PublishOptions, publish } from './publish.ts'
export type { Counts, FailOn, Report } from './report.ts'
export { type ServeOptions, type SiteServer, serveSite, siteHandler } from './serve.ts'
export type { SettleOptions } from './settle.ts'
export type { TargetOptions } from './targets.ts'
export { type VerifiedTarget, type VerifyOptions, type VerifyReport, verify } from './verify.ts'
export { type WithdrawOptions, withdraw } from './withdraw.ts'
