/**
 * The life of a claim: it enters its queues, waits, is granted, leaves. Whoever leaves or is granted makes
 * the next in line a candidate; `grantCandidates` decides about them once all leaving of one step is done,
 * so that nobody who goes in the same step is granted anything on the way (P4, and fault 45: checked at the
 * moment of the grant).
 */
import type { Agenda } from './agenda.js'
import { assert } from './assert.js'
import { isGrantable, useOf } from './grant-rule.js'
import { BYTES, claimBytes, textBytes } from './held-bytes.js'
import {
  type Acquire,
  type ClaimId,
  type Granted,
  NO_TERMS,
  type Refused,
  type SessionId,
  type Token,
} from './language/command.js'
import { LIMITS } from './language/limits.js'
import { limitReached, otherUse } from './language/refusals.js'
import { type Claim, type Place, type Queue, Queues } from './queues.js'
import type { Ledger } from './records/ledger.js'
import type { ClaimRecord } from './records/records.js'
import { Seats } from './seats.js'
import { ShardedMap } from './sharded-map.js'
import { forEach, type Steps, sorted } from './steps.js'

const SHARED = { kind: 'shared' } as const
/** Above all priorities. Heirs go on counting from the first. */
const RANK = { first: LIMITS.priorityMax + 1, stealing: Number.MAX_SAFE_INTEGER } as const
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
  #dataLength = 0
  #heldBytes = 0
  #candidates: Claim[] = []
  /** The candidates that are being decided about, the first last. */
  #round: Claim[] = []

  constructor(agenda: Agenda, ledger: Ledger) {
    this.#agenda = agenda
    this.#ledger = ledger
  }

  get size(): number {
    return this.#byId.size
  }

  /** Characters of data of all claims. */
  get dataLength(): number {
    return this.#dataLength
  }

  /** What claims and names take of the heap: see `BYTES`. */
  get heldBytes(): number {
    return this.#heldBytes + this.queues.size * BYTES.queue
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

  /** `LIMIT` if one more claim would be one too many, `CONFLICT` if a name is in other use. */
  checkRoom({ names, mode, terms = NO_TERMS }: Acquire): Refused | undefined {
    if (this.#byId.size >= LIMITS.claimsMax) return limitReached('claims in the cluster', LIMITS.claimsMax)
    for (const name of names) {
      const queue = this.queues.get(name)
      if (queue === undefined) continue
      if (queue.count >= LIMITS.claimsPerNameMax)
        return limitReached('claims per name', LIMITS.claimsPerNameMax)
      if (mode.kind === 'member') continue
      const known = (queue.granted.first ?? queue.waiting.first)?.claim
      if (known !== undefined && useOf(known) !== useOf({ mode, terms })) return otherUse(name, useOf(known))
    }
    return undefined
  }

  /** Enters all its queues, each behind those of its rank; the caller asks whether it can be granted at once. */
  enter(session: SessionId, { slot, seq, names, mode, label, terms = NO_TERMS }: Acquire, at: number): Claim {
    const rank = terms.steal ? RANK.stealing : terms.upgrades > 0 ? RANK.first : terms.priority
    const claim = newClaim({
      id: this.nextId++,
      session,
      slot,
      seq,
      names,
      mode,
      label,
      // Data may be replaced, and what is not counted any more must not be kept.
      terms: terms.data === '' ? terms : { ...terms, data: '' },
      data: terms.data,
      rank,
      holds: 1,
      seats: undefined,
      token: undefined,
      since: at,
    })
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
    for (const place of claim.places) this.reconsider(place.queue)
    return grantOf(claim)
  }

  /** Before all others in its queues, an earlier successor too, but behind claims with `steal` that wait for the last holder. */
  promote(claim: Claim): void {
    this.#ledger.touch(claim)
    const ranks = claim.places.map(({ queue }) => queue.waiting.first!.claim.rank)
    for (const place of claim.places) place.queue.waiting.remove(place)
    claim.rank = Math.max(RANK.first, ...ranks.map((rank) => Math.min(rank + 1, RANK.stealing - 1)))
    for (const place of claim.places) place.queue.waiting.enter(place)
  }

  /** Its owner has it so many times from now on. */
  holdTimes(claim: Claim, holds: number): void {
    this.#ledger.touch(claim)
    claim.holds = holds
  }

  update(claim: Claim, data: string): void {
    this.#ledger.touch(claim)
    this.#dataLength += data.length - claim.data.length
    this.#heldBytes += textBytes(data) - textBytes(claim.data)
    claim.data = data
  }

  /** Others may share with it from now on. */
  share(claim: Claim): void {
    this.#ledger.touch(claim)
    claim.mode = SHARED
    for (const place of claim.places) this.reconsider(place.queue)
  }

  /** Some may be granted, or have to go, that nobody has looked at yet. */
  get hasCandidates(): boolean {
    return this.#round.length + this.#candidates.length > 0
  }

  /** Those of this round, the first last, and those that come after. */
  get candidates(): readonly (readonly ClaimId[])[] {
    return [this.#round, this.#candidates].map((claims) => claims.map(({ id }) => id))
  }

  restoreCandidates([round, candidates]: readonly (readonly ClaimId[])[]): void {
    this.#round = round!.map((id) => this.#byId.get(id)!)
    this.#candidates = candidates!.map((id) => this.#byId.get(id)!)
  }

  /** What is left of the candidates is what a record of them has. */
  dropGoneCandidates(): void {
    if (!this.hasCandidates) return
    const waits = ({ isGone, token }: Claim): boolean => !isGone && token === undefined
    this.#round = this.#round.filter(waits)
    this.#candidates = this.#candidates.filter(waits)
  }

  /** Something that kept the queue from granting may be over. */
  reconsider(queue: Queue): void {
    if (queue.waiting.first !== undefined) this.#candidates.push(queue.waiting.first.claim)
  }

  leave(claim: Claim): void {
    this.#ledger.remove(claim)
    this.#endWait(claim)
    this.#byId.delete(claim.id)
    this.#dataLength -= claim.data.length
    this.#heldBytes -= claimBytes(claim)
    if (claim.token !== undefined) this.#byToken.delete(claim.token)
    for (const place of claim.places) {
      if (claim.mode.kind === 'permits' && claim.token !== undefined) vacate(place.queue, claim)
      this.queues.leave(place)
      this.reconsider(place.queue)
    }
    // What happened to it is remembered for a while; where it stood need not be.
    claim.places = NOWHERE
  }

  /**
   * Of those that wait and that the changes so far may have let in, the one that arrived first, whatever its names. Those who
   * are let in by a grant come after all who were let in before it.
   */
  nextCandidate(): Claim | undefined {
    for (;;) {
      const claim = this.#round.pop()
      if (claim !== undefined && !claim.isGone && claim.token === undefined) return claim
      if (claim !== undefined) continue
      if (this.#candidates.length === 0) return undefined
      this.#round = this.#candidates.sort((a, b) => b.id - a.id)
      this.#candidates = []
    }
  }

  #add(claim: Claim): void {
    claim.places = claim.names.map((name) => this.queues.enter(name, claim))
    this.#byId.set(claim.id, claim)
    this.#dataLength += claim.data.length
    this.#heldBytes += claimBytes(claim)
  }

  #hold(claim: Claim, token: Token): void {
    for (const place of claim.places) {
      place.queue.waiting.remove(place)
      if (claim.mode.kind === 'permits') seat(place.queue, claim, claim.mode)
    }
    claim.token = token
    this.#byToken.set(token, claim)
    for (const place of claim.places) place.queue.lineOf(claim).append(place)
  }

  #endWait(claim: Claim): void {
    if (claim.waitLimit === undefined) return
    this.#agenda.remove(claim.waitLimit)
    claim.waitLimit = undefined
  }
}

/** An heir, or one that upgrades. */
export function isBeforeAll(claim: Claim | undefined): boolean {
  return claim !== undefined && claim.rank >= RANK.first
}

/** What its holder is told. */
export function grantOf({ id, token, seats }: Claim): Granted {
  const granted = { kind: 'granted', claim: id, token: token! } as const
  return seats === undefined ? granted : { ...granted, seats }
}

/** Gives the claim its seats, or those that it had. */
function seat(queue: Queue, claim: Claim, { permits, of }: { permits: number; of: number }): void {
  queue.seats ??= new Seats(of)
  if (claim.seats === undefined) claim.seats = queue.seats.take(permits)
  else queue.seats.occupy(claim.seats)
}

function vacate(queue: Queue, claim: Claim): void {
  queue.seats!.giveBack(claim.seats!)
  if (queue.seats!.isUnused) queue.seats = undefined
}

function newClaim(record: Omit<ClaimRecord, 'waitUntil'>): Claim {
  const { id, session, slot, seq, names, mode, label, terms, data, rank, holds, seats, token, since } = record
  return {
    kind: 'claim',
    id,
    session,
    slot,
    seq,
    names,
    mode,
    label,
    terms,
    data,
    rank,
    holds,
    seats,
    places: NOWHERE,
    token,
    since,
    waitLimit: undefined,
    previousOfSession: undefined,
    nextOfSession: undefined,
    isRecorded: false,
    isGone: false,
    page: undefined,
  }
}
