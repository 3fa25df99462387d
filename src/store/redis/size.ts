/**
 * How full Redis is, from INFO of every master. In a cluster the fullest node counts: the first
 * that is full refuses writes. A server that does not let us ask says nothing.
 */
import { Cluster } from 'ioredis'
import type { StoreSize } from '../store.ts'
import type { Calls } from './calls.ts'

export async function readSize(calls: Calls): Promise<StoreSize | undefined> {
  const answers = await calls.within(client => {
    const nodes = client instanceof Cluster ? client.nodes('master') : [client]
    return Promise.all(nodes.map(node => node.info('memory').catch(refused)))
  })
  const sizes = answers.map(parseSize).filter(size => size !== undefined)
  return sizes.sort((a, b) => fill(b) - fill(a))[0]
}

function refused(error: unknown): string {
  if (error instanceof Error && /^(NOPERM|ERR unknown)/.test(error.message)) return ''
  throw error
}

function parseSize(info: string): StoreSize | undefined {
  const field = (name: string): number | undefined => {
    const text = new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1]
    return text === undefined ? undefined : Number(text)
  }
  const usedBytes = field('used_memory')
  // 0 means that nothing limits it but the machine.
  const limitBytes = field('maxmemory') || undefined
  return usedBytes === undefined ? undefined : { usedBytes, limitBytes }
}

function fill({ usedBytes, limitBytes }: StoreSize): number {
  return limitBytes === undefined ? usedBytes / Number.MAX_SAFE_INTEGER : usedBytes / limitBytes
}
