/**
 * The configuration file: where it is looked for, and how each kind is read.
 * What reads TypeScript and YAML is loaded only when such a file is there.
 */

import { access, readFile } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { FatalError, problem } from '../problem.ts'
import { defineConfig } from './schema.ts'

const extensions = ['ts', 'mts', 'js', 'mjs', 'json', 'yaml', 'yml']

/** Returns the top of the clone that holds a directory: the work tree's, or a bare repository. */
export async function findTop(dir: string): Promise<string | undefined> {
  if (await exists(join(dir, '.git'))) return dir
  const parts = ['HEAD', 'objects', 'refs'].map((name) => exists(join(dir, name)))
  if ((await Promise.all(parts)).every(Boolean)) return dir
  const above = dirname(dir)
  return above === dir ? undefined : findTop(above)
}

/** Returns the configuration file of a directory or of one above it, up to the top of its clone. */
export async function findConfigFile(dir: string, top: string | undefined): Promise<string | undefined> {
  const files = extensions.map((extension) => join(dir, `modpress.config.${extension}`))
  const isThere = await Promise.all(files.map(exists))
  const [file, second] = files.filter((_, index) => isThere[index])
  if (file !== undefined && second !== undefined) {
    const message = `There are two configurations in ${dir}: ${basename(file)} and ${basename(second)}.`
    throw new FatalError(
      problem('config-invalid', {}, message, 'Keep one of them, or name one with --config.'),
    )
  }
  const isTop = top === undefined || dir === top
  return file ?? (isTop ? undefined : findConfigFile(dirname(dir), top))
}

/** Returns what a configuration file holds, unchecked. */
export async function readConfigFile(file: string): Promise<unknown> {
  if (!(await exists(file))) {
    const message = `There is no configuration file ${file}.`
    throw new FatalError(problem('config-missing', {}, message, 'Correct --config.'))
  }
  try {
    return await load(file)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new FatalError(problem('config-invalid', {}, `${file} cannot be read: ${reason.trim()}`), { cause })
  }
}

async function load(file: string): Promise<unknown> {
  switch (extname(file)) {
    case '.json':
      return withoutSchema(JSON.parse(await readText(file)))
    case '.yaml':
    case '.yml': {
      // Bundled, a package in the older format has nothing but its default export.
      const { default: yaml } = await import('yaml')
      return withoutSchema(yaml.parse(await readText(file), { logLevel: 'error' }))
    }
    case '.js':
    case '.mjs':
      return defaultExport(await import(pathToFileURL(file).href))
    case '.ts':
    case '.mts': {
      const { createJiti } = await import('jiti')
      // A configuration can import modpress where only npx has it. Nothing is written beside the sources.
      const virtualModules = { modpress: { defineConfig } }
      const jiti = createJiti(import.meta.url, { fsCache: false, moduleCache: false, virtualModules })
      return defaultExport(await jiti.import(file))
    }
    default:
      throw new Error(`The name must end in ${extensions.map((extension) => `.${extension}`).join(', ')}.`)
  }
}

/** Editors find the JSON Schema of a file by this key. */
function withoutSchema(data: unknown): unknown {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return data
  return Object.fromEntries(Object.entries(data).filter(([key]) => key !== '$schema'))
}

async function readText(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).replace(/^\uFEFF/, '')
}

function defaultExport(module: unknown): unknown {
  if (typeof module === 'object' && module !== null && 'default' in module) return module.default
  throw new Error('It has no default export.')
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
