import { describe, expect, test } from 'vitest'
import { FetchLog, type FetchProgress, parseProgress } from '../../src/git/progress.ts'

test.for([
  [
    'Receiving objects:  42% (1234/2938), 5.02 MiB | 2.30 MiB/s',
    { message: 'receiving 5.02 MiB', done: 1234, total: 2938 },
  ],
  [
    'Receiving objects: 100% (3/3), 12 bytes | 12.00 KiB/s, done.',
    { message: 'receiving 12 bytes', done: 3, total: 3 },
  ],
  ['Receiving objects:   0% (0/3)', { message: 'receiving', done: 0, total: 3 }],
  ['Resolving deltas:   7% (1/13)', { message: 'resolving', done: 1, total: 13 }],
  ['remote: Receiving objects:   7% (1/13)', undefined],
  ['Receiving objects: many', undefined],
  ['fatal: no', undefined],
] as const)('%j is %j', ([line, want]) => {
  expect(parseProgress(line)).toEqual(want)
})

describe('the stderr of git', () => {
  function read(text: string, size: number) {
    const told: FetchProgress[] = []
    const log = new FetchLog((progress) => told.push(progress))
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; at += size) log.write(bytes.subarray(at, at + size))
    return { told, text: log.end() }
  }

  const text = [
    'remote: Counting objects: 100% (9/9), done.        \n',
    'remote: Total 9 (delta 0), reused 0 (delta 0), pack-reused 0\n',
    'Receiving objects:  11% (1/9)\rReceiving objects: 100% (9/9), 1.00 KiB | 1 KiB/s\r',
    'From https://git.example.com/x\n',
    ' * [new tag]           v1.0.0     -> v1.0.0\n',
    ' + 1234567...89abcde main -> main  (forced update)\n',
    '   1234567..89abcde  next -> next\n',
    ' ! [rejected] old -> old\n',
    'remote: größe\n',
    'fatal: no',
  ].join('')

  test.for([1, 7, 10_000])('is progress and errors, however it is cut (%i bytes)', (size) => {
    const found = read(text, size)
    expect(found.told.map(({ done }) => done)).toEqual([1, 9])
    expect(found.text).toBe('! [rejected] old -> old\nremote: größe\nfatal: no')
  })

  test('is kept in bounds', () => {
    const { text } = read(`${'x'.repeat(100_000)}\n${'y\n'.repeat(10_000)}`, 4096)
    expect(text.length).toBeLessThan(20_000)
  })
})
