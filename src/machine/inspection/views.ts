/** What people and tools see when they look at the machine: copies, which stay as they are. */
import type { ClaimId, Mode, SessionId, Token } from '../language/command.js'
import { LIMITS } from '../language/limits.js'
import { type Claim, claimsFrom, type Line, type Queue, type Queues } from '../queues.js'
import { isOver, type Session, type Sessions } from '../sessions.js'

export interface ClaimView {
  readonly claim: ClaimId
  readonly session: SessionId
  readonly sessionLabel: string
  readonly label: string
  readonly names: readonly string[]
  readonly mode: Mode
  readonly data: string
  readonly owner: string
  readonly priority: number
  readonly holds: number
  readonly seats: readonly number[]
  /** Of one who holds; undefined for one who waits. */
  readonly token: Token | undefined
  /** Cluster clock: holds, or waits, since then. */
  readonly since: number
  /** Cluster clock: when its session is over, unless renewed. */
  readonly expiresAt: number
}

/** Lists show the first `LIMITS.claimsShownMax`; counts tell the truth. Times are of the cluster clock. */
export interface NameView {
  readonly name: string
  readonly holders: readonly ClaimView[]
  readonly holderCount: number
  /** Next in line first. */
  readonly waiters: readonly ClaimView[]
  readonly waiterCount: number
  readonly members: readonly ClaimView[]
  readonly memberCount: number
  /** Nothing is granted until then. */
  readonly restUntil: number | undefined
  /** Its `until` undefined: until somebody resumes it. */
  readonly suspension: { readonly until: number | undefined; readonly note: string } | undefined
  readonly result: { readonly token: Token; readonly data: string; readonly until: number } | undefined
}

export interface Page<View> {
  /** Each is made when it is looked at, of the machine as it is then. */
  readonly views: Iterable<View>
  /** Whether there is more after the last of these. */
  readonly more: boolean
}

export type LineKind = 'holders' | 'waiters' | 'members'

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
  const { name, granted, waiting, members, rest, suspension, result } = queue
  return {
    name,
    holders: first(granted, sessions),
    holderCount: granted.count,
    waiters: first(waiting, sessions),
    waiterCount: waiting.count,
    members: members === undefined ? [] : first(members, sessions),
    memberCount: members?.count ?? 0,
    restUntil: rest?.until?.at,
    suspension: suspension && { until: suspension.until?.at, note: suspension.note },
    result: result && { token: result.token, data: result.data, until: result.until!.at },
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

/** Of a name that nobody stands in. */
export function emptyView(name: string): NameView {
  return {
    name,
    holders: [],
    holderCount: 0,
    waiters: [],
    waiterCount: 0,
    members: [],
    memberCount: 0,
    restUntil: undefined,
    suspension: undefined,
    result: undefined,
  }
}

/** `limit` is from 1; beyond `LIMITS.pageMax` it is `LIMITS.pageMax`. */
export function viewNames(
  queues: Queues,
  sessions: Sessions,
  prefix: string,
  after: string,
  limit: number,
): Page<NameView> {
  return pageOf(queuesAfter(queues, prefix, after), limit, (queue) => viewName(queue, sessions))
}

/** Of those that are not over, `at` this moment. */
export function viewSessions(
  sessions: Sessions,
  at: number,
  after: SessionId,
  limit: number,
): Page<SessionView> {
  return pageOf(sessionsAfter(sessions, at, after), limit, viewSession)
}

/** Of one line, behind the claim `after`, which stands in it; from its beginning if that is undefined. */
export function viewLinePage(
  queue: Queue | undefined,
  kind: LineKind,
  sessions: Sessions,
  after: Claim | undefined,
  limit: number,
): Page<ClaimView> | undefined {
  const line = queue && lineOf(queue, kind)
  if (after === undefined) return pageOf(line ?? [], limit, viewIn(sessions))
  const place = after.places.find((each) => each.queue === queue)
  if (place === undefined || queue?.lineOf(after) !== line) return undefined
  return pageOf(claimsFrom(place.next), limit, viewIn(sessions))
}

function* queuesAfter(queues: Queues, prefix: string, after: string): Generator<Queue, void> {
  for (const name of queues.names.from(after > prefix ? after : prefix)) {
    if (!name.startsWith(prefix)) return
    if (name !== after) yield queues.get(name)!
  }
}

function* sessionsAfter(sessions: Sessions, at: number, after: SessionId): Generator<Session, void> {
  for (const id of sessions.ids.from(after + 1)) {
    const session = sessions.get(id)!
    if (!isOver(session, at)) yield session
  }
}

function viewIn(sessions: Sessions): (claim: Claim) => ClaimView {
  return (claim) => viewClaim(claim, sessions.get(claim.session)!)
}

function lineOf(queue: Queue, kind: LineKind): Line | undefined {
  if (kind === 'members') return queue.members
  return kind === 'holders' ? queue.granted : queue.waiting
}

/** The first of these. */
function pageOf<Item, View>(items: Iterable<Item>, limit: number, view: (item: Item) => View): Page<View> {
  const count = Math.min(limit, LIMITS.pageMax)
  const picked: Item[] = []
  for (const item of items) {
    if (picked.length === count) return { views: viewsOf(picked, view), more: true }
    picked.push(item)
  }
  return { views: viewsOf(picked, view), more: false }
}

function* viewsOf<Item, View>(items: readonly Item[], view: (item: Item) => View): Generator<View, void> {
  for (const item of items) yield view(item)
}

function first(line: Line, sessions: Sessions): ClaimView[] {
  const shown: ClaimView[] = []
  for (const claim of line) {
    if (shown.length === LIMITS.claimsShownMax) break
    shown.push(viewClaim(claim, sessions.get(claim.session)!))
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
    data: claim.data,
    owner: claim.terms.owner,
    priority: claim.terms.priority,
    holds: claim.holds,
    seats: claim.seats ?? [],
    token: claim.token,
    since: claim.since,
    expiresAt: session.expiry.at,
  }
}
