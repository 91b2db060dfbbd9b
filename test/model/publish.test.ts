/**
 * Each scenario is run in every order of requests, with a crash of anybody at
 * every request, and from each content of the store that it passes through
 * with everybody dead but one: a run with nothing new, or one of them again.
 *
 * MODEL_TRACE=1 prints how each broken rule goes wrong, and what was explored.
 */

import { describe, expect, test } from 'vitest'
import { type Exploration, explore, type Peculiarities } from './explore.ts'
import { filesOf, invariantsOf, programsUnder, type Rules, rules, siteWith } from './publish.ts'

interface Setting {
  /** What is published and settled when it begins. */
  readonly site?: Readonly<Record<string, string>>
  /** Each publishes versions, with the hash that its clone gives. */
  readonly publish?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Each withdraws a version. */
  readonly withdraw?: Readonly<Record<string, string>>
  /** Each calls the settled shard unsettled, and makes all anew. */
  readonly reopen?: readonly string[]
  readonly peculiarities?: Peculiarities
}

const x = 'x'
const y = 'y'

const publishers: Readonly<Record<string, Setting>> = {
  'different versions': { publish: { P: { a1: x }, Q: { a2: x } } },
  'overlapping versions': { publish: { P: { a1: x, a2: x }, Q: { a2: x, a3: x } } },
  'another hash of the same version': { publish: { P: { a1: x }, Q: { a1: y, a2: x } } },
  'the same version twice, and one more run': {
    site: { a1: x },
    publish: { P: { a2: x }, Q: { a2: x }, R: {} },
  },
  'different versions, and a run with nothing new': {
    site: { a1: x },
    publish: { P: { a2: x }, Q: { a3: x }, R: {} },
  },
  'two modules': { site: { a1: x, b1: x }, publish: { P: { a2: x, b2: x }, Q: { b2: x, b3: x } } },
}

const withdrawals: Readonly<Record<string, Setting>> = {
  'of the only version, while others are published': {
    site: { a1: x },
    publish: { P: { a2: x }, Q: { a3: x } },
    withdraw: { W: 'a1' },
  },
  'of a version, while it is published, and another one': {
    site: { a1: x },
    publish: { P: { a2: x }, Q: { a3: x } },
    withdraw: { W: 'a2' },
  },
  'of the first version, while two publish it with different hashes': {
    publish: { P: { a1: x }, Q: { a1: y } },
    withdraw: { W: 'a1' },
  },
  'of a version, while two publish it': {
    site: { a1: x },
    publish: { P: { a2: x }, Q: { a2: x } },
    withdraw: { W: 'a2' },
  },
  'of all there is, by two': { site: { a1: x, a2: x }, withdraw: { V: 'a1', W: 'a2' } },
  'in one of two modules': {
    site: { a1: x, b1: x },
    publish: { P: { a2: x, b2: x } },
    withdraw: { W: 'b1' },
  },
  'in one of two modules, of which the other is new': {
    site: { b1: x },
    publish: { P: { a1: x }, Q: { b2: x } },
    withdraw: { W: 'b1' },
  },
}

describe('the order of writing holds for', () => {
  test.for([
    ['different versions', 1000],
    ['overlapping versions', 1300],
    ['another hash of the same version', 1200],
    ['the same version twice, and one more run', 6000],
    ['different versions, and a run with nothing new', 29_000],
    ['two modules', 1900],
  ] as const)('two publishers: %s (over %i states)', ([name, states]) => {
    expectRight(exploreSetting(publishers[name]), states)
  })

  test.for([
    ['of the only version, while others are published', 280_000],
    ['of a version, while it is published, and another one', 230_000],
    ['of the first version, while two publish it with different hashes', 100_000],
    ['of a version, while two publish it', 65_000],
    ['of all there is, by two', 1700],
    ['in one of two modules', 3200],
    ['in one of two modules, of which the other is new', 540_000],
  ] as const)('a withdrawal %s (over %i states)', ([name, states]) => {
    expectRight(exploreSetting(withdrawals[name]), states)
  })

  test('a shard that is called unsettled again with the same bytes, twice (over 6,000 states)', () => {
    expectRight(exploreSetting({ site: { a1: x }, publish: { P: { a2: x } }, reopen: ['N', 'O'] }), 6000)
  })

  test.for([
    ['different versions', 2700],
    ['overlapping versions', 3400],
    ['another hash of the same version', 2900],
  ] as const)('writes that are done and seem to be refused: %s (over %i states)', ([name, states]) => {
    expectRight(exploreSetting({ ...publishers[name], peculiarities: { answers: 'may get lost' } }), states)
  })

  test('writes that are done and seem to be refused: a withdrawal (over 2,900 states)', () => {
    expectRight(exploreSetting({ ...fresh, peculiarities: { answers: 'may get lost' } }), 2900)
  })
})

/** A withdrawal of what is just being published. */
const fresh: Setting = { site: { a1: x }, publish: { P: { a2: x } }, withdraw: { W: 'a2' } }
const first: Setting = { publish: { P: { a1: x } }, withdraw: { W: 'a1' } }
const only: Setting = { site: { a1: x }, publish: { P: { a2: x } }, withdraw: { W: 'a1' } }
const different = publishers['different versions']

describe('it goes wrong when', () => {
  test.for<[string, Partial<Rules>, Setting | undefined, RegExp]>([
    [
      'the tag is read after the shard',
      { guard: 'shard, tag, put' },
      different,
      /"settled a1=x a2=x", and a\/list is a1\.$/,
    ],
    [
      'the shard is not looked at before a put',
      { guard: 'tag, put' },
      different,
      /"settled a1=x a2=x", and a\/list is a1\.$/,
    ],
    ['settled is put whatever the shard is', { settle: 'always' }, different, /loses what it had of a2/],
    [
      'settled is put after a look at the shard',
      { settle: 'if it seems unchanged' },
      different,
      /loses what it had of a2/,
    ],
    [
      'a conflict about settled is merged',
      { settle: 'merge' },
      different,
      /"settled a1=x a2=x", and a\/list is a1\.$/,
    ],
    [
      'info is written first',
      { version: 'info, zip, mod' },
      different,
      /a1\.info is there, and the other files are not/,
    ],
    [
      'files are deleted before they are unlisted',
      { withdraw: 'tombstone, delete, derive' },
      only,
      /list names a1, whose files/,
    ],
    [
      'files are deleted before the tombstone',
      { withdraw: 'delete, tombstone, derive' },
      only,
      /list names a1, whose files/,
    ],
    ['only the withdrawer deletes', { sweep: 'whoever withdraws' }, only, /settled, and a1\.zip is there/],
  ])('%s', ([title, broken, setting, message]) => {
    expectWrong(title, exploreSetting(setting, broken), message)
  })

  test('derived files can have the bytes again that they had before', () => {
    const found = exploreSetting(fresh, { fence: 'none' }, 'settled')
    expectWrong('no fence', found, /names a2, whose files are not all there/)
    // The withdrawer finds the list right, as it was, and has no reason to write it. The publisher's put is still to come.
    expect(found.failure?.trace.filter((line) => line.includes('a/list')).join('\n')).toBe(
      [
        'P   get     a/list   finds "a1"',
        'W   get     a/list   finds "a1"',
        'P   replace a/list   writes "a1 a2" over "a1"',
      ].join('\n'),
    )
  })

  test('they can, and nobody starts again once the shard is settled: then not even a crash is needed', () => {
    const found = exploreSetting(fresh, { fence: 'none', restart: 'unless it is settled' }, 'ended')
    expectWrong('no fence, no restart', found, /names a2/)
    expectRight(exploreSetting(fresh, { fence: 'none' }, 'ended'), 800)
  })

  test('they can, and are put nevertheless: a tag that is made of the bytes does not tell', () => {
    expectWrong(
      'no fence, put',
      exploreSetting(fresh, { fence: 'none', same: 'put it' }, 'settled'),
      /names a2/,
    )
  })

  test('they can, and are not put, on a store whose tags are new with each write', () => {
    const setting: Setting = { ...fresh, peculiarities: { tags: 'fresh' } }
    expectWrong('no fence, fresh tags', exploreSetting(setting, { fence: 'none' }, 'settled'), /names a2/)
    expectRight(exploreSetting(setting, { fence: 'none', same: 'put it' }), 2800)
  })
})

describe('a derived file that has nothing more to say', () => {
  test.for<[Rules['empty'], Peculiarities['ifMatchOnDelete'], Setting, RegExp]>([
    ['delete', 'obeyed', only, /latest is not there/],
    ['delete, then look at the shard', 'obeyed', only, /latest is not there/],
    ['delete if-match', 'ignored', only, /latest is not there/],
    ['delete if-match', 'obeyed', first, /latest names a1, whose files are not all there/],
    ['delete, then look at the shard', 'obeyed', first, /latest names a1, whose files are not all there/],
  ])(
    'cannot be removed: %s, the condition is %s',
    ([empty, ifMatchOnDelete = 'obeyed', setting, message]) => {
      const found = exploreSetting({ ...setting, peculiarities: { ifMatchOnDelete } }, { empty }, 'settled')
      expectWrong(`${empty}, ${ifMatchOnDelete}`, found, message)
    },
  )

  test('can be removed with a condition that is obeyed, where it was there before', () => {
    expectRight(exploreSetting(only, { empty: 'delete if-match' }), 1400)
  })

  test('can be overwritten', () => {
    for (const setting of [only, first]) expectRight(exploreSetting(setting, { empty: 'overwrite' }), 1200)
  })
})

describe('what a publisher wrote of a withdrawn version before it crashed', () => {
  test('stays, if only unfinished work is finished', () => {
    const found = exploreSetting(fresh, { sweep: 'whoever settles' })
    expectWrong('sweep', found, /After R: The shard is settled, and a2\.zip is there/)
  })

  test('goes with the next run, if each looks for the files of tombstones', () => {
    expectRight(exploreSetting(fresh, { sweep: 'every run' }), 1200)
  })

  test('cannot come back, if version files are overwritten instead of deleted', () => {
    for (const sweep of ['every run', 'whoever settles'] as const)
      expectRight(exploreSetting(fresh, { withdrawn: 'overwrite', sweep }), 1200)
  })
})

describe('known to be wrong, and left so', () => {
  test('latest may be a retracted version, where a publisher hung at it and then crashed', () => {
    const found = exploreSetting({ site: { r1: x }, publish: { P: { r2: x }, Q: { r3: x } } })
    expectWrong('retraction', found, /"settled r1=x r2=x r3=x", and r\/latest is r2\.$/)
  })
})

test('a record that is right says that the other files of its module are, if it is the last one', () => {
  for (const setting of [...Object.values(publishers), fresh, only, first])
    expectRight(exploreSetting(setting, { record: 'last, and asked' }), 1000)
  expectWrong(
    'record first',
    exploreSetting(different, { record: 'first, and asked' }),
    /"settled a1=x", and a\/list is not there/,
  )
})

test('whoever finds the shard settled by another may stop there, since nothing late can be put', () => {
  for (const setting of [...Object.values(publishers), fresh, only, first])
    expectRight(exploreSetting(setting, { restart: 'unless it is settled' }), 1000)
})

/**
 * Explores a setting. Where settled states are judged only, what is found is
 * what stays; where only those in which all have ended, it needs no crash.
 */
function exploreSetting(
  setting: Setting = {},
  broken: Partial<Rules> = {},
  judged: 'all' | 'settled' | 'ended' = 'all',
): Exploration {
  const { site = {}, publish = {}, withdraw = {}, reopen = [], peculiarities = {} } = setting
  const made: Rules = { ...rules, ...broken }
  const published = Object.entries(publish)
  const versions = [...new Set([site, ...Object.values(publish)].flatMap((each) => Object.keys(each)))].sort()
  const programs = programsUnder(made, versions)
  const actors = [
    ...published.map(([name, versions]) => programs.publisher(name, versions)),
    ...Object.entries(withdraw).map(([name, version]) => programs.withdrawer(name, version)),
    ...reopen.map((name) => programs.publisher(name, {}, 'reopen')),
  ]
  const writers = Object.fromEntries(published.map(([name, versions]) => [name, Object.keys(versions)]))
  const invariants = invariantsOf(made, versions, writers)
  return explore({
    store: filesOf(versions, siteWith(made, site)),
    actors,
    peculiarities,
    repairs: [programs.publisher('R'), ...actors],
    ...invariants,
    ...(judged === 'settled' && {
      checkSite: (site) => (site('shard')?.startsWith('settled') ? invariants.checkSite(site) : undefined),
    }),
    ...(judged === 'ended' && {
      checkSite: () => undefined,
      check: (site, actors) =>
        actors.every((actor) => actor.ended) ? invariants.checkSite(site) : invariants.check(site, actors),
    }),
  })
}

function expectRight(found: Exploration, states: number): void {
  if (process.env['MODEL_TRACE']) console.log(JSON.stringify({ ...found, failure: undefined }))
  expect(found.failure).toBeUndefined()
  expect(found.states).toBeGreaterThan(states)
  expect(found.ends).toBeGreaterThan(0)
  expect(found.repairs).toBeGreaterThan(found.stores)
  expect(found.alwaysEnds).toBe(true)
}

function expectWrong(title: string, { failure }: Exploration, message: RegExp): void {
  if (process.env['MODEL_TRACE'])
    console.log([title, ...(failure?.trace ?? []), failure?.message].join('\n  '))
  expect(failure?.message).toMatch(message)
}
