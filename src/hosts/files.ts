/**
 * The files that a static host needs in the site, or that its administrator
 * takes from there. Each host has a writer of its own.
 *
 * They are the same bytes wherever they are made, and hold no secret: whoever
 * reads the site can read them.
 *
 * Pure.
 */

import type { HostedSite, HostName, SiteFile } from '../model.ts'
import { renderApache } from './apache.ts'
import { renderBucket } from './bucket.ts'
import { renderCaddy } from './caddy.ts'
import { renderCloudfront } from './cloudfront.ts'
import { renderCloudflare, renderNetlify } from './headersfile.ts'
import { renderNginx } from './nginx.ts'

/** Where files for the host's administrator lie. */
export const hostDirectory = '-/host'

/** The files at the top of a site that a host reads by their names, of all hosts. */
export const hostTopFiles: readonly string[] = ['_headers']

/** Returns what the host of a site needs in it, beside what every site has: `.nojekyll` and `404.html`. */
export function renderHostFiles(site: HostedSite): readonly SiteFile[] {
  return writers[site.host](site)
}

const writers: Readonly<Record<HostName, (site: HostedSite) => SiteFile[]>> = {
  generic: () => [],
  nginx: renderNginx,
  caddy: renderCaddy,
  apache: renderApache,
  s3: renderBucket,
  cloudfront: renderCloudfront,
  cloudflare: renderCloudflare,
  'github-pages': () => [],
  'gitlab-pages': () => [],
  netlify: renderNetlify,
}
