/** Public keys of networks: fetched once, kept, fetched again when that may help. */
import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import type { Sent } from '../src/deliver/exchange.ts'
import { createPublicKeys } from '../src/keys.ts'
import type { DeliveryRequest } from '../src/model/delivery.ts'

const URL = 'https://keys.example.com/keys.json'
const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const pem = () =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .publicKey.export({ type: 'spki', format: 'pem' })
    .toString()
const PEM = pem()

const answerOf = (body: string, status = 200): Sent => ({
  kind: 'answered',
  response: { status, headers: {}, body },
})
/** Ids are written as numbers, as Google does. */
const listing = (...ids: number[]) =>
  answerOf(JSON.stringify({ keys: ids.map(keyId => ({ keyId, pem: PEM })) }))

/** The outside world: a clock that is set, and a key server that answers when told to. */
function setup() {
  const requests: DeliveryRequest[] = []
  const answers: ((sent: Sent) => void)[] = []
  const failures: string[] = []
  let time = 0
  let isClosed = false
  const keys = createPublicKeys({
    clock: { now: () => 0, monotonic: () => time },
    transport: {
      channel: () => ({
        send: request => {
          requests.push(request)
          return new Promise(resolve => answers.push(resolve))
        },
        close: () => void (isClosed = true),
      }),
    },
    failed: message => failures.push(message),
  })
  return {
    keys,
    failures,
    requests,
    look: (id = '1') => keys.lookup(URL, id).found,
    wait: (ms: number) => void (time += ms),
    async answer(sent: Sent) {
      answers.shift()?.(sent)
      await keys.settled()
    },
    isClosed: () => isClosed,
  }
}

t.test('the first lookup fetches, all others use what came', async t => {
  const { look, answer, requests, keys } = setup()
  t.equal(look(), 'unavailable')
  t.equal(look('2'), 'unavailable', 'while it is being fetched nobody can tell')
  await answer(listing(1, 2))
  t.equal(look(), 'one')
  t.equal(look('2'), 'one')
  t.same(requests.map(({ method, url }) => `${method} ${url}`), [`GET ${URL}`]) // prettier-ignore
  t.equal(keys.lookup('https://other.example/', '1').found, 'unavailable', 'each URL by itself')
})

t.test('prefetched before the first postback, once', async t => {
  const { keys, look, answer, requests } = setup()
  keys.prefetch([URL, URL])
  keys.prefetch([URL])
  await answer(listing(1))
  keys.prefetch([URL])
  t.equal(look(), 'one')
  t.equal(requests.length, 1)
})

t.test('an unknown id fetches again, but not for every request', async t => {
  const { look, answer, requests, wait } = setup()
  look()
  await answer(listing(1))
  t.equal(look('9'), 'none', 'just fetched: the network has no such key')
  wait(4 * MINUTE)
  t.equal(look('9'), 'none')
  t.equal(requests.length, 1)
  wait(MINUTE)
  t.equal(look('9'), 'unavailable')
  t.equal(look(), 'one', 'known keys go on working')
  t.equal(look('8'), 'unavailable')
  t.equal(requests.length, 2, 'one fetch at a time')
  await answer(listing(1, 9))
  t.equal(look('9'), 'one')
  t.equal(look('8'), 'none')
})

t.test('a fetch that fails is told, tried again soon, and takes nothing away', async t => {
  const { look, answer, requests, wait, failures } = setup()
  look()
  const faulty: Sent[] = [
    { kind: 'failed', result: 'timeout', detail: 'no answer in 3000 ms', isAmbiguous: true },
    answerOf('', 500),
    answerOf('<html>'),
    answerOf('{"keys":[]}'),
    answerOf('{"keys":{"keyId":1}}'),
    answerOf(JSON.stringify({ keys: [{ keyId: 1, pem: 'x' }, { pem: PEM }, 7, null] })),
    answerOf('[]'),
  ]
  for (const each of faulty) {
    await answer(each)
    t.equal(look(), 'unavailable')
    wait(9 * SECOND)
    t.equal(look(), 'unavailable')
    const count = requests.length
    wait(SECOND)
    look()
    t.equal(requests.length, count + 1, 'after ten seconds')
  }
  t.equal(failures.length, faulty.length)
  t.match(failures[0], /keys\.example\.com.*no answer in 3000 ms/)
  await answer(listing(1))
  t.equal(look(), 'one')
  wait(5 * MINUTE)
  look('9')
  await answer(answerOf('', 503))
  t.equal(look(), 'one')
  t.equal(look('9'), 'unavailable', 'nobody can tell whether there is such a key')
})

t.test('refreshed twice a day in the background, and not believed after one day', async t => {
  const { look, answer, requests, wait, failures } = setup()
  look()
  await answer(listing(1))
  wait(12 * HOUR - 1)
  t.equal(look(), 'one')
  t.equal(requests.length, 1)
  wait(1)
  t.equal(look(), 'one')
  t.equal(requests.length, 2)
  await answer(listing(2))
  t.equal(look(), 'none', 'a key that was withdrawn')
  t.equal(look('2'), 'one')
  wait(24 * HOUR)
  t.equal(look('2'), 'unavailable')
  await answer(answerOf('', 500))
  t.equal(look('2'), 'unavailable')
  t.equal(failures.length, 1)
  wait(10 * SECOND)
  look('2')
  await answer(listing(2))
  t.equal(look('2'), 'one')
})

t.test('closes its connections', async t => {
  const { keys, isClosed } = setup()
  await keys.settled()
  keys.close()
  t.ok(isClosed())
})
