/**
 * What a person runs on Windows, in PowerShell 5.1 or newer: the same as
 * shell.ts does elsewhere. Go reads _netrc in the user's directory there, or
 * .netrc where that is the one that is there. The file is written without the
 * mark and the wide characters that PowerShell's own redirection would give it.
 *
 * All of it is one block, so that it can be piped into "iex" and leaves no
 * function behind.
 *
 * Pure.
 */

import { renderPowerShellHelper } from './goauth.ts'
import type { Needs, Setting } from './needs.ts'
import { indent, quotePowerShell } from './quote.ts'
import { describeNeeds, renderComments } from './script.ts'

/** Returns the script. */
export function renderWindows(needs: Needs): string {
  const head = renderComments([
    `Makes go on this machine read the modules of ${needs.name}.`,
    'What is set already is kept, and it may be run again.',
    '',
    ...describeNeeds(needs),
  ])
  const body = [settings(needs), credentials[needs.credentials](needs)].filter((part) => part !== '')
  if (body.length === 0) return renderComments(describeNeeds(needs))
  const done = `Write-Host ${quotePowerShell(`Go reads modules of ${needs.name}.`)}\n`
  return `${head}& {
${indent(`$ErrorActionPreference = 'Stop'\n${body.join('')}${done}`, 2)}}
`
}

function settings({ settings: lists }: Needs): string {
  if (lists.length === 0) return ''
  return `if ($env:GOENV -eq 'off') { throw 'GOENV is off, so that go has no file to keep settings in. Remove it.' }
# A site with a user or a last "/" is the same.
function Add-Entry([string] $List, [string[]] $Entries) {
  $there = $List -split '[,|]' -replace '//[^/]*@', '//' -replace '/$', ''
  foreach ($entry in $Entries) {
    if ($there -cnotcontains $entry) { $List = (@($entry, $List) -ne '') -join ',' }
  }
  $List
}
function Remove-Match([string] $List, [string[]] $Paths) {
  $kept = @($List -split ',' | ForEach-Object { $_ -replace '/$', '' } | Where-Object {
    $pattern = $_
    $hits = @($Paths | Where-Object { "$_/" -clike "$pattern/*" -or "$pattern/".StartsWith("$_/") })
    $pattern -ne '' -and $pattern -cne 'none' -and $hits.Count -eq 0
  })
  if ($kept.Count -eq 0) { 'none' } else { $kept -join ',' }
}
function Set-Go([string] $Name, [string] $Value) {
  if ([string](go env $Name) -ceq $Value) { return }
  if ([Environment]::GetEnvironmentVariable($Name)) {
    throw "$Name is set in the environment, which go obeys first. Change it there: $Name=$Value"
  }
  go env -w "$Name=$Value"
  if ($LASTEXITCODE -ne 0) { throw "go env -w $Name failed." }
}
${lists.map(renderSet).join('')}`
}

function renderSet({ name, add, drop }: Setting): string {
  const list = (texts: readonly string[]) => `@(${texts.map(quotePowerShell).join(', ')})`
  const old = `(go env ${name})`
  const more = add.length === 0 ? old : `(Add-Entry ${old} ${list(add)})`
  const rest = drop === undefined ? more : `(Remove-Match ${more} ${list(drop)})`
  return `Set-Go ${name} ${rest}\n`
}

const credentials: Readonly<Record<Needs['credentials'], (needs: Needs) => string>> = {
  none: () => '',
  password: (needs) => netrc(needs, 'password'),
  token: (needs) => `${netrc(needs, 'token')}${helper(needs)}`,
}

function netrc({ machine, name }: Needs, secret: 'password' | 'token'): string {
  const isToken = secret === 'token'
  const ask = isToken
    ? `    $secret = Read-Host -AsSecureString "Token with the scope read_api for $machine"`
    : `    $user = Read-Host "User for $machine (none if it asks for none)"
    if ($user) { $secret = Read-Host -AsSecureString "Password for $machine" }`
  return `
# Credentials. Go wants login and password, and the port in the name of the machine where it is not 443.
$machine = ${quotePowerShell(machine)}
$files = @($env:NETRC, (Join-Path $HOME '_netrc'), (Join-Path $HOME '.netrc')) | Where-Object { $_ }
$netrc = $files | Where-Object { Test-Path -LiteralPath $_ } | Select-Object -First 1
if ($env:NETRC -or -not $netrc) { $netrc = $files[0] }
$before = ''
if (Test-Path -LiteralPath $netrc) { $before = [System.IO.File]::ReadAllText($netrc) }
if ($before -cnotmatch ('(?m)(^|\\s)machine\\s+' + [regex]::Escape($machine) + '(\\s|$)')) {
  $user = ${isToken ? "'token'" : '$env:GO_REGISTRY_USER'}
  $secret = ${isToken ? '$env:GO_REGISTRY_TOKEN' : '$env:GO_REGISTRY_PASSWORD'}
  if (-not $secret -and [Environment]::UserInteractive -and -not [Console]::IsInputRedirected) {
${ask}
    if ($secret) { $secret = (New-Object System.Net.NetworkCredential('', $secret)).Password }
  }
  if ("$user$secret" -match '\\s') { throw 'A user or password with spaces cannot be in _netrc.' }
  if ($user -and $secret) {
    [System.IO.File]::WriteAllText($netrc, "machine $machine\`nlogin $user\`npassword $secret\`n$before")
  } else {
    Write-Warning (${quotePowerShell(`If ${name} asks for credentials, write these lines into`)} + " \${netrc}:")
    Write-Warning "machine $machine"
    Write-Warning 'login ${isToken ? 'token' : 'USER'}'
    Write-Warning 'password ${isToken ? 'TOKEN' : 'PASSWORD'}'
  }
}
`
}

function helper(needs: Needs): string {
  const file = `goauth-${needs.name.replaceAll(/[^\w.-]/g, '-')}.ps1`
  return `
# The host wants the token as "Authorization: Bearer", which a command of GOAUTH says.
$auth = [string](go env GOAUTH)
if ($auth -eq '') { throw 'Go 1.24 or newer is needed: older ones do not know GOAUTH.' }
$file = Join-Path $env:APPDATA ${quotePowerShell(`modpress\\${file}`)}
$null = New-Item -ItemType Directory -Force (Split-Path $file)
[System.IO.File]::WriteAllText($file, ${quotePowerShell(renderPowerShellHelper(needs))})
if ($file -match "[';]") { throw "GOAUTH cannot name a command in $file." }
$helper = "powershell -NoProfile -ExecutionPolicy Bypass -File '$file'"
if (($auth -split ';') -cnotcontains $helper) { Set-Go GOAUTH "$helper;$auth" }
`
}
