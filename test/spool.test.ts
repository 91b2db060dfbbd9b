import { createHash } from 'node:crypto'
import { readdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Spool, type SpooledPiece } from '../src/spool.ts'
import { makeDirectory } from './support/repo.ts'

let temporary: string
beforeEach(() => {
  temporary = makeDirectory()
  vi.stubEnv('TMPDIR', temporary)
})
afterEach(() => {
  vi.unstubAllEnvs()
})

/** The sizes of all files below the temporary directory. */
function sizes(): number[] {
  return readdirSync(temporary).flatMap((dir) =>
    readdirSync(join(temporary, dir)).map((name) => statSync(join(temporary, dir, name)).size),
  )
}

/** Bytes that follow from the number alone. */
function contentOf(number: number, bytes: number): Buffer {
  const seed = createHash('sha512').update(String(number)).digest()
  return Buffer.alloc(bytes, seed)
}

describe('pieces', () => {
  test('are one file, however many they are, and stay what they were', () => {
    const spool = new Spool()
    const pieces = Array.from({ length: 2000 }, (_, number) => spool.put(contentOf(number, number)))
    expect(spool.bytes).toBe((2000 * 1999) / 2)
    expect(sizes()).toEqual([spool.bytes])
    for (const [number, piece] of pieces.entries()) {
      expect(piece.bytes).toBe(number)
      expect(Buffer.compare(piece.read(), contentOf(number, number))).toBe(0)
    }
    spool.close()
    expect(readdirSync(temporary)).toEqual([])
  })

  test('do not hold on to the memory that they were in, and what is read has its own', () => {
    const spool = new Spool()
    const data = contentOf(1, 100)
    const piece = spool.put(data)
    data.fill(0)
    piece.read().fill(0)
    expect(Buffer.compare(piece.read(), contentOf(1, 100))).toBe(0)
    piece.remove()
    expect(() => piece.read()).toThrow('lost or removed')
    spool.close()
  })

  test('move up where more is left of others than there is of them', () => {
    const spool = new Spool()
    const mebibyte = 2 ** 20
    const pieces = new Map(
      Array.from(
        { length: 60 },
        (_, number) => [number, spool.put(contentOf(number, mebibyte + number))] as const,
      ),
    )
    const [before = 0] = sizes()
    expect(before).toBe(spool.bytes)
    for (const [number, piece] of pieces) {
      if (number % 4 === 3) continue
      piece.remove()
      pieces.delete(number)
    }
    const [after = 0] = sizes()
    expect(after).toBeLessThanOrEqual(2 * spool.bytes + 16 * mebibyte)
    expect(after).toBeLessThan(before)
    pieces.set(100, spool.put(contentOf(100, mebibyte)))
    for (const [number, piece] of pieces)
      expect(Buffer.compare(piece.read(), contentOf(number, piece.bytes))).toBe(0)
    spool.close()
  })

  test('are given out no more once moving them has failed', () => {
    const spool = new Spool()
    const mebibyte = 2 ** 20
    const pieces = Array.from({ length: 40 }, (_, number) => spool.put(contentOf(number, mebibyte)))
    const [dir = ''] = readdirSync(temporary)
    const [name = ''] = readdirSync(join(temporary, dir))
    truncateSync(join(temporary, dir, name), 20 * mebibyte)
    const [first, ...others] = pieces
    expect(() => {
      for (const piece of others) piece.remove()
    }).toThrow('ended after')
    expect(() => first?.read()).toThrow('lost or removed')
    spool.close()
    expect(readdirSync(temporary)).toEqual([])
  })

  test('whatever is put and removed in whatever order, are there or give up their room', () => {
    const pieceBytes = 2 ** 20
    const step = fc.oneof(
      { weight: 2, arbitrary: fc.record({ put: fc.integer({ min: 0, max: pieceBytes }) }) },
      { weight: 1, arbitrary: fc.record({ remove: fc.nat() }) },
    )
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 120, size: 'max' }), (steps) => {
        const spool = new Spool()
        const pieces = new Map<number, SpooledPiece>()
        let number = 0
        const check = () => {
          const used = [...pieces.values()].reduce((sum, { bytes }) => sum + bytes, 0)
          expect(spool.bytes).toBe(used)
          const [size = 0] = sizes()
          expect(size).toBeLessThanOrEqual(2 * used + 16 * 2 ** 20 + pieceBytes)
        }
        const remove = (key: number) => {
          pieces.get(key)?.remove()
          pieces.delete(key)
        }
        for (const each of steps) {
          if ('put' in each) {
            pieces.set(number, spool.put(contentOf(number, each.put)))
            number++
          } else if (pieces.size > 0) remove([...pieces.keys()][each.remove % pieces.size] ?? 0)
          check()
        }
        // Half of them at once, as when many were not used for long.
        for (const key of [...pieces.keys()]) if (key % 2 === 0) remove(key)
        check()
        for (const [key, piece] of pieces)
          expect(Buffer.compare(piece.read(), contentOf(key, piece.bytes))).toBe(0)
        spool.close()
      }),
      { numRuns: 8 },
    )
  })

  test('say so where the temporary directory cannot be written', () => {
    vi.stubEnv('TMPDIR', join(temporary, 'gone'))
    expect(() => new Spool().put(contentOf(1, 1))).toThrow(
      `${join(temporary, 'gone')} cannot be written: ENOENT`,
    )
  })
})

test('a file of its own and pieces count together, and all are gone at the end', async () => {
  const spool = new Spool()
  const piece = spool.put(contentOf(1, 1000))
  const file = await spool.write(Readable.from([contentOf(2, 3000), contentOf(3, 4000)]))
  expect(spool.bytes).toBe(8000)
  const chunks: Uint8Array[] = []
  for await (const chunk of file.read()) chunks.push(chunk)
  expect(Buffer.compare(Buffer.concat(chunks), Buffer.concat([contentOf(2, 3000), contentOf(3, 4000)]))).toBe(
    0,
  )
  piece.remove()
  expect(spool.bytes).toBe(7000)
  file.remove()
  expect(spool.bytes).toBe(0)
  spool.close()
  expect(readdirSync(temporary)).toEqual([])
})
