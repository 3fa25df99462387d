/**
 * The long forms of what test/e2e/crash.test.ts does in short, and faults that are too slow for it.
 * FAULT_RUNS: how often each at most, see runs.ts.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { request } from 'undici'
import t from 'tap'
import { cli } from '../../test/support/cli.ts'
import { temporaryFolder } from '../../test/support/gateway.ts'
import { target } from '../../test/support/installation.ts'
import { series } from '../../test/support/ledger.ts'
import { startRedisProxy } from '../../test/support/redis-proxy.ts'
import { startRedis } from '../../test/support/redis-server.ts'
import { ENV, randomMoment, wait, type Site } from '../../test/support/survive.ts'
import { until } from '../../test/support/until.ts'
import { more, prove } from './prove.ts'
import { spread } from './record.ts'
import { runsOf } from './runs.ts'

const ALWAYS = ['--appendonly', 'yes', '--appendfsync', 'always']
t.setTimeout(3_600_000)

async function killOften(site: Site): Promise<number> {
  const runs = runsOf(50)
  for (let i = 0; i < runs; i++) {
    await randomMoment()
    await site.kill()
    await site.restart()
  }
  await randomMoment()
  return runs
}

t.test('F1 LMDB', async t => {
  const store = { type: 'lmdb', path: temporaryFolder(t), lease_ms: 3000 }
  await prove(t, ['F1 kill -9 of the gateway', 'LMDB'], { store }, killOften)
})

t.test('F1 Redis', async t => {
  const redis = await startRedis(t, { args: ALWAYS })
  const store = { type: 'redis', redis: { url: redis.url }, lease_ms: 3000 }
  await prove(t, ['F1 kill -9 of the gateway', 'Redis AOF always'], { store }, killOften)
})

// --- Redis in trouble ---------------------------------------------------------------------------

t.test('F4', async t => {
  for (const fsync of ['always', 'everysec']) {
    await t.test(fsync, async t => {
      const redis = await startRedis(t, { args: ['--appendonly', 'yes', '--appendfsync', fsync] })
      const store = { type: 'redis', redis: { url: redis.url, command_timeout_ms: 500 } }
      const runs = runsOf(30)
      const back: number[] = []
      await prove(
        t,
        ['F4 kill -9 of Redis', `AOF ${fsync}`],
        { store },
        async site => {
          for (let i = 0; i < runs; i++) {
            await randomMoment()
            await redis.kill('SIGKILL')
            await more(site, 503, 'networks are told so')
            await redis.restart()
            const from = performance.now()
            await more(site, 200, 'postbacks are taken again')
            back.push(performance.now() - from)
          }
          return runs
        },
        () => `taken again after ${spread(back)} ms`,
      )
    })
  }
})

t.test('F5', async t => {
  const redis = await startRedis(t, { args: [...ALWAYS, '--busy-reply-threshold', '100'] })
  const { admin } = redis
  const store = { type: 'redis', redis: { url: redis.url, command_timeout_ms: 800 } }
  const states: readonly (readonly [string, () => Promise<unknown>, () => Promise<unknown>])[] = [
    [
      'READONLY',
      () => admin.call('REPLICAOF', '127.0.0.1', '1'),
      () => admin.call('REPLICAOF', 'NO', 'ONE'),
    ],
    [
      'NOREPLICAS',
      () => admin.config('SET', 'min-replicas-to-write', '1'),
      () => admin.config('SET', 'min-replicas-to-write', '0'),
    ],
    [
      'BUSY',
      async () => {
        // Never ends by itself; it writes nothing, so it can be killed.
        const busy = admin.duplicate()
        void busy
          .eval('while true do end', 0)
          .catch(() => undefined)
          .finally(() => busy.disconnect())
      },
      () => admin.call('SCRIPT', 'KILL'),
    ],
  ]
  await prove(t, ['F5 Redis says no', 'READONLY, NOREPLICAS, BUSY'], { store }, async site => {
    for (let i = 0; i < 3; i++) {
      for (const [name, spoil, mend] of states) {
        await spoil()
        await more(site, 503, `${name}: networks are told so`)
        await mend()
        await more(site, 200, `${name}: postbacks are taken again`)
      }
    }
    return 3 * states.length
  })
})

t.test('F8', async t => {
  const redis = await startRedis(t)
  const { admin } = redis
  const store = { type: 'redis', redis: { url: redis.url } }
  const destination = { retry_schedule_ms: [500] }
  await prove(t, ['F8 Redis full', 'noeviction'], { store, destination }, async site => {
    const { tracker } = site
    const runs = runsOf(5)
    for (let i = 0; i < runs; i++) {
      tracker.behave.set('/a', 503)
      tracker.behave.set('/b', 503)
      const used = Number(/used_memory:(\d+)/.exec(await admin.info('memory'))?.[1])
      await admin.config('SET', 'maxmemory', String(used + 300_000))
      await more(site, 503, 'it is full, and networks are told so', 120_000)
      tracker.behave.clear()
      // What drains frees memory: nobody makes room but the deliveries themselves.
      await until('the backlog drains', async () => {
        const [pending = 1] = (await series(site.current, 'postern_deliveries_pending')).values()
        return pending < 50
      }, 120_000) // prettier-ignore
      await admin.config('SET', 'maxmemory', '0')
      await more(site, 200, 'postbacks are taken again')
    }
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru')
    await until('the safety check shows it', async () => {
      const checks = await series(site.current, 'postern_store_safety_check')
      return [...checks].some(([text, ok]) => text.includes('maxmemory_policy') && ok === 0)
    }, 30_000) // prettier-ignore
    await admin.config('SET', 'maxmemory-policy', 'noeviction')
    return runs
  })
})

t.test('F9', async t => {
  const redis = await startRedis(t, { args: ALWAYS })
  const proxy = await startRedisProxy(t, redis.port)
  const store = { type: 'redis', redis: { url: proxy.url } }
  const took: number[] = []
  let probes = 0
  const probe = async ({ current }: Site) => {
    const from = performance.now()
    const { body } = await request(`${current.url}${target(`probe${probes++}`)}`)
    await body.dump()
    took.push(performance.now() - from)
  }
  await prove(
    t,
    ['F9 Redis slow, hung, reset', '50 ms to 5 s'],
    { store, isForgetful: false },
    async site => {
      const { journal } = site
      const during = async (ms: number) => {
        for (const end = performance.now() + ms; performance.now() < end;) {
          journal.sent.add(`probe${probes}`)
          await probe(site)
        }
      }
      for (const ms of [50, 500, 5000]) {
        proxy.delayMs = ms
        await during(6000)
        proxy.delayMs = 0
        await more(site, 200, `after ${ms} ms: postbacks are taken again`)
      }
      for (const seconds of [1, 5]) {
        await redis.kill('SIGSTOP')
        await during(seconds * 1000)
        await redis.kill('SIGCONT')
        await more(site, 200, 'after a hang: postbacks are taken again')
      }
      for (let i = 0; i < 20; i++) {
        await wait(100)
        proxy.cut()
      }
      await more(site, 200, 'after resets: postbacks are taken again')
      return 25
    },
    () => `an answer took ${spread(took)} ms while it was slow`,
  )
})

// --- disk full ----------------------------------------------------------------------------------

t.test('F13', async t => {
  const path = join(temporaryFolder(t), '.')
  const mount = (...args: string[]) => execFileSync('mount', args)
  mount('-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', path)
  t.teardown(() => execFileSync('umount', ['-l', path]))
  const store = { type: 'lmdb', path, lease_ms: 3000 }
  const ends: string[] = []
  await prove(
    t,
    ['F13 disk full', 'LMDB on a tmpfs'],
    {
      store,
      destination: { retry_schedule_ms: [500] },
      // The lmdb package prints the error of the disk by itself.
      isExpected: line =>
        /Input\/output error|No space|lmdb\/write\.js|^ {2}code: \d+$|^}$/.test(line),
    },
    async site => {
      const { tracker } = site
      tracker.behave.set('/a', 503)
      tracker.behave.set('/b', 503)
      const runs = runsOf(5)
      for (let size = 6, i = 0; i < runs; i++) {
        const { code, signal } = await site.current.exited
        ends.push(String(code ?? signal))
        t.ok(code === 1 || signal === 'SIGKILL', `it ends by itself: ${code} ${signal}`)
        size += 6
        mount('-o', `remount,size=${size}m`, path)
        await site.died()
        await site.restart()
        await more(site, 200, 'postbacks are taken again')
      }
      mount('-o', 'remount,size=256m', path)
      tracker.behave.clear()
      await randomMoment()
      return runs
    },
    () => `the gateway ended by itself each time: ${ends.join(', ')}`,
  )
})

// --- replay under kills -------------------------------------------------------------------------

t.test('F22', async t => {
  const store = { type: 'lmdb', path: temporaryFolder(t), lease_ms: 3000 }
  await prove(t, ['F22 replay under kills', 'LMDB'], { store }, async site => {
    const { tracker, config } = site
    const letters = async () => {
      const { stdout } = await cli(['dead', 'list', '--json', '-c', config], ENV)
      return stdout.split('\n').filter(Boolean).length
    }
    tracker.behave.set('/a', arrival => (Number.parseInt(arrival.deliveryId.slice(-8), 36) % 2 ? 400 : 200)) // prettier-ignore
    await until('some died', async () => (await letters()) > 20, 60_000)
    tracker.behave.clear()
    const runs = runsOf(5)
    for (let i = 0; i < runs; i++) {
      const replaying = cli(['dead', 'replay', '--all', '-c', config], ENV)
      await wait(Math.random() * 600)
      await site.kill()
      await replaying
      await site.restart()
      tracker.behave.set('/a', 400)
      await more(site, 200, 'postbacks are taken')
      await wait(500)
      tracker.behave.clear()
    }
    await until(
      'no dead letter is left',
      async () => {
        await cli(['dead', 'replay', '--all', '-c', config], ENV)
        return (await letters()) === 0
      },
      240_000,
    )
    return runs
  })
})
