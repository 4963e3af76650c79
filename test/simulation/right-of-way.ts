import type { LoggedClaim, NameBook, Names } from './book.js'
import { goesBefore } from './book.js'

/** Why a claim may not be granted now, and what promise it would break. */
export interface Obstacle {
  readonly promise: string
  readonly name: string
  readonly by?: LoggedClaim
}

/** What is in the way of a claim that waits, or would; undefined: it is to be granted now. */
export function obstacleTo(claim: LoggedClaim, names: Names, at: number): Obstacle | undefined {
  if (claim.mode.kind === 'member') return undefined
  for (const name of claim.names) {
    const obstacle = obstacleIn(names.of(name), claim, at)
    if (obstacle !== undefined) return obstacle
  }
  return undefined
}

function obstacleIn(book: NameBook, claim: LoggedClaim, at: number): Obstacle | undefined {
  const { name, holders, waiting } = book
  if ((book.restUntil ?? at) > at) return { promise: 'rest: granted while the name rests', name }
  if (book.suspension !== undefined)
    return { promise: 'suspension: granted while the name is suspended', name }
  const [first] = waiting
  if (first !== undefined && first !== claim && goesBefore(first, claim))
    return { promise: 'P3 order: granted before another', name, by: first }
  const others = [...holders].filter((holder) => holder.token !== claim.asked.upgrades)
  if (isAgreed([...others, claim])) return undefined
  return { promise: 'P1 exclusion: granted beside others', name, by: others[0]! }
}

/** Whether these may hold one name together. */
export function isAgreed(holders: readonly LoggedClaim[]): boolean {
  const kinds = new Set(holders.map(({ mode }) => mode.kind))
  if (kinds.size > 1) return false
  if (kinds.has('exclusive')) return holders.length === 1
  const taken = holders.flatMap(({ mode }) => (mode.kind === 'permits' ? [mode] : []))
  return taken.every(({ of }) => taken.reduce((sum, { permits }) => sum + permits, 0) <= of)
}

/** Each seat has one holder, and there is no seat beyond the capacity. */
export function areSeated(holders: readonly LoggedClaim[]): boolean {
  const seats = holders.flatMap((holder) => holder.seats)
  const isSeat = (seat: number, { mode }: LoggedClaim): boolean =>
    mode.kind === 'permits' && seat >= 0 && seat < mode.of
  return (
    new Set(seats).size === seats.length &&
    holders.every(
      (holder) =>
        holder.seats.length === (holder.mode.kind === 'permits' ? holder.mode.permits : 0) &&
        holder.seats.every((seat) => isSeat(seat, holder)),
    )
  )
}

/** The lowest seats that nobody has. */
export function seatsFor({ mode, names: [name] }: LoggedClaim, names: Names): number[] {
  if (mode.kind !== 'permits') return []
  const taken = new Set([...names.of(name!).holders].flatMap(({ seats }) => seats))
  const all = Array.from({ length: mode.of }, (_, seat) => seat)
  return all.filter((seat) => !taken.has(seat)).slice(0, mode.permits)
}
