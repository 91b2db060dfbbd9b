import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { applyDelta, parseDeltaHead } from '../../src/git/delta.ts'

const base = Buffer.from('The quick brown fox jumps over the lazy dog')

describe('applyDelta', () => {
  test('copies from the base and inserts what is new', () => {
    const delta = Buffer.concat([
      sizes(base.length, 15),
      copy(4, 6),
      insert('red '),
      copy(16, 4),
      insert('!'),
    ])
    expect(applyDelta(base, delta)?.toString()).toBe('quick red fox !')
  })

  test('takes a copy of no length for one of 65,536 bytes', () => {
    const large = Buffer.alloc(70_000, 'abc')
    const delta = Buffer.concat([sizes(large.length, 0x10000), Buffer.from([0x81, 5])])
    expect(applyDelta(large, delta)?.equals(large.subarray(5, 5 + 0x10000))).toBe(true)
  })

  test('makes nothing of nothing', () => {
    expect(applyDelta(Buffer.alloc(0), sizes(0, 0))).toEqual(Buffer.alloc(0))
  })

  test.for([
    ['is for another base', Buffer.concat([sizes(base.length - 1, 4), copy(0, 4)])],
    ['makes less than it says', Buffer.concat([sizes(base.length, 5), copy(0, 4)])],
    ['makes more than it says', Buffer.concat([sizes(base.length, 3), copy(0, 4)])],
    ['inserts more than it says', Buffer.concat([sizes(base.length, 3), insert('four')])],
    ['copies from behind the base', Buffer.concat([sizes(base.length, 4), copy(base.length - 3, 4)])],
    ['copies from far away', Buffer.concat([sizes(base.length, 4), Buffer.from([0x9f, 1, 2, 3, 0xff, 4])])],
    ['ends in a copy', Buffer.concat([sizes(base.length, 4), Buffer.from([0x91, 0])])],
    ['ends in an insertion', Buffer.concat([sizes(base.length, 4), Buffer.from([4, 1, 2])])],
    [
      'has an operation that is reserved',
      Buffer.concat([sizes(base.length, 4), Buffer.from([0]), copy(0, 4)]),
    ],
    ['says that it makes more than memory can hold', sizes(base.length, 2 ** 48)],
    ['has a size without end', Buffer.alloc(100, 0xff)],
    ['has one size only', Buffer.from([base.length])],
    ['is empty', Buffer.alloc(0)],
  ] as const)('makes nothing of a delta that %s', ([, delta]) => {
    expect(applyDelta(base, delta)).toBeUndefined()
  })

  test('makes what the operations say, whatever they are', () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
    const steps = fc.array(
      fc.oneof(
        fc.tuple(fc.nat(), fc.nat()).map(([from, length]) => ({ from, length })),
        fc.uint8Array({ minLength: 1, maxLength: 127 }).map((array) => ({ text: Buffer.from(array) })),
      ),
    )
    fc.assert(
      fc.property(bytes, steps, (source, wanted) => {
        const parts: Buffer[] = []
        const ops: Buffer[] = []
        for (const step of wanted) {
          if ('text' in step) {
            parts.push(step.text)
            ops.push(insert(step.text))
          } else if (source.length > 0) {
            const from = step.from % source.length
            const length = 1 + (step.length % (source.length - from))
            parts.push(source.subarray(from, from + length))
            ops.push(copy(from, length))
          }
        }
        const result = Buffer.concat(parts)
        const delta = Buffer.concat([sizes(source.length, result.length), ...ops])
        expect(applyDelta(source, delta)).toEqual(result)
        expect(parseDeltaHead(delta)).toMatchObject({ baseSize: source.length, size: result.length })
      }),
    )
  })

  test('makes of junk nothing, or what is as long as it says', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (junk) => {
        const delta = Buffer.concat([sizes(base.length, 20), junk])
        expect([undefined, 20]).toContain(applyDelta(base, delta)?.length)
        applyDelta(base, Buffer.from(junk))
      }),
    )
  })
})

function sizes(...values: readonly number[]): Buffer {
  const bytes = values.flatMap((value) => {
    const digits = [value % 128]
    for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) {
      digits[digits.length - 1] = (digits.at(-1) ?? 0) | 0x80
      digits.push(rest % 128)
    }
    return digits
  })
  return Buffer.from(bytes)
}

function copy(from: number, length: number): Buffer {
  const fields = [
    from & 0xff,
    (from >> 8) & 0xff,
    (from >> 16) & 0xff,
    0,
    length & 0xff,
    (length >> 8) & 0xff,
  ]
  const given = fields.map((field, index) => ({ field, bit: 1 << index })).filter(({ field }) => field > 0)
  const op = given.reduce((bits, { bit }) => bits | bit, 0x80)
  return Buffer.from([op, ...given.map(({ field }) => field)])
}

function insert(content: string | Uint8Array): Buffer {
  const bytes = Buffer.from(content)
  return Buffer.concat([Buffer.from([bytes.length]), bytes])
}
