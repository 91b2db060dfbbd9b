/**
 * Scripts that complete commands and flags in bash, zsh and fish. They are
 * made from the one table of commands, so that they say what the program does,
 * and need nothing but the shell itself: completing never starts Node.
 *
 * The names of values decide what is offered: choices where there are some,
 * files for FILE, directories for DIR, and nothing for others.
 */

import type { Argument, Command, Option } from 'commander'

type Shell = 'bash' | 'zsh' | 'fish'

/** Returns the script of a shell. */
export function renderCompletion(shell: Shell, program: Command): string {
  return renderers[shell](describe(program))
}

// ---- The table, as the shells need it ----

interface Flag {
  /** "--json"; with its short form "-h", "--help". */
  readonly names: readonly string[]
  readonly about: string
  readonly value?: Value
  readonly isRepeatable: boolean
}

interface Value {
  readonly name: string
  readonly choices: readonly string[]
}

interface Entry {
  readonly name: string
  readonly about: string
  readonly flags: readonly Flag[]
  readonly values: readonly Value[]
}

interface Table {
  readonly name: string
  readonly common: readonly Flag[]
  readonly commands: readonly Entry[]
}

function describe(program: Command): Table {
  const help = program.createHelp()
  const names = help.visibleCommands(program).map((command) => command.name())
  return {
    name: program.name(),
    common: help.visibleOptions(program).map(describeFlag),
    commands: help.visibleCommands(program).map((command) => ({
      name: command.name(),
      about: help.subcommandDescription(command),
      flags: command.options.filter((option) => !option.hidden).map(describeFlag),
      values: command.registeredArguments.map((each) => describeArgument(each, names)),
    })),
  }
}

function describeFlag(option: Option): Flag {
  const { short, long, description, argChoices, flags } = option
  const name = /[<[]([^>\]]+)[>\]]/.exec(flags)?.[1]
  const [about = ''] = description.split(/[;.]/)
  return {
    names: [short, long].filter((each) => each !== undefined),
    about,
    isRepeatable: description.endsWith('Repeatable'),
    ...(name === undefined ? {} : { value: { name, choices: argChoices ?? [] } }),
  }
}

function describeArgument(argument: Argument, commands: readonly string[]): Value {
  const name = argument.name()
  return { name, choices: name === 'COMMAND' ? commands : (argument.argChoices ?? []) }
}

/** Tells whether a value may be a directory: "DIR", "URL|DIR". */
function isDirectory({ name }: Value): boolean {
  return name.split('|').includes('DIR')
}

const renderers: Readonly<Record<Shell, (table: Table) => string>> = { bash, zsh, fish }

// ---- bash ----

/** Works in bash 3.2 too, which macOS has: no mapfile, and file names that only later ones mark as such. */
function bash({ name, common, commands }: Table): string {
  const flags = [...common, ...commands.flatMap((command) => command.flags)]
  const valued = flags.flatMap(({ names, value }) => (value === undefined ? [] : { names, value }))
  const ofFlags = valued.map(({ names, value }) => `    ${names.join(' | ')}) ${bashKind(value)} ;;`)
  const ofCommands = commands.map((command) => {
    const own = bashWords([...command.flags, ...common].flatMap((flag) => flag.names))
    return `      ${command.name}) ${own} ${bashKind(command.values[0])} ;;`
  })
  return `# bash completion for ${name}. In ~/.bashrc: source <(${name} completion bash)
_${name}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} kind= words= flags= command= i
  COMPREPLY=()
  # "--flag=value" arrives as three words.
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  case $prev in
${[...new Set(ofFlags)].join('\n')}
  esac
  if [[ -z $kind ]]; then
    for ((i = 1; i < COMP_CWORD; i++)); do
      case \${COMP_WORDS[i]} in
        ${[...new Set(valued.flatMap(({ names }) => names))].join(' | ')}) ((i++)) ;;
        -*) ;;
        *) command=\${COMP_WORDS[i]} && break ;;
      esac
    done
    case $command in
      '') ${bashWords(common.flatMap((flag) => flag.names))} kind=words words='${commands.map((command) => command.name).join(' ')}' ;;
${ofCommands.join('\n')}
    esac
    [[ $cur == -* ]] && kind=words words=$flags
  fi
  case $kind in
    words) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
    files | directories)
      compopt -o filenames 2>/dev/null
      local IFS=$'\\n'
      if [[ $kind == files ]]; then COMPREPLY=($(compgen -f -- "$cur")); else COMPREPLY=($(compgen -d -- "$cur")); fi
      ;;
  esac
}
complete -F _${name} ${name}
`
}

function bashWords(flags: readonly string[]): string {
  return `flags='${flags.join(' ')}'`
}

function bashKind(value: Value | undefined): string {
  if (value !== undefined && value.choices.length > 0) return `kind=words words='${value.choices.join(' ')}'`
  if (value?.name === 'FILE') return 'kind=files'
  return value !== undefined && isDirectory(value) ? 'kind=directories' : 'kind=nothing'
}

// ---- zsh ----

function zsh({ name, common, commands }: Table): string {
  const arms = commands.map((command) => {
    const values = command.values.map((value, index) => `'${index + 1}:${zshValue(value)}'`)
    const specs = [...command.flags.map(zshFlag), ...values]
    return `        ${command.name}) _arguments $common ${specs.join(' ')} ;;`
  })
  return `#compdef ${name}
# zsh completion for ${name}: in a file _${name} of a directory in $fpath, or in ~/.zshrc after compinit:
# source <(${name} completion zsh)
_${name}() {
  local line state curcontext=$curcontext
  local -a common commands
  common=(
${common.map((flag) => `    ${zshFlag(flag)}`).join('\n')}
  )
  commands=(
${commands.map((command) => `    ${quote(`${command.name}:${command.about}`)}`).join('\n')}
  )
  _arguments -C $common '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe command commands ;;
    argument)
      case $line[1] in
${arms.join('\n')}
      esac
      ;;
  esac
}
if [[ $funcstack[1] == _${name} ]]; then
  _${name} "$@"
else
  compdef _${name} ${name}
fi
`
}

function zshFlag({ names, about, value, isRepeatable }: Flag): string {
  const text = about.replaceAll(/[[\]:\\]/g, '\\$&')
  const action = value === undefined ? '' : `:${zshValue(value)}`
  const specs = names.map((each) => {
    const others = isRepeatable ? '*' : names.length > 1 ? `(${names.join(' ')})` : ''
    return quote(
      `${others}${each}${value !== undefined && each.startsWith('--') ? '=' : ''}[${text}]${action}`,
    )
  })
  return specs.join(' ')
}

function zshValue(value: Value): string {
  const { name, choices } = value
  if (choices.length > 0) return `${name}:(${choices.join(' ')})`
  const action = name === 'FILE' ? '_files' : isDirectory(value) ? '_files -/' : ' '
  return `${name.replaceAll(':', '\\:')}:${action}`
}

// ---- fish ----

function fish({ name, common, commands }: Table): string {
  const line = (...parts: readonly string[]) => ['complete', '-c', name, ...parts.filter(Boolean)].join(' ')
  const all = commands.map((command) => command.name).join(' ')
  const isBare = `not __fish_seen_subcommand_from ${all}`
  return `${[
    `# fish completion for ${name}: ${name} completion fish > ~/.config/fish/completions/${name}.fish`,
    line('-f'),
    ...common.map((flag) => line(fishFlag(flag))),
    ...commands.map(({ name: command, about }) =>
      line('-n', quote(isBare), '-a', command, '-d', quote(about)),
    ),
    ...commands.flatMap((command) => {
      const isHere = quote(`__fish_seen_subcommand_from ${command.name}`)
      const [value] = command.values
      return [
        ...command.flags.map((flag) => line('-n', isHere, fishFlag(flag))),
        ...(value === undefined || fishValue(value) === '' ? [] : [line('-n', isHere, fishValue(value))]),
      ]
    }),
  ].join('\n')}\n`
}

function fishFlag({ names, about, value }: Flag): string {
  const forms = names.map((each) => (each.startsWith('--') ? `-l ${each.slice(2)}` : `-s ${each.slice(1)}`))
  const taken = value === undefined ? [] : [value.name === 'FILE' ? '-r' : '-x', fishValue(value)]
  return [...forms, ...taken, '-d', quote(about)].filter(Boolean).join(' ')
}

function fishValue(value: Value): string {
  const { name, choices } = value
  if (choices.length > 0) return `-a ${quote(choices.join(' '))}`
  if (name === 'FILE') return '-F'
  return isDirectory(value) ? `-a '(__fish_complete_directories)'` : ''
}

/** In single quotes, as all three shells read it. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
