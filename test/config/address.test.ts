import { describe, expect, test } from 'vitest'
import {
  derivedAddress,
  forgeOf,
  httpsAddress,
  importPathOf,
  isSameRepository,
  parseAddress,
  shownAddress,
  webOf,
} from '../../src/config/address.ts'

describe('httpsAddress', () => {
  test.for([
    ['https://git.example.com/acme/x.git', 'https://git.example.com/acme/x.git'],
    ['https://user:secret@git.example.com/acme/x.git', 'https://git.example.com/acme/x.git'],
    ['https://token@git.example.com:8443/acme/x', 'https://git.example.com:8443/acme/x'],
    ['http://git.example.com:3000/acme/x', 'https://git.example.com:3000/acme/x'],
    ['ssh://git@git.example.com/acme/x.git', 'https://git.example.com/acme/x.git'],
    ['ssh://git@git.example.com:2222/acme/x.git', 'https://git.example.com/acme/x.git'],
    ['git+ssh://git@Git.Example.com/acme/x', 'https://git.example.com/acme/x'],
    ['git://git.example.com:9418/acme/x.git', 'https://git.example.com/acme/x.git'],
    ['git@git.example.com:acme/x.git', 'https://git.example.com/acme/x.git'],
    ['git.example.com:acme/x.git', 'https://git.example.com/acme/x.git'],
    ['git@git.example.com:/srv/x.git', 'https://git.example.com/srv/x.git'],
    ['git@[git.example.com:2222]:acme/x.git', 'https://git.example.com/acme/x.git'],
    ['git@[::1]:acme/x.git', 'https://[::1]/acme/x.git'],
    ['ssh://git@ssh.github.com:443/acme/x.git', 'https://github.com/acme/x.git'],
    ['/srv/git/x.git', undefined],
    ['../x.git', undefined],
    ['./a:b', undefined],
    ['C:/repos/x', undefined],
    ['C:\\repos\\x', undefined],
    ['file:///srv/git/x.git', undefined],
    ['ext::sh -c evil', undefined],
    ['codecommit::eu-west-1://x', undefined],
    ['-oProxyCommand=evil:x', undefined],
    ['--upload-pack=evil', undefined],
    ['ssh://-oProxyCommand=evil/x', undefined],
    ['git@-oProxyCommand=evil:x', undefined],
    ['https://git.example.com/a b', undefined],
    ['https://git.example.com/a\nb', undefined],
    ['ftp://git.example.com/x', undefined],
    ['https:///x', undefined],
    ['', undefined],
  ] as const)('%s is shown as %s', ([text, want]) => {
    expect(httpsAddress(text)).toBe(want)
  })
})

describe('shownAddress', () => {
  test.for([
    ['https://git.example.com/x.git', 'https://git.example.com/x.git'],
    ['https://u:p@git.example.com/x.git', 'https://git.example.com/x.git'],
    ['http://127.0.0.1:3000/x', 'http://127.0.0.1:3000/x'],
    ['git@git.example.com:acme/x.git', 'ssh://git@git.example.com/acme/x.git'],
    ['ssh://git:pw@git.example.com:2222/x', 'ssh://git@git.example.com:2222/x'],
    ['file:///srv/x.git', undefined],
  ] as const)('%s is shown as %s', ([text, want]) => {
    expect(shownAddress(text)).toBe(want)
  })
})

test.for([
  ['go.example.com/billing', 'https://go.example.com/billing'],
  ['git.example.com/acme/x.git', 'https://git.example.com/acme/x'],
  ['git.example.com/acme/x.git/sub', 'https://git.example.com/acme/x'],
  ['git.example.com/acme/x.github', 'https://git.example.com/acme/x.github'],
  ['gopkg.in/yaml.v3', 'https://gopkg.in/yaml.v3'],
] as const)('the address of the root %s is %s, as go derives it', ([root, want]) => {
  expect(derivedAddress(root)).toBe(want)
})

test.for([
  ['https://git.example.com/acme/x', 'https://git.example.com/acme/x.git', 'same'],
  ['https://git.example.com/acme/x/', 'https://user:pw@Git.Example.com:443/acme/x.git/', 'same'],
  ['http://git.example.com:80/acme/x', 'https://git.example.com/acme/x', 'same'],
  ['git@git.example.com:acme/x.git', 'https://git.example.com/acme/x', 'same'],
  ['ssh://git@git.example.com:2222/acme/x', 'https://git.example.com/acme/x', 'same'],
  ['ssh://git@ssh.github.com:443/acme/x.git', 'https://github.com/acme/x', 'same'],
  ['https://git.example.com:8443/acme/x', 'https://git.example.com:8443/acme/x.git', 'same'],
  ['https://git.example.com:8443/acme/x', 'https://git.example.com/acme/x', 'another'],
  ['https://git.example.com/acme/x', 'https://git.example.com/acme/X', 'another'],
  ['https://git.example.com/acme/x', 'https://git.example.net/acme/x', 'another'],
  ['https://git.example.com/acme/x', 'https://git.example.com/acme/x.github', 'another'],
] as const)('%s and %s: %s repository', ([one, other, want]) => {
  expect(isSameRepository(one, other)).toBe(want === 'same')
  expect(isSameRepository(other, one)).toBe(want === 'same')
})

test.for([
  ['git@github.com:acme/x.git', 'github.com/acme/x'],
  ['https://user:pw@git.example.com:8443/a/b/', 'git.example.com/a/b'],
  ['/srv/x.git', undefined],
] as const)('the import path of %s is %s', ([text, want]) => {
  expect(importPathOf(text)).toBe(want)
})

test.for([
  ['https://github.com/acme/x.git', 'https://github.com/acme/x'],
  ['ssh://git@gitlab.example.com:2222/acme/x.git', 'https://gitlab.example.com/acme/x'],
  ['https://codeberg.org/acme/x', 'https://codeberg.org/acme/x'],
  ['https://gitea.example.com/acme/x.git', 'https://gitea.example.com/acme/x'],
  ['https://git.example.com/acme/x.git', undefined],
  ['https://cgit.example.com/acme/x.git', undefined],
] as const)('people read %s at %s', ([text, want]) => {
  expect(webOf(text)).toBe(want)
})

test.for([
  ['github.com', 'github'],
  ['gitlab.com', 'gitlab'],
  ['gitlab.example.com', 'gitlab'],
  ['bitbucket.org', 'bitbucket'],
  ['forgejo.example.com', 'gitea'],
  ['cgit.example.com', 'cgit'],
  ['notgithub.com', undefined],
  ['github', undefined],
] as const)('the forge of %s is %s', ([host, want]) => {
  expect(forgeOf(host)).toBe(want)
})

test('the parts of an address say whether there is a password', () => {
  expect(parseAddress('https://u:p@git.example.com:8443/x?y#z')).toEqual({
    scheme: 'https',
    user: 'u',
    hasPassword: true,
    host: 'git.example.com',
    port: '8443',
    path: '/x',
  })
})
