import { describe, expect, test } from 'vitest'
import type { ForgeName, ModulePath } from '../../src/model.ts'
import { type RootMeta, renderPrefixMeta, renderRootMeta, sourceTemplate } from '../../src/render/meta.ts'

const root = 'go.example.com/r' as ModulePath
const base: RootMeta = {
  root,
  url: 'https://go.example.com',
  clone: 'https://git.example.com/a/r.git',
  web: 'https://git.example.com/a/r',
  subdir: '',
  branch: 'main',
}

describe('sourceTemplate', () => {
  test.for<[ForgeName, string, string, string, string]>([
    ['github', '', 'main', '/tree/main{/dir}', '/blob/main{/dir}/{file}#L{line}'],
    [
      'github',
      'clients/go',
      'main',
      '/tree/main/clients/go{/dir}',
      '/blob/main/clients/go{/dir}/{file}#L{line}',
    ],
    ['gitlab', '', 'main', '/-/tree/main{/dir}', '/-/blob/main{/dir}/{file}#L{line}'],
    ['gitlab', 'go', 'main', '/-/tree/main/go{/dir}', '/-/blob/main/go{/dir}/{file}#L{line}'],
    ['gitea', '', 'main', '/src/branch/main{/dir}', '/src/branch/main{/dir}/{file}#L{line}'],
    ['gitea', 'go', 'main', '/src/branch/main/go{/dir}', '/src/branch/main/go{/dir}/{file}#L{line}'],
    ['gitea', '', '', '/src/commit/HEAD{/dir}', '/src/commit/HEAD{/dir}/{file}#L{line}'],
    ['bitbucket', '', 'main', '/src/main{/dir}', '/src/main{/dir}/{file}#lines-{line}'],
    ['bitbucket', 'go', 'main', '/src/main/go{/dir}', '/src/main/go{/dir}/{file}#lines-{line}'],
    ['cgit', '', 'main', '/tree{/dir}?h=main', '/tree{/dir}/{file}?h=main#n{line}'],
    ['cgit', 'go', 'main', '/tree/go{/dir}?h=main', '/tree/go{/dir}/{file}?h=main#n{line}'],
    ['cgit', '', '', '/tree{/dir}', '/tree{/dir}/{file}#n{line}'],
    ['github', '', '', '/tree/HEAD{/dir}', '/blob/HEAD{/dir}/{file}#L{line}'],
    ['gitlab', '', 'release/1', '/-/tree/release/1{/dir}', '/-/blob/release/1{/dir}/{file}#L{line}'],
  ])('%s in %j on %j', ([source, subdir, branch, dir, file]) => {
    const { branch: _, ...bare } = { ...base, source, subdir }
    const got = sourceTemplate(branch === '' ? bare : { ...bare, branch })
    expect(got).toEqual({ home: base.web, dir: `${base.web}${dir}`, file: `${base.web}${file}` })
  })

  test('templates of the configuration are taken as they are', () => {
    const source = { home: '_', dir: 'https://x{/dir}', file: 'https://x{/dir}/{file}#{line}' }
    expect(sourceTemplate({ ...base, source, subdir: 'go' })).toEqual(source)
  })

  test('there are none without a forge, or without an address for people', () => {
    const { web: _, ...bare } = base
    expect(sourceTemplate(base)).toBeUndefined()
    expect(sourceTemplate({ ...bare, source: 'github' })).toBeUndefined()
  })
})

describe('renderRootMeta', () => {
  test('says mod first, then git, then go-source, one a line', () => {
    expect(renderRootMeta({ ...base, source: 'github', subdir: 'go' }).text).toBe(
      [
        '<meta name="go-import" content="go.example.com/r mod https://go.example.com">\n',
        '<meta name="go-import" content="go.example.com/r git https://git.example.com/a/r.git go">\n',
        '<meta name="go-source" content="go.example.com/r https://git.example.com/a/r ',
        'https://git.example.com/a/r/tree/main/go{/dir} ',
        'https://git.example.com/a/r/blob/main/go{/dir}/{file}#L{line}">\n',
      ].join(''),
    )
  })

  test('says only what is known', () => {
    const { url: _, clone: __, ...bare } = base
    expect(renderRootMeta(bare).text).toBe('')
    expect(renderRootMeta({ ...bare, url: 'https://go.example.com' }).text).toContain(' mod ')
    expect(renderRootMeta({ ...bare, clone: 'https://x' }).text).not.toContain(' mod ')
  })

  test('a template with a blank in it, which would be two fields, is left out', () => {
    const source = { home: 'https://x', dir: 'https://x/a b{/dir}', file: 'https://x/{file}' }
    expect(renderRootMeta({ ...base, source }).text).not.toContain('go-source')
  })

  test('an address cannot end the attribute', () => {
    const text = renderRootMeta({ ...base, clone: 'https://x/"><script>&' }).text
    expect(text).toContain('git https://x/&#34;&#62;&#60;script&#62;&#38;">')
  })
})

describe('renderPrefixMeta', () => {
  test('sends every path of the host here', () => {
    const tag = '<meta name="go-import" content="go.example.com mod https://go.example.com">\n'
    expect(renderPrefixMeta('go.example.com', 'https://go.example.com').text).toBe(tag)
  })
})
