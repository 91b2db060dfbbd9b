/**
 * What a person runs, "modpress env shell" and -/setup/shell.sh, is run by
 * shells, and then the real go fetches modules: of the site's own host, of
 * another one, and of a second proxy, which must not hear of the others.
 */

import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { HostedSite } from '../../src/model.ts'
import { renderSetupFiles } from '../../src/setup/files.ts'
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

const title = 'what a person runs'
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

  async function expectAll(machine: Machine) {
    const { outcome, heard } = await registry.download(machine, [versions.own, versions.other, versions.open])
    expect(outcome).toMatchObject({ status: 0 })
    // The second proxy is asked for what is its own, and nobody else for anything: no checksum database, no git.
    expect(heard.length).toBeGreaterThan(0)
    for (const each of heard) expect(each).toMatch(/^GET proxy\.example\.org\/example\.org\/open\/@v\//)
  }

  test('without any of it go asks others, and finds nothing', async () => {
    const machine = newMachine()
    const { outcome, heard } = await registry.download(machine, [versions.other])
    expect(outcome.status).toBe(1)
    expect(heard).toContain('GET proxy.example.org/github.com/acme/log/@v/v1.0.0.info')
  })

  describe('on Linux and macOS', () => {
    const shells = shellsThere('sh', 'dash', 'bash', 'zsh')
    const ways = shells.flatMap((shell) =>
      (['pipe', 'file', 'eval'] as const).map((way) => [shell, way] as const),
    )

    test.for(ways)('%s runs it (%s), and again without a change', async ([shell, way]) => {
      const machine = newMachine()
      machine.write('.netrc', 'machine other.example.org login a password b')
      const text = registry.text('password', 'shell.sh')
      const file = machine.write('shell.sh', text)
      const run = () => {
        if (way === 'pipe') return machine.run(shell, [], { input: text, env: login })
        if (way === 'file') return machine.run(shell, [file], { env: login })
        return machine.run(shell, ['-c', 'eval "$(cat shell.sh)"; echo "$list $?"'], { env: login })
      }
      const first = await run()
      expect(first).toMatchObject({ status: 0, stderr: '' })
      // It leaves nothing in the shell that evaluates it.
      expect(first.stdout).toBe(`Go reads modules of go.example.com.\n${way === 'eval' ? ' 0\n' : ''}`)
      expect(await machine.settings()).toMatchObject(after)
      expect(machine.read('.netrc')).toBe(`${netrcLines}machine other.example.org login a password b`)
      expect(statSync(join(machine.home, '.netrc')).mode & 0o777).toBe(0o600)
      const written = machine.read('.config/go/env')
      expect(await run()).toMatchObject({ status: 0, stderr: '' })
      expect(machine.read('.config/go/env')).toBe(written)
      expect(machine.read('.netrc')).toBe(`${netrcLines}machine other.example.org login a password b`)
      if (way === 'pipe') await expectAll(machine)
    })

    test('a new .netrc is for its owner alone, and NETRC says where it is', async () => {
      const machine = newMachine({ goEnv: '' })
      const env = { ...login, NETRC: join(machine.home, 'elsewhere') }
      expect(
        await machine.run('sh', [], { input: registry.text('password', 'shell.sh'), env }),
      ).toMatchObject({
        status: 0,
      })
      expect(machine.read('elsewhere')).toBe(netrcLines)
      expect(statSync(env.NETRC).mode & 0o777).toBe(0o600)
      expect(machine.read('.netrc')).toBeUndefined()
    })

    test('who has no credentials at hand is told what to write, where', async () => {
      const machine = newMachine()
      const outcome = await machine.run('sh', [], { input: registry.text('password', 'shell.sh') })
      expect(outcome).toMatchObject({
        status: 0,
        stderr: expect.stringContaining('machine go.example.com\n  login USER'),
      })
      expect(outcome.stderr).toContain(`${machine.home}/.netrc`)
      machine.write('.netrc', netrcLines)
      await expectAll(machine)
    })

    test('who has another password in .netrc keeps it, and is told', async () => {
      const machine = newMachine()
      const old = 'machine go.example.com login reader password old'
      machine.write('.netrc', old)
      const input = registry.text('password', 'shell.sh')
      const outcome = await machine.run('sh', [], { input, env: login })
      expect(outcome).toMatchObject({
        status: 0,
        stderr: expect.stringContaining('another password for go.'),
      })
      expect(machine.read('.netrc')).toBe(old)
    })

    test('in a terminal it asks, also when it is piped, and does not show the password', async () => {
      const machine = newMachine()
      machine.write('shell.sh', registry.text('password', 'shell.sh'))
      const { status, stdout } = await machine.run('python3', ['-c', terminal], {
        env: { ANSWERS: JSON.stringify(Object.values(login)) },
      })
      expect(status, stdout).toBe(0)
      expect(stdout).toContain('User for go.example.com (none if it asks for none): reader')
      expect(stdout).not.toContain(login.GO_REGISTRY_PASSWORD)
      expect(machine.read('.netrc')).toBe(netrcLines)
    })

    test('in a terminal, nobody has to have credentials', async () => {
      const machine = newMachine()
      machine.write('shell.sh', registry.text('password', 'shell.sh'))
      const { status, stdout } = await machine.run('python3', ['-c', terminal], { env: { ANSWERS: '[""]' } })
      expect(status, stdout).toBe(0)
      expect(machine.read('.netrc')).toBeUndefined()
    })

    test('go get and go mod tidy work, and a name that the site does not have is not told on its own host', async () => {
      const machine = newMachine()
      await machine.run('sh', [], { input: registry.text('password', 'shell.sh'), env: login })
      const cwd = machine.makeModule('go.example.com/billing', 'github.com/acme/log', 'example.org/open')
      const { heard } = await registry.listen(async () => {
        expect(await machine.go(['get', './...'], { cwd })).toMatchObject({ status: 0 })
        expect(await machine.go(['mod', 'tidy'], { cwd })).toMatchObject({ status: 0 })
        const missing = await machine.go(['list', '-m', 'go.example.com/biling@latest'], { cwd })
        expect(missing.status).toBe(1)
      })
      // Go asks for each prefix of a path, and of those the site does not have "github.com/acme".
      const names = heard.map((each) => each.replace(/\/@.*$/, ''))
      const expected = ['example.org', 'example.org/open', 'github.com/acme']
      for (const each of names) expect(expected).toContain(each.replace('GET proxy.example.org/', ''))
    })

    test('a variable of the environment wins over go env -w, and that is told, and not kept', async () => {
      const machine = newMachine({ env: { GOPROXY: 'https://proxy.example.org' } })
      const outcome = await machine.run('sh', [], {
        input: registry.text('password', 'shell.sh'),
        env: login,
      })
      expect(outcome.status).toBe(1)
      expect(outcome.stderr).toContain(`Change it there: GOPROXY=${after.GOPROXY}`)
      expect(machine.read('.config/go/env')).toContain('GOPROXY=https://proxy.example.org\n')
    })

    test('GOENV=off keeps nothing, and that is told', async () => {
      const machine = newMachine({ env: { GOENV: 'off' } })
      const outcome = await machine.run('sh', [], {
        input: registry.text('password', 'shell.sh'),
        env: login,
      })
      expect(outcome).toMatchObject({ status: 1, stderr: expect.stringContaining('GOENV is off') })
    })

    test.for([
      ['GOPRIVATE=github.com/acme,git.example.org\n', { GONOPROXY: 'go.example.com,git.example.org' }],
      ['GOPRIVATE=github.com/*\n', { GONOPROXY: 'go.example.com', GOPRIVATE: 'go.example.com,github.com/*' }],
      ['GONOPROXY=none\nGONOSUMDB=none\n', { GONOPROXY: 'go.example.com', GOPRIVATE: 'go.example.com' }],
      ['GOPROXY=direct\n', { GOPROXY: 'https://go.example.com,direct' }],
      [
        'GOPROXY=https://a.example.org|https://go.example.com,off\n',
        { GOPROXY: 'https://a.example.org|https://go.example.com,off' },
      ],
      ['GOPROXY=https://go.example.com/|direct\n', { GOPROXY: 'https://go.example.com/|direct' }],
      [
        "GOPROXY=https://reader:p4ss'w$rd@go.example.com,off\n",
        { GOPROXY: "https://reader:p4ss'w$rd@go.example.com,off" },
      ],
      [
        'GOPROXY=https://x@go.example.com/else,https://go.example.com.example.org\n',
        {
          GOPROXY: 'https://go.example.com,https://x@go.example.com/else,https://go.example.com.example.org',
        },
      ],
      [
        'GONOSUMDB=github.com/acme/log\n',
        { GONOSUMDB: 'github.com/acme,go.example.com,github.com/acme/log' },
      ],
    ] as const)(
      'where %j was set, it is kept as far as it does not lead past the site',
      async ([goEnv, want]) => {
        const machine = newMachine({ goEnv })
        await machine.run('sh', [], { input: registry.text('password', 'shell.sh'), env: login })
        expect(await machine.settings()).toMatchObject(want)
      },
    )

    test('what docs/private-modules.md says to set by hand works, too', async () => {
      const page = readFileSync(new URL('../../docs/private-modules.md', import.meta.url), 'utf8')
      const under = (heading: string) =>
        new RegExp(`^##+ ${heading}\\n[\\s\\S]*?^\`\`\`sh\\n([\\s\\S]*?)^\`\`\``, 'm').exec(page)?.[1]
      const commands = [under("Paths on the site's own host"), under('Other paths')]
      for (const [index, version] of served.password.entries()) {
        const machine = newMachine({ goEnv: '' })
        machine.write('.netrc', netrcLines)
        expect(await machine.run('sh', ['-e'], { input: commands[index] ?? 'exit 1' })).toMatchObject({
          status: 0,
        })
        const { outcome, heard } = await registry.download(machine, [version])
        expect(outcome.status).toBe(0)
        expect(heard).toEqual([])
      }
      const machine = newMachine()
      expect(
        await machine.run('sh', ['-e'], { input: under('Modules that come by git') ?? 'exit 1' }),
      ).toMatchObject({ status: 0 })
      const { stdout } = await machine.run('git', ['ls-remote', '--get-url', 'https://git.example.com/x'])
      expect(stdout).toBe('https://reader:TOKEN@git.example.com/x\n')
    })

    test('the git settings that it names lead to SSH', async () => {
      const machine = newMachine()
      const [, command = ''] = /^# {3}(git config .*)$/m.exec(registry.text('password', 'shell.sh')) ?? []
      expect(await machine.run('sh', ['-c', command])).toMatchObject({ status: 0 })
      const { stdout } = await machine.run('git', ['ls-remote', '--get-url', 'https://github.com/acme/log'])
      expect(stdout).toBe('ssh://git@github.com/acme/log\n')
    })
  })

  describe('what a site is, decides', () => {
    const site = {
      url: 'https://go.example.com',
      prefix: 'go.example.com',
      access: 'private',
      host: 'nginx',
    } as const
    const textOf = (more: Partial<HostedSite>) =>
      String(
        renderSetupFiles({ ...site, gatekeeper: false, prefixes: [], ...more }).find(({ path }) =>
          path.endsWith('/shell.sh'),
        )?.body,
      )
    const changed = async (text: string) => {
      const machine = newMachine({ goEnv: '' })
      const was = await machine.settings()
      expect(await machine.run('sh', [], { input: text, env: login })).toMatchObject({ status: 0 })
      const is = await machine.settings()
      const names = (machine.read('.config/go/env') ?? '')
        .split('\n')
        .flatMap((line) => line.split('=', 1)[0] || [])
      return { machine, was, is, names }
    }

    test('modules on its own host need GOPRIVATE alone', async () => {
      const { machine, names } = await changed(textOf({ prefixes: ['go.example.com'] }))
      expect(names).toEqual(['GOPRIVATE'])
      const { outcome, heard } = await registry.download(machine, [versions.own])
      expect(outcome.status).toBe(0)
      expect(heard).toEqual([])
    })

    test('of its own host, too, where lists are set that do not follow GOPRIVATE', async () => {
      const text = textOf({ prefixes: ['go.example.com'] })
      const machine = newMachine({
        goEnv: 'GOPRIVATE=git.example.org\nGONOPROXY=none\nGONOSUMDB=example.org\n',
      })
      for (const _ of ['once', 'again']) {
        expect(await machine.run('sh', [], { input: text, env: login })).toMatchObject({ status: 0 })
        expect(await machine.settings()).toMatchObject({
          GOPRIVATE: 'go.example.com,git.example.org',
          GONOPROXY: 'go.example.com,none',
          GONOSUMDB: 'go.example.com,example.org',
        })
      }
      const { outcome, heard } = await registry.download(machine, [versions.own])
      expect(outcome.status).toBe(0)
      expect(heard).toEqual([])
    })

    test('others need the chain, GONOSUMDB and GONOPROXY=none', async () => {
      const { machine, was, is, names } = await changed(textOf({ prefixes: ['github.com/acme'] }))
      expect(names.sort()).toEqual(['GONOPROXY', 'GONOSUMDB', 'GOPROXY'])
      expect(is).toMatchObject({
        GONOPROXY: 'none',
        GONOSUMDB: 'github.com/acme',
        GOPROXY: `https://go.example.com,${was['GOPROXY']}`,
      })
      const { outcome, heard } = await registry.download(machine, [versions.other])
      expect(outcome.status).toBe(0)
      expect(heard).toEqual([])
    })

    test('a public one needs the chain for modules of other hosts, and nothing for its own', async () => {
      const { names } = await changed(
        textOf({ access: 'public', prefixes: ['go.example.com', 'github.com/acme'] }),
      )
      expect(names).toEqual(['GOPROXY'])
      const text = textOf({ access: 'public', prefixes: ['go.example.com'] })
      expect(text).toContain('there is nothing to set')
      expect((await changed(text)).names).toEqual([])
    })

    test('at another port, go does not find it by itself, and .netrc names the port', async () => {
      const { machine, names } = await changed(
        textOf({ url: 'https://go.example.com:8443', prefixes: ['go.example.com'] }),
      )
      expect(names).not.toContain('GOPRIVATE')
      expect(machine.read('.netrc')).toContain('machine go.example.com:8443\n')
      const { outcome, heard } = await registry.download(machine, [versions.own])
      expect(outcome.status).toBe(0)
      expect(heard).toEqual([])
      machine.write('.netrc', netrcLines)
      const { outcome: without } = await registry.download(machine, [versions.own])
      expect(without).toMatchObject({ status: 1, stdout: expect.stringContaining('401 Unauthorized') })
    })

    test('on http, no credentials are asked for', async () => {
      const text = textOf({ url: 'http://go.example.com', prefixes: ['go.example.com'] })
      expect(text).toContain('go sends no credentials over it')
      const { machine, is } = await changed(text)
      expect(machine.read('.netrc')).toBeUndefined()
      expect(is).toMatchObject({
        GOPROXY: expect.stringMatching(/^http:\/\/go\.example\.com,/),
        GONOSUMDB: 'go.example.com',
      })
    })
  })

  describe('on GitLab Pages, which want a token', () => {
    test.for(['home', 'home of a user'])('the script installs a helper in a %s, once', async (home) => {
      const machine = newMachine({ home })
      const run = () => machine.run('sh', [], { input: registry.text('token', 'shell.sh'), env: token })
      expect(await run()).toMatchObject({ status: 0, stderr: '' })
      const first = await machine.settings()
      expect(first['GOAUTH']).toMatch(/goauth-acme\.example\.net-go\.sh'?;netrc$/)
      expect(await run()).toMatchObject({ status: 0, stderr: '' })
      expect(await machine.settings()).toEqual(first)
      // The token is in .netrc by now, and no longer in the environment.
      const { outcome, heard } = await registry.download(machine, [versions.pages, versions.other])
      expect(outcome.status).toBe(0)
      expect(heard).toEqual([])
      machine.write('.netrc', '')
      const { outcome: without } = await registry.download(machine, [versions.pages])
      expect(without.status).toBe(1)
    })

    test('goauth.sh says it to go, and to no other site', async () => {
      const machine = newMachine({ goEnv: '' })
      const helper = machine.write('goauth.sh', registry.text('token', 'goauth.sh'))
      const env = { GOAUTH: `sh ${helper}`, GOPROXY: 'https://acme.example.net/go', GONOSUMDB: '*' }
      const { outcome } = await registry.download(machine, served.token, { ...env, ...token })
      expect(outcome.status).toBe(0)
      const netrc =
        'machine x login y password z\nmachine acme.example.net\n  login token\n  password glpat-token\n'
      machine.write('.netrc', netrc)
      const said = await machine.run('sh', [helper])
      expect(said.stdout).toBe('https://acme.example.net/go\n\nAuthorization: Bearer glpat-token\n\n')
      machine.write('.netrc', 'machine x login y password z\n')
      expect(await machine.run('sh', [helper])).toMatchObject({
        status: 1,
        stdout: '',
        stderr: expect.stringContaining('no token'),
      })
    })
  })
})

/** Runs the script, piped into a shell, in a terminal where someone answers each prompt once it is there. */
const terminal = `
import json, os, pty, sys
answers = json.loads(os.environ['ANSWERS'])
pid, terminal = pty.fork()
if pid == 0:
    os.execvp('sh', ['sh', '-c', 'cat shell.sh | sh'])
shown = b''
while True:
    try:
        data = os.read(terminal, 1024)
    except OSError:
        break
    if not data:
        break
    shown += data
    if shown.endswith(b': ') and answers:
        os.write(terminal, answers.pop(0).encode() + b'\\n')
sys.stdout.write(shown.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`
