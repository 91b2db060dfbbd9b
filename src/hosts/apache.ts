/**
 * A configuration for Apache: a virtual host.
 *
 * mod_mime looks at every dot of a name, and a version may be "v1.0.0-rc.php":
 * handlers and encodings by extension are taken off, and of types the last
 * extension wins, which is the real one.
 *
 * Rules for files that are not there are those of the directory, since they are
 * looked at after the password, and those of the server before it.
 *
 * Pure.
 *
 * @see https://httpd.apache.org/docs/2.4/
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

const emptyFile = '-/host/empty.txt'

/** Returns `-/host/apache.conf`, and for a gatekeeper the list that is empty. */
export function renderApache(site: HostedSite): SiteFile[] {
  const server = describeServer(site)
  const empty = server.gatekeeper === undefined ? [] : [{ path: emptyFile, body: '' }]
  return [{ path: '-/host/apache.conf', body: render(server) }, ...empty]
}

function render(server: Server): string {
  const { name, port, base, basePattern, access, gatekeeper } = server
  const isKept = "\"expr=%{REQUEST_STATUS} in {'200', '206', '304'}\""
  return `# Apache 2.4. Serves the registry over TLS${access === 'private' ? ' to those who have the password' : ''}.
# Copy it to /etc/apache2/sites-available/modpress.conf, look at each line below the word CHANGE, and then:
#   a2enmod ssl headers rewrite && a2ensite modpress && systemctl reload apache2

# CHANGE: ${describeRoot(server)}
Define MODPRESS_ROOT /srv/modpress

${port === 443 ? '' : `Listen ${port} https\n`}<VirtualHost *:${port}>
  # CHANGE: the name that readers know the server by
  ServerName ${name}
  # CHANGE: its certificate, with what leads to its authority, and the key
  SSLEngine on
  SSLCertificateFile /etc/ssl/modpress/cert.pem
  SSLCertificateKeyFile /etc/ssl/modpress/key.pem
  DocumentRoot "\${MODPRESS_ROOT}"

  RewriteEngine On
  RewriteRule "${privatePattern(basePattern)}" "-" [R=404,L]
  # No redirect from a page to "page/": ?go-get=1 is answered at once.
  RewriteCond "%{DOCUMENT_ROOT}%{REQUEST_URI}/index.html" -f
  RewriteRule "^(.+[^/])$" "$1/index.html"

  <Directory "\${MODPRESS_ROOT}">
    Options FollowSymLinks
    AllowOverride None
    DirectoryIndex index.html
    DirectorySlash Off
${renderAuth(access)}
    SetHandler default-handler
    RemoveEncoding .gz .tgz .Z .br .bz2 .xz .svgz
    AddDefaultCharset Off
${extensionTypes.map(([extension, type]) => `    AddType "${type}" ${extension}`).join('\n')}
    <FilesMatch "^\\.?[^.]*$">
      ForceType "${contentType('')}"
    </FilesMatch>
${renderGatekeeper(gatekeeper, base)}  </Directory>

  # Not on errors, which must not be kept.
  Header set X-Content-Type-Options nosniff
  Header set Cache-Control "${mutableFor(access)}" ${isKept}
  <LocationMatch "^${basePattern}/sumdb/">
    ForceType "${contentType('sumdb/x/latest')}"
  </LocationMatch>
  <LocationMatch "^${basePattern}/sumdb/.*/tile/">
    ForceType "${contentType('sumdb/x/tile/8/0/000')}"
  </LocationMatch>
  <LocationMatch "/@latest$">
    ForceType "${contentType('x/@latest')}"
  </LocationMatch>
  <LocationMatch "${notKeptPattern(basePattern)}">
    Header set Cache-Control "${notKept}" ${isKept}
  </LocationMatch>
  <LocationMatch "${immutablePattern(basePattern)}">
    Header set Cache-Control "${immutableFor(access)}" ${isKept}
  </LocationMatch>

  # Go shows the text of an error only where it is plain text.
  Header always set Cache-Control "${notKept}" "expr=%{REQUEST_STATUS} -ge 400"
  Header always set Content-Type "${errorType}" "expr=%{REQUEST_STATUS} in {'401', '403'}"
  ErrorDocument 401 "${errorTexts[401]}"
  ErrorDocument 403 "${gatekeeper === undefined ? 'forbidden' : errorTexts[403]}"
  ErrorDocument 404 ${base}/404.html
  <LocationMatch "${goPattern(basePattern)}">
    ErrorDocument 404 "${errorTexts[404]}"
    Header always set Content-Type "${errorType}" "expr=%{REQUEST_STATUS} == 404"
  </LocationMatch>
</VirtualHost>
`
}

function renderAuth(access: Server['access']): string {
  if (access === 'public') return '    Require all granted\n'
  return `    AuthType Basic
    AuthName "Go modules"
    AuthBasicProvider file
    # CHANGE: users and hashed passwords, as htpasswd writes them
    AuthUserFile /etc/apache2/modpress.htpasswd
    Require valid-user
`
}

function renderGatekeeper(gatekeeper: Server['gatekeeper'], base: string): string {
  if (gatekeeper === undefined) return ''
  const isMissing = '    RewriteCond "%{DOCUMENT_ROOT}%{REQUEST_URI}" !-f'
  return `
    # Below the own prefixes no other proxy is asked: a list that is not there is empty, and all else is forbidden.
    RewriteEngine On
${isMissing}
    RewriteCond "%{REQUEST_URI}" "${gatekeeper.lists.join('|')}" [NC]
    RewriteRule "^" "${base}/${emptyFile}" [L]
${isMissing}
    RewriteCond "%{REQUEST_URI}" "${gatekeeper.files.join('|')}" [NC]
    RewriteRule "^" "-" [F]
`
}
