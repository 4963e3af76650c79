/**
 * The life of a claim: it enters its queues, waits, is granted, leaves. Whoever leaves or is granted makes
 * the next in line a candidate; `grantCandidates` decides about them once all leaving of one step is done,
 * so that nobody who goes in the same step is granted anything on the way (P4, and fault 45: checked at the
 * moment of the grant).
 */
import type { Agenda } from './agenda.js'
import { assert } from './assert.js'
import type { Acquire, ClaimId, Granted, Refused, SessionId, Token } from './command.js'
import { isGrantable } from './grant-rule.js'
import type { Ledger } from './ledger.js'
import { LIMITS } from './limits.js'
import { type Claim, type Place, type Queue, Queues } from './queues.js'
import type { ClaimRecord } from './records.js'
import { limitReached } from './refusals.js'
import { ShardedMap } from './sharded-map.js'
import { forEach, type Steps, sorted } from './steps.js'

const NOWHERE: readonly Place[] = []

export class Claims {
  readonly queues = new Queues()
  /** The id the next claim gets. */
  nextId: ClaimId = 1
  /** The token the next grant gets. One counter for all names, never reset: P2. */
  nextToken: Token = 1

  readonly #agenda: Agenda
  readonly #ledger: Ledger
  readonly #byId = new ShardedMap<ClaimId, Claim>()
  readonly #byToken = new ShardedMap<Token, Claim>()
  #candidates: Claim[] = []

  constructor(agenda: Agenda, ledger: Ledger) {
    this.#agenda = agenda
    this.#ledger = ledger
  }

  get size(): number {
    return this.#byId.size
  }

  get(id: ClaimId): Claim | undefined {
    return this.#byId.get(id)
  }

  withToken(token: Token): Claim | undefined {
    return this.#byToken.get(token)
  }

  values(): IterableIterator<Claim> {
    return this.#byId.values()
  }

  /** `LIMIT` if one more claim on these names would be one too many. */
  checkRoom(names: readonly string[]): Refused | undefined {
    if (this.#byId.size >= LIMITS.claimsMax) return limitReached('claims in the cluster', LIMITS.claimsMax)
    for (const name of names) {
      const count = this.queues.get(name)?.count ?? 0
      if (count >= LIMITS.claimsPerNameMax) return limitReached('claims per name', LIMITS.claimsPerNameMax)
    }
    return undefined
  }

  /** Enters all its queues at their ends; the caller asks whether it can be granted at once. */
  enter(session: SessionId, { slot, seq, names, mode, label }: Acquire, at: number): Claim {
    const token = undefined
    const claim = newClaim({ id: this.nextId++, session, slot, seq, names, mode, label, token, since: at })
    this.#ledger.touch(claim)
    this.#add(claim)
    return claim
  }

  /** As they were recorded, in any order; `onClaim` gets them in the order of their ids. */
  *restoreAll(records: readonly ClaimRecord[], onClaim: (claim: Claim) => void): Steps<void> {
    const holders: Claim[] = []
    yield* forEach(yield* sorted(records, (a, b) => a.id - b.id), (record) => {
      const claim = newClaim(record)
      claim.isRecorded = true
      this.#add(claim)
      if (record.waitUntil !== undefined) this.limitWait(claim, record.waitUntil)
      if (claim.token !== undefined) holders.push(claim)
      onClaim(claim)
    })
    const inOrderOfGrants = yield* sorted(holders, (a, b) => a.token! - b.token!)
    yield* forEach(inOrderOfGrants, (claim) => this.#hold(claim, claim.token!))
  }

  limitWait(claim: Claim, deadline: number): void {
    claim.waitLimit = this.#agenda.add('wait', claim.id, deadline)
  }

  grant(claim: Claim, at: number): Granted {
    assert(isGrantable(claim), 'only a grantable claim is granted', { claim: claim.id })
    this.#ledger.touch(claim)
    this.#endWait(claim)
    const token = this.nextToken++
    claim.since = at
    this.#hold(claim, token)
    for (const place of claim.places) this.#touch(place.queue)
    return { kind: 'granted', claim: claim.id, token }
  }

  leave(claim: Claim): void {
    this.#ledger.remove(claim)
    this.#endWait(claim)
    this.#byId.delete(claim.id)
    if (claim.token !== undefined) this.#byToken.delete(claim.token)
    for (const place of claim.places) {
      this.queues.leave(place)
      this.#touch(place.queue)
    }
  }

  /**
   * Calls `onGrant` for each claim that the changes since the last call let in, in the order of their
   * arrival, whatever their names.
   */
  grantCandidates(at: number, onGrant: (claim: Claim, granted: Granted) => void): void {
    while (this.#candidates.length > 0) {
      const round = this.#candidates.sort((a, b) => a.id - b.id)
      this.#candidates = []
      for (const claim of round) if (isGrantable(claim)) onGrant(claim, this.grant(claim, at))
    }
  }

  #add(claim: Claim): void {
    claim.places = claim.names.map((name) => this.queues.enter(name, claim))
    this.#byId.set(claim.id, claim)
  }

  #hold(claim: Claim, token: Token): void {
    claim.token = token
    this.#byToken.set(token, claim)
    for (const place of claim.places) {
      place.queue.waiting.remove(place)
      place.queue.granted.append(place)
    }
  }

  #touch(queue: Queue): void {
    if (queue.waiting.first !== undefined) this.#candidates.push(queue.waiting.first.claim)
  }

  #endWait(claim: Claim): void {
    if (claim.waitLimit === undefined) return
    this.#agenda.remove(claim.waitLimit)
    claim.waitLimit = undefined
  }
}

function newClaim(record: Omit<ClaimRecord, 'waitUntil'>): Claim {
  const { id, session, slot, seq, names, mode, label, token, since } = record
  const waitLimit = undefined
  return {
    kind: 'claim',
    id,
    session,
    slot,
    seq,
    names,
    mode,
    label,
    places: NOWHERE,
    token,
    since,
    waitLimit,
    isRecorded: false,
    isGone: false,
    page: undefined,
  }
}
