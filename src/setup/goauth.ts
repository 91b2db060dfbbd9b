/**
 * Commands for GOAUTH that send a token as "Authorization: Bearer", as GitLab
 * Pages with access control want it: .netrc knows only users and passwords. Go
 * runs such a command before its first request, and again after an answer that
 * is 4xx; it prints for which address which header is.
 *
 * The token is in GO_REGISTRY_TOKEN, or the password of the host in .netrc,
 * where a person keeps such things. Only requests to this site get it.
 *
 * Pure.
 *
 * @see go help goauth
 */

import type { Needs } from './needs.ts'
import { quotePowerShell, quoteShell } from './quote.ts'

/** Returns the script for a POSIX shell. */
export function renderShellHelper({ url, machine, name }: Needs): string {
  return `#!/bin/sh
# Tells go the token for ${name}, as GOAUTH.
# It is in GO_REGISTRY_TOKEN, or the password of the host in .netrc.
token=\${GO_REGISTRY_TOKEN-}
netrc=\${NETRC:-\${HOME-}/.netrc}
if [ -z "$token" ] && [ -r "$netrc" ]; then
  token=$(awk -v machine=${quoteShell(machine)} '
    { for (i = 1; i < NF; i += 2) {
        if ($i == "machine") here = ($(i + 1) == machine)
        if ($i == "password" && here) { print $(i + 1); exit }
    } }' "$netrc")
fi
if [ -z "$token" ]; then
  echo ${quoteShell(`There is no token for ${name} in GO_REGISTRY_TOKEN and in .netrc.`)} >&2
  exit 1
fi
printf '%s\\n\\nAuthorization: Bearer %s\\n\\n' ${quoteShell(url)} "$token"
`
}

/** Returns the script for PowerShell. */
export function renderPowerShellHelper({ url, machine, name }: Needs): string {
  return `# Tells go the token for ${name}, as GOAUTH.
# It is in GO_REGISTRY_TOKEN, or the password of the host in _netrc or .netrc.
$token = $env:GO_REGISTRY_TOKEN
if (-not $token) {
  $files = @($env:NETRC, (Join-Path $HOME '_netrc'), (Join-Path $HOME '.netrc'))
  $netrc = $files | Where-Object { $_ -and (Test-Path -LiteralPath $_) } | Select-Object -First 1
  $here = $false
  if ($netrc) {
    foreach ($line in [System.IO.File]::ReadAllLines($netrc)) {
      $words = @($line -split '\\s+' | Where-Object { $_ -ne '' })
      for ($i = 0; $i + 1 -lt $words.Count; $i += 2) {
        if ($words[$i] -ceq 'machine') { $here = $words[$i + 1] -ceq ${quotePowerShell(machine)} }
        if ($words[$i] -ceq 'password' -and $here -and -not $token) { $token = $words[$i + 1] }
      }
    }
  }
}
if (-not $token) {
  [Console]::Error.WriteLine(${quotePowerShell(`There is no token for ${name} in GO_REGISTRY_TOKEN and in _netrc.`)})
  exit 1
}
# Lines end in LF alone: go takes CRLF for a part of the address.
[Console]::Out.Write(${quotePowerShell(url)} + "\`n\`nAuthorization: Bearer $token\`n\`n")
`
}

/** Returns the value of GOAUTH for a job that has the token in GO_REGISTRY_TOKEN: no file is needed. */
export function renderJobHelper({ url }: Needs): string {
  // Go splits it as a shell does, and at each ";" whatever is around that.
  return `sh -c 'printf "%s\\n\\nAuthorization: Bearer %s\\n\\n" ${url} "$GO_REGISTRY_TOKEN"'`
}
