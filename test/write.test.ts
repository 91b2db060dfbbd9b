import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { hashArchive } from '../src/archive.ts'
import { assembledBytes, layOutArchive } from '../src/assemble.ts'
import { type Blob, compress } from '../src/compress.ts'
import { isProblem } from '../src/enumerate/locate.ts'
import { Hands } from '../src/hands.ts'
import type { ModulePath, ModuleVersion, Oid, Version } from '../src/model.ts'
import { goModH1, hashModule } from '../src/module/dirhash.ts'
import type { PackedVersion } from '../src/pack.ts'
import { Spool } from '../src/spool.ts'
import { openDirectoryStore } from '../src/store/directory.ts'
import { siteSink } from '../src/write.ts'
import { makeDirectory } from './support/repo.ts'

const root = 'example.com/m' as ModulePath
const oid = '1'.repeat(40) as Oid
const version: ModuleVersion = {
  path: root,
  version: 'v1.0.0' as Version,
  commit: oid,
  tree: oid,
  time: 1_700_000_000,
  dir: '',
  codeDir: '',
  ref: 'refs/tags/v1.0.0',
}

const spool = new Spool()
let hands: Hands | undefined
afterEach(() => {
  hands?.end()
  hands = undefined
  spool.close()
})

async function startHands(): Promise<Hands> {
  const started = new Hands(2)
  hands = started
  started.start()
  for (let turn = 0; !started.canCreate; turn++) {
    if (turn > 2000) throw new Error('No thread has come.')
    await wait(5)
  }
  return started
}

/** A version of many chunks: contents in memory, in a piece of a file, and in a file that is read by and by. */
function packLarge(): PackedVersion {
  const prefix = `${root}@${version.version}/`
  const goMod = Buffer.from(`module ${root}\n`)
  const contents = [...Array.from({ length: 20 }, (_, index) => randomBytes(900_000 + index)), goMod]
  const paths = [...contents.slice(1).map((_, index) => `a/${String(index).padStart(2, '0')}.bin`), 'go.mod']
  const files = paths.map((path) => ({
    path,
    pathBytes: Buffer.byteLength(path),
    slot: { oid, size: undefined, isConverted: false },
  }))
  const blobs = contents.map((content, index): Blob => {
    const blob = compress(content)
    const { data } = blob
    if (index % 4 === 1) return { ...blob, data: spool.put(data) }
    if (index % 4 !== 2) return blob
    return {
      ...blob,
      data: async function* () {
        for (let at = 0; at < data.length; at += 100_000) yield data.subarray(at, at + 100_000)
      },
    }
  })
  return { h1: hashModule(prefix, files, blobs), goModH1: goModH1(goMod), goMod, prefix, files, blobs }
}

describe.for(['this thread', 'a hand'] as const)('a large zip, by %s', (who) => {
  test('is what its record says, and is there once', async () => {
    const dir = makeDirectory()
    const store = await openDirectoryStore(dir)
    const sink = siteSink(store, who === 'a hand' ? { hands: await startHands() } : {})
    const packed = packLarge()
    expect(layOutArchive(packed.prefix, packed.files, packed.blobs)).toBeUndefined()

    const record = await sink.write(version, packed, root)
    if (isProblem(record)) throw new Error(record.message)
    const place = join(dir, 'example.com/m/@v')
    const bytes = readFileSync(join(place, 'v1.0.0.zip'))
    expect(bytes.length).toBeGreaterThan(assembledBytes)
    expect(record).toMatchObject({
      h1: packed.h1,
      size: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    })
    expect(await hashArchive(join(place, 'v1.0.0.zip'))).toMatchObject({
      h1: packed.h1,
      sha256: record.sha256,
      size: record.size,
    })
    expect(readdirSync(place).sort()).toEqual(['v1.0.0.info', 'v1.0.0.mod', 'v1.0.0.zip'])
    expect(readFileSync(join(place, 'v1.0.0.mod')).equals(packed.goMod)).toBe(true)

    expect(await sink.write(version, packed, root)).toEqual(record)
    const other = { ...packed, h1: 'h1:other' }
    expect(await sink.write(version, other, root)).toMatchObject({ code: 'version-changed' })
    expect(readFileSync(join(place, 'v1.0.0.zip')).equals(bytes)).toBe(true)
  })
})
