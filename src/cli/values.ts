/**
 * The values of flags and arguments: what is no such value is told to the
 * parser, which tells the user.
 */

import { InvalidArgumentError } from 'commander'
import type { RepositoryPart } from '../config/schema.ts'

export function parseJobs(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number from 1 on.')
}

export function parseSample(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number from 1 on.')
}

export function parsePart(text: string): RepositoryPart {
  const [, number, of] = /^([1-9]\d{0,4})\/([1-9]\d{0,4})$/.exec(text) ?? []
  if (number !== undefined && of !== undefined && Number(number) <= Number(of))
    return { number: Number(number), of: Number(of) }
  throw new InvalidArgumentError('It must be one of so many, as 3/16.')
}

export function parsePort(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) < 65_536) return Number(text)
  throw new InvalidArgumentError('It must be a number from 0 to 65535.')
}

export function parseVersionName(text: string): { readonly module: string; readonly version: string } {
  const [key = ''] = collectVersion(text, undefined)
  const at = key.lastIndexOf('@')
  return { module: key.slice(0, at), version: key.slice(at + 1) }
}

export function collectVersion(text: string, previous: readonly string[] | undefined): string[] {
  if (/^[^@\s]+@v[^@\s]+$/.test(text)) return [...(previous ?? []), text]
  throw new InvalidArgumentError('It must be MODULE@VERSION.')
}
