/**
 * A request path as the most lenient tracker would read it. In: a raw request target. Out: decoded
 * segments. Gate mode rests on it: `//Postback/`, `/x/../postback` and `/%70ostback` must be known
 * for the postbacks that the tracker will take them for. Pure; never used for what is sent on.
 */

/** Path segments without empty ones, dot segments resolved, path parameters (`;…`) taken off. */
export function segmentsOf(target: string): string[] {
  const end = target.search(/[?#]/)
  const path = decode(end < 0 ? target : target.slice(0, end)).replaceAll('\\', '/')
  const segments: string[] = []
  for (const raw of path.split('/')) {
    const semicolon = raw.indexOf(';')
    const segment = semicolon < 0 ? raw : raw.slice(0, semicolon)
    if (segment === '' || segment === '.') continue
    if (segment === '..') segments.pop()
    else segments.push(segment)
  }
  return segments
}

/** Every `%xx` once, as UTF-8 where it is; a broken one stays as it was sent. */
function decode(path: string): string {
  if (!path.includes('%')) return path
  const bytes = path.replace(/%([0-9A-Fa-f]{2})/g, (_match, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
