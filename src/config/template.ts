/**
 * Templates of roots and addresses, in which "{name}" and "{path}" stand for
 * a repository among many: filled in, and recognised again.
 *
 * Pure.
 */

import { escapePattern } from '../module/pattern.ts'

/** What stands for a repository in a template. */
export interface TemplateValues {
  readonly name: string
  readonly path: string
}

const placeholders = /\{(name|path)\}/g

/** Tells whether a text holds "{name}" or "{path}". */
export function isTemplate(text: string): boolean {
  return text.search(placeholders) >= 0
}

/** Returns the template with the values in their places. */
export function fillTemplate(template: string, values: TemplateValues): string {
  return template.replaceAll(placeholders, (_, key: keyof TemplateValues) => values[key])
}

/** Tells whether a text may be what a template was filled to. */
export function fitsTemplate(template: string, text: string): boolean {
  const parts = template.split(/(\{name\}|\{path\})/).map((part) => {
    if (part === '{name}') return '[^/]+'
    return part === '{path}' ? '.+' : escapePattern(part)
  })
  return new RegExp(`^${parts.join('')}$`, 'i').test(text)
}
