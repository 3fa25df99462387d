/** English names of the states of the US and the provinces of Canada → their two letters. */
const NAMES =
  'alabama al alaska ak arizona az arkansas ar california ca colorado co connecticut ct delaware de ' +
  'districtofcolumbia dc florida fl georgia ga hawaii hi idaho id illinois il indiana in iowa ia ' +
  'kansas ks kentucky ky louisiana la maine me maryland md massachusetts ma michigan mi minnesota mn ' +
  'mississippi ms missouri mo montana mt nebraska ne nevada nv newhampshire nh newjersey nj ' +
  'newmexico nm newyork ny northcarolina nc northdakota nd ohio oh oklahoma ok oregon or ' +
  'pennsylvania pa rhodeisland ri southcarolina sc southdakota sd tennessee tn texas tx utah ut ' +
  'vermont vt virginia va washington wa westvirginia wv wisconsin wi wyoming wy puertorico pr ' +
  'alberta ab britishcolumbia bc manitoba mb newbrunswick nb newfoundlandandlabrador nl ' +
  'northwestterritories nt novascotia ns nunavut nu ontario on princeedwardisland pe quebec qc ' +
  'québec qc saskatchewan sk yukon yt'

const words = NAMES.split(' ')
/** Names in lower case without spaces. */
export const REGION_CODES: ReadonlyMap<string, string> = new Map(
  words.flatMap((name, i) => (i % 2 === 0 ? [[name, words[i + 1] ?? ''] as const] : [])),
)
