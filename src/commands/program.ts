/** The command line: names, options and help of every command. */
import { Command, Option } from 'commander'
import { check } from './check.ts'
import type { CommandContext, ExitCode } from './context.ts'
import { discardLetters, listLetters, replayLetters, showLetter } from './dead.ts'
import { erase } from './erase.ts'
import { explain } from './explain.ts'
import { generate } from './generate.ts'
import { log } from './log.ts'
import { listAll, showOne, type DestinationsOptions } from './destinations.ts'
import { listNetworks, showNetwork } from './networks.ts'
import { sendTo, type SendToOptions } from './send-to.ts'
import { send, type SendOptions } from './send.ts'
import { start } from './start.ts'

const DEFAULT_CONFIG = 'postern.yaml'

export function createProgram(context: CommandContext, finish: (code: ExitCode) => void): Command {
  const program = new Command('postern')
  program
    .description('Postback relay gateway: a conversion is reported once, every system gets it')
    .version(context.version)
    .showSuggestionAfterError()
    // An option belongs to the command it stands behind: `networks` and `networks show` share names.
    .enablePositionalOptions()

  /** A command that reads the configuration. */
  const command = (parent: Command, usage: string, description: string): Command =>
    parent
      .command(usage)
      .description(description)
      .option('-c, --config <file>', 'configuration file', DEFAULT_CONFIG)
  const json = new Option('--json', 'print JSON')
  const collect = (value: string, before: string[] = []) => [...before, value]

  command(program, 'start', 'run the gateway until it is told to stop').action(
    async ({ config }: { config: string }) => finish(await start({ config }, context)),
  )

  command(program, 'check', 'check configuration and rules; exits 1 on any fault')
    .addOption(json)
    .action(async (options: { config: string; json?: boolean }) =>
      finish(await check(options, context)),
    )

  command(
    program,
    'explain <url>',
    'what would become of this postback, step by step; nothing is stored or sent',
  )
    .option('--method <method>', 'GET or POST; POST where a body is given')
    .option('--body <text>', 'body of a POST')
    .option('--header <name:value>', 'request header; may be repeated', collect)
    .option('--from <address>', 'client address', '203.0.113.10')
    .option('--skip-verify', 'go on where verification refuses')
    .addOption(json)
    .action(async (url: string, options: Parameters<typeof explain>[1]) =>
      finish(await explain(url, options, context)),
    )

  command(
    program,
    'send [network]',
    "fire an example of the network's rule, correctly signed, at a running gateway",
  )
    .option('--example <number>', 'which example, from 1', '1')
    .option('--gateway <url>', 'default: where the configuration listens')
    .option('--dry-run', 'print the request only')
    .option('--to <destination>', 'instead: the exact request this destination would get')
    .option('--set <field=value>', 'with --to: a field of the conversion; may be repeated', collect)
    .option('--really', 'with --to: send it, as one delivery')
    .option('--test', "with --to: send it in the destination's own test mode")
    .addOption(json)
    .action(async (network: string | undefined, options: SendOptions & SendToOptions & To) =>
      finish(await sendEither(network, options, context)),
    )

  const destinations = program
    .command('destinations')
    .description('everything there is to deliver to')
    .option('--rules <folder>', 'a rule folder of your own beside the shipped one', collect)
    .addOption(json)
    .action(async (options: DestinationsOptions) => finish(await listAll(options, context)))
  destinations
    .command('show <id>')
    .description('what one of them needs, sends and understands')
    .action(async (id: string, _own: object, self: Command) =>
      finish(await showOne(id, self.optsWithGlobals<DestinationsOptions>(), context)),
    )

  command(program, 'log', 'the newest postbacks and what became of them')
    .option('--find <text>', 'part of a click id, transaction id, record or network')
    .option('--limit <number>', 'at most so many', '20')
    .addOption(json)
    .action(async (options: Parameters<typeof log>[0]) => finish(await log(options, context)))

  command(program, 'erase', 'forget a conversion: in dedupe state, queue, dead letters and log')
    .requiredOption('--network <name>', 'the network that reported it')
    .requiredOption(
      '--key <id>',
      'its click id or transaction id, or field=value for each part of its key',
      collect,
    )
    .addOption(json)
    .action(async (options: Parameters<typeof erase>[0]) => finish(await erase(options, context)))

  const networks = command(
    program,
    'networks',
    'networks Postern knows, with the URL to enter there',
  )
    .enablePositionalOptions()
    .option('--find <text>', 'part of an id, name or kind')
    .addOption(json)
    .action(async (options: Parameters<typeof listNetworks>[0]) =>
      finish(await listNetworks(options, context)),
    )
  command(networks, 'show <id>', 'how to connect a network, step by step')
    .addOption(json)
    .action(async (id: string, options: Parameters<typeof showNetwork>[1]) =>
      finish(await showNetwork(id, options, context)),
    )

  const dead = program.command('dead').description('deliveries that ended without success')
  command(dead, 'list', 'newest first')
    .option('--destination <name>', 'of this destination only')
    .option('--limit <number>', 'at most so many', '50')
    .addOption(json)
    .action(async (options: Parameters<typeof listLetters>[0]) =>
      finish(await listLetters(options, context)),
    )
  command(dead, 'show <delivery>', 'one dead letter with the request it would send')
    .addOption(json)
    .action(async (delivery: string, options: Parameters<typeof showLetter>[1]) =>
      finish(await showLetter(delivery, options, context)),
    )
  for (const [name, run, description] of [
    ['replay', replayLetters, 'deliver them again, from the first attempt'],
    ['discard', discardLetters, 'give them up for good'],
  ] as const) {
    command(dead, `${name} [deliveries...]`, description)
      .option('--destination <name>', 'all dead letters of this destination')
      .option('--all', 'all dead letters')
      .addOption(json)
      .action(async (deliveries: string[], options: Parameters<typeof run>[1]) =>
        finish(await run(deliveries, options, context)),
      )
  }

  program
    .command('generate', { hidden: true })
    .description('write the generated files of this repository')
    .action(async () => finish(await generate(context)))

  return program
}

interface To {
  readonly to?: string
}

/** `send <network>` or `send --to <destination>`. */
async function sendEither(
  network: string | undefined,
  options: SendOptions & SendToOptions & To,
  context: CommandContext,
): Promise<ExitCode> {
  const { to } = options
  if ((network === undefined) === (to === undefined)) {
    context.terminal.error('name either a network or --to <destination>')
    return 1
  }
  return to === undefined ? send(network ?? '', options, context) : sendTo(to, options, context)
}
