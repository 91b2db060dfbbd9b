import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Inbox } from '../src/inbox.ts'

const chunks = Array.from({ length: 5 }, (_, index) => Buffer.from(`chunk ${index}`))

describe('an inbox', () => {
  test('hands over what comes, before and while it is read, and tells when it is done with', async () => {
    const inbox = new Inbox()
    const done: number[] = []
    const put = (index: number) => inbox.put(chunks[index] as Buffer).then(() => done.push(index))
    const early = [put(0), put(1)]
    const reading = inbox.read()
    expect((await reading.next()).value).toBe(chunks[0])
    await wait(1)
    expect(done).toEqual([])
    expect((await reading.next()).value).toBe(chunks[1])
    const third = reading.next()
    await Promise.all(early)
    expect(done).toEqual([0, 1])
    await wait(1)
    const late = [put(2), put(3)]
    expect((await third).value).toBe(chunks[2])
    inbox.end(true)
    expect((await reading.next()).value).toBe(chunks[3])
    expect((await reading.next()).done).toBe(true)
    await Promise.all(late)
    expect(done).toEqual([0, 1, 2, 3])
  })

  test('fails whoever reads it where what comes is broken off, after what was there', async () => {
    const inbox = new Inbox()
    const put = inbox.put(chunks[0] as Buffer)
    inbox.end(false)
    const reading = inbox.read()
    expect((await reading.next()).value).toBe(chunks[0])
    await expect(reading.next()).rejects.toThrow('broken off')
    await put
    const waiting = new Inbox()
    const next = waiting.read().next()
    waiting.end(false)
    await expect(next).rejects.toThrow('broken off')
  })

  test('that is closed leaves nobody waiting', async () => {
    const inbox = new Inbox()
    const puts = [inbox.put(chunks[0] as Buffer), inbox.put(chunks[1] as Buffer)]
    await inbox.read().next()
    inbox.close()
    await Promise.all(puts)
    await inbox.put(chunks[2] as Buffer)
    inbox.end(true)
  })
})
