/**
 * Deltas: how a pack stores an object as copies out of another one, and what is new.
 *
 * The bytes come from repositories that anyone may have written: every length
 * is checked before it is obeyed, and a delta that does not make exactly what
 * it says makes nothing.
 *
 * Pure.
 *
 * @see https://git-scm.com/docs/pack-format#_deltified_representation
 */

/** Returns the object that a delta makes of its base, or undefined where the delta is damaged. */
export function applyDelta(base: Buffer, delta: Buffer): Buffer | undefined {
  const head = parseDeltaHead(delta)
  if (head === undefined || head.baseSize !== base.length) return undefined
  const result = allocate(head.size)
  if (result === undefined) return undefined
  const end = delta.length
  let at = head.length
  let filled = 0
  while (at < end) {
    const op = delta[at++] ?? 0
    if (op < 0x80) {
      // So many bytes of the delta itself. None is not used, and reserved.
      if (op === 0 || at + op > end || filled + op > result.length) return undefined
      copyBytes(delta, at, result, filled, op)
      at += op
      filled += op
      continue
    }
    let from = 0
    let length = 0
    if (op & 0x01) from = delta[at++] ?? 0
    if (op & 0x02) from += (delta[at++] ?? 0) * 0x100
    if (op & 0x04) from += (delta[at++] ?? 0) * 0x10000
    if (op & 0x08) from += (delta[at++] ?? 0) * 0x1000000
    if (op & 0x10) length = delta[at++] ?? 0
    if (op & 0x20) length += (delta[at++] ?? 0) * 0x100
    if (op & 0x40) length += (delta[at++] ?? 0) * 0x10000
    if (length === 0) length = 0x10000
    if (at > end || from + length > base.length || filled + length > result.length) return undefined
    copyBytes(base, from, result, filled, length)
    filled += length
  }
  return filled === result.length ? result : undefined
}

export interface DeltaHead {
  readonly baseSize: number
  /** Of what the delta makes. */
  readonly size: number
  /** Of the head itself, in bytes of the delta. */
  readonly length: number
}

/** Returns the sizes with which a delta begins, or undefined where they are not whole. */
export function parseDeltaHead(delta: Buffer): DeltaHead | undefined {
  const sizes = [0, 0]
  let at = 0
  for (const turn of [0, 1]) {
    let size = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = delta[at++]
      if (byte === undefined || scale > 2 ** 49) return undefined
      size += (byte & 0x7f) * scale
      if (byte < 0x80) break
    }
    sizes[turn] = size
  }
  const [baseSize = 0, size = 0] = sizes
  return { baseSize, size, length: at }
}

// Most copies are of a few bytes, for which a loop costs less than the call.
function copyBytes(source: Buffer, from: number, target: Buffer, to: number, length: number): void {
  if (length > 24) source.copy(target, to, from, from + length)
  else for (let index = 0; index < length; index++) target[to + index] = source[from + index] ?? 0
}

/** Not out of the pool of small buffers: what is kept of one would keep its neighbours. */
function allocate(bytes: number): Buffer | undefined {
  try {
    return Buffer.allocUnsafeSlow(bytes)
  } catch {
    return undefined // larger than any buffer, as only a damaged delta says
  }
}
