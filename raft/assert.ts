/** A bug of ours: the node that meets one stops, because what it would do next can't be trusted. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

/** Throws an `InvariantError` with the figures that broke it. Stays on in production. */
export function assert(condition: boolean, claim: string, figures: object = {}): asserts condition {
  if (!condition) throw new InvariantError(`broken invariant: ${claim} ${JSON.stringify(figures)}`)
}
