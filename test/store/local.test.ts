import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openDirectoryStore } from '../../src/store/directory.ts'
import { withLocalFile } from '../../src/store/local.ts'
import { openS3Store } from '../../src/store/s3.ts'
import { makeDirectory } from '../support/repo.ts'
import { startS3Stub } from '../support/s3stub.ts'

test('a file of a directory is lent where it lies', async () => {
  const store = await openDirectoryStore(makeDirectory())
  await store.create('a/b.zip', Buffer.from('zip'))
  expect(await withLocalFile(store, 'a/b.zip', async (file) => file)).toBe(store.localPath('a/b.zip'))
  for (const path of ['a/c.zip', 'a', 'a/b.zip/c']) {
    await expect(withLocalFile(store, path, async (file) => readFileSync(file))).rejects.toThrow(
      /ENOENT|EISDIR|ENOTDIR/,
    )
  }
})

test('a file of a bucket is lent as a copy, which is removed whatever happens', async () => {
  const stub = await startS3Stub()
  onTestFinished(() => stub.close())
  const dir = makeDirectory()
  const { TMPDIR: before } = process.env
  onTestFinished(() => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
  })
  process.env['TMPDIR'] = join(dir, 'tmp')
  mkdirSync(join(dir, 'tmp'))
  const store = await openS3Store(
    { bucket: stub.bucket, prefix: '' },
    { env: stub.env, tries: 2, backoffMs: 1 },
  )
  await store.create('a/b.zip', Buffer.alloc(200_000, 'zip'))

  const copies: string[] = []
  const length = await withLocalFile(store, 'a/b.zip', async (file) => {
    copies.push(file)
    return readFileSync(file).length
  })
  expect(length).toBe(200_000)
  const failing = withLocalFile(store, 'a/b.zip', async (file) => {
    copies.push(file)
    throw new Error('no more')
  })
  await expect(failing).rejects.toThrow('no more')
  stub.fail(({ method }) => method === 'GET', { bytes: 0 }, 2)
  await expect(withLocalFile(store, 'a/b.zip', async () => 'called')).rejects.toThrow('cannot be reached')
  const missing = withLocalFile(store, 'a/c.zip', async (file) => readFileSync(file))
  await expect(missing).rejects.toThrow('ENOENT')
  expect(copies.map((copy) => existsSync(copy))).toEqual([false, false])
  expect(readdirSync(join(dir, 'tmp'))).toEqual([])
})
