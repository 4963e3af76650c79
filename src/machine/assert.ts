/** A broken invariant is a mistake of ours: it stops the node, with the figures. */
export function assert(condition: boolean, what: string, figures: object = {}): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${what} ${JSON.stringify(figures)}`)
}
