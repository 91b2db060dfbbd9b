/**
 * A distribution of CloudFront before a bucket that is closed to all others.
 *
 * A CloudFront Function is run for each request, before the cache: it asks for
 * the password, and turns what go and browsers ask for into the key of an
 * object. It knows nothing of what is in the bucket, and nothing runs on an
 * answer of 400 or more. So a gatekeeper is a second distribution, which has
 * nothing but a function that answers: CloudFront asks it by "origin failover"
 * where the bucket has answered 404, and passes on what it says.
 *
 * The password is not in the site: the function looks up the SHA-256 of what a
 * reader sends in a key value store, which the administrator fills. Without the
 * store it fails, and CloudFront answers 503.
 *
 * The functions are in the JavaScript of 2015 that CloudFront is sure to run.
 *
 * Pure.
 *
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-javascript-runtime-20.html
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorOriginGroups.html
 */

import type { HostedSite, SiteFile } from '../model.ts'
import { groupsDirectory } from '../render/front.ts'
import { contentType, mutableFor, notKept } from '../render/headers.ts'
import { reservedNames, setupDirectory } from '../render/paths.ts'

import { distributionPolicy, jsonFile } from './bucket.ts'
import type { Gatekeeper } from './gatekeeper.ts'
import { describeServer, errorTexts, errorType, goPattern, type Server } from './server.ts'

/** Returns the policy of the bucket, the distributions and their functions. */
export function renderCloudfront(site: HostedSite): SiteFile[] {
  const server = describeServer(site)
  const { gatekeeper } = server
  const files = [
    jsonFile('bucket-policy.json', distributionPolicy()),
    jsonFile('distribution.json', describeDistribution(server)),
    { path: '-/host/viewer-request.js', body: renderRequestFunction(server) },
  ]
  if (gatekeeper === undefined) return files
  return [
    ...files,
    jsonFile('gatekeeper-distribution.json', describeSecond()),
    { path: '-/host/gatekeeper.js', body: renderGatekeeperFunction(server, gatekeeper) },
  ]
}

// ---- Functions ----

function renderRequestFunction({ base, access }: Server): string {
  const top = [...reservedNames].filter((name) => name !== '-' && name !== 'sumdb')
  return `// The viewer request of the registry's distribution, for the runtime cloudfront-js-2.0.
${access === 'private' ? requestWithPassword : requestOfAnyone}
var base = ${JSON.stringify(base)}
var top = ${JSON.stringify(top)}

// Returns the path of the object: a page is in index.html, without a redirect, which would lose ?go-get=1.
function keyOf(path) {
  if (path !== base && path.indexOf(base + '/') !== 0) return path
  var rest = path.slice(base.length).replace(/\\/$/, '')
  var isFile =
    /\\/@(v\\/|latest$)/.test(rest) ||
    /\\/index\\.html$/.test(rest) ||
    /^\\/sumdb\\//.test(rest) ||
    (/^\\/-\\//.test(rest) && !${pagesBelow}.test(rest)) ||
    top.indexOf(rest.slice(1)) >= 0
  return base + (isFile ? rest : rest + '/index.html')
}

${decodeFunction}
${answerFunction}`
}

/** Of what lies below "-", these are pages. */
const pagesBelow = `/^\\/(${slashed(groupsDirectory)}(\\/|$)|${slashed(setupDirectory)}$)/`

function slashed(path: string): string {
  return path.replaceAll('/', '\\/')
}

const requestOfAnyone = `
function handler(event) {
  var request = event.request
  var path = decode(request.uri)
  if (path === undefined) return answer(400, 'Bad Request', 'the path is malformed')
  // S3 reads "+" as a space, and finds the object by "%2B".
  request.uri = keyOf(path).split('/').map(encodeURIComponent).join('/')
  return request
}
`

const requestWithPassword = `// It needs a key value store, whose keys are made so:
//   printf %s 'USER:PASSWORD' | openssl base64 -A | openssl dgst -sha256 -r | cut -d ' ' -f 1
import cf from 'cloudfront'
import crypto from 'crypto'

async function handler(event) {
  var request = event.request
  if (!(await isReader(request.headers.authorization))) return answer(401, 'Unauthorized', ${JSON.stringify(errorTexts[401])})
  // It is for this place, and not for the bucket.
  delete request.headers.authorization
  var path = decode(request.uri)
  if (path === undefined) return answer(400, 'Bad Request', 'the path is malformed')
  // S3 reads "+" as a space, and finds the object by "%2B".
  request.uri = keyOf(path).split('/').map(encodeURIComponent).join('/')
  return request
}

async function isReader(header) {
  var match = /^basic +([A-Za-z0-9+/]+=*) *$/i.exec(header ? header.value : '')
  if (!match) return false
  return cf.kvs().exists(crypto.createHash('sha256').update(match[1]).digest('hex'))
}
`

function renderGatekeeperFunction({ access, base, basePattern }: Server, { prefixes }: Gatekeeper): string {
  return `// The viewer request of the second distribution, for the runtime cloudfront-js-2.0: it answers where the bucket of the
// first one has no such file. Below the own prefixes no other proxy is asked: a list is empty, all else is forbidden.
var base = ${JSON.stringify(base)}
var own = ${JSON.stringify(prefixes)}

function handler(event) {
  var path = decode(event.request.uri)
  if (path === undefined) return answer(400, 'Bad Request', 'the path is malformed')
  if (isOwn(path)) {
    if (!/\\/@v\\/list$/.test(path)) return answer(403, 'Forbidden', ${JSON.stringify(errorTexts[403])})
    var list = answer(200, 'OK', '')
    list.headers['cache-control'] = { value: ${JSON.stringify(mutableFor(access))} }
    return list
  }
  var missing = answer(404, 'Not Found', ${JSON.stringify(errorTexts[404])})
  if (new RegExp(${JSON.stringify(goPattern(basePattern))}).test(path)) return missing
  missing.headers['content-type'] = { value: ${JSON.stringify(contentType('404.html'))} }
  missing.body.data = '<!doctype html><title>Not found</title><p>Not found.\\n'
  return missing
}

// Tells whether a path is a file of versions below an own prefix, in any letter case: go writes "A" as "!a".
function isOwn(path) {
  var at = path.indexOf('/@v/')
  if (at < 0 || path.indexOf(base + '/') !== 0) return false
  var module = path.slice(base.length + 1, at).replace(/!/g, '').toLowerCase() + '/'
  return own.some(function (prefix) {
    return module.indexOf(prefix + '/') === 0
  })
}

${decodeFunction}
${answerFunction}`
}

const decodeFunction = `function decode(uri) {
  try {
    return decodeURIComponent(uri)
  } catch (error) {
    return undefined
  }
}
`

const answerFunction = `// Go shows the text of an error only where it is plain text.
function answer(status, name, text) {
  var headers = { 'cache-control': { value: '${notKept}' }, 'content-type': { value: '${errorType}' } }
  if (status === 401) headers['www-authenticate'] = { value: 'Basic realm="Go modules"' }
  var body = { encoding: 'text', data: text === '' ? '' : text + '\\n' }
  return { statusCode: status, statusDescription: name, headers: headers, body: body }
}
`

// ---- Distributions ----

/** The policy "CachingOptimized", the same in all accounts: the lifetime is that of the object. */
const cachePolicy = '658327ea-f89d-4fab-a63d-7e88639e58f6'

const bucketOrigin = {
  Id: 'bucket',
  DomainName: 'BUCKET.s3.REGION.amazonaws.com',
  OriginPath: '',
  S3OriginConfig: { OriginAccessIdentity: '' },
}

function describeDistribution({ name, base, gatekeeper }: Server): Record<string, unknown> {
  const openOrigin = { ...bucketOrigin, OriginAccessControlId: 'ORIGIN-ACCESS-CONTROL' }
  const gatekeeperOrigin = {
    Id: 'gatekeeper',
    DomainName: 'GATEKEEPER.cloudfront.net',
    OriginPath: '',
    CustomOriginConfig: {
      HTTPPort: 80,
      HTTPSPort: 443,
      OriginProtocolPolicy: 'https-only',
      OriginSslProtocols: listOf('TLSv1.2'),
    },
  }
  const group = {
    Id: 'bucket-then-gatekeeper',
    FailoverCriteria: { StatusCodes: listOf(404) },
    Members: listOf({ OriginId: 'bucket' }, { OriginId: 'gatekeeper' }),
  }
  const hasGatekeeper = gatekeeper !== undefined
  return {
    ...distributionOf('modpress', 'Go modules'),
    Aliases: listOf(name),
    Origins: hasGatekeeper ? listOf<unknown>(openOrigin, gatekeeperOrigin) : listOf(openOrigin),
    ...(hasGatekeeper ? { OriginGroups: listOf(group) } : {}),
    DefaultCacheBehavior: behaviorOf(hasGatekeeper ? group.Id : bucketOrigin.Id),
    // Errors are not kept. Without a gatekeeper they are the page 404.html, for go as well as for people.
    CustomErrorResponses: hasGatekeeper
      ? listOf(...[403, 404].map((code) => errorOf(code)))
      : listOf(errorOf(403), errorOf(404, `${base}/404.html`)),
    ViewerCertificate: {
      ACMCertificateArn: 'CERTIFICATE-ARN',
      SSLSupportMethod: 'sni-only',
      MinimumProtocolVersion: 'TLSv1.2_2021',
    },
  }
}

function describeSecond(): Record<string, unknown> {
  // Its function answers everything: the origin, which is closed to it, is never asked.
  return {
    ...distributionOf('modpress-gatekeeper', 'What the Go modules do not have'),
    Origins: listOf(bucketOrigin),
    DefaultCacheBehavior: behaviorOf(bucketOrigin.Id),
  }
}

function distributionOf(reference: string, comment: string): Record<string, unknown> {
  return {
    CallerReference: reference,
    Comment: comment,
    Enabled: true,
    HttpVersion: 'http2and3',
    IsIPV6Enabled: true,
    PriceClass: 'PriceClass_100',
  }
}

function behaviorOf(target: string): Record<string, unknown> {
  const methods = { ...listOf('GET', 'HEAD'), CachedMethods: listOf('GET', 'HEAD') }
  return {
    TargetOriginId: target,
    ViewerProtocolPolicy: 'https-only',
    AllowedMethods: methods,
    // What is deflated already does not get smaller.
    Compress: false,
    CachePolicyId: cachePolicy,
    FunctionAssociations: listOf({ EventType: 'viewer-request', FunctionARN: 'FUNCTION-ARN' }),
  }
}

function errorOf(code: number, page = ''): Record<string, unknown> {
  return {
    ErrorCode: code,
    ResponsePagePath: page,
    ResponseCode: page === '' ? '' : String(code),
    ErrorCachingMinTTL: 0,
  }
}

function listOf<T>(...items: readonly T[]): { readonly Quantity: number; readonly Items: readonly T[] } {
  return { Quantity: items.length, Items: items }
}
