/**
 * What all gateways on one Redis must agree on, in one hash: layout version, number of partitions
 * and the key of the dedupe hash. Whoever comes first writes it; nobody changes it.
 */
import { createHash } from 'node:crypto'
import { randomText } from '../../base/id.ts'
import { StoreError } from '../store.ts'
import type { Calls } from './calls.ts'
import { parseOptionalTexts } from './reply.ts'

const LAYOUT = '1'

/** The hash key. Throws StoreError `layout` when the data was made otherwise. */
export async function agreeOnLayout(calls: Calls, prefix: string): Promise<Buffer> {
  const meta = `${prefix}:{meta}`
  await calls.command('hsetnx', meta, 'layout', LAYOUT)
  await calls.command('hsetnx', meta, 'partitions', String(calls.partitions))
  await calls.command('hsetnx', meta, 'hash_key', hashKeyText())
  const [layout, partitions, hashKey] = parseOptionalTexts(
    await calls.command('hmget', meta, 'layout', 'partitions', 'hash_key'),
  )
  if (layout !== LAYOUT) {
    throw new StoreError(
      'layout',
      `the data under ${prefix} has layout ${layout}, this version reads ${LAYOUT}; ` +
        'use the version that wrote it, or another store.redis.prefix',
    )
  }
  if (partitions !== String(calls.partitions)) {
    throw new StoreError(
      'layout',
      `the data under ${prefix} has ${partitions} partitions, the configuration says ` +
        `${calls.partitions}; set store.redis.partitions to ${partitions}, or use another prefix`,
    )
  }
  return Buffer.from(hashKey ?? '', 'hex')
}

/** 256 bits from 320 random ones. */
function hashKeyText(): string {
  return createHash('sha256').update(randomText(64)).digest('hex')
}
