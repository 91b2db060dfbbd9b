/**
 * What commands do where others may write, too, or have written. Re-exports only,
 * as flows.ts: a build loads none of it.
 */

export { publish } from '../publish.ts'
export { verify } from '../verify.ts'
export { withdraw } from '../withdraw.ts'
