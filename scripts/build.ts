/**
 * Builds what is shipped: `npm run build`.
 *
 * - The library, one file for each source: traces and tree-shaking stay honest.
 * - The command, bundled with what it depends on. Node takes longer to find and
 *   read some hundreds of small files than a run with nothing new takes. What is
 *   loaded only when it is needed stays apart, in chunks of their own.
 * - The code that the engine makes of the bundle, for the Node that builds it:
 *   scripts/warm.ts.
 *
 * All files of the bundle lie in one directory, two below the top of the
 * package, as src/config/ and dist/config/ do: src/config/package.ts relies on
 * it. A file that is started as a thread is one more program; its name there is
 * `new URL('./NAME.js', import.meta.url)`, seen from any other file of the bundle.
 */

import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { initSync, parse } from 'es-module-lexer'
import { buildSync, transformSync } from 'esbuild'
import { warmUp } from './warm.ts'

const top = fileURLToPath(new URL('../', import.meta.url))

/** What is started, by its name, and the program that it runs. */
const starters = { modpress: 'command', hand: 'thread' } as const

/** Writes the bundle of the command into a directory, with the licences of what it holds. */
export function bundleCommand(outdir: string): void {
  mkdirSync(outdir, { recursive: true })
  initSync()
  // The thread is a program of its own: what it shares with the command is better twice on the disk than in pieces.
  const inputs = [
    ...bundle({ command: 'src/cli/main.ts' }, outdir),
    ...bundle({ thread: 'src/hand.ts' }, outdir),
  ]
  writeFileSync(join(outdir, 'import.js'), 'module.exports = (name) => import(name)\n')
  writeFileSync(join(outdir, 'package.json'), '{ "type": "commonjs" }\n')
  writeStarters(outdir)
  const packages = inputs.flatMap(
    (file) => /.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(`/${file}`)?.[0].slice(1) ?? [],
  )
  const dirs = [...new Set(packages)].map((dir) => join(top, dir)).sort()
  writeFileSync(join(outdir, 'LICENSES.txt'), dirs.map(describeLicense).join('\n'))
}

/** Adds the code that the engine makes of a bundle, which lies in a package with its assets. */
export function addCode(outdir: string): void {
  writeStarters(outdir, { keepsCode: true })
  warmUp(join(outdir, 'modpress.js'))
  writeStarters(outdir)
}

function writeStarters(outdir: string, { keepsCode = false } = {}): void {
  const source = readFileSync(join(top, 'src/cli/start.cts'), 'utf8')
  for (const [name, program] of Object.entries(starters)) {
    const define = { program: JSON.stringify(program), keepsCode: JSON.stringify(keepsCode) }
    const { code } = transformSync(source, {
      loader: 'ts',
      format: 'cjs',
      platform: 'node',
      target,
      define,
      minify: true,
      banner: '#!/usr/bin/env node',
    })
    writeFileSync(join(outdir, `${name}.js`), code)
  }
}

const target = 'node20.19'

/** Bundles a program, and returns the files that went into it. */
function bundle(entryPoints: Readonly<Record<string, string>>, outdir: string): string[] {
  const { metafile, outputFiles } = buildSync({
    absWorkingDir: top,
    entryPoints: { ...entryPoints },
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target,
    // The engine looks at all of it before anything runs. Traces have the names of the sources where they are asked for.
    minify: true,
    sourcemap: 'inline',
    sourcesContent: false,
    legalComments: 'eof',
    // The first loads parts of itself by their place in its own package; few runs need the second, and
    // beside what it then does its loading is nothing.
    external: ['jiti', 'isomorphic-git'],
    metafile: true,
    logLevel: 'warning',
    write: false,
  })
  const names = outputFiles.map(({ path }) => basename(path))
  for (const [index, { text }] of outputFiles.entries())
    writeScript(join(outdir, names[index] ?? ''), text, names)
  return Object.keys(metafile.inputs)
}

/**
 * Writes a piece of the bundle as a script in the older format: of those alone the engine keeps the code. esbuild
 * takes a bundle apart in the newer format alone, so that it is translated afterwards.
 */
function writeScript(file: string, text: string, names: readonly string[]): void {
  const own = replaceImports(text, names)
  const place = 'require("node:url").pathToFileURL(__filename).href'
  const { code, map } = transformSync(own, {
    format: 'cjs',
    platform: 'node',
    target,
    minify: true,
    sourcefile: file,
    sourcemap: 'external',
    sourcesContent: false,
    legalComments: 'inline',
    define: { 'import.meta.url': 'importMetaUrl' },
    banner: own.includes('import.meta.url') ? `const importMetaUrl=${place};` : '',
    logLevel: 'warning',
  })
  writeFileSync(`${file}.map`, map)
  writeFileSync(file, `${code}//# sourceMappingURL=${basename(file)}.map\n`)
}

/**
 * Has pieces of the bundle and modules of Node loaded by require(), and all else by import() in a file whose code is not
 * kept: Node 20 knows nothing of import() in kept code.
 */
function replaceImports(text: string, names: readonly string[]): string {
  let result = ''
  let end = 0
  for (const { n: name = '', d: start, ss, se, s: from, e: to } of parse(text)[0]) {
    // It finds import.meta and what is imported at the start, too.
    if (start < 0) continue
    const isOwn = name.startsWith('node:') || (name.startsWith('./') && names.includes(name.slice(2)))
    const wanted = text.slice(from, to)
    result += text.slice(end, ss)
    result += isOwn ? `Promise.resolve().then(()=>require(${wanted}))` : `require("./import.js")(${wanted})`
    end = se
  }
  return result + text.slice(end)
}

/** Most licences ask that their text goes with each copy. */
function describeLicense(dir: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'))
  const file = readdirSync(dir).find((each) => /^licen[cs]e/i.test(each))
  const text = file === undefined ? '' : `\n${readFileSync(join(dir, file), 'utf8').trim()}\n`
  return `==== ${name} ${version}: ${license}\n${text}`
}

if (pathToFileURL(process.argv[1] ?? '').href === import.meta.url) {
  rmSync(join(top, 'dist'), { recursive: true, force: true })
  const compiler = join(top, 'node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [compiler, '-p', join(top, 'tsconfig.build.json')], { stdio: 'inherit' })
  bundleCommand(join(top, 'dist/bin'))
  addCode(join(top, 'dist/bin'))
}
