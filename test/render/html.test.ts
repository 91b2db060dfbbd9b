import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { escapeHtml, Html, html } from '../../src/render/html.ts'

describe('html', () => {
  test('escapes each value, and nothing of its own', () => {
    expect(html`<a href="${'"><script>'}">${"it's & <b>"}</a>`.text).toBe(
      '<a href="&#34;&#62;&#60;script&#62;">it&#39;s &#38; &#60;b&#62;</a>',
    )
  })

  test.for([
    ['a number', html`${0}`, '0'],
    ['nothing', html`a${undefined}b`, 'ab'],
    ['HTML', html`${html`<b>${'<'}</b>`}`, '<b>&#60;</b>'],
    ['a list', html`${['<', html`<i>`, undefined, [1, '&']]}`, '&#60;<i>1&#38;'],
    ['an empty list', html`a${[]}b`, 'ab'],
    ['no value', html`<br>`, '<br>'],
  ] as const)('%s', ([, value, want]) => {
    expect(value.text).toBe(want)
    expect(String(value)).toBe(want)
  })

  test('no text gets out of an attribute or becomes a tag, and all of it comes back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.array(fc.string()), (text, list) => {
        const { text: got } = html`${text}${list}`
        expect(got).not.toMatch(/[<>"']|&(?!#\d+;)/)
        const back = got.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
        expect(back).toBe(text + list.join(''))
        expect(escapeHtml(text)).toBe(html`${text}`.text)
        expect(html`${new Html(text)}`.text).toBe(text)
      }),
    )
  })
})
