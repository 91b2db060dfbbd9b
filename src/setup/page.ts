/**
 * The page that tells people what to set: each text, and where its file is.
 *
 * Pure.
 */

import { type Html, html } from '../render/html.ts'
import { renderPage } from '../render/pages.ts'
import { consumers } from './consumers.ts'
import { kinds } from './kinds.ts'
import type { Needs } from './needs.ts'
import { quoteShell } from './quote.ts'
import { describeNeeds } from './script.ts'

/** Returns the page, in this directory of the site. */
export function renderSetupPage(directory: string, needs: Needs): string {
  return renderPage({
    directory,
    title: `Set up Go for ${needs.name}`,
    meta: undefined,
    main: html`<h1>Set up Go for ${needs.name}</h1>
<ul>
${describeNeeds(needs).map((line) => html`<li>${line}</li>\n`)}</ul>
${renderFetching(directory, needs)}${consumers.map((consumer) => {
  const { title, file, use, render } = kinds[consumer]
  return html`<h2 id="${consumer}">${title}</h2>
<p><a href="${file}">${file}</a>: ${use}</p>
<pre tabindex="0">${render(needs)}</pre>
`
})}`,
  })
}

/** In a terminal there is nobody who is logged in. */
function renderFetching(directory: string, { url, credentials }: Needs): Html {
  const file = quoteShell(`${url}/${directory}/${kinds.shell.file}`)
  const flags = {
    none: '',
    password: '-u USER ',
    token: '-H "Authorization: Bearer $TOKEN" ',
  }[credentials]
  return html`<p>In a terminal of Linux or macOS, without a browser:</p>
<pre tabindex="0">curl -fsS ${flags}${file} | sh</pre>
`
}
