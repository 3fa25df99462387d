/** Looks for secrets in what was shown: as they are, and in every spelling in which they travel. */

export interface Leak {
  readonly name: string
  readonly spelling: string
}

type Secrets = Readonly<Record<string, string>>

/** Every secret that can be read out of `text`. */
export function leaks(text: string, secrets: Secrets): Leak[] {
  const lower = text.toLowerCase()
  return Object.entries(secrets).flatMap(([name, secret]) =>
    spellings(secret)
      .filter(([, form, anyCase]) =>
        anyCase ? lower.includes(form.toLowerCase()) : text.includes(form),
      ) // prettier-ignore
      .map(([spelling]) => ({ name, spelling })),
  )
}

type Spelling = readonly [name: string, text: string, anyCase?: boolean]

function spellings(secret: string): readonly Spelling[] {
  return [
    ['plain', secret],
    ['percent-encoded', encodeURIComponent(secret), true],
    ['form-encoded', new URLSearchParams({ '': secret }).toString().slice(1), true],
    ['JSON', JSON.stringify(secret).slice(1, -1)],
    ['hex', Buffer.from(secret).toString('hex'), true],
    // With anything in front and behind, as in the header of HTTP Basic.
    ...[0, 1, 2].flatMap((shift): Spelling[] => {
      const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(secret)])
      const whole = bytes.subarray(0, bytes.length - (bytes.length % 3)).toString('base64')
      const inner = whole.slice(shift === 0 ? 0 : 4)
      return [
        [`base64, shifted by ${shift}`, inner],
        [`base64url, shifted by ${shift}`, inner.replaceAll('+', '-').replaceAll('/', '_')],
      ]
    }),
  ]
}
