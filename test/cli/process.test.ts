import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Child, cliFile, makeModule, parseLines, runCli, startCli } from '../support/cli.ts'
import { makeDirectory, makeRepository } from '../support/repo.ts'

beforeAll(() => {
  cliFile()
})

const isWindows = process.platform === 'win32'

/** Waits until what the process says on stdout fits. */
function waitFor(child: Child, pattern: RegExp): Promise<string> {
  return new Promise((done, fail) => {
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part
      if (pattern.test(text)) done(text)
    })
    child.on('close', () => fail(new Error(`It ended after: ${text}`)))
  })
}

function end(child: Child): Promise<[number | null, NodeJS.Signals | null]> {
  return new Promise((done) => child.on('close', (status, signal) => done([status, signal])))
}

describe('serve', () => {
  test.for(['SIGINT', 'SIGTERM'] as const)(
    'says its address first, answers, and ends with %s',
    async (signal) => {
      const { dir } = makeModule('example.com/r', 'v1.0.0')
      await runCli(['build'], { cwd: dir })
      const child = startCli(['serve', '--port', '0'], { cwd: dir })
      const ended = end(child)
      let stderr = ''
      child.stderr.setEncoding('utf8').on('data', (part: string) => {
        stderr += part
      })
      const text = await waitFor(child, /\n/)
      const [, address] = /^GOPROXY=(http:\/\/127\.0\.0\.1:\d+)\n/.exec(text) ?? []
      const answer = await fetch(`${address}/example.com/r/@v/list`)
      expect([answer.status, await answer.text()]).toEqual([200, 'v1.0.0\n'])
      child.kill(signal)
      expect(await ended).toEqual(isWindows ? [null, signal] : [0, null])
      expect(stderr).toMatch(/^Serving .*site\. Press Ctrl\+C to stop\.\nTry one of its modules: .*\n$/)
      expect(stderr).toContain(`GOPROXY="${address},$(go env GOPROXY)" GONOSUMDB=MODULE`)
    },
  )

  test('serves a directory without a configuration, for programs', async () => {
    const site = makeDirectory()
    const child = startCli(['serve', site, '--port', '0', '--json'], { cwd: makeDirectory() })
    const ended = end(child)
    let all = ''
    child.stdout.on('data', (part: string) => {
      all += part
    })
    await waitFor(child, /\n/)
    child.kill('SIGTERM')
    await ended
    const [first, last] = parseLines(all)
    expect(first).toEqual({ type: 'progress', step: 'serve', url: expect.stringMatching(/^http:/) })
    if (!isWindows) expect(last).toMatchObject({ type: 'report', command: 'serve', exit: 0 })
  })

  test('says that there is no site', async () => {
    const { status, stdout, stderr } = await runCli(['serve', 'nothing'], { cwd: makeDirectory() })
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^error: There is no site in .*nothing\. \(usage\)\n {2}hint: Build it first/)
  })

  test('says that its port is taken', async () => {
    const site = makeDirectory()
    const child = startCli(['serve', site, '--port', '0'])
    const ended = end(child)
    const [, port = ''] = /:(\d+)\n/.exec(await waitFor(child, /\n/)) ?? []
    const { status, stderr } = await runCli(['serve', site, '--port', port])
    expect(status).toBe(2)
    expect(stderr).toMatch(/hint: Use --port 0/)
    child.kill()
    await ended
  })
})

describe('a reader that leaves', () => {
  test('does not end a run, and no stack is shown', async () => {
    const { dir } = makeModule('example.com/r', 'v1.0.0', 'v1.1.0', 'v1.2.0')
    const child = startCli(['build', '--json'], { cwd: dir })
    child.stdout.destroy()
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      stderr += part
    })
    expect(await end(child)).toEqual([0, null])
    expect(stderr).toBe('')
    expect(readdirSync(join(dir, 'site'))).toContain('index.html')
  })
})

describe.skipIf(isWindows)('an interrupt', () => {
  test('ends a build with 75 and leaves a site that the next run finishes', async () => {
    const repository = makeRepository()
    const files = Array.from({ length: 60 }, (_, index) => [`f${index}.go`, `package r // ${index}\n`])
    repository.commit({ 'go.mod': 'module example.com/r\n', ...Object.fromEntries(files) })
    const oid = repository.git('rev-parse', 'HEAD')
    const tags = Array.from({ length: 120 }, (_, index) => `create refs/tags/v1.${index}.0 ${oid}\n`)
    repository.pipe(tags.join(''), 'update-ref', '--stdin')
    const { dir } = repository
    const child = startCli(['build', '--json', '--jobs', '1'], { cwd: dir })
    const ended = end(child)
    let all = ''
    child.stdout.on('data', (part: string) => {
      all += part
    })
    await waitFor(child, /"pack"/)
    child.kill('SIGINT')
    expect(await ended).toEqual([75, null])
    expect(parseLines(all).slice(-2)).toMatchObject([
      { type: 'problem', code: 'interrupted' },
      { type: 'report', command: 'build', exit: 75 },
    ])
    expect(existsSync(join(dir, 'site/-/lock'))).toBe(false)
    const { status, stdout } = await runCli(['build', '--json'], { cwd: dir })
    expect(status).toBe(0)
    expect(parseLines(stdout).filter(({ type }) => type === 'version')).toHaveLength(120)
  }, 60_000)
})
