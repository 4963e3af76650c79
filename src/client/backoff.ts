/**
 * How long to pause before attempt `n` (from 0), in milliseconds: doubling up to a ceiling, with jitter, so that many
 * clients that failed together do not come back together.
 */
export function backoffMs(n: number, firstMs: number, maxMs: number, random: () => number): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(n, 30)) * (0.5 + random() / 2)
}
