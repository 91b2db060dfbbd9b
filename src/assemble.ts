/**
 * Assembles the zip of a module in memory, where all of it is deflated already
 * and none of it is large: the bytes that `writeArchive` gives, at a small part
 * of the cost. Nearly all zips are made so, thousands of times a build, each of
 * thousands of entries, so that what is done for one entry is what counts.
 */

import { directoryHeaderBytes, dosDate, dosTime, endBytes, localHeaderBytes } from './archive.ts'
import type { Blob } from './compress.ts'

/** A file of a module. */
export interface NamedFile {
  readonly path: string
  /** Of the path, in UTF-8. */
  readonly pathBytes: number
}

/** Zips that are larger, or have more files, are not assembled but written by and by. */
export const assembledBytes: number = 16 * 2 ** 20
const assembledFiles = 0xffff - 1

/** Where things lie in a zip: its size, and where its central directory begins, in bytes. */
export interface Layout {
  readonly bytes: number
  readonly directoryAt: number
}

/** Returns the layout of the zip of the files; or undefined where it is to be written by and by. */
export function layOutArchive(
  prefix: string,
  files: readonly NamedFile[],
  blobs: readonly Blob[],
): Layout | undefined {
  if (files.length > assembledFiles) return undefined
  const prefixBytes = Buffer.byteLength(prefix)
  let directoryAt = 0
  let directory = 0
  for (let index = 0; index < files.length; index++) {
    const { pathBytes } = files[index] as NamedFile
    const { data, compressedSize } = blobs[index] as Blob
    if (typeof data === 'function') return undefined
    directoryAt += localHeaderBytes + prefixBytes + pathBytes + compressedSize
    directory += directoryHeaderBytes + prefixBytes + pathBytes
    if (directoryAt > assembledBytes) return undefined
  }
  return { bytes: directoryAt + directory + endBytes, directoryAt }
}

/** Fills memory of the size of the layout with the zip of its files, whose names there begin with the prefix. */
export function assembleArchive(
  zip: Buffer,
  layout: Layout,
  prefix: string,
  files: readonly NamedFile[],
  blobs: readonly Blob[],
): void {
  if (layout.bytes !== zip.length)
    throw new Error(`The zip of ${prefix} does not have the size of its memory.`)
  const local = beginHeader(0x04034b50, localHeaderBytes, localCommonAt, prefix)
  const central = beginHeader(0x02014b50, directoryHeaderBytes, centralCommonAt, prefix)
  const prefixBytes = local.length - localHeaderBytes
  const view = new DataView(zip.buffer, zip.byteOffset, zip.byteLength)
  let at = 0
  let { directoryAt } = layout
  for (let index = 0; index < files.length; index++) {
    const { path, pathBytes } = files[index] as NamedFile
    const blob = blobs[index] as Blob
    const data = bytesOf(blob)
    const nameBytes = prefixBytes + pathBytes
    // UTF-8 takes as many bytes as UTF-16 has units only where all are ASCII.
    const flags = prefix.length + path.length === nameBytes ? 0 : 0x800
    const method = blob.method === 'deflate' ? 8 : 0

    zip.set(central, directoryAt)
    putCommon(view, directoryAt + centralCommonAt, flags, method, blob, nameBytes)
    view.setUint32(directoryAt + 42, at, true)
    directoryAt += central.length
    zip.write(path, directoryAt, path.length === pathBytes ? 'latin1' : 'utf8')
    directoryAt += pathBytes

    zip.set(local, at)
    putCommon(view, at + localCommonAt, flags, method, blob, nameBytes)
    at += local.length
    zip.copyWithin(at, directoryAt - pathBytes, directoryAt)
    at += pathBytes
    zip.set(data, at)
    at += data.length
  }
  view.setUint32(directoryAt, 0x06054b50, true)
  view.setUint32(directoryAt + 4, 0, true) // disks
  view.setUint16(directoryAt + 8, files.length, true)
  view.setUint16(directoryAt + 10, files.length, true)
  view.setUint32(directoryAt + 12, directoryAt - at, true)
  view.setUint32(directoryAt + 16, at, true)
  view.setUint16(directoryAt + 20, 0, true) // comment
}

function bytesOf({ data }: Blob): Uint8Array {
  if (data instanceof Uint8Array) return data
  if (typeof data === 'function') throw new Error('What is read by and by is in no zip that is assembled.')
  return data.read()
}

/** Where what both headers of a file have in common begins in them. */
const localCommonAt = 4
const centralCommonAt = 6

/** Returns a header with all that is the same for each file, and what each name begins with behind it. */
function beginHeader(signature: number, bytes: number, commonAt: number, prefix: string): Uint8Array {
  const header = Buffer.concat([Buffer.alloc(bytes), Buffer.from(prefix)])
  header.writeUInt32LE(signature)
  header.writeUInt16LE(20, 4) // made by: version 2.0
  header.writeUInt16LE(20, commonAt) // needed
  header.writeUInt16LE(dosTime, commonAt + 6)
  header.writeUInt16LE(dosDate, commonAt + 8)
  return header
}

/** Writes what both headers of a file have in common, and no other file has. */
function putCommon(
  view: DataView,
  at: number,
  flags: number,
  method: number,
  blob: Blob,
  nameBytes: number,
): void {
  view.setUint16(at + 2, flags, true)
  view.setUint16(at + 4, method, true)
  view.setUint32(at + 10, blob.crc32, true)
  view.setUint32(at + 14, blob.compressedSize, true)
  view.setUint32(at + 18, blob.size, true)
  view.setUint16(at + 22, nameBytes, true)
}
