/**
 * What each ad platform wants to know of a person, and in which spelling: the one page on which the
 * platforms can be compared. The same address is hashed in four ways; a hash made for one platform
 * is worthless at another, so nothing here is shared but the spellings.
 *
 * Sources are the platforms' own pages, named at the top of each platform's file.
 */
import {
  emailAmazon,
  emailAsWritten,
  emailGoogle,
  emailLetters,
  emailMailbox,
  emailWithoutSpaces,
} from './email.ts'
import { hashed, plain, type Identify, type Spelling } from './hash.ts'
import {
  birthDate,
  familyNameGoogle,
  gender,
  givenNameGoogle,
  nameAsWritten,
  nameLatin,
  nameLetters,
} from './name.ts'
import { phoneDigits, phoneE164, phoneTenDigits } from './phone.ts'
import {
  cityLatin,
  countryLower,
  countryStrict,
  countryUpper,
  placeLetters,
  placeWords,
  regionCode,
  zipAsWritten,
  zipDigits,
  zipFirstPart,
  zipLetters,
  zipWithoutSpaces,
} from './place.ts'

const asSent: Spelling = text => text
const lowerWithoutSpaces: Spelling = text => text.toLowerCase().replace(/\s+/g, '')

export const IDENTITY = {
  meta: {
    email: hashed(emailAsWritten),
    phone: hashed(phoneDigits),
    first_name: hashed(nameLetters),
    last_name: hashed(nameLetters),
    city: hashed(cityLatin),
    region: hashed(regionCode),
    zip: hashed(zipFirstPart),
    country: hashed(countryLower),
    external_id: hashed(lowerWithoutSpaces),
    birth_date: hashed(birthDate),
    gender: hashed(gender),
  },
  tiktok: {
    email: hashed(emailAsWritten),
    phone: hashed(phoneE164),
    first_name: hashed(nameAsWritten),
    last_name: hashed(nameAsWritten),
    city: plain(placeLetters),
    region: plain(placeLetters),
    zip: hashed(zipLetters),
    country: plain(countryLower),
    external_id: hashed(asSent),
  },
  /** Data Manager, Google Ads and Analytics. */
  google: {
    email: hashed(emailGoogle),
    phone: hashed(phoneE164),
    first_name: hashed(givenNameGoogle),
    last_name: hashed(familyNameGoogle),
    city: plain(placeWords),
    region: plain(placeWords),
    zip: plain(zipAsWritten),
    country: plain(countryStrict),
  },
  microsoft: {
    email: hashed(emailMailbox),
    phone: hashed(phoneE164),
    external_id: hashed(asSent),
  },
  snapchat: {
    email: hashed(emailAsWritten),
    phone: hashed(phoneDigits),
    first_name: hashed(nameAsWritten),
    last_name: hashed(nameAsWritten),
    city: hashed(placeLetters),
    region: hashed(placeLetters),
    zip: hashed(zipWithoutSpaces),
    country: hashed(countryLower),
    external_id: hashed(asSent),
  },
  pinterest: {
    email: hashed(emailWithoutSpaces),
    phone: hashed(phoneDigits),
    first_name: hashed(nameAsWritten),
    last_name: hashed(nameAsWritten),
    city: hashed(placeLetters),
    region: hashed(regionCode),
    zip: hashed(zipDigits),
    country: hashed(countryLower),
    external_id: hashed(asSent),
    birth_date: hashed(birthDate),
    gender: hashed(gender),
  },
  reddit: {
    email: hashed(emailLetters),
    phone: hashed(phoneE164),
    external_id: hashed(asSent),
  },
  linkedin: {
    email: hashed(emailWithoutSpaces),
    first_name: plain(asSent),
    last_name: plain(asSent),
    country: plain(countryUpper),
  },
  x: {
    email: hashed(emailAsWritten),
    phone: hashed(phoneE164),
  },
  /** Quora reads plain text; its file sends it only where the operator asks for that. */
  quora: {
    email: plain(emailAsWritten),
    country: plain(countryUpper),
  },
  amazon: {
    email: hashed(emailAmazon),
    phone: hashed(phoneDigits),
    first_name: hashed(nameLatin),
    last_name: hashed(nameLatin),
    city: hashed(cityLatin),
    region: hashed(cityLatin),
    zip: hashed(zipWithoutSpaces),
    country: plain(countryUpper),
  },
  nextdoor: {
    email: hashed(emailAsWritten),
    phone: hashed(phoneTenDigits),
    first_name: hashed(nameAsWritten),
    last_name: hashed(nameAsWritten),
    zip: hashed(zipAsWritten),
  },
  spotify: {
    email: hashed(emailAsWritten),
    phone: hashed(phoneE164),
  },
  criteo: {
    email: hashed(emailAsWritten),
  },
  axon: {
    email: hashed(emailAsWritten),
    phone: hashed(phoneDigits),
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Identify>>>>
