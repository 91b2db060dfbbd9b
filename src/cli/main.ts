#!/usr/bin/env node
/**
 * The command line: its commands and flags, and how a run ends. The only file
 * that knows of process.argv and exit codes.
 *
 * The table of commands below is all there is: help and completion are made
 * from it. What a command needs is loaded when it runs, so that help is quick.
 */

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type * as Typed from '@commander-js/extra-typings'
import * as commander from 'commander'
import type { Settings } from '../config/schema.ts'
import type { FlowOptions } from '../events.ts'
import { FatalError, problem } from '../problem.ts'
import type { FailOn, Report } from '../report.ts'
import type { Ending, RunReport } from './report.ts'

// The same module; these are its types with what each flag gives.
const { Command, Option, Argument } = commander as unknown as typeof Typed

const failOn = ['new', 'error', 'warning', 'never'] as const
const shells = ['bash', 'zsh', 'fish'] as const

const examples = `
Examples:
  modpress build                          press the clone you are in into ./site
  modpress serve                          try it: GOPROXY=http://127.0.0.1:8080 go get MODULE
  modpress plan --as v1.4.0               would this tag be accepted? Nothing is written
  modpress build --config all.yaml --json   for programs: one JSON object a line

Exit status: 0 done; 1 done, with new errors; 2 nothing was done; 75 run it again.
Documentation: https://www.npmjs.com/package/modpress`

function createProgram() {
  const program = new Command('modpress')
    .description('Presses git repositories into a static Go module registry: a GOPROXY of plain files.')
    .option('--config <FILE>', 'the configuration; default: modpress.config.* here or above')
    .option('--output <DIR>', 'the directory of the site; default: the key "output", else site')
    .option('--url <URL>', 'where the site is served; default: the key "url", MODPRESS_URL, CI_PAGES_URL')
    .option('--jobs <N>', 'how much is done at a time; default: the number of processors', parseJobs)
    .option('--json', 'one JSON object a line on stdout, and nothing else')
    .option('--quiet', 'nothing but errors and warnings')
    .option('--no-color', 'no colours; also NO_COLOR')
    .version(readVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [COMMAND]', 'show help, of a command')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => {} })
    .exitOverride()
    .addHelpText('after', examples)

  program
    .command('build')
    .summary('press repositories into a site')
    .description('Adds to the site what is new in the repositories, keeps what is published, and changes nothing else.')
    .addOption(failOnOption())
    .option('--accept-moved <M@v>', 'live with a tag that was moved; the first content stays. Repeatable', collectVersion, [])
    .option('--no-index', 'leave what spans modules to "modpress index"')
    .addHelpText('after', '\nExample:\n  modpress build --output public --url https://go.example.com')
    .action((_flags, command) => {
      const flags = command.optsWithGlobals()
      return run('build', flags, async (flow) => {
        const [{ build }, settings] = await Promise.all([import('../build.ts'), load(flags)])
        return build(settings, {
          ...flow,
          failOn: flags.failOn,
          acceptMoved: flags.acceptMoved,
          index: flags.index ? 'write' : 'leave',
        })
      })
    })

  program
    .command('plan')
    .summary('tell what build would do, and write nothing')
    .description('Tells what build would add, keep and refuse, and why. Writes nothing.')
    .argument('[REV]', 'with --as: the revision to be tagged; default: HEAD')
    .option('--as <TAG>', 'only: would this tag be accepted? Exit status 1 if not')
    .addOption(failOnOption())
    .addHelpText('after', '\nExample:\n  modpress plan --as v1.4.0 main && git tag v1.4.0 main')
    .action((revision, _flags, command) => {
      const flags = command.optsWithGlobals()
      return run('plan', flags, async (flow) => {
        if (revision !== undefined && flags.as === undefined) {
          throw usage(`The revision ${revision} needs --as TAG.`, 'modpress plan --as TAG REV')
        }
        const [{ plan }, settings] = await Promise.all([import('../build.ts'), load(flags)])
        const as = flags.as === undefined ? {} : { as: { tag: flags.as, ...(revision === undefined ? {} : { revision }) } }
        return plan(settings, { ...flow, failOn: flags.failOn, ...as })
      })
    })

  program
    .command('index')
    .summary('derive what spans modules')
    .description('Derives what spans modules from the site as it is: the front page and the index of the manifest.')
    .argument('[DIR]', 'the site; default: the output directory')
    .addHelpText('after', '\nExample:\n  modpress build --no-index && modpress index')
    .action((dir, _flags, command) => {
      const flags = command.optsWithGlobals()
      return run('index', flags, async (flow) => {
        const [{ index }, settings] = await Promise.all([
          import('../build.ts'),
          load(dir === undefined ? flags : { ...flags, output: dir }),
        ])
        return index(settings, flow)
      })
    })

  program
    .command('serve')
    .summary('serve the site on this machine')
    .description('Serves the site over http as a static host would, until it is stopped.')
    .argument('[DIR]', 'the site; default: the output directory')
    .option('--port <N>', 'the port; 0 is a free one', parsePort, 8080)
    .option('--host <HOST>', 'the address to listen on; others than loopback let others read', '127.0.0.1')
    .addHelpText('after', '\nExample:\n  modpress serve --port 0')
    .action((dir, _flags, command) => {
      const flags = command.optsWithGlobals()
      return run('serve', flags, async (flow, report) => {
        const given = dir ?? flags.output
        const root = given === undefined ? (await load(flags)).output : resolve(given)
        const { serveSite } = await import('../serve.ts')
        const server = await serveSite(root, { port: flags.port, host: flags.host })
        report.result(`GOPROXY=${server.url}`, { type: 'progress', step: 'serve', url: server.url })
        report.remark(`Serving ${root}. Press Ctrl+C to stop.`)
        await aborted(flow.signal)
        await server.close()
        return { command: 'serve', exit: 0, counts: nothing, problems: [] }
      })
    })

  program
    .command('completion')
    .summary('print a script that completes commands and flags')
    .description('Prints a script for your shell that completes commands and flags.')
    .addArgument(new Argument('<SHELL>', 'your shell').choices(shells))
    .addHelpText('after', '\nExample, for ~/.bashrc:\n  source <(modpress completion bash)')
    .action(async (shell) => {
      const { renderCompletion } = await import('./completion.ts')
      process.stdout.write(renderCompletion(shell, program as unknown as commander.Command))
    })

  return program
}

function failOnOption() {
  return new Option('--fail-on <WHEN>', 'exit with 1 for new errors, any error, any warning too, or never')
    .choices(failOn)
    .default('new' satisfies FailOn)
}
