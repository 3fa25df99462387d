/**
 * A destination that takes requests in and judges them when it is asked, as Google's Data Manager
 * API does: https://developers.google.com/data-manager/api/reference/rest/v1/requestStatus/retrieve
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Teardown } from './gateway.ts'

/** What it comes to, and what is said of it: a final status with a reason, or none. */
const SAID = {
  confirmed: { requestStatus: 'SUCCESS' },
  duplicate: failed('DUPLICATE_TRANSACTION_ID'),
  too_early: failed('TOO_RECENT_EVENT'),
  refused: failed('INVALID_CONVERSION_ACTION'),
  unknown: { requestStatus: 'PROCESSING' },
}
export type Judgement = keyof typeof SAID
export const JUDGEMENTS = Object.keys(SAID) as Judgement[]

export interface Judge {
  readonly url: string
  /** What each request came to, in the order of their coming: all of them in turn. */
  readonly taken: readonly Judgement[]
}

function failed(reason: string) {
  const errorCounts = [{ reason: `PROCESSING_ERROR_REASON_${reason}`, recordCount: '1' }]
  return { requestStatus: 'FAILED', errorInfo: { errorCounts } }
}

export async function startJudge(t: Teardown): Promise<Judge> {
  const taken: Judgement[] = []
  function answer(path: string, query: URLSearchParams): unknown {
    if (path === '/token') return { access_token: 'T1', expires_in: 3600, token_type: 'Bearer' }
    if (path === '/v1/events:ingest') {
      taken.push(JUDGEMENTS[taken.length % JUDGEMENTS.length] ?? 'unknown')
      return { requestId: `request-${taken.length - 1}` }
    }
    const judgement = taken[Number(query.get('requestId')?.slice('request-'.length))]
    return judgement && { requestStatusPerDestination: [SAID[judgement]] }
  }
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://judge')
    request.resume().on('end', () => {
      const body = answer(pathname, searchParams)
      response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body ?? {}))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, taken }
}
