/** E-mail addresses, in the four spellings that ad platforms hash. */
import type { Spelling } from './hash.ts'

/** Trimmed and in lower case; dots and `+tag` stay. */
export const emailAsWritten: Spelling = text => address(text.trim().toLowerCase(), same)

/** White space anywhere is taken out too: a form field may hold a line break in the middle. */
export const emailWithoutSpaces: Spelling = text =>
  address(text.replace(/\s+/g, '').toLowerCase(), same)

/**
 * Mail to Gmail reaches the same person with and without dots and `+tag`.
 * https://developers.google.com/google-ads/api/docs/conversions/enhanced-conversions/web
 */
export const emailGoogle: Spelling = text =>
  address(text.replace(/\s+/g, '').toLowerCase(), (local, domain) =>
    domain === 'gmail.com' || domain === 'googlemail.com' ? mailbox(local) : local,
  )

/** Without dots and `+tag`, whatever the domain. */
export const emailMailbox: Spelling = text =>
  address(text.replace(/\s+/g, '').toLowerCase(), mailbox)

/** As `emailMailbox`, and of the local part only letters and digits. */
export const emailLetters: Spelling = text =>
  address(text.replace(/\s+/g, '').toLowerCase(), local => mailbox(local).replace(/[^a-z0-9]/g, ''))

/** Characters outside `a-z 0-9 . @ + -` are dropped. */
export const emailAmazon: Spelling = text =>
  address(text.toLowerCase().replace(/[^a-z0-9.@+-]/g, ''), same)

const same = (local: string): string => local

function mailbox(local: string): string {
  const plus = local.indexOf('+')
  return (plus < 0 ? local : local.slice(0, plus)).replaceAll('.', '')
}

function address(
  text: string,
  change: (local: string, domain: string) => string,
): string | undefined {
  const at = text.indexOf('@')
  const domain = text.slice(at + 1)
  if (at < 1 || domain === '' || domain.includes('@')) return undefined
  const local = change(text.slice(0, at), domain)
  return local === '' ? undefined : `${local}@${domain}`
}
