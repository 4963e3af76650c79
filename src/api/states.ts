/** What is shown of the machine, in the words of the wire. `now` is the cluster's clock, in ms. */
import type { Machine } from '../machine/machine.js'
import type { ClaimView, NameView } from '../machine/views.js'
import type * as wire from '../protocol/lockkeeper.js'

export function nameState(view: NameView, machine: Machine, now: number): wire.NameState {
  const { name, suspension, result } = view
  return {
    name,
    holders: view.holders.map((claim) => claimState(claim, now)),
    holding: view.holderCount,
    waiters: view.waiters.map((claim) => claimState(claim, now)),
    waiting: view.waiterCount,
    members: view.members.map((claim) => claimState(claim, now)),
    joined: view.memberCount,
    restMs: left(view.restUntil, now) ?? 0,
    suspension: suspension && { leftMs: left(suspension.until, now), note: suspension.note },
    kept: result && { token: result.token, data: result.data, leftMs: Math.max(0, result.until - now) },
    revision: machine.revision,
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

function left(until: number | undefined, now: number): number | undefined {
  return until === undefined ? undefined : Math.max(0, until - now)
}
