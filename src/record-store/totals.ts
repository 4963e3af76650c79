/** How many records there are, and the sum of their checksums modulo 2^48. */
export interface Totals {
  readonly count: number
  readonly sum: number
}

export const NO_RECORDS: Totals = { count: 0, sum: 0 }

const SUM_MODULUS = 2 ** 48

/**
 * The order does not matter, and what was added can be taken away again. A sum, not an exclusive or: CRCs are linear, and
 * two records of one length that swap their values would go unnoticed.
 */
export function plus({ count, sum }: Totals, checksum: number): Totals {
  return { count: count + 1, sum: (sum + checksum) % SUM_MODULUS }
}

export function minus({ count, sum }: Totals, checksum: number): Totals {
  return { count: count - 1, sum: (sum - checksum + SUM_MODULUS) % SUM_MODULUS }
}

export function areEqual(a: Totals, b: Totals): boolean {
  return a.count === b.count && a.sum === b.sum
}
