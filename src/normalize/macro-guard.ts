/**
 * A macro that the network did not fill in (`{click_id}`, `#S2#`, `%TXID%`) is not a value: taken
 * as one, it would give every conversion the same id. In: one decoded value. Out: what it is.
 * Only a value that is a macro as a whole counts; text that merely contains braces is data.
 */

/** `word` is what programs print for "nothing" (`null`), which may also be somebody's name. */
export type ValueForm = 'value' | 'empty' | 'word' | 'macro'

/** A name as macros have it, with an optional modifier: `payout`, `sub.1`, `payout|fixed:2`. */
const NAME = '[A-Za-z_][\\w.-]{0,63}(?:[:|][^{}\\[\\]<>()#%$!]{0,63})?'
const LOOSE = `\\s*${NAME}\\s*`

/** Every pair of marks that senders and trackers of this field put around a macro's name. */
const MACRO = new RegExp(
  '^(?:' +
    [
      `[$#]?\\{${LOOSE}\\}`,
      `\\{\\{${LOOSE}\\}\\}`,
      `\\{%${LOOSE}%\\}`,
      `#{1,2}${NAME}#{1,2}`,
      `%{1,2}${NAME}%{1,2}`,
      `\\$${NAME}\\$`,
      `\\[${LOOSE}\\]`,
      `\\[\\[${LOOSE}\\]\\]`,
      `\\[\\[\\[${LOOSE}\\]\\]\\]`,
      `\\[=${LOOSE}=\\]`,
      `\\[%${LOOSE}%\\]`,
      `<${NAME}>`,
      `!!!${NAME}!!!`,
      `\\(${NAME}\\)`,
      '__[A-Z][A-Z0-9_]{0,63}__',
    ].join('|') +
    ')$',
)

/** Some senders wrap a GUID in braces: that is an id. */
const WRAPPED_GUID = /^[{(][0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}[)}]$/i

/** What operators leave in a URL they were meant to edit. */
const PLACEHOLDER = /^(?:replace|REPLACE|optional|OPTIONAL|x{4,20}|X{4,20}|YOUR_[A-Z0-9_]{1,60})$/
const NOTHING_WORD = /^(?:null|undefined|nan)$/i

const MARKS = new Set('{[$#%<!(_')
/** How the words above begin: nearly no value gets as far as their patterns. */
const WORD_STARTS = new Set('nNuUrRoOxXY')
const LONGEST_MACRO = 200

export function formOf(value: string): ValueForm {
  const text = value.trim()
  if (text === '') return 'empty'
  const first = text.charAt(0)
  if (MARKS.has(first)) {
    return text.length <= LONGEST_MACRO && MACRO.test(text) && !WRAPPED_GUID.test(text)
      ? 'macro'
      : 'value'
  }
  if (!WORD_STARTS.has(first)) return 'value'
  if (NOTHING_WORD.test(text)) return 'word'
  return PLACEHOLDER.test(text) ? 'macro' : 'value'
}
