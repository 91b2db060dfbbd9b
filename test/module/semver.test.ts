/**
 * Our port of Go's order against npm's semver, where the two are meant to agree:
 * canonical versions with numbers of ordinary size.
 */

import fc from 'fast-check'
import semver from 'semver'
import { expect, test } from 'vitest'
import { compareVersions } from '../../src/module/version.ts'

const number = fc.integer({ min: 0, max: 2 ** 31 })
const identifier = fc.oneof(number.map(String), fc.stringMatching(/^[a-zA-Z-][0-9a-zA-Z-]{0,5}$/))
const version = fc
  .tuple(number, number, number, fc.array(identifier, { maxLength: 3 }))
  .map(
    ([major, minor, patch, pre]) =>
      `v${major}.${minor}.${patch}${pre.length === 0 ? '' : `-${pre.join('.')}`}`,
  )

test('canonical versions compare as in npm', () => {
  fc.assert(
    fc.property(version, version, (a, b) => {
      expect(compareVersions(a, b)).toBe(semver.compare(a, b))
    }),
  )
})
