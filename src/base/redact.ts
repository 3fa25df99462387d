/** What may be shown: secrets and personal data masked, control characters escaped, length capped. */

const SECRET_NAME =
  /^(.*[_-])?(token|secret|password|passwd|pw|key|hash|sig|signature|secure|checksum|verifier|hottok|authorization|api[_-]?key)$/i

/** True for a parameter or header name that commonly carries a credential. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name)
}

export const MASK = '***'

/** Every occurrence of each secret, in any spelling in which it travels, replaced by the mask. */
export function maskSecrets(text: string, secrets: readonly string[]): string {
  let forms = knownForms.get(secrets)
  if (!forms) {
    const all = new Set(secrets.filter(Boolean).flatMap(formsOf))
    // The longest first, or a part of one would be masked and the rest shown.
    forms = [...all].toSorted((a, b) => b.length - a.length)
    knownForms.set(secrets, forms)
  }
  let masked = text
  for (const form of forms) masked = masked.replaceAll(form, MASK)
  return masked
}

/** A log line asks for the same list again and again. */
const knownForms = new WeakMap<readonly string[], readonly string[]>()

/** Shorter ones would mask parts of other words. */
const LEAST_ENCODED = 8

function formsOf(secret: string): string[] {
  const encoded = encodeURIComponent(secret)
  const forms = [
    secret,
    encoded,
    encoded.replace(/%../g, byte => byte.toLowerCase()),
    new URLSearchParams({ '': secret }).toString().slice(1),
    JSON.stringify(secret).slice(1, -1),
  ]
  if (secret.length < LEAST_ENCODED) return forms
  const bytes = Buffer.from(secret)
  const base64 = bytes.toString('base64').replace(/=+$/, '')
  return [...forms, base64, bytes.toString('base64url'), bytes.toString('hex')]
}

/** One printable line: control characters as \xNN, at most `limit` characters. */
export function printable(text: string, limit = 200): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text
  return cut.replace(
    // eslint-disable-next-line no-control-regex
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    c => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

/** `203.0.113.7` → `203.0.113.0/24`, `2001:db8:1:2::3` → `2001:db8:1::/48`. */
export function truncateAddress(address: string): string {
  if (address.includes('.') && !address.includes(':')) {
    return `${address.split('.').slice(0, 3).join('.')}.0/24`
  }
  const [left = '', right] = address.split('::')
  const groups = left === '' ? [] : left.split(':')
  if (right !== undefined) {
    // `2001::5:6:7` has four zero groups where the `::` is; a plain cut would keep host bits.
    const tail = right === '' ? [] : right.split(':')
    while (groups.length + tail.length < 8) groups.push('0')
    groups.push(...tail)
  }
  return `${groups.slice(0, 3).join(':')}::/48`
}
