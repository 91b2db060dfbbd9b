/**
 * The commands and their flags. This table is all there is: help and completion
 * are made from it. What a command needs is loaded when it runs, so that help
 * is quick.
 *
 * Longer than other files, as it is a table.
 */

import { resolve } from 'node:path'
import type * as Typed from '@commander-js/extra-typings'
import * as commander from 'commander'
import type { BuildOptions } from '../build.ts'
import { ownVersion } from '../config/package.ts'
import type { CiName } from '../init/choose.ts'
import { hostNames } from '../model.ts'
import type { FailOn, Report } from '../report.ts'
import { consumers } from '../setup/consumers.ts'
import { aborted, load, nothing, type Result, run, usage } from './run.ts'
import { collectVersion, parseJobs, parsePart, parsePort, parseSample, parseVersionName } from './values.ts'

// The same module; these are its types with what each flag gives.
const { Command, Option, Argument } = commander as unknown as typeof Typed

const failOn = ['new', 'error', 'warning', 'never'] as const
const shells = ['bash', 'zsh', 'fish'] as const
const ciNames = ['github', 'gitlab'] as const satisfies readonly CiName[]

const examples = `
Examples:
  modpress build                     press the clone you are in into ./site
  modpress serve                     try it: it says how go asks it
  modpress plan --as v1.4.0          would this tag be accepted? Nothing is written
  modpress build --fail-on warning   be strict

Exit status: 0 done; 1 done, with new errors; 2 nothing was done; 75 run it again.`

/** Returns the parser of the command line. */
export function createProgram(): commander.Command {
  const program = new Command('modpress')
    .description('Presses git repositories into a static Go module registry: a GOPROXY of plain files.')
    .option('--config <FILE>', 'the configuration; default: modpress.config.* here or above')
    .option('--output <DIR>', 'the directory of the site; default: the key "output", else site')
    .option('--url <URL>', 'where the site is served; default: the key "url", MODPRESS_URL, CI_PAGES_URL')
    .option('--jobs <N>', 'how much is done at a time; default: the number of processors', parseJobs)
    .option('--shard <I/N>', 'only one of N parts of the repositories, for many jobs; from 1/N on', parsePart)
    .option('--json', 'one JSON object a line on stdout, and nothing else')
    .option('--quiet', 'nothing but errors and warnings')
    .option('--no-color', 'no colours; also NO_COLOR')
    .version(ownVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [COMMAND]', 'show help, of a command')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => {} })
    .exitOverride()
    .addHelpText('after', examples)

  program
    .command('build')
    .summary('press repositories into a site')
    .description(
      'Adds to the site what is new in the repositories, keeps what is published, and changes nothing else.',
    )
    .addOption(failOnOption())
    .option(
      '--accept-moved <M@v>',
      'live with a tag that was moved; the first content stays. Repeatable',
      collectVersion,
    )
    .option('--no-index', 'leave what spans modules to "modpress index"')
    .option(...liveFlag)
    .option(...newFlag)
    .addHelpText('after', buildExamples)
    .action((_flags, command) => {
      const flags = command.optsWithGlobals()
      return run('build', flags, async (flow) => {
        const live = readLive(flags)
        const settings = await load(flags)
        const { build } = await import('./flows.ts')
        const report = await build(settings, {
          ...flow,
          failOn: flags.failOn,
          acceptMoved: flags.acceptMoved ?? [],
          index: flags.index ? 'write' : 'leave',
          ...live,
        })
        return { ...report, directory: settings.output }
      })
    })

  program
    .command('plan')
    .summary('tell what build would do, and write nothing')
    .description('Tells what build would add, keep and refuse, and why. Writes nothing.')
    .argument('[REV]', 'with --as: the revision to be tagged; default: HEAD')
    .option('--as <TAG>', 'only: would this tag be accepted? Exit status 1 if not')
    .addOption(failOnOption())
    .option(...liveFlag)
    .option(...newFlag)
    .addHelpText('after', '\nExample:\n  modpress plan --as v1.4.0 main && git tag v1.4.0 main')
    .action((revision, _flags, command) => {
      const flags = command.optsWithGlobals()
      return run('plan', flags, async (flow) => {
        if (revision !== undefined && flags.as === undefined) {
          throw usage(`The revision ${revision} needs --as TAG.`, 'modpress plan --as TAG REV')
        }
        const live = readLive(flags)
        const settings = await load(flags)
        const { plan } = await import('./flows.ts')
        const options = { ...flow, failOn: flags.failOn, ...live }
        if (flags.as === undefined) return plan(settings, options)
        const as = { tag: flags.as, ...(revision === undefined ? {} : { revision }) }
        return judge(as.tag, await plan(settings, { ...options, as }), flags.failOn)
      })
    })

  program
    .command('publish')
    .summary('press what a target lacks, and put it there')
    .description(
      'Presses what each TARGET lacks and puts it there: s3://BUCKET/PREFIX or a directory. Needs no earlier build. Many may publish to a bucket at once.',
    )
    .argument('<TARGET...>', 's3://BUCKET/PREFIX, or a directory')
    .option('--from <DIR>', 'take the versions from a site that was built before')
    .addOption(failOnOption())
    .option('--accept-moved <M@v>', 'live with a tag that was moved; repeatable', collectVersion)
    .option('--no-index', 'leave what spans modules to "modpress index TARGET"')
    .addOption(singleWriterOption())
    .addHelpText('after', '\nExample:\n  modpress publish s3://registry --no-index')
    .action((targets, _flags, command) => {
      const flags = command.optsWithGlobals()
      return run('publish', flags, async (flow) => {
        const settings = await load(flags)
        const { publish } = await import('./shared.ts')
        return publish(settings, targets, {
          ...flow,
          failOn: flags.failOn,
          acceptMoved: flags.acceptMoved ?? [],
          index: flags.index ? 'write' : 'leave',
          writers: writersOf(flags),
          ...(flags.from === undefined ? {} : { from: resolve(flags.from) }),
        })
      })
    })

  program
    .command('index')
    .summary('derive what spans modules')
    .description(
      'Derives what spans modules from the site as it is: the front page, the feed and the indexes.',
    )
    .argument('[TARGET]', 's3://BUCKET/PREFIX or a directory; default: the output directory')
    .addOption(singleWriterOption())
    .addHelpText('after', '\nExample:\n  modpress build --no-index && modpress index')
    .action((target, _flags, command) => {
      const flags = command.optsWithGlobals()
      return run('index', flags, async (flow) => {
        const settings = await load(flags)
        const { index } = await import('./flows.ts')
        const writers = writersOf(flags)
        return index(settings, { ...flow, writers, ...(target === undefined ? {} : { target }) })
      })
    })

  program
    .command('verify')
    .summary('read a deployment back, and tell what is wrong with it')
    .description(
      'Reads a site or a live deployment back, says what is wrong with it and how to mend it there. Writes nothing. Later targets are held against the first.',
    )
    .argument('[TARGET...]', 'https://…, s3://BUCKET/PREFIX or a directory; default: the output directory')
    .option('--sample <N>', 'so many versions and modules; default: 50, of a directory all', parseSample)
    .option('--full', 'all versions and modules')
    .option(
      '--go-sum <GLOB>',
      "hold consumers' go.sum files against it, and print what to publish, too. Repeatable",
      (text: string, before: readonly string[] | undefined) => [...(before ?? []), text],
    )
    .addOption(failOnOption())
    .addHelpText('after', verifyExamples)
    .action((targets, _flags, command) => {
      const flags = command.optsWithGlobals()
      return run('verify', flags, async (flow, report) => {
        if (flags.full && flags.sample !== undefined) throw usage('--full and --sample do not go together.')
        const sample = flags.full ? 'all' : flags.sample
        const { runVerify } = await import('./verify.ts')
        return runVerify(targets, flags, report, { ...flow, failOn: flags.failOn, ...(sample && { sample }) })
      })
    })

  program
    .command('withdraw')
    .summary('take a version down, for good')
    .description(
      'Takes a published version down, for a secret that has leaked into it. A tombstone stays: the version can never be published again.',
    )
    .addArgument(new Argument('<M@v>', 'the version, as MODULE@VERSION').argParser(parseVersionName))
    .argument('[TARGET]', 's3://BUCKET/PREFIX or a directory; default: the output directory')
    .requiredOption('--reason <TEXT>', 'why, for those who find it gone')
    .option('--no-index', 'leave what spans modules to "modpress index TARGET"')
    .addOption(singleWriterOption())
    .addHelpText(
      'after',
      '\nExample:\n  modpress withdraw go.example.com/billing@v1.2.0 s3://registry --reason "it holds a key"',
    )
    .action((name, target, _flags, command) => {
      const flags = command.optsWithGlobals()
      return run('withdraw', flags, async (flow, report) => {
        const reason = flags.reason.trim()
        if (reason === '')
          throw usage('The reason is empty.', 'Say why, for those who find the version gone.')
        const settings = await load(flags)
        const { withdraw } = await import('./shared.ts')
        await withdraw(settings, target ?? settings.output, name, {
          ...flow,
          reason,
          time: Math.floor(Date.now() / 1000),
          index: flags.index ? 'write' : 'leave',
          writers: writersOf(flags),
        })
        report.remark('Caches and mirrors may still hold it: purge them, and revoke what has leaked.')
        return { exit: 0, counts: nothing, summary: `${name.module}@${name.version} is withdrawn` }
      })
    })

  program
    .command('init')
    .summary('write a configuration and a CI job')
    .description(
      'Writes a configuration and a CI job from what it finds here: a Go module, or a directory of clones, or the repositories that are named. Asks nothing, and writes over no file.',
    )
    .argument('[REPOSITORY...]', 'for a registry of them: addresses to clone from')
    .addOption(new Option('--host <HOST>', 'the static host that will serve the site').choices(hostNames))
    .addOption(
      new Option('--ci <CI>', 'whose job to write; default: as the origin and the files here say').choices(
        ciNames,
      ),
    )
    .option('--target <TARGET>', 'where the job publishes to: s3://BUCKET/PREFIX')
    .option('--registry <OWNER/REPO>', 'publish nothing from here, but tell the repository of the registry')
    .option('--action <OWNER/REPO@REF>', "the Action of modpress, where it is a copy of one's own")
    .addHelpText('after', initExamples)
    .action((repositories, _flags, command) => {
      const flags = command.optsWithGlobals()
      return run('init', flags, async (_flow, report) => {
        const { init } = await import('./init.ts')
        const { host, ci, target, registry, action, url } = flags
        const { files, steps } = await init({
          cwd: process.cwd(),
          env: process.env,
          repositories,
          ...(host === undefined ? {} : { host }),
          ...(ci === undefined ? {} : { ci }),
          ...(target === undefined ? {} : { target }),
          ...(registry === undefined ? {} : { registry }),
          ...(action === undefined ? {} : { action }),
          ...(url === undefined ? {} : { url }),
        })
        for (const { path, action: what } of files) {
          const note = what === 'kept' ? '  (it is there already)' : ''
          report.result(`${what}  ${path}${note}`, { type: 'file', action: what, path })
        }
        report.remark(['Next:', ...steps.map((step, index) => `  ${index + 1}. ${step}`)].join('\n'))
        return { exit: 0, counts: nothing, summary: '' }
      })
    })

  program
    .command('env')
    .summary('print what consumers of the site set')
    .description(
      'Prints what a consumer of the site sets, so that go reads its modules: a script, a Dockerfile, a job, or the configuration of a bot. The same texts are in the site, below -/setup/. The scripts may be run again: what is set already is kept.',
    )
    .addArgument(
      new Argument(
        '[KIND]',
        'the consumer; default: github or gitlab in their jobs, else windows or shell',
      ).choices(consumers),
    )
    .addHelpText('after', envExamples)
    .action((kind, _flags, command) => {
      const flags = command.optsWithGlobals()
      return run('env', flags, async (_flow, report) => {
        const { describeConsumer, guessConsumer } = await import('../env.ts')
        const consumer = kind ?? guessConsumer(process.env, process.platform)
        const described = await describeConsumer(await load(flags), consumer)
        report.result(described.text.trimEnd(), { type: 'env', ...described })
        return { exit: 0, counts: nothing, summary: '' }
      })
    })

  program
    .command('serve')
    .summary('serve a site on this machine')
    .description(
      'Serves a site over http as a static host would, until it is stopped. A bucket is read with your own credentials, so that go can use one that is closed to all others.',
    )
    .argument('[DIR|s3://…]', 'the site; default: the output directory')
    .option('--port <N>', 'the port; 0 is a free one', parsePort, 8080)
    .option('--host <HOST>', 'the address to listen on; others than loopback let others read', '127.0.0.1')
    .addHelpText('after', '\nExamples:\n  modpress serve --port 0\n  modpress serve s3://registry')
    .action((given, _flags, command) => {
      const flags = command.optsWithGlobals()
      return run('serve', flags, async (flow, report) => {
        const target = given ?? flags.output ?? (await load(flags)).output
        const { serveSite } = await import('../serve.ts')
        const { isLoopback } = await import('../config/address.ts')
        const { port, host } = flags
        const server = await serveSite(target, { port, host, env: process.env, signal: flow.signal })
        report.result(`GOPROXY=${server.url}`, { type: 'progress', step: 'serve', url: server.url })
        if (!isLoopback(new URL(server.url).hostname))
          report.remark(`Whoever reaches ${server.url} can read all of the site, without credentials.`)
        report.remark(`Serving ${server.site}. Press Ctrl+C to stop.`)
        report.remark(
          `Try one of its modules: GOPROXY="${server.url},$(go env GOPROXY)" GONOSUMDB=MODULE GONOPROXY=none go get MODULE`,
        )
        await aborted(flow.signal)
        await server.close()
        return { exit: 0, counts: nothing, summary: '' }
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

  return program as unknown as commander.Command
}

function singleWriterOption() {
  const about = 'for a store without conditional writes: nobody else publishes at the same time'
  return new Option('--assume-single-writer', about)
}

function writersOf(flags: { readonly assumeSingleWriter?: unknown }): 'many' | 'single' {
  return flags.assumeSingleWriter === true ? 'single' : 'many'
}

const liveFlag = [
  '--live <URL|DIR|s3://…>',
  'start from what is deployed there instead of the output directory',
] as const
const newFlag = ['--new', 'with --live: nothing was deployed yet. For the very first time only'] as const

const initExamples = `
Examples:
  modpress init --target s3://registry          each tag publishes itself into a bucket
  modpress init --host github-pages             a site that anyone can read
  modpress init --registry acme/registry        another repository presses this one
  modpress init https://git.example.com/acme/billing.git --target s3://registry`

const buildExamples = `
Examples:
  modpress build --output public --url https://go.example.com
  modpress build --live https://go.example.com   on a Pages host, in a job without a cache`

const verifyExamples = `
Examples:
  modpress verify https://go.example.com          after a deployment, or on a schedule
  modpress verify s3://registry --go-sum '../apps/**/go.sum'   can consumers move to it?
  modpress verify https://go.example.com https://mirror.example.com`

const envExamples = `
Examples:
  modpress env shell | sh                       on this machine, for good
  modpress env docker > Dockerfile
  modpress env --url https://go.example.com     of a site that the configuration does not name`

function failOnOption() {
  return new Option('--fail-on <WHEN>', 'exit with 1 for new errors, any error, any warning too, or never')
    .choices(failOn)
    .default('new' satisfies FailOn)
}

function readLive({ live, new: isNew }: LiveFlags): Pick<BuildOptions, 'live'> {
  if (live === undefined && isNew) throw usage('--new needs --live.', 'See modpress build --help.')
  return live === undefined ? {} : { live: { source: live, expect: isNew ? 'nothing' : 'site' } }
}

interface LiveFlags {
  readonly live?: string | undefined
  readonly new?: true | undefined
}

/** Answers whether a tag would be accepted, also by the exit status, so that a script can push it after "&&". */
function judge(tag: string, { exit, counts }: Report, failOn: FailOn): Result {
  const isGood = counts.added + counts.kept > 0 && counts.refused === 0
  const verdict = counts.refused > 0 ? 'be refused' : isGood ? 'be accepted' : 'publish nothing'
  return { exit: isGood || failOn === 'never' ? exit : 1, counts, summary: `${tag} would ${verdict}` }
}
