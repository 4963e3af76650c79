import type { ReleaseOutcome } from '../../src/client/held.js'
import type { Lock } from '../../src/client/lock.js'
import { LIMITS } from '../../src/machine/language/limits.js'
import type { ClientFrame, NameState, ServerFrame } from '../../src/protocol/lockkeeper.js'
import { type LoggedClaim, nameState } from './book.js'
import type { FrameWitness } from './client-network.js'
import type { History } from './history.js'
import type { Ledger } from './ledger.js'
import type { Process } from './process.js'
import type { World } from './world.js'

interface Handle {
  readonly lock: Lock
  readonly owner: Process
}

/** What clients were told and believe, compared with what the log says at that very moment: P5, P6, P8, P9. */
export class ClientChecks implements FrameWitness {
  readonly #world: World
  readonly #ledger: Ledger
  readonly #history: History
  /** Handles that have not said that they are over. */
  readonly #handles = new Set<Handle>()
  readonly #hellos = new WeakMap<object, number>()
  readonly #renewals = new WeakMap<object, Map<number, number>>()
  readonly #sessionOf = new WeakMap<object, number>()
  /** True time at which each session's newest acknowledged renewal was sent. */
  readonly #renewalSentMs = new Map<number, number>()

  constructor(world: World, ledger: Ledger, history: History) {
    this.#world = world
    this.#ledger = ledger
    this.#history = history
  }

  /** Who believes to hold something. */
  get holders(): Process[] {
    return [...this.#handles].map(({ owner }) => owner)
  }

  // ---- P6: who believes to hold

  /** A `lock()` call resolved. */
  granted(owner: Process, label: string, lock: Lock): void {
    const claim = this.#ledger.byToken.get(lock.token)
    if (claim === undefined || claim.label !== label)
      this.#history.broken('P5 exactly once: a grant that is not in the log', {
        label,
        token: lock.token,
        claim,
      })
    const handle: Handle = { lock, owner }
    this.#handles.add(handle)
    lock.onStateChange((state) => {
      if (state === 'lost' || state === 'released') this.#handles.delete(handle)
    })
    for (const name of lock.names) this.#checkAlone(handle, name)
  }

  /** The log has just granted this claim, on the first node that knows. */
  passedOn(claim: LoggedClaim): void {
    for (const handle of this.#handles) {
      if (handle.lock.token === claim.token || !handle.owner.awake) continue
      for (const name of handle.lock.names) if (claim.names.includes(name)) this.#tooLate(handle, name, claim)
    }
  }

  /** A client that had been stopped is awake: with the first look at its clock it knows what it has lost. */
  awoke(owner: Process): void {
    for (const handle of [...this.#handles])
      if (handle.owner === owner) for (const name of handle.lock.names) this.#checkAlone(handle, name)
  }

  dead(owner: Process): void {
    for (const handle of [...this.#handles]) if (handle.owner === owner) this.#handles.delete(handle)
  }

  #checkAlone(handle: Handle, name: string): void {
    for (const claim of this.#ledger.holdersOf(name)) {
      if (claim.token === handle.lock.token) continue
      const { state } = handle.lock
      if (state === 'held' || state === 'unsure') this.#tooLate(handle, name, claim)
    }
  }

  #tooLate({ lock, owner }: Handle, name: string, next: LoggedClaim): void {
    this.#history.broken('P6 the holder knows first', {
      name,
      holder: owner.name,
      token: lock.token,
      state: lock.state,
      aborted: lock.signal.aborted,
      next,
    })
  }

  // ---- P5 and P8: what was acknowledged

  released(label: string, token: number, outcome: ReleaseOutcome): void {
    const claim = this.#ledger.byToken.get(token)
    if (outcome === 'released' && claim?.end === undefined)
      this.#history.broken('P5 exactly once: a release was acknowledged that is not in the log', {
        label,
        claim,
      })
  }

  /** After a while in which all was well: of the calls that ended without a lock, nothing is left. */
  leftBehind(labels: Iterable<string>): LoggedClaim | undefined {
    for (const label of labels) {
      const claim = this.#ledger.byLabel.get(label)
      if (claim !== undefined && claim.end === undefined) return claim
    }
    return undefined
  }

  // ---- P9: what a reader was shown

  /** `askedIndex`: the newest entry applied anywhere when the question was asked. */
  read(askedIndex: number, shown: NameState): void {
    const state = nameState(
      shown.holders.map(({ token }) => token),
      shown.waiters.map(({ label }) => label),
    )
    const versions = this.#ledger.versions.get(shown.name) ?? []
    const before = versions.filter(({ index }) => index <= askedIndex).at(-1)?.state ?? nameState([], [])
    const during = versions.filter(({ index }) => index > askedIndex).map((version) => version.state)
    const isCut = shown.waiters.length === LIMITS.claimsShownMax
    const isShown = (version: string): boolean => version === state || (isCut && version.startsWith(state))
    if (![before, ...during].some(isShown))
      this.#history.broken('P9 linearizable reads', { name: shown.name, shown: state, before, during })
  }

  // ---- P7: when renewals were sent, as the network saw it

  sent(connection: object, { hello, requests }: ClientFrame): void {
    if (hello !== undefined) this.#hellos.set(connection, this.#world.nowMs)
    for (const { operation, seq } of requests) {
      if (operation?.$case !== 'renew') continue
      const renewals = this.#renewals.get(connection) ?? new Map<number, number>()
      this.#renewals.set(connection, renewals.set(seq, this.#world.nowMs))
    }
  }

  received(connection: object, { welcome, answers }: ServerFrame): void {
    if (welcome?.session !== undefined) {
      this.#sessionOf.set(connection, welcome.session.id)
      this.#acknowledged(connection, this.#hellos.get(connection))
    }
    for (const { slot, seq, result } of answers) {
      if (slot !== 0 || result?.$case !== 'renewed') continue
      this.#acknowledged(connection, this.#renewals.get(connection)?.get(seq))
    }
  }

  renewalSentMs(session: number): number | undefined {
    return this.#renewalSentMs.get(session)
  }

  #acknowledged(connection: object, sentMs: number | undefined): void {
    const session = this.#sessionOf.get(connection)
    if (session === undefined || sentMs === undefined) return
    const known = this.#renewalSentMs.get(session) ?? 0
    this.#renewalSentMs.set(session, Math.max(known, sentMs))
  }
}
