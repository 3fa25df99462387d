/** Request bodies: read whole up to a limit, or passed on with a limit. */
import type { IncomingMessage } from 'node:http'
import { Readable, Transform } from 'node:stream'

export class BodyTooLarge extends Error {
  override readonly name = 'BodyTooLarge'
}

export function hasBody({ headers }: IncomingMessage): boolean {
  const { 'content-length': length } = headers
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

/** True where the head alone says that the body is over the limit. */
export function isDeclaredOver({ headers }: IncomingMessage, limit: number): boolean {
  return Number(headers['content-length'] ?? 0) > limit
}

/**
 * The body as a stream of its own that fails with `BodyTooLarge` past the limit. Whoever destroys it
 * does not destroy the request, which is still to be answered.
 */
export function limited(request: IncomingMessage, limit: number): Readable {
  let size = 0
  const counted = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      size += chunk.length
      if (size > limit) done(new BodyTooLarge(`the body is over ${limit} bytes`))
      else done(null, chunk)
    },
  })
  request.once('close', () => {
    if (!request.complete) counted.destroy(new Error('the client left'))
  })
  return request.pipe(counted)
}

export type ReadBody =
  | { readonly kind: 'whole'; readonly body: Buffer }
  /** Over the limit: what was read, and the rest as it comes. */
  | { readonly kind: 'large'; readonly body: Readable }
  /** The client left before the end. */
  | { readonly kind: 'gone' }

export async function readBody(request: IncomingMessage, limit: number): Promise<ReadBody> {
  const chunks: Buffer[] = []
  let size = 0
  const parts = request.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>
  try {
    for (let part = await parts.next(); !part.done; part = await parts.next()) {
      chunks.push(part.value)
      size += part.value.length
      if (size > limit) return { kind: 'large', body: Readable.from(again(chunks, parts)) }
    }
  } catch {
    return { kind: 'gone' }
  }
  return { kind: 'whole', body: Buffer.concat(chunks) }
}

async function* again(read: readonly Buffer[], rest: AsyncIterable<Buffer>) {
  yield* read
  yield* rest
}
