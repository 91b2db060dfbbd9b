import { describe, expect, test } from 'vitest'
import { ZipMemory } from '../src/zip-memory.ts'

const mebibyte = 2 ** 20

describe('ZipMemory', () => {
  test('lends the same memory again, also for a zip that is a little larger', async () => {
    const zips = new ZipMemory(16 * mebibyte)
    const sizes = Array.from({ length: 20 }, (_, index) => mebibyte + index * 1000)
    const used = new Set<ArrayBuffer>()
    for (const size of sizes) {
      const { memory, giveBack } = await zips.lend(size)
      expect(memory.byteLength).toBeGreaterThanOrEqual(size)
      used.add(memory)
      giveBack(memory)
    }
    expect(used.size).toBe(1)
  })

  test('lends no memory twice, and lets wait who would have too much', async () => {
    const zips = new ZipMemory(2 * mebibyte)
    const first = await zips.lend(mebibyte)
    const second = await zips.lend(mebibyte)
    expect(second.memory).not.toBe(first.memory)
    let isThere = false
    const third = zips.lend(mebibyte).then((lent) => {
      isThere = true
      return lent
    })
    await new Promise(setImmediate)
    expect(isThere).toBe(false)
    first.giveBack(first.memory)
    expect((await third).memory).toBe(first.memory)
  })

  test('lends to who wants more than there is, once all is there', async () => {
    const zips = new ZipMemory(mebibyte)
    const { memory, giveBack } = await zips.lend(5 * mebibyte)
    expect(memory.byteLength).toBeGreaterThanOrEqual(5 * mebibyte)
    giveBack(memory)
    const next = await zips.lend(5 * mebibyte)
    // What is more than is kept is let go.
    expect(next.memory).not.toBe(memory)
  })

  test('does not take the memory of a large zip for a small one', async () => {
    const zips = new ZipMemory(16 * mebibyte)
    const large = await zips.lend(8 * mebibyte)
    large.giveBack(large.memory)
    const small = await zips.lend(1)
    expect(small.memory.byteLength).toBeLessThan(mebibyte)
    expect((await zips.lend(7 * mebibyte)).memory).toBe(large.memory)
  })

  test('takes back what is the same memory under another name, and does without what is lost', async () => {
    const zips = new ZipMemory(2 * mebibyte)
    const first = await zips.lend(mebibyte)
    const moved = structuredClone(first.memory, { transfer: [first.memory] })
    first.giveBack(moved)
    const second = await zips.lend(mebibyte)
    expect(second.memory).toBe(moved)
    second.giveBack(undefined)
    // All of the room is there again.
    expect((await zips.lend(2 * mebibyte)).memory).not.toBe(moved)
  })

  test('keeps of many small pieces what half of the room takes', async () => {
    const zips = new ZipMemory(8 * mebibyte)
    const lendAll = () => Promise.all([0, 1, 2, 3, 4, 5, 6].map(() => zips.lend(mebibyte)))
    const lent = await lendAll()
    const old = new Set(lent.map(({ memory }) => memory))
    for (const { memory, giveBack } of lent) giveBack(memory)
    const kept = (await lendAll()).filter(({ memory }) => old.has(memory))
    expect(kept).toHaveLength(4)
  })

  test('keeps a few pieces even where they are more than half of the room', async () => {
    const zips = new ZipMemory(4 * mebibyte)
    const lent = await Promise.all([0, 1, 2, 3].map(() => zips.lend(mebibyte)))
    for (const { memory, giveBack } of lent) giveBack(memory)
    const again = await Promise.all([0, 1, 2, 3].map(() => zips.lend(mebibyte)))
    expect(new Set(again.map(({ memory }) => memory))).toEqual(new Set(lent.map(({ memory }) => memory)))
  })
})
