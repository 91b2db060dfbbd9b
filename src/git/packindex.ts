/**
 * The index of a pack: ids in their order, and where in the pack each begins.
 *
 * It is in memory whole, with about 30 bytes an object. Only what would make
 * reading it wrong is checked: an index with damaged ids or offsets leads to
 * objects that do not fit their ids, and those are refused anyway.
 *
 * Pure.
 *
 * @see https://git-scm.com/docs/pack-format#_version_2_pack_idx_files_support_packs_larger_than_4_gib_and
 */

export class PackIndex {
  readonly #bytes: Buffer
  readonly #count: number

  private constructor(bytes: Buffer, count: number) {
    this.#bytes = bytes
    this.#count = count
  }

  /** Reads an index of version 2. Returns 'old' for version 1, and undefined for what is damaged. */
  static parse(bytes: Buffer): PackIndex | 'old' | undefined {
    if (bytes.length < tables + checksums) return undefined
    // Version 1 has no header: the table of 256 counts comes first, and 24 bytes an object follow.
    if (bytes.length === 1024 + 24 * bytes.readUInt32BE(1020) + checksums) return 'old'
    const count = bytes.readUInt32BE(tables - 4)
    const isWhole = bytes.length >= tables + 28 * count + checksums
    const isKnown = bytes.readUInt32BE(0) === 0xff744f63 && bytes.readUInt32BE(4) === 2
    return isWhole && isKnown ? new PackIndex(bytes, count) : undefined
  }

  /** Returns where the object begins in the pack, if it is there. */
  find(oid: Buffer): number | undefined {
    const bytes = this.#bytes
    const first = oid[0] ?? 0
    let low = first === 0 ? 0 : bytes.readUInt32BE(header + 4 * (first - 1))
    let high = Math.min(bytes.readUInt32BE(header + 4 * first), this.#count)
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = compareId(oid, bytes, tables + 20 * middle)
      if (order === 0) return this.#offsetOf(middle)
      if (order < 0) high = middle
      else low = middle + 1
    }
    return undefined
  }

  // An offset of 2 GiB and more stands in a table of its own, at the end of the index.
  #offsetOf(place: number): number {
    const bytes = this.#bytes
    const offset = bytes.readUInt32BE(tables + 24 * this.#count + 4 * place)
    if (offset < 0x80000000) return offset
    const at = tables + 28 * this.#count + 8 * (offset - 0x80000000)
    return at + 8 <= bytes.length - checksums ? Number(bytes.readBigUInt64BE(at)) : -1
  }
}

// A loop: the first bytes tell nearly all of them apart, sooner than Buffer's compare() has begun.
function compareId(oid: Buffer, bytes: Buffer, at: number): number {
  let byte = 0
  while (byte < 19 && oid[byte] === bytes[at + byte]) byte++
  return (oid[byte] ?? 0) - (bytes[at + byte] ?? 0)
}

const header = 8
const tables = header + 4 * 256
const checksums = 40
