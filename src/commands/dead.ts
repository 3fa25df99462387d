/** `postern dead`: look at dead letters, deliver them again, or give them up. */
import { maskSecrets, printable } from '../base/redact.ts'
import { deliveryId, type DeliveryRecord } from '../model/delivery.ts'
import { maskPersonal, maskPersonalIn } from '../model/personal.ts'
import type { RuleSet } from '../ruleset.ts'
import type { DeadLetter, DeadLetterId, Store } from '../store/store.ts'
import type { CommandContext, ExitCode } from './context.ts'
import { requestText } from './request-text.ts'
import { table } from './terminal.ts'
import { parseCount, withStore } from './with-store.ts'

export interface DeadOptions {
  readonly config: string
  readonly destination?: string
  readonly json?: boolean
}

const PAGE = 500

export async function listLetters(
  options: DeadOptions & { readonly limit: string },
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal } = context
  const limit = parseCount(options.limit)
  if (limit === undefined) {
    terminal.error('--limit takes a whole number from 1')
    return 1
  }
  return withStore(options.config, context, async (store, rules) => {
    const letters: DeadLetter[] = []
    for await (const letter of all(store, options.destination)) {
      letters.push(letter)
      if (letters.length === limit) break
    }
    if (options.json) {
      for (const letter of letters) terminal.line(JSON.stringify(toJson(letter, rules)))
      return 0
    }
    const rows = letters.map(letter => [
      new Date(letter.diedAt).toISOString(),
      letter.destination,
      letter.reason,
      String(letter.attempts),
      deliveryId(letter.record, letter.destination),
      printable(letter.detail, 120),
    ])
    const head = ['died', 'destination', 'reason', 'attempts', 'delivery', 'detail']
    for (const line of table(terminal, head, rows)) terminal.line(line)
    return 0
  })
}

export async function showLetter(
  delivery: string,
  options: DeadOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, clock } = context
  return withStore(options.config, context, async (store, rules) => {
    const id = parseDeliveryId(delivery)
    const letter = id && (await store.deadLetter(id))
    if (!letter) return unknown(delivery, context)
    if (options.json) {
      terminal.line(JSON.stringify(toJson(letter, rules)))
      return 0
    }
    terminal.line(`delivery     ${delivery}`)
    terminal.line(`died         ${new Date(letter.diedAt).toISOString()}`)
    terminal.line(`reason       ${letter.reason}`)
    terminal.line(`attempts     ${letter.attempts}`)
    terminal.line(`detail       ${printable(letter.detail, 1000)}`)
    terminal.line()
    terminal.line(nowSent(letter, rules, clock.now()))
    return 0
  })
}

type Change = 'replay' | 'discard'
interface ChangeOptions extends DeadOptions {
  readonly all?: boolean
}

export const replayLetters = (ids: string[], options: ChangeOptions, context: CommandContext) =>
  change('replay', ids, options, context)
export const discardLetters = (ids: string[], options: ChangeOptions, context: CommandContext) =>
  change('discard', ids, options, context)

async function change(
  what: Change,
  deliveries: readonly string[],
  options: ChangeOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal } = context
  const isWhole = options.all === true || options.destination !== undefined
  if (isWhole === deliveries.length > 0) {
    terminal.error(`name deliveries, or use --destination or --all, to ${what} them`)
    return 1
  }
  return withStore(options.config, context, async store => {
    let done = 0
    if (isWhole) done = await changeAll(what, store, options, context)
    else {
      const ids: DeadLetterId[] = []
      for (const delivery of deliveries) {
        const id = parseDeliveryId(delivery)
        if (!id) return unknown(delivery, context)
        ids.push(id)
      }
      done = await store[what](ids)
    }
    terminal.line(options.json ? JSON.stringify({ [what]: done }) : `${what}: ${done}`)
    return isWhole || done === deliveries.length ? 0 : 1
  })
}

/** Only what is there now: letters that die again while this runs are not taken a second time. */
async function changeAll(
  what: Change,
  store: Store,
  options: ChangeOptions,
  { terminal }: CommandContext,
): Promise<number> {
  let done = 0
  let newest: number | undefined
  let ids: DeadLetterId[] = []
  const flush = async () => {
    done += await store[what](ids)
    ids = []
    terminal.progress(`${what}: ${done}`)
  }
  for await (const letter of all(store, options.destination)) {
    // Newest first, and by the clock of the store: it may differ from the one here.
    newest ??= letter.diedAt
    if (letter.diedAt > newest) continue
    ids.push({ record: letter.record, destination: letter.destination })
    if (ids.length === PAGE) await flush()
  }
  if (ids.length > 0) await flush()
  terminal.progress('')
  return done
}

async function* all(store: Store, destination: string | undefined): AsyncGenerator<DeadLetter> {
  let after: string | undefined
  do {
    const page = await store.dead({
      limit: PAGE,
      ...(destination === undefined ? {} : { destination }),
      ...(after === undefined ? {} : { after }),
    })
    yield* page.letters
    after = page.next
  } while (after !== undefined)
}

/** `<record>_<destination>`; a record has no underscore. */
function parseDeliveryId(text: string): DeadLetterId | undefined {
  const match = /^([a-z0-9-]{1,100})_([a-z0-9][a-z0-9_-]{0,63})$/.exec(text)
  return match ? { record: match[1] ?? '', destination: match[2] ?? '' } : undefined
}

function unknown(delivery: string, { terminal }: CommandContext): ExitCode {
  // What is no id at all may be anything that was pasted by mistake.
  const named = parseDeliveryId(delivery) ? ` "${delivery}"` : ' of such an id'
  terminal.error(`no dead letter${named}; see postern dead list`)
  return 1
}

function toJson(letter: DeadLetter, rules: RuleSet): unknown {
  const { body, ...rest } = letter
  const record = JSON.parse(body) as DeliveryRecord
  const { conversion, original, ...kept } = record
  return {
    ...rest,
    delivery: deliveryId(letter.record, letter.destination),
    record: {
      ...kept,
      // The request itself holds tokens and whatever else the network sent; `show` prints it masked.
      ...(original ? { original: { method: original.method } } : {}),
      conversion: isMasked(rules) ? maskPersonal(conversion) : conversion,
    },
  }
}

function isMasked({ loaded }: RuleSet): boolean {
  return loaded.value.privacy.views === 'masked'
}

/** What a replay would send, by the rules as they are now. */
function nowSent(letter: DeadLetter, rules: RuleSet, now: number): string {
  const destination = rules.destinations.get(letter.destination)
  if (!destination) return `destination ${letter.destination} is no longer configured`
  const record = JSON.parse(letter.body) as DeliveryRecord
  const context = { deliveryId: deliveryId(record.id, destination.id), attempt: 1, now }
  const request = destination.request(record, context)
  if (!request.ok) return `no request can be built: ${request.error.detail}`
  const text = maskSecrets(requestText(request.value, context.deliveryId), destination.secrets)
  return isMasked(rules) ? maskPersonalIn(text, record.conversion) : text
}
