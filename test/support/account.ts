/**
 * The accountant: compares what the network was told with what the destinations got and with what
 * the gateway says of itself. Each promise is one named check; a check without findings holds.
 *
 *   A = ids answered 2xx, U = the rest that was sent, D = ids delivered, with repeats
 *   P1  A ⊆ D ∪ dead, at every destination: nothing lost
 *   P2  D ⊆ A ∪ U: nothing invented
 *   P3  one delivery id always says the same
 *   P4  a delivery comes again only where its answer was lost: what the store had recorded as
 *       delivered when a gateway died is never sent again, and no gateway repeats by itself
 *   P5  one conversion has one delivery id at a destination
 *   P6  the ledger is 0 and nothing is pending
 *   P7  what the store counts and what gateways count is what was seen outside
 *   P8  every recovery ended (how long each took is for the report)
 *   P9  no gateway complained, ended unasked or kept files open
 *
 * Nothing here is measured against a clock: on a slow machine the same holds.
 */
import type { LedgerRow } from './ledger.ts'
import type { SenderJournal } from './sender.ts'
import type { Arrival } from './tracker.ts'

export type Check = 'P1' | 'P2' | 'P3' | 'P4' | 'P5' | 'P6' | 'P7' | 'P8' | 'P9'

export interface Finding {
  readonly check: Check
  readonly what: string
  /** Empty where it holds. */
  readonly found: readonly string[]
}

/** The death of one of several gateways that ran one after the other. */
export interface Kill {
  /** Of the gateway that died. */
  readonly life: number
  /** Destination → deliveries that the store had recorded as delivered, read after the death. */
  readonly recorded: ReadonlyMap<string, number>
}

/** One gateway process, from its start to its end. */
export interface Life {
  readonly life: number
  /** What it wrote that is not its log. */
  readonly complaints: readonly string[]
  /** True where the test killed it. */
  readonly isKilled: boolean
  readonly hasLostLease: boolean
  /** Ended by itself, or with another exit code than 0. */
  readonly hasFailed: boolean
  /** Files open after the start and, once everything was delivered, at the end. */
  readonly files?: { readonly before: number; readonly after: number; readonly spare: number }
}

export interface Books {
  readonly journal: SenderJournal
  /** By destination: every destination that should have got every conversion. */
  readonly arrivals: ReadonlyMap<string, readonly Arrival[]>
  /** Reads the sender's id out of an arrival. */
  readonly idOf: (arrival: Arrival) => string
  /** Destination → ids among its dead letters. */
  readonly dead?: ReadonlyMap<string, ReadonlySet<string>>
  readonly ledgers: readonly LedgerRow[]
  readonly lives: readonly Life[]
  /** In order, where gateways followed each other; else the counts of P4 are left out. */
  readonly kills?: readonly Kill[]
  /** True for an arrival whose answer the test itself kept from the gateway. */
  readonly isAnswerLost?: (arrival: Arrival) => boolean
  /** Attempts that a gateway counted, by destination; only where one gateway lived throughout. */
  readonly attempts?: ReadonlyMap<string, number>
  /** Undefined for a recovery that never ended. */
  readonly recoveriesMs?: readonly (number | undefined)[]
}

/** A delivery that came again although the destination had said yes. */
export interface Repeat {
  readonly before: Arrival
  readonly after: Arrival
}

export function audit(books: Books): readonly Finding[] {
  return [
    ...[...books.arrivals].flatMap(([destination, arrivals]) =>
      auditDestination(books, destination, arrivals),
    ),
    { check: 'P6', what: 'the ledger is 0 and nothing is pending', found: unbalanced(books) },
    {
      check: 'P8',
      what: 'every recovery ended',
      found: (books.recoveriesMs ?? []).flatMap((ms, i) =>
        ms === undefined ? [`recovery ${i} did not end`] : [],
      ),
    },
    { check: 'P9', what: 'gateways are sound', found: books.lives.flatMap(unsound) },
  ]
}

function auditDestination(
  books: Books,
  destination: string,
  arrivals: readonly Arrival[],
): readonly Finding[] {
  const { journal, idOf } = books
  const dead = books.dead?.get(destination) ?? new Set<string>()
  const accepted = arrivals.filter(isAccepted)
  const ids = new Set(accepted.map(idOf))
  const contents = new Map<string, Set<string>>()
  const deliveries = new Map<string, Set<string>>()
  for (const arrival of arrivals) {
    const content = `${arrival.path}?${arrival.query.toString()}\n${arrival.body}`
    put(contents, arrival.deliveryId, content)
    put(deliveries, idOf(arrival), arrival.deliveryId)
  }
  const at = (what: string) => `${destination}: ${what}`
  return [
    {
      check: 'P1',
      what: at('nothing acknowledged is lost'),
      found: [...journal.acknowledged].filter(id => !ids.has(id) && !dead.has(id)),
    },
    {
      check: 'P2',
      what: at('nothing is invented'),
      found: [...deliveries.keys()].filter(id => !journal.sent.has(id)),
    },
    {
      check: 'P3',
      what: at('a repeat says the same as the first'),
      found: [...contents].filter(([, set]) => set.size > 1).map(([id]) => id),
    },
    {
      check: 'P4',
      what: at('only lost answers are asked for again'),
      found: unexcused(books, destination, arrivals),
    },
    {
      check: 'P5',
      what: at('one delivery id for each conversion'),
      found: [...deliveries].filter(([, set]) => set.size > 1).map(([id]) => id),
    },
    {
      check: 'P7',
      what: at('counters say what was seen outside'),
      found: miscounted(books, destination, arrivals, dead),
    },
  ]
}

export function repeatsOf(arrivals: readonly Arrival[]): readonly Repeat[] {
  const latest = new Map<string, Arrival>()
  const repeats: Repeat[] = []
  for (const after of arrivals) {
    const before = latest.get(after.deliveryId)
    if (before && isAccepted(before)) repeats.push({ before, after })
    latest.set(after.deliveryId, after)
  }
  return repeats
}

function unexcused(
  { lives, kills, isAnswerLost }: Books,
  destination: string,
  arrivals: readonly Arrival[],
): readonly string[] {
  const lifeOf = new Map(lives.map(life => [life.life, life]))
  const repeats = repeatsOf(arrivals).filter(({ before }) => !isAnswerLost?.(before))
  const found = repeats
    .filter(({ before, after }) => {
      const life = lifeOf.get(before.life)
      const hasEnded = life?.isKilled && before.life !== after.life
      return !hasEnded && !life?.hasLostLease
    })
    .map(({ before, after }) => `${before.deliveryId} by ${before.life}, again by ${after.life}`)
  for (const { life, recorded } of kills ?? []) {
    const until = arrivals.filter(arrival => arrival.life <= life && isAccepted(arrival))
    const delivered = new Set(until.map(arrival => arrival.deliveryId)).size
    const unrecorded = delivered - (recorded.get(destination) ?? 0)
    const again = repeats.filter(({ before, after }) => before.life <= life && after.life > life)
    if (again.length > unrecorded) {
      found.push(
        `${again.length} came again after the death of ${life}, ${unrecorded} were not recorded`,
      )
    }
  }
  return found
}

function unbalanced({ arrivals, ledgers }: Books): readonly string[] {
  const found = [...arrivals.keys()]
    .filter(name => !ledgers.some(ledger => ledger.destination === name))
    .map(name => `${name} has no ledger`)
  for (const { destination, unaccounted, pending } of ledgers) {
    if (unaccounted !== 0) found.push(`${destination}: ${unaccounted} unaccounted for`)
    if (pending !== 0) found.push(`${destination}: ${pending} pending`)
  }
  return found
}

function miscounted(
  { journal, ledgers, attempts }: Books,
  destination: string,
  arrivals: readonly Arrival[],
  dead: ReadonlySet<string>,
): readonly string[] {
  const ledger = ledgers.find(row => row.destination === destination)
  if (!ledger) return []
  const delivered = new Set(arrivals.filter(isAccepted).map(arrival => arrival.deliveryId)).size
  const found: string[] = []
  const compare = (what: string, counted: number, seen: number) => {
    if (counted !== seen) found.push(`${counted} ${what} by the gateway's count, ${seen} were seen`)
  }
  compare('delivered', ledger.delivered, delivered)
  compare('dead', ledger.dead, dead.size)
  if (ledger.enqueued < journal.acknowledged.size || ledger.enqueued > journal.sent.size) {
    found.push(
      `${ledger.enqueued} enqueued, ${journal.acknowledged.size} acknowledged of ${journal.sent.size}`,
    )
  }
  const tried = attempts?.get(destination)
  if (tried !== undefined) compare('attempts', tried, arrivals.length)
  return found
}

function unsound(life: Life): readonly string[] {
  const found = life.complaints.map(text => `gateway ${life.life} says: ${text}`)
  if (life.hasFailed) found.push(`gateway ${life.life} ended unasked`)
  const { files } = life
  if (files && files.after > files.before + files.spare) {
    found.push(`gateway ${life.life} has ${files.after} files open, ${files.before} at its start`)
  }
  return found
}

const isAccepted = ({ answered }: Arrival): boolean => answered >= 200 && answered < 300

function put(map: Map<string, Set<string>>, key: string, value: string): void {
  map.set(key, (map.get(key) ?? new Set()).add(value))
}
