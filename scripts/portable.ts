/**
 * Puts together a directory that holds the command with all that it needs, so
 * that Node alone can start it: what the Action brings with it in a release's
 * tag, and the container image. `tsx scripts/portable.ts DIR`, after a build.
 *
 * The bundle of the command holds nearly all of it. The packages that are left
 * out of the bundle (scripts/build.ts) come with those that they depend on, as
 * the lock file says.
 */

import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const top = fileURLToPath(new URL('../', import.meta.url))

/** What is needed beside the packages. */
const parts = ['action.yml', 'dist/bin', 'public', 'package.json', 'LICENSE', 'README.md', 'CHANGELOG.md']

/** Packages that the bundle imports by their names. */
const imported = ['isomorphic-git', 'jiti']

/** Copies the command into a directory. `bundle` is where it was bundled to. */
export function copyPortable(directory: string, bundle: string = join(top, 'dist/bin')): void {
  if (!existsSync(join(bundle, 'modpress.js'))) throw new Error('There is no bundle: npm run build')
  for (const part of parts) {
    cpSync(part === 'dist/bin' ? bundle : join(top, part), join(directory, part), { recursive: true })
  }
  for (const path of packagePaths(imported)) {
    cpSync(join(top, path), join(directory, path), {
      recursive: true,
      filter: (file) => !/\.(?:map|d\.[cm]?ts)$/.test(file),
    })
  }
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dependencies?: Readonly<Record<string, string>> }>>
}

/** Returns the places of packages and of all that they depend on, in node_modules. */
function packagePaths(names: readonly string[]): readonly string[] {
  const { packages }: Lock = JSON.parse(readFileSync(join(top, 'package-lock.json'), 'utf8'))
  const found = new Set<string>()
  const visit = (name: string, from: string): void => {
    const path = placesOf(name, from).find((place) => place in packages)
    if (path === undefined) throw new Error(`The lock file does not know ${name}.`)
    if (found.has(path)) return
    found.add(path)
    for (const each of Object.keys(packages[path]?.dependencies ?? {})) visit(each, path)
  }
  for (const name of names) visit(name, '')
  // One inside another is copied with it.
  return [...found].filter((path) => ![...found].some((other) => path.startsWith(`${other}/`))).sort()
}

/** Where Node looks for a package, from the inside out. */
function placesOf(name: string, from: string): readonly string[] {
  const above = from
    .split('/node_modules/')
    .map((_, index, parents) => parents.slice(0, index + 1).join('/node_modules/'))
  const nested = from === '' ? [] : above.reverse().map((path) => `${path}/node_modules/${name}`)
  return [...nested, `node_modules/${name}`]
}

if (pathToFileURL(process.argv[1] ?? '').href === import.meta.url) {
  const [directory] = process.argv.slice(2)
  if (directory === undefined) throw new Error('Where to? tsx scripts/portable.ts DIR')
  copyPortable(resolve(directory))
}
