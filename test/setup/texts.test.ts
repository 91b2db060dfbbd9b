/**
 * What can be said of texts without running them. Where a consumer can be had,
 * the conformance tests run them; PowerShell cannot, so that its script is held
 * against what is to be set, and nothing more is claimed.
 */

import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { HostedSite } from '../../src/model.ts'
import { consumers } from '../../src/setup/consumers.ts'
import { renderSetupFiles } from '../../src/setup/files.ts'
import { kinds } from '../../src/setup/kinds.ts'
import { findNeeds } from '../../src/setup/needs.ts'
import { quotePowerShell, quoteShell, quoteYaml } from '../../src/setup/quote.ts'

const site: HostedSite = {
  url: 'https://go.example.com',
  prefix: 'go.example.com',
  access: 'private',
  host: 'nginx',
  gatekeeper: false,
  prefixes: ['github.com/acme', 'go.example.com'],
}

const filesOf = (more: Partial<HostedSite> = {}) =>
  new Map(renderSetupFiles({ ...site, ...more }).map(({ path, body }) => [path, String(body)]))

/** What a hostile site could say of itself. */
const anything = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...'\'"`$(){}[];|&<>\\ \n\t#%,*?~!-/.ab\u2019') }),
)

describe('words', () => {
  test('of a shell are what they were, whatever they hold', () => {
    const texts = fc.sample(
      anything.filter((text) => !text.includes('\0')),
      300,
    )
    const wellFormed = texts.map((text) => Buffer.from(text).toString())
    const script = `printf '%s\\0' ${wellFormed.map(quoteShell).join(' ')}`
    for (const shell of ['sh', 'bash']) {
      const words = execFileSync(shell, ['-c', script], { encoding: 'utf8' }).split('\0')
      expect(words.slice(0, -1)).toEqual(wellFormed)
    }
  })

  test('of PowerShell end where they end: each quote in them is there twice', () => {
    fc.assert(
      fc.property(anything, (text) => {
        const quoted = quotePowerShell(text)
        expect(quoted).toMatch(/^'(?:[^'\u2018-\u201b]|['\u2018-\u201b]{2})*'$/s)
        expect(quoted.slice(1, -1).replace(/(['\u2018-\u201b])\1/g, '$1')).toBe(text)
      }),
    )
  })

  test('of YAML are what they were', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parse(`key: ${quoteYaml(text)}`)).toEqual({ key: text })
      }),
    )
  })
})

describe('the files of a site', () => {
  test('are the texts of all consumers, a page, and what two of them need beside', () => {
    const names = ['index.html', ...consumers.map((consumer) => kinds[consumer].file), 'go.env']
    expect([...filesOf().keys()]).toEqual(names.map((name) => `-/setup/${name}`))
    expect([...filesOf({ host: 'gitlab-pages' }).keys()]).toEqual(
      [...names, 'goauth.sh', 'goauth.ps1'].map((name) => `-/setup/${name}`),
    )
    const { url, prefix, ...rest } = site
    expect(renderSetupFiles(rest)).toEqual([])
  })

  test('hold nothing of a hostile site, but as what it is', () => {
    fc.assert(
      fc.property(
        fc.array(anything, { maxLength: 4 }),
        fc.webUrl({ withFragments: false }),
        (prefixes, url) => {
          const marked = prefixes.map((prefix) => `${prefix}CANARY;`)
          const hostile = { ...site, url, prefix: 'go.example.com', prefixes: ['go.example.com', ...marked] }
          for (const body of filesOf(hostile).values()) expect(body).not.toContain('CANARY;')
        },
      ),
      { numRuns: 50 },
    )
  })

  test('are YAML and JSON of the same keys, whatever the site is', () => {
    for (const access of ['private', 'public'] as const) {
      for (const host of ['nginx', 'gitlab-pages'] as const) {
        for (const prefixes of [['go.example.com'], ['github.com/acme'], site.prefixes]) {
          const files = filesOf({ access, host, prefixes })
          const read = (name: string) => files.get(`-/setup/${name}`) ?? ''
          expect(Object.keys(parse(read('github.yml')))).toEqual(['name', 'on', 'permissions', 'jobs'])
          expect(Object.keys(parse(read('gitlab.yml')))).toEqual(['.go-modules', 'test'])
          expect(parse(read('dependabot.yml'))).toMatchObject({ version: 2, updates: [{}] })
          const renovate = JSON.parse(read('renovate.json'))
          const known = ['$schema', 'description', 'hostRules', 'env']
          for (const key of Object.keys(renovate)) expect(known).toContain(key)
          const values = Object.values(Object(renovate.env) as Record<string, unknown>)
          for (const value of values) expect(value).toBeTypeOf('string')
        }
      }
    }
  })

  test('a page shows each text as it is in its file', () => {
    const files = filesOf()
    const page = files.get('-/setup/index.html') ?? ''
    const texts = [...page.matchAll(/<pre tabindex="0">([\s\S]*?)<\/pre>/g)].map(([, text = '']) =>
      text.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code))),
    )
    const [fetching, ...shown] = texts
    expect(fetching).toBe("curl -fsS -u USER 'https://go.example.com/-/setup/shell.sh' | sh")
    expect(shown).toEqual(consumers.map((consumer) => files.get(`-/setup/${kinds[consumer].file}`)))
    for (const consumer of consumers) expect(page).toContain(`href="${kinds[consumer].file}"`)
  })
})

describe('the script for Windows, which no PowerShell has run', () => {
  test.for([
    {},
    { prefixes: ['go.example.com'] },
    { prefixes: ['github.com/acme'] },
    { access: 'public' },
    { host: 'gitlab-pages' },
  ] as const)('sets what is to be set, in order: %j', (more) => {
    const needs = findNeeds({ ...site, ...more })
    const text = filesOf(more).get('-/setup/windows.ps1') ?? ''
    const lines = text.split('\n').filter((line) => /^ {2}Set-Go \w/.test(line))
    const list = (texts: readonly string[] = []) => texts.map((each) => `'${each}'`).join(', ')
    expect(lines).toEqual(
      needs?.settings.map(({ name, add, drop }) => {
        const more = add.length === 0 ? `(go env ${name})` : `(Add-Entry (go env ${name}) @(${list(add)}))`
        return `  Set-Go ${name} ${drop === undefined ? more : `(Remove-Match ${more} @(${list(drop)}))`}`
      }),
    )
  })

  test('is one block, with as many closing as opening brackets, and no redirection, which would write UTF-16', () => {
    for (const host of ['nginx', 'gitlab-pages'] as const) {
      const text = filesOf({ host }).get('-/setup/windows.ps1') ?? ''
      expect(text).toMatch(/^(?:#.*\n)+& \{\n(?:(?: {2}.*)?\n)*\}\n$/)
      // Without what is in quotes, where brackets are only text.
      const code = text.replace(/^\s*#.*$/gm, '').replace(/'(?:[^']|'')*'|"(?:[^"`]|`.)*"/gs, '')
      for (const [left = '', right = ''] of ['{}', '()', '[]'])
        expect(code.split(left).length).toBe(code.split(right).length)
      expect(code).not.toMatch(/[^-]>|Out-File|Set-Content|Add-Content/)
    }
  })

  test('writes the helper of Pages with lines as go reads them', () => {
    const files = filesOf({ host: 'gitlab-pages' })
    expect(files.get('-/setup/goauth.ps1')).toContain('[Console]::Out.Write(')
    const installed = (files.get('-/setup/windows.ps1') ?? '').replaceAll("''", "'").replace(/^ {2}/gm, '')
    expect(installed).toContain(files.get('-/setup/goauth.ps1')?.trimEnd())
  })
})
