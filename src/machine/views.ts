/** What people and tools see when they look at the machine: copies, which stay as they are. */
import type { ClaimId, Mode, SessionId, Token } from './command.js'
import { LIMITS } from './limits.js'
import type { Claim, Line, Queue, Queues } from './queues.js'
import type { Session, Sessions } from './sessions.js'

export interface ClaimView {
  readonly claim: ClaimId
  readonly session: SessionId
  readonly sessionLabel: string
  readonly label: string
  readonly names: readonly string[]
  readonly mode: Mode
  /** Of one who holds; undefined for one who waits. */
  readonly token: Token | undefined
  /** Cluster clock: holds, or waits, since then. */
  readonly since: number
  /** Cluster clock: when its session is over, unless renewed. */
  readonly expiresAt: number
}

/** Lists show the first `LIMITS.claimsShownMax`; counts tell the truth. */
export interface NameView {
  readonly name: string
  readonly holders: readonly ClaimView[]
  readonly holderCount: number
  /** Next in line first. */
  readonly waiters: readonly ClaimView[]
  readonly waiterCount: number
}

export interface NamePage {
  readonly names: readonly NameView[]
  /** Whether names come after the last of this page. */
  readonly more: boolean
}

export interface SessionView {
  readonly session: SessionId
  readonly label: string
  readonly ttlMs: number
  /** Cluster clock. */
  readonly openedAt: number
  readonly expiresAt: number
  readonly claims: readonly ClaimView[]
  readonly claimCount: number
}

export function viewName(queue: Queue, sessions: Sessions): NameView {
  return {
    name: queue.name,
    holders: viewLine(queue.granted, sessions),
    holderCount: queue.granted.count,
    waiters: viewLine(queue.waiting, sessions),
    waiterCount: queue.waiting.count,
  }
}

export function viewSession(session: Session): SessionView {
  const shown: ClaimView[] = []
  for (const claim of session.claims) {
    if (shown.length === LIMITS.claimsShownMax) break
    shown.push(viewClaim(claim, session))
  }
  return {
    session: session.id,
    label: session.label,
    ttlMs: session.ttlMs,
    openedAt: session.openedAt,
    expiresAt: session.expiry.at,
    claims: shown,
    claimCount: session.claims.size,
  }
}

/** `limit` is from 1; beyond `LIMITS.pageMax` it is `LIMITS.pageMax`. */
export function viewNames(
  queues: Queues,
  sessions: Sessions,
  prefix: string,
  after: string,
  limit: number,
): NamePage {
  const count = Math.min(limit, LIMITS.pageMax)
  const picked = pickSmallest(queues, prefix, after, count + 1)
  return {
    names: picked.slice(0, count).map((queue) => viewName(queue, sessions)),
    more: picked.length > count,
  }
}

/**
 * The `count` queues that come first after `after`. Names are not kept in order, since nothing but listing
 * would use it: one pass over all of them, in which few pass the bar once `count` are found (about 200 ms
 * for a million names).
 */
function pickSmallest(queues: Queues, prefix: string, after: string, count: number): Queue[] {
  let picked: Queue[] = []
  let bar: string | undefined
  for (const queue of queues.values()) {
    const { name } = queue
    if (name <= after || (bar !== undefined && name > bar) || !name.startsWith(prefix)) continue
    picked.push(queue)
    if (picked.length < 2 * count) continue
    picked = picked.sort(byName).slice(0, count)
    bar = picked.at(-1)?.name
  }
  return picked.sort(byName).slice(0, count)
}

function byName(a: Queue, b: Queue): number {
  return a.name < b.name ? -1 : 1
}

function viewLine(line: Line, sessions: Sessions): ClaimView[] {
  const shown: ClaimView[] = []
  for (
    let place = line.first;
    place !== undefined && shown.length < LIMITS.claimsShownMax;
    place = place.next
  ) {
    shown.push(viewClaim(place.claim, sessions.get(place.claim.session)!))
  }
  return shown
}

function viewClaim(claim: Claim, session: Session): ClaimView {
  return {
    claim: claim.id,
    session: session.id,
    sessionLabel: session.label,
    label: claim.label,
    names: claim.names,
    mode: claim.mode,
    token: claim.token,
    since: claim.since,
    expiresAt: session.expiry.at,
  }
}
