/**
 * Writes what is made from the configuration's schema: schema.json for
 * editors, and the reference page docs/configuration.md.
 */

import { writeFile } from 'node:fs/promises'
import { configJsonSchema } from '../src/config/schema.ts'
import { renderJsonSchema, renderReference } from './reference.ts'

const root = new URL('../', import.meta.url)
const schema = configJsonSchema()
await writeFile(new URL('schema.json', root), renderJsonSchema(schema))
await writeFile(new URL('docs/configuration.md', root), renderReference(schema))
