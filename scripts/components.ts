/**
 * Writes the CI/CD components of GitLab, templates/*.yml, from what "modpress
 * init" writes into a project: `npm run generate`.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { ownVersion } from '../src/config/package.ts'
import { renderComponents } from '../src/init/gitlab.ts'

const directory = new URL('../templates/', import.meta.url)

mkdirSync(directory, { recursive: true })
for (const [name, text] of Object.entries(renderComponents(ownVersion()))) {
  writeFileSync(new URL(`${name}.yml`, directory), text)
}
