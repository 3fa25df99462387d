/**
 * Postbacks among the tracker's requests. In: a request at a declared place. Gate: it goes through
 * the pipeline, which delivers the original request to the tracker; the network is answered here.
 * Tap: the tracker answers, and a copy enters the pipeline afterwards; where the tracker cannot
 * take it, it is stored as in gate mode, and so are those that come behind it.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../base/clock.ts'
import type { Result } from '../base/result.ts'
import type { Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import type { Backlog } from './backlog.ts'
import { hasBody, isDeclaredOver, readBody } from './body.ts'
import type { Copies } from './copies.ts'
import { toOriginal } from './original.ts'
import type { Outcome, Passing } from './pass.ts'
import { choose, type Candidate } from './places.ts'
import type { ProxyPorts, ProxyRefusal } from './ports.ts'

/** A request at a declared place, before its body is read. */
export interface Declared {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly target: string
  /** As they go to the tracker. */
  readonly headers: string[]
  readonly candidates: readonly Candidate[]
  /** Passes it through; `body` where it was read already. */
  pass(body: Passing['request']['body'] | undefined, more: Partial<Passing>): void
}

export interface PostbacksOptions {
  readonly ports: ProxyPorts
  readonly backlog: Backlog
  readonly copies: Copies
  readonly clock: Clock
}

const NO_BODY = Buffer.alloc(0)
const EXCERPT_BYTES = 65_536

export function createPostbacks({ ports, backlog, copies, clock }: PostbacksOptions) {
  return async function take(declared: Declared): Promise<void> {
    const { request, target, candidates } = declared
    const { raw: req } = request
    const isGuarded = candidates.some(({ place }) => place.isGuarded)
    const { method } = req
    if (method !== 'GET' && method !== 'POST') {
      if (!isGuarded) return declared.pass(undefined, {})
      return refuseMethod(declared)
    }
    const read = await bodyOf(req)
    if (read.kind === 'gone') return void declared.reply.hijack()
    if (read.kind === 'late') {
      return refuse(declared, undefined, { reason: 'request_timeout', detail: 'body too slow' })
    }
    if (read.kind === 'large') {
      if (!isGuarded) return declared.pass(read.body, {})
      const detail = `the body is over ${ports.postbackBytes} bytes`
      return refuse(declared, undefined, { reason: 'body_too_large', detail })
    }
    const { body } = read
    const client = ports.client(req)
    const receivedAt = clock.now()
    let known: Result<Postback, Refusal> | undefined
    const readOnce = ({ token, event }: Candidate): Result<Postback, Refusal> =>
      (known ??= ports.read(
        { method, target, headers: req.headers, body },
        { token, event },
        client,
        receivedAt,
      ))
    const sent: Sent = { declared, method, body, readOnce }

    // Nothing to read before the tracker may answer.
    const [first] = candidates
    const fixed = first?.place.fixed
    if (first && fixed !== undefined && ports.rules().modeOf(fixed) === 'tap') {
      return tap(sent, fixed, first)
    }

    const postback = first && readOnce(first)
    const params = postback?.ok ? postback.value.params : []
    const choice = choose(candidates, params, postback?.ok === true, ports.rules().isKnown)
    if (choice.kind === 'other' || (choice.kind === 'unknown' && !choice.isGuarded)) {
      return declared.pass(body, {})
    }
    if (choice.kind === 'unknown' || !postback) {
      if (postback && !postback.ok) return refuse(declared, undefined, postback.error)
      const detail = 'no network of this name'
      return refuse(declared, undefined, { reason: 'unknown_network', detail })
    }
    const { network, candidate } = choice
    if (ports.rules().modeOf(network) === 'tap') return tap(sent, network, candidate)
    if (!postback.ok) return refuse(declared, network, postback.error)
    declared.reply.hijack()
    const answer = await ports.gate(complete(postback.value, sent, network, candidate, true))
    ports.answer(declared.reply.raw, answer)
  }

  function refuse({ reply }: Declared, network: string | undefined, refusal: ProxyRefusal): void {
    reply.hijack()
    ports.answer(reply.raw, ports.refuse(network, refusal, reply.request.raw.method))
    // What is unread of a body is not the next request.
    if (!reply.request.raw.complete) reply.raw.once('finish', () => reply.request.raw.destroy())
  }

  /** HEAD must not pass: PHP and others run a script for it as for GET. */
  function refuseMethod(declared: Declared): void {
    const { request, reply, candidates } = declared
    const fixed = candidates[0]?.place.fixed
    const probe =
      request.raw.method === 'HEAD' && fixed !== undefined ? ports.probe(fixed) : undefined
    if (!probe) {
      return refuse(declared, fixed, { reason: 'method_not_allowed', detail: 'send GET or POST' })
    }
    reply.hijack()
    ports.answer(reply.raw, probe)
  }

  async function tap(sent: Sent, network: string, candidate: Candidate): Promise<void> {
    const { declared, body } = sent
    const rules = ports.rules()
    let isTried = false
    const store = async (): Promise<boolean> => {
      const postback = sent.readOnce(candidate)
      if (!postback.ok) return false
      isTried = true
      const stored = backlog.storing()
      let isStored = false
      const kept = complete(postback.value, sent, network, candidate, true)
      const answer = await ports
        .tap(kept, outcome => {
          isStored = outcome === 'accepted' || outcome === 'duplicate'
        })
        .finally(stored)
      if (!isStored) return false
      declared.reply.hijack()
      ports.answer(declared.reply.raw, answer)
      ports.events.tapped({ network, result: 'stored' })
      return true
    }
    if (rules.storesWhenDown && backlog.isBehind() && (await store())) return

    declared.pass(body, {
      ended: (outcome, go) => {
        if (rules.storesWhenDown && !isTried && isDown(outcome)) {
          void store()
            .catch((error: unknown) => {
              ports.events.failed(error)
              return false
            })
            .then(isStored => {
              if (!isStored) return go()
              if (outcome.kind === 'answered') discard(outcome)
            })
          return
        }
        if (outcome.kind === 'answered') copyAfter(sent, network, candidate, outcome)
        go()
      },
    })
  }

  /** What the tracker refused or failed on is not a conversion there, so it is none here. */
  function copyAfter(
    sent: Sent,
    network: string,
    candidate: Candidate,
    { answer }: Outcome & { kind: 'answered' },
  ): void {
    const { raw: response } = sent.declared.reply
    const { statusCode: status } = answer
    // Of an answer that nobody waits for any more, the body is not read.
    const shadow = status < 500 && !response.closed ? ports.shadow() : undefined
    const chunks: Buffer[] = []
    let size = 0
    if (shadow) {
      answer.body.on('data', (chunk: Buffer) => {
        if (size < EXCERPT_BYTES) chunks.push(chunk)
        size += chunk.length
      })
    }
    const after = (): void => {
      if (shadow) {
        const text = Buffer.concat(chunks).toString('utf8', 0, EXCERPT_BYTES)
        const original = originalOf(sent)
        shadow.compare(network, `${clock.monotonic()}`, original, { status, body: text })
      }
      if (status >= 400) ports.events.tapped({ network, result: 'refused' })
      else copies.add(network, () => copy(sent, network, candidate))
    }
    if (response.closed) after()
    else response.once('close', after)
  }

  async function copy(sent: Sent, network: string, candidate: Candidate): Promise<boolean> {
    const postback = sent.readOnce(candidate)
    if (!postback.ok) {
      ports.refuse(network, postback.error)
      ports.events.tapped({ network, result: 'unread' })
      return true
    }
    let isDeferred = false
    await ports.tap(complete(postback.value, sent, network, candidate, false), outcome => {
      isDeferred = outcome === 'deferred'
    })
    if (!isDeferred) ports.events.tapped({ network, result: 'copied' })
    return !isDeferred
  }

  async function bodyOf(req: IncomingMessage) {
    if (!hasBody(req)) return { kind: 'whole', body: NO_BODY } as const
    if (isDeclaredOver(req, ports.postbackBytes)) return { kind: 'large', body: undefined } as const
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<{ readonly kind: 'late' }>(resolve => {
      timer = setTimeout(() => resolve({ kind: 'late' }), ports.postbackTimeoutMs)
    })
    const read = await Promise.race([readBody(req, ports.postbackBytes), late])
    clearTimeout(timer)
    return read
  }
}

interface Sent {
  readonly declared: Declared
  readonly method: 'GET' | 'POST'
  readonly body: Buffer
  readonly readOnce: (candidate: Candidate) => Result<Postback, Refusal>
}

function complete(
  postback: Postback,
  sent: Sent,
  network: string,
  { token, event }: Candidate,
  toTracker: boolean,
): Postback {
  const named = { ...postback, network, pathToken: token, pathEvent: event }
  return toTracker ? { ...named, original: originalOf(sent) } : named
}

function originalOf({ declared, method, body }: Sent) {
  return toOriginal(method, declared.target, declared.headers, body)
}

/** Not reached, or reached only what stands in front of it. A plain 500 is the tracker's own answer. */
function isDown(outcome: Outcome): boolean {
  if (outcome.kind === 'failed') return true
  const { statusCode: status } = outcome.answer
  return status === 502 || status === 503 || status === 504
}

function discard({ answer }: Outcome & { kind: 'answered' }): void {
  answer.body.dump().catch(() => undefined)
}
