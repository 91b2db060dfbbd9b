/**
 * A configuration for nginx.
 *
 * Whoever may not read is told so before anything else: "try_files" comes after
 * the password, while "return" in a location of its own would come before it.
 *
 * Pure.
 *
 * @see https://nginx.org/en/docs/http/ngx_http_core_module.html
 */

import type { HostedSite, SiteFile } from '../model.ts'
import {
  contentType,
  extensionTypes,
  immutableFor,
  immutablePattern,
  mutableFor,
  notKept,
  notKeptPattern,
} from '../render/headers.ts'
import {
  describeRoot,
  describeServer,
  errorTexts,
  errorType,
  goPattern,
  privatePattern,
  type Server,
} from './server.ts'

/** Returns `-/host/nginx.conf`. */
export function renderNginx(site: HostedSite): SiteFile[] {
  return [{ path: '-/host/nginx.conf', body: render(describeServer(site)) }]
}

function render(server: Server): string {
  const { name, port, base, basePattern, access, gatekeeper } = server
  return `# nginx 1.18 or newer. Serves the registry over TLS${access === 'private' ? ' to those who have the password' : ''}.
# Copy it to /etc/nginx/conf.d/modpress.conf, and look at each line below the word CHANGE.

map $uri $modpress_cache {
  "~${immutablePattern(basePattern)}" "${immutableFor(access)}";
  "~${notKeptPattern(basePattern)}" "${notKept}";
  default "${mutableFor(access)}";
}
${renderMissing(gatekeeper)}
server {
  listen ${port} ssl;
  # CHANGE: the name that readers know the server by
  server_name ${name};
  # CHANGE: its certificate, with what leads to its authority, and the key
  ssl_certificate /etc/ssl/modpress/cert.pem;
  ssl_certificate_key /etc/ssl/modpress/key.pem;
  # CHANGE: ${describeRoot(server)}
  root /srv/modpress;
${renderAuth(access)}
  types {
${extensionTypes.map(([extension, type]) => `    "${type}" ${extension.slice(1)};`).join('\n')}
  }
  default_type "${contentType('')}";
  # Without "always" they are not on errors, which must not be kept.
  add_header Cache-Control $modpress_cache;
  add_header X-Content-Type-Options nosniff;

  error_page 404 ${base}/404.html;
  location ~ "${privatePattern(basePattern)}" { return 404; }

  # Go shows the text of an error only where it is plain text.
  location ~ "/@latest$" {
    types { }
    default_type "${contentType('@latest')}";
    try_files $uri @missing;
  }
  location ~ "^${basePattern}/sumdb/.*/tile/" {
    types { }
    default_type "${contentType('sumdb/x/tile/8/0/000')}";
    try_files $uri @missing;
  }
  location ~ "^${basePattern}/sumdb/" {
    types { }
    default_type "${contentType('sumdb/x/latest')}";
    try_files $uri @missing;
  }
  location ~ "${goPattern(basePattern)}" { try_files $uri ${gatekeeper === undefined ? '@missing' : '$modpress_missing'}; }
  # No redirect from a page to "page/": ?go-get=1 is answered at once.
  location / { try_files $uri $uri/index.html =404; }
${renderAnswer('@missing', 404)}${renderGatekeeper(gatekeeper)}}
`
}

function renderAuth(access: Server['access']): string {
  if (access === 'public') return ''
  return `
  auth_basic "Go modules";
  # CHANGE: users and hashed passwords, as htpasswd writes them
  auth_basic_user_file /etc/nginx/modpress.htpasswd;
  error_page 401 @unauthorized;
${renderAnswer('@unauthorized', 401)}`
}

/** A line for each prefix: nginx takes none of more than 4 KB. */
function renderMissing(gatekeeper: Server['gatekeeper']): string {
  if (gatekeeper === undefined) return ''
  return `
# Below the own prefixes no other proxy is asked: a list that is not there is empty, and all else is forbidden.
map $uri $modpress_missing {
${gatekeeper.lists.map((pattern) => `  "~*${pattern}" @empty;\n`).join('')}${gatekeeper.files.map((pattern) => `  "~*${pattern}" @forbidden;\n`).join('')}  default @missing;
}
`
}

function renderGatekeeper(gatekeeper: Server['gatekeeper']): string {
  if (gatekeeper === undefined) return ''
  return `  location @empty { types { } return 200 ""; }
${renderAnswer('@forbidden', 403)}`
}

function renderAnswer(location: string, status: keyof typeof errorTexts): string {
  return `  location ${location} {
    types { }
    default_type "${errorType}";
    add_header Cache-Control ${notKept} always;
    return ${status} "${errorTexts[status]}\\n";
  }
`
}
