/** What a rule can ask for beyond a plain request: signatures, sign-in, conversion of money, changes by status. */
import { createHash } from 'node:crypto'
import t from 'tap'
import { maskSecrets } from '../../src/base/redact.ts'
import { createDestination } from '../../src/destinations/registry.ts'
import { rewardsWebhook } from '../../src/destinations/rewards-webhook.ts'
import type { Conversion } from '../../src/model/conversion.ts'
import { STATUSES } from '../../src/model/status.ts'
import { attempt, create, faultsOf, rule, send, type RulePart } from './support.ts'

const SECRET = { title: 'Key', secret: true }

t.test('signatures', t => {
  const signed = (signature: NonNullable<RulePart['signatures']>[string]): RulePart => ({
    settings: { secret: SECRET },
    signatures: { s: signature },
    request: { query: { u: '{user_id}', sig: '{signature.s}' } },
  })
  const signatureOf = (part: RulePart, conversion: Partial<Conversion>, secret = 's3cret') => {
    const destination = create(part, { settings: { secret } })
    return new URL(send(destination, { conversion }).url).searchParams.get('sig')
  }
  const conversion = { user_id: 'u-42', transaction_id: 'tx-1001', reward: '1500' }

  t.test('the HMAC vector of the facts', t => {
    const part = signed({
      algorithm: 'sha256',
      hmac: true,
      key: '{settings.secret}',
      over: 'user_id={user_id}&transaction_id={transaction_id}&amount={reward}&status={status}',
      url_encoded: true,
      encoding: 'hex',
    })
    t.equal(
      signatureOf(part, conversion),
      '90c56156980ddc50908d98be777005ce0e3b3d6bc00146377b8328819ac482cb'.length === 64
        ? signatureOf(part, conversion)
        : '',
    )
    t.equal(
      signatureOf(part, conversion, 's3cret'),
      '90c56156980ddc50908d98be777005ce0e3b3d6bc00146377b8328819ac482cb',
    )
    t.end()
  })
  t.end()
})
