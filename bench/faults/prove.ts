/** A fault under load: survived, checked by P1–P9, and written into bench/FAULTS.md. */
import type { Test } from 'tap'
import {
  survive,
  type Site,
  type SurviveOptions,
  type Survived,
} from '../../test/support/survive.ts'
import { until } from '../../test/support/until.ts'
import { record, spread } from './record.ts'

const answered = (site: Site, status: number) => site.journal.answers.get(status) ?? 0
/** Resolves when networks were told this a few times more. */
export const more = (site: Site, status: number, what: string, limitMs = 60_000) => {
  const before = answered(site, status)
  return until(what, () => answered(site, status) > before + 5, limitMs)
}

/** Survives, and writes it down; the checks P1–P9 fail the test by themselves. */
export async function prove(
  t: Test,
  [fault, setting]: readonly [string, string],
  options: SurviveOptions,
  trouble: (site: Site) => Promise<number>,
  say: (survived: Survived) => string = () => '',
): Promise<void> {
  let runs = 0
  const survived = await survive(t, { drainMs: 240_000, ...options }, async site => {
    runs = await trouble(site)
  })
  const said = say(survived)
  if (!t.passing()) return
  const { journal, repeats, recoveriesMs } = survived
  const told = [...journal.answers].map(([status, n]) => `${status || 'no answer'}: ${n}`)
  const found = [
    `P1–P9 hold; ${repeats.length} repeats`,
    ...(recoveriesMs.length > 0
      ? [`ready after ${spread(recoveriesMs)} ms (min / median / max)`]
      : []),
    `answers ${told.join(', ')}`,
    ...[said].filter(Boolean),
  ].join('; ')
  t.comment(found)
  record({ fault, setting, runs, acknowledged: journal.acknowledged.size, lost: 0, found })
}
