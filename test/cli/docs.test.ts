import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { renderProblems } from '../../scripts/problems.ts'
import { renderJsonSchema, renderReference } from '../../scripts/reference.ts'
import { configJsonSchema } from '../../src/config/schema.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

test('docs/problems.md is what scripts/problems.ts makes of the catalogue', () => {
  expect(read('docs/problems.md')).toBe(renderProblems())
})

test('schema.json and docs/configuration.md are what scripts/schema.ts makes of the schema', () => {
  const schema = configJsonSchema()
  expect(read('schema.json')).toBe(renderJsonSchema(schema))
  expect(read('docs/configuration.md')).toBe(renderReference(schema))
})
