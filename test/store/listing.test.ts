import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findElement, hideTwins, parseListing, quoteTag, twinOf } from '../../src/store/listing.ts'
import type { ListedFile } from '../../src/store/store.ts'

describe('parseListing', () => {
  test('reads keys and tags, and where the next page begins', () => {
    const page = parseListing(`<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix>
<NextContinuationToken>a&#43;b/=</NextContinuationToken><KeyCount>2</KeyCount><IsTruncated>true</IsTruncated>
<Contents><Key>a &amp;amp; &lt;b&gt; &#x2b;&#39;&quot;ü%21</Key><ETag>&quot;1&quot;</ETag><Size>1</Size></Contents>
<Contents><ETag>2</ETag><Key>line&#10;end</Key><Owner><ID>x</ID></Owner></Contents></ListBucketResult>`)
    expect(page).toEqual({
      objects: [
        { key: 'a &amp; <b> +\'"ü%21', tag: '"1"' },
        { key: 'line\nend', tag: '"2"' },
      ],
      next: 'a+b/=',
    })
  })

  test('knows the last page, an empty one, and what is none', () => {
    const last =
      '<ListBucketResult><IsTruncated>false</IsTruncated><NextContinuationToken/></ListBucketResult>'
    expect(parseListing(last)).toEqual({ objects: [] })
    expect(parseListing('<html>Sign in</html>')).toBeUndefined()
  })

  test('leaves what is no reference as it is', () => {
    expect(findElement('<Key>&#x110000; &unknown; &</Key>', 'Key')).toBe('&#x110000; &unknown; &')
    expect(quoteTag('W/"a"')).toBe('W/"a"')
  })
})

describe('hideTwins', () => {
  test('hides exactly the twins of what is listed, and keeps the order', async () => {
    const path = fc.string({
      unit: fc.constantFrom(' ', '+', '!', '/', 'a', '~'),
      minLength: 1,
      maxLength: 5,
    })
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(path, { maxLength: 30 }), async (paths) => {
        const sorted = paths.sort()
        const twins = new Set(sorted.filter((each) => each.includes('+')).map(twinOf))
        const shown: string[] = []
        for await (const file of hideTwins(listOf(sorted))) shown.push(file.path)
        expect(shown).toEqual(sorted.filter((each) => !twins.has(each)))
      }),
      { numRuns: 500 },
    )
  })

  test('a path that can be no twin any more does not wait for the end', async () => {
    const read: string[] = []
    const files = hideTwins(listOf(['a b', 'a c', 'b', 'c', 'd'], read))
    expect((await files.next()).value).toEqual({ path: 'a b', tag: '"a b"' })
    expect(read).toEqual(['a b', 'a c', 'b'])
    await files.return()
  })
})

async function* listOf(paths: readonly string[], read: string[] = []): AsyncGenerator<ListedFile> {
  for (const path of paths) {
    read.push(path)
    yield { path, tag: `"${path}"` }
  }
}
