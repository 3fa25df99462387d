/** The client address against a list of addresses and CIDRs. Fails closed. */
import { LRUCache } from 'lru-cache'
import { compileCidrs } from '../base/address.ts'
import { fail, ok } from '../base/result.ts'
import { refusal, type CompileCheck } from './context.ts'

const CACHED_VERDICTS = 4096

export const compileIp: CompileCheck<readonly string[]> = (ruleList, options, path) => {
  const list = options.ips ?? ruleList
  if (list.length === 0) {
    return fail([
      {
        path,
        message: 'this check compares addresses and the list is empty',
        hint: 'set `ips: [192.0.2.0/24]` of the network',
      },
    ])
  }
  const allowed = compileCidrs(list)
  if (!allowed.ok) {
    return fail(
      allowed.error.map(({ index, message }) => ({
        path: options.ips ? path : [...path, index],
        message: options.ips ? `\`ips\` of the network, entry ${index + 1}: ${message}` : message,
      })),
    )
  }
  const isAllowed = allowed.value
  // A match costs 2 µs and a network calls from few addresses.
  const verdicts = new LRUCache<string, boolean>({ max: CACHED_VERDICTS })
  return ok({
    check: ({ client }) => {
      if (client === undefined) return refusal('ip_unparseable', 'client address')
      let verdict = verdicts.get(client)
      if (verdict === undefined) {
        verdict = isAllowed(client)
        verdicts.set(client, verdict)
      }
      return verdict ? undefined : refusal('ip_denied', 'client address')
    },
  })
}
