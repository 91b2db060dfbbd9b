/**
 * The part that all texts for a POSIX shell have in common: it puts what is
 * missing into lists of go's and keeps what is there, so that running it again
 * changes nothing. It is read by dash, bash, and zsh that was told "emulate sh".
 *
 * How a value is kept is the caller's: a shell function "put NAME VALUE".
 *
 * Pure.
 */

import type { Needs, Setting } from './needs.ts'
import { quoteShell } from './quote.ts'

/** Returns the commands that set what a site needs. There must be a function "put". */
export function renderSettings({ settings, own, chained }: Needs): string {
  if (settings.length === 0) return ''
  const [path] = own
  if (path !== undefined && own.length === 1 && chained.length === 0) return renderOwn(path)
  const hasDrop = settings.some(({ drop }) => drop !== undefined)
  return `${add}${hasDrop ? drop : ''}${settings.map(renderPut).join('')}`
}

/** The usual site needs GOPRIVATE alone; of the others only what is set already, and so does not follow it. */
function renderOwn(path: string): string {
  return `for name in GOPRIVATE GONOSUMDB GONOPROXY; do
  old=$(go env "$name")
  case ",$old," in
    *,${quoteShell(path)},*) ;;
    *) put "$name" ${quoteShell(path)}"\${old:+,$old}" ;;
  esac
done
`
}

function renderPut({ name, add, drop }: Setting): string {
  const old = `"$(go env ${name})"`
  const more = add.length === 0 ? old : `"$(add ${[old, ...add.map(quoteShell)].join(' ')})"`
  const rest = drop === undefined ? more : `"$(drop ${[more, ...drop.map(quoteShell)].join(' ')})"`
  return `put ${name} ${rest}\n`
}

const add = `# add LIST ENTRY...: the list, with the entries that it lacks in front. A site with a user or a last "/" is the same.
add() {
  list=$1
  there=$(printf ',%s,' "$1" | sed 's#//[^/,]*@#//#g; s#/\\([,|]\\)#\\1#g')
  shift
  for entry; do
    case $there in
      *[,\\|]"$entry"[,\\|]*) ;;
      *) list=$entry\${list:+,$list} ;;
    esac
  done
  printf '%s\\n' "$list"
}
`

const drop = `# drop LIST PATH...: the list, without patterns that match something below the paths.
drop() {
  kept= rest=$1,
  shift
  while [ -n "$rest" ]; do
    pattern=\${rest%%,*} rest=\${rest#*,}
    pattern=\${pattern%/}
    for path; do
      case $path/ in $pattern/*) pattern= ;; esac
      case $pattern/ in "$path"/*) pattern= ;; esac
    done
    case $pattern in
      '' | none) ;;
      *) kept=\${kept:+$kept,}$pattern ;;
    esac
  done
  printf '%s\\n' "\${kept:-none}"
}
`

/** Returns sentences as comments, for what sets variables. */
export function renderComments(lines: readonly string[]): string {
  return lines.map((line) => (line === '' ? '#\n' : `# ${line}\n`)).join('')
}

/** Returns how each kind of module is found, and what else is to be known, in lines. */
export function describeNeeds({ own, chained, settings, notes, name }: Needs): readonly string[] {
  if (settings.length === 0) return ['Go finds these modules by itself, and there is nothing to set:', ...own]
  return [
    ...own.map((path) => `${path}/...: go finds the site by itself.`),
    ...chained.map((path) => `${path}/...: ${name} is asked first, then who was asked before.`),
    ...notes,
  ]
}
