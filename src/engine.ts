/**
 * What the engine is told where a build has much to do.
 *
 * V8 compiles what runs often once more, at length and in threads of its own.
 * That pays off within minutes, and most builds end within seconds: of a first
 * build of 2,000 versions it took a sixth of all processor time, which the
 * hands lack. With fifteen times its patience most of that is saved, a tenth of
 * the whole, and what runs all the time is compiled even so. Later versions of
 * V8 have a quicker compiler in between, and are left alone.
 */

/** Lets V8 wait longer before it optimizes. It is for the whole process, and for its threads. */
export async function postponeOptimizing(): Promise<void> {
  if (!process.versions.v8.startsWith('11.')) return
  const { setFlagsFromString } = await import('node:v8')
  setFlagsFromString('--interrupt-budget=1000000')
}
