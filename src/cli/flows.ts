/**
 * What commands do, in one piece: a command that runs loads it, and one that
 * only prints its help does not. Re-exports only.
 */

export { build, index, plan } from '../build.ts'
export { loadAccepted, loadSettings } from '../config/load.ts'
export { openReport } from './report.ts'
