/** Of numbers in ascending order: the smallest that at least this share of them does not exceed (nearest rank). */
export function quantile(ascending: readonly number[], share: number): number {
  const value = ascending[Math.max(0, Math.ceil(ascending.length * share) - 1)]
  if (value === undefined) throw new Error('nothing was measured; measure for longer')
  return Number(value.toFixed(3))
}
