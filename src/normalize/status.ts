/**
 * The network's status word to ours. A rule's own map decides first; words that mean one thing at
 * every network are known besides it. Numbers never are: `2` is pending at some networks and a
 * chargeback at others.
 */
import { fail, ok, type Result } from '../base/result.ts'
import type { Status } from '../model/status.ts'
import type { RuleFault } from '../rules/rule-fault.ts'

type Target = Status | 'test' | 'informational'

export interface StatusSpec {
  readonly map?: Readonly<Record<string, Target>> | undefined
  readonly words?: 'common' | 'none' | undefined
  readonly default?: Status | undefined
  readonly unknown?: 'reject' | 'ignore' | Status | undefined
}

/** Of a word: what it means, or `reject`. */
export type ReadStatus = (word: string) => Target | 'reject'

export interface StatusMap {
  readonly read: ReadStatus
  /** For a postback without a status. */
  readonly absent: Status
  /** For a word in a field that is not about the status: only what can mean nothing else. */
  hint(word: string): Target | undefined
}

/**
 * Left out on purpose, because networks disagree: `accept`, `accepted`, `dep`, `deposit`,
 * `subscribe`, `install`.
 */
const COMMON_WORDS: Readonly<Record<Status, string>> = {
  pending: 'pending new lead reg registration wait waiting processing in_progress created open',
  hold: 'hold on_hold onhold',
  approved:
    'approved approve confirmed confirm sale sell paid payed success completed complete valid ' +
    'credited buyout ftd rebill',
  declined:
    'declined decline rejected reject trash cancel cancelled canceled fail failed failure invalid ' +
    'spam fake duplicate double denied',
  reversed: 'reversed reversal chargeback refund refunded returned return',
}

/** Of the common words, those that are never the name of an event. */
const STATUS_ONLY: Readonly<Record<string, Status>> = {
  pending: 'pending',
  hold: 'hold',
  approved: 'approved',
  confirmed: 'approved',
  declined: 'declined',
  rejected: 'declined',
  trash: 'declined',
  reversed: 'reversed',
  reversal: 'reversed',
  chargeback: 'reversed',
  refund: 'reversed',
  refunded: 'reversed',
}

const COMMON = new Map<string, Target>(
  Object.entries(COMMON_WORDS).flatMap(([status, words]) =>
    words.split(' ').map((word): [string, Target] => [word, status as Status]),
  ),
)

const fold = (word: string) => word.trim().toLowerCase()

/** `added` is the operator's map, which wins over the rule's word for word. */
export function compileStatus(
  spec: StatusSpec,
  added: Readonly<Record<string, Target>> = {},
): Result<StatusMap, readonly RuleFault[]> {
  const faults: RuleFault[] = []
  const own = foldMap(spec.map ?? {}, ['status', 'map'], faults)
  for (const [word, target] of foldMap(added, ['override', 'status_map'], faults))
    own.set(word, target)
  if (faults.length > 0) return fail(faults)

  const known = new Map([...(spec.words === 'none' ? [] : COMMON), ...own])
  const unknown = spec.unknown === 'ignore' ? 'informational' : (spec.unknown ?? 'reject')
  return ok({
    read: word => known.get(fold(word)) ?? unknown,
    absent: spec.default ?? 'approved',
    hint: word => {
      const folded = fold(word)
      const status = Object.hasOwn(STATUS_ONLY, folded) ? STATUS_ONLY[folded] : undefined
      return status && (own.get(folded) ?? status)
    },
  })
}

function foldMap(
  map: Readonly<Record<string, Target>>,
  path: readonly string[],
  faults: RuleFault[],
): Map<string, Target> {
  const folded = new Map<string, Target>()
  for (const [word, target] of Object.entries(map)) {
    const before = folded.get(fold(word))
    if (before !== undefined && before !== target) {
      faults.push({
        path: [...path, word],
        message: `"${word}" is in the map twice, as ${before} and as ${target}`,
        hint: 'words are matched in any case; keep one of them',
      })
    }
    folded.set(fold(word), target)
  }
  return folded
}
