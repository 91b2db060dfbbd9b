import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openDirectoryStore } from '../src/store/directory.ts'
import { shownTarget } from '../src/store/target.ts'
import { checkTarget, withTarget } from '../src/targets.ts'
import { makeDirectory } from './support/repo.ts'
import { filesBelow } from './support/site.ts'

const settings = { access: 'private' } as const

test.for([
  ['s3://registry/p', 's3://registry/p'],
  ['s3://KEYID:SECRET@registry/p', 's3://registry/p'],
  ['s3://KEYID:SE/CR@ET@registry/p', 's3://registry/p'],
  ['s3:KEYID:SECRET@registry', 's3:registry'],
  ['S3://KEYID:SECRET@registry', 'S3://registry'],
  ['gs://user:SECRET@registry/p?key=SECRET#SECRET', 'gs://registry/p'],
  ['/mnt/a@b', '/mnt/a@b'],
  ['C:\\sites\\a@b', 'C:\\sites\\a@b'],
] as const)('the target %s is shown as %s', ([text, want]) => {
  expect(shownTarget(text)).toBe(want)
})

test.for([
  ['', 'is empty'],
  [' ', 'is empty'],
  ['gs://bucket/p', 'neither a bucket'],
  ['file:///mnt/site', 'neither a bucket'],
  ['https://user:CANARY@go.example.com', '"https://go.example.com" is neither'],
  ['S3://registry', 'does not begin'],
  ['s3:registry', 'does not begin'],
  ['s3://KEYID:CANARY@registry/p', 'Credentials do not belong in a target'],
  ['s3:KEYID:CANARY@registry', 'Credentials do not belong in a target'],
] as const)('the target %j is refused', async ([target, reason]) => {
  const found = await checkTarget(target)
  expect(found).toMatchObject({ code: 'usage', message: expect.stringContaining(reason) })
  expect(JSON.stringify(found)).not.toMatch(/CANARY|KEYID/)
  const using = withTarget(target, settings, { expect: 'anything' }, async () => {})
  await expect(using).rejects.toMatchObject({ exitCode: 2, problem: found })
})

test.for(['s3://registry', 's3://registry/p', 'site', './site', '/mnt/a:b@c'])(
  '%s is a target',
  async (text) => {
    expect(await checkTarget(text)).toBeUndefined()
  },
)

describe('where a site is expected', () => {
  const use = async () => 'used'

  test('a directory that is not there, or holds something else, stays as it is', async () => {
    const dir = makeDirectory()
    const typo = join(dir, 'typo')
    const refusal = { exitCode: 2, problem: { code: 'usage', message: `There is no site in ${typo}.` } }
    await expect(withTarget(typo, settings, {}, use)).rejects.toMatchObject(refusal)
    expect(existsSync(typo)).toBe(false)
    mkdirSync(typo)
    await expect(withTarget(typo, settings, {}, use)).rejects.toMatchObject(refusal)
    expect(filesBelow(typo)).toEqual([])
    expect(await withTarget(typo, settings, { expect: 'anything' }, use)).toBe('used')
  })

  test.for(['-/site.json', '-/manifest/example.com/r.jsonl'])('%s is one', async (path) => {
    const dir = makeDirectory()
    await (await openDirectoryStore(dir)).create(path, Buffer.from('{}'))
    expect(await withTarget(dir, settings, {}, use)).toBe('used')
  })
})
