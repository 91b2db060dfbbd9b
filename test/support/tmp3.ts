import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { makeFixture } from './fixture.ts'
import { createGo } from './gorun.ts'

const base = '/tmp/gt/f'
rmSync(base, { recursive: true, force: true })
const only = new RegExp(process.argv[2] ?? '.')
const dir = new URL('../conformance/fixtures/', import.meta.url)
for (const name of readdirSync(dir)
  .filter((n) => only.test(n))
  .sort()) {
  const f = await makeFixture(`${base}/${name}`, readFileSync(new URL(name, dir), 'utf8'))
  const fsck = execFileSync('git', ['fsck', '--full'], { cwd: f.dir, stdio: 'pipe', encoding: 'utf8' })
  const go = await createGo()
  await go.direct([f])
  const list = await go.versions(f.modules)
  console.log(`=== ${name}`, fsck.trim())
  for (const l of list) console.log(`  list ${l.module}: ${l.versions.join(' ')} ${l.error ?? ''}`)
  for (const l of await go.latest(f.modules)) console.log(`  ${l.query}: ${l.version} ${l.error ?? ''}`)
  for (const l of await go.query(f.queries)) console.log(`  ${l.query}: ${l.version} ${l.error ?? ''}`)
  for (const d of await go.download(list.flatMap((l) => l.versions.map((v) => `${l.module}@${v}`))))
    console.log(`  ${d.query} ${d.error ?? d.sum}`.slice(0, 300))
  for (const w of f.want) console.log('     want', w.join(' '))
  f.change?.()
  await go.close()
}
