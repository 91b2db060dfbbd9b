import { setTimeout as wait } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { eachOf, Room } from '../src/each.ts'

describe('eachOf', () => {
  test('works on all items in their order, and on no more at a time than it may', async () => {
    let [now, most] = [0, 0]
    const started: number[] = []
    const items = Array.from({ length: 20 }, (_, index) => index)
    await eachOf(items, 3, async (item) => {
      started.push(item)
      most = Math.max(most, ++now)
      await wait(item % 3)
      now--
    })
    expect(started).toEqual(items)
    expect(most).toBe(3)
  })

  test('goes on with the others where one fails, and then tells it', async () => {
    const done: number[] = []
    const work = eachOf([1, 2, 3, 4], 2, async (item) => {
      if (item === 1) throw new Error('The first failed.')
      await wait(1)
      done.push(item)
    })
    await expect(work).rejects.toThrow('The first failed.')
    expect(done).toEqual([2, 3, 4])
  })
})

describe('Room', () => {
  test('is never lent twice, and everyone gets his turn in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 15 }), { maxLength: 20 }), async (amounts) => {
        const room = new Room(10)
        const order: number[] = []
        let [used, most] = [0, 0]
        await Promise.all(
          amounts.map(async (amount, index) => {
            const release = await room.take(amount)
            order.push(index)
            used += Math.min(amount, 10)
            most = Math.max(most, used)
            await wait(0)
            used -= Math.min(amount, 10)
            release()
          }),
        )
        expect(order).toEqual(amounts.map((_, index) => index))
        expect(most).toBeLessThanOrEqual(10)
      }),
      { numRuns: 30 },
    )
  })
})
