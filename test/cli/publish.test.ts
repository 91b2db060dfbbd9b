import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { cliFile, makeModule, parseLines, runCli } from '../support/cli.ts'
import { makeDirectory } from '../support/repo.ts'
import { type S3Stub, startS3Stub } from '../support/s3stub.ts'
import { filesBelow } from '../support/site.ts'

beforeAll(() => {
  cliFile()
})

const url = ['--url', 'https://go.example.com']

async function startStub(): Promise<S3Stub> {
  const stub = await startS3Stub()
  onTestFinished(() => stub.close())
  return stub
}

describe('publish', () => {
  test('adds what a bucket lacks, and once more nothing', async () => {
    const stub = await startStub()
    const { dir } = makeModule('example.com/r', 'v1.0.0')
    const target = `s3://${stub.bucket}/go`
    const first = await runCli(['publish', target, ...url], { cwd: dir, env: stub.env })
    expect(first).toEqual({
      status: 0,
      stdout: 'added  example.com/r@v1.0.0\n1 added, 0 kept, 0 refused; 0 errors, 0 warnings\n',
      stderr: '',
    })
    expect([...stub.objects.keys()]).toContain('go/example.com/r/@v/v1.0.0.zip')
    const kept = new Map(stub.objects)
    const again = await runCli(['publish', target, ...url], { cwd: dir, env: stub.env })
    expect(again.stdout).toBe('0 added, 1 kept, 0 refused; 0 errors, 0 warnings\n')
    expect(stub.objects).toEqual(kept)
  })

  test('says what it did for programs, too', async () => {
    const stub = await startStub()
    const { dir } = makeModule('example.com/r', 'v1.0.0')
    const args = ['publish', `s3://${stub.bucket}`, '--json', ...url]
    const { stdout } = await runCli(args, { cwd: dir, env: stub.env })
    const lines = parseLines(stdout)
    expect(lines.filter(({ type }) => type === 'version')).toEqual([
      { type: 'version', action: 'add', module: 'example.com/r', version: 'v1.0.0' },
    ])
    expect(lines.at(-1)).toMatchObject({ type: 'report', command: 'publish', exit: 0, counts: { added: 1 } })
  })

  test('a mirror that fails stops no other', async () => {
    const { dir } = makeModule('example.com/r', 'v1.0.0')
    writeFileSync(join(dir, 'mirror'), '')
    const { status, stdout, stderr } = await runCli(['publish', 'mirror', 'good', ...url], { cwd: dir })
    expect({ status, stdout }).toEqual({
      status: 1,
      stdout: 'added  example.com/r@v1.0.0\n1 added, 0 kept, 0 refused; 1 error, 0 warnings\n',
    })
    expect(stderr).toContain('Nothing could be published to mirror, output-unwritable:')
    expect(filesBelow(join(dir, 'good'))).toContain('example.com/r/@v/v1.0.0.zip')
  })

  test('a store that ignores conditions is refused, unless one says to be alone', async () => {
    const stub = await startStub()
    stub.conditions = 'ignore'
    const { dir } = makeModule('example.com/r', 'v1.0.0')
    const args = ['publish', `s3://${stub.bucket}`, ...url]
    const refused = await runCli(args, { cwd: dir, env: stub.env })
    expect(refused).toMatchObject({ status: 2, stdout: '' })
    expect(refused.stderr).toMatch(/\(store-unconditional\)\n {2}hint: .*--assume-single-writer/)
    expect([...stub.objects.keys()].filter((key) => key.includes('example.com'))).toEqual([])
    const alone = await runCli([...args, '--assume-single-writer'], { cwd: dir, env: stub.env })
    expect(alone).toMatchObject({ status: 0, stdout: expect.stringContaining('1 added') })
  })

  test.for([
    ['nowhere', 's3://', 'usage'],
    ['nothing', '', 'usage'],
    ['credentials in a target', 's3://KEYID:SECRET@bucket', 'usage'],
    ['a storage of another kind', 'gs://bucket/p', 'usage'],
    ['no credentials', 's3://bucket', 'credentials-missing'],
  ] as const)('%s is told, and nothing else is done', async ([, target, code]) => {
    const { dir } = makeModule('example.com/r', 'v1.0.0')
    const { status, stdout, stderr } = await runCli(['publish', target, ...url], { cwd: dir })
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain(`(${code})\n  hint: `)
    expect(readdirSync(dir).sort()).toEqual(['.git', 'go.mod', 'r.go'])
  })

  test.for([
    ['index', []],
    ['withdraw', ['example.com/r@v1.0.0', '--reason', 'x']],
  ] as const)('%s makes no site where there is none', async ([command, more]) => {
    const stub = await startStub()
    const { dir } = makeModule('example.com/r', 'v1.0.0')
    for (const target of [join(dir, 'typo'), `s3://${stub.bucket}/typo`]) {
      const { status, stderr } = await runCli([command, ...more, target, ...url], { cwd: dir, env: stub.env })
      expect({ status, stderr }).toEqual({
        status: 2,
        stderr: expect.stringContaining(`error: There is no site in ${target}. (usage)\n  hint: `),
      })
    }
    expect(readdirSync(dir)).not.toContain('typo')
    expect([...stub.objects.keys()]).toEqual([])
  })
})

describe('withdraw', () => {
  test('takes a version of a bucket down', async () => {
    const stub = await startStub()
    const { dir } = makeModule('example.com/r', 'v1.0.0')
    const target = `s3://${stub.bucket}`
    await runCli(['publish', target, ...url], { cwd: dir, env: stub.env })
    const args = ['withdraw', 'example.com/r@v1.0.0', target, '--reason', 'It holds a key.', ...url]
    const { status, stdout, stderr } = await runCli(args, { cwd: dir, env: stub.env })
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'example.com/r@v1.0.0 is withdrawn\n' })
    expect(stderr).toContain('purge them')
    const left = [...stub.objects.keys()].filter((key) => key.startsWith('example.com/r/@v/'))
    expect(left).toEqual(['example.com/r/@v/list'])
    const again = await runCli(['publish', target, ...url], { cwd: dir, env: stub.env })
    expect(again.stdout).toBe('0 added, 0 kept, 0 refused; 0 errors, 0 warnings\n')
  })
})

describe('secrets', () => {
  const canary = 'canary7f3a'
  const secrets = {
    AWS_ACCESS_KEY_ID: `${canary}id`,
    AWS_SECRET_ACCESS_KEY: `${canary}secret`,
    AWS_SESSION_TOKEN: `${canary}session`,
    GITHUB_TOKEN: `${canary}github`,
    CI_JOB_TOKEN: `${canary}job`,
    MODPRESS_TOKEN_GIT_EXAMPLE_COM: `${canary}host`,
    MODPRESS_AUTH: `Bearer ${canary}auth`,
  }

  test('are in no output, file or object, whether it goes well or not', async () => {
    const stub = await startStub()
    const repository = makeModule('example.com/r', 'v1.0.0')
    repository.git('remote', 'add', 'origin', `https://${canary}user:${canary}password@git.example.com/r.git`)
    repository.git('config', 'http.extraHeader', `Authorization: Bearer ${canary}header`)
    repository.git('config', 'credential.helper', `!echo password=${canary}helper`)
    const env = { ...stub.env, ...secrets }
    const target = `s3://${stub.bucket}`
    const said: string[] = []
    const run = async (...args: readonly string[]) => {
      for (const style of [[], ['--json']]) {
        const { stdout, stderr, status } = await runCli([...args, ...style, ...url], {
          cwd: repository.dir,
          env: { ...env, MODPRESS_DEBUG: '1' },
        })
        said.push(stdout, stderr)
        expect(status).not.toBeNull()
      }
    }
    await run('publish', target, 'directory')
    for (const status of [400, 403, 412]) {
      stub.fail(() => true, { status, code: 'Odd' }, 2)
      await run('publish', target)
    }
    stub.fail(() => true, { status: 301, code: 'PermanentRedirect', region: 'eu-north-1' }, 2)
    await run('index', target)
    await run('withdraw', 'example.com/r@v1.0.0', target, '--reason', 'x')
    await run('build', '--live', 's3://elsewhere')
    const address = `s3://${canary}id:${canary}secret@${stub.bucket}/p`
    await run('publish', address)
    await run('publish', 'directory', address)
    await run('publish', address.replace('s3:', 'gs:'))
    await run('index', address)
    await run('withdraw', 'example.com/r@v1.0.0', address, '--reason', 'x')
    await run('build', '--live', address)
    expect(said.join('\n')).not.toContain(canary)
    expect(said.join('\n').length).toBeGreaterThan(1000)
    for (const { body, headers } of stub.objects.values()) {
      expect(`${body.toString('latin1')}${JSON.stringify(headers)}`).not.toContain(canary)
    }
    for (const path of filesBelow(join(repository.dir, 'directory'))) {
      expect(readFileSync(join(repository.dir, 'directory', path), 'latin1')).not.toContain(canary)
    }
  })

  test('of a role that a job assumes are in no output', async () => {
    const stub = await startStub()
    const { dir } = makeModule('example.com/r', 'v1.0.0')
    const token = join(makeDirectory(), 'token')
    writeFileSync(token, `${canary}oidc`)
    const env = {
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/publish',
      AWS_WEB_IDENTITY_TOKEN_FILE: token,
      AWS_ENDPOINT_URL: stub.url,
    }
    const { status, stdout, stderr } = await runCli(['publish', `s3://${stub.bucket}`, ...url], {
      cwd: dir,
      env,
    })
    expect(status).toBe(2)
    expect(stderr).toMatch(/^error: /)
    expect(stdout + stderr).not.toContain(canary)
  })
})
