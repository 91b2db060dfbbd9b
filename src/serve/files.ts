/**
 * What a served site consists of: files, found by their paths as a static host
 * finds them. A directory answers with its index.html.
 */

import { open, realpath, stat } from 'node:fs/promises'
import { basename, join, posix, sep } from 'node:path'
import { Readable } from 'node:stream'
import { codeOf, isPrivatePath } from '../store/directory.ts'

export interface ServedFile {
  /** Within the site: of an index, with its name. */
  readonly path: string
  /** In bytes; undefined where it is not known. */
  readonly size: number | undefined
  /** An ETag. */
  readonly tag: string
  read(): Promise<AsyncIterable<Uint8Array>>
  close(): Promise<void>
}

export interface ServedFiles {
  /** What may be shown of where they are. */
  readonly name: string
  /** Finds a file. 'facts': its content may not be read. Returns undefined where there is none. */
  find(path: string, wanted: 'content' | 'facts'): Promise<ServedFile | undefined>
}

/** Tells whether a path can be that of a file of a site. What a store keeps for itself is none. */
export function isServedPath(path: string): boolean {
  return !path.startsWith('/') && !path.includes('//') && !isPrivatePath(path)
}

/** Returns the files of a directory, read afresh for each request: it may be built again meanwhile. */
export function directoryFiles(root: string): ServedFiles {
  return {
    name: root,
    find: async (path) => {
      const found = isServedPath(path) ? await findFile(root, path) : undefined
      return found && openFile(found)
    },
  }
}

interface FoundFile {
  readonly path: string
  /** On the disk, all links followed. */
  readonly file: string
}

/** What leads out of the site is not there. */
async function findFile(root: string, path: string): Promise<FoundFile | undefined> {
  try {
    const site = await realpath(root)
    const file = await realpath(join(site, path))
    const inside = file === site || file.startsWith(site.endsWith(sep) ? site : `${site}${sep}`)
    if (!inside) return undefined
    const stats = await stat(file)
    if (stats.isFile()) return { path, file }
    if (!stats.isDirectory() || basename(path) === 'index.html') return undefined
    return await findFile(root, posix.join(path, 'index.html'))
  } catch (cause) {
    const code = codeOf(cause) ?? ''
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP'].includes(code)) return undefined
    throw cause
  }
}

async function openFile({ path, file }: FoundFile): Promise<ServedFile> {
  const handle = await open(file)
  const { size, mtimeMs } = await handle.stat()
  return {
    path,
    size,
    tag: `"${size.toString(36)}-${Math.round(mtimeMs * 1000).toString(36)}"`,
    read: async () =>
      size === 0 ? Readable.from([]) : handle.createReadStream({ end: size - 1, autoClose: false }),
    close: () => handle.close(),
  }
}
