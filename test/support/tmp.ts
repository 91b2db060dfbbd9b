import { existsSync, rmSync } from 'node:fs'
import { createGo } from './gorun.ts'
import { makeHostile } from './hostile.ts'

rmSync('/tmp/gt/h', { recursive: true, force: true })
console.time('make')
const cases = await makeHostile('/tmp/gt/h')
console.timeEnd('make')
console.log(cases.length)
const go = await createGo()
await go.direct(cases.map(({ root, dir }) => ({ root, dir })))
const only = process.argv[2] ? new RegExp(process.argv[2]) : /./
const some = cases.filter((c) => only.test(c.id))
console.time('good')
const good = await go.download(some.map((c) => `${c.root}@v1.0.0`))
console.timeEnd('good')
console.time('bad')
const bad = await go.download(some.map((c) => `${c.root}@${c.bad.version}`))
console.timeEnd('bad')
console.time('versions')
const versions = await go.versions(some.map((c) => c.root))
console.timeEnd('versions')
for (const [i, c] of some.entries()) {
  const g = good[i],
    b = bad[i],
    v = versions[i]
  const isGood = !g?.error,
    isBad = !b?.error
  const flag = [
    isGood === (c.goGood === 'downloads') ? '' : 'GOOD',
    isBad === (c.bad.go === 'downloads') ? '' : 'BAD',
    !isBad && !b?.error?.includes(c.bad.says) ? 'SAYS' : '',
  ]
    .join(' ')
    .trim()
  console.log(
    `${c.id} ${flag ? `*** ${flag}` : ''}\n   good: ${g?.error ?? 'ok'}\n   bad ${c.bad.version}: ${b?.error ?? 'ok ' + b?.version + (b?.info ? '' : ' NOINFO')}\n   list: ${v?.versions.join(' ')} ${v?.error ?? ''}`.replace(
      /\n(?! {3}(good|bad|list))/g,
      '\n        ',
    ),
  )
  for (const path of c.canaries) if (existsSync(path)) console.log('   CANARY', path)
}
await go.close()
