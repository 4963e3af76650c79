/** A claim as a record. What a plain claim has not is left out, so that the record is as the first version wrote it. */
import { type Mode, NO_TERMS, type Terms } from '../language/command.js'
import type { Claim } from '../queues.js'
import type { ClaimRecord, Field, Fields } from './records.js'

export function claimFields(claim: Claim): Fields {
  const { id, session, slot, seq, names, mode, label, token, since, waitLimit } = claim
  const plain = [id, session, slot, seq, names, mode.kind, label, token ?? 0, since, waitLimit?.at ?? null]
  return isPlain(claim) ? plain : [...plain, extraFields(claim)]
}

export function toClaim(fields: Fields): ClaimRecord {
  const [id, session, slot, seq, names, kind, label, token, since, waitUntil, extra] = fields
  return {
    id: id as number,
    session: session as number,
    slot: slot as number,
    seq: seq as number,
    names: names as readonly string[],
    label: label as string,
    token: token === 0 ? undefined : (token as number),
    since: since as number,
    waitUntil: waitUntil === null ? undefined : (waitUntil as number),
    ...toExtra(kind as Mode['kind'], extra as Fields | undefined),
  }
}

function isPlain({ mode, terms, rank, data, holds }: Claim): boolean {
  return mode.kind === 'exclusive' && terms === NO_TERMS && rank === 0 && data === '' && holds === 1
}

function extraFields({ mode, terms, data, rank, holds, seats }: Claim): Field {
  const [permits, of] = mode.kind === 'permits' ? [mode.permits, mode.of] : [0, 0]
  return [permits, of, data, rank, holds, seats ?? null, terms === NO_TERMS ? null : termsFields(terms)]
}

function termsFields(terms: Terms): Field {
  const { owner, reentrant, priority, steal, upgrades, lockDelayMs, minHoldMs, fingerprint } = terms
  return [owner, reentrant, priority, steal, upgrades, lockDelayMs, minHoldMs, fingerprint ?? null]
}

type Extra = Pick<ClaimRecord, 'mode' | 'terms' | 'data' | 'rank' | 'holds' | 'seats'>

const PLAIN: Extra = {
  mode: { kind: 'exclusive' },
  terms: NO_TERMS,
  data: '',
  rank: 0,
  holds: 1,
  seats: undefined,
}

function toExtra(kind: Mode['kind'], extra: Fields | undefined): Extra {
  if (extra === undefined) return PLAIN
  const [permits, of, data, rank, holds, seats, terms] = extra
  return {
    mode: kind === 'permits' ? { kind, permits: permits as number, of: of as number } : { kind },
    terms: terms === null ? NO_TERMS : toTerms(terms as Fields),
    data: data as string,
    rank: rank as number,
    holds: holds as number,
    seats: seats === null ? undefined : (seats as readonly number[]),
  }
}

/** The data it came with are not kept beside those it has. */
function toTerms([
  owner,
  reentrant,
  priority,
  steal,
  upgrades,
  lockDelayMs,
  minHoldMs,
  print,
]: Fields): Terms {
  return {
    data: '',
    owner: owner as string,
    reentrant: reentrant as boolean,
    priority: priority as number,
    steal: steal as boolean,
    upgrades: upgrades as number,
    lockDelayMs: lockDelayMs as number,
    minHoldMs: minHoldMs as number,
    fingerprint: print === null ? undefined : (print as string),
  }
}
