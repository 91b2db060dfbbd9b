/**
 * What is started by the name "modpress", and what is started as a thread: it
 * runs a program of the bundle that it lies in (scripts/build.ts).
 *
 * The engine takes longer to compile what a short run uses than to run it. So
 * the bundle comes with the code that the engine once made of its files. It
 * belongs to one version of Node, and the engine looks itself whether it fits;
 * any other Node takes the files as they are.
 */

const fs: typeof import('node:fs') = require('node:fs')
const vm: typeof import('node:vm') = require('node:vm')

/** The name of the program, without ".js". Each has a copy of this file. */
declare const program: string
/** Whether this is the copy that makes the code (scripts/warm.ts), which is not shipped. */
declare const keepsCode: boolean

const suffix = `.${process.platform}-${process.arch}-${process.version}.code`
const scripts = new Map<string, import('node:vm').Script>()
const modules = new Map<string, { exports: unknown }>()

/** Loads a file of the bundle, as require() does. */
function load(name: string): unknown {
  const known = modules.get(name)
  if (known !== undefined) return known.exports
  const file = `${__dirname}/${name}`
  const text = `(function (exports, require, module, __filename, __dirname) {${fs.readFileSync(file, 'utf8')}\n})`
  const script = new vm.Script(text, { filename: file, cachedData: readCode(file) })
  const module: { exports: unknown } = { exports: {} }
  modules.set(name, module)
  scripts.set(file, script)
  const requireFrom = (wanted: string) => (isPiece(wanted) ? load(wanted.slice(2)) : require(wanted))
  script.runInThisContext().call(module.exports, module.exports, requireFrom, module, file, __dirname)
  // Of what is exported nothing changes, and a property is read faster than a getter is called.
  module.exports = { ...(module.exports as object) }
  return module.exports
}

/** The one file beside the pieces has what kept code cannot: import(). */
function isPiece(wanted: string): boolean {
  return wanted.startsWith('./') && wanted !== './import.js'
}

function readCode(file: string): Buffer | undefined {
  try {
    return fs.readFileSync(file + suffix)
  } catch {
    return undefined
  }
}

/** Keeps what the engine has compiled by now: it compiles a function when it is called first. */
function keepCode(): void {
  for (const [file, script] of scripts) {
    const temporary = `${file}.${process.pid}`
    fs.writeFileSync(temporary, script.createCachedData())
    fs.renameSync(temporary, file + suffix)
  }
}

// The code also belongs to what the engine was told, which must then be nothing (engine.ts).
if (keepsCode) require('node:v8').setFlagsFromString = () => {}

const isDebugged = (process.env['MODPRESS_DEBUG'] ?? '') !== ''
// With MODPRESS_DEBUG, places in traces are those of the sources. Node knows how; it must be told before it loads them.
if (isDebugged) process.setSourceMapsEnabled(true)

if (isDebugged) require(`./${program}.js`)
else load(`${program}.js`)
if (keepsCode) {
  process.on('exit', keepCode)
  // A thread ends without a word.
  setInterval(keepCode, 200).unref()
}
