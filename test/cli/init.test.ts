/** What "modpress init" writes, for each shape, forge and host: that linters and "modpress plan" take it. */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { describeMissing, findMissing, partFile } from '../../scripts/parts.ts'
import { type Run, runCli } from '../support/cli.ts'
import { startGitServer } from '../support/gitserver.ts'
import { previewPipeline } from '../support/pipeline.ts'
import { makeDirectory, makeRepository, runGit } from '../support/repo.ts'

// Each starts some dozens of processes.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const config = 'modpress.config.yaml'
const workflow = '.github/workflows/modpress.yml'
const pipeline = '.gitlab-ci.yml'

const missing = findMissing('actionlint', 'gitlab-ci-local', 'rsync')
for (const part of missing) console.warn(describeMissing(part))
if (process.env['CI'] === 'true' && missing.length > 0)
  throw new Error(missing.map(describeMissing).join('\n'))

/** Makes a clone of a Go module from github.com. */
function makeClone(origin = 'git@github.com:acme/billing.git', module = 'github.com/acme/billing'): string {
  const repository = makeRepository()
  repository.git('remote', 'add', 'origin', origin)
  repository.commit({ 'go.mod': `module ${module}\n\ngo 1.21\n`, 'm.go': 'package m\n' })
  repository.git('tag', 'v1.0.0')
  return repository.dir
}

/** Makes a directory of clones of modules, and of something else. */
function makeClones(...others: readonly string[]): string {
  const dir = makeDirectory()
  const upstream = makeClone()
  for (const name of ['billing', 'orders']) {
    const clone = join(dir, name)
    runGit(dir, '', ['clone', '--quiet', upstream, name])
    runGit(clone, '', ['remote', 'set-url', 'origin', `https://git.example.com/acme/${name}.git`])
    writeFileSync(join(clone, 'go.mod'), `module go.example.com/${name}\n\ngo 1.21\n`)
    runGit(clone, '', ['commit', '--quiet', '--all', '--message=module'])
    runGit(clone, '', ['tag', '--force', 'v1.0.0'])
  }
  for (const name of others) {
    mkdirSync(join(dir, name))
    runGit(join(dir, name), '', ['init', '--quiet'])
  }
  return dir
}

function read(dir: string, file: string): string {
  return readFileSync(join(dir, file), 'utf8')
}

/** Every combination that init knows. */
const variants = [
  ['a bucket', ['--target', 's3://registry'], workflow],
  ['a bucket behind a CDN', ['--target', 's3://registry/go', '--host', 'cloudfront'], workflow],
  ['a shared directory', ['--target', '/srv/go', '--host', 'nginx'], workflow],
  ['Pages of GitHub', ['--host', 'github-pages'], workflow],
  ['a server', ['--host', 'caddy'], workflow],
  ['a server whose address is known', ['--host', 'apache', '--url', 'https://go.example.com'], workflow],
  ['a public host', ['--host', 'netlify', '--url', 'https://go.example.com'], workflow],
  ['no host', [], workflow],
  ['a bucket, from GitLab', ['--ci', 'gitlab', '--target', 's3://registry'], pipeline],
  ['Pages of GitLab', ['--ci', 'gitlab', '--host', 'gitlab-pages'], pipeline],
  ['a server, from GitLab', ['--ci', 'gitlab', '--host', 'nginx'], pipeline],
] as const

/** The same for a registry, whose repositories are cloned, and for those that only tell it of tags. */
const others = [
  ['a registry in a bucket', ['ADDRESS', '--target', 's3://registry', '--ci', 'github'], workflow],
  [
    'a registry on Pages of GitHub',
    ['ADDRESS', '--host', 'github-pages', '--url', 'https://go.example.com'],
    workflow,
  ],
  ['a registry on a server', ['ADDRESS', '--host', 'nginx', '--ci', 'github'], workflow],
  [
    'a registry in a bucket, from GitLab',
    ['ADDRESS', '--target', 's3://registry', '--ci', 'gitlab'],
    pipeline,
  ],
  ['a registry on Pages of GitLab', ['ADDRESS', '--host', 'gitlab-pages'], pipeline],
  ['a notice', ['--registry', 'acme/registry'], workflow],
  ['a notice, from GitLab', ['--registry', 'acme/go/registry', '--ci', 'gitlab'], pipeline],
] as const

describe('a configuration and a job', () => {
  const all = [...variants, ...others] as readonly (readonly [string, readonly string[], string])[]
  const dirs = new Map<string, string>()
  const plans = new Map<string, Run>()
  const dirOf = (name: string): string => dirs.get(name) ?? ''
  beforeAll(async () => {
    const upstream = makeClone()
    const git = await startGitServer(join(upstream, '..'))
    const address = `${git.url}/${upstream.split('/').at(-1)}`
    try {
      await Promise.all(
        all.map(async ([name, args]) => {
          const cwd = args[0] === 'ADDRESS' ? makeRepository().dir : makeClone()
          dirs.set(name, cwd)
          const given = args.map((arg) => (arg === 'ADDRESS' ? address : arg))
          expect(await runCli(['init', ...given], { cwd }), name).toMatchObject({ status: 0 })
          if (args[0] !== '--registry') plans.set(name, await runCli(['plan'], { cwd }))
        }),
      )
    } finally {
      await git.close()
    }
  })

  test('for a registry: the first plan clones and takes it', () => {
    for (const [name, [first]] of others) {
      if (first !== 'ADDRESS') continue
      expect(plans.get(name)?.stdout).toContain('1 to add')
      expect(plans.get(name)?.status).toBe(0)
    }
  })

  test.for(variants)('for a module and %s: the first plan takes it', ([name, args, job]) => {
    const dir = dirOf(name)
    expect(existsSync(join(dir, job))).toBe(true)
    expect(plans.get(name)?.stdout).toContain('add  github.com/acme/billing@v1.0.0\n')
    expect(plans.get(name)?.status).toBe(0)
    const text = read(dir, config)
    const isOpen = args.some((arg) => arg === 'github-pages' || arg === 'netlify')
    expect(/^access: public$/m.test(text)).toBe(isOpen)
    expect(text.includes('Anyone can read')).toBe(isOpen)
  })

  test.skipIf(missing.length > 0)('linters of GitHub and GitLab take all jobs', async () => {
    const workflows = all.flatMap(([name, , job]) => (job === workflow ? [join(dirOf(name), job)] : []))
    execFileSync(partFile('actionlint'), ['-no-color', ...workflows], { stdio: ['ignore', 'pipe', 'pipe'] })
    const pipelines = all.filter(([, , job]) => job === pipeline)
    const previews = await Promise.all(pipelines.map(([name]) => previewPipeline(dirOf(name))))
    for (const { status, log } of previews) expect(status, log).toBe(0)
  })

  test('nothing else than a commit names the Actions of others, and no script has an expression', () => {
    for (const [name, , job] of all) {
      if (job !== workflow) continue
      const text = read(dirOf(name), job)
      const uses = [...text.matchAll(/uses: (.*)/g)].map(([, each = '']) => each)
      for (const each of uses.filter((use) => !/^(?:acme|OWNER)\/modpress@v\d$/.test(use))) {
        expect(each).toMatch(/^[\w/-]+@[0-9a-f]{40} # v\d/)
      }
      const scripts = [...text.matchAll(/run: (?:>-\n\s+)?(.*)/g)].map(([, each]) => each)
      for (const each of scripts) expect(each).not.toContain('${{')
    }
  })
})

describe('init', () => {
  test('writes over nothing, and says so', async () => {
    const dir = makeClone()
    const before = 'repositories: [{ root: github.com/acme/billing, dir: . }]\n'
    writeFileSync(join(dir, 'modpress.config.yml'), before)
    mkdirSync(join(dir, '.github/workflows'), { recursive: true })
    writeFileSync(join(dir, workflow), 'mine\n')
    const run = await runCli(['init'], { cwd: dir })
    expect(run.stdout).toBe(
      `kept  modpress.config.yml  (it is there already)\nkept  ${workflow}  (it is there already)\n`,
    )
    expect(run.stderr).toContain(
      `Commit it, if that is not done: git add modpress.config.yml ${workflow} && `,
    )
    expect(run.status).toBe(0)
    expect(read(dir, 'modpress.config.yml')).toBe(before)
    expect(read(dir, workflow)).toBe('mine\n')
    expect(existsSync(join(dir, config))).toBe(false)
  })

  test('writes the job that the configuration asks for', async () => {
    const dir = makeClone()
    const text = 'host: github-pages\naccess: public\nurl: https://go.example.com\noutput: public\n'
    writeFileSync(join(dir, config), text)
    expect(await runCli(['init'], { cwd: dir })).toMatchObject({ status: 0 })
    expect(read(dir, workflow)).toContain('live: https://go.example.com\n')
    const other = await runCli(['init', '--host', 'nginx'], { cwd: dir })
    expect(other.status).toBe(2)
    expect(other.stderr).toContain('says host: github-pages')

    const registry = makeClone()
    writeFileSync(join(registry, config), 'repositories: [{ root: git.example.com/acme/billing }]\n')
    expect(await runCli(['init'], { cwd: registry })).toMatchObject({ status: 0 })
    expect(read(registry, workflow)).toContain('MODPRESS_TOKEN_GIT_EXAMPLE_COM')
    expect(read(registry, workflow)).toContain('repository_dispatch')
  })

  test('puts jobs beside a pipeline that is there', async () => {
    const dir = makeClone('https://gitlab.example.com/acme/billing.git')
    writeFileSync(join(dir, pipeline), 'test: { script: [go test ./...] }\n')
    const run = await runCli(['init', '--host', 'gitlab-pages'], { cwd: dir })
    expect(run.stdout).toContain('wrote  .gitlab/modpress.yml\n')
    expect(run.stderr).toContain('Add "include: { local: .gitlab/modpress.yml }" to .gitlab-ci.yml.')
    expect(read(dir, pipeline)).toBe('test: { script: [go test ./...] }\n')

    const own = makeClone('https://gitlab.example.com/acme/billing.git')
    await runCli(['init', '--host', 'gitlab-pages'], { cwd: own })
    const again = await runCli(['init', '--host', 'gitlab-pages'], { cwd: own })
    expect(again.stdout).toContain(`kept  ${pipeline}  (it is there already)\n`)
    expect(existsSync(join(own, '.gitlab'))).toBe(false)
  })

  test('finds the root of a repository that has modules in directories alone', async () => {
    const repository = makeRepository()
    repository.commit({
      'one/go.mod': 'module go.example.com/mono/one\n',
      'two/v2/go.mod': 'module go.example.com/mono/two/v2\n',
      'three/go.mod': 'module go.example.com/mono/three/v3\n',
      'vendor/x/go.mod': 'module example.com/x\n',
    })
    await runCli(['init'], { cwd: join(repository.dir, 'one') })
    expect(read(repository.dir, config)).toContain('root: go.example.com/mono\n')
    expect(read(repository.dir, config)).toContain('# url: https://go.example.com\n')
  })

  test('in a directory of clones, names them by a pattern, or one by one', async () => {
    const alike = makeClones()
    expect(await runCli(['init'], { cwd: alike })).toMatchObject({ status: 0 })
    expect(read(alike, config)).toMatch(/ {2}- root: "go\.example\.com\/\{name\}"\n {4}dir: \.\/\*\n$/)
    expect((await runCli(['plan'], { cwd: alike })).stdout).toContain('2 to add')

    const mixed = makeClones('website')
    expect(await runCli(['init'], { cwd: mixed })).toMatchObject({ status: 0 })
    expect(read(mixed, config)).toMatch(/- root: go\.example\.com\/billing\n {4}dir: \.\/billing\n/)
    expect((await runCli(['plan'], { cwd: mixed })).stdout).toContain('2 to add')
  })

  test('for a job, names the addresses that clones come from, and the tokens for them', async () => {
    const dir = makeClones()
    expect(await runCli(['init', '--ci', 'github', '--target', 's3://registry'], { cwd: dir })).toMatchObject(
      {
        status: 0,
      },
    )
    expect(read(dir, config)).toContain('clone: https://git.example.com/acme/orders.git\n')
    expect(read(dir, workflow)).toContain(
      `MODPRESS_TOKEN_GIT_EXAMPLE_COM: \${{ secrets.MODPRESS_TOKEN_GIT_EXAMPLE_COM }}\n`,
    )
  })

  test('for a registry, clones by https, for which a job can have a token', async () => {
    const { dir } = makeRepository()
    const args = ['init', 'git@git.example.com:acme/orders.git', '--host', 'gitlab-pages']
    expect(await runCli(args, { cwd: dir })).toMatchObject({ status: 0 })
    expect(read(dir, config)).toContain('clone: https://git.example.com/acme/orders.git\n')
  })

  test.for([
    ['neither a go.mod here', []],
    ['holds credentials', ['https://me:secret@git.example.com/acme/x.git']],
    ['is no address', ['../x']],
    ['must be OWNER/REPO@REF', ['--action', 'modpress']],
    ['neither a bucket', ['https://git.example.com/acme/x.git', '--target', 'gs://registry']],
  ] as const)('refuses what is not clear, and writes nothing: %s', async ([message, args]) => {
    const dir = makeDirectory()
    const run = await runCli(['init', ...args], { cwd: dir })
    expect(run.stderr).toContain(message)
    expect(run.stderr).not.toContain('secret')
    expect(run.status).toBe(2)
    expect(existsSync(join(dir, config))).toBe(false)
  })

  test('names the Action that is asked for, or says that a copy has to be there', async () => {
    const own = makeClone()
    const asked = await runCli(['init', '--action', 'tools/modpress@main'], { cwd: own })
    expect(read(own, workflow)).toContain('uses: tools/modpress@main\n')
    expect(asked.stderr).not.toContain('Put a copy')
    const assumed = await runCli(['init'], { cwd: makeClone() })
    expect(assumed.stderr).toContain('where the workflow looks for it, acme/modpress@v0, or say --action.')
  })

  test('tells programs of its files', async () => {
    const { stdout } = await runCli(['--json', 'init'], { cwd: makeClone() })
    expect(stdout).toContain(`{"type":"file","action":"wrote","path":"${config}"}\n`)
  })
})
