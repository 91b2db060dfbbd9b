/**
 * What to change at which host. Where a table has nothing for a host, the hint
 * of the catalogue stands.
 *
 * Pure. A table.
 */

import type { HostName } from '../model.ts'
import type { ProblemCode } from '../problem.ts'

type Hints = Partial<Readonly<Record<HostName, string>>>

/** Returns the hint for a code at a host; undefined where there is no better one than the catalogue's. */
export function hintFor(code: ProblemCode, host: HostName): string | undefined {
  return table[code]?.[host]
}

const listBucket =
  'Grant s3:ListBucket on the bucket to whoever reads it: without it S3 answers 403 for what is not there.'
const notFoundPage =
  'Deploy the 404.html at the top of the site: without it the host answers every path with its front page.'
const nginxMissing =
  'Write "try_files $uri $uri/index.html =404;" and "error_page 403 =404 /404.html;", with no other fallback.'
const caddyMissing =
  'Leave "try_files … /index.html" out of the Caddyfile, so that "file_server" answers 404 by itself.'
const apacheMissing =
  'Remove FallbackResource and rewrites to index.html; ErrorDocument must name a local path, no address.'
const cloudfrontErrors =
  'Remove the custom error responses that turn 403 or 404 into 200, and grant s3:ListBucket to the distribution.'

const missingAnswered: Hints = {
  nginx: nginxMissing,
  caddy: caddyMissing,
  apache: apacheMissing,
  cloudfront: cloudfrontErrors,
  cloudflare: notFoundPage,
  'github-pages': notFoundPage,
  'gitlab-pages': notFoundPage,
  netlify: 'Remove the rule "/* /index.html 200" from _redirects, and deploy the 404.html of the site.',
}

const encoded: Hints = {
  nginx: 'Let proxy_pass have no path of its own, so that nginx passes names on as they came.',
  apache:
    'Set "AllowEncodedSlashes NoDecode" and "nocanon" at ProxyPass, so that names are passed on as they came.',
  cloudfront: 'Rewrite nothing but what the function in -/host/ rewrites, and forward the path as it came.',
}

const altered: Hints = {
  cloudflare:
    'Turn off what rewrites content in transit (minification, e-mail obfuscation), and purge the cache.',
  cloudfront: 'Invalidate the path in the distribution, and compare with the bucket: modpress verify s3://….',
  nginx:
    'Turn "sub_filter" and other rewriting off for the site, and compare with the directory: modpress verify DIR.',
}

const purge: Hints = {
  cloudfront:
    'Invalidate /*/@v/list, /*/@latest and /-/* in the distribution, and let it honour Cache-Control.',
  cloudflare: 'Purge the cache, and remove the rules that cache everything or set another Edge TTL.',
  nginx:
    'Set "expires" or Cache-Control to a minute for list, @latest and -/, and empty the cache of proxy_cache.',
}

const table: Partial<Readonly<Record<ProblemCode, Hints>>> = {
  'missing-forbidden': {
    s3: listBucket,
    cloudfront:
      'Grant s3:ListBucket to the distribution: without it S3 answers 403 for what is not there, and CloudFront passes that on.',
    nginx: 'Write "error_page 403 =404 /404.html;", and "try_files $uri $uri/index.html =404;".',
    apache:
      'Load mod_dir with DirectoryIndex index.html and leave mod_autoindex off; a directory without an index is 403 else.',
    caddy:
      'Look for "respond 403" or "abort" in the Caddyfile, and let "file_server" answer what is not there.',
    'gitlab-pages': 'Private Pages answer so to those without access: consumers need a token, by GOAUTH.',
  },
  'missing-answered': missingAnswered,
  'missing-redirected': {
    'gitlab-pages':
      'Access control of Pages sends readers to a login that go cannot pass: give go a token by GOAUTH.',
    cloudflare:
      'Cloudflare Access sends readers to a login that go cannot pass: let go in by a service token, or take Access off.',
    netlify: 'Remove the redirects for unknown paths from _redirects and netlify.toml.',
    apache: 'ErrorDocument must name a local path: with an address Apache redirects.',
    nginx: 'Let auth_request or the login in front of nginx answer 401 instead of a redirect.',
  },
  'missing-cached': {
    nginx:
      'Leave "always" out of add_header and expires, and set "proxy_cache_valid 404" to 0 where there is a cache.',
    cloudfront: 'Set the error caching minimum TTL of 403 and 404 to 0 seconds.',
    apache:
      'Set Cache-Control inside <FilesMatch>, for files of the proxy: outside of it the error document gets it, too.',
    caddy: 'Put "header Cache-Control" into handlers of files that are there, and not before handle_errors.',
    s3: 'Whatever is in front of the bucket adds this: let it keep no errors.',
    cloudflare: 'Remove rules for headers that are about every path, such as "/*": they are about 404s, too.',
    netlify: 'Remove rules for headers that are about every path, such as "/*": they are about 404s, too.',
  },
  'plus-misread': {
    s3: 'S3 takes "+" in a path for a space: publish with modpress, which writes a second object for each such name.',
    cloudfront:
      'S3 takes "+" in a path for a space: publish with modpress, or let the function in -/host/ write "%2B".',
  },
  'bang-misread': encoded,
  'name-encoding': encoded,
  'file-missing': {
    'github-pages': 'Deploy .nojekyll at the top: Jekyll leaves out names that begin with "_", "." or "~".',
    cloudflare: 'Look whether the deployment left out files: Pages takes 20,000 files of at most 25 MiB.',
  },
  'file-forbidden': { s3: 'Allow s3:GetObject on all of the prefix to whoever reads it.' },
  'zip-altered': altered,
  'mod-altered': altered,
  'info-altered': altered,
  'list-stale': purge,
  'answer-stale': purge,
  'record-stale': purge,
  'cached-long': purge,
  'page-unresolvable': {
    cloudflare: 'Turn Auto Minify of HTML off: it leaves out quotes that go needs.',
    netlify: 'Turn "Pretty URLs" and the minification of HTML off: they change what go reads.',
  },
  'zip-encoded': {
    nginx: 'Leave application/zip out of gzip_types.',
    apache: 'Leave application/zip out of AddOutputFilterByType DEFLATE.',
    caddy: 'Match text only at "encode".',
    cloudfront: 'Turn compression off for *.zip.',
  },
  'gatekeeper-open': {
    nginx: 'Include -/host/nginx.conf of the site, which has the rules of the gatekeeper.',
    caddy: 'Import -/host/Caddyfile of the site, which has the rules of the gatekeeper.',
    apache: 'Include -/host/apache.conf of the site, which has the rules of the gatekeeper.',
    cloudfront: 'Publish the function of -/host/ again: it has the rules of the gatekeeper.',
  },
  'private-but-readable': {
    s3: 'Turn Block Public Access on, and grant s3:GetObject to no "*".',
    cloudfront:
      'Attach the function of -/host/, which asks for a password, to the viewer requests of every behaviour.',
    nginx: 'Set auth_basic at the server, and not in some of its locations.',
    caddy: 'Put basic_auth around all of the site, inside route.',
    apache: 'Set "Require valid-user" for all of the directory.',
    'gitlab-pages': 'Set the visibility of Pages to project members in the settings of the project.',
    'github-pages':
      'Anyone can read GitHub Pages: take another host, or set "access: public" if that is meant.',
    cloudflare:
      'Anyone can read Cloudflare Pages: take another host, or set "access: public" if that is meant.',
    netlify: 'Anyone can read Netlify: take another host, or set "access: public" if that is meant.',
  },
}
