import { describe, expect, test } from 'vitest'
import { type GoEnvironment, judgeEnvironment } from '../../src/verify/consumer.ts'
import { matchesPrefixes, parseGoFlags } from '../../src/verify/goenv.ts'
import { isPrivateAddress } from '../../src/verify/http.ts'

const usual: GoEnvironment = {
  GOPROXY: 'https://proxy.example.org,direct',
  GOPRIVATE: '',
  GONOPROXY: '',
  GONOSUMDB: '',
  GOSUMDB: 'sum.golang.org',
  GOFLAGS: '',
  GOINSECURE: '',
  GOAUTH: 'netrc',
}
const url = new URL('https://go.example.com')
const site = { prefix: 'go.example.com', access: 'private' } as const

function judge(env: Partial<GoEnvironment>, ...prefixes: string[]): string[] {
  return judgeEnvironment({ ...usual, ...env }, url, site, prefixes).map(([code]) => code)
}

describe('what go is told', () => {
  const own = 'go.example.com'
  const other = 'github.com/acme'
  const secret = (value: string) => ({ GOPRIVATE: value, GONOPROXY: value, GONOSUMDB: value })
  test.for([
    ['nothing', {}, own, ['consumer-goproxy']],
    ['GOPRIVATE, on the own host', secret(own), own, []],
    ['GOPRIVATE, with a pattern', secret('*.example.com'), own, []],
    ['GOPRIVATE, on another host', secret(other), other, ['consumer-bypass']],
    [
      'GOPRIVATE and GONOPROXY=none, but no GOPROXY',
      { ...secret(other), GONOPROXY: 'none' },
      other,
      ['consumer-goproxy'],
    ],
    [
      'GOPROXY alone',
      { GOPROXY: 'https://go.example.com,https://proxy.example.org' },
      other,
      ['consumer-sumdb'],
    ],
    [
      'GOPROXY and GONOSUMDB',
      { GOPROXY: 'https://user:x@go.example.com/,direct', GONOSUMDB: other },
      other,
      [],
    ],
    [
      'GOPROXY, and no checksum database',
      { GOPROXY: 'https://go.example.com|direct', GOSUMDB: 'off' },
      other,
      [],
    ],
    ['GOINSECURE', { ...secret(own), GOINSECURE: '*' }, own, ['consumer-insecure']],
    ['-mod=vendor', { ...secret(own), GOFLAGS: '-v -mod=vendor' }, own, ['consumer-flags']],
    ['-insecure', { ...secret(own), GOFLAGS: '--insecure' }, own, ['consumer-flags']],
  ] as const)('%s', ([, env, prefix, codes]) => {
    expect(judge(env, prefix)).toEqual(codes)
  })
})

test('patterns match the beginning of a path, element by element', () => {
  expect(matchesPrefixes('example.com', 'example.com/a/b')).toBe(true)
  expect(matchesPrefixes('other.com, example.com', 'example.com')).toBe(false)
  expect(matchesPrefixes('x,example.com/*/b/', 'example.com/a/b/c')).toBe(true)
  expect(matchesPrefixes('*.com', 'example.com/a')).toBe(true)
  expect(matchesPrefixes('*', 'example.com/a')).toBe(true)
  expect(matchesPrefixes('exampl[a-e].com', 'example.com')).toBe(true)
  expect(matchesPrefixes('example.com/a', 'example.com')).toBe(false)
  expect(matchesPrefixes('example', 'example.com')).toBe(false)
  expect(matchesPrefixes('[', 'example.com')).toBe(false)
})

test('flags are read with one dash or two', () => {
  expect([...parseGoFlags(' -mod=mod  --tags=a,b -v x')]).toEqual([
    ['mod', 'mod'],
    ['tags', 'a,b'],
    ['v', ''],
  ])
})

test.for([
  ['127.0.0.1', true],
  ['::1', true],
  ['::ffff:10.1.2.3', true],
  ['172.16.0.1', true],
  ['172.32.0.1', false],
  ['192.168.1.1', true],
  ['100.64.0.1', true],
  ['169.254.1.1', true],
  ['fd00::1', true],
  ['fe80::1%eth0', true],
  ['203.0.113.7', false],
  ['2001:db8::1', false],
  ['11.0.0.1', false],
] as const)('%s is private: %s', ([address, expected]) => {
  expect(isPrivateAddress(address)).toBe(expected)
})
