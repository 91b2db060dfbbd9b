/**
 * A configuration for Caddy: one site of a Caddyfile, to be the whole of it or
 * a part.
 *
 * "route" keeps the order of what it holds. Without it Caddy would set headers
 * before it asks for the password, and the answer 401 had a lifetime.
 *
 * Pure.
 *
 * @see https://caddyserver.com/docs/caddyfile
 */

import type { HostedSite, SiteFile } from '../model.ts'
import { escapePattern } from '../module/pattern.ts'
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

/** Returns `-/host/Caddyfile`. */
export function renderCaddy(site: HostedSite): SiteFile[] {
  return [{ path: '-/host/Caddyfile', body: render(describeServer(site)) }]
}

function render(server: Server): string {
  const { name, port, base, basePattern, access, gatekeeper } = server
  const answers = gatekeeper === undefined ? ([401, 404] as const) : ([401, 403, 404] as const)
  return `# Caddy 2.6 or newer. Serves the registry over TLS${access === 'private' ? ' to those who have the password' : ''}.
# Make it /etc/caddy/Caddyfile, or a part of it, and look at each line below the word CHANGE.

# CHANGE: the name that readers know the server by
https://${name}${port === 443 ? '' : `:${port}`} {
	# CHANGE: ${describeRoot(server)}
	root * /srv/modpress
	# CHANGE: a certificate of your own; without this line Caddy gets one by itself
	# tls /etc/ssl/modpress/cert.pem /etc/ssl/modpress/key.pem

	map {path} {modpress_cache} {
		~${immutablePattern(basePattern)} "${immutableFor(access)}"
		~${notKeptPattern(basePattern)} "${notKept}"
		default "${mutableFor(access)}"
	}
	map {path} {modpress_type} {
		~/@latest$ "${contentType('@latest')}"
		~^${basePattern}/sumdb/.*/tile/ "${contentType('sumdb/x/tile/8/0/000')}"
		~^${basePattern}/sumdb/ "${contentType('sumdb/x/latest')}"
${extensionTypes.map(([extension, type]) => `\t\t~${escapePattern(extension)}$ "${type}"`).join('\n')}
		default "${contentType('')}"
	}

	route {
${renderAuth(access)}		@private path_regexp ${privatePattern(basePattern)}
		error @private 404
${renderGatekeeper(gatekeeper)}		# No redirect from a page to "page/": ?go-get=1 is answered at once.
		try_files {path} {path}/index.html
		header Cache-Control {modpress_cache}
		header Content-Type {modpress_type}
		header X-Content-Type-Options nosniff
		file_server {
			disable_canonical_uris
		}
	}

	handle_errors {
		# Go shows the text of an error only where it is plain text.
		header Cache-Control ${notKept}
		header Content-Type "${errorType}"
		@page {
			expression {err.status_code} == 404
			not path_regexp ${goPattern(basePattern)}
		}
		handle @page {
			header Content-Type "${contentType('404.html')}"
			rewrite * ${base}/404.html
			file_server {
				status 404
			}
		}
${answers.map(renderAnswer).join('')}		respond "{err.status_code} {err.status_text}"
	}
}
`
}

function renderAuth(access: Server['access']): string {
  if (access === 'public') return ''
  return `		# Named basic_auth from Caddy 2.8 on, which knows this name, too.
		basicauth {
			# CHANGE: a file with a line for each user: the name, a space, and what "caddy hash-password" prints
			import /etc/caddy/modpress-users
		}
`
}

function renderGatekeeper(gatekeeper: Server['gatekeeper']): string {
  if (gatekeeper === undefined) return ''
  return `		# Below the own prefixes no other proxy is asked: a list that is not there is empty, and all else is forbidden.
		@emptyList {
			path_regexp (?i)${gatekeeper.lists.join('|')}
			not file {path}
		}
		handle @emptyList {
			header Cache-Control {modpress_cache}
			header Content-Type "${contentType('x/@v/list')}"
			respond "" 200
		}
		@forbidden {
			path_regexp (?i)${gatekeeper.files.join('|')}
			not file {path}
		}
		error @forbidden 403
`
}

function renderAnswer(status: keyof typeof errorTexts): string {
  return `		@${status} expression {err.status_code} == ${status}
		handle @${status} {
			respond "${errorTexts[status]}
" ${status}
		}
`
}
