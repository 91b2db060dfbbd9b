/**
 * What the engine is told where a build has more to do than one thread can.
 *
 * V8 compiles what runs often once more, at length and in threads of its own.
 * That pays off within minutes, and most builds end within seconds: of builds
 * of 27 and of 2,000 versions it took a tenth to a sixth of all processor time,
 * which the hands lack. With fifteen times its patience most of that is saved,
 * and what runs all the time is compiled even so. Later versions of V8 have a
 * quicker compiler in between, and are left alone.
 */

/**
 * Lets V8 wait longer before it optimizes. It is for the whole process, and for its threads: whoever calls it has loaded
 * his program, since kept code (start.cts) belongs to what the engine was told.
 */
export async function postponeOptimizing(): Promise<void> {
  if (!process.versions.v8.startsWith('11.')) return
  const { setFlagsFromString } = await import('node:v8')
  setFlagsFromString('--interrupt-budget=1000000')
}
