/** What may be shown: secrets and personal data masked, control characters escaped, length capped. */

const SECRET_NAME =
  /^(.*[_-])?(token|secret|password|passwd|pw|key|hash|sig|signature|secure|checksum|verifier|hottok|authorization|api[_-]?key)$/i

/** True for a parameter or header name that commonly carries a credential. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name)
}

export const MASK = '***'

/** Every occurrence of each secret (raw and percent-encoded) replaced by the mask. Longest first. */
export function maskSecrets(text: string, secrets: readonly string[]): string {
  let masked = text
  for (const secret of secrets) {
    if (!secret) continue
    masked = masked.replaceAll(secret, MASK)
    const encoded = encodeURIComponent(secret)
    if (encoded !== secret) masked = masked.replaceAll(encoded, MASK)
  }
  return masked
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
