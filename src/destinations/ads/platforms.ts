/** Every ad platform in code, by type. */
import type { DestinationType } from '../define.ts'
import { amazon } from './amazon.ts'
import { axon } from './axon.ts'
import { criteo } from './criteo.ts'
import { googleAds } from './google-ads.ts'
import { googleAnalytics } from './google-analytics.ts'
import { googleDataManager } from './google-data-manager.ts'
import { kwai } from './kwai.ts'
import { linkedin } from './linkedin.ts'
import { meta } from './meta.ts'
import { microsoft } from './microsoft.ts'
import { nextdoor } from './nextdoor.ts'
import { openai } from './openai.ts'
import { pinterest } from './pinterest.ts'
import { quora } from './quora.ts'
import { reddit } from './reddit.ts'
import { snapchat } from './snapchat.ts'
import { spotify } from './spotify.ts'
import { tiktok } from './tiktok.ts'
import { x } from './x.ts'

export const AD_PLATFORMS: readonly DestinationType[] = [
  amazon,
  axon,
  criteo,
  googleAds,
  googleAnalytics,
  googleDataManager,
  kwai,
  linkedin,
  meta,
  microsoft,
  nextdoor,
  openai,
  pinterest,
  quora,
  reddit,
  snapchat,
  spotify,
  tiktok,
  x,
]
