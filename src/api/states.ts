/** What is shown of the machine, in the words of the wire. `now` is the cluster's clock, in ms. */
import type { UsageBook } from '../attachments/usage.js'
import type { Change } from '../machine/changes.js'
import type { ClaimView, NameView } from '../machine/inspection/views.js'
import { LIMITS } from '../machine/language/limits.js'
import type { Machine } from '../machine/machine.js'
import type { Session } from '../machine/sessions.js'
import * as wire from '../protocol/lockkeeper.js'

/** Of each of the three; beside them a name has little to show. */
const LINE_BYTES_MAX = LIMITS.pageBytesMax / 4
/** What surrounds a text, and the numbers of a claim with all that surrounds them. */
const TEXT_BYTES = 4
const REST_BYTES = 160

export function nameState(view: NameView, machine: Machine, usage: UsageBook, now: number): wire.NameState {
  const { name, suspension, result } = view
  return {
    name,
    holders: line(view.holders, now),
    holding: view.holderCount,
    waiters: line(view.waiters, now),
    waiting: view.waiterCount,
    members: line(view.members, now),
    joined: view.memberCount,
    restMs: left(view.restUntil, now) ?? 0,
    suspension: suspension && { leftMs: left(suspension.until, now), note: suspension.note },
    kept: result && { token: result.token, data: result.data, leftMs: Math.max(0, result.until - now) },
    revision: machine.revision,
    usage: usage.of(name),
    interventions: machine.interventions.all
      .filter((intervention) => intervention.name === name)
      .map(({ kind, token, session, note, at }) => ({
        kind,
        token,
        session,
        note,
        agoMs: Math.max(0, now - at),
      })),
  }
}

export function claimState(claim: ClaimView, now: number): wire.Claim {
  const { mode } = claim
  const [permits, capacity] = mode.kind === 'permits' ? [mode.permits, mode.of] : [0, 0]
  return {
    id: claim.claim,
    session: claim.session,
    sessionLabel: claim.sessionLabel,
    label: claim.label,
    mode: mode.kind,
    permits,
    capacity,
    seats: [...claim.seats],
    data: claim.data,
    owner: claim.owner,
    priority: claim.priority,
    holds: claim.holds,
    token: claim.token ?? 0,
    sinceMs: Math.max(0, now - claim.since),
    ttlLeftMs: Math.max(0, claim.expiresAt - now),
    names: [...claim.names],
  }
}

/** A change as whoever watches is told of it, `now`; what its session is called is known while that lives. */
export function changeState(change: Change, machine: Machine, now: number): wire.Change {
  const { revision, kind, reason, claim, at, token, mode, data } = change
  const session = machine.sessions.get(change.session)
  const view: ClaimView = {
    claim: claim.id,
    session: change.session,
    sessionLabel: session?.label ?? '',
    label: claim.label,
    names: claim.names,
    mode,
    data,
    owner: claim.terms.owner,
    priority: claim.terms.priority,
    holds: claim.holds,
    seats: token === undefined ? [] : (claim.seats ?? []),
    token,
    since: kind === 'queued' || kind === 'granted' ? at : claim.since,
    expiresAt: session?.expiry.at ?? now,
  }
  return { revision, kind: CHANGE_KINDS[kind], claim: claimState(view, now), reason }
}

const CHANGE_KINDS = {
  queued: wire.Change_Kind.QUEUED,
  granted: wire.Change_Kind.GRANTED,
  updated: wire.Change_Kind.UPDATED,
  left: wire.Change_Kind.LEFT,
} as const

export function sessionState(session: Session, now: number): wire.SessionState {
  const { id, label, ttlMs, openedAt, expiry, claims } = session
  let holding = 0
  for (const { token } of claims) if (token !== undefined) holding++
  return {
    id,
    label,
    ttlMs,
    ttlLeftMs: Math.max(0, expiry.at - now),
    openMs: Math.max(0, now - openedAt),
    holding,
    waiting: claims.size - holding,
  }
}

/** The first of them, so that the three lines of a name fit one message. */
function line(views: readonly ClaimView[], now: number): wire.Claim[] {
  const shown: wire.Claim[] = []
  let bytes = 0
  for (const view of views) {
    bytes += bytesMaxOf(view)
    if (bytes > LINE_BYTES_MAX) break
    shown.push(claimState(view, now))
  }
  return shown
}

/** An upper bound that is cheaper than to encode the claim. */
function bytesMaxOf({ sessionLabel, label, names, data, owner, seats }: ClaimView): number {
  const texts = [sessionLabel, label, data, owner, ...names]
  return texts.reduce(
    (bytes, text) => bytes + TEXT_BYTES + Buffer.byteLength(text),
    REST_BYTES + 4 * seats.length,
  )
}

function left(until: number | undefined, now: number): number | undefined {
  return until === undefined ? undefined : Math.max(0, until - now)
}
