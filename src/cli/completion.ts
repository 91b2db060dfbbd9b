/**
 * Scripts that complete commands and flags in bash, zsh and fish. They are
 * made from the one table of commands, so that they say what the program does,
 * and need nothing but the shell itself: completing never starts Node.
 *
 * The names of values decide what is offered: choices where there are some,
 * files for FILE, directories for DIR, and nothing for others.
 */

import type { Argument, Command, Option } from 'commander'

export type Shell = 'bash' | 'zsh' | 'fish'

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

const renderers: Readonly<Record<Shell, (table: Table) => string>> = { bash, zsh, fish }

// ---- bash ----

/** Works in bash 3.2, which macOS has: no mapfile, no compopt. */
function bash({ name, common, commands }: Table): string {
  const flags = [...common, ...commands.flatMap((command) => command.flags)]
  const withValue = flags.filter((flag) => flag.value !== undefined).flatMap((flag) => flag.names)
  const cases = (all: readonly Flag[]) =>
    all.flatMap(({ names, value }) =>
      value === undefined ? [] : [`    ${names.join(' | ')}) ${bashValue(value)} ;;`],
    )
  const arms = commands.flatMap((command) => [
    `    ${command.name})`,
    `      flags="${[...command.flags, ...common].flatMap((flag) => flag.names).join(' ')}"`,
    ...(command.values[0] === undefined ? [] : [`      value='${bashValue(command.values[0])}'`]),
    '      ;;',
  ])
  return `# bash completion for ${name}: source <(${name} completion bash)
_${name}() {
  local cur prev command flags value i IFS=$' \\t\\n'
  cur=\${COMP_WORDS[COMP_CWORD]}
  prev=\${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  # "--flag=value" comes as three words.
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  case $prev in
${[...new Map(cases(flags).map((line) => [line, line])).values()].map((line) => line.replace(/ ;;$/, '; return ;;')).join('\n')}
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
    ${withValue.join(' | ')}) ((i++)) ;;
    -*) ;;
    *)
      command=\${COMP_WORDS[i]}
      break
      ;;
    esac
  done
  flags="${common.flatMap((flag) => flag.names).join(' ')}"
  value='COMPREPLY=($(compgen -W "${commands.map((command) => command.name).join(' ')}" -- "$cur"))'
  case $command in
    '') ;;
${arms.join('\n')}
    *) return ;;
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  else
    eval "$value"
  fi
}
complete -o filenames -F _${name} ${name}
`
}

function bashValue({ name, choices }: Value): string {
  if (choices.length > 0) return `COMPREPLY=($(compgen -W "${choices.join(' ')}" -- "$cur"))`
  if (name === 'FILE') return `IFS=$'\\n' COMPREPLY=($(compgen -f -- "$cur"))`
  if (name === 'DIR') return `IFS=$'\\n' COMPREPLY=($(compgen -d -- "$cur"))`
  return 'COMPREPLY=()'
}
