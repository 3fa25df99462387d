/** What the macros of a request read from while one attempt is rendered. */
import type { Conversion } from '../model/conversion.ts'
import type { DeliveryContext, DeliveryRecord, RequestFault } from '../model/delivery.ts'

export interface RequestSource {
  readonly record: DeliveryRecord
  readonly conversion: Conversion
  readonly context: DeliveryContext
  /** The first thing found wrong while rendering; such a request is not sent. */
  fault: RequestFault | undefined
}
