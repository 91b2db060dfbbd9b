/**
 * The static hosts that are known by name: who can read what they serve, what
 * they take, and whether they can keep the names of private modules to
 * themselves. A host is a plain object; what it needs in the site is written
 * by files.ts.
 *
 * Pure. A table.
 */

import type { HostName } from '../model.ts'

const mebibyte = 2 ** 20
const gibibyte = 2 ** 30

/** What a host takes of everybody, as far as it says. Some take more of those who pay, or who run it themselves. */
export interface HostLimits {
  /** The largest file, in bytes. */
  readonly fileBytes?: number
  /** How many files. */
  readonly files?: number
  /** How many files and directories. */
  readonly entries?: number
  /** All files together, in bytes. */
  readonly siteBytes?: number
}

export interface HostPreset {
  /** As people call it. */
  readonly title: string
  /** Who can read a site: anyone, or those whom the host asks for credentials, if it is told to. */
  readonly readers: 'anyone' | 'asked'
  /** Whether requests for unknown modules below the own prefixes can be answered otherwise than by 404. */
  readonly gatekeeper: 'possible' | 'impossible'
  readonly limits: HostLimits
}

const server = { readers: 'asked', gatekeeper: 'possible', limits: {} } as const

export const hostPresets: Readonly<Record<HostName, HostPreset>> = {
  generic: { title: 'any static host', readers: 'asked', gatekeeper: 'impossible', limits: {} },
  nginx: { title: 'nginx', ...server },
  caddy: { title: 'Caddy', ...server },
  apache: { title: 'Apache', ...server },
  s3: { title: 'S3', readers: 'asked', gatekeeper: 'impossible', limits: {} },
  cloudfront: { title: 'CloudFront', ...server },
  cloudflare: {
    title: 'Cloudflare Pages',
    readers: 'anyone',
    gatekeeper: 'impossible',
    limits: { fileBytes: 25 * mebibyte, files: 20_000 },
  },
  'github-pages': {
    title: 'GitHub Pages',
    readers: 'anyone',
    gatekeeper: 'impossible',
    // "1 GB", which may be the smaller one.
    limits: { siteBytes: 1_000_000_000 },
  },
  'gitlab-pages': {
    title: 'GitLab Pages',
    readers: 'asked',
    gatekeeper: 'impossible',
    limits: { siteBytes: gibibyte, entries: 200_000 },
  },
  netlify: { title: 'Netlify', readers: 'anyone', gatekeeper: 'impossible', limits: {} },
}
