/** What a person sees at the terminal when the gateway has started. */
import type { Addresses } from '../app.ts'
import type { RuleSet } from '../ruleset.ts'
import type { CommandContext } from './context.ts'

/** For the newcomer: where it listens and one line to try. */
export function greet(
  { loaded }: RuleSet,
  { server, admin, demo }: Addresses,
  context: CommandContext,
): void {
  const { terminal } = context
  terminal.line()
  terminal.line(`  Postbacks   http://${server}/in/<network>/<token>`)
  if (admin) terminal.line(`  Metrics     http://${admin}/metrics`)
  const [name, network] = Object.entries(loaded.value.networks)[0] ?? []
  if (demo && name !== undefined) {
    // With the stand-in tracker configured this is a first try, and its token is in the file.
    const token = network?.tokens[0] ?? ''
    const query = 'cid=click-1&sub1=click-2&txid=order-1&payout=12.50&currency=USD'
    terminal.line()
    terminal.line(`  Try it      curl 'http://${server}/in/${name}/${token}?${query}'`)
  }
  terminal.line()
}
