/**
 * Public keys that networks publish, fetched and kept, for checks that see only a `KeyRing`. In: URLs
 * from rules. Out: keys at once from memory; what is not known is fetched in the background, one
 * fetch at a time for each URL. An unknown key id makes it fetch again, though not more often than
 * every few minutes, so that made-up ids cannot make this gateway call the network for every request.
 */
import type { KeyObject } from 'node:crypto'
import type { Clock } from './base/clock.ts'
import { fail, ok, type Result } from './base/result.ts'
import type { Channel, Transport } from './deliver/transport.ts'
import type { DeliveryPolicy } from './model/delivery.ts'
import { parseJson } from './receive/json.ts'
import { jsonText } from './rules/json-path.ts'
import { parsePublicKey, type KeyLookup, type KeyRing } from './verify/key-ring.ts'

export interface PublicKeysOptions {
  readonly clock: Clock
  readonly transport: Transport
  /** Why keys could not be fetched; the next try follows by itself. */
  readonly failed: (message: string) => void
  /** Private networks that a key server may live in; none by default. */
  readonly allowPrivate?: readonly string[]
}

export interface PublicKeys extends KeyRing {
  /** Fetches what is not known yet, before the first postback needs it. */
  prefetch(urls: readonly string[]): void
  /** Resolves when no fetch is under way. */
  settled(): Promise<void>
  close(): void
}

const HOUR_MS = 3_600_000
/** Google asks to keep its keys for a day at most. */
const MAX_AGE_MS = 24 * HOUR_MS
const REFRESH_MS = 12 * HOUR_MS
/** After a fetch that worked, for a key id that it did not bring. */
const AGAIN_MS = 5 * 60_000
/** After one that failed. */
const RETRY_MS = 10_000
/** Networks wait some seconds for an answer, and a postback may be waiting for this. */
const TIMEOUT_MS = 3_000
const KEYS_MAX = 100

interface Entry {
  keys: ReadonlyMap<string, KeyObject>
  /** Monotonic; undefined: never. */
  fetchedAt: number | undefined
  triedAt: number | undefined
  fetching: Promise<void> | undefined
}

const NO_KEYS: ReadonlyMap<string, KeyObject> = new Map()

export function createPublicKeys(options: PublicKeysOptions): PublicKeys {
  const { clock } = options
  const channel = options.transport.channel(policyOf(options.allowPrivate ?? []))
  const entries = new Map<string, Entry>()

  function entryOf(url: string): Entry {
    const known = entries.get(url)
    if (known) return known
    const entry = { keys: NO_KEYS, fetchedAt: undefined, triedAt: undefined, fetching: undefined }
    entries.set(url, entry)
    return entry
  }

  function start(url: string, entry: Entry): void {
    entry.triedAt = clock.monotonic()
    entry.fetching ??= fetchKeys(channel, url).then(fetched => {
      entry.fetching = undefined
      if (!fetched.ok) return options.failed(`public keys at ${url}: ${fetched.error}`)
      entry.keys = fetched.value
      entry.fetchedAt = clock.monotonic()
    })
  }

  function lookup(url: string, keyId: string): KeyLookup {
    const entry = entryOf(url)
    const now = clock.monotonic()
    const age = entry.fetchedAt === undefined ? Infinity : now - entry.fetchedAt
    const sinceTry = entry.triedAt === undefined ? Infinity : now - entry.triedAt
    const key = age < MAX_AGE_MS ? entry.keys.get(keyId) : undefined
    // The last try worked if it is no later than what is known.
    const pause = age <= sinceTry ? AGAIN_MS : RETRY_MS
    const isDue = key ? age >= REFRESH_MS : true
    if (isDue && !entry.fetching && sinceTry >= pause) start(url, entry)
    if (key) return { found: 'one', key }
    return { found: entry.fetching || age > sinceTry ? 'unavailable' : 'none' }
  }

  return {
    lookup,
    prefetch: urls => {
      for (const url of urls) {
        const entry = entryOf(url)
        if (entry.triedAt === undefined) start(url, entry)
      }
    },
    settled: async () => {
      await Promise.all([...entries.values()].flatMap(({ fetching }) => fetching ?? []))
    },
    close: () => channel.close(),
  }
}

async function fetchKeys(
  channel: Channel,
  url: string,
): Promise<Result<ReadonlyMap<string, KeyObject>, string>> {
  const request = { method: 'GET', url, headers: {}, body: undefined } as const
  const sent = await channel.send(request, 'public-keys', 1)
  if (sent.kind === 'failed') return fail(`${sent.result}: ${sent.detail}`)
  const { status, body } = sent.response
  if (status !== 200) return fail(`answered ${status}`)
  const keys = parseKeys(body)
  return keys.size > 0 ? ok(keys) : fail('the answer holds no P-256 public key')
}

/** `{"keys":[{"keyId":3335741209,"pem":"-----BEGIN PUBLIC KEY-----…"}]}`; ids as they are written. */
function parseKeys(text: string): ReadonlyMap<string, KeyObject> {
  const keys = new Map<string, KeyObject>()
  const document = parseJson(text, 5)
  const list = document.ok && document.value instanceof Map ? document.value.get('keys') : undefined
  for (const entry of Array.isArray(list) ? list.slice(0, KEYS_MAX) : []) {
    if (!(entry instanceof Map)) continue
    const id = jsonText(entry.get('keyId'))
    const key = parsePublicKey(jsonText(entry.get('pem')) ?? '')
    if (id !== undefined && key) keys.set(id, key)
  }
  return keys
}

function policyOf(allowPrivate: readonly string[]): DeliveryPolicy {
  return {
    timeoutMs: TIMEOUT_MS,
    concurrency: 1,
    ratePerSecond: undefined,
    memory: 1,
    scheduleMs: [],
    budgetMs: TIMEOUT_MS,
    retryAfterAmbiguous: false,
    allowPrivate,
  }
}
