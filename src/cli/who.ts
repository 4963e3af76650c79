import type { Claim } from '../client/index.js'

/** For people: what a claim is for, and whose it is. */
export function who({
  label,
  sessionLabel,
  session,
}: Pick<Claim, 'label' | 'sessionLabel' | 'session'>): string {
  const owner = sessionLabel === '' ? `session ${session}` : sessionLabel
  return label === '' ? owner : `${label} (${owner})`
}

/** What it takes: 'exclusive', 'shared', 'member', or '2 of 5' permits. */
export function modeOf({ mode, permits, capacity }: Pick<Claim, 'mode' | 'permits' | 'capacity'>): string {
  return mode === 'permits' ? `${permits} of ${capacity}` : mode
}
