/**
 * What a network is answered. Its rule may say what body and status it expects for each outcome or
 * reason; what no rule says has a default. Compiled at load: an answer without macros is made once.
 * Guarantees: `deferred` is always 503 and an `accepted` always 2xx, and a value of the postback is
 * echoed only in a form that neither a browser nor a JSON reader can take for markup.
 */
import { fail, ok, type Result } from '../base/result.ts'
import type { Conversion } from '../model/conversion.ts'
import { REASON_CODES, REASONS, type Outcome, type Reason } from '../reasons.ts'
import { conversionFields } from '../rules/fields.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import type { NetworkRule } from '../rules/schema.ts'
import {
  compileTemplate,
  encodeJson,
  type Encode,
  type Macros,
  type Template,
} from '../rules/template.ts'

export interface Reply {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

type ReplyRule = NonNullable<NetworkRule['reply']>
interface Answer {
  readonly status?: number
  readonly body?: string
}

/** The conversion as far as it could be read; undefined where nothing was. */
export type Replier = (reason: Reason, conversion: Partial<Conversion> | undefined) => Reply

export const TEXT = 'text/plain; charset=utf-8'
export const JSON_TYPE = 'application/json; charset=utf-8'

/** What is answered where no rule decides: no such network, not HTTP, draining. */
export function defaultReply(reason: Reason): Reply {
  return DEFAULTS[reason]
}

const DEFAULTS = Object.fromEntries(
  REASON_CODES.map(reason => [reason, makeDefault(reason)]),
) as Record<Reason, Reply>

function makeDefault(reason: Reason): Reply {
  const { outcome, http } = REASONS[reason]
  if (outcome !== 'rejected' && outcome !== 'deferred') {
    return { status: http, contentType: TEXT, body: 'OK' }
  }
  return { status: http, contentType: JSON_TYPE, body: JSON.stringify({ ok: false, reason }) }
}

export interface ReplyOptions {
  readonly answerRejectedWith?: number | undefined
  /** What `{settings.NAME}` stands for, where networks of one family want different words. */
  readonly settings?: Readonly<Record<string, string>> | undefined
}

export function compileReply(
  rule: ReplyRule | undefined,
  options: ReplyOptions = {},
): Result<Replier, readonly RuleFault[]> {
  const faults: RuleFault[] = []
  const macros = macrosFor(options.settings ?? {})
  const compiled = new Map<Reason, (conversion: Parameters<Replier>[1]) => Reply>()
  for (const reason of REASON_CODES) {
    const { outcome } = REASONS[reason]
    const own = rule?.reasons?.[reason]
    const answer: Answer = { ...rule?.[outcome], ...own }
    const path = own ? ['reply', 'reasons', reason] : ['reply', outcome]
    const status = statusOf(reason, outcome, answer, options.answerRejectedWith, path, faults)
    const whole: Reply = { ...DEFAULTS[reason], status }
    const contentType = rule?.content_type ?? TEXT
    compiled.set(reason, compileBody(whole, { ...answer, macros, contentType }, path, faults))
  }
  if (faults.length > 0) return fail(unique(faults))
  return ok((reason, conversion) => {
    const answer = compiled.get(reason)
    return answer ? answer(conversion) : DEFAULTS[reason]
  })
}

function statusOf(
  reason: Reason,
  outcome: Outcome,
  answer: Answer,
  answerRejectedWith: number | undefined,
  path: RuleFault['path'],
  faults: RuleFault[],
): number {
  if (outcome === 'rejected' && answerRejectedWith !== undefined) return answerRejectedWith
  const status = answer.status ?? REASONS[reason].http
  if (outcome === 'deferred' && status !== 503) {
    faults.push({
      path: [...path, 'status'],
      message: 'what is not stored is always answered 503, so that the network sends it again',
      hint: 'remove `status`',
    })
  }
  if (outcome === 'accepted' && (status < 200 || status > 299)) {
    faults.push({
      path: [...path, 'status'],
      message: 'what is stored is always answered 2xx, or the network sends it again for ever',
    })
  }
  return status
}

function compileBody(
  whole: Reply,
  spec: {
    readonly body?: string
    readonly macros: Macros<Conversion>
    readonly contentType: string
  },
  path: RuleFault['path'],
  faults: RuleFault[],
): (conversion: Parameters<Replier>[1]) => Reply {
  const { body, macros, contentType } = spec
  if (body === undefined) return () => whole
  const template = compileTemplate(body, macros, encoderFor(contentType))
  if (!template.ok) {
    faults.push({ path: [...path, 'body'], message: template.error.message })
    return () => whole
  }
  if (/\{_[A-Za-z]/.test(body)) {
    faults.push({
      path: [...path, 'body'],
      message: 'an answer never repeats a value as it was sent',
      hint: 'write {name} instead of {_name}',
    })
  }
  if (template.value.macros.length === 0) {
    const fixed: Reply = { ...whole, contentType, body }
    return () => fixed
  }
  return conversion => {
    const text = conversion && render(template.value, conversion)
    return text === undefined ? whole : { ...whole, contentType, body: text }
  }
}

/** The fields of a conversion, and the operator's settings. */
function macrosFor(settings: Readonly<Record<string, string>>): Macros<Conversion> {
  const names = Object.keys(settings).map(name => `settings.${name}`)
  return {
    names: [...conversionFields.names, ...names],
    resolve: name => {
      if (!names.includes(name)) return conversionFields.resolve(name)
      const value = settings[name.slice('settings.'.length)]
      return { kind: 'text', get: () => value }
    },
  }
}

const UNREAD = { id: '', network: '', status: 'pending', received_at: 0, q: {} } as const

function render(template: Template<Conversion>, conversion: Partial<Conversion>) {
  return template.render({ ...UNREAD, ...conversion })
}

function encoderFor(contentType: string): Encode {
  return /^application\/([\w.-]+\+)?json\b/i.test(contentType) ? encodeJson : encodePlain
}

/** Printable ASCII without `<`, `>`, `&` and quotes; the rest is left out. */
const encodePlain: Encode = value => value.replace(/[^ -~]|[<>&"']/g, '')

/** The same fault is found once for every reason of an outcome; it is told once. */
function unique(faults: readonly RuleFault[]): RuleFault[] {
  return [...new Map(faults.map(fault => [JSON.stringify(fault), fault])).values()]
}
