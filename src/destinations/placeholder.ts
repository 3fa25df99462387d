/**
 * Finds macros that nobody filled in. A click id `{clickid}` or an account number `YOUR_ID` is
 * taken by most trackers with a 200 and poisons their data, so such a request is never sent.
 */

/** A name as macros have them, but not a GUID in braces. */
const NAME = String.raw`(?![0-9A-Fa-f]{8}-)[A-Za-z_]`
const WORD = String.raw`(?:REPLACE|OPTIONAL|X{4,}|YOUR_\w*)`

/** Delimiters met in the field: {x} {{x}} {:x} {!x!} ${X} [X] ##X## #x# %x% __X__ <x>. */
const WHOLE = new RegExp(
  String.raw`^\s*(?:\$?\{{1,2}[\s!:_]*${NAME}[^{}"]{0,100}\}{1,2}` +
    String.raw`|\[{1,2}${NAME}[^[\]"]{0,100}\]{1,2}` +
    String.raw`|#{1,2}${NAME}[^#]{0,100}#{1,2}` +
    String.raw`|%{1,2}${NAME}\w{0,100}%{1,2}` +
    String.raw`|__[A-Za-z]\w{0,100}__|<[A-Za-z_][\w ]{0,100}>` +
    String.raw`|\[?${WORD}\]?)\s*$`,
)

const INSIDE = new RegExp(
  String.raw`\{[!:_]?${NAME}[\w.:|=!-]{0,100}\}|\[${NAME}[\w.-]{0,100}\]|##${NAME}[^#]{0,100}##`,
)

/** Only at the start of a word: a random key may well hold four X. */
const WORD_INSIDE = new RegExp(String.raw`(?<![A-Za-z0-9])${WORD}(?![a-z0-9])|\$\{`)

/** True where the whole value is a macro. For values of conversions: free text may hold brackets. */
export function isUnreplaced(value: string): boolean {
  return WHOLE.test(value)
}

/** True where a macro stands anywhere in it. For ids, which hold no brackets of their own. */
export function holdsUnreplaced(value: string): boolean {
  return WHOLE.test(value) || INSIDE.test(value)
}

/** True where it still waits for a person: for settings, and for literals of a query, form or path. */
export function holdsPlaceholder(text: string): boolean {
  return INSIDE.test(text) || WORD_INSIDE.test(text) || WHOLE.test(text)
}

/** The same for a part of prose (JSON string, header, text body), which may say "[Postern] sale". */
export function proseHoldsPlaceholder(text: string): boolean {
  return holdsPlaceholder(text.replaceAll(/[[\]]/g, ' '))
}
