/**
 * Which names this gateway answers to. With a list, a request for any other name is refused before
 * anything of it is read, and the absolute form of a target (`GET http://name/in/…`, RFC 9112
 * §3.2.2) is served as if it were the plain one. Without a list there is nothing to check a name in
 * the target against, and it stays a path that leads nowhere.
 */
import type { IncomingMessage } from 'node:http'

/** True: served; `url` then is in origin form. */
export type AdmitHost = (request: Pick<IncomingMessage, 'headers' | 'url'>) => boolean

const ABSOLUTE = /^https?:\/\/([^/?#@]*)(.*)$/i

export function compileHosts(allowed: readonly string[]): AdmitHost {
  if (allowed.length === 0) return () => true
  const names = new Set(allowed.map(toName))
  return request => {
    const { url = '', headers } = request
    if (url.startsWith('/')) return names.has(toName(headers.host ?? ''))
    const absolute = ABSOLUTE.exec(url)
    // The name in the target is the one that counts; the Host header may say anything.
    if (!absolute || !names.has(toName(absolute[1] ?? ''))) return false
    const path = absolute[2] ?? ''
    request.url = path.startsWith('/') ? path : `/${path}`
    return true
  }
}

/** Without port and trailing dot, in lower case. */
function toName(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replace(/:\d{1,5}$/, '')
    .replace(/\.$/, '')
}
