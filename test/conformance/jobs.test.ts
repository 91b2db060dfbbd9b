/**
 * What Docker, the runners of GitHub and GitLab, Renovate and Dependabot are
 * given is run as they would run it, and the real go fetches modules. None of
 * them is here: their commands are taken out of the texts, and secrets are put
 * where they would put them.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { describeMissing, findMissing, partFile } from '../../scripts/parts.ts'
import { Machine, type MachineOptions, shellsThere } from '../support/consumer.ts'
import { missingTools } from '../support/gorun.ts'
import {
  after,
  before,
  login,
  netrcLines,
  type Registry,
  served,
  startRegistry,
  token,
  versions,
} from '../support/registry.ts'

const title = 'what builds, jobs and bots are given'
const missing = missingTools('go', 'openssl')
if (missing !== undefined) {
  test.skipIf(process.env['CI'] !== 'true')(`${title} (skipped: ${missing})`, () => {
    throw new Error(missing)
  })
}

describe.skipIf(missing !== undefined || process.platform !== 'linux')(title, () => {
  let registry: Registry

  beforeAll(async () => {
    registry = await startRegistry()
  })
  afterAll(() => registry?.close())

  function newMachine(options: Partial<MachineOptions> = {}): Machine {
    const machine = new Machine({ goEnv: before, ...options, env: { ...registry.env, ...options.env } })
    onTestFinished(() => machine.close())
    return machine
  }

  describe('in a Dockerfile', () => {
    test.for(['password', 'token'] as const)('its RUN lines work with a %s as secret', async (kind) => {
      const machine = newMachine({ goEnv: '', env: { GOPROXY: '' } })
      const text = registry.text(kind, 'Dockerfile.txt')
      const secrets = join(machine.dir, 'secrets')
      mkdirSync(secrets)
      writeFileSync(join(secrets, 'netrc'), netrcLines)
      writeFileSync(join(secrets, 'go_registry_token'), `${token.GO_REGISTRY_TOKEN}\n`)
      const cwd = machine.makeModule(...served[kind])
      const commands = runLines(text)
      expect(commands).toHaveLength(3)
      const variables = Object.fromEntries(
        [...text.matchAll(/^ENV (\w+)=(\S+)$/gm)].map(([, name, value]) => [name, value]),
      )
      const { heard } = await registry.listen(async () => {
        for (const command of commands) {
          // Where Docker would mount the secret, and where the image would keep what is built.
          const here = command
            .replaceAll('/run/secrets/', `${secrets}/`)
            .replace('/out/', `${machine.dir}/out/`)
          const { status, stderr } = await machine.run('sh', ['-c', here], {
            cwd,
            env: { ...variables, GOFLAGS: '-modcacherw -mod=mod' },
          })
          expect(stderr).not.toContain('401')
          expect(status, stderr).toBe(0)
        }
      })
      expect(heard).toEqual([])
      // The image keeps the settings, and no credentials.
      expect(machine.read('.config/go/env')).not.toMatch(/p4ss|glpat/)
      expect(machine.read('.netrc')).toBeUndefined()
    })
  })

  describe('in a job', () => {
    test.for(['password', 'token'] as const)(
      'of GitHub: its steps work with a %s as secret',
      async (kind) => {
        const machine = newMachine()
        const secrets = kind === 'password' ? login : token
        const { env: jobEnv = {}, steps } = parse(registry.text(kind, 'github.yml')).jobs.test
        const temp = join(machine.dir, 'runner')
        mkdirSync(temp)
        const githubEnv = join(temp, 'env')
        writeFileSync(githubEnv, '')
        const cwd = machine.makeModule(...served[kind])
        const runs = steps.filter((step: { readonly run?: string }) => step.run !== undefined)
        expect(runs).toHaveLength(3)
        for (const step of runs) {
          const env = {
            GOFLAGS: '-modcacherw -mod=mod',
            RUNNER_TEMP: temp,
            GITHUB_ENV: githubEnv,
            ...parseEnv(githubEnv),
            ...expand(jobEnv, secrets),
            ...expand(step.env ?? {}, secrets),
          }
          const { status, stdout, stderr } = await machine.run(
            'bash',
            ['--noprofile', '--norc', '-eo', 'pipefail', '-c', step.run],
            { cwd, env },
          )
          expect(status, `${stdout}${stderr}`).toBe(0)
        }
        // Nothing of it outlives the job on a runner that does.
        expect(machine.read('.config/go/env')).toBe(before)
        expect(machine.read('.netrc')).toBeUndefined()
        if (kind === 'password') expect(parseEnv(githubEnv)).toMatchObject(after)
      },
    )

    const [lint] = findMissing('actionlint')
    if (lint !== undefined && process.env['CI'] === 'true') throw new Error(describeMissing(lint))

    test.skipIf(lint !== undefined).for(['password', 'token'] as const)(
      'of GitHub: actionlint finds nothing in the workflow with a %s',
      async (kind) => {
        const machine = newMachine()
        const file = machine.write('.github/workflows/go.yml', registry.text(kind, 'github.yml'))
        const outcome = await machine.run(partFile('actionlint'), ['-no-color', file])
        expect(outcome).toMatchObject({ status: 0, stdout: '' })
      },
    )

    test.for(['password', 'token'] as const)(
      'of GitLab: its script works with a %s as variable',
      async (kind) => {
        const machine = newMachine()
        const { test: job, '.go-modules': hidden } = parse(registry.text(kind, 'gitlab.yml'))
        expect(job.extends).toBe('.go-modules')
        const env = {
          ...(kind === 'password' ? login : token),
          GOFLAGS: '-modcacherw -mod=mod',
          CI_BUILDS_DIR: machine.dir,
          CI_JOB_ID: '7',
        }
        const cwd = machine.makeModule(...served[kind])
        for (const shell of shellsThere('sh', 'bash')) {
          machine.forget()
          const script = ['set -e', ...hidden.before_script, ...job.script].join('\n')
          const { status, stderr } = await machine.run(shell, ['-c', script], { cwd, env })
          expect(status, stderr).toBe(0)
          if (kind === 'token') continue
          const left = await machine.run(
            shell,
            ['-c', [...hidden.after_script, 'ls "$CI_BUILDS_DIR"'].join('\n')],
            { cwd, env },
          )
          expect(left.stdout).not.toContain('netrc')
        }
      },
    )
  })

  describe('by a bot', () => {
    test('Renovate: go, with its variables, is led to the site for all of its modules', async () => {
      const machine = newMachine({ goEnv: '' })
      const { env, hostRules, description } = JSON.parse(registry.text('password', 'renovate.json'))
      expect(hostRules).toEqual([
        {
          matchHost: 'https://go.example.com/',
          username: '{{ secrets.GO_REGISTRY_USER }}',
          password: '{{ secrets.GO_REGISTRY_PASSWORD }}',
        },
      ])
      expect(description.join(' ')).toContain(JSON.stringify(Object.keys(env)))
      const encoded = { ...login, GO_REGISTRY_PASSWORD: encodeURIComponent(login.GO_REGISTRY_PASSWORD) }
      const { outcome, heard } = await registry.download(
        machine,
        [versions.own, versions.other],
        expand(env, encoded),
      )
      expect(outcome.status).toBe(0)
      expect(heard).toEqual([])
    })

    test('Renovate: with a token, GOAUTH says it', async () => {
      const machine = newMachine({ goEnv: '' })
      const { env, hostRules } = JSON.parse(registry.text('token', 'renovate.json'))
      expect(hostRules).toEqual([
        { matchHost: 'https://acme.example.net/go/', token: '{{ secrets.GO_REGISTRY_TOKEN }}' },
      ])
      const { outcome } = await registry.download(
        machine,
        [versions.pages, versions.other],
        expand(env, token),
      )
      expect(outcome.status).toBe(0)
    })

    test('Dependabot: go, with go.env and the credentials of the registry, finds both', async () => {
      const machine = newMachine({ goEnv: '' })
      const { version, registries, updates } = parse(registry.text('password', 'dependabot.yml'))
      const { 'go-modules': entry } = registries
      expect({ version, entry }).toEqual({
        version: 2,
        entry: {
          type: 'goproxy-server',
          url: 'https://go.example.com',
          username: secretOfGithub('GO_REGISTRY_USER'),
          password: secretOfGithub('GO_REGISTRY_PASSWORD'),
        },
      })
      expect(updates).toMatchObject([
        { 'package-ecosystem': 'gomod', directory: '/', registries: ['go-modules'] },
      ])
      const goEnv = registry.text('password', 'go.env')
      for (const line of goEnv.trimEnd().split('\n'))
        expect(registry.text('password', 'dependabot.yml')).toContain(`#   ${line}\n`)
      // Dependabot adds the credentials on the way.
      machine.write('.netrc', netrcLines)
      const { outcome, heard } = await registry.download(machine, [versions.own, versions.other], {
        GOENV: machine.write('go.env', goEnv),
      })
      expect(outcome.status).toBe(0)
      expect(heard).toEqual([])
    })

    test('Dependabot cannot say a token, and the text does not say that it could', () => {
      const text = registry.text('token', 'dependabot.yml')
      expect(parse(text)).not.toHaveProperty('registries')
      expect(text).toContain('finds\n# no new versions there')
    })
  })
})

/** Returns the commands of a Dockerfile's RUN lines, as the shell gets them, without the options of RUN itself. */
function runLines(text: string): readonly string[] {
  const found = text.matchAll(/^RUN (?:--mount=\S+ (?:\\\n)?)?((?:.*\\\n)*.*)$/gm)
  return [...found].map(([, command = '']) => command)
}

/** Replaces what stands for a secret, as GitHub and Renovate do. */
function expand(
  env: Readonly<Record<string, string>>,
  secrets: Readonly<Record<string, string>>,
): Record<string, string> {
  const value = (text: string) =>
    text.replace(/\$?\{\{ secrets\.(\w+) \}\}/g, (_, name: string) => secrets[name] ?? '')
  return Object.fromEntries(Object.entries(env).map(([name, text]) => [name, value(text)]))
}

function secretOfGithub(name: string): string {
  return `$\{{secrets.${name}}}`
}

function parseEnv(file: string): Record<string, string> {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
}
