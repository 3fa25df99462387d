/** What a compile step finds wrong in a loaded rule; the loader turns the path into file:line:col. */
export interface RuleFault {
  /** Keys and indexes from the document's root to the faulty node. */
  readonly path: readonly (string | number)[]
  readonly message: string
  /** What to do about it. */
  readonly hint?: string
}
