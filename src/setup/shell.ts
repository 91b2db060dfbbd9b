/**
 * What a person runs on Linux or macOS, once: it keeps settings by "go env -w",
 * so that editors see them, too, and writes credentials where go looks for
 * them. It does not touch the shell that runs it, all of it is in a subshell,
 * which also means that a half of it does nothing.
 *
 * Credentials come from GO_REGISTRY_USER and GO_REGISTRY_PASSWORD, or are asked
 * for where there is a terminal, since its standard input may be the script.
 * What the environment sets wins, and may be for the moment: it is told, and
 * not kept by "go env -w".
 *
 * A new line of .netrc goes in front: go takes the first that fits, and what is
 * behind "default" or an open macro it may not read.
 *
 * Pure.
 */

import { renderShellHelper } from './goauth.ts'
import type { Needs } from './needs.ts'
import { quoteShell } from './quote.ts'
import { describeNeeds, renderComments, renderSettings } from './script.ts'

/** Returns the script: POSIX, for dash, bash, zsh and their like, also by "eval". */
export function renderShell(needs: Needs): string {
  const { name, chained } = needs
  const head = renderComments([
    `Makes go on this machine read the modules of ${name}.`,
    'What is set already is kept, and it may be run again.',
    '',
    ...describeNeeds(needs),
  ])
  const body = [settings(needs), credentials[needs.credentials](needs)].filter((part) => part !== '')
  if (body.length === 0) return renderComments(describeNeeds(needs))
  return `${head}(
[ -z "\${ZSH_VERSION-}" ] || emulate sh
command -v go >/dev/null || { echo 'go is not installed, or not in PATH.' >&2; exit 1; }
failed=0
${body.join('')}[ "$failed" = 0 ] || exit 1
echo ${quoteShell(`Go reads modules of ${name}.`)}
)
${git(chained)}`
}

function settings(needs: Needs): string {
  const commands = renderSettings(needs)
  if (commands === '') return ''
  return `if [ "\${GOENV-}" = off ]; then
  echo 'GOENV is off, so that go has no file to keep settings in. Unset it, and run this again.' >&2
  exit 1
fi
put() {
  [ "$(go env "$1")" != "$2" ] || return 0
  if [ -z "$(printenv "$1")" ]; then
    go env -w "$1=$2" || exit 1
    return
  fi
  echo "$1 is set in the environment, which go obeys first. Change it there: $1=$2" >&2
  failed=1
}
${commands}`
}

const credentials: Readonly<Record<Needs['credentials'], (needs: Needs) => string>> = {
  none: () => '',
  password: (needs) => netrc(needs, 'password'),
  token: (needs) => `${netrc(needs, 'token')}${helper(needs)}`,
}

/** Writes the lines of .netrc, unless there are some. GitLab takes any user beside a token. */
function netrc({ machine, name }: Needs, kind: 'password' | 'token'): string {
  const isToken = kind === 'token'
  const [user, variable] = isToken ? ['token', 'TOKEN'] : [`\${GO_REGISTRY_USER-}`, 'PASSWORD']
  return `
# Credentials. Go wants login and password, and the port in the name of the machine where it is not 443.
machine=${quoteShell(machine)}
netrc=\${NETRC:-$HOME/.netrc}
has_machine() {
  [ -r "$netrc" ] && awk -v machine="$machine" '
    { for (i = 1; i < NF; i += 2) if ($i == "machine" && $(i + 1) == machine) found = 1 }
    END { exit !found }' "$netrc"
}
ask_secret() {
  trap 'stty echo </dev/tty; exit 130' INT
  stty -echo </dev/tty
  printf '%s for %s: ' "$1" "$machine" >/dev/tty
  IFS= read -r secret </dev/tty
  stty echo </dev/tty
  trap - INT
  echo >/dev/tty
}
if ! has_machine; then
  user=${user} secret=\${GO_REGISTRY_${variable}-}
  if [ -z "$secret" ] && [ -t 2 ] && (: </dev/tty) 2>/dev/null; then
${isToken ? askToken : askPassword}  fi
  case $user$secret in
    *[[:space:]]*) echo 'A user or password with spaces cannot be in .netrc.' >&2; exit 1 ;;
  esac
  if [ -n "$user" ] && [ -n "$secret" ]; then
    umask 077
    { printf 'machine %s\\nlogin %s\\npassword %s\\n' "$machine" "$user" "$secret"
      if [ -r "$netrc" ]; then cat "$netrc"; fi
    } >"$netrc.new" && cat "$netrc.new" >"$netrc" && rm "$netrc.new" && chmod 600 "$netrc" || exit 1
  else
    echo ${quoteShell(`If ${name} asks for credentials, write these lines into`)} "$netrc:" >&2
    echo "  machine $machine" >&2
    echo '  login ${isToken ? 'token' : 'USER'}' >&2
    echo '  password ${isToken ? 'TOKEN' : 'PASSWORD'}' >&2
  fi
elif [ -n "\${GO_REGISTRY_${variable}-}" ]; then
  case "$(cat "$netrc") " in
    *"password $GO_REGISTRY_${variable}"[[:space:]]*) ;;
    *) echo "$netrc has another password for $machine, which stays. Change it there." >&2 ;;
  esac
fi
`
}

const askPassword = `    printf 'User for %s (none if it asks for none): ' "$machine" >/dev/tty
    IFS= read -r user </dev/tty
    [ -z "$user" ] || ask_secret Password
`

const askToken = `    ask_secret 'Token with the scope read_api'
`

function helper(needs: Needs): string {
  const file = `goauth-${needs.name.replaceAll(/[^\w.-]/g, '-')}.sh`
  return `
# The host wants the token as "Authorization: Bearer", which a command of GOAUTH says.
auth=$(go env GOAUTH)
[ -n "$auth" ] || { echo 'Go 1.24 or newer is needed: older ones do not know GOAUTH.' >&2; exit 1; }
directory=\${XDG_CONFIG_HOME:-$HOME/.config}/modpress
mkdir -p "$directory" || exit 1
cat >"$directory/${file}" <<'END_OF_HELPER' || exit 1
${renderShellHelper(needs)}END_OF_HELPER
chmod 700 "$directory/${file}" || exit 1
case $directory in
  *[\\'\\;]*) echo "GOAUTH cannot name a command in $directory." >&2; exit 1 ;;
  *[[:space:]]*) helper="'$directory/${file}'" ;;
  *) helper=$directory/${file} ;;
esac
case ";$auth;" in
  *";$helper;"*) ;;
  *) put GOAUTH "$helper;$auth" ;;
esac
`
}

/** For those who clone what the site does not have. */
function git(chained: readonly string[]): string {
  const hosted = chained.filter((path) => path.includes('/'))
  if (hosted.length === 0) return ''
  return `
${renderComments([
  'What no proxy has is cloned by git where GOPROXY ends in "direct". Where that is private, git needs SSH:',
  ...hosted.map((path) => `  git config --global url.ssh://git@${path}/.insteadOf https://${path}/`),
])}`
}
