import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { makeTemporary, removeTemporary, withTemporary } from '../src/temporary.ts'
import { makeDirectory } from './support/repo.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

test('a temporary directory lies where TMPDIR says, and goes with all that is in it', async () => {
  const root = makeDirectory()
  vi.stubEnv('TMPDIR', root)
  const dir = makeTemporary()
  expect(dirname(dir)).toBe(root)
  writeFileSync(join(dir, 'file'), 'x')
  removeTemporary(dir)
  removeTemporary(dir)
  expect(readdirSync(root)).toEqual([])
  await withTemporary(async (lent) => writeFileSync(join(lent, 'file'), 'x'), 'named-')
  const failing = withTemporary(async (lent) => {
    expect(existsSync(lent)).toBe(true)
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  expect(readdirSync(root)).toEqual([])
})

test.for(['process.exit(3)', 'throw new Error("no")', 'process.exitCode = 3'])(
  'is gone with a process that ends by %s',
  (ending) => {
    const root = makeDirectory()
    const module = JSON.stringify(join(import.meta.dirname, '../src/temporary.ts'))
    const script = `
      const { makeTemporary } = await import(${module})
      console.log(makeTemporary(), makeTemporary('other-'))
      ${ending}`
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script]
    const env = { ...process.env, TMPDIR: root }
    const ended = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
    expect(ended.status).not.toBe(0)
    expect(ended.stdout.trim().split(' ').map(dirname)).toEqual([root, root])
    expect(readdirSync(root).filter((name) => !name.startsWith('tsx-') && !name.startsWith('node-'))).toEqual(
      [],
    )
  },
)
