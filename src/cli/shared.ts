/**
 * What commands do that write where others may write, too. Re-exports only, as
 * flows.ts: a build loads none of it.
 */

export { publish } from '../publish.ts'
export { withdraw } from '../withdraw.ts'
