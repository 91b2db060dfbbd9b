/**
 * The kinds of consumers that there are texts for.
 *
 * Pure.
 */

export const consumers = ['shell', 'windows', 'docker', 'github', 'gitlab', 'renovate', 'dependabot'] as const

export type Consumer = (typeof consumers)[number]
