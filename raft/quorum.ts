/** How many of `size` voters make a majority. */
export function majorityOf(size: number): number {
  return Math.floor(size / 2) + 1
}

/**
 * The greatest value that a majority of voters has reached, given one value per voter: of match indexes the one that
 * may be committed (§3.6.2), of heartbeat rounds the one confirmed (§6.4), of times last heard the one since when the
 * leader has had no majority (§6.2). Sorts `values` in place; at least one.
 */
export function reachedByMajority(values: number[]): number {
  values.sort(descending)
  return values[majorityOf(values.length) - 1]!
}

function descending(a: number, b: number): number {
  return b - a
}
