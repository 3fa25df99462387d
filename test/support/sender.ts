/**
 * A network, scripted: sends postbacks at a steady pace, repeats what was not answered 2xx (like a
 * good network), and keeps a journal of what was acknowledged.
 */
import { Agent, request } from 'undici'

export interface SenderJournal {
  /** Ids sent at least once. */
  readonly sent: Set<string>
  /** Ids answered 2xx. */
  readonly acknowledged: Set<string>
  /** Answers by status; 0 for a connection that failed. */
  readonly answers: Map<number, number>
}

export interface Sender {
  readonly journal: SenderJournal
  /** Stops making new ids; resolves when every id made was acknowledged, or is forgotten. */
  finish(): Promise<void>
  /** Stops, whatever is acknowledged. */
  abandon(): void
}

/** Ids under way; and how long a network waits before it repeats one. */
const MAX_OPEN = 200
const REPEAT_MS = 100

export interface SenderOptions {
  /** Where to write; a journal of its own by default. */
  readonly journal?: SenderJournal
  /** Where to send now; it may change while gateways come and go. */
  readonly url: (attempt: number) => string
  /** Path and query of one id. */
  readonly target: (id: string) => string
  readonly perSecond: number
  /** Share of ids that are sent twice although the first was acknowledged. */
  readonly duplicates: number
  /** A network that sends once and forgets: what is not acknowledged at once never is. */
  readonly isForgetful?: boolean
}

export const newJournal = (): SenderJournal => ({
  sent: new Set(),
  acknowledged: new Set(),
  answers: new Map(),
})

export function startSender(options: SenderOptions): Sender {
  const agent = new Agent({ connections: 64, headersTimeout: 10_000, bodyTimeout: 10_000 })
  const journal = options.journal ?? newJournal()
  const open = new Set<Promise<void>>()
  let sequence = 0
  let isAbandoned = false

  async function attempt(id: string, tries: number): Promise<boolean> {
    journal.sent.add(id)
    let status = 0
    try {
      const response = await request(`${options.url(tries)}${options.target(id)}`, {
        dispatcher: agent,
      })
      await response.body.dump()
      status = response.statusCode
    } catch {
      // The connection failed: the network cannot know whether it was stored, and sends again.
    }
    journal.answers.set(status, (journal.answers.get(status) ?? 0) + 1)
    const isAcknowledged = status >= 200 && status < 300
    if (isAcknowledged) journal.acknowledged.add(id)
    return isAcknowledged
  }

  async function deliver(id: string): Promise<void> {
    for (let tries = 0; !(await attempt(id, tries)); tries++) {
      if (options.isForgetful || isAbandoned) return
      await new Promise(resolve => setTimeout(resolve, REPEAT_MS))
    }
    if (Number.parseInt(id.slice(-2), 36) / 1296 < options.duplicates) await attempt(id, 0)
  }

  let last = performance.now()
  let due = 0
  const timer = setInterval(() => {
    const now = performance.now()
    due += ((now - last) / 1000) * options.perSecond
    last = now
    // Who waits for so many answers sends nothing new: repeats alone must not be the load.
    if (open.size >= MAX_OPEN) due = Math.min(due, sequence)
    while (sequence < due && open.size < MAX_OPEN) {
      const id = `t${(sequence++).toString(36).padStart(6, '0')}`
      const work = deliver(id).finally(() => open.delete(work))
      open.add(work)
    }
  }, 5)

  return {
    journal,
    abandon: () => {
      isAbandoned = true
      clearInterval(timer)
      void agent.destroy()
    },
    finish: async () => {
      clearInterval(timer)
      while (open.size > 0) await Promise.all(open)
      await agent.close()
    },
  }
}
