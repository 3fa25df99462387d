import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import type { Conversion } from '../src/model/conversion.ts'
import { compileRoutes, type RouteSpec, type RouteTargets } from '../src/route/route.ts'

const TARGETS = {
  networks: ['alpha', 'beta'],
  destinations: [
    { id: 'voluum', wants: () => true },
    { id: 'keitaro', wants: () => true },
    { id: 'ads', wants: ({ status }: Pick<Conversion, 'status'>) => status === 'approved' },
  ],
}

function router(...routes: RouteSpec[]) {
  const compiled = compileRoutes(routes, TARGETS)
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error))
  return compiled.value
}

const idOf = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 32)

function conversion(fields: Partial<Conversion> = {}): Conversion {
  return {
    id: idOf('c-1'), network: 'alpha', status: 'approved', received_at: 0, q: {}, ...fields,
  } // prettier-ignore
}

const names = (routes: readonly RouteSpec[], fields?: Partial<Conversion>) =>
  router(...routes)
    .route(conversion(fields))
    .map(delivery => delivery.destination)

t.test('a route applies where every one of its tests holds', async t => {
  const cases: [RouteSpec, Partial<Conversion>, boolean][] = [
    [{ to: ['voluum'] }, {}, true],
    [{ to: ['voluum'], from: ['alpha'] }, {}, true],
    [{ to: ['voluum'], from: ['beta'] }, {}, false],
    [{ to: ['voluum'] }, { network: 'gone' }, false],
    [{ to: ['voluum'], statuses: ['pending', 'approved'] }, {}, true],
    [{ to: ['voluum'], statuses: ['reversed'] }, {}, false],
    [{ to: ['voluum'], events: ['Sale'] }, { event: 'sALE' }, true],
    [{ to: ['voluum'], events: ['sale'] }, { event: 'lead' }, false],
    [{ to: ['voluum'], events: ['sale'] }, {}, false],
    [{ to: ['voluum'], when: { payout: { gte: '10' } } }, { payout: '9.99' }, false],
    [{ to: ['voluum'], when: { payout: { gte: '10' } } }, { payout: '10.0' }, true],
    [{ to: ['voluum'], when: { any: [{ country: { in: ['US'] } }, { 'q.vip': { exists: true } }] } }, { q: { vip: '1' } }, true],
    [{ to: ['voluum'], from: ['alpha'], statuses: ['approved'], events: ['a'], when: { sub1: { equals: 'x' } } }, { event: 'a', sub1: 'y' }, false],
    [{ to: ['voluum'], sample_percent: 100 }, {}, true],
  ] // prettier-ignore
  for (const [route, fields, applies] of cases) {
    t.same(names([route], fields), applies ? ['voluum'] : [], JSON.stringify([route, fields]))
  }
})

t.test('a destination may ask for a longer delay than its route', async t => {
  const targets = {
    networks: ['alpha'],
    destinations: [{ id: 'google', wants: () => true, restMs: ({ click_time: at = 0 }) => at }],
  } satisfies RouteTargets
  const delayOf = (seconds: number, restMs: number) => {
    const compiled = compileRoutes([{ to: ['google'], delay_seconds: seconds }], targets)
    if (!compiled.ok) throw new Error(JSON.stringify(compiled.error))
    return compiled.value.route(conversion({ click_time: restMs }))[0]?.delayMs
  }
  t.equal(delayOf(0, 5_000), 5_000)
  t.equal(delayOf(60, 5_000), 60_000)
  t.equal(delayOf(60, 0), 60_000)
  t.equal(delayOf(0, 0), 0)
})

t.test('each destination once, by the first route that leads there', async t => {
  const { route } = router(
    { to: ['voluum', 'ads'], delay_seconds: 60, payout_percent: '80' },
    { to: ['ads', 'keitaro', 'voluum'], payout_percent: '100' },
  )
  t.same(route(conversion()), [
    { destination: 'voluum', delayMs: 60_000, share: '80' },
    { destination: 'ads', delayMs: 60_000, share: '80' },
    { destination: 'keitaro', delayMs: 0, share: undefined },
  ])
  t.same(
    route(conversion({ status: 'declined' })).map(delivery => delivery.destination),
    ['voluum', 'keitaro'],
    'a destination that does not want the status is left out',
  )
})

t.test('explain says the same as route, and why', async t => {
  const { explain } = router(
    { from: ['beta'], to: ['voluum'] },
    { to: ['voluum', 'ads'], events: ['lead'] },
    { to: ['ads', 'keitaro'] },
    { to: ['keitaro'], when: { payout: { gt: '1' } } },
    { to: ['keitaro'] },
  )
  t.same(explain(conversion({ status: 'pending', event: 'sale' })), [
    { route: 0, miss: 'from', to: [{ destination: 'voluum', decision: 'unmatched' }] },
    {
      route: 1,
      miss: 'events',
      to: [
        { destination: 'voluum', decision: 'unmatched' },
        { destination: 'ads', decision: 'unmatched' },
      ],
    },
    {
      route: 2,
      miss: undefined,
      to: [
        { destination: 'ads', decision: 'unwanted' },
        { destination: 'keitaro', decision: 'delivered' },
      ],
    },
    { route: 3, miss: 'when', to: [{ destination: 'keitaro', decision: 'unmatched' }] },
    { route: 4, miss: undefined, to: [{ destination: 'keitaro', decision: 'earlier' }] },
  ])
  const destination = fc.constantFrom('voluum', 'keitaro', 'ads')
  const spec = fc.record(
    {
      to: fc.uniqueArray(destination, { minLength: 1 }),
      from: fc.subarray(['alpha', 'beta'], { minLength: 1 }),
      statuses: fc.subarray(['approved', 'pending'] as const, { minLength: 1 }),
      sample_percent: fc.integer({ min: 1, max: 100 }),
    },
    { requiredKeys: ['to'] },
  )
  fc.assert(
    fc.property(
      fc.array(spec),
      fc.constantFrom('alpha', 'beta'),
      fc.string(),
      (specs, network, seed) => {
        const both = router(...specs)
        const seen = conversion({ network, id: idOf(seed) })
        const explained = both
          .explain(seen)
          .flatMap(({ to }) => to.filter(({ decision }) => decision === 'delivered'))
        t.same(
          explained.map(each => each.destination),
          both.route(seen).map(each => each.destination),
        )
      },
    ),
  )
})

t.test('sampling takes the asked share, by conversion alone', async t => {
  const ids = Array.from({ length: 20_000 }, (_, i) => idOf(`conversion ${i}`))
  for (const percent of [0.5, 10, 33.3, 50, 90]) {
    const { route } = router({ to: ['voluum'], sample_percent: percent })
    const share = ids.filter(id => route(conversion({ id })).length > 0).length / ids.length
    // Three standard deviations of a coin of this bias; the ids are fixed, so it never flickers.
    const tolerance = 3 * Math.sqrt(((percent / 100) * (1 - percent / 100)) / ids.length)
    t.ok(Math.abs(share - percent / 100) < tolerance, `${percent} percent gave ${share}`)
  }
  const spec: RouteSpec = { to: ['voluum'], sample_percent: 50 }
  const picks = (from: ReturnType<typeof router>, more: Partial<Conversion> = {}) =>
    ids.slice(0, 500).map(id => from.route(conversion({ id, ...more })).length > 0)
  t.same(picks(router(spec)), picks(router(spec)), 'another process agrees')
  t.same(
    picks(router(spec)),
    picks(router(spec), { status: 'reversed', payout: '9' }),
    'a later status agrees',
  )
  const shifted = router({ to: ['keitaro'], when: { network: { equals: 'beta' } } }, spec)
  t.same(picks(router(spec)), picks(shifted), 'a route put in above changes nothing')
})

t.test('different routes sample independently', async t => {
  const half = { sample_percent: 50 }
  const { route } = router({ to: ['voluum'], ...half }, { to: ['keitaro'], ...half })
  const both = { none: 0, voluum: 0, keitaro: 0, two: 0 }
  const total = 20_000
  for (let i = 0; i < total; i++) {
    const routed = route(conversion({ id: idOf(`conversion ${i}`) }))
    const [first] = routed
    both[routed.length === 2 ? 'two' : ((first?.destination ?? 'none') as 'none')]++
  }
  for (const [which, count] of Object.entries(both)) {
    t.ok(Math.abs(count / total - 0.25) < 0.02, `${which}: ${count} of ${total}`)
  }
  const twins = router({ to: ['voluum'], ...half }, { to: ['voluum'], ...half })
  const reached = Array.from({ length: total }, (_, i) =>
    twins.route(conversion({ id: idOf(`conversion ${i}`) })),
  ).filter(routed => routed.length > 0).length
  t.ok(Math.abs(reached / total - 0.75) < 0.02, 'also two routes that are spelled alike')
})

t.test('faults say where', async t => {
  const compiled = compileRoutes(
    [
      { to: ['voluum'] },
      { from: ['alpa'], to: ['keitaro', 'volum'], payout_percent: '120' },
      { to: ['ads'], when: { all: [{ statsu: { equals: 'x' } }] }, payout_percent: '-1' },
    ],
    TARGETS,
  )
  t.same(compiled.ok ? [] : compiled.error.map(({ path, message }) => [path.join('.'), message]), [
    ['routes.1.from.0', 'unknown network "alpa", did you mean "alpha"?'],
    ['routes.1.to.1', 'unknown destination "volum", did you mean "voluum"?'],
    ['routes.1.payout_percent', 'a share is from 0 to 100 percent'],
    ['routes.2.when.all.0.statsu', 'unknown field "statsu", did you mean "status"?'],
    ['routes.2.payout_percent', 'a share is from 0 to 100 percent'],
  ])
})
