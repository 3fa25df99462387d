/**
 * F15: the network between the gateway and its Redis drops every packet, for 1 s and for 10 s. No
 * connection is told: there is no RST, only silence. Needs root and iproute2, after `npm run build`.
 */
import t from 'tap'
import { wait } from '../../test/support/survive.ts'
import { createHosts, redisOn } from './hosts.ts'
import { more, prove } from './prove.ts'
import { spread } from './record.ts'
import { runsOf } from './runs.ts'

const EACH = runsOf(5)
t.setTimeout(600_000)

for (const seconds of [1, 10]) {
  t.test(`F15 ${seconds} s`, async t => {
    const hosts = createHosts(t)
    const { there } = hosts
    await redisOn(t, there, 6379, '--appendonly yes --appendfsync always'.split(' '))
    const redis = { url: `redis://${there.manage}:6379`, command_timeout_ms: 500 }
    const noticed: number[] = []
    const back: number[] = []
    await prove(
      t,
      ['F15 packets to Redis dropped', `${seconds} s`],
      { store: { type: 'redis', redis } },
      async site => {
        for (let i = 0; i < EACH; i++) {
          await more(site, 200, 'postbacks are taken')
          const silence = wait(seconds * 1000)
          const from = performance.now()
          hosts.leave()
          await more(site, 503, 'networks are told so')
          noticed.push(performance.now() - from)
          const before = site.journal.acknowledged.size
          await silence
          t.equal(site.journal.acknowledged.size, before, 'nothing is taken meanwhile')
          hosts.comeBack()
          const end = performance.now()
          await more(site, 200, 'postbacks are taken again')
          back.push(performance.now() - end)
        }
        return EACH
      },
      () => `503 after ${spread(noticed)} ms, taken again after ${spread(back)} ms`,
    )
  })
}
