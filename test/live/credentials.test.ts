import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { authorizationFor, parseNetrc } from '../../src/live/credentials.ts'
import { basic } from '../support/liveserver.ts'
import { makeDirectory } from '../support/repo.ts'

// The first two are those of netrc_test.go, of the go command.
test.for([
  [
    `
machine incomplete
password none

machine api.github.com
  login user
  password pwd

machine incomlete.host
  login justlogin

machine test.host
login user2
password pwd2

machine oneline login user3 password pwd3

machine ignore.host macdef ignore
  login nobody
  password nothing

machine hasmacro.too macdef ignore-next-lines login user4 password pwd4
  login nobody
  password nothing

default
login anonymous
password gopher@golang.org

machine after.default
login oops
password too-late-in-file
`,
    ['api.github.com user pwd', 'test.host user2 pwd2', 'oneline user3 pwd3', 'hasmacro.too user4 pwd4'],
  ],
  ['machine a login b', []],
  ['machine a\r\nlogin b\r\npassword c\r\n', ['a b c']],
  ['', []],
] as const)('.netrc, case %#, is read as go reads it', ([text, wanted]) => {
  const lines = parseNetrc(text)
  expect(lines.map(({ machine, login, password }) => `${machine} ${login} ${password}`)).toEqual(wanted)
})

describe('authorizationFor', () => {
  const file = join(makeDirectory(), 'netrc')
  writeFileSync(
    file,
    'machine h.example login a password 1\nmachine h.example:8443 login b password 2\n' +
      'machine h.example/go login c password 3\nmachine h.example login d password 4\n',
  )

  test.for([
    ['https://h.example', {}, 'a:1'],
    ['https://h.example:443/', {}, 'a:1'],
    ['https://h.example:8443/go', {}, 'b:2'],
    ['https://h.example:9000', {}, undefined],
    ['https://h.example/go/', {}, 'c:3'],
    ['https://h.example/go/below', {}, 'c:3'],
    ['https://h.example/gone', {}, 'a:1'],
    ['https://sub.h.example', {}, undefined],
    ['http://h.example', {}, undefined],
    ['https://h.example', { MODPRESS_AUTH: 'x:y:z z' }, 'x:y:z z'],
    ['https://u:p%40@h.example', { MODPRESS_AUTH: 'x:y' }, 'u:p@'],
  ] as const)('%s with %j', async ([address, env, wanted]) => {
    const found = await authorizationFor(new URL(address), { NETRC: file, ...env })
    expect(found).toBe(wanted === undefined ? undefined : basic(wanted))
  })

  test('takes a whole value of the header', async () => {
    const url = new URL('https://h.example')
    expect(await authorizationFor(url, { MODPRESS_AUTH: ' Bearer a.b:c\n' })).toBe('Bearer a.b:c')
  })
})
