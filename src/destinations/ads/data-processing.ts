/** Limited data use, as Meta, Snapchat and Reddit write it. */
export interface Processing {
  readonly modes: readonly string[]
  readonly country: number | undefined
  readonly state: number | undefined
}

/** `LDU` or `LDU,1,1000`; undefined where it is empty. */
export function parseProcessing(text: string): Processing | undefined {
  if (text === '') return undefined
  const [mode = '', country, state] = text.split(',')
  return { modes: [mode], country: whole(country), state: whole(state) }
}

function whole(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text)
}
