/**
 * Policies of a bucket. Whoever may read objects may also list them: S3 answers
 * 403 instead of 404 for what is not there to those who may not, and go then
 * stops instead of asking the next proxy.
 *
 * A policy is JSON and has no comments; what is to be replaced in it is written
 * in capitals, and docs/hosting.md has a line for each.
 *
 * Pure.
 */

import type { HostedSite, SiteFile } from '../model.ts'

const bucket = 'arn:aws:s3:::BUCKET'

/** Returns the files for a bucket that is read as it is: by all, or by the roles and users of an account. */
export function renderBucket({ access }: HostedSite): SiteFile[] {
  const policy = (principal: unknown) => policyFor(principal)
  if (access === 'private') {
    return [jsonFile('bucket-policy.json', policy({ AWS: 'arn:aws:iam::ACCOUNT:root' }))]
  }
  // The website endpoint, which has pages; it speaks http alone, and asks nobody who he is.
  const website = { IndexDocument: { Suffix: 'index.html' }, ErrorDocument: { Key: '404.html' } }
  return [jsonFile('bucket-policy.json', policy('*')), jsonFile('website.json', website)]
}

/** Returns the policy of a bucket that one distribution of CloudFront reads, and nobody else. */
export function distributionPolicy(): Record<string, unknown> {
  const source = 'arn:aws:cloudfront::ACCOUNT:distribution/DISTRIBUTION'
  return policyFor({ Service: 'cloudfront.amazonaws.com' }, { StringEquals: { 'AWS:SourceArn': source } })
}

/** Returns a file below `-/host/`. */
export function jsonFile(name: string, value: unknown): SiteFile {
  return { path: `-/host/${name}`, body: `${JSON.stringify(value, null, 2)}\n` }
}

function policyFor(principal: unknown, condition?: unknown): Record<string, unknown> {
  const allow = (id: string, action: string, resource: string) => ({
    Sid: id,
    Effect: 'Allow',
    Principal: principal,
    Action: action,
    Resource: resource,
    ...(condition === undefined ? {} : { Condition: condition }),
  })
  return {
    Version: '2012-10-17',
    Statement: [
      allow('ReadFiles', 's3:GetObject', `${bucket}/*`),
      allow('AnswerMissingFilesWith404', 's3:ListBucket', bucket),
    ],
  }
}
