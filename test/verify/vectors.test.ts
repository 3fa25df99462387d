/**
 * Every worked vector: taken over a socket by a real gateway, refused with another secret, refused
 * when any byte of what is signed changes, and made again by what `postern send` uses.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { Client } from 'undici'
import { stringify } from 'yaml'
import { createApp } from '../../src/app.ts'
import { systemClock } from '../../src/base/clock.ts'
import { ok, type Result } from '../../src/base/result.ts'
import { explain } from '../../src/explain.ts'
import { runNetworkExamples } from '../../src/examples.ts'
import { createTransport } from '../../src/deliver/transport.ts'
import { createPublicKeys } from '../../src/keys.ts'
import { paramKey, type Postback } from '../../src/model/postback.ts'
import { createEvents, type PostbackFact } from '../../src/observe/events.ts'
import { createMetrics } from '../../src/observe/metrics.ts'
import type { Refusal } from '../../src/reasons.ts'
import { replaceBody } from '../../src/receive/expand.ts'
import { DEFAULT_LIMITS } from '../../src/receive/limits.ts'
import { readPostback } from '../../src/receive/read.ts'
import type { Check } from '../../src/rules/check-schema.ts'
import type { NetworkRule } from '../../src/rules/schema.ts'
import { compileSource } from '../../src/rules/source.ts'
import { loadRuleSet } from '../../src/ruleset.ts'
import { createFixedKeys } from '../../src/verify/key-ring.ts'
import { macrosOf } from '../../src/verify/macros-of.ts'
import type { DraftRequest } from '../../src/verify/placement.ts'
import { signRequest } from '../../src/verify/sign.ts'
import { compileVerify, type Verifier } from '../../src/verify/verify.ts'
import { createCertificates } from '../support/certificates.ts'
import { temporaryFolder, writeConfig } from '../support/gateway.ts'
import { startTracker } from '../support/tracker.ts'

interface Vector {
  readonly id: string
  readonly network: string
  readonly secret: string
  readonly settings?: Record<string, string>
  readonly keys?: Record<string, string>
  readonly base_url?: string
  readonly verify: Check[]
  readonly request: {
    readonly method: 'GET' | 'POST'
    readonly target: string
    readonly headers?: Record<string, string>
    readonly body?: string
  }
}

const FILE = join(import.meta.dirname, 'vectors.json')
const { base_url: BASE, vectors } = JSON.parse(readFileSync(FILE, 'utf8')) as {
  base_url: string
  vectors: Vector[]
}
const NOW = Date.parse('2026-01-15T17:00:00Z')

function draftOf({ request }: Vector): DraftRequest {
  return { headers: {}, body: '', ...request }
}

/** As the receiver reads it; a path that is not ours is the vendor's own. */
function read({ method, target, headers, body }: DraftRequest): Result<Postback, Refusal> {
  const served = target.replace(/^\/complete/, '/in/complete')
  const raw = { method, target: served, headers, body: Buffer.from(body) }
  const postback = readPostback(raw, '203.0.113.10', NOW, DEFAULT_LIMITS)
  return postback.ok ? ok({ ...postback.value, target }) : postback
}

function verifierOf(vector: Vector, secret = vector.secret): Verifier {
  const compiled = compileVerify(vector.verify, {
    secrets: [secret],
    settings: vector.settings,
    publicBaseUrl: vector.base_url ?? BASE,
    keys: createFixedKeys(vector.keys ?? {}),
    readJson: (postback, text) => replaceBody(postback, text, DEFAULT_LIMITS),
  })
  if (!compiled.ok) throw new Error(`${vector.id}: ${JSON.stringify(compiled.error)}`)
  return compiled.value
}

function verdict(verifier: Verifier, draft: DraftRequest): string {
  const postback = read(draft)
  if (!postback.ok) return postback.error.reason
  const result = verifier.check(postback.value, NOW)
  if (!result.ok) return result.error.reason
  // ClickBank's first block is `{"transactionTim`: another vector renames it, so rules require it.
  const { json } = result.value
  const isChanged = verifier.envelope && json instanceof Map && !json.has('transactionTime')
  return isChanged ? 'param_missing' : 'ok'
}

// --- which bytes are signed -----------------------------------------------------------------

type Place = readonly ['target' | 'body', start: number, end: number]

function pairsOf(text: string, offset: number, where: Place[0]) {
  const places: { key: string; name: Place; value: Place }[] = []
  let start = 0
  for (const pair of text.split('&')) {
    const equals = pair.indexOf('=')
    const at = offset + start
    const key = paramKey(decodeURIComponent(pair.slice(0, equals)))
    const name: Place = [where, at, at + equals]
    places.push({ key, name, value: [where, at + equals + 1, at + pair.length] })
    start += pair.length + 1
  }
  return places
}

function carriersOf(check: Check): readonly string[] {
  const { from } = check.signature ?? check.url_signature ?? check.pairs_signature ?? check.ecdsa_signature ?? {} // prettier-ignore
  const source = compileSource(from ?? 'literal:')
  return source.ok ? source.value.keys : []
}

/** Byte ranges of target and body that the vector's first check signs. */
function signedPlaces(vector: Vector): Place[] {
  const [check] = vector.verify
  if (!check) throw new Error('no check')
  const { target, body } = draftOf(vector)
  if (check.envelope ?? check.body_signature) return [['body', 0, body.length]]
  const query = target.indexOf('?') + 1
  const pairs = query > 0 ? pairsOf(target.slice(query), query, 'target') : []
  const isForm = body !== '' && !body.startsWith('{')
  if (isForm) pairs.push(...pairsOf(body, 0, 'body'))
  const carriers = carriersOf(check)
  const { pairs_signature: ofPairs, signature } = check
  if (signature) {
    return macrosOf(signature.over).flatMap(({ name, start, end }): Place[] => {
      const found = pairs.find(({ key }) => key === paramKey(name))
      if (!found) return jsonPlace(body, name)
      const [where, from, to] = found.value
      const isCut = signature.over.slice(start, end).includes('|trunc')
      const fraction = isCut ? target.slice(from, to).indexOf('.') : -1
      return [[where, from, fraction < 0 ? to : from + fraction]]
    })
  }
  const places: Place[] = check.url_signature?.covers === 'url' ? [['target', 0, query]] : []
  for (const { key, name, value } of pairs) {
    if (carriers.includes(key) || key === 'keyid') continue
    const [where, from, to] = value
    const text = where === 'body' ? body.slice(from, to) : target.slice(from, to)
    const skipped = ofPairs?.skip === 'falsy' ? text === '' || text === '0' : text === ''
    if (ofPairs && skipped) continue
    const hasName = !ofPairs || ofPairs.pair.includes('{key}')
    places.push(hasName ? [where, name[1], to] : value)
  }
  return places
}

function jsonPlace(body: string, name: string): Place[] {
  const start = body.indexOf(`"${name}":"`)
  if (start < 0) return []
  const from = start + name.length + 4
  return [['body', from, body.indexOf('"', from)]]
}

function changed(draft: DraftRequest, where: Place[0], at: number, flip: number): DraftRequest {
  const text = draft[where]
  const byte = String.fromCharCode(text.charCodeAt(at) ^ flip)
  return { ...draft, [where]: text.slice(0, at) + byte + text.slice(at + 1) }
}

// --- the tests ------------------------------------------------------------------------------

for (const vector of vectors) {
  t.test(vector.id, async t => {
    const verifier = verifierOf(vector)
    const draft = draftOf(vector)
    t.equal(verdict(verifier, draft), 'ok')
    if (!vector.keys) {
      const other = verdict(verifierOf(vector, 'another secret'), draft)
      t.equal(other, 'signature_invalid', 'another secret')
    }
    const passed: string[] = []
    const places = signedPlaces(vector)
    let count = 0
    for (const [where, start, end] of places) {
      for (let at = start; at < end; at++) {
        for (const flip of [1, 2, 16]) {
          count++
          const sent = changed(draft, where, at, flip)
          if (verdict(verifier, sent) === 'ok') passed.push(`${where} ${at}: ${sent[where]}`)
        }
      }
    }
    t.ok(count > 10, `${count} changes of what is signed`)
    t.same(passed, [], 'each of them is refused')
  })
}

t.test('a signature that changes by one character is no signature', async t => {
  for (const vector of vectors) {
    const verifier = verifierOf(vector)
    const draft = draftOf(vector)
    const header = Object.entries(draft.headers).find(([name]) => name !== 'content-type')
    if (header) {
      const [name, value] = header
      for (let at = 0; at < value.length; at++) {
        const byte = String.fromCharCode(value.charCodeAt(at) ^ 1)
        const headers = {
          ...draft.headers,
          [name]: value.slice(0, at) + byte + value.slice(at + 1),
        }
        t.not(verdict(verifier, { ...draft, headers }), 'ok', `${vector.id}: ${headers[name]}`)
      }
      continue
    }
    const carriers = vector.verify.flatMap(carriersOf)
    const query = draft.target.indexOf('?') + 1
    const pairs = [
      ...(query > 0 ? pairsOf(draft.target.slice(query), query, 'target') : []),
      ...(draft.body === '' ? [] : pairsOf(draft.body, 0, 'body')),
    ]
    for (const { key, value } of pairs) {
      if (!carriers.includes(key)) continue
      for (let at = value[1]; at < value[2]; at++) {
        const sent = changed(draft, value[0], at, 1)
        t.not(verdict(verifier, sent), 'ok', `${vector.id}: ${sent[value[0]]}`)
      }
    }
  }
})

t.test('what is signed again is the same', async t => {
  for (const vector of vectors) {
    const draft = draftOf(vector)
    const verifier = verifierOf(vector)
    const context = { now: NOW, secrets: [vector.secret], read }
    const signed = signRequest(verifier, draft, context)
    if (vector.keys) {
      t.match(signed, { ok: false, error: /private key/ }, vector.id)
      continue
    }
    if (!signed.ok) throw new Error(`${vector.id}: ${signed.error}`)
    t.equal(verdict(verifier, signed.value), 'ok', vector.id)
    const fold = ({ target, body }: DraftRequest) => decodeURIComponent(`${target} ${body}`).replaceAll(' ', '').toLowerCase() // prettier-ignore
    t.equal(fold(signed.value), fold(draft), vector.id)
    // With another secret in place, as `postern send` does with the operator's own.
    const own = verifierOf(vector, 'of the operator')
    const resigned = signRequest(own, draft, context)
    t.equal(resigned.ok && verdict(own, resigned.value), 'ok', `${vector.id}, another secret`)
    t.equal(resigned.ok && verdict(verifier, resigned.value), 'signature_invalid', vector.id)
  }
})

t.test('through a gateway', async t => {
  const folder = temporaryFolder(t)
  const certificates = createCertificates(folder)
  const served = vectors.filter(({ request }) => request.target.startsWith('/in/'))
  const keys = Object.entries(Object.assign({}, ...served.map(({ keys }) => keys)) as object)
  let fetches = 0
  const keyServer = createServer(certificates.good, (_request, response) => {
    fetches++
    response.end(JSON.stringify({ keys: keys.map(([keyId, pem]) => ({ keyId: +keyId, pem })) }))
  })
  await new Promise<void>(resolve => void keyServer.listen(0, '127.0.0.1', resolve))
  t.teardown(() => keyServer.close())
  const keysUrl = `https://localhost:${(keyServer.address() as AddressInfo).port}/keys.json`
  const tracker = await startTracker(t)

  const rules = join(folder, 'rules')
  mkdirSync(join(rules, 'networks'), { recursive: true })
  for (const vector of served) {
    const { id, network, settings = {}, request, secret } = vector
    const rule = {
      name: id,
      kind: 'generic',
      verified: 'vendor',
      docs: 'https://example.com/',
      settings: Object.fromEntries(Object.keys(settings).map(name => [name, { title: name }])),
      fields: { transaction_id: [`literal:${id}`] },
      verify: vector.verify.map(check =>
        check.ecdsa_signature
          ? { ecdsa_signature: { ...check.ecdsa_signature, keys_url: keysUrl } }
          : check,
      ),
      examples: [{ title: id, request, secrets: [secret], outcome: 'accepted' }],
    }
    writeFileSync(join(rules, 'networks', `${network}.yaml`), stringify(rule))
  }
  const env: Record<string, string> = {
    SIGNING: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
  }
  const networks = Object.fromEntries(
    served.map(({ network, secret, settings = {}, keys }) => {
      const name = `SECRET_${network.toUpperCase().replaceAll('-', '_')}`
      env[name] = secret
      // A second secret in front: each is tried.
      env['OTHER'] = 'a secret that was replaced'
      const secrets = keys ? {} : { secrets: ['${OTHER}', `\${${name}}`] }
      return [network, { ...secrets, settings }]
    }),
  )
  const file = writeConfig(folder, {
    rules: [rules],
    server: { listen: '127.0.0.1:0', public_base_url: BASE },
    store: { type: 'memory' },
    networks,
    destinations: {
      tracker: {
        rule: 'webhook',
        settings: { url: `${tracker.url}/all`, secret: '${SIGNING}' },
        allow_private: ['127.0.0.1/32'],
      },
    },
    routes: [{ to: ['tracker'] }],
  })
  const warnings: string[] = []
  const publicKeys = createPublicKeys({
    clock: systemClock,
    transport: createTransport({ clock: systemClock, version: '0', ca: certificates.ca }),
    failed: message => warnings.push(message),
    allowPrivate: ['127.0.0.1/32'],
  })
  const catalogue = join(import.meta.dirname, '..', '..', 'rules')
  const loaded = await loadRuleSet(file, { catalogue, env, keys: publicKeys })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error, null, 1))
  const facts: PostbackFact[] = []
  const metrics = createMetrics()
  const events = createEvents(pino({ level: 'silent' }), metrics, () => 0)
  const app = createApp({
    rules: loaded.value,
    events: { ...events, postback: fact => void facts.push(fact) },
    metrics,
    clock: systemClock,
    version: '0',
    isAlone: false,
    keys: publicKeys,
    onFatal: error => t.fail(String(error)),
  })
  t.teardown(() => app.close())
  const started = await app.start()
  if (!started.ok) throw new Error(started.error.message)
  const client = new Client(`http://${started.value.server}`)
  t.teardown(() => client.close())
  const send = async ({ method, target, headers, body }: DraftRequest) => {
    const { statusCode, body: answer } = await client.request({
      method,
      path: target,
      headers,
      ...(method === 'POST' ? { body } : {}),
    })
    await answer.dump()
    return [statusCode, facts.at(-1)?.reason]
  }

  for (const vector of served) {
    const draft = draftOf(vector)
    const [where, at = 0] = signedPlaces(vector).at(-1) ?? []
    if (!where) throw new Error('nothing is signed')
    const [status] = await send(changed(draft, where, at, 1))
    t.ok([400, 401].includes(Number(status)), `${vector.id}, changed: ${status}`)
    t.same(await send(draft), [200, 'new'], vector.id)
    t.same(await send(draft), [200, 'duplicate'], `${vector.id}, again`)
  }
  t.equal(fetches, 1, 'keys are fetched once, and the first postback waited for them')
  const admob = served.find(({ keys }) => keys)
  if (!admob) throw new Error('no vector with a public key')
  const unknown = draftOf(admob)
  t.same(await send({ ...unknown, target: unknown.target.replace(/key_id=\d+/, 'key_id=1') }), [401, 'signature_invalid']) // prettier-ignore
  t.equal(fetches, 1, 'an unknown id does not fetch again so soon')
  t.same(warnings, [])

  await t.test('explained, check by check', async t => {
    for (const vector of served) {
      const { body, ...request } = draftOf(vector)
      const raw = { ...request, body: Buffer.from(body) }
      const { reason, checks } = explain(loaded.value, raw, { client: '203.0.113.10', now: NOW })
      t.equal(reason, 'new', vector.id)
      t.same(new Set(checks.map(({ result }) => result)), new Set(['passed']), vector.id)
    }
  })
  await t.test('a secret that is not configured is told before anything starts', async t => {
    for (const network of Object.values(networks))
      delete (network as { secrets?: string[] }).secrets
    writeConfig(folder, { rules: [rules], networks, destinations: {}, routes: [], store: { type: 'memory' } }) // prettier-ignore
    const without = await loadRuleSet(file, { catalogue, env })
    const messages = without.ok ? [] : without.error.map(({ message }) => message)
    const withSecrets = served.filter(({ keys }) => !keys).length
    t.equal(messages.filter(message => message.includes('missing key `secrets`')).length, withSecrets) // prettier-ignore
    const ofUrl = served.filter(({ verify }) => verify[0]?.url_signature?.covers === 'url').length
    t.equal(messages.filter(message => message.includes('public_base_url')).length, ofUrl)
  })
})

t.test('as examples of rules', async t => {
  for (const { id, network, verify, request, secret, settings, keys } of vectors) {
    if (!request.target.startsWith('/in/')) continue
    const example = { title: id, request, secrets: [secret], outcome: 'accepted' as const }
    const rule: NetworkRule = {
      name: network,
      kind: 'generic',
      verified: 'vendor',
      docs: 'https://example.com/',
      fields: { transaction_id: [`literal:${id}`] },
      verify,
      examples: [{ ...example, ...(settings && { settings }), ...(keys && { keys }) }],
    }
    t.same(runNetworkExamples(rule), [{ title: id, ok: true, differences: [] }], id)
  }
})
