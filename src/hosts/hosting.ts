/**
 * Whether a site can be on its host at all: a private one must not be where
 * everyone reads, and a gatekeeper needs a host that can be told what to
 * answer. It is asked of the configuration, and again where a site that is
 * there has a say in it.
 *
 * Pure.
 */

import type { HostedSite } from '../model.ts'
import { hostPresets } from './presets.ts'

export interface HostingFault {
  /** The key that is to be changed. */
  readonly key: 'host' | 'gatekeeper'
  readonly reason: string
}

/** Returns why a site cannot be on its host. */
export function checkHosting({
  host,
  access,
  gatekeeper,
}: Pick<HostedSite, 'host' | 'access' | 'gatekeeper'>): HostingFault[] {
  const preset = hostPresets[host]
  const faults: HostingFault[] = []
  if (gatekeeper && preset.gatekeeper === 'impossible') {
    const reason = `${host} cannot be one: it needs nginx, caddy, apache or cloudfront`
    faults.push({ key: 'gatekeeper', reason })
  }
  if (access === 'private' && preset.readers === 'anyone') {
    const reason = `everyone can read a site on ${host}: write "access: public", or choose another host`
    faults.push({ key: 'host', reason })
  }
  return faults
}
