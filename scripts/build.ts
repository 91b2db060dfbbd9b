/**
 * Builds what is shipped: `npm run build`.
 *
 * - The library, one file for each source: traces and tree-shaking stay honest.
 * - The command, bundled with what it depends on. Node takes longer to find and
 *   read some hundreds of small files than a run with nothing new takes. What is
 *   loaded only when it is needed stays apart, in chunks of their own.
 *
 * All files of the bundle lie in one directory, two below the top of the
 * package, as src/config/ and dist/config/ do: src/config/package.ts relies on
 * it. A file that is started as a thread is one more entry; its name there is
 * `new URL('./NAME.js', import.meta.url)`, seen from any other file of the bundle.
 */

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildSync } from 'esbuild'

const top = fileURLToPath(new URL('../', import.meta.url))

/** Writes the bundle of the command into a directory, with the licences of what it holds. */
export function bundleCommand(outdir: string): void {
  // The thread is a program of its own: what it shares with the command is better twice on the disk than in pieces.
  const inputs = [
    ...bundle({ modpress: 'src/cli/start.ts' }, outdir),
    ...bundle({ hand: 'src/hand.ts' }, outdir),
  ]
  const packages = inputs.flatMap(
    (file) => /.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(`/${file}`)?.[0].slice(1) ?? [],
  )
  const dirs = [...new Set(packages)].map((dir) => join(top, dir)).sort()
  writeFileSync(join(outdir, 'LICENSES.txt'), dirs.map(describeLicense).join('\n'))
}

/** Bundles what is started by name, and returns the files that went into it. */
function bundle(entryPoints: Readonly<Record<string, string>>, outdir: string): string[] {
  const { metafile } = buildSync({
    absWorkingDir: top,
    entryPoints: { ...entryPoints },
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    // The engine looks at all of it before anything runs. Traces have the names of the sources where they are asked for.
    minify: true,
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'eof',
    // The first loads parts of itself by their place in its own package; few runs need the second, and
    // beside what it then does its loading is nothing.
    external: ['jiti', 'isomorphic-git'],
    // Packages in the older format ask for modules of Node by require().
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    metafile: true,
    logLevel: 'warning',
  })
  return Object.keys(metafile.inputs)
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
}
